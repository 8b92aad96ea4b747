import MarketModel
import PostgresClient
import Primitives
import TapeCodec

/// The sink of `trades`: a new trade, a correction or a cancellation becomes a row.
extension Sink {
    static let trades = Sink(
        .trades, templates: [WireFormat.Template.trade], copy: TradeRow.copy, write: TradeRow.write)
}

private enum TradeRow {
    static let copy = Sink.copy(
        "trades",
        """
        ts, event_time_ns, symbol, price, size, exchange, conditions, action, \(Sink.tail), \
        of_source
        """)
    private static let columns: Int16 = 20

    @Sendable static func write(
        _ record: Record, _ context: borrowing PacketContext, _: RawSpan, _ ordinal: UInt64,
        _ row: inout BinaryCopyWriter
    ) throws(PostgresError) -> Bool {
        guard case .trade(let trade) = record,
            let symbol = context.definition(trade.header.symbol)
        else { return false }
        try row.row(columns: columns)
        row.tickHead(trade.header.eventTime, symbol, context)
        row.price(trade.price)
        row.quantity(trade.size)
        row.shortText(trade.exchange)
        row.shortText(trade.conditions)
        row.int16(Int16(trade.header.action))
        row.tickTail(trade.header, symbol, context, ordinal: ordinal)
        row.owner(symbol, context)
        return true
    }
}
