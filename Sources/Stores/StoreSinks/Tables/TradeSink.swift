import MarketModel
import Primitives
import TapeCodec

/// The sink of `trades`: a new trade, a correction or a cancellation becomes a row. `trades` is a
/// view; its rows are in `trade_rows`.
extension Sink {
    static let trades = Sink(
        .trades, table: "trade_rows", templates: [WireFormat.Template.trade],
        columns: """
            \(Sink.narrowHead), price, size, exchange, conditions, action, \(Sink.narrowTail)
            """, row: TradeRow.self)
}

private enum TradeRow: TableRow {
    static func write<Row: RowWriter & ~Copyable>(
        _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
        _ ordinal: UInt64, _ row: inout Row
    ) throws(Row.Failure) -> Bool {
        guard case .trade(let trade) = record,
            let symbol = context.definition(trade.header.symbol)
        else { return false }
        try row.row(columns: 19)
        row.narrowHead(trade.header, symbol, context)
        row.price(trade.price)
        row.quantity(trade.size)
        row.shortText(trade.exchange)
        row.shortText(trade.conditions)
        row.int16(Int16(trade.header.action))
        row.narrowTail(trade.header, symbol, context, ordinal: ordinal)
        return true
    }
}
