import DeploymentWatch
import MarketModel
import Primitives
import ServiceRuntime
import TapeProtocol

/// The live part of a demo: from the first tick until everything is stored.
struct DemoRun {
    private static let step: Duration = .milliseconds(500)
    /// Repairs not done by this time after the end stay open, as recorded gaps.
    private static let mendingTimeout: Duration = .seconds(60)

    private let stack: Stack
    private let access: StackAccess
    private let plan: DemoPlan
    private let simulator: SimulatorPlan
    private let begin: MonotonicTime
    private let clock = SystemClock()
    private let hot: HotView
    private var screen: DemoScreen
    private var story = DemoStory()
    private var before: (stored: UInt64, at: MonotonicTime)?
    private var firstBar: Duration?
    private var isFaultMade = false
    private(set) var last = DemoSample()

    init(stack: Stack, access: StackAccess, plan: DemoPlan, begin: MonotonicTime) {
        self.stack = stack
        self.access = access
        self.plan = plan
        self.begin = begin
        simulator = SimulatorPlan(
            venue: .ibkr, ports: access.ports, settings: plan.settings)
        hot = HotView(
            access.valkey, namespace: access.names.namespace, source: DemoPlan.source)
        screen = DemoScreen(stack.terminal, isLive: stack.terminal.isInteractive)
    }

    /// Shows the table for the planned time and until the broker's absence is repaired. Returns
    /// false if interrupted.
    mutating func watch(_ shutdown: ShutdownSignal) throws(ToolError) -> Bool {
        let end = clock.deadline(after: .seconds(plan.seconds))
        let fault = clock.deadline(after: .seconds(plan.faultSecond))
        let limit = end.advanced(by: Self.mendingTimeout)
        while !shutdown.isRequested {
            let now = clock.monotonic()
            if !isFaultMade, now >= fault { try makeFault() }
            sample("")
            if now >= limit || (now >= end && isMended) { break }
            if shutdown.wait(timeout: Self.step) { return false }
        }
        return !shutdown.isRequested
    }

    private var isMended: Bool {
        story.isSteady && (last.gateway?.broker?.isWhole ?? false)
    }

    private mutating func makeFault() throws(ToolError) {
        isFaultMade = true
        try simulator.command("nightly-reset \(DemoPlan.awaySeconds)")
        screen.report(
            passedSeconds,
            "TWS is made to go away: it closes, and lets nobody in for \(DemoPlan.awaySeconds) s")
    }

    /// Stops the market. Returns the first second in which no more trades happen.
    func holdMarket() throws(ToolError) -> Int64 {
        let answer = try simulator.command("rate 0")
        guard let second = answer.split(separator: " ").lazy.compactMap({ Int64($0) }).first else {
            throw .unreadable("\(SimulatedVenue.ibkr.program) does not say when its rate changes")
        }
        return second
    }

    /// Waits until every tick, and every bar that can be closed, is stored.
    mutating func drain(timeout: Duration, _ shutdown: ShutdownSignal) -> Bool {
        let deadline = clock.deadline(after: timeout)
        var settled: (onTape: UInt64, bars: UInt64, rounds: Int) = (0, 0, 0)
        while clock.monotonic() < deadline, !shutdown.isRequested {
            sample("the last ticks are being stored")
            let onTape = last.gateway?.onTape ?? 0
            let bars = last.writer?.bars ?? 0
            let isStored = onTape > 0 && last.writer?.ticks == onTape
            // The watermark closes the last windows a second later.
            let isSame = isStored && onTape == settled.onTape && bars == settled.bars
            settled = (onTape, bars, isSame ? settled.rounds + 1 : 0)
            if settled.rounds >= 3 { return true }
            _ = shutdown.wait(timeout: .seconds(1))
        }
        return false
    }

    func conclude() {
        stack.terminal.line()
        stack.terminal.line(
            "\(last.gateway?.onTape ?? 0) records in \(passed.shown)"
                + (firstBar.map { "; the first bar was there after \($0.shown)" } ?? ""))
    }

    // MARK: one sample

    private var passed: Duration { clock.monotonic().duration(since: begin) }

    private var passedSeconds: Int { Int(passed.components.seconds) }

    private mutating func sample(_ note: String) {
        last = DemoSample.take(access.ports)
        let now = clock.monotonic()
        let stored = last.writer?.ticks ?? before?.stored ?? 0
        if firstBar == nil, (last.writer?.bars ?? 0) > 0 { firstBar = passed }
        let rate = before.map { before -> UInt64 in
            let nanoseconds = max(1, now - before.at)
            let rows = stored > before.stored ? stored - before.stored : 0
            return UInt64(Double(rows) * 1e9 / Double(nanoseconds))
        }
        before = (stored, now)
        for news in story.report(last.gateway?.broker) { screen.report(passedSeconds, news) }
        screen.show(
            DemoScreen.Frame(
                seconds: passedSeconds, onTape: last.gateway?.onTape ?? 0, stored: stored,
                bars: last.writer?.bars ?? 0, ticksPerSecond: rate ?? 0,
                rows: hot.rows(DemoPlan.symbols, series: "1s", now: clock.now()),
                note: missing ?? note))
    }

    /// A service that does not answer. It was killed and is being restarted.
    private var missing: String? {
        if last.gateway == nil { return "provider-gateway does not answer" }
        if last.writer == nil { return "store-writer does not answer" }
        return last.operatorsAnswer < 2 ? "an operator-worker does not answer" : nil
    }
}
