public import MarketModel
internal import Primitives

/// A machine that makes bars by number: each bar has a number of ticks, a volume or an amount of
/// dollars.
///
/// Such a bar ends with a tick, not with the clock, so the order of ticks decides everything. Ticks
/// wait until the watermark has passed them, and are then taken in the order of event time, and
/// within a nanosecond in that of `SourceTable.isBefore`. So their order of arrival does not
/// matter, and a tick earlier than the watermark is late. Bars are numbered from 0 in each trading
/// session (UTC day without a calendar). The session's end cuts off the last bar, which is partial.
/// Every bar has a price: it ends with the tick that reaches the sum, or with the first later tick
/// that sets a price.
///
/// A *mark* is an entry in a symbol's queue that is no tick: a subscription began again there. A
/// bar in progress is a *window*. A published bar is *remembered* until the next session of its
/// symbol begins, so that a repair can withdraw it. A *key* is a symbol with a series: symbol ×
/// series count + series.
///
/// A value that one thread owns. Pure: its results follow from the calls alone.
public struct NumberMachine: BarMaker {
    public let rule: BarRule
    /// The trading sessions; `nil` when UTC days take their place.
    let calendar: SessionCalendar?
    /// Applies the rule to ticks, and counts them.
    var intake: TickIntake
    /// By symbol, the ticks that wait for the watermark.
    var queues: [TickQueue] = []
    /// By symbol, the present session with its bars.
    var sessions: [NumberSession] = []
    /// The number of ticks and marks in all queues.
    var waiting = 0
    /// The number of remembered bars.
    var remembered = 0
    /// By source: the watermark at which `advance` has something to do. It may be too early, never
    /// too late.
    var due: [Int64] = []
    /// Keys whose bar in progress changed since `takeOpenBars`. Not part of the state.
    private var touched: [UInt32] = []
    /// How often a repair could not withdraw all bars of a series, because the symbol's session had
    /// more bars than can be remembered.
    public internal(set) var unwithdrawn: UInt64 = 0
    let waitingMax: Int
    let rememberedMax: Int
    let rememberedPerKeyMax: Int
    /// In a repair machine: the times of which it keeps ticks.
    var repairExtents = RepairRanges()
    /// In a repair machine: the symbols for whose ticks it had no room. They are not repaired.
    var repairRefused: Set<UInt32> = []

    public init(rule: BarRule, calendar: SessionCalendar?) {
        self.init(intake: TickIntake(rule: rule), calendar: calendar)
    }

    /// Makes a machine for a partition that has so many sources and symbols. Tests use smaller
    /// limits.
    init(
        intake: TickIntake, calendar: SessionCalendar?, sources: Int = 0, symbols: Int = 0,
        waitingMax: Int = StreamLimits.waitingTicksMax,
        rememberedMax: Int = StreamLimits.rememberedBarsMax,
        rememberedPerKeyMax: Int = StreamLimits.rememberedBarsPerKeyMax
    ) {
        self.rule = intake.rule
        self.calendar = calendar
        self.intake = intake
        self.waitingMax = waitingMax
        self.rememberedMax = rememberedMax
        self.rememberedPerKeyMax = rememberedPerKeyMax
        due = Array(repeating: Int64.min, count: sources)
        for _ in 0..<symbols { addSymbol() }
    }

    public var counters: BarCounters { intake.account }
    /// Ticks that wait for the watermark.
    public var waitingTicks: Int { waiting }
    var seriesCount: Int { rule.series.all.count }

    /// The number of bars in progress. Computing it walks over all keys, so it is meant for reports
    /// and not for every tick.
    public var openWindows: Int {
        sessions.reduce(0) { $0 + $1.windows.count { !$0.sums.isEmpty } }
    }

    public mutating func addSource() { due.append(Int64.max) }

    public mutating func apply(_ change: PartitionTables.Change, _ tables: PartitionTables) {
        if change.isNew { addSymbol() }
        let symbol = Int(change.index)
        if change.isMoved { due[tables.symbols.feeds[symbol].source] = Int64.min }
        if let time = change.restart, !intake.isRepair { restart(symbol, at: time, tables) }
    }

    private mutating func addSymbol() {
        queues.append(TickQueue())
        sessions.append(NumberSession(seriesCount: seriesCount))
    }

    /// Flags the bar in progress at `time` partial. The mark waits among the ticks for its turn.
    private mutating func restart(_ symbol: Int, at time: Int64, _ tables: PartitionTables) {
        let feed = tables.symbols.feeds[symbol]
        let mark = TickInput(time: time, feed: feed, note: .restart)
        if time >= tables.closedThrough(symbol), waiting < waitingMax {
            wait(mark, symbol: symbol, tables)
        } else {
            for series in sessions[symbol].windows.indices {
                _ = sessions[symbol].windows[series].add(
                    mark, rule.series.all[series].window, tables.sources)
            }
        }
    }

    // MARK: ticks

    public mutating func trade(
        _ trade: Trade, source: Int, ordinal: UInt64, _ tables: PartitionTables
    ) {
        guard rule.field.kind == .trade else { return }
        let admission = intake.admit(trade, source: source, ordinal: ordinal, tables)
        guard let reason = place(admission, symbol: Int(trade.header.symbol), tables) else {
            return
        }
        let (open, close) = bounds(at: trade.header.eventTime.nanoseconds) ?? (0, 0)
        for series in 0..<seriesCount {
            intake.list(
                LateTick(
                    trade, source: source, ordinal: ordinal, series: UInt16(series),
                    openTime: Timestamp(nanoseconds: open),
                    closeTime: Timestamp(nanoseconds: close), reason: reason))
        }
    }

    public mutating func quote(
        _ quote: Quote, source: Int, ordinal: UInt64, _ tables: PartitionTables
    ) {
        guard rule.field.kind != .trade else { return }
        let admission = intake.admit(quote, source: source, ordinal: ordinal, tables)
        guard let reason = place(admission, symbol: Int(quote.header.symbol), tables) else {
            return
        }
        let (open, close) = bounds(at: quote.header.eventTime.nanoseconds) ?? (0, 0)
        for series in 0..<seriesCount {
            intake.list(
                LateTick(
                    quote, source: source, ordinal: ordinal, series: UInt16(series),
                    openTime: Timestamp(nanoseconds: open),
                    closeTime: Timestamp(nanoseconds: close), reason: reason))
        }
    }

    public mutating func exclude(_ header: TickHeader, source: Int, _ tables: PartitionTables) {
        _ = place(
            intake.admit(excluded: header, source: source, tables), symbol: Int(header.symbol),
            tables)
    }

    /// Queues a tick. Returns the reason why it has to be listed as late; `nil` when it was taken,
    /// or belongs into no bar.
    private mutating func place(
        _ admission: TickIntake.Admission, symbol: Int, _ tables: PartitionTables
    ) -> LateTick.Reason? {
        let tick: TickInput
        let isCounted: Bool
        switch admission {
        case .nothing: return nil
        case .exclusion(let found): (tick, isCounted) = (found, false)
        case .tick(let found): (tick, isCounted) = (found, true)
        }
        guard isInSession(tick.time, symbol: symbol) else {
            if isCounted { count(\.outsideSession) }
            return nil
        }
        guard !intake.isRepair else {
            keepForRepair(tick, symbol: symbol)
            return nil
        }
        let isLate = tick.time < tables.closedThrough(symbol)
        if !isLate, waiting < waitingMax {
            wait(tick, symbol: symbol, tables)
        } else if !tick.effect.isEmpty {
            // A late or refused tick without any effect would have changed no bar, so it is not
            // listed.
            return isLate ? .windowClosed : .windowLimit
        }
        if isCounted { count(tick.setsPrice ? \.counted : \.leftOut) }
        return nil
    }

    /// Puts a tick into its symbol's queue.
    private mutating func wait(_ tick: TickInput, symbol: Int, _ tables: PartitionTables) {
        queues[symbol].append(tick)
        waiting += 1
        let source = tables.symbols.feeds[symbol].source
        due[source] = min(due[source], tick.time + 1)
    }

    /// Counts a tick once for each series.
    private mutating func count(_ term: WritableKeyPath<BarCounters.Series, UInt64>) {
        for series in 0..<seriesCount { intake.account.series[series][keyPath: term] += 1 }
    }

    // MARK: sessions

    /// Returns the trading session that holds a time, or its UTC day without a calendar.
    func bounds(at time: Int64) -> (open: Int64, close: Int64)? {
        guard let calendar else {
            let day = StreamLimits.dayNanoseconds
            let open = Timestamp(nanoseconds: time).floored(toNanoseconds: day).nanoseconds
            let (close, overflow) = open.addingReportingOverflow(day)
            return overflow ? nil : (open, close)
        }
        return calendar.session(at: time).map { ($0.open, $0.close) }
    }

    /// Returns whether the time is in a trading session. Other ticks make no bars.
    private func isInSession(_ time: Int64, symbol: Int) -> Bool {
        guard calendar != nil else { return true }
        // The present session is nearly always the right one.
        let session = sessions[symbol]
        return time >= session.open && time < session.close || bounds(at: time) != nil
    }

    // MARK: closing

    public mutating func advance(
        source: Int, _ tables: PartitionTables, into closed: inout [Bar]
    ) {
        guard !intake.isRepair, due.indices.contains(source) else { return }
        let reached = tables.sources.entries[source].watermark.nanoseconds
        guard due[source] <= reached else { return }
        let start = closed.count
        var next = Int64.max
        for symbol in tables.symbols(of: source) {
            next = min(next, drain(Int(symbol), until: reached, tables, into: &closed))
        }
        due[source] = next
        closed.sortOutput(from: start)
    }

    /// Takes the symbol's ticks that the watermark has passed; returns the time at which there will
    /// be more to do.
    private mutating func drain(
        _ symbol: Int, until reached: Int64, _ tables: PartitionTables,
        into closed: inout [Bar]
    ) -> Int64 {
        if queues[symbol].earliest < reached {
            var queue = TickQueue()
            swap(&queue, &queues[symbol])
            queue.sort(tables.sources)
            let count = queue.count(before: reached)
            for index in 0..<count {
                take(queue.ticks[index], symbol: symbol, tables, into: &closed)
            }
            queue.removeFirst(count)
            waiting -= count
            swap(&queue, &queues[symbol])
        }
        finish(symbol, before: reached, tables, into: &closed)
        let earliest = queues[symbol].earliest
        let next = earliest == Int64.max ? earliest : earliest + 1
        return sessions[symbol].isFinished ? next : min(next, sessions[symbol].close)
    }

    /// Takes the next tick in order, and begins a session if it is the session's first.
    private mutating func take(
        _ tick: TickInput, symbol: Int, _ tables: PartitionTables, into closed: inout [Bar]
    ) {
        if tick.time >= sessions[symbol].close {
            // A mark may lie between two sessions.
            guard let bounds = bounds(at: tick.time) else { return }
            finish(symbol, before: tick.time, tables, into: &closed)
            forget(symbol)
            sessions[symbol].begin(
                bounds, seenFrom: tables.seenFrom(symbol, rule.needs))
        }
        let start = closed.count
        sessions[symbol].take(
            tick, symbol: symbol, rule.series.all, tables.sources, into: &closed)
        publish(&closed, from: start, tables)
        if !tick.effect.isEmpty { touch(symbol) }
    }

    /// Ends the present session if the watermark has passed its close. Its last bars are partial.
    private mutating func finish(
        _ symbol: Int, before reached: Int64, _ tables: PartitionTables,
        into closed: inout [Bar]
    ) {
        guard !sessions[symbol].isFinished, sessions[symbol].close <= reached else { return }
        let start = closed.count
        sessions[symbol].finish(symbol: symbol, into: &closed)
        publish(&closed, from: start, tables)
        for series in 0..<seriesCount where !sessions[symbol].windows[series].sums.isEmpty {
            intake.account.series[series].windowsWithoutTrades += 1
        }
    }

    /// Counts, flags and remembers the bars from `start` on.
    private mutating func publish(
        _ closed: inout [Bar], from start: Int, _ tables: PartitionTables
    ) {
        for index in start..<closed.count {
            closed[index].reason = BarReason.closed.rawValue
            let series = Int(closed[index].series)
            if !tables.missing.isEmpty { markMissing(&closed[index], tables.missing) }
            intake.account.series[series].bars += 1
            if closed[index].notional == Int128.max || closed[index].notional == Int128.min {
                intake.account.series[series].notionalSaturated += 1
            }
            remember(closed[index])
        }
    }

    /// Flags the bar partial when ticks since the bar before it are missing. If that one is not
    /// remembered, the check begins at the last remembered bar.
    private func markMissing(_ bar: inout Bar, _ missing: MissingStretches) {
        let symbol = Int(bar.symbol)
        let last = sessions[symbol].windows[Int(bar.series)].published.last
        if isMissing(bar, since: last?.closeTime ?? sessions[symbol].open, missing) {
            bar.flags.insert(.partial)
        }
    }

    /// Returns whether ticks of the bar are missing. Ticks missing between two bars would have been
    /// in one of them.
    func isMissing(_ bar: Bar, since before: Int64, _ missing: MissingStretches) -> Bool {
        missing.touches(
            bar.symbol, rule.needs, from: before, to: bar.closeTime.nanoseconds)
    }

    /// Returns the number of a symbol's remembered bars.
    func publishedCount(_ symbol: Int) -> Int {
        sessions[symbol].windows.reduce(0) { $0 + $1.published.count }
    }

    /// Subtracts the symbol's remembered bars, which `NumberSession.begin` removes, from their
    /// number.
    private mutating func forget(_ symbol: Int) { remembered -= publishedCount(symbol) }

    /// Remembers a published bar, if there is room.
    mutating func remember(_ bar: Bar) {
        let symbol = Int(bar.symbol)
        let series = Int(bar.series)
        let count = sessions[symbol].windows[series].published.count
        guard remembered < rememberedMax, count < rememberedPerKeyMax else {
            sessions[symbol].windows[series].hasForgotten = true
            return
        }
        sessions[symbol].windows[series].published.append(PublishedBar(bar))
        remembered += 1
    }

    // MARK: read by the caller

    public mutating func takeLateTicks(into late: inout [LateTick]) {
        intake.takeLateTicks(into: &late)
    }

    /// Notes that a symbol's bars in progress changed, for `takeOpenBars`.
    mutating func touch(_ symbol: Int) {
        for series in 0..<seriesCount where !sessions[symbol].windows[series].isTouched {
            sessions[symbol].windows[series].isTouched = true
            touched.append(UInt32(symbol * seriesCount + series))
        }
    }

    public mutating func takeOpenBars(into open: inout [Bar]) {
        for key in touched {
            let symbol = Int(key) / seriesCount
            let series = Int(key) % seriesCount
            sessions[symbol].windows[series].isTouched = false
            if let bar = sessions[symbol].windows[series].bar(symbol: symbol, series: series) {
                open.append(bar)
            }
        }
        touched.removeAll(keepingCapacity: true)
    }
}
