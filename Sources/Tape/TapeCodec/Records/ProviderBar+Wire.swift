public import MarketModel
internal import Primitives

extension WireFormat.Template {
    public static let providerBar: UInt16 = 0x8014
}

extension WireFormat.Block {
    public static let providerBar = 120
}

extension MessageBounds {
    public func providerBar(in packet: RawSpan) -> ProviderBar? {
        guard template == WireFormat.Template.providerBar else { return nil }
        var bar = ProviderBar(
            header: header(in: packet), openTime: time(32, packet), closeTime: time(40, packet),
            kind: .unknown)
        bar.open = price(48, packet)
        bar.high = price(56, packet)
        bar.low = price(64, packet)
        bar.close = price(72, packet)
        bar.vwap = price(80, packet)
        bar.volume = packet.int128(at: body + 88)
        bar.trades = packet.int64(at: body + 104)
        bar.kind = packet.uint8(at: body + 112)
        bar.flags = ProviderBarFlags(rawValue: packet.uint8(at: body + 113))
        return bar
    }
}

extension PacketBuilder {
    /// Returns false when the packet is full; then the tick is not in it.
    public mutating func append(_ bar: ProviderBar) -> Bool {
        let template = WireFormat.Template.providerBar
        guard let body = beginTick(template, WireFormat.Block.providerBar, bar.header) else {
            return false
        }
        unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe buffer.put(bar.openTime.nanoseconds, at: body + 32)
            unsafe buffer.put(bar.closeTime.nanoseconds, at: body + 40)
            unsafe buffer.put(bar.open.raw, at: body + 48)
            unsafe buffer.put(bar.high.raw, at: body + 56)
            unsafe buffer.put(bar.low.raw, at: body + 64)
            unsafe buffer.put(bar.close.raw, at: body + 72)
            unsafe buffer.put(bar.vwap.raw, at: body + 80)
            unsafe buffer.put(bar.volume, at: body + 88)
            unsafe buffer.put(bar.trades, at: body + 104)
            unsafe buffer.put(
                UInt64(bar.kind) | UInt64(bar.flags.rawValue) << 8, at: body + 112)
        }
        counted(bar.closeTime)
        return true
    }
}
