import Foundation
import PostgresClient
import Synchronization
import TestSupport
import Testing

@testable import StoreWriter

@Suite("Bars that were stored before their source was part of the key")
struct BarMoveTests {
    /// The columns of an earlier release.
    private static let columns = """
        symbol, series, ts, number, open, high, low, close, volume, vwap, notional, trades,
        excluded, excluded_condition, excluded_odd_lot, excluded_filter, excluded_undefined,
        open_time_ns, close_time, close_time_ns, generation, revision, reason, partial,
        mixed_providers, source, partition, ordinal, replaced
        """
    private static let content = """
        SELECT count(*), md5(string_agg(b::text, ',' ORDER BY symbol, series, ts, number))
        FROM (SELECT \(columns) FROM bars) AS b
        """
    /// All but the bar that is corrected.
    private static let others = """
        \(content) WHERE (symbol, series, ts) <> ('A2', '1m', '2024-03-06 10:00Z')
        """

    /// Returns a database of the release before, with three days of bars of two sources and with
    /// their books. With TimescaleDB's Community edition the first two days are compressed.
    private func earlier(_ name: String, _ mode: DatabaseMode) throws -> TestDatabase {
        let database = try TestDatabase(name, mode: mode)
        let folder = try TemporaryFolder("migrations")
        try database.migrate(try TestDatabase.shipped(before: "bars_by_source", in: folder))
        if mode == .plain {
            let migrator = try database.connect(
                database.migrator, searchPath: database.schema.searchPath)
            for day in 5...7 {
                try migrator.execute(
                    """
                    CREATE TABLE bars_p2024030\(day) PARTITION OF bars
                    FOR VALUES FROM ('2024-03-0\(day)Z') TO ('2024-03-0\(day + 1)Z')
                    """, timeout: patience)
            }
        }
        try database.psql(Self.insert)
        if mode == .community {
            try database.psql(
                """
                ALTER TABLE bars SET (timescaledb.compress,
                    timescaledb.compress_segmentby = 'symbol, series',
                    timescaledb.compress_orderby = 'ts, number');
                SELECT compress_chunk(c)
                FROM show_chunks('bars', older_than => '2024-03-07Z'::timestamptz) AS c
                """)
        }
        return database
    }

    private static let insert = """
        INSERT INTO bars (symbol, series, ts, number, open, high, low, close, volume, vwap,
            notional, trades, open_time_ns, close_time, close_time_ns, revision, source, partition,
            ordinal, replaced)
        SELECT symbol, series, ts, number, open, open, open, open, trades, open, trades, trades,
            (extract(epoch FROM ts) * 1000000000)::bigint, ts + width,
            (extract(epoch FROM ts + width) * 1000000000)::bigint, ordinal,
            CASE symbol WHEN 'A1' THEN 'x' ELSE 'y' END, 0, ordinal, 0
        FROM (SELECT *, row_number() OVER (ORDER BY series, symbol, ts) AS ordinal FROM (
            SELECT symbol, '1m' AS series, ts, 0 AS number, interval '1 minute' AS width,
                CASE WHEN extract(minute FROM ts) = 7 THEN NULL ELSE 1 END AS open,
                CASE WHEN extract(minute FROM ts) IN (7, 9) THEN 0 ELSE 1 END AS trades
            FROM unnest(ARRAY['A1', 'A2', 'A3']) AS symbol,
                generate_series('2024-03-05Z'::timestamptz, '2024-03-07 23:59Z', '1 minute') AS ts
            UNION ALL
            SELECT symbol, 'rth1d', ts, 0, interval '6 hours', 1, 1
            FROM unnest(ARRAY['A1', 'A2', 'A3']) AS symbol,
                generate_series('2024-03-05 14:30Z'::timestamptz, '2024-03-07 23:59Z', '1 day')
                    AS ts
            UNION ALL
            SELECT 'A1', 't500', '2024-03-06 15:00Z', 3, interval '2 hours', 1, 1
            UNION ALL
            SELECT 'A1', 'pause', '2024-03-06 15:00:07Z', 0, interval '2 hours', 1, 1) AS b) AS b;
        INSERT INTO sink_positions (sink, input, partition, owner_epoch)
        VALUES ('store', 'bars', 0, 1);
        INSERT INTO sink_source_ordinals (sink, input, partition, source, first_ordinal,
            last_ordinal, written)
        SELECT 'store', 'bars', 0, 'operator', 1, max(ordinal), count(*) FROM bars
        """

    /// A later version of one of the old bars, as a writer of today stores it.
    private static let correction = """
        SELECT note_series('{1m}', '{f}'), make_time_partition('bars_short', '2024-03-06Z');
        INSERT INTO bars_short (symbol, series, ts, close, volume, notional, trades, open_time_ns,
            close_time, close_time_ns, revision, source, partition, ordinal)
        VALUES ('A2', '1m', '2024-03-06 10:00Z', 99, 1, 1, 1, 1, '2024-03-06 10:01Z', 1, 99999, 'y',
            0, 99999);
        UPDATE sink_source_ordinals SET last_ordinal = 99999, written = written + 1,
            skipped = 99999 - last_ordinal - 1
        """

    private func expectTrue(_ database: TestDatabase) throws {
        let audit = try Audit.check("bars_stored", in: database)
        #expect(audit.hasSuffix("|t|"), "\(audit)")
    }

    /// Moves all that is left, in portions of 1,000 rows.
    private func moveRest(_ database: TestDatabase) throws {
        let session = try database.connectWriter()
        let mover = BarMover(database: session, rowsMax: 1_000)
        for part in try mover.left() ?? [] {
            var work = try mover.begin(part)
            let isDone = try mover.move(&work) { true }
            #expect(isDone)
            try expectTrue(database)
        }
        try mover.end()
        #expect(try mover.left() == nil)
    }

    @Test(
        "they are moved a few at a time: the view shows each once, the books are true all the time",
        arguments: DatabaseMode.here)
    func moved(mode: DatabaseMode) throws {
        let database = try earlier("bars_moved", mode)
        let (before, others) = try (
            database.psql(Self.content), database.psql(Self.others)
        )
        try database.migrate()
        #expect(try database.psql(Self.content) == before)
        try expectTrue(database)
        // What the new tables have hides the old row.
        try database.psql(Self.correction)
        let corrected =
            "SELECT count(*), max(close) FROM bars WHERE symbol = 'A2' AND series = '1m'"
        #expect(try database.psql(corrected) == "4320|99")
        try expectTrue(database)
        // A mover that ends after a portion leaves nothing to mend.
        let first = BarMover(database: try database.connectWriter(), rowsMax: 1_000)
        let parts = try #require(try first.left())
        #expect(parts.count >= 3)
        var work = try first.begin(parts[0])
        let isDone = try first.move(&work) { false }
        #expect(!isDone)
        #expect(try database.psql("SELECT count(*) > 0 FROM bars_before") == "t")
        #expect(try database.psql("SELECT count(*) > 0 FROM bars_short") == "t")
        #expect(try database.psql(corrected) == "4320|99")
        try expectTrue(database)
        try moveRest(database)
        #expect(try database.psql(corrected) == "4320|99")
        #expect(try database.psql(Self.others) == others)
        try expectTables(database)
        try database.migrate()
        try expectTrue(database)
    }

    /// Expects that each row is in its table, as it was, with the new columns.
    private func expectTables(_ database: TestDatabase) throws {
        #expect(
            try database.psql("SELECT replaced, revision FROM bars WHERE revision = 99999")
                == "1|99999")
        #expect(
            try database.psql(
                "SELECT count(*), count(DISTINCT series), min(series) FROM bars_long")
                == "9|1|rth1d")
        // The ticks end these windows, also where one of two hours has no number.
        #expect(
            try database.psql("SELECT DISTINCT series FROM bars_short ORDER BY 1")
                == "1m\npause\nt500")
        // Minutes 7 of an hour had no prices and no volume, minutes 9 were filled.
        #expect(
            try database.psql(
                """
                SELECT count(*) FILTER (WHERE withdrawn), count(*) FILTER (WHERE filled),
                    count(lateness_ns), count(known_at) FROM bars
                """) == "216|216|0|0")
        #expect(
            try database.psql(
                """
                SELECT count(*) FROM bars_standing WHERE NOT withdrawn
                """) == "\(3 * 4_320 + 11 - 216)")
    }

    @Test("an older version that comes to the new tables gives way to the one that is moved")
    func olderVersion() throws {
        let database = try earlier("bars_older", .plain)
        try database.migrate()
        let before = try database.psql(Self.content)
        try database.psql(
            Self.correction.replacing("99999, 'y',\n    0, 99999)", with: "0, 'y', 0, 0)"))
        try moveRest(database)
        #expect(
            try database.psql("SELECT sum(replaced), count(*) FILTER (WHERE close = 99) FROM bars")
                == "1|0")
        try database.psql("UPDATE bars_short SET replaced = 0")
        #expect(try database.psql(Self.content) == before)
    }

    @Test("a mover that paused continues without reading the partition again")
    func pause() throws {
        let database = try earlier("bars_pause", .plain)
        try database.migrate()
        let mover = BarMover(database: try database.connectWriter(), rowsMax: 1_000)
        let part = try #require(try mover.left()?.first)
        var work = try mover.begin(part)
        var rounds = 0
        while try !mover.move(&work, mayContinue: { false }) { rounds += 1 }
        // Three symbols of a minute a day, and a session of each.
        #expect(work.rows == 3 * 1_440 + 3)
        #expect(rounds >= 3)
        #expect(try mover.left()?.contains(part) == false)
    }

    @Test(
        "the old table stays while it has a row, whatever its shape", arguments: DatabaseMode.here)
    func rowsLeft(mode: DatabaseMode) throws {
        let database = try earlier("bars_left", mode)
        try database.migrate()
        #expect(try database.psql("SELECT end_moving()") == "f")
        #expect(try database.psql("SELECT count(*) > 0 FROM bars_before") == "t")
        #expect(
            try database.psql(
                "SELECT bytes > 0 FROM store_sizes() WHERE table_name = 'bars_before'") == "t")
    }

    /// The statements of docs/upgrade.md. The older release is applied again by the caller.
    private func wayBack() throws -> String {
        let page = try String(
            contentsOfFile: "\(ServerPrograms.checkout)/docs/upgrade.md", encoding: .utf8)
        let chapter = try #require(
            page.components(separatedBy: "### The way back from bars by source").dropFirst().first)
        let code = try #require(chapter.components(separatedBy: "```sql").dropFirst().first)
        return try #require(code.components(separatedBy: "```").first)
    }

    @Test(
        "there, back as the page says, and there again: every bar once",
        arguments: DatabaseMode.here)
    func thereAndBack(mode: DatabaseMode) throws {
        let database = try earlier("bars_back", mode)
        let before = try database.psql(Self.content)
        try database.migrate()
        try moveRest(database)
        // A void bar of another source, with a later version.
        try database.psql(
            """
            INSERT INTO bars_short (symbol, series, ts, volume, notional, trades, open_time_ns,
                close_time, close_time_ns, revision, source, partition, ordinal, withdrawn)
            VALUES ('A2', '1m', '2024-03-06 10:00Z', 0, 0, 0, 1, '2024-03-06 10:01Z', 1, 99999,
                'other', 0, 99999, true)
            """)
        try database.psql(
            """
            INSERT INTO trades (ts, event_time_ns, symbol, receive_time, receive_time_ns, source,
                partition, epoch, ordinal)
            SELECT at, 0, 'A', at, 0, 's', 0, 1, 1
            FROM unnest(ARRAY['1970-01-01Z', now()]::timestamptz[]) AS at
            """)
        let migrator = try database.connect(
            database.migrator, searchPath: database.schema.searchPath)
        try migrator.script(try wayBack(), timeout: patience)
        // By days again, which retention can drop.
        #expect(
            try database.psql(
                "SELECT relkind, (SELECT count(*) FROM trades) FROM pg_class "
                    + "WHERE oid = 'trades'::regclass") == (mode == .plain ? "p|2" : "r|2"))
        try database.psql("UPDATE bars SET replaced = 0")
        #expect(try database.psql(Self.content) == before)
        #expect(
            try database.psql("SELECT relkind FROM pg_class WHERE oid = 'bars'::regclass") == "r")
        let folder = try TemporaryFolder("migrations")
        try database.migrate(try TestDatabase.shipped(before: "bars_by_source", in: folder))

        try database.migrate()
        #expect(try database.psql(Self.content) == before)
        // One part of all times, which is not dropped before it is moved.
        let mover = BarMover(database: try database.connectWriter(), rowsMax: 1_000)
        #expect(try mover.left()?.count == 1)
        try mover.end()
        #expect(try database.psql(Self.content) == before)
        try moveRest(database)
        #expect(try database.psql(Self.content) == before)
        #expect(try database.psql("SELECT count(*) FROM bars_long") == "9")
        #expect(
            try database.psql(
                """
                SELECT DISTINCT b.shape = t.shape FROM time_tables() b, time_tables() t
                WHERE b.table_name LIKE 'bars%' AND t.table_name = 'trade_rows'
                """) == "t")
    }

    @Test("who could read the table can read the view")
    func rights() throws {
        for isEmpty in [false, true] {
            let name = isEmpty ? "bars_rights_empty" : "bars_rights"
            let database = try earlier(name, .plain)
            let role = "\(database.name)_friend"
            try database.server.psql("CREATE ROLE \(role)")
            try database.psql("GRANT SELECT ON bars TO \(role)")
            if isEmpty { try database.psql("TRUNCATE bars") }
            try database.migrate()
            #expect(
                try database.psql("SELECT has_table_privilege('\(role)', 'bars', 'SELECT')") == "t")
        }
    }

    @Test("before the migration it is not known whether bars have to be moved")
    func startedBefore() throws {
        let database = try earlier("bars_started", .plain)
        let mover = BarMover(database: try database.connectWriter())
        #expect(try !mover.hasTables())
        try database.migrate()
        #expect(try mover.hasTables())
        try moveRest(database)
        #expect(try mover.hasTables())
    }

    @Test(
        "days that only the server's daily bars still have stop the migration",
        .enabled(
            if: PostgresServer.Edition.hasCommunity,
            "not run: TEST_TIMESCALE_COMMUNITY names no server with TimescaleDB's Community edition"
        ))
    func daily() throws {
        let database = try earlier("bars_daily", .community)
        let migrator = try database.connect(
            database.migrator, searchPath: database.schema.searchPath)
        try migrator.execute(
            """
            CREATE MATERIALIZED VIEW bars_daily
            WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
            SELECT symbol, public.time_bucket(interval '1 day', ts) AS ts, count(*) AS bars
            FROM bars WHERE series = '1m' GROUP BY 1, 2 WITH NO DATA
            """, timeout: patience)
        try migrator.execute(
            "CALL public.refresh_continuous_aggregate('bars_daily', NULL, NULL)",
            timeout: patience)
        try database.psql("SELECT public.drop_chunks('bars', '2024-03-06Z'::timestamptz)")
        let error = #expect(throws: MigrationError.self) { try database.migrate() }
        #expect(error.map { "\($0)" }?.contains("1m bars are dropped") == true)
        try database.psql("CREATE TABLE bars_daily_kept AS TABLE bars_daily")
        try database.psql("DROP MATERIALIZED VIEW bars_daily")
        // An aggregate of other people is found, too.
        try migrator.execute(
            """
            CREATE MATERIALIZED VIEW mine WITH (timescaledb.continuous) AS
            SELECT symbol, public.time_bucket(interval '1 day', ts) AS ts, count(*) AS bars
            FROM bars GROUP BY 1, 2 WITH NO DATA
            """, timeout: patience)
        let other = #expect(throws: MigrationError.self) { try database.migrate() }
        #expect(other.map { "\($0)" }?.contains("md.mine") == true)
        try database.psql("DROP MATERIALIZED VIEW mine")
        try database.migrate()
        #expect(try database.psql("SELECT count(*) > 0 FROM bars_daily_kept") == "t")
    }

    @Test("the migration keeps nobody waiting while a query reads the old table for hours")
    func lock() throws {
        let database = try earlier("bars_lock", .plain)
        let reader = try database.connect(
            database.migrator, searchPath: database.schema.searchPath)
        try reader.script(
            "SET idle_in_transaction_session_timeout = 0; BEGIN; SELECT count(*) FROM bars",
            timeout: patience)
        let migration = Migration()
        Thread { migration.end(Result { _ = try database.migrate() }) }.start()
        let isWaiting = try eventually {
            try database.psql(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
            ) != "0"
        }
        #expect(isWaiting)
        // A writer of the release before: it gets its turns although the migration waits.
        let writer = try database.connect(
            database.migrator, searchPath: database.schema.searchPath)
        for round in 1...3 {
            try writer.execute(
                """
                INSERT INTO bars (symbol, series, ts, volume, notional, trades, open_time_ns,
                    close_time, close_time_ns, revision, source, partition, ordinal)
                VALUES ('B', '1m', '2024-03-07 00:0\(round)Z', 1, 1, 1, 1, now(), 1, 1, 's', 0, 1)
                ON CONFLICT (symbol, series, ts, number) DO UPDATE SET revision = 2
                """, timeout: patience)
        }
        #expect(!migration.hasEnded)
        try reader.script("COMMIT", timeout: patience)
        #expect(eventually { migration.hasEnded })
        try migration.outcome()
        #expect(try database.psql("SELECT count(*) FROM bars WHERE symbol = 'B'") == "3")
        // From now on it is refused, and says why.
        let error = #expect(throws: PostgresError.self) {
            try writer.execute(
                """
                INSERT INTO bars (symbol, series, ts, volume, notional, trades, open_time_ns,
                    close_time, close_time_ns, revision, source, partition, ordinal)
                VALUES ('B', '1m', '2024-03-07 00:09Z', 1, 1, 1, 1, now(), 1, 1, 's', 0, 1)
                ON CONFLICT (symbol, series, ts, number) DO UPDATE SET revision = 2
                """, timeout: patience)
        }
        #expect(error.map { "\($0)" }?.contains("cannot insert into view \"bars\"") == true)
        #expect(error?.category == .retryable)
    }

    @Test("views of others on the old table stop the migration, with their names")
    func foreignViews() throws {
        let database = try earlier("bars_foreign", .plain)
        try database.psql("CREATE VIEW public.mine AS SELECT * FROM md.bars")
        let error = #expect(throws: MigrationError.self) { try database.migrate() }
        #expect(error.map { "\($0)" }?.contains("public.mine") == true)
        try database.psql("DROP VIEW public.mine")
        try database.migrate()
    }

    private final class Migration: Sendable {
        private let result = Mutex<Result<Void, any Error>?>(nil)

        var hasEnded: Bool { result.withLock { $0 != nil } }
        func end(_ outcome: Result<Void, any Error>) { result.withLock { $0 = outcome } }
        func outcome() throws { try result.withLock { try $0?.get() } }
    }
}
