import MarketModel
import Primitives
import QuestDBWire
import StoreHTTP
import StoreIntents
import StoreSinks

extension QuestDBServer: CountedServer {
    func rows(of place: SinkPlace) throws(StoreServerError) -> [SourceName: StoreAudit.Rows] {
        let tables = try countedTables()
        // A position moves before the tables show its rows.
        try waitUntilApplied(tables)
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

    /// Nothing is copied into it.
    func filled(_ place: SinkPlace) -> [SourceName: StoreAudit.Filled] { [:] }

    func ordinals(
        of ranges: [OrdinalRange], _ place: SinkPlace
    ) throws(StoreServerError) -> [SourceName: [UInt64]] {
        let tables = try countedTables()
        var found: [SourceName: [UInt64]] = [:]
        for range in ranges {
            let parts = tables.compactMap { question($0, place, range) }
            guard !parts.isEmpty else { continue }
            let answer = try ask(
                "SELECT DISTINCT ordinal FROM (\(parts.joined(separator: " UNION ALL "))) "
                    + "ORDER BY ordinal")
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

    func named(
        by packet: TapePacket, in ranges: [SourceName: ClosedRange<UInt64>], _ place: SinkPlace
    ) throws(StoreServerError) -> [SourceName: [ClosedRange<UInt64>]] {
        let created = packet.streamCreated.nanoseconds
        var found: [SourceName: [ClosedRange<UInt64>]] = [:]
        for (source, range) in ranges {
            let answer = try ask(
                "SELECT first_ordinal, last_ordinal FROM ordinal_gaps "
                    + "WHERE stream_created BETWEEN \(created) AND \(created) "
                    + "AND input = '\(place.input.rawValue)' AND source = '\(source)' "
                    + "AND \"partition\" = \(place.partition.number) "
                    + "AND last_ordinal >= \(range.lowerBound) "
                    + "AND first_ordinal <= \(range.upperBound) AND reason != 'given_twice'")
            for row in 0..<answer.count {
                let (first, last) = try read { () throws(QuestDBAnswerError) in
                    (
                        try answer.number(row, "first_ordinal"),
                        try answer.number(row, "last_ordinal")
                    )
                }
                guard first >= 0, first <= last else {
                    throw StoreServerError(
                        "ordinal_gaps has a row of '\(source)' that is none", .schema)
                }
                found[source, default: []].append(UInt64(first)...UInt64(last))
            }
        }
        return found
    }

    /// Returns the question for the rows of a range; `nil`: the table has none of it.
    private func question(
        _ table: QuestDBTable, _ place: SinkPlace, _ range: OrdinalRange
    ) -> String? {
        let isOfBars = table.name == QuestDBTable.barVersions
        guard let all = question(table, place), !isOfBars || range.source == .operator else {
            return nil
        }
        return all + (isOfBars ? "" : " AND source = '\(range.source)'")
            + " AND ordinal >= \(range.first) AND ordinal <= \(range.last)"
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
