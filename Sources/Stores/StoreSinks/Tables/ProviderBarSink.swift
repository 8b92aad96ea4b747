import MarketModel
import Primitives
import TapeCodec

/// The sink of `provider_bars`: a bar that a provider made becomes a row. Its event time is its
/// close.
extension Sink {
    static let providerBars = Sink(
        .providerBars, templates: [WireFormat.Template.providerBar],
        columns: """
            ts, event_time_ns, symbol, made_of, open_time, open_time_ns, open, high, low, close, \
            vwap, volume, trades, bar_flags, provider_time_ns, \(Sink.tail)
            """, time: closeTime, row: ProviderBarRow.self)
}

private enum ProviderBarRow: TableRow {
    static func write<Row: RowWriter & ~Copyable>(
        _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
        _ ordinal: UInt64, _ row: inout Row
    ) throws(Row.Failure) -> Bool {
        guard case .other(let message) = record, let bar = message.providerBar(in: packet),
            let symbol = context.definition(bar.header.symbol)
        else { return false }
        try row.row(columns: 26)
        row.tickHead(bar.closeTime, symbol, context)
        row.name(bar.kind, of: kinds)
        row.exactTime(bar.openTime)
        row.price(bar.open)
        row.price(bar.high)
        row.price(bar.low)
        row.price(bar.close)
        row.price(bar.vwap)
        bar.volume == ProviderBar.undefinedVolume
            ? row.null() : row.numeric(bar.volume, scale: Quantity.decimals)
        bar.trades == ProviderBar.undefinedCount ? row.null() : row.int64(bar.trades)
        row.int16(Int16(bar.flags.rawValue))
        bar.header.providerTime.isDefined
            ? row.int64(bar.header.providerTime.nanoseconds) : row.null()
        row.tickTail(bar.header, symbol, context, ordinal: ordinal)
        return true
    }
}

private let kinds = NameTable(ProviderBarKind.self)

@Sendable private func closeTime(
    _ record: Record, _: borrowing PacketContext, _ packet: RawSpan
) -> Timestamp? {
    guard case .other(let message) = record else { return nil }
    return message.providerBar(in: packet)?.closeTime
}
