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

/// The length of the exchange's bars that are asked for.
package enum BinanceBarLength: String, CaseIterable, Sendable {
    case second = "1s"
    case minute = "1m"
    case fiveMinutes = "5m"
    case fifteenMinutes = "15m"
    case hour = "1h"
    case day = "1d"
}

/// The feeds of all streams, by the exchange's symbols.
struct BinanceFeedPlaces: Sendable {
    var trades = BinanceSymbols()
    var quotes = BinanceSymbols()
    var bars = BinanceSymbols()
    /// By the symbols in lower case: messages about books name only the stream.
    var books = BinanceSymbols()

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
        case .quote: quotes.add(stream.symbol, feed: feed)
        case .providerBar: bars.add(stream.symbol, feed: feed)
        case .depth: books.add(stream.symbol.lowercased(), feed: feed)
        case .trade, .any, .optionComputation, .news, .fundamental, .indicator:
            trades.add(stream.symbol, feed: feed)
        }
    }
}

/// The feeds of one kind of stream by the exchange's symbols: looked up by the bytes of a message,
/// without a copy.
struct BinanceSymbols: Sendable {
    /// Indices of `names` by place; -1: free. At most half of them are taken.
    private var places = [Int32](repeating: -1, count: 64)
    private var names: [[UInt8]] = []
    private var feeds: [Int] = []

    /// Adds a name, which is new, of a feed.
    mutating func add(_ name: String, feed: Int) {
        names.append(Array(name.utf8))
        feeds.append(feed)
        if names.count * 2 > places.count {
            places = [Int32](repeating: -1, count: places.count * 2)
            for number in names.indices { put(number) }
        } else {
            put(names.count - 1)
        }
    }

    private mutating func put(_ number: Int) {
        var place = names[number].withRawSpan { Self.hash($0) } & (places.count - 1)
        while places[place] >= 0 { place = (place + 1) & (places.count - 1) }
        places[place] = Int32(number)
    }

    /// Returns the feed of a name.
    func find(_ name: RawSpan) -> Int? {
        var place = Self.hash(name) & (places.count - 1)
        while places[place] >= 0 {
            let number = Int(places[place])
            if isSame(names[number], name) { return feeds[number] }
            place = (place + 1) & (places.count - 1)
        }
        return nil
    }

    func find(_ name: String) -> Int? { Array(name.utf8).withRawSpan { find($0) } }

    private func isSame(_ known: [UInt8], _ name: RawSpan) -> Bool {
        guard known.count == name.byteCount else { return false }
        for place in known.indices where known[place] != name.uint8(at: place) { return false }
        return true
    }

    private static func hash(_ name: RawSpan) -> Int {
        var hash: UInt32 = 2_166_136_261
        for place in 0..<name.byteCount {
            hash = (hash ^ UInt32(name.uint8(at: place))) &* 16_777_619
        }
        return Int(hash ^ hash >> 15)
    }
}
