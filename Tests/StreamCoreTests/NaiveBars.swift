import MarketModel
import Primitives

@testable import StreamCore

/// One thing that stands on a tape.
enum TapeEvent {
    case source(SourceName)
    case definition(Subscription, source: SourceName)
    /// The symbol by its text: indices are the machine's own.
    case trade(Trade, symbol: Symbol, source: SourceName, ordinal: UInt64)
    case watermark(SourceName, Timestamp)
}

/// A bar without indices, as two independent calculations can compare it.
struct NamedBar: Hashable {
    var symbol: String
    var series: String
    var flags: BarFlags
    var openTime: Int64
    var closeTime: Int64
    var prices: [Int64]
    var trades: UInt64
    var excluded: Bar.Excluded
    var volume: Int128
    var notional: Int128
}

/// Bars by the most obvious way: walk over the tape once to say for each trade whether it counts,
/// then sort, group and fold. Shares no arithmetic and no state with the machine.
struct NaiveBars {
    struct Counted {
        let trade: Trade
        let symbol: Symbol
        let source: SourceName
        let provider: String
        let ordinal: UInt64
    }

    struct Key: Hashable {
        let symbol: Symbol
        let start: Int64
    }

    let series: [BarSeries]
    var tapeStart = Int64.min
    private(set) var late: [String: [UInt64]] = [:]
    private(set) var bars: [NamedBar] = []

    private var watermarks: [SourceName: Int64] = [:]
    private var feeds: [Symbol: (source: SourceName, provider: String)] = [:]
    /// What was closed: a window that is open when its symbol gets another source stays open until
    /// the next watermark of that source.
    private var advanced: [Symbol: Int64] = [:]
    /// Below it everything of the symbol is closed, by sources that fed it earlier.
    private var floors: [Symbol: Int64] = [:]
    /// Beginnings of subscriptions, and what was closed when each became known.
    private var starts: [Symbol: [(since: Int64, closed: Int64)]] = [:]

    init(series: BarSeriesSet) { self.series = series.all }

    /// All bars whose windows the tape closes, in no particular order.
    mutating func run(_ tape: [TapeEvent]) {
        for one in series {
            forget()
            var groups: [Key: [Counted]] = [:]
            for event in tape {
                note(event)
                if case .definition(let subscription, _) = event {
                    // The beginning of a subscription opens its window, too.
                    let start = Self.start(of: subscription.since.nanoseconds, one)
                    if start + one.widthNanoseconds > closed(subscription.symbol) {
                        groups[Key(symbol: subscription.symbol, start: start), default: []] += []
                    }
                }
                guard case .trade(let trade, let symbol, let source, let ordinal) = event,
                    let feed = feeds[symbol], feed.source == source,
                    !trade.header.flags.contains(.backfilled)
                else { continue }
                let start = Self.start(of: trade.header.eventTime.nanoseconds, one)
                let key = Key(symbol: symbol, start: start)
                let end = start + one.widthNanoseconds
                let isOpen = groups[key] != nil && end > advanced[symbol] ?? Int64.min
                if isOpen || end > closed(symbol) {
                    groups[key, default: []].append(
                        Counted(
                            trade: trade, symbol: symbol, source: source,
                            provider: feed.provider, ordinal: ordinal))
                } else if Self.counts(trade) {
                    late[one.name.text, default: []].append(ordinal)
                }
            }
            for (key, trades) in groups
            where key.start + one.widthNanoseconds <= advanced[key.symbol] ?? Int64.min {
                if let bar = fold(trades, key, one) { bars.append(bar) }
            }
        }
    }

    private mutating func forget() {
        watermarks = [:]
        advanced = [:]
        feeds = [:]
        floors = [:]
        starts = [:]
    }

    private mutating func note(_ event: TapeEvent) {
        switch event {
        case .source, .trade: break
        case .watermark(let source, let time):
            let reached = max(watermarks[source] ?? Int64.min, time.nanoseconds)
            watermarks[source] = reached
            for (symbol, feed) in feeds where feed.source == source {
                advanced[symbol] = max(advanced[symbol] ?? Int64.min, reached)
            }
        case .definition(let subscription, let source):
            let symbol = subscription.symbol
            if let before = feeds[symbol], before.source != source {
                floors[symbol] = max(
                    floors[symbol] ?? Int64.min, watermarks[before.source] ?? Int64.min)
            }
            feeds[symbol] = (source, subscription.provider)
            if subscription.since.isDefined {
                starts[symbol, default: []].append(
                    (subscription.since.nanoseconds, closed(symbol)))
            }
        }
    }

    private func closed(_ symbol: Symbol) -> Int64 {
        let now = feeds[symbol].flatMap { watermarks[$0.source] } ?? Int64.min
        return max(now, floors[symbol] ?? Int64.min)
    }

    static func start(of time: Int64, _ series: BarSeries) -> Int64 {
        let width = series.widthNanoseconds
        let remainder = ((time % width) + width) % width
        return time - remainder
    }

    static func counts(_ trade: Trade) -> Bool {
        trade.header.action == 0 && !trade.header.flags.contains(.snapshot)
            && trade.price.isDefined && trade.size.isDefined && trade.size.raw >= 0
    }

    private func fold(_ all: [Counted], _ key: Key, _ series: BarSeries) -> NamedBar? {
        let trades = all.filter { Self.counts($0.trade) }.sorted {
            ($0.trade.header.eventTime, $0.source, $0.ordinal)
                < ($1.trade.header.eventTime, $1.source, $1.ordinal)
        }
        guard let first = trades.first, let last = trades.last else { return nil }
        let end = key.start + series.widthNanoseconds
        let prices = trades.map(\.trade.price.raw)
        let volume = trades.reduce(Int128(0)) { $0 + Int128($1.trade.size.raw) }
        let notional = trades.reduce(Int128(0)) {
            $0 + Int128($1.trade.price.raw) * Int128($1.trade.size.raw)
        }
        let since = starts[key.symbol] ?? []
        let isPartial =
            key.start < tapeStart || since.first.map { key.start < $0.since } ?? false
            || since.contains { key.start < $0.since && $0.since < end && end > $0.closed }
        var flags: BarFlags = isPartial ? [.final, .partial] : [.final]
        if Set(trades.map { "\($0.source) \($0.provider)" }).count > 1 {
            flags.insert(.mixedProviders)
        }
        let left = all.filter { !Self.counts($0.trade) }
        let noTrades = left.filter {
            $0.trade.header.action != 0 || $0.trade.header.flags.contains(.snapshot)
        }
        return NamedBar(
            symbol: key.symbol.text, series: series.name.text, flags: flags,
            openTime: key.start, closeTime: end,
            prices: [
                first.trade.price.raw, prices.max() ?? 0, prices.min() ?? 0, last.trade.price.raw,
                Self.vwap(notional, volume),
            ],
            trades: UInt64(trades.count),
            excluded: Bar.Excluded(
                filter: UInt32(noTrades.count), undefined: UInt32(left.count - noTrades.count)),
            volume: volume, notional: notional)
    }

    /// By schoolbook: twice the numerator plus the divisor, divided by twice the divisor.
    static func vwap(_ notional: Int128, _ volume: Int128) -> Int64 {
        guard volume > 0 else { return Int64.max }
        let rounded = (2 * notional.magnitude + volume.magnitude) / (2 * volume.magnitude)
        return Int64(rounded) * (notional < 0 ? -1 : 1)
    }
}

/// What only one of two lists has, short enough to read in a test's output.
func difference(_ left: [NamedBar], _ right: [NamedBar]) -> String {
    let only = Set(left).symmetricDifference(right).sorted {
        ($0.closeTime, $0.symbol, $0.series) < ($1.closeTime, $1.symbol, $1.series)
    }
    let shown = only.prefix(2).map { (Set(left).contains($0) ? "left " : "right ") + "\($0)" }
    return shown.isEmpty ? "" : "\(only.count) bars differ: " + shown.joined(separator: "\n")
}
