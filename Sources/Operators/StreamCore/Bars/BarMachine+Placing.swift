internal import MarketModel
internal import Primitives

/// The slow path of a tick into its windows, for ticks that the hot path does not take: those that
/// do not fall into the newest open window, or of which a rule admits only a part.
extension BarMachine {
    /// A tick on the slow path, with what the rule says about it.
    struct Placed {
        let input: WindowState.Input
        let trade: Trade
        /// The quote from which the trade was made; `nil` when the tick was a trade.
        let quote: Quote?
        /// Which parts of a bar the tick may set.
        let effect: TradeEffect
        /// The reason under which windows count the tick when it sets no price.
        let exclusion: ExclusionReason
    }

    /// The result of `window`, which finds or opens a window.
    enum Found {
        /// The window takes ticks: it is open, or its lateness is not over.
        case open(slot: Int)
        /// The window takes no ticks any more: the watermark has passed its end and its lateness.
        case closed
        /// The window does not exist, and there is no room for one more.
        case full
        /// In a repair machine: the window overlaps no range of the repair.
        case notWanted
    }

    /// Adds the tick to its windows in the series `first` and all later ones.
    mutating func place(_ tick: Placed, from first: Int, _ tables: PartitionTables) {
        for series in first..<seriesCount { place(tick, series: series, tables) }
    }

    private mutating func place(_ tick: Placed, series: Int, _ tables: PartitionTables) {
        let time = tick.input.time
        let symbol = Int(tick.trade.header.symbol)
        guard var bounds = shapes[series].newest(holding: time) else {
            account.series[series].outsideSession += 1
            return
        }
        // Sliding windows: the newest that holds the time comes first, then the older ones.
        var newer = 0
        while true {
            let found = window(bounds, symbol: symbol, series: series, behind: &newer, tables)
            put(tick, bounds, found, series: series, tables)
            guard let older = shapes[series].older(than: bounds, holding: time) else { break }
            bounds = older
        }
        windows.refresh(symbol * seriesCount + series)
    }

    /// Adds the tick to one window, or counts and lists why the window does not take it.
    private mutating func put(
        _ tick: Placed, _ bounds: WindowShape.Bounds, _ found: Found, series: Int,
        _ tables: PartitionTables
    ) {
        switch found {
        case .open(let slot):
            if windows.slots[slot].offer(tick.input, effect: tick.effect) == .tied {
                windows.slots[slot].settleTie(tick.input, sources: tables.sources)
            }
            if !tick.effect.setsPrice {
                windows.slots[slot].excluded.count(tick.exclusion)
                account.series[series].leftOut += 1
            }
            windows.touch(slot)
        case .notWanted: break
        case .closed, .full:
            // A tick without any effect would have changed no bar, so it is not listed as late.
            guard !tick.effect.isEmpty else {
                account.series[series].leftOut += 1
                return
            }
            if case .closed = found {
                account.series[series].late += 1
                list(tick, bounds, series: series, reason: .windowClosed)
            } else {
                account.series[series].refused += 1
                list(tick, bounds, series: series, reason: .windowLimit)
            }
        }
    }

    /// Finds a window of a key, or opens it if a tick may open it. The search begins after the slot
    /// `newer`, or at the newest window of the key if it is 0. Then `newer` becomes the slot at
    /// which the search ended, so that a search for an older window can continue there.
    mutating func window(
        _ bounds: WindowShape.Bounds, symbol: Int, series: Int, behind newer: inout Int,
        _ tables: PartitionTables
    ) -> Found {
        let key = symbol * seriesCount + series
        switch windows.place(startingAt: bounds.start, key: key, behind: newer) {
        case .open(let slot):
            newer = slot
            return .open(slot: slot)
        case .missing(let slot): newer = slot
        }
        if let repair, repair.reason(UInt32(symbol), bounds) == nil { return .notWanted }
        var window = WindowState(bounds, symbol: symbol, series: series)
        let closedThrough = closedThrough(symbol, tables)
        if bounds.end <= closedThrough {
            let lateness = rule.series.all[series].lateness
            guard bounds.end + lateness > closedThrough else { return .closed }
            // A late tick opens it. Its bar gets its first version as a late one.
            window.phase = .closed
        }
        if isPartial(window, tables) { window.flags.insert(.partial) }
        let source = tables.symbols.feeds[symbol].source
        guard let slot = windows.open(window, behind: newer, source: source) else {
            if repair != nil { repairRefused.insert(UInt32(symbol)) }
            return .full
        }
        newer = slot
        return .open(slot: slot)
    }

    /// Returns the time up to which the symbol's windows are closed: those that end there or
    /// before. In a repair machine none is closed.
    func closedThrough(_ symbol: Int, _ tables: PartitionTables) -> Int64 {
        repair == nil ? tables.closedThrough(symbol) : SourceTable.noWatermark.nanoseconds
    }

    /// Returns whether ticks of the window are missing: the symbol was first seen after its start,
    /// or a gap or the start of a subscription lies in it, or a gap of the quotes of its trades.
    func isPartial(_ window: WindowState, _ tables: PartitionTables) -> Bool {
        window.start < tables.seenFrom(Int(window.symbol), rule.needs)
            || tables.missing.touches(
                window.symbol, rule.needs, from: window.start, to: window.end)
    }

    // MARK: ticks that are left out

    /// Counts a tick that is excluded from all series, in the account and in the windows that hold
    /// its time. Opens these windows if they are missing and a tick may open them.
    mutating func setAside(
        _ header: TickHeader, _ reason: ExclusionReason, _ tables: PartitionTables
    ) {
        if reason == .undefined { account.undefined += 1 } else { account.filter += 1 }
        guard header.eventTime.isUsable else { return }
        let time = header.eventTime.nanoseconds
        let symbol = Int(header.symbol)
        for series in 0..<seriesCount {
            var newer = 0
            var bounds = shapes[series].newest(holding: time)
            while let one = bounds {
                if case .open(let slot) = window(
                    one, symbol: symbol, series: series, behind: &newer, tables)
                {
                    windows.slots[slot].excluded.count(reason)
                    windows.touch(slot)
                }
                bounds = shapes[series].older(than: one, holding: time)
            }
        }
    }

    /// Lists a tick that a window did not take, for `takeLateTicks`. Beyond the limit the tick is
    /// only counted.
    private mutating func list(
        _ tick: Placed, _ bounds: WindowShape.Bounds, series: Int, reason: LateTick.Reason
    ) {
        guard lateTicks.count < limits.lateTicks else {
            account.series[series].lateUnlisted += 1
            return
        }
        let source = tick.input.feed.source
        let openTime = Timestamp(nanoseconds: bounds.start)
        let closeTime = Timestamp(nanoseconds: bounds.end)
        if let quote = tick.quote {
            lateTicks.append(
                LateTick(
                    quote, source: source, ordinal: tick.input.ordinal, series: UInt16(series),
                    openTime: openTime, closeTime: closeTime, reason: reason))
        } else {
            lateTicks.append(
                LateTick(
                    tick.trade, source: source, ordinal: tick.input.ordinal,
                    series: UInt16(series), openTime: openTime, closeTime: closeTime,
                    reason: reason))
        }
    }
}
