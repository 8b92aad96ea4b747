import MarketModel
import Primitives
import TapeCodec

/// Finds the records about gaps and subscriptions in a packet, with their symbols. It skips live
/// ticks without resolving their symbols, but for the runs of ids of one provider's trades, and of
/// its bars that have ids.
struct FeedRecordReader {
    enum Found {
        case gap(Symbol, GapRecord)
        case subscription(Symbol, SubscriptionRecord)
        /// A tick that was fetched later and may fill a gap.
        case fetched(Symbol, FetchedTick, id: UInt64)
        /// A value of a provider whose values are followed.
        case value(Symbol, LastValues.Value)
    }

    private var walk = PacketWalk()
    private let followed: FollowedProviders
    /// The live trades and bars of the packet, by its symbol numbers, in the order of the packet.
    private var runs: [(symbol: UInt32, run: TradeRunOfIDs)] = []

    init(_ followed: FollowedProviders) { self.followed = followed }

    private mutating func note(_ header: TickHeader) {
        guard followed.ids != nil, header.providerID > 0, header.action == 0 else { return }
        let trade = LastTrade(id: header.providerID, time: header.eventTime)
        let place = runs.lastIndex { $0.symbol == header.symbol }
        if let place, !followed.hasDenseIDs {
            runs[place].run = TradeRunOfIDs(trade)
        } else if let place, runs[place].run.last.id &+ 1 == trade.id {
            runs[place].run.last = trade
        } else {
            runs.append((header.symbol, TradeRunOfIDs(trade)))
        }
    }

    /// Hands over the live trades and bars of the packet, which has been read to its end.
    mutating func runs(in packet: RawSpan, _ take: (Symbol, TradeRunOfIDs) -> Void) {
        for (number, run) in runs {
            guard let definition = walk.symbol(number, in: packet),
                definition.provider == followed.ids
            else { continue }
            take(definition.symbol, run)
        }
    }

    mutating func next(in packet: RawSpan) -> Found? {
        while let item = walk.next(in: packet) {
            switch item {
            case .trade(let trade):
                guard trade.header.flags.contains(.backfilled) else {
                    note(trade.header)
                    continue
                }
                guard let symbol = symbol(trade.header, packet) else { continue }
                return .fetched(
                    symbol, FetchedTick(.trade, trade.header), id: trade.header.providerID)
            case .quote(let quote):
                guard quote.header.flags.contains(.backfilled),
                    let symbol = symbol(quote.header, packet)
                else { continue }
                return .fetched(symbol, FetchedTick(.quote, quote.header), id: 0)
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
        if !followed.values.isEmpty, let value = message.indicatorValue(in: packet) {
            guard let definition = walk.symbol(value.header.symbol, in: packet),
                followed.values.contains(definition.provider)
            else { return nil }
            return .value(
                definition.symbol,
                LastValues.Value(
                    periodStart: value.periodStart, value: value.value, revision: value.revision))
        }
        guard let bar = message.providerBar(in: packet) else { return nil }
        guard bar.header.flags.contains(.backfilled) else {
            note(bar.header)
            return nil
        }
        guard let tick = FetchedTick(bar), let symbol = symbol(bar.header, packet) else {
            return nil
        }
        return .fetched(symbol, tick, id: 0)
    }

    /// Returns `nil` for a record without a symbol, and for a symbol that the packet does not
    /// define.
    private mutating func symbol(_ header: TickHeader, _ packet: RawSpan) -> Symbol? {
        walk.symbol(header.symbol, in: packet)?.symbol
    }
}
