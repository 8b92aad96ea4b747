internal import EngineKit
package import MarketModel
internal import Primitives

// Trades whose ids did not come are asked for, one gap after the other. What comes is marked as
// fetched; in the end the gap is on record as filled, but for the parts that stay.
extension BinanceEngine {
    var canFill: Bool { settings.fills && holes.waiting.count < BinanceLimits.holesMax }

    /// Goes on with a gap that an earlier process was filling. Returns false if it stays.
    mutating func takeHole(_ gap: OpenGap, of place: Int) -> Bool {
        guard let ids = gap.ids, canFill else { return false }
        holes.waiting.append(
            BinanceHole(
                place: place, first: ids.lowerBound, last: ids.upperBound, next: ids.lowerBound,
                from: gap.from, to: gap.to, reason: gap.reason, reached: gap.from))
        return true
    }

    /// Asks for the next trades of a gap, if the time has come.
    mutating func fetch(_ now: Moment, into out: inout BinanceOutput) {
        guard holes.asked == nil, now.monotonic >= holes.pace.at, !askAboutSymbols(into: &out),
            !holes.waiting.isEmpty
        else { return }
        holes.moveShortestToFront()
        let since = holes.waiting[0].triedSince ?? now.monotonic
        guard now.monotonic < since + BinanceLimits.holeAgeMax else {
            return giveUp("they were not given for an hour", now, into: &out)
        }
        holes.waiting[0].triedSince = since
        let hole = holes.waiting[0]
        let feed = feeds[hole.place]
        if !hole.hasBegun {
            holes.waiting[0].hasBegun = true
            out.records.append(
                feed.gap((from: hole.from, to: hole.to), hole.reason, .filling, at: now.wall))
        }
        holes.lastNumber &+= 1
        holes.asked = holes.lastNumber
        counters.fills.requests &+= 1
        let count = min(UInt64(BinanceFetch.countMax), hole.last - hole.firstAsked + 1)
        out.wishes.append(
            .fetch(
                BinanceFetch(
                    number: holes.lastNumber, symbol: feed.name, from: hole.firstAsked,
                    count: Int(count))))
    }

    /// The outcome of a request for past trades. What nobody waits for is left out.
    package mutating func fetched(
        _ number: UInt64, _ outcome: BinanceFetchOutcome, _ now: Moment,
        into out: inout BinanceOutput
    ) {
        guard holes.asked == number else { return }
        holes.asked = nil
        if holes.isLookUp {
            holes.isLookUp = false
            return lookedUp(outcome, now, into: &out)
        }
        guard let hole = holes.waiting.first else { return }
        switch outcome {
        case .page(let bytes):
            guard let trades = BinancePage.read(bytes, place: hole.place, received: now.wall) else {
                return useless("the answer is no list of trades", now, into: &out)
            }
            take(trades, now, into: &out)
        case .limited(let retryAfter, let isBanned):
            wait(retryAfter, isBanned: isBanned, now, into: &out)
        case .unknownSymbol:
            holes.pace.answered(now, interval: BinanceLimits.fetchInterval)
            counters.fills.failures &+= 1
            giveUp("the exchange has no such symbol", now, into: &out)
        case .refused(let reason), .denied(let reason):
            holes.pace.answered(now, interval: BinanceLimits.fetchInterval)
            counters.fills.failures &+= 1
            giveUp("the exchange refused to give them: \(reason)", now, into: &out)
        case .failed(let reason):
            holes.pace.failed(reason, now)
            counters.fills.failures &+= 1
            out.note(.fetchesWait(reason: reason))
        }
    }

    /// Waits as long as the exchange says after too many requests. No gap gets too old by that.
    mutating func wait(
        _ retryAfter: Int64?, isBanned: Bool, _ now: Moment, into out: inout BinanceOutput
    ) {
        for place in holes.waiting.indices { holes.waiting[place].triedSince = nil }
        holes.pace.limited(retryAfter, isBanned: isBanned, now)
        counters.fills.failures &+= 1
        out.note(.fetchesWait(reason: holes.pace.limits.words(isBanned: isBanned)))
    }

    /// The exchange answered, and gave no trade of the gap.
    private mutating func useless(_ reason: String, _ now: Moment, into out: inout BinanceOutput) {
        holes.pace.failed(reason, now)
        counters.fills.failures &+= 1
        holes.waiting[0].failures += 1
        guard holes.waiting[0].failures < BinanceLimits.uselessAnswersMax else {
            return giveUp("\(reason), \(holes.waiting[0].failures) times", now, into: &out)
        }
        out.note(.fetchesWait(reason: reason))
    }

    /// Takes the trades of an answer that are missing.
    private mutating func take(
        _ trades: [BinanceTrade], _ now: Moment, into out: inout BinanceOutput
    ) {
        var hole = holes.waiting[0]
        let before = hole.next
        if let first = trades.first(where: { $0.id >= hole.firstAsked }) {
            cut(&hole, until: first.time, now, into: &out)
        }
        for trade in trades where trade.id >= hole.next {
            let end = min(trade.id, hole.last &+ 1)
            if end > hole.next {
                // Later ones are there, so these do not exist.
                lose(&hole, upTo: end, until: trade.time, "did not come")
            }
            guard trade.id <= hole.last else { break }
            add(trade, to: &hole, into: &out)
        }
        holes.waiting[0] = hole
        // The exchange may be late with its newest trades.
        guard hole.next > before else {
            return useless("the exchange does not have them", now, into: &out)
        }
        holes.waiting[0].failures = 0
        holes.waiting[0].triedSince = nil
        holes.pace.answered(now, interval: BinanceLimits.fetchInterval)
        if hole.isComplete { finish(now.wall, into: &out) }
    }

    /// Gives up the ids that are too many, which lie before `time`. That is recorded now, so that a
    /// later process, which fills the rest, says nothing of them.
    private mutating func cut(
        _ hole: inout BinanceHole, until time: Timestamp, _ now: Moment,
        into out: inout BinanceOutput
    ) {
        let first = hole.firstAsked
        guard first > hole.next else { return }
        let from = hole.from
        hole.from = max(
            from.advanced(byNanoseconds: 1), min(time, hole.to.advanced(byNanoseconds: -1)))
        hole.reached = max(hole.reached, hole.from)
        counters.fills.lost &+= first - hole.next
        out.records.append(
            feeds[hole.place].gap(
                (from: from, to: hole.from), hole.reason, .abandoned, at: now.wall,
                detail: "\(Self.missing(hole.next, first - 1)): "
                    + "more than \(BinanceLimits.holeTradesMax) are missing"))
        hole.next = first
    }

    private mutating func add(
        _ trade: BinanceTrade, to hole: inout BinanceHole, into out: inout BinanceOutput
    ) {
        hole.next = trade.id + 1
        hole.reached = trade.time
        hole.from = min(hole.from, trade.time)
        hole.to = max(hole.to, trade.time.advanced(byNanoseconds: 1))
        guard trade.misfit.isEmpty else {
            counters.misfits &+= 1
            let feed = feeds[trade.feed]
            out.note(.misfit(instrument: feed.instrument, id: trade.id, text: trade.misfit))
            return hole.keep(
                BinanceGapPart(
                    from: trade.time, to: trade.time.advanced(byNanoseconds: 1), reason: .scale,
                    detail: Self.misfit(trade)))
        }
        hole.added &+= 1
        counters.fills.filled &+= 1
        out.records.append(
            trade.record(of: feeds[trade.feed].instrument, flags: .backfilled))
    }

    /// Notes that ids stay missing. They lie between the last trade that is known and `time`.
    private mutating func lose(
        _ hole: inout BinanceHole, upTo end: UInt64, until time: Timestamp, _ why: String
    ) {
        counters.fills.lost &+= end - hole.next
        let from = max(hole.reached, hole.from)
        hole.keep(
            BinanceGapPart(
                from: from, to: max(time, from.advanced(byNanoseconds: 1)), reason: hole.reason,
                detail: "trade ids \(hole.next) to \(end - 1) \(why)"))
        hole.next = end
    }

    /// Ends the oldest gap; what has not come yet stays missing.
    private mutating func giveUp(_ why: String, _ now: Moment, into out: inout BinanceOutput) {
        var hole = holes.waiting[0]
        lose(&hole, upTo: hole.last + 1, until: hole.to, "did not come: \(why)")
        holes.waiting[0] = hole
        finish(now.wall, into: &out)
    }

    /// Ends all gaps of a feed.
    mutating func dropHoles(
        of place: Int, _ why: String, at time: Timestamp, into out: inout BinanceOutput
    ) {
        while let index = holes.waiting.firstIndex(where: { $0.place == place }) {
            var hole = holes.waiting.remove(at: index)
            if index == 0, !holes.isLookUp { holes.asked = nil }
            lose(&hole, upTo: hole.last + 1, until: hole.to, "did not come: \(why)")
            record(hole, at: time, into: &out)
        }
    }

    private mutating func finish(_ time: Timestamp, into out: inout BinanceOutput) {
        record(holes.waiting.removeFirst(), at: time, into: &out)
    }

    /// Puts the end of a gap on record. For each moment the last record counts, so the parts that
    /// stay follow.
    private mutating func record(
        _ hole: BinanceHole, at time: Timestamp, into out: inout BinanceOutput
    ) {
        let feed = feeds[hole.place]
        if hole.added > 0 {
            let detail = hole.added == 1 ? "1 trade added" : "\(hole.added) trades added"
            out.records.append(
                feed.gap(
                    (from: hole.from, to: hole.to), hole.reason, .filled, at: time, detail: detail))
        }
        for (number, part) in hole.parts.enumerated() {
            // Without a trade that came, the gap as a whole stays.
            let isEnd = hole.added == 0 && number == hole.parts.count - 1
            out.records.append(
                feed.gap(
                    (from: part.from, to: isEnd ? max(part.to, hole.to) : part.to), part.reason,
                    .abandoned, at: time, detail: part.detail))
        }
        out.note(
            .filled(
                instrument: feed.instrument, added: hole.added,
                lost: hole.last - hole.first + 1 - hole.added))
    }
}
