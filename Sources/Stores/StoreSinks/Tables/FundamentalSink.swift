import MarketModel
import Primitives
import TapeCodec

/// The sink of `fundamentals`: a part of a document about a company becomes a row.
extension Sink {
    static let fundamentals = Sink(
        .fundamentals, templates: [WireFormat.Template.fundamentalPart],
        columns: """
            ts, event_time_ns, symbol, report, part, parts, document_bytes, content, \(Sink.tail)
            """, row: FundamentalRow.self)
}

private enum FundamentalRow: TableRow {
    static func write<Row: RowWriter & ~Copyable>(
        _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
        _ ordinal: UInt64, _ row: inout Row
    ) throws(Row.Failure) -> Bool {
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
