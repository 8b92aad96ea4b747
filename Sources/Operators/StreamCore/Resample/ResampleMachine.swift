public import MarketModel
public import Primitives

/// The account of every bar that a resampling machine was given.
public struct ResampleCounters: Hashable, Sendable {
    /// received = counted + unknownSymbol + late.
    public internal(set) var received: UInt64 = 0
    public internal(set) var counted: UInt64 = 0
    /// Of no known symbol, or no window of the series that it is made from.
    public internal(set) var unknownSymbol: UInt64 = 0
    /// Later versions that came when their place was settled, or all of their windows were gone.
    public internal(set) var late: UInt64 = 0
    /// Settled before their time, because of a limit.
    public internal(set) var settledEarly: UInt64 = 0
    /// Of all series: first versions, those that late ticks made, those that repairs made.
    public internal(set) var bars: UInt64 = 0
    public internal(set) var revisions: UInt64 = 0
    public internal(set) var repairs: UInt64 = 0
    /// Symbols that were not repaired, because a repair held too many bars.
    public internal(set) var repairsRefused: UInt64 = 0
}

/// Makes bars from bars: exact sums, equal to bars from ticks.
///
/// Per packet: `addSource` and `apply` as for every machine of the partition, then `bar` with every
/// version that the finer series published at this packet, those of windows without trades too,
/// then `advance`. A later version of a finer bar revises the coarser ones
/// within their lateness. Once the finer series cannot revise a bar any more it is added to its
/// windows for good, so that what is kept does not grow with the width of the windows.
///
/// A value that one thread owns. Pure: what it answers follows from the calls alone.
public struct ResampleMachine: Sendable {
    public let rule: ResampleRule
    /// The series whose bars come in.
    public let from: BarSeries
    /// Of what the finer bars are made.
    public var kind = DataKind.trade
    public internal(set) var counters = ResampleCounters()
    /// By symbol.
    var held: [ResampleSymbol] = []
    var unsettled = 0
    /// By source: nothing is to be done before. May be too early, never too late.
    var due: [Int64] = []
    private var changed: [UInt32] = []
    let unsettledMax: Int
    let isRepair: Bool
    /// Of a repair machine: the symbols of which it has too few bars.
    public internal(set) var repairRefused: Set<UInt32> = []

    public init(rule: ResampleRule, from: BarSeries) {
        self.init(rule: rule, from: from, unsettledMax: StreamLimits.unsettledBarsMax)
    }

    /// Tests give smaller limits.
    init(rule: ResampleRule, from: BarSeries, unsettledMax: Int, isRepair: Bool = false) {
        self.rule = rule
        self.from = from
        self.unsettledMax = unsettledMax
        self.isRepair = isRepair
    }

    var series: [BarSeries] { rule.series.all }
    /// Walks over all symbols: for reports, not for packets.
    public var openWindows: Int { held.reduce(0) { $0 + $1.windows.reduce(0) { $0 + $1.count } } }
    /// Finer bars that may still be exchanged.
    public var unsettledBars: Int { unsettled }

    public mutating func addSource() { due.append(Int64.max) }

    public mutating func apply(_ change: PartitionTables.Change, _ tables: PartitionTables) {
        if change.isNew { held.append(ResampleSymbol(seriesCount: series.count)) }
        let symbol = Int(change.index)
        if change.isMoved { expect(Int64.min, symbol: symbol, tables) }
        if let time = change.restart, !isRepair {
            restart(symbol, at: time, isSwitch: change.isSwitch, tables)
        }
    }

    /// Windows in which a subscription began anew are partial; they are opened, so that no list of
    /// beginnings has to be kept.
    private mutating func restart(
        _ symbol: Int, at time: Int64, isSwitch: Bool, _ tables: PartitionTables
    ) {
        let through = tables.closedThrough(symbol)
        for index in series.indices {
            for start in series[index].window.starts(holding: time) where start < time {
                guard start + series[index].widthNanoseconds > through,
                    let place = window(
                        start, symbol: symbol, series: index, through: through, tables)
                else { continue }
                held[symbol].windows[index][place].isPartial = true
                if isSwitch { held[symbol].windows[index][place].switchedAt = time }
            }
        }
    }

    /// A repair may reach over more windows than are ever open.
    private var windowsPerKeyMax: Int {
        isRepair ? StreamLimits.openWindowsMax : StreamLimits.openWindowsPerKeyMax
    }

    // MARK: bars

    /// Takes a version of a finer bar: what it said before does not hold any more. `before`: the
    /// watermark of the source that feeds its symbol before the one that published it, by which
    /// windows here are closed so far; nil: the present one.
    public mutating func bar(
        _ bar: Bar, before: Timestamp? = nil, _ tables: PartitionTables
    ) {
        counters.received += 1
        // It repeats what was before: of its window all was told when it closed.
        guard !bar.flags.contains(.filled) else {
            counters.counted += 1
            return
        }
        let symbol = Int(bar.symbol)
        let width = from.widthNanoseconds
        let openTime = bar.openTime.nanoseconds
        guard symbol < held.count, bar.openTime.isUsable, openTime % width == 0,
            bar.closeTime.nanoseconds == openTime + width
        else {
            counters.unknownSymbol += 1
            return
        }
        let through =
            before.map { tables.closedThrough(symbol, by: $0) } ?? tables.closedThrough(symbol)
        guard bar.closeTime.nanoseconds > held[symbol].settledThrough,
            meet(bar, symbol, through: through, tables)
        else {
            counters.late += 1
            return
        }
        counters.counted += 1
        let settles = bar.closeTime.nanoseconds + from.lateness
        expect(settles <= through ? Int64.min : settles, symbol: symbol, tables)
        unsettled += held[symbol].put(bar)
        guard unsettled > unsettledMax else { return }
        if isRepair { repairRefused.insert(bar.symbol) }
        held[symbol].settle(first: 1)
        unsettled -= 1
        counters.settledEarly += 1
    }

    /// Marks the windows that hold the bar; false when all of them are gone.
    private mutating func meet(
        _ bar: Bar, _ symbol: Int, through: Int64, _ tables: PartitionTables
    ) -> Bool {
        var isHeld = false
        for index in series.indices {
            for start in series[index].window.starts(holding: bar.openTime.nanoseconds) {
                guard
                    let place = window(
                        start, symbol: symbol, series: index, through: through, tables)
                else { continue }
                isHeld = true
                held[symbol].windows[index][place].isDue = true
                held[symbol].windows[index][place].isChanged = true
                guard held[symbol].windows[index][place].end <= through else { continue }
                held[symbol].windows[index][place].reason = max(
                    held[symbol].windows[index][place].reason, bar.reason,
                    BarReason.late.rawValue)
                expect(Int64.min, symbol: symbol, tables)
            }
        }
        if isHeld, !held[symbol].isListed {
            held[symbol].isListed = true
            changed.append(UInt32(symbol))
        }
        return isHeld
    }

    /// The place of a window, which is opened if it may be.
    private mutating func window(
        _ start: Int64, symbol: Int, series index: Int, through: Int64, _ tables: PartitionTables
    ) -> Int? {
        let (place, isThere) = held[symbol].place(of: start, series: index)
        if isThere { return place }
        let end = start + series[index].widthNanoseconds
        guard isRepair || end + series[index].lateness > through else { return nil }
        guard held[symbol].windows[index].count < windowsPerKeyMax else {
            if isRepair { repairRefused.insert(UInt32(symbol)) }
            return nil
        }
        var window = ResampleWindow(start: start, end: end)
        window.isPartial = isPartial(window, symbol: symbol, tables)
        held[symbol].windows[index].insert(window, at: place)
        expect(end, symbol: symbol, tables)
        return place
    }

    func isPartial(
        _ window: ResampleWindow, symbol: Int, _ tables: PartitionTables
    ) -> Bool {
        window.start < tables.seenFrom(symbol)
            || tables.missing.touches(UInt32(symbol), kind, from: window.start, to: window.end)
    }

    private mutating func expect(_ time: Int64, symbol: Int, _ tables: PartitionTables) {
        let source = tables.symbols.feeds[symbol].source
        due[source] = min(due[source], time)
    }

    // MARK: closing

    public mutating func advance(
        source: Int, _ tables: PartitionTables, into closed: inout [Bar]
    ) {
        guard !isRepair, due.indices.contains(source),
            due[source] <= tables.sources.entries[source].watermark.nanoseconds
        else { return }
        let start = closed.count
        var next = Int64.max
        for symbol in tables.symbols(of: source) {
            let through = tables.closedThrough(Int(symbol))
            next = min(next, close(Int(symbol), through: through, into: &closed))
        }
        due[source] = next
        closed.sortOutput(from: start)
    }

    /// Answers when there will be more to do.
    private mutating func close(
        _ symbol: Int, through: Int64, into closed: inout [Bar]
    ) -> Int64 {
        let settles = held[symbol].unsettled.prefix {
            $0.closeTime.nanoseconds + from.lateness <= through
        }.count
        held[symbol].settle(first: settles)
        unsettled -= settles
        var next =
            held[symbol].unsettled.first.map { $0.closeTime.nanoseconds + from.lateness }
            ?? Int64.max
        for index in series.indices {
            let lateness = series[index].lateness
            for place in held[symbol].windows[index].indices {
                let end = held[symbol].windows[index][place].end
                guard end <= through else {
                    next = min(next, end)
                    continue
                }
                publish(symbol, index, place, into: &closed)
                if end + lateness > through { next = min(next, end + lateness) }
            }
            let gone = held[symbol].windows[index].prefix { $0.end + lateness <= through }.count
            if gone > 0 { held[symbol].windows[index].removeFirst(gone) }
        }
        return next
    }

    private mutating func publish(
        _ symbol: Int, _ index: Int, _ place: Int, into closed: inout [Bar]
    ) {
        var window = held[symbol].windows[index][place]
        guard window.isDue else { return }
        let sums = window.sums(held[symbol].unsettled)
        let hadStanding = window.hasStanding
        let reason = window.reason
        window.isDue = false
        window.reason = BarReason.closed.rawValue
        window.hasStanding = sums.trades > 0
        held[symbol].windows[index][place] = window
        guard
            let bar = window.version(
                sums, symbol: symbol, series: index, reason: reason, isWithdrawn: hadStanding)
        else { return }
        closed.append(bar)
        if hadStanding { counters.revisions += 1 } else { counters.bars += 1 }
    }

    public mutating func takeOpenBars(_ tables: PartitionTables, into open: inout [Bar]) {
        for number in changed {
            let symbol = Int(number)
            held[symbol].isListed = false
            for index in series.indices {
                for place in held[symbol].windows[index].indices
                where held[symbol].windows[index][place].isChanged {
                    held[symbol].windows[index][place].isChanged = false
                    let window = held[symbol].windows[index][place]
                    guard window.end > tables.closedThrough(symbol) else { continue }
                    let sums = window.sums(held[symbol].unsettled)
                    if let bar = window.bar(sums, symbol: symbol, series: index) {
                        open.append(bar)
                    }
                }
            }
        }
        changed.removeAll(keepingCapacity: true)
    }
}

extension ResampleWindow {
    /// What is published of a closed window. Nil: nothing stands, and nothing is there.
    func version(
        _ sums: BarSums, symbol: Int, series: Int, reason: UInt8, isWithdrawn: Bool
    ) -> Bar? {
        if var bar = bar(sums, symbol: symbol, series: series) {
            bar.flags.insert(.final)
            bar.reason = reason
            return bar
        }
        guard isWithdrawn else { return nil }
        return StandingBar(
            symbol: UInt32(symbol), series: UInt16(series), openTime: start, closeTime: end
        ).withdrawal(reason: max(reason, BarReason.late.rawValue), excluded: sums.excluded)
    }
}
