import HotState
import Synchronization

/// The partitions whose values are to be read from the database for the hot state. The intake
/// orders them, and `HotFiller` carries them out. At most all partitions of the tape are in it.
final class HotFillOrders: Sendable {
    private struct State {
        /// Those of the next pass.
        var next: Set<Int> = []
        /// Those of the present pass.
        var present: Set<Int> = []
    }

    private let state = Mutex(State())

    func add(_ partition: Int) { state.withLock { _ = $0.next.insert(partition) } }

    /// Removes a partition that is not owned any more.
    func remove(_ partition: Int) {
        state.withLock {
            $0.next.remove(partition)
            $0.present.remove(partition)
        }
    }

    /// The partitions that wait, with those of the present pass.
    var count: Int { state.withLock { $0.next.union($0.present).count } }
    /// The partitions of the present pass.
    var present: Set<Int> { state.withLock { $0.present } }

    /// Begins a pass, and returns its partitions.
    func begin() -> Set<Int> {
        state.withLock { state in
            state.present = state.next
            state.next = []
            return state.present
        }
    }

    func end() { state.withLock { $0.present = [] } }
}

/// What the intake hands over for the hot state.
struct HotOutput: Sendable {
    let queue: HotQueue
    let fills = HotFillOrders()
}
