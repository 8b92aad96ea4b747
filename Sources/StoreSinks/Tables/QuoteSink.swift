import MarketModel
import PostgresClient
import Primitives
import TapeCodec

/// A quote of the tape as a row of `quotes`.
extension Sink {
    static let quotes = Sink(
        .quotes, templates: [WireFormat.Template.quote], copy: QuoteRow.copy, write: QuoteRow.write)
}

private enum QuoteRow {
    static let copy = """
        COPY quotes (ts, event_time_ns, symbol, bid_price, bid_size, ask_price, ask_size, \
        bid_exchange, ask_exchange, flags, provider, provider_id, provider_time, time_resolution, \
        receive_time, receive_time_ns, source, partition, epoch, ordinal) \
        FROM STDIN (FORMAT binary)
        """
    private static let columns: Int16 = 20

    @Sendable static func write(
        _ record: Record, _ context: borrowing PacketContext, _: RawSpan, _ ordinal: UInt64,
        _ row: inout BinaryCopyWriter
    ) throws(PostgresError) -> Bool {
        guard case .quote(let quote) = record, let symbol = context.symbol(quote.header.symbol)
        else { return false }
        let header = quote.header
        try row.row(columns: columns)
        row.timestamptz(header.eventTime.storable)
        row.int64(header.eventTime.nanoseconds)
        row.text(symbol.symbol.text)
        row.price(quote.bidPrice)
        row.quantity(quote.bidSize)
        row.price(quote.askPrice)
        row.quantity(quote.askSize)
        row.text(quote.bidExchange.text)
        row.text(quote.askExchange.text)
        row.tickTail(header, symbol, context.header, ordinal: ordinal)
        return true
    }
}
