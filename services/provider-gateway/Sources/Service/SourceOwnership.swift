import MarketModel
import Membership
import MembershipTransport
import Primitives
import ServiceRuntime
import TapeTransport

/// The orders that a tenure follows. The thread of the tenure calls it.
protocol TenureOwnership: AnyObject {
    /// Why the connection was closed for good; `nil` while it was not.
    var connectionEnd: String? { get }
    /// Through which the group says until when this gateway may act as the owner.
    var port: OwnershipPort { get }
    /// Ends a wait. Any thread may call it.
    var wake: @Sendable () -> Void { get }
    /// Waits for an order, the end of the service, a `wake`, or the timeout.
    func wait(_ timeout: Duration)
    /// Returns how the tenure is to end, or `nil` when it continues. Call it every turn.
    func endRequest() -> SourceOwnership.EndRequest?
    /// Reports the epoch that is open.
    func opened(epoch: UInt64)
}

extension TenureOwnership {
    /// Returns whether this gateway may act as the owner at this moment.
    func isSteady(now: MonotonicTime) -> Bool { port.isSteady(now: now) }
}

/// The orders of the source's group to this gateway. One thread owns it.
///
/// A tenure: `claim` is set when the source was given to this gateway; `begin` starts the tenure,
/// `endRequest` returns how it is to end, and `end` reports that it has ended and how.
final class SourceOwnership: TenureOwnership {
    /// How a tenure is to end.
    enum EndRequest: Sendable {
        /// End in order: ticks that were taken go onto the tape first.
        case release
        /// End immediately: another gateway owns the source already.
        case drop
    }

    /// How a tenure ended.
    enum Ending {
        /// Nothing of it is in progress any more: another gateway may own the source.
        case released
        /// Another gateway owned the source already, as the group knows.
        case dropped
        /// A higher epoch was met on the tape, which the group does not know.
        case lost(reason: String)
    }

    private static let eventsPerTurn = 64
    /// How long the group may take to request the source back when the service is to end.
    private static let leaveNanoseconds: Int64 = 1_000_000_000
    /// How long the group may take to learn that this gateway owns nothing any more.
    private static let goodbyeNanoseconds: Int64 = 1_000_000_000

    /// The ownership that was given to this gateway and has not begun yet; `nil` when there is
    /// none.
    private(set) var claim: Claim?
    /// Why the connection was closed for good; `nil` while it was not.
    private(set) var connectionEnd: String?

    private let membership: SourceMembership
    private let shutdown: ShutdownSignal
    private let clock = SystemClock()
    /// The claim of the tenure that is under way; `nil` when none is.
    private var present: Claim?
    /// How the group wants the tenure to end; `nil` while it does not.
    private var asked: EndRequest?
    /// Monotonic times: since when the service is to end, and when the last tenure ended; `nil`
    /// before.
    private var leavingSince: MonotonicTime?
    private var endedAt: MonotonicTime?
    /// Answers for which the group's thread had no room yet.
    private var unsentAnswers: [OwnershipAnswer] = []
    private var orders: [OwnershipOrder] = []
    private var events: [TapeEvent] = []

    init(_ membership: SourceMembership, shutdown: ShutdownSignal) {
        self.membership = membership
        self.shutdown = shutdown
        shutdown.onRequest(wake)
    }

    // MARK: waiting

    var wake: @Sendable () -> Void { membership.wake }

    func wait(_ timeout: Duration) {
        _ = membership.control.receive(into: &events, max: Self.eventsPerTurn, timeout: timeout)
        followOrders()
    }

    /// Whether the service can end: shutdown was requested, no tenure is under way, and the group
    /// knows that nothing is owned here or does not answer.
    var isLeft: Bool {
        guard let leavingSince, present == nil else { return false }
        let now = clock.monotonic()
        return membership.hasLeft()
            || now >= max(leavingSince, endedAt ?? leavingSince) + Self.goodbyeNanoseconds
    }

    // MARK: a tenure

    /// Begins a tenure. Returns `nil` when the source was not given to this gateway.
    func begin() -> Claim? {
        guard let claim, leavingSince == nil else { return nil }
        (present, self.claim, asked) = (claim, nil, nil)
        return claim
    }

    func opened(epoch: UInt64) {
        guard let present else { return }
        answer(.opened(SourceMembership.partition, tenure: present.tenure, epoch: epoch))
    }

    var port: OwnershipPort { membership.port }

    func endRequest() -> EndRequest? {
        _ = membership.control.receive(into: &events, max: Self.eventsPerTurn, timeout: .zero)
        followOrders()
        if let asked { return asked }
        guard let leavingSince else { return nil }
        // An unresponsive group must not prevent the service from ending in order.
        return clock.monotonic() >= leavingSince + Self.leaveNanoseconds
            ? .release : nil
    }

    /// Reports that the tenure has ended.
    func end(_ ending: Ending) {
        guard let ended = present else { return }
        (present, asked) = (nil, nil)
        endedAt = clock.monotonic()
        switch ending {
        case .released: answer(.released(SourceMembership.partition, tenure: ended.tenure))
        case .dropped: break
        case .lost(let reason):
            answer(.lost(SourceMembership.partition, tenure: ended.tenure, reason: reason))
        }
    }

    // MARK: orders and reports

    /// Handles the events, orders and shutdown that came.
    private func followOrders() {
        for event in events {
            if case .closed(let reason) = event { connectionEnd = reason }
        }
        events.removeAll(keepingCapacity: true)
        if shutdown.isRequested, leavingSince == nil {
            leavingSince = clock.monotonic()
            membership.leave()
        }
        membership.port.take(into: &orders)
        for order in orders { follow(order) }
        orders.removeAll(keepingCapacity: true)
        sendAnswers()
    }

    private func follow(_ order: OwnershipOrder) {
        switch order {
        case .take(_, let claim):
            self.claim = claim
            // The source was given again, so the present tenure is no longer an owner's.
            if present != nil { asked = .drop }
        case .release(_, let tenure):
            if present?.tenure == tenure {
                asked = asked ?? .release
            } else {
                if claim?.tenure == tenure { claim = nil }
                answer(.released(SourceMembership.partition, tenure: tenure))
            }
        case .drop(_, let tenure):
            if claim?.tenure == tenure { claim = nil }
            if present?.tenure == tenure { asked = .drop }
        }
    }

    private func answer(_ answer: OwnershipAnswer) {
        unsentAnswers.append(answer)
        sendAnswers()
    }

    /// Sends the reports that wait. The group's thread may be slower than this one; what it has no
    /// room for is sent later.
    private func sendAnswers() {
        while let answer = unsentAnswers.first, membership.port.answer(answer) {
            unsentAnswers.removeFirst()
        }
    }
}
