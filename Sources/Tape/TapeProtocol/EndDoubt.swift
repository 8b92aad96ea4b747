/// A stream seems to end before what is known of it. That is a verdict on a tape that was put back,
/// and cannot be taken back; so it is a doubt first, which costs a few reads.
///
/// A server that has just become a stream's leader may answer before it has applied all of its log.
/// What it says then is older than what was acknowledged, and it catches up.
///
/// Pure. Times are monotonic nanoseconds.
public struct EndDoubt: Hashable, Sendable {
    /// Of a stream with several copies; an election and the applying of a log take less.
    public static let replicatedNanoseconds: Int64 = 10_000_000_000

    private var since: Int64?

    public init() {}

    public var isThere: Bool { since != nil }

    /// To be asked with every read that says so. True: it is believed. A single copy has no other
    /// one to lag behind: it is believed when a second read says the same.
    public mutating func isBelieved(isReplicated: Bool, now: Int64) -> Bool {
        guard let since else {
            self.since = now
            return false
        }
        guard !isReplicated || now - since >= Self.replicatedNanoseconds else { return false }
        self.since = nil
        return true
    }

    /// A read said something else, or none came through: the next one may be another leader's.
    public mutating func end() { since = nil }
}
