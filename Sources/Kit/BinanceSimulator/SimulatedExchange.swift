package import Primitives

/// A server of the exchange's public streams and requests without sockets. Bytes and times come in,
/// bytes go out. The same seed, bytes and times give the same answers.
package struct SimulatedExchange: Sendable {
    package let settings: ExchangeSettings
    package let market: ExchangeMarket
    /// True after the command `quit`.
    package internal(set) var isEnding = false
    /// True after the command `crash`. The owner of the sockets must then end the process
    /// immediately, with its logs complete.
    package internal(set) var isCrashing = false

    var connections: [ExchangeConnection] = []
    /// New connections are refused before this time.
    var refusesUntil: Timestamp?
    /// So many of the next trades are sent to nobody.
    var tradesToLose = 0
    /// So many of the next requests are answered by 429.
    var requestsToLimit = 0
    var retrySeconds: Int64?
    /// Requests are answered by 418 before this time.
    var bannedUntil: Timestamp?
    /// Random numbers for the bytes of `garbage`.
    var random: SeededRandom

    private var time: Timestamp
    private var truth: ExchangeLog
    private var marketLog: ExchangeLog
    private var sequence: Int64 = 0

    package init(_ settings: ExchangeSettings, market: ExchangeMarket, start: Timestamp) {
        self.settings = settings
        self.market = market
        time = start
        truth = ExchangeLog(isWanted: settings.keepsTruth)
        marketLog = ExchangeLog(isWanted: settings.keepsMarketLog)
        random = SeededRandom(seed: market.seed)
    }

    // MARK: connections

    /// Returns false if the connection must be closed immediately.
    package mutating func opened(_ number: Int, now: Timestamp) -> Bool {
        if let refusesUntil, now < refusesUntil { return false }
        guard connections.count < ExchangeLimits.connectionsMax else { return false }
        connections.append(ExchangeConnection(number: number, now: now))
        return true
    }

    package mutating func received(_ bytes: [UInt8], from number: Int, now: Timestamp) {
        guard let place = place(of: number), !connections[place].isHalfOpen,
            !connections[place].out.isClosing
        else { return }
        connections[place].input += bytes
        readRequests(place, now)
        if connections[place].isWebSocket { connections[place].readFrames(now) }
    }

    package mutating func closed(_ number: Int) { connections.removeAll { $0.number == number } }

    private func place(of number: Int) -> Int? { connections.firstIndex { $0.number == number } }

    private mutating func readRequests(_ place: Int, _ now: Timestamp) {
        while !connections[place].isWebSocket, !connections[place].out.isClosing {
            switch HTTPRequest.read(connections[place].input) {
            case .incomplete: return
            case .malformed:
                connections[place].send(HTTPAnswer(status: 400))
                connections[place].out.closeWhenSent()
            case .request(let request, let count):
                connections[place].input.removeFirst(count)
                if request.wantsWebSocket {
                    if let refusal = connections[place].upgrade(request) {
                        connections[place].send(refusal)
                        connections[place].out.closeWhenSent()
                    }
                } else {
                    connections[place].send(answer(request, now))
                    if request.closesAfterwards { connections[place].out.closeWhenSent() }
                }
            }
        }
    }

    private mutating func answer(_ request: HTTPRequest, _ now: Timestamp) -> HTTPAnswer {
        if let bannedUntil, now < bannedUntil {
            let seconds = bannedUntil.nanoseconds(since: now) / 1_000_000_000 + 1
            var answer = HTTPAnswer.error(418, code: -1_003, "Way too many requests; IP banned.")
            answer.headers.append(("Retry-After", "\(seconds)"))
            return answer
        }
        if requestsToLimit > 0 {
            requestsToLimit -= 1
            var answer = HTTPAnswer.error(429, code: -1_003, "Too many requests.")
            if let retrySeconds { answer.headers.append(("Retry-After", "\(retrySeconds)")) }
            return answer
        }
        return ExchangeRequests(market: market, now: now).answer(request)
    }

    // MARK: bytes out

    /// Returns how many bytes may be sent to this client now.
    package func allowance(of number: Int, now: Timestamp) -> Int {
        place(of: number).map { connections[$0].allowance } ?? 0
    }

    package func bytes(for number: Int, count: Int) -> ArraySlice<UInt8> {
        place(of: number).map { connections[$0].out.first(count) } ?? []
    }

    /// Takes note that `count` bytes were sent. The messages that they complete are written to the
    /// truth log.
    package mutating func sent(_ count: Int, to number: Int, now: Timestamp) {
        guard let place = place(of: number) else { return }
        let symbols = market.symbols
        for message in connections[place].out.took(count) {
            sequence += 1
            let line = sequence
            truth.add { json in
                json.member("sequence", line)
                json.member("time", now.nanoseconds)
                json.member("connection", number)
                json.member("kind", message.kind)
                if let trade = message.trade {
                    json.members(of: trade, symbols[trade.symbol])
                }
            }
        }
    }

    /// Returns true if nothing more will be sent to this client.
    package func isOver(_ number: Int) -> Bool {
        place(of: number).map { connections[$0].out.isClosed } ?? true
    }

    package mutating func takeTruth() -> [UInt8] { truth.takeLines() }
    package mutating func takeMarketLog() -> [UInt8] { marketLog.takeLines() }

    // MARK: time

    /// Runs the market until `now`.
    package mutating func advance(to now: Timestamp) {
        guard now > time else { return }
        let earliest = now.advanced(
            byNanoseconds: -ExchangeLimits.catchUpSeconds * 1_000_000_000)
        for trade in market.trades(after: max(time, earliest), until: now) { publish(trade, now) }
        time = now
        for place in connections.indices { connections[place].timePassed(now, settings) }
    }

    private mutating func publish(_ trade: ExchangeTrade, _ now: Timestamp) {
        let symbol = market.symbols[trade.symbol]
        marketLog.add { $0.members(of: trade, symbol) }
        guard tradesToLose == 0 else {
            tradesToLose -= 1
            return
        }
        let stream = symbol.stream
        for place in connections.indices
        where connections[place].streams.contains(stream) && !connections[place].isMute(now)
            && !connections[place].isHalfOpen
        {
            let bytes = ExchangeMessages.trade(
                trade, of: symbol, sent: now, isCombined: connections[place].isCombined)
            connections[place].send(.text(bytes), QueuedMessage(kind: "trade", trade: trade))
        }
    }
}
