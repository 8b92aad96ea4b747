// How versions of bars that another store has become rows, in any order.
extension Sink {
    /// The tables of bars: those that stand, and those that were replaced.
    package static let barTables = BarTables.tables + [BarTables.versions]
    /// Makes the session's staging table, which each COMMIT empties.
    package static let barStaging = BarTables.makeStaging
    package static let barStagingTable = Sink.bars.copyTarget

    /// Move the versions of the staging table of which a later one stands, and count them there.
    /// Each returns how many it has moved. They come before `placeBars`.
    package static let placeEarlierBars = BarTables.tables.map(BarTables.placeEarlier)

    /// Move the other versions of the staging table. The sum of the rows that the server reports is
    /// their number, unless another transaction stored a later version meanwhile.
    package static let placeBars = BarTables.tables.map(BarTables.upsert) + [BarTables.keep]
}

extension BarTables {
    fileprivate static func placeEarlier(_ table: String) -> String {
        """
        WITH earlier AS (
            DELETE FROM \(Sink.barStagingTable) s USING \(table) b
            WHERE (b.symbol, b.series, b.ts, b.number, b.source)
                = (s.symbol, s.series, s.ts, s.number, s.source) AND b.revision > s.revision
            RETURNING s.*
        ), kept AS (
            INSERT INTO \(versions) (\(columnNames)) SELECT \(columnNames) FROM earlier
            ON CONFLICT (symbol, series, ts, number, source, revision) DO NOTHING
            RETURNING symbol, series, ts, number, source
        ), counted AS (
            SELECT symbol, series, ts, number, source, count(*) AS versions FROM kept
            GROUP BY symbol, series, ts, number, source
        ), changed AS (
            UPDATE \(table) b SET replaced = b.replaced + c.versions FROM counted c
            WHERE (b.symbol, b.series, b.ts, b.number, b.source)
                = (c.symbol, c.series, c.ts, c.number, c.source)
        )
        SELECT count(*) FROM kept
        """
    }
}
