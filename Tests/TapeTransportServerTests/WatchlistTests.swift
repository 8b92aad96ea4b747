import MarketModel
import NatsTransport
import Primitives
import TestSupport
import Testing

@testable import TapeTransport

@Suite("The watchlist of a source, and its report")
struct WatchlistTests {
    private static func list() throws -> Watchlist {
        var list = Watchlist()
        let changes: [(String, Watchlist.Change)] = [
            ("B\"é", .added(definition: #"{"symbol":"B"}"#)), ("A", .removed(hidesListed: true)),
            ("C", .removed(hidesListed: false)),
        ]
        for (number, change) in changes.enumerated() {
            list.set(
                try #require(Symbol(change.0)),
                Watchlist.Entry(
                    change.1, by: "anna@desk", at: Timestamp(nanoseconds: Int64(number)),
                    note: "because \\ of \"this\""))
        }
        return list
    }

    @Test("a watchlist is read as it was written; a removal without effect says so")
    func written() throws {
        let list = try Self.list()
        #expect(try Watchlist(json: list.json) == list)
        #expect(list.sorted.map(\.symbol.text) == ["A", "B\"é", "C"])
        #expect(list.sorted.map(\.entry.hasEffect) == [true, true, false])
        #expect(try Watchlist(json: Watchlist().json) == Watchlist())
    }

    @Test("the bytes that releases share")
    func golden() throws {
        var list = Watchlist()
        for (symbol, change) in [
            ("A", Watchlist.Change.removed(hidesListed: true)), ("B", .added(definition: "{}")),
        ] {
            list.set(
                try #require(Symbol(symbol)),
                Watchlist.Entry(change, by: "a@b", at: Timestamp(nanoseconds: 5), note: "why"))
        }
        let end = #""who":"a@b","time":"1970-01-01T00:00:00.000000005Z","time_ns":5,"note":"why"}"#
        #expect(
            String(decoding: list.json, as: UTF8.self)
                == #"{"v":1,"entries":[{"symbol":"A","change":"removed","hides_listed":true,"#
                + #"\#(end),"#
                + #"{"symbol":"B","change":"added","definition":"{}",\#(end)]}"#)
        var report = try Self.report(1)
        report.fixed = "why"
        #expect(
            String(decoding: report.json(bytesMax: 1_000), as: UTF8.self)
                == #"{"v":1,"source":"ibkr","gateway":"gate-1","#
                + #""time":"1970-01-01T00:00:00.000000005Z","time_ns":5,"#
                + #""providers":["ibkr","other"],"fixed":"why","by_symbol":false,"revision":7,"#
                + #""problems":["X is left out"],"left_out":0,"instruments":["#
                + #"{"symbol":"S0","origin":"added","state":"subscribed"}]}"#)
    }

    @Test(
        "what is damaged, too long or newer is refused as a whole",
        arguments: [
            ("", false), ("{}", false), (#"{"v":1,"entries":5}"#, false),
            (#"{"v":2,"entries":[]}"#, true),
            (#"{"v":1,"entries":[{"symbol":""}]}"#, false),
            (#"{"v":1,"entries":[{"symbol":"A","who":"b","note":"c","time_ns":1}]}"#, false),
            (
                #"{"v":1,"entries":[{"symbol":"A","who":"b","note":"c","time_ns":1,"#
                    + #""change":"held"}]}"#,
                true
            ),
            (
                #"{"v":1,"entries":[{"symbol":"A","who":"b","note":"c","time_ns":1,"#
                    + #""change":"added"}]}"#,
                false
            ),
            (#"{"v":1,"entries":[{"symbol":"A","who":"b","note":"c","time_ns":1e30}]}"#, false),
        ])
    func refused(json: String, isNewer: Bool) {
        let refusal = #expect(throws: VersionedJSON.Refusal.self) {
            try Watchlist(json: Array(json.utf8))
        }
        #expect(refusal?.isNewer == isNewer, "\(json)")
    }

    @Test("symbols that are there twice, and texts beyond their limits, are refused")
    func limits() throws {
        let text = String(decoding: try Self.list().json, as: UTF8.self)
        for (part, other) in [
            (#""symbol":"C""#, #""symbol":"A""#),
            ("anna@desk", String(repeating: "a", count: Watchlist.requesterBytesMax + 1)),
            ("because", String(repeating: "a", count: Watchlist.noteBytesMax)),
        ] {
            let changed = text.replacing(part, with: other, maxReplacements: 1)
            #expect(changed != text)
            #expect(throws: VersionedJSON.Refusal.self) {
                try Watchlist(json: Array(changed.utf8))
            }
        }
    }

    private static func report(_ count: Int) throws -> WatchlistReport {
        var report = WatchlistReport(
            source: try #require(SourceName("ibkr")), gateway: "gate-1",
            time: Timestamp(nanoseconds: 5), providers: ["ibkr", "other"])
        report.revision = 7
        report.problems = ["X is left out"]
        report.instruments = try (0..<count).map {
            WatchlistReport.Instrument(
                try #require(Symbol("S\($0)")), $0 == count - 1 ? .added : .listed,
                $0.isMultiple(of: 2) ? .subscribed : .refused,
                reason: $0.isMultiple(of: 2) ? "" : "no permission")
        }
        return report
    }

    @Test("a report is read as it was written; without room, what people asked for comes first")
    func reported() throws {
        var report = try Self.report(4)
        report.fixed = "a recording"
        #expect(try WatchlistReport(json: report.json(bytesMax: 1 << 20)) == report)
        #expect(report.listed.count == 3)
        let large = try Self.report(4_000)
        let bytes = large.json(bytesMax: 64 << 10)
        #expect(bytes.count <= 64 << 10)
        let read = try WatchlistReport(json: bytes)
        #expect(read.instruments.first?.symbol.text == "S3999")
        #expect(read.leftOut + read.instruments.count == 4_000 && read.leftOut > 0)
        #expect(try WatchlistReport(json: large.json(bytesMax: 10)).leftOut == 4_000)
        #expect(throws: VersionedJSON.Refusal.self) {
            try WatchlistReport(json: Array(#"{"v":1}"#.utf8))
        }
    }

    @Test("of two writes that expect the same watchlist, one is stored")
    func stored() throws {
        let rig = try TapeServer().rig()
        let store = try WatchlistStore(rig.client, try #require(SourceName("ibkr")))
        let before = try store.read()
        #expect(before == WatchlistStore.Stored())
        let list = try Self.list()
        guard case .stored(let revision) = try store.write(list, after: before) else {
            Issue.record("not stored")
            return
        }
        #expect(try store.write(Watchlist(), after: before) == .conflict(present: revision))
        #expect(try store.read().value == list)
        #expect(try store.write(try Self.report(2)))
        #expect(try store.write(try Self.report(3)))
        let found = try WatchlistStore.reports(rig.client)
        #expect(found.reports.map(\.instruments.count) == [3] && found.refused.isEmpty)
    }
}
