import MarketModel
import Primitives
import StreamCore
import TapeCodec
import Testing

@testable import OperatorGraph

@Suite("dirty marks")
struct DirtyMarkTests {
    private struct Mark: Hashable {
        var symbol: String
        var from: Double
        var to: Double
        var reason: BarReason
    }

    private func marks(_ machine: GraphMachine, _ output: GraphOutput) -> [Mark] {
        let start = GraphTape.time(0).nanoseconds
        return output.dirty.map {
            Mark(
                symbol: machine.symbols.pair(at: $0.symbol).symbol.text,
                from: Double($0.from - start) / 1_000_000_000,
                to: Double($0.to - start) / 1_000_000_000,
                reason: BarReason(rawValue: $0.reason) ?? .closed)
        }
    }

    /// Plain graphs and other graphs find the marks in different loops.
    static func machines() throws -> [GraphMachine] {
        [
            try machine([try Nodes.bars("bars", .ticks(.trade))]),
            try machine([
                Nodes.deduplicate("once", .ticks(.trade)), try Nodes.bars("bars", .node(0)),
            ]),
        ]
    }

    @Test("a cancel and a correction mark the moment of their trade", arguments: 0..<2)
    func busts(which: Int) throws {
        var machine = try Self.machines()[which]
        var tape = try GraphTape()
        try tape.trade("A", at: 1.5, id: 1)
        try tape.trade("A", at: 1.5, id: 1, action: .cancel)
        try tape.trade("B", at: 2.5, id: 2, action: .correction)
        tape.seal(watermark: 2)
        let output = machine.run(tape.packets)
        #expect(
            marks(machine, output) == [
                Mark(symbol: "A", from: 1.5, to: 1.500000001, reason: .bust),
                Mark(symbol: "B", from: 2.5, to: 2.500000001, reason: .bust),
            ])
    }

    @Test(
        "a person's change marks the moment of its trade, one of a gateway none", arguments: 0..<2)
    func changes(which: Int) throws {
        var machine = try Self.machines()[which]
        var tape = try GraphTape()
        try tape.trade("A", at: 1.5)
        try tape.change("A", .cancel, "one", 1, at: 1.5)
        tape.seal(watermark: 2)
        var people = GraphTape(.manual, of: SourceName("one"))
        try people.change("A", .cancel, "one", 1, at: 1.5)
        try people.change("NONE", .cancel, "one", 1, at: 1.5)
        people.seal(watermark: 0)
        let live = machine.run(tape.packets)
        #expect(live.dirty.isEmpty)
        let output = machine.run(people.packets)
        #expect(
            marks(machine, output) == [Mark(symbol: "A", from: 1.5, to: 1.500000001, reason: .bust)]
        )
    }

    @Test("gaps of trades, by their state", arguments: 0..<2)
    func gaps(which: Int) throws {
        var machine = try Self.machines()[which]
        var tape = try GraphTape()
        try tape.trade("A", at: 0.5)
        try tape.trade("B", at: 0.5)
        try tape.gap("A", from: 1, to: 2, state: .open)
        try tape.gap("B", from: 2, to: 3, state: .filled, kind: .any)
        try tape.gap("A", from: 2, to: 3, state: .filling)
        try tape.gap("A", from: 2, to: 3, state: .filled, kind: .quote)
        try tape.gap("A", from: 3, to: 3, state: .filled)
        try tape.gap(nil, from: 4, to: 5, state: .abandoned)
        tape.seal(watermark: 2)
        let output = machine.run(tape.packets)
        #expect(
            marks(machine, output) == [
                Mark(symbol: "A", from: 1, to: 2, reason: .gap),
                Mark(symbol: "B", from: 2, to: 3, reason: .backfill),
                Mark(symbol: "A", from: 4, to: 5, reason: .gap),
                Mark(symbol: "B", from: 4, to: 5, reason: .gap),
            ])
    }

    @Test("what people ask for concerns symbols of all sources, and moves none", arguments: 0..<2)
    func manual(which: Int) throws {
        var machine = try Self.machines()[which]
        var tape = try GraphTape()
        try tape.trade("A", at: 0.5)
        tape.seal(watermark: 2)
        var people = GraphTape(.manual)
        try people.request("A", from: 0, to: 3)
        try people.request("NONE", from: 0, to: 3)
        people.seal(watermark: 0)
        var output = machine.run(tape.packets)
        #expect(output.dirty.isEmpty)
        output = machine.run(people.packets)
        #expect(marks(machine, output) == [Mark(symbol: "A", from: 0, to: 3, reason: .repair)])
        #expect(machine.sources.entries.map(\.name.text) == ["one"])
        #expect(machine.symbols.count == 1)
    }

    @Test("beyond so many ranges, near ones of one symbol, kind and reason are joined")
    func merged() throws {
        var machine = try Self.machines()[0]
        var tape = try GraphTape()
        try tape.trade("A", at: 0.5)
        try tape.trade("B", at: 0.5)
        tape.seal(watermark: 2)
        _ = machine.run(tape.packets)
        let hour: Int64 = 3_600_000_000_000
        func range(
            _ symbol: UInt32, _ from: Int64, _ to: Int64, _ reason: BarReason,
            _ kind: DataKind = .any
        ) -> DirtyRange {
            DirtyRange(symbol: symbol, from: from, to: to, reason: reason.rawValue, kind: kind)
        }
        var dirty = (0..<Int64(RepairPlan.rangesMax)).map { range(0, $0 * 10, $0 * 10 + 5, .bust) }
        #expect(machine.repairPlan(dirty)?.ranges.count == RepairPlan.rangesMax)
        dirty += [
            range(1, 7, 9, .repair), range(0, 3, 4, .backfill), range(0, hour, hour + 4, .bust),
            range(0, 8, 9, .bust, .trade),
        ]
        let plan = try #require(machine.repairPlan(dirty))
        #expect(
            plan.ranges == [
                range(0, 0, 10_235, .bust), range(0, hour, hour + 4, .bust),
                range(0, 3, 4, .backfill), range(0, 8, 9, .bust, .trade), range(1, 7, 9, .repair),
            ])
        #expect(plan.symbols == [0, 1])
        #expect(machine.repairPlan([]) == nil)
    }
}
