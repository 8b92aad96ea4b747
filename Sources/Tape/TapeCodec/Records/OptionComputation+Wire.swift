public import MarketModel
internal import Primitives

extension WireFormat.Template {
    public static let optionComputation: UInt16 = 0x8015
}

extension WireFormat.Block {
    public static let optionComputation = 104
}

extension MessageBounds {
    public func optionComputation(in packet: RawSpan) -> OptionComputation? {
        guard template == WireFormat.Template.optionComputation else { return nil }
        var option = OptionComputation(header: header(in: packet), kind: .unknown)
        option.impliedVolatility = ratio(32, packet)
        option.delta = ratio(40, packet)
        option.gamma = ratio(48, packet)
        option.vega = ratio(56, packet)
        option.theta = ratio(64, packet)
        option.optionPrice = price(72, packet)
        option.dividends = price(80, packet)
        option.underlyingPrice = price(88, packet)
        option.kind = packet.uint8(at: body + 96)
        option.basis = packet.uint8(at: body + 97)
        return option
    }
}

extension PacketBuilder {
    /// Returns false when the packet is full; then the tick is not in it.
    public mutating func append(_ option: OptionComputation) -> Bool {
        let template = WireFormat.Template.optionComputation
        let block = WireFormat.Block.optionComputation
        guard let body = beginTick(template, block, option.header) else { return false }
        unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe buffer.put(option.impliedVolatility.raw, at: body + 32)
            unsafe buffer.put(option.delta.raw, at: body + 40)
            unsafe buffer.put(option.gamma.raw, at: body + 48)
            unsafe buffer.put(option.vega.raw, at: body + 56)
            unsafe buffer.put(option.theta.raw, at: body + 64)
            unsafe buffer.put(option.optionPrice.raw, at: body + 72)
            unsafe buffer.put(option.dividends.raw, at: body + 80)
            unsafe buffer.put(option.underlyingPrice.raw, at: body + 88)
            unsafe buffer.put(UInt64(option.kind) | UInt64(option.basis) << 8, at: body + 96)
        }
        counted(option.header.eventTime)
        return true
    }
}
