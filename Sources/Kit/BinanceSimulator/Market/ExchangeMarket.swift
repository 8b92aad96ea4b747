package import Primitives

/// A market that can compute any trade in any order. The seed, the symbol and the id alone
/// determine a trade, and the id follows from the time. So no past is stored, and a request for
/// history returns exactly what a client missed, also after the program was started again.
package struct ExchangeMarket: Sendable {
    package let symbols: [ExchangeSymbol]
    package let seed: UInt64
    /// Nanoseconds between two trades of one symbol; `nil`: there are none.
    private let interval: Int64?
    private let places: [String: Int]

    /// The first trades happened at the beginning of 2020.
    private static let origin = Timestamp(nanoseconds: 1_577_836_800_000_000_000)
    /// The lengths of the waves of a price, in trades, and their heights, as parts of the level.
    private static let waves: [(length: UInt64, part: Int64)] = [
        (16_384, 40), (1_024, 200), (64, 2_000),
    ]

    /// `rate` is in trades per second over all symbols.
    package init(symbols: [ExchangeSymbol], seed: UInt64, rate: Int) {
        precondition(
            (1...ExchangeLimits.symbolsMax).contains(symbols.count),
            "a market has 1 to \(ExchangeLimits.symbolsMax) symbols")
        self.symbols = symbols
        self.seed = seed
        interval = rate > 0 ? Int64(symbols.count) * 1_000_000_000 / Int64(rate) : nil
        places = Dictionary(
            symbols.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    package func place(of name: String) -> Int? { places[name] }

    /// Returns the id of the last trade at this time; 0: there was none.
    package func lastID(of symbol: Int, at time: Timestamp) -> UInt64 {
        guard let interval else { return 0 }
        let passed = time.nanoseconds(since: Self.origin) - offset(of: symbol, interval)
        guard passed >= interval else { return 0 }
        let id = UInt64(passed / interval)
        return self.time(of: symbol, id, interval) > time ? id - 1 : id
    }

    /// Returns the trade with this id, which is at least 1.
    package func trade(_ symbol: Int, _ id: UInt64) -> ExchangeTrade {
        let what = symbols[symbol]
        let random = mixed(symbol, id, salt: 1)
        return ExchangeTrade(
            symbol: symbol, id: id, time: time(of: symbol, id, interval ?? 1),
            price: max(1, level(symbol, id) + Int64(random % 3) - 1),
            quantity: 1 + Int64(random >> 8 & 0xffff) % (100 * (1 + Int64(what.quantityDecimals))),
            isBuyerMaker: random >> 40 & 1 == 1)
    }

    /// Returns the trades after one time until another, in the order of time, and of symbols at the
    /// same time.
    func trades(after: Timestamp, until: Timestamp) -> [ExchangeTrade] {
        var trades: [ExchangeTrade] = []
        for symbol in symbols.indices {
            let first = lastID(of: symbol, at: after)
            let last = lastID(of: symbol, at: until)
            guard last > first else { continue }
            for id in first + 1...last { trades.append(trade(symbol, id)) }
        }
        return trades.sorted { ($0.time, $0.symbol) < ($1.time, $1.symbol) }
    }

    // MARK: the numbers

    private func mixed(_ symbol: Int, _ number: UInt64, salt: UInt64) -> UInt64 {
        let own = SeededRandom.mixed(seed ^ UInt64(symbol) << 40 ^ salt << 56)
        return SeededRandom.mixed(own ^ number)
    }

    private func offset(of symbol: Int, _ interval: Int64) -> Int64 {
        interval * Int64(symbol) / Int64(symbols.count)
    }

    /// A trade is at most half an interval late, so times never go back.
    private func time(of symbol: Int, _ id: UInt64, _ interval: Int64) -> Timestamp {
        let late = Int64(mixed(symbol, id, salt: 2) % UInt64(max(1, interval / 2)))
        return Self.origin.advanced(
            byNanoseconds: Int64(clamping: id) * interval + offset(of: symbol, interval) + late)
    }

    private func level(_ symbol: Int, _ id: UInt64) -> Int64 {
        let middle = symbols[symbol].level
        return Self.waves.reduce(middle) { sum, wave in
            let height = max(1, middle / wave.part)
            let (left, place) = id.quotientAndRemainder(dividingBy: wave.length)
            let from = node(symbol, left, wave.length, height)
            let to = node(symbol, left + 1, wave.length, height)
            return sum + from + (to - from) * Int64(place) / Int64(wave.length)
        }
    }

    /// The height of a wave at one of its nodes.
    private func node(_ symbol: Int, _ node: UInt64, _ length: UInt64, _ height: Int64) -> Int64 {
        Int64(mixed(symbol, node, salt: 3 + length) % UInt64(2 * height + 1)) - height
    }
}
