public import Primitives

/// A stream as the server describes it.
public struct StreamInfo: Equatable, Sendable {
    public let configuration: StreamConfiguration
    /// When the stream was made. A stream that was deleted and made again has another time.
    public let created: Timestamp
    /// For an empty stream: one above `lastSequence`, or 0.
    public let firstSequence: UInt64
    public let lastSequence: UInt64
    public let messages: UInt64
    public let bytes: UInt64

    init?(_ answer: JSONValue) {
        guard let configuration = StreamConfiguration(answer["config"]),
            let created = answer["created"]?.string.flatMap(ISOTime.parse),
            let state = answer["state"], let firstSequence = state["first_seq"]?.uint64,
            let lastSequence = state["last_seq"]?.uint64,
            let messages = state["messages"]?.uint64, let bytes = state["bytes"]?.uint64
        else { return nil }
        self.configuration = configuration
        self.created = created
        self.firstSequence = firstSequence
        self.lastSequence = lastSequence
        self.messages = messages
        self.bytes = bytes
    }
}

/// A message of a stream, read by its sequence or as the last one of its subject.
public struct StoredMessage: Equatable, Sendable {
    public let subject: String
    public let sequence: UInt64
    /// When the stream stored it.
    public let time: Timestamp
    public let payload: [UInt8]
    /// The header block as on the wire ("NATS/1.0\r\nName: value\r\n\r\n"); `nil` without one.
    public let headers: String?

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
