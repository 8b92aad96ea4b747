import Foundation
import MarketModel
import OperatorGraph
import Seeds
import StreamCore
import TestSupport
import Testing

/// Compares the pairs of a join with those of an engine that shares no code with ours.
@Suite("Pairs beside those of polars")
struct JoinPairsTests {
    private static let trades = 1_048_576
    private static let maxAge: Int64 = 100_000_000

    @Test("trades are paired as join_asof of polars pairs them, by ordinals, source and symbol")
    func pairs() throws {
        let seed = Seeds.one()
        print("TAPELINE_SEED=\(seed)")
        let tape = QuotedTape(seed: seed, trades: Self.trades)
        let folder = try TemporaryFolder("pairs")
        try tape.write(to: folder.file("ticks"))
        let told = try ForeignEngines.ask(
            "pair_ticks.py", [folder.file("ticks"), folder.file("pairs"), "\(Self.maxAge)"])
        guard let told else { return }
        print(told)
        let pairs = try QuotedTape.numbers(in: folder.file("pairs"))
        #expect(pairs.count == Self.trades)
        guard pairs.count == Self.trades else { return }
        let paired = pairs.count { $0 > 0 }
        let alone = Self.trades - paired
        // Otherwise it was not tested.
        #expect(paired > Self.trades / 4 && alone > Self.trades / 100)
        let counts = try tape.counts(of: try graph(), pairs)
        #expect(counts == ["equal": UInt64(paired), "none": UInt64(alone)])
    }

    /// Bars of the trades with the right quote, of those that rightly have none, and of all others.
    private func graph() throws -> GraphDefinition {
        let branches: [(String, [TickExpression.Instruction]?)] = [
            ("equal", [.field(.bid), .field(.size), .equal]),
            ("none", [.isPaired, .not, .field(.size), .number(0), .equal, .and]), ("wrong", nil),
        ]
        var nodes = [
            GraphNode(
                name: "quoted", input: .ticks(.trade),
                operation: .join(JoinRule(maxAge: Self.maxAge), with: .ticks(.quote))),
            GraphNode(
                name: "found", input: .node(0),
                operation: .route(
                    branches.map { name, instructions in
                        RouteBranch(
                            name: name,
                            condition: instructions.map {
                                TickExpression(text: name, instructions: $0)
                            })
                    })),
        ]
        for (place, (name, _)) in branches.enumerated() {
            let series = try BarSeries(
                name: try #require(SeriesName(name)), window: .tumbling(width: 60_000_000_000))
            nodes.append(
                GraphNode(
                    name: "\(name)s", input: .branch(node: 1, branch: place),
                    operation: .bars(
                        BarRule(series: try BarSeriesSet([series])), calendar: nil)))
        }
        return GraphDefinition(name: "pairs", nodes: nodes)
    }
}
