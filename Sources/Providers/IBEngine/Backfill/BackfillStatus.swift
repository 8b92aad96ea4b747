public import MarketModel
public import Primitives

/// Counts since the start.
public struct BackfillCounters: Hashable, Sendable {
    /// Complete answers.
    public var pages: UInt64 = 0
    /// What history reported and had not arrived live.
    public var ticksAdded: UInt64 = 0
    public var barsAdded: UInt64 = 0
    /// Gaps that were filled, completely or except for parts of their first and last second.
    public var filled: UInt64 = 0
    /// Gaps that ended with a part that could not be filled.
    public var abandoned: UInt64 = 0
    /// Requests that were refused, or had no answer, and were counted as failures.
    public var refused: UInt64 = 0
    public var unanswered: UInt64 = 0
    /// Answers that did not show that history was up to date.
    public var lagging: UInt64 = 0

    public init() {}
}

/// A gap that is being filled, for people.
public struct BackfillStatus: Hashable, Sendable {
    public enum State: Hashable, Sendable {
        /// It has no open request.
        case waiting
        case asked
    }

    public var instrument: UInt32
    public var kind: DataKind
    public var from: Timestamp
    public var to: Timestamp
    public var state: State
    /// Why bars are fetched in place of ticks; empty: ticks are fetched.
    public var barsBecause: String
    /// The gap is complete up to this time.
    public var reached: Timestamp
    public var ticksAdded: Int
    public var failures: Int
    /// Monotonic: a gap that waits is not requested earlier, and an open request is given up then.
    public var until: MonotonicTime
}

extension BackfillMachine {
    /// The gaps with an open request, then the first of those that wait.
    public var status: [BackfillStatus] {
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
            reached: WholeSecond.start(job.seconds.lowerBound), ticksAdded: job.ticksAdded,
            failures: job.failures, until: job.due)
    }
}
