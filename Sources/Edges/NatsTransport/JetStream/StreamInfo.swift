package import Primitives

/// A stream as the server describes it.
package struct StreamInfo: Equatable, Sendable {
    package let configuration: StreamConfiguration
    /// When the stream was made. A stream that was deleted and made again has another time. What
    /// the stream's metadata note counts, because the server may forget it (`JetStream.change`).
    package let created: Timestamp
    /// When the server answered, by its clock: it has every message of the stream from before.
    /// Undefined if it does not say so.
    package var answered: Timestamp
    /// For an empty stream: one above `lastSequence`, or 0.
    package let firstSequence: UInt64
    package let lastSequence: UInt64
    package let messages: UInt64
    package let bytes: UInt64
    /// `nil` where the server is not one of a cluster.
    package let copies: StreamCopies?

    /// The member of the metadata that notes when the stream was made.
    static let made = "created"

    init?(_ answer: JSONValue) {
        guard let configuration = StreamConfiguration(answer["config"]),
            let reported = answer["created"]?.string.flatMap(ISOTime.parse),
            let state = answer["state"], let firstSequence = state["first_seq"]?.uint64,
            let lastSequence = state["last_seq"]?.uint64,
            let messages = state["messages"]?.uint64, let bytes = state["bytes"]?.uint64
        else { return nil }
        self.configuration = configuration
        created = configuration.metadata[Self.made].flatMap(ISOTime.parse) ?? reported
        answered = answer["ts"]?.string.flatMap(ISOTime.parse) ?? .undefined
        self.firstSequence = firstSequence
        self.lastSequence = lastSequence
        self.messages = messages
        self.bytes = bytes
        copies = StreamCopies(answer["cluster"])
    }
}

/// A message of a stream, read by its sequence or as the last one of its subject.
package struct StoredMessage: Equatable, Sendable {
    package let subject: String
    package let sequence: UInt64
    /// When the stream stored it.
    package let time: Timestamp
    package let payload: [UInt8]
    /// The header block as on the wire ("NATS/1.0\r\nName: value\r\n\r\n"); `nil` without one.
    package let headers: String?

    init?(_ message: JSONValue?) {
        guard let message, let subject = message["subject"]?.string,
            let sequence = message["seq"]?.uint64,
            let time = message["time"]?.string.flatMap(ISOTime.parse),
            let payload = Base64.decode(message["data"]?.string ?? "")
        else { return nil }
        self.subject = subject
        self.sequence = sequence
        self.time = time
        self.payload = payload
        headers = message["hdrs"]?.string.flatMap(Base64.decode).map {
            String(decoding: $0, as: UTF8.self)
        }
    }
}
