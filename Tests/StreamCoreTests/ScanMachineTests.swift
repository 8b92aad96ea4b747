import MarketModel
import Primitives
import Testing

@testable import StreamCore

/// A scan for rising bars of a minute, with the numbers that it published last.
private struct RisingBars {
    static let minute: Int64 = 60_000_000_000
    static let condition = TickExpression(
        text: "close > open", instructions: [.field(.close), .field(.open), .greater])

    var machine: ScanMachine
    private var values: [ScanValue] = []

    init(
        lateness: Int64 = 2 * Self.minute, most: Int = 50, rank: TickField = .close,
        condition: TickExpression = Self.condition
    ) throws {
        let name = try #require(SeriesName("1m"))
        machine = ScanMachine(
            rule: ScanRule(
                series: name, condition: condition, numbers: [.close], rank: rank, most: most),
            series: try BarSeries(
                name: name, window: .tumbling(width: Self.minute), lateness: lateness))
    }

    /// Adds a version of the bar of a minute.
    mutating func bar(
        _ symbol: String, _ minute: Int64, of source: String = "test",
        _ change: (inout Bar) -> Void
    ) throws {
        let number = machine.symbol(
            SourceSymbol(try symbolName(symbol), of: try sourceName(source)))
        let open = minute * Self.minute
        var bar = Bar(
            symbol: try #require(number), series: 0, openTime: Timestamp(nanoseconds: open),
            closeTime: Timestamp(nanoseconds: open + Self.minute))
        bar.open = Price(raw: 10)
        bar.trades = 1
        change(&bar)
        machine.bar(bar)
    }

    mutating func bar(_ symbol: String, _ minute: Int64, close: Int64) throws {
        try bar(symbol, minute) { $0.close = Price(raw: close) }
    }

    /// Returns what is published, as `met 1`, `A 12` and `A none`, with the revision behind `v` if
    /// it is not 0.
    mutating func advance(_ minute: Int64) -> [String] {
        values.removeAll()
        machine.advance(to: Timestamp(nanoseconds: minute * Self.minute), into: &values)
        return values.map { value in
            let name =
                value.symbol.flatMap { machine.name($0)?.symbol.text }
                ?? machine.rule.names[value.number]
            let number =
                value.value == IndicatorValue.undefined
                ? "none" : "\(value.symbol == nil ? value.value / 1_000_000_000 : value.value)"
            return "\(name) \(number)" + (value.revision == 0 ? "" : " v\(value.revision)")
        }
    }
}

@Suite("A scan over symbols") struct ScanMachineTests {
    @Test("symbols that meet the condition are listed by name, when the window is over")
    func listed() throws {
        var run = try RisingBars()
        try run.bar("B", 1, close: 12)
        try run.bar("A", 1, close: 11)
        try run.bar("C", 1, close: 10)
        #expect(run.advance(1) == [], "the window is open")
        #expect(run.advance(2) == ["met 2", "left_out 0", "A 11", "B 12"])
        #expect(run.advance(3) == [])
    }

    @Test("a window with bars of which none meets the condition says so")
    func none() throws {
        var run = try RisingBars()
        try run.bar("A", 1, close: 10)
        #expect(run.advance(2) == ["met 0", "left_out 0"])
    }

    @Test("beyond the maximum the greatest are listed, of equal ones the first by name")
    func maximum() throws {
        var run = try RisingBars(most: 2)
        for (symbol, close) in [("D", 15), ("C", 13), ("B", 13), ("A", 12)] as [(String, Int64)] {
            try run.bar(symbol, 1, close: close)
        }
        #expect(run.advance(2) == ["met 4", "left_out 2", "B 13", "D 15"])
        // What leaves makes room for the next one.
        try run.bar("D", 1, close: 9)
        #expect(run.advance(3) == ["met 3 v1", "left_out 1 v1", "C 13 v1", "D none v1"])
    }

    @Test("a symbol without the number of the order is the last one")
    func unranked() throws {
        var run = try RisingBars(most: 1, rank: .vwap)
        try run.bar("A", 1, close: 20)
        try run.bar("B", 1) {
            $0.close = Price(raw: 11)
            $0.vwap = Price(raw: 1)
        }
        #expect(run.advance(2) == ["met 2", "left_out 1", "B 11"])
    }

    @Test("a further version has what differs, and a symbol that left is withdrawn")
    func revised() throws {
        var run = try RisingBars()
        try run.bar("A", 1, close: 11)
        try run.bar("B", 1, close: 12)
        #expect(run.advance(2) == ["met 2", "left_out 0", "A 11", "B 12"])
        try run.bar("A", 1, close: 9)
        try run.bar("B", 1, close: 12)
        #expect(run.advance(3) == ["met 1 v1", "A none v1"])
        try run.bar("A", 1, close: 14)
        #expect(run.advance(3) == [], "the time stands still")
        #expect(run.machine.counters.late == 0)
    }

    @Test("a condition may name symbols")
    func symbols() throws {
        let condition = TickExpression(
            text: "symbol in [B]", instructions: [.symbolIsIn(0)],
            symbolLists: [[try symbolName("B")]])
        var run = try RisingBars(condition: condition)
        try run.bar("A", 1, close: 11)
        try run.bar("B", 1, close: 9)
        #expect(run.advance(2) == ["met 1", "left_out 0", "B 9"])
    }

    @Test("a source that is retired counts up to its last watermark")
    func sources() throws {
        var run = try RisingBars()
        for minute in [1, 2] as [Int64] {
            try run.bar("A", minute, close: 11)
            try run.bar("B", minute, of: "other") { $0.close = Price(raw: 12) }
        }
        let retired = SourceState(
            source: try sourceName("test"), presence: .retired, kind: .real,
            since: Timestamp(nanoseconds: 2 * RisingBars.minute))
        run.machine.choice = SourceChoice(
            [[retired]], among: [try sourceName("test"), try sourceName("other")], named: [])
        let expected = ["met 2", "left_out 0", "A 11", "B 12", "met 1", "left_out 0", "B 12"]
        #expect(run.advance(3) == expected)
    }

    @Test("a bar that is withdrawn or filled is none")
    func empty() throws {
        var run = try RisingBars()
        try run.bar("A", 1, close: 11)
        try run.bar("B", 1, close: 12)
        try run.bar("C", 2) {
            $0.trades = 0
            $0.close = Price(raw: 20)
            $0.flags = .filled
        }
        #expect(run.advance(2) == ["met 2", "left_out 0", "A 11", "B 12"])
        try run.bar("A", 1) {
            $0.close = Price(raw: 11)
            $0.flags = .withdrawn
        }
        #expect(run.advance(3) == ["met 1 v1", "A none v1"])
    }

    @Test("a bar behind the lateness changes nothing that is published")
    func late() throws {
        var run = try RisingBars(lateness: RisingBars.minute)
        try run.bar("A", 1, close: 11)
        #expect(run.advance(3) == ["met 1", "left_out 0", "A 11"])
        try run.bar("A", 1, close: 12)
        try run.bar("B", 1, close: 12)
        #expect(run.advance(4) == [])
        #expect(run.machine.counters.late == 2)
        #expect(run.machine.openWindows == 0)
    }

    @Test("windows that can be revised are bounded: the oldest one is settled")
    func bounded() throws {
        let most = Int64(StreamLimits.breadthWindowsMax)
        var run = try RisingBars(lateness: 1_000 * RisingBars.minute)
        for minute in 1...most + 1 { try run.bar("A", minute, close: 11) }
        let published = run.advance(most + 2)
        #expect(published.count == 3 * (Int(most) + 1))
        #expect(run.machine.openWindows == Int(most))
        try run.bar("A", 1, close: 12)
        #expect(run.machine.counters.late == 1)
    }

    @Test("a restored machine continues the same way, and damaged bytes are refused")
    func restored() throws {
        var run = try RisingBars(most: 1)
        for (symbol, close) in [("A", 11), ("B", 12), ("C", 9)] as [(String, Int64)] {
            try run.bar(symbol, 1, close: close)
            try run.bar(symbol, 2, close: close + 1)
        }
        _ = run.advance(2)
        let (bytes, rule, series) = (run.machine.state, run.machine.rule, run.machine.series)
        var again = run
        again.machine = try bytes.read {
            try ScanMachine(rule: rule, series: series, restoring: $0)
        }
        #expect(again.machine.state == bytes)
        try run.bar("B", 1, close: 9)
        try again.bar("B", 1, close: 9)
        let (next, nextAgain) = (run.advance(3), again.advance(3))
        #expect(next == nextAgain)
        #expect(next.count == 7, "\(next)")
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
