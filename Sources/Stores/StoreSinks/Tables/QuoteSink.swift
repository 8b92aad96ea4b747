import MarketModel
import PostgresClient
import Primitives
import TapeCodec

/// The sink of `quotes`.
extension Sink {
    static let quotes = Sink(
        .quotes, templates: [WireFormat.Template.quote], copy: QuoteRow.copy, write: QuoteRow.write)
}

private enum QuoteRow {
    static let copy = Sink.copy(
        "quotes",
        """
        ts, event_time_ns, symbol, bid_price, bid_size, ask_price, ask_size, bid_exchange, \
        ask_exchange, \(Sink.tail), of_source
        """)
    private static let columns: Int16 = 21

    @Sendable static func write(
        _ record: Record, _ context: borrowing PacketContext, _: RawSpan, _ ordinal: UInt64,
        _ row: inout BinaryCopyWriter
    ) throws(PostgresError) -> Bool {
        guard case .quote(let quote) = record,
            let symbol = context.definition(quote.header.symbol)
        else { return false }
        try row.row(columns: columns)
        row.tickHead(quote.header.eventTime, symbol, context)
        row.price(quote.bidPrice)
        row.quantity(quote.bidSize)
        row.price(quote.askPrice)
        row.quantity(quote.askSize)
        row.shortText(quote.bidExchange)
        row.shortText(quote.askExchange)
        row.tickTail(quote.header, symbol, context, ordinal: ordinal)
        row.owner(symbol, context)
        return true
    }
}
