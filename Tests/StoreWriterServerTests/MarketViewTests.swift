import TestSupport
import Testing

@testable import StoreWriter

@Suite("Views of what counts now: trades, values, bars of a source")
struct MarketViewTests {
    private func database(_ name: String, _ mode: DatabaseMode = .plain) throws -> TestDatabase {
        let database = try TestDatabase.migrated(name, mode: mode)
        try database.psql(
            """
            SELECT make_time_partition(table_name, '2024-03-05Z') FROM time_tables()
            """)
        return database
    }

    @Test("of a provider's bars the one that came last is there, and the table has them all")
    func providerBars() throws {
        let database = try database("views_provider_bars")
        func bar(
            _ ordinal: Int, _ open: String, _ close: Int, flags: Int, of source: String = "s",
            from made: String = "trades", epoch: Int = 1
        ) -> String {
            """
            ('2024-03-05 10:01Z', 5, 'A', '\(made)', '2024-03-05 \(open)Z', \(close), \(flags),
                now(), 1, '\(source)', 0, \(epoch), \(ordinal))
            """
        }
        let rows = [
            bar(1, "10:00", 10, flags: 1), bar(2, "10:00", 11, flags: 0),
            bar(3, "10:00", 12, flags: 4), bar(4, "10:00", 9, flags: 0, from: "midpoint"),
            // Another length, another source, and a later epoch whose ordinals go on.
            bar(5, "10:00:55", 13, flags: 2), bar(1, "10:00", 14, flags: 0, of: "t"),
            bar(6, "10:00:55", 15, flags: 6, epoch: 2),
        ]
        try database.psql(
            """
            INSERT INTO provider_bars (ts, event_time_ns, symbol, made_of, open_time, close,
                bar_flags, receive_time, receive_time_ns, source, partition, epoch, ordinal)
            VALUES \(rows.joined(separator: ", "))
            """)
        let found = try database.psql(
            """
            SELECT source, made_of, to_char(ts, 'MI:SS'), to_char(close_time, 'MI:SS'), close,
                is_finished, is_revised, is_regular_hours
            FROM md_market.provider_bars ORDER BY 1, 2, 3
            """)
        #expect(
            found == """
                s|midpoint|00:00|01:00|9|t|f|f
                s|trades|00:00|01:00|12|t|t|f
                s|trades|00:55|01:00|15|t|t|t
                t|trades|00:00|01:00|14|t|f|f
                """)
        try database.expect("SELECT count(*) FROM provider_bars", "\(rows.count)")
    }

    @Test("cancelled trades do not count, and corrected ones as they were corrected last")
    func trades() throws {
        let database = try database("views_trades")
        func trade(
            _ ordinal: Int, _ id: String, _ price: Int?, _ action: Int, _ source: String = "s",
            flags: Int = 0, of named: String? = nil
        ) -> String {
            """
            ('2024-03-05 10:00Z', 5, 'A', \(price.map { "\($0)" } ?? "NULL"), 1, \(action), \(id),
                now(), 1, '\(source)', 0, 1, \(ordinal), \(flags),
                \(named.map { "'\($0)'" } ?? "NULL"))
            """
        }
        let rows = [
            trade(1, "7", 10, 0), trade(2, "8", 20, 0), trade(3, "9", 30, 0),
            trade(4, "NULL", 40, 0), trade(5, "7", 10, 2), trade(6, "8", 21, 1),
            trade(7, "8", 22, 1),
            // Another source's trade with the same id.
            trade(1, "7", 50, 0, "t"),
            // A snapshot, and a trade without a price.
            trade(8, "1", 91, 0, flags: 1), trade(9, "2", nil, 0),
            // A person: for one source, for all sources, and a tick of a source.
            trade(10, "11", 60, 0), trade(2, "11", 61, 0, "t"),
            trade(1, "11", 60, 2, "manual", of: "s"),
            trade(11, "12", 70, 0), trade(3, "12", 71, 0, "t"), trade(2, "12", 72, 1, "manual"),
            trade(3, "13", 80, 0, "manual", flags: 4, of: "s"),
        ]
        try database.psql(
            """
            INSERT INTO sink_positions (sink, input, partition, owner_epoch)
            VALUES ('store', 'ticks', 0, 1);
            INSERT INTO sink_source_ordinals (sink, input, partition, source, first_ordinal,
                last_ordinal)
            VALUES ('store', 'ticks', 0, 's', 1, 1), ('store', 'ticks', 0, 't', 1, 1);
            INSERT INTO trades (ts, event_time_ns, symbol, price, size, action, provider_id,
                receive_time, receive_time_ns, source, partition, epoch, ordinal, flags, of_source)
            VALUES \(rows.joined(separator: ", "))
            """)
        try database.expect(
            """
            SELECT price, is_corrected, source, of_source FROM md_market.trades_effective
            ORDER BY price, source
            """,
            """
            22|t|s|
            30|f|s|
            40|f|s|
            50|f|t|
            61|f|t|
            72|t|s|
            72|t|t|
            80|f|manual|s
            """)
    }

    @Test("of a value the last revision is shown, unless that withdraws it, and each source's")
    func values() throws {
        let database = try database("views_values")
        func value(
            _ ordinal: Int, _ name: String, _ value: String, revision: Int,
            of source: String = "x", minute: Int = 0
        ) -> String {
            """
            ('2024-03-05 10:0\(minute)Z', 1, 'A', '\(name)', \(value), '2024-03-05 10:0\(minute)Z',
                1, '2024-03-05 10:09Z', 2, \(revision), '\(source)',
                now(), 1, 'operator', 0, 1, \(ordinal))
            """
        }
        let rows = [
            value(1, "mean", "1", revision: 1), value(2, "mean", "2", revision: 2),
            value(3, "mean", "3", revision: 3, of: "y"), value(4, "gone", "4", revision: 4),
            value(5, "gone", "NULL", revision: 5), value(6, "mean", "6", revision: 6, minute: 5),
            value(7, "all", "9", revision: 7, of: ""), value(8, "all", "11", revision: 8, of: ""),
        ]
        try database.psql(
            """
            INSERT INTO indicators (ts, event_time_ns, symbol, name, value, period_start,
                period_start_ns, period_end, period_end_ns, revision, of_source, receive_time,
                receive_time_ns, source, partition, epoch, ordinal)
            VALUES \(rows.joined(separator: ", "))
            """)
        try database.expect(
            "SELECT name, value, of_source FROM md_market.indicators_latest ORDER BY value",
            "mean|2|x\nmean|3|y\nmean|6|x\nall|11|")
        let plan = try database.psql(
            """
            SET enable_seqscan = off;
            EXPLAIN (COSTS OFF) SELECT * FROM md_market.indicators_latest
            WHERE name = 'mean' AND symbol = 'A'
            """)
        #expect(plan.contains("name_symbol_ts"), "\(plan)")
    }

    @Test("the last price is that of a trade that stands, and says whose it is")
    func lastTrades() throws {
        let database = try database("views_last")
        func trade(
            _ ordinal: Int, _ symbol: String, _ price: Int, minutesAgo: Int, id: Int = 0,
            action: Int = 0, flags: Int = 0
        ) -> String {
            """
            (now() - interval '\(minutesAgo) min', 5, '\(symbol)', \(price), 1, \(action), \(id),
                now(), 1, 's', 0, 1, \(ordinal), \(flags))
            """
        }
        let rows = [
            // A bad print that was cancelled.
            trade(1, "A", 10, minutesAgo: 3), trade(2, "A", 99, minutesAgo: 2, id: 7),
            trade(3, "A", 99, minutesAgo: 2, id: 7, action: 2),
            // One that was corrected.
            trade(4, "B", 99, minutesAgo: 2, id: 8),
            trade(5, "B", 20, minutesAgo: 2, id: 8, action: 1),
            // A snapshot is of another time than it says.
            trade(6, "C", 30, minutesAgo: 9), trade(7, "C", 98, minutesAgo: 1, flags: 1),
            // A delayed trade is the last one where none is later.
            trade(8, "D", 40, minutesAgo: 15, flags: 8),
            trade(9, "E", 51, minutesAgo: 15, flags: 8),
            trade(10, "E", 50, minutesAgo: 1),
        ]
        try database.psql(
            """
            SELECT make_time_partition(name, time) FROM unnest(ARRAY['trades', 'quotes']) AS name,
                unnest(ARRAY[now() - interval '1 day', now()]) AS time;
            INSERT INTO trades (ts, event_time_ns, symbol, price, size, action, provider_id,
                receive_time, receive_time_ns, source, partition, epoch, ordinal, flags)
            VALUES \(rows.joined(separator: ", "));
            INSERT INTO quotes (ts, event_time_ns, symbol, bid_price, receive_time,
                receive_time_ns, source, partition, epoch, ordinal)
            VALUES (now(), 5, 'A', 1, now(), 1, 'other', 0, 1, 1),
                (now(), 5, 'F', 1, now(), 1, 't', 0, 1, 1)
            """)
        try database.expect(
            "SELECT symbol, price, is_delayed FROM md_market.latest_trades ORDER BY symbol",
            "A|10|f\nB|20|f\nC|30|f\nD|40|t\nE|50|f")
        try database.expect(
            """
            SELECT symbol, source, quote_source, last_price FROM md_market.symbols
            WHERE last_quote IS NOT NULL ORDER BY symbol
            """, "A|s|other|10\nF|t|t|")
    }

    @Test("the gaps of another source do not count against a bar; those of a group's sources do")
    func trust() throws {
        let database = try database("views_trust")
        try database.psql(
            """
            INSERT INTO sink_positions (sink, input, partition, owner_epoch)
            VALUES ('store', 'ticks', 0, 1);
            INSERT INTO sink_source_ordinals (sink, input, partition, source, first_ordinal,
                last_ordinal)
            VALUES ('store', 'ticks', 0, 'x', 1, 1), ('store', 'ticks', 0, 'y', 1, 1),
                ('store', 'ticks', 0, 'z', 1, 1);
            INSERT INTO gaps (sink, input, partition, source, reason, symbol, kind, from_time,
                to_time, state, receive_time, epoch, ordinal)
            VALUES ('store', 'ticks', 0, 'x', 'disconnected', 'A', 'trade', '2024-03-05 10:00:10Z',
                '2024-03-05 10:00:30Z', 'open', '2024-03-05 10:01Z', 1, 1);
            INSERT INTO bars_short (symbol, series, ts, open, volume, notional, trades,
                open_time_ns, close_time, close_time_ns, revision, partial, source, partition,
                ordinal, lateness_ns, taken_at)
            SELECT 'A', '1m', '2024-03-05 10:00Z', 1, 1, 1, 1, 1, '2024-03-05 10:01Z', 1, ordinal,
                true, source, 0, ordinal, lateness, known_at
            FROM (VALUES ('x', 1, 5000000000, NULL), ('y', 2, NULL, NULL),
                ('both', 3, 9000000000000000000, NULL), ('z', 4, 3600000000000, now()))
                AS b (source, ordinal, lateness, known_at);
            INSERT INTO events (ts, event_time_ns, symbol, input, template, name, receive_time,
                receive_time_ns, source, partition, epoch, ordinal, detail)
            SELECT ts, 1, 'A', 'ticks', 1, 'subscription', now(), 1, 'y', 0, 1, ordinal,
                jsonb_build_object('action', action)
            FROM (VALUES ('2024-03-05 10:00:10Z'::timestamptz, 1, 'stop'),
                ('2024-03-05 10:00:20Z', 2, 'start')) AS e (ts, ordinal, action);
            INSERT INTO trades (ts, event_time_ns, symbol, price, size, receive_time,
                receive_time_ns, source, partition, epoch, ordinal)
            VALUES ('2024-03-05 09:00Z', 1, 'A', 1, 1, now(), 1, 'x', 0, 1, 1)
            """)
        try database.expect(
            """
            SELECT source, extract(epoch FROM missing)::int, subscribed_at IS NOT NULL,
                is_beginning
            FROM md_market.bar_trust WHERE symbol = 'A' ORDER BY source
            """, "both|20|t|f\nx|20|f|f\ny|0|t|t\nz|0|f|t")
        try database.psql(
            """
            INSERT INTO bars_short (symbol, series, ts, open, volume, notional, trades,
                open_time_ns, close_time, close_time_ns, revision, partial, source, partition,
                ordinal, lateness_ns)
            VALUES ('A', '1s', '2024-03-05 10:05Z', 1, 1, 1, 1, 1, '2024-03-05 10:05:01Z', 1, 5,
                true, 'x', 0, 5, 0)
            """)
        try database.expect(
            "SELECT source, series, why FROM md_market.bar_trust ORDER BY source, series",
            """
            both|1m|trade open: disconnected
            x|1m|trade open: disconnected
            x|1s|the tape says: tapeline explain
            y|1m|its feed began, or was asked for again, at 2024-03-05 10:00:20+00
            z|1m|nothing of before it is stored
            """)
        try database.psql("DELETE FROM bars_short WHERE series = '1s'")
        try expectQuality(database)
    }

    private func expectQuality(_ database: TestDatabase) throws {
        try database.expect(
            """
            SELECT source, bars, partial, extract(epoch FROM missing)::int
            FROM md_market.quality('2024-03-05')
            """, "both|1|1|20\nx|1|1|20\ny|1|1|0\nz|1|1|0")
        try database.expect(
            "SELECT source, is_final FROM md_market.candles ORDER BY source", "both|f\nx|t\ny|\nz|f"
        )
    }

    @Test(
        "a day whose first minute was withdrawn opens with the second one",
        .enabled(
            if: PostgresServer.Edition.hasCommunity,
            "not run: TEST_TIMESCALE_COMMUNITY names no server with TimescaleDB's Community edition"
        ))
    func daily() throws {
        let database = try TestDatabase("views_daily", mode: .community)
        try database.migrate(wishes: Migrator.Wishes(dailyBars: true))
        try database.psql(
            """
            INSERT INTO bars_short (symbol, series, ts, open, close, volume, notional, trades,
                open_time_ns, close_time, close_time_ns, revision, source, partition, ordinal,
                withdrawn)
            SELECT 'A', '1m', '2024-03-05Z'::timestamptz + n * interval '1 minute',
                nullif(n, 1), nullif(n, 9), 1, 1, 1, 1, now(), 1, n, source, 0, n, n IN (1, 9)
            FROM generate_series(1, 9) AS n, unnest(ARRAY['x', 'y']) AS source
            """)
        try database.expect(
            "SELECT source, open, close, trades FROM bars_daily ORDER BY 1", "x|2|8|9\ny|2|8|9")
    }
}
