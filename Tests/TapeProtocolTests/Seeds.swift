import Foundation

/// The seeds of a simulation: the same ones on every run, and some fresh ones. `SIMULATION_SEED`
/// selects only one. Every failure reports its seed.
enum Seeds {
    private static let only = ProcessInfo.processInfo.environment["SIMULATION_SEED"]
        .flatMap { UInt64($0) }

    /// True if only one world runs. It cannot meet all situations that many worlds together do.
    static var isOneAlone: Bool { only != nil }

    static func fixed(_ count: UInt64, fresh: Int = 0) -> [UInt64] {
        if let only { return [only] }
        var system = SystemRandomNumberGenerator()
        let news = (0..<fresh).map { _ in UInt64.random(in: 1_000_000...UInt64.max, using: &system)
        }
        return Array(1...count) + news
    }
}
