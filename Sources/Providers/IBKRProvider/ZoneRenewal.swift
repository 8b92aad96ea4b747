internal import IBEngine
internal import Primitives

/// The time zones whose rules the engine wants. Their rules cover so much of the future that
/// reading them once a day is enough.
struct ZoneRenewal {
    /// The interval at which the rules are read again, in nanoseconds.
    private static let interval: Int64 = .days(1)

    private var names: [String] = []
    /// When the rules are read again, monotonic.
    private var due = MonotonicTime.distantPast

    /// Adds a zone. Returns false when it is known, or when there are too many.
    mutating func add(_ name: String) -> Bool {
        guard !names.contains(name), names.count < EngineLimits.zonesMax else { return false }
        names.append(name)
        return true
    }

    /// Returns the zones whose rules have to be read again now.
    mutating func takeDue(_ now: MonotonicTime) -> [String] {
        guard now >= due else { return [] }
        due = now + Self.interval
        return names
    }
}
