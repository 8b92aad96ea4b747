internal import MarketModel
internal import Primitives
internal import StreamCore

/// One series of one node: lists of ticks.
struct OracleLeaf {
    let node: Int
    let series: BarSeries
    let rule: BarRule
    let calendar: SessionCalendar?
    /// How long a quote counts for its trades, or a change of a book for later ones; 0 where
    /// neither is.
    var quoteAge: Int64 = 0
    /// The rows of each side of a book whose sizes count.
    var levels = 0
    private var windows: [SourceSymbol: [OracleWindow: Content]] = [:]
    /// The ticks of windows that end with a tick.
    private var ordered: [SourceSymbol: [OracleEntry]] = [:]
    /// The runs of windows that end with a pause.
    private var pauses: OraclePauses?
    /// The functions of a node that publishes numbers instead of bars.
    let functions: [AggregateFunction]
    private var late: [LoggedTick.ID] = []
    private var excluded = 0
    private var received = 0

    struct Content {
        var entries: [OracleEntry] = []
        /// Whether a subscription began again in it.
        var isRestarted = false
        /// Whether the last repair of it found a gap in it.
        var hasGapInRepair = false
        /// Whether a version with a price was published, or may have been.
        var hadPrice = false
    }

    /// The result of the nodes before a leaf for a tick.
    enum Verdict { case comes, keptBack, doesNotConcern }

    init(
        node: Int, series: BarSeries, rule: BarRule, calendar: SessionCalendar?,
        functions: [AggregateFunction] = []
    ) {
        self.node = node
        self.series = series
        self.rule = rule
        self.calendar = calendar
        self.functions = functions
        if case .inactivity(let gap) = series.window {
            pauses = OraclePauses(gap: gap, lateness: series.lateness)
        }
    }

    // MARK: live

    /// `missing` is `nil` in a graph without a join: there no window opens later whose ticks a
    /// subscription missed that began again.
    mutating func take(
        _ tick: LoggedTick, _ verdict: Verdict, _ clock: OracleClock, _ missing: OracleMissing?
    ) {
        guard verdict != .doesNotConcern, tick.kind == kind else { return }
        var tick = tick
        tick.book?.levels = levels
        let part = OracleShare.part(of: tick, rule, isRepair: false)
        guard let part = verdict == .keptBack ? .filter : part else { return }
        received += 1
        guard tick.header.eventTime.isDefined else { return }
        if case .share = part {} else { excluded += 1 }
        let entry = OracleEntry(tick: tick, part: part)
        if pauses != nil {
            if pauses?.take(entry, clock) == false { late.append(tick.id) }
            return
        }
        guard series.window.isByTime else {
            takeInOrder(entry, clock)
            return
        }
        let all = OracleWindow.all(of: tick.time, series.window, calendar)
        let closed = all.filter { isOver($0, lateness: series.lateness, tick.symbol, clock) }
        for window in all where !closed.contains(window) {
            var content = Content()
            if let missing, windows[tick.symbol]?[window] == nil {
                content.isRestarted = hasStart(tick.symbol, in: window, missing)
            }
            windows[tick.symbol, default: [:]][window, default: content].entries.append(entry)
        }
        if entry.hasEffect { late += closed.map { _ in tick.id } }
    }

    /// Takes a tick of windows that end with a tick. A tick earlier than the watermark is late, and
    /// the others are sorted.
    private mutating func takeInOrder(_ entry: OracleEntry, _ clock: OracleClock) {
        let symbol = entry.tick.symbol
        guard OracleNumbers.session(of: entry.tick.time, calendar) != nil else { return }
        if entry.tick.time >= clock.reached(symbol) {
            ordered[symbol, default: []].append(entry)
        } else if entry.hasEffect {
            late.append(entry.tick.id)
        }
    }

    private func isOver(
        _ window: OracleWindow, lateness: Int64, _ symbol: SourceSymbol, _ clock: OracleClock
    ) -> Bool {
        clock.isOver(window.end + lateness, symbol, isThere: windows[symbol]?[window] != nil)
    }

    /// Notes a new subscription. A window that is already published stays as it is.
    mutating func restart(_ symbol: SourceSymbol, since: Int64, _ clock: OracleClock) {
        for window in OracleWindow.all(of: since, series.window, calendar)
        where window.start < since && !isOver(window, lateness: 0, symbol, clock) {
            windows[symbol, default: [:]][window, default: Content()].isRestarted = true
        }
        guard quoteAge > 0 else { return }
        for window in windows[symbol]?.keys.map({ $0 }) ?? []
        where window.start < since + quoteAge && window.end > since
            && !isOver(window, lateness: 0, symbol, clock)
        {
            windows[symbol]?[window]?.isRestarted = true
        }
    }

    /// Returns the window with the time before it whose quotes its trades may have got.
    private func withQuotes(_ window: OracleWindow) -> OracleWindow {
        OracleWindow(start: window.start - quoteAge, end: window.end)
    }

    private func hasStart(
        _ symbol: SourceSymbol, in window: OracleWindow, _ missing: OracleMissing
    ) -> Bool {
        missing.hasStart(symbol, kind, in: window)
            || quoteAge > 0 && missing.hasStart(symbol, earlierKind, in: withQuotes(window))
    }

    // MARK: repair

    private var kind: DataKind { rule.field.ticks }
    private var earlierKind: DataKind { rule.field.earlier }

    /// `isKeptBack` says of a tick whether a node before the leaf keeps it back.
    mutating func repair(
        _ all: [OracleRepair], _ mended: [OracleRepair.Mended], _ missing: OracleMissing,
        isKeptBack: (LoggedTick) -> Bool = { _ in false }
    ) {
        let ranges = all.compactMap { range in
            quoteAge > 0 && (range.kind == .any || range.kind == earlierKind)
                ? range.reaching(quoteAge)
                : range.kind == .any || range.kind == kind ? range : nil
        }
        var fresh: [SourceSymbol: [OracleWindow: [OracleEntry]]] = [:]
        for one in mended {
            var tick = one.tick
            tick.book?.levels = levels
            guard let part = OracleShare.part(of: tick, rule, isRepair: true) else { continue }
            let isOut = one.isCancelled || isKeptBack(one.tick)
            for window in OracleWindow.all(of: tick.time, series.window, calendar)
            where ranges.contains(where: { $0.touches(window, of: tick.symbol) }) {
                fresh[tick.symbol, default: [:]][window, default: []].append(
                    OracleEntry(tick: tick, part: isOut ? .filter : part))
            }
        }
        for (symbol, windows) in fresh {
            for (window, entries) in windows {
                let before = self.windows[symbol]?[window]
                var content = Content(entries: entries)
                let hadPrice = before.map { Self.hasPrice($0.entries) } ?? false
                content.hadPrice = hadPrice || before?.hadPrice ?? false
                self.windows[symbol, default: [:]][window] = content
            }
        }
        lookForMissing(ranges, missing)
    }

    /// Notes the starts of subscriptions and the gaps in all windows that are computed again, also
    /// in those without a tick.
    private mutating func lookForMissing(_ ranges: [OracleRepair], _ missing: OracleMissing) {
        let kind = kind
        for (symbol, contents) in windows {
            for window in contents.keys
            where ranges.contains(where: { $0.touches(window, of: symbol) }) {
                let isRestarted = hasStart(symbol, in: window, missing)
                windows[symbol]?[window]?.isRestarted = isRestarted
                let hasGap =
                    missing.hasGapInRepair(symbol, kind, in: window)
                    || quoteAge > 0
                        && missing.hasGapInRepair(symbol, earlierKind, in: withQuotes(window))
                windows[symbol]?[window]?.hasGapInRepair = hasGap
            }
        }
    }

    private static func hasPrice(_ entries: [OracleEntry]) -> Bool {
        entries.contains { if case .share = $0.part { true } else { false } }
    }

    // MARK: the end

    func fold(
        _ clock: OracleClock, _ missing: OracleMissing, into result: inout OracleResult
    ) {
        if functions.isEmpty { result.late[series.name] = late }
        result.excluded[series.name] = excluded
        result.received[series.name] = received
        for (symbol, entries) in ordered {
            let bars = OracleNumbers.bars(of: entries, series.window, calendar) {
                clock.isCut($0, symbol)
            }
            for bar in bars {
                let key = BarKey(
                    symbol: symbol, series: series.name, openTime: bar.openTime,
                    number: bar.number)
                result.bars[key] = bar
            }
        }
        for (symbol, bar) in pauses?.bars(clock) ?? [] {
            result.bars[key(symbol, bar)] = bar
        }
        for (symbol, windows) in windows {
            var excluded: [Int64: Bar.Excluded] = [:]
            for (window, content) in windows {
                guard var bar = bar(of: content, window, symbol, clock, missing) else { continue }
                excluded[window.start] = bar.excluded
                guard bar.trades > 0 || content.hadPrice else { continue }
                if bar.trades == 0 { bar.flags.insert(.withdrawn) }
                result.bars[key(symbol, bar)] = bar
            }
            OracleFill(
                series: series, symbol: symbol, calendar: calendar, excluded: excluded
            ).add(clock, to: &result)
        }
    }

    private func key(_ symbol: SourceSymbol, _ bar: Bar) -> BarKey {
        BarKey(symbol: symbol, series: series.name, openTime: bar.openTime, number: 0)
    }

    private func bar(
        of content: Content, _ window: OracleWindow, _ symbol: SourceSymbol, _ clock: OracleClock,
        _ missing: OracleMissing
    ) -> Bar? {
        var bar = OracleFold.bar(of: content.entries, from: window.start, to: window.end)
        if content.isRestarted || content.hasGapInRepair
            || clock.isCut(window.start - quoteAge, symbol)
            || missing.hasGap(symbol, kind, in: window)
            || quoteAge > 0 && missing.hasGap(symbol, earlierKind, in: withQuotes(window))
        {
            bar?.flags.insert(.partial)
        }
        return bar
    }

    /// Returns the finer bars from which coarser ones are made, by symbol and in no order.
    func fine(_ clock: OracleClock, _ missing: OracleMissing) -> [SourceSymbol: [Bar]] {
        var fine: [SourceSymbol: [Bar]] = [:]
        for (symbol, windows) in windows {
            fine[symbol] = windows.compactMap { bar(of: $1, $0, symbol, clock, missing) }
        }
        return fine
    }

    /// Adds the numbers under `<node>.<series>.<function>`.
    func numbers(
        _ node: String, _ clock: OracleClock, _ missing: OracleMissing,
        into result: inout OracleResult
    ) {
        for (symbol, windows) in windows {
            for (window, content) in windows {
                guard let bar = bar(of: content, window, symbol, clock, missing) else { continue }
                for function in functions {
                    let value = OracleAggregates.value(function, of: content.entries, bar)
                    guard let value else { continue }
                    let name = "\(node).\(series.name).\(function)"
                    let key = ValueKey(symbol: symbol, name: name, periodStart: bar.openTime)
                    result.values[key] = value
                }
            }
        }
    }
}
