import MarketModel
import Primitives
import Testing

@testable import IBEngine

/// Arrivals right after an outage are kept for some seconds and compared with history.
@Suite("A look at an outage's border at another time than planned") struct LateLookTests {
    private static let noon = Timestamp(nanoseconds: (World.dayStart + 43_200) * second)

    private static func moment(_ seconds: Int64) -> Moment {
        Moment(
            wall: noon.advanced(byNanoseconds: seconds * second), monotonic: .at(seconds * second))
    }

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
        #expect(try Self.asked(gapEnd: 8, ticks: [7], until: Self.moment(7).wall) == 7)
    }

    /// Returns the second up to which history is requested. Data flow again from the seventh second
    /// on.
    private static func asked(
        gapEnd: Int64, ticks: [Int64], until: Timestamp
    ) throws -> Int64 {
        var machine = FeedMachine()
        var turn = Turn(IBEngineSettings(seed: 1), moment(0))
        let instrument = Instrument(
            symbol: try #require(Symbol("DIA")), contract: Instrument.Contract(.stock),
            feeds: [.trades])
        machine.begin(1, instrument, in: &turn)
        let gap = OpenGap(
            instrument: 1, kind: .trade, from: noon, to: moment(gapEnd).wall,
            reason: .disconnected)
        let before = Arrivals([], since: moment(-9).wall, until: noon)
        _ = machine.endedOutages.add(
            EndedOutages.Outage(
                gap: gap, place: 0, before: before, afterSince: moment(7).wall,
                due: .at(7 * second) + EngineLimits.borderWait))
        machine.entries[0].borders.trades.begin(moment(7))
        for tick in ticks {
            machine.entries[0].borders.trades.add(.bar(open: moment(tick).wall), moment(tick))
        }
        turn.now = moment(try #require(ticks.last))
        machine.fillEndedOutages(of: until.isDefined ? 0 : nil, until: until, in: &turn)
        #expect(machine.endedOutages.all.isEmpty)
        let asked = try #require(turn.backfill.waitingJobs.first).seconds
        return asked.upperBound - WholeSecond.floor(noon)
    }
}
