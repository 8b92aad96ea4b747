internal import MarketModel
internal import Primitives

// Which windows are filled after a repair: the same as if all bars had been right from the start.
// `absorb` calls this for each dirty key of a series with `fill`, with the bars on the tape.
extension BarMachine {
    /// A stretch of one key in which a repair may change which windows are filled, and with what.
    private struct Refill {
        let key: Int
        let stretch: FillStretch
        /// Windows that end here or before take no ticks any more, and may be filled.
        let settled: Int64
        /// The dirty windows that the repair made, by their starts.
        let repaired: [Int64: WindowState]
        /// The bars of the stretch on the tape, in order of their starts.
        let published: [Bar]
        /// The windows that have a price after the repair, in order, with the close of each.
        var bars: [(bounds: WindowShape.Bounds, close: Int64)] = []
        /// The windows to fill, in order, with the close that fills each.
        var filled: [(bounds: WindowShape.Bounds, close: Int64)] = []
    }

    /// Publishes the filled bars of a key that are new or changed. Withdraws bars on the tape whose
    /// windows have no price any more and are not filled either. `found` is the repair machine, and
    /// `known` holds the bars on the tape.
    mutating func refill(
        _ key: Int, _ found: BarMachine, _ ranges: [DirtyRange], _ known: PublishedWindows,
        _ tables: PartitionTables, into closed: inout [Bar]
    ) {
        let (symbol, series) = (UInt32(key / seriesCount), key % seriesCount)
        let dirty = RepairRanges(ranges.filter { $0.symbol == symbol })
        let settled = settledThrough(key, tables)
        var repaired: [Int64: WindowState] = [:]
        var slot = key < found.windows.heads.count ? Int(found.windows.heads[key]) : 0
        while slot != 0 {
            let window = found.windows.slots[slot]
            if window.end <= settled, dirty.reason(symbol, window.bounds) != nil {
                repaired[window.start] = window
            }
            slot = Int(window.older)
        }
        for stretch in fillStretches(key, ranges, tables) {
            let published = known.bars(symbol, series).filter {
                let start = $0.openTime.nanoseconds
                return start >= stretch.bounds.start && start < stretch.bounds.end
                    && $0.closeTime.nanoseconds <= settled
            }
            var refill = Refill(
                key: key, stretch: stretch, settled: settled, repaired: repaired,
                published: published)
            findBars(&refill)
            findFilled(&refill)
            publish(refill, dirty, into: &closed)
            takeOver(refill)
        }
        expectFill(symbol: Int(symbol), series: series, tables)
    }

    /// Returns the time before which no tick can change a window any more. It is at most the start
    /// of the oldest window that is kept. Windows are removed by the watermark of the present
    /// source, which may be lower than that of a source that fed the symbol before.
    private func settledThrough(_ key: Int, _ tables: PartitionTables) -> Int64 {
        let lateness = rule.series.all[key % seriesCount].lateness
        let (time, overflow) = closedThrough(key / seriesCount, tables)
            .subtractingReportingOverflow(lateness)
        var settled = overflow ? Int64.min : time
        var slot = Int(windows.heads[key])
        while slot != 0 {
            settled = min(settled, windows.slots[slot].start)
            slot = Int(windows.slots[slot].older)
        }
        return settled
    }

    /// Lists the windows of the stretch that have a price: those that the repair made, and those on
    /// the tape for which it made none.
    private func findBars(_ refill: inout Refill) {
        for bar in refill.published where !bar.flags.contains(.filled) {
            let start = bar.openTime.nanoseconds
            guard refill.repaired[start] == nil else { continue }
            refill.bars.append(
                (
                    WindowShape.Bounds(start: start, end: bar.closeTime.nanoseconds),
                    bar.close.raw
                ))
        }
        let stretch = refill.stretch.bounds
        for window in refill.repaired.values
        where window.trades > 0 && window.start >= stretch.start && window.start < stretch.end {
            refill.bars.append((window.bounds, window.close))
        }
        refill.bars.sort { $0.bounds.start < $1.bounds.start }
    }

    /// Lists the windows to fill: after each bar as many as the series fills, up to the next bar.
    private func findFilled(_ refill: inout Refill) {
        let series = refill.key % seriesCount
        for (index, bar) in refill.bars.enumerated() {
            let limit =
                index + 1 < refill.bars.count
                ? refill.bars[index + 1].bounds.start : refill.stretch.bounds.end
            var last = bar.bounds
            for _ in 0..<fills.maxima[series] {
                guard let next = shapes[series].next(after: last), next.start < limit,
                    next.end <= refill.settled
                else { break }
                refill.filled.append((next, bar.close))
                last = next
            }
        }
    }

    /// Publishes the filled bars that are not on the tape as they are now.
    private mutating func publish(
        _ refill: Refill, _ dirty: RepairRanges, into closed: inout [Bar]
    ) {
        let symbol = UInt32(refill.key / seriesCount)
        var published: [Int64: Bar] = [:]
        for bar in refill.published { published[bar.openTime.nanoseconds] = bar }
        for one in refill.filled {
            let before = published[one.bounds.start]
            var bar = filledBar(one.bounds, refill.key, close: one.close)
            bar.reason = dirty.reason(symbol, one.bounds) ?? refill.stretch.reason
            if let window = refill.repaired[one.bounds.start] {
                bar.excluded = window.excluded
            } else if let before, before.flags.contains(.filled) {
                bar.excluded = before.excluded
            }
            if let before, before.flags == bar.flags, before.close == bar.close,
                before.excluded == bar.excluded
            {
                continue
            }
            account.series[Int(bar.series)].repairs += 1
            closed.append(bar)
        }
        withdraw(refill, dirty, into: &closed)
    }

    /// Withdraws the bars of the stretch that nothing makes any more. It leaves out the first
    /// windows of the stretch, because bars before the stretch decide what fills them.
    private mutating func withdraw(
        _ refill: Refill, _ dirty: RepairRanges, into closed: inout [Bar]
    ) {
        let symbol = UInt32(refill.key / seriesCount)
        let first = min(
            refill.bars.first?.bounds.start ?? Int64.max, refill.stretch.dirtyFrom)
        let held = Set((refill.bars + refill.filled).map(\.bounds.start))
        for bar in refill.published {
            let bounds = WindowShape.Bounds(
                start: bar.openTime.nanoseconds, end: bar.closeTime.nanoseconds)
            guard bounds.start >= first, !held.contains(bounds.start) else { continue }
            let window = refill.repaired[bounds.start]
            account.series[Int(bar.series)].repairs += 1
            closed.append(
                PublishedBar(bar).withdrawal(
                    reason: dirty.reason(symbol, bounds) ?? refill.stretch.reason,
                    excluded: window?.excluded ?? Bar.Excluded()))
        }
    }

    /// Sets the fill state of the key: live windows after the repair are filled from the newest bar
    /// on that the repair knows, unless the machine already knows a later one.
    private mutating func takeOver(_ refill: Refill) {
        let before = fills.state(refill.key)
        let stretch = refill.stretch.bounds
        let wasInside = before.map { $0.base >= stretch.start && $0.base < stretch.end } ?? true
        guard let base = refill.bars.last else {
            // The bar that filled windows is gone, and no other is near enough to fill any. The
            // full count says that nothing is left to fill.
            if var before, wasInside {
                before.filled = fills.maxima[refill.key % seriesCount]
                fills.set(before, key: refill.key)
            }
            return
        }
        guard wasInside || base.bounds.start >= before?.base ?? Int64.min else { return }
        if var before, before.base == base.bounds.start, before.last.start >= stretch.end {
            // The newest bar lies in the stretch, and the windows that it fills reach beyond the
            // stretch. So the repair changes its close, and not the count of filled windows.
            before.close = base.close
            fills.set(before, key: refill.key)
            return
        }
        let behind = refill.filled.filter { $0.bounds.start > base.bounds.start }
        fills.set(
            FillTable.State(
                base: base.bounds.start, close: base.close,
                last: behind.last?.bounds ?? base.bounds, filled: behind.count),
            key: refill.key)
    }
}
