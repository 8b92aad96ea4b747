import MarketModel
import Primitives
import Testing

@testable import IBEngine

/// Arrivals right after an outage are kept for some seconds and compared with history.
@Suite("A look at an outage's border at another time than planned") struct LateLookTests {
    private typealias Bench = FeedBench

    /// An outage of the first seven seconds. Ticks come after it, and the last one shows that time
    /// has passed. History is requested for the seconds whose arrivals are known.
    @Test(
        "What has fallen out of the border does not count as nothing",
        arguments: [([8, 13, 15], 9), ([8, 13, 18], 5), ([8, 29], 9)] as [([Int64], Int64)])
    func border(ticks: [Int64], end: Int64) throws {
        let asked = try Self.asked(gapEnd: 7, ticks: ticks, until: .undefined)
        #expect(asked == end)
    }

    /// The outage ends with the second in which data flow again. When they stop in that second, the
    /// border is checked immediately, although ticks of this second may still come.
    @Test("A second that lasts does not count as complete")
    func early() throws {
        #expect(try Self.asked(gapEnd: 8, ticks: [7], until: Bench.wall(at: 7)) == 7)
    }

    /// Returns the second up to which history is requested. Data flow again from the seventh second
    /// on.
    private static func asked(
        gapEnd: Int64, ticks: [Int64], until: Timestamp
    ) throws -> Int64 {
        var bench = try Bench(.trades)
        let gap = OpenGap(
            instrument: 1, kind: .trade, from: Bench.noon, to: Bench.wall(at: gapEnd),
            reason: .disconnected)
        let before = Arrivals([], since: Bench.wall(at: -9), until: Bench.noon)
        _ = bench.machine.endedOutages.add(
            EndedOutages.Outage(
                gap: gap, place: 0, before: before, afterSince: Bench.wall(at: 7),
                due: .at(7 * second) + EngineLimits.borderWait))
        bench.machine.entries[0].borders.trades.begin(Bench.moment(at: 7))
        for tick in ticks {
            let moment = Bench.moment(at: tick)
            bench.machine.entries[0].borders.trades.add(.bar(open: moment.wall), moment)
        }
        bench.setClock(to: try #require(ticks.last))
        let instrument: Int? = until.isDefined ? 0 : nil
        bench.machine.fillEndedOutages(of: instrument, until: until, in: &bench.turn)
        #expect(bench.machine.endedOutages.all.isEmpty)
        let asked = try #require(bench.turn.backfill.waitingJobs.first).seconds
        return asked.upperBound - WholeSecond.floor(Bench.noon)
    }
}
