import NatsTransport
import Primitives
import ServiceRuntime
import Synchronization

/// Receives every acknowledgement that the server sends to any client, at the same time as that
/// client.
final class AckWatch: Sendable {
    struct Place: Hashable, Sendable {
        let stream: String
        let sequence: UInt64
    }

    private let connection: NatsConnection
    private let heard: Heard
    private let subscription: NatsSubscription

    private final class Heard: Sendable {
        let times = Mutex<[Place: Int64]>([:])
    }

    init(url: String) throws {
        connection = try NatsConnection(
            NatsConfiguration(urls: [url], clientName: "benchmark-acks")
        ) { _ in }
        let heard = Heard()
        self.heard = heard
        subscription = try connection.subscribe("_INBOX.>", pendingMessagesMax: 100_000) {
            message in
            let now = SystemClock().monotonic().nanoseconds
            guard let place = Self.place(message.payload) else { return }
            heard.times.withLock { $0[place] = now }
        }
        try connection.flush(timeout: .seconds(5))
    }

    deinit { connection.close() }

    /// Monotonic nanoseconds, for every message stored since the start.
    var times: [Place: Int64] { heard.times.withLock { $0 } }

    private static func place(_ payload: [UInt8]) -> Place? {
        do {
            let answer = try JSONValue.parse(payload)
            guard let stream = answer["stream"]?.string, let sequence = answer["seq"]?.uint64
            else { return nil }
            return Place(stream: stream, sequence: sequence)
        } catch {
            // The answer is of another kind.
            return nil
        }
    }
}
