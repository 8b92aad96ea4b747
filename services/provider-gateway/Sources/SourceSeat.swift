import MarketModel
import Membership
import MembershipTransport
import Primitives
import ServiceRuntime
import TapeTransport

/// What the source's group wants of this gateway. One thread owns it.
///
/// Tenures: `claim` is there when the source was given to this gateway; `begin` starts the tenure,
/// `wish` says that it is to end, `end` says that it has ended and how.
final class SourceSeat {
    enum Wish {
        /// In order: what was taken goes onto the tape first.
        case release
        /// At once: somebody else has the source already.
        case drop
    }

    enum Ending {
        case released
        case dropped
        case lost(reason: String)
    }

    private static let eventsPerTurn = 64
    /// How long the group may take to ask for the source when the service is to end.
    private static let leaveNanoseconds: Int64 = 1_000_000_000
    /// How long the group may take to hear that nothing is held any more.
    private static let goodbyeNanoseconds: Int64 = 1_000_000_000

    /// Given to this gateway, and not begun yet.
    private(set) var claim: Claim?
    /// Why the connection is gone for good.
    private(set) var connectionEnd: String?

    private let membership: SourceMembership
    private let shutdown: ShutdownSignal
    private let clock = SystemClock()
    private var present: Claim?
    private var asked: Wish?
    private var leavingSince: Int64?
    private var endedAt: Int64?
    private var unsaid: [OwnershipNews] = []
    private var orders: [OwnershipOrder] = []
    private var events: [TapeEvent] = []

    init(_ membership: SourceMembership, shutdown: ShutdownSignal) {
        self.membership = membership
        self.shutdown = shutdown
    }

    // MARK: standing by

    /// Waits for a claim, for the end, or until the timeout.
    func standBy(timeout: Duration) {
        _ = membership.control.receive(into: &events, max: Self.eventsPerTurn, timeout: timeout)
        hear()
    }

    /// The service is to end, and the group knows that nothing is held here, or does not listen.
    var isLeft: Bool {
        guard let leavingSince, present == nil else { return false }
        let now = clock.monotonic().nanoseconds
        return membership.hasLeft()
            || now >= max(leavingSince, endedAt ?? leavingSince) + Self.goodbyeNanoseconds
    }

    // MARK: a tenure

    func begin() -> Claim? {
        guard let claim, leavingSince == nil else { return nil }
        (present, self.claim, asked) = (claim, nil, nil)
        return claim
    }

    func opened(epoch: UInt64) {
        guard let present else { return }
        say(.opened(SourceMembership.seat, tenure: present.tenure, epoch: epoch))
    }

    /// May it act as the owner at this moment? `now` is monotonic.
    func isSteady(now: Int64) -> Bool { membership.port.isSteady(now: now) }

    /// To be asked every turn.
    func wish() -> Wish? {
        _ = membership.control.receive(into: &events, max: Self.eventsPerTurn, timeout: .zero)
        hear()
        if let asked { return asked }
        guard let leavingSince else { return nil }
        // A group that does not answer does not keep the service from ending in order.
        return clock.monotonic().nanoseconds >= leavingSince + Self.leaveNanoseconds
            ? .release : nil
    }

    func end(_ ending: Ending) {
        guard let ended = present else { return }
        (present, asked) = (nil, nil)
        endedAt = clock.monotonic().nanoseconds
        switch ending {
        case .released: say(.released(SourceMembership.seat, tenure: ended.tenure))
        case .dropped: break
        case .lost(let reason):
            say(.lost(SourceMembership.seat, tenure: ended.tenure, reason: reason))
        }
    }

    // MARK: words

    private func hear() {
        for event in events {
            if case .closed(let reason) = event { connectionEnd = reason }
        }
        events.removeAll(keepingCapacity: true)
        if shutdown.isRequested, leavingSince == nil {
            leavingSince = clock.monotonic().nanoseconds
            membership.leave()
        }
        membership.port.take(into: &orders)
        for order in orders { follow(order) }
        orders.removeAll(keepingCapacity: true)
        repeatUnsaid()
    }

    private func follow(_ order: OwnershipOrder) {
        switch order {
        case .take(_, let claim):
            self.claim = claim
            // Given anew: what is under way here has no owner any more.
            if present != nil { asked = .drop }
        case .release(_, let tenure):
            if present?.tenure == tenure {
                asked = asked ?? .release
            } else {
                if claim?.tenure == tenure { claim = nil }
                say(.released(SourceMembership.seat, tenure: tenure))
            }
        case .drop(_, let tenure):
            if claim?.tenure == tenure { claim = nil }
            if present?.tenure == tenure { asked = .drop }
        }
    }

    private func say(_ word: OwnershipNews) {
        unsaid.append(word)
        repeatUnsaid()
    }

    /// The group's thread may be slower than this one: what it has no room for comes later.
    private func repeatUnsaid() {
        while let word = unsaid.first, membership.port.tell(word) { unsaid.removeFirst() }
    }
}
