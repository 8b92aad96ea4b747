import DeploymentWatch
import Primitives
import ServiceRuntime
import StreamCore
import TestSupport
import Testing

@testable import Cockpit

@Suite("Closed markets") struct HoursTests {
    private static let path =
        "\(ServerPrograms.checkout)/services/operator-worker/graphs/calendars/nyse.yaml"

    private static func hours(_ time: String) throws -> MarketHours {
        let calendars = try SourceCalendars(["alpaca=\(path)"])
        let day = try #require(CivilDate(String(time.prefix(10))))
        let clock = time.dropFirst(11).prefix(8).split(separator: ":").compactMap { Int64($0) }
        let seconds = clock.reduce(0) { $0 * 60 + $1 }
        let now = Timestamp(
            nanoseconds: (day.daysSinceEpoch * 86_400 + seconds) * 1_000_000_000)
        return try #require(calendars.hours(at: now)["alpaca"])
    }

    @Test(
        "New York is closed until it opens, also over a weekend, a holiday and a half day",
        arguments: [
            ("2026-11-25T14:29:59Z", "closed until 14:30"),
            ("2026-11-25T14:30:00Z", "open"),
            ("2026-11-25T20:59:59Z", "open"),
            ("2026-11-25T21:00:00Z", "closed until 2026-11-27 14:30"),
            ("2026-11-26T15:00:00Z", "closed until 2026-11-27 14:30"),
            ("2026-11-27T18:00:00Z", "closed until 2026-11-30 14:30"),
            ("2026-07-06T13:30:00Z", "open"),
            ("2027-12-31T22:00:00Z", "closed"),
            ("2014-06-03T15:00:00Z", "its calendar nyse.yaml has not begun"),
            ("2028-01-03T15:00:00Z", "its calendar nyse.yaml has ended"),
        ])
    func newYork(time: String, words: String) throws {
        let hours = try Self.hours(time)
        #expect(hours.words == words)
        #expect(hours.isClosed == words.hasPrefix("closed"))
    }

    /// A sighting 400 s after the first look, of a source whose last tick came so long ago.
    private static func sighting(_ state: MarketHours?, silence: Double) -> Sighting {
        var sighting = MadeSighting.well(400)
        sighting.told.hours["ib"] = state
        sighting.sources[0].changedAt = MadeSighting.time(400 - silence)
        return sighting
    }

    private static func calendar(opened seconds: Int64, ended: Bool = false) throws -> MarketHours {
        let now = Timestamp(nanoseconds: 1_795_000_000_000_000_000)
        let open = now.nanoseconds - seconds * 1_000_000_000
        let calendar = try #require(
            SessionCalendar(
                name: "made",
                sessions: [
                    .init(open: open, close: open + 3_600_000_000_000, day: 20_261_118)
                ], validUntil: ended ? now.nanoseconds : nil))
        return MarketHours(calendar, at: now)
    }

    private static func source(_ sighting: Sighting) throws -> (Overview.Edge, [Overview.Line]) {
        var maker = OverviewMaker()
        let overview = maker.make(sighting)
        let edge = try #require(overview.edges.first { $0.id == "source:ib" })
        return (edge, overview.verdict)
    }

    @Test("a closed market is grey, whatever comes, and dead is dead")
    func closed() throws {
        let closed = try Self.calendar(opened: -600)
        #expect(closed.isClosed)
        for silence in [0.5, 8, 300] {
            let (edge, verdict) = try Self.source(Self.sighting(closed, silence: silence))
            #expect(edge.state == .closed && edge.words.hasPrefix(closed.words), "\(edge)")
            #expect(verdict.map(\.level) == [.quiet])
            #expect(verdict[0].text == "MARKETS ARE \(closed.words); all parts answer")
        }
        var away = Self.sighting(closed, silence: 8)
        away.members.removeAll { $0.group == "source-ib" }
        let (edge, verdict) = try Self.source(away)
        #expect(edge.state == .dead && verdict.contains { $0.level == .bad })
        var old = Self.sighting(closed, silence: 8)
        old.now = MadeSighting.time(403)
        #expect(try Self.source(old).0.state == .dead)
        // With another source that has no calendar the market is not closed as a whole.
        var two = Self.sighting(closed, silence: 8)
        two.sources.append(MadeSighting.source(400, "coins"))
        two.members.append(
            MadeSighting.member("source-coins", "other", held: [0], at: 399.9))
        #expect(two.allClosedWords == nil)
        #expect(try Self.source(two).1.map(\.level) == [.good])
    }

    @Test("while all markets are closed, bars that do not come are closed, too")
    func bars() throws {
        let closed = try Self.calendar(opened: -600)
        var sighting = Self.sighting(closed, silence: 300)
        sighting.bars?.changedAt = MadeSighting.time(200)
        var maker = OverviewMaker()
        let edge = try #require(maker.make(sighting).edges.first { $0.id == "bars" })
        #expect(edge.state == .closed && edge.words == closed.words)
    }

    @Test("silence in a session is a trouble after three minutes of it")
    func silent() throws {
        for (opened, silence, isTrouble) in [
            (3_000, 179.0, false), (3_000, 181, true), (179, 300, false), (181, 300, true),
        ] as [(Int64, Double, Bool)] {
            let hours = try Self.calendar(opened: opened)
            let (edge, verdict) = try Self.source(Self.sighting(hours, silence: silence))
            #expect(edge.state == .quiet)
            let lines = verdict.filter { $0.text.contains("IS SILENT IN ITS SESSION") }
            #expect((lines.map(\.level) == [.bad]) == isTrouble, "\(opened) \(silence)")
            #expect(edge.words.hasPrefix("silent in its session") == isTrouble)
        }
        // Without a calendar it is quiet, as before.
        let (edge, verdict) = try Self.source(Self.sighting(nil, silence: 300))
        #expect(edge.state == .quiet && verdict.map(\.level) == [.quiet])
        let ended = try Self.calendar(opened: 100, ended: true)
        let lines = try Self.source(Self.sighting(ended, silence: 300)).1
        #expect(lines.map(\.level) == [.warning] && lines[0].runbook == "Calendar")
    }

    @Test("a feed says it in the same words, and only one that is connected")
    func feeds() throws {
        let closed = try Self.calendar(opened: -600)
        func look(_ hours: MarketHours, _ state: String, age: Double) throws -> FeedBoard.Source {
            var sighting = Self.sighting(hours, silence: age)
            var service = MadeSighting.service(400, isReady: true)
            let status = try JSONValue.parse(
                """
                {"gateway":{"source":"ib","role":"active","provider":"ibkr","providers":{"ibkr":
                {"state":"\(state)","instruments":[{"symbol":"A","state":"live"}]}},"newest":{
                "instruments":1,"never":0,"ages":[{"seconds":5,"instruments":\(age < 5 ? 1 : 0)},
                {"seconds":600,"instruments":\(age < 5 ? 0 : 1)}],
                "oldest":[{"symbol":"A","age_seconds":\(age)}]}}}
                """)
            service.read(status)
            service.feeds = FeedPage.all(status)
            sighting.services.value = [service]
            return try #require(FeedBoard.make(sighting).sources.first)
        }
        let quiet = try look(closed, "ready", age: 300)
        #expect(quiet.isClosed && quiet.feeds[0].state.kind == .closed)
        #expect(quiet.feeds[0].state.words == "\(closed.words): connected")
        let busy = try look(closed, "ready", age: 1)
        #expect(busy.feeds[0].state.kind == .closed)
        #expect(busy.feeds[0].state.words == "\(closed.words), and ticks come")
        #expect(try look(closed, "closed", age: 300).feeds[0].state.kind == .waits)
        let silent = try look(try Self.calendar(opened: 3_000), "ready", age: 300).feeds[0].state
        #expect(silent.kind == .failed && silent.words.hasPrefix("connected, and silent in its"))
        #expect(silent.runbook == "ProviderSilent")
        // Its gateway has ticks, so that only what is heard of it stands still.
        let heard = try look(try Self.calendar(opened: 3_000), "ready", age: 1).feeds[0].state
        #expect(heard.kind == .delivers)
    }

    @Test("a calendar that cannot be read is a problem of the settings, in one line")
    func settings() throws {
        func problem(_ texts: [String]) -> String {
            do throws(SettingsError) {
                _ = try SourceCalendars(texts)
                return ""
            } catch {
                return "\(error)"
            }
        }
        #expect(problem([]) == "" && problem(["ib=\(Self.path)"]) == "")
        #expect(problem(["nyse.yaml"]).contains("nyse.yaml is not source=path of a calendar"))
        #expect(problem(["a b=\(Self.path)"]).contains("is not source=path"))
        #expect(problem(["ib=/nowhere.yaml"]).contains("/nowhere.yaml"))
        let twice = problem(["ib=\(Self.path)", "ib=\(Self.path)"])
        #expect(twice.contains("ib has two calendars"))
        let many = (0...SourceCalendars.sourcesMax).map { "s\($0)=\(Self.path)" }
        #expect(problem(many).contains("65 are more than 64"))
        let graph = Self.path.replacing("calendars/nyse.yaml", with: "simple.yaml")
        let wrong = problem(["ib=\(graph)"])
        #expect(wrong.contains("zone") && !wrong.contains("\n"), "\(wrong)")
    }
}
