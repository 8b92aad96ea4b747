public import MarketModel
internal import Primitives

extension WireFormat.Template {
    public static let tradeChange: UInt16 = 0x821d
}

extension WireFormat.Block {
    public static let tradeChange = 88
}

extension MessageBounds {
    public func tradeChange(in packet: RawSpan) -> TradeChange? {
        guard template == WireFormat.Template.tradeChange,
            let source = packet.sourceName(at: body + 32),
            let requester = text(0, TradeChange.requesterBytesMax, packet),
            let note = text(1, TradeChange.noteBytesMax, packet)
        else { return nil }
        var change = TradeChange(
            header: header(in: packet), source: source, ordinal: packet.uint64(at: body + 56),
            change: .cancel, values: (price(64, packet), size(72, packet)))
        change.change = packet.uint8(at: body + 80)
        change.requester = requester
        change.note = note
        return change
    }
}

extension PacketBuilder {
    public mutating func append(_ change: TradeChange) -> AppendOutcome {
        let fields = [
            Field("requester", change.requester, TradeChange.requesterBytesMax),
            Field("note", change.note, TradeChange.noteBytesMax),
        ]
        return unsafe append(
            WireFormat.Template.tradeChange, WireFormat.Block.tradeChange, change.header, fields
        ) { buffer, body in
            unsafe buffer.put(change.source, at: body + 32)
            unsafe buffer.put(change.ordinal, at: body + 56)
            unsafe buffer.put(change.price.raw, at: body + 64)
            unsafe buffer.put(change.size.raw, at: body + 72)
            unsafe buffer.put(UInt64(change.change), at: body + 80)
        }
    }
}
