import Foundation

/// The seeds of a simulation: the same ones on every run, and some that nobody has tried yet. With
/// `SIMULATION_SEED` set, only that one: every failure says its seed.
enum Seeds {
    private static let only = ProcessInfo.processInfo.environment["SIMULATION_SEED"]
        .flatMap { UInt64($0) }

    /// What only many worlds together have met need not be expected of one.
    static var isOneAlone: Bool { only != nil }

    static func fixed(_ count: UInt64, fresh: Int = 0) -> [UInt64] {
        if let only { return [only] }
        var system = SystemRandomNumberGenerator()
        let news = (0..<fresh).map { _ in UInt64.random(in: 1_000_000...UInt64.max, using: &system)
        }
        return Array(1...count) + news
    }
}
