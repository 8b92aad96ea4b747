internal import MarketModel
internal import Primitives

// A definition is encoded once, when it is registered, and copied into every packet that needs it.
// Only its index differs.
extension PacketBuilder {
    /// Without a lot the block ends before it, and the message has version 1.
    static func message(of definition: SymbolDefinition) -> [UInt8] {
        let template = WireFormat.Template.symbolDefinition
        let texts = [definition.symbol.text, definition.provider, definition.source?.text ?? ""]
        let since = definition.since.nanoseconds
        guard let lot = definition.lot else {
            return definitionMessage(
                template, block: WireFormat.Block.symbolDefinition, values: [since], texts: texts)
        }
        return definitionMessage(
            template, block: WireFormat.Block.symbolDefinitionWithLot, version: 2,
            values: [since, lot.size.raw, lot.from.nanoseconds, lot.before.raw], texts: texts)
    }

    /// Without a lateness the block ends before it, and the message has version 1.
    static func message(of definition: SeriesDefinition) -> [UInt8] {
        let template = WireFormat.Template.seriesDefinition
        guard let lateness = definition.latenessNanoseconds else {
            return definitionMessage(
                template, block: WireFormat.Block.seriesDefinition,
                values: [definition.widthNanoseconds], texts: [definition.name.text])
        }
        return definitionMessage(
            template, block: WireFormat.Block.seriesDefinitionWithLateness, version: 2,
            values: [definition.widthNanoseconds, lateness], texts: [definition.name.text])
    }

    /// Encodes a definition of a symbol or a series. Both have the same shape: index, 4 unused
    /// bytes, numbers, texts. The index is 0 here, and is written when the message is copied.
    private static func definitionMessage(
        _ template: UInt16, block: Int, version: UInt16 = WireFormat.version, values: [Int64],
        texts: [String]
    ) -> [UInt8] {
        var message: [UInt8] = []
        message.appendLittleEndian(
            WireFormat.messageHeader(template, block: block, version: version))
        message.appendLittleEndian(UInt64(0))
        for value in values { message.appendLittleEndian(value) }
        for text in texts {
            message.appendLittleEndian(UInt32(text.utf8.count))
            message.append(contentsOf: text.utf8)
        }
        return message
    }
}

extension [UInt8] {
    fileprivate mutating func appendLittleEndian(_ value: some FixedWidthInteger) {
        var rest = value
        for _ in 0..<value.bitWidth / 8 {
            append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }
}
