internal import Primitives

/// A trade of the simulated market.
struct MassiveTrade: Equatable, Sendable {
    /// The place of its symbol in the market.
    let symbol: Int
    /// It was reported long after it happened.
    let isLate: Bool
    /// It was reported with another one, in the same moment and with the same sequence.
    var isTwin = false
    /// Dense within its symbol, among the late ones or the others. No message has it.
    let number: UInt64
    /// When the venue reports it (`t`), in whole microseconds.
    let reported: Timestamp
    /// When it happened (`pt`). Bars are made by this time.
    let happened: Timestamp
    let exchange: Int
    /// Of the facility that reported it; `nil`: an exchange did.
    let facility: Int?
    /// Distinct only for one symbol, exchange, facility and day.
    let id: UInt64
    let price: Int64
    let size: Int64
    let conditions: [Int]

    /// Rises in the order of the reports of a symbol, and is not dense. It begins anew each day.
    /// Twins have one.
    var sequence: Int64 { MassiveMarket.sequence(at: reported) * 2 + (isLate ? 1 : 0) }
    /// It counts for the volume of a bar only.
    var isVolumeOnly: Bool {
        conditions.contains(MassiveMarket.oddLot) || conditions.contains(MassiveMarket.averagePrice)
    }
}

/// A trade that was cancelled or was an error. Only requests tell it.
struct MassiveBust: Equatable, Sendable {
    let trade: MassiveTrade
    /// 7: it was an error, 8: it was cancelled.
    let correction: Int
    let time: Timestamp
}

struct MassiveQuote: Equatable, Sendable {
    let symbol: Int
    let reported: Timestamp
    let happened: Timestamp
    let bidExchange: Int
    let askExchange: Int
    let bid: Int64
    let ask: Int64
    /// In shares.
    let bidSize: Int64
    let askSize: Int64
    let hasIndicator: Bool

    var sequence: Int64 { MassiveMarket.sequence(at: reported) }
}

/// A bar of a second, of a minute or of a day. The order in which trades are added does not matter.
struct MassiveBar: Equatable, Sendable {
    let symbol: Int
    let start: Timestamp
    private(set) var open: Int64 = 0
    private(set) var high: Int64 = 0
    private(set) var low: Int64 = 0
    private(set) var close: Int64 = 0
    /// In millionths of a share.
    private(set) var volume: Int64 = 0
    private(set) var trades: Int64 = 0
    /// The sum of prices times sizes.
    private(set) var turnover: Int128 = 0
    private var first: Place?
    private var last: Place?

    /// Where a trade is among the trades of a bar.
    private struct Place: Comparable {
        let happened: Timestamp
        let reported: Timestamp
        let isLate: Bool
        var isTwin = false

        static func < (left: Place, right: Place) -> Bool {
            (left.happened, left.reported, left.isLate ? 1 : 0, left.isTwin ? 1 : 0)
                < (right.happened, right.reported, right.isLate ? 1 : 0, right.isTwin ? 1 : 0)
        }
    }

    init(symbol: Int, start: Timestamp) { (self.symbol, self.start) = (symbol, start) }

    /// No trade has set its prices. Nobody gets such a bar.
    var isEmpty: Bool { first == nil }

    mutating func add(_ trade: MassiveTrade) {
        volume += trade.size
        trades += 1
        turnover += Int128(trade.price) * Int128(trade.size)
        guard !trade.isVolumeOnly else { return }
        let place = Place(
            happened: trade.happened, reported: trade.reported, isLate: trade.isLate,
            isTwin: trade.isTwin)
        (high, low) =
            isEmpty
            ? (trade.price, trade.price) : (max(high, trade.price), min(low, trade.price))
        if first.map({ place < $0 }) ?? true { (first, open) = (place, trade.price) }
        if last.map({ $0 < place }) ?? true { (last, close) = (place, trade.price) }
    }

    /// The average price by volume, with two decimals more than a price.
    var average: Int64 { Self.average(turnover, volume) }

    static func average(_ turnover: Int128, _ volume: Int64) -> Int64 {
        Int64(clamping: turnover * 100 / Int128(max(1, volume)))
    }
}

/// What happened to a symbol on a day so far.
struct MassiveTotals: Equatable, Sendable {
    let day: Timestamp
    private(set) var open: Int64?
    private(set) var volume: Int64 = 0
    private(set) var turnover: Int128 = 0

    init(day: Timestamp) { self.day = day }

    mutating func add(_ trade: MassiveTrade) {
        volume += trade.size
        turnover += Int128(trade.price) * Int128(trade.size)
        if open == nil, !trade.isVolumeOnly { open = trade.price }
    }

    var average: Int64 { MassiveBar.average(turnover, volume) }
}

/// What a client can subscribe to.
enum MassiveChannel: String, Sendable {
    case trades = "T"
    case quotes = "Q"
    case seconds = "A"
    case minutes = "AM"
    case limits = "LULD"
    case imbalances = "NOI"
    case fairValues = "FMV"
}

/// What happens in a market, at the time at which the venue reports it.
struct MassiveRecord: Sendable {
    enum What: Sendable {
        case trade(MassiveTrade)
        case quote(MassiveQuote)
        case second(MassiveBar, MassiveTotals)
        case minute(MassiveBar, MassiveTotals)
        case bust(MassiveBust)
    }

    let time: Timestamp
    let what: What

    /// The word that the logs have for it.
    var kind: String {
        switch what {
        case .trade: "trade"
        case .quote: "quote"
        case .second: "second"
        case .minute: "minute"
        case .bust: "bust"
        }
    }

    /// `nil`: no stream has it.
    var channel: MassiveChannel? {
        switch what {
        case .trade: .trades
        case .quote: .quotes
        case .second: .seconds
        case .minute: .minutes
        case .bust: nil
        }
    }

    var symbol: Int {
        switch what {
        case .trade(let trade): trade.symbol
        case .quote(let quote): quote.symbol
        case .second(let bar, _), .minute(let bar, _): bar.symbol
        case .bust(let bust): bust.trade.symbol
        }
    }
}
