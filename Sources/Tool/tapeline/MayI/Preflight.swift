import MarketModel
import Membership
import MembershipTransport
import Primitives

/// Whether a member, or one member of a group after the other, may be started again now: the facts,
/// and what follows from them. It does no I/O.
struct Preflight {
    /// One line of the answer.
    struct Reason: Equatable {
        enum Level: String, CaseIterable {
            case yes, no
            /// Nobody named it, so it was not looked at.
            case skipped
        }

        let level: Level
        let text: String

        init(_ level: Level, _ text: String) {
            self.level = level
            self.text = text
        }
    }

    /// How far a group is behind the tape.
    struct Lag: Equatable {
        var records: UInt64 = 0
        /// Partitions of which nobody says how far they are read.
        var unheard = 0
    }

    /// A copy of a stream that is not up to date, or a stream without a leader.
    struct Behind: Equatable {
        let stream: String
        let problem: String
    }

    enum Database: Equatable {
        case answers(String)
        case away(String)
        case unnamed
    }

    /// The lag that one member works off in some seconds: what deploy/keda expects of it, too.
    static let lagPerMemberMax: UInt64 = 50_000

    /// What was asked about: the name of a group or of a member.
    let subject: String
    /// The release that it is to become. `nil`: it is to stay as it is.
    var upgradeTo: Release?
    /// Everybody who was heard.
    var members: [GroupDirectory.Member] = []
    /// The partitions without a living owner, by group.
    var silent: [String: [Int]] = [:]
    /// The groups for which a person asked that a member is drained, by its name.
    var drains: [MemberName: [GroupName]] = [:]
    /// By group, of those that read the tape.
    var lags: [String: Lag] = [:]
    var nats = ""
    /// The number of streams that were looked at, and those with several copies.
    var streams = 0
    var replicated = 0
    var behind: [Behind] = []
    var database = Database.unnamed

    // MARK: the answer

    var isYes: Bool { !reasons.contains { $0.level == .no } }

    var reasons: [Reason] {
        groupReasons + orderReasons + [Reason(.yes, "NATS answers: \(nats)")] + copyReasons
            + [databaseReason]
    }

    private var groupReasons: [Reason] {
        let all = members.filter { $0.group.text == subject }
        guard all.isEmpty else { return all[0].group.reasons(self, of: nil) }
        let own = members.filter { $0.heartbeat.member.text == subject }
        guard !own.isEmpty else {
            let names = members.map(\.heartbeat.member.text) + members.map(\.group.text)
            let near = NearestName.of(subject, in: names).map { ": did you mean \($0)?" } ?? ""
            return [Reason(.no, "no member and no group \(subject) is heard\(near)")]
        }
        let groups = Set(own.map(\.group)).sorted { $0.text < $1.text }
        return groups.flatMap { $0.reasons(self, of: own[0].heartbeat.member) }
    }

    private var copyReasons: [Reason] {
        guard behind.isEmpty else {
            return behind.map { Reason(.no, "\($0.stream): \($0.problem)") }
        }
        guard replicated > 0 else {
            return [Reason(.yes, "each of \(streams) streams has one copy, which answers")]
        }
        return [Reason(.yes, "all copies of \(replicated) of \(streams) streams are current")]
    }

    private var databaseReason: Reason {
        switch database {
        case .answers(let peer): Reason(.yes, "the database answers: \(peer)")
        case .away(let problem): Reason(.no, "the database does not answer: \(problem)")
        case .unnamed: Reason(.skipped, "no database is named (POSTGRES_HOST)")
        }
    }
}

extension GroupName {
    /// Returns what speaks for and against the restart of a member of this group; `nil`: of all of
    /// its members, one after the other.
    fileprivate func reasons(_ facts: Preflight, of member: MemberName?) -> [Preflight.Reason] {
        let all = facts.members.filter { $0.group == self }.map(\.heartbeat)
        let restarted = all.filter { member == nil || $0.member == member }
        let asked = Set(facts.drains.filter { $0.value.contains(self) }.keys)
        return takeOver(restarted, all.filter { !asked.contains($0.member) })
            + states(all, besides: member, asked) + owners(facts)
            + lag(facts, remaining: max(1, all.count { $0.state == .ready } - 1))
    }

    private func takeOver(
        _ restarted: [MemberHeartbeat], _ all: [MemberHeartbeat]
    ) -> [Preflight.Reason] {
        let alone = restarted.filter { own in
            !own.held.isEmpty
                && !all.contains { $0.member != own.member && $0.mayTakeOver(from: own) }
        }
        guard alone.isEmpty else {
            return alone.map { own in
                Preflight.Reason(
                    .no,
                    "nobody of \(self) can take over from \(own.member): "
                        + "\(NumberRanges.text(own.held.map(\.number))) would have no owner")
            }
        }
        let held = restarted.reduce(0) { $0 + $1.held.count }
        let one = restarted.count == 1 ? restarted[0].member.text : nil
        let text =
            held == 0
            ? one.map { "\($0) owns nothing of \(self)" } ?? "nobody owns anything of \(self)"
            : "others of \(self) can take over from \(one ?? "each of its members")"
        return [Preflight.Reason(.yes, text)]
    }

    private func states(
        _ all: [MemberHeartbeat], besides member: MemberName?, _ asked: Set<MemberName>
    ) -> [Preflight.Reason] {
        let busy = all.filter {
            $0.member != member && ($0.state != .ready || asked.contains($0.member))
        }
        guard busy.isEmpty else {
            return busy.map { each in
                let state = each.state == .ready ? "to be drained" : each.state.rawValue
                return Preflight.Reason(.no, "\(each.member) of \(self) is \(state)")
            }
        }
        let others = all.count { $0.member != member }
        guard member != nil else {
            return [Preflight.Reason(.yes, "all members of \(self) are ready: \(others)")]
        }
        return others == 0
            ? [] : [Preflight.Reason(.yes, "the other members of \(self) are ready: \(others)")]
    }

    private func owners(_ facts: Preflight) -> [Preflight.Reason] {
        let silent = facts.silent[text] ?? []
        guard !silent.isEmpty else { return [] }
        let numbers = NumberRanges.text(silent)
        return [Preflight.Reason(.no, "no living owner of partitions \(numbers) of \(self)")]
    }

    private func lag(_ facts: Preflight, remaining: Int) -> [Preflight.Reason] {
        guard let lag = facts.lags[text] else {
            return sharesPartitions
                ? [Preflight.Reason(.no, "nobody says how far \(self) has read")] : []
        }
        guard lag.unheard == 0 else {
            return [
                Preflight.Reason(
                    .no, "nobody says how far \(lag.unheard) partitions of \(self) are read")
            ]
        }
        let limit = Preflight.lagPerMemberMax &* UInt64(remaining)
        let isSmall = lag.records <= limit
        return [
            Preflight.Reason(
                isSmall ? .yes : .no,
                "\(self) is \(lag.records) records behind; up to \(limit) are worked "
                    + "off by those that remain")
        ]
    }
}
