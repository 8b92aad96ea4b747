internal import IBProtocol
internal import MarketModel
internal import Primitives

// Requests: how they are made, sent, ended and made again.
extension FeedMachine {
    /// `number`: one that has a line already, in place of an older request.
    mutating func ask(
        _ route: FeedRoute, number: Int32? = nil, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        let entry = entries[route.place]
        let slot = entry.slots[route.slot]
        guard !(tools.settings.isDelayed && slot.feed.lines == .tickByTick) else {
            entries[route.place].slots[route.slot].due = Int64.max
            return set(route, .refused, "there are no delayed ticks one by one", now, &out)
        }
        let id = number ?? tools.ids.next()
        let asked =
            slot.feed == .headlines
            ? headlineRequest(id, entry, now, &tools) : Self.request(id, entry, slot)
        guard let request = asked else {
            entries[route.place].slots[route.slot].due =
                now.monotonic.later(by: EngineLimits.second)
            let what = entry.contract.id == 0 ? "contract's number" : "list of news providers"
            return set(route, .waiting, "the \(what) has not come", now, &out)
        }
        let priority: PacingMachine.Priority = slot.feed.isDocument ? .backfill : .live
        guard tools.pacing.ask(request, priority, order: route.order, now: now.monotonic) else {
            tools.pacing.answered(id: id, now: now.monotonic)
            entries[route.place].slots[route.slot].due =
                now.monotonic.later(by: EngineLimits.second)
            return
        }
        routes[id] = route
        entries[route.place].slots[route.slot].request = id
        entries[route.place].slots[route.slot].isSent = false
        entries[route.place].slots[route.slot].hasNoContract = false
        entries[route.place].slots[route.slot].asked = now.monotonic
        // A document's answer may have to wait for ten minutes of pacing first.
        entries[route.place].slots[route.slot].due =
            slot.feed.isDocument
            ? now.monotonic.later(by: EngineLimits.refusedWait) : Int64.max
        set(route, .asked, "", now, &out)
    }

    /// The request has left: from here on its answers may come.
    mutating func sent(_ request: IBRequest, _ now: Moment, isDelayed: Bool) {
        guard let id = request.number, let route = routes[id] else { return }
        let entry = entries[route.place]
        entries[route.place].slots[route.slot].isSent = true
        entries[route.place].slots[route.slot].asked = now.monotonic
        entries[route.place].slots[route.slot].lastTick = now.monotonic
        guard case .marketData(_, _, let wanted) = request else {
            // Nothing else is ever told later than it was.
            entries[route.place].slots[route.slot].mode = .live
            return
        }
        // The provider says for each instrument which it is; of an earlier subscription it is
        // known already.
        if !isDelayed { entries[route.place].slots[route.slot].mode = .live }
        let hasVolume = wanted.genericTicks.contains(GenericTicks.realTimeVolume)
        let source: MarketDataAssembler.TradeSource = hasVolume ? .realTimeVolume : .last
        entries[route.place].slots[route.slot].assembler = MarketDataAssembler(
            symbol: entry.number, trades: source, since: now.wall,
            isIndex: entry.contract.kind == .index)
    }

    /// nil: it needs more than its contract.
    private static func request(
        _ id: Int32, _ entry: InstrumentEntry, _ slot: FeedSlot
    ) -> IBRequest? {
        var contract = entry.contract
        if let reroute = slot.reroute {
            // It is the other contract alone: with this one's symbol and kind there is none.
            contract = Contract()
            contract.id = reroute.contract
            contract.exchange = reroute.exchange
        }
        let feeds = entry.instrument.feeds
        switch slot.feed {
        case .marketData:
            let ticks = GenericTicks(entry.contract.kind, feeds)[slot.valuesLeftOut]
            return .marketData(id: id, contract, MarketDataRequest(genericTicks: ticks))
        case .trades:
            let kind: TickByTickKind = feeds.contains(.allTrades) ? .allLast : .last
            return .tickByTick(id: id, contract, kind)
        case .quotes: return .tickByTick(id: id, contract, .bidAsk)
        case .midpoints: return .tickByTick(id: id, contract, .midpoint)
        case .depth:
            let exchange = entry.instrument.depthExchange
            if slot.reroute == nil, !exchange.isEmpty { contract.exchange = exchange }
            return .depth(id: id, contract, rows: 10, isSmart: false)
        case .smartDepth: return .depth(id: id, contract, rows: 10, isSmart: true)
        case .bars:
            return .realTimeBars(
                id: id, contract, contract.kind.barKind, regularHoursOnly: false)
        case .fundamentals: return .fundamentals(id: id, contract, report: "ReportSnapshot")
        case .dailyHistory:
            var history = HistoryRequest(duration: "1 Y", barSize: "1 day")
            history.kind = contract.kind.barKind
            history.regularHoursOnly = true
            return .history(id: id, contract, history)
        case .firstTime:
            return .headTimestamp(
                id: id, contract, contract.kind.barKind, regularHoursOnly: false)
        case .headlines: return nil
        }
    }

    /// nil: its answer comes, and is nothing to anybody.
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

    /// Ends the present subscription. What still comes of it is nobody's any more: a new one will
    /// tell of the same.
    mutating func drop(
        _ route: FeedRoute, cancels: Bool, _ reason: String, _ now: Moment,
        _ tools: inout EngineTools, _ out: inout IBEngine.Output
    ) {
        deliverWaiting(route, now, &tools, &out)
        let slot = entries[route.place].slots[route.slot]
        if slot.request != 0 {
            routes[slot.request] = nil
            if cancels, tools.isReady, let cancel = Self.cancel(slot.feed, slot.request) {
                _ = tools.pacing.ask(cancel, .urgent, now: now.monotonic)
            } else {
                tools.pacing.withdraw(id: slot.request)
                tools.pacing.answered(id: slot.request, now: now.monotonic)
            }
        }
        entries[route.place].slots[route.slot].request = 0
        entries[route.place].slots[route.slot].isSent = false
        entries[route.place].slots[route.slot].assembler = nil
        entries[route.place].slots[route.slot].remark = ""
        entries[route.place].slots[route.slot].needsTick = false
        guard slot.isStarted else { return }
        entries[route.place].slots[route.slot].started = .undefined
        tellSubscription(route, .stop, reason, now, tools, &out)
    }

    /// Ends the subscription and asks for it anew at once, with the line that it has.
    mutating func restart(
        _ route: FeedRoute, _ reason: String, cancels: Bool = true, _ now: Moment,
        _ tools: inout EngineTools, _ out: inout IBEngine.Output
    ) {
        tools.counters.resubscriptions &+= 1
        let old = entries[route.place].slots[route.slot].request
        let number = tools.ids.next()
        if tools.isReady { tools.pacing.replace(old, by: number) }
        drop(route, cancels: cancels, reason, now, &tools, &out)
        entries[route.place].slots[route.slot].due = now.monotonic
        set(route, .waiting, reason, now, &out)
        nextScan = min(nextScan, now.monotonic)
        if tools.isReady { ask(route, number: number, now, &tools, &out) }
    }

    /// It failed: what is open stays open, and it is asked for again after a while.
    mutating func fail(
        _ route: FeedRoute, _ state: FeedStatus.State, _ reason: String, wait: Int64? = nil,
        cancels: Bool = false, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        drop(route, cancels: cancels, reason, now, &tools, &out)
        let failures = min(entries[route.place].slots[route.slot].failures + 1, 32)
        entries[route.place].slots[route.slot].failures = failures
        let growing = min(
            EngineLimits.downWait << Int64(min(failures - 1, 8)), EngineLimits.downWaitMax)
        entries[route.place].slots[route.slot].due =
            now.monotonic.later(by: wait ?? growing)
        set(route, state, reason, now, &out)
        if state == .refused, entries[route.place].slots[route.slot].feed == .headlines {
            giveUpNews(of: entries[route.place].number, "refused: \(reason)", now, &out)
        }
        giveBack(route, reason, now, &tools, &out)
    }

    func tellSubscription(
        _ route: FeedRoute, _ action: SubscriptionAction, _ reason: String, _ now: Moment,
        _ tools: EngineTools, _ out: inout IBEngine.Output
    ) {
        let kinds = entries[route.place].slots[route.slot].kinds
        tellSubscription(route, action, reason, kinds, now, tools, &out)
    }

    func tellSubscription(
        _ route: FeedRoute, _ action: SubscriptionAction, _ reason: String, _ kinds: KindSet,
        _ now: Moment, _ tools: EngineTools, _ out: inout IBEngine.Output
    ) {
        let entry = entries[route.place]
        let slot = entry.slots[route.slot]
        for kind in kinds.kinds {
            let header = TickHeader(
                symbol: entry.number, providerTime: .undefined, receiveTime: now.wall)
            out.records.append(
                .subscription(
                    SubscriptionRecord(
                        header: header, action: action, kind: kind, mode: slot.mode,
                        provider: tools.settings.provider, reason: reason.asReason)))
        }
    }
}
