import MarketModel
import Membership
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StoreSinks
import TapeCodec
import TapeKeeping
import TestSupport
import Testing

@testable import StoreWriter

@Suite("One schema in all databases")
struct DatabaseModeTests {
    @Test("each says what it is", arguments: DatabaseMode.all)
    func detected(mode: DatabaseMode) throws {
        let database = try TestDatabase.migrated("mode_detected", mode: mode)
        let writer = try database.connectWriter()
        let profile = try DatabaseProfile.read(on: writer, timeout: patience)
        #expect(profile.mode == mode.name)
        #expect(profile.serverVersion.hasPrefix(mode == .packaged ? "18." : "17."))
        #expect((profile.timescaleVersion == nil) == mode.isPlain)
        let licences: [DatabaseMode: String] = [.apache: "apache", .community: "timescale"]
        #expect(profile.license == licences[mode])
        // An extension that is installed later changes no table.
        guard mode == .plain else { return }
        try database.psql("CREATE EXTENSION timescaledb")
        try database.migrate()
        try database.expect("SELECT mode FROM store_mode()", "plain")
    }

    @Test("a copy for a test is as a migrated database", arguments: DatabaseMode.all)
    func copied(mode: DatabaseMode) throws {
        func dump(_ database: TestDatabase) throws -> String {
            let text = try run(
                try mode.edition.program("pg_dump"),
                ["-h", "127.0.0.1", "-p", "\(database.server.port)", "-U", PostgresServer.user]
                    + ["--schema-only", database.name],
                environment: ["PGPASSWORD": PostgresServer.password])
            let ledger = try database.psql("SELECT version, name, checksum FROM schema_migrations")
            // A word at random protects each dump.
            return text.replacing(/\n\\(un)?restrict \w+/, with: "")
                .replacing(database.name, with: "DATABASE") + ledger
        }
        let copy = try TestDatabase.migrated("mode_copied", schema: "renamed", mode: mode)
        let migrated = try TestDatabase("mode_migrated", schema: "renamed", mode: mode)
        try migrated.migrate()
        let (found, expected) = (try dump(copy), try dump(migrated))
        #expect(found.count > 100_000)
        #expect(found == expected)
    }

    @Test("the writer's role has no right to change a table", arguments: DatabaseMode.all)
    func rights(mode: DatabaseMode) throws {
        let database = try TestDatabase.migrated("mode_rights", mode: mode)
        try database.psql("SELECT make_time_partition('trades', now())")
        try database.insertTrades(3, from: "now()")
        // The tables that hold the rows: partitions or chunks.
        let part = try database.psql("SELECT DISTINCT tableoid::regclass FROM trade_rows")
        let writer = try database.connectWriter()
        for forbidden in [
            "CREATE TABLE mine (i integer)", "DROP TABLE trade_rows", "DROP VIEW trades",
            "DROP TABLE \(part)", "ALTER TABLE trade_rows ADD COLUMN i integer",
            "ALTER TABLE trade_rows RENAME TO others",
            "ALTER TABLE \(part) ADD COLUMN i integer", "TRUNCATE trade_rows", "TRUNCATE \(part)",
            "UPDATE trades SET price = 2", "UPDATE \(part) SET price = 2", "DELETE FROM trades",
            "DELETE FROM \(part)", "CREATE INDEX mine ON trade_rows (ordinal)",
            "INSERT INTO retired_rows VALUES ('trades', 'ticks', 's', 0, 1, 0, 1, now())",
            "DELETE FROM retired_rows", "SELECT note_retired('trades', 'SELECT 1', now())",
            "DROP FUNCTION store_mode()", "DROP SCHEMA md CASCADE",
            "TRUNCATE bars_short", "DROP TABLE bars_short", "DELETE FROM schema_migrations",
            "ALTER TABLE bars_short ADD COLUMN i integer", "DELETE FROM sink_positions",
            "UPDATE sink_positions SET sequence = 0",
            "INSERT INTO sink_source_ordinals VALUES ('a', 'bars', 1, 's', 1, 1)",
            // A writer makes no backup up.
            "SELECT note_backup('base')", "INSERT INTO backups VALUES ('log', now())",
            "ALTER FUNCTION make_time_partition(text, timestamptz) OWNER TO \(database.writer)",
        ] {
            writer.refusal(of: forbidden, .insufficientPrivilege)
        }
        try database.expect("SELECT count(*), sum(price) FROM trades", "3|3")
        try writer.execute("SELECT count(*) FROM schema_migrations, sink_audit")
        try writer.execute("SELECT note_export(now(), 5, 'x')")
        try database.expect("SELECT kind, bytes FROM backups", "tape|5")
        // No other role may move positions. The two only compute, for whoever may insert ticks.
        try database.expect(
            """
            SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
            WHERE n.nspname = 'md' AND has_function_privilege('public', p.oid, 'EXECUTE')
                AND p.proname NOT IN ('rest_ns', 'low_bits')
            """, "0")
    }

    @Test("a caller's own tables and schemas do not stand in for the functions'")
    func pinned() throws {
        let database = try TestDatabase.migrated("mode_pinned", mode: .plain)
        try database.insertTrades(1, from: "now()")
        let writer = try database.connect(database.writer)
        try writer.script(
            """
            CREATE TEMP TABLE trade_rows (ts timestamptz); CREATE TEMP TABLE retired_rows (i int);
            CREATE TEMP TABLE sink_positions (sink text, input text, partition int);
            CREATE FUNCTION pg_temp.time_tables() RETURNS TABLE (table_name text, shape text)
            LANGUAGE sql AS $$ SELECT 'sink_positions', 'native' $$;
            SET search_path TO pg_temp, public
            """)
        try writer.execute("SELECT md.make_time_partition('trades', '2005-06-07Z')")
        try database.expect("SELECT to_regclass('md.trade_rows_p20050607') IS NOT NULL", "t")
        writer.refusal(of: "SELECT md.make_time_partition('sink_positions', now())", .notByTime)
        try writer.expect("SELECT owner_epoch FROM md.claim_position('store', 'ticks', 3, 1)", "1")
        try database.expect("SELECT count(*) FROM md.sink_positions", "1")
    }

    @Test(
        "the Community edition compresses by the age that the migration was given",
        .enabled(
            if: PostgresServer.Edition.hasCommunity,
            "not run: TEST_TIMESCALE_COMMUNITY names no server with TimescaleDB's Community edition"
        ))
    func compression() throws {
        let database = try TestDatabase("mode_compression", mode: .community)
        func ages() throws -> String {
            try database.psql(
                """
                SELECT coalesce(string_agg(DISTINCT config->>'compress_after', ','), '')
                FROM timescaledb_information.jobs
                WHERE proc_name = 'policy_compression' AND hypertable_schema = 'md'
                """)
        }
        func jobs() throws -> String {
            try database.psql(
                """
                SELECT string_agg(job_id::text, ',' ORDER BY job_id)
                FROM timescaledb_information.jobs WHERE hypertable_schema = 'md'
                """)
        }
        let week = Migrator.Wishes(compressAfter: .seconds(7 * 86_400), dailyBars: true)
        try database.migrate(wishes: week)
        let age = try ages()
        #expect(age == "7 days" || age == "168:00:00", "\(age)")
        let before = try jobs()
        // A second run, and one without settings, leave the jobs unchanged.
        try database.migrate(wishes: week)
        try database.migrate()
        #expect(try jobs() == before)
        try database.psql(Self.oldBars)
        try database.psql(
            "SELECT public.compress_chunk(c) FROM public.show_chunks('bars_short') AS c")
        // Late rows are stored among compressed rows, too.
        let late = try database.connectWriter()
        let changed = try late.execute(
            """
            INSERT INTO bars_short AS bars (symbol, series, ts, close, volume, notional, trades,
                open_time_ns, close_time, close_time_ns, revision, source, partition, ordinal)
            VALUES ('A', '1m', '2024-03-05 00:07Z', 99, 1, 1, 1, 1, now(), 1, 1000, 's', 0, 1000)
            ON CONFLICT (symbol, series, ts, number, source) DO UPDATE
            SET close = excluded.close, revision = excluded.revision
            WHERE excluded.revision > bars.revision
            """
        ).affectedRows
        #expect(changed == 1)
        try database.expect("SELECT count(*), max(close) FROM bars", "20|99")
        try database.expect("SELECT trades, close FROM bars_daily", "20|20")
        try database.migrate(wishes: Migrator.Wishes(compressAfter: .zero, dailyBars: false))
        #expect(try ages() == "")
        try database.expect("SELECT to_regclass('bars_daily') IS NULL", "t")
        try database.expect("SELECT count(*) FROM bars", "20")
    }

    private static let oldBars = """
        INSERT INTO bars_short (symbol, series, ts, open, high, low, close, volume, notional,
            trades, open_time_ns, close_time, close_time_ns, revision, source, partition, ordinal)
        SELECT 'A', '1m', '2024-03-05Z'::timestamptz + n * interval '1 minute', 1, 1, 1, n, 1, 1, 1,
            1, now(), 1, n, 's', 0, n FROM generate_series(1, 20) AS n
        """

    // MARK: the same data in, the same rows out

    @Test("the same tape makes the same rows in all of them")
    func sameRows() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "wmodes")
        try publish(on: tape)
        var contents: [DatabaseMode: [String]] = [:]
        for mode in DatabaseMode.all {
            let bench = try WriterBench(
                tape, try TestDatabase("writer_modes", schema: "wmodes", mode: mode))
            try accept(bench.database, on: tape)
            let running = try bench.start()
            try bench.database.expectSoon(
                "SELECT coalesce(sum(last_ordinal), 0) FROM sink_source_ordinals", "1188",
                "\(mode): \(running.reasons)")
            try bench.stopAndAudit(running)
            contents[mode] = try checksums(bench.database)
        }
        let plain = try #require(contents[.plain])
        #expect(plain.contains { $0.hasPrefix("trade_rows|") && !$0.hasPrefix("trade_rows|0|") })
        #expect(plain.contains { $0.hasPrefix("bars_short|11|") }, "\(plain)")
        for mode in DatabaseMode.all { #expect(contents[mode] == plain, "\(mode)") }
    }

    /// Takes the server of a database for the one that has the tape's rows, as 'tapeline database
    /// accept' does: the modes are of several servers.
    private func accept(_ database: TestDatabase, on tape: TestTape) throws {
        let store = try DatabaseServerStore(tape.client, of: .store)
        let stored = try store.read()
        guard var server = stored.server else { return }
        let system = try database.psql("SELECT system_identifier FROM pg_control_system()")
        server.system = try #require(UInt64(system))
        guard case .stored = try store.write(server, after: stored) else {
            Issue.record("the record was not written")
            return
        }
    }

    /// Publishes ticks of two partitions over two days, some without a time, and bars with a later
    /// revision.
    private func publish(on tape: TestTape) throws {
        for partition in [0, 1] {
            var source = TestSource(
                tape, Partition(partition), source: try #require(SourceName("desk")))
            try source.define(partition == 0 ? "AAPL" : "日経\\225", provider: "test")
            for packet in 0..<20 {
                WriterBench.fill(&source, ticks: 25)
                if packet % 5 == 0 { try appendOdd(to: &source, number: Int64(packet)) }
                try source.publish(watermark: .undefined)
            }
            for _ in 0..<20 {
                WriterBench.fill(&source, ticks: 4)
                try source.publish(watermark: .undefined)
            }
        }
        var bars = TestSource(tape, Partition(1), source: .operator, kind: .bars)
        let symbol = try bars.define("AAPL", provider: "test", of: "desk")
        let series = try bars.define(series: "1s")
        for number in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 3] as [Int64] {
            let open = WriterBench.start + number * 1_000_000_000
            bars.append(Bar(from: open, symbol: symbol, series: series, close: Price(raw: number)))
            try bars.publish(watermark: .undefined)
        }
    }

    /// Appends a tick after midnight, and one without a time, which belongs to the first day of
    /// 1970.
    private func appendOdd(to source: inout TestSource, number: Int64) throws {
        for time in [
            Timestamp(nanoseconds: WriterBench.start + 7_000_000_000_000 + number), .undefined,
        ] {
            let header = TickHeader(symbol: 0, providerTime: time, receiveTime: time)
            source.append(
                Trade(header: header, price: Price(raw: .min + number + 1), size: .undefined))
        }
    }

    private func checksums(_ database: TestDatabase) throws -> [String] {
        let tables = try database.psql(
            """
            SELECT table_name FROM time_tables() UNION ALL SELECT 'sink_source_ordinals' ORDER BY 1
            """
        ).split(separator: "\n").map(String.init)
        return try tables.map { table in
            "\(table)|"
                + (try database.psql(
                    """
                    SELECT count(*),
                        coalesce(md5(string_agg(t::text, chr(10) ORDER BY t::text)), '')
                    FROM \(table) AS t
                    """))
        }
    }
}
