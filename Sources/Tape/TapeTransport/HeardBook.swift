internal import NatsTransport
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

    /// `hear` notes a payload and returns whether it was valid; if not, its length goes to
    /// `misheard`. Both run on libnats' thread. `messagesMax` bounds the messages that wait while
    /// one is noted; they are shown as the queue of this name.
    init(
        _ client: TapeClient, subject: String, queue: String, messagesMax: Int, _ book: Book,
        hear: @escaping @Sendable (inout Book, [UInt8]) -> Bool,
        misheard: @escaping @Sendable (TelemetryHub, Int) -> Void
    ) throws(TapeError) {
        let pages = Pages(book)
        let telemetry = client.telemetry
        self.pages = pages
        do throws(NatsError) {
            subscription = try client.connection.subscribe(
                subject, pendingMessagesMax: messagesMax
            ) { message in
                let payload = message.payload
                guard pages.book.withLock({ hear(&$0, payload) }) else {
                    misheard(telemetry, payload.count)
                    return
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
