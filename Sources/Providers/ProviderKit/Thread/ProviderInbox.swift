package import MarketModel
internal import Synchronization

/// The orders of the gateway's threads to a provider's thread, which takes them once a turn. Each
/// instrument, or kind of its data, is in a list once, so the lists are bounded.
package final class ProviderInbox: Sendable {
    package struct Orders: Sendable {
        /// The instruments to end, before those of `begun` begin.
        package var ended: [UInt32] = []
        package var begun: [UInt32] = []
        /// The instruments and kinds of data that begin again.
        package var restarted: [Restart] = []
        package var isStopping = false
    }

    /// One kind of an instrument's data that begins again, because not all of it was kept.
    package struct Restart: Hashable, Sendable {
        package var instrument: UInt32
        package var kind: DataKind
    }

    private struct State: Sendable {
        var orders = Orders()
        var wake: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    package init() {}

    /// Sets what wakes the provider's thread.
    package func wakes(_ wake: @escaping @Sendable () -> Void) {
        state.withLock { $0.wake = wake }
    }

    package func follow(begun: [UInt32], ended: [UInt32]) {
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

    package func restart(_ instrument: UInt32, _ kind: DataKind) {
        let wish = Restart(instrument: instrument, kind: kind)
        change { orders in
            if !orders.restarted.contains(wish) { orders.restarted.append(wish) }
        }
    }

    package func stop() { change { $0.isStopping = true } }

    private func change(_ body: (inout Orders) -> Void) {
        let wake = state.withLock { state in
            body(&state.orders)
            return state.wake
        }
        wake?()
    }

    /// Returns all orders since the last call. The order to stop stays.
    package func take() -> Orders {
        state.withLock { state in
            let taken = state.orders
            state.orders = Orders(isStopping: taken.isStopping)
            return taken
        }
    }
}
