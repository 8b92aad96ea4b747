internal import IBProtocol
internal import Primitives
internal import MarketModel

// Parts of the vendor's service that break and come back, while the rest goes on.
extension IBEngine {
    mutating func farm(_ text: String, _ state: FarmState, _ reason: String) {
        let name = FarmWatch.name(in: text)
        switch state {
        case .broken:
            let cause = OutageCause(.farm, reason, isReset: isReset())
            // One that never told that it was back breaks again: what had come by then stops.
            link.farms.broke(name, cause, turn.now)
            turn.farmDownSince = turn.now.monotonic
            guard turn.isReady else { return }
            turn.isFarmDown = true
            feeds.suspectAll(cause, turn.now)
            feeds.deferAll(to: cause, in: turn)
        case .ok, .inactive:
            link.farms.back(name)
            resumeIfHealthy()
        case .connecting: break
        }
    }

    /// While one is down nothing is asked of history, and a refusal says nothing.
    mutating func historyFarm(_ text: String, _ state: FarmState, _ reason: String) {
        let name = FarmWatch.name(in: text)
        switch state {
        case .broken: link.historyFarms.broke(name, OutageCause(.farm, reason), turn.now)
        case .ok, .inactive: link.historyFarms.back(name)
        case .connecting: break
        }
        holdHistory()
    }

    /// While one is down contracts are not found that there are.
    mutating func definitionsFarm(_ text: String, _ state: FarmState, _ reason: String) {
        let name = FarmWatch.name(in: text)
        switch state {
        case .broken: link.definitionFarms.broke(name, OutageCause(.farm, reason), turn.now)
        case .ok, .inactive:
            link.definitionFarms.back(name)
            feeds.doubtRefusals(turn.now)
        case .connecting: break
        }
        turn.knowsContracts = !link.definitionFarms.isAnyDown
    }

    /// Without its vendor the platform has no history either.
    mutating func holdHistory() {
        let isServerLost = link.serverLost != nil
        let isHeld = isServerLost || link.historyFarms.isAnyYoung(turn.now.monotonic)
        turn.pacing.holdHistory(isHeld, now: turn.now.monotonic)
        turn.backfill.isHistoryDown = isServerLost || link.historyFarms.isAnyDown
    }

    /// An answer shows that history comes, whichever farm was said to be down.
    mutating func historyCame() {
        guard link.historyFarms.isAnyDown else { return }
        link.historyFarms.clear()
        holdHistory()
    }

    /// Not every farm tells that it is back: then the data do, or time.
    mutating func noticeFarms() {
        noticeServer()
        if link.historyFarms.isAnyDown {
            _ = link.historyFarms.expire(turn.now.monotonic)
            holdHistory()
        }
        if link.definitionFarms.expire(turn.now.monotonic) {
            turn.knowsContracts = !link.definitionFarms.isAnyDown
        }
        guard turn.isFarmDown else { return }
        if link.farms.expire(turn.now.monotonic) {
            turn.isFarmDown = link.farms.isAnyDown
            if !turn.isFarmDown { feeds.settleSuspects(in: &turn) }
        }
        guard feeds.hasFlown(since: turn.farmDownSince) else { return }
        link.farms.clear()
        turn.isFarmDown = false
    }

    /// A platform without its vendor has no data: when they come, it has one, though it never said
    /// that it is back.
    private mutating func noticeServer() {
        guard let since = link.serverLost, turn.isReady,
            feeds.hasComeAnywhere(since: since.later(by: EngineLimits.straggling))
        else { return }
        link.serverLost = nil
        askBulletins()
        holdHistory()
        resumeIfHealthy()
        feeds.doubtRefusals(turn.now)
    }
}
