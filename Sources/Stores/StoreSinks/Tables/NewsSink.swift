import MarketModel
import Primitives
import TapeCodec

/// The sink of `news`: a headline, or a provider's message to all its clients, becomes a row.
extension Sink {
    static let news = Sink(
        .news, templates: [WireFormat.Template.newsHeadline, WireFormat.Template.newsBulletin],
        columns: """
            ts, event_time_ns, symbol, kind, publisher, article, body, extra, bulletin_kind, \
            exchange, \(Sink.tail)
            """, row: NewsRow.self)
}

private enum NewsRow: TableRow {
    static func write<Row: RowWriter & ~Copyable>(
        _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
        _ ordinal: UInt64, _ row: inout Row
    ) throws(Row.Failure) -> Bool {
        guard case .other(let message) = record, let header = message.tickHeader(in: packet),
            let symbol = context.reference(header.symbol)
        else { return false }
        let headline = message.newsHeadline(in: packet)
        let bulletin = message.newsBulletin(in: packet)
        guard headline != nil || bulletin != nil else { return false }
        try row.row(columns: 21)
        row.tickHead(header.eventTime, symbol, context)
        if let headline { values(headline, &row) }
        if let bulletin { values(bulletin, &row) }
        row.tickTail(header, symbol, context, ordinal: ordinal)
        return true
    }
}

private let kinds = NameTable(BulletinKind.self)

private func values<Row: RowWriter & ~Copyable>(_ headline: NewsHeadline, _ row: inout Row) {
    row.text("headline")
    row.text(headline.provider)
    row.text(headline.article)
    row.text(headline.headline)
    row.text(headline.extra)
    row.null()
    row.null()
}

private func values<Row: RowWriter & ~Copyable>(_ bulletin: NewsBulletin, _ row: inout Row) {
    row.text("bulletin")
    row.null()
    row.null()
    row.text(bulletin.text)
    row.null()
    row.name(bulletin.kind, of: kinds)
    row.text(bulletin.exchange)
}
