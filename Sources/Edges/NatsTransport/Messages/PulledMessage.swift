package import Primitives

/// JetStream's data about a message that a consumer delivers. The reply subject contains them.
package struct PulledMessage: Equatable, Sendable {
    /// The places of the names in the subject. They are not copied.
    package let stream: Range<Int>
    package let consumer: Range<Int>
    package let streamSequence: UInt64
    package let consumerSequence: UInt64
    /// When the stream stored the message.
    package let time: Timestamp
    /// The number of messages of the consumer that were still to come when this one was sent.
    package let pending: UInt64

    /// Reads both shapes of an acknowledgement subject; `nil` for any other subject.
    ///
    ///     $JS.ACK.<stream>.<consumer>.<delivered>.<sseq>.<cseq>.<time>.<pending>
    ///     $JS.ACK.<domain>.<account>.<the same seven>[.<random>]
    package init?(ofReplySubject subject: RawSpan) {
        guard subject.byteCount > 8, subject.uint64(at: 0) == Self.prefix else { return nil }
        let dot = UInt8(ascii: ".")
        var dots = 0
        for offset in 0..<subject.byteCount where subject.uint8(at: offset) == dot {
            dots += 1
        }
        guard dots == 8 || dots == 10 || dots == 11,
            let end = dots == 11
                ? subject.lastIndex(of: dot, before: subject.byteCount) : subject.byteCount,
            let pending = subject.lastNumber(before: end, behind: dot),
            let time = subject.lastNumber(before: pending.separator, behind: dot),
            let consumerSequence = subject.lastNumber(before: time.separator, behind: dot),
            let streamSequence = subject.lastNumber(
                before: consumerSequence.separator, behind: dot),
            let delivered = subject.lastNumber(
                before: streamSequence.separator, behind: dot),
            let behindStream = subject.lastIndex(of: dot, before: delivered.separator),
            let beforeStream = subject.lastIndex(of: dot, before: behindStream),
            let nanoseconds = Int64(exactly: time.value)
        else { return nil }
        stream = beforeStream + 1..<behindStream
        consumer = behindStream + 1..<delivered.separator
        guard !stream.isEmpty, !consumer.isEmpty else { return nil }
        self.streamSequence = streamSequence.value
        self.consumerSequence = consumerSequence.value
        self.time = Timestamp(nanoseconds: nanoseconds)
        self.pending = pending.value
    }

    /// "$JS.ACK." as an integer in memory order.
    private static let prefix: UInt64 = 0x2E4B_4341_2E53_4A24
}
