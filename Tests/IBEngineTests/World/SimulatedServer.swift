import Primitives

/// A server with faults: what a client asks, and what of the market it is told.
struct SimulatedServer {
    struct Subscription {
        var kind: Kind
        var instrument: Int
        /// Nothing comes of it, and nobody says so.
        var isDead = false
        /// Nothing comes until then.
        var pausedUntil: Int64 = 0
    }

    enum Kind { case level1, trades, quotes }

    struct Flight {
        var due: Int64
        var bytes: [UInt8]
    }

    var symbols: [String] = []
    var trades: [MarketTrade] = []
    var subscriptions: [Int32: Subscription] = [:]
    /// On its way to the client, in order.
    var flights: [Flight] = []
    var isOpen = false
    var reader = RequestReader()
    var isGreeted = false
    var isIntroduced = false
    /// Between the platform and the vendor.
    var isVendorLost = false
    var isFarmDown = false
    /// Connections that are told that their number is in use; that are not answered.
    var refusedConnections = 0
    var muteConnections = 0
    var isMute = false
    /// Requests for data that are refused, with what.
    var refusals: [(Int, String)] = []
    var latencyMax: Int64 = 120_000_000
    var random: SeededRandom
    var requestsSeen: [String] = []
    var closesAt: Int64?

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    mutating func open(_ now: Int64) {
        isOpen = true
        reader = RequestReader()
        subscriptions = [:]
        flights = []
        isGreeted = false
        isIntroduced = false
        closesAt = nil
        isMute = muteConnections > 0
        muteConnections = max(0, muteConnections - 1)
    }

    mutating func close() {
        isOpen = false
        flights = []
        subscriptions = [:]
    }

    mutating func send(_ bytes: [UInt8], _ now: Int64) {
        guard isOpen, !isMute else { return }
        let latency = Int64.random(in: 1_000_000...latencyMax, using: &random)
        let due = max(now + latency, flights.last?.due ?? 0)
        flights.append(Flight(due: due, bytes: bytes))
    }

    // MARK: what the client asks

    mutating func received(_ bytes: [UInt8], _ now: Int64) {
        guard isOpen else { return }
        reader.append(bytes)
        while let fields = reader.next() {
            if !isGreeted {
                isGreeted = true
                send(ServerMessages.greeting, now)
                continue
            }
            request(fields, now)
        }
    }

    private mutating func request(_ fields: [String], _ now: Int64) {
        requestsSeen.append(fields[0])
        switch fields[0] {
        case "71": introduce(now)
        case "49": send(ServerMessages.frame(["49", "1", "\(now / second)"]), now)
        case "9":
            let id = Int32(fields[2]) ?? 0
            send(ServerMessages.details(id, fields[4], zone: "", hours: ""), now)
            send(ServerMessages.detailsEnd(id), now)
        case "1": subscribe(.level1, Int32(fields[2]) ?? 0, fields[4], now)
        case "97":
            let kind: Kind = fields[14] == "BidAsk" ? .quotes : .trades
            subscribe(kind, Int32(fields[1]) ?? 0, fields[3], now)
        case "2": subscriptions[Int32(fields[2]) ?? 0] = nil
        case "98": subscriptions[Int32(fields[1]) ?? 0] = nil
        case "96": history(fields, now)
        case "85", "86", "87": tellDocument(fields, now)
        default: break
        }
    }

    private mutating func introduce(_ now: Int64) {
        guard refusedConnections == 0 else {
            refusedConnections -= 1
            send(
                ServerMessages.notice(-1, 326, "Unable to connect as the client id is in use"), now)
            closesAt = now + second / 2
            return
        }
        isIntroduced = true
        let first = Bool.random(using: &random)
        let id = ServerMessages.frame(["9", "1", "1"])
        let accounts = ServerMessages.frame(["15", "1", "DU1"])
        send(first ? id : accounts, now)
        send(first ? accounts : id, now)
        let farm =
            isFarmDown
            ? (2103, "Market data farm connection is broken:usfarm")
            : (2104, "Market data farm connection is OK:usfarm")
        send(ServerMessages.notice(-1, farm.0, farm.1), now)
        if isVendorLost {
            send(ServerMessages.notice(-1, 1100, "Connectivity has been lost"), now)
        }
    }

    private mutating func subscribe(
        _ kind: Kind, _ id: Int32, _ symbol: String, _ now: Int64
    ) {
        if !refusals.isEmpty {
            let (code, text) = refusals.removeFirst()
            return send(ServerMessages.notice(id, code, text), now)
        }
        guard let instrument = symbols.firstIndex(of: symbol) else {
            return send(ServerMessages.notice(id, 200, "No security definition"), now)
        }
        subscriptions[id] = Subscription(kind: kind, instrument: instrument)
        guard kind == .level1 else { return }
        send(ServerMessages.mode(id, 1), now)
        guard !isVendorLost, !isFarmDown else { return }
        let last = trades.last { $0.instrument == instrument }
        if let last { send(ServerMessages.volume(id, last), now) }
    }

    /// Trades from a second on, a thousand, and the rest of the last second.
    private mutating func history(_ fields: [String], _ now: Int64) {
        let id = Int32(fields[1]) ?? 0
        guard fields.count > 18, fields[18] == "TRADES",
            let instrument = symbols.firstIndex(of: fields[3]),
            let start = Self.seconds(fields[15])
        else { return send(ServerMessages.notice(id, 10_187, "No data of this kind"), now) }
        guard !isVendorLost else {
            return send(ServerMessages.notice(id, 162, "Not connected to the vendor"), now)
        }
        let behind = trades.filter { $0.instrument == instrument && $0.time / second >= start }
        var page = Array(behind.prefix(1_000))
        if let last = page.last {
            page += behind.dropFirst(page.count).prefix { $0.time / second == last.time / second }
        }
        send(ServerMessages.history(id, page), now)
    }

    /// `yyyymmdd-hh:mm:ss` of the day on which these tests play.
    static func seconds(_ text: String) -> Int64? {
        let clock = text.dropFirst(9).split(separator: ":").compactMap { Int64($0) }
        guard text.hasPrefix(World.dayText), clock.count == 3 else { return nil }
        return World.dayStart + clock[0] * 3_600 + clock[1] * 60 + clock[2]
    }

    // MARK: what happens

    mutating func happened(_ trade: MarketTrade, _ now: Int64) {
        trades.append(trade)
        for id in subscriptions.keys.sorted() {
            guard let subscription = subscriptions[id], isDelivering(subscription, now),
                subscription.instrument == trade.instrument
            else { continue }
            switch subscription.kind {
            case .trades: send(ServerMessages.trade(id, trade), now)
            case .quotes:
                send(ServerMessages.quote(id, at: trade.time, bid: trade.number + 1), now)
            case .level1:
                send(ServerMessages.bid(id, trade.number + 1), now)
                send(ServerMessages.volume(id, trade), now)
            }
        }
    }

    private func isDelivering(_ subscription: Subscription, _ now: Int64) -> Bool {
        isIntroduced && !isVendorLost && !isFarmDown && !subscription.isDead
            && now >= subscription.pausedUntil
    }

    /// What has arrived by now.
    mutating func arrivals(_ now: Int64) -> [UInt8] {
        var bytes: [UInt8] = []
        let count = flights.prefix { $0.due <= now }.count
        for flight in flights.prefix(count) { bytes += flight.bytes }
        flights.removeFirst(count)
        return bytes
    }
}
