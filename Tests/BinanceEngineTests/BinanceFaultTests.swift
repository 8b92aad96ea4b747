import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Testing

@testable import BinanceEngine

/// A bench whose events are trades.
private struct TradeBench: FaultBench {
    static let origin = EngineBench.origin
    static let greetings: (first: [String], authenticated: [String]) = ([], [])

    var bench = EngineBench()

    var time: Int64 {
        get { bench.time }
        set { bench.time = newValue }
    }
    var hostAhead: Int64 {
        get { bench.hostAhead }
        set { bench.hostAhead = newValue }
    }
    var records: [ProviderRecord] { bench.records }

    mutating func takeFaultWishes() -> [FaultWish] {
        bench.takeWishes().compactMap { wish in
            switch wish {
            case .open(let number, _): .open(number)
            case .close(let number): .close(number)
            case .send(let number, let text): .send(number, text)
            case .fetch, .authenticate: nil
            }
        }
    }

    mutating func opened(_ number: UInt32) { bench.opened(number) }
    mutating func ended(_ number: UInt32, _ why: String) { bench.ended(number) }
    mutating func receive(_ text: String, on number: UInt32, isText: Bool) {
        bench.receive(text, on: number)
    }

    mutating func answer(_ number: UInt64, _ answer: StreamAnswer) {
        bench.answer(number, answer)
    }

    mutating func turn() {
        bench.drain()
        bench.pass(0)
    }

    mutating func stop() {
        bench.stop()
    }

    func answers(to request: String) -> (texts: [String], isBegin: Bool) {
        (
            ["{\"result\":null,\"id\":\(EngineBench.id(of: request))}"],
            request.contains("\"SUBSCRIBE\"")
        )
    }

    func event(_ id: UInt64) -> String { EngineBench.text("BTCUSDT", id, bench.stamp) }

    static func event(of record: TapeRecord) -> (id: UInt64, time: Timestamp)? {
        guard case .trade(let trade) = record else { return nil }
        return (trade.header.providerID, trade.header.providerTime)
    }

    func next(gaps: [OpenGap]) -> TradeBench {
        var next = TradeBench()
        (next.bench.time, next.bench.hostAhead) = (time, hostAhead)
        let last = bench.trades.last?.header
        next.bench.follow(
            [(0, EngineBench.coin("BTCUSDT"))],
            last: last.map { ($0.providerID, $0.providerTime) }, gaps: gaps)
        next.bench.pass(0)
        return next
    }
}

/// Connections that are slow, mute or cut, on hosts whose clocks are wrong.
@Suite("Faults of Binance's connection") struct BinanceFaultTests {
    fileprivate typealias World = FaultWorld<TradeBench>
    private static let second: Int64 = 1_000_000_000

    @Test(
        "each trade that did not come lies in a gap, however wrong the host's clock is",
        arguments: 0..<4, [-5, 0, 5] as [Int64])
    func fault(fault: Int, hostAhead: Int64) {
        var bench = TradeBench()
        bench.bench.hostAhead = hostAhead * Self.second
        bench.bench.follow(["BTCUSDT"])
        let fault = ConnectionFault.allCases[fault]
        #expect(World.problems(of: fault, bench) == [])
    }

    @Test("quotes and books that did not come lie in a gap, which has times of this host")
    func sides() throws {
        for hostAhead in [-5, 0, 5] as [Int64] {
            var bench = EngineBench()
            bench.hostAhead = hostAhead * Self.second
            bench.follow(["BTCUSDT"], [.quotes])
            bench.connect()
            for id in 1...600 as ClosedRange<UInt64> {
                bench.receive(BinanceSideTests.quote(id), on: 1)
                bench.pass(Self.second / 10)
            }
            // What waits is read late, and then has the time at which it was read.
            bench.time += 30 * Self.second
            bench.receive(BinanceSideTests.quote(601), on: 1)
            let last = bench.now.wall
            bench.ended(1)
            bench.pass(20 * Self.second)
            bench.connect()
            let gap = try #require(bench.gaps.last)
            #expect(gap.from <= last && gap.to == bench.now.wall)
        }
    }

    @Test("a dense stream that stops is given up, whatever the exchange answers, with a gap")
    func stopped() {
        var bench = EngineBench()
        bench.follow(["BTCUSDT"], [.quotes])
        bench.connect()
        for id in 1...500 as ClosedRange<UInt64> {
            bench.receive(BinanceSideTests.quote(id), on: 1)
            bench.pass(Self.second / 10)
        }
        let last = bench.now.wall.advanced(byNanoseconds: -Self.second / 10)
        for _ in 0..<29 {
            bench.pass(Self.second)
            bench.answerAll()
        }
        #expect(bench.gaps.isEmpty && bench.engine.counters.links.failures == 0)
        #expect(bench.engine.nextDue <= bench.now.monotonic + Self.second)
        bench.pass(Self.second)
        #expect(bench.engine.status.reason == "its stream has stopped")
        #expect(bench.gaps.count == 1 && bench.gaps[0].from == last)
        bench.pass(60 * Self.second)
        bench.connect()
        for _ in 0..<3_600 {
            bench.pass(Self.second)
            bench.answerAll()
        }
        #expect(bench.engine.counters.links.failures == 1)
    }

    @Test("of two connections the one that stops is given up, and nothing is missing")
    func oneStopped() {
        var bench = EngineBench { $0.merge.legs = 2 }
        bench.follow(["BTCUSDT"], [.quotes])
        bench.connect()
        for id in 1...1_000 as ClosedRange<UInt64> {
            bench.receive(BinanceSideTests.quote(id), on: 1)
            if id <= 500 { bench.receive(BinanceSideTests.quote(id), on: 2) }
            bench.pass(Self.second / 10)
            if id % 10 == 0 { bench.answerAll() }
        }
        #expect(bench.engine.counters.links.failures == 1 && bench.gaps.isEmpty)
        #expect(bench.quotes.count == 1_000)
    }
}
