package import EngineKit
internal import IBProtocol
internal import MarketModel
package import Primitives

// Trades and bars of answers.
extension IBHistoryService {
    /// How long before midnight the trading of a day may begin: the evening before.
    private static let evening: Int64 = 8 * 3_600
    /// The number by which the second of a trade is multiplied in its id.
    package static let idsPerSecond: UInt64 = 1_000_000

    // MARK: trades

    func takeTrades(
        _ found: HistoryTrades, _ answer: IBHistoryAnswer, into feed: inout Feed, _ now: Moment
    ) -> String? {
        guard !found.isEmpty else {
            gotNothing(&feed)
            return nil
        }
        let isInLots = answer.sizesAreLots && feed.place.contract.isStockInLots
        var items: [HistoryItem] = []
        items.reserveCapacity(found.ticks.count)
        var (second, number) = (Int64.min, UInt64(0))
        for tick in found.ticks {
            // Those that are left out have numbers, too, so these stay when the wishes change.
            let own = WholeSecond.floor(tick.time)
            (second, number) = own == second ? (second, number + 1) : (own, 1)
            if tick.attributes.contains(.unreported), !feed.place.wantsUnreported { continue }
            let id = UInt64(clamping: second) &* Self.idsPerSecond &+ number
            items.append(item(tick, id, isInLots, of: feed.instrument, now))
        }
        let isLast = found.upTo >= WholeSecond.ceiling(feed.range.upperBound)
        if let problem = feed.takeInOrder(items, isLast: isLast) { return problem }
        feed.place.gotTrades(until: found.upTo)
        if found.isCut {
            feed.place.lose(
                from: found.upTo - 1, "the second has more trades than history gives at a time")
        }
        feed.place.next = found.upTo
        if isLast { noteLack(&feed) }
        return nil
    }

    private func item(
        _ tick: TradeTick, _ id: UInt64, _ isInLots: Bool, of instrument: UInt32, _ now: Moment
    ) -> HistoryItem {
        guard tick.price.isDefined, tick.size.isDefined else {
            return HistoryItem(
                time: tick.time, id: id, .misfit("a price or size that the tape cannot hold"))
        }
        var trade = tick.trade(symbol: instrument, receivedAt: now.wall)
        if isInLots { trade.size = trade.size.inLots }
        trade.header.providerID = id
        return HistoryItem(time: tick.time, id: id, .record(.tape(.trade(trade))))
    }

    /// The broker has nothing from the next second on, or says so. It is asked once more. Then the
    /// load goes on with the next time at which bars say that there was trading.
    func gotNothing(_ feed: inout Feed) {
        feed.place.emptyAnswers += 1
        guard feed.place.emptyAnswers > 1 else { return }
        feed.place.emptyAnswers = 0
        let isOfDays = Self.calendarLength(Self.seconds(of: feed)) == .day
        let length: Int64 = isOfDays ? 86_400 : 60
        let end = WholeSecond.ceiling(feed.range.upperBound)
        for traded in feed.place.calendar
        where traded + length > feed.place.next && traded < end {
            // Trading of a day may begin in the evening before.
            let early = isOfDays ? traded - Self.evening : traded
            if let next = [early, traded].first(where: { $0 > feed.place.next }) {
                feed.place.next = next
                return
            }
            // It was asked for from here on, and has nothing more.
            guard feed.place.lastSecond < early, feed.place.lastLost < traded else { continue }
            feed.place.lastLost = traded
            feed.place.lose(
                from: feed.place.next, "bars show trading, and history has no trades of it")
            if feed.place.lossesInRow >= Place.lossesInRowMax { break }
        }
        finish(&feed)
    }

    /// Nothing follows what has come.
    private func finish(_ feed: inout Feed) {
        // Without anything, nothing can be in no order.
        _ = feed.takeInOrder([], isLast: true)
        noteLack(&feed)
    }

    /// What is missing at the end of the range is on record, too.
    private func noteLack(_ feed: inout Feed) {
        guard let loss = feed.place.openLoss else { return }
        // What has come may not be handed out yet, and is not older than this.
        if feed.last == nil { feed.last = (0, feed.from) }
        feed.lacksEnd(loss.detail)
    }

    private static func seconds(of feed: Feed) -> Range<Int64> {
        WholeSecond.floor(feed.range.lowerBound)..<WholeSecond.ceiling(feed.range.upperBound)
    }

    package func missing(
        before item: HistoryItem, after last: LastOfHistory, of feed: Feed
    ) -> (from: Timestamp, detail: String)? {
        guard !feed.place.losses.isEmpty else { return nil }
        let until = WholeSecond.floor(item.time)
        let first = WholeSecond.floor(last.time)
        guard let loss = feed.place.losses.first(where: { $0.from >= first && $0.from < until })
        else { return nil }
        return (WholeSecond.start(loss.from), loss.detail)
    }

    // MARK: bars

    /// The second before which the bars of the next request begin.
    func until(_ feed: Feed) -> Int64 {
        let next = feed.place.next
        let end = WholeSecond.ceiling(feed.range.upperBound)
        return max(next, min(end, next + length.secondsPerRequest))
    }

    func takeBars(
        _ found: [HistoricalBar], _ answer: IBHistoryAnswer, into feed: inout Feed, _ now: Moment
    ) -> String? {
        let end = WholeSecond.ceiling(feed.range.upperBound)
        let until = until(feed)
        let daily = DailyBars(
            number: feed.instrument, zone: feed.place.zone, kind: feed.place.contract.kind.barKind,
            isInLots: answer.sizesAreLots && feed.place.contract.isStockInLots)
        var records = found.compactMap { daily.record($0, now.wall) }
            .sorted { $0.openTime < $1.openTime }
        if length != .day { setEnds(&records) }
        let border = WholeSecond.start(until)
        let reached = feed.next
        let items = records.compactMap { bar -> HistoryItem? in
            // What is not over at the end of a request is a part of a bar. The next request
            // overlaps, so it comes again.
            guard bar.openTime >= feed.range.lowerBound, bar.closeTime <= border,
                bar.closeTime >= reached
            else { return nil }
            return item(bar, of: feed)
        }
        if let problem = feed.takeInOrder(items, isLast: until >= end) { return problem }
        feed.place.next = max(feed.place.next + 1, until - length.seconds)
        return nil
    }

    /// Bars within a day end after their length, or where the next one begins.
    private func setEnds(_ bars: inout [ProviderBar]) {
        for place in bars.indices {
            let close = bars[place].openTime.advanced(byNanoseconds: length.seconds * 1_000_000_000)
            let next = place + 1 < bars.count ? bars[place + 1].openTime : close
            bars[place].closeTime = min(close, next)
            bars[place].flags = []
        }
    }

    private func item(_ bar: ProviderBar, of feed: Feed) -> HistoryItem {
        var bar = bar
        let number = WholeSecond.floor(bar.openTime) / length.seconds
        bar.header.flags = []
        bar.header.providerTime = bar.closeTime
        let resolution: TimeResolution = length == .day ? .day : .second
        bar.header.resolution = resolution.rawValue
        bar.header.providerID = UInt64(clamping: number)
        let isWhole = [bar.open, bar.high, bar.low, bar.close].allSatisfy(\.isDefined)
        return HistoryItem(
            time: bar.closeTime, start: bar.openTime, id: bar.header.providerID,
            isWhole
                ? .record(.tape(.providerBar(bar))) : .misfit("a price that the tape cannot hold"))
    }
}
