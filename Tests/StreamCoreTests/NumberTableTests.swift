import MarketModel
import Primitives
import Testing

@testable import StreamCore

/// One machine and one symbol. Times are in milliseconds, prices and sizes in whole units.
struct MakerTable<Machine: BarMaker> {
    static var millisecond: Int64 { 1_000_000 }

    var machine: Alone<Machine>
    var bars: [Bar] = []
    var late: [LateTick] = []
    private var ordinal: UInt64 = 0

    init(_ machine: Machine, since: Int64? = nil) throws {
        try self.init(Alone(machine), since: since)
    }

    init(_ machine: Alone<Machine>, since: Int64? = nil) throws {
        self.machine = machine
        _ = self.machine.source(try sourceName("beta"))
        _ = self.machine.source(try sourceName("alpha"))
        try define(since: since)
    }

    mutating func define(source: Int = 0, since: Int64? = nil) throws {
        let time = since.map { Timestamp(nanoseconds: $0 * Self.millisecond) } ?? .undefined
        let index = machine.symbol(
            try subscription("A", provider: "p\(source)", since: time), source: source)
        #expect(index == 0)
    }

    mutating func trade(
        _ time: Int64, _ price: Int64, _ size: Int64 = 1, source: Int = 0,
        conditions: String = "", flags: TickFlags = []
    ) throws {
        ordinal += 1
        let at = Timestamp(nanoseconds: time * Self.millisecond)
        let header = TickHeader(symbol: 0, flags: flags, providerTime: at, receiveTime: at)
        let codes = ShortText(conditions)
        machine.trade(
            Trade(
                header: header, price: Price(raw: price * 1_000_000_000),
                size: Quantity(raw: size * 100_000_000), conditions: codes ?? .empty),
            source: source, ordinal: ordinal)
    }

    mutating func exclude(_ time: Int64) {
        let at = Timestamp(nanoseconds: time * Self.millisecond)
        machine.exclude(
            TickHeader(symbol: 0, providerTime: at, receiveTime: at), source: 0)
    }

    /// Returns the bars that it closes, in short form.
    mutating func advance(_ time: Int64, source: Int = 0) -> [String] {
        let start = bars.count
        machine.advance(
            source: source, watermark: Timestamp(nanoseconds: time * Self.millisecond),
            into: &bars)
        machine.takeLateTicks(into: &late)
        return bars[start...].map { Self.text($0) }
    }

    /// Returns `number@open-close O H L C xTrades`, and special properties.
    static func text(_ bar: Bar) -> String {
        let open = bar.openTime.nanoseconds / millisecond
        let close = (bar.closeTime.nanoseconds + millisecond - 1) / millisecond
        var text = "\(bar.number)@\(open)-\(close)"
        if bar.flags.contains(.withdrawn) { return text + " withdrawn" }
        let prices = [bar.open, bar.high, bar.low, bar.close].map { $0.raw / 1_000_000_000 }
        text += " " + prices.map { "\($0)" }.joined(separator: " ") + " x\(bar.trades)"
        if bar.flags.contains(.partial) { text += " partial" }
        if bar.flags.contains(.mixedProviders) { text += " mixed" }
        if bar.excluded.total > 0 { text += " excluded \(bar.excluded.total)" }
        if bar.reason != 0 { text += " reason \(bar.reason)" }
        return text
    }
}

@Suite("Number bars, one by one") struct NumberTableTests {
    func table(
        _ window: WindowRule, _ calendar: SessionCalendar? = nil, since: Int64? = nil
    ) throws -> MakerTable<NumberMachine> {
        let rule = BarRule(series: try NumberSamples.series([window]))
        return try MakerTable(NumberMachine(rule: rule, calendar: calendar), since: since)
    }

    @Test("a tick waits for the watermark, and the order of arrival does not matter")
    func waits() throws {
        var table = try table(.ticks(2))
        try table.trade(30, 3)
        try table.trade(10, 1)
        try table.trade(20, 2)
        #expect(table.machine.waitingTicks == 3)
        #expect(table.advance(20) == [])
        #expect(table.advance(21) == ["0@10-21 1 2 1 2 x2"])
        #expect(table.advance(31) == [])
        #expect(table.machine.openWindows == 1)
    }

    @Test("a bar ends with the tick that makes its volume full, however large that one is")
    func volume() throws {
        var table = try table(.volume(10 * 100_000_000))
        try table.trade(1, 5, 4)
        try table.trade(2, 6, 6)
        try table.trade(3, 7, 90)
        try table.trade(4, 8, 9)
        #expect(table.advance(100) == ["0@1-3 5 6 5 6 x2", "1@3-4 7 7 7 7 x1"])
    }

    @Test("dollars are price times size, and a negative price takes some back")
    func dollars() throws {
        var table = try table(.dollars(100 * 100_000_000))
        try table.trade(1, 10, 9)
        try table.trade(2, -10, 1)
        try table.trade(3, 10, 1)
        try table.trade(4, 10, 1)
        #expect(table.advance(100) == ["0@1-5 10 10 -10 10 x4"])
    }

    @Test("the session's end cuts the last bar off, and numbers begin anew")
    func sessions() throws {
        let second: Int64 = 1_000_000_000
        let calendar = try #require(
            SessionCalendar(
                name: "test",
                sessions: [
                    .init(open: 0, close: second, day: 1),
                    .init(open: 2 * second, close: 3 * second, day: 2),
                ]))
        var table = try table(.ticks(2), calendar)
        try table.trade(100, 1)
        try table.trade(200, 2)
        try table.trade(999, 3)
        try table.trade(1_000, 4)
        #expect(table.advance(999) == ["0@100-201 1 2 1 2 x2"])
        #expect(table.advance(1_000) == ["1@999-1000 3 3 3 3 x1 partial"])
        #expect(table.machine.counters.series[0].outsideSession == 1)
        try table.trade(2_000, 5)
        try table.trade(2_001, 6)
        #expect(table.advance(2_500) == ["0@2000-2002 5 6 5 6 x2"])
        #expect(table.advance(3_000) == [])
        #expect(table.machine.counters.isBalanced)
    }

    @Test("without a calendar the UTC day is the session")
    func days() throws {
        let day: Int64 = 86_400_000
        var table = try table(.ticks(10))
        try table.trade(day - 1, 1)
        try table.trade(day, 2)
        #expect(table.advance(day + 1) == ["0@\(day - 1)-\(day) 1 1 1 1 x1 partial"])
        #expect(table.advance(2 * day) == ["0@\(day)-\(day + 1) 2 2 2 2 x1 partial"])
    }

    @Test("two sources in one nanosecond stand in the order of their names")
    func tie() throws {
        var table = try table(.ticks(1))
        try table.trade(5, 1, source: 0)
        try table.define(source: 1)
        try table.trade(5, 2, source: 1)
        _ = table.advance(6, source: 0)
        #expect(table.advance(6, source: 1) == ["0@5-6 2 2 2 2 x1", "1@5-6 1 1 1 1 x1"])
    }

    @Test("a tick behind the watermark is listed, one in time with it is not")
    func late() throws {
        var table = try table(.ticks(2))
        _ = table.advance(50)
        try table.trade(49, 1)
        try table.trade(50, 2)
        try table.trade(51, 3)
        #expect(table.advance(60) == ["0@50-52 2 3 2 3 x2"])
        #expect(table.late.map(\.reason) == [.windowClosed])
        #expect(table.late.map(\.trade.price.raw) == [1_000_000_000])
        #expect(table.machine.counters.isBalanced)
    }

    @Test("beyond the limit of waiting ticks they are refused and listed")
    func limit() throws {
        let rule = BarRule(series: try NumberSamples.series([.ticks(1)]))
        var table = try MakerTable(
            NumberMachine(intake: TickIntake(rule: rule), calendar: nil, waitingMax: 2))
        for time in 1...3 { try table.trade(Int64(time), 1) }
        #expect(table.advance(10).count == 2)
        #expect(table.late.map(\.reason) == [.windowLimit])
        #expect(table.machine.counters.series[0].refused == 1)
        #expect(table.machine.counters.isBalanced)
    }

    @Test("what a rule excludes is counted in the bar at hand, and is no tick of it")
    func exclusions() throws {
        var rule = BarRule(series: try NumberSamples.series([.ticks(2)]))
        rule.conditions = ConditionRules(name: "test", [("A", .volume), ("B", [])])
        var table = try MakerTable(NumberMachine(rule: rule, calendar: nil))
        table.exclude(1)
        try table.trade(2, 1, 5)
        try table.trade(3, 9, 3, conditions: "A")
        try table.trade(4, 9, 3, conditions: "B")
        try table.trade(5, 2, 1)
        #expect(table.advance(10) == ["0@2-6 1 2 1 2 x2 excluded 3"])
        #expect(table.bars[0].volume == 9 * 100_000_000)
        #expect(table.machine.counters.series[0].leftOut == 2)
        #expect(table.machine.counters.isBalanced)
    }

    @Test("the bar in progress when a subscription begins anew is partial, and the first of all")
    func partial() throws {
        var table = try table(.ticks(2), since: 0)
        for time in [10, 11, 12, 13, 14, 15] { try table.trade(Int64(time), 1) }
        try table.define(since: 13)
        let found = table.advance(20)
        #expect(found.map { $0.contains("partial") } == [false, true, false])
        var later = try self.table(.ticks(1), since: 5)
        try later.trade(10, 1)
        try later.trade(11, 1)
        #expect(later.advance(20).map { $0.contains("partial") } == [true, false])
    }

    @Test("bars in progress are told once for each change, and are not final")
    func open() throws {
        var table = try table(.ticks(3))
        try table.trade(1, 5)
        _ = table.advance(2)
        var open: [Bar] = []
        table.machine.takeOpenBars(into: &open)
        #expect(open.map { MakerTable<NumberMachine>.text($0) } == ["0@1-2 5 5 5 5 x1"])
        #expect(open.allSatisfy { !$0.flags.contains(.final) })
        table.machine.takeOpenBars(into: &open)
        #expect(open.count == 1)
    }

    @Test("a tick that is taken back moves all bars behind it, and the last key is withdrawn")
    func bust() throws {
        var table = try table(.ticks(2))
        let all: [(Int64, Int64)] = [(1, 1), (2, 2), (3, 3), (4, 4)]
        for (time, price) in all { try table.trade(time, price) }
        #expect(table.advance(10).count == 2)
        let range = DirtyRange(
            symbol: 0, from: 2_000_000, to: 2_000_001, reason: BarReason.bust.rawValue)
        var repair = try MakerTable(table.machine.repairMachine(for: [range]))
        try repair.trade(1, 1)
        repair.exclude(2)
        for (time, price) in all[2...] { try repair.trade(time, price) }
        var bars: [Bar] = []
        table.machine.absorb(repair.machine, [range], into: &bars)
        #expect(
            bars.map { MakerTable<NumberMachine>.text($0) } == [
                "0@1-4 1 3 1 3 x2 excluded 1 reason 2", "1@3-5 withdrawn",
            ])
        // The bar in progress continues from its repaired state.
        try table.trade(11, 9)
        #expect(table.advance(20) == ["1@4-12 4 9 4 9 x2"])
    }
}

@Suite("Inactivity bars, one by one") struct InactivityTableTests {
    func table(lateness: Int64) throws -> MakerTable<InactivityMachine> {
        let series = try BarSeries(
            name: try #require(SeriesName("gap")), window: .inactivity(gap: 10_000_000),
            lateness: lateness * 1_000_000)
        let rule = BarRule(series: try BarSeriesSet([series]))
        return try MakerTable(InactivityMachine(rule: rule, calendar: nil))
    }

    @Test("a pause as long as the gap ends a window, a shorter one does not")
    func gap() throws {
        var table = try table(lateness: 0)
        for time in [1, 10, 20] { try table.trade(Int64(time), Int64(time)) }
        #expect(table.advance(19) == [])
        #expect(table.advance(20) == ["0@1-20 1 10 1 10 x2"])
        #expect(table.advance(30) == ["0@20-30 20 20 20 20 x1"])
        #expect(table.machine.openWindows == 0)
    }

    @Test("a late tick makes two windows one, and the second key is withdrawn")
    func merge() throws {
        var table = try table(lateness: 100)
        try table.trade(0, 1)
        try table.trade(15, 2)
        #expect(table.advance(40).count == 2)
        try table.trade(8, 5)
        #expect(table.advance(41) == ["0@0-25 1 5 1 2 x3 reason 1", "0@15-25 withdrawn"])
        try table.trade(-3, 7)
        #expect(table.advance(42) == ["0@-3-25 7 7 1 2 x4 reason 1", "0@0-25 withdrawn"])
        #expect(table.machine.counters.isBalanced)
    }

    @Test("a tick of a window that is gone is listed")
    func late() throws {
        var table = try table(lateness: 5)
        try table.trade(0, 1)
        #expect(table.advance(15).count == 1)
        try table.trade(9, 2)
        try table.trade(10, 3)
        #expect(table.advance(25) == ["0@10-20 3 3 3 3 x1"])
        #expect(table.late.map(\.trade.price.raw) == [2_000_000_000])
        #expect(table.machine.counters.isBalanced)
    }

    @Test("what is excluded makes no window longer, and is counted in the one around it")
    func exclusions() throws {
        var table = try table(lateness: 0)
        table.exclude(5)
        try table.trade(0, 1)
        try table.trade(9, 2)
        table.exclude(18)
        table.exclude(19)
        #expect(table.advance(19) == ["0@0-19 1 2 1 2 x2 excluded 2"])
        #expect(table.advance(60) == [])
        #expect(table.machine.openWindows == 0)
    }
}
