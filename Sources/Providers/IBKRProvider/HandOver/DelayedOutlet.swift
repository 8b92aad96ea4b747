internal import MarketModel
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime
internal import Synchronization

/// The way of delayed data from the connection's thread to their own source. The gateway starts and
/// stops it as a provider; the data come over the one connection of `IBKRProvider`.
final class DelayedOutlet: DelayedProvider {
    /// The source, once it is open: where it is on the tape, and the way to it.
    struct Opened: Sendable {
        let order: ProviderOrder
        let channel: ProviderChannel
    }

    let name = IBKRProvider.providerName
    let isUrgent = true

    /// Wakes the connection's thread when the source is open.
    private let wake: WakeEvent
    private let state = Mutex<Opened?>(nil)
    private let needed = Atomic(false)
    /// Closed when the connection's thread has handed its last data over.
    private let rest = Mailbox<Bool>(capacity: 1)

    init(wake: WakeEvent) { self.wake = wake }

    // MARK: the gateway's side

    var isNeeded: Bool { needed.load(ordering: .relaxed) }

    func start(_ order: ProviderOrder, into channel: ProviderChannel) {
        state.withLock { $0 = Opened(order: order, channel: channel) }
        wake.wake()
    }

    /// `IBKRProvider` gets the same orders, and the subscriptions are its own.
    func follow(begun: [UInt32], ended: [UInt32]) {}

    /// Waits for the last data, which come when `IBKRProvider` is stopped.
    func stop(within timeout: Duration) -> Bool {
        var nothing: [Bool] = []
        _ = rest.receive(into: &nothing, max: 1, timeout: timeout)
        return rest.isClosed
    }

    /// `IBKRProvider` shows the state of all feeds.
    func write(into json: inout JSONWriter) { json.member("delayed", true) }

    // MARK: the connection's side

    /// `nil` while the source is not open.
    var opened: Opened? { state.withLock { $0 } }

    /// Delayed data have come, so the source is needed.
    func need() { needed.store(true, ordering: .relaxed) }

    /// Nothing more comes.
    func end() { rest.close() }
}
