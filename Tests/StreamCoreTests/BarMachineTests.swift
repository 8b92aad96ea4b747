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
        let now = Timestamp(nanoseconds: time &* Self.unit)
        var trade = Trade(
            header: TickHeader(symbol: symbol, providerTime: now, receiveTime: now),
            price: Price(raw: price), size: Quantity(raw: size))
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
    @Test(
        "a window is [start, end): a tick on the boundary belongs to the later one",
        arguments: [(0, 0), (9, 0), (10, 1), (19, 1), (20, 2), (-1, -1), (-10, -1), (-11, -2)])
    func boundary(time: Int64, window: Int64) throws {
        var run = try SmallRun()
        run.trade(at: time)
        run.advance(to: 100)
        #expect(run.closed.map(\.openTime.nanoseconds) == [window * 1_000_000_000])
        #expect(run.closed.map(\.closeTime.nanoseconds) == [(window + 1) * 1_000_000_000])
    }

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

    @Test("a tick at the watermark is in time, one of a closed window is late and listed")
    func late() throws {
        var run = try SmallRun(["1s", "1m"])
        run.advance(to: 20)
        run.trade(at: 20)
        run.trade(at: 19)
        run.advance(to: 700)
        #expect(run.closed.map(\.trades) == [1, 2])
        #expect(run.late.map(\.series) == [0])
        #expect(run.late.map(\.ordinal) == [2])
        #expect(run.late.map(\.reason) == [.windowClosed])
        #expect(run.late.first?.closeTime == Timestamp(nanoseconds: 2_000_000_000))
        #expect(run.machine.counters.isBalanced)
        #expect(run.machine.counters.series.map(\.late) == [1, 0])
    }

    @Test("open and close are the first and last by event time and ordinal, not by arrival")
    func openAndClose() throws {
        var run = try SmallRun()
        run.trade(at: 5, 50)
        run.trade(at: 5, 51)
        run.trade(at: 2, 20)
        run.trade(at: 2, 21)
        run.trade(at: 8, 80)
        run.trade(at: 8, 81)
        run.trade(at: 3, 99)
        run.advance(to: 10)
        let bar = try #require(run.closed.first)
        #expect([bar.open, bar.high, bar.low, bar.close].map(\.raw) == [20, 99, 20, 81])
        #expect(bar.trades == 7)
    }

    @Test("nothing traded, no bar: neither for an empty window nor for excluded ticks")
    func empty() throws {
        var run = try SmallRun()
        run.advance(to: 1_000)
        run.trade(at: 1_005) { $0.price = .undefined }
        run.advance(to: 1_020)
        run.trade(at: 1_035)
        run.advance(to: 1_100)
        #expect(run.closed.map(\.openTime.nanoseconds) == [103_000_000_000])
        #expect(run.machine.counters.series.map(\.windowsWithoutTrades) == [1])
        #expect(run.machine.openWindows == 0)
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

    @Test("without a provider time the receive time counts")
    func receiveTime() throws {
        var run = try SmallRun()
        run.trade(at: 35) { $0.header.providerTime = .undefined }
        run.advance(to: 100)
        #expect(run.closed.map(\.openTime.nanoseconds) == [3_000_000_000])
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

    @Test("zero volume is a bar without a VWAP")
    func zeroVolume() throws {
        var run = try SmallRun()
        run.trade(at: 1, 5, size: 0)
        run.advance(to: 10)
        #expect(run.closed.map(\.vwap) == [.undefined])
        #expect(run.closed.map(\.close.raw) == [5])
    }

    @Test("windows that end together come in order of series, then symbol")
    func order() throws {
        var run = try SmallRun(["1m", "1s"])
        var symbols = [run.symbol]
        for name in ["B", "C", "D"] {
            symbols.append(
                try run.machine.newSymbol(try subscription(name), source: run.source))
        }
        for symbol in symbols.reversed() {
            run.trade(at: 595) { $0.header.symbol = symbol }
            run.trade(at: 3) { $0.header.symbol = symbol }
        }
        run.advance(to: 600)
        #expect(run.closed.map(\.symbol) == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3])
        #expect(run.closed.map(\.series) == [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
    }
}
