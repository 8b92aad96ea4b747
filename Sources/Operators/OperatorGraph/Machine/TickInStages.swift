internal import MarketModel
internal import StreamCore

/// A trade or a quote on its way through the stages. Trades and quotes have separate types, so that
/// the loop over the stages contains no test for the kind.
protocol TickInStages {
    var header: TickHeader { get }
    /// The tick as custom operators and live readers get it.
    var graphTick: GraphTick { get }
    /// Returns whether the deduplicator sees the tick for the first time. `owner` is the number of
    /// the source or group that owns the tick's symbol.
    func isNew(for deduplicator: inout Deduplicator, of owner: Int) -> Bool
    /// Returns whether the tick meets a condition.
    func meets(_ condition: ExpressionEvaluator) -> Bool
    /// Returns the entry that lists the tick as a duplicate.
    func duplicate(series: UInt16) -> LateTick
    /// One bit per deduplicator: set when the tick is a duplicate there, whatever the deduplicator
    /// remembers. Only a repair sets it, for a fetched tick when the same tick also came at its
    /// time.
    var twins: UInt64 { get }
}

struct TradeInStages: TickInStages {
    let trade: Trade
    let source: Int
    let ordinal: UInt64
    var twins: UInt64 = 0

    var header: TickHeader { trade.header }
    var graphTick: GraphTick { .trade(trade) }

    func isNew(for deduplicator: inout Deduplicator, of owner: Int) -> Bool {
        deduplicator.isNew(trade, of: owner)
    }
    func meets(_ condition: ExpressionEvaluator) -> Bool { condition.isMet(by: trade) }

    func duplicate(series: UInt16) -> LateTick {
        LateTick(
            trade, source: source, ordinal: ordinal, series: series,
            openTime: header.eventTime, closeTime: header.eventTime, reason: .duplicate)
    }
}

struct QuoteInStages: TickInStages {
    let quote: Quote
    let source: Int
    let ordinal: UInt64
    var twins: UInt64 = 0

    var header: TickHeader { quote.header }
    var graphTick: GraphTick { .quote(quote) }

    func isNew(for deduplicator: inout Deduplicator, of owner: Int) -> Bool {
        deduplicator.isNew(quote, of: owner)
    }
    func meets(_ condition: ExpressionEvaluator) -> Bool { condition.isMet(by: quote) }

    func duplicate(series: UInt16) -> LateTick {
        LateTick(
            quote, source: source, ordinal: ordinal, series: series,
            openTime: header.eventTime, closeTime: header.eventTime, reason: .duplicate)
    }
}

extension TickHeader {
    /// Returns whether the stages judge the tick. They judge new ticks only. All other ticks bypass
    /// the stages and reach the machines, which count them as excluded. Fetched ticks are judged in
    /// repairs only.
    @inline(__always)
    func isForStages(inRepair: Bool) -> Bool {
        let unusual: TickFlags = inRepair ? [.snapshot] : [.snapshot, .backfilled]
        return action == 0 && flags.rawValue & unusual.rawValue == 0
    }
}
