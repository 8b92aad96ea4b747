internal import Synchronization
internal import WebSocketClient

/// The orders of the gateway's threads to the connection's thread, which takes them once a turn.
/// Each instrument is in a list once, so the lists are bounded.
final class BinanceOrders: Sendable {
    struct Orders: Sendable {
        /// The instruments to end, before those of `begun` begin.
        var ended: [UInt32] = []
        var begun: [UInt32] = []
        /// The instruments whose books begin again.
        var books: [UInt32] = []
        var isStopping = false
    }

    private struct State: Sendable {
        var orders = Orders()
        var waker: WebSocketWaker?
    }

    private let state = Mutex(State())

    /// Sets what wakes the connection's thread.
    func wakes(_ waker: WebSocketWaker) { state.withLock { $0.waker = waker } }

    func follow(begun: [UInt32], ended: [UInt32]) {
        change { orders in
            for number in ended {
                // An earlier order to begin it is no longer valid.
                orders.begun.removeAll { $0 == number }
                if !orders.ended.contains(number) { orders.ended.append(number) }
            }
            for number in begun where !orders.begun.contains(number) {
                orders.begun.append(number)
            }
        }
    }

    func restartBook(of instrument: UInt32) {
        change { orders in
            if !orders.books.contains(instrument) { orders.books.append(instrument) }
        }
    }

    func stop() { change { $0.isStopping = true } }

    private func change(_ body: (inout Orders) -> Void) {
        let waker = state.withLock { state in
            body(&state.orders)
            return state.waker
        }
        waker?.wake()
    }

    /// Returns all orders since the last call. The order to stop stays.
    func take() -> Orders {
        state.withLock { state in
            let taken = state.orders
            state.orders = Orders(isStopping: taken.isStopping)
            return taken
        }
    }
}
