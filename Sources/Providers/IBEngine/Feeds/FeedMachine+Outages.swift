internal import IBProtocol
internal import MarketModel
internal import Primitives

// Feeds that begin to deliver, that stop, and the outages in between.
extension FeedMachine {
    /// Notes that a new subscription delivers from now on, which ends an outage of the feed. A feed
    /// in another phase than `asked` is left as it is.
    mutating func start(_ route: FeedRoute, in turn: inout Turn) {
        let slot = self[route]
        guard case .asked = slot.phase else { return }
        if slot.feed == .marketData { endHandOverEarly(route.place, in: &turn) }
        self[route].silence.rhythm.rest()
        self[route].attempts.failures = 0
        reportSubscription(route, .start, slot.reason, in: &turn)
        // A new subscription sends the complete book once more.
        if slot.feed.lines == .depth {
            let header = turn.header(entries[route.place].number)
            turn.live.put(.depthReset(DepthReset(header: header, reason: .disconnected)))
        }
        if self[route].outlet == .delayed { settleDelayed(route, in: &turn) }
        resume(route, in: &turn)
        if self[route].outlet == .live { settleDelayed(route, in: &turn) }
    }

    /// Makes a feed live, and ends the outages of all kinds that it delivers. The subscription is a
    /// new one, or the one that an outage interrupted.
    mutating func resume(_ route: FeedRoute, in turn: inout Turn) {
        let wasOut = self[route].phase.cause != nil
        let feed = self[route].feed
        if feed.lines == .tickByTick { takeOverFromLevel1(route, in: turn) }
        if feed == .marketData { endHandOverEarly(route.place, in: &turn) }
        self[route].silence.begin(turn.now)
        if feed == .marketData { beginTrades(route, in: turn) }
        let slot = self[route]
        for kind in slot.kinds.kinds {
            // Event times with a grain above 1 ns are the provider's, so the gap ends by its clock.
            let grain = slot.feed.grain(of: kind)
            var end = grain > 1 ? turn.clock.aligned(turn.now.wall) : turn.now.wall
            if feed == .marketData, kind == .trade,
                case .givenBack(let second, _) = entries[route.place].handOver.phase
            {
                // Level 1 delivers trades only from that second on.
                end = max(end, second)
            }
            if kind == .trade { end = slot.delayedEnd(end) }
            switch slot.outlet {
            case .live: endOutage(route.place, kind, to: end, .now, in: &turn)
            case .delayed: endDelayed(route.place, kind, to: end, in: &turn)
            }
        }
        if wasOut {
            turn.report(.outageEnded(instrument: entries[route.place].number, slot.feed))
        }
        // The first data after a notice may have been sent before it, and prove nothing.
        let isSuspected =
            suspicion.map { !$0.isSettled && turn.now.monotonic < $0.stragglersUntil } ?? false
        handle(.delivers(isSuspected: isSuspected), route, slot.remark, in: &turn)
    }

    /// Begins an outage: data of the feed may be missing after `trusted` (`nil`: after now). A feed
    /// that does not deliver is left as it is. `since`: when the outage began, monotonic (`nil`:
    /// now). `wait`: after how many nanoseconds the feed is requested again, if it does not come
    /// back.
    mutating func interrupt(
        _ route: FeedRoute, _ cause: OutageCause, trusted: Timestamp? = nil,
        since: MonotonicTime? = nil,
        wait: Int64 = EngineLimits.downWaitMax, in turn: inout Turn
    ) {
        guard case .live(let live) = self[route].phase else { return }
        deliverHeldTrades(route, in: &turn)
        let slot = self[route]
        // A suspected feed is trusted only until the last sign of life.
        let claimed = trusted ?? turn.now.wall
        let trusted = live.isSuspected ? min(claimed, lifeSign(route)) : claimed
        self[route].silence.rhythm.rest()
        let sure = max(entries[route.place].proven(slot, upTo: trusted), live.since)
        let number = entries[route.place].number
        // The next outage begins here, so the borders of earlier ones of its kinds end here. Other
        // feeds of the instrument still deliver, and `sure` says nothing about them.
        if slot.outlet == .live {
            fillEndedOutages(of: route.place, slot.kinds, until: sure, in: &turn)
            endQuotes(route, sure: sure, cause, in: &turn)
        }
        for kind in slot.kinds.kinds {
            let grain = slot.feed.grain(of: kind)
            let known = grain > 1 ? turn.clock.aligned(sure) : sure
            // The gap does not begin before the subscription: an earlier gap covers that time.
            let delayed = kind == .trade ? slot.delayedStart(trusted: known) : nil
            var from =
                delayed
                ?? max(
                    slot.outageStart(of: kind, trusted: known),
                    slot.began(kind).floored(toNanoseconds: grain))
            if slot.feed == .trades { from = min(from, handedOver(route.place, in: turn)) }
            let gap = OpenGap(
                instrument: number, kind: kind, from: from, to: .undefined, reason: cause.reason)
            turn[slot.outlet].beginGap(gap, cause.text, now: turn.now.wall)
            if slot.outlet == .live, let border = Borders.of(kind) {
                entries[route.place].borders[keyPath: border].freeze()
            }
        }
        turn.report(.outageBegun(instrument: number, slot.feed, reason: cause.text.cutToReason))
        let since = since ?? turn.now.monotonic
        handle(
            .broke(cause, since: since, until: turn.later(by: wait)), route, cause.text, in: &turn)
    }

    /// How an outage ends.
    enum OutageEnd {
        /// The kind of data arrives again.
        case now
        /// It ended before it was noticed, so the arrivals around its end are not kept any more.
        case past
        /// No feed delivers this kind any more: the gap is abandoned.
        case unwanted
    }

    /// Ends the outage of one kind of data at `to`, records its gap, and hands the gap over to be
    /// filled. Without an open outage it does nothing.
    mutating func endOutage(
        _ place: Int, _ kind: DataKind, to: Timestamp, _ outageEnd: OutageEnd, in turn: inout Turn
    ) {
        let number = entries[place].number
        guard let gap = turn.live.endGap(number, kind, to: to, now: turn.now.wall) else { return }
        guard outageEnd != .unwanted, turn.canBackfill else {
            let detail =
                outageEnd == .unwanted
                ? "the instrument is no longer wanted" : "filling in is turned off"
            return turn.live.putGap(gap, .abandoned, detail, now: turn.now.wall)
        }
        guard kind != .news else { return fillNews(gap, place, in: &turn) }
        guard outageEnd == .now, let border = Borders.of(kind) else {
            return turn.fill(gap, of: entries[place])
        }
        let before = entries[place].borders[keyPath: border].arrivals(until: gap.to)
        let oldest = endedOutages.add(
            EndedOutages.Outage(
                gap: gap, place: place, before: before, afterSince: turn.now.wall,
                due: turn.later(by: EngineLimits.borderWait)))
        if let oldest {
            turn.live.putGap(
                oldest.gap, .abandoned, "too many outages wait to be filled in", now: turn.now.wall)
        }
        entries[place].borders[keyPath: border].begin(turn.now)
    }

    /// Gives the backfill the gaps that are due: all ticks of their borders have come. With a
    /// `place`, it gets the gaps of that instrument of these `kinds` (`nil`: of all), due or not.
    /// Then their borders end at `until`, because another outage begins there, or the instrument
    /// ends.
    mutating func fillEndedOutages(
        of place: Int? = nil, _ kinds: KindSet? = nil, until: Timestamp = .undefined,
        in turn: inout Turn
    ) {
        let now = turn.now.monotonic
        let due = endedOutages.take { ended in
            guard let place else { return now >= ended.due }
            return ended.place == place && kinds?.contains(KindSet(ended.gap.kind)) ?? true
        }
        guard !due.isEmpty else { return }
        // Younger ticks may still come late, so the border ends before them.
        let end =
            until.isDefined
            ? until
            : turn.now.wall.advanced(
                byNanoseconds: -(EngineLimits.stampedLag + EngineLimits.lateness))
        for ended in due {
            let entry = entries[ended.place]
            // `endOutage` adds only kinds that have border ticks.
            let border = Borders.of(ended.gap.kind) ?? \.trades
            let after = entry.borders[keyPath: border].arrivals(until: end)
            turn.fill(ended.gap, of: entry, ended.arrivals(after))
        }
    }
}

extension Turn {
    /// Gives the backfill a gap of an instrument. `arrivals`: what arrived around it.
    mutating func fill(
        _ gap: OpenGap, of entry: InstrumentEntry, _ arrivals: Arrivals = .unknown
    ) {
        backfill.add(
            gap, contract: entry.contract, feeds: entry.instrument.feeds, arrivals: arrivals,
            hours: entry.hours.all, now: now, into: &live.records)
    }
}
