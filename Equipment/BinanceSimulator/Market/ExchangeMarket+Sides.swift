internal import Primitives

/// The best bid and offer after a trade.
struct ExchangeQuote: Equatable, Sendable {
    /// Rises with holes.
    let update: UInt64
    /// In ticks and steps of the symbol.
    let bid: ExchangeRow
    let ask: ExchangeRow
}

/// A row of a book, in ticks and steps of the symbol.
struct ExchangeRow: Equatable, Sendable {
    let price: Int64
    let quantity: Int64
}

/// The best rows of a book after a trade, best first.
struct ExchangeBook: Equatable, Sendable {
    let update: UInt64
    let bids: [ExchangeRow]
    let asks: [ExchangeRow]
}

/// The trades of a symbol in [open, close), in ticks and steps of the symbol.
struct ExchangeBar: Equatable, Sendable {
    let symbol: Int
    /// In milliseconds.
    let open: Int64
    let length: Int64
    /// The ids of its trades; `nil`: it has none.
    let ids: ClosedRange<UInt64>?
    /// Open, high, low and close.
    let prices: [Int64]
    let quantity: Int64

    /// The lengths of bars by their names, in milliseconds.
    static let lengths: [(name: String, length: Int64)] = [
        ("1s", second), ("1m", minute), ("3m", 3 * minute), ("5m", 5 * minute),
        ("15m", 15 * minute), ("30m", 30 * minute), ("1h", hour), ("2h", 2 * hour),
        ("4h", 4 * hour), ("6h", 6 * hour), ("8h", 8 * hour), ("12h", 12 * hour), ("1d", day),
        ("3d", 3 * day), ("1w", 7 * day),
    ]
    private static let second: Int64 = 1_000
    private static let minute = 60 * second
    private static let hour = 60 * minute
    private static let day = 24 * hour

    /// Returns when the bar of a time begins, in milliseconds. Weeks begin on Mondays, and the
    /// first day of 1970 was a Thursday.
    static func open(of time: Int64, length: Int64) -> Int64 {
        let offset = length == 7 * day ? 4 * day : 0
        let since = time - offset
        // Times before the offset are of the bar before.
        let rest = (since % length + length) % length
        return since - rest + offset
    }
}

// What streams show beside trades. The trades determine it.
extension ExchangeMarket {
    /// The rows of each side of a book.
    private static let rows = 20

    func book(_ symbol: Int, after id: UInt64) -> ExchangeBook {
        let middle = trade(symbol, id).price
        func side(_ direction: Int64) -> [ExchangeRow] {
            (0..<Int64(Self.rows)).compactMap { place in
                // Rows are the same for some trades, and some prices have none.
                let price = middle + direction * (place * 2 + 1 + Int64(id / 8 % 2))
                let random = SeededRandom.mixed(seed ^ UInt64(bitPattern: price) ^ id / 32)
                guard price > 0 else { return nil }
                return ExchangeRow(price: price, quantity: 1 + Int64(random % 5_000))
            }
        }
        return ExchangeBook(update: id * 4 + id % 3, bids: side(-1), asks: side(1))
    }

    func quote(_ symbol: Int, after id: UInt64) -> ExchangeQuote {
        let price = trade(symbol, id).price
        let random = SeededRandom.mixed(seed ^ id)
        return ExchangeQuote(
            update: id * 4 + id % 3,
            bid: ExchangeRow(price: max(1, price - 1), quantity: 1 + Int64(random % 9_000)),
            ask: ExchangeRow(price: price + 1, quantity: 1 + Int64(random >> 20 % 9_000)))
    }

    /// Returns the bar that begins at `open`, of the trades until `now`.
    func bar(_ symbol: Int, open: Int64, length: Int64, now: Timestamp) -> ExchangeBar {
        let end = min(Self.time(open + length), now.advanced(byNanoseconds: 1))
        let before = lastID(of: symbol, at: Self.time(open).advanced(byNanoseconds: -1))
        let last = lastID(of: symbol, at: end.advanced(byNanoseconds: -1))
        var prices = [before > 0 ? trade(symbol, before).price : 1]
        guard last > before else {
            prices = [prices[0], prices[0], prices[0], prices[0]]
            return ExchangeBar(
                symbol: symbol, open: open, length: length, ids: nil, prices: prices, quantity: 0)
        }
        let first = trade(symbol, before + 1)
        var (high, low, quantity) = (first.price, first.price, Int64(0))
        let close = trade(symbol, last).price
        // Of a long bar only some trades are looked at, so that a year of days can be answered. The
        // same ones are looked at each time.
        let step = (last - before - 1) / ExchangeLimits.tradesPerBarMax + 1
        for id in stride(from: before + 1, through: last, by: Int(step)) {
            let trade = trade(symbol, id)
            high = max(high, trade.price)
            low = min(low, trade.price)
            quantity += trade.quantity
        }
        return ExchangeBar(
            symbol: symbol, open: open, length: length, ids: before + 1...last,
            prices: [first.price, max(high, close), min(low, close), close], quantity: quantity)
    }

    private static func time(_ milliseconds: Int64) -> Timestamp {
        Timestamp(nanoseconds: milliseconds * 1_000_000)
    }
}
