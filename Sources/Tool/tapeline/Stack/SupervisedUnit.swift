import Primitives

/// One process as the supervision sees it.
struct SupervisedUnit: Sendable {
    enum State: Equatable, Sendable {
        /// Its stage was not reached. Then `starting`, or `stopped`.
        case waiting
        /// There is a process that does not answer its check yet (or a job that is at work).
        /// Then `works`, `finished`, `backingOff`, `gaveUp` or `ending`.
        case starting
        /// It answered. Then `backingOff`, `gaveUp` or `ending`.
        case works
        /// It died and is started again at that time. Then `starting` or `stopped`.
        case backingOff(until: Timestamp, String)
        /// It was asked to end. Then `stopped` or `killed`.
        case ending(deadline: Timestamp)
        /// It did not end in time. Then `stopped`.
        case killed(deadline: Timestamp)
        /// A job that did its work; the last state.
        case finished
        /// It ended as it should; the last state.
        case stopped
        /// It will not be started again; the last state.
        case gaveUp(String)
    }

    let plan: UnitPlan
    var state = State.waiting
    /// What it said when it was asked last and did not work.
    var waitsFor: String?
    var restarts = 0
    var deathsInARow = 0
    /// Since when it has been on its way to an answer.
    var comingUpSince = Timestamp.undefined
    var lastStart = Timestamp.undefined
    /// From its first start to its first answer, or to a job's end.
    private(set) var startNanoseconds: Int64?
    var backoff: Backoff

    init(_ plan: UnitPlan, backoff: Backoff) {
        self.plan = plan
        self.backoff = backoff
    }

    /// It runs, and its answer is that it is not ready.
    var saysWhy: Bool {
        plan.kind == .service && waitsFor?.hasPrefix(UnitPlan.notReady) ?? false
    }

    var hasProcess: Bool {
        switch state {
        case .starting, .works, .ending, .killed: true
        case .waiting, .backingOff, .finished, .stopped, .gaveUp: false
        }
    }

    /// On its way to its first answer.
    var isComingUp: Bool {
        switch state {
        case .starting, .backingOff: true
        case .waiting, .works, .ending, .killed, .finished, .stopped, .gaveUp: false
        }
    }

    mutating func answered(at now: Timestamp) {
        if startNanoseconds == nil { startNanoseconds = now.nanoseconds(since: comingUpSince) }
    }

    mutating func forgetDeaths() {
        deathsInARow = 0
        backoff.reset()
    }

    /// For people: one or two words, and why.
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
