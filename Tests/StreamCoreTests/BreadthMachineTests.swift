import MarketModel
import Primitives
import Seeds
import Testing

@testable import StreamCore

/// Hours of some days of a few symbols in two partitions, with the measures computed in the obvious
/// way.
private struct BreadthRun {
    struct Place: Hashable, Comparable {
        var window: Int64
        var measure: Int

        static func < (left: Place, right: Place) -> Bool {
            (left.window, left.measure) < (right.window, right.measure)
        }
    }

    static let hour: Int64 = 3_600_000_000_000
    static let day = 24 * hour
    /// 1970-01-02.
    static let origin = day
    static let days = 5
    static let measures: [BreadthMeasure] = [
        .advanceDecline, .advanceDeclineRatio, .newHighs(days: 2), .newLows(days: 3),
        .aboveAverage(days: 2), .newHighs(days: 1),
    ]

    let series: BarSeries
    let rule: BreadthRule
    var machine: BreadthMachine
    var values: [BreadthValue] = []
    var warm: [UInt32: [Int64: Bar]] = [:]
    /// The last version of each bar, by symbol and open time.
    var bars: [UInt32: [Int64: Bar]] = [:]
    var windows: Set<Int64> = []
    var random: SeededRandom

    init(seed: UInt64) throws {
        random = SeededRandom(seed: seed)
        let name = try #require(SeriesName("1h"))
        series = try BarSeries(
            name: name, window: .tumbling(width: Self.hour), lateness: 30 * Self.hour)
        rule = BreadthRule(series: name, universe: [], measures: Self.measures)
        machine = BreadthMachine(rule: rule, series: series, calendar: nil, partitions: 2)
    }

    static func bar(_ symbol: UInt32, at time: Int64, _ prices: [Int64]) -> Bar {
        var bar = Bar(
            symbol: symbol, series: 0, openTime: Timestamp(nanoseconds: time),
            closeTime: Timestamp(nanoseconds: time + hour))
        bar.open = Price(raw: prices[0])
        bar.close = Price(raw: prices[prices.count - 1])
        bar.high = Price(raw: prices.max() ?? 0)
        bar.low = Price(raw: prices.min() ?? 0)
        bar.trades = UInt64(prices.count)
        return bar
    }

    /// Returns the provider's bar of the day that begins at a time.
    static func daily(_ time: Int64, _ bar: Bar) -> DailyBar {
        DailyBar(
            openTime: Timestamp(nanoseconds: time), closeTime: Timestamp(nanoseconds: time + day),
            high: bar.high, low: bar.low, close: bar.close)
    }

    private mutating func prices() -> [Int64] {
        (0..<3).map { _ in Int64.random(in: -20...20, using: &random) }
    }

    mutating func run(restoring: Bool) throws {
        var symbols: [UInt32] = []
        for index in 0..<7 {
            let number = machine.symbol(try ofTest("S\(index)"))
            symbols.append(try #require(number))
        }
        for symbol in symbols {
            for back in 1...3 where Bool.random(using: &random) {
                let time = Self.origin - Int64(back) * Self.day
                let bar = Self.bar(symbol, at: time + 100 * Self.day, prices())
                warm[symbol, default: [:]][time] = bar
                machine.warm(symbol, Self.daily(time, bar))
            }
        }
        for step in 0..<Int64(Self.days * 24) {
            for symbol in symbols where Int.random(in: 0..<3, using: &random) > 0 {
                let back = Int64.random(in: 0...25, using: &random)
                let isLate = Int.random(in: 0..<6, using: &random) == 0
                give(symbol, at: Self.origin + max(0, step - (isLate ? back : 0)) * Self.hour)
            }
            let reached = Timestamp(nanoseconds: Self.origin + (step + 1) * Self.hour)
            machine.advance(partition: 0, watermark: reached, into: &values)
            if Bool.random(using: &random) {
                machine.advance(partition: 1, watermark: reached, into: &values)
            }
            if restoring, step.isMultiple(of: 13) { machine = try machine.restored() }
        }
        let end = Timestamp(nanoseconds: Self.origin + Int64(Self.days) * Self.day)
        machine.advance(partition: 1, watermark: end, into: &values)
    }

    private mutating func give(_ symbol: UInt32, at time: Int64) {
        var bar = Self.bar(symbol, at: time, prices())
        if bars[symbol]?[time] != nil, Bool.random(using: &random) {
            bar.trades = 0
            bar.flags = [.final, .withdrawn]
        } else {
            windows.insert(time)
        }
        bar.reason = BarReason.late.rawValue
        bars[symbol, default: [:]][time] = bar
        machine.bar(bar)
    }

    var last: [Place: BreadthResult] {
        var last: [Place: BreadthResult] = [:]
        for value in values {
            let place = Place(window: value.openTime.nanoseconds, measure: value.measure)
            last[place] = BreadthResult(value: value.value, symbols: value.symbols)
        }
        return last
    }

    // MARK: the obvious way

    var naive: [Place: BreadthResult] {
        var found: [Place: BreadthResult] = [:]
        for window in windows {
            for (index, measure) in Self.measures.enumerated() {
                found[Place(window: window, measure: index)] = naive(measure, window)
            }
        }
        return found
    }

    private func naive(_ measure: BreadthMeasure, _ window: Int64) -> BreadthResult {
        var above = 0
        var below = 0
        var symbols = 0
        for (symbol, all) in bars {
            let real = all.filter { $0.value.trades > 0 }
            let today = real.filter { $0.key / Self.day == window / Self.day && $0.key <= window }
            guard let last = today.max(by: { $0.key < $1.key })?.value else { continue }
            let first = real.keys.min().map { $0 / Self.day } ?? 0
            var days: [Int64: [Bar]] = [:]
            for (time, bar) in warm[symbol] ?? [:] where time / Self.day < first {
                days[time / Self.day] = [bar]
            }
            for (time, bar) in real.sorted(by: { $0.key < $1.key })
            where time / Self.day < window / Self.day {
                days[time / Self.day, default: []].append(bar)
            }
            let before = days.sorted { $0.key < $1.key }.map(\.value).suffix(measure.days)
            guard before.count == measure.days else { continue }
            symbols += 1
            let high = before.flatMap { $0.map(\.high.raw) }.max() ?? 0
            let low = before.flatMap { $0.map(\.low.raw) }.min() ?? 0
            let closes = before.compactMap { $0.last?.close.raw }
            switch measure {
            case .advanceDecline, .advanceDeclineRatio:
                above += last.close.raw > closes[0] ? 1 : 0
                below += last.close.raw < closes[0] ? 1 : 0
            case .newHighs: above += today.values.contains { $0.high.raw > high } ? 1 : 0
            case .newLows: above += today.values.contains { $0.low.raw < low } ? 1 : 0
            case .aboveAverage:
                let mean = Double(closes.reduce(0, +)) / Double(closes.count)
                above += Double(last.close.raw) > mean ? 1 : 0
            }
        }
        return result(measure, above, below, symbols)
    }

    private func result(
        _ measure: BreadthMeasure, _ above: Int, _ below: Int, _ symbols: Int
    ) -> BreadthResult {
        func share(_ count: Int, _ divisor: Int) -> Int128 {
            guard divisor > 0 else { return IndicatorValue.undefined }
            return Int128((Double(count) / Double(divisor) * 1e9).rounded())
        }
        let value: Int128 =
            switch measure {
            case .advanceDecline: Int128(above - below) * 1_000_000_000
            case .advanceDeclineRatio: share(above, below)
            case .newHighs, .newLows: Int128(above) * 1_000_000_000
            case .aboveAverage: share(above, symbols)
            }
        return BreadthResult(value: value, symbols: UInt32(symbols))
    }
}

extension BreadthMachine {
    /// Returns the machine of two partitions without a calendar that these bytes make.
    func restored(_ bytes: RawSpan) throws -> BreadthMachine {
        try BreadthMachine(
            rule: rule, series: series, calendar: nil, partitions: 2, restoring: bytes)
    }

    /// Returns the machine that its bytes make. It has the same bytes.
    func restored() throws -> BreadthMachine {
        let machine = try state.read { try restored($0) }
        #expect(machine.state == state)
        return machine
    }
}

@Suite("Breadth of a universe") struct BreadthMachineTests {
    static let seeds = Seeds(fixed: 1...10, weight: 0.1)

    @Test(
        "the last values of all windows are those of a naive calculation, also when it is restored",
        arguments: seeds.all())
    func naive(seed: UInt64) throws {
        var run = try BreadthRun(seed: seed)
        var restored = run
        try run.run(restoring: false)
        let last = run.last
        let naive = run.naive
        let different = Set(last.keys).union(naive.keys).filter { last[$0] != naive[$0] }.sorted()
        let shown = different.prefix(3).map {
            "\($0): \(String(describing: last[$0])), not \(String(describing: naive[$0]))"
        }
        #expect(shown.isEmpty, "TAPELINE_SEED=\(seed), \(different.count) of \(naive.count)")
        #expect(naive.count > 500)
        #expect(run.machine.counters.late == 0)
        try restored.run(restoring: true)
        #expect(run.values == restored.values, "TAPELINE_SEED=\(seed)")
        #expect(run.machine.state == restored.machine.state, "TAPELINE_SEED=\(seed)")
    }

    @Test("a ratio without decliners is undefined, and the share of none, too")
    func undefined() throws {
        var run = try BreadthRun(seed: 1)
        let symbol = try #require(run.machine.symbol(try ofTest("A")))
        run.machine.warm(symbol, BreadthRun.daily(0, BreadthRun.bar(0, at: 0, [1, 9, 5])))
        run.machine.bar(BreadthRun.bar(symbol, at: BreadthRun.origin, [6, 10, 7]))
        let end = Timestamp(nanoseconds: BreadthRun.origin + BreadthRun.hour)
        run.machine.advance(partition: 0, watermark: end, into: &run.values)
        #expect(run.values.isEmpty, "the other partition has not come so far")
        run.machine.advance(partition: 1, watermark: end, into: &run.values)
        let found = run.values.map { BreadthResult(value: $0.value, symbols: $0.symbols) }
        let one: Int128 = 1_000_000_000
        #expect(
            found == [
                BreadthResult(value: one, symbols: 1),
                BreadthResult(value: IndicatorValue.undefined, symbols: 1),
                BreadthResult(value: 0, symbols: 0), BreadthResult(value: 0, symbols: 0),
                BreadthResult(value: IndicatorValue.undefined, symbols: 0),
                BreadthResult(value: one, symbols: 1),
            ])
    }

    @Test("bars outside of the sessions of a calendar count for nothing")
    func sessions() throws {
        let run = try BreadthRun(seed: 1)
        let session = SessionCalendar.Session(
            open: BreadthRun.origin, close: BreadthRun.origin + 2 * BreadthRun.hour,
            day: 19_700_102)
        let calendar = try #require(SessionCalendar(name: "test", sessions: [session]))
        var machine = BreadthMachine(
            rule: run.rule, series: run.series, calendar: calendar, partitions: 1)
        let symbol = try #require(machine.symbol(try ofTest("A")))
        machine.bar(BreadthRun.bar(symbol, at: BreadthRun.origin + BreadthRun.hour, [1, 2]))
        machine.bar(BreadthRun.bar(symbol, at: BreadthRun.origin + 2 * BreadthRun.hour, [1, 2]))
        #expect(machine.counters.outsideSession == 1)
        #expect(machine.openWindows == 1)
    }

    @Test("a symbol that is not in the universe has no number")
    func universe() throws {
        var rule = try BreadthRun(seed: 1).rule
        rule.universe = [try symbolName("A")]
        var machine = BreadthMachine(
            rule: rule, series: try BreadthRun(seed: 1).series, calendar: nil, partitions: 1)
        #expect(machine.symbol(try ofTest("A")) == 0)
        #expect(machine.symbol(try ofTest("B")) == nil)
    }

    private struct Small {
        let rule: BreadthRule
        var machine: BreadthMachine
        let symbol: UInt32
        var values: [BreadthValue] = []

        init(lateness: Int64 = 0) throws {
            let name = try #require(SeriesName("1h"))
            rule = BreadthRule(series: name, universe: [], measures: [.newHighs(days: 1)])
            machine = BreadthMachine(
                rule: rule,
                series: try BarSeries(
                    name: name, window: .tumbling(width: BreadthRun.hour), lateness: lateness),
                calendar: nil, partitions: 1)
            let number = machine.symbol(try ofTest("A"))
            symbol = try #require(number)
        }

        /// Adds the bar of an hour of a day, which begins with 1970-01-02.
        mutating func bar(_ hour: Int64, _ price: Int64, isPartial: Bool = false) {
            var bar = BreadthRun.bar(
                symbol, at: BreadthRun.origin + hour * BreadthRun.hour, [price])
            if isPartial { bar.flags.insert(.partial) }
            machine.bar(bar)
        }

        mutating func tell(day: Int64, _ price: Int64) {
            let start = BreadthRun.origin + day * BreadthRun.day
            machine.warm(
                symbol, BreadthRun.daily(start, BreadthRun.bar(symbol, at: start, [price])))
        }

        mutating func advance(_ hour: Int64) -> [Int64] {
            values.removeAll()
            machine.advance(
                partition: 0,
                watermark: Timestamp(nanoseconds: BreadthRun.origin + hour * BreadthRun.hour),
                into: &values)
            return values.map { Int64($0.value / 1_000_000_000) * 10 + Int64($0.symbols) }
        }
    }

    @Test("a provider's day stands against a part of a day, and bars of all of it against that")
    func parts() throws {
        var run = try Small()
        run.tell(day: -1, 10)
        run.bar(1, 5, isPartial: true)
        run.bar(25, 8)
        run.bar(49, 7)
        #expect(run.advance(2) == [1])
        // The high of the first day was 9, before the bars began. The second day is known
        // completely from bars.
        run.tell(day: 0, 9)
        run.tell(day: 1, 100)
        #expect(run.advance(26) == [1], "8 is no high behind 9")
        #expect(run.advance(50) == [1], "7 is none behind 8")
        run.bar(73, 8)
        #expect(run.advance(74) == [11])
    }

    @Test("a provider's days of before are told of while the first day's bars wait")
    func days() throws {
        var run = try Small(lateness: 3 * BreadthRun.hour)
        run.bar(1, 5)
        #expect(run.advance(2) == [0], "nothing is known")
        run.tell(day: -1, 4)
        run.bar(2, 5)
        #expect(run.advance(3) == [11])
        // The provider reports the days between, which have no trades.
        run.tell(day: 1, 7)
        run.bar(50, 6)
        #expect(run.advance(51) == [1])
        run.tell(day: 1, 5)
        run.bar(51, 6)
        #expect(run.advance(52) == [11])
    }

    @Test("a bar that comes when its window is settled counts for the day behind it")
    func caughtUp() throws {
        var run = try Small()
        run.tell(day: -1, 10)
        run.bar(1, 5)
        #expect(run.advance(8) == [1])
        run.bar(3, 12)
        #expect(run.machine.counters.late == 1)
        #expect(run.advance(9) == [], "the settled window stands")
        run.bar(9, 6)
        #expect(run.advance(10) == [11])
        run.bar(2, 99)
        #expect(run.machine.counters.late == 2)
        run.bar(25, 13)
        #expect(run.advance(26) == [11], "what is older than the last one counts for nothing")
    }

    @Test("windows that wait for others do not settle those that may still be revised")
    func keptWindows() throws {
        var run = try Small(lateness: 10 * BreadthRun.hour)
        run.tell(day: -1, 10)
        run.bar(0, 5)
        for hour in 1...(Int64(StreamLimits.breadthWindowsMax) + 20) { run.bar(hour, 5) }
        #expect(run.advance(2) == [1, 1])
        run.bar(0, 11)
        #expect(run.machine.counters.late == 0)
        #expect(run.advance(3) == [11, 11, 11])
    }
}
