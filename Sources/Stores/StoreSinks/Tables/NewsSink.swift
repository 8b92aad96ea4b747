import MarketModel
import PostgresClient
import Primitives
import TapeCodec

/// The sink of `news`: a headline, or a provider's message to all its clients, becomes a row.
extension Sink {
    static let news = Sink(
        .news, templates: [WireFormat.Template.newsHeadline, WireFormat.Template.newsBulletin],
        copy: NewsRow.copy, write: NewsRow.write)
}

private enum NewsRow {
    static let copy = Sink.copy(
        "news",
        """
        ts, event_time_ns, symbol, kind, publisher, article, body, extra, bulletin_kind, \
        exchange, \(Sink.tail)
        """)
    private static let columns: Int16 = 21
    private static let kinds = NameTable(BulletinKind.self)

    @Sendable static func write(
        _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
        _ ordinal: UInt64, _ row: inout BinaryCopyWriter
    ) throws(PostgresError) -> Bool {
        guard case .other(let message) = record, let header = message.tickHeader(in: packet),
            let symbol = context.reference(header.symbol)
        else { return false }
        let headline = message.newsHeadline(in: packet)
        let bulletin = message.newsBulletin(in: packet)
        guard headline != nil || bulletin != nil else { return false }
        try row.row(columns: columns)
        row.tickHead(header.eventTime, symbol, context)
        if let headline { values(headline, &row) }
        if let bulletin { values(bulletin, &row) }
        row.tickTail(header, symbol, context, ordinal: ordinal)
        return true
    }

    private static func values(_ headline: NewsHeadline, _ row: inout BinaryCopyWriter) {
        row.text("headline")
        row.text(headline.provider)
        row.text(headline.article)
        row.text(headline.headline)
        row.text(headline.extra)
        row.null()
        row.null()
    }

    private static func values(_ bulletin: NewsBulletin, _ row: inout BinaryCopyWriter) {
        row.text("bulletin")
        row.null()
        row.null()
        row.text(bulletin.text)
        row.null()
        row.name(bulletin.kind, of: kinds)
        row.text(bulletin.exchange)
    }
}
