import MarketModel
import Primitives

@testable import StreamCore

/// Finds the ticks that a machine that waits for the watermark has to take, by walking over a tape
/// once. It shares no code with the machine.
struct NaiveIntake {
    typealias Session = (open: Int64, close: Int64)

    /// By symbol. Marks are the moments at which a subscription began again.
    var taken: [Symbol: [NaiveTick]] = [:]
    var late: Set<String> = []
    /// Per symbol, the time up to which ticks were taken from the queue.
    var drained: [Symbol: Int64] = [:]
    var firstSince: [Symbol: Int64] = [:]
    var tapeStart = Int64.min

    private let rule: BarRule
    private var watermarks: [SourceName: Int64] = [:]
    private var feeds: [Symbol: NaiveTick.Feed] = [:]
    private var floors: [Symbol: Int64] = [:]
    private var since: [Symbol: Int64] = [:]
    let session: (Int64) -> Session?

    /// `repairedAt`: everything before that event counts, whether late or backfilled.
    init(
        _ tape: [NaiveEvent], _ rule: BarRule, repairedAt: Int = 0,
        session: @escaping (Int64) -> Session? = { _ in (Int64.min, Int64.max) }
    ) {
        self.rule = rule
        self.session = session
        for (index, event) in tape.enumerated() {
            let countsAll = index < repairedAt
            switch event {
            case .source, .quote: break
            case .excluded(let header, let symbol, let source):
                take(symbol, source, countsAll) { NaiveTick(excluded: header, $0) }
            case .watermark(let source, let time): advance(source, time.nanoseconds)
            case .definition(let subscription, let source):
                define(subscription, source, countsRestarts: !countsAll)
            case .trade(let trade, let symbol, let source, let ordinal):
                take(symbol, source, countsAll) { NaiveTick(trade, rule, $0, ordinal) }
            }
        }
    }

    private mutating func advance(_ source: SourceName, _ time: Int64) {
        watermarks[source] = max(watermarks[source] ?? Int64.min, time)
        for (symbol, its) in feeds where its.source == source {
            drained[symbol] = max(
                drained[symbol] ?? Int64.min, watermarks[source] ?? Int64.min)
        }
    }

    private func closed(_ symbol: Symbol) -> Int64 {
        let now = feeds[symbol].flatMap { watermarks[$0.source] } ?? Int64.min
        return max(now, floors[symbol] ?? Int64.min)
    }

    private mutating func define(
        _ subscription: Subscription, _ source: SourceName, countsRestarts: Bool
    ) {
        let symbol = subscription.symbol
        if let before = feeds[symbol]?.source, before != source {
            floors[symbol] = max(
                floors[symbol] ?? Int64.min, watermarks[before] ?? Int64.min)
        }
        feeds[symbol] = (source, subscription.provider)
        let begins = subscription.since.isDefined ? subscription.since.nanoseconds : Int64.min
        guard let known = since[symbol] else {
            since[symbol] = begins
            firstSince[symbol] = begins
            return
        }
        guard begins > known else { return }
        since[symbol] = begins
        guard countsRestarts else { return }
        if begins >= closed(symbol) {
            taken[symbol, default: []].append(NaiveTick(mark: begins, source.text))
        } else {
            // The time up to which bars are complete now.
            let done = drained[symbol] ?? Int64.min
            let last = (taken[symbol] ?? []).map(\.time).filter { $0 < done }.max()
            guard let last, let session = session(last), session.close > done else { return }
            taken[symbol, default: []].append(NaiveTick(mark: done, ""))
        }
    }

    private mutating func take(
        _ symbol: Symbol, _ source: SourceName, _ countsAll: Bool,
        _ make: (NaiveTick.Feed) -> NaiveTick
    ) {
        guard let feed = feeds[symbol], feed.source == source else { return }
        var tick = make(feed)
        guard countsAll || !tick.isBackfilled, session(tick.time) != nil else { return }
        guard countsAll || tick.time >= closed(symbol) else {
            if tick.setsPrice { late.insert("\(source) \(tick.ordinal)") }
            return
        }
        if !tick.setsPrice { tick.ordinal = 0 }
        taken[symbol, default: []].append(tick)
    }
}

/// Computes number bars in the most obvious way: it sorts the ticks of each session and cuts the
/// list.
struct NaiveNumberBars {
    var bars: [NamedBar] = []
    private let intake: NaiveIntake

    init(_ intake: NaiveIntake, series: BarSeriesSet) {
        self.intake = intake
        for (symbol, ticks) in intake.taken {
            let drained = intake.drained[symbol] ?? Int64.min
            let sorted = ticks.filter { $0.time < drained }.inOrder
            let sessions = Set(sorted.compactMap { intake.session($0.time)?.open })
            for open in sessions {
                let inside = sorted.filter { intake.session($0.time)?.open == open }
                let isOver = (intake.session(open)?.close ?? Int64.max) <= drained
                for one in series.all {
                    cut(inside, open: open, isOver: isOver, symbol: symbol, one)
                }
            }
        }
    }

    private mutating func cut(
        _ ticks: [NaiveTick], open: Int64, isOver: Bool, symbol: Symbol, _ series: BarSeries
    ) {
        var group: [NaiveTick] = []
        var number: Int64 = 0
        let start = max(intake.tapeStart, intake.firstSince[symbol] ?? Int64.min)
        var isPartial = open < start
        for tick in ticks {
            group.append(tick)
            let trades = group.filter(\.setsPrice)
            let isFull =
                switch series.window {
                case .ticks(let count): trades.count == count
                case .volume(let size):
                    trades.reduce(Int128(0)) { $0 + Int128($1.size) } >= Int128(size)
                case .dollars(let size):
                    trades.reduce(Int128(0)) { $0 + Int128($1.size) * Int128($1.price) }
                        >= Int128(size) * 1_000_000_000
                default: false
                }
            guard isFull, tick.setsPrice else { continue }
            add(group, symbol, series, number, isPartial)
            group = []
            number += 1
            isPartial = false
        }
        if isOver { add(group, symbol, series, number, true) }
    }

    private mutating func add(
        _ group: [NaiveTick], _ symbol: Symbol, _ series: BarSeries, _ number: Int64,
        _ isPartial: Bool
    ) {
        let trades = group.filter(\.setsPrice)
        guard let first = trades.first, let last = trades.last else { return }
        // The window ends 1 ns after the last trade.
        let key = NaiveBars.Key(symbol: symbol, start: first.time, end: last.time + 1)
        let isMarked = isPartial || group.contains(where: \.isMark)
        guard var bar = NaiveBars.fold(group, key, series, isPartial: isMarked, .closed) else {
            return
        }
        bar.number = number
        bars.append(bar)
    }
}
