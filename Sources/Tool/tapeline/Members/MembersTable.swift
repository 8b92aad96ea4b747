import MarketModel
import Membership
import MembershipTransport
import Primitives
import ServiceRuntime

/// Prints groups, members and owners, as text for a person and as JSON for a program.
struct MembersTable {
    /// Longer names are truncated in the table.
    static let nameWidth = 24
    private static let releaseWidth = 33

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
            lines.append(Self.memberLine("MEMBER", "STATE", "RANK", "SINCE", "HOLDS"))
            lines += own.map {
                Self.memberLine(
                    $0.member.text, $0.state.rawValue, "\($0.rank)", $0.since.short,
                    NumberRanges.shares($0.held.map(\.number), universe: universe(of: group)))
            }
            lines += Self.releaseLines(own)
        }
        lines += drainLines(of: group)
        let shares = shares(of: group)
        guard !shares.isEmpty else { return lines + ["  no partition has an owner on record"] }
        lines.append(Self.ownerLine("OWNER", "EPOCH", "SINCE", "PARTITIONS"))
        lines += shares.map {
            Self.ownerLine(
                $0.shown, $0.epochs, $0.since.short,
                NumberRanges.shares($0.partitions, universe: universe(of: group)))
        }
        return lines
    }

    private func universe(of group: GroupName) -> Partition? {
        group == .operators ? universe : nil
    }

    private static func memberLine(
        _ member: String, _ state: String, _ rank: String, _ since: String, _ held: String
    ) -> String {
        "  \(cut(member).padded(to: nameWidth)) \(state.padded(to: 8)) "
            + "\(rank.leftPadded(to: 4)) \(since.padded(to: 20)) \(held.isEmpty ? "-" : held)"
    }

    /// Names the members of each release only while there is more than one.
    private static func releaseLines(_ members: [MemberHeartbeat]) -> [String] {
        let releases = [String: [MemberHeartbeat]](grouping: members) {
            ProductVersion.shown($0.release, $0.revision)
        }
        let head = "  \("RELEASE".padded(to: releaseWidth)) MEMBERS"
        return [head]
            + releases.sorted { $0.key < $1.key }.map { release, members in
                let names = members.map { cut($0.member.text) }.joined(separator: ", ")
                let line = "  \(release.padded(to: releaseWidth)) "
                return line + (releases.count == 1 ? "all" : names)
            }
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

    private static func ownerLine(
        _ owner: String, _ epoch: String, _ since: String, _ partitions: String
    ) -> String {
        "  \(cut(owner).padded(to: nameWidth)) \(epoch.leftPadded(to: 13)) "
            + "\(since.padded(to: 20)) \(partitions)"
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
        var writer = JSONWriter(capacity: 8_192)
        writer.object { writer in
            writer.member(
                "groups",
                array: { writer in for group in groups { write(group, &writer) } })
        }
        return writer.text
    }

    private func write(_ group: GroupName, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("group", group.text)
            writer.member(
                "members",
                array: { writer in
                    for member in members where member.group == group {
                        Self.write(member.heartbeat, &writer)
                    }
                })
            writer.member(
                "drains",
                array: { writer in
                    for (member, cause) in requests(of: group) {
                        writer.object { writer in
                            writer.member("member", member.text)
                            cause.report(into: &writer)
                        }
                    }
                })
            writer.member(
                "owners",
                array: { writer in
                    for owner in owners where owner.group == group {
                        Self.write(owner, &writer)
                    }
                })
        }
    }

    private static func write(_ heartbeat: MemberHeartbeat, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("member", heartbeat.member.text)
            writer.member("instance", InstanceText.of(heartbeat.instance))
            writer.member("state", heartbeat.state.rawValue)
            writer.member("rank", heartbeat.rank)
            writer.member("since", heartbeat.since.description)
            writer.member("version", heartbeat.release)
            writer.member("revision", heartbeat.revision)
            writer.member(
                "held",
                array: { writer in for each in heartbeat.held { writer.value(each.number) } })
        }
    }

    private static func write(_ owner: GroupDirectory.Owner, _ writer: inout JSONWriter) {
        writer.object { writer in
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
}
