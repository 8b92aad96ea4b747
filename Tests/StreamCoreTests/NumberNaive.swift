import MarketModel
import Primitives

@testable import StreamCore

/// One event of one symbol, as a naive calculation sorts it.
struct NumberTick {
    enum What: Equatable {
        case trade
        case noTrade
        case undefined
        /// A subscription began again.
        case restart
    }

    var what: What
    var time: Int64
    var source = ""
    var ordinal: UInt64 = 0
    var provider = ""
    var price: Int64 = 0
    var size: Int64 = 0
}

/// Finds the ticks that a machine that waits for the watermark has to take, by walking over a tape
/// once. It shares no code with the machine.
struct NaiveIntake {
    var taken: [Symbol: [NumberTick]] = [:]
    var late: Set<String> = []
    /// Per symbol, the time up to which ticks were taken from the queue.
    var drained: [Symbol: Int64] = [:]
    var firstSince: [Symbol: Int64] = [:]
    var tapeStart = Int64.min

    private var watermarks: [SourceName: Int64] = [:]
    private var feeds: [Symbol: Subscription] = [:]
    private var sources: [Symbol: SourceName] = [:]
    private var floors: [Symbol: Int64] = [:]
    private var since: [Symbol: Int64] = [:]
    let session: (Int64) -> (open: Int64, close: Int64)?

    /// `repairedAt`: everything before that event counts, whether late or backfilled.
    init(
        _ tape: [NaiveEvent], repairedAt: Int = 0,
        session: @escaping (Int64) -> (open: Int64, close: Int64)?
    ) {
        self.session = session
        for (index, event) in tape.enumerated() {
            switch event {
            case .source, .quote: break
            case .excluded(let header, let symbol, let source):
                var trade = Trade(
                    header: header, price: Price(raw: 0), size: Quantity(raw: 0))
                trade.header.flags.insert(.snapshot)
                take(trade, symbol, source, 0, countsAll: index < repairedAt)
            case .watermark(let source, let time): advance(source, time.nanoseconds)
            case .definition(let subscription, let source):
                define(subscription, source, countsRestarts: index >= repairedAt)
            case .trade(let trade, let symbol, let source, let ordinal):
                take(trade, symbol, source, ordinal, countsAll: index < repairedAt)
            }
        }
    }

    private mutating func advance(_ source: SourceName, _ time: Int64) {
        watermarks[source] = max(watermarks[source] ?? Int64.min, time)
        for (symbol, its) in sources where its == source {
            drained[symbol] = max(
                drained[symbol] ?? Int64.min, watermarks[source] ?? Int64.min)
        }
    }

    private func closed(_ symbol: Symbol) -> Int64 {
        let now = sources[symbol].flatMap { watermarks[$0] } ?? Int64.min
        return max(now, floors[symbol] ?? Int64.min)
    }

    private mutating func define(
        _ subscription: Subscription, _ source: SourceName, countsRestarts: Bool
    ) {
        let symbol = subscription.symbol
        if let before = sources[symbol], before != source {
            floors[symbol] = max(
                floors[symbol] ?? Int64.min, watermarks[before] ?? Int64.min)
        }
        sources[symbol] = source
        feeds[symbol] = subscription
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
            let mark = NumberTick(what: .restart, time: begins, source: source.text)
            taken[symbol, default: []].append(mark)
        } else {
            // The time up to which bars are complete now.
            let done = drained[symbol] ?? Int64.min
            let last = (taken[symbol] ?? []).map(\.time).filter { $0 < done }.max()
            guard let last, let session = session(last), session.close > done else { return }
            taken[symbol, default: []].append(NumberTick(what: .restart, time: done))
        }
    }

    private mutating func take(
        _ trade: Trade, _ symbol: Symbol, _ source: SourceName, _ ordinal: UInt64,
        countsAll: Bool
    ) {
        guard let feed = feeds[symbol], sources[symbol] == source else { return }
        guard countsAll || !trade.header.flags.contains(.backfilled) else { return }
        let isNew = trade.header.action == 0 && !trade.header.flags.contains(.snapshot)
        let isTrade =
            isNew && trade.price.isDefined && trade.size.isDefined && trade.size.raw >= 0
        let time = trade.header.eventTime.nanoseconds
        guard session(time) != nil else { return }
        guard countsAll || time >= closed(symbol) else {
            if isTrade { late.insert("\(source) \(ordinal)") }
            return
        }
        taken[symbol, default: []].append(
            NumberTick(
                what: isTrade ? .trade : isNew ? .undefined : .noTrade, time: time,
                source: source.text, ordinal: isTrade ? ordinal : 0, provider: feed.provider,
                price: trade.price.raw, size: trade.size.raw))
    }
}

/// Computes number bars in the most obvious way: it sorts the ticks of each session and cuts the
/// list.
struct NaiveNumberBars {
    var bars: [NumberedBar] = []
    private let intake: NaiveIntake

    init(_ intake: NaiveIntake, series: BarSeriesSet) {
        self.intake = intake
        for (symbol, ticks) in intake.taken {
            let drained = intake.drained[symbol] ?? Int64.min
            let sorted = ticks.filter { $0.time < drained }.sorted {
                ($0.time, $0.source, $0.ordinal) < ($1.time, $1.source, $1.ordinal)
            }
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
        _ ticks: [NumberTick], open: Int64, isOver: Bool, symbol: Symbol, _ series: BarSeries
    ) {
        var group: [NumberTick] = []
        var number: Int64 = 0
        let start = max(intake.tapeStart, intake.firstSince[symbol] ?? Int64.min)
        var isPartial = open < start
        for tick in ticks {
            group.append(tick)
            let trades = group.filter { $0.what == .trade }
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
            guard isFull, tick.what == .trade else { continue }
            add(group, symbol, series, number, isPartial)
            group = []
            number += 1
            isPartial = false
        }
        if isOver { add(group, symbol, series, number, true) }
    }

    private mutating func add(
        _ group: [NumberTick], _ symbol: Symbol, _ series: BarSeries, _ number: Int64,
        _ isPartial: Bool
    ) {
        let isMarked = isPartial || group.contains { $0.what == .restart }
        if let bar = group.bar(
            symbol, series, number: number, flags: isMarked ? [.final, .partial] : [.final])
        {
            bars.append(bar)
        }
    }
}

extension [NumberTick] {
    /// Returns the bar of sorted ticks. Its window ends 1 ns after the last trade.
    func bar(
        _ symbol: Symbol, _ series: BarSeries, number: Int64, flags: BarFlags
    ) -> NumberedBar? {
        let trades = filter { $0.what == .trade }
        guard let first = trades.first, let last = trades.last else { return nil }
        let prices = trades.map(\.price)
        let volume = trades.reduce(Int128(0)) { $0 + Int128($1.size) }
        let notional = trades.reduce(Int128(0)) { $0 + Int128($1.price) * Int128($1.size) }
        let isMixed = Set(trades.map { "\($0.source) \($0.provider)" }).count > 1
        return NumberedBar(
            symbol: symbol.text, series: series.name.text, number: number,
            flags: isMixed ? flags.union(.mixedProviders) : flags, openTime: first.time,
            closeTime: last.time + 1,
            prices: [
                first.price, prices.max() ?? 0, prices.min() ?? 0, last.price,
                Self.vwap(notional, volume),
            ],
            trades: UInt64(trades.count),
            excluded: Bar.Excluded(
                filter: UInt32(filter { $0.what == .noTrade }.count),
                undefined: UInt32(filter { $0.what == .undefined }.count)),
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
