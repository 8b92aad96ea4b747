public import MarketModel
internal import Primitives

extension WireFormat.Template {
    public static let subscriptionRecord: UInt16 = 0x831a
}

extension WireFormat.Block {
    public static let subscriptionRecord = 40
}

extension MessageBounds {
    public func subscriptionRecord(in packet: RawSpan) -> SubscriptionRecord? {
        guard template == WireFormat.Template.subscriptionRecord,
            let provider = text(0, SubscriptionRecord.providerBytesMax, packet),
            let previous = text(1, SubscriptionRecord.providerBytesMax, packet),
            let reason = text(2, SubscriptionRecord.reasonBytesMax, packet)
        else { return nil }
        var record = SubscriptionRecord(
            header: header(in: packet), action: .start, kind: .any, mode: .unknown,
            provider: provider, previousProvider: previous, reason: reason)
        record.action = packet.uint8(at: body + 32)
        record.kind = packet.uint8(at: body + 33)
        record.mode = packet.uint8(at: body + 34)
        return record
    }
}

extension PacketBuilder {
    public mutating func append(_ record: SubscriptionRecord) -> AppendOutcome {
        let fields = [
            Field("provider", record.provider, SubscriptionRecord.providerBytesMax),
            Field(
                "previousProvider", record.previousProvider, SubscriptionRecord.providerBytesMax),
            Field("reason", record.reason, SubscriptionRecord.reasonBytesMax),
        ]
        return unsafe append(
            WireFormat.Template.subscriptionRecord, WireFormat.Block.subscriptionRecord,
            record.header, fields
        ) { buffer, body in
            unsafe buffer.put(
                UInt64(record.action) | UInt64(record.kind) << 8 | UInt64(record.mode) << 16,
                at: body + 32)
        }
    }
}
