internal import EngineKit
internal import MarketModel
internal import Primitives

/// One stream of the exchange: a symbol, and what is asked about it.
struct BinanceStreamName: Hashable, Sendable {
    /// The exchange's symbol, in upper case.
    let symbol: String
    /// What the stream's records are: trades, quotes, rows of a book, or bars.
    let kind: DataKind

    /// The kinds that come from here, the first of which speaks for an instrument.
    static let kinds: [DataKind] = [.trade, .quote, .providerBar, .depth]

    /// Its name on the exchange.
    func text(_ bars: BinanceBarLength) -> String {
        let name = symbol.lowercased()
        return switch kind {
        case .quote: "\(name)@bookTicker"
        case .providerBar: "\(name)@kline_\(bars.rawValue)"
        case .depth: "\(name)@depth\(BinanceLimits.bookRows)@100ms"
        case .trade, .any, .optionComputation, .news, .fundamental, .indicator: "\(name)@trade"
        }
    }
}

/// The length of the exchange's bars that are asked for. A month is not among them, because its
/// length differs.
package enum BinanceBarLength: String, CaseIterable, Sendable {
    case second = "1s"
    case minute = "1m"
    case threeMinutes = "3m"
    case fiveMinutes = "5m"
    case fifteenMinutes = "15m"
    case thirtyMinutes = "30m"
    case hour = "1h"
    case twoHours = "2h"
    case fourHours = "4h"
    case sixHours = "6h"
    case eightHours = "8h"
    case twelveHours = "12h"
    case day = "1d"
    case threeDays = "3d"
    case week = "1w"

    package var nanoseconds: Int64 { seconds * 1_000_000_000 }

    private var seconds: Int64 {
        switch self {
        case .second: 1
        case .minute: 60
        case .threeMinutes: 180
        case .fiveMinutes: 300
        case .fifteenMinutes: 900
        case .thirtyMinutes: 1_800
        case .hour: 3_600
        case .twoHours: 7_200
        case .fourHours: 14_400
        case .sixHours: 21_600
        case .eightHours: 28_800
        case .twelveHours: 43_200
        case .day: 86_400
        case .threeDays: 259_200
        case .week: 604_800
        }
    }
}

/// The feeds of all streams, by the exchange's symbols.
struct BinanceFeedPlaces: Sendable {
    var trades = NamePlaces()
    var quotes = NamePlaces()
    var bars = NamePlaces()
    /// By the symbols in lower case: messages about books name only the stream.
    var books = NamePlaces()

    func find(_ stream: BinanceStreamName) -> Int? {
        switch stream.kind {
        case .quote: quotes.find(stream.symbol)
        case .providerBar: bars.find(stream.symbol)
        case .depth: books.find(stream.symbol.lowercased())
        case .trade, .any, .optionComputation, .news, .fundamental, .indicator:
            trades.find(stream.symbol)
        }
    }

    mutating func add(_ stream: BinanceStreamName, feed: Int) {
        switch stream.kind {
        case .quote: quotes.add(stream.symbol, at: feed)
        case .providerBar: bars.add(stream.symbol, at: feed)
        case .depth: books.add(stream.symbol.lowercased(), at: feed)
        case .trade, .any, .optionComputation, .news, .fundamental, .indicator:
            trades.add(stream.symbol, at: feed)
        }
    }
}
