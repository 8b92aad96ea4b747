package import Primitives
internal import VenueWeb

/// A market that can compute any trade in any order. The seed, the symbol and the id alone
/// determine a trade, and the id follows from the time.
package struct ExchangeMarket: Sendable {
    package let symbols: [ExchangeSymbol]
    package let seed: UInt64
    private let events: SeededEvents
    private let places: [String: Int]

    /// `rate` is in trades per second over all symbols.
    package init(symbols: [ExchangeSymbol], seed: UInt64, rate: Int) {
        precondition(
            (1...ExchangeLimits.symbolsMax).contains(symbols.count),
            "a market has 1 to \(ExchangeLimits.symbolsMax) symbols")
        self.symbols = symbols
        self.seed = seed
        events = SeededEvents(seed: seed, lanes: symbols.count, rate: rate)
        places = Dictionary(
            symbols.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    package func place(of name: String) -> Int? { places[name] }

    /// Returns the id of the last trade at this time; 0: there was none.
    package func lastID(of symbol: Int, at time: Timestamp) -> UInt64 {
        events.last(of: symbol, at: time)
    }

    /// Returns the trade with this id, which is at least 1.
    package func trade(_ symbol: Int, _ id: UInt64) -> ExchangeTrade {
        let what = symbols[symbol]
        let random = events.mixed(symbol, id, salt: 1)
        let level = events.level(symbol, id, around: what.level)
        return ExchangeTrade(
            symbol: symbol, id: id, time: events.time(of: symbol, id),
            price: max(1, level + Int64(random % 3) - 1),
            quantity: 1 + Int64(random >> 8 & 0xffff) % (100 * (1 + Int64(what.quantityDecimals))),
            isBuyerMaker: random >> 40 & 1 == 1)
    }

    /// Returns the trades after one time until another, in the order of time, and of symbols at the
    /// same time.
    func trades(after: Timestamp, until: Timestamp) -> [ExchangeTrade] {
        var trades: [ExchangeTrade] = []
        for symbol in symbols.indices {
            for id in events.numbers(of: symbol, after: after, until: until) {
                trades.append(trade(symbol, id))
            }
        }
        return trades.sorted { ($0.time, $0.symbol) < ($1.time, $1.symbol) }
    }
}
