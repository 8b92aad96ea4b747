public import MarketModel
internal import Primitives

extension BarMachine {
    /// Adds one trade to its windows of every series. `trade.header.symbol` is the symbol's index
    /// in the tables, or `noSymbol`.
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
    /// This is faster than calling `trade` for each one: the check whether the array of windows is
    /// shared (copy on write) is made once, not for every trade, and the loop contains no call.
    /// `next` must not touch the machine. It returns `nil` at the packet's end, and where the
    /// packet holds a definition. The caller takes the definition and then calls this again.
    @inlinable @inline(__always)
    public mutating func trades(
        source: Int, _ tables: PartitionTables, next: () -> (trade: Trade, ordinal: UInt64)?
    ) {
        // `next` is called in one place only. With two it is not inlined, and each tick costs half
        // as much again.
        while let rest = plainTicks(source: source, ofTrades: true, tables, next: next) {
            takeRest(rest, quote: nil, source: source, tables)
        }
    }

    /// Adds the trades of a packet from a reader, as the other `trades` does from a closure. A
    /// closure that decodes a packet is too large to be inlined, so its trades pass through memory.
    /// A reader is inlined.
    @inlinable @inline(__always)
    public mutating func trades<Reader: TradeReader & ~Copyable>(
        source: Int, _ tables: PartitionTables, in packet: RawSpan, from reader: consuming Reader
    ) -> Reader {
        while let rest = plainTrades(source: source, tables, in: packet, from: &reader) {
            takeRest(rest, quote: nil, source: source, tables)
        }
        return reader
    }

    /// Adds quotes, as `trades` does. A machine of trades skips them.
    @inlinable @inline(__always)
    public mutating func quotes(
        source: Int, _ tables: PartitionTables, next: () -> (quote: Quote, ordinal: UInt64)?
    ) {
        let field = rule.field
        // The hot path takes the number of the quote as a trade. A late quote is listed completely.
        var last: Quote?
        while let rest = plainTicks(
            source: source, ofTrades: false, tables,
            next: {
                guard let (quote, ordinal) = next() else { return nil }
                last = quote
                return (quote.trade(of: field), ordinal)
            })
        {
            takeRest(rest, quote: last, source: source, tables)
        }
    }

    /// Takes a tick that an earlier node of the graph did not let through: the windows that hold
    /// its time count it as `excluded.filter`.
    public mutating func exclude(_ header: TickHeader, source: Int, _ tables: PartitionTables) {
        receivedTrades &+= 1
        guard isTaken(header, source: source, tables) else { return }
        setAside(header, .filter, tables)
    }

    /// Adds ticks as long as they are plain and belong to the newest window of their key. Returns
    /// the first tick that `takeRest` has to take; `nil` when `next` has no more.
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
            if let stop = path.add(trade, ordinal, to: &slots) {
                return Rest(trade, ordinal, stop)
            }
        }
        return nil
    }

    /// Does the same as `plainTicks` with a reader.
    @inlinable @inline(__always)
    mutating func plainTrades(
        source: Int, _ tables: PartitionTables, in packet: RawSpan,
        from reader: inout some TradeReader & ~Copyable
    ) -> Rest? {
        let path = PlainPath(self, source: source, ofTrades: true, tables)
        var received = receivedTrades
        defer { receivedTrades = received }
        var slots = windows.slots.mutableSpan
        while let (trade, ordinal) = reader.next(in: packet) {
            received &+= 1
            if let stop = path.add(trade, ordinal, to: &slots) {
                return Rest(reader.last(in: packet), ordinal, stop)
            }
        }
        return nil
    }

    /// Takes a tick that the hot path did not take completely: counts why it is in no window, or
    /// adds it to its windows of the remaining series. `quote` is the quote from which the trade
    /// was made; `nil` when the tick is a trade.
    @usableFromInline @inline(never)
    mutating func takeRest(_ rest: Rest, quote: Quote?, source: Int, _ tables: PartitionTables) {
        var first = rest.stop.series
        // A machine skips the other kind of ticks, and does not count them.
        guard isOfTrades == (quote == nil) else {
            receivedTrades &-= 1
            return
        }
        if rest.stop.outcome == nil {
            let header = rest.trade.header
            guard isTaken(header, source: source, tables) else { return }
            guard header.isNew else { return setAside(header, .filter, tables) }
            guard rest.trade.isComplete else { return setAside(header, .undefined, tables) }
        }
        let symbol = Int(rest.trade.header.symbol)
        let input = WindowState.Input(
            rest.trade, ordinal: rest.ordinal, feed: tables.symbols.feeds[symbol])
        if rest.stop.outcome == .tied {
            let slot = Int(windows.newest[symbol * seriesCount + first])
            windows.slots[slot].settleTie(input, sources: tables.sources)
            first += 1
        }
        let (effect, exclusion) =
            quote == nil ? rule.effect(of: rest.trade, tables.symbols) : (.all, .condition)
        place(
            Placed(
                input: input, trade: rest.trade, quote: quote, effect: effect,
                exclusion: exclusion),
            from: first, tables)
    }

    /// Returns whether the packet's source feeds the tick's symbol, and the tick counts here:
    /// fetched ticks count in a repair machine only. Counts the tick if the answer is no.
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
