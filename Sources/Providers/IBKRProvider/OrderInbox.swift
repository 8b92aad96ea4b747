internal import MarketModel
internal import ServiceRuntime
internal import Synchronization

/// The orders of the gateway's threads to the connection's thread, which takes them once a turn.
/// Each instrument and kind of data is in a list once, so the lists are bounded.
final class OrderInbox: Sendable {
    struct Orders: Sendable {
        /// The numbers of the instruments to end. They end before those of `begun` begin: an
        /// instrument in both lists begins again.
        var ended: [UInt32] = []
        /// The numbers of the instruments to begin.
        var begun: [UInt32] = []
        /// The instruments and kinds of data that have to begin again.
        var restarted: [Restart] = []
        /// The connection has to end.
        var isStopping = false
    }

    /// One kind of an instrument's data that begins again, because not all of it was kept.
    struct Restart: Hashable, Sendable {
        var instrument: UInt32
        var kind: DataKind
    }

    /// Wakes the connection's thread, which waits for it in `poll`. The look-up of the server's
    /// name uses it too.
    let wake: WakeEvent
    private let orders = Mutex(Orders())

    init() throws { wake = try WakeEvent() }

    func follow(begun: [UInt32], ended: [UInt32]) {
        orders.withLock { orders in
            for number in ended {
                // An earlier order to begin it is no longer valid.
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
