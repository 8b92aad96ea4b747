internal import Glibc
import Primitives
import ServiceRuntime

/// Carries out the decisions of the supervision machine. It starts, watches and ends the processes
/// of one stack on the thread that calls `run`, and writes the state file.
final class Supervisor {
    /// How long it pauses at most, unless a process ends, while everything works and otherwise.
    static let pauseWhenCalm: Duration = .seconds(1)
    static let pauseWhenBusy: Duration = .milliseconds(10)
    private static let stateTryEveryNanoseconds: Int64 = 1_000_000_000
    private static let logsEveryNanoseconds: Int64 = 5_000_000_000

    private var plans: [UnitPlan]
    private let home: StackHome
    private var arguments: [String]
    /// Returns the plans by which this unit and others start from now on, and the arguments that
    /// they follow from; `nil`: they are as before. An error counts as a death of the unit: it is
    /// tried again after a pause, and given up after `SupervisionMachine.Limits.deathsMax` of them.
    var onStart: (UnitPlan) throws(ToolError) -> (plans: [UnitPlan], arguments: [String])? = {
        _ in nil
    }
    private let identity: ProcessIdentity
    private let started: Timestamp
    /// Says to the members of groups that the process before them was one of this supervisor, which
    /// starts another one only after its end.
    private static let place = String(UInt64.random(in: .min ... .max), radix: 16)
    private let logger: Logger
    private let shutdown: ShutdownSignal
    private let clock = SystemClock()
    private var machine: SupervisionMachine
    private var processes: [Int: UnitProcess] = [:]
    private var written: StackState?
    private var isStopWished = false
    /// When to try again to write the state file. `nil` unless a write failed.
    private var nextStateTry: MonotonicTime?
    private var nextLogs = MonotonicTime.distantPast

    init(
        _ plans: [UnitPlan], home: StackHome, arguments: [String] = [],
        identity: ProcessIdentity, logger: Logger, shutdown: ShutdownSignal,
        limits: SupervisionMachine.Limits = .init()
    ) {
        self.plans = plans
        self.home = home
        self.arguments = arguments
        self.identity = identity
        self.logger = logger
        self.shutdown = shutdown
        started = SystemClock().now()
        machine = SupervisionMachine(plans, limits: limits)
    }

    /// Returns when every process has ended: `nil` after a requested stop, otherwise the reason.
    func run() -> String? {
        let wake: WakeEvent
        do throws(ServiceError) {
            wake = try WakeEvent()
        } catch {
            return "\(error)"
        }
        shutdown.onRequest { wake.wake() }
        handle(.begin)
        while !machine.isComplete {
            collectEnds()
            ask()
            if shutdown.isRequested, !isStopWished {
                isStopWished = true
                log(.info, "stack.stop", "stopping: \(shutdown.reason ?? "wished")")
                handle(.stop)
            }
            handle(.timePassed)
            boundLogs()
            writeState()
            if !machine.isComplete { pause(wake) }
        }
        writeState()
        log(.info, "stack.stopped", machine.problem ?? "everything is stopped")
        return machine.problem
    }

    // MARK: events

    private func handle(_ event: SupervisionMachine.Event) {
        var actions: [SupervisionMachine.Action] = []
        let before = machine
        machine.handle(event, at: clock.monotonic(), into: &actions)
        report(since: before)
        for action in actions { execute(action) }
    }

    private func collectEnds() {
        for (index, process) in processes.sorted(by: { $0.key < $1.key }) {
            guard let ending = process.ending else { continue }
            processes[index] = nil
            handle(.ended(index, ending))
        }
    }

    private func ask() {
        for index in plans.indices where machine.units[index].state == .starting {
            if processes[index]?.works(at: clock.monotonic()) == true {
                handle(.works(index))
            } else if let why = processes[index]?.waitsFor {
                handle(.waits(index, why))
            }
        }
    }

    // MARK: actions

    private func execute(_ action: SupervisionMachine.Action) {
        switch action {
        case .start(let index): start(index)
        case .askToEnd(let index): processes[index]?.process.signal(plans[index].stopSignal)
        case .kill(let index): processes[index]?.process.signalGroup(SIGKILL)
        }
    }

    private func start(_ index: Int) {
        do throws(ToolError) {
            if let changed = try onStart(plans[index]), changed.plans.count == plans.count {
                (plans, arguments) = changed
            }
        } catch {
            handle(.ended(index, .badly("\(error)")))
            return writeState()
        }
        do {
            try LogFile(path: plans[index].logPath).keepBounded()
            processes[index] = try UnitProcess(plans[index].started(in: Supervisor.place))
        } catch let error as ServiceError {
            handle(.ended(index, .hopelessly("\(error)")))
        } catch {
            handle(.ended(index, .hopelessly("\(error)")))
        }
        // Written immediately, because a killed supervisor must not leave an unrecorded process.
        writeState()
    }

    /// Pauses until something may have changed: a process has ended, or the stack is to stop.
    private func pause(_ wake: WakeEvent) {
        let isBusy = machine.phase != .running || machine.units.contains { $0.isComingUp }
        ChildProcess.waitForAny(
            of: processes.values.map(\.process), or: wake,
            atMost: isBusy ? Supervisor.pauseWhenBusy : Supervisor.pauseWhenCalm)
    }

    private func boundLogs() {
        guard nextLogs <= clock.monotonic() else { return }
        nextLogs = clock.monotonic() + Supervisor.logsEveryNanoseconds
        let paths = plans.map(\.logPath) + [home.log("supervisor")]
        for path in paths {
            do {
                try LogFile(path: path).keepBounded()
            } catch {
                log(.warning, "stack.log.unbounded", "\(error)")
            }
        }
    }

    // MARK: what others see

    private func writeState() {
        let state = StackState(
            phase: machine.phase, problem: machine.problem, supervisor: identity, started: started,
            arguments: arguments, units: machine.units.enumerated().map(shown))
        let now = clock.monotonic()
        if let nextStateTry, now < nextStateTry { return }
        guard state != written else { return }
        do {
            try FileSystem.write(state.json, to: home.state)
            written = state
            nextStateTry = nil
        } catch {
            // The stack continues, because the running processes matter more than the state file.
            if nextStateTry == nil { log(.warning, "stack.state.unwritten", "\(error)") }
            nextStateTry = now + Supervisor.stateTryEveryNanoseconds
        }
    }

    private func shown(_ index: Int, _ unit: SupervisedUnit) -> StackState.Unit {
        let plan = unit.plan
        return StackState.Unit(
            name: plan.name, kind: plan.kind, stage: plan.stage, state: unit.shown.state,
            detail: unit.shown.detail, process: processes[index]?.identity,
            restarts: unit.restarts, startNanoseconds: unit.startNanoseconds,
            address: plan.address, operationsPort: plan.operationsPort,
            stopSignal: plan.stopSignal, log: plan.logPath)
    }

    /// Logs one line per change.
    private func report(since before: SupervisionMachine) {
        for (old, new) in zip(before.units, machine.units) where old.shown != new.shown {
            let level: LogLevel = new.shown.detail.isEmpty ? .info : .warning
            var text = "\(new.plan.name): \(new.shown.state)"
            if !new.shown.detail.isEmpty { text += ": \(new.shown.detail)" }
            log(level, "stack.unit.changed", text)
        }
        if before.phase != machine.phase {
            log(.info, "stack.phase.changed", "stack: \(machine.phase.rawValue)")
        }
    }

    private func log(_ level: LogLevel, _ event: String, _ message: String) {
        logger.log(level, event, message)
    }
}
