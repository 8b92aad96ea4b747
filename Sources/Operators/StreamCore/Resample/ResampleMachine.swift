public import MarketModel
public import Primitives

/// The account of a `ResampleMachine`: the finer bars that came in, and the bars that it published.
public struct ResampleCounters: Hashable, Sendable {
    /// The bars taken in: received = counted + unknownSymbol + late.
    public internal(set) var received: UInt64 = 0
    /// Bars that went into windows, and filled bars, which change nothing.
    public internal(set) var counted: UInt64 = 0
    /// Bars of no known symbol, or that match no window of the finer series. Of a provider's bars
    /// those that begin at no multiple of their length.
    public internal(set) var unknownSymbol: UInt64 = 0
    /// Versions that came after their bar was settled, or after all of their windows were removed.
    public internal(set) var late: UInt64 = 0
    /// Bars that were settled early because of a limit.
    public internal(set) var settledEarly: UInt64 = 0
    /// First versions of bars, over all series.
    public internal(set) var bars: UInt64 = 0
    /// Later versions that late versions of finer bars caused.
    public internal(set) var revisions: UInt64 = 0
    /// Versions that repairs published, withdrawals included.
    public internal(set) var repairs: UInt64 = 0
    /// Symbols that were not repaired, because the repair would have held too many bars.
    public internal(set) var repairsRefused: UInt64 = 0
}

/// A machine that makes bars of one node by resampling: coarser bars from finer bars, with exact
/// sums, so that they equal bars made from ticks. `BarLeaves` of the module OperatorGraph keeps it.
///
/// The calls for each packet:
///
/// - `addSource` and `apply`, as for every machine of the partition,
/// - `bar` for every version that the finer series published at this packet, also of windows
///   without trades,
/// - `advance`.
///
/// A later version of a finer bar revises the coarser ones within their lateness. Once the finer
/// series cannot revise a bar any more, it is added to its windows for good. So the memory does not
/// grow with the width of the windows.
///
/// A *finer* bar is one that comes in. It is *settled* once it is added to its windows for good. A
/// window is *due* when its bar has to be published or published again.
///
/// A value that one thread owns. Pure: its results follow from the calls alone.
public struct ResampleMachine: Sendable {
    public let rule: ResampleRule
    /// The series whose bars come in.
    public let from: BarSeries
    /// The ticks that decide the finer bars; `.providerBar` when these are a provider's.
    public var needs = TickNeeds(.trade)
    public internal(set) var counters = ResampleCounters()
    /// By symbol, its windows and its finer bars that are not settled.
    var held: [ResampleSymbol] = []
    /// The number of finer bars that are not settled.
    var unsettled = 0
    /// By source: the watermark at which `advance` has something to do. It may be too early, never
    /// too late.
    var due: [Int64] = []
    /// The symbols whose windows changed since `takeOpenBars`. Not part of the state.
    private var changed: [UInt32] = []
    let unsettledMax: Int
    /// Whether it is the machine of a repair, which never closes a window by itself.
    let isRepair: Bool
    /// In a repair machine: the symbols of which it does not have all finer bars. They are not
    /// repaired.
    public internal(set) var repairRefused: Set<UInt32> = []

    public init(rule: ResampleRule, from: BarSeries) {
        self.init(rule: rule, from: from, unsettledMax: StreamLimits.unsettledBarsMax)
    }

    /// Tests use smaller limits.
    init(rule: ResampleRule, from: BarSeries, unsettledMax: Int, isRepair: Bool = false) {
        self.rule = rule
        self.from = from
        self.unsettledMax = unsettledMax
        self.isRepair = isRepair
    }

    var series: [BarSeries] { rule.series.all }
    /// The number of windows that are kept. Computing it walks over all symbols, so it is meant for
    /// reports and not for every packet.
    public var openWindows: Int { held.reduce(0) { $0 + $1.windows.reduce(0) { $0 + $1.count } } }

    public mutating func addSource() { due.append(Int64.max) }

    public mutating func apply(_ change: PartitionTables.Change, _ tables: PartitionTables) {
        if change.isNew { held.append(ResampleSymbol(seriesCount: series.count)) }
        let symbol = Int(change.index)
        if change.isMoved { expect(Int64.min, symbol: symbol, tables) }
        if let time = change.restart, !isRepair {
            restart(symbol, at: time, isSwitch: change.isSwitch, tables)
        }
    }

    /// Flags the windows partial in which a subscription began again at `time`: ticks before that
    /// moment are missing in them. Opens those that are not there yet, so that the machine needs no
    /// list of beginnings. With `isSwitch` another source or provider feeds the symbol from then
    /// on.
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
            guard needs.quoteAge > 0 else { continue }
            // Windows that open later find the beginning among the missing times of the tables.
            for place in held[symbol].windows[index].indices {
                let window = held[symbol].windows[index][place]
                guard window.start < needs.later(time), window.end > max(time, through) else {
                    continue
                }
                held[symbol].windows[index][place].isPartial = true
            }
        }
    }

    /// A repair may cover more windows than are ever open.
    private var windowsPerKeyMax: Int {
        isRepair ? StreamLimits.openWindowsMax : StreamLimits.openWindowsPerKeyMax
    }

    // MARK: bars

    /// Takes a version of a finer bar, which replaces the earlier version. `before` is the
    /// watermark of the symbol's source before the packet at which the finer series published the
    /// bar. It decides which windows here are closed: the packet's own watermark closes them only
    /// in the `advance` that follows. `nil` means the present watermark.
    public mutating func bar(
        _ bar: Bar, before: Timestamp? = nil, _ tables: PartitionTables
    ) {
        var missed: [MissedWindow] = []
        take(bar, before: before, tables, missing: &missed)
    }

    /// Does the same, and appends the windows that did not take the bar, because it came too late
    /// for them.
    mutating func take(
        _ bar: Bar, before: Timestamp?, _ tables: PartitionTables,
        missing missed: inout [MissedWindow]
    ) {
        counters.received += 1
        // A filled bar repeats an earlier close. The bar of its window was already taken when it
        // closed.
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
        guard bar.closeTime.nanoseconds > held[symbol].settledThrough else {
            return countLate(bar, &missed)
        }
        guard meet(bar, symbol, through: through, tables, &missed) else {
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

    /// Makes the windows due that hold the bar; returns false when all of them are removed.
    private mutating func meet(
        _ bar: Bar, _ symbol: Int, through: Int64, _ tables: PartitionTables,
        _ missed: inout [MissedWindow]
    ) -> Bool {
        var isHeld = false
        for index in series.indices {
            for start in series[index].window.starts(holding: bar.openTime.nanoseconds) {
                guard
                    let place = window(
                        start, symbol: symbol, series: index, through: through, tables)
                else {
                    missed.note(index, start)
                    continue
                }
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

    /// Counts a bar that came too late for all series.
    private mutating func countLate(_ bar: Bar, _ missed: inout [MissedWindow]) {
        counters.late += 1
        for index in series.indices {
            let starts = series[index].window.starts(holding: bar.openTime.nanoseconds)
            for start in starts { missed.note(index, start) }
        }
    }

    /// Counts a bar as received that came too late for all series.
    mutating func noteLate(_ bar: Bar, _ missed: inout [MissedWindow]) {
        counters.received += 1
        countLate(bar, &missed)
    }

    /// Returns the index of a window, which it opens if that is missing; `nil` when its lateness is
    /// over, or there is no room. `through` is the time up to which windows are closed.
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

    /// Returns whether ticks of the window are missing.
    func isPartial(
        _ window: ResampleWindow, symbol: Int, _ tables: PartitionTables
    ) -> Bool {
        window.start < tables.seenFrom(symbol, needs)
            || tables.missing.touches(UInt32(symbol), needs, from: window.start, to: window.end)
    }

    /// Notes that the symbol has something to do when the watermark reaches this time.
    private mutating func expect(_ time: Int64, symbol: Int, _ tables: PartitionTables) {
        let source = tables.symbols.feeds[symbol].source
        due[source] = min(due[source], time)
    }

    // MARK: closing

    /// Publishes the windows that are due by the present watermark of the source. Appends in order
    /// of end, series and symbol. A repair machine does nothing.
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

    /// Settles the symbol's finer bars, publishes and removes its windows, as far as they are due.
    /// Returns the time at which there will be more to do.
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

    /// Publishes a version of a window's bar, if it is due.
    private mutating func publish(
        _ symbol: Int, _ index: Int, _ place: Int, into closed: inout [Bar]
    ) {
        var window = held[symbol].windows[index][place]
        guard window.isDue else { return }
        let sums = window.sums(held[symbol].unsettled)
        let wasOnTape = window.isOnTape
        let reason = window.reason
        window.isDue = false
        window.reason = BarReason.closed.rawValue
        window.isOnTape = sums.trades > 0
        held[symbol].windows[index][place] = window
        guard
            let bar = window.version(
                sums, symbol: symbol, series: index, reason: reason, isWithdrawn: wasOnTape)
        else { return }
        closed.append(bar)
        if wasOnTape { counters.revisions += 1 } else { counters.bars += 1 }
    }

    /// Appends the bars of open windows that changed since the last call, without `.final`. They
    /// are for live display only, and not part of the state.
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
    /// Returns the version to publish for a closed window; `nil` when there are no trades and no
    /// earlier bar to withdraw.
    func version(
        _ sums: BarSums, symbol: Int, series: Int, reason: UInt8, isWithdrawn: Bool
    ) -> Bar? {
        if var bar = bar(sums, symbol: symbol, series: series) {
            bar.flags.insert(.final)
            bar.reason = reason
            return bar
        }
        guard isWithdrawn else { return nil }
        return PublishedBar(
            symbol: UInt32(symbol), series: UInt16(series), openTime: start, closeTime: end
        ).withdrawal(reason: max(reason, BarReason.late.rawValue), excluded: sums.excluded)
    }
}
