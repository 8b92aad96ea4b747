public import MarketModel

/// Walks over a packet, tick by tick, with the ordinals and with the meaning of the indexes.
///
/// Nothing is allocated per tick. A definition is read when its name is first requested, so a
/// caller without that need has no cost. Where even this is too slow, use `RecordCursor`, the loop
/// without ordinals and names.
@frozen
public struct PacketWalk {
    @frozen
    public enum Item {
        case trade(Trade)
        case quote(Quote)
        case bar(Bar)
        /// Any other tick: `TapeRecord` reads it.
        case other(MessageBounds)
        /// A message without an ordinal: a definition, a marker, a state.
        case control(MessageBounds)
    }

    @usableFromInline let firstOrdinal: UInt64
    @usableFromInline var cursor = RecordCursor()
    /// Why nothing follows the message that was returned last; `nil` as long as the packet can be
    /// read.
    public internal(set) var damage: PacketError?
    /// Definitions that were passed but not read.
    @usableFromInline var unread: [MessageBounds] = []
    private var symbols = PacketTable<SymbolDefinition>()
    private var series = PacketTable<SeriesDefinition>()

    /// A caller that needs no ordinals may pass any first one.
    public init(firstOrdinal: UInt64 = 0) { self.firstOrdinal = firstOrdinal }

    public init(_ header: PacketHeader) { self.init(firstOrdinal: header.firstOrdinal) }

    /// The ordinal of the tick that was returned last.
    @inlinable public var ordinal: UInt64 { firstOrdinal &+ UInt64(cursor.tickCount) &- 1 }

    /// Returns the next message; `nil` at the packet's end and at damage.
    @inlinable
    public mutating func next(in packet: RawSpan) -> Item? {
        switch cursor.next(in: packet) {
        case .trade(let trade): return .trade(trade)
        case .quote(let quote): return .quote(quote)
        case .bar(let bar): return .bar(bar)
        case .other(let message):
            guard !WireFormat.Template.isTick(message.template) else { return .other(message) }
            if WireFormat.Template.isDefinition(message.template) { unread.append(message) }
            return .control(message)
        case .malformed(let error):
            damaged(error)
            return nil
        case nil: return nil
        }
    }

    @usableFromInline
    mutating func damaged(_ error: PacketError) { damage = error }

    // MARK: what indexes mean

    /// Returns the definition of an index; `nil` when the packet has not defined it so far.
    public mutating func symbol(_ index: UInt32, in packet: RawSpan) -> SymbolDefinition? {
        if !unread.isEmpty { readDefinitions(packet) }
        return symbols[index]
    }

    public mutating func series(_ index: UInt16, in packet: RawSpan) -> SeriesDefinition? {
        if !unread.isEmpty { readDefinitions(packet) }
        return series[UInt32(index)]
    }

    private mutating func readDefinitions(_ packet: RawSpan) {
        for message in unread {
            if let (index, definition) = message.symbolDefinition(in: packet) {
                symbols[index] = definition
            } else if let (index, definition) = message.seriesDefinition(in: packet) {
                series[index] = definition
            }
        }
        unread.removeAll(keepingCapacity: true)
    }
}
