public import MarketModel

/// Walks over a checked packet, tick by tick, with the ordinals, and with the symbols and series
/// that the indexes mean. It is the usual way to read a packet: in repairs, replays and tools.
///
/// The walk does not hold the packet: every call gets the same bytes. Nothing is allocated per
/// tick. Definitions are read when the first symbol or series is requested, so a caller that
/// requests none does not pay for them. Where even this is too slow, use `RecordCursor`, the loop
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
        /// A message without an ordinal: a definition, an epoch's marker, an output state with the
        /// ordinals of its sources, or one of an unknown template.
        case control(MessageBounds)
    }

    @usableFromInline let firstOrdinal: UInt64
    @usableFromInline var cursor = RecordCursor()
    /// Why nothing follows the message that was returned last; `nil` as long as the packet can be
    /// read. It stays `nil` in a packet that passed `PacketReader.validate`.
    public internal(set) var damage: PacketError?
    /// The definitions that `next` has returned and that were not read yet.
    @usableFromInline var unread: [MessageBounds] = []
    private var symbols = PacketTable<SymbolDefinition>()
    private var series = PacketTable<SeriesDefinition>()

    /// Begins before the packet's first message. A caller that needs no ordinals passes no first
    /// one.
    public init(firstOrdinal: UInt64 = 0) { self.firstOrdinal = firstOrdinal }

    /// Begins with the first ordinal of the packet's header.
    public init(_ header: PacketHeader) { self.init(firstOrdinal: header.firstOrdinal) }

    /// The ordinal of the tick that was returned last. It has no meaning before the first one.
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

    /// Notes why the packet cannot be read further.
    @usableFromInline
    mutating func damaged(_ error: PacketError) { damage = error }

    // MARK: what indexes mean

    /// Returns the definition of a symbol's index; `nil` when the packet has not defined the index
    /// up to the message that was returned last.
    public mutating func symbol(_ index: UInt32, in packet: RawSpan) -> SymbolDefinition? {
        if !unread.isEmpty { readDefinitions(packet) }
        return symbols[index]
    }

    /// Returns the definition of a series' index; `nil` as for a symbol.
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
