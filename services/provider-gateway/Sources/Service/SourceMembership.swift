import MarketModel
import Membership
import MembershipTransport
import TapeTransport

/// This gateway's membership in the group of its source, through which it gets the source and gives
/// it back. The group has one partition: the source.
struct SourceMembership: Sendable {
    /// The only partition of a source's group.
    static let partition = Partition(0)
    /// The maximum of orders and events of the connection that wait for the gateway's thread.
    private static let eventsMax = 64

    /// Wakes the gateway when an order comes and when the connection is closed for good. No answer
    /// of NATS comes to it, so each event ends a wait immediately.
    let control: TapeMailbox
    /// Ends the gateway's wait for `control`. Any thread may call it.
    let wake: @Sendable () -> Void
    let port: OwnershipPort
    /// Leaves the group: this gateway accepts no ownership any more and has its own requested back.
    /// Must not block.
    var leave: @Sendable () -> Void = {}
    /// Returns whether this gateway owns nothing any more and the group knows it.
    var hasLeft: @Sendable () -> Bool = { true }

    init() {
        let control = TapeMailbox(capacity: Self.eventsMax)
        self.control = control
        // A full mailbox wakes the thread anyway.
        let wake: @Sendable () -> Void = { _ = control.send(.wake) }
        self.wake = wake
        port = OwnershipPort(partitions: [Self.partition], wake: wake)
    }
}
