internal import Membership
internal import Primitives
internal import TapeTransport

/// Turns looks into one line that says whether all is well. It remembers since when something is
/// not. Pure.
package struct WatchVerdict: Sendable {
    package enum Level: String, Sendable { case good, warning, bad }

    package struct Line: Equatable, Sendable {
        package let level: Level
        package let text: String
        /// The name of the page in `docs/runbooks`.
        package var runbook: String?

        package init(_ level: Level, _ text: String, _ runbook: String? = nil) {
            self.level = level
            self.text = text
            self.runbook = runbook
        }

        /// The line as people see it.
        package var shown: String { text + (runbook.map { " → docs/runbooks/\($0).md" } ?? "") }

        /// The same in lines of at most 80 columns, as far as the text allows.
        package var rows: [String] {
            guard shown.count > 80, let runbook else { return [shown] }
            return [text, "  → docs/runbooks/\(runbook).md"]
        }
    }

    /// A source without a watermark for so long is silent: gateways send one each second, also
    /// while no tick comes.
    package static let silentSeconds = 15.0
    /// A lag that grew in so many looks, and fell in none between them, grows.
    package static let growingLooks = 5
    /// A smaller lag is what is on its way.
    package static let lagMin: UInt64 = 1_000
    /// Such a lag is told even if it does not grow.
    package static let lagLarge: UInt64 = 100_000

    package static let allGood = "ALL GOOD"

    private enum Trouble: Hashable {
        case nats
        case database
    }

    /// The moment and the bytes of the streams when a trouble began.
    private struct Start {
        let at: MonotonicTime
        let bytes: UInt64
    }

    private struct Lag {
        var last: UInt64 = 0
        var growing = 0
    }

    private var since: [Trouble: Start] = [:]
    private var lags: [String: Lag] = [:]

    /// A source without a watermark for longer is silent.
    private let silentAfterSeconds: Double

    package init(silentAfterSeconds: Double = WatchVerdict.silentSeconds) {
        self.silentAfterSeconds = silentAfterSeconds
    }

    /// Returns what is wrong, the worst first, or one line that says that all is good.
    package mutating func judge(_ sight: WatchSight) -> [Line] {
        let nats = note(.nats, sight.natsProblem != nil, sight)
        let database = note(.database, sight.databaseProblem != nil, sight)
        guard sight.natsProblem == nil else {
            let age = Self.age(nats, sight.now)
            return [
                Line(
                    .bad, "NATS AWAY\(age): gateways keep ticks in their spools; owners stay",
                    "Nats")
            ] + (database.map { [Self.away($0, sight)] } ?? [])
        }
        noteLags(sight)
        var lines = database.map { [Self.away($0, sight)] } ?? []
        lines += Self.groupLines(sight) + sight.processes.compactMap(Self.line)
        lines += sourceLines(sight) + Self.roomLines(sight)
        lines += lagLines(sight) + Self.dataLines(sight)
        guard !lines.isEmpty else { return [Self.good(sight)] }
        return lines.filter { $0.level == .bad } + lines.filter { $0.level != .bad }
    }

    // MARK: memory

    private mutating func note(
        _ trouble: Trouble, _ isThere: Bool, _ sight: WatchSight
    ) -> Start? {
        guard isThere else {
            since[trouble] = nil
            return nil
        }
        let start = since[trouble] ?? Start(at: sight.now, bytes: sight.storedBytes)
        since[trouble] = start
        return start
    }

    private mutating func noteLags(_ sight: WatchSight) {
        let names = Set(sight.groups.map(\.name))
        lags = lags.filter { names.contains($0.key) }
        for group in sight.groups {
            guard let behind = group.behind else { continue }
            var lag = lags[group.name] ?? Lag(last: behind)
            if behind < lag.last { lag.growing = 0 }
            if behind > lag.last { lag.growing += 1 }
            lag.last = behind
            lags[group.name] = lag
        }
    }

    private static func age(_ start: Start?, _ now: MonotonicTime) -> String {
        guard let start else { return "" }
        let seconds = Double(now - start.at) / 1e9
        return seconds < 1 ? "" : " \(SpanText.of(seconds))"
    }

    // MARK: lines

    private static func away(_ start: Start, _ sight: WatchSight) -> Line {
        let seconds = Double(sight.now - start.at) / 1e9
        var room = ""
        if let free = sight.freeBytes, seconds >= 1, sight.storedBytes > start.bytes {
            let rate = Double(sight.storedBytes - start.bytes) / seconds
            room = ", room for about \(SpanText.of(Double(free) / rate))"
        }
        return Line(
            .bad, "DATABASE AWAY\(age(start, sight.now)): the tape keeps the rows\(room)",
            "BreakerOpen")
    }

    private static func groupLines(_ sight: WatchSight) -> [Line] {
        var lines: [Line] = []
        for group in sight.needed {
            let ready = sight.groups.first { $0.name == group.text }?.ready ?? 0
            guard ready == 0 else { continue }
            let lost = group.isStore ? "no rows are stored" : "no bars are made"
            lines.append(
                Line(.bad, "NO \(group.text.uppercased()) IS READY: \(lost)", "Services"))
        }
        for group in sight.groups where group.silent > 0 && sight.isMissed(group.name) {
            lines.append(
                Line(
                    .warning,
                    "\(group.silent) PARTITIONS OF \(group.name.uppercased()) HAVE NO LIVE "
                        + "OWNER", "Owners"))
        }
        // Readers of other groups may read some partitions only.
        let needed = Set(sight.needed.map(\.text))
        for group in sight.groups where group.unheard > 0 && needed.contains(group.name) {
            lines.append(
                Line(
                    .warning,
                    "\(group.unheard) PARTITIONS OF \(group.name.uppercased()) UNHEARD: "
                        + "nobody says how far they are read", "Owners"))
        }
        return lines
    }

    private static func line(_ process: WatchSight.Process) -> Line? {
        if let silence = process.silence {
            return Line(.warning, "\(process.name) DOES NOT ANSWER: \(line(silence))", "Services")
        }
        if let unready = process.unready {
            return Line(.warning, "\(process.name) IS NOT READY: \(line(unready))", "Services")
        }
        return process.degraded.map {
            Line(
                .warning, "\(process.name) IS DEGRADED: \(line($0))",
                process.holdsTableBack ? "TableBlocked" : "Services")
        }
    }

    /// Returns a text of others in one line that is not too long.
    package static func line(_ text: String) -> String {
        let one = text.split(whereSeparator: \.isNewline).joined(separator: "; ")
        return one.count <= 200 ? one : "\(one.prefix(200))…"
    }

    private func sourceLines(_ sight: WatchSight) -> [Line] {
        if sight.sources.isEmpty {
            return [
                Line(
                    .warning, "NO SOURCE: no gateway has put ticks on the tape", "SourceMissing")
            ]
        }
        let silent = sight.sources.compactMap { source in
            source.watermarkSeconds.flatMap { age in
                age > silentAfterSeconds
                    ? Line(
                        .bad, "SOURCE \(source.name) SILENT \(SpanText.of(age)): its bars wait",
                        "SourceMissing") : nil
            }
        }
        guard !sight.feeds.silent.isEmpty else { return silent }
        let names = sight.feeds.silent.prefix(3).joined(separator: ", ")
        let more = sight.feeds.silent.count > 3 ? " and \(sight.feeds.silent.count - 3) more" : ""
        return silent + [
            Line(.warning, "FEEDS DO NOT DELIVER: \(names)\(more)", "ProviderFeedsDown")
        ]
    }

    private static func roomLines(_ sight: WatchSight) -> [Line] {
        var lines: [Line] = []
        if sight.freePercent < HeadroomLevel.lowPercent {
            lines.append(
                Line(.warning, "TAPE NEARLY FULL: \(sight.freePercent) % free", "TapeRoom"))
        }
        if sight.feeds.spooledTicks > 0 {
            lines.append(
                Line(
                    .warning, "SPOOL IN USE: \(sight.feeds.spooledTicks) ticks wait for the tape",
                    "Spool"
                ))
        }
        return lines
    }

    private func lagLines(_ sight: WatchSight) -> [Line] {
        sight.groups.compactMap { group in
            guard let lag = lags[group.name], group.behind != nil, sight.isMissed(group.name)
            else { return nil }
            let isGrowing = lag.growing >= Self.growingLooks && lag.last >= Self.lagMin
            guard isGrowing || lag.last >= Self.lagLarge else { return nil }
            let name = group.name.uppercased()
            return Line(
                .warning,
                isGrowing
                    ? "\(name) FALLS BEHIND: \(lag.last) ticks, growing"
                    : "\(name) IS FAR BEHIND: \(lag.last) ticks", "GroupLag")
        }
    }

    private static func dataLines(_ sight: WatchSight) -> [Line] {
        var lines: [Line] = []
        if let problem = sight.gaps.problem {
            let reason = problem.split(whereSeparator: \.isNewline).joined(separator: "; ")
            let text = "GAPS NOT SEEN: \(reason)".prefix(80)
            lines.append(Line(.warning, String(text), "Gaps"))
        }
        if let open = sight.gaps.open, open > 0 {
            lines.append(
                Line(.warning, "\(open) GAPS OPEN: 'tapeline gaps' lists them", "Gaps"))
        }
        if let clock = sight.clock {
            if let difference = clock.difference(of: "PostgreSQL") {
                lines.append(Line(.warning, "CLOCK OFF: \(difference)", "ClocksDisagree"))
            }
        }
        return lines
    }

    private static func good(_ sight: WatchSight) -> Line {
        var parts = [allGood]
        if let rate = sight.ticksPerSecond { parts.append("\(RateText.of(rate)) ticks/s") }
        if let age = sight.barSeconds {
            parts.append("bars up to \(SpanText.short(age)) ago")
        }
        if sight.feeds.live > 0 { parts.append("\(sight.feeds.live) feeds live") }
        if sight.gaps.open == 0 { parts.append("no gap open") }
        return Line(.good, parts.joined(separator: "  "))
    }
}
