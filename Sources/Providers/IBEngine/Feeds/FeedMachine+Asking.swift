internal import IBProtocol
internal import MarketModel
internal import Primitives

// Requests: how they are made, sent, ended and repeated.
extension FeedMachine {
    /// Queues the request for a feed in pacing. `number`: the number of the request, if pacing has
    /// already given it the line of an earlier request; `nil`: it gets a new number.
    mutating func ask(_ route: FeedRoute, number: Int32? = nil, in turn: inout Turn) {
        let entry = entries[route.place]
        let slot = entry.slots[route.slot]
        // The server has delayed data of level 1 only.
        guard turn.settings.delayed != .always || slot.feed == .marketData || slot.feed.isDocument
        else {
            let reason = "it only comes live, and IBKR_DELAYED=true asks for nothing live"
            return handle(.ended(.refused, until: .never), route, reason, in: &turn)
        }
        let id = number ?? turn.ids.next()
        let asked =
            slot.feed == .headlines
            ? headlineRequest(id, entry, in: &turn)
            : Self.request(id, entry, slot, depthRows: turn.settings.depthRows)
        guard let request = asked else {
            let what = entry.contract.id == 0 ? "contract's number" : "list of news providers"
            return handle(
                .ended(.waiting, until: turn.later(by: EngineLimits.second)), route,
                "the \(what) has not come", in: &turn)
        }
        let priority: PacingMachine.Priority = slot.feed.isDocument ? .backfill : .live
        guard turn.pacing.ask(request, priority, order: route.order, now: turn.now.monotonic) else {
            // Pacing's queue is full. If the number has a line, the line becomes free.
            turn.pacing.answered(id: id, now: turn.now.monotonic)
            return apply(.postponed(until: turn.later(by: EngineLimits.second)), route, turn.now)
        }
        routes[id] = route
        // Pacing may hold the request for a document back for many minutes.
        let until = slot.feed.isDocument ? turn.later(by: EngineLimits.refusedWait) : .never
        handle(.asked(request: id, until: until), route, "", in: &turn)
    }

    /// Notes that a request has left. Its answers may come from now on.
    mutating func sent(_ request: IBRequest, _ clock: ProviderClock, _ now: Moment) {
        guard let id = request.number else { return }
        guard let route = routes[id] else { return lookSent(id, now) }
        let entry = entries[route.place]
        apply(.sent, route, now)
        self[route].silence.last = now.monotonic
        guard case .marketData(_, _, let wanted) = request else {
            // No other data are ever delayed.
            self[route].mode = .live
            return
        }
        // Until the provider reports something else, what comes is what was asked for.
        self[route].mode = slotMode(route)
        let hasVolume = wanted.genericTicks.contains(GenericTicks.realTimeVolume)
        let source: MarketDataAssembler.TradeSource = hasVolume ? .realTimeVolume : .last
        self[route].assembler = MarketDataAssembler(
            symbol: entry.number, trades: source, since: clock.aligned(now.wall),
            isIndex: entry.contract.kind == .index)
    }

    /// TWS has left out a request of the last moments, because messages came too fast, and does not
    /// say which one. Those that nothing answers now are repeated (`scan`).
    mutating func requestsMayBeLost(in turn: inout Turn) {
        for place in entries.indices where entries[place].isActive {
            for slot in entries[place].slots.indices {
                let route = FeedRoute(place: place, slot: slot)
                guard case .asked(let asked) = self[route].phase, asked.isSent,
                    asked.until == .never,
                    turn.now.monotonic < asked.since + EngineLimits.straggling
                else { continue }
                apply(.postponed(until: turn.later(by: EngineLimits.settling)), route, turn.now)
            }
        }
    }

    /// Returns the request for a feed; `nil`: headlines, whose request `headlineRequest` makes.
    private static func request(
        _ id: Int32, _ entry: InstrumentEntry, _ slot: FeedSlot, depthRows: Int32
    ) -> IBRequest? {
        var contract = entry.contract
        if let reroute = slot.attempts.reroute {
            // Only the number and exchange of the other contract are sent: with the symbol and kind
            // of this one there would be no such contract.
            contract = Contract()
            contract.id = reroute.contract
            contract.exchange = reroute.exchange
        }
        let feeds = entry.instrument.feeds
        switch slot.feed {
        case .marketData:
            // What stands in for trades tick by tick has the values of level 1.
            let wanted = slot.isStandIn ? feeds.union(.level1) : feeds
            let ticks = GenericTicks(entry.contract.kind, wanted)[slot.attempts.valuesLeftOut]
            return .marketData(id: id, contract, MarketDataRequest(genericTicks: ticks))
        case .trades:
            let kind: TickByTickKind = feeds.contains(.allTrades) ? .allLast : .last
            return .tickByTick(id: id, contract, kind)
        case .quotes: return .tickByTick(id: id, contract, .bidAsk)
        case .midpoints: return .tickByTick(id: id, contract, .midpoint)
        case .depth:
            let exchange = entry.instrument.depthExchange
            if slot.attempts.reroute == nil, !exchange.isEmpty { contract.exchange = exchange }
            return .depth(id: id, contract, rows: depthRows, isSmart: false)
        case .smartDepth: return .depth(id: id, contract, rows: depthRows, isSmart: true)
        case .bars:
            return .realTimeBars(id: id, contract, contract.kind.barKind, regularHoursOnly: false)
        case .fundamentals: return .fundamentals(id: id, contract, report: "ReportSnapshot")
        case .dailyHistory:
            var history = HistoryRequest(duration: "1 Y", barSize: "1 day")
            history.kind = contract.kind.barKind
            history.regularHoursOnly = true
            return .history(id: id, contract, history)
        case .firstTime:
            return .headTimestamp(id: id, contract, contract.kind.barKind, regularHoursOnly: false)
        case .headlines: return nil
        }
    }

    /// Returns the request that cancels a feed's request; `nil`: there is none, so the answer comes
    /// and is ignored.
    private static func cancel(_ feed: FeedKind, _ id: Int32) -> IBRequest? {
        switch feed {
        case .marketData: .cancelMarketData(id: id)
        case .trades, .quotes, .midpoints: .cancelTickByTick(id: id)
        case .depth: .cancelDepth(id: id, isSmart: false)
        case .smartDepth: .cancelDepth(id: id, isSmart: true)
        case .bars: .cancelRealTimeBars(id: id)
        case .fundamentals: .cancelFundamentals(id: id)
        case .dailyHistory: .cancelHistory(id: id)
        case .firstTime: .cancelHeadTimestamp(id: id)
        case .headlines: nil
        }
    }

    /// Ends the feed's request, before the feed goes to another phase. What still comes of it is
    /// ignored. `cancels`: the server is asked to end it; false when the server has ended it
    /// already, or cannot be reached.
    mutating func drop(_ route: FeedRoute, cancels: Bool, _ reason: String, in turn: inout Turn) {
        deliverHeldTrades(route, in: &turn)
        endLook(route, cancels: cancels, in: &turn)
        let slot = self[route]
        if let request = slot.phase.request {
            routes[request] = nil
            if cancels, turn.platform.isReady, let cancel = Self.cancel(slot.feed, request) {
                _ = turn.pacing.ask(cancel, .urgent, now: turn.now.monotonic)
            } else {
                turn.pacing.withdraw(id: request)
                turn.pacing.answered(id: request, now: turn.now.monotonic)
            }
        }
        self[route].assembler = nil
        self[route].look.priceDue = .never
        self[route].remark = ""
        if slot.phase.live != nil { reportSubscription(route, .stop, reason, in: &turn) }
    }

    /// Ends the feed's request and makes a new one immediately, which gets the line of the old one.
    /// `outlet`: for which of the two sources the new one is; `nil`: the same as before.
    mutating func restart(
        _ route: FeedRoute, _ reason: String, cancels: Bool = true, to outlet: Outlet.Kind? = nil,
        in turn: inout Turn
    ) {
        turn.counters.resubscriptions &+= 1
        let number = turn.ids.next()
        if turn.platform.isReady, let old = self[route].phase.request {
            turn.pacing.replace(old, by: number)
        }
        drop(route, cancels: cancels, reason, in: &turn)
        handle(.ended(.waiting, until: turn.now.monotonic), route, reason, in: &turn)
        if let outlet { move(route, to: outlet, reason, in: &turn) }
        nextScan = min(nextScan, turn.now.monotonic)
        if turn.platform.isReady { ask(route, number: number, in: &turn) }
    }

    /// Ends a request that failed. An open outage stays open, and the feed is requested again after
    /// `wait` nanoseconds (`nil`: longer with each failure). `cause`: the new cause of the outage;
    /// `nil`: the cause stays as it is.
    mutating func fail(
        _ route: FeedRoute, _ pause: FeedPhase.Pause, _ reason: String, wait: Int64? = nil,
        cause: OutageCause? = nil, cancels: Bool = false, in turn: inout Turn
    ) {
        drop(route, cancels: cancels, reason, in: &turn)
        let growing = self[route].attempts.failed()
        let until = turn.later(by: wait ?? growing)
        handle(.ended(pause, until: until, cause: cause), route, reason, in: &turn)
        if pause == .refused, self[route].feed == .headlines {
            giveUpNews(of: entries[route.place].number, "refused: \(reason)", in: &turn)
        }
        giveBackToLevel1(route, reason, in: &turn)
    }

    /// Records that a subscription begins or ends, once per kind of data. `kinds`: `nil` stands for
    /// all that it delivers.
    func reportSubscription(
        _ route: FeedRoute, _ action: SubscriptionAction, _ reason: String, _ kinds: KindSet? = nil,
        in turn: inout Turn
    ) {
        let (number, slot) = (entries[route.place].number, self[route])
        for kind in (kinds ?? slot.kinds).kinds {
            let record = SubscriptionRecord(
                header: turn.header(number), action: action, kind: kind, mode: slot.mode,
                provider: turn.settings.provider, reason: reason.cutToReason)
            turn[slot.outlet].put(.subscription(record))
        }
    }
}
