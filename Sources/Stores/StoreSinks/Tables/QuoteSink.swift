import MarketModel
import PostgresClient
import Primitives
import TapeCodec

/// The sink of `quotes`, which is a view; its rows are in `quote_rows`.
extension Sink {
    static let quotes = Sink(
        .quotes, tables: [QuoteRow.table], templates: [WireFormat.Template.quote],
        copy: QuoteRow.copy, write: QuoteRow.write)
}

private enum QuoteRow {
    static let table = "quote_rows"
    static let copy = Sink.copy(
        table,
        """
        \(Sink.narrowHead), bid_price, bid_size, ask_price, ask_size, bid_exchange, \
        ask_exchange, \(Sink.narrowTail)
        """)
    private static let columns: Int16 = 20

    @Sendable static func write(
        _ record: Record, _ context: borrowing PacketContext, _: RawSpan, _ ordinal: UInt64,
        _ row: inout BinaryCopyWriter
    ) throws(PostgresError) -> Bool {
        guard case .quote(let quote) = record,
            let symbol = context.definition(quote.header.symbol)
        else { return false }
        try row.row(columns: columns)
        row.narrowHead(quote.header, symbol, context)
        row.price(quote.bidPrice)
        row.quantity(quote.bidSize)
        row.price(quote.askPrice)
        row.quantity(quote.askSize)
        row.shortText(quote.bidExchange)
        row.shortText(quote.askExchange)
        row.narrowTail(quote.header, symbol, context, ordinal: ordinal)
        return true
    }
}
