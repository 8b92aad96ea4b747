import IBSimulator
import MarketModel
import Primitives
import Testing

@testable import IBEngine

/// The simulator of TWS and the engine, joined without sockets, in simulated time.
private struct UnitStage {
    var simulator: Simulator
    var engine: IBEngine
    var now = Timestamp(nanoseconds: 1_767_623_400 * second)
    private let began: Timestamp
    private var connection = 0
    private(set) var reports: [(UInt32, SizeUnit, at: Timestamp)] = []
    private(set) var trades = 0

    init(feeds: [Instrument.Feeds], rate: Int) {
        began = now
        let names = ["SPY", "QQQ"]
        let market = SimulatedMarket(
            instruments: InstrumentList.make(symbols: names, others: false), seed: 11, rate: rate,
            firstSecond: now.nanoseconds / second - 10)
        var settings = SimulatorSettings()
        settings.keepsTruth = false
        simulator = Simulator(settings, market: market, start: now)
        var limits = IBEngineSettings(seed: 1)
        limits.canBackfill = false
        engine = IBEngine(limits)
        var contract = Instrument.Contract(.stock)
        (contract.exchange, contract.currency) = ("SMART", "USD")
        let begun = zip(names, feeds).enumerated().compactMap { place, pair in
            Symbol(pair.0).map {
                (
                    UInt32(place), Instrument(symbol: $0, contract: contract, feeds: pair.1),
                    reached: Timestamp.undefined
                )
            }
        }
        var output = IBEngine.Output()
        engine.follow(begun: begun, ended: [], gaps: [], moment, into: &output)
        settle(&output)
    }

    private var moment: Moment {
        Moment(wall: now, monotonic: .at(now.nanoseconds(since: began) + second))
    }

    mutating func run(seconds: Int) {
        for _ in 0..<5 * seconds {
            now = now.advanced(byNanoseconds: second / 5)
            simulator.advance(to: now)
            var output = IBEngine.Output()
            let count = simulator.allowance(of: connection, now: now)
            if count > 0 {
                let bytes = Array(simulator.bytes(for: connection, count: count))
                simulator.sent(count, to: connection, now: now)
                bytes.withRawSpan { engine.received($0, moment, into: &output) }
            }
            engine.drained(moment, into: &output)
            engine.timePassed(moment, into: &output)
            settle(&output)
        }
    }

    private mutating func settle(_ output: inout IBEngine.Output) {
        while true {
            for case .sizes(let instrument, let unit) in output.events {
                reports.append((instrument, unit, now))
            }
            for case .tape(.trade) in output.live.records { trades += 1 }
            (output.events, output.live.records) = ([], [])
            if !output.bytes.isEmpty {
                simulator.received(output.bytes, from: connection, now: now)
                output.bytes = []
            }
            guard let wish = output.wish else { return }
            output.wish = nil
            switch wish {
            case .connect:
                connection += 1
                _ = simulator.opened(connection, now: now)
                engine.connected(moment, into: &output)
            case .close(let reason): lose(reason, &output)
            }
        }
    }

    private mutating func lose(_ reason: String, _ output: inout IBEngine.Output) {
        simulator.closed(connection)
        engine.lost(reason, moment, into: &output)
    }

    mutating func drop() {
        var output = IBEngine.Output()
        lose("reset", &output)
        settle(&output)
    }

    mutating func order(_ line: String) { #expect(simulator.control(line, now: now) == "ok") }

    func sizes(_ place: Int) -> SizeUnit { engine.status.instruments[place].sizes }
}

@Suite("What the engine says of the unit of sizes") struct UnitFeedTests {
    @Test(
        "Sizes in lots are told once, where trades come tick by tick, and their end",
        arguments: [[.level1, .trades], [.level1, .allTrades]] as [Instrument.Feeds])
    func lots(_ feeds: Instrument.Feeds) {
        var stage = UnitStage(feeds: [feeds, feeds], rate: 20)
        stage.order("lots QQQ on")
        stage.run(seconds: 59)
        #expect(stage.reports.isEmpty && stage.sizes(1) == .unknown)
        stage.run(seconds: 16)
        #expect(stage.reports.map(\.0) == [1])
        #expect(stage.sizes(0) == .shares && stage.sizes(1) == .lots(100))
        // A new connection tells nothing new.
        stage.drop()
        #expect(stage.sizes(1) == .lots(100))
        stage.run(seconds: 200)
        #expect(stage.reports.count == 1)
        stage.order("lots all off")
        stage.run(seconds: 200)
        #expect(stage.reports.map(\.0) == [1, 1] && stage.reports[1].1 == .shares)
        #expect(stage.sizes(0) == .shares && stage.sizes(1) == .shares)
    }

    @Test("Trades of level 1 may be a sample of all, so they show nothing, lots or not")
    func level1() {
        var stage = UnitStage(feeds: [.level1, .level1], rate: 20)
        stage.order("lots QQQ on")
        stage.run(seconds: 300)
        #expect(stage.trades > 500)
        #expect(stage.reports.isEmpty && stage.sizes(0) == .unknown && stage.sizes(1) == .unknown)
    }

    @Test("A stretch that a new connection breaks begins again")
    func broken() {
        var stage = UnitStage(feeds: [[.level1, .trades], [.level1, .trades]], rate: 20)
        stage.order("lots all on")
        stage.run(seconds: 55)
        stage.drop()
        let cut = stage.now
        stage.run(seconds: 120)
        #expect(Set(stage.reports.map(\.0)) == [0, 1] && stage.reports.count == 2)
        #expect(stage.reports.allSatisfy { $0.at.nanoseconds(since: cut) >= 60 * second })
    }

    @Test("An hour of a clean feed is silent")
    func clean() {
        var stage = UnitStage(feeds: [[.level1, .allTrades], [.level1, .trades]], rate: 6)
        stage.run(seconds: 3_600)
        #expect(stage.trades > 5_000)
        #expect(stage.reports.isEmpty && stage.sizes(0) == .shares && stage.sizes(1) == .shares)
    }

    @Test("Old servers, which count stocks in lots, are understood")
    func oldServer() throws {
        var world = World(seed: 3, feeds: [[.level1, .trades]], canBackfill: false, version: 158)
        world.start()
        world.pass(300)
        #expect(world.engine.status.instruments.allSatisfy { !$0.sizes.isLots })
    }
}
