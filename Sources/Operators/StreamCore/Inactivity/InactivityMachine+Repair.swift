public import MarketModel
internal import Primitives

extension InactivityMachine {
    /// How far before and after a dirty range a repair reads ticks, in nanoseconds. It has to find
    /// the pauses around the range, the windows there are removed, and a run may have any length. A
    /// window that reaches farther is partial.
    static let reach = StreamLimits.dayNanoseconds

    /// Returns the time of the ticks to read. It begins at a known pause before the range, or
    /// `reach` before it, and ends `reach` after it. A repair reads up to the end of the tape
    /// anyway, so only the start adds cost.
    public func extent(of range: DirtyRange) -> (from: Int64, to: Int64) {
        let day = StreamLimits.usable(max(range.from, Int64.min + Self.reach) - Self.reach)
        let to = StreamLimits.usable(min(range.to, Int64.max - Self.reach) + Self.reach)
        guard range.from < range.to, Int(range.symbol) * seriesCount < keys.count else {
            return (day, day)
        }
        var from = StreamLimits.usable(range.from)
        for series in 0..<seriesCount {
            let key = Int(range.symbol) * seriesCount + series
            from = min(from, knownPause(before: range, key) ?? day)
            for window in keys[key].windows
            where window.first < to && window.end(gap: gaps[series]) > from {
                from = min(from, window.first - gaps[series])
            }
        }
        return (from, to)
    }

    /// Returns a time in a known pause before the range, from which on a repair finds all ticks of
    /// the windows in the range; `nil` when windows were removed after that time, or none so far.
    /// The time lies twice the gap before the first window, because a late tick may lengthen that
    /// window at its start.
    private func knownPause(before range: DirtyRange, _ key: Int) -> Int64? {
        let gap = gaps[key % seriesCount]
        let first = keys[key].windows.first { $0.end(gap: gap) > range.from }?.first
        let (start, overflow) = min(range.from, first ?? range.from)
            .subtractingReportingOverflow(2 * gap)
        let gone = keys[key].retiredEnd
        return overflow || gone == Int64.min || gone > start ? nil : start
    }

    public func repairMachine(for ranges: [DirtyRange]) -> InactivityMachine {
        var machine = InactivityMachine(
            intake: intake.forRepair, sources: due.count, symbols: keys.count / seriesCount,
            heldPerKeyMax: StreamLimits.openWindowsMax)
        machine.repairExtents = RepairRanges(extents: ranges.map { $0.widened(to: extent(of: $0)) })
        return machine
    }

    /// Replaces the windows around the dirty ranges by those of a repair machine that was given
    /// every tick of their extents. `its` are the tables of the repair machine. Closed windows are
    /// published with the greatest raw `BarReason` of their ranges.
    ///
    /// `published` holds the last versions of all bars on the tape that overlap the dirty ranges'
    /// extents. Bars of windows that were removed here are withdrawn if the ticks do not make them.
    public mutating func absorb(
        _ repaired: InactivityMachine, by its: PartitionTables, _ ranges: [DirtyRange],
        published: [PublishedBar] = [], _ tables: PartitionTables, into closed: inout [Bar]
    ) {
        let start = closed.count
        let ranges = RepairRanges(ranges)
        let published = published.bySymbol
        for symbol in ranges.symbols where Int(symbol) * seriesCount < keys.count {
            for series in 0..<seriesCount {
                guard !repaired.repairRefused.contains(symbol) else {
                    intake.account.series[series].repairsRefused += 1
                    continue
                }
                let key = Int(symbol) * seriesCount + series
                let found = repaired.keys[key]
                // A checkpoint with more windows than `heldMax` could not be restored.
                guard held + found.windows.count + found.loose.count <= heldMax else {
                    intake.account.series[series].repairsRefused += 1
                    continue
                }
                var stood = (published[symbol] ?? []).filter { Int($0.series) == series }
                stood += takePublished(key)
                for stretch in stretches(key, found, stood, ranges) {
                    replace(
                        KeyRepair(
                            key: key, stretch: stretch, missing: its.missing,
                            extents: Array(repaired.repairExtents.of(symbol))),
                        by: found, stood, tables, into: &closed)
                }
                restoreWithdrawals(key, stood, closed[start...])
            }
            expect(Int64.min, symbol: Int(symbol), tables)
        }
        closed.sortOutput(from: start)
    }

    /// One stretch of one key to replace.
    private struct KeyRepair {
        let key: Int
        /// The time to replace. Its reason is that of the new versions.
        let stretch: DirtyRange
        /// The missing ticks by the repair machine's tables.
        let missing: MissingStretches
        /// The times of the symbol whose ticks the repair machine was given, in order.
        let extents: [RepairRanges.Stretch]
    }

    /// Returns the published bars of the kept windows, and the bars that were about to be
    /// withdrawn.
    private mutating func takePublished(_ key: Int) -> [PublishedBar] {
        let symbol = UInt32(key / seriesCount)
        let series = UInt16(key % seriesCount)
        let kept = keys[key].windows.filter(\.isOnTape).map {
            PublishedBar(
                symbol: symbol, series: series, openTime: $0.publishedOpen,
                closeTime: $0.publishedClose)
        }
        return kept + keys[key].withdrawals
    }

    /// Removes the withdrawals that are not needed any more, because the repair published a version
    /// of the same bar.
    private mutating func restoreWithdrawals(
        _ key: Int, _ stood: [PublishedBar], _ published: ArraySlice<Bar>
    ) {
        keys[key].withdrawals.removeAll { one in
            published.contains {
                $0.symbol == one.symbol && $0.series == one.series && one.isSameKey($0)
            }
        }
    }

    /// Returns the dirty ranges, widened so that no old or new window crosses their borders. So the
    /// windows to replace and the new ones cover the same time.
    private func stretches(
        _ key: Int, _ found: InactivityKey, _ stood: [PublishedBar], _ ranges: RepairRanges
    ) -> [DirtyRange] {
        let gap = gaps[key % seriesCount]
        let symbol = UInt32(key / seriesCount)
        var spans = stood.map { (from: $0.openTime, to: $0.closeTime) }
        for window in keys[key].windows + found.windows {
            spans.append((window.first, window.end(gap: gap)))
        }
        // Joins overlapping spans, including the dirty ranges.
        spans += ranges.of(symbol).map { ($0.from, $0.to) }
        spans.sort { ($0.from, $0.to) < ($1.from, $1.to) }
        var joined: [DirtyRange] = []
        for span in spans {
            if let last = joined.last, span.from < last.to {
                joined[joined.count - 1].to = max(last.to, span.to)
            } else {
                joined.append(
                    DirtyRange(symbol: symbol, from: span.from, to: span.to, reason: 0))
            }
        }
        return joined.compactMap { one in
            guard let reason = ranges.reason(symbol, from: one.from, to: one.to) else {
                return nil
            }
            return DirtyRange(symbol: symbol, from: one.from, to: one.to, reason: reason)
        }
    }

    /// Replaces the windows and loose exclusions of one stretch by those that the repair machine
    /// found. Withdraws the bars in `stood`, those on the tape, that no window has any more.
    private mutating func replace(
        _ repair: KeyRepair, by found: InactivityKey, _ stood: [PublishedBar],
        _ tables: PartitionTables, into closed: inout [Bar]
    ) {
        let key = repair.key
        let stretch = repair.stretch
        let before = keys[key].windows.count + keys[key].loose.count
        keys[key].windows.removeAll { $0.first >= stretch.from && $0.first < stretch.to }
        keys[key].loose.removeAll { $0.time >= stretch.from && $0.time < stretch.to }
        var opens: Set<Int64> = []
        for var window in found.windows
        where window.first >= stretch.from && window.first < stretch.to {
            mark(&window, repair)
            if let open = place(window, repair, tables, into: &closed) { opens.insert(open) }
        }
        var known: Set<Int64> = []
        for one in stood
        where one.openTime >= stretch.from && one.openTime < stretch.to
            && !opens.contains(one.openTime) && known.insert(one.openTime).inserted
        {
            closed.append(one.withdrawal(reason: stretch.reason))
            intake.account.series[key % seriesCount].repairs += 1
        }
        let loose = found.loose.filter { $0.time >= stretch.from && $0.time < stretch.to }
        keys[key].loose = (keys[key].loose + loose).sorted { $0.time < $1.time }
        held += keys[key].windows.count + keys[key].loose.count - before
        note(key)
    }

    /// Flags a window partial when it reaches beyond the time that the repair machine was given, or
    /// when ticks of it are missing by the repair machine's tables.
    private func mark(_ window: inout InactivityWindow, _ repair: KeyRepair) {
        let series = repair.key % seriesCount
        let symbol = UInt32(repair.key / seriesCount)
        let gap = gaps[series]
        let end = window.end(gap: gap)
        let isCut = repair.extents.contains {
            window.first < $0.to && end > $0.from
                && (window.first - gap < $0.from || end > $0.to)
        }
        let hasGap = repair.missing.touches(
            symbol, rule.needs, from: window.first - gap, to: end)
        if isCut || hasGap { window.sums.flags.insert(.partial) }
    }

    /// Publishes the bar of a window that is closed, and returns the bar's open time; `nil` when it
    /// published none. Keeps the window if it may still change.
    private mutating func place(
        _ found: InactivityWindow, _ repair: KeyRepair, _ tables: PartitionTables,
        into closed: inout [Bar]
    ) -> Int64? {
        let key = repair.key
        let symbol = key / seriesCount
        let series = key % seriesCount
        let gap = gaps[series]
        var window = found
        let end = window.end(gap: gap)
        let through = tables.closedThrough(symbol)
        var open: Int64?
        if end <= through {
            window.isPublished = true
            if var bar = window.bar(symbol: UInt32(symbol), series: UInt16(series), gap: gap) {
                bar.flags.insert(.final)
                if isPartial(window, symbol: symbol, gap: gap, tables) {
                    bar.flags.insert(.partial)
                }
                bar.reason = repair.stretch.reason
                closed.append(bar)
                intake.account.series[series].repairs += 1
                window.publishedOpen = window.first
                window.publishedClose = end
                open = window.first
            }
        }
        if end + lateness(series) > through {
            let index = keys[key].windows.firstIndex { $0.first > window.first }
            keys[key].windows.insert(window, at: index ?? keys[key].windows.count)
        } else {
            keys[key].retiredEnd = max(keys[key].retiredEnd, end)
        }
        return open
    }
}
