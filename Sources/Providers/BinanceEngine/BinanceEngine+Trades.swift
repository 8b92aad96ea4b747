internal import MarketModel
internal import Primitives

// Trades become records, and their ids say what is missing.
extension BinanceEngine {
    /// Takes a trade of the delivering connection. `isLower`: its id is not above the one before on
    /// the same connection.
    mutating func take(
        _ trade: BinanceTrade, isLower: Bool, into out: inout BinanceOutput
    ) {
        let place = trade.feed
        let last = feeds[place].last.id
        guard trade.id > last else { return lower(trade, isLower: isLower, into: &out) }
        if last > 0, trade.id > last + 1 || feeds[place].gapFrom != nil {
            settle(trade, into: &out)
        }
        accept(trade, into: &out)
    }

    private mutating func accept(_ trade: BinanceTrade, into out: inout BinanceOutput) {
        let place = trade.feed
        feeds[place].lowerIDs = 0
        feeds[place].last = trade
        guard trade.misfit.isEmpty else { return leaveOut(trade, into: &out) }
        counters.trades &+= 1
        if floor.isDefined, trade.time < floor { counters.late &+= 1 }
        out.records.append(
            .trade(
                Trade(
                    header: TickHeader(
                        symbol: feeds[place].instrument, resolution: trade.resolution.rawValue,
                        providerTime: trade.time, receiveTime: trade.received,
                        providerID: trade.id),
                    price: trade.price, size: trade.size)))
    }

    /// Puts a trade whose numbers do not fit on record as a gap. Its id has come, so it is no
    /// missing one.
    private mutating func leaveOut(_ trade: BinanceTrade, into out: inout BinanceOutput) {
        counters.misfits &+= 1
        let feed = feeds[trade.feed]
        out.note(.misfit(instrument: feed.instrument, id: trade.id, text: trade.misfit))
        out.records.append(
            feed.gap(
                (from: trade.time, to: trade.time.advanced(byNanoseconds: 1)), .dropped, .abandoned,
                at: trade.received,
                detail: "trade id \(trade.id) does not fit the tape: \(trade.misfit)"))
    }

    /// Puts the first trade that a symbol ever had on record as a gap: on the tape, the id 0 says
    /// that there is none.
    mutating func leaveOutFirst(_ trade: BinanceTrade, into out: inout BinanceOutput) {
        var first = trade
        first.misfit = "its id is 0"
        leaveOut(first, into: &out)
    }

    /// Ends the gap before a trade: its id says whether anything is missing.
    private mutating func settle(_ trade: BinanceTrade, into out: inout BinanceOutput) {
        let feed = feeds[trade.feed]
        let from = feed.gapFrom ?? feed.last.time
        let to = max(trade.time, from).advanced(byNanoseconds: 1)
        let reason: GapReason = feed.gapFrom == nil ? .providerLoss : feed.gapReason
        endGap(of: trade.feed, at: to, trade.received, into: &out)
        let first = feed.last.id + 1
        guard trade.id > first else {
            out.records.append(
                feed.gap(
                    (from: from, to: to), reason, .filled, at: trade.received,
                    detail: "no trade id is missing"))
            return
        }
        counters.missing &+= trade.id - first
        out.note(
            .missing(instrument: feed.instrument, first: first, last: trade.id - 1))
        out.records.append(
            feed.gap(
                (from: from, to: to), reason, .abandoned, at: trade.received,
                detail: "trade ids \(first) to \(trade.id - 1) did not come"))
    }

    /// A trade with an id that is not above the last one: it is on the tape already, or the
    /// exchange began to count again.
    private mutating func lower(
        _ trade: BinanceTrade, isLower: Bool, into out: inout BinanceOutput
    ) {
        compare(trade)
        if isLower { counters.lowerIDs &+= 1 } else { counters.doubles &+= 1 }
        let place = trade.feed
        // What is sent again is not younger than the last trade.
        guard trade.time > feeds[place].last.time else { return }
        let follows = trade.id > feeds[place].lowerID && feeds[place].lowerIDs > 0
        feeds[place].lowerIDs = follows ? feeds[place].lowerIDs + 1 : 1
        feeds[place].lowerID = trade.id
        // It is left out, so what it belongs to is missing until one continues the ids.
        if feeds[place].gapFrom == nil {
            let from = feeds[place].last.time
            beginGap(of: place, from: from, .providerLoss, trade.received, into: &out)
        }
        guard feeds[place].lowerIDs >= BinanceLimits.lowerIDsMax else { return }
        let feed = feeds[place]
        let from = feed.gapFrom ?? feed.last.time
        let to = max(trade.time, from).advanced(byNanoseconds: 1)
        endGap(of: place, at: to, trade.received, into: &out)
        out.records.append(
            feed.gap(
                (from: from, to: to), .providerLoss, .abandoned, at: trade.received,
                detail: "the exchange began again to count at trade id \(trade.id) or before"))
        out.note(.restarted(instrument: feed.instrument, id: trade.id))
        primary?.lastIDs[place] = trade.id
        accept(trade, into: &out)
    }

    /// Counts a trade that differs from the one with the same id.
    mutating func compare(_ trade: BinanceTrade) {
        let last = feeds[trade.feed].last
        if last.id == trade.id, !last.isSame(as: trade) { counters.differing &+= 1 }
    }

    /// Opens a gap for each delivering feed that `isMeant`.
    mutating func beginOutage(
        _ now: Moment, into out: inout BinanceOutput, where isMeant: (Int) -> Bool
    ) {
        for place in feeds.indices
        where feeds[place].isWanted && feeds[place].state == .live && isMeant(place) {
            feeds[place].state = .down
            let feed = feeds[place]
            out.records.append(
                .feed(FeedState(instrument: feed.instrument, state: .down, time: now.wall)))
            guard feed.gapFrom == nil else { continue }
            beginGap(of: place, from: feed.end, .disconnected, now.wall, into: &out)
        }
    }

    /// Opens a gap whose end is not known yet.
    mutating func beginGap(
        of place: Int, from: Timestamp, _ why: GapReason, _ now: Timestamp,
        into out: inout BinanceOutput
    ) {
        feeds[place].gapFrom = from
        feeds[place].gapReason = why
        let detail = why == .disconnected ? String(reason.prefix(200)) : ""
        out.records.append(
            feeds[place].gap(
                (from: from, to: .undefined), why, .open, at: now, detail: detail))
    }

    /// Records the end of the open gap, if there is one. What became of it follows. Without its
    /// end, all time after it would stay missing.
    mutating func endGap(
        of place: Int, at end: Timestamp, _ now: Timestamp, into out: inout BinanceOutput
    ) {
        guard let from = feeds[place].gapFrom else { return }
        feeds[place].gapFrom = nil
        out.records.append(
            feeds[place].gap((from: from, to: end), feeds[place].gapReason, .open, at: now))
    }
}
