import Primitives
import Testing
import VenueTestSupport
import VenueWeb

@testable import PolledSimulator

@Suite("The simulated FRED")
struct FredTests {
    private static let ever = "realtime_start=1776-07-04&realtime_end=9999-12-31"

    private func rows(_ answer: JSONValue) -> [[String]] {
        (answer["observations"]?.array ?? []).map { row in
            ["date", "realtime_start", "realtime_end", "value"].map { row[$0]?.string ?? "" }
        }
    }

    @Test("the answer has the documented members, and by default what is known today")
    func today() throws {
        var bench = Bench()
        let answer = try bench.fred("series/observations", "series_id=DGS10&limit=2")
        #expect(
            answer.members?.map(\.key) == [
                "realtime_start", "realtime_end", "observation_start", "observation_end", "units",
                "output_type", "file_type", "order_by", "sort_order", "count", "offset", "limit",
                "observations",
            ])
        #expect(answer["realtime_start"]?.string == "2026-03-04" && answer["limit"]?.int == 2)
        let first = rows(answer)
        #expect(first.map { $0[0] } == ["2020-01-01", "2020-01-02"])
        #expect(first.allSatisfy { $0[1] == "2026-03-04" && $0[2] == "2026-03-04" })
        // The value of Monday came on Tuesday evening; that of Tuesday comes tonight.
        let last = try bench.fred(
            "series/observations", "series_id=DGS10&limit=1&sort_order=desc")
        #expect(rows(last).first?[0] == "2026-03-02")
        bench.pass(seconds: 8 * 3_600 + 16 * 60)
        let later = try bench.fred(
            "series/observations", "series_id=DGS10&limit=1&sort_order=desc")
        #expect(rows(later).first?[0] == "2026-03-03")
    }

    @Test("values of all vintages are those of the log, and each becomes known when it says")
    func vintages() throws {
        var bench = Bench { $0.speed = 86_400 }
        var known = try bench.log("fred")
        for _ in 0..<60 {
            bench.pass(seconds: 1)
            known += try bench.log("fred")
        }
        #expect(known.contains { ($0["realtime_start"]?.string ?? "") > "2026-04-28" })
        for id in ["DGS2", "DGS10", "DFF", "VIXCLS", "CPIAUCSL", "UNRATE"] {
            let answer = try bench.fred("series/observations", "series_id=\(id)&\(Self.ever)")
            let seen = Set(rows(answer).map { "\($0[0]) \($0[1]) \($0[3])" })
            let logged = Set(
                known.filter { $0["series"]?.string == id }.map { line in
                    ["date", "realtime_start", "value"].map { line[$0]?.string ?? "" }
                        .joined(separator: " ")
                })
            #expect(seen == logged && seen.count > 70)
        }
    }

    @Test("vintages of a date follow each other, and a revision has another value")
    func revisions() throws {
        var bench = Bench()
        let answer = try bench.fred("series/observations", "series_id=CPIAUCSL&\(Self.ever)")
        let byDate = Dictionary(grouping: rows(answer)) { $0[0] }
        #expect(
            byDate.values.contains { $0.count == 3 } && byDate.values.contains { $0.count == 1 })
        for rows in byDate.values {
            #expect(rows.last?[2] == "9999-12-31")
            for (one, next) in zip(rows, rows.dropFirst()) {
                let end = try #require(CivilDate(one[2]))
                let start = try #require(CivilDate(next[1]))
                #expect(end.daysSinceEpoch + 1 == start.daysSinceEpoch && one[3] != next[3])
            }
        }
        // What was known on one day is a cut through them.
        let day = "2023-06-15"
        let then = try bench.fred(
            "series/observations", "series_id=CPIAUCSL&realtime_start=\(day)&realtime_end=\(day)")
        let cut = rows(answer).filter { $0[1] <= day && $0[2] >= day }.map { [$0[0], $0[3]] }
        #expect(rows(then).map { [$0[0], $0[3]] } == cut && !cut.isEmpty)
    }

    @Test("dates, offsets and limits cut the answer")
    func pages() throws {
        var bench = Bench()
        let query = "series_id=DFF&observation_start=2024-01-01&observation_end=2024-01-31"
        let all = rows(try bench.fred("series/observations", query))
        #expect(all.count == 23)
        let page = try bench.fred("series/observations", query + "&offset=20&limit=10")
        #expect(rows(page) == Array(all.suffix(3)) && page["count"]?.int == 23)
    }

    @Test("facts of a series, and the dates of its vintages")
    func facts() throws {
        var bench = Bench()
        let facts = try bench.fred("series", "series_id=UNRATE")["seriess"]?.array?.first
        #expect(facts?["frequency_short"]?.string == "M" && facts?["units"]?.string == "Percent")
        #expect(facts?["observation_end"]?.string == "2026-01-01")
        let dates = try bench.fred("series/vintagedates", "series_id=UNRATE&limit=2")
        #expect(dates["vintage_dates"] == .array([.string("2020-02-12"), .string("2020-03-12")]))
    }

    @Test("XML is the usual form")
    func xml() throws {
        var bench = Bench()
        let path = "/fred/series/observations?series_id=DGS2&limit=1&api_key=\(Bench.key)"
        let answer = try bench.text(path)
        #expect(answer.head.contains("text/xml"))
        #expect(
            answer.body.hasPrefix("<?xml version=\"1.0\" encoding=\"utf-8\" ?>\n<observations "))
        #expect(answer.body.contains("<observation realtime_start=\"2026-03-04\""))
        let wrong = try bench.text("/fred/series/observations?series_id=DGS2")
        #expect(wrong.head.hasPrefix("HTTP/1.1 400"))
        #expect(wrong.body.contains("<error code=\"400\" message=\"Bad Request.  Variable api_key"))
    }

    @Test(
        "what is wrong with a request is told",
        arguments: [
            ("series_id=NONE", "does not exist"), ("series_id=DGS2&units=pch", "not simulated"),
            ("series_id=DGS2&limit=0", "between"), ("series_id=DGS2&offset=x", "between"),
            ("series_id=DGS2&realtime_start=x", "not a date"),
            ("series_id=DGS2&realtime_start=2026-03-05", "after realtime_end"),
            ("series_id=DGS2&observation_start=2026-13-01", "not a date"),
        ])
    func wrong(_ query: String, _ says: String) throws {
        var bench = Bench()
        let answer = try bench.fred("series/observations", query)
        #expect(answer["error_code"]?.int == 400)
        #expect(answer["error_message"]?.string?.contains(says) == true)
    }

    @Test("a wrong or expired key is refused, and a span of too many vintages")
    func keys() throws {
        var bench = Bench()
        for key in ["short", String(repeating: "a", count: 32)] {
            let answer = try bench.get("/fred/series?series_id=DFF&file_type=json&api_key=\(key)")
            #expect(answer.body["error_message"]?.string?.contains("api_key") == true)
        }
        #expect(bench.venue.control("expire", now: bench.now) == "ok")
        #expect(try bench.fred("series", "series_id=DFF")["error_code"]?.int == 400)
        #expect(bench.venue.control("renew", now: bench.now) == "ok")
        #expect(try bench.fred("series", "series_id=DFF")["seriess"] != nil)
        #expect(bench.venue.control("fail 1 429", now: bench.now) == "ok")
        #expect(try bench.fred("series", "series_id=DFF")["error_code"]?.int == 429)
        var old = Bench { $0.simulatedStart = ISOTime.parse("2029-03-04T12:00:00Z") }
        let answer = try old.fred("series/observations", "series_id=DFF&\(Self.ever)")
        #expect(answer["error_message"]?.string?.contains("vintage dates") == true)
    }
}
