internal import IBProtocol
internal import MarketModel
internal import Primitives

// Contract details: what the provider knows of a contract, as its number and trading hours. They
// are requested before its data.
extension FeedMachine {
    /// Requests the details when they are due, and gives up an open request that has no answer.
    mutating func scanDetails(_ place: Int, in turn: inout Turn) {
        guard turn.now.monotonic >= entries[place].details.due else { return }
        switch entries[place].details.phase {
        case .asked(let id):
            // The data can be requested without details. Only the hours are unknown then.
            detailsRequests[id] = nil
            turn.pacing.withdraw(id: id)
            entries[place].details.settle(until: turn.later(by: EngineLimits.downWaitMax))
        case .unknown, .refused, .settled:
            askDetails(place, in: &turn)
        }
    }

    /// Requests the details. If pacing's queue is full, the next try comes a second later.
    private mutating func askDetails(_ place: Int, in turn: inout Turn) {
        let id = turn.ids.next()
        let request = IBRequest.contractDetails(id: id, Contract(entries[place].instrument))
        let isAsked = turn.pacing.ask(request, .live, now: turn.now.monotonic)
        let isSettled = entries[place].details.isSettled
        entries[place].details.due = turn.later(
            by: !isAsked
                ? EngineLimits.second
                : isSettled ? EngineLimits.detailsAge : EngineLimits.detailsWait)
        guard isAsked else { return }
        detailsRequests[id] = place
        entries[place].details.ask(id)
    }

    /// Takes the details of one of the contracts to which a request fits.
    mutating func took(_ details: ContractDetails) {
        guard let place = detailsRequests[details.request] else { return }
        entries[place].details.add(details)
    }

    /// Completes the contract by its details, and reads its hours.
    private mutating func adopt(_ details: ContractDetails, _ place: Int, in turn: inout Turn) {
        let wanted = Contract(entries[place].instrument)
        var contract = wanted
        contract.id = details.contract.id
        if contract.primaryExchange.isEmpty {
            contract.primaryExchange = details.contract.primaryExchange
        }
        entries[place].contract = contract
        entries[place].details.isContractKnown = true
        entries[place].hours.take(details, zones[details.zone])
        let isNew = !details.zone.isEmpty && zones[details.zone] == nil
        if isNew { turn.report(.zoneWanted(details.zone)) }
    }

    /// Handles the end of an answer with details. Without any contract in it, the data are
    /// requested all the same.
    mutating func tookAllDetails(_ request: Int32, in turn: inout Turn) {
        guard let place = detailsRequests.removeValue(forKey: request) else { return }
        let (found, details) = entries[place].details.takeAnswer()
        if let details { adopt(details, place, in: &turn) }
        guard !entries[place].details.isSettled else { return }
        guard found > 1 else {
            entries[place].details.settle(until: turn.later(by: EngineLimits.detailsAge))
            nextScan = min(nextScan, turn.now.monotonic)
            return
        }
        let reason = "\(found) contracts are meant: name its exchange, currency or expiry"
        refuseInstrument(place, reason, in: &turn)
    }

    /// Refuses all feeds of an instrument. It is tried again in an hour, or on a new connection.
    mutating func refuseInstrument(_ place: Int, _ reason: String, in turn: inout Turn) {
        entries[place].details.phase = .refused
        entries[place].details.isContractKnown = false
        entries[place].details.due = turn.later(by: EngineLimits.refusedWait)
        entries[place].contract = Contract(entries[place].instrument)
        for slot in entries[place].slots.indices {
            handle(
                .ended(.refused, until: .distantPast), FeedRoute(place: place, slot: slot), reason,
                in: &turn)
        }
        reportState(place, in: &turn)
    }

    // MARK: hours

    /// Takes the rules of a time zone, and reads the hours of the instruments in it.
    mutating func know(_ zone: String, _ rules: ZoneRules) {
        guard zones.count < EngineLimits.zonesMax || zones[zone] != nil else { return }
        zones[zone] = rules
        for place in entries.indices where entries[place].hours.zone == zone {
            entries[place].hours.read(rules)
        }
    }

    // MARK: silence

    /// Returns whether a subscription can be treated as live although no tick has come of it. It
    /// was not refused for some seconds, and one of these is true: its market is closed, others of
    /// its venue deliver, or a minute has passed.
    func isSettled(_ route: FeedRoute, _ asked: FeedPhase.Asked, in turn: Turn) -> Bool {
        guard asked.canSettle(turn.now) else { return false }
        let entry = entries[route.place]
        if let hours = entry.hours.all, hours.covers(turn.now.wall),
            hours.opened(at: turn.now.wall) == nil
        {
            return true
        }
        // Data from before a farm's break do not show whether any have come since.
        guard !turn.platform.isFarmDown else {
            return venues[entry.venue].last > asked.since
                && venues.haveCome(since: turn.platform.farmDownSince, of: entry.venue)
        }
        return venues[entry.venue].last > asked.since
            || turn.now.monotonic >= asked.since + EngineLimits.settlingAlone
    }

    /// Requests a live feed again when nothing has come of it for its `patience`, although its
    /// market is open.
    mutating func watch(_ route: FeedRoute, in turn: inout Turn) {
        guard turn.platform.isHealthy, self[route].isOverdue(turn.now) else {
            return
        }
        let entry = entries[route.place]
        let slot = entry.slots[route.slot]
        let wall = turn.now.wall.advanced(byNanoseconds: slot.outlet == .delayed ? -delayedLag : 0)
        if let hours = entry.busyHours, hours.covers(wall) {
            guard let opened = hours.opened(at: wall) else { return }
            guard wall >= opened.advanced(byNanoseconds: slot.silence.patience) else { return }
        } else {
            // Its hours are not known. It is expected to trade while others of its venue do.
            let lastOfVenue = venues[entry.venue].last
            guard lastOfVenue + turn.silentAfter / 2 > turn.now.monotonic,
                turn.now.monotonic >= venues[entry.venue].since + slot.silence.patience
            else { return }
        }
        guard !entry.isQuiet(slot), isServerThere(slot, in: &turn) else { return }
        self[route].silence.endSilence()
        let seconds = slot.silence.patience / EngineLimits.second
        let cause = OutageCause(.silence, "nothing came for \(seconds) s in trading hours")
        interrupt(route, cause, in: &turn)
        restart(route, cause.text, in: &turn)
    }
}

extension FeedMachine {
    /// Returns whether an overdue feed can be requested again: the server has answered a question
    /// for its time since the feed became overdue. Otherwise the server is asked, once for all
    /// feeds. A connection on which nothing comes is closed by the session meanwhile. If only the
    /// answer does not come, the feed is requested again after `heartbeatWait`.
    private func isServerThere(_ slot: FeedSlot, in turn: inout Turn) -> Bool {
        let since = slot.silence.last + slot.silence.patience
        if turn.timeAnswered >= since { return true }
        if turn.timeAsked < since {
            turn.timeAsked = turn.now.monotonic
            _ = turn.pacing.ask(.currentTime, .urgent, now: turn.now.monotonic)
        }
        return turn.now.monotonic >= turn.timeAsked + EngineLimits.heartbeatWait
    }
}

/// Level 1's volume of the day. When it changes, something was traded.
struct DayVolume: Sendable {
    /// Undefined: none came.
    private var last = Quantity.undefined
    /// When it last changed, monotonic.
    private var changed = MonotonicTime.distantPast

    @inline(__always)
    mutating func note(_ volume: Quantity, _ time: MonotonicTime) {
        guard volume.isDefined, volume != last else { return }
        if last.isDefined { changed = time }
        last = volume
    }

    /// Returns whether it shows that nothing was traded after this time, monotonic.
    func isUnchanged(since time: MonotonicTime) -> Bool { last.isDefined && changed <= time }
}

extension InstrumentEntry {
    /// Returns whether a tick-by-tick feed of trades has missed nothing: since its last tick, level
    /// 1's volume of the day has not changed.
    func isQuiet(_ slot: FeedSlot) -> Bool {
        slot.feed == .trades && slots.contains { $0.feed == .marketData && $0.isDelivering }
            && volume.isUnchanged(since: slot.silence.last + EngineLimits.straggling)
    }
}

extension FeedPhase.Asked {
    /// Returns whether a refusal would have come by now, no notice demands a tick as proof, and the
    /// request was not left out (`requestsMayBeLost`).
    func canSettle(_ now: Moment) -> Bool {
        isSent && !needsTick && until == .never && now.monotonic >= since + EngineLimits.settling
    }
}

extension FeedSlot {
    /// Returns whether nothing has come of the feed for its `patience`, although it is watched.
    func isOverdue(_ now: Moment) -> Bool { silence.isOver(now) && isWatched }

    /// Something comes of the feed all the time while its market is open, so silences are noticed.
    var isWatched: Bool {
        switch feed {
        case .marketData:
            !kinds.isDisjoint(with: [.trade, .quote, .indicator, .optionComputation])
        case .trades, .quotes, .midpoints, .depth, .smartDepth, .bars: true
        case .fundamentals, .dailyHistory, .headlines, .firstTime: false
        }
    }
}
