package import MarketModel
package import Primitives
package import StreamCore

/// Computes what breadth must give, from the last versions of all bars. For every window the days
/// are computed again, from all bars up to its end.
///
/// It shares no code with the machine, and is slow.
package struct OracleBreadth {
    /// One number of one window, and how many symbols it is computed from.
    package struct Number: Hashable, Sendable {
        package var value: Int128
        package var symbols: Int

        package init(value: Int128, symbols: Int) {
            self.value = value
            self.symbols = symbols
        }
    }

    /// A day of a symbol, as it was at some time.
    package struct Day: Hashable, Sendable {
        package var high: Int64
        package var low: Int64
        package var close: Int64
        /// Whether none of its ticks is known to be missing.
        var isWhole = true

        package init(high: Int64, low: Int64, close: Int64) {
            (self.high, self.low, self.close) = (high, low, close)
        }
    }

    private let rule: BreadthRule
    private let calendar: SessionCalendar
    /// By symbol, the bars in order, each with the day of its session.
    private var bars: [SourceSymbol: [(day: Int32, bar: Bar)]] = [:]
    /// By start, the day of each window that has, or had, a bar.
    private var windows: [Timestamp: Int32] = [:]
    /// By symbol and day, the days that a provider gave before the first bar.
    private let told: [SourceSymbol: [Int32: Day]]

    package init(
        _ rule: BreadthRule, _ calendar: SessionCalendar, bars all: [BarKey: Bar],
        told: [SourceSymbol: [Int32: Day]]
    ) {
        self.rule = rule
        self.calendar = calendar
        self.told = told
        for (key, bar) in all where key.series == rule.series {
            let isWithdrawn = bar.flags.contains(.withdrawn)
            guard bar.trades > 0 || isWithdrawn,
                rule.universe.isEmpty || rule.universe.contains(key.symbol.symbol),
                rule.sources.isEmpty || rule.sources.contains(key.symbol.source),
                let day = Self.day(calendar, bar.openTime)
            else { continue }
            windows[bar.openTime] = day
            if !isWithdrawn { bars[key.symbol, default: []].append((day, bar)) }
        }
        for symbol in bars.keys { bars[symbol]?.sort { $0.bar.openTime < $1.bar.openTime } }
    }

    /// By measure and start of a window.
    package var numbers: [BreadthMeasure: [Timestamp: Number]] {
        var numbers: [BreadthMeasure: [Timestamp: Number]] = [:]
        for (start, day) in windows {
            for measure in rule.measures {
                numbers[measure, default: [:]][start] = number(measure, start, of: day) { _ in
                    true
                }
            }
        }
        return numbers
    }

    /// Returns the number of one window, of the symbols of the sources that count in it; `nil`
    /// outside of sessions.
    package func number(
        _ measure: BreadthMeasure, _ start: Timestamp, among counts: (SourceName) -> Bool
    ) -> Number? {
        Self.day(calendar, start).map { number(measure, start, of: $0, among: counts) }
    }

    private static func day(_ calendar: SessionCalendar, _ start: Timestamp) -> Int32? {
        calendar.sessions.first {
            $0.open <= start.nanoseconds && start.nanoseconds < $0.close
        }?.day
    }

    private func number(
        _ measure: BreadthMeasure, _ start: Timestamp, of present: Int32,
        among counts: (SourceName) -> Bool
    ) -> Number {
        var (above, below, symbols) = (0, 0, 0)
        for (symbol, all) in bars where counts(symbol.source) {
            let past = all.prefix { $0.bar.openTime <= start }
            guard past.last?.day == present else { continue }
            var days = told[symbol] ?? [:]
            for (day, own) in Dictionary(grouping: past, by: \.day) {
                let made = Self.fold(own.map(\.bar))
                if made.isWhole || days[day] == nil { days[day] = made }
            }
            let today = Self.fold(past.filter { $0.day == present }.map(\.bar))
            let before = days.filter { $0.key < present }.sorted { $0.key < $1.key }
                .suffix(Self.days(measure)).map(\.value)
            guard before.count == Self.days(measure) else { continue }
            symbols += 1
            switch Self.compare(today, before, measure) {
            case 1: above += 1
            case -1: below += 1
            default: break
            }
        }
        return Number(value: Self.value(measure, above, below, symbols), symbols: symbols)
    }

    private static func fold(_ bars: [Bar]) -> Day {
        var day = Day(
            high: bars.map(\.high.raw).max() ?? 0, low: bars.map(\.low.raw).min() ?? 0,
            close: bars.last?.close.raw ?? 0)
        day.isWhole = !bars.contains { $0.flags.contains(.partial) }
        return day
    }

    private static func days(_ measure: BreadthMeasure) -> Int {
        switch measure {
        case .advanceDecline, .advanceDeclineRatio: 1
        case .newHighs(let days), .newLows(let days), .aboveAverage(let days): days
        }
    }

    /// Returns the symbol's contribution: 1, −1 or 0.
    private static func compare(_ today: Day, _ before: [Day], _ measure: BreadthMeasure) -> Int {
        switch measure {
        case .advanceDecline, .advanceDeclineRatio:
            let close = before[before.count - 1].close
            return today.close > close ? 1 : today.close < close ? -1 : 0
        case .newHighs: return before.allSatisfy { today.high > $0.high } ? 1 : 0
        case .newLows: return before.allSatisfy { today.low < $0.low } ? 1 : 0
        case .aboveAverage:
            let above = before.reduce(Int128(0)) { $0 + Int128(today.close) - Int128($1.close) }
            return above > 0 ? 1 : 0
        }
    }

    private static func value(
        _ measure: BreadthMeasure, _ above: Int, _ below: Int, _ symbols: Int
    ) -> Int128 {
        switch measure {
        case .advanceDecline: Int128(above - below) * 1_000_000_000
        case .newHighs, .newLows: Int128(above) * 1_000_000_000
        case .advanceDeclineRatio: share(above, of: below)
        case .aboveAverage: share(above, of: symbols)
        }
    }

    private static func share(_ count: Int, of all: Int) -> Int128 {
        guard all > 0 else { return IndicatorValue.undefined }
        let scaled = count * 1_000_000_000
        return Int128(scaled / all + (scaled % all * 2 >= all ? 1 : 0))
    }
}
