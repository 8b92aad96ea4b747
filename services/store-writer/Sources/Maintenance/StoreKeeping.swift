import PostgresClient

/// What is done to the tables of time from time to time, by the functions that the migrator owns.
/// One session, one thread.
struct StoreKeeping {
    /// A day that was dropped.
    struct Dropped: Equatable, Sendable {
        let table: String
        let name: String
        let rows: Int
    }

    /// Partitions of so many days are there before the first row comes.
    static let daysAhead = 7
    /// Counting a day before it goes takes as long as reading it.
    static let dropTimeout = Duration.seconds(3_600)
    static let timeout = Duration.seconds(30)

    let database: PostgresConnection

    /// How many partitions were missing.
    func makePartitions() throws(PostgresError) -> Int {
        let made = try database.execute(
            "SELECT make_coming_partitions($1::integer)", [.integer(Int64(Self.daysAhead))],
            timeout: Self.timeout)
        return Int(made.integer(0, 0) ?? 0)
    }

    /// The bytes of each table of time, and of all else that the database holds, by name.
    func sizes() throws(PostgresError) -> [(table: String, bytes: Int64)] {
        let found = try database.execute(
            "SELECT table_name, bytes FROM store_sizes()", timeout: Self.timeout)
        return (0..<found.rowCount).compactMap { row in
            guard let table = found[row, 0], let bytes = found.integer(row, 1) else { return nil }
            return (table, bytes)
        }
    }

    /// Whether this session is the one that drops: another one does it already otherwise. Kept
    /// until the session ends.
    func takeTurn() throws(PostgresError) -> Bool {
        try database.execute(
            """
            SELECT pg_try_advisory_lock(hashtextextended('tapeline.retention.' || current_schema(),
                0))
            """, timeout: Self.timeout
        ).scalar == "t"
    }

    /// Drops one day, the oldest that is too old; empty: there is none. A day per transaction, so
    /// that no lock lasts longer than one.
    func dropOldest(_ rule: RetentionPlan.Rule) throws(PostgresError) -> [Dropped] {
        let result = try database.execute(
            """
            SELECT dropped, row_count
            FROM apply_retention($1, make_interval(days => $2::integer), 1)
            """,
            [.text(rule.table), .integer(Int64(rule.days))], timeout: Self.dropTimeout)
        return (0..<result.rowCount).map { row in
            Dropped(
                table: rule.table, name: result[row, 0] ?? "",
                rows: Int(result.integer(row, 1) ?? 0))
        }
    }
}
