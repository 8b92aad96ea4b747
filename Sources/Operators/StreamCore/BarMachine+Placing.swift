internal import MarketModel
internal import Primitives

/// The slow path of a tick into its windows, for ticks that the hot path does not take: those that
/// do not fall into the newest open window, or of which a rule admits only a part.
extension BarMachine {
    /// A tick on the slow path.
    struct Placed {
        let input: WindowState.Input
        let trade: Trade
        /// The quote from which the trade was made; `nil` when the tick was a trade.
        let quote: Quote?
        /// Which parts of a bar the tick may set.
        let effect: TradeEffect
        /// The reason under which it is counted when it sets no price.
        let exclusion: ExclusionReason
    }

    /// Where a window is. A window that is missing has been opened, if a tick may open it.
    enum Found {
        case open(slot: Int)
        /// The watermark has passed its end and its lateness.
        case closed
        /// There is no room for one more window.
        case full
        /// It overlaps no range of this repair.
        case notWanted
    }

    /// Adds the tick to its windows in `first` and all coarser series.
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

    /// Finds or opens a window. The search begins at the slot `newer`, and `newer` becomes the slot
    /// at which it ended: the next older window comes after it in the list.
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

    /// Returns the time up to which the symbol's windows are closed. In a repair none is closed.
    func closedThrough(_ symbol: Int, _ tables: PartitionTables) -> Int64 {
        repair == nil ? tables.closedThrough(symbol) : SourceTable.noWatermark.nanoseconds
    }

    func isPartial(_ window: WindowState, _ tables: PartitionTables) -> Bool {
        window.start < tables.seenFrom(Int(window.symbol))
            || tables.missing.touches(
                window.symbol, rule.field.kind, from: window.start, to: window.end)
    }

    // MARK: ticks that are left out

    /// Counts a tick that is left out, also in the windows that hold its time. Opens these windows
    /// if they are missing and may be opened.
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
