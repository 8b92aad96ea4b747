import Primitives

/// Walks over the messages of a stream whose subject a filter takes, in the stream's order, with
/// many requests under way at once.
///
/// It needs no consumer, and so no right to make one: each message is asked for by its own request,
/// which the stream's leader answers. Each request names one sequence and is answered by the first
/// message there or behind it; where messages of other subjects stand between, several requests get
/// the same one, and fewer are asked for next time.
public struct MessageWalk: Equatable, Sendable {
    /// Requests that are under way at once.
    public static let windowMax = 128
    /// Of their answers; fewer are asked for when messages are long.
    static let bytesMax = 16 * 1024 * 1024
    private static let windowFirst = 8

    public let stream: String
    public let subject: String
    /// All of them are asked for up to here; what is stored later is none of them.
    public let last: UInt64
    private var next: UInt64
    private var window = Self.windowFirst
    public private(set) var isOver: Bool

    public init(stream: String, subject: String, from: UInt64, through last: UInt64) {
        self.stream = stream
        self.subject = subject
        // No stream has so many; there is a sequence behind each that is asked for.
        self.last = min(last, UInt64.max - 1)
        next = max(1, from)
        isOver = next > self.last
    }

    /// The next ones; none: it is over. Blocks for one round of requests, up to the timeout. After
    /// an error the same ones can be asked for again.
    public mutating func step(_ jetStream: JetStream) throws(JetStreamError) -> [StoredMessage] {
        guard !isOver else { return [] }
        let count = min(UInt64(window), last - next + 1)
        // What does not come in time may come when less is asked for.
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
    /// `firstMessage` from each of the sequences, all asked at once and waited for within one
    /// timeout.
    func firstMessages(
        stream: String, from sequences: Range<UInt64>, subject: String
    ) throws(JetStreamError) -> [StoredMessage?] {
        let operation =
            "read messages from \(sequences.lowerBound) on \(subject) of stream \(stream)"
        try requireToken(stream, operation)
        let path = "$JS.API.STREAM.MSG.GET.\(stream)"
        var numbers: [UInt64] = []
        numbers.reserveCapacity(sequences.count)
        // Also of those that nobody waits for when one has failed.
        defer { for number in numbers { connection.requests.forget(number) } }
        onCall(timeout)
        let deadline = ContinuousClock.now + timeout
        do throws(NatsError) {
            for sequence in sequences {
                var body = JSONWriter(capacity: 96)
                body.object {
                    $0.member("seq", sequence)
                    $0.member("next_by_subj", subject)
                }
                numbers.append(try connection.beginRequest(body.bytes, to: path, headers: []))
            }
        } catch {
            throw failure(error, operation)
        }
        var messages: [StoredMessage?] = []
        messages.reserveCapacity(numbers.count)
        for number in numbers {
            let reply: NatsMessage
            do throws(NatsError) {
                reply = try connection.finishRequest(
                    number, to: path, timeout: max(.zero, deadline - .now))
            } catch {
                throw failure(error, operation)
            }
            messages.append(try storedMessage(in: reply, operation))
        }
        return messages
    }
}
