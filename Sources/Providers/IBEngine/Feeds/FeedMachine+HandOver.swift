internal import IBProtocol
internal import MarketModel
internal import Primitives

// Who tells of trades and quotes: level 1, or a feed that tells them one by one.
extension FeedMachine {
    /// Level 1 tells of trades and quotes, too, until they come one by one. Both tell of the trades
    /// of this moment: those of a whole second on are the one's, those before it the other's.
    mutating func takeOver(_ route: FeedRoute, in turn: Turn) {
        let kinds = self[route].kinds
        guard let level1 = entries[route.place].level1 else { return }
        let other = entries[route.place].slots[level1]
        if kinds.contains(.trade) { entries[route.place].handOver.takeOver() }
        guard kinds.contains(.trade), other.kinds.contains(.trade), other.isDelivering else {
            entries[route.place].slots[level1].kinds.subtract(kinds)
            return
        }
        let second = nextSecond(in: turn).advanced(byNanoseconds: EngineLimits.second)
        entries[route.place].handOver.handOver(at: second)
    }

    /// The hand-over is complete when what was on its way by level 1 has come for certain, or is in
    /// an outage of its own.
    mutating func finishTakeOver(_ place: Int, in turn: inout Turn) {
        let entry = entries[place]
        guard case .handingOver(let from) = entry.handOver.phase, let level1 = entry.level1,
            turn.clock.aligned(turn.now.wall)
                >= from.advanced(byNanoseconds: EngineLimits.straggling)
        else { return }
        guard entry.slots[level1].isDelivering else {
            // What comes while both have stopped is the other feed's, as it was to be.
            if entry.hasTradesOneByOne { endTakeOver(place, in: &turn) }
            return
        }
        let proof = from.advanced(byNanoseconds: EngineLimits.transit)
        guard turn.clock.aligned(entry.slots[level1].lastTickWall) >= proof else { return }
        entries[place].handOver.settle()
        entries[place].slots[level1].kinds.remove(.trade)
    }

    /// Level 1 stopped while it handed trades over: its outage ends where the other feed begins.
    /// If that one has stopped as well, the first to come back has them: level 1 from the next
    /// whole second on, because stragglers of the other feed have been told.
    mutating func endTakeOver(_ place: Int, in turn: inout Turn) {
        let entry = entries[place]
        guard case .handingOver(let from) = entry.handOver.phase, let level1 = entry.level1
        else { return }
        if entry.hasTradesOneByOne {
            close(place, .trade, to: from, isWanted: true, in: &turn)
            entries[place].slots[level1].kinds.remove(.trade)
        } else if !entry.slots[level1].isDelivering {
            entries[place].handOver.settle()
            guard turn.outages.isOpen(entry.number, .trade) else { return }
            entries[place].handOver.giveBack(from: nextSecond(in: turn))
        }
    }

    /// The next whole second by the provider's clock.
    func nextSecond(in turn: Turn) -> Timestamp {
        turn.clock.aligned(turn.now.wall)
            .advanced(byNanoseconds: EngineLimits.second)
            .floored(toNanoseconds: EngineLimits.second)
    }

    /// Level 1 delivers again, and tells of trades in place of another feed: from the next whole
    /// second on, so that history can have all of those before.
    mutating func beginTrades(_ route: FeedRoute, in turn: Turn) {
        let number = entries[route.place].number
        guard case .givenBack = entries[route.place].handOver.phase,
            turn.outages.isOpen(number, .trade)
        else { return }
        let second = nextSecond(in: turn)
        entries[route.place].handOver.giveBack(from: second)
        self[route].regained.tradesSince = second
    }

    /// What does not come one by one for a while comes by level 1 again, until it does. Its trades
    /// are told of from the next whole second on: those before it may have come one by one.
    mutating func giveBack(_ route: FeedRoute, _ reason: String, in turn: inout Turn) {
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
        // Otherwise they are told of when it delivers again.
        guard slot.isDelivering else { return }
        let place = FeedRoute(place: route.place, slot: level1)
        tellSubscription(place, .start, "not one by one: \(reason)", kinds, in: &turn)
        for kind in kinds.kinds {
            let end = kind == .trade ? second : turn.now.wall
            close(route.place, kind, to: end, isWanted: true, in: &turn)
        }
    }
}

extension InstrumentEntry {
    var level1: Int? { slots.firstIndex { $0.feed == .marketData } }

    var hasTradesOneByOne: Bool { slots.contains { $0.feed == .trades && $0.isDelivering } }
}
