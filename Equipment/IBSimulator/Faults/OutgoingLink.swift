internal import Primitives

/// A queued message, with what the truth log needs about it.
struct QueuedMessage: Sendable {
    var message: ServerMessage
    /// The instrument's index; `nil` if there is none.
    var instrument: Int?
}

/// The bytes queued for one client, and the faults of its connection. A message becomes part of the
/// truth log when its last byte has been sent.
struct OutgoingLink: Sendable {
    private var bytes: [UInt8] = []
    private var sent = 0
    /// The offset of the first queued byte, counted from the connection's first byte.
    private var base = 0
    private var marks: [(end: Int, message: QueuedMessage)] = []
    private var nextMark = 0

    /// No byte is sent before this time.
    var stalledUntil: Timestamp?
    var isByteAtATime = false
    /// The connection is closed after this many bytes.
    private(set) var closesAt: Int?
    /// True if only half of the next message is to be sent.
    private var cutsNext = false

    var waiting: Int { bytes.count - sent }
    private var end: Int { base + bytes.count }
    private var position: Int { base + sent }

    /// True if nothing more will be sent.
    var isClosed: Bool { closesAt.map { position >= $0 } ?? false }

    /// Appends a message. It is dropped if it would begin after the end of the connection.
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

    /// Appends bytes that are not a message.
    mutating func append(raw more: [UInt8]) { bytes += more }

    // MARK: faults

    /// Closes the connection once all queued bytes are sent.
    mutating func closeWhenSent() { close(at: end) }
    mutating func close(after count: Int) { close(at: position + count) }
    mutating func closeNow() { close(at: position) }
    mutating func cutNextMessage() { cutsNext = true }

    private mutating func close(at offset: Int) {
        closesAt = min(offset, closesAt ?? offset)
    }

    // MARK: sending

    /// Returns how many of the first bytes may be sent now.
    func allowance(now: Timestamp) -> Int {
        if let stalledUntil, now < stalledUntil { return 0 }
        let open = min(waiting, closesAt.map { max(0, $0 - position) } ?? waiting)
        return isByteAtATime ? min(open, 1) : open
    }

    func first(_ count: Int) -> ArraySlice<UInt8> { bytes[sent..<sent + count] }

    /// Takes note that `count` bytes were sent. Returns the messages that these bytes complete.
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
