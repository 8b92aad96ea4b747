import PostgresClient
import TestSupport
import Testing

@testable import StoreWriter

@Suite("Bars for a chart: of the coarsest series that has enough")
struct ChartBarTests {
    /// Ten days of A, from two sources, with hours and minutes of one; half an hour of B; bars of C
    /// that the clock does not end. Withdrawn days of A are between the others.
    private static let rows = """
        SELECT make_time_partition('bars_long', '2026-03-01Z');
        SELECT make_time_partition('bars_short', day)
        FROM generate_series('2026-03-01Z'::timestamptz, '2026-03-11Z', '1 day') AS day;
        SELECT note_series('{1d,1h,1m,100t}', '{t,t,f,f}');
        CREATE TEMPORARY TABLE made AS
        SELECT b.*, b.first + n * b.step AS ts, n
        FROM (VALUES
            ('A', '1d', 's', '2026-03-01Z'::timestamptz, interval '1 day', 10, false),
            ('A', '1d', 's', '2026-03-01 12:00Z', '1 day', 2, true),
            ('A', '1d', 't', '2026-03-01Z', '1 day', 10, false),
            ('A', '1h', 's', '2026-03-01Z', '1 h', 240, false),
            ('A', '1m', 's', '2026-03-10Z', '1 min', 1440, false),
            ('B', '1m', 's', '2026-03-01Z', '1 min', 30, false),
            ('C', '100t', 's', '2026-03-01Z', '7 min', 30, false)
        ) AS b (symbol, series, source, first, step, count, withdrawn),
            LATERAL generate_series(0, b.count - 1) AS n;
        INSERT INTO bars_long (symbol, series, ts, volume, notional, trades, open_time_ns,
            close_time, close_time_ns, revision, source, partition, ordinal, withdrawn)
        SELECT symbol, series, ts, 1, 1, 1, 0, ts + step, 0, 1, source, 0, 1, withdrawn
        FROM made WHERE series IN ('1d', '1h');
        INSERT INTO bars_short (symbol, series, ts, number, volume, notional, trades,
            open_time_ns, close_time, close_time_ns, revision, source, partition, ordinal)
        SELECT symbol, series, ts, CASE series WHEN '100t' THEN n + 1 ELSE 0 END, 1, 1, 1, 0,
            ts + step, 0, 1, source, 0, 1
        FROM made WHERE series IN ('1m', '100t');
        """

    /// Of each symbol the series, its bars and their sources.
    private static func asked(_ symbols: String, _ from: Int, _ to: Int, _ points: Int) -> String {
        """
        SELECT symbol, series, count(*), string_agg(DISTINCT source, ',')
        FROM md_market.bars_for_chart('\(symbols)', '2026-03-\(from < 10 ? "0" : "")\(from)Z',
            '2026-03-\(to)Z', \(points))
        GROUP BY 1, 2 ORDER BY 1
        """
    }

    @Test(
        "each symbol has its own, and the one with the most bars if none has enough",
        arguments: DatabaseMode.usual)
    func series(mode: DatabaseMode) throws {
        let database = try TestDatabase.migrated("chart", mode: mode)
        try database.psql(Self.rows)
        // Two sources have a bar of each window.
        try database.expect(Self.asked("{A}", 1, 11, 10), "A|1d|20|s,t")
        try database.expect(Self.asked("{A}", 1, 11, 11), "A|1h|240|s")
        try database.expect(Self.asked("{A}", 1, 11, 240), "A|1h|240|s")
        try database.expect(Self.asked("{A}", 1, 11, 241), "A|1m|1440|s")
        try database.expect(Self.asked("{A}", 10, 11, 24), "A|1h|24|s")
        try database.expect(Self.asked("{A}", 10, 11, 25), "A|1m|1440|s")
        try database.expect(Self.asked("{A}", 1, 11, 10_000), "A|1m|1440|s")
        try database.expect(Self.asked("{A}", 5, 10, 10_000), "A|1h|120|s")
        try database.expect(Self.asked("{A,B,C,A}", 1, 11, 10), "A|1d|20|s,t\nB|1m|30|s")
        try database.expect(Self.asked("{B}", 1, 11, 500), "B|1m|30|s")
        // Bars that the clock does not end have no width.
        try database.expect(Self.asked("{C}", 1, 11, 10), "")
        try database.expect(Self.asked("{}", 1, 11, 10), "")
    }

    @Test("where long series are enough, the table of the others is not looked at")
    func tables() throws {
        let database = try TestDatabase.migrated("chart_tables", mode: .plain)
        try database.psql(Self.rows)
        func read(_ points: Int) throws -> String {
            try database.psql(
                """
                WITH asked AS MATERIALIZED (
                    SELECT count(*) AS bars FROM (\(Self.asked("{A}", 1, 11, points))) AS a)
                SELECT bars, EXISTS (
                    SELECT FROM pg_locks
                    WHERE pid = pg_backend_pid() AND relation = 'bars_short'::regclass AND bars > 0)
                FROM asked
                """)
        }
        #expect(try read(240) == "1|f")
        #expect(try read(241) == "1|t")
    }
}
