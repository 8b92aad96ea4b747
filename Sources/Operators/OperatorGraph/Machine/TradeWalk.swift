internal import MarketModel
internal import Primitives
internal import StreamCore
internal import TapeCodec

/// Returns the trades of a packet with their ordinals, up to the next definition or the end.
struct TradeWalk: TradeReader {
    /// The message without an ordinal at which `next` stopped; `nil` at the end of the packet.
    private(set) var definition: MessageBounds?
    /// Whether a record of the packet makes windows dirty.
    var hasMarks: Bool { actions != 0 }
    /// The actions of all trades so far, and one more bit for records.
    private var actions: UInt8 = 0
    private var cursor = RecordCursor()
    private var ordinal: UInt64

    /// The machine's indexes by those of the packet. The owner has to empty it before it changes
    /// its own copy, or the array is copied.
    var symbols: [UInt32] = []

    init(firstOrdinal: UInt64) { ordinal = firstOrdinal }

    @inline(__always)
    mutating func next(in packet: RawSpan) -> (trade: Trade, ordinal: UInt64)? {
        definition = nil
        while let record = cursor.next(in: packet) {
            switch record {
            case .trade(var trade):
                let index = Int(trade.header.symbol)
                trade.header.symbol =
                    index < symbols.count ? symbols[index] : BarMachine.noSymbol
                actions |= trade.header.action
                defer { ordinal &+= 1 }
                return (trade, ordinal)
            case .quote, .bar: ordinal &+= 1
            case .other(let message) where WireFormat.Template.isTick(message.template):
                actions |= DirtyMarks.isRecord(message) ? 0x80 : 0
                ordinal &+= 1
            case .other(let message):
                definition = message
                return nil
            case .malformed: return nil
            }
        }
        return nil
    }
}
