import MarketModel
import Membership
import MembershipTransport
import Primitives
import ServiceRuntime

/// Prints groups, members and owners, as text for a person and as JSON for a program.
struct MembersTable {
    /// Longer names are truncated in the table.
    static let nameWidth = 24

    /// Sorted by group, name and instance.
    let members: [GroupDirectory.Member]
    /// Sorted by group and partition.
    let owners: [GroupDirectory.Owner]
    /// Sorted by member.
    var drains: [DrainBook.Entry] = []
    /// The number of the operators' share over all partitions. `nil` if it is not known.
    var universe: Partition?

    var groups: [GroupName] {
        let drained = drains.flatMap { $0.request?.groups ?? [] }
        return Set(members.map(\.group) + owners.map(\.group) + drained)
            .sorted { $0.text < $1.text }
    }

    // MARK: text

    var lines: [String] {
        guard !groups.isEmpty else {
            return ["no member was heard, and no partition has an owner on record"]
        }
        return groups.enumerated().flatMap { index, group in
            (index == 0 ? [] : [""]) + lines(of: group)
        }
    }

    private func lines(of group: GroupName) -> [String] {
        let own = members.filter { $0.group == group }.map(\.heartbeat)
        var lines = [group.text]
        if own.isEmpty {
            lines.append("  no member was heard")
        } else {
            lines += rows(of: group).table.map { "  \($0)" }
            lines += Self.releaseLines(own)
        }
        lines += drainLines(of: group)
        let shares = shares(of: group)
        guard !shares.isEmpty else { return lines + ["  no partition has an owner on record"] }
        let owners = shares.map {
            [
                Self.cut($0.shown), $0.epochs, $0.since.short,
                NumberRanges.shares($0.partitions, universe: universe(of: group)),
            ]
        }
        lines += TextTable.lines(
            [["OWNER", "EPOCH", "SINCE", "PARTITIONS"]] + owners, numbers: [1]
        )
        .map { "  \($0)" }
        return lines
    }

    private func universe(of group: GroupName) -> Partition? {
        group == .operators ? universe : nil
    }

    private func rows(of group: GroupName) -> ReportRows<MemberHeartbeat> {
        let universe = universe(of: group)
        return ReportRows(
            members.filter { $0.group == group }.map(\.heartbeat),
            [
                ReportColumn("MEMBER", "member", shown: { Self.cut($0.member.text) }) {
                    .text($0.member.text)
                },
                ReportColumn("", "instance") { .text(InstanceText.of($0.instance)) },
                ReportColumn("STATE", "state") { .text($0.state.rawValue) },
                ReportColumn("RANK", "rank", isNumber: true) { .number($0.rank) },
                ReportColumn("SINCE", "since") { .time($0.since) },
                ReportColumn("", "version") { .text($0.release) },
                ReportColumn("", "revision") { .text($0.revision) },
                ReportColumn(
                    "HOLDS", "held",
                    shown: {
                        let held = NumberRanges.shares($0.held.map(\.number), universe: universe)
                        return held.isEmpty ? "-" : held
                    }, { .numbers($0.held.map(\.number)) }),
            ])
    }

    /// Names the members of each release only while there is more than one.
    private static func releaseLines(_ members: [MemberHeartbeat]) -> [String] {
        let releases = [String: [MemberHeartbeat]](grouping: members) {
            ProductVersion.shown($0.release, $0.revision)
        }
        let rows = releases.sorted { $0.key < $1.key }.map { release, members in
            [
                release,
                releases.count == 1
                    ? "all"
                    : members.map { cut($0.member.text) }
                        .joined(separator: ", "),
            ]
        }
        return TextTable.lines([["RELEASE", "MEMBERS"]] + rows).map { "  \($0)" }
    }

    /// Returns the requests to drain members of the group.
    func requests(of group: GroupName) -> [(member: MemberName, cause: DrainCause)] {
        drains.compactMap { entry in
            guard let request = entry.request, request.groups.contains(group) else { return nil }
            return (entry.member, request.cause)
        }
    }

    private func drainLines(of group: GroupName) -> [String] {
        requests(of: group).map { member, cause in
            let name = Self.cut(member.text)
            let isHeard = members.contains { $0.group == group && $0.heartbeat.member == member }
            return "  \(name) is to take nothing, by \(cause.requester) at \(cause.asked.short)"
                + (cause.reason.isEmpty ? "" : ": \(cause.reason)")
                + (isHeard ? "" : " (it is not heard)")
        }
    }

    static func cut(_ name: String) -> String {
        name.count <= nameWidth ? name : "\(name.prefix(nameWidth - 1))…"
    }

    /// The partitions that one instance owns, or has released.
    struct Share: Equatable {
        let owner: MemberName?
        let instance: UInt64
        let state: OwnershipRecord.State?
        /// True if a heartbeat of the owner arrived during the look.
        let isHeard: Bool
        var partitions: [Int] = []
        var firstEpoch = UInt64.max
        var lastEpoch: UInt64 = 0
        /// The time of the latest change.
        var since = Timestamp.undefined

        var shown: String {
            switch state {
            case .held: (owner?.text ?? "") + (isHeard ? "" : " (silent)")
            case .free: "free"
            case nil: "damaged record"
            }
        }

        var epochs: String {
            guard lastEpoch > 0 else { return "-" }
            return firstEpoch == lastEpoch ? "\(lastEpoch)" : "\(firstEpoch)-\(lastEpoch)"
        }
    }

    /// Returns the shares of a group, sorted by their first partitions.
    func shares(of group: GroupName) -> [Share] {
        let heard = Set(
            members.filter { $0.group == group }.map {
                "\($0.heartbeat.member) \($0.heartbeat.instance)"
            })
        var shares: [Share] = []
        for owner in owners where owner.group == group {
            let record = owner.record
            let isFree = record?.state != .held
            let share = Share(
                owner: isFree ? nil : record?.owner, instance: isFree ? 0 : record?.instance ?? 0,
                state: record?.state,
                isHeard: record.map { heard.contains("\($0.owner) \($0.instance)") } ?? false)
            let known = shares.firstIndex {
                $0.owner == share.owner && $0.instance == share.instance && $0.state == share.state
            }
            let index = known ?? shares.endIndex
            if known == nil { shares.append(share) }
            shares[index].partitions.append(owner.partition.number)
            if let record {
                shares[index].firstEpoch = min(shares[index].firstEpoch, record.epoch)
                shares[index].lastEpoch = max(shares[index].lastEpoch, record.epoch)
                let since = shares[index].since
                shares[index].since = since.isDefined ? max(since, record.since) : record.since
            }
        }
        return shares
    }

    // MARK: JSON

    func json() -> String {
        JSONWriter.made { writer in
            writer.member("groups", each: groups, write)
        }.text
    }

    private func write(_ group: GroupName, _ writer: inout JSONWriter) {
        writer.member("group", group.text)
        writer.member("members", rows: rows(of: group))
        writer.member("drains", each: requests(of: group)) { pair, writer in
            let (member, cause) = pair
            writer.member("member", member.text)
            cause.report(into: &writer)
        }
        writer.member("owners", each: owners.filter { $0.group == group }, Self.write)
    }

    private static func write(_ owner: GroupDirectory.Owner, _ writer: inout JSONWriter) {
        writer.member("partition", owner.partition.number)
        writer.member("revision", owner.revision)
        writer.member("written", owner.written.description)
        guard let record = owner.record else {
            writer.member("state", "damaged")
            return
        }
        writer.member("state", record.state.rawValue)
        writer.member("owner", record.owner.text)
        writer.member("instance", InstanceText.of(record.instance))
        writer.member("epoch", record.epoch)
        writer.member("since", record.since.description)
    }
}
