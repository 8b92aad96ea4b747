import IBProtocol
import MarketModel
import Primitives
import Testing

@testable import IBEngine

@Suite("Hours in which something must come") struct BusyHoursTests {
    private static let utc = ZoneRules(first: 0, changes: [])
    private static let all = SessionHours("20260105:0100-2300;20260106:0100-2300", utc)
    private static let liquid = SessionHours("20260105:1400-2000", utc)

    /// So many hours after midnight.
    private static func time(_ hour: Int64, _ seconds: Int64 = 0) -> Timestamp {
        Timestamp(nanoseconds: (World.dayStart + hour * 3_600 + seconds) * second)
    }

    @Test(
        "Stocks and options are busy in regular hours, others whenever they trade",
        arguments: [
            (Instrument.Security.stock, liquid), (.option, liquid), (.future, all), (.forex, all),
            (.crypto, all),
        ])
    func busy(_ security: Instrument.Security, _ hours: SessionHours) throws {
        let instrument = try FeedBench.instrument(.level1, security)
        var entry = InstrumentEntry(1, instrument, venue: 0, patience: 1)
        (entry.hours.liquid, entry.hours.all) = (Self.liquid, Self.all)
        #expect(entry.busyHours == hours)
    }

    @Test("An instrument should deliver in its busy hours, unless all that it has is refused")
    func inSession() throws {
        var bench = try FeedBench(.level1)
        func count(_ hour: Int64) -> Int? {
            bench.machine.instrumentsInSession(at: Self.time(hour))
        }
        #expect(count(15) == nil, "nobody has said when it trades")
        (bench.machine.entries[0].hours.liquid, bench.machine.entries[0].hours.all) =
            (Self.liquid, Self.all)
        #expect([13, 14, 19].map(count) == [0, 1, 1])
        #expect(count(20) == nil, "nobody has told of that day's rest")
        bench.machine.entries[0].slots[0].phase = .idle(FeedPhase.Idle(pause: .refused))
        #expect(count(15) == 0)
    }

    @Test("A new subscription does not settle at once while its contract trades, day or night")
    func settling() throws {
        var bench = try FeedBench(.level1, .future)
        (bench.machine.entries[0].hours.liquid, bench.machine.entries[0].hours.all) =
            (Self.liquid, Self.all)
        let asked = FeedPhase.Asked(request: 1, since: .at(0), isSent: true, until: .never)
        let route = FeedRoute(place: 0, slot: 0)
        for (hour, isSettled) in [(3, false), (15, false), (23, true)] as [(Int64, Bool)] {
            bench.turn.now = Moment(wall: Self.time(hour, 6), monotonic: .at(6 * second))
            #expect(bench.machine.isSettled(route, asked, in: bench.turn) == isSettled, "\(hour)")
        }
    }
}
