internal import NatsTransport
internal import Primitives
internal import ServiceRuntime
internal import Synchronization
internal import TapeProtocol
internal import Telemetry

/// Hears what all groups tell of their positions. Any thread may ask it.
public final class PositionsHeard: Sendable {
    /// Messages that wait while one is being read: all parts of many large groups.
    private static let messagesMax = 1_024

    private let client: TapeClient
    private let subscription: NatsSubscription
    private let heard: Heard

    private final class Heard: Sendable {
        let book = Mutex(PositionBook())
    }

    /// `clock`: monotonic nanoseconds; called for each message.
    public init(
        _ client: TapeClient, clock: @escaping @Sendable () -> Int64
    ) throws(TapeError) {
        self.client = client
        let (heard, telemetry) = (Heard(), client.telemetry)
        self.heard = heard
        do throws(NatsError) {
            subscription = try client.connection.subscribe(
                client.names.positions, pendingMessagesMax: Self.messagesMax
            ) { message in
                let payload = message.payload
                guard let positions = PositionMessage(json: payload),
                    heard.book.withLock({ $0.hear(positions, now: clock()) })
                else {
                    telemetry.emit(PositionsNotUnderstood(bytes: payload.count))
                    return
                }
            }
        } catch {
            throw .nats(error)
        }
    }

    public convenience init(_ client: TapeClient) throws(TapeError) {
        let clock = SystemClock()
        try self.init(client) { clock.monotonic().nanoseconds }
    }

    /// What was heard so far.
    public var book: PositionBook { heard.book.withLock { $0 } }
}
