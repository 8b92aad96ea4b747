internal import ServiceRuntime
internal import Synchronization

/// The orders of the gateway's threads to the polling thread, which takes them once a turn. Each
/// instrument is in a list once, so the lists are bounded.
final class PolledOrders: Sendable {
    struct Orders: Sendable {
        /// The instruments to end, before those of `begun` begin.
        var ended: [UInt32] = []
        var begun: [UInt32] = []
        var isStopping = false
    }

    private let orders = Mutex(Orders())
    /// One waiting wake is enough.
    private let wakes = Mailbox<Bool>(capacity: 1)

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
        wake()
    }

    func stop() {
        orders.withLock { $0.isStopping = true }
        wake()
    }

    /// Wakes the polling thread. Any thread may call it.
    func wake() {
        // When it is full, the thread wakes anyway.
        _ = wakes.send(true)
    }

    /// Waits for a wake, at most so long.
    func wait(_ timeout: Duration) {
        var taken: [Bool] = []
        _ = wakes.receive(into: &taken, max: 1, timeout: timeout)
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
