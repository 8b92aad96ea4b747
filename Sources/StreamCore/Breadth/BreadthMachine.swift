public import MarketModel
public import Primitives

/// Measures over many symbols, once per window of their bars.
///
/// A window is told when the time that all symbols have reached passes its end, and kept for its
/// lateness: a bar of a kept window, or a new version of one, gives new versions of all values
/// that change by it, those of later windows included. A symbol counts from its first bar of the
/// day on, with its last price; its days are those of the calendar, or of UTC.
///
/// Pure. Symbols are the caller's numbers, counted from 0 without gaps.
public struct BreadthMachine: Sendable {
    /// One number of one window.
    public struct Value: Hashable, Sendable {
        /// A place in `names`.
        public var measure: Int
        /// In 1e-9; `IndicatorValue.undefined` when there is none.
        public var value: Int128
        public var periodStart: Timestamp
        public var periodEnd: Timestamp
        /// 0 of the first version.
        public var revision: UInt32
    }

    /// The bar of one symbol in one window.
    struct Cell: Hashable, Sendable {
        var symbol: UInt32
        var bar: BreadthSymbol.Day
    }

    struct Window: Hashable, Sendable {
        var start: Int64
        var day: Int64
        /// In order of symbols.
        var cells: [Cell] = []
        /// As they were told last; empty: they were not.
        var told: [Int128] = []
        /// By value, how often it was told.
        var versions: [UInt32] = []
    }

    /// Bars in windows that are kept: beyond, a bar is refused and counted.
    public static let cellsMax = 1_048_576
    /// Days of all symbols together: with many of them fewer symbols have room.
    public static let daysTotalMax = 4_194_304

    public let rule: BreadthRule
    public let widthNanoseconds: Int64
    public let lateness: Int64
    let calendar: SessionCalendar?
    let depth: Int
    /// As they were before the first kept window.
    var base: [BreadthSymbol] = []
    /// As they are behind the last window that was told.
    var front: [BreadthSymbol] = []
    /// In order of their starts.
    var windows: [Window] = []
    /// Of these the first ones, so many, were told.
    var toldCount = 0
    var cellCount = 0
    public internal(set) var watermark = SourceTable.noWatermark
    /// The first told window that is not as it was told.
    var changedFrom: Int64?
    /// Bars of windows that are kept no longer, or outside of the calendar's sessions.
    public internal(set) var ignored: UInt64 = 0
    /// Bars for which there was no room.
    public internal(set) var refused: UInt64 = 0

    public init(
        _ rule: BreadthRule, widthNanoseconds: Int64, lateness: Int64, calendar: SessionCalendar?
    ) {
        precondition(widthNanoseconds > 0 && lateness >= 0, "windows have a width")
        self.rule = rule
        self.widthNanoseconds = widthNanoseconds
        self.lateness = lateness
        self.calendar = calendar
        depth = rule.measures.reduce(1) { depth, measure in
            switch measure {
            case .advanceDecline, .advanceDeclineRatio: depth
            case .newHighs(let days), .newLows(let days), .aboveAverage(let days):
                max(depth, min(days, BreadthRule.daysMax))
            }
        }
    }

    /// What its values are called: the measures, and the symbols that had a price.
    public var names: [String] { rule.measures.map(\.name) + ["symbols"] }

    public var openWindows: Int { windows.count }

    /// So many symbols have room.
    public var symbolsMax: Int { min(BreadthRule.universeMax, Self.daysTotalMax / depth) }

    // MARK: bars

    /// One version of a bar of the rule's series.
    public mutating func take(_ bar: Bar, symbol: UInt32) {
        let start = bar.openTime.nanoseconds
        guard bar.openTime.isDefined, let day = day(of: start), !isRetired(start) else {
            ignored &+= 1
            return
        }
        guard symbol < UInt32(symbolsMax), cellCount < Self.cellsMax else {
            refused &+= 1
            return
        }
        while base.count <= symbol {
            base.append(BreadthSymbol())
            front.append(BreadthSymbol())
        }
        // What never was there cannot be withdrawn.
        guard bar.close.isDefined || windows.contains(where: { $0.start == start }) else { return }
        let place = place(of: start, day: day)
        let isTold = place < toldCount
        guard put(bar, symbol, in: place), isTold else { return }
        changedFrom = min(changedFrom ?? start, start)
    }

    /// A whole day that a provider knows of, before any bar of the symbol: false when there were
    /// bars already, or it is not behind the days that are known.
    public mutating func warm(
        symbol: UInt32, at time: Timestamp, high: Price, low: Price, close: Price
    ) -> Bool {
        guard symbol < UInt32(symbolsMax), let day = day(of: time.nanoseconds), high.isDefined,
            low.isDefined, close.isDefined
        else { return false }
        while base.count <= symbol {
            base.append(BreadthSymbol())
            front.append(BreadthSymbol())
        }
        let bar = BreadthSymbol.Day(high: high.raw, low: low.raw, close: close.raw)
        guard windows.allSatisfy({ $0.day > day }),
            base[Int(symbol)].warm(bar, day: day, depth: depth)
        else { return false }
        return front[Int(symbol)].warm(bar, day: day, depth: depth)
    }

    private func isRetired(_ start: Int64) -> Bool {
        let (kept, overflows) = start.addingReportingOverflow(widthNanoseconds &+ lateness)
        return overflows || watermark.nanoseconds >= kept
    }

    /// That of the last session of the window; nil: there is none in it.
    private func day(of start: Int64) -> Int64? {
        guard let calendar else {
            let day = start / StreamLimits.dayNanoseconds
            return start % StreamLimits.dayNanoseconds < 0 ? day - 1 : day
        }
        guard let index = calendar.index(notAfter: start &+ (widthNanoseconds - 1)),
            calendar.sessions[index].close > start
        else { return nil }
        return Int64(calendar.sessions[index].day)
    }

    /// Where the window is, made if it was not there.
    private mutating func place(of start: Int64, day: Int64) -> Int {
        let place = windows.lastIndex { $0.start <= start }
        if let place, windows[place].start == start { return place }
        let next = place.map { $0 + 1 } ?? 0
        windows.insert(Window(start: start, day: day), at: next)
        // One that is over, and had no bar when the others of its time were told.
        if start &+ widthNanoseconds <= watermark.nanoseconds { toldCount += 1 }
        return next
    }

    /// False: nothing changed by it.
    private mutating func put(_ bar: Bar, _ symbol: UInt32, in window: Int) -> Bool {
        let found = windows[window].cells.firstIndex { $0.symbol >= symbol }
        let place = found ?? windows[window].cells.count
        let isThere = found.map { windows[window].cells[$0].symbol == symbol } ?? false
        guard bar.close.isDefined, bar.high.isDefined, bar.low.isDefined else {
            guard isThere else { return false }
            windows[window].cells.remove(at: place)
            cellCount -= 1
            return true
        }
        let cell = Cell(
            symbol: symbol,
            bar: BreadthSymbol.Day(
                high: bar.high.raw, low: bar.low.raw, close: bar.close.raw))
        if isThere {
            guard windows[window].cells[place] != cell else { return false }
            windows[window].cells[place] = cell
        } else {
            windows[window].cells.insert(cell, at: place)
            cellCount += 1
        }
        return true
    }

    // MARK: time

    /// All bars of windows that end here or before were taken, but for late ones.
    public mutating func advance(to watermark: Timestamp, into values: inout [Value]) {
        guard watermark.isDefined, watermark > self.watermark else { return }
        self.watermark = watermark
        if let from = changedFrom { tellAgain(from: from, into: &values) }
        changedFrom = nil
        while toldCount < windows.count,
            windows[toldCount].start &+ widthNanoseconds <= watermark.nanoseconds
        {
            apply(windows[toldCount], to: &front)
            tell(toldCount, into: &values)
            toldCount += 1
        }
        retire()
    }

    /// What stood before the change is computed again from the first kept window on.
    private mutating func tellAgain(from start: Int64, into values: inout [Value]) {
        front = base
        for index in 0..<toldCount {
            apply(windows[index], to: &front)
            if windows[index].start >= start { tell(index, into: &values) }
        }
    }

    func apply(_ window: Window, to symbols: inout [BreadthSymbol]) {
        for cell in window.cells {
            symbols[Int(cell.symbol)].take(cell.bar, day: window.day, depth: depth)
        }
    }

    /// Values that are not as they were told.
    private mutating func tell(_ index: Int, into values: inout [Value]) {
        let sums = BreadthSums(rule.measures, of: front, day: windows[index].day).values
        let window = windows[index]
        var versions = window.versions.isEmpty ? sums.map { _ in UInt32(0) } : window.versions
        for (measure, value) in sums.enumerated() {
            guard window.told.isEmpty || window.told[measure] != value else { continue }
            values.append(
                Value(
                    measure: measure, value: value,
                    periodStart: Timestamp(nanoseconds: window.start),
                    periodEnd: Timestamp(nanoseconds: window.start &+ widthNanoseconds),
                    revision: versions[measure]))
            versions[measure] &+= 1
        }
        windows[index].told = sums
        windows[index].versions = versions
    }

    private mutating func retire() {
        let count = windows.prefix(toldCount).prefix { isRetired($0.start) }.count
        guard count > 0 else { return }
        for window in windows.prefix(count) {
            apply(window, to: &base)
            cellCount -= window.cells.count
        }
        windows.removeFirst(count)
        toldCount -= count
    }
}

extension BreadthMeasure {
    /// Behind the node's name, what its values are called.
    public var name: String {
        switch self {
        case .advanceDecline: "advance_decline"
        case .advanceDeclineRatio: "advance_decline_ratio"
        case .newHighs(let days): "new_highs_\(days)"
        case .newLows(let days): "new_lows_\(days)"
        case .aboveAverage(let days): "above_average_\(days)"
        }
    }
}
