internal import IBProtocol
internal import Primitives
internal import ProviderModel

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
            feeds.interruptAll(cause, trusted: now.wall, now, &tools, &out)
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
        let isDown = link.historyFarms.isAnyDown || link.serverLost != nil
        tools.pacing.holdHistory(isDown, now: now.monotonic)
        tools.backfill.isHistoryDown = isDown
    }

    /// Not every farm tells that it is back: then the data do, or time.
    mutating func noticeFarms(_ now: Moment) {
        if link.historyFarms.expire(now.monotonic) { holdHistory(now) }
        if link.definitionFarms.expire(now.monotonic) {
            tools.knowsContracts = !link.definitionFarms.isAnyDown
        }
        guard tools.isFarmDown else { return }
        if link.farms.expire(now.monotonic) { tools.isFarmDown = link.farms.isAnyDown }
        guard feeds.hasFlown(since: tools.farmDownSince) else { return }
        link.farms.clear()
        tools.isFarmDown = false
    }
}
