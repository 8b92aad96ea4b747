import Primitives

/// Decides over the processes of a stack: the order of start and stop, restarts, and when to give
/// up. Pure: events and times come in, actions go out.
struct SupervisionMachine: Sendable {
    enum Phase: String, Sendable {
        /// Stages are started one after the other. Next: `running`, or `stopping` if a unit does
        /// not come up.
        case starting
        /// Everything has worked once. A process that dies is started again. Next: `stopping`.
        case running
        /// Stages are stopped one after the other, the last one first. Next: `stopped`.
        case stopping
        /// No process is left. Final.
        case stopped
    }

    enum Event: Equatable, Sendable {
        case begin
        case timePassed
        /// The unit answers its check.
        case works(Int)
        /// The unit is not ready and gives its reason.
        case waits(Int, String)
        case ended(Int, Ending)
        /// The stack is to end.
        case stop
    }

    enum Ending: Equatable, Sendable {
        case well
        case badly(String)
        /// Another start would end in the same way, because the program or its configuration is
        /// wrong.
        case hopelessly(String)
    }

    enum Action: Equatable, Sendable {
        case start(Int)
        /// Send the stop signal of its plan.
        case askToEnd(Int)
        case kill(Int)
    }

    struct Limits: Sendable {
        /// The number of consecutive deaths after which a unit is given up, while the stack starts
        /// and later.
        var deathsWhileStarting = 3
        var deathsMax = 10
        /// After running for this long, a unit's deaths are counted from zero again.
        var steadyAfter: Duration = .seconds(30)
        var restartWait = (first: Duration.milliseconds(200), limit: Duration.seconds(10))
        /// The time the kernel has to end a killed process.
        var killGrace: Duration = .seconds(5)
    }

    private(set) var phase = Phase.starting
    /// Why the stack stops although no stop was requested.
    private(set) var problem: String?
    private(set) var units: [SupervisedUnit]
    private let limits: Limits
    private var random: SeededRandom

    init(_ plans: [UnitPlan], limits: Limits = Limits(), seed: UInt64 = 1) {
        self.limits = limits
        random = SeededRandom(seed: seed)
        units = plans.map {
            SupervisedUnit(
                $0,
                backoff: Backoff(first: limits.restartWait.first, limit: limits.restartWait.limit))
        }
    }

    var isComplete: Bool { phase == .stopped }

    mutating func handle(_ event: Event, at now: MonotonicTime, into actions: inout [Action]) {
        switch event {
        case .begin: startNextStage(at: now, &actions)
        case .timePassed: timePassed(at: now, &actions)
        case .works(let index):
            guard units[index].state == .starting else { return }
            units[index].state = .works
            units[index].answered(at: now)
            startNextStage(at: now, &actions)
        case .waits(let index, let why): units[index].waitsFor = why
        case .ended(let index, let ending): ended(index, ending, at: now, &actions)
        case .stop: stop(at: now, &actions)
        }
    }

    // MARK: start

    /// Starts the lowest stage that has not been started, once all stages below it work.
    private mutating func startNextStage(at now: MonotonicTime, _ actions: inout [Action]) {
        guard phase == .starting else { return }
        let open = units.filter { $0.state != .works && $0.state != .finished }
        guard let stage = open.map(\.plan.stage).min() else {
            phase = .running
            return
        }
        for index in units.indices
        where units[index].plan.stage == stage && units[index].state == .waiting {
            units[index].comingUpSince = now
            start(index, at: now, &actions)
        }
    }

    private mutating func start(_ index: Int, at now: MonotonicTime, _ actions: inout [Action]) {
        units[index].state = .starting
        units[index].lastStart = now
        actions.append(.start(index))
    }

    // MARK: ends

    private mutating func ended(
        _ index: Int, _ ending: Ending, at now: MonotonicTime, _ actions: inout [Action]
    ) {
        if phase == .stopping || phase == .stopped {
            units[index].state = .stopped
            return stopNextStage(at: now, &actions)
        }
        if units[index].plan.kind == .job {
            jobEnded(index, ending, at: now, &actions)
        } else {
            died(index, ending, at: now, &actions)
        }
    }

    private mutating func jobEnded(
        _ index: Int, _ ending: Ending, at now: MonotonicTime, _ actions: inout [Action]
    ) {
        switch ending {
        case .well:
            units[index].state = .finished
            units[index].answered(at: now)
            startNextStage(at: now, &actions)
        case .badly(let why), .hopelessly(let why):
            units[index].state = .gaveUp(why)
            fail("\(units[index].plan.name) failed: \(why)", at: now, &actions)
        }
    }

    /// A server or service that ends unasked has died, even with exit code 0.
    private mutating func died(
        _ index: Int, _ ending: Ending, at now: MonotonicTime, _ actions: inout [Action]
    ) {
        let ran = now - units[index].lastStart
        if ran >= limits.steadyAfter.clampedNanoseconds { units[index].forgetDeaths() }
        units[index].deathsInARow += 1
        let hadWorked = units[index].state == .works
        if hadWorked { units[index].comingUpSince = now }
        var why = "it ended by itself"
        var isHopeless = false
        switch ending {
        case .well: break
        case .badly(let reason): why = reason
        case .hopelessly(let reason):
            why = reason
            isHopeless = true
        }
        let most = phase == .starting ? limits.deathsWhileStarting : limits.deathsMax
        guard !isHopeless, units[index].deathsInARow < most else {
            units[index].state = .gaveUp(why)
            if phase == .starting {
                fail("\(units[index].plan.name) does not start: \(why)", at: now, &actions)
            }
            return
        }
        // A service that worked comes back as soon as possible. The processes of a server may need
        // a moment to give back what they had open.
        let isFirst = hadWorked && units[index].deathsInARow == 1
        let isImmediate = isFirst && units[index].plan.kind == .service
        let wait = isImmediate ? .zero : units[index].backoff.next(using: &random)
        units[index].state = .backingOff(until: now.advanced(by: wait), why)
    }

    private mutating func fail(
        _ why: String, at now: MonotonicTime, _ actions: inout [Action]
    ) {
        problem = why
        stop(at: now, &actions)
    }

    // MARK: time

    private mutating func timePassed(at now: MonotonicTime, _ actions: inout [Action]) {
        for index in units.indices {
            switch units[index].state {
            case .backingOff(let until, _) where until <= now:
                units[index].restarts += 1
                start(index, at: now, &actions)
            case .ending(let deadline) where deadline <= now:
                units[index].state = .killed(
                    deadline: now.advanced(by: limits.killGrace))
                actions.append(.kill(index))
            case .killed(let deadline) where deadline <= now:
                problem = "\(units[index].plan.name) does not end, not even by SIGKILL"
                units[index].state = .stopped
                stopNextStage(at: now, &actions)
            default: break
            }
        }
        if phase == .starting { checkStartLimits(at: now, &actions) }
    }

    private mutating func checkStartLimits(at now: MonotonicTime, _ actions: inout [Action]) {
        stopWaitingForUnready(at: now, &actions)
        for unit in units where unit.isComingUp {
            let passed = now - unit.comingUpSince
            if passed < unit.plan.startLimit.clampedNanoseconds { continue }
            let limit = unit.plan.startLimit.shown
            let what = unit.plan.kind == .job ? "is not done" : "does not work"
            var why = "\(unit.plan.name) \(what) after \(limit)"
            if case .backingOff(_, let reason) = unit.state {
                why += ": \(reason)"
            } else if let reason = unit.waitsFor {
                why += ": \(reason)"
            }
            return fail(why, at: now, &actions)
        }
    }

    /// A service that answers but is not ready needs a person, and the person needs the other
    /// services to repair it. So after its start limit the stack continues without waiting for it.
    private mutating func stopWaitingForUnready(at now: MonotonicTime, _ actions: inout [Action]) {
        var isNew = false
        for index in units.indices where units[index].state == .starting && units[index].givesReason
        {
            let passed = now - units[index].comingUpSince
            guard passed >= units[index].plan.startLimit.clampedNanoseconds else { continue }
            units[index].state = .works
            isNew = true
        }
        if isNew { startNextStage(at: now, &actions) }
    }

    // MARK: stop

    private mutating func stop(at now: MonotonicTime, _ actions: inout [Action]) {
        guard phase == .starting || phase == .running else { return }
        phase = .stopping
        for index in units.indices {
            switch units[index].state {
            case .waiting, .backingOff: units[index].state = .stopped
            default: break
            }
        }
        stopNextStage(at: now, &actions)
    }

    /// Asks the highest stage with a process to end. The next stage follows when none is left in
    /// it.
    private mutating func stopNextStage(at now: MonotonicTime, _ actions: inout [Action]) {
        guard phase == .stopping else { return }
        guard let stage = units.filter(\.hasProcess).map(\.plan.stage).max() else {
            phase = .stopped
            return
        }
        for index in units.indices where units[index].plan.stage == stage {
            switch units[index].state {
            case .starting, .works:
                let deadline = now.advanced(by: units[index].plan.stopGrace)
                units[index].state = .ending(deadline: deadline)
                actions.append(.askToEnd(index))
            default: break
            }
        }
    }
}
