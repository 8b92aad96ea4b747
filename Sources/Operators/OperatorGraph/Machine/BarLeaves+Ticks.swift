internal import MarketModel
internal import Primitives
internal import StreamCore

// How ticks get into one machine.
extension BarLeaves {
    /// Adds trades in order, with the exclusions between them.
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

    /// Adds the trades that passed, up to the next one that did not.
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

    /// Gives a trade to a leaf.
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

    /// Gives a quote to a leaf. With weight one it becomes a trade of the price that the leaf uses.
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

    /// Adds a trade with weight one. Odd lots are judged here by the size, because the machine does
    /// not see it.
    private mutating func weighOne(_ leaf: Int, _ trade: Trade, source: Int, ordinal: UInt64) {
        if trade.size.isDefined, trade.size.raw >= 0 {
            switch plans[leaf].oddLots {
            case .exclude(let below) where trade.size < below,
                .volumeOnly(let below) where trade.size < below:
                return exclude(leaf, trade.header, source: source)
            default: break
            }
        }
        var weighed = trade
        // A trade without a size keeps that: the machine counts it as undefined.
        if trade.size.isDefined, trade.size.raw >= 0 { weighed.size = .one }
        put(leaf, weighed, source: source, ordinal: ordinal)
    }

    /// Counts a tick that an earlier node kept back.
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
    fileprivate static var one: Quantity { Quantity(raw: 100_000_000) }
}
