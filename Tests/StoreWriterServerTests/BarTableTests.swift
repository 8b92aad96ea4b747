import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StoreSinks
import TapeCodec
import TestSupport
import Testing

@testable import StoreWriter

@Suite("Bars by source, in the table of their width")
struct BarTableTests {
    private static let start: Int64 = 1_700_006_400_000_000_000
    private static let minute: Int64 = 60_000_000_000
    private static let hour = 60 * minute

    /// A source of bars with two symbols of one name, of two gateways, and these series.
    private struct Bars {
        var source: TestSource
        let pairs: [UInt32]
        let series: [String: UInt16]

        init(_ bench: WriterBench, _ widths: [(name: String, nanoseconds: Int64)]) throws {
            var source = TestSource(bench.tape, Partition(1), source: .operator, kind: .bars)
            pairs = try ["desk-1", "desk-2"].map { name in
                try source.define("AAPL", provider: "test", of: name)
            }
            var series: [String: UInt16] = [:]
            for (name, width) in widths {
                series[name] = try source.define(series: name, nanoseconds: width)
            }
            self.series = series
            self.source = source
        }

        mutating func append(
            _ pair: Int, _ name: String, _ price: Int64, span: Int64, number: Int64 = 0,
            flags: BarFlags = []
        ) throws {
            let open = Timestamp(nanoseconds: BarTableTests.start)
            var bar = Bar(
                from: open.nanoseconds, width: span, symbol: pairs[pair],
                series: try #require(series[name]))
            bar.open = Price(raw: price * 1_000_000_000)
            bar.close = bar.open
            bar.number = number
            bar.flags = flags
            source.append(bar)
        }
    }

    @Test("two sources of one symbol have a bar each, also within a batch and when it comes again")
    func bySource() throws {
        let bench = try WriterBench("writer_src")
        var bars = try Bars(bench, [("1m", Self.minute)])
        // In one packet, so in one batch: none of these is a version of another.
        try bars.append(0, "1m", 1, span: Self.minute)
        try bars.append(1, "1m", 2, span: Self.minute)
        try bars.source.publish(watermark: .undefined)
        let running = try bench.start()
        let rows = "SELECT source, close, revision, replaced FROM bars ORDER BY source"
        try bench.database.expectSoon(rows, "desk-1|1|1|0\ndesk-2|2|2|0", "\(running.reasons)")
        // A later version of one of them, twice in one batch.
        try bars.append(1, "1m", 3, span: Self.minute)
        try bars.append(1, "1m", 4, span: Self.minute, flags: .withdrawn)
        try bars.append(0, "1m", 1, span: Self.minute, flags: .filled)
        try bars.source.publish(watermark: .undefined)
        try bench.database.expectSoon(rows, "desk-1|1|5|1\ndesk-2|4|4|2", "\(running.reasons)")
        try bench.database.expect(
            """
            SELECT source, withdrawn, filled, lateness_ns IS NULL,
                extract(epoch FROM sent_at)::bigint FROM bars ORDER BY source
            """, "desk-1|f|t|t|1700000000\ndesk-2|t|f|t|1700000000")
        try bench.database.expect("SELECT source FROM bars_standing", "desk-1")
        try Audit.expect("bars_stored", in: bench.database)
        try running.stop()
    }

    @Test("the width of a series decides its table, once: a session has no width, a count a number")
    func byWidth() throws {
        let bench = try WriterBench("writer_width")
        var bars = try Bars(
            bench,
            [
                ("59m", 59 * Self.minute), ("1h", Self.hour), ("rth1d", 0), ("t500", 0),
                ("pause", 0), ("again", Self.minute),
            ])
        try bars.append(0, "59m", 1, span: 59 * Self.minute)
        try bars.append(0, "1h", 1, span: Self.hour)
        try bars.append(0, "rth1d", 1, span: 6 * Self.hour)
        try bars.append(0, "t500", 1, span: 6 * Self.hour, number: 7)
        // Ticks end it, so it does not end at a whole minute.
        try bars.append(0, "pause", 1, span: 6 * Self.hour + 7)
        try bars.append(0, "again", 1, span: Self.minute)
        try bars.source.publish(watermark: .undefined)
        var running = try bench.start()
        let tables = """
            SELECT string_agg(series, ',' ORDER BY series) FROM bars_short UNION ALL
            SELECT string_agg(series, ',' ORDER BY series) FROM bars_long
            """
        try bench.database.expectSoon(
            tables, "59m,again,pause,t500\n1h,rth1d", "\(running.reasons)")
        try running.stop()
        // Another definition of a known series.
        var later = try Bars(bench, [("again", 2 * Self.hour)])
        later.source.epoch = 2
        later.source.skip = bars.source.nextOrdinal - 1
        try later.append(1, "again", 2, span: 2 * Self.hour)
        try later.source.publish(watermark: .undefined)
        running = try bench.start()
        try bench.database.expectSoon(
            "SELECT count(*) FROM bars_short WHERE series = 'again'", "2", "\(running.reasons)")
        try running.stop()
    }

    /// Returns the tables that a plan reads.
    private func tables(_ database: TestDatabase, _ query: String) throws -> Set<String> {
        let plan = try database.psql("EXPLAIN (COSTS OFF, VERBOSE) \(query)")
        let chunks = try database.psql(
            """
            SELECT t, c.relation FROM unnest(ARRAY['bars_short', 'bars_long']) t, time_chunks(t) c
            UNION ALL SELECT t, (current_schema() || '.' || p.name)::regclass
            FROM unnest(ARRAY['bars_short', 'bars_long']) t, time_partitions(t) p
            WHERE p.from_ts IS NOT NULL
            """)
        var found: Set<String> = []
        for line in chunks.split(separator: "\n") {
            let parts = line.split(separator: "|")
            let name = parts[1].split(separator: ".").last.map(String.init) ?? ""
            let isRead = plan.split(separator: "\n").contains {
                $0.contains(" on ") && ($0 + " ").contains(".\(name) ")
            }
            if isRead { found.insert(String(parts[0])) }
        }
        return found
    }

    private static func bar(_ series: String, _ table: String, _ interval: String) -> String {
        """
        INSERT INTO \(table) (symbol, series, ts, close, volume, notional, trades, open_time_ns,
            close_time, close_time_ns, revision, source, partition, ordinal)
        SELECT symbol, '\(series)', ts, 1, 1, 1, 1, 0, ts + interval '\(interval)', 0, 1, 's', 0,
            row_number() OVER ()
        FROM unnest(ARRAY['A', 'B', 'C']) AS symbol,
            generate_series('2024-03-05Z'::timestamptz, '2024-03-06 23:59:59Z', '\(interval)')
                AS ts;
        """
    }

    @Test("one series touches one table, and few rows", arguments: DatabaseMode.usual)
    func oneTable(mode: DatabaseMode) throws {
        let database = try TestDatabase.migrated("bars_plan", mode: mode)
        try database.psql("SELECT note_series('{1m,1s,1h,rth1d}', '{f,f,t,t}')")
        try database.psql(
            """
            SELECT make_time_partition(t, d)
            FROM unnest(ARRAY['bars_short', 'bars_long']) t,
                unnest(ARRAY['2024-03-05Z', '2024-03-06Z']::timestamptz[]) d
            """)
        try database.psql(
            Self.bar("1m", "bars_short", "1 minute") + Self.bar("1s", "bars_short", "30 seconds")
                + Self.bar("1h", "bars_long", "1 hour") + Self.bar("rth1d", "bars_long", "1 day"))
        try database.psql("ANALYZE bars_short; ANALYZE bars_long")
        for view in ["bars", "md_market.candles"] {
            for (series, table) in [
                ("1m", "bars_short"), ("1s", "bars_short"), ("1h", "bars_long"),
                ("rth1d", "bars_long"),
            ] {
                let query = "SELECT * FROM \(view) WHERE symbol = 'A' AND series = '\(series)'"
                #expect(try tables(database, query) == [table], "\(query)")
                let newest = query + " ORDER BY ts DESC LIMIT 1"
                #expect(try tables(database, newest) == [table], "\(newest)")
                let range = query + " AND ts >= '2024-03-06Z' ORDER BY ts"
                #expect(try tables(database, range) == [table], "\(range)")
            }
        }
        // The last bar of all symbols, by the index that begins with the series.
        let plan = try database.psql(
            """
            EXPLAIN (COSTS OFF) SELECT symbol, close FROM bars
            WHERE series = '1m' AND ts >= '2024-03-06 23:58Z'
            """)
        #expect(plan.contains("series_ts"), "\(plan)")
        #expect(!plan.contains("Seq Scan"), "\(plan)")
    }

    @Test("a partition has the width of its table, and keeps clear of older ones")
    func spans() throws {
        let database = try TestDatabase.migrated("bars_spans", mode: .plain)
        // A day from before the tables had wider partitions.
        try database.psql(
            """
            CREATE TABLE news_p20240310 PARTITION OF news
            FOR VALUES FROM ('2024-03-10Z') TO ('2024-03-11Z');
            SELECT make_time_partition(t, ts::timestamptz)
            FROM (VALUES ('bars_long', '2024-03-05Z'), ('trades', '2024-03-05 12:00Z'),
                ('indicators', '2024-03-05Z'), ('options', '1970-01-01Z')) AS w (t, ts);
            SELECT make_time_partition('news', ts)
            FROM unnest(ARRAY['2024-03-05Z', '2024-03-20Z', '2024-03-10 12:00Z']::timestamptz[]) ts
            """)
        try database.expect(
            """
            SELECT t, from_ts::date, to_ts::date
            FROM unnest(ARRAY['bars_long', 'indicators', 'news', 'options', 'trades']) AS t,
                time_partitions(t)
            WHERE to_ts < '2025-02-01Z' AND (t = 'options') = (from_ts < '1971-01-01Z')
            ORDER BY 1, 2
            """,
            """
            bars_long|2024-01-01|2025-01-01
            indicators|2024-03-04|2024-03-11
            news|2024-03-01|2024-03-10
            news|2024-03-10|2024-03-11
            news|2024-03-11|2024-04-01
            options|1970-01-01|1970-01-02
            trades|2024-03-05|2024-03-06
            """)
    }

    @Test("the bars of one series are dropped by themselves", arguments: DatabaseMode.here)
    func ofSeries(mode: DatabaseMode) throws {
        let database = try TestDatabase("bars_retention", mode: mode)
        try database.migrate(
            wishes: Migrator.Wishes(
                compressAfter: .seconds(2 * 86_400), retention: ["bars.1s": 30]))
        try database.psql("SELECT note_series('{1m,1s}', '{f,f}')")
        try database.psql(
            """
            SELECT make_time_partition('bars_short', d)
            FROM unnest(ARRAY['2024-03-05Z', '2024-03-06Z']::timestamptz[]) d
            """)
        try database.psql(
            Self.bar("1m", "bars_short", "1 minute") + Self.bar("1s", "bars_short", "30 seconds"))
        if mode == .community {
            try database.psql(
                "SELECT public.compress_chunk(c) FROM public.show_chunks('bars_short') AS c")
        }
        let writer = try database.connectWriter()
        let keeping = StoreKeeping(database: writer)
        let rule = RetentionPlan.Rule(table: "bars.1s", days: 30)
        var names: [String] = []
        while let day = try keeping.dropOldest(rule).first {
            #expect(day.rows == 8_640)
            names.append(day.name)
        }
        #expect(names == ["1s of 2024-03-05", "1s of 2024-03-06"])
        try database.expect("SELECT series, count(*) FROM bars GROUP BY 1", "1m|8640")
        try database.expect(
            "SELECT table_name, input, rows FROM retired_rows", "bars.1s|bars|17280")
        let error = #expect(throws: PostgresError.self) {
            try keeping.dropOldest(RetentionPlan.Rule(table: "bars.1m", days: 30))
        }
        #expect(error?.sqlState == .insufficientPrivilege)
    }

    @Test("a retention of bars is one of its tables, unless they or a series have their own")
    func plan() {
        let parsed = RetentionPlan.parse(["bars=9d", "bars_long=99d", "bars.1s=2d"])
        #expect(parsed.problems.isEmpty)
        #expect(
            parsed.plan.daysByTable
                == ["bar_versions": 9, "bars_short": 9, "bars_long": 99, "bars.1s": 2])
        for wrong in ["bars.=1d", "bars.a b=1d", "trades.1s=1d"] {
            #expect(RetentionPlan.parse([wrong]).problems.count == 1, "\(wrong)")
        }
        #expect(RetentionPlan.parse(["bars=1d", "bars=2d"]).problems == ["bars is named twice"])
    }
}
