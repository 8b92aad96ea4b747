import MarketModel
import Primitives
import TapeCodec

/// The sink of `late_ticks`: a tick that a series did not count becomes a row. It comes in the
/// packets of bars, and is numbered with the bars; `of_source` and `of_ordinal` name the tick
/// itself.
extension Sink {
    static let lateTicks = Sink(
        .lateTicks, input: .bars, templates: [WireFormat.Template.lateTick],
        columns: """
            ts, event_time_ns, symbol, series, reason, kind, price, size, exchange, conditions, \
            ask_price, ask_size, open_time, open_time_ns, close_time, close_time_ns, of_source, \
            of_ordinal, action, \(Sink.tail)
            """, row: LateTickRow.self)
}

private enum LateTickRow: TableRow {
    static func write<Row: RowWriter & ~Copyable>(
        _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
        _ ordinal: UInt64, _ row: inout Row
    ) throws(Row.Failure) -> Bool {
        guard case .other(let message) = record, let late = message.lateTick(in: packet),
            let symbol = context.definition(late.header.symbol),
            let series = context.seriesName(late.series)
        else { return false }
        try row.row(columns: 30)
        row.tickHead(late.header.eventTime, symbol, context)
        row.shared(series, of: context.fields)
        row.name(late.reason, of: reasons)
        row.name(late.kind, of: kinds)
        row.price(late.price)
        row.quantity(late.size)
        row.shortText(late.exchange)
        row.shortText(late.conditions)
        row.price(late.askPrice)
        row.quantity(late.askSize)
        row.exactTime(late.openTime)
        row.exactTime(late.closeTime)
        row.text(late.source.text)
        row.int64(Int64(bitPattern: late.ordinal))
        row.int16(Int16(late.header.action))
        row.tickTail(late.header, symbol, context, ordinal: ordinal)
        return true
    }
}

private let reasons = NameTable(LateTickReason.self)
private let kinds = NameTable(DataKind.self)
