package import EngineKit
package import MarketModel
package import Primitives

/// A load of Alpaca's past.
package typealias AlpacaHistory = HistoryMachine<AlpacaHistoryService>

/// How Alpaca is asked for its past, and what its answers say. A symbol is asked for page by page.
/// Ids name a trade, and prove nothing.
package struct AlpacaHistoryService: HistoryService {
    /// Where a symbol is.
    package struct Place: Sendable {
        /// Of the next page; empty: it is asked for by its time.
        var token = ""
        /// The first time of the request that the token continues.
        var from = Timestamp.undefined
        /// The last trade of a page, if it was corrected: the corrected one may begin the next
        /// page.
        var wrong: AlpacaPage.PastTrade?
        /// Pages in a row that had nothing.
        var emptyPages = 0
    }

    package typealias Request = AlpacaPastRequest
    package typealias Answer = [UInt8]

    /// `nil`: the feed has no past.
    private let feed: AlpacaPastFeed?
    /// The length of bars, for instruments with them.
    private let bars: BarLength
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

    package func place(of instrument: Instrument, after last: LastOfHistory?) -> Place { Place() }

    package func request(_ number: UInt64, for feed: Feed) -> AlpacaPastRequest {
        request(
            number, of: feed.name, feed.isOfBars ? .bars(bars) : .trades,
            (from(feed), feed.range.upperBound),
            page: (feed.rows(max: AlpacaPastLimits.rowsMax), feed.place.token))
    }

    private func from(_ feed: Feed) -> Timestamp {
        guard feed.place.token.isEmpty else { return feed.place.from }
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

    package func take(_ answer: [UInt8], into feed: inout Feed, _ now: Moment) -> String? {
        let length = feed.isOfBars ? bars.nanoseconds : nil
        guard
            let page = AlpacaPage(
                answer, instrument: feed.instrument, length: length,
                isOfCoins: self.feed == .crypto, now.wall)
        else { return feed.isOfBars ? "the answer is no list of bars" : Self.noTrades }
        guard page.token.isEmpty || page.token != feed.place.token else {
            return "a page names itself as the next one"
        }
        let isLast = page.token.isEmpty
        var place = feed.place
        place.from = from(feed)
        let items = items(page.rows, isLast: isLast, of: feed, &place)
        if let problem = feed.takeInOrder(items, isLast: isLast) { return problem }
        place.emptyPages = page.rows.isEmpty ? place.emptyPages + 1 : 0
        place.token = page.token
        feed.place = place
        return place.emptyPages > HistoryLimits.emptyAnswersMax
            ? "\(HistoryLimits.emptyAnswersMax) pages in a row are empty" : nil
    }

    private static let noTrades = "the answer is no list of trades"

    /// A token may be too old: then the page is asked for by its time.
    package func asksOtherwise(for feed: inout Feed) -> Bool {
        guard !feed.place.token.isEmpty else { return false }
        feed.place = Place()
        return true
    }

    private func items(
        _ rows: [AlpacaPage.Row], isLast: Bool, of feed: Feed, _ place: inout Place
    ) -> [HistoryItem] {
        var items: [HistoryItem] = []
        items.reserveCapacity(rows.count + 1)
        for row in rows {
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
            case .bar(let bar):
                // The service may begin with the bar that a time is in.
                if bar.openTime >= feed.range.lowerBound { items.append(item(bar)) }
            case .misfit(let time, let text):
                let end = feed.isOfBars ? time.advanced(byNanoseconds: bars.nanoseconds) : time
                items.append(HistoryItem(time: end, start: time, id: 0, .misfit(text)))
            }
        }
        if isLast, let last = place.wrong {
            items.append(last.item())
            place.wrong = nil
        }
        return items
    }

    /// A bar has no id, so it gets the number of its window since 1970.
    private func item(_ bar: ProviderBar) -> HistoryItem {
        var bar = bar
        bar.header.providerID = UInt64(clamping: bar.openTime.nanoseconds / bars.nanoseconds)
        return HistoryItem(
            time: bar.closeTime, start: bar.openTime, id: bar.header.providerID,
            .record(.tape(.providerBar(bar))))
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

extension AlpacaHistoryService: CountedHistory {
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

    private func length(of question: HistoryQuestion) -> BarLength? {
        switch question {
        case .minutes: .minute
        case .days: .day
        case .bars: bars
        case .firstTrade: nil
        }
    }

    package func counts(_ answer: [UInt8], to question: HistoryQuestion) -> HistoryCounts? {
        let length = length(of: question)?.nanoseconds
        guard
            let page = AlpacaPage(
                answer, instrument: 0, length: length, isOfCoins: feed == .crypto, .undefined)
        else { return nil }
        let rows = page.rows.map { row in
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
                    from: time, to: time.advanced(byNanoseconds: length ?? 0), trades: nil)
            }
        }
        return HistoryCounts(rows: rows, hasMore: !page.token.isEmpty)
    }
}
