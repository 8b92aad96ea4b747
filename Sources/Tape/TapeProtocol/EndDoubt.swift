package import Primitives

/// The state of a lane that has read that its stream ends earlier than the lane knows. If that is
/// true, the tape was restored from a backup. A publisher then reports ordinals as lost and a
/// reader stops, which cannot be undone. So the lane first reads again: it believes the early end
/// when later reads confirm it.
///
/// It need not be true: a server that has just become a stream's leader may answer before it has
/// applied all of its log. Its answer is then older than what was acknowledged. It catches up
/// later. A leader that was cut off from the others goes on answering, until it notices that it is
/// alone.
///
/// Pure. Each `PublisherLane` and each `ReaderLane` has one.
package struct EndDoubt: Hashable, Sendable {
    /// How long an early end is read again in a stream with several copies, before it is believed.
    /// An election and the applying of a log take less. A leader that is cut off notices it after
    /// 20 s at the latest (measured with nats-server 2.12.8).
    package static let replicatedNanoseconds: Int64 = 30_000_000_000

    /// When the first read showed the early end; `nil` when there is no doubt.
    private var since: MonotonicTime?

    package init() {}

    /// Whether an early end was read and is not believed yet.
    package var isThere: Bool { since != nil }

    /// Call this with every read that shows the early end. Returns true when the end is to be
    /// believed; the doubt is over then. `isReplicated`: the stream has more than one copy, or
    /// their number is unknown. A single copy cannot be older than another one, so it is believed
    /// as soon as a second read shows the same.
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
