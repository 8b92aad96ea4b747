package import StoreSinks

/// One input of one partition of the tape, as questions name its rows. Pure.
package struct RowPlace: Hashable, Sendable {
    /// Whether it is what operators publish.
    package let isDerived: Bool
    package let partition: Int

    package init(isDerived: Bool, partition: Int) {
        self.isDerived = isDerived
        self.partition = partition
    }

    /// Ordinals of a source.
    package struct Ordinals: Hashable, Sendable {
        package let source: String
        package let range: ClosedRange<UInt64>

        package init(source: String, range: ClosedRange<UInt64>) {
            self.source = source
            self.range = range
        }
    }

    private static let operators = "operator"
    /// The sources of what operators publish.
    private static let derived = [operators, "universe"]

    /// Returns the question for all rows, by the source whose ordinals they have; `nil`: the table
    /// has none of the place.
    package func rows(in table: ClickHouseTable) -> String? {
        if [.gaps, .fills].contains(table) { return nil }
        let place = "partition = \(partition)"
        if table.name == ClickHouseTable.barVersions {
            // Its column `source` is that of the bars' ticks. Its ordinals are the operator's.
            guard isDerived else { return nil }
            return "SELECT '\(Self.operators)' AS source, ordinal FROM \(table.name) AS t "
                + "WHERE \(place)"
        }
        let names = Self.derived.map { ClickHouseClient.quoted($0) }.joined(separator: ", ")
        let own = isDerived ? "source IN (\(names))" : "source NOT IN (\(names))"
        return "SELECT toString(source) AS source, ordinal FROM \(table.name) AS t "
            + "WHERE \(place) AND t.\(own)"
    }

    /// Returns the questions for rows beyond the last ordinals of sources, one for each source and
    /// one for others: so the server passes over what its indexes exclude. Empty: the table has no
    /// rows of the place.
    package func beyond(
        _ known: [(source: String, last: UInt64)], in table: ClickHouseTable
    ) -> [String] {
        guard let all = rows(in: table) else { return [] }
        if table.name == ClickHouseTable.barVersions {
            let last = known.first { $0.source == Self.operators }?.last ?? 0
            return ["\(all) AND ordinal > \(last)"]
        }
        guard !known.isEmpty else { return [all] }
        let names = known.map { ClickHouseClient.quoted($0.source) }
        let parts = zip(known, names).map {
            "\(all) AND t.source = \($1) AND ordinal > \($0.last)"
        }
        return parts + ["\(all) AND t.source NOT IN (\(names.joined(separator: ", ")))"]
    }

    /// Returns the question for the rows of a range; `nil`: the table has none of it.
    private func rows(_ ordinals: Ordinals, in table: ClickHouseTable) -> String? {
        guard let all = rows(in: table) else { return nil }
        let (first, last) = (ordinals.range.lowerBound, ordinals.range.upperBound)
        let range = " AND ordinal BETWEEN \(first) AND \(last)"
        if table.name == ClickHouseTable.barVersions {
            return ordinals.source == Self.operators ? all + range : nil
        }
        return "\(all) AND t.source = \(ClickHouseClient.quoted(ordinals.source))" + range
    }

    /// Returns the question for the ordinals of these ranges that have rows: `source` and
    /// `ordinal`, in order, each once; `nil`: there can be none.
    package func ordinals(_ ranges: [Ordinals], in tables: [ClickHouseTable]) -> String? {
        let parts = tables.flatMap { table in ranges.compactMap { rows($0, in: table) } }
        guard !parts.isEmpty else { return nil }
        return "SELECT toString(source), toInt64(ordinal) FROM ("
            + parts.joined(separator: " UNION ALL ")
            + ") GROUP BY source, ordinal ORDER BY source, ordinal"
    }
}
