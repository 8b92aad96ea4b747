import Foundation

/// The seeds of a simulation: the same ones on every run, some that failed once, and some fresh
/// ones. `MEMBERSHIP_SEED` selects only one. Every failure reports its seed.
enum Seeds {
    private static let environment = ProcessInfo.processInfo.environment
    private static let only = environment["MEMBERSHIP_SEED"].flatMap { UInt64($0) }

    static var isShort: Bool { environment["MEMBERSHIP_SHORT"] != nil }

    /// True if only one world runs. It cannot meet all situations that many worlds together do.
    static var isOneAlone: Bool { only != nil }

    static func fixed(_ count: UInt64, kept: [UInt64], fresh: Int) -> [UInt64] {
        if let only { return [only] }
        var system = SystemRandomNumberGenerator()
        let more = environment["MEMBERSHIP_SEEDS"].flatMap { Int($0) } ?? fresh
        let news = (0..<more).map { _ in UInt64.random(in: 1_000_000...UInt64.max, using: &system) }
        return Array(1...count) + kept + news
    }
}
