internal import Primitives

/// Requests for streams, and their cancels.
extension SimulatorSession {
    mutating func handle(_ request: ClientRequest, _ world: World) {
        switch request {
        case .startAPI: refuse(-1, 321, "Error validating request: the API is started already")
        case .currentTime: send(writer.currentTime(seconds: world.second))
        case .marketDataType(let type): dataType = type
        case .marketData(let wanted): begin(wanted, world)
        case .cancelMarketData(let id):
            end(id, 300, level1.firstIndex { $0.request == id }) { $0.level1.remove(at: $1) }
        case .depth(let id, let contract, let rows, let isSmart):
            beginDepth(id, contract, Int(rows), isSmart, world)
        case .cancelDepth(let id, _):
            end(id, 310, depth.firstIndex { $0.request == id }) { $0.depth.remove(at: $1) }
        case .realTimeBars(let id, let contract, let show):
            beginBars(id, contract, show, world)
        case .cancelRealTimeBars(let id):
            end(id, 300, bars.firstIndex { $0.request == id }) { $0.bars.remove(at: $1) }
        case .tickByTick(let id, let contract, let kind, let past):
            beginTicks(id, contract, kind, past, world)
        case .cancelTickByTick(let id):
            end(id, 300, tickByTick.firstIndex { $0.request == id }) {
                $0.tickByTick.remove(at: $1)
            }
        case .bulletins(let all):
            wantsBulletins = true
            if all { for bulletin in world.bulletins { send(bulletin) } }
        case .cancelBulletins: wantsBulletins = false
        default: handlePast(request, world)
        }
    }

    private mutating func end(
        _ id: Int32, _ code: Int32, _ place: Int?,
        _ remove: (inout SimulatorSession, Int) -> Void
    ) {
        guard let place else {
            refuse(id, code, "Can't find EId with tickerId:\(id)")
            return
        }
        remove(&self, place)
    }

    // MARK: finding

    /// Returns the only instrument that matches. Otherwise sends error 200 and returns `nil`.
    mutating func find(_ contract: RequestedContract, _ id: Int32, _ world: World) -> Int? {
        let found = world.market.instruments.indices.filter {
            world.market.instruments[$0].matches(contract)
        }
        if found.count == 1 { return found[0] }
        refuse(
            id, 200,
            found.isEmpty
                ? "No security definition has been found for the request"
                : "The contract description specified for \(contract.symbol) is ambiguous.")
        return nil
    }

    /// Returns false and sends error 322 if the request's number is in use.
    private mutating func isNew(_ id: Int32) -> Bool {
        let isUsed =
            level1.contains { $0.request == id } || tickByTick.contains { $0.request == id }
            || depth.contains { $0.request == id } || bars.contains { $0.request == id }
            || growing.contains { $0.request == id }
        if isUsed { refuse(id, 322, "Error processing request: Duplicate ticker id") }
        return !isUsed
    }

    // MARK: level 1

    private mutating func begin(_ wanted: MarketDataRequest, _ world: World) {
        let id = wanted.id
        guard isNew(id), let index = find(wanted.contract, id, world) else { return }
        let instrument = world.market.instruments[index]
        if instrument.isRerouted {
            send(
                writer.reroute(
                    id, isDepth: false, conID: instrument.underlyingConID, exchange: "SMART"))
            return
        }
        if wanted.isSnapshot, !wanted.genericTicks.isEmpty {
            refuse(id, 321, "Error validating request: a snapshot has no generic ticks")
            return
        }
        guard level1.count < world.settings.limits.lines || wanted.isSnapshot else {
            refuse(id, 101, "Max number of tickers has been reached")
            return
        }
        guard let isDelayed = access(id, index, world) else { return }
        var feed = Level1Feed(
            request: id, instrument: index, isDelayed: isDelayed,
            genericTicks: wanted.genericTicks)
        if !world.conditions.isDark(index), !feed.isNewsAlone {
            for message in feed.begin(world, writer) { send(message, of: index) }
        }
        if wanted.isSnapshot {
            send(writer.snapshotEnd(id), of: index)
        } else {
            level1.append(feed)
        }
    }

    /// Returns whether the data are delayed. Sends an error and returns `nil` if there are none.
    private mutating func access(_ id: Int32, _ index: Int, _ world: World) -> Bool? {
        let asksForDelayed = dataType >= 3
        switch world.conditions.permissions[index] {
        case .live: return false
        case .delayed where !asksForDelayed, .none where !asksForDelayed:
            refuse(id, 354, "Requested market data is not subscribed.")
            return nil
        case .none:
            refuse(id, 10168, "Requested market data is not subscribed. No delayed data.")
            return nil
        case .delayed, .delayedAnyway:
            refuse(
                id, 10167,
                "Requested market data is not subscribed. Displaying delayed market data.")
            return true
        }
    }

    /// Lets the open subscriptions of an instrument go on with the other kind of data.
    mutating func shift(_ instrument: Int, isDelayed: Bool, _ world: World) {
        for place in level1.indices
        where level1[place].instrument == instrument && level1[place].isDelayed != isDelayed {
            level1[place] = Level1Feed(
                request: level1[place].request, instrument: instrument, isDelayed: isDelayed,
                genericTicks: level1[place].genericTicks)
            guard !world.conditions.isDark(instrument), !level1[place].isNewsAlone else { continue }
            for message in level1[place].begin(world, writer) { send(message, of: instrument) }
        }
    }

    private func isLive(_ index: Int, _ world: World) -> Bool {
        world.conditions.permissions[index] == .live
    }

    // MARK: tick by tick

    private mutating func beginTicks(
        _ id: Int32, _ contract: RequestedContract, _ kind: TickByTickKind, _ past: Int32,
        _ world: World
    ) {
        guard isNew(id), let index = find(contract, id, world) else { return }
        guard tickByTick.count < world.settings.limits.tickByTickLines else {
            refuse(id, 10190, "Max number of tick-by-tick requests has been reached")
            return
        }
        guard isLive(index, world) else {
            refuse(id, 10189, "Failed to request tick-by-tick data: no market data permissions")
            return
        }
        tickByTick.append(TickByTickFeed(request: id, instrument: index, kind: kind))
        guard past > 0 else { return }
        let show =
            switch kind {
            case .last, .allLast: "TRADES"
            case .bidAsk: "BID_ASK"
            case .midpoint: "MIDPOINT"
            }
        sendTicks(
            TicksRequest(
                id: id, contract: contract, start: "", end: "", show: show,
                count: min(past, 1_000)), index, world)
    }

    // MARK: depth and bars

    private mutating func beginDepth(
        _ id: Int32, _ contract: RequestedContract, _ rows: Int, _ isSmart: Bool, _ world: World
    ) {
        guard isNew(id), let index = find(contract, id, world) else { return }
        let instrument = world.market.instruments[index]
        if instrument.isRerouted {
            send(
                writer.reroute(
                    id, isDepth: true, conID: instrument.underlyingConID, exchange: "SMART"))
            return
        }
        guard isSmart || contract.exchange != "SMART" else {
            refuse(
                id, 10092,
                "Deep market data is not supported for this combination of security type/exchange")
            return
        }
        guard depth.count < world.settings.limits.depthLines else {
            refuse(id, 309, "Max number of market depth requests has been reached")
            return
        }
        guard isLive(index, world) else {
            refuse(id, 354, "Requested market data is not subscribed.")
            return
        }
        var book = DepthSubscription(
            request: id, instrument: index, isSmart: isSmart,
            hasMakers: instrument.securityType == "STK", rows: rows)
        fill(&book, world)
        depth.append(book)
    }

    /// Returns all rows, for a book that is empty at the client.
    func changes(filling book: inout DepthSubscription, _ world: World) -> [DepthChange] {
        let market = world.market
        var random = market.generator(book.instrument, world.second, salt: 3)
        return book.fill(
            level: market.level(of: book.instrument, at: world.second, nanosecond: 0),
            bits: random.next(), market.instruments[book.instrument], writer.serverVersion)
    }

    private mutating func fill(_ book: inout DepthSubscription, _ world: World) {
        let changes = changes(filling: &book, world)
        guard !world.conditions.isDark(book.instrument) else { return }
        for change in changes { send(writer.depth(book.request, change), of: book.instrument) }
    }

    /// Sends 317 for all books, then their rows again.
    mutating func resetDepth(_ world: World) {
        for place in depth.indices {
            refuse(
                depth[place].request, 317,
                "Market depth data has been RESET. Please empty deep book contents.")
            var book = depth[place]
            book.isHalted = false
            fill(&book, world)
            depth[place] = book
        }
    }

    /// Sends 316 for all books. Their requests get nothing more.
    mutating func haltDepth() {
        for book in depth {
            refuse(
                book.request, 316, "Market depth data has been HALTED. Please re-subscribe.")
        }
        depth = []
    }

    private mutating func beginBars(
        _ id: Int32, _ contract: RequestedContract, _ show: String, _ world: World
    ) {
        guard isNew(id), let index = find(contract, id, world) else { return }
        guard let kind = MarketHistory.Show(rawValue: show), kind != .bidAsk else {
            refuse(id, 321, "Error validating request: bars of '\(show.prefix(20))'")
            return
        }
        guard isLive(index, world) else {
            refuse(id, 420, "Invalid Real-time Query: no market data permissions")
            return
        }
        bars.append(
            BarFeed(request: id, instrument: index, show: kind, firstSecond: world.second))
    }
}
