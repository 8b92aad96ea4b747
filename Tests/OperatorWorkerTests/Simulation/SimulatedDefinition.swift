import OperatorGraph
import Primitives
import ServiceTestSupport
import SimulationKit

@testable import OperatorWorker

/// A graph from a seed, and a worker's settings with it.
struct SimulatedDefinition {
    let definition: GraphDefinition
    let settings: OperatorSettings

    /// `mayMoveBars`: also what a repair has the standing bars read back for. What a rebuild left
    /// half published would be read back, too, and be no more withdrawn than once.
    init(mayMoveBars: Bool, using random: inout SeededRandom) throws {
        definition =
            switch Int.random(in: 0..<(mayMoveBars ? 6 : 3), using: &random) {
            case 0: try SimulatedGraphs.timeBars(using: &random)
            case 1, 2: try SimulatedGraphs.any(using: &random)
            case 3: try SimulatedGraphs.numberBars(using: &random)
            case 4: try SimulatedGraphs.pauses(using: &random)
            default: try SimulatedGraphs.derived(using: &random)
            }
        var settings = try OperatorSettings(TestService.configuration(Main.description, [:]))
        settings.program = GraphProgram(definition)
        self.settings = settings
    }
}
