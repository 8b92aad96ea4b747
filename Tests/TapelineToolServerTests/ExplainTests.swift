import MarketModel
import OperatorGraph
import Primitives
import ServiceRuntime
import StreamCore
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// One bar on real servers, with the reason why each tick of its window counts or not.
@Suite("tapeline explain", .serialized) struct ExplainTests {
    @Test("late, cancelled and corrected ticks, prices, versions, and what disagrees with a row")
    func mended() throws {
        let scene = try ProveBench.mended("explained")
        let second = try scene.explain("AAPL", "1s", "2023-11-14T22:13:30.5Z")
        #expect(second.code == .success, "\(second.json)")
        #expect(Self.verdicts(second) == ["counts": 4, "late": 1])
        #expect(Self.tick(second, "open")?["price"]?.string == "0.41")
        #expect(Self.tick(second, "close")?["price"]?.string == "0.44")
        #expect(second.json["ticks_from"]?.string == "tape")
        #expect(second.json["versions"]?.array?.map { $0["reason"]?.string } == ["closed"])
        #expect(second.json["proof"]?["tape"]?["outcome"]?.string == "equal")
        #expect(second.json["proof"]?["tables"]?["outcome"]?.string == "equal")
        let late = second.json["ticks"]?.array?.first { $0["verdict"]?.string == "late" }
        #expect(late?["sequence"]?.int ?? 0 > 0 && late?["epoch"]?.int ?? 0 > 0)

        // A repair has made the bar of the minute again: with the late tick, without the other.
        let minute = try scene.explain("AAPL", "1m", "2023-11-14T22:13:30Z")
        #expect(minute.code == .success, "\(minute.json)")
        #expect(
            Self.verdicts(minute) == ["counts": 160, "cancelled": 1, "cancel_record": 1],
            "\(minute.json)")
        let reasons = minute.json["versions"]?.array?.compactMap { $0["reason"]?.string } ?? []
        #expect(reasons.first == "closed" && reasons.last == "bust", "\(reasons)")
        #expect(
            minute.json["bar"]?["earlier_versions"]?.int
                == minute.json["versions"]?.array.map {
                    $0.count - 1
                })

        let text = try scene.explained(["AAPL", "1s", "2023-11-14T22:13:30.5Z"]).output
        let lines = text.split(separator: "\n").map {
            $0.split(separator: " ").joined(separator: " ")
        }
        for line in [
            "AAPL 1s of test0, 2023-11-14T22:13:30.000000000Z to "
                + "2023-11-14T22:13:31.000000000Z",
            "open 0.41 high 0.44 low 0.41 close 0.44",
            "TICKS of its window: 4 in, 1 out, from the tape",
            "GAPS: none is recorded about its window", "the tape: the stored bar is equal",
        ] { #expect(lines.contains(line), "\(text)") }
        #expect(lines.contains { $0.hasSuffix("counts, open, low") }, "\(text)")
        #expect(
            lines.contains {
                $0.hasSuffix("out: it came after the lateness of 1s and is listed in late_ticks")
            }, "\(text)")
        try disagreements(scene)
        try scene.purge(keeping: 20)
        let purged = try scene.explain("AAPL", "1m", "2023-11-14T22:13:30Z")
        #expect(purged.code == .incomplete)
        #expect(purged.json["ticks_from"]?.string == "tables")
        #expect(Self.verdicts(purged) == ["counts": 160, "cancelled": 1, "cancel_record": 1])
    }

    private func disagreements(_ scene: ProveBench) throws {
        let place = "symbol = 'AAPL' AND ordinal = 42"
        _ = try scene.bench.query("UPDATE trade_rows SET size = size + 0.00000001 WHERE \(place)")
        let changed = try scene.explain("AAPL", "1s", "2023-11-14T22:13:30.5Z")
        #expect(changed.code == .failure)
        let remarks = changed.json["ticks"]?.array?.flatMap { $0["remarks"]?.array ?? [] }
        #expect(
            remarks?.first?.string == "its row has another size 0.03000001", "\(changed.json)")
        #expect(changed.json["proof"]?["tape"]?["outcome"]?.string == "equal")
        #expect(changed.json["proof"]?["tables"]?["outcome"]?.string == "differs")
        _ = try scene.bench.query("UPDATE trade_rows SET size = size - 0.00000001 WHERE \(place)")

        // A window whose row is gone is explained, too.
        _ = try scene.bench.query(
            """
            CREATE TABLE kept AS SELECT * FROM bars_short WHERE series = '1s'
                AND ts = '2023-11-14 22:13:30Z';
            DELETE FROM bars_short WHERE series = '1s' AND ts = '2023-11-14 22:13:30Z'
            """)
        let gone = try scene.explain("AAPL", "1s", "2023-11-14T22:13:30.5Z")
        #expect(gone.code == .failure)
        #expect(gone.json["is_stored"]?.bool == false)
        #expect(gone.json["proof"]?["tape"]?["kind"]?.string == "missing")
        #expect(Self.verdicts(gone) == ["counts": 4, "late": 1])
        _ = try scene.bench.query("INSERT INTO bars_short SELECT * FROM kept")
    }

    @Test("rules of a graph: odd lots, conditions, duplicates, snapshots, bars that ticks end")
    func rules() throws {
        let conditions = try #require(ConditionRules(name: "test", [(code: "Z", effect: [])]))
        let numbered = try #require(SeriesName("n50"))
        let minute = try BarSeries("1m")
        let definition = GraphDefinition(
            name: "rules",
            nodes: [
                GraphNode(
                    name: "once", input: .ticks(.trade),
                    operation: .deduplicate(
                        DeduplicateRule(key: [.id], timeToLive: 60_000_000_000))),
                GraphNode(
                    name: "bars", input: .node(0),
                    operation: .bars(
                        BarRule(
                            series: try BarSeriesSet([minute]), conditions: conditions,
                            oddLots: .volumeOnly(below: .size(Quantity(raw: 2_000_000)))),
                        calendar: nil)),
                GraphNode(
                    name: "counts", input: .node(0),
                    operation: .bars(
                        BarRule(
                            series: try BarSeriesSet([
                                BarSeries(name: numbered, window: .ticks(50))
                            ])), calendar: nil)),
            ])
        let values = (0..<400).map {
            ProveBench.Value(price: Int64($0 + 1) * 10_000_000, size: 3_000_000)
        }
        func extra(_ place: Int, _ change: (inout Trade) -> Void) -> Trade {
            var trade = ProveBench.trade(values[place], place)
            trade.header.providerID = UInt64(place) + 10_000
            change(&trade)
            return trade
        }
        let scene = try ProveBench(
            "rules", [(ProveBench.symbol, values)],
            extras: [
                20: extra(20) { $0.header.providerID = 21 },
                30: extra(30) { $0.size = Quantity(raw: 1_000_000) },
                40: extra(40) { $0.conditions = ShortText("Z") ?? .empty },
                50: extra(50) { $0.header.flags = .snapshot },
                60: extra(60) { $0.price = .undefined },
            ], definition: definition)
        let found = try scene.explain("AAPL", "1m", "2023-11-14T22:13:30Z")
        #expect(found.code == .success, "\(found.json)")
        #expect(
            Self.verdicts(found) == [
                "counts": 160, "duplicate": 1, "volume_only_odd_lot": 1, "condition": 1,
                "snapshot": 1, "undefined": 1,
            ], "\(found.json)")
        #expect(Self.tick(found, "high")?["price"]?.string == "1.6")

        // The second bar of fifty ticks begins within the extra ones.
        let second = try scene.explain("AAPL", "n50", "2023-11-14T22:13:35Z")
        #expect(second.code == .success, "\(second.json)")
        #expect(second.json["bar"]?["trades"]?.int == 50)
        #expect(Self.verdicts(second)["counts"] == 50, "\(second.json)")
    }

    @Test("a bar of which nothing was proven is not in order; each outcome has its status")
    func statuses() throws {
        let key = ProofKey(
            symbol: SourceSymbol(
                try #require(Symbol(ProveBench.symbol)), of: try #require(SourceName("test0"))),
            series: try #require(SeriesName("1m")), openTime: 0, number: 0)
        typealias Case = (ExplainReport.Outcome, ExplainReport.Outcome, ExitCode, Bool)
        for (tape, tables, code, isUnproven) in [
            (.notAsked, .notAsked, .incomplete, true), (.equal, .notAsked, .success, false),
            (.notAsked, .equal, .success, false), (.notThere, .notAsked, .incomplete, false),
            (.differs(.missing, []), .notAsked, .failure, false),
        ] as [Case] {
            var report = ExplainReport(
                bar: ExplainedBar(key: key, closeTime: 60_000_000_000), stored: nil, row: nil,
                partition: Partition(0))
            (report.tape, report.tables) = (tape, tables)
            #expect(report.exitCode == code, "\(tape) \(tables)")
            let line = "  no proof: the stored ticks do not state lots"
            #expect(report.lines.contains(line) == isUnproven, "\(report.lines)")
            report.isTooNew = true
            let isTold = report.lines.contains { $0.contains("may be on their way") }
            #expect(isTold == report.isOnTape, "\(report.lines)")
        }
    }

    @Test("what makes no sense is refused with a line that says why")
    func refused() throws {
        let scene = try ProveBench("unexplained")
        for words in [
            ("1h", "2023-11-14T22:13:30Z"), ("1m", "2023-11-14T12:00:00Z"),
        ] {
            #expect(throws: ToolError.self) { try scene.explain("AAPL", words.0, words.1) }
        }
    }

    private static func verdicts(_ outcome: ProveBench.Outcome) -> [String: Int] {
        (outcome.json["ticks"]?.array ?? []).reduce(into: [:]) {
            $0[$1["verdict"]?.string ?? "", default: 0] += 1
        }
    }

    private static func tick(_ outcome: ProveBench.Outcome, _ role: String) -> JSONValue? {
        outcome.json["ticks"]?.array?.first { tick in
            tick["sets"]?.array?.contains { $0.string == role } == true
        }
    }
}
