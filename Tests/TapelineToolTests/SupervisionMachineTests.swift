import Primitives
import Testing

@testable import TapelineTool

/// A machine with a clock in milliseconds, and the actions since the last call.
struct MachineUnderTest {
    var machine: SupervisionMachine
    var now: Int64 = 0
    var actions: [SupervisionMachine.Action] = []

    init(_ units: [UnitPlan]) { machine = SupervisionMachine(units) }

    mutating func send(
        _ event: SupervisionMachine.Event, after milliseconds: Int64 = 0
    ) -> [SupervisionMachine.Action] {
        now += milliseconds
        actions.removeAll()
        machine.handle(event, at: MonotonicTime(nanoseconds: now * 1_000_000), into: &actions)
        return actions
    }

    func state(_ index: Int) -> SupervisedUnit.State { machine.units[index].state }
}

private func unit(
    _ name: String, _ kind: UnitPlan.Kind = .service, stage: Int, limit: Duration = .seconds(60)
) -> UnitPlan {
    UnitPlan(
        name: name, kind: kind, stage: stage, executable: "/bin/\(name)", startLimit: limit,
        logPath: "/dev/null")
}

/// Two servers, a job, two services.
private let stack = [
    unit("nats", .server, stage: 0), unit("postgres", .server, stage: 0),
    unit("migrate", .job, stage: 1), unit("gateway", stage: 2), unit("writer", stage: 2),
]

/// Both servers work, and the job runs.
private func starting() -> MachineUnderTest {
    var test = MachineUnderTest(stack)
    _ = test.send(.begin)
    for index in [0, 1] { _ = test.send(.works(index)) }
    return test
}

private func running() -> MachineUnderTest {
    var test = starting()
    _ = test.send(.ended(2, .well))
    for index in [3, 4] { _ = test.send(.works(index)) }
    return test
}

@Suite("SupervisionMachine")
struct SupervisionMachineTests {
    @Test("a stage starts when everything before it works")
    func order() {
        var test = MachineUnderTest(stack)
        #expect(test.send(.begin) == [.start(0), .start(1)])
        #expect(test.send(.timePassed, after: 100) == [])
        #expect(test.send(.works(1)) == [])
        #expect(test.send(.works(0), after: 50) == [.start(2)])
        #expect(test.send(.ended(2, .well), after: 200) == [.start(3), .start(4)])
        #expect(test.machine.phase == .starting)
        #expect(test.send(.works(4)) == [])
        #expect(test.send(.works(3)) == [])
        #expect(test.machine.phase == .running)
        #expect(test.machine.units[0].startNanoseconds == 150_000_000)
        #expect(test.machine.units[2].startNanoseconds == 200_000_000)
    }

    @Test("an empty stack runs at once and stops at once")
    func empty() {
        var test = MachineUnderTest([])
        #expect(test.send(.begin) == [])
        #expect(test.machine.phase == .running)
        #expect(test.send(.stop) == [])
        #expect(test.machine.isComplete)
    }

    @Test("the stop goes backwards, stage by stage, and leaves finished jobs alone")
    func stop() {
        var test = running()
        #expect(test.send(.stop) == [.askToEnd(3), .askToEnd(4)])
        #expect(test.send(.stop) == [])
        #expect(test.send(.ended(4, .well)) == [])
        #expect(test.send(.ended(3, .badly("exit code 1"))) == [.askToEnd(0), .askToEnd(1)])
        #expect(test.send(.ended(0, .well)) == [])
        #expect(!test.machine.isComplete)
        #expect(test.send(.ended(1, .well)) == [])
        #expect(test.machine.isComplete)
        #expect(test.machine.problem == nil)
        #expect(test.state(2) == .finished)
    }

    @Test("who does not end in time is killed, and who survives that is named")
    func stubborn() {
        var test = running()
        _ = test.send(.stop)
        _ = test.send(.ended(3, .well))
        #expect(test.send(.timePassed, after: 9_999) == [])
        #expect(test.send(.timePassed, after: 1) == [.kill(4)])
        #expect(test.send(.timePassed, after: 4_999) == [])
        #expect(test.send(.timePassed, after: 1) == [.askToEnd(0), .askToEnd(1)])
        #expect(test.machine.problem == "writer does not end, not even by SIGKILL")
    }

    @Test("a killed process that ends lets the stop go on")
    func killed() {
        var test = running()
        _ = test.send(.stop)
        _ = test.send(.ended(3, .well))
        _ = test.send(.timePassed, after: 10_000)
        #expect(test.send(.ended(4, .badly("killed"))) == [.askToEnd(0), .askToEnd(1)])
        #expect(test.machine.problem == nil)
    }

    @Test("a service that dies is started again at once, and then after a wait, which grows")
    func restart() {
        var test = running()
        var waits: [Int64] = []
        for round in 1...6 {
            #expect(test.send(.ended(3, .badly("killed by SIGKILL")), after: 10) == [])
            var waited: Int64 = 0
            while test.send(.timePassed, after: waited == 0 ? 0 : 10) == [] { waited += 10 }
            waits.append(waited)
            #expect(test.actions == [.start(3)])
            #expect(test.machine.units[3].restarts == round)
        }
        #expect(waits[0] == 0 && (100...200).contains(waits[1]))
        #expect(waits[5] > waits[1])
        #expect(test.machine.phase == .running)
        #expect(test.send(.works(3)) == [])
        #expect(test.state(3) == .works)
    }

    @Test("a server that dies, and a service that never worked, wait before they start again")
    func waits() {
        var test = running()
        _ = test.send(.ended(0, .badly("killed by SIGKILL")))
        #expect(test.send(.timePassed) == [])
        #expect(test.send(.timePassed, after: 200) == [.start(0)])
        var early = MachineUnderTest([unit("writer", stage: 0)])
        _ = early.send(.begin)
        _ = early.send(.ended(0, .badly("port in use")))
        #expect(early.send(.timePassed) == [])
        #expect(early.send(.timePassed, after: 200) == [.start(0)])
    }

    @Test("a server that ends well has died all the same")
    func endsWell() {
        var test = running()
        _ = test.send(.ended(0, .well))
        #expect(test.machine.units[0].shown.state == "restarting")
        #expect(test.machine.units[0].shown.detail == "it ended by itself")
    }

    @Test("ten deaths in a row are enough, others go on")
    func givesUp() {
        var test = running()
        for _ in 1..<10 {
            _ = test.send(.ended(3, .badly("crash")))
            #expect(test.send(.timePassed, after: 10_000) == [.start(3)])
        }
        _ = test.send(.ended(3, .badly("crash")))
        #expect(test.state(3) == .gaveUp("crash"))
        #expect(test.send(.timePassed, after: 100_000) == [])
        #expect(test.machine.phase == .running)
        #expect(test.send(.stop) == [.askToEnd(4)])
    }

    @Test("who ran for half a minute starts counting anew")
    func steady() {
        var test = running()
        for _ in 1...30 {
            _ = test.send(.ended(3, .badly("crash")), after: 30_000)
            #expect(test.send(.timePassed, after: 200) == [.start(3)])
            _ = test.send(.works(3))
        }
        #expect(test.machine.units[3].restarts == 30)
    }

    @Test("a wrong configuration is not tried again")
    func hopeless() {
        var test = running()
        _ = test.send(.ended(4, .hopelessly("unknown key")))
        #expect(test.state(4) == .gaveUp("unknown key"))
        #expect(test.machine.phase == .running)
    }

    @Test("a failed job stops the start and says why")
    func failedJob() {
        var test = starting()
        #expect(test.send(.ended(2, .badly("exit code 1: no"))) == [.askToEnd(0), .askToEnd(1)])
        #expect(test.machine.problem == "migrate failed: exit code 1: no")
        #expect(test.state(3) == .stopped)
    }

    @Test("three deaths before the first answer stop the start")
    func diesWhileStarting() {
        var test = MachineUnderTest(stack)
        _ = test.send(.begin)
        for _ in 1...2 {
            _ = test.send(.ended(0, .badly("port in use")), after: 5)
            #expect(test.send(.timePassed, after: 1_000) == [.start(0)])
        }
        #expect(test.send(.ended(0, .badly("port in use"))) == [.askToEnd(1)])
        #expect(test.machine.problem == "nats does not start: port in use")
        _ = test.send(.ended(1, .well))
        #expect(test.machine.isComplete)
    }

    @Test("who does not answer within its limit stops the start")
    func slow() {
        var test = MachineUnderTest([unit("nats", .server, stage: 0, limit: .seconds(5))])
        _ = test.send(.begin)
        #expect(test.send(.timePassed, after: 4_999) == [])
        #expect(test.send(.timePassed, after: 1) == [.askToEnd(0)])
        #expect(test.machine.problem == "nats does not work after 5.0 s")
        var job = MachineUnderTest([unit("init", .job, stage: 0, limit: .seconds(5))])
        _ = job.send(.begin)
        _ = job.send(.timePassed, after: 5_000)
        #expect(job.machine.problem == "init is not done after 5.0 s")
    }

    @Test("a service that says why it is not ready does not take the others down with it")
    func givesReason() {
        let plans = [
            unit("worker", .service, stage: 0, limit: .seconds(5)),
            unit("writer", .service, stage: 1, limit: .seconds(5)),
        ]
        var test = MachineUnderTest(plans)
        _ = test.send(.begin)
        _ = test.send(.waits(0, "not ready: the tape was restored from a backup"))
        #expect(test.send(.timePassed, after: 4_999) == [])
        #expect(test.send(.timePassed, after: 1) == [.start(1)])
        _ = test.send(.works(1))
        #expect(test.machine.phase == .running && test.machine.problem == nil)
        // A service that does not even answer is treated otherwise.
        var dumb = MachineUnderTest(plans)
        _ = dumb.send(.begin)
        _ = dumb.send(.waits(0, "no answer"))
        #expect(dumb.send(.timePassed, after: 5_000) == [.askToEnd(0)])
        #expect(dumb.machine.problem == "worker does not work after 5.0 s: no answer")
    }

    @Test("the limit of a server that died later begins with its death")
    func lateDeath() {
        var test = starting()
        _ = test.send(.ended(0, .badly("killed")), after: 59_000)
        #expect(test.send(.timePassed, after: 900) == [.start(0)])
        #expect(test.send(.timePassed, after: 200) == [.askToEnd(2)])
        #expect(test.machine.problem == "migrate is not done after 60.0 s")
    }

    @Test("the next stage waits for a server that died while it was about to start")
    func deathBetweenStages() {
        var test = starting()
        _ = test.send(.ended(0, .badly("killed")))
        #expect(test.send(.ended(2, .well)) == [])
        #expect(test.send(.timePassed, after: 1_000) == [.start(0)])
        #expect(test.send(.works(0)) == [.start(3), .start(4)])
    }

    @Test("a stop while starting ends what runs, and nothing else is started")
    func stopWhileStarting() {
        var test = MachineUnderTest(stack)
        _ = test.send(.begin)
        _ = test.send(.works(0))
        #expect(test.send(.stop) == [.askToEnd(0), .askToEnd(1)])
        #expect(test.send(.works(1)) == [])
        _ = test.send(.ended(0, .well))
        _ = test.send(.ended(1, .well))
        #expect(test.machine.isComplete)
        #expect(test.machine.units.map(\.shown.state).allSatisfy { $0 == "stopped" })
    }

    @Test("a service that waits for its restart needs no stop")
    func stopWhileBackingOff() {
        var test = running()
        _ = test.send(.ended(3, .badly("crash")))
        #expect(test.send(.stop) == [.askToEnd(4)])
        #expect(test.state(3) == .stopped)
        #expect(test.send(.timePassed, after: 60_000) == [.kill(4)])
    }
}
