package import Primitives

/// What the truth log says about a message that is queued.
package struct QueuedMessage: Sendable {
    /// `answer`, `shutdown`, `ping`, `pong`, `close`, `http`, `fault`, or the kind of a record.
    package let kind: String
    /// The members of its line, as JSON without braces; empty: none.
    package let details: String
    /// It is a record of the market, and not an answer.
    package let isRecord: Bool

    /// A message that is no record.
    package init(kind: String) { (self.kind, details, isRecord) = (kind, "", false) }

    /// A message that is no record, with parts of its line.
    init(kind: String, details: [String]) {
        (self.kind, isRecord) = (kind, false)
        self.details = details.filter { !$0.isEmpty }.joined(separator: ",")
    }

    /// A record; `members` are written if the truth log is wanted.
    package init(
        record kind: String, isLogged: Bool, _ members: (inout JSONWriter) -> Void
    ) {
        (self.kind, isRecord) = (kind, true)
        guard isLogged else {
            details = ""
            return
        }
        details = JSONWriter.members(members)
    }
}

extension JSONWriter {
    /// Returns the members of an object without its braces.
    static func members(_ members: (inout JSONWriter) -> Void) -> String {
        var writer = JSONWriter()
        writer.object(members)
        return String(decoding: writer.bytes.dropFirst().dropLast(), as: UTF8.self)
    }
}

/// The bytes queued for one client. A message becomes part of the truth log when its last byte has
/// been sent.
package struct OutgoingBytes: Sendable {
    private var bytes: [UInt8] = []
    private var sent = 0
    /// The offset of the first queued byte, counted from the connection's first byte.
    private var base = 0
    private var marks: [(end: Int, message: QueuedMessage)] = []
    private var nextMark = 0
    /// The connection is closed after this many bytes.
    private var closesAt: Int?
    /// Only half of the next record is to be sent.
    private var cutsNextRecord = false

    package init() {}

    package var waiting: Int { bytes.count - sent }
    private var end: Int { base + bytes.count }
    private var position: Int { base + sent }
    /// True if nothing more will be sent.
    package var isClosed: Bool { closesAt.map { position >= $0 } ?? false }
    package var isClosing: Bool { closesAt != nil }

    /// Appends the bytes of one message, which may carry several records. They are dropped if they
    /// would begin after the end of the connection.
    package mutating func append(
        _ messages: [QueuedMessage], _ write: (inout [UInt8]) -> Void
    ) {
        if let closesAt, end >= closesAt { return }
        let start = end
        write(&bytes)
        for message in messages { marks.append((end, message)) }
        if cutsNextRecord, messages.contains(where: \.isRecord) {
            cutsNextRecord = false
            close(at: start + (end - start) / 2)
        }
    }

    /// Appends bytes that are not a message.
    mutating func append(raw more: [UInt8]) { bytes += more }

    package mutating func closeWhenSent() { close(at: end) }
    package mutating func closeNow() { close(at: position) }
    mutating func cutNextRecord() { cutsNextRecord = true }

    private mutating func close(at offset: Int) { closesAt = min(offset, closesAt ?? offset) }

    /// How many bytes may be sent now.
    package var allowance: Int { min(waiting, closesAt.map { max(0, $0 - position) } ?? waiting) }

    package func first(_ count: Int) -> ArraySlice<UInt8> { bytes[sent..<sent + count] }

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
