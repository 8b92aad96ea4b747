import MarketModel
import Primitives
import TapeCodec

/// The sink of `bars_short` and `bars_long`: each version of a bar goes to a staging table, and the
/// highest one of its window becomes or stays the row. A bar's revision is its ordinal. Every other
/// version becomes a row of `bar_versions`: a trigger of the tables moves the one that is replaced.
extension Sink {
    static let bars = Sink(
        .bars, tables: BarTables.tables + [BarTables.versions], input: .bars,
        templates: [WireFormat.Template.bar], copy: BarTables.copy,
        merge: Merge(
            makeStaging: BarTables.makeStaging,
            statements: BarTables.tables.map(BarTables.upsert) + [BarTables.keep],
            statementsForUnique: BarTables.tables.map(BarTables.upsertOfUnique),
            statementsForEarlier: BarTables.tables.map(BarTables.keepEarlier), key: BarTables.key
        ),
        time: BarTables.time, row: BarTables.self)
}

enum BarTables: TableRow {
    static let columnNames = """
        symbol, series, ts, number, open, high, low, close, volume, vwap, notional, trades, \
        excluded, excluded_condition, excluded_odd_lot, excluded_filter, excluded_undefined, \
        open_time_ns, close_time, close_time_ns, generation, revision, reason, partial, \
        mixed_providers, source, partition, ordinal, withdrawn, filled, lateness_ns, sent_at, \
        taken_at
        """
    static let columns: Int16 = 33
    /// The columns that identify a bar. Its versions share them.
    private static let keyNames = "symbol, series, ts, number, source"
    private static let short = "bars_short"
    private static let long = "bars_long"
    /// The table of short windows comes first.
    static let tables = [short, long]
    /// The table of the versions that a later one has replaced.
    static let versions = "bar_versions"
    private static let reasons = NameTable(BarReason.self)

    /// Runs once per session. Every COMMIT empties the staging table.
    static let makeStaging = """
        CREATE TEMPORARY TABLE IF NOT EXISTS bars_staging (LIKE \(short) INCLUDING DEFAULTS) \
        ON COMMIT DELETE ROWS
        """

    static let copy = Sink.copy("bars_staging", columnNames)

    /// Which rows of the staging table belong to a table. The writer notes each series before its
    /// first row, so the table of a series is the same for all writers.
    private static func isOf(_ table: String) -> String {
        "series \(table == long ? "" : "NOT ")IN (SELECT series FROM bar_series WHERE is_long)"
    }

    /// Moves rows of which several may have the same key. It takes the highest revision of each
    /// key, and counts the other versions in `replaced`. It sorts by key, so that two writers lock
    /// rows in the same order and cannot deadlock.
    static func upsert(_ table: String) -> String {
        """
        INSERT INTO \(table) AS bars (\(columnNames), replaced)
        SELECT DISTINCT ON (\(keyNames)) \(columnNames),
            count(*) OVER (PARTITION BY \(keyNames)) - 1
        FROM bars_staging WHERE \(isOf(table))
        ORDER BY \(keyNames), revision DESC
        \(conflict)
        """
    }

    /// Moves the versions that a later one in the staging table replaces.
    static let keep = """
        INSERT INTO \(versions) (\(columnNames))
        SELECT \(columnNames) FROM (
            SELECT *, rank() OVER (PARTITION BY \(keyNames) ORDER BY revision DESC) AS place
            FROM bars_staging) AS staged
        WHERE place > 1
        ON CONFLICT (\(keyNames), revision) DO NOTHING
        """

    /// Moves rows of which a later version stands, and counts them there. No two of them may have
    /// the same key.
    static func keepEarlier(_ table: String) -> String {
        """
        WITH kept AS (
            INSERT INTO \(versions) (\(columnNames))
            SELECT \(columnNames) FROM bars_staging s
            WHERE EXISTS (SELECT FROM \(table) b WHERE b.revision > s.revision
                AND (b.symbol, b.series, b.ts, b.number, b.source)
                    = (s.symbol, s.series, s.ts, s.number, s.source))
            ON CONFLICT (\(keyNames), revision) DO NOTHING
            RETURNING \(keyNames))
        UPDATE \(table) b SET replaced = b.replaced + 1 FROM kept k
        WHERE (b.symbol, b.series, b.ts, b.number, b.source)
            = (k.symbol, k.series, k.ts, k.number, k.source)
        """
    }

    /// Moves rows of which no two have the same key. It sorts by partition and ordinal, because
    /// integers are sorted faster than keys. This order is the same for all writers, too.
    static func upsertOfUnique(_ table: String) -> String {
        """
        INSERT INTO \(table) AS bars (\(columnNames))
        SELECT \(columnNames) FROM bars_staging WHERE \(isOf(table)) ORDER BY partition, ordinal
        \(conflict)
        """
    }

    /// Replaces a row by a higher revision, and counts the old version in `replaced`.
    private static let conflict = """
        ON CONFLICT (\(keyNames)) DO UPDATE SET
            open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
            volume = excluded.volume, vwap = excluded.vwap, notional = excluded.notional,
            trades = excluded.trades, excluded = excluded.excluded,
            excluded_condition = excluded.excluded_condition,
            excluded_odd_lot = excluded.excluded_odd_lot,
            excluded_filter = excluded.excluded_filter,
            excluded_undefined = excluded.excluded_undefined,
            open_time_ns = excluded.open_time_ns, close_time = excluded.close_time,
            close_time_ns = excluded.close_time_ns, generation = excluded.generation,
            revision = excluded.revision, reason = excluded.reason, partial = excluded.partial,
            mixed_providers = excluded.mixed_providers, partition = excluded.partition,
            ordinal = excluded.ordinal, withdrawn = excluded.withdrawn, filled = excluded.filled,
            lateness_ns = excluded.lateness_ns, sent_at = excluded.sent_at,
            taken_at = excluded.taken_at,
            replaced = bars.replaced + excluded.replaced + 1
        WHERE excluded.revision > bars.revision
        """

    @Sendable static func key(
        _ record: Record, _ context: borrowing PacketContext
    ) -> UInt64 {
        guard case .bar(let bar) = record else { return 0 }
        return context.hash(of: bar)
    }

    @Sendable static func time(
        _ record: Record, _: borrowing PacketContext, _: RawSpan
    ) -> Timestamp? {
        guard case .bar(let bar) = record else { return nil }
        return bar.openTime
    }

    static func write<Row: RowWriter & ~Copyable>(
        _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
        _ ordinal: UInt64, _ row: inout Row
    ) throws(Row.Failure) -> Bool {
        guard case .bar(let bar) = record, let symbol = context.definition(bar.symbol),
            let name = symbol.symbol, let series = context.seriesName(bar.series)
        else { return false }
        try row.row(columns: columns)
        row.shared(name, of: context.fields)
        row.shared(series, of: context.fields)
        row.timestamptz(bar.openTime.storable)
        row.int64(bar.number)
        row.price(bar.open)
        row.price(bar.high)
        row.price(bar.low)
        row.price(bar.close)
        row.numeric(bar.volume, scale: Quantity.decimals)
        row.price(bar.vwap)
        row.numeric(bar.notional, scale: Price.decimals + Quantity.decimals)
        row.int64(Int64(clamping: bar.trades))
        row.int64(Int64(clamping: bar.excluded.total))
        row.int64(Int64(bar.excluded.condition))
        row.int64(Int64(bar.excluded.oddLot))
        row.int64(Int64(bar.excluded.filter))
        row.int64(Int64(bar.excluded.undefined))
        row.int64(bar.openTime.nanoseconds)
        row.timestamptz(bar.closeTime.storable)
        row.int64(bar.closeTime.nanoseconds)
        row.int64(Int64(bar.generation))
        // The revision.
        row.int64(Int64(bitPattern: ordinal))
        row.name(bar.reason, of: reasons)
        row.bool(bar.flags.contains(.partial))
        row.bool(bar.flags.contains(.mixedProviders))
        row.shared(symbol.source, of: context.fields)
        row.int32(Int32(context.header.partition.number))
        row.int64(Int64(bitPattern: ordinal))
        row.bool(bar.flags.contains(.withdrawn))
        row.bool(bar.flags.contains(.filled))
        if let lateness = context.latenessNanoseconds(bar.series) {
            row.int64(lateness)
        } else {
            row.null()
        }
        // Both are rounded up to microseconds, so that no bar seems to be known before it was.
        row.timestamptz(context.header.sendTime.advanced(byNanoseconds: 999))
        row.timestamptz(context.tapeTime.advanced(byNanoseconds: 999))
        return true
    }
}

extension PacketContext {
    /// Returns the hash of the key of a bar's row: symbol, source, series, `ts` and number. The
    /// time counts in microseconds, as the row has it.
    fileprivate func hash(of bar: Bar) -> UInt64 {
        let time = bar.openTime.storable.floored(toNanoseconds: 1_000).nanoseconds
        let pair = definition(bar.symbol)
        var hash = pair?.hash ?? 0
        hash = SeededRandom.mixed(hash) ^ (pair?.sourceHash ?? 0)
        hash = SeededRandom.mixed(hash) ^ seriesHash(bar.series)
        hash = SeededRandom.mixed(hash) ^ UInt64(bitPattern: time)
        hash = SeededRandom.mixed(hash) ^ UInt64(bitPattern: bar.number)
        return SeededRandom.mixed(hash)
    }
}
