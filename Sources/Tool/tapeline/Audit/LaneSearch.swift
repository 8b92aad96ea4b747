import NatsTransport
import Primitives
import TapeCodec

/// Finds the packets of one subject of the tape by the ordinals of their records. Ordinals have to
/// be asked for in rising order.
///
/// It needs no consumer and no time: ordinals only rise on a subject, so a binary search finds the
/// packet of a far one, and from there it walks. So what is not on the tape any more costs a few
/// requests, and a packet that cannot be read concerns only the records in it.
struct LaneSearch {
    /// What was found for an ordinal.
    enum Finding {
        case packet(StoredMessage, PacketHeader)
        /// The tape begins later, ends earlier, or has lost it.
        case absent
        /// The packets at its place cannot be read; the sequence of one of them.
        case damaged(UInt64)
    }

    /// An ordinal further ahead is searched for, a nearer one is walked to.
    static let nearOrdinals: UInt64 = 4_096

    private let jetStream: JetStream
    private let stream: String
    private let subject: String
    private let bounds: ClosedRange<UInt64>
    private var walk: MessageWalk
    private var messages: ArraySlice<StoredMessage> = []
    private var current: (message: StoredMessage, header: PacketHeader)?
    /// A packet before `current` and after the readable one before it, that cannot be read.
    private var damaged: UInt64?
    /// The first ordinal on the subject; 0 when its packet cannot be read.
    let begin: UInt64
    /// The highest time at which the tape took a packet since the last search; undefined before.
    private(set) var highest = Timestamp.undefined
    /// How often packets were left out on the way.
    private(set) var searches = 0

    /// Returns `nil` when the subject has no packet.
    init?(_ jetStream: JetStream, stream: String, subject: String) throws(JetStreamError) {
        guard
            let first = try jetStream.firstMessage(stream: stream, from: 1, subject: subject),
            let last = try jetStream.lastMessage(stream: stream, subject: subject),
            first.sequence <= last.sequence
        else { return nil }
        self.jetStream = jetStream
        self.stream = stream
        self.subject = subject
        bounds = first.sequence...last.sequence
        begin = Self.header(first)?.firstOrdinal ?? 0
        walk = MessageWalk(
            stream: stream, subject: subject, from: first.sequence, through: last.sequence)
    }

    mutating func find(_ ordinal: UInt64) throws(JetStreamError) -> Finding {
        guard ordinal >= begin else { return .absent }
        let reached = current?.header.nextOrdinal ?? begin
        if ordinal > reached, ordinal - reached > Self.nearOrdinals { try search(ordinal) }
        while current.map({ $0.header.nextOrdinal <= ordinal }) ?? true {
            guard try step() else { return damaged.map { .damaged($0) } ?? .absent }
        }
        guard let (message, header) = current else { return .absent }
        if header.firstOrdinal <= ordinal { return .packet(message, header) }
        return damaged.map { .damaged($0) } ?? .absent
    }

    /// Goes on to the next packet that can be read. Returns false at the end.
    private mutating func step() throws(JetStreamError) -> Bool {
        // What was damaged before a packet that is left behind is of no interest.
        if current != nil { damaged = nil }
        while true {
            if messages.isEmpty { messages = try walk.step(jetStream)[...] }
            guard let message = messages.popFirst() else { return false }
            highest = highest.isDefined ? max(highest, message.time) : message.time
            if let header = Self.header(message) {
                current = (message, header)
                return true
            }
            damaged = message.sequence
        }
    }

    /// Continues right at the first packet that ends after the ordinal.
    private mutating func search(_ ordinal: UInt64) throws(JetStreamError) {
        var (low, high) = (current?.message.sequence ?? bounds.lowerBound, bounds.upperBound)
        while low < high {
            let middle = low + (high - low) / 2
            let found = try jetStream.firstMessage(
                stream: stream, from: middle, subject: subject)
            // From a packet that cannot be read, the walk goes on.
            guard let found, let header = Self.header(found), header.nextOrdinal <= ordinal else {
                high = middle
                continue
            }
            low = max(middle, found.sequence) + 1
        }
        walk = MessageWalk(
            stream: stream, subject: subject, from: low, through: bounds.upperBound)
        (messages, current, damaged, highest) = ([], nil, nil, .undefined)
        searches += 1
    }

    private static func header(_ message: StoredMessage) -> PacketHeader? {
        do throws(PacketError) {
            return try message.payload.withRawSpan { (packet) throws(PacketError) in
                try PacketReader.validate(packet)
            }
        } catch {
            return nil
        }
    }
}
