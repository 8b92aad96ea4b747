package import MarketModel
package import PostgresClient
package import Primitives

/// Reads stored bars and their versions.
package struct BarReader {
    package typealias Running = (String, [PostgresValue]) throws(PostgresError) -> PostgresRows

    /// The records of gaps of one window that are read.
    package static let gapsMax = 100
    /// The replaced versions of one bar that are read: the newest.
    package static let versionsOfBarMax = 1_000

    let run: Running

    /// `run` carries out a statement.
    package init(_ run: @escaping Running) { self.run = run }

    // MARK: one bar

    /// Returns the row of a bar. `nil` if no row has it.
    package func row(of bar: BarIdentity) throws(PostgresError) -> BarRow? {
        let rows = try run(
            """
            SELECT \(Self.rowColumns) FROM bars
            WHERE \(Self.isSeries) AND ts = $4 AND open_time_ns = $5 AND number = $6
            """,
            Self.series(bar.symbol, bar.source, bar.series) + [
                .timestamp(bar.openTime), .integer(bar.openTime.nanoseconds), .integer(bar.number),
            ])
        return (0..<rows.rowCount).first.flatMap {
            Self.row(rows, $0, bar.symbol, bar.source, bar.series)
        }
    }

    /// Returns the versions of a bar that later ones replaced, the oldest first.
    package func replaced(of bar: BarIdentity) throws(PostgresError) -> [BarVersion] {
        let rows = try run(
            """
            SELECT \(Self.versionColumns) FROM replaced_bars
            WHERE \(Self.isSeries) AND ts = $4 AND number = $5
            ORDER BY revision DESC LIMIT \(Self.versionsOfBarMax)
            """,
            Self.series(bar.symbol, bar.source, bar.series)
                + [.timestamp(bar.openTime), .integer(bar.number)])
        return (0..<rows.rowCount).reversed().compactMap { Self.version(rows, $0) }
    }

    /// Returns the records of gaps that touch [from, to), the oldest first.
    package func gaps(
        _ symbol: Symbol, _ from: Timestamp, _ to: Timestamp
    ) throws(PostgresError) -> [WindowGap] {
        let rows = try run(
            """
            SELECT kind, state, reason, \(Self.shown("from_time")),
                coalesce(\(Self.shown("to_time")), 'lasts'), source,
                \(Self.shown("receive_time"))
            FROM gaps
            WHERE ordinal IS NOT NULL AND (symbol = $1 OR symbol IS NULL)
                AND coalesce(from_time, '-infinity') < $3
                AND greatest(from_time, coalesce(to_time, receive_time)) > $2
                AND (symbol IS NOT NULL OR partition IN
                    (SELECT b.partition FROM bars b WHERE b.symbol = $1 LIMIT 1))
            ORDER BY epoch, ordinal LIMIT \(Self.gapsMax)
            """, [.text(symbol.text), .timestamp(from), .timestamp(to)])
        return (0..<rows.rowCount).map { row in
            func text(_ column: Int) -> String { rows.text(row, column) ?? "-" }
            return WindowGap(
                kind: text(0), state: text(1), reason: text(2), from: text(3), to: text(4),
                source: text(5), noted: text(6))
        }
    }

    /// Returns SQL that formats a time without a fraction when the fraction is zero.
    package static func shown(_ column: String) -> String {
        """
        regexp_replace(to_char(\(column) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
            '\\.?0+$', '', '') || 'Z'
        """
    }

    // MARK: columns

    static let isSeries = "symbol = $1 AND series = $2 AND source = $3"

    /// The parameters of `isSeries`.
    static func series(
        _ symbol: Symbol, _ source: SourceName, _ series: SeriesName
    ) -> [PostgresValue] {
        [.text(symbol.text), .text(series.text), .text(source.text)]
    }

    /// The columns that all versions have.
    static let versionColumns = """
        revision, reason, trades, open, high, low, close, vwap, volume, withdrawn, sent_at, known_at
        """

    static let rowColumns = """
        \(versionColumns), open_time_ns, close_time_ns, number, partition::bigint,
        generation, replaced, partial, mixed_providers, filled, excluded_condition,
        excluded_odd_lot, excluded_filter, excluded_undefined
        """

    /// Reads a version from the columns `versionColumns`; `nil`: there is none.
    static func version(_ rows: PostgresRows, _ row: Int) -> BarVersion? {
        guard let revision = rows.integer(row, 0) else { return nil }
        var values = BarVersion.Values()
        values.trades = UInt64(clamping: rows.integer(row, 2) ?? 0)
        values.open = price(rows, row, 3)
        values.high = price(rows, row, 4)
        values.low = price(rows, row, 5)
        values.close = price(rows, row, 6)
        values.vwap = price(rows, row, 7)
        values.volume = rows.numeric(row, 8, scale: Quantity.decimals) ?? 0
        var version = BarVersion(
            revision: UInt64(bitPattern: revision), reason: rows.text(row, 1) ?? "",
            values: values, isWithdrawn: rows.bool(row, 9) ?? false)
        version.sent = rows.timestamp(row, 10)
        version.known = rows.timestamp(row, 11)
        return version
    }

    /// Reads a bar from the columns `rowColumns`; `nil`: there is none.
    static func row(
        _ rows: PostgresRows, _ row: Int, _ symbol: Symbol, _ source: SourceName,
        _ series: SeriesName
    ) -> BarRow? {
        guard let standing = version(rows, row), let open = rows.integer(row, 12),
            let close = rows.integer(row, 13)
        else { return nil }
        func count(_ column: Int) -> Int64 { rows.integer(row, column) ?? 0 }
        func flag(_ column: Int) -> Bool { rows.bool(row, column) ?? false }
        return BarRow(
            identity: BarIdentity(
                symbol: symbol, source: source, series: series,
                openTime: Timestamp(nanoseconds: open), number: count(14)),
            closeTime: Timestamp(nanoseconds: close), partition: count(15),
            generation: count(16), replaced: count(17), isPartial: flag(18), isMixed: flag(19),
            isFilled: flag(20),
            excluded: Bar.Excluded(
                condition: UInt32(clamping: count(21)), oddLot: UInt32(clamping: count(22)),
                filter: UInt32(clamping: count(23)), undefined: UInt32(clamping: count(24))),
            standing: standing)
    }

    /// Reads a price; one that is absent, or out of the tape's range, is undefined.
    static func price(_ rows: PostgresRows, _ row: Int, _ column: Int) -> Price {
        rows.numeric(row, column, scale: Price.decimals).flatMap { Int64(exactly: $0) }
            .map { Price(raw: $0) } ?? .undefined
    }
}
