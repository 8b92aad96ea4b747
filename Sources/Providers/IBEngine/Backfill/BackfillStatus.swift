public import MarketModel
public import Primitives

/// How much was done since the start.
public struct BackfillCounters: Hashable, Sendable {
    public var pages: UInt64 = 0
    public var ticksAdded: UInt64 = 0
    public var barsAdded: UInt64 = 0
    /// Gaps that ended, all of them or but for parts of their first and last second.
    public var filled: UInt64 = 0
    /// Gaps that ended with a rest that nobody has.
    public var abandoned: UInt64 = 0
    public var refused: UInt64 = 0
    public var unanswered: UInt64 = 0
    /// Answers that history was not up to date for.
    public var lagging: UInt64 = 0

    public init() {}
}

/// A gap on its way, for people.
public struct BackfillStatus: Hashable, Sendable {
    public enum State: Hashable, Sendable {
        case waiting
        case asked
    }

    public var instrument: UInt32
    public var kind: DataKind
    public var from: Timestamp
    public var to: Timestamp
    public var state: State
    /// Not ticks, but bars that stand in for them, because of this.
    public var barsBecause: String
    /// Complete up to here.
    public var reached: Timestamp
    public var ticksAdded: Int
    public var failures: Int
    /// Of one that waits: not asked for before; of one that is asked: given up then. Monotonic.
    public var until: Int64
}

extension BackfillMachine {
    /// Those that are asked, then the first of those that wait.
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
            reached: WholeSecond.start(job.seconds.lowerBound), ticksAdded: job.added,
            failures: job.failures, until: job.due)
    }
}
