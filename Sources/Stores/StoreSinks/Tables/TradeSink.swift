import MarketModel
import PostgresClient
import Primitives
import TapeCodec

/// The sink of `trades`: a new trade, a correction or a cancellation becomes a row. `trades` is a
/// view; its rows are in `trade_rows`.
extension Sink {
    static let trades = Sink(
        .trades, tables: [TradeRow.table], templates: [WireFormat.Template.trade],
        copy: TradeRow.copy, write: TradeRow.write)
}

private enum TradeRow {
    static let table = "trade_rows"
    static let copy = Sink.copy(
        table,
        """
        \(Sink.narrowHead), price, size, exchange, conditions, action, \(Sink.narrowTail)
        """)
    private static let columns: Int16 = 19

    @Sendable static func write(
        _ record: Record, _ context: borrowing PacketContext, _: RawSpan, _ ordinal: UInt64,
        _ row: inout BinaryCopyWriter
    ) throws(PostgresError) -> Bool {
        guard case .trade(let trade) = record,
            let symbol = context.definition(trade.header.symbol)
        else { return false }
        try row.row(columns: columns)
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
