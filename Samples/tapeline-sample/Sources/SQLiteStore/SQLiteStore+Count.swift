public import StoreKit

extension SQLiteStore {
    /// What `store-writer audit` compares with the marks. A store may do without.
    public func ordinals(of table: String, partition: Int) throws -> [StoredOrdinals]? {
        let made = try file.run("SELECT 1 FROM sqlite_schema WHERE name = ?", [[table]])
        if made.isEmpty { return [] }
        return try file.run(
            "SELECT source, count(*), count(DISTINCT ordinal), min(ordinal), max(ordinal) "
                + "FROM \"\(table)\" WHERE partition = \(partition) GROUP BY source"
        ).map { row in
            let counts = row.dropFirst().map { Int64($0 ?? "") ?? 0 }
            return StoredOrdinals(
                source: row[0] ?? "", rows: counts[0], ordinals: counts[1], first: counts[2],
                last: counts[3])
        }
    }
}
