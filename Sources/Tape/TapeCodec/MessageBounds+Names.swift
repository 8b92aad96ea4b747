public import MarketModel
internal import Primitives

// Finds the names of definitions in the packet, without making a `String`. The hot state uses it:
// it looks up names by their bytes. Each function returns `nil` when the message is of another
// template or its block is too short. It does not check whether the bytes are a name;
// `MessageBounds+Read.swift` does.
extension MessageBounds {
    /// The parts of a symbol's definition: the index that ticks use, the place of its name, and in
    /// packets of bars the source of its ticks.
    @frozen
    public struct SymbolPlace: Sendable {
        public let index: UInt32
        public let name: Range<Int>
        public let source: SourceName?
    }

    /// Returns the parts of a symbol's definition.
    public func symbolPlace(in packet: RawSpan) -> SymbolPlace? {
        guard template == WireFormat.Template.symbolDefinition,
            blockLength >= WireFormat.Block.symbolDefinition
        else { return nil }
        return SymbolPlace(
            index: packet.uint32(at: body), name: variable(0, in: packet),
            source: packet.sourceName(in: variable(2, in: packet)))
    }

    /// Returns the index that bars use for a series, and the place of its name.
    public func seriesPlace(in packet: RawSpan) -> (index: UInt32, name: Range<Int>)? {
        guard template == WireFormat.Template.seriesDefinition,
            blockLength >= WireFormat.Block.seriesDefinition
        else { return nil }
        return (packet.uint32(at: body), variable(0, in: packet))
    }
}

extension RawSpan {
    /// Reads a source's name that fills the whole field; returns `nil` when the bytes are not a
    /// name.
    fileprivate func sourceName(in field: Range<Int>) -> SourceName? {
        guard (1...SourceName.utf8CountMax).contains(field.count) else { return nil }
        var words: (UInt64, UInt64, UInt64) = (0, 0, 0)
        for (index, offset) in field.enumerated() {
            let byte = UInt64(uint8(at: offset)) << UInt64(index % 8 * 8)
            switch index / 8 {
            case 0: words.0 |= byte
            case 1: words.1 |= byte
            default: words.2 |= byte
            }
        }
        return SourceName(words: SourceName.Words(words.0, words.1, words.2))
    }
}
