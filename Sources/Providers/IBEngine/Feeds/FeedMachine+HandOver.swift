internal import IBProtocol
internal import MarketModel
internal import Primitives

// Which feed delivers trades and quotes: level 1, or a feed that has them tick by tick.
extension FeedMachine {
    /// Lets a tick-by-tick feed that begins take over from level 1, which has delivered its kinds
    /// until now. Quotes are taken tick by tick immediately. Trades come by both feeds, so they
    /// change over at a whole second: later ones are taken tick by tick, earlier ones from level 1.
    mutating func takeOverFromLevel1(_ route: FeedRoute, in turn: Turn) {
        let kinds = self[route].kinds
        guard let level1 = entries[route.place].level1 else { return }
        let other = entries[route.place].slots[level1]
        if kinds.contains(.trade) { entries[route.place].handOver.takeOver() }
        // Delayed data belong to another source, so nothing changes there.
        guard other.outlet == .live else { return }
        if kinds.contains(.quote), other.kinds.contains(.quote), other.isDelivering {
            entries[route.place].quotesTakenOver = turn.now.wall
        }
        guard kinds.contains(.trade), other.kinds.contains(.trade), other.isDelivering else {
            entries[route.place].slots[level1].kinds.subtract(kinds)
            return
        }
        // The provider's clock may be up to a second ahead of what is known of it, and the
        // tick-by-tick feed needs every trade after this time. So one more second passes first.
        let second = nextSecond(in: turn).advanced(byNanoseconds: EngineLimits.second)
        entries[route.place].handOver.handOver(at: second)
    }

    /// Returns the time up to which level 1 has certainly delivered trades during a hand-over;
    /// undefined: no hand-over is in progress, or level 1 does not deliver.
    ///
    /// `interrupt` calls it when the tick-by-tick feed of trades stops. Level 1 may have been dead
    /// since its last tick, and an outage of it that is noticed later cannot make the open gap of
    /// trades longer. So that gap begins at the last tick of level 1. A silence is not accepted as
    /// a usual pause here, because its length is not known yet.
    func handedOver(_ place: Int, in turn: Turn) -> Timestamp {
        let entry = entries[place]
        guard case .handingOver = entry.handOver.phase, let level1 = entry.level1,
            case .live(let live) = entry.slots[level1].phase
        else { return .undefined }
        let slot = entry.slots[level1]
        let sure = turn.clock.aligned(max(slot.silence.lastWall, live.since))
        return max(slot.outageStart(of: .trade, trusted: sure), slot.began(.trade))
    }

    /// Records quotes that are missing because level 1 was dead when the tick-by-tick feed took
    /// them over. They are missing from the last tick of level 1 to that moment. If level 1 has
    /// delivered since, nothing is missing.
    ///
    /// `interrupt` calls it when one of the two feeds stops. `sure`: the time up to which that feed
    /// has certainly delivered. The outage that begins then does not include these quotes, because
    /// the tick-by-tick feed has recorded later ones.
    mutating func endQuotes(
        _ route: FeedRoute, sure: Timestamp, _ cause: OutageCause, in turn: inout Turn
    ) {
        let entry = entries[route.place]
        guard let end = entry.quotesTakenOver, let level1 = entry.level1,
            route.slot == level1 || self[route].feed == .quotes
        else { return }
        entries[route.place].quotesTakenOver = nil
        let slot = entry.slots[level1]
        let trusted = route.slot == level1 ? sure : slot.silence.lastWall
        let from = max(slot.outageStart(of: .quote, trusted: trusted), slot.began(.quote))
        guard from < end else { return }
        let gap = OpenGap(
            instrument: entry.number, kind: .quote, from: from, to: .undefined,
            reason: cause.reason)
        guard turn.live.beginGap(gap, cause.text, now: turn.now.wall) else { return }
        endOutage(route.place, .quote, to: turn.clock.aligned(end), .past, in: &turn)
    }

    /// Completes a hand-over when every trade that level 1 still had to deliver has certainly come.
    /// If level 1 has stopped, the hand-over ends early.
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
        // A tick of level 1 that came so late shows that the trades before it have come.
        let proof = from.advanced(byNanoseconds: EngineLimits.transit)
        guard turn.clock.aligned(entry.slots[level1].silence.lastWall) >= proof else { return }
        entries[place].handOver.settle()
        entries[place].slots[level1].kinds.remove(.trade)
    }

    /// Ends a hand-over because level 1 stopped or begins again. If the tick-by-tick feed delivers,
    /// the outage of trades ends where that feed begins. If both have stopped, the first one to
    /// come back delivers the trades. Level 1 does so from the next whole second on, because the
    /// tick-by-tick feed has recorded trades of this one.
    mutating func endHandOverEarly(_ place: Int, in turn: inout Turn) {
        let entry = entries[place]
        guard case .handingOver(let from) = entry.handOver.phase, let level1 = entry.level1
        else { return }
        if entry.hasTradesTickByTick {
            endOutage(place, .trade, to: from, .now, in: &turn)
            entries[place].slots[level1].kinds.remove(.trade)
        } else if !entry.slots[level1].isDelivering {
            entries[place].handOver.settle()
            guard turn.live.outages.isOpen(entry.number, .trade) else { return }
            entries[place].handOver.giveBack(from: nextSecond(in: turn))
        }
    }

    /// Returns the beginning of the next second, by the provider's clock.
    func nextSecond(in turn: Turn) -> Timestamp {
        turn.clock.aligned(turn.now.wall)
            .advanced(byNanoseconds: EngineLimits.second)
            .floored(toNanoseconds: EngineLimits.second)
    }

    /// Begins the trades of level 1 when it delivers again in place of the tick-by-tick feed. They
    /// begin at the next whole second, so that the gap before ends at a whole second, as history
    /// counts time.
    mutating func beginTrades(_ route: FeedRoute, in turn: Turn) {
        let number = entries[route.place].number
        guard case .givenBack = entries[route.place].handOver.phase,
            turn.live.outages.isOpen(number, .trade)
        else { return }
        let second = nextSecond(in: turn)
        entries[route.place].handOver.giveBack(from: second)
        self[route].regained.tradesSince = second
    }

    /// Lets level 1 deliver again what does not come tick by tick for a while. `route`: the feed
    /// that does not deliver, for the `reason`. Trades of level 1 begin at the next whole second:
    /// those before it may have come tick by tick.
    mutating func giveBackToLevel1(_ route: FeedRoute, _ reason: String, in turn: inout Turn) {
        let entry = entries[route.place]
        guard entry.slots[route.slot].feed.lines == .tickByTick, let level1 = entry.level1,
            entry.slots[level1].outlet == .live
        else { return }
        let slot = entry.slots[level1]
        let kinds = entry.slots[route.slot].kinds
            .intersection(slot.feed.kinds(of: entry.instrument))
        var isHandingOver = false
        if case .handingOver = entry.handOver.phase { isHandingOver = kinds.contains(.trade) }
        // Otherwise level 1 delivers these kinds already.
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

    /// Its tick-by-tick feed of trades delivers.
    var hasTradesTickByTick: Bool { slots.contains { $0.feed == .trades && $0.isDelivering } }
}
