import MarketModel
import Primitives
import Testing

@testable import IBEngine

@Suite("Outages of the feeds of one instrument") struct OutageTests {
    /// The outage of trades lasts from 90 to 100 s. The quotes are silent since 45 s, which is
    /// noticed before the border of that outage is complete.
    @Test("A feed that stops does not end the borders of another feed's outage")
    func borders() throws {
        var bench = try FeedBench([.trades, .quotes])
        let (trades, quotes) = try (bench.route(.trades), bench.route(.quotes))
        bench.makeLive(trades, 1)
        bench.makeLive(quotes, 2)
        bench.machine.entries[0].borders.trades.begin(FeedBench.moment(at: 80))
        bench.machine[quotes].silence.lastWall = FeedBench.wall(at: 45)
        bench.machine[trades].silence.lastWall = FeedBench.wall(at: 90)
        bench.interrupt(trades, .competing, at: 90)
        bench.resume(trades, at: 100)
        bench.interrupt(quotes, .silence, at: 105)
        #expect(bench.machine.endedOutages.all.map(\.gap.kind) == [.trade])
        bench.setClock(to: 109)
        bench.machine.fillEndedOutages(in: &bench.turn)
        let abandoned = bench.turn.live.records.compactMap(\.gapRecord).filter {
            $0.state == GapState.abandoned.rawValue
        }
        #expect(abandoned.isEmpty && bench.turn.backfill.waiting == 1)
        #expect(bench.machine.endedOutages.all.isEmpty)
        // The next outage of the same feed ends the border.
        bench.interrupt(trades, .competing, at: 120)
        bench.resume(trades, at: 130)
        bench.interrupt(trades, .competing, at: 131)
        #expect(bench.turn.backfill.waiting == 2 && bench.machine.endedOutages.all.isEmpty)
    }
}
