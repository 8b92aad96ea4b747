package import MarketModel
package import Primitives

/// Counts since the start.
package struct BackfillCounters: Hashable, Sendable {
    /// Complete answers.
    package var pages: UInt64 = 0
    /// What history reported and had not arrived live.
    package var ticksAdded: UInt64 = 0
    package var barsAdded: UInt64 = 0
    /// Gaps that were filled, completely or except for parts of their first and last second.
    package var filled: UInt64 = 0
    /// Gaps that ended with a part that could not be filled.
    package var abandoned: UInt64 = 0
    /// Requests that were refused, or had no answer, and were counted as failures.
    package var refused: UInt64 = 0
    package var unanswered: UInt64 = 0
    /// Answers that did not show that history was up to date.
    package var lagging: UInt64 = 0

    package init() {}
}

/// A gap that is being filled, for people.
package struct BackfillStatus: Hashable, Sendable {
    package enum State: Hashable, Sendable {
        /// It has no open request.
        case waiting
        case asked
    }

    package var instrument: UInt32
    package var kind: DataKind
    package var from: Timestamp
    package var to: Timestamp
    package var state: State
    /// Why bars are fetched in place of ticks; empty: ticks are fetched.
    package var barsBecause: String
    /// The gap is complete up to this time.
    package var reached: Timestamp
    package var ticksAdded: Int
    package var failures: Int
    /// Monotonic: a gap that waits is not requested earlier, and an open request is given up then.
    package var until: MonotonicTime
}

extension BackfillMachine {
    /// The gaps with an open request, then the first of those that wait.
    package var status: [BackfillStatus] {
        let asked = open.keys.sorted().compactMap { open[$0] }.map { Self.status($0, .asked) }
        let rest = waitingJobs.prefix(max(0, limits.statusMax - asked.count))
        return asked + rest.map { Self.status($0, .waiting) }
    }

    private static func status(
        _ job: BackfillJob, _ state: BackfillStatus.State
    ) -> BackfillStatus {
        BackfillStatus(
            instrument: job.gap.instrument, kind: job.gap.kind, from: job.gap.from,
            to: job.gap.to, state: state, barsBecause: job.reason,
            reached: WholeSecond.start(job.seconds.lowerBound), ticksAdded: job.progress.ticksAdded,
            failures: job.progress.failures, until: job.due)
    }
}
