import Primitives
import Testing

@testable import IBEngine

@Suite("Trading hours") struct SessionHoursTests {
    /// UTC minus five hours, and minus four hours from 8 March 2026, 07:00 UTC, on.
    private static let newYork = ZoneRules(
        first: -18_000, changes: [ZoneRules.Change(at: 1_772_953_200, offset: -14_400)])

    private static func time(_ seconds: Int64) -> Timestamp {
        Timestamp(nanoseconds: seconds * second)
    }

    @Test("Sessions are points in time, winter and summer")
    func zones() {
        let hours = SessionHours(
            "20260105:0930-20260105:1600;20260106:CLOSED;20260309:0930-1600", Self.newYork)
        // 14:30 to 21:00 UTC, then 13:30 to 20:00 UTC.
        #expect(
            hours.sessions == [
                Self.time(1_767_623_400)..<Self.time(1_767_646_800),
                Self.time(1_773_063_000)..<Self.time(1_773_086_400),
            ])
        #expect(hours.opened(at: Self.time(1_767_623_400)) == Self.time(1_767_623_400))
        #expect(hours.opened(at: Self.time(1_767_646_800)) == nil)
        #expect(hours.covers(Self.time(1_767_700_000)))
        #expect(!hours.covers(Self.time(1_773_086_400)))
    }

    @Test("Hours are known from the first day's midnight to the end of the last, closed days too")
    func covered() {
        // Saturday and Sunday closed, Monday 14:30 to 21:00 UTC.
        let text = "20260103:CLOSED;20260104:CLOSED;20260105:0930-20260105:1600"
        let hours = SessionHours(text, Self.newYork)
        #expect(!hours.covers(Self.time(1_767_416_399)))
        for closed in [1_767_416_400, 1_767_500_000, 1_767_600_000, 1_767_623_399] as [Int64] {
            #expect(hours.covers(Self.time(closed)) && hours.opened(at: Self.time(closed)) == nil)
        }
        let holiday = SessionHours("20260103:CLOSED", Self.newYork)
        #expect(holiday.covers(Self.time(1_767_502_799)))
        #expect(!holiday.covers(Self.time(1_767_502_800)))
        #expect(!SessionHours("", Self.newYork).covers(Self.time(1_767_500_000)))
    }

    @Test("Several sessions of a day, and one that ends at midnight")
    func several() {
        let hours = SessionHours(
            "20260105:0900-1130,20260105:1230-20260105:2400", ZoneRules(first: 0, changes: []))
        #expect(hours.sessions.count == 2)
        #expect(hours.sessions.last?.upperBound == Self.time(1_767_657_600))
    }

    @Test(
        "What is no session is left out",
        arguments: [
            "", ";", "-", "20260105", "20260105:0930", "20260105:0930-", "20261305:0930-1600",
            "20260105:1600-0930", "20260105:2500-2600", "2026010x:0930-1600", "20260105:-930-1600",
            "99999999:9999-99999999:9999",
        ])
    func malformed(_ text: String) {
        #expect(SessionHours(text, Self.newYork).sessions.isEmpty)
    }

    @Test("No more sessions than the limit are kept")
    func bounded() {
        let text = (0..<1_000).map { _ in "20260105:0930-1600" }.joined(separator: ";")
        let hours = SessionHours(text, Self.newYork)
        #expect(hours.sessions.count == EngineLimits.sessionsMax)
    }
}
