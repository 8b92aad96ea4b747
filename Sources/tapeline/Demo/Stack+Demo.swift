internal import Glibc
import MarketModel
import Primitives
import ServiceRuntime

/// `tapeline demo`: a whole run on real servers, from an empty tape to a clean audit.
extension Stack {
    struct DemoOptions: Equatable, Sendable {
        var seconds = 30
        var keep = false
        var settings = StackSettings()
    }

    static let demoSecondsRange = 5...3_600
    /// Ticks per second, and how much history comes first at full speed: so that bars of a minute
    /// are there at once.
    private static let demoRate = 2_000
    private static let demoRateRange = 100...100_000
    private static let demoBacklogSeconds = 130
    private static let demoSymbols = [
        "AAPL", "AMZN", "BRK.B", "GOOG", "MSFT", "NVDA", "SPY", "XLK",
    ]
    /// From the last tick until everything is stored.
    private static let demoDrainTimeout: Duration = .seconds(60)
    private static let demoStep: Duration = .seconds(1)

    func demo(_ options: DemoOptions, shutdown: ShutdownSignal) throws(ToolError) -> ExitCode {
        if let state = try StackState.read(home), !state.alive.isEmpty {
            throw .usage(
                "the stack \(home.name) is up: stop it with 'tapeline down --name \(home.name)'")
        }
        let begin = SystemClock().monotonic()
        terminal.line("The demo: made-up ticks, real servers, and an audit of every row.")
        terminal.line()
        try removeData()
        let rate = try demoRate(options)
        let total = UInt64(rate * (Self.demoBacklogSeconds + options.seconds))
        let started = try up(upOptions(options, total: total), shutdown: shutdown)
        guard started == .success else { return started }
        terminal.line()
        let code: ExitCode
        do {
            code = try watchAndAudit(options, total: total, begin: begin, shutdown)
        } catch {
            _ = try down()
            throw error
        }
        try finish(options)
        return code
    }

    /// A slow machine may be given fewer ticks.
    private func demoRate(_ options: DemoOptions) throws(ToolError) -> Int {
        guard let wish = options.settings.values.last(where: { $0.key == "SYNTHETIC_RATE" }) else {
            return Self.demoRate
        }
        guard let rate = Int(wish.value), Self.demoRateRange.contains(rate) else {
            throw .usage("SYNTHETIC_RATE of a demo is a number from 100 to 100000")
        }
        return rate
    }

    private func upOptions(
        _ options: DemoOptions, total: UInt64
    ) throws(ToolError) -> UpOptions {
        var settings = StackSettings()
        try settings.add("SYNTHETIC_RATE=\(Self.demoRate)")
        try settings.add("SYNTHETIC_BACKLOG=\(Self.demoBacklogSeconds)s")
        try settings.add("SYNTHETIC_TICKS=\(total)")
        for (key, value) in options.settings.values { try settings.add("\(key)=\(value)") }
        return UpOptions(settings: settings)
    }

    /// A demo begins with an empty tape and an empty database.
    private func removeData() throws(ToolError) {
        for folder in [home.postgresData, home.natsStore, home.valkeyFolder] {
            try FileSystem.removeFolder(folder)
        }
    }

    // MARK: the run

    private func watchAndAudit(
        _ options: DemoOptions, total: UInt64, begin: Timestamp, _ shutdown: ShutdownSignal
    ) throws(ToolError) -> ExitCode {
        let access = try StackAccess(self)
        terminal.line(
            "\(Self.demoBacklogSeconds) s of history come at full speed, then "
                + "\(try demoRate(options)) ticks/s for about \(options.seconds) s:")
        var run = DemoRun(
            stack: self, access: access, symbols: Self.demoSymbols, total: total, begin: begin)
        guard run.watch(step: Self.demoStep, shutdown) else {
            terminal.line("interrupted")
            return .interrupted
        }
        guard run.drain(timeout: Self.demoDrainTimeout, shutdown) else {
            let sample = run.last
            terminal.problem(
                "the run did not come to its end in \(Self.demoDrainTimeout.shown): "
                    + "\(sample.gateway?.onTape ?? 0) ticks on the tape, "
                    + "\(sample.writer?.ticks ?? 0) stored (logs: \(home.logs))")
            return .failure
        }
        run.conclude()
        terminal.line()
        terminal.line("Audit:")
        let report = try auditReport(
            generated: total, options.settings.environment(for: .operators))
        for line in report.text { terminal.line(line) }
        terminal.line(report.verdict)
        return report.isClean ? .success : .failure
    }

    private func finish(_ options: DemoOptions) throws(ToolError) {
        terminal.line()
        let access = try StackAccess(self)
        if options.keep {
            terminal.line("The stack goes on. Audit it yourself:")
            terminal.line("  \(access.psqlCommand(self))")
            terminal.line("Stop it with 'tapeline down --name \(home.name)'.")
            return
        }
        _ = try down()
        terminal.line(
            "To look around, keep it running: 'make demo KEEP=1' (psql is named at its end),")
        terminal.line("or start a stack that goes on for ever: 'make up'.")
    }
}
