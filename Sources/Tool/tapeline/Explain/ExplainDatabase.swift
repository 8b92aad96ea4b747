import MarketModel
import PostgresClient
import Primitives
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

/// A record of a gap that touches a bar's window.
struct ExplainedGap: Equatable, Sendable {
    let kind: String
    let state: String
    let reason: String
    let from: String
    let to: String
    let source: String
    let noted: String
}

/// What the row of a bar says besides its values.
struct ExplainedRow: Equatable, Sendable {
    let partition: Int64
    let generation: Int64
    /// How many earlier versions the row replaced.
    let replaced: Int64
    let reason: String
    let revision: Int64
    let isFilled: Bool
    let isWithdrawn: Bool
    /// When this version was published; `nil` when that is not known.
    let known: Timestamp?
}

// What `tapeline explain` reads of a bar.
extension ProofDatabase {
    /// The records of gaps that are shown.
    static let gapsMax = 100
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

    /// Returns the rest of a bar's row; `nil` if no row has the bar.
    func row(of key: ProofKey) throws(ToolError) -> ExplainedRow? {
        let query = """
            SELECT partition::bigint, generation, replaced, reason, revision, filled, withdrawn,
                known_at
            FROM bars WHERE ts >= $1 AND ts <= $2 AND open_time_ns >= $3 AND open_time_ns <= $4
                AND symbol = $5 AND series = $6 AND number = $7 AND source = $8
            """
        let rows = try rows(
            query, Self.bounds(key.openTime, key.openTime) + Self.parameters(key))
        guard rows.rowCount > 0 else { return nil }
        return ExplainedRow(
            partition: rows.integer(0, 0) ?? 0, generation: rows.integer(0, 1) ?? 0,
            replaced: rows.integer(0, 2) ?? 0, reason: rows.text(0, 3) ?? "",
            revision: rows.integer(0, 4) ?? 0, isFilled: rows.bool(0, 5) ?? false,
            isWithdrawn: rows.bool(0, 6) ?? false, known: rows.timestamp(0, 7))
    }

    private static func parameters(_ key: ProofKey) -> [PostgresValue] {
        [
            .text(key.symbol.symbol.text), .text(key.series.text), .integer(key.number),
            .text(key.symbol.source.text),
        ]
    }

    /// Returns the versions that the table of versions keeps besides the one in `bars`; none where
    /// a database has no such table.
    func supersededVersions(of key: ProofKey) throws(ToolError) -> [BarVersion] {
        let present = try rows("SELECT to_regclass('bar_versions') IS NOT NULL", [])
        guard present.rowCount > 0, present.bool(0, 0) == true else { return [] }
        let query = """
            SELECT (v->>'revision')::bigint, v->>'reason', (v->>'trades')::bigint,
                (v->>'close')::numeric, (v->>'withdrawn')::boolean, (v->>'known_at')::timestamptz
            FROM (SELECT to_jsonb(b) AS v FROM bar_versions b
                WHERE symbol = $2 AND series = $3 AND ts = $1 AND number = $4 AND source = $5) AS b
            ORDER BY 1 LIMIT \(Self.barsMax)
            """
        let rows = try rows(
            query, [.timestamp(Timestamp(nanoseconds: key.openTime))] + Self.parameters(key))
        return (0..<rows.rowCount).compactMap { row in
            rows.integer(row, 0).map { revision in
                let close = rows.numeric(row, 3, scale: Price.decimals)
                    .flatMap { Int64(exactly: $0) }
                return BarVersion(
                    revision: UInt64(bitPattern: revision), reason: rows.text(row, 1) ?? "",
                    trades: UInt64(clamping: rows.integer(row, 2) ?? 0),
                    close: close.map { Price(raw: $0) } ?? .undefined,
                    isWithdrawn: rows.bool(row, 4) ?? false, known: rows.timestamp(row, 5))
            }
        }
    }

    /// Returns the records of gaps that touch [from, to), oldest first.
    func gaps(
        _ symbol: Symbol, _ from: Int64, _ to: Int64
    ) throws(ToolError) -> [ExplainedGap] {
        let query = """
            SELECT kind, state, reason, \(MarketSession.shown("from_time")),
                coalesce(\(MarketSession.shown("to_time")), 'lasts'), source,
                \(MarketSession.shown("receive_time"))
            FROM gaps
            WHERE ordinal IS NOT NULL AND (symbol = $1 OR symbol IS NULL)
                AND coalesce(from_time, '-infinity') < $3
                AND greatest(from_time, coalesce(to_time, receive_time)) > $2
                AND (symbol IS NOT NULL OR partition IN
                    (SELECT b.partition FROM bars b WHERE b.symbol = $1 LIMIT 1))
            ORDER BY epoch, ordinal LIMIT \(Self.gapsMax)
            """
        let rows = try rows(
            query,
            [
                .text(symbol.text), .timestamp(Timestamp(nanoseconds: from)),
                .timestamp(Timestamp(nanoseconds: to)),
            ])
        return (0..<rows.rowCount).map { row in
            func text(_ column: Int) -> String { rows.text(row, column) ?? "-" }
            return ExplainedGap(
                kind: text(0), state: text(1), reason: text(2), from: text(3), to: text(4),
                source: text(5), noted: text(6))
        }
    }
}
