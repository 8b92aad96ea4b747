import NatsTransport
import Primitives
import ServiceRuntime

/// A message where requests for actions come that was not taken. It says what the message itself
/// tells about its sender.
struct ActionNotTaken: TelemetryEvent {
    static let name = "actions.not_taken"
    let subject: String
    let replyTo: String?
    let reason: String
    /// How many there were since the start, with this one.
    let count: UInt64

    var level: LogLevel { .error }
    var message: String {
        let source = consumer.map { " of the consumer \($0.name) of the stream \($0.stream)" } ?? ""
        return "a message\(source) on \(subject) was not carried out: \(reason)"
    }
    var fields: [(String, LogValue)] {
        var fields: [(String, LogValue)] = [
            ("subject", .text(subject)), ("reply", .text(replyTo ?? "")), ("reason", .text(reason)),
            ("count", LogValue(count)),
        ]
        if let consumer {
            fields += [("stream", .text(consumer.stream)), ("consumer", .text(consumer.name))]
        }
        return fields
    }

    /// The consumer that delivered it, as the reply subject names it.
    private var consumer: (stream: String, name: String)? {
        guard let replyTo else { return nil }
        let bytes = Array(replyTo.utf8)
        guard let pulled = bytes.withRawSpan({ PulledMessage(ofReplySubject: $0) }) else {
            return nil
        }
        return (
            String(decoding: bytes[pulled.stream], as: UTF8.self),
            String(decoding: bytes[pulled.consumer], as: UTF8.self)
        )
    }
}
