import MarketModel
import Primitives
import Testing

@testable import StreamCore

/// One symbol of one source. Times are in units of 100 ms after 1970.
struct SmallRun {
    static let unit: Int64 = 100_000_000

    var machine: Alone<BarMachine>
    var closed: [Bar] = []
    var late: [LateTick] = []
    let source: Int
    let symbol: UInt32
    private var ordinal: UInt64 = 0

    init(
        _ texts: [String] = ["1s"], since: Timestamp = .undefined,
        limits: MachineLimits = MachineLimits(),
        lateness: Int64 = 0
    ) throws {
        try self.init(
            rule: BarRule(series: try barSeries(texts, lateness: lateness)), since: since,
            limits: limits)
    }

    init(
        rule: BarRule, calendar: SessionCalendar? = nil, since: Timestamp = .undefined,
        limits: MachineLimits = MachineLimits()
    ) throws {
        machine = Alone<BarMachine>(rule: rule, calendar: calendar, limits: limits)
        source = try machine.newSource("test")
        symbol = try machine.newSymbol(try subscription(since: since), source: source)
    }

    mutating func trade(
        at time: Int64, _ price: Int64 = 1, size: Int64 = 1,
        _ change: (inout Trade) -> Void = { _ in }
    ) {
        var trade = Trade.at(time &* Self.unit, price, size: size, symbol: symbol)
        change(&trade)
        ordinal += 1
        machine.trade(trade, source: source, ordinal: ordinal)
    }

    mutating func advance(to time: Int64) {
        machine.advance(
            source: source, watermark: Timestamp(nanoseconds: time * Self.unit), into: &closed)
        machine.takeLateTicks(into: &late)
    }
}

@Suite struct BarMachineTests {
    @Test("the last nanosecond before a boundary is in the earlier window")
    func nanosecond() throws {
        var run = try SmallRun(["1s", "1m"])
        run.trade(at: 600) { $0.header.providerTime.nanoseconds -= 1 }
        run.trade(at: 600)
        run.advance(to: 10_000)
        let starts = run.closed.map { $0.openTime.nanoseconds / 1_000_000_000 }
        #expect(starts == [59, 0, 60, 60])
        #expect(run.closed.map(\.series) == [0, 1, 0, 1])
    }

    @Test("a window closes when the watermark reaches its end, and not a nanosecond before")
    func closing() throws {
        var run = try SmallRun()
        run.trade(at: 5)
        run.machine.advance(
            source: run.source, watermark: Timestamp(nanoseconds: 999_999_999), into: &run.closed)
        #expect(run.closed.isEmpty)
        run.advance(to: 10)
        #expect(run.closed.count == 1)
        #expect(run.closed.first?.flags == .final)
    }

    @Test("what a rule excludes is counted by reason, in the bar and in the account")
    func excluded() throws {
        var run = try SmallRun(["1s", "1m"])
        run.trade(at: 1) { $0.price = .undefined }
        run.trade(at: 1) { $0.size = .undefined }
        run.trade(at: 1) { $0.size = Quantity(raw: -1) }
        run.trade(at: 1) { $0.header.action = TradeAction.correction.rawValue }
        run.trade(at: 1) { $0.header.action = TradeAction.cancel.rawValue }
        run.trade(at: 1) { $0.header.action = 200 }
        run.trade(at: 1) { $0.header.flags = .snapshot }
        run.trade(at: 1) { $0.header.flags = .backfilled }
        run.trade(at: 1, 7, size: 0)
        run.trade(at: 2) { $0.header.flags = [.delayed, .conflated, .outOfSession] }
        run.advance(to: 600)
        #expect(run.closed.map(\.trades) == [2, 2])
        #expect(run.closed.map(\.excluded.undefined) == [3, 3])
        #expect(run.closed.map(\.excluded.filter) == [4, 4])
        let counters = run.machine.counters
        #expect(counters.undefined == 3 && counters.filter == 4 && counters.backfilled == 1)
        #expect(counters.received == 10 && counters.isBalanced)
    }

    @Test("flags of the market model are those that the hot path tests by number")
    func unusualFlags() {
        let unusual: TickFlags = [.snapshot, .backfilled]
        #expect(unusual.rawValue == Trade.unusualFlags)
    }

    @Test(
        "times from outside cannot trap",
        arguments: [
            Int64.min, Int64.min + 1, Int64.max, Int64.max - 1,
            StreamLimits.eventTimeNanosecondsMax, -StreamLimits.eventTimeNanosecondsMax - 1,
        ])
    func absurdTimes(time: Int64) throws {
        var run = try SmallRun(["1s", "1d"])
        run.trade(at: 0) {
            $0.header.providerTime = Timestamp(nanoseconds: time)
            $0.header.receiveTime = Timestamp(nanoseconds: time)
        }
        run.machine.advance(
            source: run.source, watermark: Timestamp(nanoseconds: time), into: &run.closed)
        #expect(run.closed.isEmpty)
        #expect(run.machine.counters.undefined == 1)
        #expect(run.machine.counters.isBalanced)
    }

    @Test("the first and the last usable time have windows in every series")
    func edgesOfTime() throws {
        var run = try SmallRun(["1s", "1d"])
        for time in [
            -StreamLimits.eventTimeNanosecondsMax, StreamLimits.eventTimeNanosecondsMax - 1,
        ] {
            run.trade(at: 0) { $0.header.providerTime = Timestamp(nanoseconds: time) }
        }
        let end = Timestamp(nanoseconds: Int64.max - 1)
        run.machine.advance(source: run.source, watermark: end, into: &run.closed)
        #expect(run.closed.map(\.series) == [0, 1, 0, 1])
        #expect(run.machine.counters.isBalanced)
    }

    @Test("sums of the greatest prices and sizes are exact, or held at the end of their range")
    func saturation() throws {
        var run = try SmallRun()
        for sign in [1, 1, 1, -1, -1, -1, -1] as [Int64] {
            run.trade(at: 1, sign * (Int64.max - 1), size: Int64.max - 1)
        }
        run.advance(to: 10)
        let product = Int128(Int64.max - 1) * Int128(Int64.max - 1)
        #expect(run.closed.map(\.notional) == [-product])
        #expect(run.closed.map(\.volume) == [7 * Int128(Int64.max - 1)])
        #expect(run.machine.counters.series[0].notionalSaturated == 0)
        for _ in 0..<3 { run.trade(at: 11, Int64.max - 1, size: Int64.max - 1) }
        for _ in 0..<3 { run.trade(at: 21, Int64.min, size: Int64.max - 1) }
        run.advance(to: 100)
        #expect(run.closed.dropFirst().map(\.notional) == [Int128.max, Int128.min])
        #expect(run.closed.dropFirst().map(\.vwap) == [.undefined, .undefined])
        #expect(run.machine.counters.series[0].notionalSaturated == 2)
    }

    @Test(
        "a VWAP is rounded half away from zero",
        arguments: [
            (3, 2, 2), (-3, 2, -2), (1, 3, 0), (2, 3, 1), (-2, 3, -1), (5, 2, 3), (-5, 2, -3),
            (0, 5, 0), (7, 7, 1), (4, 8, 1), (3, 8, 0), (-4, 8, -1),
        ] as [(Int128, Int128, Int64)])
    func vwap(notional: Int128, volume: Int128, expected: Int64) {
        #expect(Price.vwap(notional: notional, volume: volume) == Price(raw: expected))
    }

    @Test("a VWAP that is none is undefined, and its arithmetic cannot trap")
    func vwapLimits() {
        #expect(Price.vwap(notional: 5, volume: 0) == .undefined)
        #expect(Price.vwap(notional: 5, volume: -1) == .undefined)
        #expect(Price.vwap(notional: Int128.max, volume: 1) == .undefined)
        #expect(Price.vwap(notional: Int128.min, volume: 1) == .undefined)
        #expect(Price.vwap(notional: Int128.max, volume: Int128.max) == Price(raw: 1))
        #expect(Price.vwap(notional: Int128.min, volume: Int128.max) == Price(raw: -1))
        #expect(Price.vwap(notional: Int128.max / 2, volume: Int128.max) == Price(raw: 0))
    }
}
