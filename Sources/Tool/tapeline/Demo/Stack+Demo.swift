import MarketModel
import Primitives
import ServiceRuntime

/// `tapeline demo`: a complete run on real servers, from an empty tape to a clean audit, with a
/// simulated broker that goes away in the middle.
extension Stack {
    struct DemoOptions: Equatable, Sendable {
        var seconds = 30
        var keep = false
        var settings = StackSettings()
    }

    /// The time from the last tick until everything is stored.
    private static let demoDrainTimeout: Duration = .seconds(60)

    func demo(_ options: DemoOptions, shutdown: ShutdownSignal) throws(ToolError) -> ExitCode {
        if let state = try StackState.read(home), !state.alive.isEmpty {
            throw .usage(
                "the stack \(home.name) is up: stop it with 'tapeline down --name \(home.name)'")
        }
        let plan = try DemoPlan(
            seconds: options.seconds, settings: options.settings, truth: home.truth)
        let begin = SystemClock().monotonic()
        terminal.line(
            "The demo: a made-up Interactive Brokers TWS, real servers, and an audit of every row.")
        terminal.line()
        try removeData()
        var up = UpOptions(settings: plan.settings)
        up.withSimulator = true
        let started = try self.up(up, shutdown: shutdown)
        guard started == .success else { return started }
        terminal.line()
        let code: ExitCode
        do {
            code = try watchAndAudit(plan, begin: begin, shutdown)
            try finish(options, plan)
        } catch {
            _ = try down()
            throw error
        }
        return code
    }

    /// A demo begins with an empty tape and an empty database.
    private func removeData() throws(ToolError) {
        for folder in [home.postgresData, home.natsStore, home.valkeyFolder] {
            try FileSystem.removeFolder(folder)
        }
    }

    // MARK: the run

    private func watchAndAudit(
        _ plan: DemoPlan, begin: MonotonicTime, _ shutdown: ShutdownSignal
    ) throws(ToolError) -> ExitCode {
        let access = try StackAccess(self)
        terminal.line(
            "\(SimulatedVenue.ibkr.program) stands in for TWS: \(plan.rate) events/s of "
                + "\(DemoPlan.symbols.joined(separator: ", ")) for about \(plan.seconds) s; "
                + "in second \(plan.faultSecond) it goes away:")
        var run = DemoRun(stack: self, access: access, plan: plan, begin: begin)
        guard try run.watch(shutdown) else {
            terminal.line("interrupted")
            return .interrupted
        }
        let heldAt = try run.holdMarket()
        guard run.drain(timeout: Self.demoDrainTimeout, shutdown) else {
            let sample = run.last
            terminal.problem(
                "the run did not come to its end in \(Self.demoDrainTimeout.shown): "
                    + "\(sample.gateway?.onTape ?? 0) ticks on the tape, "
                    + "\(sample.writer?.ticks ?? 0) stored (logs: \(home.logs))")
            return .failure
        }
        run.conclude()
        var report = AuditReport()
        let mended = try auditBroker(plan, until: heldAt, access, &report)
        terminal.line(
            "while TWS was away: \(mended.gaps) gaps on record; \(mended.trades) trades and "
                + "\(mended.quotes) quotes filled in from its history; \(mended.bars) bars repaired"
        )
        terminal.line()
        terminal.line("Audit:")
        report.add(
            try auditReport(
                atRest: source(DemoPlan.source), plan.settings.environment(for: .operators),
                AuditCommand(scope: .all)))
        for line in report.text { terminal.line(line) }
        terminal.line(report.verdict)
        return report.isClean ? .success : .failure
    }

    private func source(_ name: String) throws(ToolError) -> SourceName {
        guard let source = SourceName(name) else { throw .audit("'\(name)' is no source") }
        return source
    }

    /// Compares the stored rows with what the broker sent and with its market.
    private func auditBroker(
        _ plan: DemoPlan, until heldAt: Int64, _ access: StackAccess, _ report: inout AuditReport
    ) throws(ToolError) -> BrokerRows.Mended {
        var sent: BrokerPrint.Counts = [:]
        let isThere = try FileSystem.eachLine(of: home.truth) { line in
            if let print = BrokerPrint.sent(line) { sent[print, default: 0] += 1 }
        }
        guard isThere else { throw .damaged(path: home.truth, problem: "it is not there") }
        let rows = try BrokerRows.read(access.postgres, symbols: DemoPlan.symbols)
        guard let first = rows.firstWholeSecond, first < heldAt else {
            throw .audit("not every symbol has a trade: see the gateway's log in \(home.logs)")
        }
        let seconds = first..<heldAt
        BrokerAudit(
            seconds: seconds, sent: sent,
            market: BrokerPrint.market(plan, in: seconds), stored: rows.trades,
            snapshots: rows.snapshots, gaps: rows.gaps
        ).add(to: &report)
        return rows.mended
    }

    // MARK: the end

    private func finish(_ options: DemoOptions, _ plan: DemoPlan) throws(ToolError) {
        terminal.line()
        guard options.keep else {
            _ = try down()
            let keep = checkout.told("make demo KEEP=1", "tapeline demo --keep")
            terminal.line("To look around, keep it running: '\(keep)' (it says how to go on),")
            let (up, broker) = (
                checkout.told("make up", "tapeline up"),
                checkout.told("see README.md", "'tapeline up --help'")
            )
            terminal.line(
                "or start a stack that goes on for ever: '\(up)'. Your own TWS: \(broker).")
            return
        }
        let access = try StackAccess(self)
        let simulator = SimulatorPlan(
            venue: .ibkr, ports: access.ports, settings: plan.settings)
        // A log of everything sent would fill the disk.
        try simulator.command("truth off")
        try simulator.command("rate \(plan.rate)")
        let tool = checkout.told(checkout.program("tapeline"), "tapeline")
        let control = access.ports[.simulatorControl]
        for line in [
            "The stack goes on, and so does the market. Look at it:",
            "  \(tool) watch --name \(home.name)",
            "  \(tool) status --name \(home.name)",
            "  \(tool) tail SPY --name \(home.name)",
            "Make TWS go away again, for 10 s, and see what becomes of it:",
            "  echo 'nightly-reset 10' | nc -q 1 \(StackPlan.loopback) \(control)",
            "Audit it yourself, with the market held first ('rate \(plan.rate)': it goes on):",
            "  echo 'rate 0' | nc -q 1 \(StackPlan.loopback) \(control)",
            "  \(access.psqlCommand(self))",
            "Stop it with 'tapeline down --name \(home.name)'.",
        ] {
            terminal.line(line)
        }
    }
}
