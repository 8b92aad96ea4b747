internal import Primitives

/// A message that is queued, with what the truth log needs about it.
struct QueuedMessage: Sendable {
    /// `trade`, `answer`, `shutdown`, `ping`, `pong`, `close` or `http`.
    var kind: String
    var trade: ExchangeTrade?
}

/// The bytes queued for one client. A message becomes part of the truth log when its last byte has
/// been sent.
struct OutgoingBytes: Sendable {
    private var bytes: [UInt8] = []
    private var sent = 0
    /// The offset of the first queued byte, counted from the connection's first byte.
    private var base = 0
    private var marks: [(end: Int, message: QueuedMessage)] = []
    private var nextMark = 0
    /// The connection is closed after this many bytes.
    private var closesAt: Int?
    /// Only half of the next trade is to be sent.
    private(set) var cutsNextTrade = false

    var waiting: Int { bytes.count - sent }
    private var end: Int { base + bytes.count }
    private var position: Int { base + sent }
    /// True if nothing more will be sent.
    var isClosed: Bool { closesAt.map { position >= $0 } ?? false }
    var isClosing: Bool { closesAt != nil }

    /// Appends a message. It is dropped if it would begin after the end of the connection.
    mutating func append(_ message: QueuedMessage, _ write: (inout [UInt8]) -> Void) {
        if let closesAt, end >= closesAt { return }
        let start = end
        write(&bytes)
        marks.append((end, message))
        if cutsNextTrade, message.trade != nil {
            cutsNextTrade = false
            close(at: start + (end - start) / 2)
        }
    }

    /// Appends bytes that are not a message.
    mutating func append(raw more: [UInt8]) { bytes += more }

    mutating func closeWhenSent() { close(at: end) }
    mutating func closeNow() { close(at: position) }
    mutating func cutNextTrade() { cutsNextTrade = true }

    private mutating func close(at offset: Int) { closesAt = min(offset, closesAt ?? offset) }

    /// How many bytes may be sent now.
    var allowance: Int { min(waiting, closesAt.map { max(0, $0 - position) } ?? waiting) }

    func first(_ count: Int) -> ArraySlice<UInt8> { bytes[sent..<sent + count] }

    /// Takes note that `count` bytes were sent. Returns the messages that these bytes complete.
    mutating func took(_ count: Int) -> [QueuedMessage] {
        sent += count
        var complete: [QueuedMessage] = []
        while nextMark < marks.count, marks[nextMark].end <= position {
            complete.append(marks[nextMark].message)
            nextMark += 1
        }
        if sent == bytes.count || sent > 1 << 18 {
            base += sent
            bytes.removeFirst(sent)
            sent = 0
            marks.removeFirst(nextMark)
            nextMark = 0
        }
        return complete
    }
}
