import MarketModel
import Primitives
import ServiceRuntime
import TapeProtocol

/// The part of a demo that is watched: from the first tick until everything is stored.
struct DemoRun {
    private let stack: Stack
    private let access: StackAccess
    private let symbols: [String]
    private let total: UInt64
    private let begin: Timestamp
    private let clock = SystemClock()
    private let hot: HotView
    private var screen: DemoScreen
    private var before: (stored: UInt64, at: Timestamp)?
    private var firstBar: Duration?
    private(set) var last = DemoSample()

    init(
        stack: Stack, access: StackAccess, symbols: [String], total: UInt64, begin: Timestamp
    ) {
        self.stack = stack
        self.access = access
        self.symbols = symbols
        self.total = total
        self.begin = begin
        hot = HotView(access.valkey, namespace: access.names.namespace)
        screen = DemoScreen(stack.terminal, isLive: stack.terminal.isInteractive)
    }

    /// Shows the table until the provider has handed out its last tick. False: interrupted.
    mutating func watch(step: Duration, _ shutdown: ShutdownSignal) -> Bool {
        while !(last.gateway?.finished ?? false) {
            sample("")
            if shutdown.wait(timeout: step) { return false }
        }
        return !shutdown.isRequested
    }

    /// Waits until every tick is stored and every bar that can be closed is, too.
    mutating func drain(timeout: Duration, _ shutdown: ShutdownSignal) -> Bool {
        let deadline = clock.deadline(after: timeout)
        var settled: (bars: UInt64, rounds: Int) = (0, 0)
        while clock.monotonic() < deadline, !shutdown.isRequested {
            sample("the last ticks are being stored")
            let bars = last.writer?.bars ?? 0
            let isStored = last.writer?.ticks == total && last.gateway?.onTape == total
            // The last windows are closed by the watermark a second later.
            settled = isStored && bars == settled.bars ? (bars, settled.rounds + 1) : (bars, 0)
            if settled.rounds >= 3 { return true }
            _ = shutdown.wait(timeout: .seconds(1))
        }
        return false
    }

    func conclude() {
        let passed = Duration.nanoseconds(clock.monotonic().nanoseconds(since: begin))
        stack.terminal.line()
        stack.terminal.line(
            "\(total) ticks in \(passed.shown)"
                + (firstBar.map { "; the first bar was there after \($0.shown)" } ?? ""))
    }

    private mutating func sample(_ note: String) {
        last = DemoSample.take(access.ports)
        let now = clock.monotonic()
        let stored = last.writer?.ticks ?? before?.stored ?? 0
        let passed = Duration.nanoseconds(now.nanoseconds(since: begin))
        if firstBar == nil, (last.writer?.bars ?? 0) > 0 { firstBar = passed }
        let rate = before.map { before -> UInt64 in
            let nanoseconds = max(1, now.nanoseconds(since: before.at))
            let rows = stored > before.stored ? stored - before.stored : 0
            return UInt64(Double(rows) * 1e9 / Double(nanoseconds))
        }
        before = (stored, now)
        screen.show(
            DemoScreen.Frame(
                seconds: Int(passed.components.seconds), generated: last.gateway?.generated ?? 0,
                stored: stored, bars: last.writer?.bars ?? 0, ticksPerSecond: rate ?? 0,
                rows: hot.rows(symbols, series: "1s", now: clock.now()),
                note: missing ?? note))
    }

    /// Which service does not answer just now: somebody killed it, and it is being restarted.
    private var missing: String? {
        if last.gateway == nil { return "provider-gateway does not answer" }
        if last.writer == nil { return "store-writer does not answer" }
        return last.operatorsAnswer < 2 ? "an operator-worker does not answer" : nil
    }
}
