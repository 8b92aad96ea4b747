public import MarketModel
internal import Primitives

/// A machine that makes bars by inactivity: each bar is a run of ticks, which ends with the first
/// pause as long as the series' gap.
///
/// The order of arrival does not matter: a tick between two windows joins them. A window is
/// published when the watermark passes its end, and again for each tick that comes within the
/// lateness. When such a tick moves its open time, which is the bar's key, the bar of the old key
/// is withdrawn. Only ticks with an effect make a window longer.
///
/// A *gap* is here the length of the pause that ends a window, in nanoseconds, and no gap record. A
/// *loose* exclusion is an excluded tick that lies in no window so far. A *key* is a symbol with a
/// series: symbol × series count + series. A window is *removed* when its lateness is over.
///
/// A value that one thread owns. Pure: its results follow from the calls alone.
public struct InactivityMachine: BarMaker {
    public let rule: BarRule
    /// Applies the rule to ticks, and counts them.
    var intake: TickIntake
    /// By key, its windows.
    var keys: [InactivityKey] = []
    /// By source: the watermark at which `advance` has something to do. It may be too early, never
    /// too late.
    var due: [Int64] = []
    /// The number of windows and loose exclusions of all keys.
    var held = 0
    /// Keys with windows that changed. Not part of the state.
    private var changed: [UInt32] = []
    /// By series, its gap.
    let gaps: [Int64]
    let heldMax: Int
    let heldPerKeyMax: Int
    /// In a repair machine: the times of which it keeps ticks.
    var repairExtents = RepairRanges()
    /// In a repair machine: the symbols for which it had no room.
    var repairRefused: Set<UInt32> = []

    /// A calendar is not used: sessions do not cut these windows.
    public init(rule: BarRule, calendar: SessionCalendar?) {
        self.init(intake: TickIntake(rule: rule))
    }

    /// Makes a machine for a partition that has so many sources and symbols. Tests use smaller
    /// limits.
    init(
        intake: TickIntake, sources: Int = 0, symbols: Int = 0,
        heldMax: Int = StreamLimits.openWindowsMax,
        heldPerKeyMax: Int = StreamLimits.openWindowsPerKeyMax
    ) {
        rule = intake.rule
        self.intake = intake
        self.heldMax = heldMax
        self.heldPerKeyMax = heldPerKeyMax
        gaps = rule.series.all.map {
            if case .inactivity(let gap) = $0.window { return gap }
            return 1
        }
        due = Array(repeating: Int64.min, count: sources)
        keys = Array(repeating: InactivityKey(), count: symbols * gaps.count)
    }

    public var counters: BarCounters { intake.account }
    public var openWindows: Int { held }
    var seriesCount: Int { gaps.count }

    func lateness(_ series: Int) -> Int64 { rule.series.all[series].lateness }

    public mutating func addSource() { due.append(Int64.max) }

    public mutating func apply(_ change: PartitionTables.Change, _ tables: PartitionTables) {
        if change.isNew {
            for _ in 0..<seriesCount { keys.append(InactivityKey()) }
        }
        if change.isMoved { expect(Int64.min, symbol: Int(change.index), tables) }
        if let time = change.restart { restart(Int(change.index), at: time) }
    }

    /// Flags the windows partial in which ticks right before the new subscription may be missing.
    /// `add` flags windows that grow over its beginning later. Only a repair clears the flag, when
    /// the ticks have been filled in.
    private mutating func restart(_ symbol: Int, at time: Int64) {
        for series in 0..<seriesCount {
            let key = symbol * seriesCount + series
            for index in keys[key].windows.indices
            where isMissing(keys[key].windows[index], time, gap: gaps[series]) {
                keys[key].windows[index].sums.flags.insert(.partial)
            }
        }
    }

    /// Returns whether a tick of the window may be missing, because none was received right before
    /// `time`. Such a tick may also lie up to a gap before the window, and would have joined it. A
    /// quote that was missed there would have been paired with later trades, too.
    private func isMissing(_ window: InactivityWindow, _ time: Int64, gap: Int64) -> Bool {
        window.first - gap < rule.needs.later(time) && time < window.end(gap: gap)
    }

    /// Returns whether ticks of the window, or of the pauses around it, may be missing. The flag of
    /// the window itself says so of the beginnings of subscriptions.
    func isPartial(
        _ window: InactivityWindow, symbol: Int, gap: Int64, _ tables: PartitionTables
    ) -> Bool {
        window.first - gap < tables.seenFrom(symbol, rule.needs)
            || tables.missing.touches(
                UInt32(symbol), rule.needs, from: window.first - gap,
                to: window.end(gap: gap))
    }

    // MARK: ticks

    public mutating func trade(
        _ trade: Trade, source: Int, ordinal: UInt64, _ tables: PartitionTables
    ) {
        guard rule.field.kind == .trade else { return }
        let admission = intake.admit(trade, source: source, ordinal: ordinal, tables)
        let symbol = Int(trade.header.symbol)
        guard case .tick(let tick) = admission else { return exclude(admission, symbol, tables) }
        for series in 0..<seriesCount {
            guard let reason = add(tick, symbol: symbol, series: series, tables) else { continue }
            intake.list(
                LateTick(
                    trade, source: source, ordinal: ordinal, series: UInt16(series),
                    openTime: Timestamp(nanoseconds: tick.time),
                    closeTime: Timestamp(nanoseconds: tick.time + gaps[series]), reason: reason))
        }
    }

    public mutating func quote(
        _ quote: Quote, source: Int, ordinal: UInt64, _ tables: PartitionTables
    ) {
        guard rule.field.kind != .trade else { return }
        let admission = intake.admit(quote, source: source, ordinal: ordinal, tables)
        let symbol = Int(quote.header.symbol)
        guard case .tick(let tick) = admission else { return exclude(admission, symbol, tables) }
        for series in 0..<seriesCount {
            guard let reason = add(tick, symbol: symbol, series: series, tables) else { continue }
            intake.list(
                LateTick(
                    quote, source: source, ordinal: ordinal, series: UInt16(series),
                    openTime: Timestamp(nanoseconds: tick.time),
                    closeTime: Timestamp(nanoseconds: tick.time + gaps[series]), reason: reason))
        }
    }

    public mutating func exclude(_ header: TickHeader, source: Int, _ tables: PartitionTables) {
        exclude(
            intake.admit(excluded: header, source: source, tables), Int(header.symbol), tables)
    }

    private mutating func exclude(
        _ admission: TickIntake.Admission, _ symbol: Int, _ tables: PartitionTables
    ) {
        guard case .exclusion(let tick) = admission else { return }
        for series in 0..<seriesCount {
            addExclusion(tick, symbol: symbol, series: series, tables)
        }
    }

    /// Adds a tick to its window, or opens one. Returns the reason why the tick is late; `nil` when
    /// it was taken, or is not needed in a repair machine.
    private mutating func add(
        _ tick: TickInput, symbol: Int, series: Int, _ tables: PartitionTables
    ) -> LateTick.Reason? {
        guard !tick.effect.isEmpty else {
            addExclusion(tick, symbol: symbol, series: series, tables)
            intake.account.series[series].leftOut += 1
            return nil
        }
        guard isNeeded(tick, symbol: symbol) else { return nil }
        let gap = gaps[series]
        let key = symbol * seriesCount + series
        let range = keys[key].neighbours(of: tick.time, gap: gap)
        if range.isEmpty {
            guard isTaken(tick.time, symbol: symbol, series: series, tables) else {
                return .windowClosed
            }
            guard hasRoom(key, symbol: symbol) else { return .windowLimit }
        } else if tick.time < keys[key].retiredEnd {
            return .windowClosed
        }
        let before = keys[key].windows.count + keys[key].loose.count
        let since = tables.symbols.records[symbol].since.nanoseconds
        let wasMissing = keys[key].windows[range].contains { isMissing($0, since, gap: gap) }
        let index = keys[key].add(
            tick, joining: range, gap: gap, symbol: UInt32(symbol), series: UInt16(series),
            tables.sources)
        held += keys[key].windows.count + keys[key].loose.count - before
        // The tables of a repair have the beginnings of all subscriptions that were not filled.
        if !intake.isRepair, !wasMissing, isMissing(keys[key].windows[index], since, gap: gap) {
            keys[key].windows[index].sums.flags.insert(.partial)
        }
        let end = keys[key].windows[index].end(gap: gap)
        let isLate = end <= tables.closedThrough(symbol)
        if isLate { keys[key].windows[index].isLate = true }
        expect(isLate || !keys[key].withdrawals.isEmpty ? Int64.min : end, symbol: symbol, tables)
        note(key)
        let setsPrice = tick.setsPrice
        intake.account.series[series].counted += setsPrice ? 1 : 0
        intake.account.series[series].leftOut += setsPrice ? 0 : 1
        return nil
    }

    /// Counts an excluded tick in the window that holds its time, or keeps it as a loose exclusion.
    private mutating func addExclusion(
        _ tick: TickInput, symbol: Int, series: Int, _ tables: PartitionTables
    ) {
        guard isNeeded(tick, symbol: symbol) else { return }
        let key = symbol * seriesCount + series
        if let index = keys[key].index(holding: tick.time, gap: gaps[series]) {
            guard tick.time >= keys[key].retiredEnd else { return }
            keys[key].windows[index].sums.excluded.count(tick.note)
            if keys[key].windows[index].isPublished {
                keys[key].windows[index].isPublished = false
                keys[key].windows[index].isLate = true
                expect(Int64.min, symbol: symbol, tables)
            }
            return
        }
        guard isTaken(tick.time, symbol: symbol, series: series, tables), held < heldMax else {
            return
        }
        let before = keys[key].loose.count
        guard keys[key].addLoose(tick, max: heldPerKeyMax) else { return }
        held += keys[key].loose.count - before
        expect(tick.time + gaps[series] + lateness(series), symbol: symbol, tables)
    }

    /// Returns whether a tick of this time may open a window: a window of this tick alone would
    /// still be kept.
    private func isTaken(
        _ time: Int64, symbol: Int, series: Int, _ tables: PartitionTables
    ) -> Bool {
        intake.isRepair
            || time >= keys[symbol * seriesCount + series].retiredEnd
                && time + gaps[series] + lateness(series) > tables.closedThrough(symbol)
    }

    /// Returns whether there is room for one more window of the key.
    private mutating func hasRoom(_ key: Int, symbol: Int) -> Bool {
        if held < heldMax, keys[key].windows.count < heldPerKeyMax { return true }
        if intake.isRepair { repairRefused.insert(UInt32(symbol)) }
        return false
    }

    /// Returns whether the machine needs the tick: a repair machine needs those in its extents.
    private func isNeeded(_ tick: TickInput, symbol: Int) -> Bool {
        !intake.isRepair || repairExtents.holds(UInt32(symbol), tick.time)
    }

    /// Notes that `advance` has something to do when the watermark of the symbol's source reaches
    /// this time.
    mutating func expect(_ time: Int64, symbol: Int, _ tables: PartitionTables) {
        let source = tables.symbols.feeds[symbol].source
        due[source] = min(due[source], time)
    }

    // MARK: read by the caller

    public mutating func takeLateTicks(into late: inout [LateTick]) {
        intake.takeLateTicks(into: &late)
    }

    /// Notes that a key's windows changed, for `takeOpenBars`.
    mutating func note(_ key: Int) {
        guard !keys[key].isListed else { return }
        keys[key].isListed = true
        changed.append(UInt32(key))
    }

    public mutating func takeOpenBars(into open: inout [Bar]) {
        for number in changed {
            let key = Int(number)
            keys[key].isListed = false
            let series = key % seriesCount
            for index in keys[key].windows.indices where keys[key].windows[index].isChanged {
                keys[key].windows[index].isChanged = false
                guard !keys[key].windows[index].isPublished else { continue }
                let bar = keys[key].windows[index].bar(
                    symbol: UInt32(key / seriesCount), series: UInt16(series),
                    gap: gaps[series])
                if let bar { open.append(bar) }
            }
        }
        changed.removeAll(keepingCapacity: true)
    }
}
