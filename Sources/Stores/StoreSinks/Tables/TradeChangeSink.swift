import MarketModel
import Primitives
import TapeCodec

/// The sink of `trade_changes`: a person's change of one trade becomes a row. `of_source` and
/// `of_ordinal` name the trade.
extension Sink {
    static let tradeChanges = Sink(
        .tradeChanges, templates: [WireFormat.Template.tradeChange],
        columns: """
            ts, event_time_ns, symbol, of_source, of_ordinal, change, price, size, requester, \
            note, \(Sink.tail)
            """, time: Sink.untimed, row: TradeChangeRow.self)
}

private enum TradeChangeRow: TableRow {
    static func write<Row: RowWriter & ~Copyable>(
        _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
        _ ordinal: UInt64, _ row: inout Row
    ) throws(Row.Failure) -> Bool {
        guard case .other(let message) = record, let change = message.tradeChange(in: packet),
            let symbol = context.definition(change.header.symbol)
        else { return false }
        try row.row(columns: 21)
        row.tickHead(change.header.eventTime, symbol, context)
        row.text(change.source.text)
        row.int64(Int64(bitPattern: change.ordinal))
        row.name(change.change, of: changes)
        row.price(change.price)
        row.quantity(change.size)
        row.text(change.requester)
        row.text(change.note)
        row.tickTail(change.header, symbol, context, ordinal: ordinal)
        return true
    }
}

private let changes = NameTable(TradeChangeAction.self)
