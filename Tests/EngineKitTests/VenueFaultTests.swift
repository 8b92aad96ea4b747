import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Testing

/// Connections that are slow, mute or cut, on hosts whose clocks are wrong, and gaps that are
/// filled.
@Suite("Faults of connections") struct VenueFaultTests {
    @Test(
        "each trade that did not come lies in a gap, however wrong the host's clock is",
        arguments: Venue.allCases, ConnectionFault.allCases)
    func fault(venue: Venue, fault: ConnectionFault) {
        for hostAhead in [-5, 0, 5] as [Int64] {
            let problems = venue.problems(of: .connection(fault), hostAhead: hostAhead)
            #expect(problems == [], "\(hostAhead)")
        }
    }

    @Test(
        "after a cut of half a minute no trade is missing, whatever happens meanwhile",
        arguments: Venue.allCases, Filling.allCases)
    func filling(venue: Venue, filling: Filling) {
        for hostAhead in [-2, 0, 5] as [Int64] {
            let problems = venue.problems(of: .filling(filling), hostAhead: hostAhead)
            #expect(problems == [], "\(hostAhead)")
        }
    }

    @Test("a gap begins no later than what the connection has shown", arguments: Venue.allCases)
    func backlog(venue: Venue) {
        var bench = venue.bench()
        let number = bench.begin("AAPL")
        bench.deliver("AAPL", seconds: 100, on: number)
        let shown = bench.now.wall.advanced(byNanoseconds: 2 * Venue.second)
        bench.time += 30 * Venue.second
        let late = bench.trade("AAPL", 1_001, size: "1", at: shown)
        bench.receive("[\(late)]", on: number, isText: true)
        bench.ended(number, "cut")
        #expect(bench.gaps.count == 1 && bench.gaps[0].from <= shown)
    }
}
