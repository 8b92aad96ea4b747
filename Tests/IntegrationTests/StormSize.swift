import Seeds
import Testing

/// How much of a storm a run has: short ones before a landing, long ones at night.
enum StormSize {
    static let isLong = Seeds.tier == .night

    /// Of a test that is too long or too rare for each landing.
    static let night = ConditionTrait.enabled(
        if: isLong, "it is a part of the night: TAPELINE_TIER=night")

    /// Returns the size for this run.
    static func size<Value>(short: Value, long: Value) -> Value { isLong ? long : short }

    /// A fresh seed for each kind of storm, and twenty at night.
    static let seeds = Seeds(weight: 0.004)
}
