import MarketModel
import Primitives
import Seeds
import Testing

@testable import StreamCore

/// A derivation of the bars of A and B and a rate, with what it published.
private struct DerivedRun {
    static let minute: Int64 = 60_000_000_000
    static let unit: Int128 = 1_000_000_000

    let lateness: Int64
    let maxAge: Int64
    var machine: ScanMachine
    /// Whether the close of B is taken, and not its high.
    let isOfCloses: Bool
    /// By minute, the number that was published last.
    private(set) var published: [Int64: Int128] = [:]
    private var revisions: [Int64: UInt32] = [:]

    /// `lateness` and `maxAge` in minutes.
    init(lateness: Int64 = 2, maxAge: Int64 = 3, isOfCloses: Bool = true) throws {
        (self.lateness, self.maxAge, self.isOfCloses) = (lateness, maxAge, isOfCloses)
        let name = try #require(SeriesName("1m"))
        let rate = Derivation.Indicator(alias: "rate", symbol: try symbolName("R"), name: "value")
        let derivation = Derivation(
            inputs: [
                .bar(try symbolName("A"), .close), .indicator(rate),
                .bar(try symbolName("B"), isOfCloses ? .close : .high),
            ], maxAge: maxAge * Self.minute)
        let expression = TickExpression(
            text: "a.close + rate - b.close",
            instructions: [.input(0), .input(1), .add, .input(2), .subtract])
        machine = ScanMachine(
            rule: ScanRule(series: name, deriving: expression, derivation),
            series: try BarSeries(
                name: name, window: .tumbling(width: Self.minute),
                lateness: lateness * Self.minute))
    }

    mutating func symbol(_ symbol: String, _ source: String) throws -> UInt32 {
        try #require(
            machine.symbol(SourceSymbol(try symbolName(symbol), of: try sourceName(source))))
    }

    /// Adds a version of a bar; without a close one that is withdrawn.
    mutating func bar(
        _ symbol: String, _ minute: Int64, close: Int64?, of source: String = "one"
    ) throws {
        let open = minute * Self.minute
        var bar = Bar(
            symbol: try self.symbol(symbol, source), series: 0,
            openTime: Timestamp(nanoseconds: open),
            closeTime: Timestamp(nanoseconds: open + Self.minute))
        bar.trades = 1
        bar.close = Price(raw: close ?? 1)
        bar.high = Price(raw: (close ?? 1) + 5)
        if close == nil { bar.flags = .withdrawn }
        machine.bar(bar)
    }

    /// Adds a rate that was received at a time in nanoseconds.
    mutating func rate(_ value: Int128, at time: Int64, of source: String = "one") throws {
        machine.take(value, at: time, input: 1, symbol: try symbol("R", source))
    }

    /// Returns what is published, as `<minute> <number>`, with the revision behind `v` if it is not
    /// 0.
    mutating func advance(_ minute: Int64) -> [String] {
        var values: [ScanValue] = []
        machine.advance(to: Timestamp(nanoseconds: minute * Self.minute), into: &values)
        return values.map { value in
            let minute = value.openTime.nanoseconds / Self.minute
            #expect(value.symbol == nil && machine.rule.names[value.number] == "value")
            #expect(value.value != published[minute] ?? IndicatorValue.undefined, "no news")
            #expect(value.revision == revisions[minute, default: 0])
            revisions[minute, default: 0] += 1
            published[minute] = value.value
            let number = value.value == IndicatorValue.undefined ? "none" : "\(value.value)"
            return "\(minute) \(number)" + (value.revision == 0 ? "" : " v\(value.revision)")
        }
    }

    mutating func restore() throws {
        let (rule, series, bytes) = (machine.rule, machine.series, machine.state)
        machine = try bytes.read { try ScanMachine(rule: rule, series: series, restoring: $0) }
        #expect(machine.state == bytes)
    }
}

/// The same, computed for each window from all that came.
private struct NaiveDerived {
    private struct Place: Hashable {
        var symbol: String
        var source: String
    }

    private let run: DerivedRun
    /// By place and minute, the close of the last version of a bar. A withdrawal that is late is
    /// none.
    private var closes: [Place: [Int64: Int64]] = [:]
    /// In the order in which they came.
    private var rates: [(source: String, time: Int64, value: Int128)] = []
    /// The minutes that had a bar before they were settled.
    private var opened: Set<Int64> = []
    private var settled = Int64.min
    private var watermark = Int64.min
    private(set) var published: [Int64: Int128] = [:]

    init(_ run: DerivedRun) { self.run = run }

    mutating func bar(_ symbol: String, _ minute: Int64, close: Int64?, of source: String) {
        let isLate = minute + 1 <= settled
        guard close != nil || !isLate else { return }
        closes[Place(symbol: symbol, source: source), default: [:]][minute] = close
        if close != nil, !isLate { opened.insert(minute) }
    }

    mutating func rate(_ value: Int128, at time: Int64, of source: String) {
        rates.append((source, time, value))
    }

    /// A watermark that does not advance publishes nothing.
    mutating func advance(_ reached: Int64) {
        guard reached > watermark else { return }
        watermark = reached
        for minute in opened where minute + 1 > settled && minute + 1 <= reached {
            published[minute] = number(minute)
        }
        settled = max(settled, reached - run.lateness)
    }

    /// Returns the number of a window; `nil`: it has none.
    private func number(_ minute: Int64) -> Int128? {
        let end = (minute + 1) * DerivedRun.minute
        let known = rates.enumerated().filter { $1.time < end }
        let rate = known.max { one, other in
            let (left, right) = (one.element, other.element)
            if left.time != right.time { return left.time < right.time }
            if left.source != right.source { return left.source > right.source }
            return one.offset < other.offset
        }
        guard let a = close("A", minute, maxAge: run.maxAge), let rate,
            let b = close("B", minute, maxAge: run.isOfCloses ? run.maxAge : 0)
        else { return nil }
        return Int128(a) + rate.element.value - Int128(run.isOfCloses ? b : b + 5)
    }

    /// Returns the last close that is at most so many minutes old, of equal ones that of the first
    /// source by name.
    private func close(_ symbol: String, _ minute: Int64, maxAge: Int64) -> Int64? {
        for before in 0...maxAge {
            for source in ["one", "two"] {
                let all = closes[Place(symbol: symbol, source: source)] ?? [:]
                if let close = all[minute - before] { return close }
            }
        }
        return nil
    }
}

@Suite("A number of several symbols") struct DeriveMachineTests {
    @Test("a window takes its bars and the last rate that was received before its end")
    func taken() throws {
        var run = try DerivedRun()
        try run.rate(5, at: DerivedRun.minute)
        try run.rate(7, at: 2 * DerivedRun.minute - 1)
        try run.rate(9, at: 2 * DerivedRun.minute)
        try run.bar("A", 1, close: 100)
        try run.bar("B", 1, close: 40)
        #expect(run.advance(1) == [], "the window is open")
        #expect(run.advance(2) == ["1 67"])
        #expect(run.advance(3) == [], "there is no bar")
    }

    @Test("a close counts for its age, and no longer")
    func age() throws {
        var run = try DerivedRun(maxAge: 2)
        try run.rate(0, at: 0)
        try run.bar("B", 1, close: 40)
        for minute in 1...4 as ClosedRange<Int64> { try run.bar("A", minute, close: 100 + minute) }
        #expect(run.advance(5) == ["1 61", "2 62", "3 63"])
    }

    @Test("other numbers than the close are of bars of the window alone")
    func fields() throws {
        var run = try DerivedRun(isOfCloses: false)
        try run.rate(0, at: 0)
        try run.bar("B", 1, close: 40)
        try run.bar("A", 1, close: 100)
        try run.bar("A", 2, close: 101)
        #expect(run.advance(3) == ["1 55"])
    }

    @Test("a bar or rate within the lateness gives a further version, also of later windows")
    func revised() throws {
        var run = try DerivedRun()
        try run.rate(1, at: 0)
        for minute in [1, 2] as [Int64] { try run.bar("A", minute, close: 100) }
        try run.bar("B", 1, close: 40)
        #expect(run.advance(3) == ["1 61", "2 61"])
        try run.bar("B", 1, close: nil)
        #expect(run.advance(4) == ["1 none v1", "2 none v1"])
    }

    @Test("what is late changes no window that is settled, and counts in later ones")
    func late() throws {
        var run = try DerivedRun(lateness: 0)
        try run.rate(1, at: 0)
        try run.bar("A", 1, close: 100)
        try run.bar("B", 1, close: 40)
        #expect(run.advance(3) == ["1 61"])
        try run.bar("B", 1, close: 50)
        try run.rate(2, at: DerivedRun.minute)
        try run.bar("A", 3, close: 100)
        #expect(run.machine.counters.late == 2)
        #expect(run.advance(4) == ["3 52"])
    }

    @Test("a source that is silent counts up to its last watermark")
    func silent() throws {
        var run = try DerivedRun()
        for (minute, rate) in [(1, 1), (2, 2)] as [(Int64, Int128)] {
            try run.rate(rate, at: minute * DerivedRun.minute, of: "two")
            try run.bar("A", minute, close: 100)
            try run.bar("B", minute, close: 40)
        }
        let silent = SourceState(
            source: try sourceName("two"), presence: .silent, kind: .real,
            since: Timestamp(nanoseconds: 2 * DerivedRun.minute))
        run.machine.choice = SourceChoice(
            [[silent]], among: [try sourceName("one"), try sourceName("two")], named: [])
        #expect(run.advance(3) == ["1 61", "2 61"])
    }

    @Test("windows of rates far ahead are bounded")
    func bounded() throws {
        var run = try DerivedRun()
        let most = Int64(Derivation.windowsMax)
        for minute in 1...most + 3 { try run.rate(1, at: minute * DerivedRun.minute) }
        #expect(run.machine.openWindows == Int(most))
        #expect(run.machine.counters.unknownSymbol == 3)
    }

    @Test("a symbol of which only the rate is used opens no window")
    func noBars() throws {
        var run = try DerivedRun()
        try run.bar("R", 1, close: 3)
        #expect(run.machine.openWindows == 0)
    }

    private static let seeds = Seeds(fixed: 1...200)

    @Test(
        "it is the naive computation over random bars, restored at any moment",
        arguments: seeds.all())
    func worlds(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var run = try DerivedRun(
            lateness: Int64.random(in: 0...3, using: &random),
            maxAge: Int64.random(in: 0...4, using: &random),
            isOfCloses: Bool.random(using: &random))
        var naive = NaiveDerived(run)
        var now: Int64 = 10
        for _ in 0..<400 {
            let minute = now - Int64.random(in: -2...5, using: &random)
            let source = Int.random(in: 0..<4, using: &random) == 0 ? "two" : "one"
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<6:
                let symbol = Bool.random(using: &random) ? "A" : "B"
                let close =
                    Int.random(in: 0..<6, using: &random) == 0
                    ? nil : Int64.random(in: 10...60, using: &random)
                try run.bar(symbol, minute, close: close, of: source)
                naive.bar(symbol, minute, close: close, of: source)
            case 6, 7:
                let value = Int128(Int64.random(in: -9...9, using: &random))
                let time =
                    minute * DerivedRun.minute + Int64.random(in: 0...2, using: &random)
                    * (DerivedRun.minute / 3)
                try run.rate(value, at: time, of: source)
                naive.rate(value, at: time, of: source)
            default:
                now += Int64.random(in: 0...2, using: &random)
                _ = run.advance(now)
                naive.advance(now)
                let found = run.published.filter { $0.value != IndicatorValue.undefined }
                try #require(found == naive.published, "seed \(seed) at \(now)")
            }
            if Int.random(in: 0..<20, using: &random) == 0 { try run.restore() }
        }
        #expect(!naive.published.isEmpty)
    }

    @Test("damaged bytes are refused")
    func damaged() throws {
        var run = try DerivedRun()
        try run.rate(1, at: DerivedRun.minute)
        for minute in 1...4 as ClosedRange<Int64> { try run.bar("A", minute, close: 100) }
        _ = run.advance(4)
        try run.rate(2, at: 4 * DerivedRun.minute)
        let (bytes, rule, series) = (run.machine.state, run.machine.rule, run.machine.series)
        for index in bytes.indices {
            var other = bytes
            other[index] ^= 0x20
            let damaged = other
            #expect(throws: CheckpointError.self) {
                try damaged.read { _ = try ScanMachine(rule: rule, series: series, restoring: $0) }
            }
        }
    }
}

@Suite("Values of providers that are passed on") struct ReceivedValuesTests {
    private let wanted: [Derivation.Indicator]

    init() throws {
        let (rate, other) = (try symbolName("R"), try symbolName("S"))
        wanted = [
            Derivation.Indicator(alias: "rate", symbol: rate, name: "value"),
            Derivation.Indicator(alias: "other", symbol: other, name: "value"),
            Derivation.Indicator(alias: "again", symbol: rate, name: "value"),
        ]
    }

    private func value(
        _ number: Int128, period: Int64, at received: Int64, name: String = "value"
    ) -> IndicatorValue {
        IndicatorValue(
            header: TickHeader(
                symbol: 0, providerTime: .undefined,
                receiveTime: Timestamp(nanoseconds: received)),
            name: name, value: number, periodStart: Timestamp(nanoseconds: period),
            periodEnd: Timestamp(nanoseconds: period + 1))
    }

    /// Returns what is passed on, as `<indicator> <symbol> <value> <received>`.
    private func passedOn(_ values: inout ReceivedValues) -> [String] {
        var found: [ReceivedValues.PassedOn] = []
        values.passOn(into: &found)
        return found.map {
            "\($0.indicator) \($0.symbol) \($0.value) \($0.received.nanoseconds)"
                + ($0.isFirst ? "" : " again")
        }
    }

    @Test("the last value of a turn is passed on to each that takes it, once")
    func once() throws {
        var values = ReceivedValues(wanted)
        let name = try symbolName("R")
        values.take(value(1, period: 10, at: 100), symbol: 4, named: name)
        values.take(value(2, period: 20, at: 100), symbol: 4, named: name)
        values.take(value(9, period: 30, at: 100, name: "other"), symbol: 4, named: name)
        values.take(value(9, period: 30, at: 100), symbol: 5, named: try symbolName("T"))
        #expect(passedOn(&values) == ["0 4 2 100", "2 4 2 100"])
        #expect(passedOn(&values) == [])
    }

    @Test("an older period decides nothing, nor does what is sent again; a correction does")
    func news() throws {
        var values = ReceivedValues(wanted)
        let name = try symbolName("S")
        values.take(value(1, period: 20, at: 100), symbol: 4, named: name)
        #expect(passedOn(&values) == ["1 4 1 100"])
        values.take(value(5, period: 10, at: 110), symbol: 4, named: name)
        values.take(value(1, period: 20, at: 120), symbol: 4, named: name)
        #expect(passedOn(&values) == [])
        values.take(value(2, period: 20, at: 130), symbol: 4, named: name)
        #expect(passedOn(&values) == ["1 4 2 130"])
        values.take(value(3, period: 30, at: 90), symbol: 4, named: name)
        #expect(passedOn(&values) == ["1 4 3 130 again"], "time does not go back")
        values.passOnAgain()
        #expect(passedOn(&values) == ["1 4 3 130 again"])
    }

    @Test("a restored state continues the same way, and damaged bytes are refused")
    func restored() throws {
        var values = ReceivedValues(wanted)
        values.take(value(1, period: 20, at: 100), symbol: 4, named: try symbolName("S"))
        _ = passedOn(&values)
        values.take(value(7, period: 20, at: 100), symbol: 4, named: try symbolName("R"))
        let bytes = values.state
        let wanted = wanted
        var again = try bytes.read {
            try ReceivedValues(wanted, restoring: $0, symbols: 5)
        }
        #expect(again.state == bytes)
        #expect(passedOn(&again) == ["0 4 7 100", "2 4 7 100"])
        again.take(value(1, period: 20, at: 110), symbol: 4, named: try symbolName("S"))
        #expect(passedOn(&again) == [])
        #expect(throws: CheckpointError.self) {
            try bytes.read { _ = try ReceivedValues(wanted, restoring: $0, symbols: 4) }
        }
        for index in bytes.indices {
            var other = bytes
            other[index] ^= 0x20
            let damaged = other
            #expect(throws: CheckpointError.self) {
                try damaged.read { _ = try ReceivedValues(wanted, restoring: $0, symbols: 5) }
            }
        }
    }
}
