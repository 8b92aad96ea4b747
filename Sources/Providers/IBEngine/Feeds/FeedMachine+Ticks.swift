internal import IBProtocol
internal import MarketModel
internal import Primitives

// The way of a tick: a message of a subscription becomes a record for the tape.
extension FeedMachine {
    /// Handles a message that answers `request`. Returns false when no feed has such a request.
    @inline(__always)
    mutating func take(_ message: IBMessage, of request: Int32, in turn: inout Turn) -> Bool {
        guard let route = routes[request] else { return tookLook(message, request, in: &turn) }
        switch message {
        case .feed(let message):
            if take(message, route, in: &turn) { return true }
        case .history(.bars(let bars)):
            took(bars, route, in: &turn)
            return true
        case .tick, .history, .contract, .notice, .session: break
        }
        // Delayed data are left out in a source of live data.
        guard !self[route].awaitsLive(in: turn) else { return true }
        arrived(route, in: &turn)
        convert(message, route, in: &turn)
        return true
    }

    /// Handles a message that is no tick. Returns false when it contains data of a subscription.
    private mutating func take(
        _ message: FeedMessage, _ route: FeedRoute, in turn: inout Turn
    ) -> Bool {
        switch message {
        case .text, .news: return false
        case .mode(_, let mode): took(mode, route, in: &turn)
        case .parameters: break
        case .rerouteMarketData(let reroute), .rerouteDepth(let reroute):
            follow(reroute, route, in: &turn)
        case .fundamentals(let document): took(document, route, in: &turn)
        case .headline(let headline): took(headline, route, in: &turn)
        case .headlinesEnd(_, let hasMore): tookAllHeadlines(route, hasMore: hasMore, in: &turn)
        case .headTimestamp(let head): took(head, route, in: &turn)
        }
        return true
    }

    /// Requests the data under the contract under which the provider keeps them.
    private mutating func follow(_ reroute: Reroute, _ route: FeedRoute, in turn: inout Turn) {
        let cause = OutageCause(.restart, "its data are another contract's")
        interrupt(route, cause, in: &turn)
        let hasDelivered = self[route].phase.live != nil
        guard self[route].attempts.follow(reroute, hasDelivered: hasDelivered) else {
            let reason = "its data are another contract's, and that one's again"
            return fail(
                route, .refused, reason, wait: EngineLimits.refusedWait, cancels: true, in: &turn)
        }
        restart(route, cause.text, cancels: false, in: &turn)
    }

    /// Notes that something of the feed came, which shows that the feed and its venue are alive. It
    /// is called before the message is converted.
    @inline(__always)
    private mutating func arrived(_ route: FeedRoute, in turn: inout Turn) {
        if suspicion != nil { examine(route, in: &turn) }
        if !self[route].isDelivering { revive(route, in: &turn) }
        self[route].silence.came(turn.now, turn.silentAfter)
        venues[entries[route.place].venue].came(turn.now, silentAfter: turn.silentAfter)
    }

    /// Ends an outage, or the wait for the first tick, because data have come.
    private mutating func revive(_ route: FeedRoute, in turn: inout Turn) {
        switch self[route].phase {
        case .asked: start(route, in: &turn)
        case .interrupted(_, let outage):
            // Data that were on their way when the notice came do not show what follows.
            let isStraggler = turn.now.monotonic < outage.since + EngineLimits.straggling
            guard !isStraggler else { return }
            guard self[route].feed.lines == .depth else { return resume(route, in: &turn) }
            restart(route, "the book has changed meanwhile", in: &turn)
        case .idle, .live, .done: break
        }
    }

    /// Makes a record of a message that contains a complete tick. Other messages are values of
    /// level 1, which are assembled. Trades, quotes and bars go through `deliver`, because history
    /// is compared with them.
    private mutating func convert(_ message: IBMessage, _ route: FeedRoute, in turn: inout Turn) {
        let number = entries[route.place].number
        switch message {
        case .tick(.trade(_, _, let tick)):
            let trade = tick.trade(symbol: number, receivedAt: turn.now.wall)
            guard !entries[route.place].handOver.isLevel1Alone(tradeAt: trade.header.eventTime)
            else {
                return
            }
            deliver(trade, route, in: &turn)
        case .tick(.quote(_, let tick)):
            let quote = tick.quote(symbol: number, receivedAt: turn.now.wall)
            deliver(quote, route, in: &turn)
        case .tick(.midpoint(_, let tick)):
            let value = tick.indicator(symbol: number, receivedAt: turn.now.wall)
            if let value { turn.live.put(.indicator(value)) }
        case .tick(.bar(let bar)):
            let isTrades = entries[route.place].contract.kind.barKind == .trades
            let record = bar.bar(
                symbol: number, receivedAt: turn.now.wall, kind: isTrades ? .trades : .midpoint)
            deliver(record, route, in: &turn)
        case .tick(.depth(let row)):
            guard var update = row.update(symbol: number, receivedAt: turn.now.wall) else { return }
            if countsLots(route, in: turn) { update.size = update.size.inLots }
            turn.live.put(.depth(update))
        case .feed(.news(let news)):
            let headline = news.headline(symbol: number, receivedAt: turn.now.wall)
            // History may have reported the headline first, and a feed that is requested again
            // repeats it.
            guard headlines.note(headline) else { return }
            turn.live.put(.news(headline))
        default: assemble(message, route, in: &turn)
        }
    }

    /// Makes ticks of the single values of level 1. The assembler combines them, and returns a tick
    /// when one is complete. Kinds that come tick by tick are left out.
    private mutating func assemble(_ message: IBMessage, _ route: FeedRoute, in turn: inout Turn) {
        if case .tick(.size(let tick)) = message, tick.type == TickType.volume {
            entries[route.place].volume.note(tick.size, turn.now.monotonic)
            witness(volume: tick.size, route, in: &turn)
        }
        if message.isDelayed, !self[route].isDelayed {
            // It was on its way when the provider reported live data.
            guard turn.now.monotonic >= self[route].look.delayedFrom else { return }
            // The provider's report about it has not come, or is wrong: each value shows it.
            took(.delayed, route, in: &turn)
            guard !self[route].awaitsLive(in: turn) else { return }
        }
        if self[route].look.priceDue != .never, message.isLivePrice {
            self[route].look.priceDue = .never
        }
        // The subscript is not used here and below: with optional chaining it costs an allocation.
        let event = entries[route.place].slots[route.slot].assembler?.take(
            message, at: turn.now.wall)
        guard let event else { return }
        let kinds = self[route].kinds
        switch event {
        case .none: break
        case .quote(let quote):
            guard kinds.contains(.quote) else { return }
            deliver(quote, route, in: &turn)
        case .trade(let trade): deliver(level1: trade, route, in: &turn)
        case .option(let option):
            // Level 1 brings the numbers of options too. But they are among the feed's `kinds`, and
            // have gaps, only where `computations` are wanted.
            let feeds = entries[route.place].instrument.feeds
            guard !feeds.isDisjoint(with: [.computations, .level1]) else { return }
            turn[self[route].outlet].put(.option(option))
        case .indicator(var value):
            guard kinds.contains(.indicator) else { return }
            if isInLots(message, route, in: turn) { value.value = value.value.inLots }
            turn[self[route].outlet].put(.indicator(value))
        }
        if entries[route.place].slots[route.slot].assembler?.holdsTrades == true {
            deliverDueTrades(route, in: &turn)
        }
    }

    /// Delivers a trade of level 1, unless the tick-by-tick feed delivers trades of its time.
    @inline(__always)
    private mutating func deliver(level1 trade: Trade, _ route: FeedRoute, in turn: inout Turn) {
        let outlet = self[route].outlet
        guard self[route].kinds.contains(.trade),
            outlet == .delayed
                || entries[route.place].handOver.isLevel1(tradeAt: trade.header.eventTime)
        else { return }
        deliver(trade.withoutTime(below: turn.floor(of: outlet)), route, in: &turn)
    }

    // MARK: trades that are held back, as they may still be marked as unreported

    /// Delivers the trades of a feed that need not be held back any more, and keeps
    /// `feedsHoldingTrades` up to date.
    private mutating func deliverDueTrades(_ route: FeedRoute, in turn: inout Turn) {
        while let trade = entries[route.place].slots[route.slot].assembler?.nextTrade(
            at: turn.now.wall)
        {
            deliver(level1: trade, route, in: &turn)
        }
        guard entries[route.place].slots[route.slot].assembler?.holdsTrades == true else {
            return feedsHoldingTrades.removeAll { $0 == route }
        }
        if !feedsHoldingTrades.contains(route) { feedsHoldingTrades.append(route) }
    }

    /// The same for all feeds. `scan` calls it, because a trade may become due without a message.
    mutating func deliverDueTrades(in turn: inout Turn) {
        // Backwards: the call may remove the feed from the list.
        for index in feedsHoldingTrades.indices.reversed() where index < feedsHoldingTrades.count {
            deliverDueTrades(feedsHoldingTrades[index], in: &turn)
        }
    }

    /// Delivers all held trades of a feed, because its subscription stops: nothing more will be
    /// known about them.
    mutating func deliverHeldTrades(_ route: FeedRoute, in turn: inout Turn) {
        while let trade = self[route].assembler?.nextHeldTrade() {
            deliver(level1: trade, route, in: &turn)
        }
        if !feedsHoldingTrades.isEmpty { feedsHoldingTrades.removeAll { $0 == route } }
    }

    /// Returns the event time of the earliest held trade of one of the two sources, which the floor
    /// must not pass; undefined: none is held.
    func earliestHeldTrade(of outlet: Outlet.Kind) -> Timestamp {
        feedsHoldingTrades.reduce(.undefined) { earliest, route in
            guard self[route].outlet == outlet else { return earliest }
            let waiting = self[route].assembler?.earliestHeldTrade
            return min(earliest, waiting ?? .undefined)
        }
    }

    /// Returns whether the message is a volume that an old server reports in lots of 100 shares.
    private func isInLots(_ message: IBMessage, _ route: FeedRoute, in turn: Turn) -> Bool {
        guard case .tick(.size(let tick)) = message else { return false }
        return TickType.isVolume(tick.type) && countsLots(route, in: turn)
    }

    /// Puts a trade on the tape, and keeps its arrival for the border of an outage. The two below
    /// do the same with a quote and a bar.
    @inline(__always)
    private mutating func deliver(_ trade: Trade, _ route: FeedRoute, in turn: inout Turn) {
        var trade = trade
        if countsLots(route, in: turn) { trade.size = trade.size.inLots }
        note(trade.header, route, in: &turn)
        let outlet = self[route].outlet
        // A snapshot is the state at the start of a subscription and no event, so history does not
        // report it again.
        if outlet == .live, !trade.header.flags.contains(.snapshot) {
            entries[route.place].borders.trades.add(.trade(trade), turn.now)
            witness(trade, route)
        }
        self[route].delivered(trade)
        turn[outlet].put(.trade(trade))
    }

    @inline(__always)
    private mutating func deliver(_ quote: Quote, _ route: FeedRoute, in turn: inout Turn) {
        var quote = quote
        if countsLots(route, in: turn) {
            (quote.bidSize, quote.askSize) = (quote.bidSize.inLots, quote.askSize.inLots)
        }
        note(quote.header, route, in: &turn)
        let outlet = self[route].outlet
        if outlet == .live, !quote.header.flags.contains(.snapshot) {
            entries[route.place].borders.quotes.add(.quote(quote), turn.now)
        }
        self[route].delivered(at: quote.header.eventTime)
        turn[outlet].put(.quote(quote))
    }

    private mutating func deliver(_ bar: ProviderBar, _ route: FeedRoute, in turn: inout Turn) {
        var bar = bar
        if countsLots(route, in: turn) { bar.volume = bar.volume.inLots }
        note(bar.header, route, in: &turn)
        entries[route.place].borders.bars.add(.bar(open: bar.openTime), turn.now)
        self[route].delivered(at: bar.header.eventTime)
        turn.live.put(.providerBar(bar))
    }

    /// Returns whether the server reports live sizes of this contract in lots of 100 shares.
    @inline(__always)
    func countsLots(_ route: FeedRoute, in turn: Turn) -> Bool {
        !ServerVersion.hasLiveShares(turn.platform.version)
            && entries[route.place].contract.isStockInLots
    }

    /// Counts a record that is older than the floor of its source. It is recorded all the same.
    @inline(__always)
    private func note(_ header: TickHeader, _ route: FeedRoute, in turn: inout Turn) {
        if turn.isLate(header, at: self[route].outlet) { turn.counters.lateRecords &+= 1 }
    }

    // MARK: documents

    /// Records a report about a company, in parts. All parts have the same `providerID`, which no
    /// other document has.
    private mutating func took(
        _ document: FundamentalDocument, _ route: FeedRoute, in turn: inout Turn
    ) {
        let header = TickHeader(
            symbol: entries[route.place].number, providerTime: .undefined,
            receiveTime: turn.now.wall,
            providerID: UInt64(bitPattern: turn.now.wall.nanoseconds))
        let parts = FundamentalPart.parts(
            of: document.content, report: "ReportSnapshot", header: header)
        guard let parts else {
            let reason = "a document of \(document.content.count) bytes is too long"
            return fail(route, .refused, reason, wait: EngineLimits.refusedWait, in: &turn)
        }
        turn.live.records.append(contentsOf: parts.map { .tape(.fundamental($0)) })
        finish(route, in: &turn)
    }

    /// Records the daily bars of a year.
    private mutating func took(_ bars: HistoricalBars, _ route: FeedRoute, in turn: inout Turn) {
        let entry = entries[route.place]
        let daily = DailyBars(
            number: entry.number, zone: zones[entry.hours.zone], kind: entry.contract.kind.barKind,
            isInLots: entry.contract.isStockInLots
                && !ServerVersion.hasHistoricalShares(turn.platform.version))
        for bar in bars.bars {
            if let record = daily.record(bar, turn.now.wall) { turn.live.put(.providerBar(record)) }
        }
        finish(route, in: &turn)
    }

    /// Ends the request of a document that has come completely.
    mutating func finish(_ route: FeedRoute, in turn: inout Turn) {
        drop(route, cancels: false, "", in: &turn)
        self[route].attempts.failures = 0
        handle(.finished(day: Self.day(turn.now.wall)), route, "", in: &turn)
    }
}

extension Trade {
    /// Returns the trade without the provider's time if it is a snapshot from before the floor: it
    /// is recorded as the state at its arrival, because the floor promises that no record of an
    /// earlier time comes.
    @inline(__always)
    fileprivate func withoutTime(below floor: Timestamp) -> Trade {
        guard header.flags.contains(.snapshot), header.providerTime.isDefined, floor.isDefined,
            header.providerTime < floor
        else { return self }
        var trade = self
        trade.header.providerTime = .undefined
        trade.header.resolution = TimeResolution.unknown.rawValue
        return trade
    }
}
