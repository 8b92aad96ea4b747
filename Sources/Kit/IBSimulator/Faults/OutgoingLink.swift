internal import Primitives

/// A message on its way, and what the truth log has to know of it.
struct QueuedMessage: Sendable {
    var message: ServerMessage
    /// The instrument's place; nil: none.
    var instrument: Int?
}

/// The bytes that wait for one client, and the faults of its connection. A message is true when its
/// last byte has gone.
struct OutgoingLink: Sendable {
    private var bytes: [UInt8] = []
    private var sent = 0
    /// Offsets count from the connection's first byte.
    private var base = 0
    private var marks: [(end: Int, message: QueuedMessage)] = []
    private var nextMark = 0

    /// No byte goes before.
    var stalledUntil: Timestamp?
    var isByteAtATime = false
    /// After so many bytes of the connection it is closed.
    private(set) var closesAt: Int?
    /// The next message goes out by half.
    private var cutsNext = false

    var waiting: Int { bytes.count - sent }
    private var end: Int { base + bytes.count }
    private var position: Int { base + sent }

    /// Nothing goes out any more.
    var isClosed: Bool { closesAt.map { position >= $0 } ?? false }

    /// What would come behind the end of the connection is dropped.
    mutating func append(_ message: QueuedMessage) {
        if let closesAt, end >= closesAt { return }
        let start = end
        message.message.appendFrame(to: &bytes)
        marks.append((end, message))
        if cutsNext {
            cutsNext = false
            close(at: start + (end - start) / 2)
        }
    }

    /// Bytes that are no message.
    mutating func append(raw more: [UInt8]) { bytes += more }

    // MARK: faults

    /// What waits goes out before.
    mutating func closeWhenSent() { close(at: end) }
    mutating func close(after count: Int) { close(at: position + count) }
    mutating func closeNow() { close(at: position) }
    mutating func cutNextMessage() { cutsNext = true }

    private mutating func close(at offset: Int) {
        closesAt = min(offset, closesAt ?? offset)
    }

    // MARK: sending

    /// So many of the first bytes may go now.
    func allowance(now: Timestamp) -> Int {
        if let stalledUntil, now < stalledUntil { return 0 }
        let open = min(waiting, closesAt.map { max(0, $0 - position) } ?? waiting)
        return isByteAtATime ? min(open, 1) : open
    }

    /// When the stall ends.
    func resumesAt(now: Timestamp) -> Timestamp? {
        stalledUntil.flatMap { now < $0 && waiting > 0 ? $0 : nil }
    }

    func first(_ count: Int) -> ArraySlice<UInt8> { bytes[sent..<sent + count] }

    /// The messages that are complete by these bytes.
    mutating func took(_ count: Int) -> [QueuedMessage] {
        sent += count
        var complete: [QueuedMessage] = []
        while nextMark < marks.count, marks[nextMark].end <= position {
            complete.append(marks[nextMark].message)
            nextMark += 1
        }
        compact()
        return complete
    }

    private mutating func compact() {
        guard sent == bytes.count || sent > 1 << 18 else { return }
        base += sent
        bytes.removeFirst(sent)
        sent = 0
        marks.removeFirst(nextMark)
        nextMark = 0
    }
}
