public import MarketModel
internal import Primitives

extension BarMachine {
    /// Adds one trade to its windows of every series. `trade.header.symbol` is the interned index.
    @inlinable @inline(__always)
    public mutating func trade(_ trade: Trade, source: Int, ordinal: UInt64) {
        var isGiven = false
        trades(source: source) {
            defer { isGiven = true }
            return isGiven ? nil : (trade, ordinal)
        }
    }

    /// Adds one quote, as `trade` does.
    @inlinable @inline(__always)
    public mutating func quote(_ quote: Quote, source: Int, ordinal: UInt64) {
        var isGiven = false
        quotes(source: source) {
            defer { isGiven = true }
            return isGiven ? nil : (quote, ordinal)
        }
    }

    /// Adds trades, which `next` hands out with their ordinals, until it answers nil: the hot path.
    /// A machine of quotes passes over them.
    ///
    /// Faster than `trade` for each: whether the state's buffer is shared is asked once here, and
    /// for every trade there, and the loop holds no call. `next` must not touch the machine; it
    /// answers nil where a definition stands in the packet, and is handed in again behind it.
    @inlinable @inline(__always)
    public mutating func trades(source: Int, next: () -> (trade: Trade, ordinal: UInt64)?) {
        guard rule.field == .trade else {
            while next() != nil {}
            return
        }
        while let rest = plainTicks(source: source, next: next) {
            finish(rest, quote: nil, source: source)
        }
    }

    /// Adds quotes, as `trades` does. A machine of trades passes over them.
    @inlinable @inline(__always)
    public mutating func quotes(source: Int, next: () -> (quote: Quote, ordinal: UInt64)?) {
        let field = rule.field
        guard field != .trade else {
            while next() != nil {}
            return
        }
        var last: Quote?
        while let rest = plainTicks(
            source: source,
            next: {
                guard let (quote, ordinal) = next() else { return nil }
                last = quote
                return (quote.trade(of: field), ordinal)
            })
        {
            finish(rest, quote: last, source: source)
        }
    }

    /// A tick that a node before kept back: it is counted in its windows as `excluded.filter`.
    public mutating func exclude(_ header: TickHeader, source: Int) {
        receivedTrades &+= 1
        guard isTaken(header, source: source) else { return }
        setAside(header, .filter)
    }

    /// A tick with which the hot path could not go on, from which series on, and why.
    @frozen
    @usableFromInline
    struct Rest {
        @usableFromInline let trade: Trade
        @usableFromInline let ordinal: UInt64
        @usableFromInline let series: Int
        /// Nil: a rule has to be asked.
        @usableFromInline let outcome: WindowState.Outcome?

        @inlinable @inline(__always)
        init(_ trade: Trade, _ ordinal: UInt64, series: Int, _ outcome: WindowState.Outcome?) {
            self.trade = trade
            self.ordinal = ordinal
            self.series = series
            self.outcome = outcome
        }
    }

    /// Adds ticks as long as they are plain and meet the newest window of their key.
    @inlinable @inline(__always)
    mutating func plainTicks(
        source: Int, next: () -> (trade: Trade, ordinal: UInt64)?
    ) -> Rest? {
        let seriesCount = seriesCount
        let roundLot = roundLot
        let conditionsMask = conditionsMask
        let feeds = table.feeds
        let newest = windows.newest
        var received = receivedTrades
        defer { receivedTrades = received }
        var slots = windows.slots.mutableSpan
        while let (trade, ordinal) = next() {
            received &+= 1
            let symbol = Int(trade.header.symbol)
            guard symbol < feeds.count, feeds[symbol].source == source, trade.isPlain,
                trade.size.raw >= roundLot, trade.conditions.raw & conditionsMask == 0
            else { return Rest(trade, ordinal, series: 0, nil) }
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
    mutating func finish(_ rest: Rest, quote: Quote?, source: Int) {
        var first = rest.series
        if rest.outcome == nil {
            guard isTaken(rest.trade.header, source: source) else { return }
            guard rest.trade.header.isNew else { return setAside(rest.trade.header, .filter) }
            guard rest.trade.isComplete else { return setAside(rest.trade.header, .undefined) }
        }
        let symbol = Int(rest.trade.header.symbol)
        let input = WindowState.Input(
            rest.trade, ordinal: rest.ordinal, feed: table.feeds[symbol])
        if rest.outcome == .tied {
            settleTie(input, slot: Int(windows.newest[symbol * seriesCount + first]))
            first += 1
        }
        let (effect, exclusion) = quote == nil ? rule.effect(of: rest.trade) : (.all, .condition)
        place(
            Placed(
                input: input, trade: rest.trade, quote: quote, effect: effect,
                exclusion: exclusion),
            from: first)
    }

    /// Of a symbol that this source feeds, and not for repairs alone; counted if it is not.
    private mutating func isTaken(_ header: TickHeader, source: Int) -> Bool {
        let symbol = Int(header.symbol)
        guard symbol < table.feeds.count, table.feeds[symbol].source == source else {
            account.unknownSymbol += 1
            return false
        }
        guard repair != nil || !header.flags.contains(.backfilled) else {
            account.backfilled += 1
            return false
        }
        return true
    }
}
