/// How a service is at one moment.
public struct Health: Equatable, Sendable {
    /// False when a thread gave no sign of life in time: a restart may help.
    public let live: Bool
    /// False when a part cannot work now: a restart would not help.
    public let ready: Bool
    /// "part: problem", sorted by part; those of liveness first. Beyond `Readiness.partsMax` the
    /// last one counts the rest.
    public let reasons: [String]
    /// The same of parts without which the service keeps its promise all the same.
    public let degraded: [String]

    init(live: Bool, ready: Bool, reasons: [String], degraded: [String] = []) {
        self.live = live
        self.ready = ready
        self.reasons = reasons
        self.degraded = degraded
    }
}

/// What is wrong with which part, up to a bound; beyond it only which parts they are.
private struct Problems {
    private var texts: [String: String] = [:]
    /// Parts whose problem found no room.
    private var others: Set<String> = []

    mutating func set(_ part: String, _ text: String?) {
        guard let text else {
            texts[part] = nil
            others.remove(part)
            return
        }
        if texts[part] != nil || texts.count < Readiness.partsMax {
            others.remove(part)
            texts[part] = text
        } else if others.count < Readiness.othersMax {
            others.insert(part)
        }
    }

    func has(_ part: String) -> Bool { texts[part] != nil || others.contains(part) }

    var lines: [String] {
        let lines = texts.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        return others.isEmpty ? lines : lines + ["and \(others.count) more"]
    }
}

/// Collects from all threads which part of a service cannot work, and why.
///
/// A peer that is down makes a service not ready, never dead: a restart does not bring it back.
/// Only threads that stopped turning make it dead. A peer that no promise rests on makes it
/// degraded: it stays ready, and says what is missing.
public final class Readiness: Sendable {
    /// The problems of so many parts are told; those of more are counted.
    public static let partsMax = 1_024
    /// The names of so many further parts are kept, to count them. Those beyond are left out: the
    /// service is not ready all the same.
    static let othersMax = 65_536
    /// A longer problem is cut off.
    public static let problemBytesMax = 300

    /// The threads on which the service's life depends.
    public let threads: ThreadWatch

    private struct State {
        var problems = Problems()
        var shortcomings = Problems()
        /// The service runs, and no part of it has said anything yet.
        var isStarting = false
    }

    private let state = ConditionLock(State())

    public init(threads: ThreadWatch = ThreadWatch()) { self.threads = threads }

    /// Not ready until the first `set`: between the opening of the operations port and the first
    /// word of the service nobody knows.
    func expectFirstWord() { state.withLock { $0.isStarting = true } }

    /// Says why `part` cannot work; nil when it can.
    public func set(_ part: String, _ problem: String?) {
        let text = problem.map { shortened($0, toBytes: Readiness.problemBytesMax) }
        state.withLock { state in
            state.problems.set(part, text)
            state.isStarting = false
        }
    }

    /// Says what is missing while `part` does not work; nil when it does. The service stays ready:
    /// what it promises does not rest on this part.
    public func degrade(_ part: String, _ problem: String?) {
        let text = problem.map { shortened($0, toBytes: Readiness.problemBytesMax) }
        state.withLock { $0.shortcomings.set(part, text) }
    }

    /// False while `part` has a problem, and before the service's first word.
    public func works(_ part: String) -> Bool {
        state.withLock { !$0.isStarting && !$0.problems.has(part) }
    }

    public var health: Health {
        let state = state.withLock { $0 }
        let hung = threads.problems
        var reasons = state.problems.lines
        if state.isStarting { reasons.append("service: it starts") }
        return Health(
            live: hung.isEmpty, ready: hung.isEmpty && reasons.isEmpty, reasons: hung + reasons,
            degraded: state.shortcomings.lines)
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
