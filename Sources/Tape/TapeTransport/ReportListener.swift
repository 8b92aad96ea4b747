internal import NatsTransport
internal import Primitives
internal import ServiceRuntime
internal import Synchronization

/// A book of the reports on one subject of core NATS. Any thread may read it.
final class ReportListener<Store: Sendable>: Sendable {
    private final class Guarded: Sendable {
        let store: Mutex<Store>

        init(_ store: Store) { self.store = Mutex(store) }
    }

    private let guarded: Guarded
    private let subscription: NatsSubscription

    /// `receive` notes a payload; why it refuses one, and its length, go to `unreadable`. Both run
    /// on libnats' thread. `messagesMax` bounds the messages that wait while one is noted; they are
    /// shown as the queue of this name.
    init(
        _ client: TapeClient, subject: String, queue: String, messagesMax: Int, _ store: Store,
        receive: @escaping @Sendable (inout Store, [UInt8]) throws(VersionedJSON.Refusal) -> Void,
        unreadable: @escaping @Sendable (TelemetryHub, Int, VersionedJSON.Refusal) -> Void
    ) throws(TapeError) {
        let guarded = Guarded(store)
        let telemetry = client.telemetry
        self.guarded = guarded
        do throws(NatsError) {
            subscription = try client.connection.subscribe(
                subject, pendingMessagesMax: messagesMax
            ) { message in
                let payload = message.payload
                do throws(VersionedJSON.Refusal) {
                    try guarded.store.withLock { store throws(VersionedJSON.Refusal) in
                        try receive(&store, payload)
                    }
                } catch {
                    unreadable(telemetry, payload.count, error)
                }
            }
        } catch {
            throw .nats(error)
        }
        telemetry.metrics.watchQueue(queue, capacity: { messagesMax }) { [weak subscription] in
            subscription?.waitingMessages
        }
    }

    var store: Store { guarded.store.withLock { $0 } }
}
