import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Testing

@testable import MassiveEngine

extension MassiveBench: FaultBench {
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

    static var greetings: (first: [String], authenticated: [String]) {
        ([connected], [authenticated])
    }

    func answers(to request: String) -> (texts: [String], isBegin: Bool) {
        ([Self.subscribed("T.AAPL")], true)
    }

    func event(_ id: UInt64) -> String { "[\(trade("AAPL", id, size: "\(id)"))]" }

    static func event(of record: TapeRecord) -> (id: UInt64, time: Timestamp)? {
        guard case .trade(let trade) = record else { return nil }
        return (UInt64(trade.size.raw / 100_000_000), trade.header.providerTime)
    }

    func next(gaps: [OpenGap]) -> MassiveBench {
        var next = MassiveBench(at: time)
        next.hostAhead = hostAhead
        next.follow(["AAPL"], gaps: gaps)
        return next
    }
}

/// Connections that are slow, mute or cut, on hosts whose clocks are wrong.
@Suite("Faults of Massive's connection") struct MassiveFaultTests {
    typealias World = FaultWorld<MassiveBench>

    @Test(
        "each trade that did not come lies in a gap, however wrong the host's clock is",
        arguments: World.Fault.allCases, [-5, 0, 5] as [Int64])
    func fault(fault: World.Fault, hostAhead: Int64) {
        var bench = MassiveBench()
        bench.hostAhead = hostAhead * MassiveBench.second
        bench.follow(["AAPL"])
        #expect(World.problems(of: fault, bench) == [])
    }

    @Test("a gap begins no later than what the connection has shown")
    func backlog() {
        var bench = MassiveBench()
        let number = bench.begin("AAPL")
        for id in 1...1_000 as ClosedRange<UInt64> {
            bench.receive("[\(bench.trade("AAPL", id))]", on: number)
            bench.pass(MassiveBench.second / 10)
        }
        let shown = bench.now.wall.advanced(byNanoseconds: 2 * MassiveBench.second)
        bench.time += 30 * MassiveBench.second
        bench.receive(
            "[\(bench.trade("AAPL", 1_001, at: shown.nanoseconds / 1_000_000))]", on: number)
        bench.ended(number)
        #expect(bench.gaps.count == 1 && bench.gaps[0].from <= shown)
    }
}
