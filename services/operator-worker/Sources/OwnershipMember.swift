import MembershipTransport

/// The calls of a stopping worker to its process's membership: `GroupMember`, or one of a test.
protocol OwnershipMember {
    /// Asks to hand everything over. The orders to release come to the worker's port.
    func leave()
    /// Whether the process owns nothing any more, and the other members know it.
    var hasLeft: Bool { get }
}
