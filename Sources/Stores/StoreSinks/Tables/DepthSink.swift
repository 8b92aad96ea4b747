import MarketModel
import Primitives
import TapeCodec

/// The sink of `depth`: a change or a reset of a book becomes a row.
extension Sink {
    static let depth = Sink(
        .depth, templates: [WireFormat.Template.depthUpdate, WireFormat.Template.depthReset],
        columns: """
            ts, event_time_ns, symbol, operation, side, position, price, size, market_maker, \
            book_flags, reason, \(Sink.tail)
            """, row: DepthRow.self)
}

private enum DepthRow: TableRow {
    static func write<Row: RowWriter & ~Copyable>(
        _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
        _ ordinal: UInt64, _ row: inout Row
    ) throws(Row.Failure) -> Bool {
        guard case .other(let message) = record, let header = message.tickHeader(in: packet),
            let symbol = context.definition(header.symbol)
        else { return false }
        let update = message.depthUpdate(in: packet)
        let reset = message.depthReset(in: packet)
        guard update != nil || reset != nil else { return false }
        try row.row(columns: 22)
        row.tickHead(header.eventTime, symbol, context)
        if let update { values(update, &row) }
        if let reset { values(reset, &row) }
        row.tickTail(header, symbol, context, ordinal: ordinal)
        return true
    }
}

private let operations = NameTable(DepthOperation.self)
private let sides = NameTable(BookSide.self)
private let reasons = NameTable(DepthResetReason.self)

private func values<Row: RowWriter & ~Copyable>(_ update: DepthUpdate, _ row: inout Row) {
    row.name(update.operation, of: operations)
    row.name(update.side, of: sides)
    row.int64(Int64(update.position))
    row.price(update.price)
    row.quantity(update.size)
    if update.marketMaker.second == .empty {
        row.shortText(update.marketMaker.first)
    } else {
        row.text(update.marketMaker.text)
    }
    row.int16(Int16(update.flags.rawValue))
    row.null()
}

private func values<Row: RowWriter & ~Copyable>(_ reset: DepthReset, _ row: inout Row) {
    row.text("reset")
    for _ in 0..<4 { row.null() }
    row.shortText(.empty)
    row.int16(0)
    row.name(reset.reason, of: reasons)
}
