import IBEngine
import MarketModel
import Primitives
import ProviderModel

/// A market, a server with faults, and an engine that records it, with clocks of their own.
struct World {
    static let dayText = "20260105"
    static let dayStart: Int64 = 1_767_571_200

    var server: SimulatedServer
    var engine: IBEngine
    var verdict = Verdict()
    var random: SeededRandom
    var now = World.dayStart * second + 36_000 * second
    let began: Int64
    let instruments: [Instrument]
    var tradeCount = 0
    var nextTrade: [Int64]
    var isTrading = true
    var isConnected = false
    var connectFailures = 0
    /// What undoes faults, and when.
    var remedies: [(at: Int64, Remedy)] = []
    /// What the server has in the pipe beside its own words.
    var garbage: [[UInt8]] = []

    enum Remedy { case restore(lost: Bool), farmUp(isTold: Bool) }

    init(seed: UInt64, feeds: [Instrument.Feeds], canBackfill: Bool) {
        random = SeededRandom(seed: seed)
        server = SimulatedServer(seed: seed ^ 0x5eed)
        server.latencyMax =
            feeds.allSatisfy { $0 == .level1 } ? 90_000_000 : 300_000_000
        var settings = IBEngineSettings(seed: seed)
        settings.silentAfter = .seconds(20)
        settings.tickByTickLines = 6
        settings.canBackfill = canBackfill
        engine = IBEngine(settings)
        let names = ["XLK", "XLF", "XLEE", "XLVVV", "XLIIII"]
        instruments = zip(names, feeds).compactMap { name, feeds in
            Symbol(name).map {
                Instrument(symbol: $0, contract: Instrument.Contract(.stock), feeds: feeds)
            }
        }
        server.symbols = instruments.map(\.symbol.text)
        nextTrade = instruments.map { _ in 0 }
        began = now
    }

    var moment: Moment {
        Moment(wall: Timestamp(nanoseconds: now), monotonic: now - began + second)
    }

    mutating func start() {
        var output = IBEngine.Output()
        let begun = instruments.enumerated().map {
            (UInt32($0.offset), $0.element, reached: Timestamp.undefined)
        }
        engine.follow(begun: begun, ended: [], gaps: [], moment, into: &output)
        settle(&output)
    }

    /// Time goes on by this much.
    mutating func step(_ nanoseconds: Int64) {
        trade(until: now + nanoseconds)
        now += nanoseconds
        remedy()
        var output = IBEngine.Output()
        if isConnected { deliver(&output) }
        if moment.monotonic >= engine.nextDue { engine.tick(moment, into: &output) }
        if !isConnected { engine.tick(moment, into: &output) }
        settle(&output)
    }

    private mutating func trade(until end: Int64) {
        guard isTrading else { return }
        var due: [MarketTrade] = []
        for index in instruments.indices {
            while nextTrade[index] <= end {
                if nextTrade[index] > now {
                    due.append(
                        MarketTrade(instrument: index, number: 0, time: nextTrade[index]))
                }
                nextTrade[index] =
                    max(now, nextTrade[index])
                    + Int64.random(in: 50_000_000...2 * second, using: &random)
            }
        }
        for var trade in due.sorted(by: { $0.time < $1.time }) {
            trade.number = tradeCount
            tradeCount += 1
            server.happened(trade, trade.time)
        }
    }

    private mutating func deliver(_ output: inout IBEngine.Output) {
        var bytes = server.arrivals(now)
        for junk in garbage { bytes += junk }
        garbage = []
        var start = 0
        while start < bytes.count, isConnected {
            let length = min(bytes.count - start, Int.random(in: 1...400, using: &random))
            let part = Array(bytes[start..<start + length])
            part.withRawSpan { engine.received($0, moment, into: &output) }
            start += length
        }
        engine.drained(moment, into: &output)
        if let closesAt = server.closesAt, now >= closesAt { drop("closed by the server") }
    }

    /// Does what the engine wants, until it wants nothing more.
    private mutating func settle(_ output: inout IBEngine.Output) {
        while true {
            verdict.take(&output, now)
            if isConnected { server.received(output.bytes, now) }
            output.bytes = []
            guard let wish = output.wish else { return }
            output.wish = nil
            switch wish {
            case .connect: connect(&output)
            case .close(let reason):
                server.close()
                isConnected = false
                engine.lost(reason, moment, into: &output)
            }
        }
    }

    private mutating func connect(_ output: inout IBEngine.Output) {
        guard connectFailures == 0 else {
            connectFailures -= 1
            return engine.connectFailed("refused", moment, into: &output)
        }
        server.open(now)
        isConnected = true
        engine.connected(moment, into: &output)
    }

    /// The connection breaks.
    mutating func drop(_ reason: String) {
        guard isConnected else { return }
        server.close()
        isConnected = false
        var output = IBEngine.Output()
        engine.lost(reason, moment, into: &output)
        settle(&output)
    }

    private mutating func remedy() {
        while let index = remedies.firstIndex(where: { $0.at <= now }) {
            let (_, remedy) = remedies.remove(at: index)
            switch remedy {
            case .restore(let lost):
                guard server.isVendorLost else { continue }
                server.isVendorLost = false
                if lost { server.subscriptions = [:] }
                server.send(
                    ServerMessages.notice(
                        -1, lost ? 1101 : 1102, "Connectivity has been restored"), now)
            case .farmUp(let isTold):
                guard server.isFarmDown else { continue }
                server.isFarmDown = false
                guard isTold else { continue }
                server.send(
                    ServerMessages.notice(-1, 2104, "Market data farm connection is OK:usfarm"),
                    now)
            }
        }
    }
}

// Faults.
extension World {
    mutating func fault() {
        switch Int.random(in: 0..<14, using: &random) {
        case 0, 1: drop("reset by peer")
        case 2:
            garbage.append([0, 0, 0, 40, 52])
            step(10_000_000)
            drop("half a message")
        case 3, 4: loseVendor()
        case 5: breakFarm()
        case 6: silence()
        case 7: compete()
        case 8:
            server.refusedConnections = Int.random(in: 1...3, using: &random)
            drop("restarted")
        case 9:
            connectFailures = Int.random(in: 1...8, using: &random)
            drop("gone")
        case 10: refuse()
        case 11: garbage.append(ServerMessages.frame(["1", "6", "x", "1", "abc"]))
        case 12:
            server.muteConnections = 1
            drop("mute")
        default: garbage.append([0xff, 0xff, 0xff, 0xff])
        }
    }

    private mutating func loseVendor() {
        guard server.isIntroduced, !server.isVendorLost else { return }
        server.isVendorLost = true
        server.send(ServerMessages.notice(-1, 1100, "Connectivity has been lost"), now)
        let wait = Int64.random(in: 100_000_000...60 * second, using: &random)
        remedies.append((now + wait, .restore(lost: Bool.random(using: &random))))
    }

    private mutating func breakFarm() {
        guard server.isIntroduced, !server.isFarmDown else { return }
        server.isFarmDown = Bool.random(using: &random)
        server.send(
            ServerMessages.notice(-1, 2103, "Market data farm connection is broken:usfarm"), now)
        guard server.isFarmDown else {
            // Another farm: data go on, and the notice that it is back comes as well.
            return server.send(
                ServerMessages.notice(-1, 2104, "Market data farm connection is OK:usfarm"), now)
        }
        let wait = Int64.random(in: 100_000_000...40 * second, using: &random)
        remedies.append((now + wait, .farmUp(isTold: Bool.random(using: &random))))
    }

    private var anySubscription: Int32? {
        mutating get {
            let ids = server.subscriptions.keys.sorted()
            return ids.isEmpty ? nil : ids[Int.random(in: 0..<ids.count, using: &random)]
        }
    }

    private mutating func silence() {
        guard let id = anySubscription else { return }
        server.subscriptions[id]?.isDead = true
    }

    private mutating func compete() {
        guard let id = anySubscription else { return }
        if Bool.random(using: &random) {
            server.subscriptions[id]?.isDead = true
        } else {
            server.subscriptions[id]?.pausedUntil =
                now + Int64.random(in: second...30 * second, using: &random)
        }
        server.send(ServerMessages.notice(id, 10_197, "No market data during competing"), now)
    }

    private mutating func refuse() {
        let all = [
            (354, "Requested market data is not subscribed"), (101, "Max number of tickers"),
            (10_190, "Max number of tick-by-tick requests"), (10_189, "Failed to request"),
            (322, "Duplicate ticker id"), (162, "Pacing violation"), (9_999, "Something new"),
        ]
        server.refusals.append(all[Int.random(in: 0..<all.count, using: &random)])
        drop("to be asked anew")
    }

    /// All faults end.
    mutating func calm() {
        remedies = remedies.map { (now, $0.1) }
        server.refusals = []
        server.refusedConnections = 0
        server.muteConnections = 0
        connectFailures = 0
    }
}
