public import MarketModel
internal import Primitives

extension ResampleMachine {
    /// Returns the time of the windows of all series that overlap a range: all finer bars of this
    /// time decide them. A repair makes all of these bars again: the finer machine's ranges are
    /// widened to this time, and the repair machine here is given what the finer machine publishes.
    public func extent(of range: DirtyRange) -> (from: Int64, to: Int64) {
        let first = StreamLimits.usable(range.from)
        let last = StreamLimits.usable(range.to)
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

    /// Returns a machine with the same rule and indexes, and without state. It has to be given
    /// every finer bar of the extents as the finer machine's `absorb` published it, in any order.
    /// Its `advance` closes nothing.
    public func repairMachine() -> ResampleMachine {
        var machine = ResampleMachine(
            rule: rule, from: from, unsettledMax: StreamLimits.repairTicksMax / 4,
            isRepair: true)
        machine.needs = needs
        machine.due = Array(repeating: Int64.max, count: due.count)
        machine.held = Array(
            repeating: ResampleSymbol(seriesCount: series.count), count: held.count)
        return machine
    }

    /// Replaces the windows that overlap the dirty ranges or lie in their extents. The repair
    /// machine was given all finer bars there. Closed windows are appended to `closed` with the
    /// range's reason. Open ones continue with the finer bars of the repair. `its` are the tables
    /// of the repair machine: they decide which windows are partial.
    ///
    /// `published` holds the bars of `publishedRanges` as they are on the tape, by the machine's
    /// own series indexes. A removed window is withdrawn only if it had a bar. In requested ranges,
    /// bars on the tape without a finer bar are withdrawn, too.
    public mutating func absorb(
        _ repaired: ResampleMachine, by its: PartitionTables, _ ranges: [DirtyRange],
        published: [Bar]? = nil, _ tables: PartitionTables, into closed: inout [Bar]
    ) {
        let known = PublishedWindows(published ?? [])
        let start = closed.count
        let dirty = DirtyTime(ranges, of: self)
        let requested = RepairRanges(requested: ranges)
        for symbol in dirty.ranges.symbols where Int(symbol) < held.count {
            guard !repaired.repairRefused.contains(symbol) else {
                counters.repairsRefused += 1
                continue
            }
            let found = repaired.held[Int(symbol)]
            var replaced: [DirtyRange] = []
            for index in series.indices {
                let first = closed.count
                for window in windows(Int(symbol), index, found, dirty) {
                    replaced.append(window)
                    replace(window, index, found, by: its, known, tables, into: &closed)
                }
                withdrawUnmade(
                    known.bars(symbol, index), found, requested, from: first, into: &closed)
            }
            exchange(Int(symbol), found, replaced)
            // The finer bars changed, so the time at which the next one is settled has to be found
            // again, as in a restored machine.
            due[tables.symbols.feeds[Int(symbol)].source] = Int64.min
        }
        closed.sortOutput(from: start)
    }

    /// The dirty time of a repair, to be queried by window.
    private struct DirtyTime {
        /// The dirty ranges.
        let ranges: RepairRanges
        /// The times of which the repair machine was given all finer bars.
        let extents: RepairRanges
        /// The same time with the reasons.
        let reasons: RepairRanges

        init(_ dirty: [DirtyRange], of machine: ResampleMachine) {
            let wide = dirty.map { $0.widened(to: machine.extent(of: $0)) }
            ranges = RepairRanges(dirty)
            extents = RepairRanges(extents: wide)
            reasons = RepairRanges(wide)
        }

        /// Returns the reason for which the window [from, to) is made again; `nil` when it is not.
        func reason(_ symbol: UInt32, from: Int64, to: Int64) -> UInt8? {
            if let reason = ranges.reason(symbol, from: from, to: to) { return reason }
            guard extents.covers(symbol, from: from, to: to) else { return nil }
            return reasons.reason(symbol, from: from, to: to)
        }
    }

    /// Returns the dirty windows that exist now or existed before, with the reason of each.
    private func windows(
        _ symbol: Int, _ index: Int, _ found: ResampleSymbol, _ dirty: DirtyTime
    ) -> [DirtyRange] {
        let width = series[index].widthNanoseconds
        let name = UInt32(symbol)
        let starts = (found.windows[index] + held[symbol].windows[index]).map(\.start).sorted()
        var windows: [DirtyRange] = []
        for start in starts where windows.last?.from != start {
            guard let reason = dirty.reason(name, from: start, to: start + width) else { continue }
            windows.append(DirtyRange(symbol: name, from: start, to: start + width, reason: reason))
        }
        return windows
    }

    /// Replaces one window, whose time is `stretch`, and publishes it if it is closed.
    private mutating func replace(
        _ stretch: DirtyRange, _ index: Int, _ found: ResampleSymbol, by its: PartitionTables,
        _ known: PublishedWindows, _ tables: PartitionTables, into closed: inout [Bar]
    ) {
        let symbol = Int(stretch.symbol)
        let through = tables.closedThrough(symbol)
        let (place, isThere) = held[symbol].place(of: stretch.from, series: index)
        var window = ResampleWindow(start: stretch.from, end: stretch.to)
        window.isPartial = isPartial(window, symbol: symbol, its)
        var wasOnTape =
            known.bar(stretch.symbol, index, startingAt: stretch.from) != nil
        if isThere {
            window.switchedAt = held[symbol].windows[index][place].switchedAt
            wasOnTape = held[symbol].windows[index][place].isOnTape
        }
        var sums = BarSums()
        for bar in found.fine(in: window) {
            sums.add(bar)
            if bar.closeTime.nanoseconds <= held[symbol].settledThrough {
                window.settled.add(bar)
            }
        }
        if stretch.to <= through {
            window.isOnTape = sums.trades > 0
            let version = window.version(
                sums, symbol: symbol, series: index, reason: stretch.reason,
                isWithdrawn: wasOnTape)
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
    }

    /// Withdraws a symbol's bars of a series on the tape in requested ranges for whose windows the
    /// repair has no finer bar, as `BarMachine.withdrawUnmade` does. `known` are these bars. The
    /// versions of the symbol and series in `closed` begin at `first`.
    private mutating func withdrawUnmade(
        _ known: [Bar], _ found: ResampleSymbol, _ requested: RepairRanges, from first: Int,
        into closed: inout [Bar]
    ) {
        guard let one = known.first else { return }
        var kept: Set<Int64> = []
        for window in held[Int(one.symbol)].windows[Int(one.series)] where window.isOnTape {
            kept.insert(window.start)
        }
        for bar in closed[first...] where bar.flags.contains(.withdrawn) {
            kept.insert(bar.openTime.nanoseconds)
        }
        for bar in known where !kept.contains(bar.openTime.nanoseconds) {
            let (from, to) = (bar.openTime.nanoseconds, bar.closeTime.nanoseconds)
            guard let reason = requested.reason(bar.symbol, from: from, to: to),
                !found.hasPrice(in: ResampleWindow(start: from, end: to))
            else { continue }
            counters.repairs += 1
            closed.append(PublishedBar(bar).withdrawal(reason: reason))
        }
    }

    /// Replaces the finer bars that are not settled, in the windows that were replaced.
    private mutating func exchange(
        _ symbol: Int, _ found: ResampleSymbol, _ replaced: [DirtyRange]
    ) {
        let stretches = Self.joined(replaced)
        func isReplaced(_ bar: Bar) -> Bool {
            let time = bar.openTime.nanoseconds
            let behind = stretches.partitioningIndex { $0.from > time }
            return behind > 0 && time < stretches[behind - 1].to
        }
        let before = held[symbol].unsettled.count
        held[symbol].unsettled.removeAll(where: isReplaced)
        for bar in found.unsettled
        where bar.closeTime.nanoseconds > held[symbol].settledThrough && isReplaced(bar) {
            _ = held[symbol].put(bar)
        }
        unsettled += held[symbol].unsettled.count - before
    }

    /// Returns the time that windows of several series cover, joined and in order.
    private static func joined(_ windows: [DirtyRange]) -> [(from: Int64, to: Int64)] {
        var joined: [(from: Int64, to: Int64)] = []
        for window in windows.sorted(by: { $0.from < $1.from }) {
            if let last = joined.last, window.from <= last.to {
                joined[joined.count - 1].to = max(last.to, window.to)
            } else {
                joined.append((window.from, window.to))
            }
        }
        return joined
    }

    // MARK: bars to read back for a repair

    /// Returns which bars on the tape `absorb` has to know: those of removed windows in which
    /// nothing sets a price any more, and in requested ranges those without a finer bar.
    public func publishedRanges(
        _ repaired: ResampleMachine, _ ranges: [DirtyRange]
    ) -> [PublishedRange] {
        let dirty = DirtyTime(ranges, of: self)
        let requested = ranges.filter { $0.reason == BarReason.repair.rawValue }
        var needs: [PublishedRange] = []
        for symbol in dirty.ranges.symbols
        where Int(symbol) < held.count && !repaired.repairRefused.contains(symbol) {
            let found = repaired.held[Int(symbol)]
            for index in series.indices {
                for range in requested where range.symbol == symbol {
                    needs += unmade(range, index, found)
                }
                for one in windows(Int(symbol), index, found, dirty) {
                    let window = ResampleWindow(start: one.from, end: one.to)
                    guard !held[Int(symbol)].place(of: one.from, series: index).isThere,
                        !found.hasPrice(in: window)
                    else { continue }
                    needs.append(
                        PublishedRange(
                            symbol: symbol, series: UInt16(truncatingIfNeeded: index),
                            from: one.from, to: one.to))
                }
            }
        }
        return needs
    }

    /// Returns the time of a requested range for which the repair has no finer bar. Where windows
    /// overlap, other windows do not tell which ones are not made: there it is all of the time.
    private func unmade(
        _ range: DirtyRange, _ index: Int, _ found: ResampleSymbol
    ) -> [PublishedRange] {
        let (from, to) = extent(of: range)
        var made: [WindowShape.Bounds] = []
        if case .tumbling = series[index].window {
            made = found.windows[index].filter { found.hasPrice(in: $0) }.map {
                WindowShape.Bounds(start: $0.start, end: $0.end)
            }
        }
        return WindowShape.Bounds(start: from, end: to).gaps(between: made).map {
            PublishedRange(
                symbol: range.symbol, series: UInt16(truncatingIfNeeded: index), from: $0.start,
                to: $0.end)
        }
    }

    /// Notes symbols of which not all finer bars could be made. Their windows stay as they are.
    public mutating func refuse(_ symbols: Set<UInt32>) { repairRefused.formUnion(symbols) }
}
