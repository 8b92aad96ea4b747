public import MarketModel
public import Primitives

/// One version of a number of a window, or of a symbol in it, which `ScanMachine` publishes.
public struct ScanValue: Hashable, Sendable {
    /// The index in `ScanRule.names`.
    public var number: Int
    /// The machine's number of the symbol; `nil` for a number of the window.
    public var symbol: UInt32?
    public var openTime: Timestamp
    public var closeTime: Timestamp
    /// In 1e-9; `IndicatorValue.undefined` for a symbol that is not listed any more.
    public var value: Int128
    /// How often the window was published before, with any of its numbers.
    public var revision: UInt32
}

/// Lists the symbols whose bars meet a condition, over the bars of all partitions, or computes one
/// number of the bars of several symbols (`ScanMachine+Derive`).
///
/// A window in which any symbol has a bar is published when the watermark has passed its end, and
/// again when bars that come within the series' lateness change the list. Of a further version only
/// what differs from the version before is published. Later bars change nothing.
///
/// Words are those of `BreadthMachine`. A value that one thread owns. Pure: its results follow from
/// the calls alone.
public struct ScanMachine: Sendable {
    public let rule: ScanRule
    public let series: BarSeries
    var known: UniverseSymbols
    private(set) var condition: ExpressionEvaluator
    /// The windows that are not settled, in order of time.
    var windows: [ScanWindow] = []
    /// Windows that end here or before are settled: their lists do not change any more.
    var settledThrough = Int64.min
    var watermark = Int64.min
    /// By input of the rule's derivation, the numbers of its symbol: one for each source.
    private(set) var places: [[UInt32]]
    /// The last samples of a derivation's inputs in windows that are settled.
    var carried: [SampleKey: ScanSample] = [:]
    public internal(set) var counters = ScanCounters()
    /// The sources that count. `UniverseState` sets it; it is no part of the checkpoint.
    var choice = SourceChoice()

    /// `series` is the one that the rule names.
    public init(rule: ScanRule, series: BarSeries) {
        self.rule = rule
        self.series = series
        known = UniverseSymbols(rule.universe, of: rule.sources)
        condition = ExpressionEvaluator(rule.condition)
        places = Array(repeating: [], count: rule.derivation?.inputs.count ?? 0)
    }

    public var symbolCount: Int { known.names.count }
    /// Windows that are open, or may still be revised.
    public var openWindows: Int { windows.count }

    /// Returns the name behind a number that `symbol` returned.
    public func name(_ number: UInt32) -> SourceSymbol? {
        known.names.indices.contains(Int(number)) ? known.names[Int(number)] : nil
    }

    /// Returns the number for a symbol's bars, which the caller keeps; `nil` when the symbol does
    /// not count, or there are too many.
    public mutating func symbol(_ symbol: SourceSymbol) -> UInt32? {
        let before = known.names.count
        let number = known.number(symbol, refused: &counters.refusedSymbols)
        if known.names.count > before {
            condition.define(UInt32(before), symbol.symbol)
            for (place, input) in (rule.derivation?.inputs ?? []).enumerated()
            where input.symbol == symbol.symbol {
                places[place].append(UInt32(before))
            }
        }
        return number
    }

    /// Takes a version of a bar of the series. `bar.symbol` is the number that `symbol` returned.
    public mutating func bar(_ bar: Bar) {
        counters.received += 1
        let width = series.widthNanoseconds
        let openTime = bar.openTime.nanoseconds
        guard Int(bar.symbol) < known.names.count, width > 0, bar.openTime.isUsable,
            openTime % width == 0, bar.closeTime.nanoseconds == openTime + width
        else {
            counters.unknownSymbol += 1
            return
        }
        guard takes(barsOf: bar.symbol) else { return }
        // An empty bar, filled or withdrawn, is none.
        let isThere = bar.trades > 0 && !bar.flags.contains(.withdrawn)
        guard openTime + width > settledThrough else {
            counters.late += 1
            if isThere, rule.derivation != nil { carry(bar) }
            return
        }
        guard let index = window(at: openTime, width, adds: isThere) else { return }
        let isMet = isThere && (rule.derivation != nil || condition.isMet(by: bar))
        let now = isMet ? ScanNumbers(bar) : nil
        let isOpened =
            isThere && !windows[index].isOpen
            && openTime + width <= choice.end(of: known.names[Int(bar.symbol)].source)
        guard isOpened || windows[index].met[bar.symbol] != now else { return }
        if isOpened { windows[index].isOpen = true }
        windows[index].met[bar.symbol] = now
        markDue(from: index)
    }

    /// Returns the index of the window; `nil` when there is none, and none was to be added.
    mutating func window(at openTime: Int64, _ width: Int64, adds: Bool) -> Int? {
        var index = windows.count
        while index > 0, windows[index - 1].openTime > openTime { index -= 1 }
        if index > 0, windows[index - 1].openTime == openTime { return index - 1 }
        guard adds else { return nil }
        windows.insert(ScanWindow(openTime: openTime, closeTime: openTime + width), at: index)
        return index
    }

    // MARK: values

    /// Notes the common watermark. Appends what changed in the windows that it has passed, in order
    /// of time: the numbers of the window, then those of symbols in the order of their names.
    public mutating func advance(to reached: Timestamp, into values: inout [ScanValue]) {
        guard reached.isDefined, reached.nanoseconds > watermark else { return }
        watermark = reached.nanoseconds
        for index in windows.indices {
            guard windows[index].closeTime <= watermark else { break }
            if windows[index].isDue, windows[index].isOpen { publish(index, into: &values) }
        }
        settle()
    }

    /// Publishes what is new in a window.
    private mutating func publish(_ index: Int, into values: inout [ScanValue]) {
        let count = values.count
        windows[index].isDue = false
        if rule.derivation == nil { publishList(index, &values) } else { derive(index, &values) }
        guard values.count > count else { return }
        windows[index].publications &+= 1
        counters.values += UInt64(values.count - count)
    }

    private mutating func publishList(_ index: Int, _ values: inout [ScanValue]) {
        let (found, met) = list(windows[index])
        let leftOut = met - UInt32(found.count)
        let isFirst = windows[index].publications == 0
        let ofWindow = [(windows[index].metCount, met), (windows[index].leftOut, leftOut)]
        for (number, pair) in ofWindow.enumerated() where isFirst || pair.0 != pair.1 {
            add(number, of: nil, Int128(pair.1) * 1_000_000_000, index, &values)
        }
        let before = windows[index].listed
        let symbols = Set(before.keys).union(found.keys).sorted {
            known.names[Int($0)] < known.names[Int($1)]
        }
        for symbol in symbols {
            for (number, field) in rule.numbers.enumerated() {
                let value = found[symbol]?.number(field) ?? IndicatorValue.undefined
                guard value != before[symbol]?.number(field) ?? IndicatorValue.undefined else {
                    continue
                }
                add(ScanRule.ofWindow.count + number, of: symbol, value, index, &values)
            }
        }
        (windows[index].metCount, windows[index].leftOut) = (met, leftOut)
        windows[index].listed = found
    }

    func add(
        _ number: Int, of symbol: UInt32?, _ value: Int128, _ index: Int,
        _ values: inout [ScanValue]
    ) {
        let window = windows[index]
        values.append(
            ScanValue(
                number: number, symbol: symbol,
                openTime: Timestamp(nanoseconds: window.openTime),
                closeTime: Timestamp(nanoseconds: window.closeTime), value: value,
                revision: window.publications))
    }

    /// Returns the symbols to list, and the number of all that meet the condition and count.
    private func list(_ window: ScanWindow) -> (found: [UInt32: ScanNumbers], met: UInt32) {
        var first: [(symbol: UInt32, rank: Int128)] = []
        var met: UInt32 = 0
        for (symbol, numbers) in window.met {
            let name = known.names[Int(symbol)]
            guard choice.isPlain || window.closeTime <= choice.end(of: name.source) else {
                continue
            }
            met += 1
            let value = numbers.number(rule.rank)
            let rank = value == IndicatorValue.undefined ? Int128.min : value
            var place = first.count
            while place > 0,
                isBefore((symbol, rank), (first[place - 1].symbol, first[place - 1].rank))
            {
                place -= 1
            }
            guard place < rule.most else { continue }
            first.insert((symbol, rank), at: place)
            if first.count > rule.most { first.removeLast() }
        }
        var found: [UInt32: ScanNumbers] = [:]
        for one in first { found[one.symbol] = window.met[one.symbol] }
        return (found, met)
    }

    /// Whether the first symbol is listed rather than the second one.
    private func isBefore(
        _ one: (symbol: UInt32, rank: Int128), _ other: (symbol: UInt32, rank: Int128)
    ) -> Bool {
        guard one.rank == other.rank else { return one.rank > other.rank }
        return known.names[Int(one.symbol)] < known.names[Int(other.symbol)]
    }

    /// Settles the windows that no bar can revise any more, and the oldest closed ones when there
    /// are too many.
    private mutating func settle() {
        var count = windows.prefix { $0.closeTime + series.lateness <= watermark }.count
        let closed = windows.prefix { $0.closeTime <= watermark }.count
        count = max(count, closed - StreamLimits.breadthWindowsMax)
        var settles = StreamLimits.usable(watermark) - series.lateness
        if count > 0 { settles = max(settles, windows[count - 1].closeTime) }
        settledThrough = max(settledThrough, settles)
        if rule.derivation != nil {
            for window in windows.prefix(count) { carry(window) }
        }
        windows.removeFirst(count)
    }
}

/// A window in which a symbol has, or had, a bar.
struct ScanWindow: Hashable, Sendable {
    var openTime: Int64
    var closeTime: Int64
    /// Whether a source that counts had a bar in it. No other window is published.
    var isOpen = false
    /// Whether the list may differ from the published one.
    var isDue = false
    /// The number of publications.
    var publications: UInt32 = 0
    /// The published numbers of the window.
    var metCount: UInt32 = 0
    var leftOut: UInt32 = 0
    /// By symbol, the numbers of the bars that meet the condition, or that a number is computed of.
    /// What is made of them does not depend on the order.
    var met: [UInt32: ScanNumbers] = [:]
    /// The published symbols with their numbers.
    var listed: [UInt32: ScanNumbers] = [:]
    /// The last samples of a derivation's indicators in the window.
    var given: [SampleKey: ScanSample] = [:]
    /// The published number of a derivation.
    var derived = IndicatorValue.undefined
}

/// The place of a derivation's sample. The closes of a symbol's bars are one for all inputs.
struct SampleKey: Hashable, Sendable, Comparable {
    var input: UInt32
    var symbol: UInt32

    static let closes = UInt32.max

    static func < (left: Self, right: Self) -> Bool {
        (left.input, left.symbol) < (right.input, right.symbol)
    }
}

/// A value of a derivation's input.
struct ScanSample: Hashable, Sendable, BitwiseCopyable {
    /// The last nanosecond of what it is of: of a bar the one before its end.
    var time: Int64
    /// In 1e-9, or `IndicatorValue.undefined`.
    var value: Int128
}

/// The numbers of a bar that a scan may publish: prices in 1e-9, the volume in 1e-8.
struct ScanNumbers: Hashable, Sendable, BitwiseCopyable {
    var open: Int64
    var high: Int64
    var low: Int64
    var close: Int64
    var vwap: Int64
    var count: UInt64
    var volume: Int128

    /// Returns a number in 1e-9, or `IndicatorValue.undefined`.
    func number(_ field: TickField) -> Int128 {
        if field == .open { return Self.price(open) }
        if field == .high { return Self.price(high) }
        if field == .low { return Self.price(low) }
        if field == .close { return Self.price(close) }
        if field == .vwap { return Self.price(vwap) }
        if field == .count { return Int128(count) * 1_000_000_000 }
        guard field == .volume, volume.magnitude <= Int128.max.magnitude / 10 else {
            return IndicatorValue.undefined
        }
        return volume * 10
    }

    private static func price(_ raw: Int64) -> Int128 {
        raw == Price.undefined.raw ? IndicatorValue.undefined : Int128(raw)
    }
}

extension ScanNumbers {
    init(_ bar: Bar) {
        self.init(
            open: bar.open.raw, high: bar.high.raw, low: bar.low.raw, close: bar.close.raw,
            vwap: bar.vwap.raw, count: bar.trades, volume: bar.volume)
    }
}

/// The account of every bar that a scan was given.
public struct ScanCounters: Hashable, Sendable {
    /// Bars that came in, in all their versions.
    public internal(set) var received: UInt64 = 0
    /// Bars of a symbol that does not count, or that match no window of the series, and indicators
    /// whose time is out of range.
    public internal(set) var unknownSymbol: UInt64 = 0
    /// Bars and indicators whose windows were settled.
    public internal(set) var late: UInt64 = 0
    /// Symbols for which there was no room, counted each time that they are named.
    public internal(set) var refusedSymbols: UInt64 = 0
    /// Values that were published, in all their versions.
    public internal(set) var values: UInt64 = 0
}
