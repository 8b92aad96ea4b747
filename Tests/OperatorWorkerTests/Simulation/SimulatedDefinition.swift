import OperatorGraph
import Primitives
import ServiceTestSupport
import SimulationKit

@testable import OperatorWorker

/// A graph from a seed, with a worker's settings for it.
struct SimulatedDefinition {
    let definition: GraphDefinition
    let settings: OperatorSettings

    /// `mayMoveBars` allows graphs whose repairs have to read back the stored bars. With rebuilds
    /// it must be false: bars that a rebuild published only in part would be read back, too, and
    /// not be withdrawn again.
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
