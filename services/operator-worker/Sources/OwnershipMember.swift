import MembershipTransport

/// What the data plane asks of its process's membership when it stops.
protocol OwnershipMember {
    /// Everything is to be handed over; orders to release come to the port.
    func leave()
    /// Nothing is held any more, and the others know.
    var hasLeft: Bool { get }
}
