import Foundation
import GraphLanguage
import StreamCore
import Testing
import YAMLFile

@testable import GraphLanguageTests

@Suite("Calendars")
struct CalendarTests {
    private static let hour: Int64 = 3_600_000_000_000

    private func shipped(_ name: String) throws -> SessionCalendar {
        let path = GraphFolder.graphs.appendingPathComponent("calendars/\(name).yaml").path
        return try CalendarFile.read(path, name: name, GraphFolder.product)
    }

    private func read(_ text: String) throws -> SessionCalendar {
        try CalendarFile.read("g.yaml", name: "g", GraphFolder.with(text))
    }

    private func problems(_ lines: String...) -> [String] {
        let head = "version: 1\nzone: America/New_York\nvalid: {from: 2024-01-01, to: 2024-12-31}\n"
        do {
            _ = try read(head + lines.map { $0 + "\n" }.joined())
            return []
        } catch {
            return (error as? GraphProblems)?.lines ?? ["\(error)"]
        }
    }

    private func session(_ calendar: SessionCalendar, _ day: Int32) throws
        -> SessionCalendar.Session
    {
        try #require(calendar.sessions.first { $0.day == day }, "\(day)")
    }

    @Test(
        "row 22: the shipped sessions of New York hold every change of the clock and every half day"
    )
    func newYork() throws {
        let calendar = try shipped("nyse")
        #expect(calendar.sessions.count == 3_268)
        // 09:30 in New York, on the Friday before and the Monday after the change of the clock.
        #expect(try session(calendar, 20_240_308).open == 1_709_908_200_000_000_000)
        #expect(try session(calendar, 20_240_311).open == 1_710_163_800_000_000_000)
        let half = try session(calendar, 20_250_703)
        #expect(half.close - half.open == Self.hour * 7 / 2)
        for day: Int32 in [20_181_205, 20_250_109, 20_250_418, 20_251_225, 20_250_111] {
            #expect(!calendar.sessions.contains { $0.day == day }, "\(day)")
        }
    }

    @Test(
        "row 22: a session over midnight has 23 or 25 hours' days between it when the clock changes"
    )
    func overMidnight() throws {
        let calendar = try read(
            """
            version: 1
            zone: America/Chicago
            valid: {from: 2024-03-01, to: 2024-11-30}
            sessions:
              - days: [mon, tue, wed, thu, fri, sat, sun]
                open: "17:00"
                open_day: -1
                close: "17:00"
            """)
        // The sessions follow each other without a pause, so each is a local day long.
        let lengths = calendar.sessions.map { ($0.close - $0.open) / Self.hour }
        #expect(Set(lengths) == [23, 24, 25])
        func length(_ day: Int32) throws -> Int64 {
            let session = try session(calendar, day)
            return (session.close - session.open) / Self.hour
        }
        #expect(try length(20_240_310) == 23)
        #expect(try length(20_241_103) == 25)
        #expect(lengths.filter { $0 != 24 }.count == 2)
        for (one, next) in zip(calendar.sessions, calendar.sessions.dropFirst()) {
            #expect(one.close == next.open)
        }
    }

    @Test("row 22: the shipped futures trade from the evening before, except on holidays")
    func futures() throws {
        let calendar = try shipped("futures")
        // Monday's session opens on Sunday, 2024-03-10 17:00 CDT, the day of the change.
        let monday = try session(calendar, 20_240_311)
        #expect(monday.open == 1_710_108_000_000_000_000)
        #expect(monday.close - monday.open == 23 * Self.hour)
        #expect(calendar.session(at: monday.open)?.day == 20_240_311)
        #expect(calendar.session(at: monday.close) == nil)
        #expect(!calendar.sessions.contains { $0.day == 20_240_329 })
        let early = try session(calendar, 20_240_704)
        #expect(early.close - early.open == 19 * Self.hour)
    }

    @Test("row 22: every session of New York is that of exchange_calendars, where PyPI is there")
    func foreign() throws {
        let calendar = try shipped("nyse")
        guard
            let lines = try ForeignCalendar.sessions("XNYS", from: "2015-01-01", to: "2027-12-31")
        else { return }
        let ours = calendar.sessions.map {
            "\($0.day) \($0.open / 1_000_000_000) \($0.close / 1_000_000_000)"
        }
        #expect(lines.count > 3_000)
        let missing = Set(lines).subtracting(ours).sorted()
        let surplus = Set(ours).subtracting(lines).sorted()
        #expect(missing.isEmpty, "\(missing.prefix(5))")
        #expect(surplus.isEmpty, "\(surplus.prefix(5))")
    }

    @Test("weeks may change, and special days replace what the week says")
    func changes() throws {
        let calendar = try read(
            """
            version: 1
            zone: Etc/UTC
            valid: {from: 2024-01-01, to: 2024-01-14}
            sessions:
              - {days: [mon, wed], open: "09:00", close: "11:00", to: 2024-01-07}
              - {days: [mon, wed], open: "13:00", close: "24:00"}
              - {days: [tue], from: 2024-01-08, open: "10:00", close: "02:00", close_day: 1}
            holidays: {Epiphany: [2024-01-03]}
            special:
              - {dates: [2024-01-06], open: "08:00", close: "09:00"}
              - {dates: [2024-01-06], open: "10:00", close: "11:00"}
            """)
        let day: Int64 = 1_704_067_200
        let shown = calendar.sessions.map { session in
            let open = (session.open / 1_000_000_000 - day) / 3_600
            return "\(session.day) \(open) \((session.close - session.open) / Self.hour)"
        }
        #expect(
            shown == [
                "20240101 9 2", "20240101 13 11", "20240106 128 1", "20240106 130 1",
                "20240108 181 11", "20240109 202 16", "20240110 229 11",
            ])
    }

    @Test("mistakes are told with their place")
    func mistakes() {
        let week = "sessions: [{days: [mon, fri], open: \"09:30\", close: \"16:00\"}]"
        func isReported(_ part: String, _ lines: String...) -> Bool {
            let all = problems(lines.joined(separator: "\n"))
            return all.contains { $0.contains(part) }
        }
        #expect(isReported("sessions is missing", "holidays: {}"))
        #expect(isReported("g.yaml:4:20: days: \"mom\"", week.replacing("mon", with: "mom")))
        #expect(isReported("no time of a day", week.replacing("16:00", with: "25:00")))
        #expect(isReported("closes before it opens", week.replacing("16:00", with: "02:00")))
        #expect(isReported("is no day", week, "holidays: {x: [2024-02-30]}"))
        #expect(isReported("outside of the days", week, "holidays: {x: [2025-01-06]}"))
        #expect(isReported("has no session anyway", week, "holidays: {x: [2024-01-06]}"))
        #expect(
            isReported("a holiday already", week, "holidays: {x: [2024-01-08], y: [2024-01-08]}"))
        #expect(
            isReported(
                "opens before the one before", week + "\n",
                "special: [{dates: [2024-01-08], open: \"09:00\", close: \"12:00\"}, "
                    + "{dates: [2024-01-08], open: \"11:00\", close: \"13:00\"}]"))
        #expect(
            isReported(
                "is a holiday, too", week, "holidays: {x: [2024-01-08]}",
                "special: [{dates: [2024-01-08], open: \"09:00\", close: \"12:00\"}]"))
        for zone in ["../passwd", "/etc/passwd", "America/New York", "Nowhere"] {
            let text =
                "version: 1\nzone: \(zone)\nvalid: {from: 2024-01-01, to: 2024-01-02}\n\(week)\n"
            #expect(throws: GraphProblems.self, "\(zone)") { try read(text) }
        }
    }
}
