import MarketModel
import PostgresClient
import Primitives
import StoredBars
import StreamCore

/// A bar that is to be explained: its identity and its window.
struct ExplainedBar {
    let key: ProofKey
    let closeTime: Int64
    /// Whether a row has it. A window without a row is one that should perhaps have a bar.
    var isStored = true
    /// How many other stored bars of the series hold the time, too.
    var others = 0
}

// What `tapeline explain` reads of a bar.
extension ProofDatabase {
    /// A bar that opened longer before is not looked for.
    private static let reach: Int64 = 40 * 86_400_000_000_000
    private static let barsMax = 1_000

    /// Returns the stored bars of a series that hold a time, newest opening first.
    func bars(
        holding time: Int64, _ symbol: Symbol, _ series: SeriesName
    ) throws(ToolError) -> [ExplainedBar] {
        let since = Timestamp(nanoseconds: time).advanced(byNanoseconds: -Self.reach).nanoseconds
        let query = """
            SELECT open_time_ns, number, source, close_time_ns FROM bars
            WHERE ts >= $1 AND ts <= $2 AND open_time_ns >= $3 AND open_time_ns <= $4
                AND symbol = $5 AND series = $6
                AND (close_time_ns > $4 OR open_time_ns = $4)
            ORDER BY open_time_ns DESC, number DESC, source LIMIT \(Self.barsMax)
            """
        let rows = try rows(
            query, Self.bounds(since, time) + [.text(symbol.text), .text(series.text)])
        return (0..<rows.rowCount).compactMap { row in
            guard let open = rows.integer(row, 0), let number = rows.integer(row, 1),
                let source = rows.text(row, 2).flatMap({ SourceName($0) }),
                let close = rows.integer(row, 3)
            else { return nil }
            return ExplainedBar(
                key: ProofKey(
                    symbol: SourceSymbol(symbol, of: source), series: series, openTime: open,
                    number: number), closeTime: close)
        }
    }

    /// Runs what the cockpit asks, too.
    private func reading<Value>(
        _ read: (BarReader) throws(PostgresError) -> Value
    ) throws(ToolError) -> Value {
        do throws(PostgresError) {
            let reader = BarReader { query, parameters throws(PostgresError) in
                try connection.rows(query, parameters, timeout: Self.timeout)
            }
            return try read(reader)
        } catch {
            throw Self.failure(error)
        }
    }

    /// Returns the row of a bar; `nil` if no row has it.
    func row(of key: ProofKey) throws(ToolError) -> BarRow? {
        try reading { reader throws(PostgresError) in try reader.row(of: key.identity) }
    }

    /// Returns the versions that the table of versions keeps besides the one in `bars`; none where
    /// a database has no such table.
    func replacedVersions(of key: ProofKey) throws(ToolError) -> [BarVersion] {
        let present = try rows("SELECT to_regclass('bar_versions') IS NOT NULL", [])
        guard present.rowCount > 0, present.bool(0, 0) == true else { return [] }
        return try reading { reader throws(PostgresError) in
            try reader.replaced(of: key.identity)
        }
    }

    /// Returns the records of gaps that touch [from, to), oldest first.
    func gaps(
        _ symbol: Symbol, _ from: Int64, _ to: Int64
    ) throws(ToolError) -> [WindowGap] {
        try reading { reader throws(PostgresError) in
            try reader.gaps(
                symbol, Timestamp(nanoseconds: from), Timestamp(nanoseconds: to))
        }
    }
}

extension ProofKey {
    fileprivate var identity: BarIdentity {
        BarIdentity(
            symbol: symbol.symbol, source: symbol.source, series: series,
            openTime: Timestamp(nanoseconds: openTime), number: number)
    }
}
