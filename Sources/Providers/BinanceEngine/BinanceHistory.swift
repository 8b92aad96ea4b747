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

    package typealias Request = BinanceHistoryRequest
    package typealias Answer = [UInt8]

    /// The length of bars, for instruments with them.
    private let bars: BarLength

    package init(bars: BarLength = .minute) { self.bars = bars }

    package var limits: RequestLimits { BinanceLimits.requests }

    /// The exchange's symbol of an instrument.
    package static func exchangeSymbol(of instrument: Instrument) -> String {
        BinanceEngine.name(of: instrument)
    }

    /// Returns the ids of the trades in an answer; `nil`: it is no list of trades.
    package static func ids(onPage bytes: [UInt8]) -> [UInt64]? {
        BinancePage.read(bytes, place: 0, received: .undefined)?.map(\.id)
    }

    package func name(of instrument: Instrument) -> String { Self.exchangeSymbol(of: instrument) }

    package func place(of instrument: Instrument, after last: LastOfHistory?) -> Place {
        Place(isLookingUp: last == nil, next: last.map { $0.id &+ 1 } ?? 0)
    }

    package func request(_ number: UInt64, for feed: Feed) -> BinanceHistoryRequest {
        let isLookUp = feed.place.isLookingUp
        let from = feed.range.lowerBound
        if feed.isOfBars {
            // The one before the range shows whether the first ones of it are missing.
            return .bars(
                BinanceBarFetch(
                    number: number, symbol: feed.name, bars,
                    isLookUp ? .before(from) : .from(feed.last?.time ?? from),
                    count: isLookUp ? 1 : BinanceFetch.countMax))
        }
        return isLookUp
            ? .lookUp(BinanceTimeLookUp(number: number, symbol: feed.name, at: feed.from))
            : .fetch(
                BinanceFetch(
                    number: number, symbol: feed.name, from: feed.place.next,
                    count: BinanceFetch.countMax))
    }

    package func missing(
        before item: HistoryItem, after last: LastOfHistory, of feed: Feed
    ) -> (from: Timestamp, detail: String)? {
        if feed.isOfBars {
            return item.start > last.time ? (last.time, BinanceBar.missing) : nil
        }
        guard item.id > last.id, item.id - last.id > 1 else { return nil }
        return (last.time, BinanceEngine.missing(last.id + 1, item.id - 1))
    }

    // MARK: answers

    package func take(_ answer: [UInt8], into feed: inout Feed, _ now: Moment) -> String? {
        if feed.isOfBars { return takeBars(answer, into: &feed, now) }
        return feed.place.isLookingUp
            ? takeFirst(answer, into: &feed) : takeTrades(answer, into: &feed, now)
    }

    private func takeFirst(_ bytes: [UInt8], into feed: inout Feed) -> String? {
        switch BinanceTimeLookUp.read(bytes) {
        case .unreadable: return "the answer is no list of trades"
        case .none: gotNothing(&feed)
        case .first(let id):
            feed.place = Place(isLookingUp: false, next: id)
            // What the first page lacks is missing, too.
            if id > 0 { feed.last = (id - 1, feed.from) }
        }
        return nil
    }

    /// The exchange has nothing more. It is asked once again: only a trade or a bar of after the
    /// range proves that nothing is missing.
    private func gotNothing(_ feed: inout Feed) {
        feed.place.emptyAnswers += 1
        if feed.place.emptyAnswers > 1 { feed.end() }
    }

    private func takeTrades(
        _ bytes: [UInt8], into feed: inout Feed, _ now: Moment
    ) -> String? {
        guard let trades = BinancePage.read(bytes, place: 0, received: now.wall) else {
            return "the answer is no list of trades"
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

    private func item(_ trade: BinanceTrade, of instrument: UInt32) -> HistoryItem {
        var trade = trade
        // On the tape, the id 0 says that there is none.
        if trade.misfit.isEmpty, trade.id == 0 { trade.misfit = "its id is 0" }
        return HistoryItem(
            time: trade.time, id: trade.id,
            trade.misfit.isEmpty
                ? .record(trade.record(of: instrument)) : .misfit(BinanceEngine.misfit(trade)))
    }

    private func takeBars(
        _ bytes: [UInt8], into feed: inout Feed, _ now: Moment
    ) -> String? {
        guard let bars = BinanceBar.list(bytes, feed: 0) else {
            return "the answer is no list of bars"
        }
        let from = feed.range.lowerBound
        guard !feed.place.isLookingUp else {
            guard bars.allSatisfy({ $0.open < from }) else {
                return "the answer has bars of another time"
            }
            feed.place.isLookingUp = false
            // Before the first bar that a symbol ever had, none is missing.
            feed.last = bars.last.map { (0, max($0.close, from)) }
            return nil
        }
        guard !bars.isEmpty else {
            gotNothing(&feed)
            return nil
        }
        let next = feed.last?.time ?? from
        guard bars.allSatisfy({ $0.open >= next }),
            zip(bars, bars.dropFirst()).allSatisfy({ $0.close <= $1.open })
        else { return "the bars of the answer are in no order" }
        feed.place.emptyAnswers = 0
        feed.take(bars.map { item($0, of: feed.instrument, now) }, missing: BinanceBar.missing)
        return nil
    }

    /// Bars have no ids, so they get the number of their window since 1970.
    private func item(_ bar: BinanceBar, of instrument: UInt32, _ now: Moment) -> HistoryItem {
        let id = UInt64(clamping: bar.open.nanoseconds / bars.nanoseconds)
        return HistoryItem(
            time: bar.close, start: bar.open, id: id,
            bar.misfit.isEmpty
                ? .record(bar.record(of: instrument, received: now.wall, id: id))
                : .misfit(bar.misfit))
    }
}
