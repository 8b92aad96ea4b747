import Foundation

/// Which worlds a run looks at: `SIMULATION_SEED=7` runs that one alone.
enum EngineSeeds {
    static let all: [UInt64] = {
        if let only = ProcessInfo.processInfo.environment["SIMULATION_SEED"].flatMap({ UInt64($0) })
        {
            return [only]
        }
        var system = SystemRandomNumberGenerator()
        return Array(1...150)
            + (0..<50).map { _ in UInt64.random(in: 1_000_000...UInt64.max, using: &system) }
    }()
}
