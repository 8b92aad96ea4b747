internal import IBProtocol
internal import MarketModel
internal import Primitives

// Messages of subscriptions, as records.
extension FeedMachine {
    /// False: nobody here waits for it.
    @inline(__always)
    mutating func take(
        _ message: IBMessage, of request: Int32, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) -> Bool {
        guard let route = routes[request] else { return false }
        switch message {
        case .marketDataType(_, let mode):
            took(mode, route, now, &tools, &out)
            return true
        case .tickRequestParameters: return true
        case .rerouteMarketData(let reroute), .rerouteDepth(let reroute):
            let cause = OutageCause(.restart, "its data are another contract's")
            stopped(route, cause, now, &tools, &out)
            guard entries[route.place].slots[route.slot].follow(reroute) else {
                let reason = "its data are another contract's, and that one's again"
                fail(
                    route, .refused, reason, wait: EngineLimits.refusedWait, cancels: true, now,
                    &tools, &out)
                return true
            }
            restart(route, cause.text, cancels: false, now, &tools, &out)
            return true
        case .fundamentals(let document):
            took(document, route, now, &tools, &out)
            return true
        case .historicalBars(let bars):
            took(bars, route, now, &tools, &out)
            return true
        case .historicalNews(let headline):
            took(headline, route, now, &out)
            return true
        case .historicalNewsEnd(_, let hasMore):
            tookAllHeadlines(route, hasMore: hasMore, now, &tools, &out)
            return true
        case .headTimestamp(let head):
            took(head, route, now, &tools, &out)
            return true
        default:
            guard !entries[route.place].slots[route.slot].awaitsLive(tools) else { return true }
            arrived(route, now, &tools, &out)
            convert(message, route, now, &tools, &out)
            return true
        }
    }

    /// Something of the feed came: whatever it was in, it is alive.
    @inline(__always)
    private mutating func arrived(
        _ route: FeedRoute, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        if suspicion != nil { examine(route, now, &tools, &out) }
        if entries[route.place].slots[route.slot].state != .live {
            revive(route, now, &tools, &out)
        }
        entries[route.place].slots[route.slot].lastTick = now.monotonic
        entries[route.place].slots[route.slot].lastTickWall = now.wall
        entries[route.place].slots[route.slot].countTick(tools.silentAfter)
        entries[route.place].slots[route.slot].rhythm.came(now.monotonic)
        lives[entries[route.place].group].came(now, silentAfter: tools.silentAfter)
    }

    private mutating func revive(
        _ route: FeedRoute, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        let slot = entries[route.place].slots[route.slot]
        switch slot.state {
        case .asked: start(route, now, &tools, &out)
        case .interrupted:
            // What was on its way when the notice came says nothing about what follows.
            let isStraggler =
                now.monotonic < slot.interrupted.later(by: EngineLimits.straggling)
            guard !isStraggler else { return }
            guard slot.feed.lines == .depth else { return resume(route, now, &tools, &out) }
            restart(route, "the book has changed meanwhile", now, &tools, &out)
        default: break
        }
    }

    private mutating func convert(
        _ message: IBMessage, _ route: FeedRoute, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        let number = entries[route.place].number
        switch message {
        case .tickByTickTrade(_, _, let tick):
            let trade = tick.trade(symbol: number, receivedAt: now.wall)
            guard !entries[route.place].isLevel1Alone(tradeAt: trade.header.eventTime) else {
                return
            }
            deliver(.trade(trade), route, now, &tools, &out)
        case .tickByTickQuote(_, let tick):
            let quote = tick.quote(symbol: number, receivedAt: now.wall)
            deliver(.quote(quote), route, now, &tools, &out)
        case .tickByTickMidpoint(_, let tick):
            let value = tick.indicator(symbol: number, receivedAt: now.wall)
            if let value { deliver(.indicator(value), route, now, &tools, &out) }
        case .realTimeBar(let bar):
            let isTrades = entries[route.place].contract.kind.barKind == .trades
            let record = bar.bar(
                symbol: number, receivedAt: now.wall, kind: isTrades ? .trades : .midpoint)
            deliver(.providerBar(record), route, now, &tools, &out)
        case .depth(let row):
            if let update = row.update(symbol: number, receivedAt: now.wall) {
                deliver(.depth(update), route, now, &tools, &out)
            }
        case .news(let news):
            let headline = news.headline(symbol: number, receivedAt: now.wall)
            // History may have told of it first, and a feed that is asked for anew says it again.
            guard headlines.note(headline) else { return }
            deliver(.news(headline), route, now, &tools, &out)
        default: assemble(message, route, now, &tools, &out)
        }
    }

    private mutating func assemble(
        _ message: IBMessage, _ route: FeedRoute, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        if case .tickSize(let tick) = message, tick.type == TickType.volume {
            entries[route.place].note(volume: tick.size, now.monotonic)
        }
        let event = entries[route.place].slots[route.slot].assembler?.take(message, at: now.wall)
        guard let event else { return }
        let kinds = entries[route.place].slots[route.slot].kinds
        switch event {
        case .none: break
        case .quote(let quote):
            guard kinds.contains(.quote) else { return }
            deliver(.quote(quote), route, now, &tools, &out)
        case .trade(let trade): deliver(level1: trade, route, now, &tools, &out)
        case .option(let option):
            let feeds = entries[route.place].instrument.feeds
            guard !feeds.isDisjoint(with: [.computations, .level1]) else { return }
            deliver(.option(option), route, now, &tools, &out)
        case .indicator(var value):
            guard kinds.contains(.indicator) else { return }
            if isInLots(message, route, tools) { value.value = value.value.inLots }
            deliver(.indicator(value), route, now, &tools, &out)
        }
        if entries[route.place].slots[route.slot].assembler?.hasWaiting == true {
            deliverWaited(route, now, &tools, &out)
        }
    }

    @inline(__always)
    private mutating func deliver(
        level1 trade: Trade, _ route: FeedRoute, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        guard entries[route.place].slots[route.slot].kinds.contains(.trade),
            entries[route.place].isLevel1(tradeAt: trade.header.eventTime)
        else { return }
        deliver(.trade(trade.held(above: tools.clock.floor)), route, now, &tools, &out)
    }

    // MARK: trades that wait for a word about them

    /// Those about which nothing more is waited for.
    private mutating func deliverWaited(
        _ route: FeedRoute, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        while let trade = entries[route.place].slots[route.slot].assembler?.nextTrade(at: now.wall)
        {
            deliver(level1: trade, route, now, &tools, &out)
        }
        guard entries[route.place].slots[route.slot].assembler?.hasWaiting == true else {
            return withWaiting.removeAll { $0 == route }
        }
        if !withWaiting.contains(route) { withWaiting.append(route) }
    }

    mutating func deliverWaited(
        _ now: Moment, _ tools: inout EngineTools, _ out: inout IBEngine.Output
    ) {
        for index in withWaiting.indices.reversed() where index < withWaiting.count {
            deliverWaited(withWaiting[index], now, &tools, &out)
        }
    }

    /// The subscription stops: no word about them comes any more.
    mutating func deliverWaiting(
        _ route: FeedRoute, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        while let trade = entries[route.place].slots[route.slot].assembler?.nextTradeAtEnd() {
            deliver(level1: trade, route, now, &tools, &out)
        }
        if !withWaiting.isEmpty { withWaiting.removeAll { $0 == route } }
    }

    /// The event time of the earliest trade that waits; undefined: none does.
    var earliestWaiting: Timestamp {
        withWaiting.reduce(.undefined) { earliest, route in
            let waiting = entries[route.place].slots[route.slot].assembler?.earliestWaiting
            return min(earliest, waiting ?? .undefined)
        }
    }

    /// A volume that an old server tells by the hundred.
    private func isInLots(
        _ message: IBMessage, _ route: FeedRoute, _ tools: EngineTools
    ) -> Bool {
        guard !ServerVersion.hasLiveShares(tools.version), case .tickSize(let tick) = message else {
            return false
        }
        return TickType.isVolume(tick.type) && entries[route.place].contract.isStockInLots
    }

    @inline(__always)
    private mutating func deliver(
        _ record: TapeRecord, _ route: FeedRoute, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        var record = record
        if !ServerVersion.hasLiveShares(tools.version),
            entries[route.place].contract.isStockInLots
        {
            record = record.inShares
        }
        switch record {
        case .trade(let tick):
            note(tick.header, &tools)
            // The state at a subscription's start is no event that history would tell of again.
            if !tick.header.flags.contains(.snapshot) {
                entries[route.place].trades.add(.trade(tick), now)
            }
        case .quote(let tick):
            note(tick.header, &tools)
            if !tick.header.flags.contains(.snapshot) {
                entries[route.place].quotes.add(.quote(tick), now)
            }
        case .providerBar(let tick):
            note(tick.header, &tools)
            entries[route.place].bars.add(.bar(open: tick.openTime), now)
        default: break
        }
        entries[route.place].slots[route.slot].delivered(record)
        out.records.append(record)
    }

    @inline(__always)
    private func note(_ header: TickHeader, _ tools: inout EngineTools) {
        let floor = tools.clock.floor
        guard floor.isDefined, header.eventTime < floor,
            header.flags.isDisjoint(with: [.delayed, .backfilled])
        else { return }
        tools.counters.lateRecords &+= 1
    }

    // MARK: documents

    private mutating func took(
        _ document: FundamentalDocument, _ route: FeedRoute, _ now: Moment,
        _ tools: inout EngineTools, _ out: inout IBEngine.Output
    ) {
        let header = TickHeader(
            symbol: entries[route.place].number, providerTime: .undefined, receiveTime: now.wall,
            providerID: UInt64(bitPattern: now.wall.nanoseconds))
        let parts = FundamentalPart.parts(
            of: document.content, report: "ReportSnapshot", header: header)
        guard let parts else {
            let reason = "a document of \(document.content.count) bytes is too long"
            return fail(
                route, .refused, reason, wait: EngineLimits.refusedWait, now, &tools, &out)
        }
        out.records.append(contentsOf: parts.map { .tape(.fundamental($0)) })
        finish(route, now, &tools, &out)
    }

    private mutating func took(
        _ bars: HistoricalBars, _ route: FeedRoute, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        let entry = entries[route.place]
        let daily = DailyBars(
            number: entry.number, zone: zones[entry.zone], kind: entry.contract.kind.barKind,
            isInLots: entry.contract.isStockInLots
                && !ServerVersion.hasHistoricalShares(tools.version))
        for bar in bars.bars {
            if let record = daily.record(bar, now.wall) { out.records.append(.providerBar(record)) }
        }
        finish(route, now, &tools, &out)
    }

    mutating func finish(
        _ route: FeedRoute, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        drop(route, cancels: false, "", now, &tools, &out)
        entries[route.place].slots[route.slot].failures = 0
        entries[route.place].slots[route.slot].due = Int64.max
        entries[route.place].slots[route.slot].documentDay = Self.day(now.wall)
        set(route, .done, "", now, &out)
    }
}

extension FeedSlot {
    /// After a silence a feed has to show that it is busy before it is watched as closely again.
    @inline(__always)
    mutating func countTick(_ silentAfter: Int64) {
        guard patience != silentAfter else { return }
        ticksSinceSilence += 1
        if ticksSinceSilence >= 16 { patience = silentAfter }
    }
}

extension Trade {
    /// The last trade before a subscription is what holds now, not an event of then.
    @inline(__always)
    fileprivate func held(above floor: Timestamp) -> Trade {
        guard header.flags.contains(.snapshot), header.providerTime.isDefined, floor.isDefined,
            header.providerTime < floor
        else { return self }
        var trade = self
        trade.header.providerTime = .undefined
        trade.header.resolution = TimeResolution.unknown.rawValue
        return trade
    }
}
