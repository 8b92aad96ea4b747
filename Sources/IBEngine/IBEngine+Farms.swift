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
            guard link.farms.broke(name, cause, now), tools.isReady else { return }
            tools.isFarmDown = true
            feeds.deferAll(to: cause)
        case .ok, .inactive:
            if let farm = link.farms.back(name), !farm.isJudged, tools.isReady {
                feeds.interruptQuiet(farm, now, &tools, &out)
            }
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
        case .broken: _ = link.historyFarms.broke(name, OutageCause(.farm, reason), now)
        case .ok, .inactive: _ = link.historyFarms.back(name)
        case .connecting: break
        }
        holdHistory(now)
    }

    mutating func holdHistory(_ now: Moment) {
        let isDown = link.historyFarms.isAnyDown
        tools.pacing.holdHistory(isDown, now: now.monotonic)
        tools.backfill.isHistoryDown = isDown
    }

    /// Not every farm tells that it is back: then the data do, or time.
    mutating func noticeFarms(_ now: Moment, _ out: inout Output) {
        if link.historyFarms.expire(now.monotonic) { holdHistory(now) }
        guard tools.isFarmDown else { return }
        for farm in link.farms.judged(now.monotonic) {
            feeds.interruptQuiet(farm, now, &tools, &out)
        }
        if link.farms.expire(now.monotonic) { tools.isFarmDown = link.farms.isAnyDown }
        guard link.farms.areAllJudged, feeds.hasFlown(since: link.farms.latest) else { return }
        link.farms.clear()
        tools.isFarmDown = false
    }
}

extension FeedMachine {
    /// A farm broke, and those of which nothing has come since may be its. What was on its way when
    /// it broke says nothing.
    mutating func interruptQuiet(
        _ farm: FarmWatch.Farm, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        let sure = farm.since.monotonic.later(by: EngineLimits.straggling)
        for route in allRoutes
        where entries[route.place].slots[route.slot].lastTick < sure {
            interrupt(route, farm.cause, trusted: farm.since.wall, now, &tools, &out)
        }
    }
}
