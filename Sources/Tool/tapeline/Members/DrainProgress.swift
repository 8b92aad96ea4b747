import MarketModel
import Membership
import MembershipTransport
import ServiceRuntime

/// How far a member has come with what was asked of it, by its own heartbeats.
struct DrainProgress: Equatable {
    /// Its last heartbeat of each group that was asked for; `nil`: it was not heard.
    let states: [(group: GroupName, heartbeat: MemberHeartbeat?)]
    let member: MemberName
    /// Whether it is to be drained, or released.
    let isDrain: Bool

    init(
        _ members: [GroupDirectory.Member], of member: MemberName, in groups: [GroupName],
        isDrain: Bool
    ) {
        self.member = member
        self.isDrain = isDrain
        states = groups.map { group in
            let own = members.filter { $0.group == group && $0.heartbeat.member == member }
            return (group, (own.first { $0.heartbeat.state != .aside } ?? own.first)?.heartbeat)
        }
    }

    static func == (one: DrainProgress, other: DrainProgress) -> Bool { one.text == other.text }

    var isDone: Bool {
        states.allSatisfy { state in
            isDrain
                ? state.heartbeat?.state == .drained
                : state.heartbeat.map { $0.drain == nil && $0.state == .ready } ?? false
        }
    }

    /// What it still holds, of all groups.
    var held: Int { states.reduce(0) { $0 + ($1.heartbeat?.held.count ?? 0) } }

    /// What a person sees while it goes on, and why it was not done in time.
    var text: String {
        states.map { group, heartbeat in
            guard let heartbeat else { return "\(member) is not heard in \(group)" }
            let held = NumberRanges.text(heartbeat.held.map(\.number))
            return "\(member) is \(heartbeat.state.rawValue) in \(group)"
                + (held.isEmpty ? "" : " and holds \(held)")
        }.joined(separator: "; ")
    }

    /// Why it may never be done; empty if there is no such reason.
    var doubt: String {
        guard isDrain else { return "" }
        let isUnread = states.contains { $0.heartbeat.map { $0.drain == nil } ?? false }
        if isUnread {
            return "; it does not report the request ('tapeline members')"
        }
        return held == 0 ? "" : "; it keeps what no other member is ready to take"
    }
}
