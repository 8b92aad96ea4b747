internal import IBProtocol
public import Primitives
internal import MarketModel

// Notices, and what state the whole is in.
extension IBEngine {
    mutating func take(_ notice: IBNotice, _ now: Moment, _ out: inout Output) {
        out.tell(.notice(notice))
        let meaning = notice.meaning
        let isAboutAll =
            meaning.scope == .connection
            || meaning.scope == .byRequest && notice.isAboutConnection
        if isAboutAll { return takeGeneral(notice, meaning, now, &out) }
        if tools.backfill.refused(notice, now: now, into: &out.records) {
            if meaning == .pacingViolation { tools.pacing.violated(now: now.monotonic) }
            if !tools.backfill.isOpen(notice.request) {
                tools.pacing.answered(id: notice.request, now: now.monotonic)
            }
        } else {
            _ = feeds.take(notice, now, &tools, &out)
        }
    }

    private mutating func takeGeneral(
        _ notice: IBNotice, _ meaning: NoticeMeaning, _ now: Moment, _ out: inout Output
    ) {
        let reason = "\(notice.text) (\(notice.code))"
        switch meaning {
        case .clientIDInUse:
            close("client id \(settings.clientID) is in use by another program", now, &out)
        case .connectionLost, .platformDisconnected: serverLost(reason, now, &out)
        case .connectionRestored(let subscriptionsLost):
            restored(subscriptionsLost: subscriptionsLost, notice, now, &out)
        case .portChanged: close("the server listens elsewhere: \(reason)", now, &out)
        case .farm(.marketData, let state): farm(notice.text, state, reason, now, &out)
        case .farm(.history, let state): historyFarm(notice.text, state, reason, now)
        case .farm(.definitions, let state): definitionsFarm(notice.text, state, reason, now)
        case .pacingViolation:
            tools.pacing.violated(
                notice.code == 100 ? .messages : .history, now: now.monotonic)
        default: break
        }
    }

    private mutating func serverLost(
        _ reason: String, _ now: Moment, _ out: inout Output
    ) {
        guard link.serverLost == nil else { return }
        // Before the session is ready it is noted all the same: nothing settles meanwhile.
        link.serverLost = now.monotonic
        guard tools.isReady else { return }
        tools.isHealthy = false
        holdHistory(now)
        let cause = OutageCause(.server, reason, isReset: isReset(now))
        feeds.suspectAll(cause, now)
    }

    private mutating func restored(
        subscriptionsLost: Bool, _ notice: IBNotice, _ now: Moment, _ out: inout Output
    ) {
        link.serverLost = nil
        noteFarms(named: notice, now, &out)
        guard tools.isReady else { return }
        let trusted = link.lastMessage.isDefined ? link.lastMessage : now.wall
        guard subscriptionsLost else {
            askBulletins(now)
            holdHistory(now)
            resumeIfHealthy(now, &out)
            return feeds.doubtRefusals(now)
        }
        tools.isHealthy = true
        tools.isFarmDown = link.farms.isAnyDown
        let cause = OutageCause(.server, "the platform lost the subscriptions (1101)")
        feeds.interruptAll(cause, trusted: trusted, now, &tools, &out)
        feeds.forgetAll("subscriptions lost (1101)", now, &tools, &out)
        feeds.forgetDetails()
        feeds.doubtRefusals(now)
        tools.backfill.disconnected(now: now.monotonic)
        tools.pacing.reset()
        askMode(now)
        holdHistory(now)
        askBulletins(now)
    }

    /// The platform is back, and says which farms are not: what they feed does not come yet.
    private mutating func noteFarms(
        named notice: IBNotice, _ now: Moment, _ out: inout Output
    ) {
        let reason = "\(notice.text) (\(notice.code))"
        for (kind, name) in notice.farmsNotConnected {
            let cause = OutageCause(.farm, reason, isReset: isReset(now))
            switch kind {
            case .marketData:
                link.farms.broke(name, cause, now)
                tools.farmDownSince = now.monotonic
            case .history: link.historyFarms.broke(name, cause, now)
            case .definitions: link.definitionFarms.broke(name, cause, now)
            }
        }
        tools.knowsContracts = !link.definitionFarms.isAnyDown
    }

    /// All of the day: those that are known already are left out.
    mutating func askBulletins(_ now: Moment) {
        _ = tools.pacing.ask(.bulletins(all: true), .live, now: now.monotonic)
    }

    /// Feeds come again when the vendor is there, and the farms where one was down.
    mutating func resumeIfHealthy(_ now: Moment, _ out: inout Output) {
        guard tools.isReady, link.serverLost == nil else { return }
        tools.isHealthy = true
        // Behind a farm that is down the vendor alone brings nothing back.
        if let farm = link.farms.down.last { feeds.deferAll(to: farm.cause) }
        tools.isFarmDown = link.farms.isAnyDown
        if !tools.isFarmDown { feeds.settleSuspects(now, &tools, &out) }
        feeds.resumeAll(.server, now, &tools, &out)
        if !tools.isFarmDown { feeds.resumeAll(.farm, now, &tools, &out) }
    }

    // MARK: state

    var state: SessionState {
        switch session.phase {
        case .idle, .waiting, .closing: .closed
        case .connecting, .greeting, .starting: .connecting
        case .ready where link.serverLost != nil: .serverLost
        case .ready where link.farms.isAnyDown: .farmDown
        case .ready where feeds.isAny(.competing): .competing
        case .ready where feeds.isAny(.silence): .silent
        case .ready: .ready
        }
    }

    mutating func tellState(_ now: Moment, _ out: inout Output) {
        let state = state
        guard state != toldState else { return }
        toldState = state
        stateSince = now.monotonic
        out.tell(.state(state, reason: session.reason))
    }

    /// Instruments that should deliver at this time, as far as their hours are known; nil: of none
    /// they are.
    public func instrumentsInSession(at time: Timestamp) -> Int? { feeds.inSession(time) }

    public var status: IBStatus {
        var counters = tools.counters
        counters.add(wire.decoder?.counters)
        counters.outagesBegun = tools.outages.begun
        counters.outagesEnded = tools.outages.ended
        return IBStatus(
            state: state, reason: session.reason, since: stateSince,
            nextAttempt: session.phase == .waiting ? session.nextAttempt : nil,
            failures: session.failures, serverVersion: wire.decoder?.version,
            instruments: feeds.status(tools), linesUsed: tools.pacing.linesInUse(.marketData),
            openOutages: tools.outages.open.count,
            waitingBackfills: tools.backfill.waiting + feeds.closings.count + inherited.count
                + feeds.headlines.outages.count,
            pacing: tools.pacing.plan, clockDifference: tools.clock.offset,
            floor: tools.clock.floor, counters: counters)
    }
}
