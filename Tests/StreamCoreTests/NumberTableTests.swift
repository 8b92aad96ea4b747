import MarketModel
import Primitives
import Testing

@testable import StreamCore

/// One machine and one symbol. Times are in milliseconds, prices and sizes in whole units.
struct MakerTable<Machine: BarMaker & LoneMachine> {
    static var millisecond: Int64 { 1_000_000 }

    var machine: Alone<Machine>
    var bars: [Bar] = []
    var late: [LateTick] = []
    private var ordinal: UInt64 = 0

    init(rule: BarRule, calendar: SessionCalendar? = nil, since: Int64? = nil) throws {
        try self.init(Alone(rule: rule, calendar: calendar), since: since)
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
        var trade = Trade.at(
            time * Self.millisecond, price * 1_000_000_000, size: size * 100_000_000, flags: flags)
        trade.conditions = try #require(ShortText(conditions))
        machine.trade(trade, source: source, ordinal: ordinal)
    }

    mutating func exclude(_ time: Int64) {
        machine.exclude(.at(time * Self.millisecond), source: 0)
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
        try MakerTable(
            rule: BarRule(series: try NumberSamples.series([window])), calendar: calendar,
            since: since)
    }

    @Test("beyond the limit of waiting ticks they are refused and listed")
    func limit() throws {
        let rule = BarRule(series: try NumberSamples.series([.ticks(1)]))
        var table = try MakerTable(
            Alone(NumberMachine(intake: TickIntake(rule: rule), calendar: nil, waitingMax: 2)))
        for time in 1...3 { try table.trade(Int64(time), 1) }
        #expect(table.advance(10).count == 2)
        #expect(table.late.map(\.reason) == [.windowLimit])
        #expect(table.machine.counters.series[0].refused == 1)
        #expect(table.machine.counters.isBalanced)
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
        let series = try series(
            "gap", .inactivity(gap: 10_000_000), lateness: lateness * 1_000_000)
        return try MakerTable(rule: BarRule(series: try BarSeriesSet([series])))
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
}
