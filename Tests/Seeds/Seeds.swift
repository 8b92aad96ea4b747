import Foundation

/// The seeds that a simulation runs: kept ones, which are the same on every run, and fresh ones.
///
/// A kept seed is there for a situation that its world meets, or because it failed once. A fixed
/// seed that is not kept runs at night. The environment says how many seeds there are:
/// - `TAPELINE_TIER`: `check`, `test` (if it is not set) or `night`; see `Tier`.
/// - `TAPELINE_SEEDS=1000`: so many fresh ones, in any tier and with any weight but zero.
/// - `TAPELINE_SEED=7`: this one alone. Every failure names its seed so.
/// - `TAPELINE_WORLDS`: a file that gets a line for each simulation that runs: its place in the
///   sources, its seeds, how many of them are fresh, and the first fresh one. The others follow it
///   one by one, so that a seed can be found whose world ends the process.
package struct Seeds: Sendable {
    /// How much time a run has.
    package enum Tier: String, Sendable {
        /// Kept seeds and 10 fresh ones.
        case check
        /// Kept seeds and 20 fresh ones.
        case test
        /// Kept seeds, fixed ones, and 5,000 fresh ones.
        case night

        fileprivate var fresh: Double {
            switch self {
            case .check: 10
            case .test: 20
            case .night: 5_000
            }
        }
    }

    package static let tier: Tier = {
        guard let name = value("TAPELINE_TIER") else { return .test }
        guard let tier = Tier(rawValue: name) else {
            fatalError("TAPELINE_TIER is '\(name)', and not check, test or night")
        }
        return tier
    }()

    /// True if so many worlds run that statistics over them can be expected.
    package static var isNight: Bool { tier == .night && !isOneAlone }

    /// True if only one world runs. It cannot meet all situations that many worlds together do.
    package static var isOneAlone: Bool { only != nil }

    /// Returns how often the worlds of a run have to meet a situation: at night as often as given,
    /// in other runs once, and one world alone not at all.
    package static func least(_ atNight: Int = 1) -> Int {
        isOneAlone ? 0 : isNight ? atNight : 1
    }

    private static let only = number("TAPELINE_SEED")
    private static let wish = number("TAPELINE_SEEDS").map { Int(clamping: $0) }

    private let kept: [UInt64]
    private let further: [UInt64]
    private let weight: Double

    /// Creates the seeds of one simulation.
    ///
    /// - Parameters:
    ///   - fixed: The same at every night.
    ///   - kept: Those that together meet every situation; without them, the first 24 fixed ones.
    ///   - failed: Those that failed once. They are kept for ever.
    ///   - weight: The share of a tier's fresh seeds that runs, at least one. Worlds that take more
    ///     than some milliseconds have less than one. With zero there are no fresh ones.
    package init(
        fixed: ClosedRange<UInt64>? = nil, kept: [UInt64]? = nil, failed: [UInt64] = [],
        weight: Double = 1
    ) {
        let all = fixed.map(Array.init) ?? []
        let chosen = (kept ?? Array(all.prefix(24))) + failed
        self.kept = chosen
        further = all.filter { !chosen.contains($0) }
        self.weight = weight
    }

    /// Returns the seeds of a run. The fresh ones differ from call to call.
    package func all(_ file: StaticString = #fileID, _ line: UInt = #line) -> [UInt64] {
        if let only = Self.only {
            Self.note("\(file):\(line) 1 0")
            return [only]
        }
        let known = Self.tier == .night ? kept + further : kept
        let count = weight > 0 ? Self.wish ?? Int((weight * Self.tier.fresh).rounded(.up)) : 0
        // Some worlds count with their seed as a whole number with a sign.
        let first = UInt64.random(in: 1_000_000...UInt64(Int64.max) - UInt64(count))
        Self.note("\(file):\(line) \(known.count + count) \(count) \(first)")
        return known + (0..<UInt64(count)).map { first + $0 }
    }

    /// Returns the seed of a test that runs one world: a fresh one.
    package static func one(_ file: StaticString = #fileID, _ line: UInt = #line) -> UInt64 {
        if let only { return only }
        let seed = UInt64.random(in: 1_000_000...UInt64(Int64.max))
        note("\(file):\(line) 1 1 \(seed)")
        return seed
    }

    private static func value(_ name: String) -> String? {
        ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    private static func number(_ name: String) -> UInt64? {
        guard let text = value(name) else { return nil }
        guard let number = UInt64(text) else { fatalError("\(name) is '\(text)', and no number") }
        return number
    }

    /// Adds a line to the file of worlds. Several processes write to it.
    private static func note(_ line: String) {
        guard let path = value("TAPELINE_WORLDS") else { return }
        guard let file = unsafe fopen(path, "a") else { fatalError("\(path) cannot be written") }
        unsafe fputs(line + "\n", file)
        unsafe fclose(file)
    }
}
