import OperatorGraph
import PostgresClient
import ServiceRuntime
import TapeTransport

/// Carries out `tapeline audit`.
struct AuditRun {
    let command: AuditCommand
    let script: AuditScript
    let environment: [String: String]
    let terminal: Terminal
    let shutdown: ShutdownSignal

    /// Audits a local stack. Its services run, so its tape and the books are not compared.
    func run(_ stack: Stack) throws(ToolError) -> ExitCode {
        let state = try StackState.read(stack.home)
        guard let state, !state.alive.isEmpty else {
            throw .usage(
                "the stack \(stack.home.name) is not up: start it with 'tapeline up'")
        }
        return report(try report(of: Deployment(stack, environment), comparingHeads: false))
    }

    /// Audits the servers that the environment names.
    func run(_ deployment: Deployment) throws(ToolError) -> ExitCode {
        report(try report(of: deployment, comparingHeads: true))
    }

    private func report(_ report: AuditReport) -> ExitCode {
        report.report(to: terminal, asJSON: command.asJSON)
    }

    /// Each head of the tape is in the writers' books, the rows agree with each other, and with
    /// what the tape still has of them.
    func report(
        of deployment: Deployment, comparingHeads: Bool
    ) throws(ToolError) -> AuditReport {
        let client = comparingHeads ? try deployment.openTape() : nil
        defer { client?.close() }
        let database = try deployment.openDatabase(DatabaseAudit.configuration)
        defer { database.close() }
        var report = AuditReport()
        do {
            if let client { try deployment.compareHeads(client, database, &report) }
            let audit = DatabaseAudit(database, terminal, asJSON: command.asJSON)
            try audit.add(
                script, graph: try graph(of: deployment), command.scope, to: &report)
            guard command.scope != .books else {
                report.notChecked += TapeAudit.names
                return report
            }
            try addTape(of: deployment, client, database, audit.slices(command.scope), &report)
        } catch {
            throw ToolError(error) { .audit("the database cannot be audited: \($0)") }
        }
        return report
    }

    /// Returns what the checks have to know of the graph: of the environment, else of the stack.
    private func graph(of deployment: Deployment) throws(ToolError) -> DatabaseAudit.Graph? {
        if let graph = try DatabaseAudit.graph(environment) { return graph }
        guard deployment.operators[ProofGraph.graphKey]?.isEmpty == false else { return nil }
        return DatabaseAudit.Graph(try deployment.proofGraph([:]).definition)
    }

    /// Without the tape, the report has what the rows alone tell.
    private func addTape(
        of deployment: Deployment, _ opened: TapeClient?, _ database: PostgresConnection,
        _ slices: [AuditSlice], _ report: inout AuditReport
    ) {
        do throws(ToolError) {
            let own = opened == nil ? try deployment.openTape() : nil
            defer { own?.close() }
            guard let client = opened ?? own else { return }
            TapeAudit(
                database: ProofDatabase(connection: database), client: client,
                names: deployment.names, terminal: terminal, asJSON: command.asJSON,
                shutdown: shutdown
            ).add(slices, to: &report)
        } catch {
            for name in TapeAudit.names {
                report.leaveOut(name, "\(error)", isExpected: false)
            }
        }
    }
}
