internal import MarketModel
package import PostgresClient
internal import Primitives
package import TapeCodec

/// In which of their two tables the bars of each series are. The database decides this once per
/// series (`note_series`), so that no series has rows in both; this is what a session knows of it.
package struct SeriesTables: Sendable {
    /// A series that is not known yet, and the table that its definition asks for.
    package struct Candidate: Hashable, Sendable {
        package let name: String
        package let isLong: Bool
    }

    /// From this width on, windows are long.
    static let longNanoseconds: Int64 = 3_600_000_000_000
    private static let minuteNanoseconds: Int64 = 60_000_000_000
    /// The number of series that are remembered. Beyond, all are asked for again.
    static let seriesMax = 4_096

    /// By the hash of the series' name.
    private var areLong: [UInt64: Bool] = [:]

    package init() {}

    /// Has the database decide where the bars of series are, and returns what it has decided.
    package static let noting = """
        SELECT series, is_long FROM note_series($1, $2::text[]::boolean[])
        """

    /// The parameters of `noting`.
    package static func parameters(_ candidates: Set<Candidate>) -> [PostgresValue] {
        let all = Array(candidates)
        return [
            .textArray(all.map(\.name)), .textArray(all.map { $0.isLong ? "true" : "false" }),
        ]
    }

    /// Takes the answer to `noting`.
    package mutating func take(_ answer: PostgresResult) {
        for row in 0..<answer.rowCount {
            guard let name = answer[row, 0] else { continue }
            if areLong.count >= Self.seriesMax { areLong.removeAll() }
            areLong[Checksum.of(name)] = answer[row, 1] == "t"
        }
    }

    /// Returns the series of a bar that is not known yet; `nil` for a known one, for other records,
    /// and for a bar whose series its packet does not define.
    package func unknown(
        _ record: Record, _ context: borrowing PacketContext
    ) -> Candidate? {
        guard case .bar(let bar) = record, areLong[context.seriesHash(bar.series)] == nil,
            let series = context.series(bar.series)
        else { return nil }
        let isLong =
            series.widthNanoseconds > 0
            ? series.widthNanoseconds >= Self.longNanoseconds
            : Self.isSession(bar, lateness: context.latenessNanoseconds(bar.series))
        return Candidate(name: series.name.text, isLong: isLong)
    }

    /// Returns whether a record is a bar of the table with long windows.
    package func isLong(_ record: Record, _ context: borrowing PacketContext) -> Bool {
        guard case .bar(let bar) = record else { return false }
        return areLong[context.seriesHash(bar.series)] ?? false
    }

    /// Returns whether a bar of a series without a width on the tape is that of a session or a
    /// day, of an hour or more. Windows that the ticks end have no width either, and the first of
    /// them in a day may be as long. But they begin and end with ticks, and not at whole minutes,
    /// and as a rule take no late ticks. What is not certain is short, because a long table is for
    /// few rows.
    private static func isSession(_ bar: Bar, lateness: Int64?) -> Bool {
        let (open, close) = (bar.openTime.nanoseconds, bar.closeTime.nanoseconds)
        let (span, overflow) = close.subtractingReportingOverflow(open)
        return bar.number == 0 && lateness != 0 && !overflow && span >= longNanoseconds
            && open % minuteNanoseconds == 0 && close % minuteNanoseconds == 0
    }
}
