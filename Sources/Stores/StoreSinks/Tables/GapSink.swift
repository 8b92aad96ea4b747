import MarketModel
import Primitives
import TapeCodec

/// The sink of `gaps`: a gap record of the tape becomes a row with an ordinal. Gaps that the writer
/// itself notes in the table have no ordinal, and are written with the positions.
extension Sink {
    /// The value of the column `sink` in `gaps` and in a store's positions, unless the store has
    /// another name: the reader of the tape that the row is about. It is no table.
    package static let owner = "store"

    static let gaps = Sink(
        .gaps, templates: [WireFormat.Template.gapRecord],
        columns: """
            sink, input, partition, source, reason, detail, symbol, kind, from_time, from_time_ns, \
            to_time, to_time_ns, state, lost_first_ordinal, lost_last_ordinal, receive_time, \
            epoch, ordinal
            """, time: Sink.untimed, row: GapRow.self)
}

private enum GapRow: TableRow {
    static func write<Row: RowWriter & ~Copyable>(
        _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
        _ ordinal: UInt64, _ row: inout Row
    ) throws(Row.Failure) -> Bool {
        guard case .other(let message) = record, let gap = message.gapRecord(in: packet),
            let symbol = context.reference(gap.header.symbol)
        else { return false }
        try row.row(columns: 18)
        row.text(context.store)
        row.text("ticks")
        row.int32(Int32(context.header.partition.number))
        row.text(context.header.source.text)
        row.name(gap.reason, of: reasons)
        row.text(gap.detail)
        if let place = symbol.symbol { row.shared(place, of: context.fields) } else { row.null() }
        row.name(gap.kind, of: kinds)
        row.exactTime(gap.from)
        row.exactTime(gap.to)
        row.name(gap.state, of: states)
        row.ordinal(gap.firstOrdinal)
        row.ordinal(gap.lastOrdinal)
        row.timestamptz(gap.header.receiveTime)
        row.int64(Int64(bitPattern: context.header.epoch))
        row.int64(Int64(bitPattern: ordinal))
        return true
    }
}

private let reasons = NameTable(GapReason.self)
private let kinds = NameTable(DataKind.self)
private let states = NameTable(GapState.self)

extension RowWriter where Self: ~Copyable {
    /// Writes an ordinal; NULL for 0, which means none.
    fileprivate mutating func ordinal(_ ordinal: UInt64) {
        ordinal == 0 ? null() : int64(Int64(bitPattern: ordinal))
    }
}
