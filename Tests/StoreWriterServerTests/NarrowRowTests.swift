import MarketModel
import PostgresClient
import TestSupport
import Testing

@testable import StoreWriter

@Suite("Trades and quotes in narrow rows, behind views with the columns of before")
struct NarrowRowTests {
    private static let content = """
        SELECT count(*), md5(string_agg(to_jsonb(t)::text, ',' ORDER BY ordinal)) FROM trades t
        """
    private static let quotes = """
        SELECT count(*), md5(string_agg(to_jsonb(q)::text, ',' ORDER BY ordinal)) FROM quotes q
        """

    /// Rows with every edge of a value: no provider's time, no time at all, a time before 1970, all
    /// flags, the highest id, a person's tick, and what is undefined.
    private static let insert = """
        INSERT INTO trades (ts, event_time_ns, symbol, price, size, exchange, conditions, action,
            flags, provider, provider_id, provider_time, time_resolution, receive_time,
            receive_time_ns, source, partition, epoch, ordinal, of_source)
        VALUES ('2024-03-05 10:00:00.000001Z', 1709632800000001999, 'A', 187.25, 100, 'Q', '@I', 0,
                0, 'ibkr', NULL, '2024-03-05 10:00:00.000001Z', 3, '2024-03-05 10:00:00.5Z',
                1709632800500000001, 's', 7, 9, 1, NULL),
            ('2024-03-05 10:00:02Z', 1709632802000000000, 'B', NULL, NULL, '', '', 2, 65535, '',
                18446744073709551615, NULL, 6, '2024-03-05 10:00:02Z', 1709632802000000000,
                'manual', 4095, 9223372036854775807, 2, 's'),
            ('1970-01-01Z', 9223372036854775807, 'A', 0.000000001, 0, 'NYSE', '', 1, 4, 'x', 1,
                NULL, 0, '1970-01-01Z', 9223372036854775807, 's', 0, 0, 3, NULL),
            ('1970-01-01 00:00:00.000001Z', 1001, 'A', -3, 5, '', '', 0, 0, 'x', 1,
                '1970-01-01 00:00:00.000001Z', 255, '1969-12-31 23:59:59.999999Z', -1, 's', 0, 0,
                4, NULL);
        INSERT INTO quotes (ts, event_time_ns, symbol, bid_price, bid_size, ask_price, ask_size,
            bid_exchange, ask_exchange, flags, provider, provider_id, provider_time,
            time_resolution, receive_time, receive_time_ns, source, partition, epoch, ordinal,
            of_source)
        SELECT ts, event_time_ns, symbol, price, size, price, NULL, exchange, conditions, flags,
            provider, provider_id, provider_time, time_resolution, receive_time, receive_time_ns,
            source, partition, epoch, ordinal + 10, of_source FROM trades
        """

    /// Returns a database of the release before, with rows of two days.
    private func earlier(_ name: String, _ mode: DatabaseMode) throws -> TestDatabase {
        let database = try TestDatabase(name, mode: mode)
        let folder = try TemporaryFolder("migrations")
        try database.migrate(try TestDatabase.shipped(before: "narrow_ticks", in: folder))
        if mode == .plain {
            let migrator = try database.connect(
                database.migrator, searchPath: database.schema.searchPath)
            for table in ["trades", "quotes"] {
                try migrator.execute(
                    """
                    CREATE TABLE \(table)_p20240305 PARTITION OF \(table)
                    FOR VALUES FROM ('2024-03-05Z') TO ('2024-03-06Z')
                    """, timeout: patience)
            }
        }
        try database.psql(Self.insert)
        if mode == .community {
            try database.psql(
                """
                ALTER TABLE trades SET (timescaledb.compress,
                    timescaledb.compress_segmentby = 'symbol', timescaledb.compress_orderby = 'ts');
                SELECT public.compress_chunk(c) FROM public.show_chunks('trades',
                    older_than => '2024-03-07Z'::timestamptz) AS c
                """)
        }
        return database
    }

    @Test("each stored row stays, and a new one has the same values", arguments: DatabaseMode.here)
    func migrated(mode: DatabaseMode) throws {
        let database = try earlier("narrow_migrated", mode)
        let (trades, quotes) = try (database.psql(Self.content), database.psql(Self.quotes))
        try database.migrate()
        #expect(try database.psql(Self.content) == trades)
        #expect(try database.psql(Self.quotes) == quotes)
        #expect(try database.psql("SELECT sum(rows), sum(ordinals) FROM stored_ticks") == "8|8")
        // The same rows by the view, as a writer of the release before would store them.
        try database.psql(
            """
            DELETE FROM trades_before; DELETE FROM quotes_before;
            SELECT make_time_partition(t, '2024-03-05Z') FROM unnest('{trades,quotes}'::text[]) AS t
            """)
        try database.psql(Self.insert)
        #expect(try database.psql(Self.content) == trades)
        #expect(try database.psql(Self.quotes) == quotes)
        #expect(try database.psql("SELECT count(*) FROM trade_rows") == "4")
        // What is empty goes with the next migration.
        try database.migrate()
        #expect(try database.psql("SELECT to_regclass('trades_before') IS NULL") == "t")
        #expect(try database.psql("SELECT to_regclass('quotes_before') IS NULL") == "t")
        #expect(try database.psql(Self.content) == trades)
    }

    @Test("a new database has no tables of before", arguments: DatabaseMode.here)
    func new(mode: DatabaseMode) throws {
        let database = try TestDatabase("narrow_new", mode: mode)
        try database.migrate()
        #expect(try database.psql("SELECT to_regclass('trades_before') IS NULL") == "t")
        #expect(try database.psql("SELECT to_regclass('quotes_before') IS NULL") == "t")
        #expect(
            try database.psql(
                "SELECT format_type(atttypid, atttypmod) FROM pg_attribute "
                    + "WHERE attrelid = 'trades'::regclass AND attname = 'flags'") == "integer")
    }

    @Test("the columns are those of before: names, order, types, and what they mean")
    func columns() throws {
        let database = try TestDatabase("narrow_columns", mode: .plain)
        let folder = try TemporaryFolder("migrations")
        try database.migrate(try TestDatabase.shipped(before: "narrow_ticks", in: folder))
        let columns = """
            SELECT attrelid::regclass, attname, format_type(atttypid, atttypmod),
                col_description(attrelid, attnum)
            FROM pg_attribute
            WHERE attrelid IN ('trades'::regclass, 'quotes'::regclass) AND attnum > 0
            ORDER BY attrelid::regclass::text, attnum
            """
        let before = try database.psql(columns)
        try database.migrate()
        #expect(try database.psql(columns) == before)
        #expect(before.split(separator: "\n").count == 41)
    }

    @Test(
        "a day of a symbol is read by the index of its one day, also where rows of before are",
        arguments: DatabaseMode.here)
    func plan(mode: DatabaseMode) throws {
        let database = try earlier("narrow_plan", mode)
        try database.migrate()
        try database.psql(
            """
            SELECT make_time_partition('trades', '2024-03-08Z'::timestamptz + n * interval '1 day')
            FROM generate_series(0, 2) AS n;
            INSERT INTO trades (ts, event_time_ns, symbol, price, size, receive_time,
                receive_time_ns, source, partition, epoch, ordinal)
            SELECT ts, (extract(epoch FROM ts) * 1000000000)::bigint, 'S' || n % 100, 1, 1, ts, 0,
                's', 0, 1, n
            FROM generate_series(1, 30000) AS n,
                LATERAL (SELECT '2024-03-08Z'::timestamptz + n * interval '8 seconds' AS ts) AS t;
            ANALYZE trade_rows
            """)
        let day = "symbol = 'S7' AND ts >= '2024-03-09Z' AND ts < '2024-03-10Z'"
        for query in [
            "SELECT * FROM trades WHERE \(day)",
            "SELECT * FROM trades WHERE \(day) ORDER BY ts DESC LIMIT 1",
        ] {
            let plan = try database.psql("EXPLAIN (COSTS OFF) \(query)")
            let scans = plan.split(separator: "\n").filter { $0.contains("Scan") }
            #expect(!plan.contains("Seq Scan") && !plan.contains("Sort"), "\(plan)")
            #expect(scans.count == 1 || plan.contains("Bitmap") && scans.count == 2, "\(plan)")
        }
    }

    @Test("retention drops the days of both, and counts them once", arguments: DatabaseMode.here)
    func retention(mode: DatabaseMode) throws {
        let database = try earlier("narrow_retention", mode)
        try database.migrate(wishes: Migrator.Wishes(retention: ["trades": 2, "quotes": 2]))
        try database.psql(
            """
            SELECT make_time_partition('trades', at)
            FROM unnest(ARRAY['2024-03-05Z', now()]::timestamptz[]) AS at;
            INSERT INTO trades (ts, event_time_ns, symbol, receive_time, receive_time_ns, source,
                partition, epoch, ordinal)
            VALUES ('2024-03-05 11:00Z', 0, 'A', now(), 0, 's', 0, 1, 5), (now(), 0, 'A', now(), 0,
                's', 0, 1, 6)
            """)
        let writer = try database.connectWriter()
        let dropped = try writer.execute(
            "SELECT coalesce(sum(row_count), 0) FROM apply_retention('trades', interval '2 days')",
            timeout: patience)
        // Two of before and one of today's table by their day, and two without a time.
        #expect(dropped.scalar == "5")
        #expect(try database.psql("SELECT ordinal FROM trades") == "6")
        #expect(
            try database.psql("SELECT sum(rows) FROM retired_rows WHERE table_name = 'trades'")
                == "5")
        #expect(
            try writer.execute(
                "SELECT is_retired('trade_rows', '2024-03-05Z', now())", timeout: patience
            ).scalar == "t")
        #expect(
            try writer.execute(
                "SELECT bool_and(bytes >= 0) FROM store_sizes() WHERE table_name LIKE 'trades%'",
                timeout: patience
            ).scalar == "t")
    }

    @Test(
        "what others made on the tables stops the migration, which names it",
        arguments: [
            ("VIEW public.desk", "AS SELECT * FROM md.quotes"),
            (
                "FUNCTION public.desk()",
                "RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM md.trades; END"
            ),
            ("PUBLICATION desk", "FOR TABLE md.trades"),
            ("POLICY desk", "ON md.quotes USING (true)"),
            (
                "TRIGGER desk",
                "BEFORE UPDATE ON md.trades EXECUTE FUNCTION suppress_redundant_updates_trigger()"
            ),
        ])
    func others(made: String, how: String) throws {
        let kind = made.prefix { $0 != " " }.lowercased()
        let database = try earlier("narrow_\(kind)", .plain)
        try database.psql("CREATE \(made) \(how)")
        let error = #expect(throws: MigrationError.self) { try database.migrate() }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains("others read") && text.contains("desk"), "\(text)")
        let place = ["policy", "trigger"].contains(kind) ? how.split(separator: " ") : []
        let on = place.first { $0.hasPrefix("md.") }.map { " ON \($0)" } ?? ""
        try database.psql("DROP \(made)\(on)")
        try database.migrate()
        #expect(try database.psql("SELECT to_regclass('trade_rows') IS NOT NULL") == "t")
    }

    @Test("who could read and fill the tables can do so by the views", arguments: DatabaseMode.here)
    func rights(mode: DatabaseMode) throws {
        let database = try earlier("narrow_rights", mode)
        let role = "\(database.name)_desk"
        try database.psql(
            """
            CREATE ROLE \(role); GRANT USAGE ON SCHEMA md TO \(role);
            GRANT INSERT ON trades, quotes TO \(role); GRANT SELECT ON quotes TO PUBLIC
            """)
        try database.migrate()
        #expect(
            try database.psql(
                "SELECT count(*) FROM pg_class c, aclexplode(c.relacl) r WHERE c.oid = "
                    + "'quotes'::regclass AND r.grantee = 0 AND r.privilege_type = 'SELECT'") == "1"
        )
        // Of a day that a writer of before may know to be there, and does not ask for.
        try database.psql(
            """
            SET ROLE \(role);
            INSERT INTO trades (ts, event_time_ns, symbol, receive_time, receive_time_ns, source,
                partition, epoch, ordinal)
            VALUES (now() - interval '30 days', 0, 'A', now(), 0, 's', 0, 1, 20);
            INSERT INTO quotes (ts, event_time_ns, symbol, receive_time, receive_time_ns, source,
                partition, epoch, ordinal)
            VALUES (now() + interval '7 days', 0, 'A', now(), 0, 's', 0, 1, 21)
            """)
        #expect(
            try database.psql(
                "SELECT (SELECT count(*) FROM trade_rows), (SELECT count(*) FROM quote_rows)")
                == "1|1")
    }

    @Test("a table of before that somebody else reads stays, and the migration ends")
    func readBefore() throws {
        let database = try earlier("narrow_read", .plain)
        try database.migrate()
        let before = "SELECT to_regclass('trades_before') IS NULL"
        try database.psql(
            "CREATE VIEW public.desk AS SELECT * FROM md.trades_before; DELETE FROM trades_before")
        try database.migrate()
        #expect(try database.psql(before) == "f")
        #expect(try database.psql("SELECT count(*) FROM trades, public.desk") == "0")
        try database.psql("DROP VIEW public.desk")
        // Somebody who only holds the table for a time is not waited for.
        let reader = try database.connect(
            database.migrator, searchPath: database.schema.searchPath)
        try reader.script("BEGIN; LOCK TABLE trades_before IN ACCESS SHARE MODE", timeout: patience)
        try database.migrate()
        #expect(try database.psql(before) == "f")
        try reader.script("ROLLBACK", timeout: patience)
        try database.migrate()
        #expect(try database.psql(before) == "t")
    }
}
