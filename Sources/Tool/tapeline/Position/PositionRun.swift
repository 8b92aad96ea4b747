import Membership
import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime
import TapeProtocol
import TapeTransport

/// Carries out `tapeline position`.
struct PositionRun {
    let command: PositionCommand
    let terminal: Terminal

    func run(_ deployment: Deployment) throws(ToolError) -> ExitCode {
        for partition in command.partitions
        where partition > deployment.names.universe {
            throw .usage(
                "partition \(partition) is not there: there are "
                    + "\(deployment.names.partitions), from 0 on")
        }
        if let group = command.group, group.isStore, group != deployment.store {
            throw .usage(
                "the database that is named is that of \(deployment.store): set STORE_NAME and "
                    + "POSTGRES_* for \(group)")
        }
        let client = try deployment.openTape()
        defer { client.close() }
        do {
            switch command.verb {
            case .show, .verify: return try show(deployment, client)
            case .accept: return try accept(deployment, client)
            case .raise:
                return try RaiseRun(command: command, terminal: terminal).run(deployment, client)
            }
        } catch {
            throw ToolError(error) { .unreachable("the positions cannot be read: \($0)") }
        }
    }

    // MARK: show and verify

    private func show(_ deployment: Deployment, _ client: TapeClient) throws -> ExitCode {
        // The streams are read last. Otherwise a position that moves meanwhile could seem to be
        // beyond their end.
        let positions = try positions(deployment, client)
        let look = try PositionCheck(client, deployment.allStreams)
        let table = PositionTable(
            rows: try positions.map {
                PositionTable.Row(position: $0, state: try look.state($0))
            }, now: SystemClock().now())
        if command.asJSON {
            terminal.line(table.json())
        } else if command.verb == .show {
            for line in table.lines { terminal.line(line) }
        } else {
            reportVerdict(table, deployment.server)
        }
        return command.verb == .show || table.isFine ? .success : .failure
    }

    private func reportVerdict(_ table: PositionTable, _ server: StoreServer?) {
        let wrong = PositionTable(rows: table.rows.filter { !$0.state.isFine }, now: table.now)
        if !wrong.rows.isEmpty { for line in wrong.lines { terminal.line(line) } }
        let read = table.rows.count { $0.position.hasRead }
        terminal.line(
            wrong.rows.isEmpty
                ? "all of \(read) positions hold"
                : "\(wrong.rows.count) of \(read) positions do not hold: \(Self.remedy(server)), "
                    + "'tapeline partition rebuild' for an operator")
    }

    /// What a person does where the position of a store does not hold.
    static func remedy(_ server: StoreServer?) -> String {
        guard let server else { return "'tapeline position accept' for a store" }
        return "a writer with STORE_NEEDED=false goes on after what the tape has lost, on another "
            + "tape a store of \(server.title) needs a new database and STORE_NAME"
    }

    private func positions(
        _ deployment: Deployment, _ client: TapeClient
    ) throws -> [GroupPosition] {
        var positions: [GroupPosition] = []
        // Without a database the store's positions cannot be read. That is an error only if they
        // were asked for.
        if deployment.server != nil, command.group != .operators {
            positions += try IntentPositions(store: deployment.store, client: client).positions()
        } else if command.group?.isStore == true
            || command.group == nil && deployment.postgres != nil
        {
            let database = try deployment.openDatabase()
            defer { database.close() }
            positions += try StorePositions(deployment.store, database).positions()
        } else if command.group == nil {
            terminal.problem("the store's positions are left out: POSTGRES_HOST is not set")
        }
        if command.group?.isStore != true {
            positions += try OperatorPositions(client: client).positions()
        }
        return positions.filter(command.wants)
    }

    // MARK: accept

    private func accept(_ deployment: Deployment, _ client: TapeClient) throws -> ExitCode {
        let database = try deployment.openDatabase()
        defer { database.close() }
        let books = StorePositions(deployment.store, database)
        let wanted = try books.positions().filter { command.wants($0) && $0.hasRead }
        // The streams are read last. Otherwise a position that moves meanwhile could seem to be
        // beyond their end.
        let look = try PositionCheck(client, deployment.allStreams)
        let plans = try wanted.map { try look.acceptance($0) }.filter { !$0.isNothing }
        let text = AcceptanceText(
            plans: plans, givenUp: try command.givenUp(wanted, accepting: plans.map(\.position)))
        guard !text.isNothing else {
            terminal.line(
                command.asJSON
                    ? text.json
                    : "nothing to accept: all of \(wanted.count) positions hold")
            return .success
        }
        if !command.asJSON {
            for line in text.lines { terminal.line(line) }
            guard
                try Confirmation.ask(
                    "Accept this?", isGiven: command.isConfirmed, terminal)
            else { return .failure }
        }
        for plan in plans { try books.accept(plan) }
        for position in text.givenUp where !plans.contains(where: { $0.position == position }) {
            try books.giveUpApart(at: position)
        }
        terminal.line(
            command.asJSON ? text.json : "accepted; a writer that runs goes on within a second")
        return .success
    }
}

extension PositionCommand {
    /// Returns the positions whose groups of tables that wait apart are given up. Where a position
    /// is accepted at which some wait, this has to be asked for.
    func givenUp(
        _ wanted: [GroupPosition], accepting accepted: [GroupPosition]
    ) throws(ToolError) -> [GroupPosition] {
        if givesUpApart { return wanted.filter { !$0.apart.isEmpty } }
        guard let position = accepted.first(where: { !$0.apart.isEmpty }),
            let tables = position.apart.first
        else { return [] }
        throw .refused(
            "the tables of \(tables.group) wait apart at \(position.place) (\(tables.table): "
                + "\(oneLine(tables.reason))): mend that table and wait until they have caught up, "
                + "or give up what is left to them with 'tapeline position \(verb) --apart'")
    }
}
