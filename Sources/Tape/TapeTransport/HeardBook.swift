internal import NatsTransport
internal import Primitives
internal import ServiceRuntime
internal import Synchronization

/// A book of the reports on one subject of core NATS. Any thread may read it.
final class HeardBook<Book: Sendable>: Sendable {
    private final class Pages: Sendable {
        let book: Mutex<Book>

        init(_ book: Book) { self.book = Mutex(book) }
    }

    private let pages: Pages
    private let subscription: NatsSubscription

    /// `hear` notes a payload; why it refuses one, and its length, go to `misheard`. Both run on
    /// libnats' thread. `messagesMax` bounds the messages that wait while one is noted; they are
    /// shown as the queue of this name.
    init(
        _ client: TapeClient, subject: String, queue: String, messagesMax: Int, _ book: Book,
        hear: @escaping @Sendable (inout Book, [UInt8]) throws(VersionedJSON.Refusal) -> Void,
        misheard: @escaping @Sendable (TelemetryHub, Int, VersionedJSON.Refusal) -> Void
    ) throws(TapeError) {
        let pages = Pages(book)
        let telemetry = client.telemetry
        self.pages = pages
        do throws(NatsError) {
            subscription = try client.connection.subscribe(
                subject, pendingMessagesMax: messagesMax
            ) { message in
                let payload = message.payload
                do throws(VersionedJSON.Refusal) {
                    try pages.book.withLock { book throws(VersionedJSON.Refusal) in
                        try hear(&book, payload)
                    }
                } catch {
                    misheard(telemetry, payload.count, error)
                }
            }
        } catch {
            throw .nats(error)
        }
        telemetry.metrics.watchQueue(queue, capacity: { messagesMax }) { [weak subscription] in
            subscription?.waitingMessages
        }
    }

    var book: Book { pages.book.withLock { $0 } }
}
