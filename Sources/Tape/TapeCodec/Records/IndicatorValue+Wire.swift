public import MarketModel
internal import Primitives

extension WireFormat.Template {
    public static let indicatorValue: UInt16 = 0x8219
}

extension WireFormat.Block {
    public static let indicatorValue = 72
}

extension MessageBounds {
    public func indicatorValue(in packet: RawSpan) -> IndicatorValue? {
        guard template == WireFormat.Template.indicatorValue,
            let name = text(0, IndicatorValue.nameBytesMax, packet),
            let unit = text(1, IndicatorValue.unitBytesMax, packet)
        else { return nil }
        return IndicatorValue(
            header: header(in: packet), name: name, unit: unit,
            value: packet.int128(at: body + 32), periodStart: time(48, packet),
            periodEnd: time(56, packet), revision: packet.uint64(at: body + 64))
    }
}

extension PacketBuilder {
    public mutating func append(_ indicator: IndicatorValue) -> AppendOutcome {
        let fields = [
            Field("name", indicator.name, IndicatorValue.nameBytesMax),
            Field("unit", indicator.unit, IndicatorValue.unitBytesMax),
        ]
        return unsafe append(
            WireFormat.Template.indicatorValue, WireFormat.Block.indicatorValue,
            indicator.header, fields
        ) { buffer, body in
            unsafe buffer.put(indicator.value, at: body + 32)
            unsafe buffer.put(indicator.periodStart.nanoseconds, at: body + 48)
            unsafe buffer.put(indicator.periodEnd.nanoseconds, at: body + 56)
            unsafe buffer.put(indicator.revision, at: body + 64)
        }
    }
}
