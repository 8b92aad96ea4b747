internal import MarketModel
package import PostgresClient

/// How many stretches of a symbol's data are missing, and may still come.
struct OpenGap {
    /// `nil`: of all symbols of the source in the partition.
    let symbol: String?
    let source: String?
    let kind: String
    let partition: Int64?
    let count: UInt64
}

extension [LatestValue] {
    /// Adds how many stretches of trades and quotes are missing, as the database of this namespace
    /// says. `ask` executes a statement. Blocks.
    package mutating func addGaps(
        _ namespace: String,
        _ ask: (String, [PostgresValue]) throws(PostgresError) -> PostgresResult
    ) throws(PostgresError) {
        let rows = try ask(
            """
            SELECT symbol, source, kind, partition, count(*)
            FROM \(namespace)_market.open_gaps
            WHERE state <> 'abandoned' AND (symbol IS NULL OR symbol = ANY ($1::text[]))
            GROUP BY symbol, source, kind, partition
            """, [.textArray(Set(map(\.symbol.text)).sorted())])
        add(
            (0..<rows.rowCount).map { row in
                OpenGap(
                    symbol: rows[row, 0], source: rows[row, 1], kind: rows[row, 2] ?? "",
                    partition: rows.integer(row, 3),
                    count: UInt64(clamping: rows.integer(row, 4) ?? 0))
            })
    }

    mutating func add(_ open: [OpenGap]) {
        for index in indices where self[index].unknown == nil {
            let value = self[index]
            guard let source = value.source, !value.kind.hasPrefix("bar") else { continue }
            let sources = [source.text, value.lane?.text]
            let partition = value.partition.map { Int64($0.number) }
            self[index].gaps = open.reduce(0) { sum, gap in
                let isOfAll = gap.symbol == nil && gap.partition == partition
                let isOwn = isOfAll || gap.symbol == value.symbol.text
                let counts = isOwn && gap.kind == value.kind && sources.contains(gap.source)
                return counts ? sum + gap.count : sum
            }
        }
    }
}
