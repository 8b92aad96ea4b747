package import Primitives
package import VenueWeb

/// A server of Alpaca's market data streams and requests without sockets.
package typealias SimulatedAlpaca = WebVenue<AlpacaSite>

/// Alpaca's streams, requests and market.
package struct AlpacaSite: WebSite {
    package typealias Session = AlpacaSession

    private let alpaca: AlpacaSettings
    package let seed: UInt64
    private var stocks: AlpacaHappenings
    /// The stocks as the delayed feed has them, since the first client of it.
    private var delayedStocks: AlpacaHappenings?
    private var test: AlpacaHappenings
    private var coins: AlpacaHappenings
    private let newsroom: AlpacaNewsroom
    private var sessions: AlpacaSessions
    private var marketLog: VenueLog
    /// The number of the newest record. Both logs have it.
    private var records: Int64 = 0
    /// So many of the next records are sent to nobody.
    private var recordsToLose = 0
    /// The key is refused.
    private var isExpired = false
    /// What key and secret have after those of the settings.
    private var keyEnd = ""
    /// The newest error that all clients of that moment are to get, and its number.
    private var orderedError: (error: AlpacaError, number: Int)?

    package init(
        _ settings: AlpacaSettings, symbols: [AlpacaSymbol], coins: [AlpacaSymbol], seed: UInt64,
        rate: Int, rarities: AlpacaRarities, start: Timestamp
    ) {
        precondition(
            (1...AlpacaLimits.symbolsMax).contains(symbols.count),
            "a market has 1 to \(AlpacaLimits.symbolsMax) symbols")
        func happenings(_ symbols: [AlpacaSymbol], isCrypto: Bool, rate: Int) -> AlpacaHappenings {
            AlpacaHappenings(
                AlpacaMarket(
                    symbols: symbols, seed: seed, rate: rate, isCrypto: isCrypto,
                    rarities: rarities), start: start)
        }
        alpaca = settings
        self.seed = seed
        stocks = happenings(symbols, isCrypto: false, rate: rate)
        self.coins = happenings(coins, isCrypto: true, rate: coins.isEmpty ? 0 : rate)
        test = happenings(
            [AlpacaSymbol(AlpacaSymbol.test)].compactMap(\.self), isCrypto: false,
            rate: min(rate, 10))
        newsroom = AlpacaNewsroom(symbols: symbols, seed: seed, rarities: rarities)
        sessions = AlpacaSessions(
            sessionsMax: settings.sessionsMax, holdSeconds: settings.holdSeconds)
        marketLog = VenueLog(isWanted: settings.web.keepsMarketLog)
    }

    package static var ownCommands: String { "lose N | expire | renew [N] | release | error CODE" }
    package var settings: WebSettings { alpaca.web }
    package func newSession() -> AlpacaSession { AlpacaSession() }
    package func streams(of session: AlpacaSession) -> Int { session.streams }
    package mutating func takeMarketLog() -> [UInt8] { marketLog.takeLines() }

    // MARK: requests

    package func answer(_ request: VenueRequest, now: Timestamp) -> HTTPAnswer {
        guard let key = request.headers["apca-api-key-id"],
            let secret = request.headers["apca-api-secret-key"]
        else { return refusal(request, status: 401) }
        guard isRight(key, secret) else { return refusal(request, status: 403) }
        return AlpacaRequests(
            stocks: stocks.market, coins: coins.market, hasSIP: alpaca.hasSIP, now: now
        ).answer(request)
    }

    package func refusal(_ request: VenueRequest, status: Int) -> HTTPAnswer {
        let texts = [401: "unauthorized.", 403: "forbidden.", 429: "too many requests."]
        return .refusal(status, texts[status] ?? "internal server error occurred")
    }

    private func isRight(_ key: String, _ secret: String) -> Bool {
        !isExpired && key == alpaca.key + keyEnd && secret == alpaca.secret + keyEnd
    }

    // MARK: WebSockets

    package func upgrade(
        _ request: VenueRequest, of session: inout AlpacaSession
    ) -> HTTPAnswer {
        session.upgrade(request)
    }

    package mutating func began(_ connection: inout Connection, now: Timestamp) {
        connection.answer(AlpacaMessages.success("connected"))
        // What was ordered before is for those who were there.
        connection.session.orderedError = orderedError?.number ?? 0
        if let keys = connection.session.headerKeys {
            authenticate(&connection, keys.key, keys.secret, now)
        }
    }

    private enum Action: String {
        case auth, subscribe, unsubscribe
    }

    package mutating func received(
        _ message: [UInt8], from connection: inout Connection, now: Timestamp
    ) {
        guard !connection.isMute(now) else { return }
        guard let request = connection.session.read(message),
            let action = request["action"]?.string.flatMap(Action.init)
        else { return connection.answer(.syntax) }
        switch action {
        case .auth:
            authenticate(
                &connection, request["key"]?.string ?? "", request["secret"]?.string ?? "", now)
        case .subscribe, .unsubscribe:
            guard connection.session.isAuthenticated, let endpoint = connection.session.endpoint
            else { return connection.answer(.notAuthenticated) }
            // The documentation demands at least one symbol, and does not say what happens else.
            guard !AlpacaSession.isEmpty(request) else { return }
            let problem = connection.session.subscribe(
                request, isMore: action == .subscribe, limit: alpaca.symbolLimit)
            if let problem { return connection.answer(problem) }
            connection.answer(
                AlpacaMessages.subscription(endpoint.channels, connection.session.symbols))
        }
    }

    private mutating func authenticate(
        _ connection: inout Connection, _ key: String, _ secret: String, _ now: Timestamp
    ) {
        guard let endpoint = connection.session.endpoint else { return }
        guard !connection.session.isAuthenticated else {
            return connection.answer(.alreadyAuthenticated)
        }
        guard isRight(key, secret) else { return connection.answer(.failed) }
        guard alpaca.hasSIP || endpoint != .sip else { return connection.answer(.subscription) }
        guard sessions.enter(endpoint, connection.number, now) else {
            return connection.end(.connectionLimit)
        }
        connection.session.isAuthenticated = true
        connection.answer(AlpacaMessages.success("authenticated"))
    }

    package mutating func timePassed(_ connection: inout Connection, now: Timestamp) {
        if let order = orderedError, connection.session.orderedError < order.number {
            connection.session.orderedError = order.number
            connection.answer(order.error)
        }
        let age = now.nanoseconds(since: connection.began)
        if !connection.session.isAuthenticated, !connection.out.isClosing,
            age >= AlpacaLimits.authSeconds * 1_000_000_000
        {
            connection.end(.timeout)
        }
    }

    package mutating func ended(_ connection: Connection, now: Timestamp) {
        guard let endpoint = connection.session.endpoint else { return }
        sessions.leave(
            endpoint, connection.number, isHeld: !connection.isEndedCleanly, now)
    }

    package func badFrame(for session: AlpacaSession) -> WebSocketFrame {
        session.isMessagePack
            ? .binary([0x91, 0x83, 0xa1, 0x54]) : .text(Array("[{\"T\":\"t\",\"S\":\"".utf8))
    }

    /// The commands that only this venue has.
    private enum Order: String {
        case lose, expire, renew, release, error

        func takes(_ numbers: Int) -> Bool {
            self == .renew ? numbers < 2 : numbers == (self == .lose || self == .error ? 1 : 0)
        }
    }

    package mutating func control(
        _ name: String, _ numbers: [Int], now: Timestamp
    ) -> String? {
        guard let order = Order(rawValue: name), order.takes(numbers.count) else { return nil }
        switch order {
        case .lose:
            guard (1...AlpacaLimits.lostRecordsMax).contains(numbers[0]) else { return nil }
            recordsToLose += numbers[0]
        case .expire: isExpired = true
        case .renew:
            isExpired = false
            keyEnd = numbers.first.map { "-\($0)" } ?? keyEnd
        case .release: sessions.release()
        case .error:
            guard let error = AlpacaError(rawValue: numbers[0]) else { return nil }
            orderedError = (error, (orderedError?.number ?? 0) + 1)
        }
        return "ok"
    }

    // MARK: the market

    package mutating func publish(
        after: Timestamp, until: Timestamp, to connections: inout [Connection]
    ) {
        let news = newsroom.records(after: after, until: until)
        publish(
            stocks.records(after: after, until: until), in: stocks.market, [.sip, .iex],
            until, to: &connections)
        publishDelayed(after: after, until: until, to: &connections)
        publish(
            test.records(after: after, until: until), in: test.market, [.test], until,
            to: &connections)
        publish(
            coins.records(after: after, until: until), in: coins.market, [.crypto], until,
            to: &connections)
        publish(news, in: stocks.market, [.news], until, to: &connections)
    }

    /// Sends what the stocks' market reported a quarter of an hour ago.
    private mutating func publishDelayed(
        after: Timestamp, until: Timestamp, to connections: inout [Connection]
    ) {
        let isWanted = connections.contains {
            $0.session.endpoint == .delayedSIP && $0.session.isAuthenticated
        }
        guard isWanted || delayedStocks != nil else { return }
        let from = after.advanced(byNanoseconds: -AlpacaLimits.delay)
        let to = until.advanced(byNanoseconds: -AlpacaLimits.delay)
        if delayedStocks == nil {
            delayedStocks = AlpacaHappenings(stocks.market, start: from)
        }
        publish(
            delayedStocks?.records(after: from, until: to) ?? [], in: stocks.market, [.delayedSIP],
            until, to: &connections)
    }

    /// Sends records to the clients of these endpoints, several in one frame.
    private mutating func publish(
        _ records: [AlpacaRecord], in market: AlpacaMarket, _ endpoints: [AlpacaEndpoint],
        _ now: Timestamp, to connections: inout [Connection]
    ) {
        guard !records.isEmpty else { return }
        let clients = connections.indices.filter { place in
            connections[place].session.isAuthenticated && connections[place].isDelivering(now)
                && connections[place].session.endpoint.map(endpoints.contains) ?? false
        }
        var frames: [Int: [(rendering: AlpacaRendering, message: QueuedMessage)]] = [:]
        let isOfInterest = marketLog.isWanted || !clients.isEmpty
        for record in records {
            self.records += 1
            let number = self.records
            guard isOfInterest else { continue }
            let rendering = AlpacaRendering(AlpacaMessages.message(of: record, in: market))
            marketLog.add { $0.members(number, record, rendering, endpoints) }
            guard recordsToLose == 0 else {
                recordsToLose -= 1
                continue
            }
            let names = record.names(in: market)
            for place in clients {
                let session = connections[place].session
                guard let endpoint = session.endpoint, record.isOf(endpoint),
                    session.isSubscribed(record.channel, names)
                else { continue }
                let message = QueuedMessage(
                    record: record.kind, isLogged: settings.keepsTruth
                ) { json in
                    json.member("record", number)
                    json.key("message")
                    json.literal(rendering.json)
                }
                frames[place, default: []].append((rendering, message))
            }
        }
        for (place, records) in frames {
            for start in stride(from: 0, to: records.count, by: AlpacaLimits.recordsPerFrameMax) {
                let some = records[start...].prefix(AlpacaLimits.recordsPerFrameMax)
                let frame = connections[place].session.frame(some.map(\.rendering))
                connections[place].send(frame, some.map(\.message))
            }
        }
    }
}

extension JSONWriter {
    /// Writes what the market log says about a record.
    fileprivate mutating func members(
        _ number: Int64, _ record: AlpacaRecord, _ rendering: AlpacaRendering,
        _ endpoints: [AlpacaEndpoint]
    ) {
        member("record", number)
        member("time", record.time.nanoseconds)
        member("kind", record.kind)
        let seen = endpoints.filter { record.isOf($0) }
        array("endpoints") { list in for each in seen { list.value(each.rawValue) } }
        key("message")
        literal(rendering.json)
    }
}
