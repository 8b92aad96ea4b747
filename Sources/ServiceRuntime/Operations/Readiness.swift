internal import Primitives
internal import Synchronization

/// How a service is at one moment.
public struct Health: Equatable, Sendable {
    /// False when a thread gave no sign of life in time: a restart may help.
    public let live: Bool
    /// False when a part cannot work now: a restart would not help.
    public let ready: Bool
    /// "part: problem", sorted by part; those of liveness first.
    public let reasons: [String]
}

/// Collects from all threads which part of a service cannot work, and why.
///
/// A peer that is down makes a service not ready, never dead: a restart does not bring it back.
/// Only threads that stopped turning make it dead.
public final class Readiness: Sendable {
    /// More parts than this are a bug: parts are named in code.
    public static let partsMax = 1_024
    /// A longer problem is cut off.
    public static let problemBytesMax = 300

    private struct State {
        var problems: [String: String] = [:]
        var heartbeats: [String: Heartbeat] = [:]
        /// The service runs, and no part of it has said anything yet.
        var isStarting = false
    }

    private let state = ConditionLock(State())
    private let now: @Sendable () -> Timestamp

    public convenience init() { self.init(now: { SystemClock().monotonic() }) }

    init(now: @escaping @Sendable () -> Timestamp) { self.now = now }

    /// Not ready until the first `set`: between the opening of the operations port and the first
    /// word of the service nobody knows.
    func expectFirstWord() { state.withLock { $0.isStarting = true } }

    /// Says why `part` cannot work; nil when it can.
    public func set(_ part: String, _ problem: String?) {
        let text = problem.map { shortened($0, toBytes: Readiness.problemBytesMax) }
        state.withLock { state in
            precondition(
                state.problems[part] != nil || state.problems.count < Readiness.partsMax,
                "more than \(Readiness.partsMax) parts are not ready")
            state.problems[part] = text
            state.isStarting = false
        }
    }

    /// From now on `part` has to `beat` within `limit` for the service to count as alive.
    public func heartbeat(_ part: String, within limit: Duration) -> Heartbeat {
        let heartbeat = Heartbeat(limit: limit, now: now)
        state.withLock { state in
            precondition(
                state.heartbeats.count < Readiness.partsMax,
                "more than \(Readiness.partsMax) parts give signs of life")
            state.heartbeats[part] = heartbeat
        }
        return heartbeat
    }

    public var health: Health {
        let time = now()
        let (problems, heartbeats, isStarting) = state.withLock {
            ($0.problems, $0.heartbeats, $0.isStarting)
        }
        var silent: [String] = []
        for (part, heartbeat) in heartbeats.sorted(by: { $0.key < $1.key }) {
            guard let seconds = heartbeat.overdueSeconds(at: time) else { continue }
            silent.append("\(part): no sign of life for \(seconds) s")
        }
        var reasons = problems.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        if isStarting { reasons.append("service: it starts") }
        return Health(
            live: silent.isEmpty, ready: silent.isEmpty && reasons.isEmpty,
            reasons: silent + reasons)
    }
}

/// The sign of life of one thread. It costs a clock reading and an atomic store.
public final class Heartbeat: Sendable {
    private static let retired = Int64.max

    private let limit: Int64
    private let now: @Sendable () -> Timestamp
    private let last: Atomic<Int64>

    init(limit: Duration, now: @escaping @Sendable () -> Timestamp) {
        self.limit = limit.clampedNanoseconds
        self.now = now
        last = Atomic(now().nanoseconds)
    }

    public func beat() { last.store(now().nanoseconds, ordering: .relaxed) }

    /// The thread ends on purpose: nothing is expected from it any more.
    public func retire() { last.store(Heartbeat.retired, ordering: .relaxed) }

    /// Nil as long as everything is well.
    func overdueSeconds(at time: Timestamp) -> Int64? {
        let last = last.load(ordering: .relaxed)
        guard last != Heartbeat.retired else { return nil }
        let silence = time.nanoseconds(since: Timestamp(nanoseconds: last))
        return silence > limit ? silence / 1_000_000_000 : nil
    }
}

/// At most `limit` bytes of `text` on one line, cut between characters.
func shortened(_ text: String, toBytes limit: Int) -> String {
    var short = ""
    for character in text {
        let next = character.isNewline ? " " : character
        guard short.utf8.count + next.utf8.count <= limit else { break }
        short.append(next)
    }
    return short
}
