import MarketModel
import Primitives

/// One sequence of values: those of one instrument and one kind.
///
/// The tape and the values that the simulator reports as sent are compared lane by lane, in order
/// and by content. The content of a value is a text with all its fields: prices and sizes as whole
/// numbers of 1e-9 and 1e-8, and the provider's time where it gave one.
struct BrokerLane: Hashable, CustomStringConvertible {
    enum Kind: String, CaseIterable {
        /// Tick by tick, `Last` or `AllLast`.
        case trades
        /// Prints of level 1: `RTVolume`, or the last price where a contract has none.
        case printed
        /// Tick by tick, `BidAsk`.
        case quotes
        /// Best bid and offer of level 1.
        case topOfBook = "top-of-book"
        case midpoints
        /// All other numbers of level 1.
        case indicators
        case options
        /// Changes of the book of one exchange, and its resets.
        case depth
        case smartDepth = "smart-depth"
        case bars
        case news
        case bulletins
        case fundamentals
    }

    let symbol: String
    let kind: Kind

    var description: String { "\(symbol) \(kind.rawValue)" }

    /// The kind in gap records. `nil` for a document, which is requested again as a whole, and for
    /// a bulletin, which is repeated on every new connection.
    var dataKind: DataKind? {
        switch kind {
        case .trades, .printed: .trade
        case .quotes, .topOfBook: .quote
        case .midpoints, .indicators: .indicator
        case .options: .optionComputation
        case .depth, .smartDepth: .depth
        case .bars: .providerBar
        case .news: .news
        case .bulletins, .fundamentals: nil
        }
    }
}

/// A value of a lane, as the simulator sent it or as it is on the tape.
struct BrokerValue {
    let content: String
    /// When its last byte was handed to the socket, or when the gateway received it.
    let time: Timestamp
    /// The provider's time of the value, as a range with the resolution of the provider's clock;
    /// `nil` when it has no time.
    var event: Range<Int64>?

    /// Whether it is the last trade before a subscription, which is no event.
    var isState: Bool { content.hasSuffix(" state") }

    static func event(second: Int64) -> Range<Int64> {
        second * 1_000_000_000..<(second + 1) * 1_000_000_000
    }
}

/// A print in the form that history also has: without milliseconds and numbers.
struct HistoryPrint: Hashable {
    let symbol: String
    let second: Int64
    let price: Int64
    let size: Int64
}

/// A quote in the form that history also has.
struct BrokerQuote: Hashable {
    let symbol: String
    let second: Int64
    let bid: Int64
    let ask: Int64
    let bidSize: Int64
    let askSize: Int64
}

/// Formats contents, in the same way for both sides.
enum BrokerContent {
    static func trade(_ time: Int64, _ price: Int64, _ size: Int64, _ rest: [String]) -> String {
        "trade \(time) \(price) \(size) \(rest.joined(separator: " "))"
    }

    /// Returns the broker's attributes of a trade, as its mask.
    static func mask(_ flags: TickFlags) -> String {
        String((flags.contains(.pastLimit) ? 1 : 0) + (flags.contains(.unreported) ? 2 : 0))
    }

    static func quote(_ time: Int64, _ bid: Int64, _ ask: Int64, _ sizes: (Int64, Int64)) -> String
    {
        "quote \(time) \(bid) x \(sizes.0) - \(ask) x \(sizes.1)"
    }

    static func number(_ name: String, _ value: Int128) -> String { "\(name) \(value)" }

    static func midpoint(_ time: Int64, _ value: Int128) -> String { "midpoint \(time) \(value)" }

    static func bar(_ open: Int64, _ prices: [Int64], _ volume: Int128, _ trades: Int64) -> String {
        "bar \(open) \(prices) \(volume) \(trades)"
    }

    static func depth(
        _ operation: UInt8, side: UInt8, row: UInt32, _ price: Int64, _ size: Int64, maker: String
    ) -> String {
        "depth \(operation) \(side) \(row) \(price) \(size) \(maker)"
    }

    static func option(_ kind: UInt8, _ basis: UInt8, _ numbers: [Int64]) -> String {
        "option \(kind) \(basis) \(numbers)"
    }

    static func news(_ time: Int64, _ texts: [String]) -> String {
        "news \(time) \(headline(texts))"
    }

    /// Returns the part of a headline that history has, too.
    static func withoutExtra(_ news: String) -> Substring {
        news[..<(news.lastIndex(of: ",") ?? news.endIndex)]
    }

    static func headline(_ texts: [String]) -> String { "\(texts)" }

    static func bulletin(_ id: Int64, _ texts: [String]) -> String { "bulletin \(id) \(texts)" }
}
