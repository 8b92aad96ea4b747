import Foundation
import Primitives

/// The seeds of a run: fixed ones, and some that are new every time.
///
/// `SIMULATION_SEED=7` runs only that one. `SIMULATION_SEEDS=10000` runs that many new ones.
struct SimulationSeeds {
    private static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    static let all: [UInt64] = {
        if let only = number("SIMULATION_SEED") { return [only] }
        var system = SystemRandomNumberGenerator()
        let fresh = number("SIMULATION_SEEDS").map { Int(clamping: $0) } ?? 100
        return Array(1...300)
            + (0..<fresh).map { _ in UInt64.random(in: 1_000_000...UInt64.max, using: &system) }
    }()

    /// Returns all seeds and those that are fixed for one test.
    static func all(and fixed: [UInt64]) -> [UInt64] {
        number("SIMULATION_SEED") != nil ? all : fixed + all
    }

    /// Returns a part of the seeds, for slower tests.
    static func some(_ count: Int) -> [UInt64] {
        if number("SIMULATION_SEED") != nil || number("SIMULATION_SEEDS") != nil { return all }
        return Array(all.prefix(count)) + all.suffix(count / 3)
    }
}
