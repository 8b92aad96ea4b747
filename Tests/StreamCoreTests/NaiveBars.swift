import MarketModel
import Primitives

@testable import StreamCore

/// One event on a tape.
enum NaiveEvent {
    case source(SourceName)
    case definition(Subscription, source: SourceName)
    /// The symbol is text, because indices are the machine's own.
    case trade(Trade, symbol: Symbol, source: SourceName, ordinal: UInt64)
    case quote(Quote, symbol: Symbol, source: SourceName, ordinal: UInt64)
    /// A tick that an earlier node kept back.
    case excluded(TickHeader, symbol: Symbol, source: SourceName)
    case watermark(SourceName, Timestamp)
}

/// Computes versions of bars in the most obvious way. Every window has a list of its ticks. At each
/// watermark the lists of windows that end or changed are sorted and folded. It shares no
/// arithmetic and no state with the machine.
struct NaiveBars {
    /// A window that may still get ticks.
    struct Group {
        var ticks: [NaiveTick] = []
        var isPartial = false
        var isClosed = false
        /// The number of ticks in the published version.
        var shown = 0
    }

    struct Key: Hashable {
        let symbol: Symbol
        let start: Int64
        let end: Int64
    }

    let rule: BarRule
    let sessions: [SessionCalendar.Session]
    var tapeStart = Int64.min
    private(set) var late: [String: [UInt64]] = [:]
    /// Per event of the tape, by series and then by symbol in order of appearance.
    private(set) var versions: [[NamedBar]] = []

    private var watermarks: [SourceName: Int64] = [:]
    private var feeds: [Symbol: NaiveTick.Feed] = [:]
    private var order: [Symbol] = []
    private var firstSince: [Symbol: Int64] = [:]
    private var lastSince: [Symbol: Int64] = [:]
    /// Everything of the symbol below this time is closed, because of sources that fed it earlier.
    private var floors: [Symbol: Int64] = [:]
    private var groups: [Key: Group] = [:]
    /// The closes of bars, with all that have a version, by symbol and start.
    private var closes: [Symbol: [Int64: Int64]] = [:]
    private var decided: [Symbol: Set<Int64>] = [:]

    init(rule: BarRule, calendar: SessionCalendar? = nil) {
        self.rule = rule
        sessions = calendar?.sessions ?? []
    }

    /// All versions in the order in which a machine must return them.
    var bars: [NamedBar] { versions.flatMap { $0 } }

    mutating func run(_ tape: [NaiveEvent]) {
        versions = tape.map { _ in [] }
        for series in rule.series.all {
            forget()
            for (index, event) in tape.enumerated() {
                versions[index] += take(event, series)
            }
        }
        let places = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1.text, $0) })
        let series = rule.series.all.map(\.name.text)
        for index in versions.indices {
            versions[index].sort {
                ($0.closeTime, series.firstIndex(of: $0.series) ?? 0, places[$0.symbol] ?? 0)
                    < ($1.closeTime, series.firstIndex(of: $1.series) ?? 0, places[$1.symbol] ?? 0)
            }
        }
    }

    private mutating func forget() {
        watermarks = [:]
        feeds = [:]
        order = []
        firstSince = [:]
        lastSince = [:]
        floors = [:]
        groups = [:]
        closes = [:]
        decided = [:]
    }

    private mutating func take(_ event: NaiveEvent, _ series: BarSeries) -> [NamedBar] {
        switch event {
        case .source: break
        case .trade(let trade, let symbol, let source, let ordinal):
            guard rule.field == .trade, let feed = feeds[symbol], feed.source == source else {
                break
            }
            add(NaiveTick(trade, rule, feed, ordinal), symbol, series)
        case .quote(let quote, let symbol, let source, let ordinal):
            guard rule.field != .trade, let feed = feeds[symbol], feed.source == source else {
                break
            }
            add(NaiveTick(quote, rule, feed, ordinal), symbol, series)
        case .excluded(let header, let symbol, let source):
            guard let feed = feeds[symbol], feed.source == source else { break }
            add(NaiveTick(excluded: header, feed), symbol, series)
        case .definition(let subscription, let source): define(subscription, source, series)
        case .watermark(let source, let time):
            let reached = max(watermarks[source] ?? Int64.min, time.nanoseconds)
            watermarks[source] = reached
            return advance(source, to: reached, series)
        }
        return []
    }

    private mutating func define(
        _ subscription: Subscription, _ source: SourceName, _ series: BarSeries
    ) {
        let symbol = subscription.symbol
        let since = subscription.since
        if let before = feeds[symbol], before.source != source {
            floors[symbol] = max(
                floors[symbol] ?? Int64.min, watermarks[before.source] ?? Int64.min)
        }
        feeds[symbol] = (source, subscription.provider)
        guard order.contains(symbol) else {
            order.append(symbol)
            if since.isDefined {
                firstSince[symbol] = since.nanoseconds
                lastSince[symbol] = since.nanoseconds
            }
            return
        }
        guard since.isDefined, since.nanoseconds > lastSince[symbol] ?? Int64.min else { return }
        lastSince[symbol] = since.nanoseconds
        for key in keys(symbol, since.nanoseconds, series) where key.start < since.nanoseconds {
            if groups[key] == nil, key.end > closed(symbol) { groups[key] = group(key) }
            if groups[key]?.isClosed == false { groups[key]?.isPartial = true }
        }
    }

    private mutating func add(_ tick: NaiveTick, _ symbol: Symbol, _ series: BarSeries) {
        guard !tick.isBackfilled else { return }
        for key in keys(symbol, tick.time, series).reversed() {
            if groups[key] == nil, key.end + series.lateness > closed(symbol) {
                var new = group(key)
                new.isClosed = key.end <= closed(symbol)
                groups[key] = new
            }
            if groups[key] != nil {
                groups[key]?.ticks.append(tick)
            } else if tick.changesSomething {
                late[series.name.text, default: []].append(tick.ordinal)
            }
        }
    }

    private func group(_ key: Key) -> Group {
        Group(
            isPartial: key.start < tapeStart || key.start < firstSince[key.symbol] ?? Int64.min)
    }

    private func closed(_ symbol: Symbol) -> Int64 {
        let now = feeds[symbol].flatMap { watermarks[$0.source] } ?? Int64.min
        return max(now, floors[symbol] ?? Int64.min)
    }

    // MARK: watermarks

    private mutating func advance(
        _ source: SourceName, to reached: Int64, _ series: BarSeries
    ) -> [NamedBar] {
        var bars: [NamedBar] = []
        let mine = groups.keys.filter { feeds[$0.symbol]?.source == source }.sorted {
            $0.end < $1.end
        }
        for key in mine {
            guard let group = groups[key], group.isClosed, group.shown != group.ticks.count else {
                continue
            }
            groups[key]?.shown = group.ticks.count
            bars += publish(key, group, series, .late)
        }
        for key in mine where groups[key]?.isClosed == false && key.end <= reached {
            guard let group = groups[key] else { continue }
            groups[key]?.isClosed = true
            groups[key]?.shown = group.ticks.count
            bars += publish(key, group, series, .closed)
        }
        let settled = reached - series.lateness
        for key in mine where key.end <= settled {
            guard let group = groups[key] else { continue }
            bars += fill(key.symbol, series, until: key.start)
            if let bar = Self.fold(group.ticks, key, series, isPartial: false, .closed) {
                closes[key.symbol, default: [:]][key.start] = bar.prices[3]
                decided[key.symbol, default: []].insert(key.start)
            }
        }
        for symbol in order where feeds[symbol]?.source == source {
            bars += fill(symbol, series, until: settled)
        }
        for key in mine where key.end <= settled { groups[key] = nil }
        return bars
    }

    private func publish(
        _ key: Key, _ group: Group, _ series: BarSeries, _ reason: BarReason
    ) -> [NamedBar] {
        Self.fold(group.ticks, key, series, isPartial: group.isPartial, reason).map { [$0] } ?? []
    }

    /// Adds the empty windows after the newest bar, up to a time.
    private mutating func fill(
        _ symbol: Symbol, _ series: BarSeries, until limit: Int64
    ) -> [NamedBar] {
        guard case .previousClose(let max) = series.fill,
            let base = closes[symbol]?.max(by: { $0.key < $1.key })
        else { return [] }
        var bars: [NamedBar] = []
        for key in following(symbol, base.key, series, count: max) where key.end <= limit {
            guard decided[symbol, default: []].insert(key.start).inserted else { continue }
            let left = (groups[key]?.ticks ?? []).map(\.left)
            bars.append(
                NamedBar(
                    symbol: symbol.text, series: series.name.text, flags: [.final, .filled],
                    openTime: key.start, closeTime: key.end,
                    prices: [base.value, base.value, base.value, base.value, Int64.max],
                    trades: 0, excluded: NaiveTick.count(left), volume: 0, notional: 0))
        }
        return bars
    }

    // MARK: windows

    /// Returns the windows that contain a time, the oldest first.
    private func keys(_ symbol: Symbol, _ time: Int64, _ series: BarSeries) -> [Key] {
        switch series.window {
        case .tumbling(let width):
            let start = Self.start(of: time, width)
            return [Key(symbol: symbol, start: start, end: start + width)]
        case .sliding(let width, let hop):
            let last = Self.start(of: time, hop)
            return stride(from: last - width + hop, through: last, by: Int64.Stride(hop)).map {
                Key(symbol: symbol, start: $0, end: $0 + width)
            }
        default:
            return sessionKeys(symbol, series).filter { $0.start <= time && time < $0.end }
        }
    }

    private func sessionKeys(_ symbol: Symbol, _ series: BarSeries) -> [Key] {
        sessions.flatMap { session in
            let width = series.widthNanoseconds
            guard width > 0 else {
                return [Key(symbol: symbol, start: session.open, end: session.close)]
            }
            return stride(from: session.open, to: session.close, by: Int64.Stride(width)).map {
                Key(symbol: symbol, start: $0, end: min($0 + width, session.close))
            }
        }
    }

    private func following(
        _ symbol: Symbol, _ start: Int64, _ series: BarSeries, count: Int
    ) -> [Key] {
        guard case .tumbling(let width) = series.window else {
            return Array(sessionKeys(symbol, series).drop { $0.start <= start }.prefix(count))
        }
        return (1...count).map {
            let next = start + Int64($0) * width
            return Key(symbol: symbol, start: next, end: next + width)
        }
    }

    private static func start(of time: Int64, _ width: Int64) -> Int64 {
        time - ((time % width) + width) % width
    }

    // MARK: sums

    static func fold(
        _ all: [NaiveTick], _ key: Key, _ series: BarSeries, isPartial: Bool, _ reason: BarReason
    ) -> NamedBar? {
        let priced = all.filter(\.setsPrice).inOrder
        let lasts = priced.filter(\.setsLast)
        let ends = lasts.isEmpty ? priced : lasts
        guard let first = ends.first?.price, let last = ends.last?.price else { return nil }
        let prices = priced.filter(\.setsRange).map(\.price) + [first, last]
        let volumes = all.filter(\.addsVolume)
        let volume = volumes.reduce(Int128(0)) { $0 + Int128($1.size) }
        let notional = volumes.reduce(Int128(0)) { $0 + Int128($1.price) * Int128($1.size) }
        var flags: BarFlags = isPartial ? [.final, .partial] : [.final]
        let counted = all.filter { $0.setsPrice || $0.addsVolume }
        if Set(counted.map { "\($0.source) \($0.provider)" }).count > 1 {
            flags.insert(.mixedProviders)
        }
        return NamedBar(
            symbol: key.symbol.text, series: series.name.text, flags: flags,
            reason: reason.rawValue, openTime: key.start, closeTime: key.end,
            prices: [
                first, prices.max() ?? 0, prices.min() ?? 0, last, vwap(notional, volume),
            ],
            trades: UInt64(priced.count), excluded: NaiveTick.count(all.map(\.left)),
            volume: volume, notional: notional)
    }

    /// Rounds in the textbook way: twice the numerator plus the divisor, divided by twice the
    /// divisor.
    private static func vwap(_ notional: Int128, _ volume: Int128) -> Int64 {
        guard volume > 0 else { return Int64.max }
        let rounded = (2 * notional.magnitude + volume.magnitude) / (2 * volume.magnitude)
        return Int64(rounded) * (notional < 0 ? -1 : 1)
    }
}
