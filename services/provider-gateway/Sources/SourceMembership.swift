import MarketModel
import Membership
import MembershipTransport
import TapeTransport

/// How this gateway is tied to the group of its source: it gets the source's one seat, and gives
/// it back.
struct SourceMembership: Sendable {
    /// The one seat of a source's group.
    static let seat = Partition(0)
    /// Orders and words about the connection that wait for the gateway's thread.
    private static let wordsMax = 64

    /// Wakes the gateway up: when an order comes, and when the connection is gone for good.
    let control = TapeMailbox(capacity: wordsMax)
    let port: OwnershipPort
    /// Takes no seat any more and has this gateway's own asked back. Must not block.
    var leave: @Sendable () -> Void = {}
    /// Nothing is held any more, and the group knows it.
    var hasLeft: @Sendable () -> Bool = { true }

    init() {
        let control = control
        port = OwnershipPort(partitions: [Self.seat]) {
            // When it is full there are words enough to wake the thread up.
            _ = control.send(.wake)
        }
    }
}
