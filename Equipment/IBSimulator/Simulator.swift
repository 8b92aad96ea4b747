package import Primitives

/// A server of Interactive Brokers' socket protocol without sockets. Bytes and times come in, bytes
/// go out. The same seed, bytes and times give the same answers.
package struct Simulator: Sendable {
    package let settings: SimulatorSettings
    package internal(set) var market: SimulatedMarket
    package internal(set) var truth: TruthLog
    package private(set) var marketLog: MarketLog

    var conditions: Conditions
    var sessions: [SimulatorSession] = []
    /// New connections are refused before this time.
    var refusesUntil: Timestamp?
    /// True after the command `quit`.
    package internal(set) var isEnding = false
    /// True after the command `crash`. The owner of the sockets must then end the process
    /// immediately, with its logs complete.
    package internal(set) var isCrashing = false
    var bulletins: Int32 = 1
    /// The bulletins of the day. A client that requests all of them gets them again.
    var told = [Bulletin(id: 1, text: "Made up.")]

    private var cursor: MarketCursor
    private var delayedCursor: MarketCursor
    private var second: Int64
    /// Random numbers for the bytes of `garbage`.
    var random: SeededRandom

    package init(_ settings: SimulatorSettings, market: SimulatedMarket, start: Timestamp) {
        self.settings = settings
        self.market = market
        truth = TruthLog(isWanted: settings.keepsTruth)
        marketLog = MarketLog(isWanted: settings.keepsMarketLog)
        conditions = Conditions(market.instruments)
        cursor = MarketCursor(market, from: start)
        delayedCursor = MarketCursor(
            market, from: start, delaySeconds: delayedNanoseconds / 1_000_000_000)
        second = start.nanoseconds / 1_000_000_000
        random = SeededRandom(seed: market.seed)
    }

    // MARK: connections

    /// Returns false if the connection must be closed immediately.
    package mutating func opened(_ connection: Int, now: Timestamp) -> Bool {
        if let refusesUntil, now < refusesUntil { return false }
        guard sessions.count < SimulatorLimits.connectionsMax else { return false }
        sessions.append(SimulatorSession(number: connection, settings: settings))
        return true
    }

    package mutating func received(_ bytes: [UInt8], from connection: Int, now: Timestamp) {
        guard let place = place(of: connection) else { return }
        let others = sessions.filter { $0.number != connection }.compactMap(\.clientID)
        sessions[place].received(bytes, world(now, others))
    }

    package mutating func closed(_ connection: Int) {
        sessions.removeAll { $0.number == connection }
    }

    private func place(of connection: Int) -> Int? {
        sessions.firstIndex { $0.number == connection }
    }

    func world(_ now: Timestamp, _ clientIDs: [Int32] = []) -> World {
        World(
            settings: settings, market: market, conditions: conditions, clientIDs: clientIDs,
            bulletins: told, now: now)
    }

    // MARK: bytes out

    /// Returns how many bytes may be sent to this client now.
    package func allowance(of connection: Int, now: Timestamp) -> Int {
        place(of: connection).map { sessions[$0].link.allowance(now: now) } ?? 0
    }

    package func bytes(for connection: Int, count: Int) -> ArraySlice<UInt8> {
        guard let place = place(of: connection) else { return [] }
        return sessions[place].link.first(count)
    }

    /// Takes note that `count` bytes were sent. The messages that they complete are written to the
    /// truth log.
    package mutating func sent(_ count: Int, to connection: Int, now: Timestamp) {
        guard let place = place(of: connection) else { return }
        let client = sessions[place].clientID ?? -1
        for message in sessions[place].link.took(count) {
            truth.add(
                message, connection: connection, client: client, of: market.instruments,
                now: now)
        }
    }

    /// Returns true if nothing more will be sent to this client.
    package func isOver(_ connection: Int) -> Bool {
        place(of: connection).map { sessions[$0].link.isClosed } ?? true
    }

    package mutating func takeTruth() -> [UInt8] { truth.takeLines() }
    package mutating func takeMarketLog() -> [UInt8] { marketLog.takeLines() }

    // MARK: time

    /// Runs the market until `now`.
    package mutating func advance(to now: Timestamp) {
        let world = world(now)
        for event in cursor.take(until: now, of: market) {
            marketLog.add(event, of: market.instruments)
            while second < event.second { endSecond(world) }
            for place in sessions.indices {
                sessions[place].happened(event, isDelayed: false, world)
            }
        }
        let delayed = delayedCursor.take(until: now, of: market)
        for place in sessions.indices where sessions[place].level1.contains(where: \.isDelayed) {
            for event in delayed { sessions[place].happened(event, isDelayed: true, world) }
        }
        while second < world.second { endSecond(world) }
        for place in sessions.indices { sessions[place].sendDueTicks(now: now) }
    }

    private mutating func endSecond(_ world: World) {
        // After a jump of the clock, the bars of the skipped time are not sent.
        if world.second - second > SimulatorLimits.catchUpSeconds {
            second = world.second - SimulatorLimits.catchUpSeconds
        }
        for place in sessions.indices { sessions[place].ended(second: second, world) }
        second += 1
    }

    // MARK: what is there

    package var clients: [Int32] { sessions.compactMap(\.clientID) }

    package var subscriptions: Int {
        sessions.reduce(0) {
            $0 + $1.level1.count + $1.tickByTick.count + $1.depth.count + $1.bars.count
                + $1.growing.count
        }
    }
}
