internal import MarketModel
internal import Primitives
internal import StreamCore
internal import TapeCodec

/// Hands out the trades of a packet with their ordinals, up to the next definition or the end.
struct TradeWalk: TradeReader {
    /// What `next` stopped at: a message without an ordinal; nil at the end of the packet.
    private(set) var definition: MessageBounds?
    /// Something in the packet asks for windows to be computed again.
    var hasMarks: Bool { actions != 0 }
    /// The actions of all trades so far, and a bit of its own for records.
    private var actions: UInt8 = 0
    private var cursor = RecordCursor()
    private var ordinal: UInt64

    /// The machine's indexes by those of the packet. To be emptied before these change, or they are
    /// copied.
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
