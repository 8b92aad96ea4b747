import MarketModel
import Primitives
import Testing

@testable import IBEngine

@Suite("Outages of the feeds of one instrument") struct OutageTests {
    private static let noon = Timestamp(nanoseconds: (World.dayStart + 43_200) * second)

    private static func moment(_ seconds: Int64) -> Moment {
        Moment(
            wall: noon.advanced(byNanoseconds: seconds * second), monotonic: .at(seconds * second))
    }

    /// The outage of trades lasts from 90 to 100 s. The quotes are silent since 45 s, which is
    /// noticed before the border of that outage is complete.
    @Test("A feed that stops does not end the borders of another feed's outage")
    func borders() throws {
        var machine = FeedMachine()
        var turn = Turn(IBEngineSettings(seed: 1), Self.moment(0))
        let instrument = Instrument(
            symbol: try #require(Symbol("DIA")), contract: Instrument.Contract(.stock),
            feeds: [.trades, .quotes])
        machine.begin(1, instrument, in: &turn)
        for slot in machine.entries[0].slots.indices {
            machine.entries[0].slots[slot].phase = .live(
                FeedPhase.Live(request: Int32(slot + 1), since: Self.noon))
        }
        func route(_ feed: FeedKind) throws -> FeedRoute {
            let slot = machine.entries[0].slots.firstIndex { $0.feed == feed }
            return FeedRoute(place: 0, slot: try #require(slot))
        }
        let (trades, quotes) = try (route(.trades), route(.quotes))
        machine.entries[0].borders.trades.begin(Self.moment(80))
        machine[quotes].silence.lastWall = Self.moment(45).wall
        machine[trades].silence.lastWall = Self.moment(90).wall
        turn.now = Self.moment(90)
        machine.interrupt(trades, OutageCause(.competing, "a test"), in: &turn)
        turn.now = Self.moment(100)
        machine.resume(trades, in: &turn)
        turn.now = Self.moment(105)
        machine.interrupt(quotes, OutageCause(.silence, "a test"), in: &turn)
        #expect(machine.endedOutages.all.map(\.gap.kind) == [.trade])
        turn.now = Self.moment(109)
        machine.fillEndedOutages(in: &turn)
        let abandoned = turn.live.records.count { record in
            guard case .tape(.gap(let gap)) = record else { return false }
            return gap.state == GapState.abandoned.rawValue
        }
        #expect(abandoned == 0 && turn.backfill.waiting == 1 && machine.endedOutages.all.isEmpty)
        // The next outage of the same feed ends the border.
        turn.now = Self.moment(120)
        machine.interrupt(trades, OutageCause(.competing, "a test"), in: &turn)
        turn.now = Self.moment(130)
        machine.resume(trades, in: &turn)
        turn.now = Self.moment(131)
        machine.interrupt(trades, OutageCause(.competing, "a test"), in: &turn)
        #expect(turn.backfill.waiting == 2 && machine.endedOutages.all.isEmpty)
    }
}
