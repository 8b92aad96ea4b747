import PostgresClient
import TestSupport
import Testing

@testable import StoreWriter

@Suite("Retention drops whole days, in all databases")
struct RetentionTests {
    private func prepared(_ name: String, _ mode: DatabaseMode) throws -> TestDatabase {
        let database = try TestDatabase(name, mode: mode)
        try database.migrate(
            wishes: Migrator.Wishes(
                compressAfter: .seconds(7 * 86_400), retention: ["trades": 2, "quotes": 1]))
        for (days, count, ordinal) in [(40, 5, 1), (39, 6, 11), (3, 7, 21), (0, 8, 31)] {
            // The middle of the day, so that no row falls on another day.
            let start =
                "date_trunc('day', now(), 'UTC') - interval '\(days) days' + interval '12 hours'"
            try database.psql("SELECT make_time_partition('trades', \(start))")
            try database.insertTrades(count, from: "(\(start))", ordinal: ordinal)
        }
        let undefined = "'1970-01-01 00:00Z'::timestamptz"
        try database.insertTrades(3, from: undefined, ordinal: 41, received: "now()")
        try database.insertTrades(
            2, from: undefined, ordinal: 51, received: "now() - interval '31 days'")
        return database
    }

    private func apply(_ database: TestDatabase, _ arguments: String) throws -> [String] {
        let writer = try database.connectWriter()
        let result = try writer.execute("SELECT row_count FROM apply_retention(\(arguments))")
        return (0..<result.rowCount).map { result[$0, 0] ?? "" }
    }

    private let kept = "SELECT count(*), min(ordinal), max(ordinal) FROM trades WHERE ts > '1990Z'"

    @Test("what is too old goes, is counted, and nothing else", arguments: DatabaseMode.here)
    func drops(mode: DatabaseMode) throws {
        let database = try prepared("retention_drops", mode)
        if mode == .community {
            // Days that were compressed meanwhile are dropped like others.
            try database.psql(
                """
                SELECT public.compress_chunk(c) FROM public.show_chunks('trade_rows',
                    older_than => now() - interval '7 days') AS c
                """)
        }
        // One day at a time, the oldest first.
        #expect(try apply(database, "'trades', '30 days', 1") == ["5", "2"])
        #expect(try apply(database, "'trades', '30 days'") == ["6"])
        #expect(try apply(database, "'trades', '30 days'") == [])
        try database.expect(kept.replacing("1990Z", with: "1990-01-01Z"), "15|21|38")
        try database.expect("SELECT count(*) FROM trades WHERE ts < '1990-01-01Z'", "3")
        try database.expect(
            """
            SELECT source, partition, rows, last_ordinal,
                until = date_trunc('day', now(), 'UTC') - interval '38 days'
            FROM retired_rows
            """, "s|0|13|52|t")
        #expect(try apply(database, "'trades', '2 days'") == ["7"])
        try database.expect("SELECT sum(rows) FROM retired_rows", "20")
        #expect(try apply(database, "'quotes', '1 day'") == [])
        // The check for every letter that is replayed.
        let writer = try database.connectWriter()
        for (table, time, received, isRetired) in [
            ("trades", "now() - interval '4 days'", "now()", "t"),
            ("trades", "now() - interval '1 day'", "now()", "f"),
            ("trades", "'1970-01-01Z'", "now() - interval '31 days'", "t"),
            ("trades", "'1970-01-01Z'", "now()", "f"),
            ("quotes", "now() - interval '4 days'", "now()", "f"),
        ] {
            let found = try writer.execute("SELECT is_retired('\(table)', \(time), \(received))")
            #expect(found.scalar == isRetired, "\(table) \(time) \(received)")
        }
    }

    @Test(
        "no less is kept than the migrator said, and only of tables of time",
        arguments: DatabaseMode.here)
    func refused(mode: DatabaseMode) throws {
        let database = try prepared("retention_refused", mode)
        for (arguments, code) in [
            ("'trades', '47 hours'", "22023"), ("'trades', '-1 year'", "22023"),
            ("'quotes', '23 hours'", "22023"), ("'bars_long', '100 years'", "42501"),
            ("'trades', NULL", "22023"), ("'gaps', '30 days'", "TL011"),
            ("'sink_positions', '30 days'", "TL011"), ("NULL, '30 days'", "TL011"),
        ] {
            let error = #expect(throws: PostgresError.self) { try apply(database, arguments) }
            #expect(error?.sqlState?.rawValue == code, "\(arguments)")
        }
        try database.expect("SELECT count(*) FROM trades", "31")
        // The calling role cannot change its own limit.
        let writer = try database.connectWriter()
        for sql in [
            "DELETE FROM retention_least", "UPDATE retention_least SET least_kept = '1 day'",
        ] {
            writer.refusal(of: sql, .insufficientPrivilege)
        }
        // A migration by hand leaves it unchanged. One that names other tables removes it.
        let lines =
            "SELECT string_agg(table_name || least_kept, ' ' ORDER BY 1) FROM retention_least"
        try database.migrate()
        try database.expect(lines, "quotes1 day trades2 days")
        try database.migrate(wishes: Migrator.Wishes(retention: ["bars": 3]))
        try database.expect(lines, "bars3 days")
        try database.migrate(wishes: Migrator.Wishes(retention: [:]))
        try database.expect("SELECT count(*) FROM retention_least", "0")
    }

    /// Inserts derived indicators of 40 days ago and of today, with the books that writers keep.
    private func insertIndicators(_ database: TestDatabase) throws {
        let old = "date_trunc('day', now(), 'UTC') - interval '40 days' + interval '12 hours'"
        try database.psql(
            """
            SELECT make_time_partition('indicators', \(old)),
                make_time_partition('indicators', now())
            """)
        try database.psql(
            """
            INSERT INTO indicators (ts, event_time_ns, symbol, name, value, receive_time,
                receive_time_ns, source, partition, epoch, ordinal)
            SELECT CASE WHEN n <= 3 THEN \(old) ELSE now() END, n, 'A', 'rsi', 1, now(), 1,
                'operator', 0, 1, n
            FROM generate_series(1, 5) AS n;
            INSERT INTO sink_positions (sink, input, partition, owner_epoch)
            VALUES ('store', 'bars', 0, 1);
            INSERT INTO sink_source_ordinals (sink, input, partition, source, first_ordinal,
                last_ordinal, written) VALUES ('store', 'bars', 0, 'operator', 1, 5, 5)
            """)
    }

    @Test("derived indicators are retired from the stream that they are of, and the audit is green")
    func derived() throws {
        let database = try TestDatabase("retention_derived", mode: .plain)
        try database.migrate(wishes: Migrator.Wishes(retention: ["indicators": 30]))
        try insertIndicators(database)
        try Audit.expectAll(in: database)
        #expect(try apply(database, "'indicators', '30 days'").contains("3"))
        try database.expect("SELECT input, rows FROM retired_rows WHERE rows > 0", "bars|3")
        try Audit.expectAll(in: database)
    }

    @Test("a table that is being read is left for later, and holds nobody up for long")
    func locked() throws {
        let database = try prepared("retention_locked", .plain)
        let reader = try database.connectWriter()
        try reader.script("BEGIN; LOCK TABLE trade_rows IN ACCESS SHARE MODE")
        let error = #expect(throws: PostgresError.self) {
            try apply(database, "'trades', '30 days'")
        }
        #expect(error?.sqlState == .lockNotAvailable)
        #expect(error?.category == .retryable)
        try database.expect("SELECT count(*) FROM retired_rows", "0")
        try reader.script("COMMIT")
        #expect(try apply(database, "'trades', '30 days'").count == 3)
    }
}
