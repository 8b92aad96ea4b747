import Foundation

/// The worlds that a run simulates: fixed seeds, and some that are new every time.
///
/// `SIMULATION_SEED=7` runs only that one; `SIMULATION_SEEDS=10000` runs so many new ones.
enum EngineSeeds {
    private static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    /// Seeds that failed once, and those of the worlds of `some`.
    private static let kept: [UInt64] = [11_479_750_924_462_383_245]
    private static let keptOfSome: [UInt64] = [14_168_490_540_340_141_770]

    private static let fixed = Array(UInt64(1)...150)

    private static let fresh: [UInt64] = {
        var system = SystemRandomNumberGenerator()
        let count = number("SIMULATION_SEEDS").map { Int(clamping: $0) } ?? 50
        return (0..<count).map { _ in UInt64.random(in: 1_000_000...UInt64.max, using: &system) }
    }()

    static let all: [UInt64] = number("SIMULATION_SEED").map { [$0] } ?? fixed + kept + fresh

    /// One of five of them, for worlds of many hours.
    static let some: [UInt64] =
        number("SIMULATION_SEED").map { [$0] }
        ?? (fixed + fresh).enumerated().filter { $0.offset % 5 == 0 }.map(\.element) + keptOfSome
}
