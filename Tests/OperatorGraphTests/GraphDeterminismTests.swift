import MarketModel
import Primitives
import StreamCore
import TapeCodec
import Testing

@testable import OperatorGraph

@Suite("a graph's output follows from the tape alone")
struct GraphDeterminismTests {
    /// A graph with every kind of node that a partition computes.
    static func definition() throws -> GraphDefinition {
        let branches = [
            RouteBranch(
                name: "big",
                condition: Nodes.expression(.field(.size), .number(100_000_000_000), .greater)),
            RouteBranch(name: "small", condition: nil),
        ]
        return GraphDefinition(
            name: "all",
            nodes: [
                Nodes.deduplicate("once", .ticks(.trade), timeToLive: 2_000_000_000),
                Nodes.filter(
                    "dear", .node(0), [.field(.price), .number(92_000_000_000), .greater]),
                Nodes.throttle("slow", .node(1), count: 3, per: 1_000_000_000),
                GraphNode(name: "by", input: .node(0), operation: .route(branches)),
                try Nodes.bars("plain", .ticks(.trade), ["1s", "1m"]),
                try Nodes.bars("few", .node(2), ["2s"]),
                try Nodes.bars(
                    "number", .branch(node: 3, branch: 0), of: Nodes.series("t7", .ticks(7)),
                    Nodes.series("calm", .inactivity(gap: 500_000_000)), BarSeries("15s")),
                Nodes.numbers(
                    "sums", .branch(node: 3, branch: 1), BarRule(series: try BarSeriesSet(["5s"])),
                    AggregateFunction.allCases),
                Nodes.throttle("calmed", .ticks(.quote), count: 5, per: 2_000_000_000),
                try Nodes.bars("bids", .node(8), ["30s"], field: .bid),
                Nodes.numbers(
                    "spread", .ticks(.quote),
                    BarRule(series: try BarSeriesSet(["10s"]), field: .middle), [.spread, .mean]),
                GraphNode(
                    name: "third", input: .ticks(.trade),
                    operation: .custom(
                        name: "every", settings: [GraphSetting(name: "n", value: "3")])),
                try Nodes.bars("thirds", .node(11), ["20s"]),
                try Nodes.resample("coarse", .node(4), from: "1s", ["10s"]),
                try Nodes.resample("coarser", .node(13), from: "10s", ["2m"]),
            ])
    }

    static func program() throws -> GraphProgram {
        var operators = TickOperators()
        operators.register("every", EveryNth.self)
        return try GraphProgram(try definition(), operators: operators)
    }

    @Test("wherever the machine is stored and restored", arguments: 1...12 as ClosedRange<UInt64>)
    func restorePoints(seed: UInt64) throws {
        let packets = try RandomGraphTape.make(seed: seed)
        var straight = GraphMachine(try Self.program())
        var broken = straight
        var random = SeededRandom(seed: seed)
        for (index, packet) in packets.enumerated() {
            if Int.random(in: 0..<3, using: &random) == 0 {
                broken = try broken.restored()
                #expect(broken.bytes == straight.bytes, "seed \(seed), packet \(index)")
            }
            let (one, other) = (straight.run([packet]), broken.run([packet]))
            #expect(one.bars == other.bars, "seed \(seed), packet \(index)")
            #expect(one.late == other.late, "seed \(seed), packet \(index)")
            #expect(one.values == other.values, "seed \(seed), packet \(index)")
            #expect(one.dirty == other.dirty, "seed \(seed), packet \(index)")
            #expect(one.live == other.live, "seed \(seed), packet \(index)")
        }
        #expect(straight.machineCounters.allSatisfy { $0.isBalanced }, "seed \(seed)")
        #expect(straight.received == UInt64(packets.reduce(0) { $0 + Int($1.header.tickCount) }))
    }

    @Test("every node made something")
    func everyNode() throws {
        var machine = GraphMachine(try Self.program())
        let output = machine.run(try RandomGraphTape.make(seed: 9, packets: 80))
        for (index, series) in machine.program.series.enumerated() {
            let isThere =
                series.window == nil
                ? output.late.contains { $0.series == index && $0.reason == .duplicate }
                : output.bars.contains { $0.series == index }
            #expect(isThere, "\(series.name)")
        }
        let names = Set(output.values.map(\.name))
        #expect(names.isSuperset(of: ["sums.5s.mean", "sums.5s.vwap", "spread.10s.spread"]))
        #expect(names.contains("third.seen"))
    }

    @Test("state of another graph, or damaged state, is refused")
    func foreignState() throws {
        var machine = try machine([try Nodes.bars("bars", .ticks(.trade), ["1s"])])
        _ = machine.run(try RandomGraphTape.make(seed: 1, packets: 3))
        let bytes = machine.bytes
        let other = GraphProgram(.simple(try BarSeriesSet(["2s"])))
        #expect(throws: CheckpointError.self) { try other.machine(bytes) }
        for length in stride(from: 0, to: bytes.count, by: 7) {
            #expect(throws: CheckpointError.self) {
                try machine.program.machine(Array(bytes.prefix(length)))
            }
        }
    }
}
