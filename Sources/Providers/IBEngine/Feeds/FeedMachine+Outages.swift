internal import IBProtocol
internal import MarketModel
internal import Primitives

// Feeds that begin to deliver, that stop, and the outages in between.
extension FeedMachine {
    /// Notes that a subscription delivers from now on, which ends an outage of the feed.
    mutating func start(_ route: FeedRoute, in turn: inout Turn) {
        let slot = self[route]
        guard case .asked = slot.phase else { return }
        if slot.feed == .marketData { endTakeOver(route.place, in: &turn) }
        self[route].rhythm.rest()
        self[route].failures = 0
        reportSubscription(route, .start, slot.reason, in: &turn)
        if slot.feed.lines == .depth {
            let header = turn.header(entries[route.place].number)
            turn.put(.depthReset(DepthReset(header: header, reason: .disconnected)))
        }
        resume(route, in: &turn)
    }

    /// Ends all outages of the feed. Its subscription is the one that it had, or a new one.
    mutating func resume(_ route: FeedRoute, in turn: inout Turn) {
        let wasOut = self[route].phase.cause != nil
        let feed = self[route].feed
        if feed.lines == .tickByTick { takeOver(route, in: turn) }
        if feed == .marketData { endTakeOver(route.place, in: &turn) }
        self[route].lastTick = turn.now.monotonic
        self[route].lastTickWall = turn.now.wall
        if feed == .marketData { beginTrades(route, in: turn) }
        let slot = self[route]
        for kind in slot.kinds.kinds {
            let grain = slot.feed.grain(of: kind)
            var end = grain > 1 ? turn.clock.aligned(turn.now.wall) : turn.now.wall
            if feed == .marketData, kind == .trade,
                case .givenBack(let second, _) = entries[route.place].handOver.phase
            {
                end = max(end, second)
            }
            if kind == .trade { end = slot.delayedEnd(end) }
            close(route.place, kind, to: end, isWanted: true, in: &turn)
        }
        if wasOut {
            turn.report(.outageEnded(instrument: entries[route.place].number, slot.feed))
        }
        // A part that may be broken is not known to be back yet.
        let isSuspected = suspicion.map { !$0.isSettled && turn.now.monotonic < $0.isOver } ?? false
        handle(.delivers(isSuspected: isSuspected), route, slot.remark, in: &turn)
    }

    /// Begins an outage: data of the feed may be missing after `trusted`. A feed that has delivered
    /// none has no outage.
    mutating func interrupt(
        _ route: FeedRoute, _ cause: OutageCause, trusted: Timestamp? = nil, since: Int64? = nil,
        wait: Int64 = EngineLimits.downWaitMax, in turn: inout Turn
    ) {
        guard case .live(let live) = self[route].phase else { return }
        deliverWaiting(route, in: &turn)
        let slot = self[route]
        let told = trusted ?? turn.now.wall
        let trusted = live.isSuspected ? min(told, lifeSign(route)) : told
        self[route].rhythm.rest()
        let sure = max(entries[route.place].proven(slot, upTo: trusted), live.since)
        let number = entries[route.place].number
        flushClosings(of: route.place, until: sure, in: &turn)
        for kind in slot.kinds.kinds {
            let grain = slot.feed.grain(of: kind)
            let known = grain > 1 ? turn.clock.aligned(sure) : sure
            // It does not begin before the subscription: the time before that is already recorded.
            let delayed = kind == .trade ? slot.delayedStart(trusted: known) : nil
            var from =
                delayed
                ?? max(
                    slot.outageStart(of: kind, trusted: known),
                    slot.began(kind).floored(toNanoseconds: grain))
            if slot.feed == .trades { from = min(from, handedOver(route.place, in: turn)) }
            let record = turn.outages.begin(
                number, kind, from: from, reason: cause.reason, detail: cause.text,
                now: turn.now.wall)
            if let record { turn.put(.gap(record)) }
            if let border = InstrumentEntry.border(of: kind) {
                entries[route.place][keyPath: border].freeze()
            }
        }
        turn.report(.outageBegun(instrument: number, slot.feed, reason: cause.text.asReason))
        let since = since ?? turn.now.monotonic
        handle(
            .broke(cause, since: since, until: turn.later(by: wait)), route, cause.text, in: &turn)
    }

    /// Records the end of an outage, and has it filled.
    mutating func close(
        _ place: Int, _ kind: DataKind, to: Timestamp, isWanted: Bool, in turn: inout Turn
    ) {
        let number = entries[place].number
        guard let gap = turn.outages.end(number, kind, to: to) else { return }
        turn.report(gap, .open)
        guard isWanted, turn.canBackfill else {
            let detail =
                isWanted ? "filling in is turned off" : "the instrument is no longer wanted"
            turn.report(gap, .abandoned, detail)
            return
        }
        guard kind != .news else { return fillNews(gap, place, in: &turn) }
        guard let border = InstrumentEntry.border(of: kind) else {
            return turn.backfill.add(
                gap, contract: entries[place].contract, feeds: entries[place].instrument.feeds,
                arrivals: .unknown, hours: entries[place].allHours, now: turn.now,
                into: &turn.out.records)
        }
        if closings.count >= EngineLimits.closingMax {
            let oldest = closings.removeFirst()
            turn.report(oldest.gap, .abandoned, "too many outages wait to be filled in")
        }
        let before = entries[place][keyPath: border].arrivals(until: gap.to)
        closings.append(
            Closing(
                gap: gap, place: place, before: before, behind: turn.now.wall,
                due: turn.later(by: EngineLimits.borderWait)))
        entries[place][keyPath: border].begin(turn.now)
    }

    /// Hands over the gaps whose borders are complete. With a `place`, all gaps of this instrument
    /// are handed over, because what comes after `until` belongs to another outage.
    mutating func flushClosings(of place: Int?, until: Timestamp, in turn: inout Turn) {
        var index = 0
        while index < closings.count {
            let closing = closings[index]
            let isDue = place.map { $0 == closing.place } ?? (turn.now.monotonic >= closing.due)
            guard isDue else {
                index += 1
                continue
            }
            closings.remove(at: index)
            let entry = entries[closing.place]
            let end =
                until.isDefined
                ? until
                : turn.now.wall.advanced(
                    byNanoseconds: -(EngineLimits.stampedLag + EngineLimits.lateness))
            let border = InstrumentEntry.border(of: closing.gap.kind) ?? \.trades
            // A second that is not over may still bring ticks, even if the outage ends in it.
            let after = entry[keyPath: border].arrivals(until: end)
            // A process that was suspended checks late. What came right after the outage may have
            // been dropped meanwhile.
            let isKnown = closing.before.since.isDefined && after.since == closing.behind
            // If another process received a part, the bounds are undefined. Known ticks after the
            // outage stay in the list.
            let arrivals = Arrivals(
                closing.before.ticks + after.ticks,
                since: isKnown ? closing.before.since : .undefined,
                until: isKnown ? after.until : .undefined)
            turn.backfill.add(
                closing.gap, contract: entry.contract, feeds: entry.instrument.feeds,
                arrivals: arrivals, hours: entry.allHours, now: turn.now, into: &turn.out.records)
        }
    }
}
