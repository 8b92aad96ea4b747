internal import MarketModel
internal import Primitives
internal import StreamCore

// How ticks get into one leaf. A *judged* tick has gone through the stages, which let it pass or
// kept it back.
extension BarLeaves {
    /// Gives a run of trades to a leaf, in order: adds those that reach it, and counts those that a
    /// stage kept back. Trades that a deduplicator before it kept back are not counted here.
    mutating func trades(_ leaf: LeafInput, _ run: TradeRun, source: Int) {
        let passed = run.passed(leaf.input).union(run.unjudged)
        let lost = run.lost(leaf.input)
        var place = 0
        while place < run.trades.count {
            if passed.contains(place) {
                self.passed(leaf, run, passed, from: &place, source: source)
            } else {
                if !lost.contains(place) {
                    exclude(leaf.leaf, run.trades[place].header, source: source)
                }
                place += 1
            }
        }
    }

    /// Adds the trades that reach the leaf, from `place` up to the next one that does not. A leaf
    /// with windows of time takes them in one call, which is fast; other leaves take one trade.
    private mutating func passed(
        _ leaf: LeafInput, _ run: TradeRun, _ passed: TickPlaces, from place: inout Int,
        source: Int
    ) {
        guard leaf.weight == .asItIs, plans[leaf.leaf].maker == .time else {
            trade(leaf, run.trades[place], source: source, ordinal: run.ordinals[place])
            place += 1
            return
        }
        var next = place
        time[plans[leaf.leaf].slot].trades(source: source, tables) {
            guard next < run.trades.count, passed.contains(next) else { return nil }
            defer { next &+= 1 }
            return (run.trades[next], run.ordinals[next])
        }
        place = next
    }

    /// Adds a trade to a leaf.
    @inline(__always)
    mutating func trade(_ leaf: LeafInput, _ trade: Trade, source: Int, ordinal: UInt64) {
        guard leaf.weight == .asItIs else {
            return weighOne(leaf.leaf, trade, source: source, ordinal: ordinal)
        }
        put(leaf.leaf, trade, source: source, ordinal: ordinal)
    }

    @inline(__always)
    private mutating func put(_ leaf: Int, _ trade: Trade, source: Int, ordinal: UInt64) {
        let slot = plans[leaf].slot
        switch plans[leaf].maker {
        case .time: time[slot].trade(trade, source: source, ordinal: ordinal, tables)
        case .number: number[slot].trade(trade, source: source, ordinal: ordinal, tables)
        case .inactivity: inactivity[slot].trade(trade, source: source, ordinal: ordinal, tables)
        }
    }

    /// Adds a quote to a leaf. With weight one, the number of the quote that the leaf uses becomes
    /// the price of a trade.
    @inline(__always)
    mutating func quote(_ leaf: LeafInput, _ quote: Quote, source: Int, ordinal: UInt64) {
        guard leaf.weight == .asItIs else {
            let value = Trade(
                header: quote.header, price: quote.price(of: plans[leaf.leaf].field), size: .one)
            return put(leaf.leaf, value, source: source, ordinal: ordinal)
        }
        let slot = plans[leaf.leaf].slot
        switch plans[leaf.leaf].maker {
        case .time: time[slot].quote(quote, source: source, ordinal: ordinal, tables)
        case .number: number[slot].quote(quote, source: source, ordinal: ordinal, tables)
        case .inactivity: inactivity[slot].quote(quote, source: source, ordinal: ordinal, tables)
        }
    }

    /// Adds a trade with weight one. The rule for odd lots is applied here, because the machine
    /// does not see the trade's size.
    private mutating func weighOne(_ leaf: Int, _ trade: Trade, source: Int, ordinal: UInt64) {
        if trade.size.isDefined, trade.size.raw >= 0 {
            switch plans[leaf].oddLots {
            case .exclude(let below) where below.isAbove(trade, tables.symbols),
                .volumeOnly(let below) where below.isAbove(trade, tables.symbols):
                return exclude(leaf, trade.header, source: source)
            default: break
            }
        }
        var weighed = trade
        // A trade without a size stays without one: the machine counts it as undefined.
        if trade.size.isDefined, trade.size.raw >= 0 { weighed.size = .one }
        put(leaf, weighed, source: source, ordinal: ordinal)
    }

    /// Counts a tick that a stage kept back in the leaf's windows.
    mutating func exclude(_ leaf: Int, _ header: TickHeader, source: Int) {
        let slot = plans[leaf].slot
        switch plans[leaf].maker {
        case .time: time[slot].exclude(header, source: source, tables)
        case .number: number[slot].exclude(header, source: source, tables)
        case .inactivity: inactivity[slot].exclude(header, source: source, tables)
        }
    }
}

extension Quantity {
    /// The size one, in units of 1e-8.
    fileprivate static var one: Quantity { Quantity(raw: 100_000_000) }
}
