import PostgresClient

/// The regular work on the tables of time, through functions that the migrator owns. It uses one
/// session and one thread.
struct StoreKeeping {
    /// A day that was dropped.
    struct Dropped: Equatable, Sendable {
        let table: String
        let name: String
        let rows: Int
    }

    /// Partitions for so many coming days are made before their first row.
    static let daysAhead = 7
    /// The rows of a day are counted before it is dropped, which takes as long as reading it.
    static let dropTimeout = Duration.seconds(3_600)
    static let timeout = Duration.seconds(30)

    let database: PostgresConnection

    /// Makes missing partitions, and returns how many there were.
    func makePartitions() throws(PostgresError) -> Int {
        let made = try database.execute(
            "SELECT make_coming_partitions($1::integer)", [.integer(Int64(Self.daysAhead))],
            timeout: Self.timeout)
        return Int(made.integer(0, 0) ?? 0)
    }

    /// Returns the bytes of each table of time, and of the rest of the database, by name.
    func sizes() throws(PostgresError) -> [(table: String, bytes: Int64)] {
        let found = try database.execute(
            "SELECT table_name, bytes FROM store_sizes()", timeout: Self.timeout)
        return (0..<found.rowCount).compactMap { row in
            guard let table = found[row, 0], let bytes = found.integer(row, 1) else { return nil }
            return (table, bytes)
        }
    }

    /// Returns whether this session may drop days: at most one session does. It keeps this right
    /// until it ends.
    func takeTurn() throws(PostgresError) -> Bool {
        try database.execute(
            """
            SELECT pg_try_advisory_lock(hashtextextended('tapeline.retention.' || current_schema(),
                0))
            """, timeout: Self.timeout
        ).scalar == "t"
    }

    /// Drops the oldest day that is too old. Returns it, or an empty list when there is none. Each
    /// day has its own transaction, so that no lock lasts longer than one.
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
