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
            return
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
    }
}

extension InstrumentEntry {
    var level1: Int? { slots.firstIndex { $0.feed == .marketData } }
}
