internal import IBProtocol
internal import Primitives
internal import MarketModel

// Farms: parts of the vendor's service that break and come back while the rest works.
extension IBEngine {
    /// Handles a notice about a farm of market data.
    mutating func farm(_ text: String, _ state: FarmState, _ reason: String) {
        let name = FarmWatch.name(in: text)
        switch state {
        case .broken:
            let cause = OutageCause(.farm, reason, isReset: isResetTime())
            // A farm may break again without a notice that it was back, so each notice counts as a
            // new break.
            link.farms.broke(name, cause, turn.now)
            turn.platform.farmDownSince = turn.now.monotonic
            guard turn.platform.isReady else { return }
            turn.platform.isFarmDown = true
            feeds.suspectAll(cause, turn.now)
            feeds.deferAll(to: cause, in: turn)
        case .ok, .inactive:
            link.farms.back(name)
            resumeIfHealthy()
        case .connecting: break
        }
    }

    /// Handles a notice about a farm of history. While one is down, a refusal of history is not
    /// counted. In the first minute nothing is requested from history.
    mutating func historyFarm(_ text: String, _ state: FarmState, _ reason: String) {
        let name = FarmWatch.name(in: text)
        switch state {
        case .broken: link.historyFarms.broke(name, OutageCause(.farm, reason), turn.now)
        case .ok, .inactive: link.historyFarms.back(name)
        case .connecting: break
        }
        holdHistory()
    }

    /// Handles a notice about a farm of contract definitions. While one is down, the server does
    /// not find contracts that exist.
    mutating func definitionsFarm(_ text: String, _ state: FarmState, _ reason: String) {
        let name = FarmWatch.name(in: text)
        switch state {
        case .broken: link.definitionFarms.broke(name, OutageCause(.farm, reason), turn.now)
        case .ok, .inactive:
            link.definitionFarms.back(name)
            feeds.doubtRefusals(turn.now)
        case .connecting: break
        }
        turn.platform.knowsContracts = !link.definitionFarms.isAnyDown
    }

    /// Holds requests for history back, or lets them leave, as the farms of history and the vendor
    /// are there or not. A platform without its vendor has no history either.
    mutating func holdHistory() {
        let isServerLost = link.vendorLostSince != nil
        let isHeld = isServerLost || link.historyFarms.isAnyYoung(turn.now.monotonic)
        turn.pacing.holdHistory(isHeld, now: turn.now.monotonic)
        turn.backfill.isHistoryDown = isServerLost || link.historyFarms.isAnyDown
    }

    /// Notes an answer from history: it shows that all of history works again.
    mutating func noteHistoryAnswer() {
        guard link.historyFarms.isAnyDown else { return }
        link.historyFarms.clear()
        holdHistory()
    }

    /// Forgets farms that are back or were reported long ago. Not every farm reports that it is
    /// back. Then arriving data show it, or the entry expires.
    mutating func expireFarms() {
        checkVendorReturn()
        if link.historyFarms.isAnyDown {
            _ = link.historyFarms.expire(turn.now.monotonic)
            holdHistory()
        }
        if link.definitionFarms.expire(turn.now.monotonic) {
            turn.platform.knowsContracts = !link.definitionFarms.isAnyDown
        }
        guard turn.platform.isFarmDown else { return }
        if link.farms.expire(turn.now.monotonic) {
            turn.platform.isFarmDown = link.farms.isAnyDown
            if !turn.platform.isFarmDown { feeds.settleSuspects(in: &turn) }
        }
        guard feeds.hasRecovered(since: turn.platform.farmDownSince) else { return }
        link.farms.clear()
        turn.platform.isFarmDown = false
    }

    /// A platform without its vendor delivers no data. So arriving data show that it has its vendor
    /// again, even if it never reported that.
    private mutating func checkVendorReturn() {
        guard let since = link.vendorLostSince, turn.platform.isReady,
            feeds.venues.haveCome(since: since + EngineLimits.straggling)
        else { return }
        link.vendorLostSince = nil
        askBulletins()
        holdHistory()
        resumeIfHealthy()
        feeds.doubtRefusals(turn.now)
    }
}
