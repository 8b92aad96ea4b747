import Primitives
import TestSupport
import Testing

/// How many rows a question reads. The tables have four months, and a question is about one hour.
@Suite("Plans of the market views")
struct MarketPlanTests {
    private static let rows = """
        SELECT make_time_partition(name, day)
        FROM unnest(ARRAY['trades', 'indicators', 'events', 'provider_bars']) AS name,
            generate_series('2024-01-01Z'::timestamptz, '2024-04-30Z', '1 day') AS day;
        INSERT INTO indicators (ts, event_time_ns, symbol, name, value, period_start,
            period_start_ns, period_end, period_end_ns, receive_time, receive_time_ns, source,
            partition, epoch, ordinal)
        SELECT t, 0, 'A', 'mean', 1, t - interval '1 h', 0, t, 0, t, 0, 'operator', 0, 1,
            row_number() OVER ()
        FROM generate_series('2024-01-01 01:00Z'::timestamptz, '2024-04-30Z', '1 h') AS t;
        INSERT INTO provider_bars (ts, event_time_ns, symbol, made_of, open_time, open_time_ns,
            receive_time, receive_time_ns, source, partition, epoch, ordinal)
        SELECT t, 0, 'A', 'trades', t - interval '1 h', 0, t, 0, 'ib', 0, 1, row_number() OVER ()
        FROM generate_series('2024-01-01 01:00Z'::timestamptz, '2024-04-30Z', '1 h') AS t;
        INSERT INTO events (ts, event_time_ns, symbol, input, template, name, detail, receive_time,
            receive_time_ns, source, partition, epoch, ordinal)
        SELECT '2024-01-01Z'::timestamptz + n * interval '10 min', 0, 'S' || n % 50, 'ticks', 1,
            'subscription', '{"action": "start", "kind": "trade", "mode": "live"}',
            now(), 0, 'ib', 0, 1, n
        FROM generate_series(1, 15000) AS n;
        INSERT INTO events (ts, event_time_ns, symbol, input, template, name, detail, receive_time,
            receive_time_ns, source, partition, epoch, ordinal)
        SELECT '2024-02-01Z'::timestamptz + n * interval '1 day', 0, 'S1', 'ticks', 1,
            'subscription', CASE n WHEN 1 THEN '{"action": "start", "mode": "historical"}'::jsonb
                ELSE '{"action": "stop", "mode": "historical"}' END,
            now(), 0, 'ib-history', 0, 1, n
        FROM generate_series(1, 2) AS n;
        INSERT INTO trades (ts, event_time_ns, symbol, price, size, action, provider_id,
            receive_time, receive_time_ns, source, partition, epoch, ordinal)
        SELECT t, 0, 'A', 1, 1, CASE n % 100 WHEN 0 THEN 2 ELSE 0 END, n - n % 2, t, 0, 's', 0, 1, n
        FROM (SELECT '2024-01-01Z'::timestamptz + n * interval '10 min' AS t, n
            FROM generate_series(1, 17000) AS n) AS made;
        INSERT INTO changes_by_id (symbol, provider_id, action, source, partition, epoch, ordinal,
            stream_created_ns, sequence, receive_time)
        SELECT 'B', n, 2, 't', 0, 1, n, 0, n, now() FROM generate_series(1, 20000) AS n;
        ANALYZE;
        """

    private static let hour = "ts >= '2024-04-20 10:00Z' AND ts < '2024-04-20 11:00Z'"

    /// Returns how many rows the scans of a table's partitions gave or sorted out.
    private func rowsRead(_ table: String, _ query: String, in database: TestDatabase) throws -> Int
    {
        let plan = try database.psql(
            "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT JSON) \(query)")
        let root = try #require(try JSONValue.parse(plan).array?.first?["Plan"])
        return Self.rowsRead(table, root)
    }

    private static func rowsRead(_ table: String, _ node: JSONValue) -> Int {
        let below = (node["Plans"]?.array ?? []).reduce(0) { $0 + rowsRead(table, $1) }
        let name = node["Relation Name"]?.string
        guard name == table || name?.hasPrefix("\(table)_p") == true else { return below }
        let rows = ["Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck"]
            .reduce(0) { $0 + Int(node[$1]?.int ?? 0) }
        return below + rows * Int(node["Actual Loops"]?.int ?? 1)
    }

    @Test("a question about an hour reads an hour of trades, values and provider's bars")
    func hours() throws {
        let database = try TestDatabase.migrated("plans", mode: .plain)
        try database.psql(Self.rows)
        let views = [
            ("trade_rows", "trades_effective WHERE symbol = 'A' AND \(Self.hour)"),
            ("trade_rows", "trades_effective WHERE \(Self.hour)"),
            (
                "indicators",
                "indicators_latest WHERE name = 'mean' AND symbol = 'A' AND \(Self.hour)"
            ),
            (
                "provider_bars",
                "provider_bars WHERE symbol = 'A' AND "
                    + Self.hour.replacing("ts", with: "close_time")
            ),
        ]
        for (table, view) in views {
            let read = try rowsRead(table, "SELECT * FROM md_market.\(view)", in: database)
            // A small partition is read whole: a day of trades, a week of values.
            #expect((1...250).contains(read), "\(view): \(read) rows")
        }
    }

    @Test("cancels and corrections are looked up for each trade, without a symbol, too")
    func changes() throws {
        let database = try TestDatabase.migrated("plans_changes", mode: .plain)
        try database.psql(Self.rows)
        let hours = "ts >= '2024-04-20 10:00Z' AND ts < '2024-04-21Z'"
        for query in [
            "SELECT * FROM md_market.trades_effective WHERE symbol = 'A' AND \(hours)",
            "SELECT * FROM md_market.trades_effective WHERE \(hours)",
            "SELECT * FROM trades_at(now()) WHERE \(hours)",
        ] {
            let read = try rowsRead("changes_by_id", query, in: database)
            // The plan has rows of a look, rounded, and most looks find none.
            #expect(read <= 4, "\(query): \(read) rows")
        }
    }

    @Test("the loads of the past are found without reading all records of subscriptions")
    func loads() throws {
        let database = try TestDatabase.migrated("plans_loads", mode: .plain)
        try database.psql(Self.rows)
        for query in [
            "SELECT * FROM history_loads", "SELECT * FROM history_borders",
            "SELECT * FROM md_market.history_seams WHERE symbol = 'S1'",
        ] {
            let read = try rowsRead("events", query, in: database)
            #expect((1...20).contains(read), "\(query): \(read) rows")
        }
    }

    @Test("exact times are exact")
    func exactTimes() throws {
        let database = try TestDatabase.migrated("plans_times", mode: .plain)
        let wrong = """
            SELECT count(*) FROM (SELECT timestamptz 'epoch' + us * interval '1 us' AS ts, us
                FROM (SELECT floor(random() * 4102444799999999)::bigint AS us
                    FROM generate_series(1, 200000)
                    UNION ALL VALUES (0), (1), (4102444799999999), (1700000000123457)) AS made) AS t
            WHERE round(date_part('epoch', ts) * 1e6)::bigint <> us
            """
        try database.expect(wrong, "0")
        for (time, nanoseconds) in [
            ("2099-12-31 23:59:59.999999Z", "4102444799999999123"),
            ("2100-01-01 00:00:00.000001Z", "4102444800000001123"),
            ("1969-12-31 23:59:59.999999Z", "-877"),
        ] {
            let found = try database.psql(
                """
                CREATE TEMPORARY TABLE one (LIKE trade_rows);
                INSERT INTO one (ts, receive_time, epoch, ordinal, partition, ts_rest_ns,
                    receive_rest_ns, flags, action, time_resolution, symbol, source, provider,
                    exchange, conditions, of_source, provider_id)
                VALUES ('\(time)', '\(time)', 1, 1, 0, 123, 123, 0, 0, 0, '', '', '', '', '',
                    '', 0);
                \(try database.psql(
                    "SELECT replace(pg_get_viewdef('trades'::regclass), 'trade_rows', 'one')"))
                """)
            #expect(found.contains(nanoseconds), "\(time): \(found)")
        }
    }
}
