import IBEngine
import MarketModel
import Primitives

/// A market, a server with faults, and an engine that records it. Each has its own clock.
struct World {
    static let dayText = "20260105"
    static let dayStart: Int64 = 1_767_571_200
    /// The days of the daily history.
    static let days = ["20251231", "20260102", "20260103"]

    var server: SimulatedServer
    var engine: IBEngine
    var verdict = Verdict()
    var random: SeededRandom
    var now = World.dayStart * second + 36_000 * second
    let began: Int64
    /// The instruments in the order in which they are followed from the start.
    var instruments: [Instrument]
    let canBackfill: Bool
    var tradeCount = 0
    var nextTrade: [Int64]
    var nextBar: Int64
    var isTrading = true
    var isConnected = false
    var connectFailures = 0
    /// The ends of faults, and when they come.
    var remedies: [(at: Int64, Remedy)] = []
    /// Further bytes that the server sends beside its own messages.
    var garbage: [[UInt8]] = []

    enum Remedy { case restore(lost: Bool), farmUp(isTold: Bool), otherFarmUp }

    init(
        seed: UInt64, feeds: [Instrument.Feeds], canBackfill: Bool, version: Int = 176,
        isDelayed: Bool = false, isEntitled: Bool = false, rerouted: Set<Int> = [],
        delayed: DelayedData? = nil
    ) {
        random = SeededRandom(seed: seed)
        // Delayed data are requested. Data that the account may see live come live all the same.
        let comesDelayed = isDelayed && !isEntitled
        server = SimulatedServer(
            seed: seed ^ 0x5eed, ServerMessages(version: version, isDelayed: comesDelayed))
        let areFast = feeds.allSatisfy { $0.isDisjoint(with: Self.slow) }
        server.latencyMax = areFast ? 90_000_000 : 300_000_000
        var settings = IBEngineSettings(seed: seed)
        settings.silentAfter = .seconds(20)
        settings.tickByTickLines = 6
        settings.canBackfill = canBackfill
        self.canBackfill = canBackfill
        settings.delayed = delayed ?? (isDelayed ? .always : .never)
        verdict.isOfDelayed = settings.delayed == .always
        engine = IBEngine(settings)
        verdict.isDelayed = comesDelayed
        verdict.lot = version < 159 ? 100 : 1
        let names = (0..<max(5, feeds.count)).map { Self.name($0) }
        instruments = zip(names, feeds).enumerated().compactMap { index, pair in
            Symbol(pair.0).map {
                let security: Instrument.Security = rerouted.contains(index) ? .cfd : .stock
                var instrument = Instrument(
                    symbol: $0, contract: Instrument.Contract(security), feeds: pair.1)
                instrument.depthExchange = "ISLAND"
                return instrument
            }
        }
        server.symbols = instruments.map(\.symbol.text)
        server.rerouted = rerouted
        server.books = instruments.map { _ in MarketBook() }
        nextTrade = instruments.map { _ in 0 }
        nextBar = (now / (5 * second) + 1) * 5 * second
        began = now
    }

    private static func name(_ index: Int) -> String {
        let few = ["XLK", "XLF", "XLEE", "XLVVV", "XLIIII"]
        guard index >= few.count else { return few[index] }
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        return "Q\(letters[index / 26 % 26])\(letters[index % 26])"
    }

    /// Feeds whose values have times in whole seconds, so that the floor waits for them.
    private static let slow: Instrument.Feeds = [.trades, .quotes, .midpoints, .bars]

    var moment: Moment {
        Moment(wall: Timestamp(nanoseconds: now), monotonic: .at(now - began + second))
    }

    mutating func start() {
        var output = IBEngine.Output()
        let begun = instruments.enumerated().map {
            (UInt32($0.offset), $0.element, reached: Timestamp.undefined)
        }
        engine.follow(begun: begun, ended: [], gaps: [], moment, into: &output)
        settle(&output)
    }

    /// Lets this much time pass, in nanoseconds.
    mutating func step(_ nanoseconds: Int64) {
        trade(until: now + nanoseconds)
        now += nanoseconds
        remedy()
        var output = IBEngine.Output()
        if isConnected { deliver(&output) }
        if moment.monotonic >= engine.nextDue { engine.timePassed(moment, into: &output) }
        if !isConnected { engine.timePassed(moment, into: &output) }
        settle(&output)
    }

    private mutating func trade(until end: Int64) {
        guard isTrading else { return }
        var due: [WorldTrade] = []
        for index in instruments.indices {
            while nextTrade[index] <= end {
                if nextTrade[index] > now {
                    due.append(WorldTrade(instrument: index, number: 0, time: nextTrade[index]))
                }
                nextTrade[index] =
                    max(now, nextTrade[index])
                    + Int64.random(in: 50_000_000...2 * second, using: &random)
            }
        }
        for var trade in due.sorted(by: { $0.time < $1.time }) {
            endBars(until: trade.time)
            trade.number = tradeCount
            tradeCount += 1
            server.happened(trade, trade.time)
        }
        endBars(until: end)
    }

    private mutating func endBars(until end: Int64) {
        while nextBar <= end {
            for index in instruments.indices where nextBar > now {
                let number = Int(nextBar / (5 * second)) - 1
                server.barEnded(
                    WorldTrade(instrument: index, number: number, time: nextBar), nextBar)
            }
            nextBar += 5 * second
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

    /// Does what the engine asks for, until it asks for nothing more.
    mutating func settle(_ output: inout IBEngine.Output) {
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

    /// Breaks the connection.
    mutating func drop(_ reason: String) {
        guard isConnected else { return }
        server.close()
        isConnected = false
        var output = IBEngine.Output()
        engine.lost(reason, moment, into: &output)
        settle(&output)
    }

    /// Breaks the connection and waits until everything is back. The gaps are still to be filled.
    mutating func dropAndReturn(_ reason: String) {
        drop(reason)
        while engine.status.openOutages > 0 || !isConnected { step(100_000_000) }
    }

    /// Sends a notice about a request, or about the whole connection.
    mutating func tell(_ code: Int, _ text: String, about request: Int32 = -1) {
        server.send(server.words.notice(request, code, text), now)
    }

    private mutating func remedy() {
        while let index = remedies.firstIndex(where: { $0.at <= now }) {
            let (_, remedy) = remedies.remove(at: index)
            switch remedy {
            case .restore(let lost):
                guard server.isVendorLost else { continue }
                server.isVendorLost = false
                guard !lost else {
                    server.forget(now)
                    continue
                }
                tell(1102, "Connectivity has been restored")
            case .otherFarmUp: tell(2104, "Market data farm connection is OK:jfarm")
            case .farmUp(let isTold):
                guard server.isFarmDown else { continue }
                server.isFarmDown = false
                guard isTold else { continue }
                server.send(
                    server.words.notice(-1, 2104, "Market data farm connection is OK:usfarm"),
                    now)
            }
        }
    }
}
