/// The time at which one operation of a session has to be over. Each wait inside of it takes at
/// most what is left.
struct Deadline: Sendable {
    /// A longer wait is treated as this one, so that sums of durations cannot overflow.
    static let longest = Duration.seconds(365 * 86_400)

    /// The time that the operation had, for messages.
    let allowed: Duration
    private let end: ContinuousClock.Instant

    init(after duration: Duration) {
        allowed = min(max(duration, .zero), Self.longest)
        end = .now + allowed
    }

    /// Returns the deadline of the first of `count` operations that share what is left, equally.
    func share(among count: Int) -> Deadline {
        count <= 1 ? self : Deadline(after: ContinuousClock.now.duration(to: end) / count)
    }

    /// The time that is left for `poll`, rounded up so that a wait never becomes a busy loop; `nil`
    /// when the time is over.
    var millisecondsLeft: Int32? {
        let left = ContinuousClock.now.duration(to: end)
        guard left > .zero else { return nil }
        let (seconds, attoseconds) = left.components
        let milliseconds =
            seconds * 1_000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        return Int32(clamping: max(1, milliseconds))
    }
}
