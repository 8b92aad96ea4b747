internal import MarketModel
internal import ServiceRuntime
internal import Synchronization

/// The orders of other threads to the connection's thread. They are bounded by the number of
/// instruments and kinds of data: a later order about one replaces an earlier one.
final class OrderInbox: Sendable {
    struct Orders: Sendable {
        /// Numbers of instruments. To be ended, before `begun`: an instrument in both begins again.
        var ended: [UInt32] = []
        var begun: [UInt32] = []
        /// The instruments and kinds of data that have to begin again.
        var restarted: [Restart] = []
        var isStopping = false
    }

    /// One kind of an instrument's data that begins again, because not all of it was kept.
    struct Restart: Hashable, Sendable {
        var instrument: UInt32
        var kind: DataKind
    }

    /// It wakes the connection's thread.
    let wake: WakeEvent
    private let orders = Mutex(Orders())

    init() throws { wake = try WakeEvent() }

    func follow(begun: [UInt32], ended: [UInt32]) {
        orders.withLock { orders in
            for number in ended {
                orders.begun.removeAll { $0 == number }
                if !orders.ended.contains(number) { orders.ended.append(number) }
            }
            for number in begun where !orders.begun.contains(number) {
                orders.begun.append(number)
            }
        }
        wake.wake()
    }

    func restart(_ instrument: UInt32, _ kind: DataKind) {
        let wish = Restart(instrument: instrument, kind: kind)
        orders.withLock { orders in
            if !orders.restarted.contains(wish) { orders.restarted.append(wish) }
        }
        wake.wake()
    }

    func stop() {
        orders.withLock { $0.isStopping = true }
        wake.wake()
    }

    /// Returns all orders since the last call. The order to stop stays.
    func take() -> Orders {
        orders.withLock { orders in
            let taken = orders
            orders = Orders(isStopping: taken.isStopping)
            return taken
        }
    }
}
