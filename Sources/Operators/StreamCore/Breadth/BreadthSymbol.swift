internal import MarketModel
internal import Primitives

/// A day of one symbol: its prices in 1e-9, and where they are from.
struct BreadthDay: Hashable, Sendable {
    /// The local date as yyyymmdd; 0 for none.
    var day: Int32 = 0
    var close: Int64 = 0
    var high = Int64.min
    var low = Int64.max
    var origin = Origin.provider

    enum Origin: UInt8 {
        /// A provider's daily bar, which `DailyHistory` passed on.
        case provider
        /// Bars of the graph. A provider's day does not replace them.
        case bars
        /// Bars of the graph of which at least one is partial. A provider's day replaces them.
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
    /// False when a later version withdrew it.
    var isThere: Bool
    /// Whether some of its window's ticks may be missing in it.
    var isPartial = false
}

/// The data of one symbol that the measures of a `BreadthMachine` need.
struct BreadthSymbol: Sendable {
    /// The day so far, from bars; `day` is 0 before the first bar.
    var today = BreadthDay()
    /// The days before today, in order. A provider's days of today and later may follow them, and
    /// do not count yet.
    private(set) var history: [BreadthDay] = []
    /// The latest end of the bars that are in `today`, or were in earlier days, for good.
    private(set) var settledThrough = Int64.min
    /// The bars that may still be revised, in order of their times.
    private(set) var unsettled: [BreadthBar] = []
    /// By measure: the value with which today is compared; `nil` when not enough days are known.
    private(set) var marks: [Int128?]

    init(measures: Int) { marks = Array(repeating: nil, count: measures) }

    /// Adds a version of a bar, in place of the earlier one.
    mutating func put(_ bar: BreadthBar) {
        var index = unsettled.count
        while index > 0, unsettled[index - 1].openTime > bar.openTime { index -= 1 }
        if index > 0, unsettled[index - 1].openTime == bar.openTime {
            unsettled[index - 1] = bar
        } else {
            unsettled.insert(bar, at: index)
        }
    }

    /// Adds the bars that end at or before a time to their days for good.
    mutating func settle(through time: Int64, _ rule: BreadthRule) {
        let count = unsettled.prefix { $0.closeTime <= time }.count
        guard count > 0 else { return }
        for bar in unsettled[..<count] { apply(bar, rule) }
        unsettled.removeFirst(count)
    }

    /// Adds a bar of a settled window to the day so far. The published values of its window stay as
    /// they are. Returns false, and adds nothing, unless the bar ends after all settled bars.
    mutating func catchUp(_ bar: BreadthBar, _ rule: BreadthRule) -> Bool {
        guard bar.closeTime > settledThrough else { return false }
        apply(bar, rule)
        return true
    }

    /// Adds the bars up to a time, beginning with the bar at `next`, and moves `next`. Used on a
    /// copy, to compute an earlier state: all bars stay unsettled.
    mutating func apply(through time: Int64, from next: inout Int, _ rule: BreadthRule) {
        while next < unsettled.count, unsettled[next].closeTime <= time {
            apply(unsettled[next], rule)
            next += 1
        }
    }

    /// Adds a bar to the day so far, or begins the next day with it.
    private mutating func apply(_ bar: BreadthBar, _ rule: BreadthRule) {
        settledThrough = max(settledThrough, bar.closeTime)
        guard bar.isThere, bar.day >= today.day else { return }
        if bar.day > today.day {
            if today.day != 0 { insert(today) }
            today = BreadthDay(day: bar.day, origin: .bars)
            updateMarks(rule)
        }
        today.close = bar.close
        today.high = max(today.high, bar.high)
        today.low = min(today.low, bar.low)
        if bar.isPartial { today.origin = .partialBars }
    }

    /// Takes a day that a provider gave.
    mutating func warm(_ day: BreadthDay, _ rule: BreadthRule) {
        insert(day)
        updateMarks(rule)
    }

    /// Inserts a day. Complete days of bars win over a provider's days, and these over incomplete
    /// days of bars.
    private mutating func insert(_ day: BreadthDay) {
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

    /// Computes the values to compare today with, and removes days that no measure needs.
    private mutating func updateMarks(_ rule: BreadthRule) {
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

    /// Makes a symbol from a restored state.
    init(
        today: BreadthDay, history: [BreadthDay], unsettled: [BreadthBar], settledThrough: Int64,
        _ rule: BreadthRule
    ) {
        self.init(measures: rule.measures.count)
        self.settledThrough = settledThrough
        self.today = today
        self.history = history
        self.unsettled = unsettled
        updateMarks(rule)
    }
}

extension BreadthMeasure {
    /// The number of days before today that the measure needs.
    var days: Int {
        switch self {
        case .advanceDecline, .advanceDeclineRatio: 1
        case .newHighs(let days), .newLows(let days), .aboveAverage(let days):
            min(max(days, 1), BreadthRule.daysMax)
        }
    }
}

extension BreadthRule {
    /// The greatest number of days before today that a measure needs.
    var daysKept: Int { measures.map(\.days).max() ?? 1 }
    /// The number of days to keep per symbol. The eight more leave room for a provider's days that
    /// no bars have reached yet, and for days that late bars still need.
    var historyMax: Int { daysKept + 8 }
}

/// The counts over the symbols of a universe for one measure in one window.
struct BreadthTally {
    private var symbols: UInt32 = 0
    /// Symbols above and below their marks. For new lows `above` counts the symbols below.
    private var above: Int128 = 0
    private var below: Int128 = 0

    /// Counts one symbol. `mark` is the value to compare with, from the days before.
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
        // The sum over the days is compared with today's close times the number of days: no
        // division, no rounding.
        case .aboveAverage: isAbove = Int128(today.close) * Int128(measure.days) > mark
        }
        above += isAbove ? 1 : 0
        below += isBelow ? 1 : 0
    }

    /// Returns the value of a measure.
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

    /// Returns count / divisor in 1e-9, rounded half up; undefined when the divisor is 0.
    private static func ratio(_ count: Int128, _ divisor: Int128) -> Int128 {
        guard divisor > 0 else { return IndicatorValue.undefined }
        return (2 * count * one + divisor) / (2 * divisor)
    }
}

/// The value of one measure in one window.
struct BreadthResult: Hashable, Sendable {
    /// The value in 1e-9, or `IndicatorValue.undefined`.
    var value: Int128
    /// The number of symbols from which the value is computed.
    var symbols: UInt32
}
