internal import MarketModel
internal import Primitives
internal import StreamCore

/// A definition made ready to run. It is the same for all partitions.
package struct GraphProgram: Sendable {
    package let definition: GraphDefinition
    /// The names under which output is listed. Their index here is the index that output carries.
    package let series: [PublishedSeries]
    /// A hash of everything that decides the output. Other definitions have other hashes.
    package let hash: UInt64
    /// The hashes that earlier releases gave this definition, whose output was another. A partition
    /// with such output begins a new line of output by itself. There is no earlier release yet: the
    /// first one that raises `CanonicalText.semantics` sets them.
    package var earlierHashes: [UInt64] = []
    let plan: GraphPlan
    /// Raised by each release that makes other output of the same graph and tape.
    package static let semantics = CanonicalText.semantics
    /// The custom operators before the first tick.
    let operators: [any TickOperator]

    /// Makes a program. Custom operators of the graph must be in `registry`.
    package init(
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

    /// Makes a program of a graph without custom operators. Passing one with custom operators is a
    /// bug.
    package init(_ definition: GraphDefinition) {
        let compiler = GraphCompiler(definition)
        precondition(
            compiler.plan.customs.isEmpty, "a graph with custom operators needs their registry")
        self.init(definition, compiler, [])
    }

    private init(
        _ definition: GraphDefinition, _ compiler: GraphCompiler, _ operators: [any TickOperator]
    ) {
        precondition(
            !compiler.plan.leaves.isEmpty || !compiler.plan.providerBars.leaves.isEmpty,
            "the graph \(definition.name) makes no bars")
        self.definition = definition
        self.operators = operators
        series = compiler.series
        plan = compiler.plan
        hash = Checksum.of(CanonicalText(definition).text)
    }

    /// The name of the program in messages.
    package var summary: String { series.map(\.name.text).joined(separator: ",") }

    /// Whether trades go directly into the windows of one machine, and nothing else is computed.
    var isPlain: Bool {
        guard plan.leaves.count == 1, let input = plan.trades.leaves.first else { return false }
        return plan.trades.stages.isEmpty && !plan.quotes.isUsed
            && !plan.providerBars.isUsed && plan.books.isEmpty && plan.passedOn.days.isEmpty
            && plan.passedOn.indicators.isEmpty && plan.leaves[0].maker == .time
            && input.weight == .asItIs
    }
}

extension GraphDefinition {
    /// Whether the graph has a node over all partitions, and so over several sources.
    package var isOverAllPartitions: Bool {
        nodes.contains {
            switch $0.operation {
            case .breadth, .scan: true
            case .deduplicate, .throttle, .filter, .route, .custom, .join, .book, .bars,
                .aggregate, .resample:
                false
            }
        }
    }

    /// Whether the graph has a node that makes bars or aggregates of ticks, or bars of a provider's
    /// bars. A program needs one.
    package var makesBars: Bool {
        nodes.contains {
            switch $0.operation {
            case .bars, .aggregate: true
            case .resample(let rule): rule.provider != nil
            default: false
            }
        }
    }
}
