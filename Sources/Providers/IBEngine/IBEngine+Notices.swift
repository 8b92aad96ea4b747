internal import IBProtocol
package import Primitives
package import MarketModel

// Notices, and the state of the connection.
extension IBEngine {
    /// Handles a notice: about the connection, about a request of the backfill, or about a request
    /// of a feed.
    mutating func take(_ notice: IBNotice) {
        turn.report(.notice(notice))
        let meaning = notice.meaning
        let isAboutAll =
            meaning.scope == .connection
            || meaning.scope == .byRequest && notice.isAboutConnection
        if isAboutAll { return takeGeneral(notice, meaning) }
        if turn.backfill.refused(notice, now: turn.now, into: &turn.live.records) {
            if meaning == .pacingViolation { turn.pacing.violated(now: turn.now.monotonic) }
            if !turn.backfill.isOpen(notice.request) {
                turn.pacing.answered(id: notice.request, now: turn.now.monotonic)
            }
        } else {
            _ = feeds.take(notice, in: &turn)
        }
    }

    /// Handles a notice about the connection.
    private mutating func takeGeneral(_ notice: IBNotice, _ meaning: NoticeMeaning) {
        let reason = notice.reason
        switch meaning {
        case .clientIDInUse:
            close(
                "client id \(settings.clientID) is in use by another program (\(notice.code)): "
                    + meaning.advice)
        case .connectionLost, .platformDisconnected: vendorLost(reason)
        case .connectionRestored(let subscriptionsLost):
            restored(subscriptionsLost: subscriptionsLost, notice)
        case .portChanged: close("the server listens elsewhere: \(reason)")
        case .farm(.marketData, let state): farm(notice.text, state, reason)
        case .farm(.history, let state): historyFarm(notice.text, state, reason)
        case .farm(.definitions, let state): definitionsFarm(notice.text, state, reason)
        case .pacingViolation:
            let isOfMessages = notice.code == NoticeCode.tooManyMessages.rawValue
            turn.pacing.violated(isOfMessages ? .messages : .history, now: turn.now.monotonic)
            if isOfMessages { feeds.requestsMayBeLost(in: &turn) }
        case .noSuchContract, .invalidRequest, .duplicateRequest, .nothingToCancel,
            .notSubscribed, .partlyNotSubscribed, .subscriptionMissing, .delayedDataFollow,
            .tooManyLines, .competingSession, .depthReset, .depthHalted, .depthUnsupported,
            .historyCancelled, .historyEmpty, .historyNotPermitted, .historyRefused,
            .tickByTickRefused, .realTimeBarsRefused, .realTimeBarsEnded, .noFundamentals,
            .unknown:
            // A notice of unknown meaning is only reported. The other meanings are about requests
            // (`NoticeMeaning.scope`), so they do not come here.
            break
        }
    }

    /// Handles the notice that the platform has lost its vendor. Feeds are suspected, because the
    /// data of some may continue.
    private mutating func vendorLost(_ reason: String) {
        guard link.vendorLostSince == nil else { return }
        // Before the session is ready the loss is noted as well, so that no feed is taken to
        // deliver.
        link.vendorLostSince = turn.now.monotonic
        guard turn.platform.isReady else { return }
        turn.platform.isHealthy = false
        holdHistory()
        let cause = OutageCause(.server, reason, isReset: isResetTime())
        feeds.suspectAll(cause, turn.now)
    }

    /// Handles the notice that the vendor is back. If the subscriptions are lost, everything is
    /// requested again.
    private mutating func restored(subscriptionsLost: Bool, _ notice: IBNotice) {
        link.vendorLostSince = nil
        noteFarms(named: notice)
        guard turn.platform.isReady else { return }
        let trusted = link.lastMessage.isDefined ? link.lastMessage : turn.now.wall
        guard subscriptionsLost else {
            askBulletins()
            holdHistory()
            resumeIfHealthy()
            return feeds.doubtRefusals(turn.now)
        }
        turn.platform.isHealthy = true
        turn.platform.isFarmDown = link.farms.isAnyDown
        let cause = OutageCause(.server, "the platform lost the subscriptions (1101)")
        feeds.interruptAll(cause, trusted: trusted, in: &turn)
        feeds.forgetAll("subscriptions lost (1101)", in: &turn)
        feeds.forgetDetails()
        feeds.doubtRefusals(turn.now)
        turn.backfill.disconnected(now: turn.now.monotonic)
        turn.pacing.reset()
        link.dataMode = nil
        holdHistory()
        askBulletins()
    }

    /// Notes the farms that a platform reports as not connected when it is back. Their data do not
    /// come yet.
    private mutating func noteFarms(named notice: IBNotice) {
        let reason = notice.reason
        for (kind, name) in notice.farmsNotConnected {
            let cause = OutageCause(.farm, reason, isReset: isResetTime())
            switch kind {
            case .marketData:
                link.farms.broke(name, cause, turn.now)
                turn.platform.farmDownSince = turn.now.monotonic
            case .history: link.historyFarms.broke(name, cause, turn.now)
            case .definitions: link.definitionFarms.broke(name, cause, turn.now)
            }
        }
        turn.platform.knowsContracts = !link.definitionFarms.isAnyDown
    }

    /// Requests all bulletins of the day. Those that are known already are left out when they come.
    mutating func askBulletins() {
        _ = turn.pacing.ask(.bulletins(all: true), .live, now: turn.now.monotonic)
    }

    /// Resumes the feeds that the loss of the vendor interrupted, if the vendor is back. Feeds that
    /// a farm interrupted resume when no farm is down any more.
    mutating func resumeIfHealthy() {
        guard turn.platform.isReady, link.vendorLostSince == nil else { return }
        turn.platform.isHealthy = true
        turn.platform.isFarmDown = link.farms.isAnyDown
        // The farm may be back without a notice. Then data came until the vendor was lost.
        let isOfVendor = feeds.suspicion?.cause.kind == .server
        if !turn.platform.isFarmDown || isOfVendor { feeds.settleSuspects(in: &turn) }
        // While a farm is down, the vendor's return alone brings no data back.
        if let farm = link.farms.down.last { feeds.deferAll(to: farm.cause, in: turn) }
        feeds.resumeAll(.server, in: &turn)
        if !turn.platform.isFarmDown { feeds.resumeAll(.farm, in: &turn) }
    }

    // MARK: state

    /// The state of the connection; of several problems it shows the one that concerns most feeds.
    var state: SessionState {
        switch session.phase {
        case .idle, .waiting, .closing: .closed
        case .connecting, .greeting, .starting: .connecting
        case .ready where link.vendorLostSince != nil: .serverLost
        case .ready where link.farms.isAnyDown: .farmDown
        case .ready where feeds.counts.hasOutage(.competing): .competing
        case .ready where feeds.counts.hasOutage(.silence): .silent
        case .ready: .ready
        }
    }

    /// Why the state is as it is, for people; empty: there is nothing to say.
    private var reason: String {
        switch state {
        case .serverLost:
            "TWS has lost Interactive Brokers: \(NoticeMeaning.connectionLost.advice)"
        case .farmDown: link.farms.down.last?.cause.text ?? ""
        case .competing:
            "another session of this user has the market data: "
                + NoticeMeaning.competingSession.advice
        case .closed, .connecting, .ready, .silent: session.reason
        }
    }

    /// Reports the state of the connection if it has changed.
    mutating func reportState() {
        let state = state
        guard state != reportedState else { return }
        reportedState = state
        stateSince = turn.now.monotonic
        turn.report(.state(state, reason: reason))
    }

    /// Returns how many instruments should deliver at this time, by their known hours; `nil` when
    /// no hours are known for this time.
    package func instrumentsInSession(at time: Timestamp) -> Int? {
        feeds.instrumentsInSession(at: time)
    }

    /// Returns the broker's limits, and what waits for each.
    package func limits(_ now: MonotonicTime) -> [ProviderLimit] { turn.pacing.present(now) }

    /// The present state, for status pages and metrics.
    package var status: IBStatus {
        var counters = turn.counters
        counters.add(wire.decoder?.counters)
        let outages = (turn.live.outages, turn.delayed.outages)
        counters.outagesBegun = outages.0.begun &+ outages.1.begun
        counters.outagesEnded = outages.0.ended &+ outages.1.ended
        return IBStatus(
            state: state, reason: reason, since: stateSince,
            nextAttempt: session.phase == .waiting ? session.nextAttempt : nil,
            failures: session.failures, serverVersion: wire.decoder?.version,
            instruments: feeds.status(in: turn), linesUsed: turn.pacing.linesInUse(.marketData),
            openOutages: outages.0.open.count + outages.1.open.count,
            waitingBackfills: turn.backfill.waiting + feeds.endedOutages.all.count
                + inheritedGaps.count
                + feeds.headlines.outages.count,
            pacing: turn.pacing.plan, clockDifference: turn.clock.offset,
            floor: turn.live.floor, counters: counters)
    }
}
