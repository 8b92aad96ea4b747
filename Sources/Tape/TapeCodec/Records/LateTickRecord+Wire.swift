public import MarketModel
internal import Primitives

extension WireFormat.Template {
    public static let lateTick: UInt16 = 0x8021
}

extension WireFormat.Block {
    public static let lateTick = 136
}

extension MessageBounds {
    public func lateTick(in packet: RawSpan) -> LateTickRecord? {
        guard template == WireFormat.Template.lateTick,
            let source = packet.sourceName(at: body + 104)
        else { return nil }
        let quote = Quote(
            header: header(in: packet), bidPrice: price(32, packet), bidSize: size(40, packet),
            askPrice: price(64, packet), askSize: size(72, packet),
            bidExchange: ShortText(raw: packet.uint64(at: body + 48)),
            askExchange: ShortText(raw: packet.uint64(at: body + 56)))
        var late = LateTickRecord(
            quote, source: source, ordinal: packet.uint64(at: body + 80),
            series: packet.uint16(at: body + 128), openTime: time(88, packet),
            closeTime: time(96, packet), reason: .windowClosed)
        late.reason = packet.uint8(at: body + 130)
        late.kind = packet.uint8(at: body + 131)
        return late
    }
}

extension PacketBuilder {
    /// Returns false when the packet is full; then the tick is not in it. The record goes
    /// onto the tape of derived data, as bars do.
    public mutating func append(_ late: LateTickRecord) -> Bool {
        let template = WireFormat.Template.lateTick
        guard !isFull else { return false }
        _ = symbolIndex(late.header)
        let series = defineSeries(late.series)
        guard let body = beginTick(template, WireFormat.Block.lateTick, late.header) else {
            return false
        }
        unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe buffer.put(late.price.raw, at: body + 32)
            unsafe buffer.put(late.size.raw, at: body + 40)
            unsafe buffer.put(late.exchange.raw, at: body + 48)
            unsafe buffer.put(late.conditions.raw, at: body + 56)
            unsafe buffer.put(late.askPrice.raw, at: body + 64)
            unsafe buffer.put(late.askSize.raw, at: body + 72)
            unsafe buffer.put(late.ordinal, at: body + 80)
            unsafe buffer.put(late.openTime.nanoseconds, at: body + 88)
            unsafe buffer.put(late.closeTime.nanoseconds, at: body + 96)
            unsafe buffer.put(late.source, at: body + 104)
            unsafe buffer.put(
                UInt64(series) | UInt64(late.reason) << 16 | UInt64(late.kind) << 24,
                at: body + 128)
        }
        counted(late.openTime)
        return true
    }
}
