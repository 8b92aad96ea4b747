package import StoreSinks

// How the tables are made.
extension ClickHouseTable {
    /// For how many blocks the server remembers tokens: more than are written while an insert can
    /// be on its way.
    package static let windowBlocks = 10_000
    /// A table with a smaller window is refused.
    package static let windowBlocksMin = 5_000

    /// The settings without which a block might be there twice, or be gone after a power cut.
    package static let settings = [
        "non_replicated_deduplication_window = \(windowBlocks)", "fsync_after_insert = 1",
        "fsync_part_directory = 1",
    ]

    /// Makes it, unless it is there.
    package var creation: String {
        let lines =
            columns.map { "    \($0.name) \($0.type)" } + [
                "    INDEX ordinals \(identity.ordinal) TYPE minmax GRANULARITY 1",
                "    INDEX sources source TYPE set(64) GRANULARITY 1",
            ]
        return """
            CREATE TABLE IF NOT EXISTS \(name) (
            \(lines.joined(separator: ",\n"))
            ) ENGINE = MergeTree
            PARTITION BY \(division.key)
            ORDER BY (\(order.joined(separator: ", ")))
            SETTINGS \(Self.settings.joined(separator: ", "))
            """
    }

    /// Gives it the settings, where a person has made it without them.
    package var mending: String {
        "ALTER TABLE \(name) MODIFY SETTING \(Self.settings.joined(separator: ", "))"
    }
}

extension ClickHouseTable.Division {
    /// The key of the table's partitions.
    fileprivate var key: String {
        switch self {
        case .days: "toYYYYMMDD(ts)"
        case .months: "toYYYYMM(ts)"
        case .none: "tuple()"
        }
    }
}
