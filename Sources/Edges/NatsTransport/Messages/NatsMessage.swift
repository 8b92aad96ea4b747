internal import CNats
internal import Glibc
import Primitives
import Synchronization

/// A message as it came from the server. It owns libnats' memory and frees it with the last
/// reference. It may be handed to another thread.
// Safety: the one pointer is private, owned, and freed in deinit.
@safe
package final class NatsMessage: Sendable {
    // Safety: this object is the only owner of the message. Its payload never changes. libnats
    // parses its headers at the first access, which writes to the message, hence the lock.
    private nonisolated(unsafe) let handle: OpaquePointer
    private let headerLock = Mutex<Void>(())
    /// Where it is kept until it is freed together with others; `nil`: it is freed immediately.
    private let spent: SpentMessages?

    /// Takes ownership of the message: no other code may destroy it.
    init(taking handle: OpaquePointer, keptIn spent: SpentMessages? = nil) {
        unsafe self.handle = unsafe handle
        self.spent = spent
    }

    deinit {
        if let spent {
            unsafe spent.add(handle, byteCount: payloadByteCount)
        } else {
            unsafe natsMsg_Destroy(handle)
        }
    }

    package var subject: String { withSubject { $0.text } }

    package var replyTo: String? {
        unsafe natsMsg_GetReply(handle) == nil ? nil : withReplyTo { $0.text }
    }

    /// Calls `body` with the subject in place. A string for each message of a stream would be too
    /// slow.
    package func withSubject<Result>(_ body: (RawSpan) -> Result) -> Result {
        unsafe withText(natsMsg_GetSubject(handle), body)
    }

    /// Calls `body` with the reply subject in place; it is empty when there is none.
    package func withReplyTo<Result>(_ body: (RawSpan) -> Result) -> Result {
        unsafe withText(natsMsg_GetReply(handle), body)
    }

    private func withText<Result>(
        _ text: UnsafePointer<CChar>?, _ body: (RawSpan) -> Result
    ) -> Result {
        // Safety: the text is a part of the message, which lives as long as `self`.
        let count = unsafe text.map { unsafe strlen($0) } ?? 0
        let bytes = unsafe UnsafeRawBufferPointer(start: text, count: count)
        defer { withExtendedLifetime(self) {} }
        return unsafe body(bytes.bytes)
    }

    package var payloadByteCount: Int { Int(unsafe natsMsg_GetDataLength(handle)) }

    /// Calls `body` with the payload in place. The payload must not be kept after `body` returns.
    package func withPayload<Result, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // Safety: the message, and with it its payload, lives as long as `self`.
        let bytes = unsafe UnsafeRawBufferPointer(
            start: natsMsg_GetData(handle), count: payloadByteCount)
        defer { withExtendedLifetime(self) {} }
        return try unsafe body(bytes.bytes)
    }

    /// A copy of the payload.
    package var payload: [UInt8] { withPayload { $0.array } }

    /// Returns the first value of the header with exactly this name.
    package func header(_ name: String) -> String? {
        headerLock.withLock { _ in
            var value: UnsafePointer<CChar>?
            guard unsafe natsMsgHeader_Get(handle, name, &value) == NATS_OK else { return nil }
            return unsafe value.map { unsafe String(cString: $0) }
        }
    }

    /// The status, such as 404 from the header line `NATS/1.0 404 No Messages`. Only messages
    /// without a payload carry one, so a message with a payload is not searched.
    package var status: Int? {
        guard payloadByteCount == 0 else { return nil }
        return header("Status").flatMap { Int($0) }
    }

    package var statusDescription: String? {
        guard payloadByteCount == 0 else { return nil }
        return header("Description")
    }
}

extension NatsMessage {
    /// Makes a message that was never on the wire, for simulations and tests.
    package convenience init(
        subject: String, replyTo: String? = nil, headers: [(name: String, value: String)] = [],
        payload: [UInt8] = []
    ) throws(NatsError) {
        // libnats' own tables may not exist before the first connection. Idempotent.
        let status = nats_Open(-1)
        guard status == NATS_OK else {
            throw NatsError(status, "initialise libnats", peer: "no server")
        }
        let message = try unsafe payload.withRawSpan { span throws(NatsError) in
            try unsafe createMessage(
                span, to: subject, replyTo: replyTo, headers: headers, peer: "no server")
        }
        unsafe self.init(taking: message)
    }
}

/// Copies everything into a new message of libnats. The caller frees it with `natsMsg_Destroy`.
func createMessage(
    _ payload: RawSpan, to subject: String, replyTo: String?,
    headers: [(name: String, value: String)], peer: String
) throws(NatsError) -> OpaquePointer {
    var message: OpaquePointer?
    var status = unsafe payload.withUnsafeBytes { bytes in
        unsafe natsMsg_Create(
            &message, subject, replyTo, bytes.baseAddress?.assumingMemoryBound(to: CChar.self),
            Int32(clamping: bytes.count))
    }
    for header in headers where status == NATS_OK {
        status = unsafe natsMsgHeader_Add(message, header.name, header.value)
    }
    guard status == NATS_OK, let made = unsafe message else {
        unsafe natsMsg_Destroy(message)
        throw NatsError(status, "make a message for \(subject)", peer: peer)
    }
    return unsafe made
}
