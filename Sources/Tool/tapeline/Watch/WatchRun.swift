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
    struct Shown {
        /// `nil` before the first look that is shown.
        var view: WatchView?
        /// What the last look failed with.
        var problem: String?
        var verdict: [WatchVerdict.Line] = []
        var page = WatchPage.all
        /// So many lines of the page are above the screen.
        var top = 0
        var isPaused = false
        var hasHelp = false

        /// Does what a key says, but the end.
        mutating func take(_ key: WatchKeys.Key) {
            let last = max(0, (view?.body(page).count ?? 0) - 1)
            switch key {
            case .quit: break
            case .pause: isPaused.toggle()
            case .help: hasHelp.toggle()
            case .page(let other): (page, top) = (other, 0)
            case .down: top = min(top + 1, last)
            case .up: top = max(0, top - 1)
            }
        }

        /// The lines of the screen, and the colours of some by their number.
        var screen: (lines: [String], colors: [Int: String]) {
            // The verdict comes right after the heading, or first while NATS is away.
            var lines = problem == nil ? view?.head.prefix(1).map { $0 } ?? [] : []
            var colors: [Int: String] = [:]
            for line in verdict {
                for row in line.rows {
                    colors[lines.count] = line.level.color
                    lines.append(row)
                }
            }
            // Right below the verdict, as a small screen has no room for the last lines.
            if isPaused { lines.append("PAUSED") }
            if hasHelp { lines += WatchKeys.help }
            if let problem { lines.append(problem) }
            let part = page == .all ? "" : "\(page.title.uppercased())  (0: all)"
            let body = (view?.body(page) ?? []).dropFirst(top)
            return (lines + [part] + body, colors)
        }
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
        var trail = WatchTrail()
        var before: WatchSample?
        var shown = Shown()
        while !shutdown.isRequested {
            let started = SystemClock().monotonic()
            do throws(ToolError) {
                var sample = try feed.sample()
                if let source = command.source { sample.ticks.removeAll { $0.source != source } }
                sample.around.changed = trail.note(sample)
                var view = WatchView(title: title, sample, before: before)
                view.verdict = Self.beside(sample.around.lost, judge.judge(WatchSight(view)))
                // The first sample has no rates.
                if before != nil || !(command.isOnce || command.asJSON) {
                    (shown.view, shown.verdict, shown.problem) = (view, view.verdict, nil)
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
                (shown.verdict, shown.problem) = (judge.judge(sight), "\(error)")
                shown.view?.isOld = true
                draw(shown, screen)
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
            if key == .quit { shutdown.request("the person ends the watch") }
            shown.take(key)
            if !shutdown.isRequested { draw(shown, screen) }
        }
    }

    private func draw(_ shown: Shown, _ screen: WatchScreen) {
        let (lines, colors) = shown.screen
        screen.show(lines, colors: terminal.isColored ? colors : [:])
    }

    /// Adds what is lost for ever of today.
    static func beside(_ lost: String?, _ lines: [WatchVerdict.Line]) -> [WatchVerdict.Line] {
        guard let lost else { return lines }
        return lines.map { line in
            WatchVerdict.Line(line.level, LostTicks.beside(line.text), line.runbook)
        } + [WatchVerdict.Line(.warning, LostTicks.line(lost), "Gaps")]
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
