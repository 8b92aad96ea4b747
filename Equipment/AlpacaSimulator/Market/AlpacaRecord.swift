internal import Primitives

/// A trade of the simulated market. Prices and sizes are in units of its symbol.
struct AlpacaTrade: Equatable, Sendable {
    /// The place of its symbol in the market.
    let symbol: Int
    /// Dense within the symbol. No message has it.
    let number: UInt64
    /// Small, and distinct only for one symbol, exchange and day.
    let id: UInt64
    let exchange: String
    let time: Timestamp
    /// When the venue reports it: later than `time` for a late trade.
    let published: Timestamp
    let price: Int64
    let size: Int64
    /// The taker bought. Only messages of crypto have it.
    let isBuy: Bool

    var isOfIEX: Bool { exchange == AlpacaMarket.iex }
}

/// What later becomes of a trade.
struct VenueChange: Equatable, Sendable {
    enum Kind: Equatable, Sendable {
        /// It had this price and size, and gets this id.
        case corrected(id: UInt64, price: Int64, size: Int64)
        /// `C`: cancelled, `E`: it was an error.
        case cancelled(action: String)
    }

    let kind: Kind
    /// When the venue reports it.
    let time: Timestamp
}

struct AlpacaQuote: Equatable, Sendable {
    let symbol: Int
    let time: Timestamp
    let bidExchange: String
    let askExchange: String
    let bid: Int64
    let ask: Int64
    let bidSize: Int64
    let askSize: Int64

    var isOfIEX: Bool { bidExchange == AlpacaMarket.iex && askExchange == AlpacaMarket.iex }
}

/// A bar of a minute or of a day.
struct AlpacaBar: Equatable, Sendable {
    let symbol: Int
    let start: Timestamp
    private(set) var open: Int64
    private(set) var high: Int64
    private(set) var low: Int64
    private(set) var close: Int64
    private(set) var volume: Int64
    private(set) var trades: Int64
    /// The sum of prices times sizes.
    private var turnover: Int128

    init(symbol: Int, start: Timestamp, price: Int64, size: Int64) {
        (self.symbol, self.start) = (symbol, start)
        (open, high, low, close) = (price, price, price, price)
        (volume, trades, turnover) = (size, 1, Int128(price) * Int128(size))
    }

    /// The day's bar that begins with a minute's.
    init(day: Timestamp, _ minute: AlpacaBar) {
        symbol = minute.symbol
        start = day
        (open, high, low, close) = (minute.open, minute.high, minute.low, minute.close)
        (volume, trades, turnover) = (minute.volume, minute.trades, minute.turnover)
    }

    mutating func add(price: Int64, size: Int64) {
        add(AlpacaBar(symbol: symbol, start: start, price: price, size: size))
    }

    mutating func add(_ later: AlpacaBar) {
        (high, low, close) = (max(high, later.high), min(low, later.low), later.close)
        volume += later.volume
        trades += later.trades
        turnover += later.turnover
    }

    /// The average price by volume, with two decimals more than a price.
    var average: Int64 { Int64(clamping: turnover * 100 / Int128(max(1, volume))) }
}

/// A halt of one symbol, or its end.
struct AlpacaStatus: Equatable, Sendable {
    let symbol: Int
    let time: Timestamp
    let isHalt: Bool
}

struct AlpacaArticle: Equatable, Sendable {
    let id: UInt64
    let time: Timestamp
    let symbols: [String]
    let headline: String
}

/// Which bar a message is.
enum BarKind: String, Sendable {
    case minute = "b"
    case updated = "u"
    case daily = "d"
}

/// What happens in a market, at the time at which the venue reports it.
struct AlpacaRecord: Sendable {
    enum What: Sendable {
        case trade(AlpacaTrade)
        case correction(AlpacaTrade, VenueChange)
        case cancel(AlpacaTrade, VenueChange)
        case quote(AlpacaQuote)
        case bar(BarKind, AlpacaBar, AlpacaFeed)
        case status(AlpacaStatus)
        case news(AlpacaArticle)
    }

    let time: Timestamp
    let what: What
}

/// Whose trades a client sees.
enum AlpacaFeed: String, Sendable {
    case all = "sip"
    case iex
}
