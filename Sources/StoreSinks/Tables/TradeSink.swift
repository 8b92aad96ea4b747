import MarketModel
import PostgresClient
import Primitives
import TapeCodec

/// A trade of the tape as a row of `trades`.
extension Sink {
    static let trades = Sink(
        .trades, templates: [WireFormat.Template.trade], copy: TradeRow.copy, write: TradeRow.write)
}

private enum TradeRow {
    static let copy = """
        COPY trades (ts, event_time_ns, symbol, price, size, exchange, conditions, action, flags, \
        provider, provider_id, provider_time, time_resolution, receive_time, receive_time_ns, \
        source, partition, epoch, ordinal) FROM STDIN (FORMAT binary)
        """
    private static let columns: Int16 = 19

    @Sendable static func write(
        _ record: Record, _ context: borrowing PacketContext, _: RawSpan, _ ordinal: UInt64,
        _ row: inout BinaryCopyWriter
    ) throws(PostgresError) -> Bool {
        guard case .trade(let trade) = record, let symbol = context.symbol(trade.header.symbol)
        else { return false }
        let header = trade.header
        try row.row(columns: columns)
        row.timestamptz(header.eventTime.storable)
        row.int64(header.eventTime.nanoseconds)
        row.text(symbol.symbol.text)
        row.price(trade.price)
        row.quantity(trade.size)
        row.text(trade.exchange.text)
        row.text(trade.conditions.text)
        row.int16(Int16(header.action))
        row.tickTail(header, symbol, context.header, ordinal: ordinal)
        return true
    }
}
