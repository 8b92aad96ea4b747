internal import NatsTransport
internal import Primitives
internal import ServiceRuntime
internal import Synchronization

/// The most messages that wait while one is being noted: all parts of many large reports.
private let messagesMax = 1_024

/// A book of the reports on one subject of core NATS. Any thread may read it.
package final class ReportListener<Store: Sendable>: Sendable {
    private final class Guarded: Sendable {
        let store: Mutex<Store>

        init(_ store: Store) { self.store = Mutex(store) }
    }

    private let guarded: Guarded
    private let subscription: NatsSubscription

    /// `note` gets a message; why it refuses one, and its length, go to `unreadable`. Both run
    /// on libnats' thread. The messages that wait are shown as the queue of this name.
    init(
        _ client: TapeClient, subject: String, queue: String, _ store: Store,
        note: @escaping @Sendable (inout Store, NatsMessage) throws(VersionedJSON.Refusal) -> Void,
        unreadable: @escaping @Sendable (TelemetryHub, Int, VersionedJSON.Refusal) -> Void
    ) throws(TapeError) {
        let guarded = Guarded(store)
        let telemetry = client.telemetry
        self.guarded = guarded
        do throws(NatsError) {
            subscription = try client.connection.subscribe(
                subject, pendingMessagesMax: messagesMax
            ) { message in
                do throws(VersionedJSON.Refusal) {
                    try guarded.store.withLock { store throws(VersionedJSON.Refusal) in
                        try note(&store, message)
                    }
                } catch {
                    unreadable(telemetry, message.payload.count, error)
                }
            }
        } catch {
            throw .nats(error)
        }
        telemetry.metrics.watchQueue(queue, capacity: { messagesMax }) { [weak subscription] in
            subscription?.waitingMessages
        }
    }

    /// Everything received so far.
    package var store: Store { guarded.store.withLock { $0 } }
}
