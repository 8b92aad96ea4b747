internal import EngineKit
internal import MarketModel
internal import Primitives

// Messages become records.
extension AlpacaEngine {
    /// Returns whether a feed is wanted, of which something came.
    @inline(__always)
    private mutating func isExpected(
        _ feed: Int, _ now: Moment, into out: inout AlpacaOutput
    ) -> Bool {
        if feeds.list[feed].state == .live, feeds.list[feed].isWanted { return true }
        if feeds.came(feed, now, into: &out.records) { return true }
        skip(.stray, into: &out)
        return false
    }

    mutating func take(
        _ trade: Trade, of feed: Int, _ now: Moment, into out: inout AlpacaOutput
    ) {
        guard isExpected(feed, now, into: &out) else { return }
        var trade = trade
        trade.header.symbol = feeds.list[feed].instrument
        let time = trade.header.providerTime
        counters.trades &+= 1
        if floor.isDefined, time < floor { counters.late &+= 1 }
        note(time, now)
        noteLast(time, of: feed, now)
        out.records.append(.tape(.trade(trade)))
        // The copy of the record waits for all writes before it, and this one is not cached.
        if !settings.feed.isCrypto { times.keep(trade.header.providerID, of: feed, time) }
    }

    mutating func take(
        _ quote: Quote, of feed: Int, _ now: Moment, into out: inout AlpacaOutput
    ) {
        guard isExpected(feed, now, into: &out) else { return }
        var quote = quote
        quote.header.symbol = feeds.list[feed].instrument
        counters.quotes &+= 1
        note(quote.header.providerTime, now)
        noteLast(quote.header.providerTime, of: feed, now)
        out.records.append(.tape(.quote(quote)))
    }

    @inline(__always)
    private mutating func noteLast(_ time: Timestamp, of feed: Int, _ now: Moment) {
        // A wrong time in the future must not misplace later gaps.
        let time = min(time, delayed(now).wall)
        if !feeds.list[feed].last.isDefined || time > feeds.list[feed].last {
            feeds.list[feed].last = time
        }
    }

    mutating func take(
        _ message: AlpacaBeside, _ now: Moment, into out: inout AlpacaOutput
    ) {
        switch message {
        case .none: break
        case .bar(let feed, var bar):
            guard isExpected(feed, now, into: &out) else { return }
            bar.header.symbol = feeds.list[feed].instrument
            counters.bars.all &+= 1
            if bar.flags.contains(.revised) { counters.bars.revised &+= 1 }
            noteLast(bar.closeTime, of: feed, now)
            out.records.append(.tape(.providerBar(bar)))
        case .status(let feed, var value):
            guard isExpected(feed, now, into: &out) else { return }
            value.header.symbol = feeds.list[feed].instrument
            counters.statuses &+= 1
            noteLast(value.header.providerTime, of: feed, now)
            out.records.append(.tape(.indicator(value)))
        case .news(let article):
            for feed in article.feeds where isExpected(feed, now, into: &out) {
                var record = article.record
                record.header.symbol = feeds.list[feed].instrument
                counters.articles &+= 1
                noteLast(record.header.providerTime, of: feed, now)
                out.records.append(.tape(.news(record)))
            }
        case .change(let change): take(change, now, into: &out)
        case .misfit(let feed, let time, let text):
            guard isExpected(feed, now, into: &out) else { return }
            counters.misfits &+= 1
            out.note(.misfit(instrument: feeds.list[feed].instrument, text: text))
            out.records.append(
                feeds.list[feed].gap(
                    (from: time, to: time.advanced(byNanoseconds: 1)), .scale, .abandoned,
                    at: now.wall, detail: text))
        }
    }

    // MARK: changes of trades

    /// A change names its trade by id, exchange and day, and says what it was. Operators want its
    /// event time, too.
    private mutating func take(
        _ change: AlpacaChange, _ now: Moment, into out: inout AlpacaOutput
    ) {
        let feed = change.feed
        guard isExpected(feed, now, into: &out) else { return }
        if change.action == .cancel { counters.cancels &+= 1 } else { counters.corrections &+= 1 }
        let day = TradeNumber.day(of: change.time)
        // A trade of the evening may be changed on the next day.
        let numbers = [day, day - 1].map {
            AlpacaNumber.number(
                exchange: change.exchange, day: $0, id: change.id, content: change.content)
        }
        let originals = numbers.map { renamed[AlpacaTradeKey(feed: feed, number: $0)] ?? $0 }
        var (number, time) = (originals[0], Timestamp?.none)
        for original in originals where time == nil {
            time = times.time(ofOnly: original, of: feed)
            if time != nil { number = original }
        }
        var trade = change.trade
        trade.header.symbol = feeds.list[feed].instrument
        trade.header.providerID = number
        trade.header.providerTime = time ?? change.time
        out.records.append(.tape(.trade(trade)))
        if time == nil { unknown(change, now, into: &out) }
        guard change.action == .correction else { return }
        let next = AlpacaNumber.number(
            exchange: change.exchange, day: day, id: change.newID,
            content: TradeNumber.content(trade.price, trade.size))
        if renamed.count >= AlpacaLimits.renamedMax { renamed.removeAll(keepingCapacity: true) }
        if next != number { renamed[AlpacaTradeKey(feed: feed, number: next)] = number }
    }

    /// The trade is from before this process, or too old: its session is computed again.
    private mutating func unknown(
        _ change: AlpacaChange, _ now: Moment, into out: inout AlpacaOutput
    ) {
        let feed = change.feed
        counters.unknownTrades &+= 1
        out.note(.unknownTrade(instrument: feeds.list[feed].instrument, id: change.id))
        let day = TradeNumber.day(of: change.time)
        let begin = TradeNumber.begin(ofDay: day)
        repairs[feed, default: AlpacaRepair()].add(
            begin, max(change.time, begin).advanced(byNanoseconds: 1))
    }

    mutating func repairIfDue(_ now: Moment, into out: inout AlpacaOutput) {
        for place in repairs.keys.sorted() {
            guard let repair = repairs[place], repair.from.isDefined, now.monotonic >= repair.at
            else { continue }
            repairs[place] = AlpacaRepair(at: now.monotonic + AlpacaLimits.repairInterval)
            guard feeds.list[place].isWanted else { continue }
            counters.repairs &+= 1
            out.records.append(
                .tape(
                    .repair(
                        RepairRequest(
                            header: feeds.list[place].header(at: now.wall), from: repair.from,
                            to: repair.to, reason: .bust, requester: settings.provider,
                            note: "a trade was changed whose time is not known"))))
        }
    }
}
