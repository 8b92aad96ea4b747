public import MarketModel
internal import Primitives

extension ResampleMachine {
    /// The windows of all series that overlap a range: all finer bars of this time decide them. A
    /// repair makes all of these anew: the finer machine's ranges are made as wide as this, and
    /// what it publishes is what the repair machine here is given.
    public func extent(of range: DirtyRange) -> (from: Int64, to: Int64) {
        let first = TickTables.usable(range.from)
        let last = TickTables.usable(range.to)
        guard first < last else { return (first, first) }
        var from = first
        var to = last
        for one in series {
            for start in one.window.starts(holding: first) { from = min(from, start) }
            for start in one.window.starts(holding: last - 1) {
                to = max(to, start + one.widthNanoseconds)
            }
        }
        return (from, to)
    }

    /// The same rule, tables and indexes, and nothing else. It is given every finer bar of the
    /// extents as the finer machine's `absorb` gave it, in any order; `advance` closes nothing.
    public func repairMachine() -> ResampleMachine {
        var machine = ResampleMachine(
            rule: rule, from: from, unsettledMax: StreamLimits.repairTicksMax / 4)
        machine.kind = kind
        machine.missing = missing
        machine.tables = tables
        machine.tables.isRepair = true
        machine.due = Array(repeating: Int64.max, count: sources.entries.count)
        machine.held = Array(
            repeating: ResampleSymbol(seriesCount: series.count), count: held.count)
        return machine
    }

    /// Takes over the windows that overlap the dirty ranges, or lie within their extents, where all
    /// finer bars are new: those that are closed go to `closed` with the range's reason, the others
    /// go on with the finer bars that were given.
    public mutating func absorb(
        _ repaired: ResampleMachine, _ ranges: [DirtyRange], into closed: inout [Bar]
    ) {
        let start = closed.count
        let wide = ranges.map { range in
            let (from, to) = extent(of: range)
            return DirtyRange(symbol: range.symbol, from: from, to: to, reason: range.reason)
        }
        let (extents, reasons) = (RepairRanges(extents: wide), RepairRanges(wide))
        let ranges = RepairRanges(ranges)
        for symbol in ranges.symbols where Int(symbol) < held.count {
            guard !repaired.repairRefused.contains(symbol) else {
                counters.repairsRefused += 1
                continue
            }
            let found = repaired.held[Int(symbol)]
            var replaced: [DirtyRange] = []
            for index in series.indices {
                for var window in windows(Int(symbol), index, found) {
                    // Within the extents all finer bars are new.
                    let isNew = extents.covers(symbol, from: window.from, to: window.to)
                    guard
                        let reason = ranges.reason(symbol, from: window.from, to: window.to)
                            ?? (isNew
                                ? reasons.reason(symbol, from: window.from, to: window.to) : nil)
                    else { continue }
                    window.reason = reason
                    replaced.append(window)
                    replace(window, index, repaired, into: &closed)
                }
            }
            exchange(Int(symbol), found, replaced)
        }
        closed.sortOutput(from: start)
    }

    /// Those that are, or were, there.
    private func windows(
        _ symbol: Int, _ index: Int, _ found: ResampleSymbol
    ) -> [DirtyRange] {
        let width = series[index].widthNanoseconds
        let starts = (found.windows[index] + held[symbol].windows[index]).map(\.start).sorted()
        var windows: [DirtyRange] = []
        for start in starts where windows.last?.from != start {
            windows.append(
                DirtyRange(symbol: UInt32(symbol), from: start, to: start + width, reason: 0))
        }
        return windows
    }

    private mutating func replace(
        _ stretch: DirtyRange, _ index: Int, _ repaired: ResampleMachine, into closed: inout [Bar]
    ) {
        let symbol = Int(stretch.symbol)
        let found = repaired.held[symbol]
        let through = tables.closedThrough(symbol)
        let (place, isThere) = held[symbol].place(of: stretch.from, series: index)
        var window = ResampleWindow(start: stretch.from, end: stretch.to)
        window.isPartial = repaired.isPartial(window, symbol: symbol)
        var hadStanding = false
        if isThere {
            window.switchedAt = held[symbol].windows[index][place].switchedAt
            hadStanding = held[symbol].windows[index][place].hasStanding
        }
        var sums = BarSums()
        for bar in found.unsettled where window.holds(bar) {
            sums.add(bar)
            if bar.closeTime.nanoseconds <= held[symbol].settledThrough {
                window.settled.add(bar)
            }
        }
        if stretch.to <= through {
            window.hasStanding = sums.trades > 0
            let version = window.version(
                sums, symbol: symbol, series: index, reason: stretch.reason,
                isWithdrawn: hadStanding || sums.hasWithdrawn)
            if let version {
                closed.append(version)
                counters.repairs += 1
            }
        } else {
            window.isDue = true
        }
        guard stretch.to + series[index].lateness > through else { return }
        if isThere {
            held[symbol].windows[index][place] = window
        } else {
            held[symbol].windows[index].insert(window, at: place)
        }
        let source = symbols.feeds[symbol].source
        due[source] = Int64.min
    }

    /// The finer bars that are not settled, in the windows that were replaced.
    private mutating func exchange(
        _ symbol: Int, _ found: ResampleSymbol, _ replaced: [DirtyRange]
    ) {
        func isReplaced(_ bar: Bar) -> Bool {
            replaced.contains {
                $0.from <= bar.openTime.nanoseconds && bar.closeTime.nanoseconds <= $0.to
            }
        }
        let before = held[symbol].unsettled.count
        held[symbol].unsettled.removeAll(where: isReplaced)
        for bar in found.unsettled
        where bar.closeTime.nanoseconds > held[symbol].settledThrough && isReplaced(bar) {
            _ = held[symbol].put(bar)
        }
        unsettled += held[symbol].unsettled.count - before
    }
}
