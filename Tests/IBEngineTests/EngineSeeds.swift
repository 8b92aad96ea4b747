import Foundation

/// The worlds that a run simulates: fixed seeds, and some that are new every time.
///
/// `SIMULATION_SEED=7` runs only that one; `SIMULATION_SEEDS=10000` runs so many new ones.
enum EngineSeeds {
    private static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    /// Seeds that failed once.
    private static let kept: [UInt64] = [11_479_750_924_462_383_245]

    static let all: [UInt64] = {
        if let only = number("SIMULATION_SEED") { return [only] }
        var system = SystemRandomNumberGenerator()
        let fresh = number("SIMULATION_SEEDS").map { Int(clamping: $0) } ?? 50
        return Array(1...150) + kept
            + (0..<fresh).map { _ in UInt64.random(in: 1_000_000...UInt64.max, using: &system) }
    }()

    /// One of five of the fixed ones, for worlds of many hours.
    static var some: [UInt64] {
        all.prefix(150).enumerated().filter { $0.offset % 5 == 0 }.map(\.element)
    }
}
