import Membership
import Primitives
import ServiceRuntime
import TapeKeeping
import TapeTransport

/// Carries out `tapeline groups`.
struct GroupsRun {
    private static let work = Deployment.TapeWork(
        failure: "the groups cannot be looked at", right: "see or change groups")

    let command: GroupsCommand
    let terminal: Terminal

    func run(_ deployment: Deployment) throws(ToolError) -> ExitCode {
        try deployment.onTape(Self.work) { client in
            switch command.verb {
            case .list: try list(client)
            case .register(let group, let reads): try register(group, reads, client)
            case .remove(let group): try remove(group, client)
            case .rights: preconditionFailure("it needs no tape")
            }
        }
    }

    private func list(_ client: TapeClient) throws -> ExitCode {
        let table = GroupsTable(groups: try registered(client), now: SystemClock().now())
        terminal.show(table.lines, json: table.json(), rows: table.rows.fields, command.asJSON)
        for group in table.groups {
            guard let problem = group.problem else { continue }
            terminal.problem("all that group \(group.group) may read stays on the tape: \(problem)")
        }
        return .success
    }

    /// Without a bucket no group has registered yet.
    private func registered(_ client: TapeClient) throws -> [RegisteredGroup] {
        do {
            return try GroupRegistry.open(client).groups()
        } catch TapeError.missingStream {
            return []
        }
    }

    private func register(
        _ group: GroupName, _ reads: Set<ReaderPosition.Input>, _ client: TapeClient
    ) throws -> ExitCode {
        let isNew = try GroupRegistry.make(client).register(group, reads: reads)
        let known = try isNew ? nil : registered(client).first { $0.group == group }
        if let problem = known?.problem {
            throw ToolError.refused("the registration of group \(group) stays: \(problem)")
        }
        let what = reads.map(\.rawValue).sorted().joined(separator: " and ")
        report(
            isNew
                ? "group \(group) is registered: \(what) that it has not read stay on the tape; "
                    + "until it tells its positions that is all of them"
                : "group \(group) was registered for \(what) already",
            isNew ? "registered" : "unchanged", group)
        return .success
    }

    private func remove(_ group: GroupName, _ client: TapeClient) throws -> ExitCode {
        guard let known = try registered(client).first(where: { $0.group == group }) else {
            throw ToolError.refused(
                "group \(group) is not registered; 'tapeline groups list' shows those that are")
        }
        let told = known.told.isDefined ? known.told.description : "never"
        guard
            try Confirmation.ask(
                "What group \(group) has not read may be purged from then on (positions told: "
                    + "\(told)). Remove it?", isGiven: command.isConfirmed, terminal)
        else { return .failure }
        _ = try GroupRegistry.open(client).remove(group)
        report(
            "group \(group) is removed; a service of it that starts registers it again",
            "removed", group)
        return .success
    }

    private func report(_ sentence: String, _ outcome: String, _ group: GroupName) {
        guard command.asJSON else {
            terminal.line(sentence)
            return
        }
        terminal.line(
            JSONWriter.objectText { json in
                json.member("group", group.text)
                json.member("outcome", outcome)
            })
    }
}
