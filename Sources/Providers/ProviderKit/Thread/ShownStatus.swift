package import Primitives
internal import Synchronization

/// The state of an engine as it was shown last. The provider's thread shows it; any thread may read
/// it.
package final class ShownStatus<Status: Sendable>: Sendable {
    /// How often it is shown, in nanoseconds.
    private let interval: Int64 = 500_000_000
    private let seen = Mutex<Status?>(nil)
    private let shownAt = Atomic(MonotonicTime.distantPast.nanoseconds)

    package init() {}

    /// `nil` before the thread has begun, and after it has ended.
    package var present: Status? { seen.withLock { $0 } }

    /// Returns whether it is to be shown again, once per interval.
    package func isDue(_ now: MonotonicTime) -> Bool {
        let last = MonotonicTime(nanoseconds: shownAt.load(ordering: .relaxed))
        guard now - last >= interval else { return false }
        shownAt.store(now.nanoseconds, ordering: .relaxed)
        return true
    }

    /// Makes it due, because whoever learns of a refusal asks for the reason at once.
    package func showSoon() {
        shownAt.store(MonotonicTime.distantPast.nanoseconds, ordering: .relaxed)
    }

    package func show(_ status: Status?) { seen.withLock { $0 = status } }
}
