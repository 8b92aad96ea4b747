public import MarketModel
internal import Primitives

extension BarMachine {
    /// Returns the time whose ticks decide the windows of all series that overlap the range.
    public func extent(of range: DirtyRange) -> (from: Int64, to: Int64) {
        var extent = (from: range.from, to: range.to)
        for shape in shapes {
            let one = shape.extent(from: range.from, to: range.to)
            extent = (min(extent.from, one.start), max(extent.to, one.end))
        }
        return extent
    }

    /// Returns a repair machine: one with the same rule and indexes, and no windows. Its calls need
    /// separate tables: a copy of the partition's tables, in which the definitions are entered
    /// again as they appear on the tape.
    public func repairMachine(for ranges: [DirtyRange]) -> BarMachine {
        var machine = self
        var limits = limits
        // A repair may cover more windows of a key than are ever open.
        limits.openWindowsPerKey = limits.openWindows
        machine.windows = WindowStore(rule.series.all, shapes: shapes, limits: limits)
        machine.windows.prepare(sources: windows.sourceCount, symbols: windows.symbolCount)
        machine.account = BarCounters(seriesCount: seriesCount)
        machine.receivedTrades = 0
        machine.lateTicks = []
        machine.repairRefused = []
        machine.repair = RepairRanges(ranges)
        return machine
    }

    /// Replaces the windows of the dirty ranges by those of a repair machine that was given every
    /// tick of their extents. Closed windows are published in order of end, series and symbol, with
    /// the greatest raw `BarReason` of their ranges. A closed window without a price is withdrawn
    /// if it had a bar, and is not published otherwise. Open windows are replaced. `its` are the
    /// tables of the repair machine: they decide which windows are partial.
    ///
    /// In requested ranges, bars on the tape for whose windows no tick came are withdrawn, too.
    ///
    /// A window for which the repair machine had no room is not in it: its bar on the tape stays.
    ///
    /// `published` holds the bars of `publishedRanges` as they are on the tape, by this machine's
    /// series indexes. They decide what fills windows, and which of the windows removed here had a
    /// bar to withdraw. `nil` means that these bars are not known. Then filled bars stay as they
    /// are, and a removed window counts as one with a bar if a trade of it was cancelled or
    /// corrected.
    public mutating func absorb(
        _ repaired: BarMachine, by its: PartitionTables, _ ranges: [DirtyRange],
        published: [Bar]? = nil, _ tables: PartitionTables, into closed: inout [Bar]
    ) {
        let known = published.map { PublishedWindows($0) }
        let all = ranges
        let requested = RepairRanges(requested: ranges)
        let ranges = RepairRanges(ranges)
        let start = closed.count
        for symbol in ranges.symbols where Int(symbol) < tables.symbols.count {
            for series in 0..<seriesCount {
                let key = Int(symbol) * seriesCount + series
                guard key < repaired.windows.heads.count else { continue }
                markMissing(key, ranges, its)
                let first = closed.count
                var slot = Int(repaired.windows.heads[key])
                while slot != 0 {
                    let window = repaired.windows.slots[slot]
                    if let reason = ranges.reason(symbol, window.bounds) {
                        absorb(window, reason, known, key: key, tables, into: &closed)
                    }
                    slot = Int(window.older)
                }
                windows.refresh(key)
                guard let known else { continue }
                if fills.maxima[series] > 0 {
                    refill(key, repaired, all, known, tables, into: &closed)
                } else {
                    withdrawUnmade(
                        known.bars(symbol, series), repaired, requested, from: first, into: &closed)
                }
            }
        }
        for series in 0..<seriesCount {
            let refused = repaired.account.series[series].refused
            account.series[series].repairsRefused += refused
        }
        closed.sortOutput(from: start)
    }

    /// Sets or clears the partial flag of the machine's own windows in the ranges. The repair
    /// machine has no window where the tape has no tick, so these flags do not come from there.
    private mutating func markMissing(
        _ key: Int, _ ranges: RepairRanges, _ its: PartitionTables
    ) {
        var slot = Int(windows.heads[key])
        while slot != 0 {
            let window = windows.slots[slot]
            if ranges.reason(window.symbol, window.bounds) != nil {
                if isPartial(window, its) {
                    windows.slots[slot].flags.insert(.partial)
                } else {
                    windows.slots[slot].flags.remove(.partial)
                }
            }
            slot = Int(window.older)
        }
    }

    /// Takes one window of the repair machine, in place of the own one. `stands` holds the bars on
    /// the tape; `nil` when they are not known.
    private mutating func absorb(
        _ repaired: WindowState, _ reason: UInt8, _ stands: PublishedWindows?, key: Int,
        _ tables: PartitionTables, into closed: inout [Bar]
    ) {
        var window = repaired
        window.phase.formIntersection(.rangeOnly)
        window.openFeed = known(window.openFeed, tables)
        window.closeFeed = known(window.closeFeed, tables)
        switch windows.place(startingAt: window.start, key: key) {
        case .open(let slot):
            let before = windows.slots[slot]
            window.phase.formUnion(before.phase.intersection([.closed, .published]))
            if before.phase.contains(.closed) {
                publish(&window, reason, hadBar: before.phase.contains(.published), into: &closed)
            }
            account.repair(window, from: before.trades)
            windows.replace(slot, by: window)
        case .missing(let newer):
            let hadBar = hadBar(repaired, stands, tables)
            absorbMissing(window, reason, hadBar: hadBar, newer: newer, tables, into: &closed)
        }
    }

    /// Returns whether a window that was removed here had a bar that this repair has to withdraw.
    /// `refill` withdraws the bars of series with `fill`.
    private func hadBar(
        _ window: WindowState, _ known: PublishedWindows?, _ tables: PartitionTables
    ) -> Bool {
        let series = Int(window.series)
        let key = Int(window.symbol) * seriesCount + series
        guard isGone(window.bounds, key: key, tables) else { return false }
        guard let known else { return window.phase.contains(.changed) }
        return fills.maxima[series] == 0
            && known.bar(window.symbol, series, startingAt: window.start) != nil
    }

    /// Takes a window that was removed here, or that no tick has opened so far.
    private mutating func absorbMissing(
        _ repaired: WindowState, _ reason: UInt8, hadBar: Bool, newer: Int,
        _ tables: PartitionTables, into closed: inout [Bar]
    ) {
        var window = repaired
        let symbol = Int(window.symbol)
        let series = Int(window.series)
        let closedThrough = closedThrough(symbol, tables)
        if window.end <= closedThrough {
            window.phase.insert(.closed)
            publish(&window, reason, hadBar: hadBar, into: &closed)
            // Late ticks may still come, and must find the sums of the window here.
            guard window.end + rule.series.all[series].lateness > closedThrough else {
                return noteFill(window, tables)
            }
        }
        let source = tables.symbols.feeds[symbol].source
        if windows.open(window, behind: newer, source: source) == nil {
            account.series[series].repairsRefused += 1
        } else {
            account.repair(window, from: 0)
        }
    }

    /// Publishes the bar of a closed window, or withdraws it, as `absorb` states.
    private mutating func publish(
        _ window: inout WindowState, _ reason: UInt8, hadBar: Bool, into closed: inout [Bar]
    ) {
        let series = Int(window.series)
        if window.trades > 0 {
            window.phase.insert(.published)
            account.note(window)
            closed.append(window.bar(reason))
        } else if hadBar, withdraws {
            window.phase.remove(.published)
            closed.append(window.withdrawnBar(reason))
        } else {
            if publishesEmptyWindows { closed.append(window.bar(reason)) }
            return
        }
        account.series[series].repairs += 1
    }

    /// Returns the feed, or `.foreign` when the repair met a source or provider that the machine's
    /// tables do not know.
    private func known(
        _ feed: SymbolTable.Feed, _ tables: PartitionTables
    ) -> SymbolTable.Feed {
        feed == .none || tables.isKnown(feed) ? feed : .foreign
    }
}

extension BarCounters {
    /// Accounts for a window that a repair replaced. `before` is the window's number of ticks until
    /// then.
    fileprivate mutating func repair(_ window: WindowState, from before: UInt64) {
        let change = Int64(clamping: window.trades) - Int64(clamping: before)
        series[Int(window.series)].repaired += change
    }
}
