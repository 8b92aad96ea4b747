public import MarketModel
internal import Primitives

extension WireFormat.Template {
    public static let fundamentalPart: UInt16 = 0x8218
}

extension WireFormat.Block {
    public static let fundamentalPart = 48
}

extension MessageBounds {
    public func fundamentalPart(in packet: RawSpan) -> FundamentalPart? {
        guard template == WireFormat.Template.fundamentalPart,
            let report = text(0, FundamentalPart.reportBytesMax, packet)
        else { return nil }
        let content = variable(1, in: packet)
        let documentBytes = packet.uint64(at: body + 40)
        guard content.count <= FundamentalPart.contentBytesMax,
            documentBytes <= UInt64(FundamentalPart.documentBytesMax)
        else { return nil }
        return FundamentalPart(
            header: header(in: packet), report: report, part: packet.uint32(at: body + 32),
            parts: packet.uint32(at: body + 36), documentBytes: documentBytes,
            content: packet.extracting(content).array)
    }
}

extension PacketBuilder {
    public mutating func append(_ part: FundamentalPart) -> AppendOutcome {
        let fields = [
            Field("report", part.report, FundamentalPart.reportBytesMax),
            Field("content", part.content, FundamentalPart.contentBytesMax),
        ]
        return unsafe append(
            WireFormat.Template.fundamentalPart, WireFormat.Block.fundamentalPart, part.header,
            fields
        ) { buffer, body in
            unsafe buffer.put(part.part, at: body + 32)
            unsafe buffer.put(part.parts, at: body + 36)
            unsafe buffer.put(part.documentBytes, at: body + 40)
        }
    }
}
