import PostgresClient
import TestSupport
import Testing

@testable import StoreWriter

@Suite("Trades and quotes in narrow rows, behind views with the columns of all ticks")
struct NarrowRowTests {
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

    /// Returns a database with rows of two days, stored as the writer's role, in compressed chunks
    /// where there are some.
    private func filled(_ name: String, _ mode: DatabaseMode) throws -> TestDatabase {
        let database = try TestDatabase(name, mode: mode)
        try database.migrate(
            wishes: Migrator.Wishes(
                compressAfter: .seconds(2 * 86_400), retention: ["trades": 2, "quotes": 2]))
        try database.psql(
            """
            SELECT make_time_partition(t, '2024-03-05Z') FROM unnest('{trades,quotes}'::text[]) AS t
            """)
        try database.connectWriter().script(Self.insert)
        if mode == .community {
            try database.psql(
                """
                SELECT public.compress_chunk(c) FROM public.show_chunks('trade_rows',
                    older_than => '2024-03-07Z'::timestamptz) AS c
                """)
        }
        return database
    }

    @Test("each value comes back as it was stored", arguments: DatabaseMode.here)
    func values(mode: DatabaseMode) throws {
        let database = try filled("narrow_values", mode)
        let tick = """
            ordinal, event_time_ns, flags, provider_id, provider_time IS NULL, time_resolution,
            receive_time_ns, partition, epoch, of_source
            """
        let ticks = [
            "1|1709632800000001999|0||f|3|1709632800500000001|7|9|",
            "2|1709632802000000000|65535|18446744073709551615|t|6|1709632802000000000|4095"
                + "|9223372036854775807|s",
            "3|9223372036854775807|4|1|t|0|9223372036854775807|0|0|",
            "4|1001|0|1|f|255|-1|0|0|",
        ]
        let own = ["187.25|100|0", "||2", "0.000000001|0|1", "-3|5|0"]
        try database.expect(
            "SELECT \(tick), price, size, action FROM trades ORDER BY ordinal",
            zip(ticks, own).map { "\($0)|\($1)" }.joined(separator: "\n"))
        let quoted = ["187.25|100|187.25||Q|@I", "|||||", "0.000000001|0|0.000000001||NYSE|"]
        try database.expect(
            """
            SELECT \(tick.replacing("ordinal,", with: "ordinal - 10,")), bid_price, bid_size,
                ask_price, ask_size, bid_exchange, ask_exchange
            FROM quotes ORDER BY ordinal
            """,
            zip(ticks, quoted + ["-3|5|-3|||"]).map { "\($0)|\($1)" }
                .joined(separator: "\n"))
        try database.expect("SELECT count(*) FROM trade_rows", "4")
        try database.expect("SELECT sum(rows), sum(ordinals) FROM stored_ticks", "8|8")
    }

    @Test("trades and quotes have the columns of all ticks, and say what they mean")
    func columns() throws {
        let database = try TestDatabase("narrow_columns", mode: .plain)
        try database.migrate()
        let columns = """
            SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', '
                ORDER BY attnum) FROM pg_attribute WHERE attnum > 0 AND attrelid =
            """
        let first = "ts timestamp with time zone, event_time_ns bigint, symbol text, "
        let rest = """
            , flags integer, provider text, provider_id numeric, \
            provider_time timestamp with time zone, time_resolution smallint, \
            receive_time timestamp with time zone, receive_time_ns bigint, source text, \
            partition integer, epoch bigint, ordinal bigint, of_source text
            """
        let trade = "price numeric, size numeric, exchange text, conditions text, action smallint"
        let quote = """
            bid_price numeric, bid_size numeric, ask_price numeric, ask_size numeric, \
            bid_exchange text, ask_exchange text
            """
        try database.expect("\(columns) 'trades'::regclass", first + trade + rest)
        try database.expect("\(columns) 'quotes'::regclass", first + quote + rest)
        try database.expect(
            """
            SELECT count(col_description(attrelid, attnum)) FROM pg_attribute
            WHERE attrelid IN ('trades'::regclass, 'quotes'::regclass)
            """, "12")
    }

    @Test(
        "a day of a symbol is read by the index of its one day", arguments: DatabaseMode.here)
    func plan(mode: DatabaseMode) throws {
        let database = try filled("narrow_plan", mode)
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
}
