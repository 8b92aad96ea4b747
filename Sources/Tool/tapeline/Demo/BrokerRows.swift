import PostgresClient

/// Reads a demo's trades, gaps and repairs from the database.
struct BrokerRows {
    private static let connectTimeout: Duration = .seconds(5)
    private static let timeout: Duration = .seconds(120)

    /// The counts of repairs, to show to a person.
    struct Mended: Equatable, Sendable {
        var gaps: Int64 = 0
        var trades: Int64 = 0
        var quotes: Int64 = 0
        var bars: Int64 = 0
    }

    let trades: BrokerPrint.Counts
    let snapshots: BrokerPrint.Counts
    let gaps: [BrokerAudit.Gap]
    /// The first second from which every symbol was recorded completely. `nil` if a symbol has no
    /// trade.
    let firstWholeSecond: Int64?
    let mended: Mended

    static func read(
        _ configuration: PostgresConfiguration, symbols: [String]
    ) throws(ToolError) -> BrokerRows {
        do throws(PostgresError) {
            let database = try PostgresConnection(configuration, timeout: connectTimeout)
            defer { database.close() }
            return BrokerRows(
                trades: try trades(database, "flags & 1 = 0"),
                snapshots: try trades(database, "flags & 1 <> 0"), gaps: try gaps(database),
                firstWholeSecond: try firstWholeSecond(database, of: symbols),
                mended: try mended(database))
        } catch {
            throw .audit("the database cannot be audited: \(error)")
        }
    }

    private static func trades(
        _ database: PostgresConnection, _ which: String
    ) throws(PostgresError) -> BrokerPrint.Counts {
        let rows = try database.execute(
            """
            SELECT symbol, event_time_ns / 1000000000, price, size, count(*)
            FROM trades
            WHERE source = '\(DemoPlan.source)' AND action = 0 AND \(which)
            GROUP BY 1, 2, 3, 4
            """, timeout: timeout)
        var counts: BrokerPrint.Counts = [:]
        for row in 0..<rows.rowCount {
            let print = BrokerPrint(
                symbol: rows[row, 0] ?? "", second: rows.integer(row, 1) ?? 0,
                price: rows[row, 2] ?? "", size: rows[row, 3] ?? "")
            counts[print, default: 0] += Int(rows.integer(row, 4) ?? 0)
        }
        return counts
    }

    private static func gaps(
        _ database: PostgresConnection
    ) throws(PostgresError) -> [BrokerAudit.Gap] {
        let rows = try database.execute(
            """
            SELECT symbol, from_time_ns / 1000000000, (to_time_ns + 999999999) / 1000000000, state
            FROM gaps
            WHERE source = '\(DemoPlan.source)' AND ordinal IS NOT NULL
                AND kind IN ('any', 'trade') AND from_time_ns < to_time_ns
            """, timeout: timeout)
        return (0..<rows.rowCount).compactMap { row in
            guard let from = rows.integer(row, 1), let to = rows.integer(row, 2), from <= to else {
                return nil
            }
            return BrokerAudit.Gap(
                symbol: rows[row, 0], seconds: from..<to, state: rows[row, 3] ?? "")
        }
    }

    private static func firstWholeSecond(
        _ database: PostgresConnection, of symbols: [String]
    ) throws(PostgresError) -> Int64? {
        let rows = try database.execute(
            """
            SELECT symbol, min(event_time_ns) / 1000000000 + 1
            FROM trades
            WHERE source = '\(DemoPlan.source)' AND action = 0 AND flags & 5 = 0
            GROUP BY symbol
            """, timeout: timeout)
        let found = (0..<rows.rowCount).compactMap { rows.integer($0, 1) }
        return found.count == symbols.count ? found.max() : nil
    }

    private static func mended(_ database: PostgresConnection) throws(PostgresError) -> Mended {
        let row = try database.execute(
            """
            SELECT
                (SELECT count(DISTINCT (symbol, kind, from_time_ns)) FROM gaps
                    WHERE ordinal IS NOT NULL AND state = 'open'),
                (SELECT count(*) FROM trades WHERE flags & 4 <> 0),
                (SELECT count(*) FROM quotes WHERE flags & 4 <> 0),
                (SELECT count(*) FROM bars WHERE reason = 'backfill')
            """, timeout: timeout)
        guard row.rowCount == 1 else { return Mended() }
        return Mended(
            gaps: row.integer(0, 0) ?? 0, trades: row.integer(0, 1) ?? 0,
            quotes: row.integer(0, 2) ?? 0, bars: row.integer(0, 3) ?? 0)
    }
}
