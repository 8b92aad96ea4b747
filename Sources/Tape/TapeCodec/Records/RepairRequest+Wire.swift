public import MarketModel
internal import Primitives

extension WireFormat.Template {
    public static let repairRequest: UInt16 = 0x821c
}

extension WireFormat.Block {
    public static let repairRequest = 56
}

extension MessageBounds {
    public func repairRequest(in packet: RawSpan) -> RepairRequest? {
        guard template == WireFormat.Template.repairRequest,
            let requester = text(0, RepairRequest.requesterBytesMax, packet),
            let note = text(1, RepairRequest.noteBytesMax, packet)
        else { return nil }
        var request = RepairRequest(
            header: header(in: packet), from: time(32, packet), to: time(40, packet),
            reason: .repair, requester: requester, note: note)
        request.reason = packet.uint8(at: body + 48)
        return request
    }
}

extension PacketBuilder {
    public mutating func append(_ request: RepairRequest) -> AppendOutcome {
        let fields = [
            Field("requester", request.requester, RepairRequest.requesterBytesMax),
            Field("note", request.note, RepairRequest.noteBytesMax),
        ]
        return unsafe append(
            WireFormat.Template.repairRequest, WireFormat.Block.repairRequest, request.header,
            fields
        ) { buffer, body in
            unsafe buffer.put(request.from.nanoseconds, at: body + 32)
            unsafe buffer.put(request.to.nanoseconds, at: body + 40)
            unsafe buffer.put(UInt64(request.reason), at: body + 48)
        }
    }
}
