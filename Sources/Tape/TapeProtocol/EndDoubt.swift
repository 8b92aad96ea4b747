package import Primitives

/// The doubt about a stream that seems to end before what is known of it. If that is true, the tape
/// was restored from a backup, and what follows cannot be undone. So it is doubted first, which
/// costs a few reads.
///
/// A server that has just become a stream's leader may answer before it has applied all of its log.
/// Its answer is then older than what was acknowledged, and it catches up later.
///
/// Pure. Times are monotonic.
package struct EndDoubt: Hashable, Sendable {
    /// The duration of the doubt for a stream with several copies. An election and the applying of
    /// a log take less.
    package static let replicatedNanoseconds: Int64 = 10_000_000_000

    /// When the first read showed the early end; `nil` when there is no doubt.
    private var since: MonotonicTime?

    package init() {}

    /// Whether the stream's end is in doubt.
    package var isThere: Bool { since != nil }

    /// Call this with every read that shows the early end. Returns true when it is believed. A
    /// single copy cannot lag behind another one, so it is believed when a second read shows the
    /// same.
    package mutating func isBelieved(isReplicated: Bool, now: MonotonicTime) -> Bool {
        guard let since else {
            self.since = now
            return false
        }
        guard !isReplicated || now - since >= Self.replicatedNanoseconds else { return false }
        self.since = nil
        return true
    }

    /// Ends the doubt: a read showed something else, or a read failed and the next one may come
    /// from another leader.
    package mutating func end() { since = nil }
}
