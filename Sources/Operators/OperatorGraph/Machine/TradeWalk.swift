internal import MarketModel
internal import Primitives
internal import StreamCore
internal import TapeCodec

/// The walk over a packet for a graph that needs only trades. It returns them with their ordinals,
/// up to the next definition that is not known, or the end. Then the machine applies the
/// definition, and the walk continues.
///
/// The machine lends it the definitions that are known and the packet's symbols, so that the loop
/// over the trades need not be left for a known definition.
struct TradeWalk: ~Copyable, TradeReader {
    /// The message without an ordinal at which `next` stopped; `nil` at the end of the packet.
    private(set) var definition: MessageBounds?
    /// Whether a record of the packet so far may make time dirty (`DirtyMarks`).
    var hasMarks: Bool { actions != 0 }
    /// The actions of all trades so far, joined by OR, and the highest bit for records that are
    /// no trades.
    private var actions: UInt8 = 0
    private var cursor = RecordCursor()
    /// Where the last trade is.
    private var place = 0
    /// The ordinal before the packet's first one. The cursor counts all records with an ordinal.
    private let before: UInt64
    private let source: Int

    var definitions = DefinitionMemory()
    var symbols = PacketSymbols()

    init(firstOrdinal: UInt64, source: Int) {
        before = firstOrdinal &- 1
        self.source = source
    }

    @inline(__always)
    mutating func next(in packet: RawSpan) -> (trade: Trade, ordinal: UInt64)? {
        definition = nil
        while true {
            place = cursor.place
            if let trade = cursor.nextTrade(in: packet) { return taken(trade) }
            if let bounds = DefinitionBounds(at: place, in: packet),
                let known = definitions.symbol(of: bounds, in: packet, source: source)
            {
                symbols.set(packet.uint32(at: bounds.index), known)
                cursor.skip(bounds)
                continue
            }
            guard let record = cursor.next(in: packet) else { return nil }
            switch record {
            case .trade(let trade): return taken(trade)
            case .quote, .bar: break
            case .other(let message) where WireFormat.Template.isTick(message.template):
                actions |= DirtyMarks.isRecord(message) ? 0x80 : 0
            case .other(let message):
                definition = message
                return nil
            case .malformed: return nil
            }
        }
    }

    @inline(__always)
    private mutating func taken(_ trade: Trade) -> (trade: Trade, ordinal: UInt64) {
        var trade = trade
        trade.header.symbol = symbols[trade.header.symbol]
        actions |= trade.header.action
        return (trade, before &+ UInt64(cursor.tickCount))
    }

    @inline(never)
    func last(in packet: RawSpan) -> Trade {
        var trade = RecordCursor.trade(at: place, in: packet)
        trade.header.symbol = symbols[trade.header.symbol]
        return trade
    }
}
