package import StoreSinks

/// The views on versions of bars.
package enum ClickHouseViews {
    /// The columns that identify a bar. Its versions share them.
    private static let keys = ["symbol", "series", "ts", "number", "source"]

    /// Makes the views, with the columns of the table of versions.
    package static func creations(_ table: ClickHouseTable) -> [String] {
        [
            "CREATE OR REPLACE VIEW bars AS\n" + last(table, where: nil),
            // The same rule as in PostgreSQL: a version is known once its window has closed, it was
            // sent, and the tape had it; where it is not known when that was, it is left out.
            "CREATE OR REPLACE VIEW bars_as_of AS\n"
                + last(
                    table,
                    where: """
                        taken_at IS NOT NULL AND greatest(assumeNotNull(taken_at), \
                        ifNull(close_time, assumeNotNull(taken_at)), \
                        ifNull(sent_at, assumeNotNull(taken_at))) \
                        <= {at:DateTime64(6, 'UTC')}
                        """),
        ]
    }

    /// The highest revision of each bar. It needs no FINAL, and no merge. The values are taken as
    /// one tuple: `argMax` of a column would leave out versions in which it is NULL.
    private static func last(_ table: ClickHouseTable, where condition: String?) -> String {
        let values = table.columns.map(\.name).filter { !keys.contains($0) }
        let names = keys + values.enumerated().map { "last.\($0.offset + 1) AS \($0.element)" }
        return """
            SELECT \(names.joined(separator: ", "))
            FROM (
                SELECT \(keys.joined(separator: ", ")),
                    argMax(tuple(\(values.joined(separator: ", "))), revision) AS last
                FROM \(table.name)\(condition.map { "\n    WHERE \($0)" } ?? "")
                GROUP BY \(keys.joined(separator: ", "))
            )
            """
    }
}
