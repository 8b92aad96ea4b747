package import EngineKit
package import MarketModel
package import Primitives

/// A load of Alpaca's past.
package typealias AlpacaHistory = HistoryMachine<AlpacaHistoryService>

/// How Alpaca is asked for its past, and what its answers say. A symbol is asked for page by page.
/// Ids name a trade, and prove nothing.
package struct AlpacaHistoryService: PagedHistory {
    /// Where a symbol is.
    package struct Place: PagePlace {
        package var next = ""
        package var emptyPages = 0
        /// The first time of the request that the token continues.
        var from = Timestamp.undefined
        /// The last trade of a page, if it was corrected: the corrected one may begin the next
        /// page.
        var wrong: AlpacaPage.PastTrade?

        package init() {}
    }

    package typealias Request = AlpacaPastRequest
    package typealias Answer = [UInt8]

    /// `nil`: the feed has no past.
    private let feed: AlpacaPastFeed?
    package let bars: BarLength
    /// Whether the account gets the last quarter of an hour of all exchanges.
    private let isDelayed: Bool

    /// `isDelayed`: only what is older than a quarter of an hour is asked for.
    package init(_ feed: AlpacaPastFeed?, bars: BarLength, isDelayed: Bool = false) {
        self.feed = feed
        self.bars = bars
        self.isDelayed = isDelayed
    }

    package var limits: RequestLimits {
        var limits = RequestLimits(
            service: "Alpaca", failedWait: 1_000_000_000, limitedWait: 20_000_000_000)
        limits.unit = AlpacaPastLimits.requestInterval
        return limits
    }

    package var leastAge: Int64 {
        isDelayed ? AlpacaPastLimits.sipAge : HistoryLimits.leastAge
    }

    package func name(of instrument: Instrument) -> String { AlpacaEngine.name(of: instrument) }

    package func problem(of instrument: Instrument) -> String? {
        guard let feed else {
            return "the feed 'test' has no past: set ALPACA_HISTORY_FEED to iex, sip or crypto"
        }
        let isCoin = instrument.contract.security == .crypto
        if (feed == .crypto) != isCoin {
            return isCoin
                ? "a coin is in the past of ALPACA_HISTORY_FEED=crypto alone"
                : "the past of ALPACA_HISTORY_FEED=crypto has coins alone (security: crypto)"
        }
        guard isCoin || instrument.contract.security == .stock else {
            return "only stocks and coins have a past here"
        }
        return AlpacaEngine.problem(ofName: name(of: instrument))
    }

    package func request(_ number: UInt64, for feed: Feed) -> AlpacaPastRequest {
        request(
            number, of: feed.name, feed.isOfBars ? .bars(bars) : .trades,
            (from(feed), feed.range.upperBound),
            page: (feed.rows(max: AlpacaPastLimits.rowsMax), feed.place.next))
    }

    private func from(_ feed: Feed) -> Timestamp {
        guard feed.place.next.isEmpty else { return feed.place.from }
        guard feed.isOfBars else { return feed.next }
        // A bar is asked for by its beginning.
        return max(feed.range.lowerBound, feed.next.advanced(byNanoseconds: -bars.nanoseconds))
    }

    /// `to`: what begins there is not wanted. The service includes the last moment that it gets.
    private func request(
        _ number: UInt64, of symbol: String, _ what: AlpacaPastRequest.What,
        _ span: (from: Timestamp, to: Timestamp), page: (rows: Int, token: String)
    ) -> AlpacaPastRequest {
        AlpacaPastRequest(
            number: number, symbol: symbol, what: what, feed: feed ?? .iex, from: span.from,
            to: max(span.from, span.to.advanced(byNanoseconds: -1)), rows: page.rows,
            token: page.token)
    }

    // MARK: answers

    package func page(
        _ bytes: [UInt8], of instrument: UInt32, length: BarLength?, _ now: Timestamp
    ) -> AlpacaPage? {
        AlpacaPage(
            bytes, instrument: instrument, length: length?.nanoseconds,
            isOfCoins: feed == .crypto, now)
    }

    package func items(
        of page: AlpacaPage, _ feed: Feed, _ place: inout Place
    ) -> [HistoryItem] {
        place.from = from(feed)
        var items: [HistoryItem] = []
        items.reserveCapacity(page.rows.count + 1)
        for row in page.rows {
            let before = place.wrong
            place.wrong = nil
            if let before, case .trade(let next) = row, next.corrects(before) {
                items.append(before.item(correctedBy: next.trade))
                continue
            }
            if let before { items.append(before.item()) }
            switch row {
            case .trade(let trade) where trade.update == .incorrect: place.wrong = trade
            case .trade(let trade): items.append(trade.item())
            case .bar(let bar): if let item = item(bar, of: feed) { items.append(item) }
            case .misfit(let time, let text):
                items.append(item(misfit: text, at: time, of: feed))
            }
        }
        if page.next.isEmpty, let last = place.wrong {
            items.append(last.item())
            place.wrong = nil
        }
        return items
    }
}

extension AlpacaPage.PastTrade {
    /// Whether it has the corrected values of another trade.
    fileprivate func corrects(_ other: AlpacaPage.PastTrade) -> Bool {
        update == .corrected && trade.exchange == other.trade.exchange
            && trade.header.providerTime == other.trade.header.providerTime
    }

    /// As the stream would have brought it: the trade, and what became of it.
    fileprivate func item(correctedBy other: Trade? = nil) -> HistoryItem {
        let header = trade.header
        let record = ProviderRecord.tape(.trade(trade))
        var later = other ?? trade
        later.header = header
        let isWrong = update == .incorrect || update == .canceled
        later.header.action = (other == nil ? TradeAction.cancel : .correction).rawValue
        return HistoryItem(
            time: header.providerTime, id: header.providerID,
            isWrong ? .changed(record, .tape(.trade(later))) : .record(record))
    }
}

// What a plan asks.
extension AlpacaHistoryService {
    package func page(ofBars: Bool) -> (rows: Int, interval: Int64) {
        (AlpacaPastLimits.rowsMax, AlpacaPastLimits.requestInterval)
    }

    package func question(
        _ number: UInt64, _ question: HistoryQuestion, of instrument: Instrument,
        in range: Range<Timestamp>
    ) -> AlpacaPastRequest {
        let length = length(of: question)
        let isCounted = question == .minutes || question == .days
        return request(
            number, of: name(of: instrument), length.map { .bars($0) } ?? .trades,
            (
                isCounted
                    ? range.lowerBound.advanced(byNanoseconds: -(length?.nanoseconds ?? 0))
                    : range.lowerBound, range.upperBound
            ), page: (question == .firstTrade ? 1 : AlpacaPastLimits.rowsMax, ""))
    }

    package func counted(_ page: AlpacaPage, length: Int64) -> [HistoryCounts.Row] {
        page.rows.map { row in
            switch row {
            case .trade(let past):
                let time = past.trade.header.providerTime
                return HistoryCounts.Row(from: time, to: time, trades: 1)
            case .bar(let bar):
                let isCounted = bar.trades != ProviderBar.undefinedCount
                return HistoryCounts.Row(
                    from: bar.openTime, to: bar.closeTime,
                    trades: isCounted ? UInt64(clamping: bar.trades) : nil)
            case .misfit(let time, _):
                return HistoryCounts.Row(
                    from: time, to: time.advanced(byNanoseconds: length), trades: nil)
            }
        }
    }
}
