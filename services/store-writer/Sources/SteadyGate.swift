import MembershipTransport
import Primitives
import Synchronization

/// The permission for workers to act as owners of the process's partitions. The intake opens it;
/// any worker asks.
///
/// The membership sets in the port until when the process is steady. The intake passes that time on
/// only after the orders that it found in the port then. So a process that was stopped and
/// continues writes nothing before its workers have the orders about partitions that it lost.
final class SteadyGate: Sendable {
    private let port: OwnershipPort
    /// The end of the steady time, in monotonic nanoseconds; `Int64.min` is never steady.
    private let until = Atomic<Int64>(.min)

    init(_ port: OwnershipPort) { self.port = port }

    /// Sets the end of the steady time. The intake calls it after it has passed on the orders.
    func open(until time: MonotonicTime) {
        until.store(time.nanoseconds, ordering: .releasing)
    }

    /// Returns whether workers may act now.
    func isOpen(now: MonotonicTime) -> Bool {
        now.nanoseconds < until.load(ordering: .acquiring) && port.isSteady(now: now)
    }
}
