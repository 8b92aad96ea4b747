import MarketModel
import Primitives
import ProviderModel
import Testing

@testable import IBEngine

/// What comes right behind an outage is kept for some seconds, and compared with history.
@Suite("A process that stands still behind an outage") struct LateLookTests {
    private static let noon = Timestamp(nanoseconds: (World.dayStart + 43_200) * second)

    private static func moment(_ seconds: Int64) -> Moment {
        Moment(wall: noon.advanced(byNanoseconds: seconds * second), monotonic: seconds * second)
    }

    /// An outage of the first seven seconds; ticks come then, and the last of them shows that time
    /// has passed. History is asked for the seconds of which is known what arrived.
    @Test(
        "What has fallen out of the border does not count as nothing",
        arguments: [([8, 13, 15], 9), ([8, 13, 18], 5), ([8, 29], 9)] as [([Int64], Int64)])
    func border(ticks: [Int64], end: Int64) throws {
        var machine = FeedMachine()
        var tools = EngineTools(IBEngineSettings(seed: 1))
        var output = IBEngine.Output()
        let instrument = Instrument(
            symbol: try #require(Symbol("DIA")), contract: Instrument.Contract(.stock),
            feeds: [.trades])
        machine.begin(1, instrument, Self.moment(0), &tools, &output)
        let gap = OpenGap(
            instrument: 1, kind: .trade, from: Self.noon, to: Self.moment(7).wall,
            reason: .disconnected)
        let before = Arrivals([], since: Self.moment(-9).wall, until: Self.noon)
        machine.closings = [
            FeedMachine.Closing(
                gap: gap, place: 0, before: before, behind: Self.moment(7).wall,
                due: (7 * second).later(by: EngineLimits.borderWait))
        ]
        machine.entries[0].trades.begin(Self.moment(7))
        for tick in ticks {
            machine.entries[0].trades.add(.bar(open: Self.moment(tick).wall), Self.moment(tick))
        }
        let now = Self.moment(try #require(ticks.last))
        machine.flushClosings(now, of: nil, until: .undefined, &tools, &output)
        #expect(machine.closings.isEmpty)
        let asked = try #require(tools.backfill.waitingJobs.first).seconds
        #expect(asked.upperBound - WholeSecond.floor(Self.noon) == end)
    }
}
