import MarketModel
import Primitives
import TapeCodec

/// The sink of `options`: a provider's computations for an option become a row.
extension Sink {
    static let options = Sink(
        .options, templates: [WireFormat.Template.optionComputation],
        columns: """
            ts, event_time_ns, symbol, computed_from, basis, implied_volatility, delta, gamma, \
            vega, theta, option_price, dividends, underlying_price, \(Sink.tail)
            """, row: OptionRow.self)
}

private enum OptionRow: TableRow {
    static func write<Row: RowWriter & ~Copyable>(
        _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
        _ ordinal: UInt64, _ row: inout Row
    ) throws(Row.Failure) -> Bool {
        guard case .other(let message) = record,
            let option = message.optionComputation(in: packet),
            let symbol = context.definition(option.header.symbol)
        else { return false }
        try row.row(columns: 24)
        row.tickHead(option.header.eventTime, symbol, context)
        row.name(option.kind, of: kinds)
        row.name(option.basis, of: bases)
        row.ratio(option.impliedVolatility)
        row.ratio(option.delta)
        row.ratio(option.gamma)
        row.ratio(option.vega)
        row.ratio(option.theta)
        row.price(option.optionPrice)
        row.price(option.dividends)
        row.price(option.underlyingPrice)
        row.tickTail(option.header, symbol, context, ordinal: ordinal)
        return true
    }
}

private let kinds = NameTable(OptionComputationKind.self)
private let bases = NameTable(OptionComputationBasis.self)
