import MembershipTransport

/// The calls of a stopping data plane to its process's membership.
protocol OwnershipMember {
    /// Asks to hand everything over. The orders to release come to the port.
    func leave()
    /// Whether nothing is held any more, and the other members know it.
    var hasLeft: Bool { get }
}
