internal import Primitives

/// What this process hears: its link to NATS, and its own heartbeats that come back. A lease after
/// the last one that came back was sent, it is deaf. Times are monotonic.
struct Hearing: Sendable {
    let lease: Int64
    /// The number of the present link; 0 before the first one.
    private(set) var links = 0
    /// When the present link came up.
    private(set) var linkedAt = MonotonicTime.distantPast
    /// Whether the last echo was sent less than a lease ago. Otherwise nobody can be proven silent.
    private(set) var isHearing = false
    /// A thread of this process hangs, so its heartbeats that come back prove nothing.
    var isHung = false
    /// Since when it hears without a break. The silence of others is counted from here.
    private(set) var since = MonotonicTime.distantPast
    /// When the newest own heartbeat that came back was sent.
    private(set) var echoSent = MonotonicTime.distantPast
    /// When the heartbeats that have not come back yet were sent, by their numbers.
    private var sent: [UInt64: MonotonicTime] = [:]

    /// The most heartbeats in flight. An older one that comes back is ignored.
    private static let echoesMax: UInt64 = 256

    enum Echo {
        /// It came back before, is forgotten, or was sent before another that came back.
        case old
        /// It proves that the link works.
        case heard
        /// The first one after nothing was heard.
        case heardAgain
    }

    init(lease: Int64) {
        self.lease = lease
    }

    /// When the last echo is a lease old.
    var ends: MonotonicTime { echoSent + lease }

    mutating func link(at now: MonotonicTime) {
        links += 1
        linkedAt = now
    }

    mutating func sends(_ sequence: UInt64, at now: MonotonicTime) {
        sent[sequence] = now
        if sequence > Self.echoesMax { sent[sequence - Self.echoesMax] = nil }
    }

    mutating func echo(_ sequence: UInt64, at now: MonotonicTime) -> Echo {
        guard let time = sent.removeValue(forKey: sequence), time > echoSent else { return .old }
        precondition(time <= now, "an echo was sent before it comes back")
        echoSent = time
        guard now < ends, !isHearing, !isHung else { return .heard }
        isHearing = true
        since = now
        return .heardAgain
    }

    /// Returns true when it hears no more from now on.
    mutating func lapse(at now: MonotonicTime) -> Bool {
        guard isHearing, isHung || now >= ends else { return false }
        isHearing = false
        return true
    }

    /// The silence of others counts from now.
    mutating func countFrom(_ now: MonotonicTime) { since = now }
}
