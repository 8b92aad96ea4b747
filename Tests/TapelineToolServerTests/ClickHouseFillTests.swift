import ClickHouseWire
import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TestSupport
import Testing

@testable import StoreWriter
@testable import TapelineTool
@testable import TapelineToolTests

/// A store of ClickHouse that is filled from one of PostgreSQL, with real writers of both.
@Suite(
    "tapeline store fill of a store of ClickHouse",
    .enabled(if: PythonServer.obstacle(of: "clickhouse") == nil))
struct ClickHouseFillTests {
    private func scene(_ name: String) throws -> ServerFillScene {
        try ServerFillScene(
            name, "store-b", kind: "clickhouse", front: "clickhouse_front.py", of: "clickhouse")
    }

    @Test("a hole is filled with the same rows, once, and the audit knows of it")
    func hole() throws {
        var scene = try scene("ch")
        let writer = try scene.first.startWriter()
        try AcceptBench.publish(&scene.source, packets: 10)
        let before = try scene.second.startWriter(scene.own)
        try scene.expect("50 50 1 50 1")
        #expect(try before.stop() == .success)
        try AcceptBench.publish(&scene.source, packets: 10)
        try scene.first.expectRows(0, "1-100")
        try scene.purge()
        try AcceptBench.publish(&scene.source, packets: 1)
        let after = try scene.second.startWriter(scene.own)
        try scene.expect("60 60 1 105 1")

        // A filling that was killed has left two of the rows.
        try scene.run(
            "INSERT INTO trades SELECT * REPLACE (t.ordinal + 10 AS ordinal) FROM trades AS t "
                + "WHERE t.ordinal BETWEEN 49 AND 50")
        try scene.expect("62 62 1 105 1")
        let shown = try Said(["position", "show", "--group", "store-b"], scene.environment)
        #expect(shown.code == .success && shown.output.contains("holds"), "\(shown.output)")
        let held = try Said(["position", "verify", "--group", "store-b"], scene.environment)
        #expect(held.code == .success, "\(held.output) \(held.errors)")
        let fill = ["store", "fill", "store-b", "--from", "store"]
        let dry = try Said(fill + ["--dry-run"], scene.environment)
        #expect(dry.code == .pending, "\(dry.output) \(dry.errors)")
        let said = try Said(fill, scene.environment)
        #expect(said.code == .success, "\(said.output) \(said.errors)")
        try scene.expect("105 105 1 105 1")
        let again = try Said(fill, scene.environment)
        #expect(again.code == .success, "\(again.output) \(again.errors)")
        #expect(
            try scene.rows(
                "SELECT concat(toString(first_ordinal), '-', toString(last_ordinal), ' ', "
                    + "toString(rows), ' ', from_store) FROM fills") == ["51-95 45 store"])
        // Copies know when the tape had them, as rows of the writer do.
        #expect(
            try scene.rows(
                "SELECT toString(countIf(taken_at > receive_time)) FROM trades "
                    + "WHERE ordinal NOT BETWEEN 59 AND 60") == ["103"])

        // The writer works on, and the audit counts what was copied.
        try AcceptBench.publish(&scene.source, packets: 1)
        try scene.expect("110 110 1 110 1")
        #expect(try after.stop() == .success && writer.stop() == .success)
        // Rows of a table that was switched off count, too.
        for changes: [String: String] in [[:], ["STORE_TABLES": "quotes"]] {
            let audit = try scene.command("audit", changes)
            #expect(audit.code == .success, "\(audit.said)")
        }
    }

    @Test("a beginning is filled")
    func beginning() throws {
        var scene = try scene("chbegin")
        let writer = try scene.first.startWriter()
        try AcceptBench.publish(&scene.source, packets: 10)
        try scene.first.expectRows(0, "1-50")
        try scene.purge()
        let own = try scene.second.startWriter(scene.own)
        try AcceptBench.publish(&scene.source, packets: 1)
        try scene.expect("10 10 46 55 1")
        let said = try Said(
            ["store", "fill", "store-b", "--from", "store"], scene.environment)
        #expect(said.code == .success, "\(said.output) \(said.errors)")
        try scene.expect("55 55 1 55 1")
        #expect(try own.stop() == .success && writer.stop() == .success)
    }

    @Test("a row that was refused is stored when it is taken, once, and the audit counts it")
    func letters() throws {
        var scene = try scene("chletters")
        try scene.run("ALTER TABLE trades ADD CONSTRAINT odd CHECK ordinal != 3")
        let own = try scene.second.startWriter(scene.own)
        try AcceptBench.publish(&scene.source, packets: 1)
        try scene.expect("4 4 1 5 1")
        let replay = ["dlq", "replay", "--all"]
        let refused = try Said(replay, scene.environment)
        #expect(refused.code == .failure && refused.output.contains("refused again"))
        try scene.run("ALTER TABLE trades DROP CONSTRAINT odd")
        for words in ["1 dead letter: 1 stored", "1 dead letter: 1 present"] {
            let said = try Said(replay, scene.environment)
            #expect(said.code == .success && said.output.contains(words), "\(said.output)")
            try scene.expect("5 5 1 5 1")
        }
        #expect(try own.stop() == .success)
        let audit = try scene.command("audit")
        #expect(audit.code == .success, "\(audit.said)")
    }

    @Test("what cannot be filled is refused in one line")
    func refused() throws {
        let scene = try scene("chrefuse")
        var environment = scene.first.environment
        environment["FROM_STORE_KIND"] = "clickhouse"
        environment["FROM_CLICKHOUSE_URL"] = scene.own["CLICKHOUSE_URL"]
        let back = complaint {
            _ = try Said(["store", "fill", "store", "--from", "store-b"], environment)
        }
        #expect(back.contains("store-b is a store of ClickHouse"), "\(back)")
        let empty = complaint {
            _ = try Said(["store", "fill", "store-b", "--from", "store"], scene.environment)
        }
        #expect(empty.contains("store store-b has read nothing yet"), "\(empty)")
        let other = complaint {
            _ = try Said(["position", "accept", "--yes"], scene.environment)
        }
        #expect(other.contains("store-b is a store of ClickHouse"), "\(other)")
        #expect([back, empty, other].allSatisfy { !$0.contains("\n") })
    }
}

extension ServerFillScene {
    private var client: ClickHouseClient {
        get throws {
            try ClickHouseClient(
                ClickHouseClient.Settings(
                    url: own["CLICKHOUSE_URL"] ?? "", user: "default", password: nil,
                    database: "market_data")
            ) { _ in }
        }
    }

    fileprivate func run(_ sql: String) throws { try client.run(sql) }

    fileprivate func rows(_ sql: String) throws -> [String] {
        var answer = try client.ask(sql)
        var rows: [String] = []
        while !answer.isOver { rows.append(try answer.text()) }
        return rows
    }

    /// Rows, ordinals, the first and the last one, and how many rows differ in what all of
    /// them have in common.
    fileprivate func shown() throws -> String {
        try rows(
            """
            SELECT concat(toString(count()), ' ', toString(uniqExact(ordinal)), ' ',
                toString(min(ordinal)), ' ', toString(max(ordinal)), ' ',
                toString(uniqExact((symbol, price, size, exchange, conditions, action, flags,
                    time_resolution, provider, of_source, provider_id, source, partition))))
            FROM trades
            """
        ).first ?? ""
    }

    fileprivate func expect(_ wanted: String, _ location: SourceLocation = #_sourceLocation) throws
    {
        try first.expect(wanted, location) { try shown() }
    }
}
