import Membership
import MembershipTransport
import Primitives

/// Decides whether a member can be drained, and in which groups. It does no I/O.
struct DrainPlan {
    /// Everybody who was heard.
    let members: [GroupDirectory.Member]
    let drains: [DrainBook.Entry]

    /// Returns the groups for which the request holds. Refuses with one sentence.
    func groups(
        _ member: MemberName, _ wish: MemberCommand.Wish
    ) throws(ToolError) -> [GroupName] {
        try requireUndrained(member)
        let known = drains.count { $0.content != .released }
        guard known < DrainRequest.countMax else {
            throw .refused(
                "\(known) members are drained, the most that may be: release others first")
        }
        let own = members.filter { $0.heartbeat.member == member }
        guard !own.isEmpty else {
            let names = members.map(\.heartbeat.member.text)
            let near = NearestName.of(member.text, in: names).map { ": did you mean \($0)?" }
            throw .refused(
                "no member \(member) is heard"
                    + (near ?? "; 'tapeline members' lists those that are"))
        }
        let groups = try wish.groups.isEmpty ? process(member, own) : named(member, own, wish)
        if !wish.isForced {
            for group in groups { try requireSuccessor(of: member, in: group) }
        }
        return groups
    }

    /// Returns the request that can be released.
    func request(about member: MemberName) throws(ToolError) -> DrainBook.Entry {
        guard let entry = drains.first(where: { $0.member == member }), entry.content != .released
        else {
            let names = drains.filter { $0.content != .released }.map(\.member.text)
            throw .refused(
                "\(member) is not drained; "
                    + (names.isEmpty
                        ? "no member is" : "those that are: \(names.joined(separator: ", "))"))
        }
        return entry
    }

    private func requireUndrained(_ member: MemberName) throws(ToolError) {
        guard let entry = drains.first(where: { $0.member == member }) else { return }
        let end = "'tapeline member release \(member)' ends that"
        switch entry.content {
        case .released: return
        case .asked(let request):
            throw .refused("\(member) is drained already, \(request.cause.text); \(end)")
        case .refused(let refusal):
            throw .refused("\(member) has a request that cannot be read (\(refusal)); \(end)")
        }
    }

    /// The groups of the process. A gateway is in those of its sources and in that of the keepers.
    private func process(
        _ member: MemberName, _ own: [GroupDirectory.Member]
    ) throws(ToolError) -> [GroupName] {
        let groups = Self.sorted(own)
        let others = groups.filter { $0 != .keepers && $0.source == nil }
        guard others.isEmpty || groups.count == 1 else {
            throw .refused(
                "\(member) is the name of several processes, in the groups \(Self.list(groups)): "
                    + "say with --group which one is meant")
        }
        return groups
    }

    private func named(
        _ member: MemberName, _ own: [GroupDirectory.Member], _ wish: MemberCommand.Wish
    ) throws(ToolError) -> [GroupName] {
        let groups = Self.sorted(own)
        for group in wish.groups where !groups.contains(group) {
            throw .refused(
                "\(member) is no member of \(group); it is heard in \(Self.list(groups))")
        }
        return wish.groups
    }

    /// Refuses to drain the last member that may own what this one owns.
    func requireSuccessor(
        of member: MemberName, in group: GroupName
    ) throws(ToolError) {
        let all = members.filter { $0.group == group }.map(\.heartbeat)
        guard let own = all.first(where: { $0.member == member && $0.state != .aside }) else {
            return
        }
        let others = all.filter { $0.member != member }
        let isThere = others.contains { other in
            other.mayTakeOver(from: own)
                && !drains.contains {
                    $0.member == other.member && $0.request?.groups.contains(group) == true
                }
        }
        guard !isThere else { return }
        let states = others.map { other in
            let isLower = other.state == .ready && !other.mayTakeOver(from: own)
            return "\(other.member) is \(isLower ? "of a lower rank" : other.state.rawValue)"
        }
        throw .refused(
            "\(member) is the last member of \(group) that can own partitions"
                + (states.isEmpty ? "" : " (\(states.joined(separator: ", ")))")
                + ": start another one first, or give --force, and nobody of its rank owns them")
    }

    private static func sorted(_ own: [GroupDirectory.Member]) -> [GroupName] {
        Set(own.map(\.group)).sorted { $0.text < $1.text }
    }

    private static func list(_ groups: [GroupName]) -> String {
        groups.map(\.text).joined(separator: ", ")
    }
}
