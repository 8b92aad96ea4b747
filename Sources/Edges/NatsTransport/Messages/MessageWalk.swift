import Primitives

/// Walks over the messages of a stream whose subject matches a filter, in the stream's order, with
/// many requests at the same time.
///
/// It needs no consumer, and so no permission to make one: each message is requested separately,
/// and the stream's leader answers. Each request names one sequence and gets the first message
/// there or after it. Where messages of other subjects lie between, several requests get the same
/// message, and the next round sends fewer.
package struct MessageWalk: Equatable, Sendable {
    /// The most requests at the same time.
    package static let windowMax = 128
    /// The bound of their answers. Fewer messages are requested when messages are long.
    static let bytesMax = 16 * 1024 * 1024
    private static let windowFirst = 8

    package let stream: String
    package let subject: String
    /// The last sequence that is requested. Messages that are stored later are not returned.
    package let last: UInt64
    private var next: UInt64
    private var window = Self.windowFirst
    package private(set) var isOver: Bool

    package init(stream: String, subject: String, from: UInt64, through last: UInt64) {
        self.stream = stream
        self.subject = subject
        // No stream has so many messages, and each requested sequence must have a next one.
        self.last = min(last, UInt64.max - 1)
        next = max(1, from)
        isOver = next > self.last
    }

    /// Returns the next messages; an empty result is the end. It blocks for one round of requests,
    /// up to the timeout. After an error the same messages can be requested again.
    package mutating func step(_ jetStream: JetStream) throws(JetStreamError) -> [StoredMessage] {
        guard !isOver else { return [] }
        let count = min(UInt64(window), last - next + 1)
        // Answers that do not come in time may come when fewer are requested.
        window = max(1, window / 2)
        let answers = try jetStream.firstMessages(
            stream: stream, from: next..<next + count, subject: subject)
        var found: [StoredMessage] = []
        found.reserveCapacity(answers.count)
        for message in answers {
            guard let message, message.sequence <= last else {
                isOver = true
                break
            }
            guard message.sequence >= next else { continue }
            found.append(message)
            next = message.sequence + 1
        }
        if next > last { isOver = true }
        let longest = found.reduce(1) { max($0, $1.payload.count) }
        window = max(1, min(Self.windowMax, 2 * found.count, Self.bytesMax / longest))
        return found
    }
}

extension JetStream {
    /// Calls `firstMessage` for each of the sequences. All are requested at the same time and
    /// awaited within one timeout.
    func firstMessages(
        stream: String, from sequences: Range<UInt64>, subject: String
    ) throws(JetStreamError) -> [StoredMessage?] {
        let operation =
            "read messages from \(sequences.lowerBound) on \(subject) of stream \(stream)"
        return try storedMessages(operation, round: 0..<sequences.count) { place, body in
            body.member("seq", sequences.lowerBound + UInt64(place))
            body.member("next_by_subj", subject)
            return stream
        }
    }
}
