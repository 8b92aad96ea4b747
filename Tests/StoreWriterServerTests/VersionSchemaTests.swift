import Foundation
import PostgresClient
import StoreSinks
import TestSupport
import Testing

@testable import StoreWriter

@Suite("What was known of bars at a time: the database alone")
struct VersionSchemaTests {
    private static let day = "'2024-03-05Z'"

    private func database(_ name: String, _ mode: DatabaseMode = .plain) throws -> TestDatabase {
        let database = try TestDatabase(name, mode: mode)
        try database.migrate(
            wishes: Migrator.Wishes(
                compressAfter: .seconds(2 * 86_400),
                retention: ["bars_short": 2, "bar_versions": 1, "bars.5s": 2]))
        try database.psql(
            """
            SELECT note_series('{1m,5s}', '{f,f}'), make_time_partition('bars_short', \(Self.day))
            """)
        return database
    }

    /// Stores a version of the bar of a minute as the writer does: `known` is the minute of ten
    /// o'clock in which the tape took it, or `nil` when it is not known, and `sent` that in which
    /// it was sent.
    private func put(
        _ minute: Int, _ close: Int, _ revision: Int, known: Int?, sent: Int? = nil,
        more: String = "false", series: String = "1m"
    ) -> String {
        let window = "timestamptz '2024-03-05 10:00Z' + \(minute) * interval '1 min'"
        func time(_ minute: Int?) -> String {
            minute.map { "timestamptz '2024-03-05 10:00Z' + \($0) * interval '1 min'" } ?? "NULL"
        }
        return """
            INSERT INTO bars_short AS bars (symbol, series, ts, close, volume, notional, trades,
                open_time_ns, close_time, close_time_ns, revision, source, partition, ordinal,
                withdrawn, taken_at, sent_at)
            VALUES ('A', '\(series)', \(window), \(close), 1, 1, 1, 0, \(window) + interval '1 min',
                0, \(revision), 's', 0, \(revision), \(more), \(time(known)), \(time(sent)))
            ON CONFLICT (symbol, series, ts, number, source) DO UPDATE
            SET close = excluded.close, revision = excluded.revision, ordinal = excluded.ordinal,
                withdrawn = excluded.withdrawn, taken_at = excluded.taken_at,
                sent_at = excluded.sent_at, replaced = bars.replaced + 1
            WHERE excluded.revision > bars.revision;
            """
    }

    private func ask(_ minute: Int, _ more: String = "", series: String = "1m") -> String {
        """
        SELECT extract(minute FROM ts), close, version, is_uncertain
        FROM md_market.bars_as_of('2024-03-05 10:\(minute)Z', '{A}', '\(series)',
            '2024-03-05', '2024-03-06'\(more))
        """
    }

    private func refusal(_ database: TestDatabase, _ sql: String) throws -> String {
        try database.connectWriter().refusal(of: sql)
    }

    @Test(
        "versions are moved when they are replaced, in each database", arguments: DatabaseMode.here)
    func versions(mode: DatabaseMode) throws {
        let database = try database("versions_moved", mode)
        try database.psql(put(1, 10, 1, known: 12) + put(2, 20, 2, known: 13))
        if mode == .community {
            try database.psql(
                "SELECT public.compress_chunk(c) FROM public.show_chunks('bars_short') AS c")
        }
        try database.psql(put(1, 11, 3, known: 15) + put(2, 0, 4, known: 16, more: "true"))
        if mode == .community {
            try database.psql(
                """
                SELECT public.compress_chunk(c, if_not_compressed => true)
                FROM unnest(ARRAY['bars_short', 'bar_versions']::regclass[]) AS t,
                    public.show_chunks(t) AS c
                """)
        }
        // The same once more, and an older one, change nothing.
        try database.psql(
            put(1, 12, 5, known: 20) + put(1, 12, 5, known: 20) + put(1, 9, 4, known: 21))
        let expected: [Int: String] = [
            11: "", 12: "1|10|1|f", 14: "1|10|1|f\n2|20|1|f", 15: "1|11|2|f\n2|20|1|f",
            16: "1|11|2|f", 30: "1|12|3|f",
        ]
        for (minute, rows) in expected {
            try database.expect(ask(minute), rows, "at \(minute)")
        }
        try database.expect(
            """
            SELECT close, version, is_standing, is_withdrawn FROM md_market.bar_versions
            ORDER BY ts, version
            """, "10|1|f|f\n11|2|f|f\n12|3|t|f\n20|1|f|f\n0|2|t|t")
        try database.expect(
            """
            SELECT series, reason, bars, of_bars, versions, in_10_s, in_1_min, in_1_h, unknown
            FROM md_market.rewritten('2024-03-05', '2024-03-06')
            """, "1m|closed|2|2|3|0|0|3|0")
        let audit = try Audit.check("versions_stored", in: database)
        #expect(audit == "3|3|t|", "\(audit)")
    }

    @Test("what is damaged is named by the audit")
    func damages() throws {
        let database = try database("versions_audit")
        try database.psql(
            put(1, 10, 1, known: 12) + put(2, 20, 2, known: 13) + put(1, 11, 3, known: 15))
        for (damage, told) in [
            (
                "DELETE FROM bar_versions",
                "A of s 1m 2024-03-05 10:01:00+00: 0 earlier versions, not 1"
            ),
            ("UPDATE bar_versions SET revision = 7", "revision 7 was replaced, but 3 stands"),
            (
                "UPDATE bars_short SET taken_at = '2024-03-05 10:11Z' WHERE revision = 2",
                "revision 2 taken at 2024-03-05 10:11:00+00, one before it at 2024-03-05 10:12"
            ),
            ("DELETE FROM bars_short WHERE revision = 3", "1 earlier versions, not of any bar"),
        ] {
            let audit = try Audit.check("versions_stored", in: database)
            #expect(audit == "1|1|t|", "\(audit)")
            // The check in the same transaction sees the damage, and nobody else does.
            let found = try Audit.check("versions_stored", in: database, after: damage)
            #expect(found.contains("|f|") && found.contains(told), "\(damage): \(found)")
        }
    }

    @Test("an older version that comes later is kept, and counted once")
    func earlier() throws {
        let database = try database("versions_older")
        let merge = try #require(SinkCatalogue([.bars]).sinks.first?.merge)
        try database.psql(put(1, 12, 9, known: 20))
        let stage = """
            BEGIN; \(merge.makeStaging);
            INSERT INTO bars_staging SELECT * FROM bars_short;
            UPDATE bars_staging SET revision = 4, ordinal = 4, close = 8, taken_at = NULL
            """
        for _ in 1...2 {
            try database.psql(
                "\(stage); \(merge.statementsForEarlier.joined(separator: "; ")); COMMIT")
            try database.expect("SELECT replaced FROM bars; SELECT close FROM bar_versions", "1\n8")
        }
        // It is not known when the tape took it, so nobody can say what was known before the later
        // one.
        #expect(try refusal(database, ask(19)).hasSuffix("it is not known when the tape took it"))
        try database.expect(ask(20), "1|12|2|f")
        try database.expect(ask(19, ", true"), "1|8|1|t")
    }

    @Test("retention drops replaced versions by themselves, and then it raises")
    func retention() throws {
        let database = try database("versions_retired")
        try database.psql(
            put(1, 10, 1, known: 12) + put(1, 11, 2, known: 15) + put(2, 20, 3, known: 16)
                + put(3, 30, 4, known: 17, series: "5s") + put(3, 31, 5, known: 18, series: "5s"))
        let writer = try database.connectWriter()
        let keeping = StoreKeeping(database: writer)
        _ = try keeping.dropOldest(RetentionPlan.Rule(table: "bars.5s", days: 2))
        try database.expect("SELECT count(*) FROM bar_versions", "1")
        #expect(try refusal(database, ask(30, series: "5s")).contains("before 2024-03-06"))
        _ = try keeping.dropOldest(RetentionPlan.Rule(table: "bar_versions", days: 1))
        try database.expect("SELECT count(*) FROM bar_versions", "0")
        try database.expect(
            """
            SELECT table_name, input, rows FROM retired_rows
            ORDER BY table_name COLLATE "C", input
            """, "bar_versions|versions|1\nbars.5s|bars|1\nbars.5s|versions|1")
        // The last version was known at 15 past: what was before is not stored any more.
        try database.expect(ask(15), "1|11|2|f")
        #expect(
            try refusal(database, ask(14)).hasSuffix("1 of its earlier versions are not stored"))
        try database.expect(ask(14, ", true"), "1|||t")
        let audit = try Audit.check("versions_stored", in: database)
        #expect(audit == "0|0|t|", "\(audit)")
        _ = try keeping.dropOldest(RetentionPlan.Rule(table: "bars_short", days: 2))
        #expect(try refusal(database, ask(30)).hasPrefix("bars of 1m before 2024-03-06"))
    }

    @Test("an hour of a symbol is read by the index, whatever else is stored")
    func budget() throws {
        let database = try database("versions_budget")
        try database.psql(
            """
            INSERT INTO bars_short (symbol, series, ts, close, volume, notional, trades,
                open_time_ns, close_time, close_time_ns, revision, source, partition, ordinal,
                taken_at)
            SELECT 'S' || s, '1m', t, 1, 1, 1, 1, 0, t + interval '1 min', 0, 1, 's', 0, 1, t
            FROM generate_series(1, 20) AS s,
                generate_series('2024-03-05Z'::timestamptz, '2024-03-05 23:59Z', '1 min') AS t;
            UPDATE bars_short SET revision = 2, replaced = 1;
            ANALYZE bars_short; ANALYZE bar_versions
            """)
        let question = """
            SELECT * FROM md_market.bars_as_of(now(), '{S7}', '1m', '2024-03-05 10:00Z',
                '2024-03-05 11:00Z')
            """
        // The first time the session reads the catalogue, too.
        let (pages, plan) = try database.pages(question, after: question)
        #expect(plan.contains("(actual rows=60 loops=1)"), "\(plan)")
        #expect(pages < 200, "\(plan)")
        for view in ["bar_versions", "candles"] {
            let read = try database.psql(
                """
                EXPLAIN (COSTS OFF) SELECT * FROM md_market.\(view)
                WHERE symbol = 'S7' AND series = '1m' AND ts = '2024-03-05 10:00Z'
                """)
            #expect(!read.contains("Seq Scan") && read.contains("_pkey"), "\(read)")
        }
    }

    @Test("a partition of which no bar was on the tape any more is no partition without bars")
    func nothingStored() throws {
        let database = try database("versions_nothing")
        try database.psql(
            """
            INSERT INTO sink_positions (sink, input, partition, owner_epoch) VALUES
                ('store', 'bars', 0, 1), ('store', 'ticks', 0, 1)
            """)
        try database.expect(ask(11), "")
        try database.psql("UPDATE sink_positions SET tape_time_ns = 1 WHERE input = 'ticks'")
        let doubt = "of the tape of partition 0 ticks are stored, and no bars"
        #expect(try refusal(database, ask(11)) == doubt)
        // Before its first tick it had no bar, where it has not lost any tick.
        let stretch = """
            INSERT INTO stored_stretches (input, partition, source, first_ordinal, last_ordinal,
                taken_from, starts, delays_us, apart_ms)
            VALUES ('ticks', 0, 's', 1, 9, '2024-03-05 10:11:01Z', '{0}', '{0}', '{500}')
            """
        try database.psql(stretch)
        try database.expect(ask(11), "")
        try database.psql("UPDATE stored_stretches SET apart_ms = '{1500}'")
        #expect(try refusal(database, ask(11)) == doubt)
        try database.psql("UPDATE stored_stretches SET apart_ms = '{500}', first_ordinal = 2")
        #expect(try refusal(database, ask(11)) == doubt)
        try database.psql("TRUNCATE stored_stretches; \(stretch)")
        try database.psql(
            """
            INSERT INTO version_losses (input, partition, from_at, to_at, reason)
            VALUES ('ticks', 0, '-infinity', '2024-03-05 10:11:01Z', 'purged')
            """)
        #expect(try refusal(database, ask(11)) == doubt)
    }

    @Test("nobody is told of the future, and a question without a bound is refused")
    func bounds() throws {
        let database = try database("versions_bounds")
        #expect(
            try refusal(database, ask(11).replacing("'2024-03-05 10:11Z'", with: "'2199-01-01'"))
                .contains("is not known yet"))
        #expect(
            try refusal(database, ask(11).replacing("'{A}'", with: "NULL"))
                .contains("needs a time, symbols"))
        // A position that a person moves says what was given up.
        try database.psql(
            """
            SELECT claim_position('store', 'bars', 0, 1, 'me');
            SELECT advance_positions('store', '[{"input": "bars", "partition": 0, "owner_epoch": 1,
                "stream_created_ns": 1, "sequence": 5, "packet_epoch": 1, "packet_ordinal": 1,
                "packet_crc": 1, "tape_time_ns": 1709632800000000500, "sources": [{"source":
                "operator", "first_ordinal": 1, "last_ordinal": 5, "written": 5, "epoch": 1}]}]')
            """)
        // The writer has the tape up to ten o'clock.
        try database.psql(put(-9, 10, 1, known: -8))
        let early = ask(11).replacing("10:11Z", with: "09:59Z")
        try database.expect(early, "51|10|1|f")
        #expect(
            try refusal(database, ask(11))
                == "the database has the tape of partition 0 up to 2024-03-05 10:00:00+00 only")
        try database.expect(ask(11, ", true"), "51|10|1|t")
        // What came in the last minute may be on its way, but this writer is hours late.
        for at in ["now()", "now() - interval '10 s'"] {
            func recent(_ more: String = "") -> String {
                ask(11, more).replacing("'2024-03-05 10:11Z'", with: at)
            }
            #expect(try refusal(database, recent()).hasSuffix("up to 2024-03-05 10:00:00+00 only"))
            try database.expect(recent(", true"), "51|10|1|t")
        }
        try database.psql(
            """
            SELECT accept_position('store', 'bars', 0, '{"stream_created_ns": 1, "sequence": 5,
                "packet_crc": 1, "sources": [{"source": "operator", "last_ordinal": 5}]}',
                '{"stream_created_ns": 2, "sequence": 0, "sources": [{"source": "operator",
                "last_ordinal": 9, "epoch": 1, "tape_ordinal": 9}]}', '[{"source": "operator",
                "first_ordinal": 6, "last_ordinal": 9, "reason": "tape_lost"}]')
            """)
        try database.expect(
            """
            SELECT from_at = '2024-03-05 10:00Z', to_at > now() - interval '1 min', reason
            FROM version_losses; SELECT tape_time_ns FROM sink_positions
            """, "t|t|tape_lost\n1709632800000000500")
    }

    @Test("what a batch left out and what the tape lacked are losses of their own")
    func lossOfEachReason() throws {
        let database = try database("versions_reasons")
        try database.psql(
            """
            SELECT claim_position('store', 'bars', 0, 1, 'me');
            SELECT advance_positions('store', '[{"input": "bars", "partition": 0, "owner_epoch": 1,
                "stream_created_ns": 1, "sequence": 5, "packet_epoch": 1, "packet_ordinal": 1,
                "packet_crc": 1, "left_out": true, "gaps": [
                {"source": "operator", "first_ordinal": 2, "last_ordinal": 3, "reason": "hole"},
                {"source": "operator", "first_ordinal": 6, "last_ordinal": 6, "reason": "hole"}],
                "sources": [{"source": "operator", "first_ordinal": 1, "last_ordinal": 7,
                "written": 3, "skipped": 1, "epoch": 1}]}]')
            """)
        try database.expect(
            "SELECT string_agg(reason, ',' ORDER BY reason) FROM version_losses",
            "hole,not_written")
    }
}
