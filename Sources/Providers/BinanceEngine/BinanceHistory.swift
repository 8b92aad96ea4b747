package import EngineKit
package import MarketModel
package import Primitives

/// A load of the exchange's past.
package typealias BinanceHistory = HistoryMachine<BinanceHistoryService>

/// How the exchange is asked for its past, and what its answers say. Trades are asked for by their
/// ids, which follow each other, and bars by their times.
package struct BinanceHistoryService: HistoryService {
    /// Where a symbol is.
    package struct Place: Sendable {
        /// Whether the id of the first trade, or the bar before the range, is not known.
        var isLookingUp: Bool
        /// The id that is asked for next. Bars are asked for by their times.
        var next: UInt64
        /// Answers without any in a row.
        var emptyAnswers = 0
    }

    package typealias Request = BinancePastRequest
    package typealias Answer = [UInt8]

    private static let noTrades = "the answer is no list of trades"
    /// What is said of the time before a bar that does not follow the last one.
    private static let missingBars = "bars before this time did not come"

    /// The length of bars, for instruments with them.
    private let bars: BarLength

    package init(bars: BarLength = .minute) { self.bars = bars }

    package var limits: RequestLimits { BinanceLimits.requests }

    /// The exchange's symbol of an instrument.
    package static func exchangeSymbol(of instrument: Instrument) -> String {
        BinanceEngine.name(of: instrument)
    }

    package func name(of instrument: Instrument) -> String { Self.exchangeSymbol(of: instrument) }

    package func place(of instrument: Instrument, after last: LastOfHistory?) -> Place {
        Place(isLookingUp: last == nil, next: last.map { $0.id &+ 1 } ?? 0)
    }

    package func request(_ number: UInt64, for feed: Feed) -> BinancePastRequest {
        let (isLookUp, from) = (feed.place.isLookingUp, feed.range.lowerBound)
        if feed.isOfBars {
            // The one before the range shows whether the first ones of it are missing.
            return .bars(
                number, feed.name, bars, isLookUp ? .before(from) : .from(feed.last?.time ?? from),
                count: isLookUp ? 1 : BinanceLimits.rowsMax)
        }
        return isLookUp
            ? .firstTrade(number, feed.name, at: feed.from)
            : .trades(number, feed.name, from: feed.place.next, count: BinanceLimits.rowsMax)
    }

    package func missing(
        before item: HistoryItem, after last: LastOfHistory, of feed: Feed
    ) -> (from: Timestamp, detail: String)? {
        if feed.isOfBars {
            return item.start > last.time ? (last.time, Self.missingBars) : nil
        }
        guard item.id > last.id, item.id - last.id > 1 else { return nil }
        return (last.time, DenseHoles.missing(last.id + 1, item.id - 1))
    }

    // MARK: answers

    package func take(_ answer: [UInt8], into feed: inout Feed, _ now: Moment) -> String? {
        if feed.isOfBars { return takeBars(answer, into: &feed, now) }
        return feed.place.isLookingUp
            ? takeFirst(answer, into: &feed) : takeTrades(answer, into: &feed, now)
    }

    private func takeFirst(_ bytes: [UInt8], into feed: inout Feed) -> String? {
        guard let ids = BinancePage.firstIDs(bytes) else { return Self.noTrades }
        guard let id = ids.first else {
            gotNothing(&feed)
            return nil
        }
        feed.place = Place(isLookingUp: false, next: id)
        // What the first page lacks is missing, too.
        if id > 0 { feed.last = (id - 1, feed.from) }
        return nil
    }

    /// The exchange has nothing more. It is asked once again: only a trade or a bar of after the
    /// range proves that nothing is missing.
    private func gotNothing(_ feed: inout Feed) {
        feed.place.emptyAnswers += 1
        if feed.place.emptyAnswers > 1 { feed.end() }
    }

    private func takeTrades(_ bytes: [UInt8], into feed: inout Feed, _ now: Moment) -> String? {
        guard let trades = BinancePage.trades(bytes, feed: 0, received: now.wall) else {
            return Self.noTrades
        }
        guard !trades.isEmpty else {
            gotNothing(&feed)
            return nil
        }
        let next = feed.place.next
        let fresh = trades.drop { $0.id < next }
        guard let last = fresh.last?.id, last < UInt64.max else {
            return "the exchange does not have trade id \(next)"
        }
        guard zip(fresh, fresh.dropFirst()).allSatisfy({ $0.id < $1.id }) else {
            return "the trades of the answer are in no order"
        }
        feed.place.emptyAnswers = 0
        feed.take(fresh.map { item($0, of: feed.instrument) })
        feed.place.next = last + 1
        return nil
    }

    private func item(_ trade: DenseTrade, of instrument: UInt32) -> HistoryItem {
        var trade = trade
        // On the tape, the id 0 says that there is none.
        if trade.misfit.isEmpty, trade.id == 0 { trade.misfit = "its id is 0" }
        return HistoryItem(
            time: trade.time, id: trade.id,
            trade.misfit.isEmpty ? .record(trade.record(of: instrument)) : .misfit(trade.misfitText)
        )
    }

    private func takeBars(_ bytes: [UInt8], into feed: inout Feed, _ now: Moment) -> String? {
        guard let bars = BinancePage.bars(bytes, received: now.wall) else {
            return "the answer is no list of bars"
        }
        let from = feed.range.lowerBound
        guard !feed.place.isLookingUp else {
            guard bars.allSatisfy({ $0.bar.openTime < from }) else {
                return "the answer has bars of another time"
            }
            feed.place.isLookingUp = false
            // Before the first bar that a symbol ever had, none is missing.
            feed.last = bars.last.map { (0, max($0.bar.closeTime, from)) }
            return nil
        }
        guard !bars.isEmpty else {
            gotNothing(&feed)
            return nil
        }
        let next = feed.last?.time ?? from
        guard bars.allSatisfy({ $0.bar.openTime >= next }),
            zip(bars, bars.dropFirst()).allSatisfy({ $0.bar.closeTime <= $1.bar.openTime })
        else { return "the bars of the answer are in no order" }
        feed.place.emptyAnswers = 0
        feed.take(bars.map { item($0, of: feed.instrument) }, missing: Self.missingBars)
        return nil
    }

    /// Bars have no ids, so they get the number of their window since 1970.
    private func item(_ row: BinancePage.Bar, of instrument: UInt32) -> HistoryItem {
        var bar = row.bar
        bar.header.symbol = instrument
        bar.header.providerID = UInt64(clamping: bar.openTime.nanoseconds / bars.nanoseconds)
        return HistoryItem(
            time: bar.closeTime, start: bar.openTime, id: bar.header.providerID,
            row.misfit.isEmpty ? .record(.tape(.providerBar(bar))) : .misfit(row.misfit))
    }
}

/// A request for the past, or for something else beside the streams.
package struct BinancePastRequest: HistoryRequest, Hashable {
    package let number: UInt64
    /// How long the next request waits after it, by what it costs.
    package let interval: Int64
    /// The endpoint and its query, encoded.
    package let target: String

    /// Which bars are asked for.
    package enum Part: Hashable, Sendable {
        /// The first ones that begin at a time or after it.
        case from(Timestamp)
        /// The last one that begins before a time.
        case before(Timestamp)
    }

    private init(_ number: UInt64, points: Int64, _ endpoint: String, _ query: [(String, String)]) {
        self.number = number
        interval = points * BinanceLimits.pointInterval
        let pairs = query.map { "\($0)=\($1.percentEncoded())" }
        target = "\(endpoint)?\(pairs.joined(separator: "&"))"
    }

    /// Trades of a symbol from an id on.
    package static func trades(
        _ number: UInt64, _ symbol: String, from id: UInt64, count: Int
    ) -> Self {
        Self(
            number, points: BinanceLimits.fetchPoints, "historicalTrades",
            [("symbol", symbol), ("fromId", "\(id)"), ("limit", "\(count)")])
    }

    /// The latest trade of a symbol.
    package static func latest(_ number: UInt64, _ symbol: String) -> Self {
        Self(
            number, points: BinanceLimits.fetchPoints, "historicalTrades",
            [("symbol", symbol), ("limit", "1")])
    }

    /// The first trade of a symbol at a time or after it.
    package static func firstTrade(_ number: UInt64, _ symbol: String, at time: Timestamp) -> Self {
        Self(
            number, points: BinanceLimits.lookUpPoints, "aggTrades",
            [("symbol", symbol), ("startTime", "\(time.millisecondsUp)"), ("limit", "1")])
    }

    package static func bars(
        _ number: UInt64, _ symbol: String, _ length: BarLength, _ part: Part, count: Int
    ) -> Self {
        let time =
            switch part {
            case .from(let time): ("startTime", "\(time.millisecondsUp)")
            // The exchange includes this moment.
            case .before(let time): ("endTime", "\(time.millisecondsUp - 1)")
            }
        return Self(
            number, points: BinanceLimits.barPoints, "klines",
            [("symbol", symbol), ("interval", length.rawValue), time, ("limit", "\(count)")])
    }

    /// Which of some symbols the exchange has, and what it says of them.
    static func symbols(_ number: UInt64, _ symbols: [String]) -> Self {
        let list = symbols.map { "\"\($0)\"" }.joined(separator: ",")
        return Self(
            number, points: BinanceLimits.fetchPoints, "exchangeInfo", [("symbols", "[\(list)]")])
    }

    /// The same as a wish of an engine.
    package func fetch(of symbol: String) -> StreamFetch {
        StreamFetch(number: number, target: target, symbol: symbol)
    }
}

extension Timestamp {
    /// The first millisecond that is not before this time, as the exchange counts.
    fileprivate var millisecondsUp: Int64 {
        nanoseconds / 1_000_000 + (nanoseconds % 1_000_000 > 0 ? 1 : 0)
    }
}

/// Reads the exchange's answers about its past.
package enum BinancePage {
    /// A bar, and why it does not fit the tape; empty: it does.
    package typealias Bar = (bar: ProviderBar, misfit: String)

    /// Returns the trades of a list; `nil`: it is none.
    package static func trades(
        _ bytes: [UInt8], feed: Int, received: Timestamp
    ) -> [DenseTrade]? {
        guard let list = JSONValue.parsed(bytes)?.array else { return nil }
        var trades: [DenseTrade] = []
        for item in list.prefix(BinanceLimits.rowsMax) {
            guard let id = item["id"]?.uint64, let price = item["price"]?.string,
                let size = item["qty"]?.string, let stamp = item["time"]?.uint64,
                let time = BinanceReader.time(stamp)
            else { return nil }
            var trade = DenseTrade(feed: feed, BinanceReader.trade(id, time, received))
            do throws(FixedPoint.ParseError) {
                trade.trade.price = try self.price(price)
                trade.trade.size = Quantity(
                    raw: try FixedPoint.parse(size, decimals: Quantity.decimals))
            } catch {
                guard error != .notANumber else { return nil }
                let most = FixedPoint.textBytesMax
                trade.misfit = "price \(price.prefix(most)), size \(size.prefix(most))"
            }
            trades.append(trade)
        }
        return trades
    }

    /// Returns the first ids in a list of aggregates, each of which says which trades it is made
    /// of; `nil`: it is no such list.
    package static func firstIDs(_ bytes: [UInt8]) -> [UInt64]? {
        guard let list = JSONValue.parsed(bytes)?.array else { return nil }
        let ids = list.prefix(1).compactMap { $0["f"]?.uint64 }
        return ids.isEmpty && !list.isEmpty ? nil : ids
    }

    /// Returns the bars of a list, oldest first; `nil`: it is none. A bar in it is a list: its
    /// first moment, open, high, low, close, volume, its last moment, and the number of trades at
    /// the ninth place.
    package static func bars(_ bytes: [UInt8], received: Timestamp = .undefined) -> [Bar]? {
        guard let rows = JSONValue.parsed(bytes)?.array else { return nil }
        var bars: [Bar] = []
        for row in rows.prefix(BinanceLimits.rowsMax) {
            guard let values = row.array, values.count > 8, let first = values[0].uint64,
                let last = values[6].uint64, let count = values[8].uint64,
                let bar = BinanceReader.bar(from: first, through: last, trades: count, received)
            else { return nil }
            let texts = values[1...5].compactMap(\.string)
            guard texts.count == 5, let read = numbers(texts, of: bar) else { return nil }
            bars.append(read)
        }
        return bars
    }

    /// Returns a bar with its prices and its volume; `nil`: they are no numbers.
    private static func numbers(_ texts: [String], of bar: ProviderBar) -> Bar? {
        var bar = bar
        do throws(FixedPoint.ParseError) {
            bar.open = try price(texts[0])
            bar.high = try price(texts[1])
            bar.low = try price(texts[2])
            bar.close = try price(texts[3])
            // One byte more than the longest number, so that a longer one is refused.
            let bytes = Array(texts[4].utf8.prefix(FixedPoint.textBytesMax + 1))
            bar.volume = try bytes.withRawSpan { span throws(FixedPoint.ParseError) in
                try FixedPoint.parseWide(span, decimals: Quantity.decimals)
            }
            return (bar, "")
        } catch {
            let high = String(texts[1].prefix(FixedPoint.textBytesMax))
            return error == .notANumber
                ? nil : (bar, BinanceReader.misfit(BinanceReader.barName, at: high))
        }
    }

    private static func price(_ text: String) throws(FixedPoint.ParseError) -> Price {
        Price(raw: try FixedPoint.parse(text, decimals: Price.decimals))
    }
}
