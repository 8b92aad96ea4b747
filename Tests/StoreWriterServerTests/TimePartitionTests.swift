import Foundation
import PostgresClient
import TestSupport
import Testing

@testable import StoreWriter

@Suite("Days as partitions, where there is no TimescaleDB")
struct TimePartitionTests {
    private func state(
        _ connection: PostgresConnection, _ sql: String
    ) -> (state: SQLState?, category: PostgresErrorCategory?) {
        do throws(PostgresError) {
            try connection.execute(sql)
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
            try writer.execute("SELECT make_time_partition('trades', '2001-02-03 00:00Z')")
        }
        try writer.execute(row)
        try database.expect("SELECT tableoid::regclass FROM trade_rows", "trade_rows_p20010203")
        // Like its neighbours: the same index, and nothing more.
        try database.expect(
            """
            SELECT count(*),
                count(DISTINCT regexp_replace(indexdef, 'trade_rows_\\w+', '', 'g'))
            FROM pg_indexes WHERE tablename IN ('trade_rows_p20010203', 'trade_rows_p19700101')
            """, "2|1")
    }

    @Test(
        "times that get no partition, and tables that have none", arguments: DatabaseMode.here)
    func refused(mode: DatabaseMode) throws {
        let writer = try TestDatabase.migrated("partition_refused", mode: mode).connectWriter()
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
        #expect(state(writer, "SELECT make_time_partition(NULL, now())").state?.rawValue == "TL011")
    }

    @Test("many writers may ask for the same days at once, while others write")
    func race() async throws {
        let database = try TestDatabase.migrated("partition_race", mode: .plain)
        // An open transaction with rows in the table blocks no other session.
        let busy = try database.connectWriter()
        try busy.script("SET idle_in_transaction_session_timeout = 0; BEGIN")
        try busy.execute(
            """
            INSERT INTO trades (ts, event_time_ns, symbol, receive_time, receive_time_ns, source,
                partition, epoch, ordinal) VALUES (now(), 1, 'A', now(), 1, 's', 1, 1, 1)
            """)
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
        try busy.script("COMMIT")
        try database.expect(
            """
            SELECT count(*) FROM time_partitions('trades')
            WHERE from_ts BETWEEN '2003-01-01Z' AND '2003-01-20Z'
            """, "20")
    }

    private func makeDays(_ database: TestDatabase) throws {
        let session = try database.connectWriter()
        for day in 0..<20 {
            try session.execute(
                "SELECT make_time_partition('trades', '2003-01-01Z'::timestamptz + $1 * "
                    + "interval '1 day')", [.integer(Int64(day))])
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
            try writer.execute("SELECT make_coming_partitions($1::integer)", [.integer(days)])
                .integer(0, 0)
        }
        // The migration has made a week.
        #expect(try make(7) ?? 9 <= 2)
        let months = "SELECT count(*) FROM time_partitions('events')"
        let before = try #require(Int64(try database.psql(months)))
        let made = try #require(try make(9))
        #expect(made == 4 + (try #require(Int64(try database.psql(months)))) - before)
        try database.expect(
            "SELECT count(*) FROM time_tables() t, time_partitions(t.table_name) "
                + "WHERE table_name NOT IN ('trade_rows', 'quote_rows', 'events') "
                + "AND from_ts > '1970-01-01Z'", "0")
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
        let reader = try database.connect(database.migrator, searchPath: database.schema.searchPath)
        try reader.script(
            "SET idle_in_transaction_session_timeout = 0; BEGIN; SELECT count(*) FROM bars_short")
        let writer = try database.connectWriter()
        let make = "SELECT make_coming_partitions(1)"
        let told = """
            SELECT count(*) FROM pg_constraint c, time_partitions('bars_short') p
            WHERE c.conrelid = p.name::regclass AND c.conname = 'series_of_other_table'
                AND p.from_ts > now()
            """
        #expect(try writer.execute(make).integer(0, 0) != nil)
        try database.expect(told, "0")
        try reader.script("COMMIT")
        try writer.execute(make)
        try database.expect(told, "1")
    }
}
