import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Testing

@testable import AlpacaEngine

extension AlpacaBench: FaultBench {
    mutating func takeFaultWishes() -> [FaultWish] {
        takeWishes().compactMap { wish in
            switch wish {
            case .open(let number, _): .open(number)
            case .authenticate(let number): .authenticate(number)
            case .send(let number, let text): .send(number, text)
            case .close(let number): .close(number)
            case .fetch: nil
            }
        }
    }

    mutating func turn() { pass(0) }

    mutating func stop() {
        engine.stop(now, into: &out)
        collect()
    }

    static var greetings: (first: [String], authenticated: [String]) {
        ([connected], [authenticated])
    }

    func answers(to request: String) -> (texts: [String], isBegin: Bool) {
        // The documentation says that a request names at least one symbol.
        guard request.contains("AAPL") else { return ([], false) }
        return ([#"[{"T":"subscription","trades":["AAPL"]}]"#], true)
    }

    /// Two trades have one id, as they may off the exchanges.
    func event(_ id: UInt64) -> String {
        "[\(trade("AAPL", id / 2, exchange: "D", size: "\(id)"))]"
    }

    static func event(of record: TapeRecord) -> (id: UInt64, time: Timestamp)? {
        guard case .trade(let trade) = record else { return nil }
        return (UInt64(trade.size.raw / 100_000_000), trade.header.providerTime)
    }

    func next(gaps: [OpenGap]) -> AlpacaBench {
        var next = AlpacaBench(at: time)
        next.hostAhead = hostAhead
        next.follow(["AAPL"], gaps: gaps)
        return next
    }
}

/// Connections that are slow, mute or cut, on hosts whose clocks are wrong.
@Suite("Faults of Alpaca's connection") struct AlpacaFaultTests {
    typealias World = FaultWorld<AlpacaBench>

    @Test(
        "each trade that did not come lies in a gap, however wrong the host's clock is",
        arguments: World.Fault.allCases, [-5, 0, 5] as [Int64])
    func fault(fault: World.Fault, hostAhead: Int64) {
        var bench = AlpacaBench()
        bench.hostAhead = hostAhead * AlpacaBench.second
        bench.follow(["AAPL"])
        #expect(World.problems(of: fault, bench) == [])
    }

    @Test("a gap begins no later than what the connection has shown")
    func backlog() {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL")
        for id in 1...1_000 as ClosedRange<UInt64> {
            bench.receive("[\(bench.trade("AAPL", id))]", on: number)
            bench.pass(AlpacaBench.second / 10)
        }
        let shown = bench.now.wall.advanced(byNanoseconds: 2 * AlpacaBench.second)
        bench.time += 30 * AlpacaBench.second
        bench.receive("[\(bench.trade("AAPL", 1_001, at: "\(shown)"))]", on: number)
        bench.ended(number)
        #expect(bench.gaps.count == 1 && bench.gaps[0].from <= shown)
    }
}
