import MarketModel
import Primitives
import Testing

@testable import StreamCore

/// Bars of an hour, from 1970-01-02 on.
private enum BreadthHours {
    static let hour: Int64 = 3_600_000_000_000
    static let day = 24 * hour
    static let origin = day

    static func rule(_ measures: [BreadthMeasure]) throws -> BreadthRule {
        BreadthRule(
            series: try #require(SeriesName("1h")), universe: [], measures: measures)
    }

    static func machine(
        _ rule: BreadthRule, lateness: Int64 = 0, calendar: SessionCalendar? = nil,
        partitions: Int = 1
    ) throws -> BreadthMachine {
        let series = try BarSeries(
            name: rule.series, window: .tumbling(width: hour), lateness: lateness)
        return BreadthMachine(
            rule: rule, series: series, calendar: calendar, partitions: partitions)
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
}

extension BreadthMachine {
    /// Returns the machine of two partitions without a calendar that these bytes make.
    func restored(_ bytes: RawSpan) throws -> BreadthMachine {
        try BreadthMachine(
            rule: rule, series: series, calendar: nil, partitions: 2, restoring: bytes)
    }

    /// Expects that the machine that its bytes make has the same bytes. Returns that one.
    @discardableResult
    func expectRestored() throws -> BreadthMachine {
        let machine = try state.read { try restored($0) }
        #expect(machine.state == state)
        return machine
    }
}

@Suite("Breadth of a universe") struct BreadthMachineTests {
    @Test("a ratio without decliners is undefined, and the share of none, too")
    func undefined() throws {
        let rule = try BreadthHours.rule([
            .advanceDecline, .advanceDeclineRatio, .newHighs(days: 2), .newLows(days: 3),
            .aboveAverage(days: 2), .newHighs(days: 1),
        ])
        var machine = try BreadthHours.machine(rule, partitions: 2)
        var values: [BreadthValue] = []
        let symbol = try #require(machine.symbol(try ofTest("A")))
        machine.warm(symbol, BreadthHours.daily(0, BreadthHours.bar(0, at: 0, [1, 9, 5])))
        machine.bar(BreadthHours.bar(symbol, at: BreadthHours.origin, [6, 10, 7]))
        let end = Timestamp(nanoseconds: BreadthHours.origin + BreadthHours.hour)
        machine.advance(partition: 0, watermark: end, into: &values)
        #expect(values.isEmpty, "the other partition has not come so far")
        machine.advance(partition: 1, watermark: end, into: &values)
        let found = values.map { BreadthResult(value: $0.value, symbols: $0.symbols) }
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
        let (origin, hour) = (BreadthHours.origin, BreadthHours.hour)
        let session = SessionCalendar.Session(
            open: origin, close: origin + 2 * hour, day: 19_700_102)
        let calendar = try #require(SessionCalendar(name: "test", sessions: [session]))
        var machine = try BreadthHours.machine(
            BreadthHours.rule([.newHighs(days: 1)]), calendar: calendar)
        let symbol = try #require(machine.symbol(try ofTest("A")))
        machine.bar(BreadthHours.bar(symbol, at: origin + hour, [1, 2]))
        machine.bar(BreadthHours.bar(symbol, at: origin + 2 * hour, [1, 2]))
        #expect(machine.counters.outsideSession == 1)
        #expect(machine.openWindows == 1)
    }

    @Test("a symbol that is not in the universe has no number")
    func universe() throws {
        var rule = try BreadthHours.rule([.newHighs(days: 1)])
        rule.universe = [try symbolName("A")]
        var machine = try BreadthHours.machine(rule)
        #expect(machine.symbol(try ofTest("A")) == 0)
        #expect(machine.symbol(try ofTest("B")) == nil)
    }

    private struct Small {
        var machine: BreadthMachine
        let symbol: UInt32
        var values: [BreadthValue] = []

        init(lateness: Int64 = 0) throws {
            machine = try BreadthHours.machine(
                BreadthHours.rule([.newHighs(days: 1)]), lateness: lateness)
            let number = machine.symbol(try ofTest("A"))
            symbol = try #require(number)
        }

        /// Adds the bar of an hour of a day, which begins with 1970-01-02.
        mutating func bar(_ hour: Int64, _ price: Int64, isPartial: Bool = false) {
            var bar = BreadthHours.bar(
                symbol, at: BreadthHours.origin + hour * BreadthHours.hour, [price])
            if isPartial { bar.flags.insert(.partial) }
            machine.bar(bar)
        }

        mutating func tell(day: Int64, _ price: Int64) {
            let start = BreadthHours.origin + day * BreadthHours.day
            machine.warm(
                symbol, BreadthHours.daily(start, BreadthHours.bar(symbol, at: start, [price])))
        }

        mutating func advance(_ hour: Int64) -> [Int64] {
            values.removeAll()
            machine.advance(
                partition: 0,
                watermark: Timestamp(nanoseconds: BreadthHours.origin + hour * BreadthHours.hour),
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
        var run = try Small(lateness: 3 * BreadthHours.hour)
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
        var run = try Small(lateness: 10 * BreadthHours.hour)
        run.tell(day: -1, 10)
        run.bar(0, 5)
        for hour in 1...(Int64(StreamLimits.breadthWindowsMax) + 20) { run.bar(hour, 5) }
        #expect(run.advance(2) == [1, 1])
        run.bar(0, 11)
        #expect(run.machine.counters.late == 0)
        #expect(run.advance(3) == [11, 11, 11])
    }
}
