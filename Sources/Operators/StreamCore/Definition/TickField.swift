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
    // Fields of both.
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
        case .price, .size, .exchange, .conditions: false
        default: true
        }
    }
}
