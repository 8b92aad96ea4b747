internal import MarketModel
internal import Primitives

/// A tick after the rules of a node were applied, with all that bars need of it. `NumberMachine`
/// and `InactivityMachine` work with it. A quote is a tick with one price and the size 0.
struct TickInput: Hashable, Sendable {
    /// The reason under which the window counts the tick as excluded; `none` for a tick that sets a
    /// price.
    enum Note: UInt8, Sendable {
        case none = 0
        case condition = 1
        case oddLot = 2
        case filter = 3
        case undefined = 4
        /// Not a tick: a subscription began again, so the bar in progress misses ticks.
        case restart = 5
    }

    /// The event time, in nanoseconds since 1970.
    var time: Int64
    var ordinal: UInt64 = 0
    /// The price in 1e-9.
    var price: Int64 = 0
    /// The size in 1e-8.
    var size: Int64 = 0
    var feed: SymbolTable.Feed
    /// The parts of a bar that the tick changes. If it is empty, the window only counts the tick.
    var effect: TradeEffect = []
    var note = Note.none

    var setsPrice: Bool { effect.setsPrice }

    /// Returns whether this tick comes first in the order (event time, source name, ordinal).
    func precedes(_ other: TickInput, _ sources: SourceTable) -> Bool {
        guard time == other.time else { return time < other.time }
        return sources.isBefore((feed, ordinal), (other.feed, other.ordinal))
    }
}

extension BarRule {
    /// Returns the input for a new trade with a price and a size, by the rules for conditions and
    /// odd lots.
    func input(
        _ trade: Trade, ordinal: UInt64, feed: SymbolTable.Feed, _ symbols: SymbolTable
    ) -> TickInput {
        var input = TickInput(
            time: trade.header.eventTime.nanoseconds, ordinal: ordinal, price: trade.price.raw,
            size: trade.size.raw, feed: feed, effect: .all)
        guard !isPlain else { return input }
        let (effect, exclusion) = effect(of: trade, symbols)
        input.effect = effect
        if !effect.setsPrice { input.note = exclusion == .oddLot ? .oddLot : .condition }
        return input
    }
}

extension TickInput {
    static let encodedBytes = 40

    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: time)
        bytes.append(integer: ordinal)
        bytes.append(integer: price)
        bytes.append(integer: size)
        bytes.append(integer: feed.raw)
        bytes.append(effect.rawValue)
        bytes.append(note.rawValue)
        bytes.append(integer: UInt16(0))
    }

    /// Reads an encoded tick; `nil` when no machine keeps such a tick.
    init?(_ block: RawSpan, _ tables: PartitionTables) {
        guard let note = Note(rawValue: block.uint8(at: 37)) else { return nil }
        self.init(
            time: block.int64(at: 0), ordinal: block.uint64(at: 8), price: block.int64(at: 16),
            size: block.int64(at: 24), feed: SymbolTable.Feed(raw: block.uint32(at: 32)),
            effect: TradeEffect(rawValue: block.uint8(at: 36)), note: note)
        guard effect.isSubset(of: .all), block.uint16(at: 38) == 0, size >= 0,
            Timestamp(nanoseconds: time).isUsable, tables.isKnown(feed)
        else { return nil }
    }
}
