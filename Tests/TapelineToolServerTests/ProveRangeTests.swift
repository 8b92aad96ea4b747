import Foundation
import MarketModel
import OperatorGraph
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StreamCore
import TapeProtocol
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// Which bars are compared, and which ticks they are made of.
@Suite("tapeline prove: what is compared", .serialized) struct ProveRangeTests {
    private let values = (0..<400).map {
        ProveBench.Value(price: Int64($0 + 1) * 10_000_000, size: 3_000_000)
    }

    /// Returns two symbols of one partition.
    private func neighbours() throws -> [String] {
        let names = try #require(TapeNames(namespace: "md", partitions: 4))
        let wanted = names.partition(of: try #require(Symbol("AAPL")))
        let other = (0..<100).map { "N\($0)" }.first { name in
            Symbol(name).map { names.partition(of: $0) == wanted } ?? false
        }
        return ["AAPL", try #require(other)]
    }

    @Test("windows that are not over are told apart, by what feeds each symbol")
    func open() throws {
        let names = try neighbours()
        let scene = try ProveBench("open", names.map { ($0, values) }, open: [1])
        let all = Int64(scene.barCount)
        let found = try scene.prove()
        #expect(found.code == .success, "\(found.json)")
        for side in ["tables", "tape"] {
            #expect(found.count(side, "equal") == all, "\(side) \(found.json)")
            #expect(found.count(side, "missing") == 0 && found.count(side, "extra") == 0)
        }
        // The machine over the tape closed no more than the operator's did. The one over the tables
        // closes everything.
        #expect(found.count("tape", "not_over") == 0)
        #expect(found.count("tables", "not_over") == 51)
        let alone = try scene.prove("--table-only", names[1])
        #expect(alone.code == .success && alone.count("tables", "not_over") == 51)

        // A closed bar that was deleted is missing, even if no later bar of its symbol is stored.
        _ = try scene.bench.query(
            "DELETE FROM bars_short WHERE symbol = 'AAPL' AND ts >= '2023-11-14 22:14:50Z'")
        let gone = try scene.prove("AAPL")
        #expect(gone.code == .failure && gone.count("tape", "missing") == 10)
        #expect(gone.count("tables", "missing") == 10)
    }

    @Test("where there is no bar on either side nothing is proven, and it is said")
    func nothing() throws {
        let scene = try ProveBench("nothing")
        for arguments in [["NONE"], ["NONE", "--table-only"]] {
            let found = try scene.prove(arguments)
            #expect(found.code == .incomplete)
            #expect(found.json["outcome"]?.string == "nothing_compared")
        }
    }

    private func at(_ place: Int64) -> Timestamp {
        Timestamp(nanoseconds: ProveBench.start + place * ProveBench.second / 4)
    }

    /// Returns a trade of the thirtieth second.
    private func late(_ id: UInt64, received place: Int64) -> Trade {
        var trade = ProveBench.trade(ProveBench.Value(price: 123_000_000, size: 7_000_000), 120)
        trade.header.providerID = id
        trade.header.receiveTime = at(place)
        return trade
    }

    /// Returns a graph in which the one-second series comes after a node that removes duplicates
    /// and one that allows three trades a second. The one-minute series comes only after the first.
    private func stages(_ key: [TickField]) throws -> GraphDefinition {
        GraphDefinition(
            name: "stages",
            nodes: [
                GraphNode(
                    name: "unique", input: .ticks(.trade),
                    operation: .deduplicate(
                        DeduplicateRule(key: key, timeToLive: 3_600_000_000_000))),
                GraphNode(
                    name: "slow", input: .node(0),
                    operation: .throttle(ThrottleRule(count: 3, per: ProveBench.second))),
                GraphNode(
                    name: "seconds", input: .node(1),
                    operation: .bars(BarRule(series: try BarSeriesSet(["1s"])), calendar: nil)),
                GraphNode(
                    name: "minutes", input: .node(0),
                    operation: .bars(BarRule(series: try BarSeriesSet(["1m"])), calendar: nil)),
            ])
    }

    @Test(
        "behind nodes that leave ticks out, with duplicates, late ticks and duplicates of these",
        arguments: [[TickField.id], [TickField.id, .time]])
    func stages(key: [TickField]) throws {
        // The throttle lets the first one through instead of the next trade, but not the second.
        let late = late(9_001, received: 203)
        var again = late
        again.header.receiveTime = at(220)
        let double = ProveBench.trade(values[90], 90)
        let definition = try stages(key)
        let scene = try ProveBench(
            "stages\(key.count)", [("AAPL", values)],
            extras: [90: double, 202: late, 220: again, 240: self.late(9_002, received: 240)],
            definition: definition)
        let listed = try scene.bench.query(
            "SELECT string_agg(series, ' ' ORDER BY series) FROM late_ticks")
        #expect(listed == "1m 1m 1s unique unique")
        let found = try scene.prove()
        #expect(found.code == .success, "\(found.json)")
        for side in ["tables", "tape"] {
            #expect(found.count(side, "equal") == Int64(scene.barCount), "\(side)")
        }
        try expectAudit(scene, definition)

        // The throttle's last report of a second is in no bar.
        _ = try scene.bench.query(
            "UPDATE bars_short SET trades = trades + 1 "
                + "WHERE series = '1s' AND ts = '2023-11-14 22:14Z'")
        let changed = try scene.prove()
        #expect(changed.code == .failure)
        #expect(changed.count("tables", "differing") == 1)
        #expect(changed.count("tape", "differing") == 1)
    }

    @Test("numbers of aggregates prove from the tape; a changed, missing or added one is found")
    func numbers() throws {
        let rule = AggregateRule(
            bars: BarRule(series: try BarSeriesSet(["1s", "1m"])), functions: [.mean, .count])
        let minutes = BarRule(series: try BarSeriesSet(["1m"]))
        let scene = try ProveBench(
            "numbers", [("AAPL", values)], extras: [300: ProveBench.cancel],
            definition: GraphDefinition(
                name: "numbers",
                nodes: [
                    GraphNode(
                        name: "bars", input: .ticks(.trade),
                        operation: .bars(minutes, calendar: nil)),
                    GraphNode(
                        name: "stats", input: .ticks(.trade),
                        operation: .aggregate(rule, calendar: nil)),
                ]))
        let all = Int64(scene.valueCount)
        func expect(_ code: ExitCode, _ counts: [Int64]) throws {
            let found = try scene.prove()
            let kinds = ["equal", "differing", "missing", "extra", "not_checked"]
            #expect(kinds.map { found.count("values", $0) } == counts, "\(found.json)")
            #expect(found.code == code && found.count("tape", "equal") == Int64(scene.barCount))
        }
        #expect(all > 200)
        try expect(.success, [all, 0, 0, 0, 0])
        #expect(try scene.prove("--series", "1m").count("values", "equal") == -1)

        let name = "name = 'stats.1s.count'"
        let place = "\(name) AND period_start = '2023-11-14 22:13:40Z'"
        _ = try scene.bench.query("UPDATE indicators SET value = value + 1 WHERE \(place)")
        try expect(.failure, [all - 1, 1, 0, 0, 0])
        _ = try scene.bench.query(
            "CREATE TABLE kept AS SELECT * FROM indicators WHERE \(place); "
                + "DELETE FROM indicators WHERE \(place)")
        try expect(.failure, [all - 1, 0, 1, 0, 0])
        _ = try scene.bench.query(
            """
            UPDATE kept SET value = value - 1;
            INSERT INTO indicators SELECT * FROM kept;
            UPDATE kept SET ts = ts + interval '4 min',
                period_start_ns = period_start_ns + 240000000000,
                period_end_ns = period_end_ns + 240000000000;
            INSERT INTO indicators SELECT * FROM kept
            """)
        try expect(.failure, [all, 0, 0, 1, 0])

        // Of a window that was computed again it cannot be said which late ticks count.
        _ = try scene.bench.query(
            """
            DELETE FROM indicators WHERE ts >= '2023-11-14 22:17Z' AND \(name);
            UPDATE indicators SET value = value + 7
            WHERE \(name) AND period_start = '2023-11-14 22:13:50Z'
            """)
        try expect(.incomplete, [all - 1, 0, 0, 0, 1])
    }

    /// Expects that the audit's SQL computes the one-minute series when it is told the nodes before
    /// it, names what it does not compute, and notices a duplicate that counts.
    private func expectAudit(_ scene: ProveBench, _ definition: GraphDefinition) throws {
        #expect(definition.auditSetting == #"{"1s":null,"1m":["unique"]}"#)
        let known = try audit(scene, definition.auditSetting)
        #expect(known["bars_equal_sql"] == "2|2|t|not computed here but by tapeline prove: 1s")
        #expect(known["trades_counted_once"]?.contains("|t|") == true)
        let unknown = try audit(scene, "")
        #expect(
            unknown["bars_equal_sql"] == "0|0|t|not computed here but by tapeline prove: 1m, 1s")
        let wrong = try audit(scene, #"{"1s":null,"1m":[]}"#)
        #expect(wrong["bars_equal_sql"]?.hasPrefix("2|1|f|") == true, "\(wrong)")
        #expect(wrong["trades_counted_once"]?.contains("|f|") == true)
    }

    /// Returns the results of the shipped script, by check.
    private func audit(_ scene: ProveBench, _ graph: String) throws -> [String: String] {
        let script = try AuditScript.read(
            "\(ServerPrograms.checkout)/deploy/\(AuditScript.path)")
        var answers: [String: String] = [:]
        for check in script.checks where AuditScope.all.includes(check.reads) {
            let sql = AuditSlice.whole.fill(check.sql)
            let told = try scene.bench.query("SET tapeline.graph = '\(graph)'; \(sql)")
            answers[check.name] = told.split(separator: "\n").last.map { String($0) }
        }
        return answers
    }
}
