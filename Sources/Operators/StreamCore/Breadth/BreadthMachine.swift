public import MarketModel
public import Primitives

/// One version of a measure's value in one window of its series, which `BreadthMachine` publishes.
public struct BreadthValue: Hashable, Sendable {
    /// The index in `BreadthRule.measures`.
    public var measure: Int
    public var openTime: Timestamp
    public var closeTime: Timestamp
    /// In 1e-9; `IndicatorValue.undefined` for a ratio without a divisor.
    public var value: Int128
    /// The number of symbols that it is computed from: those with a bar in the window's day so far
    /// and enough days before it.
    public var symbols: UInt32
    /// A raw `BarReason`: `closed` for the first version.
    public var reason: UInt8
}

/// Computes measures over the bars of all symbols of a universe, of all partitions.
///
/// A symbol's close, high and low are those of its day so far. The day has the trading sessions of
/// one date in the calendar, and only bars in sessions count; without a calendar it is the UTC day.
/// Values are published for each window in which any symbol has a bar: when the least of the
/// partitions' watermarks has passed its end, and again when a bar that comes within the series'
/// lateness changes them.
///
/// A *universe* is here the set of symbols that count. A symbol's *mark* is the value of earlier
/// days with which a measure compares today. A window is *due* when its values have to be
/// published. A window or bar is *settled* when no bar can change it any more. Symbols have the
/// numbers of `UniverseSymbols`.
///
/// A value that one thread owns. Pure: its results follow from the calls alone.
public struct BreadthMachine: Sendable {
    public let rule: BreadthRule
    public let series: BarSeries
    let days: BreadthDays
    var calendar: SessionCalendar? { days.calendar }
    /// By partition, its watermark. `UniverseState` gives each machine a single partition, whose
    /// watermark is the common one.
    var watermarks: [Int64]
    var known: UniverseSymbols
    /// By number, the symbol's days and bars.
    var symbols: [BreadthSymbol] = []
    /// The windows that are not settled, in order of time.
    var windows: [BreadthWindow] = []
    /// Windows that end here or before are settled: their values do not change any more.
    var settledThrough = Int64.min
    public internal(set) var counters = BreadthCounters()
    /// The sources that count. `UniverseState` sets it; it is no part of the checkpoint.
    var choice = SourceChoice()

    /// `series` is the one that the rule names.
    public init(
        rule: BreadthRule, series: BarSeries, calendar: SessionCalendar?, partitions: Int
    ) {
        self.rule = rule
        self.series = series
        days = BreadthDays(calendar: calendar)
        watermarks = Array(repeating: Int64.min, count: max(1, partitions))
        known = UniverseSymbols(rule.universe, of: rule.sources)
    }

    /// The least watermark of all partitions.
    public var watermark: Timestamp {
        Timestamp(nanoseconds: watermarks.reduce(Int64.max) { min($0, $1) })
    }
    public var symbolCount: Int { symbols.count }
    /// Windows that are open, or may still be revised.
    public var openWindows: Int { windows.count }

    /// Returns the number for a symbol's bars, which the caller keeps; `nil` when the symbol is not
    /// in the universe, or there are too many.
    public mutating func symbol(_ symbol: SourceSymbol) -> UInt32? {
        let number = known.number(symbol, refused: &counters.refusedSymbols)
        if known.names.count > symbols.count {
            symbols.append(BreadthSymbol(measures: rule.measures.count))
        }
        return number
    }

    /// Takes a provider's bar of a day, which counts from the next window that is published on. It
    /// does not replace a complete day of the graph's own bars.
    public mutating func warm(_ symbol: UInt32, _ bar: DailyBar) {
        guard Int(symbol) < symbols.count, bar.close.isDefined, bar.high.isDefined,
            bar.low.isDefined, let day = days.day(from: bar.openTime, to: bar.closeTime)
        else { return }
        symbols[Int(symbol)].warm(
            BreadthDay(day: day, close: bar.close.raw, high: bar.high.raw, low: bar.low.raw),
            rule)
    }

    /// Takes a version of a bar of the series. `bar.symbol` is the number that `symbol` returned.
    public mutating func bar(_ bar: Bar) {
        counters.received += 1
        let width = series.widthNanoseconds
        let openTime = bar.openTime.nanoseconds
        guard Int(bar.symbol) < symbols.count, width > 0, bar.openTime.isUsable,
            openTime % width == 0, bar.closeTime.nanoseconds == openTime + width
        else {
            counters.unknownSymbol += 1
            return
        }
        guard let day = days.day(at: openTime) else {
            counters.outsideSession += 1
            return
        }
        let isThere = bar.trades > 0 && !bar.flags.contains(.withdrawn)
        let found = BreadthBar(
            openTime: openTime, closeTime: openTime + width, day: day, close: bar.close.raw,
            high: bar.high.raw, low: bar.low.raw, isThere: isThere,
            isPartial: bar.flags.contains(.partial))
        let end = choice.end(of: known.names[Int(bar.symbol)].source)
        guard found.closeTime > settledThrough else {
            counters.late += 1
            let hasChanged = symbols[Int(bar.symbol)].catchUp(found, rule)
            // Where its source counts in no window, no value changes. Delayed bars are always late
            // for a node that counts live ones.
            if hasChanged, end > Int64.min { markAll(reason: bar.reason) }
            return
        }
        // A filled bar repeats the bar before it, and changes no value.
        guard !bar.flags.contains(.filled) else { return }
        symbols[Int(bar.symbol)].put(found)
        mark(openTime, width, reason: bar.reason, opens: isThere && found.closeTime <= end)
    }

    /// Makes all windows due that are not settled: their values may have changed.
    private mutating func markAll(reason: UInt8) {
        guard let first = windows.first else { return }
        mark(first.openTime, first.closeTime - first.openTime, reason: reason, opens: false)
    }

    /// Makes the bar's window and all later ones due: their values may have changed. `opens` says
    /// whether the window is to be opened if it is missing.
    private mutating func mark(_ openTime: Int64, _ width: Int64, reason: UInt8, opens: Bool) {
        var index = windows.count
        while index > 0, windows[index - 1].openTime > openTime { index -= 1 }
        let isKnown = index > 0 && windows[index - 1].openTime == openTime
        if opens, !isKnown {
            let window = BreadthWindow(openTime: openTime, closeTime: openTime + width)
            windows.insert(window, at: index)
            index += 1
        }
        let reached = watermark.nanoseconds
        for place in max(0, isKnown ? index - 1 : index - (opens ? 1 : 0))..<windows.count {
            windows[place].isDue = true
            guard windows[place].closeTime <= reached else { continue }
            windows[place].reason = max(
                windows[place].reason, reason, BarReason.late.rawValue)
        }
    }

    // MARK: values

    /// Notes a partition's watermark. Appends the values of the windows that the least watermark of
    /// all partitions has passed, in order of time and measure.
    public mutating func advance(
        partition: Int, watermark reached: Timestamp, into values: inout [BreadthValue]
    ) {
        guard watermarks.indices.contains(partition), reached.isDefined,
            reached.nanoseconds > watermarks[partition]
        else { return }
        let before = watermark.nanoseconds
        watermarks[partition] = reached.nanoseconds
        let least = watermark.nanoseconds
        guard least > before || windows.contains(where: { $0.isDue && $0.closeTime <= least })
        else { return }
        let due = windows.indices.filter { windows[$0].closeTime <= least && windows[$0].isDue }
        if !due.isEmpty {
            let ends = choice.isPlain ? [] : known.names.map { choice.end(of: $0.source) }
            var then = BreadthPast(symbols, ends: ends)
            for index in due { publish(index, &then, into: &values) }
        }
        settle(least)
    }

    /// Publishes the values of a window that are new or changed.
    private mutating func publish(
        _ index: Int, _ then: inout BreadthPast, into values: inout [BreadthValue]
    ) {
        var window = windows[index]
        let results = then.results(window, day: days.day(at: window.openTime), rule)
        for (measure, result) in results.enumerated()
        where window.results.isEmpty || window.results[measure] != result {
            values.append(
                BreadthValue(
                    measure: measure, openTime: Timestamp(nanoseconds: window.openTime),
                    closeTime: Timestamp(nanoseconds: window.closeTime), value: result.value,
                    symbols: result.symbols, reason: window.reason))
            counters.values += 1
        }
        window.isDue = false
        window.reason = BarReason.closed.rawValue
        window.results = results
        windows[index] = window
    }

    /// Settles the windows that no bar can revise any more, and the oldest closed ones when there
    /// are too many.
    private mutating func settle(_ reached: Int64) {
        var count = windows.prefix { $0.closeTime + series.lateness <= reached }.count
        let closed = windows.prefix { $0.closeTime <= reached }.count
        count = max(count, closed - StreamLimits.breadthWindowsMax)
        var settles = StreamLimits.usable(reached) - series.lateness
        if count > 0 { settles = max(settles, windows[count - 1].closeTime) }
        guard settles > settledThrough else { return }
        settledThrough = settles
        // Also bars that opened no window because their source does not count: later ones of it
        // may be late, and have to come after them.
        for index in symbols.indices { symbols[index].settle(through: settles, rule) }
        windows.removeFirst(count)
    }
}

/// A window of the rule's series in which a symbol has a bar.
struct BreadthWindow: Hashable, Sendable {
    var openTime: Int64
    var closeTime: Int64
    var isDue = false
    var reason = BarReason.closed.rawValue
    /// The published values; empty before the first publication.
    var results: [BreadthResult] = []
}

/// A copy of all symbols that is moved forward through the windows published in one call, the
/// earliest window first.
private struct BreadthPast {
    private var symbols: [BreadthSymbol]
    /// By symbol, the index of the first bar in `unsettled` that is not applied yet.
    private var next: [Int]
    /// By symbol, the end of the last window in which it counts; empty when all count.
    private let ends: [Int64]

    init(_ symbols: [BreadthSymbol], ends: [Int64]) {
        self.symbols = symbols
        self.ends = ends
        next = Array(repeating: 0, count: symbols.count)
    }

    /// Moves the copy to the end of a window, and returns the values there. A symbol counts if it
    /// has a bar in the window's day so far.
    mutating func results(
        _ window: BreadthWindow, day: Int32?, _ rule: BreadthRule
    ) -> [BreadthResult] {
        var tallies = Array(repeating: BreadthTally(), count: rule.measures.count)
        for number in symbols.indices {
            symbols[number].apply(through: window.closeTime, from: &next[number], rule)
            guard symbols[number].today.day == day,
                ends.isEmpty || window.closeTime <= ends[number]
            else { continue }
            for index in tallies.indices {
                guard let mark = symbols[number].marks[index] else { continue }
                tallies[index].add(symbols[number].today, mark: mark, rule.measures[index])
            }
        }
        return zip(tallies, rule.measures).map { $0.result($1) }
    }
}

/// The account of every bar that a breadth machine was given.
public struct BreadthCounters: Hashable, Sendable {
    /// Bars that came in, in all their versions.
    public internal(set) var received: UInt64 = 0
    /// Bars of a symbol outside of the universe, or that match no window of the series.
    public internal(set) var unknownSymbol: UInt64 = 0
    /// Bars outside of every trading session.
    public internal(set) var outsideSession: UInt64 = 0
    /// Bars whose windows were settled. A bar with a later end than all settled bars of its symbol
    /// still counts for its day.
    public internal(set) var late: UInt64 = 0
    /// Symbols for which there was no room, counted each time that they are named.
    public internal(set) var refusedSymbols: UInt64 = 0
    /// Values that were published, in all their versions.
    public internal(set) var values: UInt64 = 0
}
