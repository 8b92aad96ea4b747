import Foundation
import PostgresClient
import Synchronization
import TestSupport
import Testing

@testable import StoreWriter

@Suite("Days as partitions, where there is no TimescaleDB")
struct TimePartitionTests {
    private func state(
        _ connection: PostgresConnection, _ sql: String
    ) -> (state: SQLState?, category: PostgresErrorCategory?) {
        do throws(PostgresError) {
            try connection.execute(sql, timeout: patience)
            return (nil, nil)
        } catch {
            return (error.sqlState, error.category)
        }
    }

    @Test("a row without a partition is told from a bad one, and its day can be made")
    func missing() throws {
        let database = try TestDatabase.migrated("partition_missing", mode: .plain)
        let writer = try database.connectWriter()
        let row = """
            INSERT INTO trades (ts, event_time_ns, symbol, receive_time, receive_time_ns, source,
                partition, epoch, ordinal)
            VALUES ('2001-02-03 23:59:59.999999Z', 1, 'A', now(), 1, 's', 1, 1, 1)
            """
        #expect(state(writer, row).category == .missingPartition)
        for _ in 0..<2 {
            try writer.execute(
                "SELECT make_time_partition('trades', '2001-02-03 00:00Z')", timeout: patience)
        }
        try writer.execute(row, timeout: patience)
        #expect(
            try database.psql("SELECT tableoid::regclass FROM trade_rows")
                == "trade_rows_p20010203")
        // Like its neighbours: the same index, and nothing more.
        #expect(
            try database.psql(
                """
                SELECT count(*),
                    count(DISTINCT regexp_replace(indexdef, 'trade_rows_\\w+', '', 'g'))
                FROM pg_indexes WHERE tablename IN ('trade_rows_p20010203', 'trade_rows_p19700101')
                """) == "2|1")
    }

    @Test(
        "times that get no partition, and tables that have none", arguments: DatabaseMode.here)
    func refused(mode: DatabaseMode) throws {
        let database = try TestDatabase.migrated("partition_refused", mode: mode)
        let writer = try database.connectWriter()
        for (time, code) in [
            ("'1970-01-01 00:00Z'", nil), ("'1970-01-01 23:59:59.999999Z'", nil),
            ("'1970-01-02 00:00Z'", "TL010"), ("'1969-12-31 23:59:59Z'", "TL010"),
            ("'1989-12-31 23:59:59Z'", "TL010"), ("'1990-01-01 00:00Z'", nil),
            ("now() + interval '729 days'", nil), ("now() + interval '732 days'", "TL010"),
            ("'infinity'", "TL010"), ("'-infinity'", "TL010"), ("NULL", "TL010"),
        ] {
            let found = state(writer, "SELECT make_time_partition('quotes', \(time))").state
            #expect(found?.rawValue == code, "\(time)")
        }
        for table in ["gaps", "sink_positions", "nothing", "trades; DROP TABLE bars", ""] {
            let found = state(writer, "SELECT make_time_partition('\(table)', now())").state
            #expect(found?.rawValue == "TL011", "\(table)")
        }
        #expect(
            state(writer, "SELECT make_time_partition(NULL, now())").state?.rawValue == "TL011")
    }

    @Test("many writers may ask for the same days at once, while others write")
    func race() async throws {
        let database = try TestDatabase.migrated("partition_race", mode: .plain)
        // An open transaction with rows in the table blocks no other session.
        let busy = try database.connectWriter()
        try busy.script(
            "SET idle_in_transaction_session_timeout = 0; BEGIN", timeout: patience)
        try busy.execute(
            """
            INSERT INTO trades (ts, event_time_ns, symbol, receive_time, receive_time_ns, source,
                partition, epoch, ordinal) VALUES (now(), 1, 'A', now(), 1, 's', 1, 1, 1)
            """, timeout: patience)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<6 {
                group.addTask {
                    // Outside the cooperative pool, because a session blocks.
                    try await withCheckedThrowingContinuation { continuation in
                        Thread { continuation.resume(with: Result { try makeDays(database) }) }
                            .start()
                    }
                }
            }
            try await group.waitForAll()
        }
        try busy.script("COMMIT", timeout: patience)
        #expect(
            try database.psql(
                """
                SELECT count(*) FROM time_partitions('trades')
                WHERE from_ts BETWEEN '2003-01-01Z' AND '2003-01-20Z'
                """) == "20")
    }

    private func makeDays(_ database: TestDatabase) throws {
        let session = try database.connectWriter()
        for day in 0..<20 {
            try session.execute(
                "SELECT make_time_partition('trades', '2003-01-01Z'::timestamptz + $1 * "
                    + "interval '1 day')", [.integer(Int64(day))], timeout: patience)
        }
    }

    @Test("the coming days are made once; a table that stands in the way is named")
    func coming() throws {
        let database = try TestDatabase.migrated("partition_coming", mode: .plain)
        // Trades and quotes, and events, which have a row. Two more days are in the same month.
        try database.psql(
            """
            SELECT make_time_partition('events', now());
            INSERT INTO events (ts, event_time_ns, input, template, name, receive_time,
                receive_time_ns, source, partition, epoch, ordinal)
            VALUES (now(), 1, 'ticks', 1, 'unknown', now(), 1, 's', 1, 1, 1)
            """)
        let writer = try database.connectWriter()
        func make(_ days: Int64) throws -> Int64? {
            try writer.execute(
                "SELECT make_coming_partitions($1::integer)", [.integer(days)], timeout: patience
            ).integer(0, 0)
        }
        // The migration has made a week.
        #expect(try make(7) ?? 9 <= 2)
        let months = "SELECT count(*) FROM time_partitions('events')"
        let before = try #require(Int64(try database.psql(months)))
        let made = try #require(try make(9))
        #expect(made == 4 + (try #require(Int64(try database.psql(months)))) - before)
        #expect(
            try database.psql(
                "SELECT count(*) FROM time_tables() t, time_partitions(t.table_name) "
                    + "WHERE table_name NOT IN ('trade_rows', 'quote_rows', 'events') "
                    + "AND from_ts > '1970-01-01Z'") == "0")
        #expect(try make(9) == 0)
        for days in ["-1", "367", "NULL"] {
            #expect(
                state(writer, "SELECT make_coming_partitions(\(days))").state?.rawValue == "22023")
        }
        try database.psql("CREATE TABLE trade_rows_p20040506 ()")
        #expect(
            state(writer, "SELECT make_time_partition('trades', '2004-05-06Z')").state
                == .duplicateTable)
    }

    @Test("a coming partition that is being read is left to the next turn")
    func busyPartition() throws {
        let database = try TestDatabase.migrated("partition_read", mode: .plain)
        try database.psql(
            """
            SELECT make_time_partition('bars_short', now() + n * interval '1 day')
            FROM generate_series(0, 1) AS n;
            INSERT INTO bars_short (symbol, series, ts, close, volume, notional, trades,
                open_time_ns, close_time, close_time_ns, revision, source, partition, ordinal)
            VALUES ('A', '1m', now(), 1, 1, 1, 1, 0, now(), 0, 1, 's', 0, 1);
            SELECT note_series('{1h}', '{t}')
            """)
        let reader = try database.connect(
            database.migrator, searchPath: database.schema.searchPath)
        try reader.script(
            "SET idle_in_transaction_session_timeout = 0; BEGIN; SELECT count(*) FROM bars_short",
            timeout: patience)
        let writer = try database.connectWriter()
        let make = "SELECT make_coming_partitions(1)"
        let told = """
            SELECT count(*) FROM pg_constraint c, time_partitions('bars_short') p
            WHERE c.conrelid = p.name::regclass AND c.conname = 'series_of_other_table'
                AND p.from_ts > now()
            """
        #expect(try writer.execute(make, timeout: patience).integer(0, 0) != nil)
        #expect(try database.psql(told) == "0")
        try reader.script("COMMIT", timeout: patience)
        try writer.execute(make, timeout: patience)
        #expect(try database.psql(told) == "1")
    }

    /// The views as they were when there were two tables of ticks.
    private static let olderViews = """
        CREATE OR REPLACE VIEW stored_ticks AS
        SELECT source, partition, count(*) AS rows, count(DISTINCT ordinal) AS ordinals,
            min(ordinal) AS first_ordinal, max(ordinal) AS last_ordinal
        FROM (SELECT source, partition, ordinal FROM trades
            UNION ALL SELECT source, partition, ordinal FROM quotes) ticks
        GROUP BY source, partition;
        """

    @Test("a database that came here release by release has the same views as a new one")
    func stepByStep() throws {
        let database = try TestDatabase("partition_steps", mode: .plain)
        let first = try TemporaryFolder("first")
        _ = try TestDatabase.shipped(before: "more_tables", in: first)
        try first.write(Self.olderViews, to: "repeatable/32_views.sql")
        try database.migrate(try MigrationFolder(path: first.path))
        try database.insertTrades(3, from: "'2024-03-05 23:50Z'::timestamptz")
        let second = try TemporaryFolder("second")
        _ = try TestDatabase.shipped(before: "time_partitions", in: second)
        for file in try TestDatabase.shipped().repeatable where file.name == "32_views.sql" {
            try second.write(file.sql, to: "repeatable/\(file.name)")
        }
        // The newer view reads a table of a later migration, which finds it there.
        for file in try TestDatabase.shipped().versioned where file.name.contains("trade_changes") {
            try second.write(file.sql, to: "repeatable/05_trade_changes.sql")
        }
        try database.migrate(try MigrationFolder(path: second.path))
        // Now the newer view is read by the older one.
        try database.migrate()
        try database.insertTrades(1, from: "now()", ordinal: 4)
        #expect(try database.psql("SELECT rows, ordinals FROM stored_ticks") == "4|4")
        #expect(try database.psql("SELECT count(*) FROM sink_audit") == "0")
    }

    @Test("rows before 1970 stay where they are; times without an end are named")
    func wildTimes() throws {
        let database = try TestDatabase("partition_wild", mode: .plain)
        let folder = try TemporaryFolder("migrations")
        try database.migrate(try TestDatabase.shipped(before: "time_partitions", in: folder))
        try database.insertTrades(2, from: "'1969-12-31 23:59:59Z'::timestamptz")
        try database.insertTrades(3, from: "'2024-03-05Z'::timestamptz", ordinal: 3)
        try database.insertTrades(1, from: "'infinity'::timestamptz", ordinal: 6)
        let error = #expect(throws: MigrationError.self) { try database.migrate() }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains("trades holds rows with an infinite time"), "\(text)")
        try database.psql("DELETE FROM trades WHERE NOT isfinite(ts)")
        try database.migrate()
        #expect(
            try database.psql("SELECT tableoid::regclass, count(*) FROM trades_before GROUP BY 1")
                == "trades_before_partitions|5")
        // A tick without a time has a partition.
        try database.psql("SELECT make_time_partition('trades', '1970-01-01Z')")
        try database.insertTrades(1, from: "'1970-01-01Z'::timestamptz", ordinal: 6)
        #expect(try database.psql("SELECT rows, ordinals FROM stored_ticks") == "6|6")
    }

    @Test("a writer that is at work and the migration wait for each other, and neither fails")
    func busyWriter() throws {
        let database = try TestDatabase("partition_busy", mode: .plain)
        let folder = try TemporaryFolder("migrations")
        try database.migrate(try TestDatabase.shipped(before: "time_partitions", in: folder))
        let row = """
            (ts, event_time_ns, symbol, receive_time, receive_time_ns, source, partition, epoch,
                ordinal) VALUES (now(), 1, 'A', now(), 1, 's', 1, 1, 1)
            """
        let writer = try database.connect(
            database.migrator, searchPath: database.schema.searchPath)
        // In the order of a writer's transaction: trades before quotes.
        try writer.script(
            "SET idle_in_transaction_session_timeout = 0; BEGIN; INSERT INTO trades \(row)",
            timeout: patience)
        // A separate thread, because blocking tests leave none for tasks.
        let migration = Migration()
        Thread { migration.end(Result { _ = try database.migrate() }) }.start()
        let mine = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        let isWaiting = try eventually {
            try database.psql("SELECT count(*) FROM pg_locks WHERE NOT granted AND " + mine) != "0"
        }
        #expect(isWaiting)
        try writer.script("INSERT INTO quotes \(row); COMMIT", timeout: patience)
        #expect(eventually { migration.hasEnded })
        try migration.outcome()
        #expect(try database.psql("SELECT rows FROM stored_ticks") == "2")
    }

    private final class Migration: Sendable {
        private let result = Mutex<Result<Void, any Error>?>(nil)

        var hasEnded: Bool { result.withLock { $0 != nil } }
        func end(_ outcome: Result<Void, any Error>) { result.withLock { $0 = outcome } }
        func outcome() throws { try result.withLock { try $0?.get() } }
    }

    @Test("rows that were there before stay, in the one partition that spans them")
    func existingRows() throws {
        let database = try TestDatabase("partition_existing", mode: .plain)
        let folder = try TemporaryFolder("migrations")
        try database.migrate(try TestDatabase.shipped(before: "time_partitions", in: folder))
        try database.insertTrades(1_000, from: "'2024-03-05 23:50Z'::timestamptz")
        try database.insertTrades(
            7, from: "'1970-01-01 00:00Z'::timestamptz", ordinal: 1_001, received: "now()")
        try database.psql(
            """
            INSERT INTO bars (symbol, series, ts, volume, notional, trades, open_time_ns,
                close_time, close_time_ns, revision, source, partition, ordinal)
            SELECT 'A', '1s', '2024-03-05Z'::timestamptz + n * interval '1 second', 1, 1, 1, 1,
                now(), 1, 1, 's', 0, n FROM generate_series(1, 20) AS n;
            CREATE ROLE partition_reader; GRANT SELECT ON trades TO partition_reader;
            CREATE VIEW public.foreign_view AS SELECT * FROM md.trades
            """)
        let sums = """
            SELECT count(*), sum(ordinal),
                md5(string_agg((to_jsonb(t) - 'of_source')::text, ',' ORDER BY ordinal))
            FROM trades AS t
            """
        let before = try database.psql(sums)
        // Another person's view would continue to read the old table.
        let error = #expect(throws: MigrationError.self) { try database.migrate() }
        #expect(error.map { "\($0)" }?.contains("foreign_view") == true)
        try database.psql("DROP VIEW public.foreign_view")
        try database.migrate()
        #expect(try database.psql(sums) == before)
        #expect(
            try database.psql(
                "SELECT tableoid::regclass, count(*) FROM trades_before GROUP BY 1 ORDER BY 1")
                == "trades_before_partitions|1000\ntrades_p19700101|7")
        #expect(
            try database.psql(
                "SELECT from_ts, to_ts FROM time_partitions('trades_before') "
                    + "WHERE name LIKE '%before%'")
                == "2024-03-05 00:00:00+00|2024-03-07 00:00:00+00")
        #expect(
            try database.psql("SELECT has_table_privilege('partition_reader', 'trades', 'SELECT')")
                == "t")
        // The days that it spans are made.
        let writer = try database.connectWriter()
        try writer.execute(
            "SELECT make_time_partition('trades', '2024-03-06 12:00Z')", timeout: patience)
        try database.insertTrades(
            1, from: "'2024-03-06 12:00Z'::timestamptz", ordinal: 2_000)
        #expect(try database.psql("SELECT max(ordinals) FROM stored_ticks") == "1008")
        #expect(try database.psql("SELECT count(*) FROM bars") == "20")
    }
}
