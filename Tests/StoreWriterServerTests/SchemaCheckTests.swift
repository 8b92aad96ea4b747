import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StoreSinks
import TestSupport
import Testing

@testable import StoreWriter

@Suite("Tables that are not what the sinks write")
struct SchemaCheckTests {
    @Test("every column of every sink has a type to compare with")
    func complete() {
        for sink in SinkCatalogue.all {
            let types = ColumnTypes.of(sink.name)
            let written = SchemaCheck.writtenColumns(sink.copy)
            #expect(written.count > 5)
            for column in written { #expect(types[column] != nil, "\(sink.name) \(column)") }
        }
    }

    @Test(
        "the migrated schema is as expected, in all databases", arguments: DatabaseMode.all)
    func migrated(mode: DatabaseMode) throws {
        let database = try TestDatabase("check_migrated", mode: mode)
        try database.migrate()
        let writer = try database.connectWriter()
        try SchemaCheck(writer, timeout: patience).run(SinkCatalogue.all)
    }

    struct Change: Sendable, CustomTestStringConvertible {
        let sql: String
        let state: String
        let message: String
        var testDescription: String { sql }
    }

    @Test(
        "each difference is one line that names table, column, expected and found",
        arguments: [
            Change(
                sql: "ALTER TABLE trade_rows RENAME TO elsewhere", state: "42P01",
                message: "table trade_rows is missing"),
            Change(
                sql: "ALTER TABLE quote_rows DROP COLUMN bid_size", state: "42703",
                message: "table quote_rows has no column bid_size, which should be numeric"),
            Change(
                sql: "ALTER TABLE trade_rows RENAME price TO cost", state: "42703",
                message: "table trade_rows has no column price, which should be numeric"),
            Change(
                sql: "ALTER TABLE bars_short ALTER volume TYPE double precision", state: "42804",
                message: "table bars_short, column volume: expected numeric, "
                    + "found double precision"),
            Change(
                sql: "ALTER TABLE trade_rows ALTER price TYPE numeric(10,2)", state: "42804",
                message: "table trade_rows, column price: expected numeric, found numeric(10,2)"),
            Change(
                sql: "ALTER TABLE trade_rows ADD COLUMN desk text NOT NULL", state: "42804",
                message: "table trade_rows, column desk: expected none, found one that must be "
                    + "given and that this version does not know"),
        ])
    func differences(change: Change) throws {
        let number = change.sql.utf8.reduce(0) { ($0 &* 31 &+ Int($1)) & 0xffffff }
        let database = try TestDatabase.migrated("check_\(number)", mode: .plain)
        try database.psql(
            """
            DROP VIEW IF EXISTS stored_ticks, bars, stored_bars CASCADE;
            \(TestDatabase.withoutMarket); \(change.sql)
            """)
        let writer = try database.connectWriter()
        let error = #expect(throws: PostgresError.self) {
            try SchemaCheck(writer, timeout: patience).run(SinkCatalogue.all)
        }
        #expect(error?.sqlState?.rawValue == change.state)
        #expect(error?.category == .schema)
        #expect(error?.serverError?.message == change.message)
        // The session is still usable.
        try writer.expect("SELECT 1", "1")
    }

    @Test("columns of a person's own do no harm when they need no value")
    func additions() throws {
        let database = try TestDatabase.migrated("check_additions", mode: .plain)
        try database.psql(
            """
            ALTER TABLE trade_rows ADD COLUMN note text;
            ALTER TABLE trade_rows ADD COLUMN stored_at timestamptz NOT NULL DEFAULT now()
            """)
        let writer = try database.connectWriter()
        try SchemaCheck(writer, timeout: patience).run(SinkCatalogue.all)
    }

    @Test("a writer waits for the schema, says what is wrong, and tries no row")
    func writer() throws {
        let bench = try WriterBench("writer_check")
        var source = try bench.source(0)
        WriterBench.fill(&source, ticks: 20)
        try source.publish(watermark: .undefined)
        try bench.database.psql("ALTER TABLE trade_rows ADD COLUMN desk text NOT NULL")
        let running = try bench.start()
        #expect(
            eventually {
                running.reasons.contains {
                    $0.contains("table trade_rows, column desk: expected none, found one that must")
                }
            }, "\(running.reasons)")
        try bench.database.expect("SELECT count(*) FROM sink_positions", "0")
        try bench.database.psql("ALTER TABLE trade_rows DROP COLUMN desk")
        #expect(bench.isComplete([20]), "\(bench.shown)")
        try bench.stopAndAudit(running)
    }
}
