public import MarketModel

/// A value of a tick that a rule may use: the key of a deduplicator, or an expression. The raw
/// value is its name in graphs.
public enum TickField: String, CaseIterable, Hashable, Sendable {
    // Fields of trades.
    case price
    case size
    case exchange
    case conditions
    // Fields of quotes.
    case bid
    case ask
    case bidSize = "bid_size"
    case askSize = "ask_size"
    case bidExchange = "bid_exchange"
    case askExchange = "ask_exchange"
    // Fields of books, which have those of quotes but for the exchanges, too.
    case middle
    case microprice
    case imbalance
    // Fields of a provider's bars, whose event time is their end.
    /// The start of its window.
    case start
    /// The length of its window.
    case length
    case open
    case high
    case low
    case close
    case volume
    case vwap
    case count
    // Fields of all.
    /// The provider's number of the tick; 0 when it gives none.
    case id
    /// The event time.
    case time
    case receiveTime = "receive_time"

    public var isText: Bool {
        switch self {
        case .exchange, .conditions, .bidExchange, .askExchange: true
        default: false
        }
    }

    public var isOfTrades: Bool {
        switch self {
        case .price, .size, .exchange, .conditions, .id, .time, .receiveTime: true
        default: false
        }
    }

    public var isOfQuotes: Bool {
        switch self {
        case .bid, .ask, .bidSize, .askSize, .bidExchange, .askExchange, .id, .time, .receiveTime:
            true
        default: false
        }
    }

    public var isOfProviderBars: Bool {
        switch self {
        case .start, .length, .open, .high, .low, .close, .volume, .vwap, .count, .id, .time,
            .receiveTime:
            true
        default: false
        }
    }

    public var isOfBooks: Bool {
        isOfQuotes && !isText || [.middle, .microprice, .imbalance].contains(self)
    }

    /// Whether records of this kind have the field.
    public func isOf(_ kind: DataKind) -> Bool {
        if kind == .depth { return isOfBooks }
        return kind == .quote ? isOfQuotes : kind == .providerBar ? isOfProviderBars : isOfTrades
    }
}
