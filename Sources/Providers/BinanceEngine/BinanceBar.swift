internal import EngineKit
internal import MarketModel
internal import Primitives

/// A bar of the exchange that is over.
struct BinanceBar: Sendable {
    /// What it is, in messages.
    static let name = "a bar"
    /// What is said of the time before a bar that does not follow the last one.
    static let missing = "bars before this time did not come"

    var feed: Int
    let open: Timestamp
    /// The first time after it, which is its event time.
    let close: Timestamp
    /// Open, high, low and close.
    var prices = (Price.undefined, Price.undefined, Price.undefined, Price.undefined)
    var volume: Int128 = 0
    let trades: Int64
    /// Why it does not fit the tape; empty: it does.
    var misfit = ""

    /// `first` and `last` are the exchange's stamps of the first and the last moment. Returns `nil`
    /// when these are no times, or in no order.
    init?(feed: Int, from first: UInt64, through last: UInt64, trades: UInt64) {
        guard let (open, _) = BinanceReader.time(first),
            let (end, resolution) = BinanceReader.time(last), end >= open,
            let count = Int64(exactly: trades), count < ProviderBar.undefinedCount
        else { return nil }
        self.feed = feed
        self.open = open
        close = end.advanced(byNanoseconds: resolution == .millisecond ? 1_000_000 : 1_000)
        self.trades = count
    }

    /// Takes prices and volume from their texts. Returns false when they are no numbers.
    mutating func take(prices texts: [String], volume text: String) -> Bool {
        guard texts.count == 4 else { return false }
        do throws(FixedPoint.ParseError) {
            var raw = prices
            raw.0 = try Self.price(texts[0])
            raw.1 = try Self.price(texts[1])
            raw.2 = try Self.price(texts[2])
            raw.3 = try Self.price(texts[3])
            prices = raw
            // One byte more than the longest number, so that a longer one is refused.
            let bytes = Array(text.utf8.prefix(FixedPoint.textBytesMax + 1))
            volume = try bytes.withRawSpan { span throws(FixedPoint.ParseError) in
                try FixedPoint.parseWide(span, decimals: Quantity.decimals)
            }
        } catch {
            guard error != .notANumber else { return false }
            let high = String(texts[1].prefix(FixedPoint.textBytesMax))
            misfit = BinanceSideReader.misfit(Self.name, at: high)
        }
        return true
    }

    private static func price(_ text: String) throws(FixedPoint.ParseError) -> Price {
        Price(raw: try FixedPoint.parse(text, decimals: Price.decimals))
    }

    /// `id`: a number of the bar, by which a later process finds it; 0: none.
    func record(of instrument: UInt32, received: Timestamp, id: UInt64 = 0) -> ProviderRecord {
        var record = ProviderBar(
            header: TickHeader(
                symbol: instrument, flags: .conflated,
                resolution: TimeResolution.millisecond.rawValue, providerTime: close,
                receiveTime: received, providerID: id),
            openTime: open, closeTime: close, kind: .trades)
        (record.open, record.high, record.low, record.close) = prices
        record.volume = volume
        record.trades = trades
        return .tape(.providerBar(record))
    }

    /// Reads the exchange's list of bars, oldest first; `nil`: it is none. A bar in it is a list:
    /// its first moment, open, high, low, close, volume, its last moment, and the number of trades
    /// at the ninth place.
    static func list(_ bytes: [UInt8], feed: Int) -> [BinanceBar]? {
        guard let rows = BinancePage.parsed(bytes)?.array else { return nil }
        var bars: [BinanceBar] = []
        for row in rows.prefix(BinanceFetch.countMax) {
            guard let values = row.array, values.count > 8, let first = values[0].uint64,
                let last = values[6].uint64, let count = values[8].uint64,
                let volume = values[5].string,
                var bar = BinanceBar(feed: feed, from: first, through: last, trades: count),
                bar.take(prices: values[1...4].compactMap(\.string), volume: volume)
            else { return nil }
            bars.append(bar)
        }
        return bars
    }
}
