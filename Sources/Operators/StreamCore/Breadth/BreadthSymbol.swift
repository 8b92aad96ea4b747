internal import MarketModel
internal import Primitives

/// A day of one symbol.
struct BreadthDay: Hashable, Sendable {
    /// Local date as yyyymmdd; 0: none.
    var day: Int32 = 0
    var close: Int64 = 0
    var high = Int64.min
    var low = Int64.max
    var origin = Origin.provider

    enum Origin: UInt8 {
        case provider
        /// Bars of the graph; what a provider tells does not replace them.
        case bars
        /// Bars of the graph of which one is partial: what a provider tells is better.
        case partialBars
    }
}

/// A bar of the rule's series that may still be revised.
struct BreadthBar: Hashable, Sendable {
    var openTime: Int64
    var closeTime: Int64
    var day: Int32
    var close: Int64
    var high: Int64
    var low: Int64
    /// False: a later version took it back.
    var isThere: Bool
    /// Not all of its window's ticks are known to be in it.
    var isPartial = false
}

/// What a universe's measures have to know of one symbol.
struct BreadthSymbol: Sendable {
    /// With bars so far; `day` is 0 before the first.
    var today = BreadthDay()
    /// Days before today, in order; and behind them what a provider told of today and later.
    private(set) var history: [BreadthDay] = []
    /// The end of the last bar that is in `today` for good.
    private(set) var settledThrough = Int64.min
    /// In order of their times.
    private(set) var unsettled: [BreadthBar] = []
    /// By measure: what today is compared with. Nil: not enough days are known.
    private(set) var marks: [Int128?]

    init(measures: Int) { marks = Array(repeating: nil, count: measures) }

    mutating func put(_ bar: BreadthBar) {
        var index = unsettled.count
        while index > 0, unsettled[index - 1].openTime > bar.openTime { index -= 1 }
        if index > 0, unsettled[index - 1].openTime == bar.openTime {
            unsettled[index - 1] = bar
        } else {
            unsettled.insert(bar, at: index)
        }
    }

    /// Adds the bars that end at or before a time for good.
    mutating func settle(through time: Int64, _ rule: BreadthRule) {
        let count = unsettled.prefix { $0.closeTime <= time }.count
        guard count > 0 else { return }
        for bar in unsettled[..<count] { apply(bar, rule) }
        unsettled.removeFirst(count)
    }

    /// A bar of a window that is settled, behind all that is in today: what is told of its window
    /// stands, but not what follows from the day so far. False: it is older than what is in.
    mutating func catchUp(_ bar: BreadthBar, _ rule: BreadthRule) -> Bool {
        guard bar.closeTime > settledThrough else { return false }
        apply(bar, rule)
        return true
    }

    /// Adds the bars up to a time of which `next` is the first, for a look at how things were then:
    /// all of them stay unsettled.
    mutating func go(to time: Int64, from next: inout Int, _ rule: BreadthRule) {
        while next < unsettled.count, unsettled[next].closeTime <= time {
            apply(unsettled[next], rule)
            next += 1
        }
    }

    private mutating func apply(_ bar: BreadthBar, _ rule: BreadthRule) {
        settledThrough = max(settledThrough, bar.closeTime)
        guard bar.isThere, bar.day >= today.day else { return }
        if bar.day > today.day {
            if today.day != 0 { put(today) }
            today = BreadthDay(day: bar.day, origin: .bars)
            look(rule)
        }
        today.close = bar.close
        today.high = max(today.high, bar.high)
        today.low = min(today.low, bar.low)
        if bar.isPartial { today.origin = .partialBars }
    }

    /// A provider's bar of a day.
    mutating func warm(_ day: BreadthDay, _ rule: BreadthRule) {
        put(day)
        look(rule)
    }

    /// Whole days of bars stand against what a provider tells, and that against parts of days.
    private mutating func put(_ day: BreadthDay) {
        var index = history.count
        while index > 0, history[index - 1].day > day.day { index -= 1 }
        guard index > 0, history[index - 1].day == day.day else {
            history.insert(day, at: index)
            return
        }
        switch (history[index - 1].origin, day.origin) {
        case (.bars, .provider), (.bars, .partialBars), (.provider, .partialBars): return
        default: history[index - 1] = day
        }
    }

    /// Works out what the days before give, and lets go of those that no measure asks for.
    private mutating func look(_ rule: BreadthRule) {
        if history.count > rule.historyMax { history.removeFirst(history.count - rule.historyMax) }
        var before = history[...]
        while today.day != 0, let last = before.last, last.day >= today.day { before.removeLast() }
        for (index, measure) in rule.measures.enumerated() {
            let days = before.suffix(measure.days)
            guard days.count == measure.days else {
                marks[index] = nil
                continue
            }
            switch measure {
            case .advanceDecline, .advanceDeclineRatio:
                marks[index] = days.last.map { Int128($0.close) }
            case .newHighs: marks[index] = days.map { Int128($0.high) }.max()
            case .newLows: marks[index] = days.map { Int128($0.low) }.min()
            case .aboveAverage: marks[index] = days.reduce(Int128(0)) { $0 + Int128($1.close) }
            }
        }
    }

    /// For a symbol that is restored.
    init(
        today: BreadthDay, history: [BreadthDay], unsettled: [BreadthBar], settledThrough: Int64,
        _ rule: BreadthRule
    ) {
        self.init(measures: rule.measures.count)
        self.settledThrough = settledThrough
        self.today = today
        self.history = history
        self.unsettled = unsettled
        look(rule)
    }
}

extension BreadthMeasure {
    /// Days before today that it looks at.
    var days: Int {
        switch self {
        case .advanceDecline, .advanceDeclineRatio: 1
        case .newHighs(let days), .newLows(let days), .aboveAverage(let days):
            min(max(days, 1), BreadthRule.daysMax)
        }
    }
}

extension BreadthRule {
    var daysKept: Int { measures.map(\.days).max() ?? 1 }
    /// Room for days that a provider told of and that no bars have reached yet, and for those that
    /// late bars still look back to.
    var historyMax: Int { daysKept + 8 }
}

/// What the symbols of a universe add up to for one measure.
struct BreadthTally {
    private var symbols: UInt32 = 0
    private var above: Int128 = 0
    private var below: Int128 = 0

    /// `mark`: what the days before give.
    mutating func add(_ today: BreadthDay, mark: Int128, _ measure: BreadthMeasure) {
        symbols += 1
        let isAbove: Bool
        var isBelow = false
        switch measure {
        case .advanceDecline, .advanceDeclineRatio:
            isAbove = Int128(today.close) > mark
            isBelow = Int128(today.close) < mark
        case .newHighs: isAbove = Int128(today.high) > mark
        case .newLows: isAbove = Int128(today.low) < mark
        // The sum of the days against as many times today: no division, no rounding.
        case .aboveAverage: isAbove = Int128(today.close) * Int128(measure.days) > mark
        }
        above += isAbove ? 1 : 0
        below += isBelow ? 1 : 0
    }

    func result(_ measure: BreadthMeasure) -> BreadthResult {
        let value: Int128
        switch measure {
        case .advanceDecline: value = (above - below) * Self.one
        case .advanceDeclineRatio: value = Self.ratio(above, below)
        case .newHighs, .newLows: value = above * Self.one
        case .aboveAverage: value = Self.ratio(above, Int128(symbols))
        }
        return BreadthResult(value: value, symbols: symbols)
    }

    private static let one: Int128 = 1_000_000_000

    /// Rounded to 1e-9, half up; undefined without a divisor.
    private static func ratio(_ count: Int128, _ divisor: Int128) -> Int128 {
        guard divisor > 0 else { return IndicatorValue.undefined }
        return (2 * count * one + divisor) / (2 * divisor)
    }
}

struct BreadthResult: Hashable, Sendable {
    /// In 1e-9, or `IndicatorValue.undefined`.
    var value: Int128
    var symbols: UInt32
}
