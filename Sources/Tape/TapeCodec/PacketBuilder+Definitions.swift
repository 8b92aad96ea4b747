internal import MarketModel
internal import Primitives

// A definition is encoded once, when it is registered, and copied into every packet that needs it.
// Only its index differs.
extension PacketBuilder {
    static func message(of definition: SymbolDefinition) -> [UInt8] {
        definitionMessage(
            WireFormat.Template.symbolDefinition, block: WireFormat.Block.symbolDefinition,
            value: definition.since.nanoseconds,
            texts: [definition.symbol.text, definition.provider, definition.source?.text ?? ""])
    }

    static func message(of definition: SeriesDefinition) -> [UInt8] {
        definitionMessage(
            WireFormat.Template.seriesDefinition, block: WireFormat.Block.seriesDefinition,
            value: definition.widthNanoseconds, texts: [definition.name.text])
    }

    /// Encodes a definition of a symbol or a series. Both have the same shape: index, 4 unused
    /// bytes, one number, texts. The index is 0 here, and is written when the message is copied.
    private static func definitionMessage(
        _ template: UInt16, block: Int, value: Int64, texts: [String]
    ) -> [UInt8] {
        var message: [UInt8] = []
        message.appendLittleEndian(WireFormat.messageHeader(template, block: block))
        message.appendLittleEndian(UInt64(0))
        message.appendLittleEndian(value)
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
