import MarketModel
import PostgresClient
import Primitives

/// Finds in the database which gaps of an export still wait. The export is older than the loss of
/// the tape: a gap that was filled in between would be filled a second time, and its ticks would be
/// stored twice.
struct GapCheck {
    enum Fate: String, CaseIterable, Sendable {
        /// The database knows of nothing that came for it.
        case waits = "put_back"
        /// It was filled or given up, at least in part.
        case settled
        /// Ticks of its time were stored after the export.
        case doubtful = "in_doubt"
        /// It had no end at the export. The table has the end, if it came.
        case lasting
    }

    /// The tables to which providers' histories deliver.
    private static let tables = ["trades", "quotes", "provider_bars"]
    /// A stored time is rounded down to microseconds.
    private static let nanoseconds: Int64 = 1_000

    let database: PostgresConnection

    /// Two answers: whether a later record settled the gap, and whether later ticks are in it. What
    /// is later has an ordinal that the export does not contain.
    private static let query = """
        SELECT EXISTS (SELECT FROM gaps
                WHERE symbol = $2 AND source = $1 AND input = 'ticks' AND ordinal > $5
                    AND state IN ('filled', 'abandoned') AND from_time < $4
                    AND coalesce(to_time, 'infinity') > $3),
            \(tables.map { table in
                """
                EXISTS (SELECT FROM \(table) WHERE symbol = $2 AND source = $1
                    AND ts >= $3 AND ts < $4 AND ordinal > $5)
                """
            }.joined(separator: " OR "))
        """

    func fate(
        _ gap: WaitingGaps.Gap, of source: SourceName, after lastOrdinal: UInt64
    ) throws(PostgresError) -> Fate {
        guard gap.to.isDefined else { return .lasting }
        let found = try database.execute(
            Self.query,
            [
                .text(source.text), .text(gap.symbol.text), .timestamp(gap.from),
                .timestamp(gap.to.advanced(byNanoseconds: Self.nanoseconds)),
                .integer(Int64(clamping: lastOrdinal)),
            ], timeout: Deployment.statementTimeout)
        if found[0, 0] == "t" { return .settled }
        return found[0, 1] == "t" ? .doubtful : .waits
    }
}
