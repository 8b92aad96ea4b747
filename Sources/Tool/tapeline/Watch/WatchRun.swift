import DeploymentWatch
import Primitives
import ServiceRuntime
import TapeProtocol
import TapeTransport

/// Carries out `tapeline watch`.
struct WatchRun {
    /// The longest wait for a key, so that an end is noticed soon.
    private static let keyWait: Duration = .milliseconds(100)

    let command: WatchCommand
    let terminal: Terminal

    /// What is on the screen, and what the person asked for.
    private struct Shown {
        var lines: [String] = []
        var verdict: [WatchVerdict.Line] = []
        var isPaused = false
        var hasHelp = false
    }

    func run(_ deployment: Deployment, shutdown: ShutdownSignal) throws(ToolError) -> ExitCode {
        let feed = try WatchFeed(deployment)
        defer { feed.close() }
        let isLive = terminal.isInteractive && !command.isOnce && !command.asJSON
        let screen = WatchScreen(terminal, isLive: isLive)
        let keys = isLive ? WatchKeys() : nil
        // Restores the screen immediately, also while a server is being waited for.
        shutdown.onRequest {
            keys?.end()
            screen.end()
        }
        defer {
            keys?.end()
            screen.end()
        }
        let title = "\(deployment.title), namespace \(deployment.names.namespace)"
        var judge = WatchVerdict()
        var before: WatchSample?
        var shown = Shown()
        while !shutdown.isRequested {
            let started = SystemClock().monotonic()
            do throws(ToolError) {
                var sample = try feed.sample()
                if let source = command.source { sample.ticks.removeAll { $0.source != source } }
                var view = WatchView(title: title, sample, before: before)
                view.verdict = judge.judge(WatchSight(view))
                // The first sample has no rates.
                if before != nil || !(command.isOnce || command.asJSON) {
                    (shown.lines, shown.verdict) = (view.lines, view.verdict)
                    if command.asJSON { terminal.line(view.json()) } else { draw(shown, screen) }
                    if command.isOnce { return .success }
                }
                before = sample
            } catch {
                // A person who watches wants to see when the server is back.
                guard isLive, before != nil else { throw error }
                var sight = WatchSight()
                sight.now = SystemClock().monotonic()
                sight.natsProblem = "\(error)"
                var absent = shown
                absent.verdict = judge.judge(sight)
                absent.lines = absent.verdict.flatMap(\.rows) + ["\(error)", ""] + shown.lines
                draw(absent, screen)
            }
            wait(until: started, &shown, keys, screen, shutdown)
        }
        return .success
    }

    /// Waits for the next look, and does what the keys say. While it is paused no look is taken.
    private func wait(
        until started: MonotonicTime, _ shown: inout Shown, _ keys: WatchKeys?,
        _ screen: WatchScreen, _ shutdown: ShutdownSignal
    ) {
        while !shutdown.isRequested {
            let passed = SystemClock().monotonic() - started
            let left = max(0, command.interval.clampedNanoseconds - passed)
            guard left > 0 || shown.isPaused else { return }
            guard let keys else {
                _ = shutdown.wait(timeout: .nanoseconds(left))
                return
            }
            let wait = shown.isPaused ? Self.keyWait : min(Self.keyWait, .nanoseconds(left))
            guard let key = keys.next(within: wait) else { continue }
            switch key {
            case .quit: shutdown.request("the person ends the watch")
            case .pause: shown.isPaused.toggle()
            case .help: shown.hasHelp.toggle()
            }
            if !shutdown.isRequested { draw(shown, screen) }
        }
    }

    private func draw(_ shown: Shown, _ screen: WatchScreen) {
        var lines = shown.lines
        let levels = shown.verdict.flatMap { line in line.rows.map { ($0, line.level) } }
        // The verdict comes right after the heading, or first while NATS is away.
        let first = lines.firstIndex { $0 == levels.first?.0 } ?? lines.count
        var colors: [Int: String] = [:]
        for (index, row) in zip(first..<lines.count, levels) { colors[index] = row.1.color }
        if shown.hasHelp || shown.isPaused {
            let pause = shown.isPaused ? "PAUSED   " : ""
            // Right below the verdict, as a small screen has no room for the last lines.
            lines.insert(
                "\(pause)\(WatchKeys.help)", at: min(lines.count, first + levels.count))
        }
        screen.show(lines, colors: terminal.isColored ? colors : [:])
    }
}

extension WatchVerdict.Level {
    /// The sequence that begins text of this colour.
    fileprivate var color: String {
        switch self {
        case .good: "\u{1b}[32m"
        case .warning: "\u{1b}[33m"
        case .bad: "\u{1b}[1;31m"
        }
    }
}

extension WatchSight {
    init(_ view: WatchView) {
        self.init()
        let sample = view.sample
        now = sample.readAt
        if sample.around.isDatabaseAway { databaseProblem = sample.gapsAbsence }
        if sample.around.isDatabaseRefusing { gaps.problem = sample.gapsAbsence }
        sources = view.sources.map { source in
            guard let sent = sample.around.sent[source.name] else {
                return Source(name: source.name, watermarkSeconds: 0)
            }
            let age = sent.map { Double(max(0, sample.now.nanoseconds(since: $0))) / 1e9 }
            return Source(name: source.name, watermarkSeconds: age)
        }
        needed = sample.needed
        groups = view.groups.map {
            Group(
                name: $0.name, behind: $0.ticks?.ordinals, ready: $0.ready, silent: $0.silent,
                unheard: $0.ticks?.unheard ?? 0)
        }
        processes = sample.around.processes
        let rates = view.sources.compactMap(\.perSecond)
        if !rates.isEmpty { ticksPerSecond = rates.reduce(0, +) }
        if let bars = view.bars, bars.watermark.isDefined {
            barSeconds = Double(sample.now.nanoseconds(since: bars.watermark)) / 1e9
        }
        let rooms = sample.streams.compactMap(\.room)
        freeBytes = rooms.map(\.freeBytes).min()
        freePercent = rooms.map(\.percent).min() ?? 100
        storedBytes = sample.streams.reduce(0) { $0 &+ $1.bytes }
        gaps.open = sample.around.openGaps
        clock = sample.around.clock
        feeds.silent = sample.around.gateways.silentFeeds
        feeds.live = sample.around.gateways.liveFeeds
        feeds.spooledTicks = sample.around.gateways.spooledTicks
    }
}
