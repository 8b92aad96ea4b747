import Foundation
import Testing

/// How much of a storm a run has: short ones before a landing, long ones at night.
enum StormSize {
    private static let environment = ProcessInfo.processInfo.environment

    static let isLong = environment["TAPELINE_TIER"] == "night"

    /// Of a test that is too long or too rare for each landing.
    static let night = ConditionTrait.enabled(
        if: isLong, "it is a part of the night: TAPELINE_TIER=night")

    /// Returns the size for this run.
    static func size<Value>(short: Value, long: Value) -> Value { isLong ? long : short }

    /// `TAPELINE_SEED=7` runs only that seed, `TAPELINE_STORMS=20` that many fresh ones per kind.
    static let seeds: [UInt64] = {
        if let one = environment["TAPELINE_SEED"].flatMap({ UInt64($0) }) { return [one] }
        let wish = environment["TAPELINE_STORMS"].flatMap { Int($0) }
        return (0..<(wish ?? size(short: 1, long: 20))).map { _ in .random(in: 1_000...999_999) }
    }()
}
