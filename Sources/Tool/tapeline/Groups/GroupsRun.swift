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
            case .list: return try list(client)
            case .register(let group, let reads, let isNeeded):
                try register(group, reads, isNeeded, client)
                if isNeeded == false, group.role == .consumer { try makeUser(group, deployment) }
                return .success
            case .remove(let group): return try remove(group, client, deployment)
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
        _ group: GroupName, _ reads: Set<ReaderPosition.Input>, _ isNeeded: Bool?,
        _ client: TapeClient
    ) throws {
        let isNew = try GroupRegistry.make(client).register(
            group, reads: reads, isNeeded: isNeeded)
        let known = try isNew ? nil : registered(client).first { $0.group == group }
        if let problem = known?.problem {
            throw ToolError.refused("the registration of group \(group) stays: \(problem)")
        }
        let what = reads.map(\.rawValue).sorted().joined(separator: " and ")
        report(
            isNew
                ? "group \(group) is registered: \(what) that it has not read stay on the tape"
                    + (isNeeded == false
                        ? " while there is room"
                        : "; until it tells its positions that is all of them")
                : "group \(group) was registered for \(what) already",
            isNew ? "registered" : "unchanged", group)
    }

    /// Makes the user of NATS as which a group's programs read: in a local stack in its files, of
    /// which its server reads them again. Other deployments have their own.
    private func makeUser(_ group: GroupName, _ deployment: Deployment) throws(ToolError) {
        let user = FollowerRights.user(of: group)
        guard let home = deployment.home else {
            guard !command.asJSON else { return }
            terminal.line(
                "its programs read as the user \(user) of NATS: 'tapeline groups rights \(group)' "
                    + "prints its rights, where NATS does not have it")
            return
        }
        let password = try StackSecrets.open(home.secret(StackSecrets.name(follower: group)))
        try changeUsers(of: home) { text throws(ToolError) in
            guard !text.contains("user: \(user)\n") else { return text }
            return try "\(FollowerRights.passwordVariable(of: group)): \"\(password)\"\n"
                + FollowerRights(groups: [group]).configuration(shipped: text)
        }
        if !command.asJSON { terminal.line("its programs read as the user \(user) of NATS") }
    }

    /// Removes that user and its password, and says so. In a local stack without the password
    /// there is none.
    private func removeUser(_ known: RegisteredGroup, _ deployment: Deployment) throws(ToolError) {
        let user = FollowerRights.user(of: known.group)
        var told = "its user \(user) of NATS stays where NATS has it: remove it there"
        if let home = deployment.home {
            let path = home.secret(StackSecrets.name(follower: known.group))
            guard FileSystem.exists(path) else { return }
            try changeUsers(of: home) { text in
                FollowerRights(groups: [known.group]).removed(from: text)
            }
            // Last, so that a run that was killed is made again.
            try FileSystem.removeFile(path + StackSecret.nextSuffix)
            try FileSystem.removeFile(path)
            told = "its user \(user) of NATS is removed, and the password of that: \(path)"
        } else if known.isNeeded {
            return
        }
        if !command.asJSON { terminal.line(told) }
    }

    /// Changes the configuration of a local stack's NATS, and has the server read it again.
    private func changeUsers(
        of home: StackHome, _ changed: (String) throws(ToolError) -> String
    ) throws(ToolError) {
        guard let bytes = try FileSystem.read(home.natsConfiguration) else {
            throw .damaged(path: home.natsConfiguration, problem: "it is not there")
        }
        let text = String(decoding: bytes, as: UTF8.self)
        let new = try changed(text)
        if new != text { try FileSystem.write(Array(new.utf8), to: home.natsConfiguration) }
        // Also where nothing changes: a run that was killed may not have come so far.
        guard try NatsReload(home: home).run() else {
            throw .temporary(
                "nats-server has not read its users again: see \(home.logs), then run this again")
        }
    }

    private func remove(
        _ group: GroupName, _ client: TapeClient, _ deployment: Deployment
    ) throws -> ExitCode {
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
        // Before the registration, without which nothing would be removed.
        if group.role == .consumer { try removeUser(known, deployment) }
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
            JSONWriter.made { json in
                json.member("group", group.text)
                json.member("outcome", outcome)
            }.text)
    }
}
