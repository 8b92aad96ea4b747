import MarketModel
import OperatorGraph
import Primitives
import ServiceTestSupport
import SimulationKit
import StreamCore

@testable import OperatorWorker

/// A graph from a seed, with a worker's settings for it.
struct SimulatedDefinition {
    let definition: GraphDefinition
    let settings: OperatorSettings

    /// `mayMoveBars` allows graphs whose repairs have to read back the stored bars. With rebuilds
    /// it must be false: bars that a rebuild published only in part would be read back, too, and
    /// not be withdrawn again.
    /// `hasLife`: sources come and go, so that the time of nodes over several sources matters.
    init(mayMoveBars: Bool, hasLife: Bool = false, using random: inout SeededRandom) throws {
        var definition =
            switch Int.random(in: 0..<(mayMoveBars ? 6 : 3), using: &random) {
            case 0: try SimulatedGraphs.timeBars(using: &random)
            case 1, 2: try SimulatedGraphs.any(using: &random)
            case 3: try SimulatedGraphs.numberBars(using: &random)
            case 4: try SimulatedGraphs.pauses(using: &random)
            default: try SimulatedGraphs.derived(using: &random)
            }
        if hasLife { Self.addBreadth(to: &definition, using: &random) }
        try self.init(definition)
    }

    /// Makes bars of trades that a join pairs with quotes.
    static func joined(using random: inout SeededRandom) throws -> SimulatedDefinition {
        try SimulatedDefinition(try SimulatedGraphs.joined(using: &random))
    }

    /// Makes bars and numbers of books.
    static func books(using random: inout SeededRandom) throws -> SimulatedDefinition {
        try SimulatedDefinition(try SimulatedGraphs.books(using: &random))
    }

    /// Makes bars, and passes on what providers tell of three symbols.
    static func passingOn(using random: inout SeededRandom) throws -> SimulatedDefinition {
        let graph = try SimulatedGraphs.timeBars(using: &random)
        guard let series = GraphProgram(graph).series.first?.name, let first = Symbol("S00") else {
            return try SimulatedDefinition(graph)
        }
        let told = ["S00", "S10", "SHARED"].compactMap { name in
            Symbol(name).map {
                Derivation.Input.indicator(
                    Derivation.Indicator(alias: name.lowercased(), symbol: $0, name: "value"))
            }
        }
        let sum = TickExpression(
            text: "all together",
            instructions: [.input(0)]
                + told.indices.flatMap { [TickExpression.Instruction.input($0 + 1), .add] })
        let rule = ScanRule(
            series: series, deriving: sum,
            Derivation(inputs: [.bar(first, .close)] + told, maxAge: 0))
        return try SimulatedDefinition(graph.scanning(rule, as: "sum"))
    }

    private init(_ definition: GraphDefinition) throws {
        self.definition = definition
        var settings = try OperatorSettings(TestService.configuration(Main.description, [:]))
        settings.program = GraphProgram(definition)
        self.settings = settings
    }

    /// Adds a node over all sources, over named ones, or none, and a short silence.
    private static func addBreadth(
        to definition: inout GraphDefinition, using random: inout SeededRandom
    ) {
        definition.silentAfter =
            [300_000_000, 2_000_000_000, 10_000_000_000].randomElement(using: &random)
            ?? definition.silentAfter
        let choices: [[String]?] = [nil, [], ["src0", "src1"], ["src0", "src1-delayed"]]
        guard let sources = choices.randomElement(using: &random) ?? nil,
            let series = GraphProgram(definition).series.first?.name
        else { return }
        definition.nodes.append(
            GraphNode(
                name: "market", input: .ticks(.trade),
                operation: .breadth(
                    BreadthRule(
                        series: series, universe: [], measures: [.advanceDecline],
                        sources: sources.compactMap { SourceName($0) }), calendar: nil)))
    }
}
