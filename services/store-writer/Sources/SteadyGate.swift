import MembershipTransport
import Synchronization

/// Whether workers may act for the process's partitions.
///
/// The membership says until when the process is steady; the intake passes that on when it has
/// carried out the orders that came with it. So a process that wakes up writes nothing before it
/// has heard what it lost meanwhile.
final class SteadyGate: Sendable {
    private let port: OwnershipPort
    private let until = Atomic<Int64>(.min)

    init(_ port: OwnershipPort) { self.port = port }

    /// By the intake, behind the orders.
    func open(until time: Int64) { until.store(time, ordering: .releasing) }

    /// `now` is monotonic.
    func isOpen(now: Int64) -> Bool {
        now < until.load(ordering: .acquiring) && port.isSteady(now: now)
    }
}
