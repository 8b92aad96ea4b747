import MarketModel
import Primitives
import StreamCore
import TapeCodec
import Testing

@testable import OperatorGraph

@Suite("GraphMachine")
struct GraphMachineTests {
    @Test("what a filter keeps back is counted in the window behind it, and in no other")
    func filter() throws {
        var machine = try machine([
            Nodes.filter("big", .ticks(.trade), [.field(.size), .number(5_000_000_000), .greater]),
            try Nodes.bars("few", .node(0), ["1s"]),
            try Nodes.bars("all", .ticks(.trade), ["5s"]),
        ])
        var tape = try GraphTape()
        try tape.trade(at: 0.1, price: 10, size: 9)
        try tape.trade(at: 0.2, price: 20, size: 5)
        try tape.trade(at: 0.3, price: 30, size: 7)
        tape.seal(watermark: 10)
        let output = machine.run(tape.packets)
        let few = try #require(output.bars.first { $0.series == 0 })
        #expect(few.trades == 2)
        #expect(few.excluded.filter == 1)
        #expect(few.high == Price(raw: 30_000_000_000))
        let all = try #require(output.bars.first { $0.series == 1 })
        #expect(all.trades == 3)
        #expect(all.excluded.total == 0)
        #expect(machine.machineCounters.allSatisfy { $0.isBalanced })
    }

    @Test("a duplicate is listed once under its node, and is not in the bars")
    func duplicates() throws {
        var machine = try machine([
            Nodes.deduplicate("once", .ticks(.trade)),
            Nodes.filter("dear", .node(0), [.field(.price), .number(0), .greater]),
            try Nodes.bars("bars", .node(1), ["1s"]),
            try Nodes.bars("more", .node(0), ["5s"]),
        ])
        var tape = try GraphTape()
        try tape.trade(at: 0.1, id: 1)
        try tape.trade(at: 0.2, id: 2)
        try tape.trade(at: 0.1, id: 1)
        tape.seal(watermark: 10)
        let output = machine.run(tape.packets)
        #expect(output.late.map(\.reason) == [.duplicate])
        #expect(output.late.map(\.ordinal) == [3])
        #expect(machine.program.series.map(\.name.text) == ["once", "1s", "5s"])
        let widths = machine.program.series.map(\.widthNanoseconds)
        #expect(widths == [0, 1_000_000_000, 5_000_000_000])
        #expect(output.late.map(\.series) == [0])
        #expect(output.bars.map(\.trades) == [2, 2])
        #expect(output.bars.map(\.excluded.total) == [0, 0])
    }

    @Test("equal prints without ids are all in the bars, and counted", arguments: [1, 3])
    func withoutIDs(packets: Int) throws {
        var machine = try machine([
            Nodes.deduplicate("once", .ticks(.trade), key: [.id, .time, .price, .size]),
            try Nodes.bars("bars", .node(0), ["1s"]),
        ])
        var tape = try GraphTape()
        for number in 0..<3 {
            try tape.trade(at: 0.5, size: 100)
            if number < packets - 1 { tape.seal(watermark: 0) }
        }
        tape.seal(watermark: 10)
        let output = machine.run(tape.packets)
        #expect(output.late.isEmpty)
        #expect(output.bars.map(\.trades) == [3])
        #expect(output.bars.map(\.volume) == [300 * 100_000_000])
        #expect(machine.undecidable == 3)
    }

    @Test("a route sends a tick into the first branch that it meets, and the rest into the last")
    func route() throws {
        let branches = [
            RouteBranch(
                name: "low",
                condition: Nodes.expression(.field(.price), .number(50_000_000_000), .less)),
            RouteBranch(
                name: "middle",
                condition: Nodes.expression(.field(.price), .number(80_000_000_000), .less)),
            RouteBranch(name: "rest", condition: nil),
        ]
        var machine = try machine([
            GraphNode(name: "by", input: .ticks(.trade), operation: .route(branches)),
            try Nodes.bars("a", .branch(node: 0, branch: 0), ["1s"]),
            try Nodes.bars("b", .branch(node: 0, branch: 1), ["5s"]),
            try Nodes.bars("c", .branch(node: 0, branch: 2), ["15s"]),
        ])
        var tape = try GraphTape()
        for (index, price) in [10.0, 60, 90, 20, 50, 100, 40].enumerated() {
            try tape.trade(at: 0.1 * Double(index), price: price)
        }
        tape.seal(watermark: 30)
        let output = machine.run(tape.packets)
        #expect(output.bars.map(\.series) == [0, 1, 2])
        #expect(output.bars.map(\.trades) == [3, 2, 2])
        #expect(output.bars.map(\.excluded.filter) == [4, 5, 5])
    }

    @Test("a throttle runs on receive times, and each symbol has its own")
    func throttle() throws {
        var machine = try machine([
            Nodes.throttle("slow", .ticks(.trade), count: 1, per: 100_000_000),
            try Nodes.bars("bars", .node(0), ["1s"]),
        ])
        var tape = try GraphTape()
        for tenth in 0..<10 {
            try tape.trade("A", at: Double(tenth) * 0.05)
            if tenth < 2 { try tape.trade("B", at: Double(tenth) * 0.05) }
        }
        tape.seal(watermark: 10)
        let output = machine.run(tape.packets)
        #expect(output.bars.map(\.trades) == [5, 1])
        #expect(output.bars.map(\.excluded.filter) == [5, 1])
    }

    @Test("aggregates are numbers with the node's, the series' and the function's names")
    func aggregates() throws {
        let rule = AggregateRule(
            bars: BarRule(series: try BarSeriesSet(["1s"])), functions: AggregateFunction.allCases)
        var machine = try machine([
            GraphNode(
                name: "sums", input: .ticks(.trade), operation: .aggregate(rule, calendar: nil))
        ])
        var tape = try GraphTape()
        try tape.trade(at: 0.1, price: 10, size: 1)
        try tape.trade(at: 0.2, price: 40, size: 3)
        try tape.trade(at: 0.3, price: 25, size: 1)
        tape.seal(watermark: 10)
        let values = machine.run(tape.packets).values
        let found = Dictionary(uniqueKeysWithValues: values.map { ($0.name, $0.value) })
        let expected: [String: Int128] = [
            "sums.1s.first": 10, "sums.1s.last": 25, "sums.1s.min": 10, "sums.1s.max": 40,
            "sums.1s.sum": 75, "sums.1s.count": 3, "sums.1s.mean": 25, "sums.1s.vwap": 31,
        ]
        #expect(found == expected.mapValues { $0 * 1_000_000_000 })
        #expect(values.allSatisfy { $0.periodStart == GraphTape.time(0) })
        #expect(values.allSatisfy { $0.periodEnd == GraphTape.time(1) })
    }

    /// Publishes one value more than the limit for each tick, the second one with a name that is
    /// too long.
    private struct Chatty: TickOperator {
        init(settings: [GraphSetting]) throws(TickOperatorError) {}

        mutating func take(
            _ tick: GraphTick, of symbol: SourceSymbol, publishing values: inout [OperatorValue]
        ) -> Bool {
            for number in 0...OperatorValue.perTickMax {
                let letters = number == 1 ? OperatorValue.nameBytesMax + 1 : number + 1
                values.append(
                    OperatorValue(name: String(repeating: "x", count: letters), value: 1))
            }
            return true
        }

        func encode(into bytes: inout [UInt8]) {}
        mutating func restore(_ bytes: RawSpan) throws(CheckpointError) {}
    }

    @Test("values of a custom operator beyond its limits are left out and counted")
    func valuesLeftOut() throws {
        var operators = TickOperators()
        operators.register("chatty", Chatty.self)
        var machine = try machine(
            [
                GraphNode(
                    name: "c", input: .ticks(.trade),
                    operation: .custom(name: "chatty", settings: [])),
                try Nodes.bars("bars", .node(0), ["1s"]),
            ], operators: operators)
        var tape = try GraphTape()
        try tape.trade(at: 0.1)
        try tape.trade(at: 0.2)
        tape.seal(watermark: 10)
        let values = machine.run(tape.packets).values
        #expect(values.count == 2 * (OperatorValue.perTickMax - 1))
        #expect(values.allSatisfy { $0.name.utf8.count <= 2 + OperatorValue.nameBytesMax })
        #expect(machine.valuesLeftOut == 4)
    }

    @Test("aggregates of quotes: the middle, and the spread besides")
    func quoteAggregates() throws {
        let rule = AggregateRule(
            bars: BarRule(series: try BarSeriesSet(["1s"]), field: .middle),
            functions: [.last, .mean, .count, .spread])
        var machine = try machine([
            GraphNode(
                name: "q", input: .ticks(.quote), operation: .aggregate(rule, calendar: nil))
        ])
        var tape = try GraphTape()
        try tape.quote(at: 0.1, bid: 10, ask: 12)
        try tape.quote(at: 0.2, bid: 20, ask: 26)
        try tape.trade(at: 0.3, price: 1)
        tape.seal(watermark: 10)
        let values = machine.run(tape.packets).values
        #expect(values.map(\.name) == ["q.1s.last", "q.1s.mean", "q.1s.count", "q.1s.spread"])
        #expect(values.map { $0.value / 1_000_000_000 } == [23, 17, 2, 4])
    }

    @Test("odd lots that a rule leaves out are in no aggregate")
    func oddLots() throws {
        var bars = BarRule(series: try BarSeriesSet(["1s"]))
        bars.oddLots = .exclude(below: .size(Quantity(raw: 10_000_000_000)))
        let rule = AggregateRule(bars: bars, functions: [.count, .mean])
        var machine = try machine([
            GraphNode(
                name: "round", input: .ticks(.trade), operation: .aggregate(rule, calendar: nil))
        ])
        var tape = try GraphTape()
        try tape.trade(at: 0.1, price: 10, size: 100)
        try tape.trade(at: 0.2, price: 70, size: 99)
        try tape.trade(at: 0.3, price: 20, size: 200)
        tape.seal(watermark: 10)
        #expect(machine.run(tape.packets).values.map { $0.value / 1_000_000_000 } == [2, 15])
    }

    @Test("nodes with an edge tell what they let through")
    func live() throws {
        var dear = Nodes.filter(
            "dear", .ticks(.trade), [.field(.price), .number(50_000_000_000), .greater])
        dear.live = LiveEdge(capacity: 8, overflow: .dropOldest, high: 6, low: 2)
        var machine = try machine([dear, try Nodes.bars("bars", .ticks(.trade))])
        var tape = try GraphTape()
        try tape.trade(at: 0.1, price: 10)
        try tape.trade(at: 0.2, price: 60)
        tape.seal(watermark: 1)
        let live = machine.run(tape.packets).live
        #expect(live.map(\.node) == [0])
        #expect(live.map { $0.tick.header.eventTime } == [GraphTape.time(0.2)])
    }

    @Test("what is no new tick goes past the stages, and is counted")
    func unusual() throws {
        var machine = try machine([
            Nodes.deduplicate("once", .ticks(.trade)), try Nodes.bars("bars", .node(0)),
        ])
        var tape = try GraphTape()
        try tape.trade(at: 0.1, id: 5, flags: .snapshot)
        try tape.trade(at: 0.2, id: 5, flags: .backfilled)
        try tape.trade(at: 0.3, id: 5)
        try tape.trade(at: 0.3, id: 5, action: .cancel)
        tape.seal(watermark: 10)
        let output = machine.run(tape.packets)
        #expect(output.late.isEmpty)
        #expect(output.bars.map(\.trades) == [1])
        let counters = machine.counters
        #expect(counters.backfilled == 1)
        #expect(counters.filter == 2)
    }

    @Test("a source that has opened and told no time yet holds no other one up")
    func markerAlone() throws {
        var machine = try machine([try Nodes.bars("bars", .ticks(.trade))])
        func marker(_ name: String) throws -> SealedPacket {
            var builder = PacketBuilder(
                kind: .ticks, partition: Partition(0), source: try #require(SourceName(name)))
            return builder.seal(
                PacketBuilder.Seal(
                    epoch: 1, firstOrdinal: 1, watermark: .undefined,
                    sendTime: GraphTape.time(0)),
                marker: EpochMarker(startOrdinal: 1, previousEpoch: 0, previousSequence: 0))
        }
        _ = machine.run([try marker("late")])
        #expect(machine.watermark == SourceTable.noWatermark)
        var tape = try GraphTape()
        try tape.trade(at: 0.5)
        tape.seal(watermark: 10)
        #expect(machine.run(tape.packets).bars.map(\.trades) == [1])
        #expect(machine.sources.entries.map(\.name.text) == ["late", "one"])
        #expect(machine.watermark == GraphTape.time(10))
        #expect(try machine.restored().watermark == GraphTape.time(10))
        // It counts from its first time on, and the common watermark never goes back.
        var late = try GraphTape("late")
        late.seal(watermark: 4)
        _ = machine.run(late.packets)
        #expect(machine.watermark == GraphTape.time(10))
        tape.seal(watermark: 12)
        _ = machine.run(Array(tape.packets.suffix(1)))
        #expect(machine.watermark == GraphTape.time(10))
    }

    @Test("what series left out is counted by reason, once per series and once per aggregate")
    func excluded() throws {
        let numbers = AggregateRule(
            bars: BarRule(series: try BarSeriesSet(["1s"])), functions: [.mean, .vwap])
        var machine = try machine([
            Nodes.filter("dear", .ticks(.trade), [.field(.price), .number(0), .greater]),
            try Nodes.bars("bars", .node(0), ["1s", "5s"]),
            GraphNode(
                name: "numbers", input: .ticks(.trade),
                operation: .aggregate(numbers, calendar: nil)),
        ])
        var tape = try GraphTape()
        try tape.trade(at: 0.1, id: 1)
        try tape.trade(at: 0.2, price: -1, id: 2)
        try tape.trade(at: 0.3, id: 3, flags: .backfilled)
        try tape.trade(at: 0.4, id: 4, flags: .snapshot)
        tape.seal(watermark: 10)
        _ = machine.run(tape.packets)
        var expected = ExcludedTicks()
        expected.backfilled = 3
        // The tick below 0 in two series, and the snapshot in three.
        expected.filter = 5
        #expect(machine.excluded == expected)
        let before = machine.excluded
        try tape.trade(at: 11, price: -1, id: 5)
        tape.seal(watermark: 20)
        _ = machine.run([try #require(tape.packets.last)])
        #expect(machine.excluded.since(before).filter == 2)
        #expect(try machine.restored().excluded == machine.excluded)
    }

    @Test("machines of all nodes take symbols by the indexes of one table")
    func tables() throws {
        var machine = try machine([
            try Nodes.bars("a", .ticks(.trade), ["1s"]),
            try Nodes.bars("b", .ticks(.quote), ["5s"], field: .bid),
            GraphNode(
                name: "n", input: .ticks(.trade),
                operation: .bars(
                    BarRule(
                        series: try BarSeriesSet([
                            BarSeries(name: try #require(SeriesName("t3")), window: .ticks(3)),
                            BarSeries(
                                name: try #require(SeriesName("calm")),
                                window: .inactivity(gap: 1_000_000_000)),
                        ])), calendar: nil)),
        ])
        var tape = try GraphTape()
        for (index, name) in ["C", "A", "B", "C"].enumerated() {
            try tape.trade(name, at: Double(index))
            tape.seal(watermark: Double(index))
        }
        _ = machine.run(tape.packets)
        #expect(machine.leaves.plans.count == 4)
        #expect((0..<3).map { machine.symbols.pair(at: $0).symbol.text } == ["C", "A", "B"])
        #expect(machine.machineCounters.map(\.unknownSymbol) == [0, 0, 0, 0])
        #expect(machine.machineCounters.map(\.received) == [4, 0, 4, 4])
    }

    @Test("a state of a version that is not known is refused with both numbers")
    func unknownVersion() throws {
        let machine = try machine([try Nodes.bars("a", .ticks(.trade), ["1s"])])
        var bytes = machine.bytes
        bytes[4] = 2
        #expect(throws: CheckpointError.version(found: 2, known: 1)) {
            try bytes.withRawSpan { span throws(CheckpointError) in
                _ = try GraphMachine(machine.program, restoring: span)
            }
        }
    }

    @Test("a plain graph answers the same as one that goes the long way")
    func plainAndLong() throws {
        let plain = [try Nodes.bars("bars", .ticks(.trade), ["1s", "5s"])]
        var short = try machine(plain)
        var long = try machine(
            plain + [try Nodes.bars("more", .ticks(.quote), ["1h"], field: .bid)])
        #expect(short.program.isPlain)
        #expect(!long.program.isPlain)
        let tape = try RandomGraphTape.make(seed: 5)
        let (one, other) = (short.run(tape), long.run(tape))
        #expect(one.bars.count > 50)
        #expect(one.bars == other.bars.filter { $0.series < 2 })
        #expect(one.late == other.late.filter { $0.series < 2 })
        #expect(one.dirty == other.dirty)
    }
}
