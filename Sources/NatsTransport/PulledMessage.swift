public import Primitives

/// What JetStream tells about a message that a consumer delivers: it stands in the reply subject.
public struct PulledMessage: Equatable, Sendable {
    public let stream: String
    public let consumer: String
    public let streamSequence: UInt64
    public let consumerSequence: UInt64
    /// When the stream stored the message.
    public let time: Timestamp
    /// How many messages of the consumer were behind this one when it was sent.
    public let pending: UInt64

    /// Reads both shapes of an acknowledgement subject; nil for any other subject.
    ///
    ///     $JS.ACK.<stream>.<consumer>.<delivered>.<sseq>.<cseq>.<time>.<pending>
    ///     $JS.ACK.<domain>.<account>.<the same seven>[.<random>]
    public static func metadata(ofReplySubject subject: String) -> PulledMessage? {
        let tokens = subject.utf8.split(
            separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard tokens.count == 9 || tokens.count == 11 || tokens.count == 12,
            tokens[0].elementsEqual("$JS".utf8), tokens[1].elementsEqual("ACK".utf8)
        else { return nil }
        let first = tokens.count == 9 ? 2 : 4
        guard let stream = String(tokens[first]), !stream.isEmpty,
            let consumer = String(tokens[first + 1]), !consumer.isEmpty,
            number(tokens[first + 2]) != nil,
            let streamSequence = number(tokens[first + 3]),
            let consumerSequence = number(tokens[first + 4]),
            let time = number(tokens[first + 5]).flatMap({ Int64(exactly: $0) }),
            let pending = number(tokens[first + 6])
        else { return nil }
        return PulledMessage(
            stream: stream, consumer: consumer, streamSequence: streamSequence,
            consumerSequence: consumerSequence, time: Timestamp(nanoseconds: time),
            pending: pending)
    }

    private static func number(_ token: Substring.UTF8View) -> UInt64? {
        guard !token.isEmpty, token.count <= 20 else { return nil }
        var value: UInt64 = 0
        for byte in token {
            guard (0x30...0x39).contains(byte) else { return nil }
            let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(UInt64(byte - 0x30))
            if overflow || carry { return nil }
            value = sum
        }
        return value
    }
}
