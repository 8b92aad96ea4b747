import Primitives
import ServiceRuntime
import Synchronization

/// Whether somebody looks. Hardly anything is asked while nobody does.
final class Audience: Sendable {
    /// A browser that lost its stream comes back within this time.
    static let graceNanoseconds: Int64 = 5_000_000_000

    private let feed: EventFeed
    private let lastSeen = Atomic<Int64>(Int64.min)

    init(_ feed: EventFeed) { self.feed = feed }

    /// Notes a request of a page.
    func note(at now: MonotonicTime) { lastSeen.store(now.nanoseconds, ordering: .relaxed) }

    func isThere(at now: MonotonicTime) -> Bool {
        if feed.watchers > 0 {
            note(at: now)
            return true
        }
        let seen = MonotonicTime(nanoseconds: lastSeen.load(ordering: .relaxed))
        return now - seen < Self.graceNanoseconds
    }
}
