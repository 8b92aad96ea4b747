import MembershipTransport
import Primitives
import Synchronization

/// Whether workers may act for the process's partitions.
///
/// The membership states until when the process is steady. The intake passes this on after it has
/// carried out the orders that came with it. So a process that wakes up writes nothing before it
/// knows which partitions it lost.
final class SteadyGate: Sendable {
    private let port: OwnershipPort
    private let until = Atomic<Int64>(.min)

    init(_ port: OwnershipPort) { self.port = port }

    /// Sets the end of the steady time. The intake calls it after the orders.
    func open(until time: MonotonicTime) {
        until.store(time.nanoseconds, ordering: .releasing)
    }

    /// Returns whether workers may act.
    func isOpen(now: MonotonicTime) -> Bool {
        now.nanoseconds < until.load(ordering: .acquiring) && port.isSteady(now: now)
    }
}
