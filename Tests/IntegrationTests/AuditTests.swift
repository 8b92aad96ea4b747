import Foundation
import TestSupport
import Testing

extension IntegrationTests.StoredTests {
    /// The audit must find every kind of damage that it checks for.
    @Suite struct AuditTests {
        /// A change to the tables, and the checks that must report it.
        private struct Damage {
            let name: String
            let sql: String
            let noticed: Set<String>
        }

        private static let oneTrade =
            "(source, partition, ordinal) IN (SELECT source, partition, ordinal FROM trades "
            + "ORDER BY event_time_ns, ordinal OFFSET 100 LIMIT 1)"
        private static let oneBar =
            "(symbol, series, ts) IN (SELECT symbol, series, ts FROM bars WHERE series = '1m' "
            + "AND trades > 1 ORDER BY ts, symbol LIMIT 1)"

        private static let laterGeneration =
            "(SELECT min(ts) + interval '2 minutes' FROM bars WHERE series = '1m')"

        private static let damages = [
            Damage(
                name: "a lost trade", sql: "DELETE FROM trade_rows WHERE \(oneTrade)",
                noticed: [
                    "ticks_stored_once", "rows_as_booked", "bars_equal_sql", "trades_counted_once",
                ]),
            Damage(
                name: "a trade twice",
                sql: "INSERT INTO trades SELECT * FROM trades WHERE \(oneTrade)",
                noticed: [
                    "ticks_stored_once", "rows_as_booked", "bars_equal_sql", "trades_counted_once",
                ]),
            Damage(
                name: "a lost quote",
                sql: "DELETE FROM quotes WHERE (partition, ordinal) IN "
                    + "(SELECT partition, ordinal FROM quotes ORDER BY 1, 2 LIMIT 1)",
                noticed: ["ticks_stored_once", "rows_as_booked"]),
            Damage(
                name: "another price",
                sql: "UPDATE trade_rows SET price = price + 1000 WHERE \(oneTrade)",
                noticed: ["bars_equal_sql"]),
            Damage(
                name: "a vwap that is off by the last digit",
                sql: "UPDATE bars_short SET vwap = vwap + 0.000000001 WHERE \(oneBar)",
                noticed: ["bars_equal_sql"]),
            Damage(
                name: "a lost bar", sql: "DELETE FROM bars_short WHERE \(oneBar)",
                noticed: ["bars_stored", "trades_counted_once"]),
            Damage(
                name: "a bar that took another's place, and none was there",
                sql: "UPDATE bars_short SET replaced = replaced + 1 WHERE \(oneBar)",
                noticed: ["bars_stored", "versions_stored"]),
            Damage(
                name: "bars that are gone; that their series began later is none",
                sql: "WITH later AS (UPDATE bars_short SET generation = generation + 1 "
                    + "WHERE ts >= \(laterGeneration)) DELETE FROM bars_short "
                    + "WHERE series = '1m' AND ts < \(laterGeneration)",
                noticed: ["bars_stored"]),
            Damage(
                name: "a bar of nothing",
                sql: "UPDATE bars_short SET open_time_ns = open_time_ns - 86400000000000000, "
                    + "close_time_ns = close_time_ns - 86400000000000000 WHERE \(oneBar)",
                noticed: ["bars_equal_sql", "trades_counted_once"]),
            Damage(
                name: "a book that says too much",
                sql: "UPDATE sink_source_ordinals SET written = written + 1 "
                    + "WHERE input = 'ticks' AND partition = (SELECT min(partition) FROM trades)",
                noticed: ["rows_as_booked", "books_balanced"]),
            Damage(
                name: "a book of the bars that says too little",
                sql: "UPDATE sink_source_ordinals SET written = written - 1 "
                    + "WHERE input = 'bars' AND partition = (SELECT min(partition) FROM bars)",
                noticed: ["bars_stored", "books_balanced"]),
        ]

        @Test("Whatever is wrong with a row is noticed, by the checks that are about it, and shown")
        func damage() throws {
            let pipeline = try Pipeline.stored()
            let audit = try Audit()
            for damage in Self.damages {
                let findings = try audit.run(
                    on: pipeline.postgres, database: pipeline.database,
                    schema: Pipeline.namespace, spoil: damage.sql)
                let wrong = findings.filter { !$0.isRight }
                #expect(Set(wrong.map(\.name)) == damage.noticed, "\(damage.name): \(findings)")
                #expect(wrong.allSatisfy { !$0.detail.isEmpty }, "\(damage.name): \(wrong)")
            }
            try expectPersonsView(pipeline)
        }

        /// Runs the script in psql, as documented.
        private func expectPersonsView(_ pipeline: Pipeline) throws {
            let text = try pipeline.postgres.psql(
                file: Audit.path, variables: ["schema=\(Pipeline.namespace)"],
                database: pipeline.database)
            for check in try Audit().checks {
                #expect(text.contains("\(check.name): \(check.sentence)\n"))
            }
            let rows = text.split(separator: "\n").filter { $0.contains("|") }
            #expect(rows.count == (try Audit().checks.count))
            #expect(rows.allSatisfy { $0.contains("|t|") }, "\(text)")
        }

        @Test("An empty database is in order, and says that nothing was found")
        func empty() throws {
            let pipeline = try Pipeline.stored()
            let empty = try pipeline.postgres.createDatabase(
                "\(pipeline.database)_empty", timescale: true)
            try pipeline.migrate(empty)
            let findings = try Audit().run(
                on: pipeline.postgres, database: empty, schema: Pipeline.namespace)
            #expect(findings.count >= 6)
            #expect(findings.allSatisfy { $0.isRight && $0.found == 0 }, "\(findings)")
        }
    }
}
