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
    func text(_ bars: BarLength) -> String {
        let name = symbol.lowercased()
        return switch kind {
        case .quote: "\(name)@bookTicker"
        case .providerBar: "\(name)@kline_\(bars.rawValue)"
        case .depth: "\(name)@depth\(BinanceLimits.bookRows)@100ms"
        case .trade, .any, .optionComputation, .news, .fundamental, .indicator: "\(name)@trade"
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
