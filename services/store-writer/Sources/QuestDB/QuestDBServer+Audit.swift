import MarketModel
import QuestDBWire
import StoreHTTP
import StoreIntents
import StoreSinks

extension QuestDBServer: CountedServer {
    func rows(of place: SinkPlace) throws(StoreServerError) -> [SourceName: StoreAudit.Rows] {
        let parts = try countedTables().compactMap { place.questdb.rows(in: $0) }
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

    func filled(_ place: SinkPlace) throws(StoreServerError) -> [SourceName: StoreAudit.Filled] {
        let answer = try ask(
            "SELECT source, sum(\"rows\") AS n, min(first_ordinal) AS first FROM fills "
                + "WHERE input = '\(place.input.rawValue)' "
                + "AND \"partition\" = \(place.partition.number) GROUP BY source")
        var found: [SourceName: StoreAudit.Filled] = [:]
        for row in 0..<answer.count {
            let (text, filled) = try read { () throws(QuestDBAnswerError) in
                (
                    try answer.text(row, "source"),
                    StoreAudit.Filled(
                        rows: UInt64(clamping: try answer.number(row, "n")),
                        first: UInt64(clamping: try answer.number(row, "first")))
                )
            }
            guard let source = SourceName(text) else {
                throw StoreServerError("fills has a source '\(text)'", .schema)
            }
            found[source] = filled
        }
        return found
    }

    func ordinals(
        of ranges: [OrdinalRange], _ place: SinkPlace
    ) throws(StoreServerError) -> [SourceName: [UInt64]] {
        let tables = try countedTables()
        var found: [SourceName: [UInt64]] = [:]
        for range in ranges {
            let question = place.questdb.ordinals(
                of: range.source.text, range.first...range.last, in: tables)
            guard let question else { continue }
            let answer = try ask(question)
            found[range.source] = try read { () throws(QuestDBAnswerError) in
                var ordinals: [UInt64] = []
                for row in 0..<answer.count {
                    ordinals.append(UInt64(clamping: try answer.number(row, "ordinal")))
                }
                return ordinals
            }
        }
        return found
    }
}

extension SinkPlace {
    /// Its rows.
    fileprivate var questdb: QuestDBPlace {
        QuestDBPlace(isDerived: input == .bars, partition: partition.number)
    }
}
