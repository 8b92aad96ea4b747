public import MarketModel
internal import Primitives

extension BarMachine {
    /// Adds one trade to its window of every series. `trade.header.symbol` is the interned index.
    @inlinable @inline(__always)
    public mutating func trade(_ trade: Trade, source: Int, ordinal: UInt64) {
        var isGiven = false
        trades(source: source) {
            defer { isGiven = true }
            return isGiven ? nil : (trade, ordinal)
        }
    }

    /// Adds trades, which `next` hands out with their ordinals, until it answers nil: the hot path.
    ///
    /// Faster than `trade` for each: whether the state's buffer is shared is asked once here, and
    /// for every trade there, and the loop holds no call. `next` must not touch the machine; it
    /// answers nil where a definition stands in the packet, and is handed in again behind it.
    @inlinable @inline(__always)
    public mutating func trades(source: Int, next: () -> (trade: Trade, ordinal: UInt64)?) {
        while let rest = plainTrades(source: source, next: next) { finish(rest, source: source) }
    }

    /// A trade with which the hot path could not go on, from which series on, and why.
    @frozen
    @usableFromInline
    struct Rest {
        @usableFromInline let trade: Trade
        @usableFromInline let ordinal: UInt64
        @usableFromInline let series: Int
        /// Nil: a rule excludes the trade.
        @usableFromInline let outcome: WindowState.Outcome?

        @inlinable @inline(__always)
        init(_ trade: Trade, _ ordinal: UInt64, series: Int, _ outcome: WindowState.Outcome?) {
            self.trade = trade
            self.ordinal = ordinal
            self.series = series
            self.outcome = outcome
        }
    }

    /// Adds trades as long as they are plain and meet the newest window of their key.
    @inlinable @inline(__always)
    mutating func plainTrades(
        source: Int, next: () -> (trade: Trade, ordinal: UInt64)?
    ) -> Rest? {
        let seriesCount = seriesCount
        let feeds = table.feeds
        let newest = windows.newest
        var received = receivedTrades
        defer { receivedTrades = received }
        var slots = windows.slots.mutableSpan
        while let (trade, ordinal) = next() {
            received &+= 1
            let symbol = Int(trade.header.symbol)
            guard symbol < feeds.count, feeds[symbol].source == source, trade.isPlain else {
                return Rest(trade, ordinal, series: 0, nil)
            }
            let input = WindowState.Input(trade, ordinal: ordinal, feed: feeds[symbol])
            let first = symbol &* seriesCount
            var index = 0
            while index < seriesCount {
                let outcome = slots[Int(newest[first &+ index])].offer(input)
                guard outcome == .added else {
                    return Rest(trade, ordinal, series: index, outcome)
                }
                index &+= 1
            }
        }
        return nil
    }

    @usableFromInline @inline(never)
    mutating func finish(_ rest: Rest, source: Int) {
        guard let outcome = rest.outcome else { return setAside(rest.trade, source: source) }
        let symbol = Int(rest.trade.header.symbol)
        let input = WindowState.Input(
            rest.trade, ordinal: rest.ordinal, feed: table.feeds[symbol])
        if outcome == .tied {
            settleTie(input, slot: Int(windows.newest[symbol * seriesCount + rest.series]))
        } else {
            addElsewhere(input, rest.trade, series: rest.series)
        }
        for series in rest.series + 1..<seriesCount {
            addElsewhere(input, rest.trade, series: series)
        }
    }

    private mutating func settleTie(_ input: WindowState.Input, slot: Int) {
        windows.slots[slot].settleTie(input, sources: sources)
    }

    /// The long way: the trade opens a window, goes into one that is there, or is late.
    private mutating func addElsewhere(_ input: WindowState.Input, _ trade: Trade, series: Int) {
        switch window(for: input.time, symbol: Int(trade.header.symbol), series: series) {
        case .open(let slot):
            if windows.slots[slot].offer(input) == .tied { settleTie(input, slot: slot) }
        case .closed:
            account.series[series].late += 1
            list(trade, input, series: series, reason: .windowClosed)
        case .full:
            account.series[series].refused += 1
            list(trade, input, series: series, reason: .windowLimit)
        }
    }

    /// Where a time's window is; it is opened if it may be.
    enum Found {
        case open(slot: Int)
        case closed
        case full
    }

    mutating func window(for time: Int64, symbol: Int, series: Int) -> Found {
        let key = symbol * seriesCount + series
        let newer: UInt32
        switch windows.place(of: time, key: key) {
        case .open(let slot): return .open(slot: Int(slot))
        case .missing(let slot): newer = slot
        }
        let start = Timestamp(nanoseconds: time).floored(toNanoseconds: widths[series])
        var window = WindowState(
            start: start.nanoseconds, end: start.nanoseconds + widths[series], symbol: symbol,
            series: series)
        guard window.end > closedThrough(symbol).nanoseconds else { return .closed }
        if isPartial(window) { window.flags.insert(.partial) }
        let source = table.feeds[symbol].source
        guard let slot = windows.open(window, behind: newer, source: source) else { return .full }
        return .open(slot: Int(slot))
    }

    /// Windows of the symbol that end here or before are closed.
    private func closedThrough(_ symbol: Int) -> Timestamp {
        max(
            table.records[symbol].closedThrough,
            sources.entries[table.feeds[symbol].source].watermark)
    }

    private func isPartial(_ window: WindowState) -> Bool {
        let start = Timestamp(nanoseconds: window.start)
        return start < tapeStart || start < table.records[Int(window.symbol)].firstSince
    }

    // MARK: what is not counted

    /// A trade that a rule excludes. Those that belong to an open window are counted there, too.
    private mutating func setAside(_ trade: Trade, source: Int) {
        let symbol = Int(trade.header.symbol)
        guard symbol < table.feeds.count, table.feeds[symbol].source == source else {
            account.unknownSymbol += 1
            return
        }
        guard !trade.header.flags.contains(.backfilled) else {
            account.backfilled += 1
            return
        }
        if trade.isNew {
            account.undefined += 1
        } else {
            account.filter += 1
        }
        guard trade.header.eventTime.isUsable else { return }
        let time = trade.header.eventTime.nanoseconds
        for series in 0..<seriesCount {
            guard case .open(let slot) = window(for: time, symbol: symbol, series: series) else {
                continue
            }
            windows.slots[slot].excluded.count(isNew: trade.isNew)
        }
    }

    private mutating func list(
        _ trade: Trade, _ input: WindowState.Input, series: Int, reason: LateTick.Reason
    ) {
        guard lateTicks.count < lateTicksMax else {
            account.series[series].lateUnlisted += 1
            return
        }
        let start = trade.header.eventTime.floored(toNanoseconds: widths[series])
        lateTicks.append(
            LateTick(
                trade, source: input.feed.source, ordinal: input.ordinal,
                series: UInt16(series), openTime: start,
                closeTime: start.advanced(byNanoseconds: widths[series]), reason: reason))
    }
}
