internal import MarketModel
internal import Primitives
internal import StreamCore
internal import TapeCodec

/// The walk over a packet for a graph that needs only trades. It returns them with their ordinals,
/// up to the next definition or the end. Then the machine applies the definition, and the walk
/// continues.
struct TradeWalk: TradeReader {
    /// The message without an ordinal at which `next` stopped; `nil` at the end of the packet.
    private(set) var definition: MessageBounds?
    /// Whether a record of the packet so far may make time dirty (`DirtyMarks`).
    var hasMarks: Bool { actions != 0 }
    /// The actions of all trades so far, joined by OR, and the highest bit for records that are
    /// no trades.
    private var actions: UInt8 = 0
    private var cursor = RecordCursor()
    private var ordinal: UInt64

    /// The machine's symbol indexes by those of the packet. The owner has to empty this array
    /// before it changes its own one, or Swift copies the memory that both share.
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
