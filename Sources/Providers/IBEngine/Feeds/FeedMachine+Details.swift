internal import IBProtocol
internal import MarketModel
internal import Primitives

// Contract details: what the provider knows of a contract, as its number and trading hours. They
// are requested before its data.
extension FeedMachine {
    /// Requests the details when they are due, and gives up an open request that has no answer.
    mutating func scanDetails(_ place: Int, in turn: inout Turn) {
        guard turn.now.monotonic >= entries[place].detailsDue else { return }
        switch entries[place].details {
        case .asked(let id):
            // The data can be requested without details. Only the hours are unknown then.
            detailsRequests[id] = nil
            turn.pacing.withdraw(id: id)
            entries[place].details = .settled
            entries[place].detailsDue = turn.later(by: EngineLimits.downWaitMax)
        case .unknown, .refused, .settled:
            askDetails(place, in: &turn)
        }
    }

    /// Requests the details. If pacing's queue is full, the next try comes a second later.
    private mutating func askDetails(_ place: Int, in turn: inout Turn) {
        let id = turn.ids.next()
        let request = IBRequest.contractDetails(id: id, Contract(entries[place].instrument))
        let isAsked = turn.pacing.ask(request, .live, now: turn.now.monotonic)
        let isSettled = entries[place].details == .settled
        entries[place].detailsDue = turn.later(
            by: !isAsked
                ? EngineLimits.second
                : isSettled ? EngineLimits.detailsAge : EngineLimits.detailsWait)
        guard isAsked else { return }
        detailsRequests[id] = place
        entries[place].detailsFound = 0
        entries[place].detailsCandidate = nil
        // A request for new hours does not delay the data of a known contract.
        if !isSettled { entries[place].details = .asked(id) }
    }

    /// Takes the details of one of the contracts to which the request fits. They are kept only if
    /// there is no other one.
    mutating func took(_ details: ContractDetails) {
        guard let place = detailsRequests[details.request] else { return }
        entries[place].detailsFound = min(entries[place].detailsFound + 1, 1_000)
        entries[place].detailsCandidate = entries[place].detailsFound == 1 ? details : nil
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
        entries[place].isContractKnown = true
        entries[place].zone = details.zone
        entries[place].hoursText =
            details.liquidHours.isEmpty ? details.tradingHours : details.liquidHours
        entries[place].allHoursText =
            details.tradingHours.isEmpty ? details.liquidHours : details.tradingHours
        readHours(place)
        let isNew = !details.zone.isEmpty && zones[details.zone] == nil
        if isNew { turn.report(.zoneWanted(details.zone)) }
    }

    /// Handles the end of an answer with details. Without any contract in it, the data are
    /// requested all the same.
    mutating func tookAllDetails(_ request: Int32, in turn: inout Turn) {
        guard let place = detailsRequests.removeValue(forKey: request) else { return }
        let found = entries[place].detailsFound
        // When several contracts answer, it is not known which one is meant.
        if let details = entries[place].detailsCandidate { adopt(details, place, in: &turn) }
        entries[place].detailsCandidate = nil
        guard entries[place].details != .settled else { return }
        guard found > 1 else {
            entries[place].details = .settled
            entries[place].detailsDue = turn.later(by: EngineLimits.detailsAge)
            nextScan = min(nextScan, turn.now.monotonic)
            return
        }
        let reason = "\(found) contracts are meant: name its exchange, currency or expiry"
        refuseInstrument(place, reason, in: &turn)
    }

    /// Refuses all feeds of an instrument. It is tried again in an hour, or on a new connection.
    mutating func refuseInstrument(_ place: Int, _ reason: String, in turn: inout Turn) {
        entries[place].details = .refused
        entries[place].contract = Contract(entries[place].instrument)
        entries[place].isContractKnown = false
        entries[place].detailsDue = turn.later(by: EngineLimits.refusedWait)
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
        for place in entries.indices where entries[place].zone == zone { readHours(place) }
    }

    /// Reads the hours of an instrument, if the rules of its zone are known.
    private mutating func readHours(_ place: Int) {
        let entry = entries[place]
        let rules = zones[entry.zone]
        entries[place].hours = rules.map { SessionHours(entry.hoursText, $0) }
        entries[place].allHours = rules.map { SessionHours(entry.allHoursText, $0) }
    }

    // MARK: silence

    /// Returns whether a subscription can be treated as live although no tick has come of it. It
    /// was not refused for some seconds, and one of these is true: its market is closed, others of
    /// its venue deliver, or a minute has passed.
    func isSettled(_ route: FeedRoute, _ asked: FeedPhase.Asked, in turn: Turn) -> Bool {
        guard asked.canSettle(turn.now) else { return false }
        let entry = entries[route.place]
        if let hours = entry.allHours, hours.covers(turn.now.wall),
            hours.opened(at: turn.now.wall) == nil
        {
            return true
        }
        // Data from before a farm's break do not show whether any have come since.
        guard !turn.isFarmDown else {
            return venues[entry.venue].last > asked.since
                && hasCome(since: turn.farmDownSince, of: entry.venue)
        }
        return venues[entry.venue].last > asked.since
            || turn.now.monotonic >= asked.since + EngineLimits.settlingAlone
    }

    /// Requests a live feed again when nothing has come of it for its `patience`, although its
    /// market is open.
    mutating func watch(_ route: FeedRoute, in turn: inout Turn) {
        guard turn.isHealthy, self[route].isOverdue(turn.now) else {
            return
        }
        let entry = entries[route.place]
        let slot = entry.slots[route.slot]
        let wall = turn.now.wall.advanced(byNanoseconds: slot.outlet == .delayed ? -delayedLag : 0)
        if let hours = entry.busyHours, hours.covers(wall) {
            guard let opened = hours.opened(at: wall) else { return }
            guard wall >= opened.advanced(byNanoseconds: slot.patience) else { return }
        } else {
            // Its hours are not known. It is expected to trade while others of its venue do.
            let lastOfVenue = venues[entry.venue].last
            guard lastOfVenue + turn.silentAfter / 2 > turn.now.monotonic,
                turn.now.monotonic >= venues[entry.venue].since + slot.patience
            else { return }
        }
        guard !entry.isQuiet(slot), isServerThere(slot, in: &turn) else { return }
        let patience = min(slot.patience.doubled, EngineLimits.refusedWait)
        self[route].patience = patience
        self[route].ticksSinceSilence = 0
        let seconds = slot.patience / EngineLimits.second
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
        let since = slot.lastTick + slot.patience
        if turn.timeAnswered >= since { return true }
        if turn.timeAsked < since {
            turn.timeAsked = turn.now.monotonic
            _ = turn.pacing.ask(.currentTime, .urgent, now: turn.now.monotonic)
        }
        return turn.now.monotonic >= turn.timeAsked + EngineLimits.heartbeatWait
    }
}

extension InstrumentEntry {
    @inline(__always)
    /// Notes level 1's volume of the day. When it changes, something was traded.
    mutating func note(volume now: Quantity, _ time: MonotonicTime) {
        guard now.isDefined, now != volume else { return }
        if volume.isDefined { volumeGrew = time }
        volume = now
    }

    /// Returns whether a tick-by-tick feed of trades has missed nothing: since its last tick, level
    /// 1's volume of the day has not changed.
    func isQuiet(_ slot: FeedSlot) -> Bool {
        guard slot.feed == .trades, volume.isDefined,
            slots.contains(where: { $0.feed == .marketData && $0.isDelivering })
        else { return false }
        return volumeGrew <= slot.lastTick + EngineLimits.straggling
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
    func isOverdue(_ now: Moment) -> Bool {
        now.monotonic >= lastTick + patience && isWatched
    }

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
