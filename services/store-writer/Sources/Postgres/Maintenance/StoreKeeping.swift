import PostgresClient

/// The regular work on tables that are divided into days, through functions of the schema that run
/// with the migrator's rights. `Maintenance` makes one per session, and uses it on its thread.
struct StoreKeeping {
    /// A day that was dropped.
    struct Dropped: Equatable, Sendable {
        let table: String
        /// The name of the time partition or chunk.
        let name: String
        let rows: Int
    }

    /// The number of coming days whose time partitions are made before their first row.
    static let daysAhead = 7
    /// The timeout for dropping a day. Its rows are counted first, which takes as long as reading
    /// it.
    static let dropTimeout = Duration.seconds(3_600)
    /// The timeout of every other statement.
    static let timeout = Duration.seconds(30)

    let database: PostgresConnection

    /// Makes the missing time partitions of coming days, and returns how many were made.
    func makePartitions() throws(PostgresError) -> Int {
        let made = try database.execute(
            "SELECT make_coming_partitions($1::integer)", [.integer(Int64(Self.daysAhead))],
            timeout: Self.timeout)
        return Int(made.integer(0, 0) ?? 0)
    }

    /// Returns the bytes of each table that is divided into days, and of the rest of the database.
    func sizes() throws(PostgresError) -> [(table: String, bytes: Int64)] {
        let found = try database.execute(
            "SELECT table_name, bytes FROM store_sizes()", timeout: Self.timeout)
        return (0..<found.rowCount).compactMap { row in
            guard let table = found[row, 0], let bytes = found.integer(row, 1) else { return nil }
            return (table, bytes)
        }
    }

    /// Returns when the last backup of each kind succeeded, in seconds since 1970, as the programs
    /// that make backups have noted it.
    func backups() throws(PostgresError) -> [(kind: String, time: Int64)] {
        let found = try database.execute(
            "SELECT kind, extract(epoch FROM finished_at)::bigint FROM backups",
            timeout: Self.timeout)
        return (0..<found.rowCount).compactMap { row in
            guard let kind = found[row, 0], let time = found.integer(row, 1) else { return nil }
            return (kind, time)
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
