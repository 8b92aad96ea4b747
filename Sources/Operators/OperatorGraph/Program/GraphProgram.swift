internal import MarketModel
internal import Primitives
internal import StreamCore

/// A definition made ready to run: the same for all partitions.
public struct GraphProgram: Sendable {
    public let definition: GraphDefinition
    /// All that outputs are listed under; their place here is the index that outputs carry.
    public let series: [PublishedSeries]
    /// What the output follows from: other definitions have other hashes.
    public let hash: UInt64
    let plan: GraphPlan
    /// The custom operators as they are before the first tick.
    let operators: [any TickOperator]

    /// A graph without custom operators; with some, those that are in `registry`.
    public init(
        _ definition: GraphDefinition, operators registry: TickOperators
    ) throws(TickOperatorError) {
        let compiler = GraphCompiler(definition)
        var operators: [any TickOperator] = []
        for node in compiler.plan.customs {
            if case .custom(let name, let settings) = definition.nodes[node].operation {
                operators.append(
                    try registry.make(name, settings, node: definition.nodes[node].name))
            }
        }
        self.init(definition, compiler, operators)
    }

    /// A graph without custom operators. One that has some is a mistake of the caller.
    public init(_ definition: GraphDefinition) {
        let compiler = GraphCompiler(definition)
        precondition(
            compiler.plan.customs.isEmpty, "a graph with custom operators needs their registry")
        self.init(definition, compiler, [])
    }

    private init(
        _ definition: GraphDefinition, _ compiler: GraphCompiler, _ operators: [any TickOperator]
    ) {
        precondition(
            !compiler.plan.leaves.isEmpty, "the graph \(definition.name) makes no bars")
        self.definition = definition
        self.operators = operators
        series = compiler.series
        plan = compiler.plan
        hash = Checksum.of(CanonicalText(definition).text)
    }

    /// How people name it in a message.
    public var summary: String { series.map(\.name.text).joined(separator: ",") }

    /// All that happens is that trades come into the windows of one machine.
    var isPlain: Bool {
        guard plan.leaves.count == 1, let input = plan.trades.leaves.first else { return false }
        return plan.trades.stages.isEmpty && !plan.quotes.isUsed && plan.histories.isEmpty
            && plan.leaves[0].maker == .time && input.weight == .asItIs
    }
}

extension GraphDefinition {
    /// A program needs a node that makes bars or aggregates of ticks.
    public var makesBars: Bool {
        nodes.contains {
            switch $0.operation {
            case .bars, .aggregate: true
            default: false
            }
        }
    }
}
