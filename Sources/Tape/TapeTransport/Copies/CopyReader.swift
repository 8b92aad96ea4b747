package import NatsTransport
package import Primitives
internal import TapeProtocol

/// Reads the copy of a stream that one server of a cluster holds, in the order of the sequences.
///
/// JetStream has no call for that: a stream's leader answers all questions. But a consumer with one
/// replica, kept in memory, lives on one server and reads that server's own copy. The cluster picks
/// the server, so consumers are made until one is on the wanted server.
///
/// One thread uses it. Every call blocks up to the timeouts of `jetStream`.
package final class CopyReader {
    /// A message of the copy.
    package struct Message: Sendable {
        package let sequence: UInt64
        package let subject: String
        package let time: Timestamp
        package let payload: [UInt8]

        /// Whether the other copy holds the same.
        package func isSame(as other: Message) -> Bool {
            sequence == other.sequence && subject == other.subject && time == other.time
                && payload == other.payload
        }
    }

    /// The most consumers that are made to get one on the wanted server. Each is on one of three
    /// servers by chance.
    static let triesMax = 100
    /// How many messages are requested at the same time.
    package static let batch = 32
    private static let idleMax = Duration.seconds(30)
    private static let answerTimeout = Duration.seconds(5)

    package let server: String?
    private let jetStream: JetStream
    private let stream: String
    private let inbox: NatsInbox
    private let consumer: String
    private var pulls = 0
    /// Messages that were read and not taken yet.
    private var waiting: [Message] = []
    private var taken = 0
    private var hasEnded = false
    /// Payload bytes read so far.
    package private(set) var bytes: UInt64 = 0

    /// Begins at the first message with this sequence or a later one. `server`: `nil` where there
    /// is no cluster. Throws `.unavailable` when no consumer came to be on that server, because it
    /// is away or holds no copy.
    package init(
        _ jetStream: JetStream, stream: String, server: String?, from sequence: UInt64
    ) throws(JetStreamError) {
        self.jetStream = jetStream
        self.stream = stream
        self.server = server
        do throws(NatsError) {
            inbox = try jetStream.connection.openInbox()
        } catch {
            throw .transport(error)
        }
        for number in 0..<Self.triesMax {
            let name = "verify-\(ServiceAnnouncement.randomID())-\(number)"
            let place = try jetStream.createConsumer(
                stream: stream,
                ConsumerConfiguration(
                    name: name, filterSubjects: [], deliver: .fromSequence(sequence),
                    inactiveThreshold: Self.idleMax), isHeard: false)
            if server == nil || place == server {
                do throws(JetStreamError) {
                    try jetStream.waitUntilHeard(stream: stream, consumer: name)
                } catch {
                    try jetStream.deleteConsumer(stream: stream, name)
                    throw error
                }
                consumer = name
                return
            }
            try jetStream.deleteConsumer(stream: stream, name)
        }
        throw .unavailable(
            operation: "read the copy of stream \(stream) on \(server ?? "")",
            peer: jetStream.connection.peer)
    }

    /// Ends the consumer. Returns false when the server does not do it now; it forgets the consumer
    /// after half a minute.
    @discardableResult
    package func close() -> Bool {
        do throws(JetStreamError) {
            try jetStream.deleteConsumer(stream: stream, consumer)
            return true
        } catch {
            return false
        }
    }

    /// The next message, without taking it; `nil` at the end of the copy.
    package func peek() throws(JetStreamError) -> Message? {
        if taken == waiting.count, !hasEnded { try fetch() }
        return taken < waiting.count ? waiting[taken] : nil
    }

    /// Takes the message that `peek` has returned.
    package func take() { taken += 1 }

    private func fetch() throws(JetStreamError) {
        waiting.removeAll(keepingCapacity: true)
        taken = 0
        pulls += 1
        let replyTo = "\(inbox.prefix).\(pulls)"
        do throws(NatsError) {
            // Without a time to expire the answer ends where the copy does.
            try jetStream.pull(
                stream: stream, consumer: consumer, batch: Self.batch, bytesMax: nil,
                expires: .zero, idleHeartbeat: .zero, replyTo: replyTo)
        } catch {
            throw .transport(error)
        }
        let deadline = ContinuousClock.now + Self.answerTimeout
        var messages: [NatsMessage] = []
        while waiting.count < Self.batch {
            messages.removeAll(keepingCapacity: true)
            let outcome = inbox.receive(
                into: &messages, max: Self.batch, timeout: deadline - .now)
            guard outcome.received > 0 else { throw silent() }
            for message in messages {
                guard let status = message.status else {
                    add(message)
                    continue
                }
                hasEnded = status == 404 || status == 408
                guard hasEnded else { throw silent() }
                return
            }
        }
    }

    private func add(_ message: NatsMessage) {
        guard let place = message.withReplyTo({ PulledMessage(ofReplySubject: $0) }) else { return }
        let payload = message.payload
        bytes += UInt64(payload.count)
        waiting.append(
            Message(
                sequence: place.streamSequence, subject: message.subject, time: place.time,
                payload: payload))
    }

    private func silent() -> JetStreamError {
        .unavailable(
            operation: "read the copy of stream \(stream) on \(server ?? "the server")",
            peer: jetStream.connection.peer)
    }
}
