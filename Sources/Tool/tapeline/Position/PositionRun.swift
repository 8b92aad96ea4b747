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
            reportVerdict(table)
        }
        return command.verb == .show || table.isFine ? .success : .failure
    }

    private func reportVerdict(_ table: PositionTable) {
        let wrong = PositionTable(rows: table.rows.filter { !$0.state.isFine }, now: table.now)
        if !wrong.rows.isEmpty { for line in wrong.lines { terminal.line(line) } }
        let read = table.rows.count { $0.position.hasRead }
        terminal.line(
            wrong.rows.isEmpty
                ? "all of \(read) positions hold"
                : "\(wrong.rows.count) of \(read) positions do not hold: 'tapeline position "
                    + "accept' for a store, 'tapeline partition rebuild' for an operator")
    }

    private func positions(
        _ deployment: Deployment, _ client: TapeClient
    ) throws -> [GroupPosition] {
        var positions: [GroupPosition] = []
        // Without a database the store's positions cannot be read. That is an error only if they
        // were asked for.
        if command.group?.isStore == true || command.group == nil && deployment.postgres != nil {
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
        guard !plans.isEmpty else {
            terminal.line(
                command.asJSON
                    ? AcceptanceText.json([])
                    : "nothing to accept: all of \(wanted.count) positions hold")
            return .success
        }
        if !command.asJSON {
            for line in AcceptanceText.lines(plans) { terminal.line(line) }
            guard
                try Confirmation.ask(
                    "Accept this?", isGiven: command.isConfirmed, terminal)
            else { return .failure }
        }
        for plan in plans { try books.accept(plan) }
        terminal.line(
            command.asJSON
                ? AcceptanceText.json(plans)
                : "accepted; a writer that runs goes on within a second")
        return .success
    }
}

/// Describes the effect of accepting, for a person and for a program.
enum AcceptanceText {
    static func lines(_ plans: [Acceptance]) -> [String] {
        var lines: [String] = []
        for plan in plans {
            let position = plan.position
            let from = position.packet.map { "\($0.sequence)" } ?? "the start"
            let to = plan.packet.map { "\($0.sequence)" } ?? "the start of the tape"
            lines.append(
                "\(position.group.text), \(position.input) of partition "
                    + "\(position.partition): from \(from) to \(to)")
            for change in plan.changes {
                if let lost = change.lost {
                    lines.append(
                        "  \(change.source): ordinals \(lost.lowerBound) to \(lost.upperBound) "
                            + "were destroyed and are given up (\(count(lost)))")
                }
                if let twice = change.givenTwice {
                    lines.append(
                        "  \(change.source): ordinals \(twice.lowerBound) to \(twice.upperBound) "
                            + "are on the tape again, are stored, and will be left out "
                            + "(\(count(twice)))")
                }
                if change.lost == nil, change.givenTwice == nil {
                    lines.append(
                        "  \(change.source): nothing is lost; reading goes on behind "
                            + "\(change.tapeOrdinal)")
                }
            }
        }
        let lost = plans.reduce(0) { $0 &+ $1.lostCount }
        let twice = plans.reduce(0) { $0 &+ $1.givenTwiceCount }
        lines.append("in all: \(lost) ordinals destroyed, \(twice) given twice")
        return lines
    }

    private static func count(_ range: ClosedRange<UInt64>) -> UInt64 {
        range.upperBound &- range.lowerBound &+ 1
    }

    static func json(_ plans: [Acceptance]) -> String {
        JSONWriter.objectText { writer in
            writer.member("destroyed", plans.reduce(0) { $0 &+ $1.lostCount })
            writer.member("given_twice", plans.reduce(0) { $0 &+ $1.givenTwiceCount })
            writer.member("accepted", each: plans, write)
        }
    }

    private static func write(_ plan: Acceptance, _ writer: inout JSONWriter) {
        writer.member("group", plan.position.group.text)
        writer.member("input", plan.position.input.rawValue)
        writer.member("partition", plan.position.partition.number)
        writer.member("from_sequence", plan.position.packet?.sequence ?? 0)
        writer.member("to_sequence", plan.packet?.sequence ?? 0)
        writer.member("sources", each: plan.changes) { change, writer in
            writer.member("source", change.source.text)
            writer.member("stored_ordinal", change.storedOrdinal)
            write("destroyed", change.lost, &writer)
            write("given_twice", change.givenTwice, &writer)
        }
    }

    private static func write(
        _ name: String, _ range: ClosedRange<UInt64>?, _ writer: inout JSONWriter
    ) {
        writer.key(name)
        guard let range else {
            writer.null()
            return
        }
        writer.array { writer in
            writer.value(range.lowerBound)
            writer.value(range.upperBound)
        }
    }
}
