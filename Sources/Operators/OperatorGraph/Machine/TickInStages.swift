internal import MarketModel
internal import StreamCore

/// A trade, a quote, a book or a provider's bar on its way through the stages. Each kind has a
/// separate type, so that the loop over the stages contains no test for the kind.
protocol TickInStages {
    var header: TickHeader { get }
    /// The source that sent it.
    var source: Int { get }
    /// The tick as custom operators get it; `nil` for books and a provider's bars, which they do
    /// not take.
    var graphTick: GraphTick? { get }
    /// The tick as live readers get it.
    var liveRecord: LiveTick.Record { get }
    /// Returns whether the deduplicator sees the tick for the first time. `owner` is the number of
    /// the source or group that owns the tick's symbol.
    func isNew(for deduplicator: inout Deduplicator, of owner: Int) -> Bool
    /// Returns whether the tick meets a condition.
    func meets(_ condition: ExpressionEvaluator) -> Bool
    /// Returns whether a trade behind a join meets a condition, with what it got from a quote.
    func meets(_ condition: ExpressionEvaluator, with quote: PairedQuote) -> Bool
    /// Returns the entry that lists the tick as a duplicate.
    func duplicate(series: UInt16) -> LateTick
    /// One bit per deduplicator: set when the tick is a duplicate there, whatever the deduplicator
    /// remembers. Only a repair sets it, for a fetched tick when the same tick also came at its
    /// time.
    var twins: UInt64 { get }
}

extension TickInStages {
    /// Only trades come through a join.
    func meets(_ condition: ExpressionEvaluator, with _: PairedQuote) -> Bool { meets(condition) }
}

struct TradeInStages: TickInStages {
    let trade: Trade
    let source: Int
    let ordinal: UInt64
    var twins: UInt64 = 0

    var header: TickHeader { trade.header }
    var graphTick: GraphTick? { .trade(trade) }
    var liveRecord: LiveTick.Record { .trade(trade) }

    func isNew(for deduplicator: inout Deduplicator, of owner: Int) -> Bool {
        deduplicator.isNew(trade, of: owner)
    }
    func meets(_ condition: ExpressionEvaluator) -> Bool { condition.isMet(by: trade) }
    func meets(_ condition: ExpressionEvaluator, with quote: PairedQuote) -> Bool {
        condition.isMet(by: trade, with: quote)
    }

    func duplicate(series: UInt16) -> LateTick {
        LateTick(
            trade, source: source, ordinal: ordinal, series: series,
            openTime: header.eventTime, closeTime: header.eventTime, reason: .duplicate)
    }
}

/// A trade in a repair. Deduplicators see it as it came, all other stages as it was corrected
/// later.
struct RepairedTradeInStages: TickInStages {
    let inStages: TradeInStages
    let original: Trade

    var header: TickHeader { inStages.header }
    var source: Int { inStages.source }
    var graphTick: GraphTick? { inStages.graphTick }
    var liveRecord: LiveTick.Record { inStages.liveRecord }
    var twins: UInt64 { inStages.twins }

    func isNew(for deduplicator: inout Deduplicator, of owner: Int) -> Bool {
        deduplicator.isNew(original, of: owner)
    }
    func meets(_ condition: ExpressionEvaluator) -> Bool { inStages.meets(condition) }
    func meets(_ condition: ExpressionEvaluator, with quote: PairedQuote) -> Bool {
        inStages.meets(condition, with: quote)
    }
    func duplicate(series: UInt16) -> LateTick { inStages.duplicate(series: series) }
}

struct QuoteInStages: TickInStages {
    let quote: Quote
    let source: Int
    let ordinal: UInt64
    var twins: UInt64 = 0

    var header: TickHeader { quote.header }
    var graphTick: GraphTick? { .quote(quote) }
    var liveRecord: LiveTick.Record { .quote(quote) }

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

/// A book behind one change. Only filters, routes and throttles take it.
struct BookInStages: TickInStages {
    let tick: BookTick
    let source: Int
    let ordinal: UInt64

    var header: TickHeader { tick.header }
    var graphTick: GraphTick? { nil }
    var liveRecord: LiveTick.Record { .quote(tick.quote) }
    var twins: UInt64 { 0 }

    func isNew(for _: inout Deduplicator, of _: Int) -> Bool { true }
    func meets(_ condition: ExpressionEvaluator) -> Bool { condition.isMet(by: tick) }

    func duplicate(series: UInt16) -> LateTick {
        LateTick(
            tick.quote, source: source, ordinal: ordinal, series: series,
            openTime: header.eventTime, closeTime: header.eventTime, reason: .duplicate)
    }
}

struct ProviderBarInStages: TickInStages {
    let bar: ProviderBar
    let source: Int
    let ordinal: UInt64
    var twins: UInt64 = 0

    var header: TickHeader { bar.header }
    var graphTick: GraphTick? { nil }
    var liveRecord: LiveTick.Record { .providerBar(bar) }

    func isNew(for deduplicator: inout Deduplicator, of owner: Int) -> Bool {
        deduplicator.isNew(bar, of: owner)
    }
    func meets(_ condition: ExpressionEvaluator) -> Bool { condition.isMet(by: bar) }

    func duplicate(series: UInt16) -> LateTick {
        LateTick(
            bar, source: source, ordinal: ordinal, series: series, openTime: bar.openTime,
            closeTime: bar.closeTime, reason: .duplicate)
    }
}

extension ProviderBar {
    /// Returns whether the stages judge the bar. An unfinished one bypasses them, so that it does
    /// not stand for the finished one.
    func isForStages(inRepair: Bool) -> Bool {
        header.isForStages(inRepair: inRepair) && !flags.contains(.inProgress)
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
