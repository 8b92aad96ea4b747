import MarketModel
import Primitives
import TapeCodec

/// The sink of `indicators`: a value of an economic series, or one that operators computed, becomes
/// a row. Computed values come in the packets of bars, and are numbered with the bars.
extension Sink {
    static let indicators = Sink(
        .indicators, templates: [WireFormat.Template.indicatorValue],
        columns: """
            ts, event_time_ns, symbol, name, unit, value, period_start, period_start_ns, \
            period_end, period_end_ns, revision, of_source, \(Sink.tail)
            """, row: IndicatorRow.self)
}

private enum IndicatorRow: TableRow {
    static func write<Row: RowWriter & ~Copyable>(
        _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
        _ ordinal: UInt64, _ row: inout Row
    ) throws(Row.Failure) -> Bool {
        guard case .other(let message) = record,
            let indicator = message.indicatorValue(in: packet),
            let symbol = context.reference(indicator.header.symbol)
        else { return false }
        try row.row(columns: 23)
        row.tickHead(indicator.header.eventTime, symbol, context)
        row.text(indicator.name)
        row.text(indicator.unit)
        indicator.value == IndicatorValue.undefined
            ? row.null() : row.numeric(indicator.value, scale: decimals)
        row.exactTime(indicator.periodStart)
        row.exactTime(indicator.periodEnd)
        row.int64(Int64(bitPattern: indicator.revision))
        // Of a computed value: whose ticks it is made of.
        row.shared(symbol.source, of: context.fields)
        row.tickTail(indicator.header, symbol, context, ordinal: ordinal)
        return true
    }
}

private let decimals = 9
