import MarketModel
import Primitives
import StreamCore
import TapeCodec
import Testing

@testable import OperatorGraph

@Suite("GraphMachine")
struct GraphMachineTests {
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
        let chatty = GraphNode(
            name: "c", input: .ticks(.trade), operation: .custom(name: "chatty", settings: []))
        var machine = try machine(
            [chatty, try Nodes.bars("bars", .node(0), ["1s"])], operators: operators)
        var tape = try GraphTape()
        try tape.trade(at: 0.1)
        try tape.trade(at: 0.2)
        tape.seal(watermark: 10)
        let values = machine.run(tape.packets).values
        #expect(values.count == 2 * (OperatorValue.perTickMax - 1))
        #expect(values.allSatisfy { $0.name.utf8.count <= 2 + OperatorValue.nameBytesMax })
        #expect(machine.valuesLeftOut == 4)
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
        var machine = try machine([
            Nodes.filter("dear", .ticks(.trade), [.field(.price), .number(0), .greater]),
            try Nodes.bars("bars", .node(0), ["1s", "5s"]),
            Nodes.numbers(
                "numbers", .ticks(.trade), BarRule(series: try BarSeriesSet(["1s"])),
                [.mean, .vwap]),
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
            try Nodes.bars(
                "n", .ticks(.trade), of: Nodes.series("t3", .ticks(3)),
                Nodes.series("calm", .inactivity(gap: 1_000_000_000))),
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
            try machine.program.machine(bytes)
        }
    }
}
