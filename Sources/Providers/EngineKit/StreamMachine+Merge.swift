package import MarketModel
internal import Primitives

// The trades of all connections become one stream per feed, in the order of their ids. The next id
// goes out at once, whichever connection brings it. A trade ahead of a missing one waits while
// another connection may still bring what is missing. Their ids say what never came.
extension StreamMachine {
    /// A trade came on a link.
    package mutating func arrived(
        _ trade: DenseTrade, on link: Int, _ now: Moment, into out: inout Output
    ) {
        let feed = trade.feed
        guard isExpected(feed, on: link, now, into: &out) else { return }
        guard trade.id > 0 else { return leaveOutFirst(trade, into: &out) }
        let isLower = trade.id <= feeds.list[feed].on[link].lastID
        if !isLower { feeds.list[feed].on[link].lastID = trade.id }
        counters.links.seen[links[link].renewal.leg] &+= 1
        let last = feeds.list[feed].reach.lastID
        guard trade.id > last else {
            return lower(trade, on: link, isLower: isLower, into: &out)
        }
        guard ids[feed].ahead.isEmpty,
            trade.id == last + 1 || last == 0 || !isAwaited(feed, before: trade.id)
        else {
            hold(trade, on: link, now)
            return release(feed, now, into: &out)
        }
        counters.links.won[links[link].renewal.leg] &+= 1
        take(trade, into: &out)
    }

    /// An update with a rising number came on a link. Returns whether it is new: another connection
    /// may have brought it.
    package mutating func isNew(
        _ number: UInt64, of feed: Int, on link: Int, _ now: Moment, into out: inout Output
    ) -> Bool {
        guard isExpected(feed, on: link, now, into: &out) else { return false }
        // A connection whose numbers go back says that the service began again to count.
        if number < feeds.list[feed].on[link].lastID {
            counters.ids.lower &+= 1
            feeds.list[feed].reach.lastID = 0
        }
        feeds.list[feed].on[link].lastID = number
        guard number > feeds.list[feed].reach.lastID else {
            counters.ids.doubleUpdates &+= 1
            return false
        }
        feeds.list[feed].reach.lastID = number
        return true
    }

    /// A bar came, which begins where the last one ended. Else its beginning says what is missing.
    package mutating func deliver(
        window bar: ProviderBar, of feed: Int, _ now: Moment, into out: inout Output
    ) {
        let last = feeds.list[feed].reach.last
        guard !last.isDefined || bar.openTime >= last else {
            counters.ids.doubleUpdates &+= 1
            return
        }
        if last.isDefined { settle(bar, of: feed, now, into: &out) }
        feeds.list[feed].reach.last = bar.closeTime
        counters.bars &+= 1
        var bar = bar
        bar.header.symbol = feeds.list[feed].instrument
        out.records.append(.tape(.providerBar(bar)))
    }

    /// Ends the gap before a bar.
    private mutating func settle(
        _ bar: ProviderBar, of feed: Int, _ now: Moment, into out: inout Output
    ) {
        let (last, gap) = (feeds.list[feed].reach.last, feeds.list[feed].openGap)
        guard gap != nil || bar.openTime > last else { return }
        let isWhole = bar.openTime == last
        let end = isWhole ? bar.closeTime : bar.openTime
        feeds.list[feed].endGap(end, at: now.wall, into: &out.records)
        out.records.append(
            feeds.list[feed].gap(
                (from: gap?.from ?? last, to: end), gap?.reason ?? .providerLoss,
                isWhole ? .filled : .abandoned, at: now.wall,
                detail: isWhole ? "no bar is missing" : "bars before this time did not come"))
    }

    // MARK: trades ahead of a missing one

    /// Whether a connection may still bring a trade before this id. Each brings its trades in the
    /// order of the ids.
    private func isAwaited(_ feed: Int, before id: UInt64) -> Bool {
        for link in links.indices
        where links[link].state == .ready && feeds.list[feed].on[link].isConfirmed
            && feeds.list[feed].on[link].lastID < id - 1
        {
            return true
        }
        return false
    }

    /// Has a trade wait for those before it.
    private mutating func hold(_ trade: DenseTrade, on link: Int, _ now: Moment) {
        let feed = trade.feed
        var place = ids[feed].ahead.count
        while place > 0, ids[feed].ahead[place - 1].trade.id > trade.id { place -= 1 }
        if place > 0, ids[feed].ahead[place - 1].trade.id == trade.id {
            let known = ids[feed].ahead[place - 1].trade
            counters.ids.doubles &+= 1
            if known.trade.price != trade.trade.price || known.trade.size != trade.trade.size
                || known.time != trade.time
            {
                counters.ids.differing &+= 1
            }
            return
        }
        counters.links.won[links[link].renewal.leg] &+= 1
        if ids[feed].ahead.isEmpty { ahead.feeds.append(feed) }
        ids[feed].ahead.insert(
            DenseIDs.Ahead(trade: trade, since: now.monotonic), at: place)
        ahead.trades += 1
    }

    /// Lets waiting trades of a feed go out as far as nothing before them is awaited any more.
    mutating func release(
        _ feed: Int, _ now: Moment, isEnd: Bool = false, into out: inout Output
    ) {
        while let first = ids[feed].ahead.first {
            let (id, last) = (first.trade.id, feeds.list[feed].reach.lastID)
            let isFull =
                ids[feed].ahead.count > DenseLimits.aheadMax
                || ahead.trades > DenseLimits.aheadTotalMax
            let isNext = id <= last + 1 || !isAwaited(feed, before: id)
            guard isNext || isEnd || isFull || now.monotonic >= first.since + waitMax else {
                return
            }
            if !isNext { counters.links.waitsEnded &+= 1 }
            ids[feed].ahead.removeFirst()
            ahead.trades -= 1
            if id > last { take(first.trade, into: &out) }
        }
        ahead.feeds.removeAll { $0 == feed }
    }

    private var waitMax: Int64 { rules.merge?.wait ?? 0 }

    /// The same of all feeds.
    mutating func release(_ now: Moment, into out: inout Output) {
        for feed in ahead.feeds { release(feed, now, into: &out) }
    }

    /// The time of the oldest trade that waits; `nil`: none does.
    var oldestAhead: Timestamp? {
        ahead.feeds.compactMap { ids[$0].ahead.first?.trade.time }.min()
    }

    /// Forgets the waiting trades of a feed.
    private mutating func forgetAhead(_ feed: Int) {
        ahead.trades -= ids[feed].ahead.count
        ids[feed].ahead.removeAll()
        ahead.feeds.removeAll { $0 == feed }
    }

    /// Makes room for new feeds, and forgets what is known of those that are not wanted any more.
    mutating func forgetIDs(_ places: [Int], _ now: Moment, into out: inout Output) {
        guard rules.merge != nil else { return }
        while ids.count < feeds.list.count { ids.append(DenseIDs()) }
        for place in places {
            dropHoles(of: place, "the instrument is not wanted", at: now.wall, into: &out)
            forgetAhead(place)
            ids[place] = DenseIDs()
        }
    }

    /// When a waiting trade goes out, or the past is asked for.
    var idsDue: MonotonicTime {
        var due = MonotonicTime.never
        for feed in ahead.feeds {
            if let first = ids[feed].ahead.first { due = min(due, first.since + waitMax) }
        }
        let isAsking = holes.asked == nil && !(holes.waiting.isEmpty && feeds.identified.isEmpty)
        return isAsking ? min(due, holes.pace.at) : due
    }

    // MARK: what the ids say

    /// Takes the next trade of a feed.
    private mutating func take(_ trade: DenseTrade, into out: inout Output) {
        let feed = trade.feed
        let last = feeds.list[feed].reach.lastID
        if last > 0, trade.id > last + 1 || feeds.list[feed].openGap != nil {
            settle(trade, into: &out)
        }
        accept(trade, into: &out)
    }

    private mutating func accept(_ trade: DenseTrade, into out: inout Output) {
        let feed = trade.feed
        ids[feed].lower.count = 0
        ids[feed].keep(trade)
        feeds.list[feed].reach.lastID = trade.id
        feeds.list[feed].reach.last = trade.time
        guard trade.misfit.isEmpty else { return leaveOut(trade, into: &out) }
        counters.trades &+= 1
        if floor.isDefined, trade.time < floor { counters.late &+= 1 }
        out.records.append(trade.record(of: feeds.list[feed].instrument))
    }

    /// Puts a trade whose numbers do not fit on record as a gap. Its id has come, so it is no
    /// missing one.
    private mutating func leaveOut(_ trade: DenseTrade, into out: inout Output) {
        noteMisfit(trade, into: &out)
        out.records.append(
            feeds.list[trade.feed].gap(
                (from: trade.time, to: trade.time.advanced(byNanoseconds: 1)), .scale, .abandoned,
                at: trade.trade.header.receiveTime, detail: trade.misfitText))
    }

    /// Counts a trade that the tape cannot hold, and reports it.
    mutating func noteMisfit(_ trade: DenseTrade, into out: inout Output) {
        counters.misfits &+= 1
        noteTrouble(trade.misfitText, of: trade.feed, into: &out)
    }

    /// Reports something about a feed that a person may have to look at.
    func noteTrouble(_ text: String, of feed: Int, into out: inout Output) {
        out.note(.trouble(instrument: feeds.list[feed].instrument, text))
    }

    /// Puts the first trade that a symbol ever had on record as a gap: on the tape, the id 0 says
    /// that there is none.
    private mutating func leaveOutFirst(_ trade: DenseTrade, into out: inout Output) {
        guard !ids[trade.feed].isFirstLeftOut else { return }
        ids[trade.feed].isFirstLeftOut = true
        var first = trade
        first.misfit = "its id is 0"
        leaveOut(first, into: &out)
    }

    /// Ends the gap before a trade: its id says whether anything is missing.
    private mutating func settle(_ trade: DenseTrade, into out: inout Output) {
        let feed = feeds.list[trade.feed]
        let now = trade.trade.header.receiveTime
        let from = feed.openGap?.from ?? feed.reach.last
        let to = max(trade.time, from).advanced(byNanoseconds: 1)
        let reason: GapReason = feed.openGap?.reason ?? .providerLoss
        let first = feed.reach.lastID + 1
        let isFillable = trade.id > first && canFill
        let detail = trade.id > first ? DenseHoles.missing(first, trade.id - 1) : ""
        feeds.list[trade.feed].endGap(to, isFillable ? detail : "", at: now, into: &out.records)
        guard trade.id > first else {
            out.records.append(
                feed.gap(
                    (from: from, to: to), reason, .filled, at: now,
                    detail: "no trade id is missing"))
            return
        }
        counters.ids.missing &+= trade.id - first
        noteTrouble(detail, of: trade.feed, into: &out)
        guard isFillable else {
            counters.ids.lost &+= trade.id - first
            out.records.append(
                feed.gap((from: from, to: to), reason, .abandoned, at: now, detail: detail))
            return
        }
        if feed.openGap == nil {
            out.records.append(
                feed.gap((from: from, to: to), reason, .open, at: now, detail: detail))
        }
        holes.waiting.append(
            DenseHole(
                place: trade.feed, ids: first...trade.id - 1, (from, to), reason,
                reached: max(from, feed.reach.last)))
    }

    /// A trade with an id that is not above the last one: it is on the tape already, or the service
    /// began to count again.
    private mutating func lower(
        _ trade: DenseTrade, on link: Int, isLower: Bool, into out: inout Output
    ) {
        let feed = trade.feed
        let now = trade.trade.header.receiveTime
        if ids[feed].differs(trade) {
            counters.ids.differing &+= 1
            noteTrouble("trade \(trade.id) came twice with other content", of: feed, into: &out)
        }
        if isLower { counters.ids.lower &+= 1 } else { counters.ids.doubles &+= 1 }
        // What is sent again is not younger than the last trade.
        guard trade.time > feeds.list[feed].reach.last else { return }
        let (known, connection) = (ids[feed].lower.connection, links[link].number)
        // The same of another connection says nothing new.
        guard known == connection || self.link(known) == nil else { return }
        let isAnew = ids[feed].isCountedAnew(trade.id, on: connection)
        // It is left out, so what it belongs to is missing until one continues the ids.
        if feeds.list[feed].openGap == nil {
            let gap = UnendedGap(from: feeds.list[feed].reach.last, reason: .providerLoss)
            feeds.list[feed].beginGap(gap, "", at: now, into: &out.records)
        }
        guard isAnew else { return }
        dropHoles(of: feed, "\(service) began to count anew", at: now, into: &out)
        let from = feeds.list[feed].openGap?.from ?? feeds.list[feed].reach.last
        let to = max(trade.time, from).advanced(byNanoseconds: 1)
        feeds.list[feed].endGap(to, at: now, into: &out.records)
        out.records.append(
            feeds.list[feed].gap(
                (from: from, to: to), .providerLoss, .abandoned, at: now,
                detail: "\(service) began again to count at trade id \(trade.id) or before"))
        noteTrouble("trade ids began again, now at \(trade.id)", of: feed, into: &out)
        for link in links.indices { feeds.list[feed].on[link].lastID = 0 }
        forgetAhead(feed)
        accept(trade, into: &out)
    }
}
