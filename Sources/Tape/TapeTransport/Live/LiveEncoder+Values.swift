import MarketModel
import Primitives
import TapeCodec

extension LiveEncoder {
    /// Returns false when the packet does not define the value's symbol, or when the value has no
    /// name.
    mutating func write(
        _ value: IndicatorValue, _ symbol: SymbolDefinition?, _ packet: PacketHeader,
        _ ordinal: UInt64
    ) -> Bool {
        guard !value.name.isEmpty,
            symbol != nil || value.header.symbol == TickHeader.noSymbol
        else { return false }
        json.object(version: LivePublisher.version) { json in
            json.member("kind", Kind.indicator.rawValue)
            if let symbol { json.member("symbol", symbol.symbol.text) }
            let time = value.header.eventTime
            if time.isDefined { json.member("time", time: time) }
            json.member("name", value.name)
            if value.value != IndicatorValue.undefined {
                json.member("value", decimal: value.value, decimals: Price.decimals)
            }
            if !value.unit.isEmpty { json.member("unit", value.unit) }
            if value.periodStart.isDefined {
                json.member("period_start", time: value.periodStart)
            }
            if value.periodEnd.isDefined { json.member("period_end", time: value.periodEnd) }
            json.member("revision", value.revision)
            Self.origin(value.header, into: &json)
            if let symbol {
                if !symbol.provider.isEmpty { json.member("provider", symbol.provider) }
                Self.ofSource(symbol, into: &json)
            }
            Self.place(&json, packet, ordinal)
        }
        return true
    }
}
