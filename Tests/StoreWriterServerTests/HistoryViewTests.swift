import Foundation
import TestSupport
import Testing

@testable import StoreWriter

/// The views that join what was loaded of the past with live rows, over `desk/history.sql`.
@Suite("Views of the past and live together")
struct HistoryViewTests {
    private func database(_ name: String, _ mode: DatabaseMode) throws -> TestDatabase {
        let database = try TestDatabase.migrated(name, mode: mode)
        try database.fill(from: "desk/history.sql")
        return database
    }

    @Test(
        "each trade is there once and none is missing, by ids or without",
        arguments: DatabaseMode.usual)
    func trades(mode: DatabaseMode) throws {
        let database = try database("history_trades", mode)
        // Symbol, trades, different ones, those of x, x-history and x-history-2, the seam's id.
        let joined = """
            SELECT symbol, count(*), count(DISTINCT coalesce(provider_id, event_time_ns)),
                count(*) FILTER (WHERE source = 'x'), count(*) FILTER (WHERE source = 'x-history'),
                count(*) FILTER (WHERE source = 'x-history-2'),
                coalesce(string_agg(tick_id, ',') FILTER (WHERE is_seam), '-')
            FROM md_market.trades_joined WHERE action = 'new' AND live_source = 'x'
            GROUP BY symbol ORDER BY symbol
            """
        try database.expect(
            joined,
            """
            ID|2400|2400|1138|1262|0|x/0/1
            MIXED|2400|2400|1138|1262|0|x/0/1138
            NEW|1800|1800|0|1800|0|-
            RUNNING|2400|2400|1137|1263|0|x/0/2277
            SHORT|2400|2400|1137|1263|0|x/0/3414
            TIME|2400|2400|1138|1262|0|x/0/4551
            TWICE|2400|2400|1137|480|783|x/0/5689
            """)
        // The live cancel of a trade of the past stays.
        try database.expect(
            """
            SELECT symbol, provider_id, source FROM md_market.trades_joined
            WHERE action = 'cancel'
            """, "ID|100|x")
        try database.expect(
            """
            SELECT symbol, history_source, provider_id, event_time_ns % 1000,
                upper(loaded) = '2026-03-02 10:05+00', subscribed_at IS NOT NULL
            FROM md_market.history_seams ORDER BY symbol, history_source
            """,
            """
            ID|x-history|1264|0|t|t
            MIXED|x-history|4705|0|t|t
            NEW|x-history|||t|f
            RUNNING|x-history|1264|0||t
            SHORT|x-history|1264|0|f|t
            TIME|x-history||400|t|t
            TWICE|x-history|1264|0|f|t
            TWICE|x-history-2|1264|0|t|t
            """)
    }

    /// As of Alpaca and Massive: ids only name a trade, live has milliseconds, and the past has
    /// cancels that live has, too, or never gets.
    @Test("at the seam a change of a trade is there once, whether live has it or not")
    func changes() throws {
        let database = try database("history_changes", .plain)
        try database.psql(
            """
            UPDATE trade_rows SET ts = ts + interval '400 us'
            WHERE symbol = 'MIXED' AND source = 'x-history';
            INSERT INTO trades (ts, event_time_ns, symbol, price, size, action, flags, provider,
                provider_id, receive_time, receive_time_ns, source, partition, epoch, ordinal)
            SELECT t.ts, t.event_time_ns, t.symbol, t.price, t.size, 2, 0, t.provider,
                t.provider_id, t.receive_time, 0, v.source, 0, 1, 910000 + v.ordinal
            FROM (VALUES
                -- Before the seam, at it by the past alone, at it by both, and by live alone.
                (100, 'x-history', 1), (1264, 'x-history', 2), (1266, 'x-history', 3),
                (1266, 'x', 4), (1268, 'x', 5)) AS v (n, source, ordinal)
            JOIN trades t ON t.symbol = 'MIXED' AND t.action = 0 AND t.flags = 0
                AND t.source = CASE WHEN v.n < 1262 THEN 'x-history' ELSE 'x' END
                AND t.provider_id = v.n * 7919 % 10007 + 1
            """)
        try database.expect(
            """
            SELECT count(*) FILTER (WHERE action = 'new'),
                count(DISTINCT provider_id) FILTER (WHERE action = 'new'),
                string_agg(source || ' ' || n, ', ' ORDER BY n, source)
                    FILTER (WHERE action = 'cancel')
            FROM md_market.trades_joined
            LEFT JOIN generate_series(0, 2399) AS n ON provider_id = n * 7919 % 10007 + 1
            WHERE symbol = 'MIXED'
            """, "2400|2400|x-history 100, x-history 1264, x 1266, x 1268")
    }

    @Test("of each window there is one bar, and a whole one at the seam if it was loaded")
    func bars() throws {
        let database = try database("history_bars", .plain)
        // Minutes, different ones, trades in them, and the bar of the seam.
        try database.expect(
            """
            SELECT symbol, count(*), count(DISTINCT ts), sum(trades),
                coalesce(string_agg(concat_ws(' ', source, to_char(ts, 'HH24:MI'), is_whole),
                    ',') FILTER (WHERE is_seam), '-')
            FROM md_market.bars_joined WHERE series = '1m' GROUP BY symbol ORDER BY symbol
            """,
            """
            ID|20|20|2400|x-history 10:00 t
            MIXED|20|20|2400|x-history 10:00 t
            NEW|15|15|1800|-
            RUNNING|20|20|2337|x 10:00 f
            SHORT|20|20|2337|x 10:00 f
            TIME|20|20|2400|x-history 10:00 t
            TWICE|20|20|2400|x-history-2 10:00 t
            """)
        // A bar of 100 trades of the past that reaches over the seam is left out.
        try database.expect(
            """
            SELECT symbol, count(*), sum(trades), bool_or(is_seam AND source = 'x'),
                bool_or(is_double)
            FROM (SELECT *, lead(ts) OVER (PARTITION BY symbol ORDER BY ts) < close_time
                    AS is_double
                FROM md_market.bars_joined WHERE series = '100t') AS b
            GROUP BY symbol ORDER BY symbol
            """, "ID|24|2337|t|f")
        // A withdrawn bar of the past gives way to the live one.
        try database.psql("UPDATE bars_short SET withdrawn = true WHERE source = 'x-history'")
        try database.expect(
            """
            SELECT source, ts = '2026-03-02 10:00+00', is_whole FROM md_market.bars_joined
            WHERE symbol = 'ID' AND series = '1m' ORDER BY ts LIMIT 1
            """, "x|t|f")
    }

    @Test("where retention has dropped live rows, the seam is the first one that is left")
    func retention() throws {
        let database = try database("history_retention", .plain)
        func seam() throws -> String {
            try database.psql(
                """
                SELECT count(*), count(DISTINCT provider_id),
                    (SELECT to_char(ts, 'HH24:MI:SS') FROM md_market.history_seams h
                        WHERE h.symbol = 'ID')
                FROM md_market.trades_joined
                WHERE symbol = 'ID' AND action = 'new' AND ts < '2026-03-02 10:05+00'
                """)
        }
        try database.psql(
            """
            DELETE FROM trade_rows WHERE source = 'x' AND ts < '2026-03-02 10:02+00';
            INSERT INTO retired_rows
                (table_name, input, source, partition, rows, last_ordinal, until)
            VALUES ('trades', 'ticks', 'x', 0, 1, 1, '2026-03-02 10:02+00')
            """)
        #expect(try seam() == "1800|1800|10:02:00")
        // The record of the first subscription, too: the one that is left is of 10:08.
        try database.psql(
            """
            DELETE FROM events WHERE source = 'x' AND ts < '2026-03-02 10:02+00';
            INSERT INTO retired_rows
                (table_name, input, source, partition, rows, last_ordinal, until)
            VALUES ('events', 'ticks', 'x', 0, 1, 1, '2026-03-02 10:02+00')
            """)
        #expect(try seam() == "1800|1800|10:02:00")
    }

    @Test(
        "the seam of a symbol costs a look-up, not a scan of its past",
        arguments: DatabaseMode.usual)
    func cost(mode: DatabaseMode) throws {
        let database = try database("history_cost", mode)
        try database.psql(
            """
            SELECT make_time_partition('trades', '2026-02-27Z'::timestamptz);
            INSERT INTO trades (ts, event_time_ns, symbol, price, size, receive_time,
                receive_time_ns, source, partition, epoch, ordinal)
            SELECT '2026-02-27Z'::timestamptz + n * interval '1 s', 0, 'ID', 1, 1, now(), 0,
                'x-history', 0, 1, 1000000 + n
            FROM generate_series(0, 79999) AS n;
            ANALYZE trade_rows
            """)
        let (pages, plan) = try database.pages(
            "SELECT * FROM md_market.history_seams WHERE symbol = 'ID'")
        // The past of the symbol has two thousand pages.
        #expect((1...200).contains(pages), "\(plan)")
    }
}
