import MarketModel
import QuestDBWire
import StoreHTTP
import StoreSinks

extension QuestDBServer: CountedServer {
    func rows(of place: SinkPlace) throws(StoreServerError) -> [SourceName: StoreAudit.Rows] {
        let parts = tables.compactMap { question($0, place) }
        var found: [SourceName: StoreAudit.Rows] = [:]
        guard !parts.isEmpty else { return found }
        let answer = try ask(
            "SELECT src, count() AS n, count_distinct(ordinal) AS ordinals, min(ordinal) AS first, "
                + "max(ordinal) AS last FROM (\(parts.joined(separator: " UNION ALL "))) "
                + "GROUP BY src")
        for row in 0..<answer.count {
            let (text, rows) = try read { () throws(QuestDBAnswerError) in
                (
                    try answer.text(row, "src"),
                    StoreAudit.Rows(
                        rows: UInt64(clamping: try answer.number(row, "n")),
                        ordinals: UInt64(clamping: try answer.number(row, "ordinals")),
                        first: UInt64(clamping: try answer.number(row, "first")),
                        last: UInt64(clamping: try answer.number(row, "last")))
                )
            }
            guard let source = SourceName(text) else {
                throw StoreServerError("it has rows of a source '\(text)'", .schema)
            }
            found[source] = rows
        }
        return found
    }

    /// Returns the question for all rows of a place; `nil`: the table has none of it.
    private func question(_ table: QuestDBTable, _ place: SinkPlace) -> String? {
        if table == .gaps { return nil }
        let condition = "\"partition\" = \(place.partition.number)"
        if table.name == QuestDBTable.barVersions {
            // Its column `source` is that of the bars' ticks. Its ordinals are the operator's.
            return place.input == .bars
                ? "SELECT '\(SourceName.operator)'::varchar AS src, ordinal FROM \(table.name) "
                    + "WHERE \(condition)" : nil
        }
        let names = SourceName.derived.map { "'\($0)'" }.joined(separator: ", ")
        let own = place.input == .bars ? "IN" : "NOT IN"
        return "SELECT source::varchar AS src, ordinal FROM \(table.name) WHERE \(condition) "
            + "AND source \(own) (\(names))"
    }
}
