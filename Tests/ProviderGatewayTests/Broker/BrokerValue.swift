import MarketModel
import Primitives

/// One sequence of values: of an instrument, and of one kind.
///
/// What is on the tape and what the simulator says that it sent are compared lane by lane: in
/// order, and by content. The content of a value is a text that has all of it, prices and sizes as
/// whole numbers of 1e-9 and 1e-8, and the provider's time where it gave one.
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

    /// What gap records call it. Nil: a document, which is asked for again as a whole, or a
    /// bulletin, which every new connection is told again.
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

/// A value of a lane, as the simulator sent it or as it stands on the tape.
struct BrokerValue {
    let content: String
    /// When its last byte was given to the socket, or when the gateway received it.
    let time: Timestamp
    /// What it is about, by the provider, with the resolution of its clock; nil: it has no time.
    var event: Range<Int64>?

    /// The last trade before a subscription, and no event.
    var isState: Bool { content.hasSuffix(" state") }

    static func event(second: Int64) -> Range<Int64> {
        second * 1_000_000_000..<(second + 1) * 1_000_000_000
    }
}

/// A print as history tells of it, too: that one has no milliseconds and no numbers.
struct BrokerPrint: Hashable {
    let symbol: String
    let second: Int64
    let price: Int64
    let size: Int64
}

/// A quote as history tells of it, too.
struct BrokerQuote: Hashable {
    let symbol: String
    let second: Int64
    let bid: Int64
    let ask: Int64
    let bidSize: Int64
    let askSize: Int64
}

/// How contents are written, for both sides in the same way.
enum BrokerContent {
    static func trade(_ time: Int64, _ price: Int64, _ size: Int64, _ rest: [String]) -> String {
        "trade \(time) \(price) \(size) \(rest.joined(separator: " "))"
    }

    /// What the broker says of a trade, in its own numbers.
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

    /// What history tells of a headline, too.
    static func withoutExtra(_ news: String) -> Substring {
        news[..<(news.lastIndex(of: ",") ?? news.endIndex)]
    }

    static func headline(_ texts: [String]) -> String { "\(texts)" }

    static func bulletin(_ id: Int64, _ texts: [String]) -> String { "bulletin \(id) \(texts)" }
}
