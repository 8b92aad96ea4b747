internal import MarketModel

/// What is known of one symbol: the day at hand as far as it has come, and the days before it.
struct BreadthSymbol: Hashable, Sendable {
    struct Day: Hashable, Sendable {
        var high: Int64
        var low: Int64
        var close: Int64
    }

    static let noDay = Int64.min

    /// `noDay`: it had no bar yet.
    var number = noDay
    var today = Day(high: 0, low: 0, close: 0)
    /// The days before that had bars, the newest last.
    private(set) var days: [Day] = []

    init() {}

    /// From a checkpoint.
    init(number: Int64, today: Day, days: [Day]) {
        self.number = number
        self.today = today
        self.days = days
    }

    /// `depth`: days that are kept.
    mutating func take(_ bar: Day, day: Int64, depth: Int) {
        // A bar of a day that is over: nothing of it is kept any more.
        guard day >= number else { return }
        guard day == number else {
            end(depth: depth)
            number = day
            today = bar
            return
        }
        today = Day(
            high: max(today.high, bar.high), low: min(today.low, bar.low), close: bar.close)
    }

    private mutating func end(depth: Int) {
        guard number != Self.noDay else { return }
        days.append(today)
        if days.count > depth { days.removeFirst(days.count - depth) }
    }

    /// A whole day from elsewhere, older than all that is known: false when it is not.
    mutating func warm(_ bar: Day, day: Int64, depth: Int) -> Bool {
        guard day > number else { return false }
        take(bar, day: day, depth: depth)
        return true
    }
}

/// What the symbols of a universe come to at one moment.
struct BreadthSums: Hashable, Sendable {
    private(set) var values: [Int128]

    /// 1 in the values' units.
    private static let one: Int128 = 1_000_000_000

    init(_ measures: [BreadthMeasure], of symbols: [BreadthSymbol], day: Int64) {
        var priced = 0
        var advancing = 0
        var declining = 0
        for symbol in symbols where symbol.number == day {
            priced += 1
            guard let previous = symbol.days.last?.close else { continue }
            if symbol.today.close > previous { advancing += 1 }
            if symbol.today.close < previous { declining += 1 }
        }
        values = measures.map { measure in
            switch measure {
            case .advanceDecline: Int128(advancing - declining) * Self.one
            case .advanceDeclineRatio: Self.share(advancing, of: declining)
            case .newHighs(let days): Self.highs(symbols, day, days)
            case .newLows(let days): Self.lows(symbols, day, days)
            case .aboveAverage(let days): Self.above(symbols, day, days)
            }
        }
        values.append(Int128(priced) * Self.one)
    }

    private static func share(_ part: Int, of whole: Int) -> Int128 {
        whole == 0 ? IndicatorValue.undefined : Int128(part) * one / Int128(whole)
    }

    /// Symbols with fewer days than that are left out.
    private static func highs(_ symbols: [BreadthSymbol], _ day: Int64, _ days: Int) -> Int128 {
        let count = symbols.count { symbol in
            symbol.number == day && symbol.days.count >= days
                && symbol.days.suffix(days).allSatisfy { $0.high < symbol.today.high }
        }
        return Int128(count) * one
    }

    private static func lows(_ symbols: [BreadthSymbol], _ day: Int64, _ days: Int) -> Int128 {
        let count = symbols.count { symbol in
            symbol.number == day && symbol.days.count >= days
                && symbol.days.suffix(days).allSatisfy { $0.low > symbol.today.low }
        }
        return Int128(count) * one
    }

    private static func above(_ symbols: [BreadthSymbol], _ day: Int64, _ days: Int) -> Int128 {
        var known = 0
        var above = 0
        for symbol in symbols where symbol.number == day && symbol.days.count >= days {
            known += 1
            let sum = symbol.days.suffix(days).reduce(Int128(0)) { $0 + Int128($1.close) }
            if Int128(symbol.today.close) * Int128(days) > sum { above += 1 }
        }
        return share(above, of: known)
    }
}
