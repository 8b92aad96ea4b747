package import MarketModel
package import PostgresClient
internal import Primitives

/// How many stretches of data are missing, and may still come, and up to when the store knows it.
package struct OpenGaps: Sendable {
    struct Key: Hashable {
        /// `nil`: all symbols of the source in the partition.
        let symbol: String?
        let source: String
        let kind: String
        let partition: Int64
    }

    /// A store that is farther from the end of a lane does not know its gaps.
    static let nearNanoseconds: Int64 = 5_000_000_000

    var counts: [Key: UInt64] = [:]
    /// By partition: when the newest packet that is stored was sent.
    var storedAt: [Int64: Timestamp] = [:]

    init() {}

    /// Asks the database of a namespace for the gaps of these symbols; `nil`: of all. `ask`
    /// executes a statement. Blocks.
    package init(
        _ namespace: String, of symbols: [Symbol]?,
        _ ask: (String, [PostgresValue]) throws(PostgresError) -> PostgresResult
    ) throws(PostgresError) {
        let rows = try ask(
            """
            SELECT symbol, source, kind, partition, count(*) FROM \(namespace)_market.open_gaps
            WHERE state <> 'abandoned'
                AND (symbol IS NULL OR $1::text[] IS NULL OR symbol = ANY ($1::text[]))
            GROUP BY symbol, source, kind, partition
            UNION ALL
            SELECT NULL, NULL, NULL, partition, max(sent_time_ns)
            FROM "\(namespace)".reached_positions WHERE input = 'ticks' GROUP BY partition
            """, [symbols.map { PostgresValue.textArray(Set($0.map(\.text)).sorted()) } ?? .null])
        for row in 0..<rows.rowCount {
            guard let partition = rows.integer(row, 3), let number = rows.integer(row, 4) else {
                continue
            }
            if let source = rows[row, 1], let kind = rows[row, 2] {
                let key = Key(
                    symbol: rows[row, 0], source: source, kind: kind, partition: partition)
                counts[key] = UInt64(clamping: number)
            } else {
                storedAt[partition] = Timestamp(nanoseconds: number)
            }
        }
    }

    /// Returns how many are missing of a value; `nil`: it is not known.
    func count(of value: LatestValue) -> UInt64? {
        guard value.unknown == nil, !value.kind.hasPrefix("bar"), let source = value.source,
            let partition = value.partition.map({ Int64($0.number) }), let feed = value.feed,
            let stored = storedAt[partition]
        else { return nil }
        if feed.recordsAt.isDefined,
            feed.recordsAt.nanoseconds(since: stored) > Self.nearNanoseconds
        {
            return nil
        }
        let sources = Set([source.text, value.lane?.text].compactMap { $0 })
        return sources.reduce(0) { sum, source in
            [value.symbol.text, nil].reduce(sum) { sum, symbol in
                let key = Key(
                    symbol: symbol, source: source, kind: value.kind, partition: partition)
                return sum + (counts[key] ?? 0)
            }
        }
    }
}

extension [LatestValue] {
    /// Adds how many stretches of trades and quotes are missing. It is called after the feeds were
    /// added.
    package mutating func add(_ open: OpenGaps) {
        for index in indices { self[index].gaps = open.count(of: self[index]) }
    }
}
