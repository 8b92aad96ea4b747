import IBProtocol
import MarketModel
import Primitives
import Testing

@testable import IBEngine

@Suite("Hours in which something must come") struct BusyHoursTests {
    private static let utc = ZoneRules(first: 0, changes: [])
    private static let all = SessionHours("20260105:0100-2300;20260106:0100-2300", utc)
    private static let liquid = SessionHours("20260105:1400-2000", utc)

    private static func instrument(_ security: Instrument.Security) throws -> Instrument {
        let symbol = try #require(Symbol("ES"))
        return Instrument(symbol: symbol, contract: Instrument.Contract(security), feeds: .level1)
    }

    @Test(
        "Stocks and options are busy in regular hours, others whenever they trade",
        arguments: [
            (Instrument.Security.stock, liquid), (.option, liquid), (.future, all), (.forex, all),
            (.crypto, all),
        ])
    func busy(_ security: Instrument.Security, _ hours: SessionHours) throws {
        var entry = InstrumentEntry(1, try Self.instrument(security), venue: 0, patience: 1)
        (entry.hours.liquid, entry.hours.all) = (Self.liquid, Self.all)
        #expect(entry.busyHours == hours)
    }

    @Test("An instrument should deliver in its busy hours, unless all that it has is refused")
    func inSession() throws {
        var machine = FeedMachine()
        let midnight = Timestamp(nanoseconds: World.dayStart * second)
        var turn = Turn(IBEngineSettings(seed: 1), Moment(wall: midnight, monotonic: .at(0)))
        func count(_ hour: Int64) -> Int? {
            machine.instrumentsInSession(
                at: midnight.advanced(byNanoseconds: hour * 3_600 * second))
        }
        machine.begin(1, try Self.instrument(.stock), in: &turn)
        #expect(count(15) == nil, "nobody has said when it trades")
        (machine.entries[0].hours.liquid, machine.entries[0].hours.all) = (Self.liquid, Self.all)
        #expect([13, 14, 19].map(count) == [0, 1, 1])
        #expect(count(20) == nil, "nobody has told of that day's rest")
        machine.entries[0].slots[0].phase = .idle(FeedPhase.Idle(pause: .refused))
        #expect(count(15) == 0)
    }

    @Test("A new subscription does not settle at once while its contract trades, day or night")
    func settling() throws {
        var machine = FeedMachine()
        let start = Timestamp(nanoseconds: World.dayStart * second)
        var turn = Turn(IBEngineSettings(seed: 1), Moment(wall: start, monotonic: .at(0)))
        machine.begin(1, try Self.instrument(.future), in: &turn)
        (machine.entries[0].hours.liquid, machine.entries[0].hours.all) = (Self.liquid, Self.all)
        let asked = FeedPhase.Asked(request: 1, since: .at(0), isSent: true, until: .never)
        let route = FeedRoute(place: 0, slot: 0)
        for (hour, isSettled) in [(3, false), (15, false), (23, true)] as [(Int64, Bool)] {
            turn.now = Moment(
                wall: start.advanced(byNanoseconds: (hour * 3_600 + 6) * second),
                monotonic: .at(6 * second))
            #expect(machine.isSettled(route, asked, in: turn) == isSettled, "\(hour)")
        }
    }
}
