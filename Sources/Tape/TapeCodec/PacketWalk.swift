public import MarketModel

/// Walks over a packet, tick by tick: with their ordinals, and with what their indexes mean.
///
/// Nothing is allocated per tick. A definition is read when a name is first asked for, so whoever
/// asks for none pays for none. Where even that is too much, `RecordCursor` is the bare loop.
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
    /// Why nothing comes after what was handed out last; nil as long as the packet can be read.
    public internal(set) var damage: PacketError?
    /// Definitions that were passed and not read.
    @usableFromInline var unread: [MessageBounds] = []
    private var symbols = PacketTable<SymbolDefinition>()
    private var series = PacketTable<SeriesDefinition>()

    /// For whoever asks for no ordinal, any first one will do.
    public init(firstOrdinal: UInt64 = 0) { self.firstOrdinal = firstOrdinal }

    public init(_ header: PacketHeader) { self.init(firstOrdinal: header.firstOrdinal) }

    /// That of the tick that was handed out last.
    @inlinable public var ordinal: UInt64 { firstOrdinal &+ UInt64(cursor.tickCount) &- 1 }

    /// The next message; nil at the packet's end, and at what cannot be read.
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

    /// Nil: the packet has not defined it so far.
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
