import Primitives

/// The supervisor's view of one process.
struct SupervisedUnit: Sendable {
    enum State: Equatable, Sendable {
        /// Its stage has not been reached. Next: `starting` or `stopped`.
        case waiting
        /// The process runs and does not answer its check yet, or is a job at work. Next: `works`,
        /// `finished`, `backingOff`, `gaveUp` or `ending`.
        case starting
        /// It answered its check. Next: `backingOff`, `gaveUp` or `ending`.
        case works
        /// It died and is started again at that time. Next: `starting` or `stopped`.
        case backingOff(until: MonotonicTime, String)
        /// It was asked to end. Next: `stopped` or `killed`.
        case ending(deadline: MonotonicTime)
        /// It did not end in time and was killed. Next: `stopped`.
        case killed(deadline: MonotonicTime)
        /// A job that succeeded. Final.
        case finished
        /// It ended as it should. Final.
        case stopped
        /// It will not be started again. Final.
        case gaveUp(String)
    }

    let plan: UnitPlan
    var state = State.waiting
    /// The reason it gave at the last check that failed.
    var waitsFor: String?
    var restarts = 0
    var deathsInARow = 0
    /// The time from which its start limit is measured: its first start, or the death after it had
    /// worked.
    var comingUpSince = MonotonicTime.never
    var lastStart = MonotonicTime.never
    /// Nanoseconds from its first start to its first answer, or to the end of a job.
    private(set) var startNanoseconds: Int64?
    var backoff: Backoff

    init(_ plan: UnitPlan, backoff: Backoff) {
        self.plan = plan
        self.backoff = backoff
    }

    /// True if it runs and answers that it is not ready.
    var givesReason: Bool {
        plan.kind == .service && waitsFor?.hasPrefix(UnitPlan.notReady) ?? false
    }

    var hasProcess: Bool {
        switch state {
        case .starting, .works, .ending, .killed: true
        case .waiting, .backingOff, .finished, .stopped, .gaveUp: false
        }
    }

    /// True while it starts or waits for its next start.
    var isComingUp: Bool {
        switch state {
        case .starting, .backingOff: true
        case .waiting, .works, .ending, .killed, .finished, .stopped, .gaveUp: false
        }
    }

    mutating func answered(at now: MonotonicTime) {
        if startNanoseconds == nil { startNanoseconds = now - comingUpSince }
    }

    mutating func forgetDeaths() {
        deathsInARow = 0
        backoff.reset()
    }

    /// The state for a person: one or two words, and the reason.
    var shown: (state: String, detail: String) {
        switch state {
        case .waiting: ("waiting", "")
        case .starting: (plan.kind == .job ? "at work" : "starting", "")
        case .works: ("works", "")
        case .backingOff(_, let why): ("restarting", why)
        case .ending: ("ending", "")
        case .killed: ("killed", "")
        case .finished: ("done", "")
        case .stopped: ("stopped", "")
        case .gaveUp(let why): ("gave up", why)
        }
    }
}
