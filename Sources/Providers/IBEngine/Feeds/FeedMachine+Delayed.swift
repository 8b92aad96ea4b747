internal import IBProtocol
internal import MarketModel
internal import Primitives

/// The question whether the data of a feed that delivers delayed ones may be seen live again. It is
/// a second request for the same contract, which the provider answers with live data or a refusal.
struct LiveLook: Hashable, Sendable {
    /// The number of the request; `nil`: none is open.
    var request: Int32?
    /// When an open request is given up, monotonic; `never`: it has not left.
    var until = MonotonicTime.never
    /// When the next one is made, monotonic; `never`: the data do not come delayed.
    var due = MonotonicTime.never
    /// Until when a price has to come of a subscription of which a part was refused, monotonic;
    /// `never`: nothing was refused, or a price has come.
    var priceDue = MonotonicTime.never
    /// Before this, a delayed value may have been on its way when the provider reported live data,
    /// monotonic. It is left out.
    var delayedFrom = MonotonicTime.distantPast
    /// From when on level 1 may stand in again for tick-by-tick feeds, monotonic.
    var standsInFrom = MonotonicTime.distantPast
}

extension FeedMode {
    var isDelayed: Bool { self == .delayed || self == .delayedFrozen }

    /// The source of data that come in this mode.
    var outlet: Outlet.Kind { isDelayed ? .delayed : .live }
}

extension IBMessage {
    /// It is a value of level 1 of a type that only delayed data have.
    var isDelayed: Bool {
        if case .tick(.price(let tick)) = self { return TickType.isDelayed(tick.type) }
        if case .tick(.size(let tick)) = self { return TickType.isDelayed(tick.type) }
        if case .tick(.generic(let tick)) = self { return TickType.isDelayed(tick.type) }
        if case .tick(.option(let tick)) = self { return TickType.isDelayed(tick.type) }
        return false
    }

    /// It is a live price. -1 and 0 mean that there is none.
    var isLivePrice: Bool {
        guard case .tick(.price(let tick)) = self else { return false }
        return TickType.isLive(tick.type) && tick.price.isDefined && tick.price.raw > 0
    }
}

extension InstrumentEntry {
    /// Adds what delayed data need. Only level 1 comes delayed, so it has to stand in where ticks
    /// are wanted tick by tick alone. With `always`, nothing is asked for live.
    mutating func prepareDelayed(_ delayed: DelayedData, patience: Int64) {
        guard delayed != .never else { return }
        if level1 == nil, slots.contains(where: { $0.feed.lines == .tickByTick }) {
            var standIn = FeedSlot(.marketData, kinds: [], patience: patience)
            standIn.isStandIn = true
            standIn.phase = .idle(FeedPhase.Idle(until: .never))
            slots.append(standIn)
        }
        guard delayed == .always else { return }
        for slot in slots.indices { slots[slot].outlet = .delayed }
        guard let level1, slots[level1].isStandIn else { return }
        slots[level1].kinds = standInKinds
        slots[level1].phase = .idle(FeedPhase.Idle())
    }

    /// The kinds that level 1 delivers in place of tick-by-tick feeds.
    var standInKinds: KindSet {
        slots.filter { $0.feed.lines == .tickByTick }
            .reduce(into: KindSet()) { $0.formUnion($1.kinds) }.intersection([.trade, .quote])
    }
}

extension FeedSlot {
    /// Delayed data come in place of live ones that are wanted. For the router, which chooses the
    /// provider of live data, this provider refuses them.
    var isDelayedInPlaceOfLive: Bool { outlet == .delayed ? look.due != .never : isStandIn }
}

// Level 1 between live and delayed data. Each of the two has a source of its own. A feed that
// changes ends in one source and begins in the other. What the account may not see is no gap.
extension FeedMachine {
    /// The detail of gaps of delayed data.
    static let notFilled = "delayed data are not filled in"

    /// Returns whether a request asks for delayed data.
    func asksForDelayed(_ request: Int32) -> Bool {
        routes[request].map { self[$0].outlet == .delayed } ?? false
    }

    /// The mode of data that come before the provider has reported one.
    func slotMode(_ route: FeedRoute) -> FeedMode {
        switch self[route].outlet {
        case .live: .live
        case .delayed: .delayed
        }
    }

    // MARK: from live to delayed

    /// Handles a notice that live data, or delayed ones, are refused. Returns false when it is
    /// handled like any other notice.
    mutating func takeDelayed(
        _ notice: IBNotice, _ route: FeedRoute, _ reason: String, in turn: inout Turn
    ) -> Bool {
        guard turn.settings.delayed == .automatic else { return false }
        let slot = self[route]
        guard slot.feed == .marketData else { return standIn(for: route, notice, in: &turn) }
        switch notice.meaning {
        case .notSubscribed where slot.outlet == .delayed:
            // There are no delayed data either.
            refuse(route, .refused, reason, wait: EngineLimits.refusedWait, in: &turn)
            move(route, to: .live, reason, in: &turn)
            endDelayed(route.place, reason, in: &turn)
        case .subscriptionMissing where slot.isDelivering && slot.outlet == .live:
            // Live data come. Whether that notice is true of them, the next seconds show.
            self[route].look.priceDue = turn.later(by: EngineLimits.settling)
            return false
        case .notSubscribed, .subscriptionMissing:
            guard slot.outlet == .live else { return false }
            // After the second of these the request is still there.
            let isOpen = notice.meaning == .subscriptionMissing
            holdLive(route, reason, in: &turn)
            restart(route, reason, cancels: isOpen, to: .delayed, in: &turn)
        case .delayedDataFollow: took(.delayed, route, in: &turn)
        case .partlyNotSubscribed where slot.outlet == .live:
            // Of a subscription that delivers, only the part that was refused is missing.
            if case .asked = slot.phase {
                self[route].look.priceDue = turn.later(by: EngineLimits.settling)
            }
            return false
        case .connectionLost, .connectionRestored, .platformDisconnected, .portChanged, .farm,
            .pacingViolation, .clientIDInUse, .noSuchContract, .invalidRequest, .duplicateRequest,
            .nothingToCancel, .partlyNotSubscribed, .tooManyLines, .competingSession, .depthReset,
            .depthHalted, .depthUnsupported, .historyCancelled, .historyEmpty,
            .historyNotPermitted, .historyRefused, .tickByTickRefused, .realTimeBarsRefused,
            .realTimeBarsEnded, .noFundamentals, .unknown:
            return false
        }
        return true
    }

    /// Handles the refusal of a tick-by-tick feed whose instrument delivers delayed data. Where
    /// level 1 is not wanted itself, it stands in with those from now on. Returns false when it
    /// is another notice, or live data come.
    private mutating func standIn(
        for route: FeedRoute, _ notice: IBNotice, in turn: inout Turn
    ) -> Bool {
        guard self[route].feed.lines == .tickByTick, let level1 = entries[route.place].level1,
            notice.meaning == .notSubscribed || notice.meaning == .tickByTickRefused
        else { return false }
        let reason = notice.reason
        let other = FeedRoute(place: route.place, slot: level1)
        if self[other].isStandIn, self[other].outlet == .live,
            turn.now.monotonic >= self[other].look.standsInFrom
        {
            move(other, to: .delayed, reason, in: &turn)
            handle(.ended(.waiting, until: turn.now.monotonic), other, reason, in: &turn)
            nextScan = min(nextScan, turn.now.monotonic)
        }
        guard self[other].outlet == .delayed else { return false }
        refuse(route, .refused, reason, wait: EngineLimits.refusedWait, in: &turn)
        return true
    }

    /// Handles the provider's report that a subscription goes on with the other kind of data.
    mutating func change(_ route: FeedRoute, to mode: FeedMode, in turn: inout Turn) {
        let reason = mode.isDelayed ? "delayed data come" : "live data come"
        if self[route].isStandIn, !mode.isDelayed {
            return endStandIn(route, reason, in: &turn)
        }
        var holdsLive = false
        if mode.isDelayed { holdsLive = holdLive(route, reason, in: &turn) }
        move(route, to: mode.outlet, reason, mode: mode, in: &turn)
        if holdsLive {
            // The outage is one of live data only.
            turn.report(
                .outageEnded(instrument: entries[route.place].number, self[route].feed))
            handle(.delivers(isSuspected: false), route, reason, in: &turn)
        }
        if mode.isDelayed {
            if self[route].phase.live != nil { settleDelayed(route, in: &turn) }
        } else {
            if self[route].isDelivering { resume(route, in: &turn) }
            wentLive(route, in: &turn)
        }
    }

    /// Lets level 1 belong to the other source. If its subscription continues, it ends in one
    /// source and begins in the other. Open gaps of delayed data are given up; those of live data
    /// stay open until it is known whether the refusal passes.
    /// `mode`: the provider's report; `nil`: it has not reported any.
    mutating func move(
        _ route: FeedRoute, to outlet: Outlet.Kind, _ reason: String, mode: FeedMode? = nil,
        in turn: inout Turn
    ) {
        guard self[route].outlet != outlet else { return }
        // Without this an answer that crosses the provider's report would end what is live by then.
        endLook(route, cancels: true, in: &turn)
        deliverHeldTrades(route, in: &turn)
        let isLive = self[route].phase.live != nil
        if isLive { reportSubscription(route, .stop, reason, in: &turn) }
        let entry = entries[route.place]
        self[route].kinds = entry.level1Kinds(isStandIn: self[route].isStandIn)
        if outlet == .live {
            endDelayed(route.place, reason, in: &turn)
            self[route].kinds.subtract(entry.kindsTickByTick)
        }
        self[route].outlet = outlet
        self[route].mode = mode ?? slotMode(route)
        self[route].look.due =
            outlet == .delayed && turn.settings.delayed == .automatic
            ? turn.later(by: EngineLimits.liveLook) : .never
        self[route].look.priceDue = .never
        self[route].regained = Regained()
        // Those of before were delivered to the other source.
        self[route].times = DeliveredTimes()
        if isLive { reportSubscription(route, .start, reason, in: &turn) }
        reportState(route.place, in: &turn)
    }

    /// Begins a gap of live data where these have come, and are refused from now on. The refusal
    /// may pass: the gap ends when live data come again, or with `closeLive`. Returns false when no
    /// feed delivered that could be interrupted.
    @discardableResult
    private mutating func holdLive(
        _ route: FeedRoute, _ reason: String, in turn: inout Turn
    ) -> Bool {
        let slot = self[route]
        guard slot.isDelivering, slot.outlet == .live,
            !slot.times.isEmpty
        else { return false }
        interrupt(route, OutageCause(.refusal, reason), in: &turn)
        return true
    }

    /// Gives up the open gaps of live data, which were refused once more: the account may not see
    /// them. A tick-by-tick feed that was not refused ends its own gaps.
    private mutating func closeLive(_ place: Int, in turn: inout Turn) {
        let others = entries[place].slots.filter { $0.feed.lines == .tickByTick && !$0.isRefused }
            .reduce(into: KindSet()) { $0.formUnion($1.kinds) }
        for kind in entries[place].level1Kinds(isStandIn: true).union(
            entries[place].level1Kinds(isStandIn: false)
        ).kinds where !others.contains(KindSet(kind)) {
            turn.live.abandonGap(
                entries[place].number, kind, to: turn.now.wall,
                "the account may not see live data", now: turn.now.wall)
        }
    }

    // MARK: from delayed to live

    /// Asks whether live data may be seen, every `EngineLimits.liveLook`, and gives up a question
    /// without an answer.
    mutating func lookForLive(_ route: FeedRoute, in turn: inout Turn) {
        let look = self[route].look
        if turn.now.monotonic >= look.priceDue, self[route].phase.live != nil {
            return turnToDelayed(route, in: &turn)
        }
        if look.request != nil {
            if turn.now.monotonic >= look.until { endLook(route, cancels: true, in: &turn) }
            return
        }
        guard turn.now.monotonic >= look.due, turn.platform.isHealthy, !turn.platform.isFarmDown
        else { return }
        self[route].look.due = turn.later(by: EngineLimits.liveLook)
        var contract = entries[route.place].contract
        if let reroute = self[route].attempts.reroute {
            contract = Contract()
            (contract.id, contract.exchange) = (reroute.contract, reroute.exchange)
        }
        let id = turn.ids.next()
        let request = IBRequest.marketData(id: id, contract, MarketDataRequest(genericTicks: []))
        let order = EngineLimits.liveLookOrder + route.order
        guard turn.pacing.ask(request, .live, order: order, now: turn.now.monotonic) else { return }
        looks[id] = route
        self[route].look.request = id
        self[route].look.until = .never
    }

    /// Turns to delayed data, because a part of the live ones was refused and no price has come.
    mutating func turnToDelayed(_ route: FeedRoute, in turn: inout Turn) {
        let reason = self[route].remark.isEmpty ? "no live price came" : self[route].remark
        holdLive(route, reason, in: &turn)
        restart(route, reason, cancels: true, to: .delayed, in: &turn)
    }

    /// Notes that a question has left.
    mutating func lookSent(_ request: Int32, _ now: Moment) {
        guard let route = looks[request] else { return }
        self[route].look.until = now.monotonic + EngineLimits.settling
    }

    /// Ends an open question. `cancels`: the server is asked to end its request.
    mutating func endLook(_ route: FeedRoute, cancels: Bool, in turn: inout Turn) {
        guard let request = self[route].look.request else { return }
        looks[request] = nil
        self[route].look.request = nil
        if cancels, turn.platform.isReady {
            _ = turn.pacing.ask(
                .cancelMarketData(id: request), .urgent, now: turn.now.monotonic)
        } else {
            turn.pacing.withdraw(id: request)
            turn.pacing.answered(id: request, now: turn.now.monotonic)
        }
    }

    /// Handles a notice about a question, which is a refusal or no answer. Returns false when it is
    /// about none.
    mutating func tookLook(_ notice: IBNotice, in turn: inout Turn) -> Bool {
        guard let route = looks[notice.request] else { return false }
        let meaning = notice.meaning
        // The rest of the data may still come.
        guard !notice.isWarning, meaning != .partlyNotSubscribed else { return true }
        if case .tooManyLines(let limit) = meaning {
            turn.pacing.refusedLine(id: notice.request, limit, now: turn.now.monotonic)
        }
        // Only a permanent refusal, and one for want of a line, has ended the request.
        var isOpen = meaning.outlook != .permanent
        if case .tooManyLines = meaning { isOpen = false }
        endLook(route, cancels: isOpen, in: &turn)
        let isRefused =
            meaning == .notSubscribed || meaning == .subscriptionMissing
            || meaning == .delayedDataFollow
        if isRefused { closeLive(route.place, in: &turn) }
        return true
    }

    /// Handles a message that answers a question. Returns false when it answers none.
    mutating func tookLook(
        _ message: IBMessage, _ request: Int32, in turn: inout Turn
    ) -> Bool {
        guard let route = looks[request] else { return false }
        var isLive = message.isLivePrice
        if case .feed(.mode(_, let mode)) = message {
            isLive = !mode.isDelayed
            if !isLive {
                endLook(route, cancels: true, in: &turn)
                closeLive(route.place, in: &turn)
            }
        }
        guard isLive else { return true }
        endLook(route, cancels: true, in: &turn)
        let reason = "live data may be seen"
        guard !self[route].isStandIn else {
            endStandIn(route, reason, in: &turn)
            return true
        }
        // The subscription is made anew, as it was asked for before the refusal.
        restart(route, reason, cancels: true, to: .live, in: &turn)
        wentLive(route, in: &turn)
        return true
    }

    /// Lets the other feeds of the instrument be requested again: the account sees live data.
    private mutating func wentLive(_ route: FeedRoute, in turn: inout Turn) {
        settleDelayed(route, in: &turn)
        for index in entries[route.place].slots.indices where index != route.slot {
            let other = FeedRoute(place: route.place, slot: index)
            guard !self[other].feed.isDocument, case .idle(let idle) = self[other].phase,
                !idle.hasNoContract
            else { continue }
            self[other].attempts.failures = 0
            apply(.postponed(until: turn.now.monotonic), other, turn.now)
        }
        nextScan = min(nextScan, turn.now.monotonic)
    }

    /// Ends what stood in for tick-by-tick feeds, and lets these be requested again.
    private mutating func endStandIn(
        _ route: FeedRoute, _ reason: String, in turn: inout Turn
    ) {
        drop(route, cancels: true, reason, in: &turn)
        handle(.ended(.waiting, until: .never), route, "", in: &turn)
        move(route, to: .live, reason, in: &turn)
        // If these feeds are refused for another reason, it does not begin again at once.
        self[route].look.standsInFrom = turn.later(by: EngineLimits.liveLook)
        wentLive(route, in: &turn)
    }

    // MARK: time

    /// Finds how late delayed trades come: of each venue the latest, and the longest usual delay
    /// for a venue of which none has come. Without any feed of delayed data it stays as it was.
    mutating func measureDelayedLag() {
        var lags: [Int: Int64] = [:]
        for entry in entries where entry.isActive {
            for slot in entry.slots where slot.outlet == .delayed && slot.phase.request != nil {
                lags[entry.venue] = max(lags[entry.venue] ?? 0, slot.times.lag.largest)
            }
        }
        guard !lags.isEmpty else { return }
        delayedLag = lags.values.map { $0 > 0 ? $0 : EngineLimits.delayedLag }.max() ?? delayedLag
    }
}

extension InstrumentEntry {
    /// The kinds that level 1 delivers when nothing comes tick by tick.
    func level1Kinds(isStandIn: Bool) -> KindSet {
        isStandIn ? standInKinds : FeedKind.marketData.kinds(of: instrument)
    }

    /// Its trades and quotes come live. Delayed data of level 1 may come beside live ones that come
    /// tick by tick; then it is not.
    var isLive: Bool {
        !slots.contains { $0.feed == .marketData && $0.outlet == .delayed }
            && slots.contains {
                $0.isDelivering && ($0.feed == .marketData || $0.feed.lines == .tickByTick)
            }
    }

    /// The kinds that come tick by tick at present.
    var kindsTickByTick: KindSet {
        slots.filter { $0.feed.lines == .tickByTick && $0.isDelivering }
            .reduce(into: KindSet()) { $0.formUnion($1.kinds) }
    }
}
