internal import IBProtocol
internal import MarketModel
internal import Primitives

// Which feed delivers trades and quotes: level 1, or a feed that has them tick by tick.
extension FeedMachine {
    /// Lets a tick-by-tick feed take over from level 1, which delivers trades and quotes until
    /// then. Quotes change over immediately. Both feeds have the trades of this moment, so these
    /// change over at a whole second: later ones are taken tick by tick, earlier ones from level 1.
    mutating func takeOverFromLevel1(_ route: FeedRoute, in turn: Turn) {
        let kinds = self[route].kinds
        guard let level1 = entries[route.place].level1 else { return }
        let other = entries[route.place].slots[level1]
        if kinds.contains(.trade) { entries[route.place].handOver.takeOver() }
        if kinds.contains(.quote), other.kinds.contains(.quote), other.isDelivering {
            entries[route.place].quotesTakenOver = turn.now.wall
        }
        guard kinds.contains(.trade), other.kinds.contains(.trade), other.isDelivering else {
            entries[route.place].slots[level1].kinds.subtract(kinds)
            return
        }
        let second = nextSecond(in: turn).advanced(byNanoseconds: EngineLimits.second)
        entries[route.place].handOver.handOver(at: second)
    }

    /// Returns the time up to which level 1 has certainly delivered the trades that it still hands
    /// over; undefined: there is no hand-over from a level 1 that delivers, as far as is known.
    /// Level 1 may be silent since its last tick. An outage that is noticed later adds nothing to a
    /// gap that is already open, so a gap of the other feed has to begin then. No pause counts as a
    /// usual one here, because it may become too long for that.
    func handedOver(_ place: Int, in turn: Turn) -> Timestamp {
        let entry = entries[place]
        guard case .handingOver = entry.handOver.phase, let level1 = entry.level1,
            case .live(let live) = entry.slots[level1].phase
        else { return .undefined }
        let slot = entry.slots[level1]
        let sure = turn.clock.aligned(max(slot.lastTickWall, live.since))
        return max(slot.outageStart(of: .trade, trusted: sure), slot.began(.trade))
    }

    /// Records an outage of quotes that ended when the other feed took them over. Level 1 was
    /// silent then, and has delivered nothing since. Now it stops, and delivered up to `sure`. Or
    /// the other feed stops: its gap cannot include these quotes later, and those in between are
    /// recorded.
    mutating func endQuotes(
        _ route: FeedRoute, sure: Timestamp, _ cause: OutageCause, in turn: inout Turn
    ) {
        let entry = entries[route.place]
        guard let end = entry.quotesTakenOver, let level1 = entry.level1,
            route.slot == level1 || self[route].feed == .quotes
        else { return }
        entries[route.place].quotesTakenOver = nil
        let slot = entry.slots[level1]
        let trusted = route.slot == level1 ? sure : slot.lastTickWall
        let from = max(slot.outageStart(of: .quote, trusted: trusted), slot.began(.quote))
        guard from < end else { return }
        let record = turn.outages.begin(
            entry.number, .quote, from: from, reason: cause.reason, detail: cause.text,
            now: turn.now.wall)
        guard let record else { return }
        turn.put(.gap(record))
        endOutage(route.place, .quote, to: turn.clock.aligned(end), .past, in: &turn)
    }

    /// Completes a hand-over when what was on its way by level 1 has certainly come, or is in a
    /// separate outage.
    mutating func finishHandOver(_ place: Int, in turn: inout Turn) {
        let entry = entries[place]
        guard case .handingOver(let from) = entry.handOver.phase, let level1 = entry.level1,
            turn.clock.aligned(turn.now.wall)
                >= from.advanced(byNanoseconds: EngineLimits.straggling)
        else { return }
        guard entry.slots[level1].isDelivering else {
            // Trades that come while both have stopped belong to the other feed, as planned.
            if entry.hasTradesTickByTick { endHandOverEarly(place, in: &turn) }
            return
        }
        let proof = from.advanced(byNanoseconds: EngineLimits.transit)
        guard turn.clock.aligned(entry.slots[level1].lastTickWall) >= proof else { return }
        entries[place].handOver.settle()
        entries[place].slots[level1].kinds.remove(.trade)
    }

    /// Ends a hand-over because level 1 stopped. Its outage ends where the other feed begins. If
    /// the other feed has stopped as well, the first one to come back delivers the trades. Level 1
    /// does so from the next whole second on, because late trades of the other feed have been
    /// recorded.
    mutating func endHandOverEarly(_ place: Int, in turn: inout Turn) {
        let entry = entries[place]
        guard case .handingOver(let from) = entry.handOver.phase, let level1 = entry.level1
        else { return }
        if entry.hasTradesTickByTick {
            endOutage(place, .trade, to: from, .now, in: &turn)
            entries[place].slots[level1].kinds.remove(.trade)
        } else if !entry.slots[level1].isDelivering {
            entries[place].handOver.settle()
            guard turn.outages.isOpen(entry.number, .trade) else { return }
            entries[place].handOver.giveBack(from: nextSecond(in: turn))
        }
    }

    /// Returns the beginning of the next second, by the provider's clock.
    func nextSecond(in turn: Turn) -> Timestamp {
        turn.clock.aligned(turn.now.wall)
            .advanced(byNanoseconds: EngineLimits.second)
            .floored(toNanoseconds: EngineLimits.second)
    }

    /// Begins the trades of level 1 when it delivers again in place of another feed. They begin at
    /// the next whole second, so that history can have all trades before it.
    mutating func beginTrades(_ route: FeedRoute, in turn: Turn) {
        let number = entries[route.place].number
        guard case .givenBack = entries[route.place].handOver.phase,
            turn.outages.isOpen(number, .trade)
        else { return }
        let second = nextSecond(in: turn)
        entries[route.place].handOver.giveBack(from: second)
        self[route].regained.tradesSince = second
    }

    /// Lets level 1 deliver again what does not come tick by tick for a while. Its trades begin at
    /// the next whole second: those before it may have come tick by tick.
    mutating func giveBackToLevel1(_ route: FeedRoute, _ reason: String, in turn: inout Turn) {
        let entry = entries[route.place]
        guard entry.slots[route.slot].feed.lines == .tickByTick, let level1 = entry.level1 else {
            return
        }
        let slot = entry.slots[level1]
        let kinds = entry.slots[route.slot].kinds
            .intersection(slot.feed.kinds(of: entry.instrument))
        var isHandingOver = false
        if case .handingOver = entry.handOver.phase { isHandingOver = kinds.contains(.trade) }
        guard isHandingOver || !kinds.isSubset(of: slot.kinds) else { return }
        let second = nextSecond(in: turn)
        if kinds.contains(.trade) { entries[route.place].handOver.giveBack(from: second) }
        entries[route.place].slots[level1].kinds.formUnion(kinds)
        entries[route.place].slots[level1].regained = Regained(
            kinds: kinds, since: turn.now.wall, tradesSince: second)
        // If level 1 does not deliver, its next start records the subscription and ends the gaps.
        guard slot.isDelivering else { return }
        let place = FeedRoute(place: route.place, slot: level1)
        reportSubscription(place, .start, "not one by one: \(reason)", kinds, in: &turn)
        for kind in kinds.kinds {
            let end = kind == .trade ? second : turn.now.wall
            endOutage(route.place, kind, to: end, .now, in: &turn)
        }
    }
}

extension InstrumentEntry {
    /// The index of level 1's slot; `nil`: level 1 is not wanted.
    var level1: Int? { slots.firstIndex { $0.feed == .marketData } }

    var hasTradesTickByTick: Bool { slots.contains { $0.feed == .trades && $0.isDelivering } }
}
