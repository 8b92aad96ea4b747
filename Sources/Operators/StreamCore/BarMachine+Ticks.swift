public import MarketModel
internal import Primitives

extension BarMachine {
    /// Adds one trade to its windows of every series. `trade.header.symbol` is the interned index.
    @inlinable @inline(__always)
    public mutating func trade(
        _ trade: Trade, source: Int, ordinal: UInt64, _ tables: PartitionTables
    ) {
        var isGiven = false
        trades(source: source, tables) {
            defer { isGiven = true }
            return isGiven ? nil : (trade, ordinal)
        }
    }

    /// Adds one quote, as `trade` does.
    @inlinable @inline(__always)
    public mutating func quote(
        _ quote: Quote, source: Int, ordinal: UInt64, _ tables: PartitionTables
    ) {
        var isGiven = false
        quotes(source: source, tables) {
            defer { isGiven = true }
            return isGiven ? nil : (quote, ordinal)
        }
    }

    /// Adds trades from `next` with their ordinals, until it returns `nil`: the hot path. A machine
    /// of quotes skips them.
    ///
    /// This is faster than calling `trade` for each one: the check whether the state's buffer is
    /// shared is made once, not for every trade, and the loop contains no call. `next` must not
    /// touch the machine. It returns `nil` where the packet holds a definition, and is passed in
    /// again after the definition.
    @inlinable @inline(__always)
    public mutating func trades(
        source: Int, _ tables: PartitionTables, next: () -> (trade: Trade, ordinal: UInt64)?
    ) {
        // `next` is called in one place only. With two it is not inlined, and each tick costs half
        // as much again.
        while let rest = plainTicks(source: source, ofTrades: true, tables, next: next) {
            finish(rest, quote: nil, source: source, tables)
        }
    }

    /// Adds the trades of a packet, as the other `trades` does. It is faster when that one's
    /// closure would be large, because the trades of a reader do not pass through memory.
    @inlinable @inline(__always)
    public mutating func trades<Reader: TradeReader>(
        source: Int, _ tables: PartitionTables, in packet: RawSpan, from reader: inout Reader
    ) {
        var local = reader
        while let rest = plainTrades(source: source, tables, in: packet, from: &local) {
            finish(rest, quote: nil, source: source, tables)
        }
        reader = local
    }

    /// Adds quotes, as `trades` does. A machine of trades skips them.
    @inlinable @inline(__always)
    public mutating func quotes(
        source: Int, _ tables: PartitionTables, next: () -> (quote: Quote, ordinal: UInt64)?
    ) {
        let field = rule.field
        var last: Quote?
        while let rest = plainTicks(
            source: source, ofTrades: false, tables,
            next: {
                guard let (quote, ordinal) = next() else { return nil }
                last = quote
                return (quote.trade(of: field), ordinal)
            })
        {
            finish(rest, quote: last, source: source, tables)
        }
    }

    /// Counts a tick that an earlier node kept back in its windows, as `excluded.filter`.
    public mutating func exclude(_ header: TickHeader, source: Int, _ tables: PartitionTables) {
        receivedTrades &+= 1
        guard isTaken(header, source: source, tables) else { return }
        setAside(header, .filter, tables)
    }

    /// Adds ticks as long as they are plain and belong to the newest window of their key.
    @inlinable @inline(__always)
    mutating func plainTicks(
        source: Int, ofTrades: Bool, _ tables: PartitionTables,
        next: () -> (trade: Trade, ordinal: UInt64)?
    ) -> Rest? {
        let path = PlainPath(self, source: source, ofTrades: ofTrades, tables)
        var received = receivedTrades
        defer { receivedTrades = received }
        var slots = windows.slots.mutableSpan
        while let (trade, ordinal) = next() {
            received &+= 1
            if let rest = path.add(trade, ordinal, to: &slots) { return rest }
        }
        return nil
    }

    /// Does the same for a reader.
    @inlinable @inline(__always)
    mutating func plainTrades(
        source: Int, _ tables: PartitionTables, in packet: RawSpan,
        from reader: inout some TradeReader
    ) -> Rest? {
        let path = PlainPath(self, source: source, ofTrades: true, tables)
        var received = receivedTrades
        defer { receivedTrades = received }
        var slots = windows.slots.mutableSpan
        while let (trade, ordinal) = reader.next(in: packet) {
            received &+= 1
            if let rest = path.add(trade, ordinal, to: &slots) { return rest }
        }
        return nil
    }

    @usableFromInline @inline(never)
    mutating func finish(_ rest: Rest, quote: Quote?, source: Int, _ tables: PartitionTables) {
        var first = rest.series
        guard isOfTrades == (quote == nil) else {
            receivedTrades &-= 1
            return
        }
        if rest.outcome == nil {
            let header = rest.trade.header
            guard isTaken(header, source: source, tables) else { return }
            guard header.isNew else { return setAside(header, .filter, tables) }
            guard rest.trade.isComplete else { return setAside(header, .undefined, tables) }
        }
        let symbol = Int(rest.trade.header.symbol)
        let input = WindowState.Input(
            rest.trade, ordinal: rest.ordinal, feed: tables.symbols.feeds[symbol])
        if rest.outcome == .tied {
            let slot = Int(windows.newest[symbol * seriesCount + first])
            windows.slots[slot].settleTie(input, sources: tables.sources)
            first += 1
        }
        let (effect, exclusion) = quote == nil ? rule.effect(of: rest.trade) : (.all, .condition)
        place(
            Placed(
                input: input, trade: rest.trade, quote: quote, effect: effect,
                exclusion: exclusion),
            from: first, tables)
    }

    /// Returns whether this source feeds the tick's symbol, and the tick is not for repairs alone.
    /// Counts the tick if not.
    private mutating func isTaken(
        _ header: TickHeader, source: Int, _ tables: PartitionTables
    ) -> Bool {
        let symbol = Int(header.symbol)
        guard symbol < tables.symbols.count, tables.symbols.feeds[symbol].source == source else {
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
