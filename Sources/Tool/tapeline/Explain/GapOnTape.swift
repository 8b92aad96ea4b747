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
            SELECT from_time_ns, to_time_ns FROM gaps
            WHERE source = $1 AND partition = $2 AND ordinal = $3
            """,
            [
                .text(gap.source.text), .integer(Int64(partition.number)),
                .integer(Int64(bitPattern: gap.ordinal)),
            ])
        let record = "the record of a gap \(gap.source)/\(partition)/\(gap.ordinal)"
        guard rows.rowCount > 0 else { return "\(record) has no row" }
        let to = gap.to.isDefined ? gap.to.nanoseconds : nil
        guard rows.integer(0, 0) == gap.from.nanoseconds, rows.integer(0, 1) == to else {
            return
                "\(record) says \(gap.from) to \(gap.to.isDefined ? "\(gap.to)" : "an open end"), "
                + "its row does not"
        }
        return nil
    }
}
