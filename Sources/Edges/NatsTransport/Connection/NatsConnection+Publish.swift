internal import CNats
import Primitives

extension NatsConnection {
    /// Hands the payload to the kernel before it returns. Only an answer on `replyTo` can show what
    /// becomes of it. Waits at most `NatsLimits.writeDeadline`.
    package func publish(
        _ payload: RawSpan, to subject: String, replyTo: String? = nil
    ) throws(NatsError) {
        let byteCount = try admitted(payload, to: subject, replyTo: replyTo)
        let handle = unsafe handle
        let status = unsafe payload.withUnsafeBytes { bytes in
            guard let replyTo else {
                return unsafe natsConnection_Publish(handle, subject, bytes.baseAddress, byteCount)
            }
            return unsafe natsConnection_PublishRequest(
                handle, subject, replyTo, bytes.baseAddress, byteCount)
        }
        try finish(status, subject)
    }

    package func publish(
        _ payload: [UInt8], to subject: String, replyTo: String? = nil
    ) throws(NatsError) {
        try payload.withRawSpan { span throws(NatsError) in
            try publish(span, to: subject, replyTo: replyTo)
        }
    }

    /// Asks JetStream to store the message only if `expectedLastSubjectSequence` is the sequence of
    /// the subject's last message (0: there is none), and to send the answer to the reply subject
    /// with the packet's number. See `JetStream.publishOutcome`.
    package func publish(
        _ payload: RawSpan, on route: inout PublishRoute, number: UInt64,
        expectedLastSubjectSequence: UInt64
    ) throws(NatsError) {
        try requireLink("publish to \(route.subject)")
        let total = payload.byteCount + PublishRoute.headerBytesMax
        guard total <= maxPayloadBytes else {
            throw error(
                NATS_MAX_PAYLOAD, "publish to \(route.subject)",
                detail: "\(total) bytes, the server takes \(maxPayloadBytes)")
        }
        route.number(number)
        let message = try unsafe route.message(
            payload, expectedLastSubjectSequence: expectedLastSubjectSequence, peer: peer)
        let status = unsafe natsConnection_PublishMsg(handle, message)
        unsafe natsMsg_Destroy(message)
        try finish(status, route.subject)
    }

    package func publish(
        _ payload: RawSpan, to subject: String, replyTo: String?,
        headers: [(name: String, value: String)]
    ) throws(NatsError) {
        let headerBytes = try checkedByteCount(of: headers, subject)
        _ = try admitted(payload, to: subject, replyTo: replyTo, headerBytes: headerBytes)
        let message = try unsafe createMessage(
            payload, to: subject, replyTo: replyTo, headers: headers, peer: peer)
        let status = unsafe natsConnection_PublishMsg(handle, message)
        unsafe natsMsg_Destroy(message)
        try finish(status, subject)
    }

    /// Checks a message before libnats gets it. libnats would accept a subject that breaks the
    /// protocol, and headers that exceed the payload limit. For both, the server closes the
    /// connection in a way that libnats does not recover from.
    private func admitted(
        _ payload: RawSpan, to subject: String, replyTo: String?, headerBytes: Int = 0
    ) throws(NatsError) -> Int32 {
        if let problem = NatsSubject.problem(subject, .literal) {
            throw error(
                NATS_INVALID_SUBJECT, "publish to \(subject.debugDescription)", detail: problem)
        }
        if let replyTo, let problem = NatsSubject.problem(replyTo, .literal) {
            throw error(
                NATS_INVALID_SUBJECT, "publish with reply to \(replyTo.debugDescription)",
                detail: problem)
        }
        try requireLink("publish to \(subject)")
        let total = payload.byteCount + headerBytes
        guard total <= maxPayloadBytes, let count = Int32(exactly: payload.byteCount) else {
            throw error(
                NATS_MAX_PAYLOAD, "publish to \(subject)",
                detail: "\(total) bytes, the server takes \(maxPayloadBytes)")
        }
        return count
    }

    /// Returns the bytes that the headers take on the wire. Refuses a line break inside a header,
    /// because it would forge another header.
    private func checkedByteCount(
        of headers: [(name: String, value: String)], _ subject: String
    ) throws(NatsError) -> Int {
        var count = "NATS/1.0\r\n\r\n".utf8.count
        for header in headers {
            let nameIsGood =
                !header.name.isEmpty
                && header.name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != 0x3a }
            let valueIsGood = header.value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f }
            guard nameIsGood, valueIsGood else {
                throw error(
                    NATS_INVALID_ARG, "publish to \(subject.debugDescription)",
                    detail: "the header \(header.name.debugDescription) holds forbidden characters")
            }
            count += header.name.utf8.count + header.value.utf8.count + ": \r\n".utf8.count
        }
        return count
    }

    private func finish(_ status: natsStatus, _ subject: String) throws(NatsError) {
        guard status == NATS_OK else {
            throw error(status, "publish to \(subject)", detail: lastErrorText())
        }
    }
}
