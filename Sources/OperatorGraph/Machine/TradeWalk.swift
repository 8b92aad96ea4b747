internal import MarketModel
internal import Primitives
internal import StreamCore
internal import TapeCodec

/// Hands out the trades of a packet with their ordinals, up to the next definition or the end.
struct TradeWalk {
    /// What `next` stopped at: a message without an ordinal; nil at the end of the packet.
    private(set) var definition: MessageBounds?
    private var cursor = RecordCursor()
    private var ordinal: UInt64

    init(firstOrdinal: UInt64) { ordinal = firstOrdinal }

    /// `symbols`: the machine's indexes by those of the packet.
    @inline(__always)
    mutating func next(
        in packet: RawSpan, _ symbols: [UInt32]
    ) -> (trade: Trade, ordinal: UInt64)? {
        definition = nil
        while let record = cursor.next(in: packet) {
            switch record {
            case .trade(var trade):
                let index = Int(trade.header.symbol)
                trade.header.symbol =
                    index < symbols.count ? symbols[index] : BarMachine.noSymbol
                defer { ordinal &+= 1 }
                return (trade, ordinal)
            case .quote, .bar: ordinal &+= 1
            case .other(let message) where WireFormat.Template.isTick(message.template):
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
