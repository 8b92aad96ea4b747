internal import Primitives

/// Sends this client the events of the market.
extension SimulatorSession {
    /// `isDelayed` means that the event is old and serves only delayed data.
    mutating func happened(_ event: MarketEvent, isDelayed: Bool, _ world: World) {
        guard clientID != nil, !world.conditions.isDark(event.instrument) else { return }
        happenedAtLevel1(event, isDelayed: isDelayed, world)
        guard !isDelayed else { return }
        happenedTickByTick(event, world)
        if case .book(let bits) = event.kind { bookMoved(event, bits, world) }
    }

    /// Returns true while another session has the data. The client is informed once.
    private mutating func isAway(
        _ instrument: Int, _ request: Int32, _ isTold: inout Bool, _ world: World
    ) -> Bool {
        guard world.conditions.isCompeting[instrument] else {
            isTold = false
            return false
        }
        if !isTold { refuse(request, 10197, "No market data during competing live session") }
        isTold = true
        return true
    }

    private mutating func happenedAtLevel1(
        _ event: MarketEvent, isDelayed: Bool, _ world: World
    ) {
        let instrument = world.quoted(event.instrument)
        for place in level1.indices
        where level1[place].instrument == event.instrument
            && level1[place].isDelayed == isDelayed && !level1[place].isNewsAlone
        {
            var isTold = level1[place].isToldOfCompetition
            let isAway = isAway(event.instrument, level1[place].request, &isTold, world)
            level1[place].isToldOfCompetition = isTold
            if isAway { continue }
            var messages: [ServerMessage] = []
            switch event.kind {
            case .quote(let quote):
                level1[place].add(quote, instrument, writer, into: &messages)
                messages += optionNumbers(of: level1[place], quote, event, world)
            case .trade(let trade):
                level1[place].add(
                    trade, at: event.time, instrument, writer, into: &messages)
            case .book: break
            }
            send(ticks: messages, of: event.instrument, now: world.now)
        }
    }

    /// Returns the sensitivities of an option. Some of them are occasionally not computed.
    private func optionNumbers(
        of feed: Level1Feed, _ quote: MarketQuote, _ event: MarketEvent, _ world: World
    ) -> [ServerMessage] {
        let option = world.market.instruments[event.instrument]
        guard option.securityType == "OPT" else { return [] }
        var random = world.market.generator(event.instrument, event.second, salt: 4)
        func number(_ scale: UInt64) -> String {
            FixedPoint.text(Int64(random.next() % scale), decimals: 6)
        }
        return [Int32(10), 11, 13].map { type in
            var numbers = OptionNumbers()
            if random.next() % 8 != 0 {
                numbers.impliedVolatility = number(900_000)
                numbers.delta = number(1_000_000)
                numbers.gamma = number(50_000)
                numbers.vega = number(300_000)
                numbers.theta = "-\(number(90_000))"
                numbers.dividend = number(2_000_000)
            }
            numbers.price = option.priceText(type == 11 ? quote.ask : quote.bid)
            numbers.underlying = option.priceText(quote.bid + 50_000)
            return writer.tickOptionComputation(
                feed.request, type: type + (feed.isDelayed ? 70 : 0), numbers)
        }
    }

    private mutating func happenedTickByTick(_ event: MarketEvent, _ world: World) {
        for place in tickByTick.indices where tickByTick[place].instrument == event.instrument {
            var isTold = tickByTick[place].isToldOfCompetition
            let isAway = isAway(event.instrument, tickByTick[place].request, &isTold, world)
            tickByTick[place].isToldOfCompetition = isTold
            guard !isAway, let message = message(tickByTick[place], event, world) else {
                continue
            }
            send(ticks: [message], of: event.instrument, now: world.now)
        }
    }

    private func message(
        _ feed: TickByTickFeed, _ event: MarketEvent, _ world: World
    ) -> ServerMessage? {
        let instrument = world.quoted(event.instrument)
        switch (event.kind, feed.kind) {
        case (.trade(let trade), .allLast):
            return writer.tickByTickTrade(
                feed.request, isAll: true, second: event.second,
                instrument.texts(trade, version: writer.serverVersion, isPast: false))
        case (.trade(let trade), .last) where !trade.isUnreported:
            return writer.tickByTickTrade(
                feed.request, isAll: false, second: event.second,
                instrument.texts(trade, version: writer.serverVersion, isPast: false))
        case (.quote(let quote), .bidAsk):
            return writer.tickByTickQuote(
                feed.request, second: event.second,
                instrument.texts(quote, version: writer.serverVersion, isPast: false),
                isPastLow: quote.isPastLow, isPastHigh: quote.isPastHigh)
        case (.quote(let quote), .midpoint):
            return writer.tickByTickMidpoint(
                feed.request, second: event.second,
                price: instrument.halfPriceText(quote.bid + quote.ask))
        default: return nil
        }
    }

    private mutating func bookMoved(_ event: MarketEvent, _ bits: UInt64, _ world: World) {
        let instrument = world.quoted(event.instrument)
        let level = world.market.level(of: event.instrument, at: event.second, nanosecond: 0)
        for place in depth.indices where depth[place].instrument == event.instrument {
            var isTold = depth[place].isToldOfCompetition
            let isAway = isAway(event.instrument, depth[place].request, &isTold, world)
            depth[place].isToldOfCompetition = isTold
            if isAway { continue }
            let changes = depth[place].move(
                level: level, bits: bits, instrument, writer.serverVersion)
            for change in changes {
                send(writer.depth(depth[place].request, change), of: event.instrument)
            }
        }
    }

    // MARK: each second

    /// Call when `second` has ended.
    mutating func ended(second: Int64, _ world: World) {
        guard clientID != nil, !world.conditions.isServerLost else { return }
        sendNews(second, world)
        sendGrowing(world)
        let end = second + 1
        guard end % BarFeed.width == 0 else { return }
        let history = world.history(writer.serverVersion)
        for feed in bars
        where feed.firstSecond <= end - BarFeed.width
            && !world.conditions.isDark(feed.instrument)
            && !world.conditions.isCompeting[feed.instrument]
        {
            let start = end - BarFeed.width
            let bar = history.bar(
                of: feed.instrument, from: start, width: BarFeed.width, show: feed.show)
            send(
                ticks: [writer.realTimeBar(feed.request, second: start, bar)],
                of: feed.instrument, now: world.now)
        }
    }

    private mutating func sendNews(_ second: Int64, _ world: World) {
        for feed in level1 where !world.conditions.isDark(feed.instrument) {
            guard feed.genericTicks.contains(where: { $0.hasPrefix("292") }),
                let item = world.market.news(of: feed.instrument, in: second)
            else { continue }
            let providers = feed.genericTicks.filter { $0.hasPrefix("292:") }
                .flatMap { $0.dropFirst(4).split(separator: "+").map(String.init) }
            guard providers.isEmpty || providers.contains(item.provider) else { continue }
            send(
                ticks: [writer.tickNews(feed.request, item)], of: feed.instrument,
                now: world.now)
        }
    }

    private mutating func sendGrowing(_ world: World) {
        for growing in growing where !world.conditions.isDark(growing.instrument) {
            let start = world.second - world.second % growing.width
            var bar = world.history(writer.serverVersion).bar(
                of: growing.instrument, from: start, width: growing.width, show: growing.show)
            if bar.count == "0" { bar.count = "-1" }
            let entry = MessageWriter.DatedBar(
                date: dateText(start, width: growing.width, format: growing.format), bar: bar)
            send(
                ticks: [writer.historicalDataUpdate(growing.request, entry)],
                of: growing.instrument, now: world.now)
        }
    }
}
