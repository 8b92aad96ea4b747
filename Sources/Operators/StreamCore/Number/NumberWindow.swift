internal import MarketModel

/// One symbol's bars of one series in one trading session, in a `NumberMachine`: the bar in
/// progress, and the earlier bars.
struct NumberWindow: Sendable {
    /// The sums of the bar in progress.
    var sums = TickSums()
    /// The number of the bar in progress.
    var number: Int64 = 0
    /// The remembered bars: those of the session that were published, as far as there is room. A
    /// repair withdraws those that it does not make again.
    var published: [PublishedBar] = []
    /// Whether there was no room for a bar in `published`.
    var hasForgotten = false
    /// Whether it changed since open bars were last taken. Not part of the state.
    var isTouched = false

    /// Adds a tick or a mark. Returns whether the tick was the last of its bar: the sum that
    /// `window` counts is reached, and a tick has set a price.
    mutating func add(_ tick: TickInput, _ window: WindowRule, _ sources: SourceTable) -> Bool {
        guard tick.note != .restart else {
            sums.flags.insert(.partial)
            return false
        }
        sums.add(tick, sources)
        guard sums.trades > 0 else { return false }
        switch window {
        case .ticks(let count): return sums.trades >= UInt64(count)
        case .volume(let size): return sums.volume >= Int128(size)
        case .dollars(let size):
            // The size is in 1e-8 and the notional in 1e-17. A notional beyond 128 bits has reached
            // the size if it is positive, and can never reach it if it is negative.
            guard !sums.isNotionalSaturated else { return sums.notionalCarry > 0 }
            return sums.notional >= Int128(size) * 1_000_000_000
        case .tumbling, .session, .sliding, .inactivity: return false
        }
    }

    /// Returns the bar in progress in its present state; `nil` when nothing has set a price in it
    /// yet. It is [first tick, last tick + 1 ns).
    func bar(symbol: Int, series: Int) -> Bar? {
        let last = sums.lastTime
        var bar = sums.bar(
            symbol: UInt32(symbol), series: UInt16(series), from: sums.firstTime, to: last + 1)
        bar?.number = number
        return bar
    }

    /// Ends the bar in progress, and begins the next one. Returns `nil`, and ends nothing, when
    /// nothing has set a price.
    mutating func end(symbol: Int, series: Int, isPartial: Bool) -> Bar? {
        guard var bar = bar(symbol: symbol, series: series) else { return nil }
        bar.flags.insert(.final)
        if isPartial { bar.flags.insert(.partial) }
        number += 1
        sums = TickSums()
        return bar
    }
}

/// A symbol's present trading session.
struct NumberSession: Sendable {
    /// The session is [open, close), in nanoseconds since 1970. Before the symbol's first session
    /// both are the least value.
    var open = Int64.min
    var close = Int64.min
    /// Whether the watermark has passed its close, and its last bars are published.
    var isFinished = true
    /// By series, the bar in progress and the earlier ones.
    var windows: [NumberWindow]

    init(seriesCount: Int) { windows = Array(repeating: NumberWindow(), count: seriesCount) }

    init(_ bounds: (open: Int64, close: Int64), seriesCount: Int, seenFrom: Int64) {
        self.init(seriesCount: seriesCount)
        begin(bounds, seenFrom: seenFrom)
    }

    /// Replaces the previous session. If the new one was not seen from its start, its first bars
    /// are partial.
    mutating func begin(_ bounds: (open: Int64, close: Int64), seenFrom: Int64) {
        open = bounds.open
        close = bounds.close
        isFinished = false
        for series in windows.indices {
            windows[series].sums = TickSums()
            windows[series].number = 0
            windows[series].published.removeAll(keepingCapacity: true)
            windows[series].hasForgotten = false
            if open < seenFrom { windows[series].sums.flags.insert(.partial) }
        }
    }

    /// Appends the bars that end with this tick of the session.
    mutating func take(
        _ tick: TickInput, symbol: Int, _ series: [BarSeries], _ sources: SourceTable,
        into bars: inout [Bar]
    ) {
        for index in windows.indices
        where windows[index].add(tick, series[index].window, sources) {
            let bar = windows[index].end(symbol: symbol, series: index, isPartial: false)
            if let bar { bars.append(bar) }
        }
    }

    /// Appends the bars that the session's end cuts off.
    mutating func finish(symbol: Int, into bars: inout [Bar]) {
        isFinished = true
        for index in windows.indices {
            let bar = windows[index].end(symbol: symbol, series: index, isPartial: true)
            if let bar { bars.append(bar) }
        }
    }

    /// Whether no bar is in progress.
    var isIdle: Bool { isFinished || windows.allSatisfy { $0.sums.isEmpty } }
}
