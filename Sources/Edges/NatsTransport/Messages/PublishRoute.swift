internal import CNats
import Primitives

/// A subject and the prefix of its answers, checked once for all the packets that use them.
package struct PublishRoute: Sendable {
    package let subject: String
    /// The prefix, a dot, up to twenty digits and a NUL.
    private var reply: [UInt8]
    private let digitsStart: Int

    private static let digitsMax = 20

    /// Answers come to `<replyPrefix>.<number of the packet>`.
    package init(subject: String, replyPrefix: String) throws(NatsError) {
        for text in [subject, replyPrefix] {
            guard let problem = NatsSubject.problem(text, .literal) else { continue }
            throw NatsError(
                NATS_INVALID_SUBJECT, "publish to \(subject.debugDescription)", peer: "no server",
                detail: problem)
        }
        self.subject = subject
        reply = Array("\(replyPrefix).".utf8)
        digitsStart = reply.count
        reply.append(contentsOf: repeatElement(0, count: Self.digitsMax + 1))
    }

    /// Writes the number into the place of the digits.
    mutating func number(_ number: UInt64) {
        var digits = 1
        var rest = number / 10
        while rest > 0 {
            digits += 1
            rest /= 10
        }
        rest = number
        for offset in (digitsStart..<digitsStart + digits).reversed() {
            reply[offset] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        reply[digitsStart + digits] = 0
    }

    /// Returns a new message of libnats. The caller destroys it.
    func message(
        _ payload: RawSpan, expectedLastSubjectSequence: UInt64, peer: String
    ) throws(NatsError) -> OpaquePointer {
        var message: OpaquePointer?
        var status = unsafe payload.withUnsafeBytes { bytes in
            unsafe reply.withUnsafeBytes { reply in
                unsafe natsMsg_Create(
                    &message, subject, reply.baseAddress?.assumingMemoryBound(to: CChar.self),
                    bytes.baseAddress?.assumingMemoryBound(to: CChar.self),
                    Int32(clamping: bytes.count))
            }
        }
        if status == NATS_OK {
            status = unsafe natsMsgHeader_Set(
                message, Self.header, String(expectedLastSubjectSequence))
        }
        guard status == NATS_OK, let made = unsafe message else {
            unsafe natsMsg_Destroy(message)
            throw NatsError(status, "make a message for \(subject)", peer: peer)
        }
        return unsafe made
    }

    static let header = "Nats-Expected-Last-Subject-Sequence"
    /// The most bytes of the header block on the wire.
    static let headerBytesMax = header.utf8.count + digitsMax + 20
}
