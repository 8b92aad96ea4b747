internal import MarketModel
package import Primitives
package import QuestDBWire

/// One input of one partition of the tape, as questions to QuestDB name its rows. Pure.
package struct QuestDBPlace: Hashable, Sendable {
    /// Whether it is what operators publish.
    package let isDerived: Bool
    package let partition: Int

    /// The sources of what operators publish.
    private static let derived = [SourceName.operator, .universe]

    package init(isDerived: Bool, partition: Int) {
        self.isDerived = isDerived
        self.partition = partition
    }

    /// Returns the question for all rows, by the source whose ordinals they have; `nil`: the table
    /// has none of the place.
    package func rows(in table: QuestDBTable) -> String? {
        if QuestDBTable.books.contains(table) { return nil }
        let condition = "\"partition\" = \(partition)"
        if table.name == QuestDBTable.barVersions {
            // Its column `source` is that of the bars' ticks. Its ordinals are the operator's.
            guard isDerived else { return nil }
            return "SELECT \(Self.literal(SourceName.operator.text))::varchar AS src, ordinal "
                + "FROM \(table.name) WHERE \(condition)"
        }
        let names = Self.derived.map { Self.literal($0.text) }.joined(separator: ", ")
        return "SELECT source::varchar AS src, ordinal FROM \(table.name) WHERE \(condition) "
            + "AND source \(isDerived ? "IN" : "NOT IN") (\(names))"
    }

    /// Returns the question for the ordinals of a range that have rows, in order, each once; `nil`:
    /// there can be none. `times` has when rows of a table may be, by its name: then the server
    /// looks at no others of it.
    package func ordinals(
        of source: String, _ range: ClosedRange<UInt64>, in tables: [QuestDBTable],
        within times: [String: ClosedRange<Timestamp>] = [:]
    ) -> String? {
        let parts = tables.compactMap { table -> String? in
            let isOfBars = table.name == QuestDBTable.barVersions
            guard var part = rows(in: table), !isOfBars || source == SourceName.operator.text
            else { return nil }
            if !isOfBars { part += " AND source = \(Self.literal(source))" }
            part += " AND ordinal >= \(range.lowerBound) AND ordinal <= \(range.upperBound)"
            if let known = times[table.name] {
                part +=
                    " AND \(table.time) >= '\(known.lowerBound)' "
                    + "AND \(table.time) <= '\(known.upperBound)'"
            }
            return part
        }
        guard !parts.isEmpty else { return nil }
        return "SELECT DISTINCT ordinal FROM (\(parts.joined(separator: " UNION ALL "))) "
            + "ORDER BY ordinal"
    }

    /// A text as it stands in a question.
    package static func literal(_ text: String) -> String {
        "'\(text.replacing("'", with: "''"))'"
    }
}
