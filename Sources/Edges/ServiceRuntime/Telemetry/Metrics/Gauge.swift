import Synchronization

/// A number that goes up and down, or is absent. Before it is first set, and after `remove`, it is
/// not on the page, because a 0 would be a false statement.
public final class Gauge: Sendable {
    /// A NaN with a payload that no arithmetic produces means "absent".
    private static let absent: UInt64 = 0x7ff8_7461_7065_6c6e
    private let bits = Atomic<UInt64>(Gauge.absent)

    init() {}

    public func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }

    /// Adds, from 0 if the gauge is absent.
    public func add(_ amount: Double) {
        var old = bits.load(ordering: .relaxed)
        while true {
            let start = old == Self.absent ? 0 : Double(bitPattern: old)
            let result = bits.compareExchange(
                expected: old, desired: (start + amount).bitPattern, ordering: .relaxed)
            if result.exchanged { return }
            old = result.original
        }
    }

    /// Removes the value: the series is not on the page until it is set again.
    public func remove() { bits.store(Self.absent, ordering: .relaxed) }

    /// `nil` while it is absent.
    public var value: Double? {
        let loaded = bits.load(ordering: .relaxed)
        return loaded == Self.absent ? nil : Double(bitPattern: loaded)
    }
}
