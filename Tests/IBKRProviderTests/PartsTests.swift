import MarketModel
import Primitives
import ServiceRuntime
import Testing

@testable import IBEngine
@testable import IBKRProvider
@testable import IBProtocol

@Suite("Parts of the broker's provider")
struct PartsTests {
    @Test("TWS is asked for its time each minute, and more often after a step of the host's clock")
    func timeQuestions() {
        var questions = TimeQuestions()
        func isDue(_ second: Int64, hostAhead: Int64 = 0) -> Bool {
            let now = Moment(
                wall: Timestamp(nanoseconds: .seconds(1_000 + second)),
                monotonic: .at(.seconds(second)))
            return questions.isDue(now, host: now.wall.advanced(byNanoseconds: hostAhead))
        }
        #expect(isDue(0) && !isDue(59) && isDue(60))
        #expect(!isDue(69, hostAhead: .seconds(2)) && isDue(70, hostAhead: .seconds(-2)))
        #expect(!isDue(80, hostAhead: .seconds(1)) && isDue(130))
    }

    @Test("a zone is added once, and its rules are read each day")
    func zoneRenewal() {
        var zones = ZoneRenewal()
        #expect(zones.add("Asia/Tokyo") && !zones.add("Asia/Tokyo"))
        #expect(zones.takeDue(.at(0)) == ["Asia/Tokyo"])
        #expect(zones.takeDue(.at(.days(1) - 1)).isEmpty)
        #expect(zones.takeDue(.at(.days(1))) == ["Asia/Tokyo"])
    }

    @Test("a zone's rules are those of the system's file")
    func zones() throws {
        // 1 July 2026: summer time, from 8 March until 1 November.
        let now: Int64 = 1_782_864_000
        let rules = try #require(Zones.rules(of: "America/New_York", around: now))
        #expect(rules.first == -4 * 3_600)
        #expect(
            rules.changes == [
                ZoneRules.Change(at: 1_730_613_600, offset: -5 * 3_600),
                ZoneRules.Change(at: 1_741_503_600, offset: -4 * 3_600),
                ZoneRules.Change(at: 1_762_063_200, offset: -5 * 3_600),
                ZoneRules.Change(at: 1_772_953_200, offset: -4 * 3_600),
                ZoneRules.Change(at: 1_793_512_800, offset: -5 * 3_600),
                ZoneRules.Change(at: 1_805_007_600, offset: -4 * 3_600),
            ])
        let tokyo = try #require(Zones.rules(of: "Asia/Tokyo", around: now))
        #expect(tokyo.first == 9 * 3_600 && tokyo.changes.isEmpty)
    }

    @Test("rules of a long past reach to its end")
    func longPast() throws {
        let (from, to) = (Int64(1_420_070_400), Int64(1_782_864_000))
        let rules = try #require(
            Zones.rules(of: "America/New_York", around: from, until: to))
        // January and July of 2015 and of 2025.
        #expect(
            [0, 180, 3_653, 3_833].map { rules.offset(at: from + $0 * 86_400) / 3_600 }
                == [-5, -4, -5, -4])
    }

    @Test(
        "a daily bar of a year ago begins at its own midnight, whatever the clocks show now",
        arguments: [
            // Days since 1970 around the changes of 2 November 2025, 8 March and 1 November 2026,
            // and New York's hours behind UTC at their midnights.
            (20_392, 4), (20_394, 4), (20_395, 5), (20_518, 5), (20_520, 5), (20_521, 4),
            (20_758, 4), (20_759, 5),
        ] as [(Int64, Int64)])
    func dailyBars(day: Int64, behind: Int64) throws {
        // 22 November 2026: winter time.
        let now: Int64 = 1_795_305_600
        let rules = try #require(Zones.rules(of: "America/New_York", around: now))
        let daily = DailyBars(number: 7, zone: rules, kind: .trades, isInLots: false)
        let bar = HistoricalBar(
            time: .day(day), open: Price(raw: 1), high: Price(raw: 4), low: Price(raw: 1),
            close: Price(raw: 2), vwap: Price(raw: 2), volume: 100, trades: 3)
        let record = try #require(daily.record(bar, Timestamp(nanoseconds: now * 1_000_000_000)))
        let midnight = (day * 86_400 + behind * 3_600) * 1_000_000_000
        #expect(record.openTime.nanoseconds == midnight)
    }

    @Test(
        "a zone's name is no path",
        arguments: [
            "", "/etc/passwd", "../../../etc/passwd", "Nowhere/City", "Europe", "EST (Eastern)",
            "a\0b", String(repeating: "x", count: 65),
        ])
    func noZones(name: String) {
        #expect(Zones.rules(of: name, around: 1_782_864_000) == nil)
    }
}
