public import MarketModel
internal import Primitives

extension WireFormat.Template {
    public static let actionRecord: UInt16 = 0x851e
}

extension WireFormat.Block {
    public static let actionRecord = 48
}

extension MessageBounds {
    public func actionRecord(in packet: RawSpan) -> ActionRecord? {
        guard template == WireFormat.Template.actionRecord,
            let person = text(0, ActionRecord.personBytesMax, packet),
            let origin = text(1, ActionRecord.originBytesMax, packet),
            let command = text(2, ActionRecord.commandBytesMax, packet),
            let reason = text(3, ActionRecord.reasonBytesMax, packet),
            let outcome = text(4, ActionRecord.outcomeBytesMax, packet)
        else { return nil }
        var action = ActionRecord(
            header: header(in: packet), number: packet.uint64(at: body + 32), stage: .asked,
            person: person, origin: origin, command: command, reason: reason, outcome: outcome)
        action.stage = packet.uint8(at: body + 40)
        return action
    }
}

extension PacketBuilder {
    public mutating func append(_ action: ActionRecord) -> AppendOutcome {
        let fields = [
            Field("person", action.person, ActionRecord.personBytesMax),
            Field("origin", action.origin, ActionRecord.originBytesMax),
            Field("command", action.command, ActionRecord.commandBytesMax),
            Field("reason", action.reason, ActionRecord.reasonBytesMax),
            Field("outcome", action.outcome, ActionRecord.outcomeBytesMax),
        ]
        return unsafe append(
            WireFormat.Template.actionRecord, WireFormat.Block.actionRecord, action.header, fields
        ) { buffer, body in
            unsafe buffer.put(action.number, at: body + 32)
            unsafe buffer.put(UInt64(action.stage), at: body + 40)
        }
    }
}
