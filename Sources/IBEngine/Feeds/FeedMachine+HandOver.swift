internal import IBProtocol
internal import MarketModel
internal import Primitives
internal import ProviderModel

// Who tells of trades and quotes: level 1, or a feed that tells them one by one.
extension FeedMachine {
    /// Level 1 tells of trades and quotes, too, until they come one by one. Both tell of the trades
    /// of this moment: those of a whole second on are the one's, those before it the other's.
    mutating func takeOver(_ route: FeedRoute, _ now: Moment, _ tools: EngineTools) {
        let kinds = entries[route.place].slots[route.slot].kinds
        entries[route.place].tradesFrom = .undefined
        guard let level1 = entries[route.place].level1 else { return }
        let other = entries[route.place].slots[level1]
        guard kinds.contains(.trade), other.kinds.contains(.trade), other.isStarted else {
            entries[route.place].slots[level1].kinds.subtract(kinds)
            return entries[route.place].endConflation(kinds)
        }
        entries[route.place].tradesFrom = tools.clock.aligned(now.wall)
            .advanced(byNanoseconds: 2 * EngineLimits.second)
            .floored(toNanoseconds: EngineLimits.second)
    }

    /// The hand-over is complete when what was on its way has come.
    mutating func finishTakeOver(_ place: Int, _ now: Moment, _ tools: EngineTools) {
        let from = entries[place].tradesFrom
        guard from.isDefined,
            tools.clock.aligned(now.wall) >= from.advanced(byNanoseconds: EngineLimits.straggling)
        else { return }
        entries[place].tradesFrom = .undefined
        guard let level1 = entries[place].level1 else { return }
        entries[place].slots[level1].kinds.remove(.trade)
        entries[place].endConflation(.trade)
    }

    /// A feed that told them one by one has gone, and does not come back at once: level 1 tells of
    /// its kind until it does, and what was missing ends here.
    mutating func handBack(
        _ place: Int, _ now: Moment, _ tools: inout EngineTools, _ out: inout IBEngine.Output
    ) {
        guard let level1 = entries[place].level1 else { return }
        let teller = entries[place].slots[level1]
        guard teller.state == .live,
            now.monotonic >= teller.stateSince.later(by: EngineLimits.handBackWait)
        else { return }
        let own = FeedKind.marketData.kinds(of: entries[place].instrument.feeds)
        var kinds: KindSet = []
        for slot in entries[place].slots where slot.isGone(now) {
            kinds.formUnion(slot.kinds.intersection(own).subtracting(teller.kinds))
        }
        guard !kinds.isEmpty else { return }
        if kinds.contains(.trade) { entries[place].tradesFrom = .undefined }
        entries[place].slots[level1].kinds.formUnion(kinds)
        entries[place].beginConflation(kinds)
        let route = FeedRoute(place: place, slot: level1)
        for kind in kinds.kinds {
            let grain = teller.feed.grain(of: kind)
            let end = grain > 1 ? tools.clock.aligned(now.wall) : now.wall
            close(place, kind, to: end, isWanted: true, now, &tools, &out)
        }
        tellSubscription(
            route, .start, "level 1 tells of them until they come one by one", kinds, now, tools,
            &out)
    }
}

extension FeedSlot {
    /// It told of its data one by one, and neither does nor is about to.
    fileprivate func isGone(_ now: Moment) -> Bool {
        feed.lines == .tickByTick && state != .live && state != .interrupted
            && now.monotonic >= leftLive.later(by: EngineLimits.handBackWait)
    }
}

extension InstrumentEntry {
    var level1: Int? { slots.firstIndex { $0.feed == .marketData } }

    /// Level 1 tells of some of them, not of each: nothing can be compared with them one by one.
    fileprivate mutating func beginConflation(_ kinds: KindSet) {
        if kinds.contains(.trade) { trades.isConflated = true }
        if kinds.contains(.quote) { quotes.isConflated = true }
    }

    fileprivate mutating func endConflation(_ kinds: KindSet) {
        if kinds.contains(.trade), trades.isConflated { trades = BorderTicks() }
        if kinds.contains(.quote), quotes.isConflated { quotes = BorderTicks() }
    }
}
