internal import IBProtocol
internal import Primitives
internal import MarketModel

// Parts of the vendor's service that break and come back, while the rest goes on.
extension IBEngine {
    mutating func farm(
        _ text: String, _ state: FarmState, _ reason: String, _ now: Moment, _ out: inout Output
    ) {
        let name = FarmWatch.name(in: text)
        switch state {
        case .broken:
            let cause = OutageCause(.farm, reason, isReset: isReset(now))
            // One that never told that it was back breaks again: what had come by then stops.
            link.farms.broke(name, cause, now)
            tools.farmDownSince = now.monotonic
            guard tools.isReady else { return }
            tools.isFarmDown = true
            feeds.suspectAll(cause, now)
            feeds.deferAll(to: cause)
        case .ok, .inactive:
            link.farms.back(name)
            resumeIfHealthy(now, &out)
        case .connecting: break
        }
    }

    /// While one is down nothing is asked of history, and a refusal says nothing.
    mutating func historyFarm(
        _ text: String, _ state: FarmState, _ reason: String, _ now: Moment
    ) {
        let name = FarmWatch.name(in: text)
        switch state {
        case .broken: link.historyFarms.broke(name, OutageCause(.farm, reason), now)
        case .ok, .inactive: link.historyFarms.back(name)
        case .connecting: break
        }
        holdHistory(now)
    }

    /// While one is down contracts are not found that there are.
    mutating func definitionsFarm(
        _ text: String, _ state: FarmState, _ reason: String, _ now: Moment
    ) {
        let name = FarmWatch.name(in: text)
        switch state {
        case .broken: link.definitionFarms.broke(name, OutageCause(.farm, reason), now)
        case .ok, .inactive:
            link.definitionFarms.back(name)
            feeds.doubtRefusals(now)
        case .connecting: break
        }
        tools.knowsContracts = !link.definitionFarms.isAnyDown
    }

    /// Without its vendor the platform has no history either.
    mutating func holdHistory(_ now: Moment) {
        let isServerLost = link.serverLost != nil
        let isHeld = isServerLost || link.historyFarms.isAnyYoung(now.monotonic)
        tools.pacing.holdHistory(isHeld, now: now.monotonic)
        tools.backfill.isHistoryDown = isServerLost || link.historyFarms.isAnyDown
    }

    /// An answer shows that history comes, whichever farm was said to be down.
    mutating func historyCame(_ now: Moment) {
        guard link.historyFarms.isAnyDown else { return }
        link.historyFarms.clear()
        holdHistory(now)
    }

    /// Not every farm tells that it is back: then the data do, or time.
    mutating func noticeFarms(_ now: Moment, _ out: inout Output) {
        noticeServer(now, &out)
        if link.historyFarms.isAnyDown {
            _ = link.historyFarms.expire(now.monotonic)
            holdHistory(now)
        }
        if link.definitionFarms.expire(now.monotonic) {
            tools.knowsContracts = !link.definitionFarms.isAnyDown
        }
        guard tools.isFarmDown else { return }
        if link.farms.expire(now.monotonic) {
            tools.isFarmDown = link.farms.isAnyDown
            if !tools.isFarmDown { feeds.settleSuspects(now, &tools, &out) }
        }
        guard feeds.hasFlown(since: tools.farmDownSince) else { return }
        link.farms.clear()
        tools.isFarmDown = false
    }

    /// A platform without its vendor has no data: when they come, it has one, though it never said
    /// that it is back.
    private mutating func noticeServer(_ now: Moment, _ out: inout Output) {
        guard let since = link.serverLost, tools.isReady,
            feeds.hasComeAnywhere(since: since.later(by: EngineLimits.straggling))
        else { return }
        link.serverLost = nil
        askBulletins(now)
        holdHistory(now)
        resumeIfHealthy(now, &out)
        feeds.doubtRefusals(now)
    }
}
