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
        let parts = tables.compactMap { place.questdb.rows(in: $0) }
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
        // A command that has ended has noted all that it copied.
        try waitUntilApplied([.fills])
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

    func named(
        by packet: TapePacket, in ranges: [SourceName: ClosedRange<UInt64>], _ place: SinkPlace
    ) throws(StoreServerError) -> [SourceName: [ClosedRange<UInt64>]] {
        let created = packet.streamCreated.nanoseconds
        var found: [SourceName: [ClosedRange<UInt64>]] = [:]
        for (source, range) in ranges {
            let answer = try ask(
                "SELECT first_ordinal, last_ordinal FROM ordinal_gaps "
                    + "WHERE stream_created BETWEEN \(created) AND \(created) "
                    + "AND input = '\(place.input.rawValue)' "
                    + "AND source = \(QuestDBPlace.literal(source.text)) "
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
}

extension SinkPlace {
    /// Its rows.
    fileprivate var questdb: QuestDBPlace {
        QuestDBPlace(isDerived: input == .bars, partition: partition.number)
    }
}
