internal import IBProtocol
internal import MarketModel
internal import Primitives

// Feeds that begin to deliver, that stop, and what lies in between.
extension FeedMachine {
    /// The subscription delivers from now on: what was missing has an end.
    mutating func start(
        _ route: FeedRoute, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        let slot = entries[route.place].slots[route.slot]
        guard slot.state == .asked else { return }
        if slot.feed == .marketData { endTakeOver(route.place, now, &tools, &out) }
        entries[route.place].slots[route.slot].started = now.wall
        entries[route.place].slots[route.slot].lastTick = now.monotonic
        entries[route.place].slots[route.slot].lastTickWall = now.wall
        entries[route.place].slots[route.slot].rhythm.rest()
        entries[route.place].slots[route.slot].failures = 0
        tellSubscription(route, .start, slot.reason, now, tools, &out)
        if slot.feed.lines == .depth { tellBookEmpty(route.place, now, &out) }
        resume(route, now, &tools, &out)
    }

    private func tellBookEmpty(_ place: Int, _ now: Moment, _ out: inout IBEngine.Output) {
        let header = TickHeader(
            symbol: entries[place].number, providerTime: .undefined, receiveTime: now.wall)
        out.records.append(.depthReset(DepthReset(header: header, reason: .disconnected)))
    }

    /// All outages of the feed end here; its subscription is the one that it had, or a new one.
    mutating func resume(
        _ route: FeedRoute, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        let wasOut = entries[route.place].slots[route.slot].cause != nil
        let feed = entries[route.place].slots[route.slot].feed
        if feed.lines == .tickByTick { takeOver(route, now, tools) }
        if feed == .marketData { endTakeOver(route.place, now, &tools, &out) }
        set(nil, route)
        // What may be broken is not known to be back yet.
        entries[route.place].slots[route.slot].isSuspected =
            suspicion.map { !$0.isSettled && now.monotonic < $0.isOver } ?? false
        entries[route.place].slots[route.slot].due = Int64.max
        entries[route.place].slots[route.slot].lastTick = now.monotonic
        entries[route.place].slots[route.slot].lastTickWall = now.wall
        if feed == .marketData { beginTrades(route, now, tools) }
        let slot = entries[route.place].slots[route.slot]
        for kind in slot.kinds.kinds {
            let grain = slot.feed.grain(of: kind)
            var end = grain > 1 ? tools.clock.aligned(now.wall) : now.wall
            let second = entries[route.place].level1TradesFrom
            if feed == .marketData, kind == .trade, second.isDefined { end = max(end, second) }
            if kind == .trade { end = slot.delayedEnd(end) }
            close(route.place, kind, to: end, isWanted: true, now, &tools, &out)
        }
        if wasOut {
            out.tell(.outageEnded(instrument: entries[route.place].number, slot.feed))
        }
        set(route, .live, slot.remark, now, &out)
    }

    /// Data of the feed may be missing behind `trusted`, unless it never delivered any.
    mutating func interrupt(
        _ route: FeedRoute, _ cause: OutageCause, trusted: Timestamp, wait: Int64? = nil,
        _ now: Moment, _ tools: inout EngineTools, _ out: inout IBEngine.Output
    ) {
        guard entries[route.place].slots[route.slot].isDelivering else { return }
        deliverWaiting(route, now, &tools, &out)
        let slot = entries[route.place].slots[route.slot]
        let trusted = slot.isSuspected ? min(trusted, lifeSign(route)) : trusted
        entries[route.place].slots[route.slot].isSuspected = false
        entries[route.place].slots[route.slot].rhythm.rest()
        let sure = max(entries[route.place].proven(slot, upTo: trusted), slot.started)
        let number = entries[route.place].number
        flushClosings(now, of: route.place, until: sure, &tools, &out)
        for kind in slot.kinds.kinds {
            let grain = slot.feed.grain(of: kind)
            let known = grain > 1 ? tools.clock.aligned(sure) : sure
            // Not before the subscription began: what is before that is told of already.
            let delayed = kind == .trade ? slot.delayedStart(trusted: known) : nil
            let from =
                delayed
                ?? max(
                    slot.outageStart(of: kind, trusted: known),
                    slot.began(kind).floored(toNanoseconds: grain))
            let record = tools.outages.begin(
                number, kind, from: from, reason: cause.reason, detail: cause.text, now: now.wall)
            if let record { out.records.append(.gap(record)) }
            if let border = InstrumentEntry.border(of: kind) {
                entries[route.place][keyPath: border].freeze()
            }
        }
        set(cause, route)
        entries[route.place].slots[route.slot].interrupted = now.monotonic
        entries[route.place].slots[route.slot].due =
            now.monotonic.later(by: wait ?? EngineLimits.downWaitMax)
        out.tell(.outageBegun(instrument: number, slot.feed, reason: cause.text.asReason))
        set(route, .interrupted, cause.text, now, &out)
    }

    /// Tells of an outage's end, and sees to it that it is filled in.
    mutating func close(
        _ place: Int, _ kind: DataKind, to: Timestamp, isWanted: Bool, _ now: Moment,
        _ tools: inout EngineTools, _ out: inout IBEngine.Output
    ) {
        let number = entries[place].number
        guard let gap = tools.outages.end(number, kind, to: to) else { return }
        out.records.append(.gap(gap.record(.open, now: now.wall)))
        guard isWanted, tools.canBackfill else {
            let detail =
                isWanted ? "filling in is turned off" : "the instrument is no longer wanted"
            out.records.append(.gap(gap.record(.abandoned, detail: detail, now: now.wall)))
            return
        }
        guard kind != .news else { return fillNews(gap, place, now, &out) }
        guard let border = InstrumentEntry.border(of: kind) else {
            return tools.backfill.add(
                gap, contract: entries[place].contract, feeds: entries[place].instrument.feeds,
                arrivals: .unknown, hours: entries[place].allHours, now: now, into: &out.records)
        }
        if closings.count >= EngineLimits.closingMax {
            let oldest = closings.removeFirst()
            out.records.append(
                .gap(
                    oldest.gap.record(
                        .abandoned, detail: "too many outages wait to be filled in", now: now.wall
                    )))
        }
        let before = entries[place][keyPath: border].arrivals(until: gap.to)
        closings.append(
            Closing(
                gap: gap, place: place, before: before, behind: now.wall,
                due: now.monotonic.later(by: EngineLimits.borderWait)))
        entries[place][keyPath: border].begin(now)
    }

    /// Hands those over whose surroundings are complete; of one instrument all of them, when what
    /// comes behind `until` belongs to another outage.
    mutating func flushClosings(
        _ now: Moment, of place: Int?, until: Timestamp, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        var index = 0
        while index < closings.count {
            let closing = closings[index]
            let isDue =
                place.map { $0 == closing.place } ?? (now.monotonic >= closing.due)
            guard isDue else {
                index += 1
                continue
            }
            closings.remove(at: index)
            let entry = entries[closing.place]
            let end =
                until.isDefined
                ? until
                : now.wall.advanced(
                    byNanoseconds: -(EngineLimits.stampedLag + EngineLimits.lateness))
            let border = InstrumentEntry.border(of: closing.gap.kind) ?? \.trades
            // A second that lasts may still bring ticks, although the outage ends with it.
            let after = entry[keyPath: border].arrivals(until: end)
            // A process that stood still looks late: what came right behind the outage may have
            // fallen out meanwhile.
            let isKnown = closing.before.since.isDefined && after.since == closing.behind
            // What another process received is not known; what came behind the outage is.
            let arrivals = Arrivals(
                closing.before.ticks + after.ticks,
                since: isKnown ? closing.before.since : .undefined,
                until: isKnown ? after.until : .undefined)
            tools.backfill.add(
                closing.gap, contract: entry.contract, feeds: entry.instrument.feeds,
                arrivals: arrivals, hours: entry.allHours, now: now, into: &out.records)
        }
    }
}
