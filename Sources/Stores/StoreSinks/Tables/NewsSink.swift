import MarketModel
import PostgresClient
import Primitives
import TapeCodec

/// The sink of `news`: a headline, or a provider's message to all its clients, becomes a row.
extension Sink {
    static let news = Sink(
        .news, templates: [WireFormat.Template.newsHeadline, WireFormat.Template.newsBulletin],
        columns: """
            ts, event_time_ns, symbol, kind, publisher, article, body, extra, bulletin_kind, \
            exchange, \(Sink.tail)
            """
    ) { record, context, packet, ordinal, row throws(PostgresError) in
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

private func values(_ headline: NewsHeadline, _ row: inout BinaryCopyWriter) {
    row.text("headline")
    row.text(headline.provider)
    row.text(headline.article)
    row.text(headline.headline)
    row.text(headline.extra)
    row.null()
    row.null()
}

private func values(_ bulletin: NewsBulletin, _ row: inout BinaryCopyWriter) {
    row.text("bulletin")
    row.null()
    row.null()
    row.text(bulletin.text)
    row.null()
    row.name(bulletin.kind, of: kinds)
    row.text(bulletin.exchange)
}
