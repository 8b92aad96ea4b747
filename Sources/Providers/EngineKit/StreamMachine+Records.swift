package import MarketModel
package import Primitives

// Messages become records.
extension StreamMachine {
    /// Returns the link of a connection; `nil`: it has none any more.
    package func link(_ number: UInt32) -> Int? {
        links.firstIndex { $0.number == number && $0.state != .closed }
    }

    /// A frame begins on a link.
    package mutating func beginFrame(_ link: Int) {
        links[link].asking.request?.isHeard = true
        links[link].heard.events = 0
    }

    /// Notes a message of the present frame, and its time (undefined: it has none).
    package mutating func note(_ time: Timestamp, on link: Int) {
        counters.messages &+= 1
        if time.isDefined { links[link].heard.noteLatest(time) }
    }

    /// Returns whether a connection is still there.
    package func isPresent(_ number: UInt32, on link: Int) -> Bool {
        links[link].number == number && links[link].state != .closed
    }

    /// A frame was read to its end.
    package mutating func endFrame(_ link: Int, _ now: Moment, into out: inout Output) {
        links[link].heard.pace.note(links[link].heard.events, now.monotonic)
        feeds.showed(
            links[link].heard.time, lag: links[link].lag?.upperBound ?? 0, on: link, now,
            into: &out.records)
    }

    /// Gives up a connection whose frame cannot be read: nothing says what was in it.
    package mutating func broken(_ link: Int, _ now: Moment, into out: inout Output) {
        counters.broken &+= 1
        giveUp(link, "a frame cannot be read", .failed, now, into: &out)
    }

    /// Counts a message that is left out.
    package mutating func skip(_ reason: StreamSkip, into out: inout Output) {
        counters.skip(reason)
        out.note(.skipped(reason))
    }

    /// Returns whether a feed is wanted, of which something came.
    package mutating func isExpected(
        _ feed: Int, on link: Int? = nil, _ now: Moment, into out: inout Output
    ) -> Bool {
        let link = link ?? feeds.list[feed].channel.link
        if feeds.list[feed].state == .live, feeds.list[feed].isWanted,
            feeds.list[feed].on[link].isConfirmed
        {
            return true
        }
        if feeds.came(feed, on: link, now, into: &out.records) { return true }
        skip(.stray, into: &out)
        return false
    }

    /// Delivers a trade of a feed, whose instrument it gets.
    package mutating func deliver(
        _ trade: Trade, of feed: Int, _ now: Moment, into out: inout Output
    ) {
        var trade = trade
        trade.header.symbol = feeds.list[feed].instrument
        let time = trade.header.providerTime
        counters.trades &+= 1
        if floor.isDefined, time < floor { counters.late &+= 1 }
        let moment = delayed(now)
        feeds.clock.note(time, moment)
        noteLast(time, of: feed, moment)
        feeds.arrived(feed, trade.header.providerID, time)
        out.records.append(.tape(.trade(trade)))
    }

    /// Delivers a quote of a feed, whose instrument it gets.
    package mutating func deliver(
        _ quote: Quote, of feed: Int, _ now: Moment, into out: inout Output
    ) {
        var quote = quote
        quote.header.symbol = feeds.list[feed].instrument
        counters.quotes &+= 1
        let moment = delayed(now)
        feeds.clock.note(quote.header.providerTime, moment)
        noteLast(quote.header.providerTime, of: feed, moment)
        out.records.append(.tape(.quote(quote)))
    }

    /// Delivers a bar of a feed, whose instrument it gets.
    package mutating func deliver(
        _ bar: ProviderBar, of feed: Int, _ now: Moment, into out: inout Output
    ) {
        var bar = bar
        bar.header.symbol = feeds.list[feed].instrument
        counters.bars &+= 1
        if bar.flags.contains(.revised) { counters.revisions &+= 1 }
        deliver(.providerBar(bar), at: bar.closeTime, of: feed, now, into: &out)
    }

    /// Delivers a record that has its instrument already.
    package mutating func deliver(
        _ record: TapeRecord, at time: Timestamp, of feed: Int, _ now: Moment,
        into out: inout Output
    ) {
        noteLast(time, of: feed, delayed(now))
        out.records.append(.tape(record))
    }

    private mutating func noteLast(_ time: Timestamp, of feed: Int, _ moment: Moment) {
        // A wrong time in the future must not misplace later gaps.
        let time = min(time, moment.wall)
        let last = feeds.list[feed].reach.last
        if !last.isDefined || time > last { feeds.list[feed].reach.last = time }
    }

    /// Something of a feed came that the tape cannot hold, or that lacks a field.
    package mutating func misfit(
        _ text: String, at time: Timestamp, of feed: Int, _ now: Moment, into out: inout Output
    ) {
        guard isExpected(feed, now, into: &out) else { return }
        leaveOut(text, at: time, of: feed, now, into: &out)
    }

    /// The same of a feed that is known to be expected.
    package mutating func leaveOut(
        _ text: String, at time: Timestamp, of feed: Int, _ now: Moment, into out: inout Output
    ) {
        counters.misfits &+= 1
        out.note(.trouble(instrument: feeds.list[feed].instrument, text))
        out.records.append(
            feeds.list[feed].gap(
                (from: time, to: time.advanced(byNanoseconds: 1)), .scale, .abandoned,
                at: now.wall, detail: text))
    }
}
