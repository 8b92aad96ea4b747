import MarketModel
import Primitives
import TapeCodec

extension LiveEncoder {
    static func write(
        _ value: IndicatorValue, _ symbol: SymbolDefinition?, _ packet: PacketHeader,
        _ ordinal: UInt64, into json: inout JSONWriter
    ) {
        json.member("kind", LiveKind.indicator.name)
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
        origin(value.header, into: &json)
        if let symbol {
            if !symbol.provider.isEmpty { json.member("provider", symbol.provider) }
            ofSource(symbol, into: &json)
        }
        place(&json, packet, ordinal)
    }
}
