internal import EngineKit
internal import MarketModel
internal import Primitives

// Trades become records, and their ids say what is missing.
extension BinanceEngine {
    /// Takes the next trade of a feed.
    mutating func take(_ trade: BinanceTrade, into out: inout BinanceOutput) {
        let place = trade.feed
        let last = feeds[place].last.id
        if last > 0, trade.id > last + 1 || feeds[place].openGap != nil {
            settle(trade, into: &out)
        }
        accept(trade, into: &out)
    }

    private mutating func accept(_ trade: BinanceTrade, into out: inout BinanceOutput) {
        let place = trade.feed
        feeds[place].lower.count = 0
        feeds[place].keep(trade)
        guard trade.misfit.isEmpty else { return leaveOut(trade, into: &out) }
        counters.trades &+= 1
        if floor.isDefined, trade.time < floor { counters.late &+= 1 }
        out.records.append(trade.record(of: feeds[trade.feed].instrument))
    }

    /// Puts a trade whose numbers do not fit on record as a gap. Its id has come, so it is no
    /// missing one.
    private mutating func leaveOut(_ trade: BinanceTrade, into out: inout BinanceOutput) {
        counters.misfits &+= 1
        let feed = feeds[trade.feed]
        out.note(.misfit(instrument: feed.instrument, id: trade.id, text: trade.misfit))
        out.records.append(
            feed.gap(
                (from: trade.time, to: trade.time.advanced(byNanoseconds: 1)), .scale, .abandoned,
                at: trade.received, detail: Self.misfit(trade)))
    }

    static func misfit(_ trade: BinanceTrade) -> String {
        "trade id \(trade.id) does not fit the tape: \(trade.misfit)"
    }

    /// Puts the first trade that a symbol ever had on record as a gap: on the tape, the id 0 says
    /// that there is none.
    mutating func leaveOutFirst(_ trade: BinanceTrade, into out: inout BinanceOutput) {
        guard !feeds[trade.feed].lower.isFirstLeftOut else { return }
        feeds[trade.feed].lower.isFirstLeftOut = true
        var first = trade
        first.misfit = "its id is 0"
        leaveOut(first, into: &out)
    }

    /// Ends the gap before a trade: its id says whether anything is missing.
    private mutating func settle(_ trade: BinanceTrade, into out: inout BinanceOutput) {
        let feed = feeds[trade.feed]
        let from = feed.openGap?.from ?? feed.last.time
        let to = max(trade.time, from).advanced(byNanoseconds: 1)
        let reason: GapReason = feed.openGap?.reason ?? .providerLoss
        let first = feed.last.id + 1
        let isFillable = trade.id > first && canFill
        let detail = trade.id > first ? Self.missing(first, trade.id - 1) : ""
        feeds[trade.feed].endGap(
            to, isFillable ? detail : "", at: trade.received, into: &out.records)
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
        guard isFillable else {
            counters.fills.lost &+= trade.id - first
            out.records.append(
                feed.gap(
                    (from: from, to: to), reason, .abandoned, at: trade.received, detail: detail))
            return
        }
        if feed.openGap == nil {
            out.records.append(
                feed.gap((from: from, to: to), reason, .open, at: trade.received, detail: detail))
        }
        holes.waiting.append(
            BinanceHole(
                place: trade.feed, first: first, last: trade.id - 1, next: first, from: from,
                to: to,
                reason: reason, reached: max(from, feed.last.time)))
    }

    static func missing(_ first: UInt64, _ last: UInt64) -> String {
        "trade ids \(first) to \(last) did not come"
    }

    /// A trade with an id that is not above the last one: it is on the tape already, or the
    /// exchange began to count again.
    mutating func lower(
        _ trade: BinanceTrade, on leg: BinanceLegNumber, isLower: Bool,
        into out: inout BinanceOutput
    ) {
        if feeds[trade.feed].differs(trade) {
            counters.differing &+= 1
            out.note(.differing(instrument: feeds[trade.feed].instrument, id: trade.id))
        }
        if isLower { counters.lowerIDs &+= 1 } else { counters.doubles &+= 1 }
        let place = trade.feed
        // What is sent again is not younger than the last trade.
        guard trade.time > feeds[place].last.time else { return }
        let isSameLeg = feeds[place].lower.leg == leg
        // The same of another connection says nothing new.
        guard isSameLeg || !legs.contains(where: { $0.number == feeds[place].lower.leg }) else {
            return
        }
        let follows = trade.id > feeds[place].lower.id && feeds[place].lower.count > 0 && isSameLeg
        feeds[place].lower.leg = leg
        let isNext = follows && trade.id == feeds[place].lower.id + 1
        feeds[place].lower.count = follows ? feeds[place].lower.count + 1 : 1
        feeds[place].lower.inRow = isNext ? feeds[place].lower.inRow + 1 : 1
        feeds[place].lower.id = trade.id
        // It is left out, so what it belongs to is missing until one continues the ids.
        if feeds[place].openGap == nil {
            let from = feeds[place].last.time
            beginGap(of: place, from: from, .providerLoss, trade.received, into: &out)
        }
        let lower = feeds[place].lower
        guard
            lower.count >= BinanceLimits.lowerIDsMax || lower.inRow >= BinanceLimits.lowerIDsInRow
        else { return }
        dropHoles(of: place, "the exchange began to count anew", at: trade.received, into: &out)
        let feed = feeds[place]
        let from = feed.openGap?.from ?? feed.last.time
        let to = max(trade.time, from).advanced(byNanoseconds: 1)
        feeds[place].endGap(to, at: trade.received, into: &out.records)
        out.records.append(
            feed.gap(
                (from: from, to: to), .providerLoss, .abandoned, at: trade.received,
                detail: "the exchange began again to count at trade id \(trade.id) or before"))
        out.note(.restarted(instrument: feed.instrument, id: trade.id))
        for leg in legs.indices { legs[leg].streams[place].lastID = 0 }
        forgetAhead(place)
        accept(trade, into: &out)
    }

    /// Returns the time after which data of a feed may be missing when nothing comes any more.
    func end(of feed: BinanceFeed) -> Timestamp {
        // Since when it is subscribed, this host says, whose clock may be wrong.
        let isOfHost = feed.last.id == 0 && !feed.side.last.isDefined
        guard isOfHost, feed.hasTimes, feed.end.isDefined, clock.floor.isDefined else {
            return feed.end
        }
        return min(feed.end, clock.floor)
    }

    /// Opens a gap for each feed that no connection delivers any more.
    mutating func beginOutage(_ now: Moment, into out: inout BinanceOutput) {
        for place in feeds.indices
        where feeds[place].isWanted && feeds[place].state == .live && !isDelivered(place) {
            report(.down, of: place, now, into: &out)
            endSide(place, now, into: &out)
            guard feeds[place].openGap == nil else { continue }
            beginGap(of: place, from: end(of: feeds[place]), .disconnected, now.wall, into: &out)
        }
    }

    /// Opens a gap whose end is not known yet.
    mutating func beginGap(
        of place: Int, from: Timestamp, _ why: GapReason, _ now: Timestamp,
        into out: inout BinanceOutput
    ) {
        let detail = why == .disconnected ? String(reason.prefix(200)) : ""
        feeds[place].beginGap(
            UnendedGap(from: from, reason: why), detail, at: now, into: &out.records)
    }
}
