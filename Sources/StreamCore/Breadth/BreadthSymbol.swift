internal import MarketModel
internal import Primitives

/// A day of one symbol.
struct BreadthDay: Hashable, Sendable {
    /// Local date as yyyymmdd; 0: none.
    var day: Int32 = 0
    var close: Int64 = 0
    var high = Int64.min
    var low = Int64.max
    /// Made of bars of the graph; a provider's daily bar does not replace it.
    var isOwn = false
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
}

/// What a universe's measures have to know of one symbol.
struct BreadthSymbol: Sendable {
    /// With bars so far; `day` is 0 before the first.
    var today = BreadthDay()
    /// Days before today, in order.
    private(set) var history: [BreadthDay] = []
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

    /// As it was at a time.
    func at(_ time: Int64, _ rule: BreadthRule) -> BreadthSymbol {
        guard let first = unsettled.first, first.closeTime <= time else { return self }
        var then = self
        then.settle(through: time, rule)
        return then
    }

    private mutating func apply(_ bar: BreadthBar, _ rule: BreadthRule) {
        guard bar.isThere, bar.day >= today.day else { return }
        if bar.day > today.day {
            if today.day != 0 { history.append(today) }
            today = BreadthDay(day: bar.day, isOwn: true)
            // A provider may have told of days that were not over.
            history.removeAll { $0.day >= bar.day }
            look(rule)
        }
        today.close = bar.close
        today.high = max(today.high, bar.high)
        today.low = min(today.low, bar.low)
    }

    /// A provider's bar of a day before today.
    mutating func warm(_ day: BreadthDay, _ rule: BreadthRule) {
        guard today.day == 0 || day.day < today.day else { return }
        var index = history.count
        while index > 0, history[index - 1].day > day.day { index -= 1 }
        if index > 0, history[index - 1].day == day.day {
            guard !history[index - 1].isOwn else { return }
            history[index - 1] = day
        } else {
            history.insert(day, at: index)
        }
        look(rule)
    }

    /// Works out what the days before give, and lets go of those that no measure asks for.
    private mutating func look(_ rule: BreadthRule) {
        if history.count > rule.daysKept { history.removeFirst(history.count - rule.daysKept) }
        for (index, measure) in rule.measures.enumerated() {
            let days = history.suffix(measure.days)
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
        today: BreadthDay, history: [BreadthDay], unsettled: [BreadthBar], _ rule: BreadthRule
    ) {
        self.init(measures: rule.measures.count)
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
