public import MarketModel
internal import Primitives

extension WireFormat.Template {
    public static let depthUpdate: UInt16 = 0x8012
    public static let depthReset: UInt16 = 0x8013
}

extension WireFormat.Block {
    public static let depthUpdate = 72
    public static let depthReset = 40
}

extension MessageBounds {
    public func depthUpdate(in packet: RawSpan) -> DepthUpdate? {
        guard template == WireFormat.Template.depthUpdate else { return nil }
        var update = DepthUpdate(
            header: header(in: packet), position: packet.uint32(at: body + 64), side: .ask,
            operation: .insert, price: price(32, packet), size: size(40, packet),
            marketMaker: MarketMaker(
                first: ShortText(raw: packet.uint64(at: body + 48)),
                second: ShortText(raw: packet.uint64(at: body + 56))),
            flags: DepthFlags(rawValue: packet.uint8(at: body + 70)))
        update.side = packet.uint8(at: body + 68)
        update.operation = packet.uint8(at: body + 69)
        return update
    }

    public func depthReset(in packet: RawSpan) -> DepthReset? {
        guard template == WireFormat.Template.depthReset else { return nil }
        var reset = DepthReset(header: header(in: packet), reason: .unknown)
        reset.reason = packet.uint8(at: body + 32)
        return reset
    }
}

extension PacketBuilder {
    /// Returns whether the packet has room for so many changes and resets of one book.
    public func hasRoom(forBook records: Int) -> Bool {
        let tickBytes = WireFormat.messageHeaderBytes + WireFormat.Block.depthUpdate
        return ticks + records <= present.ticksMax
            && used + PacketLimits.definitionsOfTickBytesMax + records * tickBytes
                <= present.bytesMax
            && definitions < PacketLimits.definitionsMax - PacketLimits.definitionsOfTickMax
    }

    /// Returns false when the packet is full; then the tick is not in it.
    public mutating func append(_ update: DepthUpdate) -> Bool {
        let template = WireFormat.Template.depthUpdate
        guard let body = beginTick(template, WireFormat.Block.depthUpdate, update.header) else {
            return false
        }
        unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe buffer.put(update.price.raw, at: body + 32)
            unsafe buffer.put(update.size.raw, at: body + 40)
            unsafe buffer.put(update.marketMaker.first.raw, at: body + 48)
            unsafe buffer.put(update.marketMaker.second.raw, at: body + 56)
            unsafe buffer.put(update.position, at: body + 64)
            unsafe buffer.put(update.side, at: body + 68)
            unsafe buffer.put(update.operation, at: body + 69)
            unsafe buffer.put(UInt16(update.flags.rawValue), at: body + 70)
        }
        counted(update.header.eventTime)
        return true
    }

    /// Returns false when the packet is full; then the tick is not in it.
    public mutating func append(_ reset: DepthReset) -> Bool {
        let template = WireFormat.Template.depthReset
        guard let body = beginTick(template, WireFormat.Block.depthReset, reset.header) else {
            return false
        }
        unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe buffer.put(UInt64(reset.reason), at: body + 32)
        }
        counted(reset.header.eventTime)
        return true
    }
}
