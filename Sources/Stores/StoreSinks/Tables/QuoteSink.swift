import MarketModel
import Primitives
import TapeCodec

/// The sink of `quotes`, which is a view; its rows are in `quote_rows`.
extension Sink {
    static let quotes = Sink(
        .quotes, table: "quote_rows", templates: [WireFormat.Template.quote],
        columns: """
            \(Sink.narrowHead), bid_price, bid_size, ask_price, ask_size, bid_exchange, \
            ask_exchange, \(Sink.narrowTail)
            """, row: QuoteRow.self)
}

private enum QuoteRow: TableRow {
    static func write<Row: RowWriter & ~Copyable>(
        _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
        _ ordinal: UInt64, _ row: inout Row
    ) throws(Row.Failure) -> Bool {
        guard case .quote(let quote) = record,
            let symbol = context.definition(quote.header.symbol)
        else { return false }
        try row.row(columns: 20)
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
