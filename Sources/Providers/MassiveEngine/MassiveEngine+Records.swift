internal import EngineKit
internal import MarketModel
internal import Primitives

// Messages become records.
extension MassiveEngine {
    /// Returns whether a feed is wanted, of which something came.
    @inline(__always)
    private mutating func isExpected(
        _ feed: Int, _ now: Moment, into out: inout MassiveOutput
    ) -> Bool {
        if feeds.list[feed].state == .live, feeds.list[feed].isWanted { return true }
        if feeds.came(feed, now, into: &out.records) { return true }
        skip(.stray, into: &out)
        return false
    }

    mutating func take(
        _ trade: Trade, of feed: Int, _ now: Moment, into out: inout MassiveOutput
    ) {
        guard isExpected(feed, now, into: &out) else { return }
        var trade = trade
        trade.header.symbol = feeds.list[feed].instrument
        let (time, number) = (trade.header.providerTime, trade.header.providerID)
        if number != 0 {
            guard times.time(of: number, of: feed) != time else {
                return skip(.double, into: &out)
            }
            order(number, of: feed)
        }
        counters.trades &+= 1
        if floor.isDefined, time < floor { counters.late &+= 1 }
        note(time, now)
        noteLast(time, of: feed, now)
        out.records.append(.tape(.trade(trade)))
        if number != 0 { times.keep(number, of: feed, time) }
    }

    mutating func take(
        _ quote: Quote, of feed: Int, _ now: Moment, into out: inout MassiveOutput
    ) {
        guard isExpected(feed, now, into: &out) else { return }
        var quote = quote
        quote.header.symbol = feeds.list[feed].instrument
        let number = quote.header.providerID
        if number != 0 {
            let isSame = MassiveCodes.place(number) == marks[feed] && same(quote, lastQuotes[feed])
            guard !isSame else { return skip(.double, into: &out) }
            order(number, of: feed)
            lastQuotes[feed] = quote
        }
        counters.quotes &+= 1
        note(quote.header.providerTime, now)
        noteLast(quote.header.providerTime, of: feed, now)
        out.records.append(.tape(.quote(quote)))
    }

    /// Whether the service says the same of both.
    @inline(__always)
    private func same(_ one: Quote, _ other: Quote) -> Bool {
        one.header.providerTime == other.header.providerTime && one.bidPrice == other.bidPrice
            && one.bidSize == other.bidSize && one.askPrice == other.askPrice
            && one.askSize == other.askSize
    }

    /// Counts a number that falls.
    @inline(__always)
    private mutating func order(_ number: UInt64, of feed: Int) {
        let place = MassiveCodes.place(number)
        if place >= marks[feed] { marks[feed] = place } else { counters.unordered &+= 1 }
    }

    @inline(__always)
    private mutating func noteLast(_ time: Timestamp, of feed: Int, _ now: Moment) {
        // A wrong time in the future must not misplace later gaps.
        let time = min(time, delayed(now).wall)
        let last = feeds.list[feed].last
        if !last.isDefined || time > last { feeds.list[feed].last = time }
    }

    mutating func take(
        _ message: MassiveBeside, _ now: Moment, into out: inout MassiveOutput
    ) {
        switch message {
        case .none: break
        case .bar(let feed, let bar): take(bar, of: feed, now, into: &out)
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

    /// A bar of a window that has one already replaces it: late trades came. It is flagged, so that
    /// operators take it in, however late it is. So is a first bar behind the watermark, whose
    /// window may be closed.
    private mutating func take(
        _ bar: ProviderBar, of feed: Int, _ now: Moment, into out: inout MassiveOutput
    ) {
        guard isExpected(feed, now, into: &out) else { return }
        var bar = bar
        bar.header.symbol = feeds.list[feed].instrument
        counters.bars &+= 1
        let begin = UInt64(bar.openTime.nanoseconds)
        // After a start it is not known what was sent before; then the time tells.
        let sent = bar.closeTime.advanced(
            byNanoseconds: settings.feed.lag.upperBound + MassiveLimits.barsSentWithin)
        let isBehind = floor.isDefined && bar.closeTime < floor
        if begin <= marks[feed] || isBehind || sent < now.wall {
            counters.revisions &+= 1
            bar.flags.insert(.revised)
        }
        marks[feed] = max(marks[feed], begin)
        noteLast(bar.closeTime, of: feed, now)
        out.records.append(.tape(.providerBar(bar)))
    }
}
