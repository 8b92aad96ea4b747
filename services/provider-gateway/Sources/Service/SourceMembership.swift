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

    /// Wakes the gateway when an order comes and when the connection is closed for good.
    let control = TapeMailbox(capacity: eventsMax)
    let port: OwnershipPort
    /// Leaves the group: this gateway accepts no ownership any more and has its own requested back.
    /// Must not block.
    var leave: @Sendable () -> Void = {}
    /// Returns whether this gateway owns nothing any more and the group knows it.
    var hasLeft: @Sendable () -> Bool = { true }

    init() {
        let control = control
        port = OwnershipPort(partitions: [Self.partition]) {
            // A full mailbox wakes the thread anyway.
            _ = control.send(.wake)
        }
    }
}
