import MarketModel
import PostgresClient
import Primitives
import StreamCore
import TapeCodec

/// A record of a gap on the tape, to be compared with its row.
struct GapOnTape {
    let source: SourceName
    let ordinal: UInt64
    let from: Timestamp
    let to: Timestamp
    /// When the gap was recorded, in nanoseconds.
    let noted: Int64

    /// Returns the records of a packet about the symbol, or about all symbols, that touch the bar.
    static func all(
        _ header: PacketHeader, _ packet: RawSpan, of symbol: Symbol, touching bar: ExplainedBar
    ) -> [GapOnTape] {
        var found: [GapOnTape] = []
        var walk = PacketWalk(header)
        while let item = walk.next(in: packet) {
            guard case .other(let message) = item, let gap = message.gapRecord(in: packet),
                gap.header.symbol == TickHeader.noSymbol
                    || walk.symbol(gap.header.symbol, in: packet)?.symbol == symbol,
                gap.from.nanoseconds < bar.closeTime,
                !gap.to.isDefined || gap.to.nanoseconds > bar.key.openTime
            else { continue }
            found.append(
                GapOnTape(
                    source: header.source, ordinal: walk.ordinal, from: gap.from, to: gap.to,
                    noted: gap.header.receiveTime.nanoseconds))
        }
        return found
    }
}

extension ProofDatabase {
    /// Returns how the row of a gap's record disagrees with it; `nil` if it does not.
    func fault(of gap: GapOnTape, _ partition: Partition) throws(ToolError) -> String? {
        let rows = try rows(
            """
            SELECT g.from_time_ns, g.to_time_ns, g.ordinal IS NOT NULL,
                EXISTS (SELECT FROM gaps t
                    WHERE t.reason = 'given_twice' AND t.ordinal IS NULL AND t.input = 'ticks'
                        AND t.source = $1 AND t.partition = $2
                        AND $3 BETWEEN t.first_ordinal AND t.last_ordinal)
            FROM (SELECT) AS one
            LEFT JOIN gaps g ON g.source = $1 AND g.partition = $2 AND g.ordinal = $3
            LIMIT 1
            """,
            [
                .text(gap.source.text), .integer(Int64(partition.number)),
                .integer(Int64(bitPattern: gap.ordinal)),
            ])
        let record = "the record of a gap \(gap.source)/\(partition)/\(gap.ordinal)"
        // The row is of the record that the tape had first.
        guard rows.bool(0, 3) != true else { return nil }
        guard rows.bool(0, 2) == true else { return "\(record) has no row" }
        let to = gap.to.isDefined ? gap.to.nanoseconds : nil
        guard rows.integer(0, 0) == gap.from.nanoseconds, rows.integer(0, 1) == to else {
            return
                "\(record) says \(gap.from) to \(gap.to.isDefined ? "\(gap.to)" : "an open end"), "
                + "its row does not"
        }
        return nil
    }
}
