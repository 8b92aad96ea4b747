package import MarketModel
internal import Primitives

// Trades whose ids did not come are asked for, one gap after the other. What comes is marked as
// fetched; in the end the gap is on record as filled, but for the parts that stay.
extension StreamMachine {
    /// A request for past trades of a symbol, by their ids.
    package struct IDRequest: Sendable {
        package let number: UInt64
        package let symbol: String
        package let from: UInt64
        package let count: Int
    }

    var canFill: Bool {
        rules.merge?.fills == true && holes.waiting.count < DenseLimits.holesMax
    }

    /// Returns the request for the next trades of a gap, if the time has come.
    package mutating func nextFetch(_ now: Moment, into out: inout Output) -> IDRequest? {
        takeIdentified(now, into: &out)
        guard let merge = rules.merge, holes.asked == nil, now.monotonic >= holes.pace.at,
            !holes.waiting.isEmpty
        else { return nil }
        holes.moveShortestToFront()
        let since = holes.waiting[0].triedSince ?? now.monotonic
        guard now.monotonic < since + DenseLimits.holeAgeMax else {
            giveUp("they were not given for an hour", now, into: &out)
            return nil
        }
        holes.waiting[0].triedSince = since
        let hole = holes.waiting[0]
        if !hole.hasBegun {
            holes.waiting[0].hasBegun = true
            out.records.append(
                feeds.list[hole.place].gap(
                    (from: hole.from, to: hole.to), hole.reason, .filling, at: now.wall))
        }
        counters.past.requests &+= 1
        let count = min(UInt64(merge.tradesPerFetch), hole.ids.upperBound - hole.firstAsked + 1)
        let number = holes.ask()
        holes.isFetch = true
        return IDRequest(
            number: number, symbol: feeds.list[hole.place].name, from: hole.firstAsked,
            count: Int(count))
    }

    /// Goes on with the gaps that an earlier process was filling.
    private mutating func takeIdentified(_ now: Moment, into out: inout Output) {
        for (place, gap) in feeds.identified {
            guard let ids = gap.ids, canFill else {
                out.records.append(
                    feeds.list[place].gap(
                        (from: gap.from, to: gap.to), gap.reason, .abandoned, at: now.wall,
                        detail: "nothing fetches these trades"))
                continue
            }
            holes.waiting.append(
                DenseHole(
                    place: place, ids: ids, (gap.from, gap.to), gap.reason, reached: gap.from))
        }
        feeds.identified = []
    }

    /// The outcome of a request for past trades, which `holes` knows. `read` reads a page, whose
    /// trades are of a feed; `nil`: it is no list of trades.
    package mutating func fetched(
        _ answer: StreamAnswer, _ now: Moment, into out: inout Output,
        read: ([UInt8], Int) -> [DenseTrade]?
    ) {
        guard let hole = holes.waiting.first else { return }
        switch answer {
        case .page(let bytes):
            guard let trades = read(bytes, hole.place) else {
                return useless("the answer is no list of trades", now, into: &out)
            }
            take(trades, now, into: &out)
        case .unknownSymbol: refused("\(service) has no such symbol", now, into: &out)
        case .refused(let reason), .denied(let reason):
            refused("\(service) refused to give them: \(reason)", now, into: &out)
        case .limited, .failed: putOff(answer, now, into: &out)
        }
    }

    /// Requests for the past are made later. While the service takes none, no gap gets too old.
    package mutating func putOff(
        _ answer: StreamAnswer, _ now: Moment, into out: inout Output
    ) {
        counters.past.failures &+= 1
        switch answer {
        case .limited(let retryAfter, let isBanned):
            for place in holes.waiting.indices { holes.waiting[place].triedSince = nil }
            holes.pace.limited(retryAfter, isBanned: isBanned, now)
            sayPutOff(holes.pace.limits.words(isBanned: isBanned), into: &out)
        case .refused(let reason), .denied(let reason), .failed(let reason):
            holes.pace.failed(reason, now)
            sayPutOff(reason, into: &out)
        case .page, .unknownSymbol: break
        }
    }

    private func sayPutOff(_ reason: String, into out: inout Output) {
        out.note(.trouble(instrument: nil, "past trades are asked for later: \(reason)"))
    }

    private mutating func refused(_ why: String, _ now: Moment, into out: inout Output) {
        holes.pace.answered(now, interval: rules.merge?.fetchInterval ?? 0)
        counters.past.failures &+= 1
        giveUp(why, now, into: &out)
    }

    /// The service answered, and gave no trade of the gap.
    private mutating func useless(_ reason: String, _ now: Moment, into out: inout Output) {
        holes.pace.failed(reason, now)
        counters.past.failures &+= 1
        holes.waiting[0].failures += 1
        guard holes.waiting[0].failures < DenseLimits.uselessAnswersMax else {
            return giveUp("\(reason), \(holes.waiting[0].failures) times", now, into: &out)
        }
        sayPutOff(reason, into: &out)
    }

    /// Takes the trades of an answer that are missing.
    private mutating func take(_ trades: [DenseTrade], _ now: Moment, into out: inout Output) {
        var hole = holes.waiting[0]
        let before = hole.next
        if let first = trades.first(where: { $0.id >= hole.firstAsked }) {
            cut(&hole, until: first.time, now, into: &out)
        }
        for trade in trades where trade.id >= hole.next {
            let end = min(trade.id, hole.ids.upperBound &+ 1)
            if end > hole.next {
                // Later ones are there, so these do not exist.
                lose(&hole, upTo: end, until: trade.time, "did not come")
            }
            guard trade.id <= hole.ids.upperBound else { break }
            add(trade, to: &hole, into: &out)
        }
        holes.waiting[0] = hole
        // The service may be late with its newest trades.
        guard hole.next > before else {
            return useless("\(service) does not have them", now, into: &out)
        }
        holes.waiting[0].failures = 0
        holes.waiting[0].triedSince = nil
        holes.pace.answered(now, interval: rules.merge?.fetchInterval ?? 0)
        if hole.next > hole.ids.upperBound { endFirstHole(now.wall, into: &out) }
    }

    /// Gives up the ids that are too many, which lie before `time`. That is recorded now, so that a
    /// later process, which fills the rest, says nothing of them.
    private mutating func cut(
        _ hole: inout DenseHole, until time: Timestamp, _ now: Moment, into out: inout Output
    ) {
        let first = hole.firstAsked
        guard first > hole.next else { return }
        let from = hole.from
        hole.from = max(
            from.advanced(byNanoseconds: 1), min(time, hole.to.advanced(byNanoseconds: -1)))
        hole.reached = max(hole.reached, hole.from)
        counters.ids.lost &+= first - hole.next
        out.records.append(
            feeds.list[hole.place].gap(
                (from: from, to: hole.from), hole.reason, .abandoned, at: now.wall,
                detail: "\(DenseHoles.missing(hole.next, first - 1)): "
                    + "more than \(DenseLimits.holeTradesMax) are missing"))
        hole.next = first
    }

    private mutating func add(
        _ trade: DenseTrade, to hole: inout DenseHole, into out: inout Output
    ) {
        let after = trade.time.advanced(byNanoseconds: 1)
        hole.next = trade.id + 1
        hole.reached = trade.time
        hole.from = min(hole.from, trade.time)
        hole.to = max(hole.to, after)
        guard trade.misfit.isEmpty else {
            noteMisfit(trade, into: &out)
            return hole.keep(
                DenseHole.Part(
                    from: trade.time, to: after, reason: .scale, detail: trade.misfitText))
        }
        hole.added &+= 1
        counters.ids.filled &+= 1
        out.records.append(
            trade.record(of: feeds.list[trade.feed].instrument, flags: .backfilled))
    }

    /// Notes that ids stay missing. They lie between the last trade that is known and `time`.
    private mutating func lose(
        _ hole: inout DenseHole, upTo end: UInt64, until time: Timestamp, _ why: String
    ) {
        counters.ids.lost &+= end - hole.next
        let from = max(hole.reached, hole.from)
        hole.keep(
            DenseHole.Part(
                from: from, to: max(time, from.advanced(byNanoseconds: 1)), reason: hole.reason,
                detail: "trade ids \(hole.next) to \(end - 1) \(why)"))
        hole.next = end
    }

    /// Ends the first gap; what has not come yet stays missing.
    private mutating func giveUp(_ why: String, _ now: Moment, into out: inout Output) {
        var hole = holes.waiting[0]
        lose(&hole, upTo: hole.ids.upperBound + 1, until: hole.to, "did not come: \(why)")
        holes.waiting[0] = hole
        endFirstHole(now.wall, into: &out)
    }

    /// Ends all gaps of a feed.
    mutating func dropHoles(
        of place: Int, _ why: String, at time: Timestamp, into out: inout Output
    ) {
        while let index = holes.waiting.firstIndex(where: { $0.place == place }) {
            var hole = holes.waiting.remove(at: index)
            if index == 0 { holes.forgetAsked() }
            lose(&hole, upTo: hole.ids.upperBound + 1, until: hole.to, "did not come: \(why)")
            record(hole, at: time, into: &out)
        }
    }

    /// Ends the hole that is asked for, and puts its end on record.
    private mutating func endFirstHole(_ time: Timestamp, into out: inout Output) {
        record(holes.waiting.removeFirst(), at: time, into: &out)
    }

    /// Puts the end of a gap on record. For each moment the last record counts, so the parts that
    /// stay follow.
    private mutating func record(
        _ hole: DenseHole, at time: Timestamp, into out: inout Output
    ) {
        let feed = feeds.list[hole.place]
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
                lost: UInt64(hole.ids.count) - hole.added))
    }
}
