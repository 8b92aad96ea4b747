/// The state of a service at one moment.
package struct Health: Equatable, Sendable {
    /// False when a thread did not beat in time: a restart may help.
    package let live: Bool
    /// False when a part cannot work now: a restart would not help.
    package let ready: Bool
    /// "part: problem", sorted by part; those of liveness first. Beyond `Readiness.partsMax` the
    /// last one is the number of the rest.
    package let reasons: [String]
    /// The same for parts without which the service still keeps its guarantees.
    package let degraded: [String]

    init(live: Bool, ready: Bool, reasons: [String], degraded: [String] = []) {
        self.live = live
        self.ready = ready
        self.reasons = reasons
        self.degraded = degraded
    }
}

/// The problem of each part, up to a bound; beyond it only the names of the parts.
private struct Problems {
    private var texts: [String: String] = [:]
    /// The parts with a problem beyond the bound.
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

/// Collects from all threads which parts of a service cannot work, and why.
///
/// A peer that is down makes a service not ready, never dead, because a restart does not bring the
/// peer back. Only hanging threads make it dead. A peer on which no guarantee depends makes it
/// degraded: it stays ready, and reports what is missing.
package final class Readiness: Sendable {
    /// The most parts whose problems are listed. Further ones are counted.
    package static let partsMax = 1_024
    /// The most further parts whose names are kept, to count them. Parts beyond it are not counted,
    /// but the service is still not ready.
    static let othersMax = 65_536
    /// The longest problem; a longer one is cut.
    package static let problemBytesMax = 300

    /// The threads on which liveness depends.
    package let threads: ThreadWatch

    private struct State {
        var problems = Problems()
        var shortcomings = Problems()
        /// The service runs, but no part has reported yet.
        var isStarting = false
    }

    private let state = ConditionLock(State())

    package init(threads: ThreadWatch = ThreadWatch()) { self.threads = threads }

    /// Makes the service not ready until the first `set`: between the opening of the operations
    /// port and the service's first report its state is unknown.
    func expectFirstReport() { state.withLock { $0.isStarting = true } }

    /// Sets why `part` cannot work; `nil` when it can.
    package func set(_ part: String, _ problem: String?) {
        let text = problem.map { shortened($0, toBytes: Readiness.problemBytesMax) }
        state.withLock { state in
            state.problems.set(part, text)
            state.isStarting = false
        }
    }

    /// Sets what is missing while `part` does not work; `nil` when it works. The service stays
    /// ready, because its guarantees do not depend on this part.
    package func degrade(_ part: String, _ problem: String?) {
        let text = problem.map { shortened($0, toBytes: Readiness.problemBytesMax) }
        state.withLock { $0.shortcomings.set(part, text) }
    }

    /// Returns false while `part` has a problem, and before the service's first report.
    package func works(_ part: String) -> Bool {
        state.withLock { !$0.isStarting && !$0.problems.has(part) }
    }

    package var health: Health {
        let state = state.withLock { $0 }
        let hung = threads.problems
        var reasons = state.problems.lines
        if state.isStarting { reasons.append("service: it starts") }
        return Health(
            live: hung.isEmpty, ready: hung.isEmpty && reasons.isEmpty, reasons: hung + reasons,
            degraded: state.shortcomings.lines)
    }
}

/// Returns at most `limit` bytes of `text` on one line, cut between characters.
func shortened(_ text: String, toBytes limit: Int) -> String {
    var short = ""
    for character in text {
        let next = character.isNewline ? " " : character
        guard short.utf8.count + next.utf8.count <= limit else { break }
        short.append(next)
    }
    return short
}
