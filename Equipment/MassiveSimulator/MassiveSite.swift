package import Primitives
package import VenueWeb

/// A server of Massive's stream and requests for US stocks without sockets.
package typealias SimulatedMassive = WebVenue<MassiveSite>

/// Massive's stream, requests and market.
package struct MassiveSite: WebSite {
    package typealias Session = MassiveSession

    private let massive: MassiveSettings
    package let seed: UInt64
    private var happenings: MassiveHappenings
    private var sessions: MassiveSessions
    private var marketLog: VenueLog
    /// The number of the newest record. Both logs have it.
    private var records: Int64 = 0
    /// So many of the next records are sent to nobody.
    private var recordsToLose = 0
    /// The key is refused.
    private var isExpired = false
    /// The newest status that ends all sessions of that moment, and its number.
    private var orderedStatus: (status: MassiveStatus, number: Int)?
    private var requests: Int64 = 0
    private var minute: Int64 = 0
    private var requestsOfMinute = 0

    private static let path = "/stocks"

    package init(
        _ settings: MassiveSettings, symbols: [MassiveSymbol], seed: UInt64, rate: Int,
        rarities: MassiveRarities, start: Timestamp
    ) {
        precondition(
            (1...MassiveLimits.symbolsMax).contains(symbols.count),
            "a market has 1 to \(MassiveLimits.symbolsMax) symbols")
        massive = settings
        self.seed = seed
        happenings = MassiveHappenings(
            MassiveMarket(symbols: symbols, seed: seed, rate: rate, rarities: rarities),
            rate: rate, start: start)
        sessions = MassiveSessions(sessionsMax: settings.sessionsMax)
        marketLog = VenueLog(isWanted: settings.web.keepsMarketLog)
    }

    package static var ownCommands: String { "lose N | expire | renew | displace | slow-consumer" }
    package var settings: WebSettings { massive.web }
    package func newSession() -> MassiveSession { MassiveSession() }
    package func streams(of session: MassiveSession) -> Int { session.streams }
    package mutating func takeMarketLog() -> [UInt8] { marketLog.takeLines() }

    // MARK: requests

    package mutating func answer(_ request: VenueRequest, now: Timestamp) -> HTTPAnswer {
        requests += 1
        guard let key = Self.key(of: request) else { return refusal(request, status: 401) }
        guard isRight(key) else { return .refusal(401, "Unknown API Key", requests) }
        guard countRequest(now) else { return refusal(request, status: 429) }
        return MassiveRequests(
            market: happenings.market, hasQuotes: massive.hasQuotes, now: now, number: requests
        ).answer(request)
    }

    private static func key(of request: VenueRequest) -> String? {
        let scheme = "Bearer "
        if let header = request.headers["authorization"], header.hasPrefix(scheme) {
            return String(header.dropFirst(scheme.count))
        }
        return request.query["apiKey"]
    }

    /// Counts a request. Returns false if the plan has no more in this minute.
    private mutating func countRequest(_ now: Timestamp) -> Bool {
        let current = now.nanoseconds / MassiveMarket.minuteNanoseconds
        requestsOfMinute = current == minute ? requestsOfMinute + 1 : 1
        minute = current
        return massive.requestsPerMinute.map { requestsOfMinute <= $0 } ?? true
    }

    package func refusal(_ request: VenueRequest, status: Int) -> HTTPAnswer {
        let texts = [
            401: "API Key was not provided",
            429: "You've exceeded the maximum requests per minute, please wait or upgrade your "
                + "subscription to continue.",
        ]
        return .refusal(status, texts[status] ?? "internal error", requests)
    }

    private func isRight(_ key: String) -> Bool { !isExpired && key == massive.key }

    // MARK: WebSockets

    package func upgrade(
        _ request: VenueRequest, of session: inout MassiveSession
    ) -> HTTPAnswer {
        guard request.path == Self.path else { return HTTPAnswer(status: 404) }
        return .webSocket(request) ?? HTTPAnswer(status: 400)
    }

    package mutating func began(_ connection: inout Connection, now: Timestamp) {
        connection.answer(.connected)
        // What was ordered before is for those who were there.
        connection.session.orderedStatus = orderedStatus?.number ?? 0
    }

    private enum Action: String {
        case auth, subscribe, unsubscribe
    }

    package mutating func received(
        _ message: [UInt8], from connection: inout Connection, now: Timestamp
    ) {
        guard !connection.isMute(now) else { return }
        guard let request = MassiveSession.read(message),
            let action = request["action"]?.string.flatMap(Action.init),
            let params = request["params"]?.string
        else { return connection.answer(.invalid) }
        switch action {
        case .auth: authenticate(&connection, params)
        case .subscribe:
            guard connection.session.isAuthenticated else {
                return connection.answer(.notAuthenticated)
            }
            connection.answer(
                connection.session.subscribe(params, hasQuotes: massive.hasQuotes))
        case .unsubscribe:
            guard connection.session.isAuthenticated else {
                return connection.answer(.notAuthenticated)
            }
            connection.answer(connection.session.unsubscribe(params))
        }
    }

    private mutating func authenticate(_ connection: inout Connection, _ key: String) {
        guard isRight(key) else { return connection.drop(.failed) }
        guard massive.hasStreams else { return connection.drop(.noStreams) }
        if !connection.session.isAuthenticated { sessions.enter(connection.number) }
        connection.session.isAuthenticated = true
        connection.answer(.authenticated)
    }

    package mutating func timePassed(_ connection: inout Connection, now: Timestamp) {
        guard !connection.out.isClosing else { return }
        if sessions.takeDisplaced(connection.number) {
            connection.answer(.tooManySessions(massive.sessionsMax))
            return connection.close(1_008, "max_connections")
        }
        if let order = orderedStatus, connection.session.orderedStatus < order.number {
            connection.session.orderedStatus = order.number
            connection.answer(order.status)
            return connection.close(1_008, order.status.status)
        }
        let age = now.nanoseconds(since: connection.began)
        if !connection.session.isAuthenticated,
            age >= MassiveLimits.authSeconds * MassiveMarket.secondNanoseconds
        {
            connection.drop(.timeout)
        }
    }

    package mutating func ended(_ connection: Connection, now: Timestamp) {
        sessions.leave(connection.number)
    }

    package func badFrame(for session: MassiveSession) -> WebSocketFrame {
        .text(Array("[{\"ev\":\"T\",\"sym\":\"".utf8))
    }

    package func shutdownFrame(for session: MassiveSession, now: Timestamp) -> WebSocketFrame? {
        .text(MassiveStatus.text([.ending]))
    }

    /// The commands that only this venue has.
    private enum Order: String {
        case lose, expire, renew, displace
        case slowConsumer = "slow-consumer"
    }

    package mutating func control(
        _ name: String, _ numbers: [Int], now: Timestamp
    ) -> String? {
        guard let order = Order(rawValue: name), numbers.count == (order == .lose ? 1 : 0)
        else { return nil }
        switch order {
        case .lose:
            guard (1...MassiveLimits.lostRecordsMax).contains(numbers[0]) else { return nil }
            recordsToLose += numbers[0]
        case .expire: isExpired = true
        case .renew: isExpired = false
        case .displace: sessions.displaceAll()
        case .slowConsumer: orderedStatus = (.slow, (orderedStatus?.number ?? 0) + 1)
        }
        return "ok"
    }

    // MARK: the market

    package mutating func publish(
        after: Timestamp, until: Timestamp, to connections: inout [Connection]
    ) {
        let records = happenings.records(after: after, until: until)
        guard !records.isEmpty else { return }
        let clients = connections.indices.filter { place in
            connections[place].session.isAuthenticated && connections[place].isDelivering(until)
        }
        var frames: [Int: [(text: String, message: QueuedMessage)]] = [:]
        let isOfInterest = marketLog.isWanted || !clients.isEmpty
        for record in records {
            self.records += 1
            guard isOfInterest else { continue }
            let number = self.records
            let text = MassiveMessages.text(of: record, in: happenings.market)
            marketLog.add { $0.members(number, record, text) }
            guard let channel = record.channel else { continue }
            guard recordsToLose == 0 else {
                recordsToLose -= 1
                continue
            }
            let name = happenings.market.symbols[record.symbol].name
            for place in clients
            where connections[place].session.isSubscribed(channel, name) {
                let message = QueuedMessage(
                    record: record.kind, isLogged: settings.keepsTruth
                ) { json in
                    json.member("record", number)
                    json.key("message")
                    json.literal(text)
                }
                frames[place, default: []].append((text, message))
            }
        }
        for (place, records) in frames { send(records, to: &connections[place]) }
    }

    /// Sends several records in one frame.
    private func send(
        _ records: [(text: String, message: QueuedMessage)], to connection: inout Connection
    ) {
        for start in stride(from: 0, to: records.count, by: MassiveLimits.recordsPerFrameMax) {
            let some = records[start...].prefix(MassiveLimits.recordsPerFrameMax)
            let text = "[\(some.map(\.text).joined(separator: ","))]"
            connection.send(.text(Array(text.utf8)), some.map(\.message))
        }
    }
}

extension JSONWriter {
    /// Writes what the market log says about a record. Its times are exact.
    fileprivate mutating func members(_ number: Int64, _ record: MassiveRecord, _ text: String) {
        member("record", number)
        member("time", record.time.nanoseconds)
        member("kind", record.kind)
        if case .trade(let trade) = record.what { member("happened", trade.happened.nanoseconds) }
        if case .quote(let quote) = record.what { member("happened", quote.happened.nanoseconds) }
        key("message")
        literal(text)
    }
}
