public import MarketModel
internal import Primitives

extension WireFormat.Template {
    public static let gapRecord: UInt16 = 0x811b
}

extension WireFormat.Block {
    public static let gapRecord = 72
}

extension MessageBounds {
    public func gapRecord(in packet: RawSpan) -> GapRecord? {
        guard template == WireFormat.Template.gapRecord,
            let detail = text(0, GapRecord.detailBytesMax, packet)
        else { return nil }
        var gap = GapRecord(
            header: header(in: packet), from: time(32, packet), to: time(40, packet), kind: .any,
            reason: .unknown, state: .open, firstOrdinal: packet.uint64(at: body + 48),
            lastOrdinal: packet.uint64(at: body + 56), detail: detail)
        gap.kind = packet.uint8(at: body + 64)
        gap.reason = packet.uint8(at: body + 65)
        gap.state = packet.uint8(at: body + 66)
        return gap
    }
}

extension PacketBuilder {
    /// Appends a gap. It is treated as a tick at the gap's beginning: no watermark may pass that
    /// time before the gap is on the tape.
    public mutating func append(_ gap: GapRecord) -> AppendOutcome {
        let fields = [Field("detail", gap.detail, GapRecord.detailBytesMax)]
        let outcome = unsafe append(
            WireFormat.Template.gapRecord, WireFormat.Block.gapRecord, gap.header, fields
        ) { buffer, body in
            unsafe buffer.put(gap.from.nanoseconds, at: body + 32)
            unsafe buffer.put(gap.to.nanoseconds, at: body + 40)
            unsafe buffer.put(gap.firstOrdinal, at: body + 48)
            unsafe buffer.put(gap.lastOrdinal, at: body + 56)
            unsafe buffer.put(
                UInt64(gap.kind) | UInt64(gap.reason) << 8 | UInt64(gap.state) << 16,
                at: body + 64)
        }
        if outcome == .appended { oldest = min(oldest, gap.from) }
        return outcome
    }
}
