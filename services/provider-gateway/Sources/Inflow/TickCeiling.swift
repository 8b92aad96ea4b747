import Primitives

/// The most ticks of a source per second. Ticks that come within a second of quiet may come at
/// once: what was not used is kept for one second. Pure.
struct TickCeiling: Sendable {
    private static let second: Int64 = 1_000_000_000
    /// The highest ceiling, so that no sum overflows.
    static let perSecondMax = 1_000_000_000

    /// 0: there is no ceiling.
    private let perSecond: Int64
    /// What may be taken now, in ticks times nanoseconds of a second.
    private var credit: Int64
    private var refilledAt: MonotonicTime?
    private var lackedAt: MonotonicTime?

    init(perSecond: Int) {
        self.perSecond = Int64(min(perSecond, Self.perSecondMax))
        credit = self.perSecond * Self.second
    }

    /// Adds what the time since the last call gives. Called once a turn, not once a tick.
    mutating func refill(_ now: MonotonicTime) {
        defer { refilledAt = now }
        guard perSecond > 0, let refilledAt else { return }
        let elapsed = max(0, min(now - refilledAt, Self.second))
        credit = min(credit + elapsed * perSecond, perSecond * Self.second)
    }

    /// Whether one more tick may be taken.
    var admits: Bool { perSecond == 0 || credit >= Self.second }

    /// Counts a tick that is taken. Those that a policy takes beyond the ceiling are owed, at most
    /// those of a second.
    mutating func count() {
        guard perSecond > 0 else { return }
        credit = max(credit - Self.second, -perSecond * Self.second)
    }

    /// Notes that a tick was one too many.
    mutating func lacked(_ now: MonotonicTime) { lackedAt = now }

    /// Whether a tick was one too many in the last second.
    func wasExceeded(_ now: MonotonicTime) -> Bool {
        lackedAt.map { now - $0 < Self.second } ?? false
    }
}
