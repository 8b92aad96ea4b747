import MarketModel
import PostgresClient
import Primitives
import TapeCodec

/// The sink of `fundamentals`: a part of a document about a company becomes a row.
extension Sink {
    static let fundamentals = Sink(
        .fundamentals, templates: [WireFormat.Template.fundamentalPart],
        columns: """
            ts, event_time_ns, symbol, report, part, parts, document_bytes, content, \(Sink.tail)
            """
    ) { record, context, packet, ordinal, row throws(PostgresError) in
        guard case .other(let message) = record, let part = message.fundamentalPart(in: packet),
            let symbol = context.reference(part.header.symbol)
        else { return false }
        try row.row(columns: 19)
        row.tickHead(part.header.eventTime, symbol, context)
        row.text(part.report)
        row.int64(Int64(part.part))
        row.int64(Int64(part.parts))
        row.int64(Int64(clamping: part.documentBytes))
        row.bytes(part.content)
        row.tickTail(part.header, symbol, context, ordinal: ordinal)
        return true
    }
}
