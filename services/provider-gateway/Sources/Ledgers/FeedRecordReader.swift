import MarketModel
import Primitives
import TapeCodec

/// Finds the records about gaps and subscriptions in a packet, with their symbols. It skips live
/// ticks without resolving their symbols.
struct FeedRecordReader {
    enum Found {
        case gap(Symbol, GapRecord)
        case subscription(Symbol, SubscriptionRecord)
        /// A tick that was fetched later and may fill a gap.
        case fetched(Symbol, FetchedTick)
    }

    private var walk = PacketWalk()

    mutating func next(in packet: RawSpan) -> Found? {
        while let item = walk.next(in: packet) {
            switch item {
            case .trade(let trade):
                guard trade.header.flags.contains(.backfilled),
                    let symbol = symbol(trade.header, packet)
                else { continue }
                return .fetched(symbol, FetchedTick(.trade, trade.header))
            case .quote(let quote):
                guard quote.header.flags.contains(.backfilled),
                    let symbol = symbol(quote.header, packet)
                else { continue }
                return .fetched(symbol, FetchedTick(.quote, quote.header))
            case .other(let message):
                guard let found = found(message, packet) else { continue }
                return found
            case .bar, .control: continue
            }
        }
        return nil
    }

    private mutating func found(_ message: MessageBounds, _ packet: RawSpan) -> Found? {
        if let gap = message.gapRecord(in: packet) {
            return symbol(gap.header, packet).map { .gap($0, gap) }
        }
        if let record = message.subscriptionRecord(in: packet) {
            return symbol(record.header, packet).map { .subscription($0, record) }
        }
        guard let bar = message.providerBar(in: packet), bar.header.flags.contains(.backfilled),
            let tick = FetchedTick(bar), let symbol = symbol(bar.header, packet)
        else { return nil }
        return .fetched(symbol, tick)
    }

    /// Returns `nil` for a record without a symbol, and for a symbol that the packet does not
    /// define.
    private mutating func symbol(_ header: TickHeader, _ packet: RawSpan) -> Symbol? {
        walk.symbol(header.symbol, in: packet)?.symbol
    }
}
