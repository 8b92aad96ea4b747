import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import TapeKeeping
import TapeTransport

/// Carries out `tapeline database`.
struct ServerRun {
    private static let timeout = Duration.seconds(5)

    let command: ServerCommand
    let terminal: Terminal

    func run(_ deployment: Deployment) throws(ToolError) -> ExitCode {
        let postgres = try deployment.requiredPostgres()
        let client = try deployment.openTape()
        defer { client.close() }
        do {
            let store = try DatabaseServerStore(client, of: deployment.store)
            let stored = try store.read()
            switch command.verb {
            case .show: return show(postgres, stored.server)
            case .accept(let host):
                let found = try reached(postgres, host)
                let verdict = stored.server?.verdict(
                    system: found.identity.system, timeline: found.identity.timeline)
                guard verdict != .same else {
                    terminal.line("nothing to accept: writers use \(found.peer)")
                    return .success
                }
                guard try agreed(found, stored.server) else { return .failure }
                return try write(found, store, after: stored)
            }
        } catch {
            throw ToolError(error) {
                .unreachable("the record of the database's server cannot be used: \($0)")
            }
        }
    }

    // MARK: show

    private func show(_ postgres: PostgresConfiguration, _ current: DatabaseServer?) -> ExitCode {
        var rows = [["HOST", "SYSTEM", "TIMELINE", "STATE"]]
        var isUsed = false
        for host in postgres.hosts {
            do throws(PostgresError) {
                let found = try Self.identity(postgres.on(host))
                let verdict = current?.verdict(system: found.system, timeline: found.timeline)
                isUsed = isUsed || verdict != .superseded && verdict != .foreign
                rows.append([
                    "\(host)", "\(found.system)", "\(found.timeline)", Self.state(verdict),
                ])
            } catch {
                rows.append(["\(host)", "-", "-", "\(error)"])
            }
        }
        for line in TextTable.lines(rows) { terminal.line(line) }
        terminal.line(
            current.map {
                "writers use system \($0.system), timeline \($0.timeline): seen at \($0.peer), "
                    + "\($0.noted)"
            } ?? "no writer has noted a server yet")
        return isUsed ? .success : .failure
    }

    private static func state(_ verdict: DatabaseServer.Verdict?) -> String {
        switch verdict {
        case .same: "has the database"
        case .promoted, nil: "accepts writes; the next session of a writer takes it"
        case .superseded: "accepts writes, and was replaced: stop it, or make it a standby"
        case .foreign: "accepts writes, and was never a copy: 'tapeline database accept' takes it"
        }
    }

    // MARK: accept

    private struct Found {
        let identity: ServerIdentity
        let peer: String
    }

    private func reached(
        _ postgres: PostgresConfiguration, _ word: String?
    ) throws(ToolError) -> Found {
        var wanted = postgres
        if let word {
            guard let host = postgres.hosts.first(where: { "\($0)" == word || $0.name == word })
            else {
                throw .usage(
                    "'\(word.prefix(64))' is no host of POSTGRES_HOST: "
                        + postgres.hosts.map(\.description).joined(separator: ", "))
            }
            wanted = postgres.on(host)
        }
        do throws(PostgresError) {
            let session = try PostgresConnection.newest(of: wanted, timeout: Self.timeout)
            defer { session.close() }
            return Found(
                identity: try Self.identity(of: session), peer: session.peer)
        } catch {
            throw .unreachable("\(error)")
        }
    }

    private static func identity(
        _ one: PostgresConfiguration
    ) throws(PostgresError) -> ServerIdentity {
        let session = try PostgresConnection(one, timeout: timeout)
        defer { session.close() }
        return try identity(of: session)
    }

    private static func identity(
        of session: PostgresConnection
    ) throws(PostgresError) -> ServerIdentity {
        guard let identity = try session.identity(timeout: timeout) else {
            throw .refused(
                peer: session.peer,
                reason: "this user may not call pg_control_system() and pg_walfile_name()")
        }
        return identity
    }

    private func agreed(_ found: Found, _ current: DatabaseServer?) throws(ToolError) -> Bool {
        terminal.line("found: \(found.identity), at \(found.peer)")
        guard let current else { return true }
        terminal.line(
            "now:   system \(current.system), timeline \(current.timeline), at \(current.peer)")
        if current.system == found.identity.system, current.timeline > found.identity.timeline {
            terminal.line(
                "       its timeline is lower: stop the server at \(current.peer) first, "
                    + "or writers go back to it when they see it")
        }
        return try Confirmation.ask(
            "Shall writers use the found one from now on? They continue at the positions that are "
                + "stored there.", isGiven: command.isConfirmed, terminal)
    }

    private func write(
        _ found: Found, _ store: DatabaseServerStore, after stored: DatabaseServerStore.Stored
    ) throws(TapeError) -> ExitCode {
        let server = DatabaseServer(
            system: found.identity.system, timeline: found.identity.timeline, peer: found.peer,
            noted: SystemClock().now())
        switch try store.write(server, after: stored) {
        case .stored:
            terminal.line("accepted; writers take it within seconds")
            return .success
        case .conflict, .unknown:
            terminal.problem("the record has changed meanwhile, or NATS gave no answer: try again")
            return .temporary
        }
    }
}
