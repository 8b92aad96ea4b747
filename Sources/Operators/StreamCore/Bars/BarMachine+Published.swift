public import MarketModel
internal import Primitives

// The bars on the tape that a repair has to know, because the machine has removed their windows. A
// machine keeps a window only until its lateness is over. The owner of the machine reads these bars
// back before it calls `absorb`.
extension BarMachine {
    /// Returns which bars on the tape `absorb` has to know. `repaired` is the repair machine after
    /// it took all ticks. For a series with `fill` these are all bars in the stretches around the
    /// dirty ranges, which fill windows there or decide what fills them. For the other series these
    /// are the bars of windows in which nothing sets a price any more, and in requested ranges all
    /// bars for whose windows no tick came: they have to be withdrawn.
    public func publishedRanges(
        _ repaired: BarMachine, _ ranges: [DirtyRange], _ tables: PartitionTables
    ) -> [PublishedRange] {
        let dirty = RepairRanges(ranges)
        let requested = RepairRanges(requested: ranges)
        var needs: [PublishedRange] = []
        for symbol in dirty.symbols where Int(symbol) < tables.symbols.count {
            for series in 0..<seriesCount {
                let key = Int(symbol) * seriesCount + series
                let stretches: [WindowShape.Bounds]
                if fills.maxima[series] > 0 {
                    stretches = fillStretches(key, ranges, tables).map(\.bounds)
                } else if key < repaired.windows.heads.count {
                    stretches =
                        windowsInDoubt(key, repaired, dirty, tables)
                        + unmade(key, repaired, requested)
                } else {
                    stretches = []
                }
                needs += stretches.map {
                    PublishedRange(
                        symbol: symbol, series: UInt16(truncatingIfNeeded: series), from: $0.start,
                        to: $0.end)
                }
            }
        }
        return needs
    }

    /// Returns the removed dirty windows without a price: only the tape knows whether they had a
    /// bar.
    private func windowsInDoubt(
        _ key: Int, _ repaired: BarMachine, _ dirty: RepairRanges, _ tables: PartitionTables
    ) -> [WindowShape.Bounds] {
        var found: [WindowShape.Bounds] = []
        var slot = Int(repaired.windows.heads[key])
        while slot != 0 {
            let window = repaired.windows.slots[slot]
            if window.trades == 0, isGone(window.bounds, key: key, tables),
                dirty.reason(window.symbol, window.bounds) != nil,
                case .missing = windows.place(startingAt: window.start, key: key)
            {
                found.append(window.bounds)
            }
            slot = Int(window.older)
        }
        return found.reversed()
    }

    /// Returns the time of a key's requested windows for which the repair has no tick. Where
    /// windows overlap, other windows do not tell which ones are not made: there it is all of the
    /// time.
    private func unmade(
        _ key: Int, _ repaired: BarMachine, _ requested: RepairRanges
    ) -> [WindowShape.Bounds] {
        let (symbol, shape) = (UInt32(key / seriesCount), shapes[key % seriesCount])
        let stretches = requested.of(symbol)
        guard !stretches.isEmpty, !repaired.repairRefused.contains(symbol) else { return [] }
        let made = shape.isOverlapping ? [] : repaired.windowsWithPrice(key)
        return stretches.flatMap {
            shape.extent(from: $0.from, to: $0.to).gaps(between: made)
        }
    }

    /// Returns the windows of a key in which a tick sets a price, in order.
    private func windowsWithPrice(_ key: Int) -> [WindowShape.Bounds] {
        var found: [WindowShape.Bounds] = []
        var slot = Int(windows.heads[key])
        while slot != 0 {
            let window = windows.slots[slot]
            if window.trades > 0 { found.append(window.bounds) }
            slot = Int(window.older)
        }
        return found.reversed()
    }

    /// Withdraws a key's bars on the tape in requested ranges for whose windows the repair has no
    /// tick. `known` are its bars. The state of the machine does not know such bars: another
    /// definition made them, or they are of ticks that do not count any more. The key's versions in
    /// `closed` begin at `first`; they may withdraw bars already.
    mutating func withdrawUnmade(
        _ known: [Bar], _ repaired: BarMachine, _ requested: RepairRanges, from first: Int,
        into closed: inout [Bar]
    ) {
        guard withdraws, let one = known.first, !repaired.repairRefused.contains(one.symbol) else {
            return
        }
        let key = Int(one.symbol) * seriesCount + Int(one.series)
        // The machine's own windows are those of the repair by now, or still open.
        var kept = Set(
            (repaired.windowsWithPrice(key) + windowsWithPrice(key)).map(\.start))
        for bar in closed[first...] where bar.flags.contains(.withdrawn) {
            kept.insert(bar.openTime.nanoseconds)
        }
        for bar in known where !kept.contains(bar.openTime.nanoseconds) {
            let reason = requested.reason(
                bar.symbol, from: bar.openTime.nanoseconds, to: bar.closeTime.nanoseconds)
            guard let reason else { continue }
            account.series[Int(bar.series)].repairs += 1
            closed.append(PublishedBar(bar).withdrawal(reason: reason))
        }
    }

    /// Returns whether the window takes no ticks any more, because its lateness is over.
    func isGone(_ bounds: WindowShape.Bounds, key: Int, _ tables: PartitionTables) -> Bool {
        let (end, overflow) = bounds.end.addingReportingOverflow(
            rule.series.all[key % seriesCount].lateness)
        return !overflow && end <= closedThrough(key / seriesCount, tables)
    }

    /// A stretch of one key in which a repair may change which windows are filled.
    struct FillStretch: Sendable {
        var bounds: WindowShape.Bounds
        /// The start of the stretch's first dirty window.
        var dirtyFrom: Int64
        /// The raw `BarReason` of the dirty range; the greatest of several ranges.
        var reason: UInt8
    }

    /// Returns the dirty ranges of a key, widened on both sides by the number of windows that one
    /// bar fills. So no dirty window fills one outside of the stretch, and none outside fills a
    /// dirty one. Ranges whose first window may still change are not included: no window in them is
    /// filled yet. The stretches are in order, and no two overlap.
    func fillStretches(
        _ key: Int, _ ranges: [DirtyRange], _ tables: PartitionTables
    ) -> [FillStretch] {
        let series = key % seriesCount
        let symbol = UInt32(key / seriesCount)
        var all: [FillStretch] = []
        for range in ranges where range.symbol == symbol && range.from < range.to {
            let dirty = shapes[series].extent(from: range.from, to: range.to)
            // No window holds the start of a range that begins between two sessions.
            let first =
                shapes[series].newest(holding: dirty.start)
                ?? WindowShape.Bounds(start: dirty.start, end: dirty.start + 1)
            guard isGone(first, key: key, tables) else { continue }
            all.append(
                FillStretch(
                    bounds: shapes[series].widened(dirty, by: fills.maxima[series]),
                    dirtyFrom: dirty.start, reason: range.reason))
        }
        all.sort { ($0.bounds.start, $0.bounds.end) < ($1.bounds.start, $1.bounds.end) }
        var joined: [FillStretch] = []
        for one in all {
            guard var last = joined.last, one.bounds.start <= last.bounds.end else {
                joined.append(one)
                continue
            }
            last.bounds.end = max(last.bounds.end, one.bounds.end)
            last.dirtyFrom = min(last.dirtyFrom, one.dirtyFrom)
            last.reason = max(last.reason, one.reason)
            joined[joined.count - 1] = last
        }
        return joined
    }

    // MARK: cancelled and corrected trades

    /// Notes in a repair machine that a trade was cancelled or corrected. Where the bars on the
    /// tape are not known, `absorb` then assumes that the trade's windows had a bar.
    public mutating func noteChange(of header: TickHeader) {
        let symbol = Int(header.symbol)
        guard symbol < windows.symbolCount, header.eventTime.isUsable else { return }
        let time = header.eventTime.nanoseconds
        for series in 0..<seriesCount {
            var bounds = shapes[series].newest(holding: time)
            while let one = bounds {
                let place = windows.place(
                    startingAt: one.start, key: symbol * seriesCount + series)
                if case .open(let slot) = place { windows.slots[slot].phase.insert(.changed) }
                bounds = shapes[series].older(than: one, holding: time)
            }
        }
    }
}
