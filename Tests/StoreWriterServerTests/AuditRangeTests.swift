import TestSupport
import Testing

@testable import StoreWriter

@Suite("The audit of a range")
struct AuditRangeTests {
    /// Makes three days of trades, an hour apart, whose ordinals continue from day to day, with
    /// their books.
    private func prepared(_ name: String, skipped: Int = 0) throws -> TestDatabase {
        let database = try TestDatabase.migrated("audit_range_\(name)", mode: .plain)
        try database.psql(
            """
            SELECT make_time_partition('trades', '2026-03-01Z'::timestamptz + n * interval '1 day')
            FROM generate_series(0, 12) AS n;
            INSERT INTO trades (ts, event_time_ns, symbol, price, size, receive_time,
                receive_time_ns, source, partition, epoch, ordinal)
            SELECT at, (extract(epoch FROM at) * 1e9)::bigint, 'A', 1, 1, at, 1, 's', 0, 1, n
            FROM generate_series(1, 72) AS n,
                LATERAL (
                    SELECT '2026-03-10 00:30Z'::timestamptz + (n - 1) * interval '1 hour' AS at
                ) AS t;
            INSERT INTO sink_positions (sink, input, partition, owner_epoch)
            VALUES ('store', 'ticks', 0, 1);
            INSERT INTO sink_source_ordinals (sink, input, partition, source, first_ordinal,
                last_ordinal, written, skipped)
            VALUES ('store', 'ticks', 0, 's', 1, 72, 72 - \(skipped), \(skipped))
            """)
        return database
    }

    /// Returns expected|found|ok|detail for the second day, whose ordinals are 25 to 48.
    private func check(_ database: TestDatabase) throws -> String {
        let text = try database.server.psql(
            file: "\(TestDatabase.deployed)/audit.sql",
            variables: ["schema=md", "from=2026-03-11", "to=2026-03-12"], database: database.name)
        let lines = text.split(separator: "\n").map(String.init)
        #expect(lines.contains { $0.hasPrefix("books_balanced: ") })
        #expect(!lines.contains { $0.hasPrefix("ticks_stored_once: ") })
        let place = try #require(lines.firstIndex { $0.hasPrefix("ticks_of_range: ") })
        return lines[place + 1]
    }

    @Test("a day whose ordinals are all there is right, wherever their event times are")
    func right() throws {
        let database = try prepared("right")
        #expect(try check(database) == "24|24|t|")
        // From the day before, from ten days before, and without a time.
        for (ordinal, time) in [
            (30, "2026-03-10 23:59Z"), (31, "2026-03-02 12:00Z"), (32, "1970-01-01Z"),
        ] {
            try database.psql("UPDATE trade_rows SET ts = '\(time)' WHERE ordinal = \(ordinal)")
        }
        #expect(try check(database) == "21|21|t|")
        // Backfilled: its event time is on that day, but it was received on another one.
        try database.psql("UPDATE trade_rows SET ts = '2026-03-11 12:00Z' WHERE ordinal = 70")
        #expect(try check(database) == "22|22|t|")
    }

    @Test("a row that is missing, twice, lost or unknown to the books is found, and named")
    func wrong() throws {
        for (name, damage, detail) in [
            ("missing", "DELETE FROM trades WHERE ordinal = 40", "s/0: 23 rows of 23 ordinals; "),
            (
                "twice", "INSERT INTO trades SELECT * FROM trades WHERE ordinal = 40",
                "s/0: 25 rows of 24 ordinals; "
            ),
            (
                "booked", "UPDATE sink_source_ordinals SET last_ordinal = 47",
                "a row for ordinal 48, the books end at 47"
            ),
            (
                "lost",
                "INSERT INTO gaps (sink, input, partition, source, first_ordinal, last_ordinal, "
                    + "reason) VALUES ('store', 'ticks', 0, 's', 40, 40, 'tape_lost')",
                "a row for ordinal 40, which was lost"
            ),
        ] {
            let database = try prepared(name)
            try database.psql(damage)
            let found = try check(database)
            #expect(found.contains("|f|") && found.contains(detail), "\(name): \(found)")
        }
    }

    @Test("what the books excuse may be missing, and no more")
    func excused() throws {
        let database = try prepared("excused", skipped: 1)
        try database.psql("DELETE FROM trades WHERE ordinal = 40")
        #expect(try check(database) == "23|23|t|")
        try database.psql("DELETE FROM trades WHERE ordinal = 41")
        #expect(try check(database).contains("|f|"))
        try database.psql(
            "INSERT INTO gaps (sink, input, partition, source, first_ordinal, last_ordinal, "
                + "reason) VALUES ('store', 'ticks', 0, 's', 41, 41, 'hole')")
        #expect(try check(database) == "22|22|t|")
    }
}
