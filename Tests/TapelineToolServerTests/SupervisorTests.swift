import Foundation
import Primitives
import ServiceRuntime
import Synchronization
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// A supervisor on a separate thread, with stand-in processes.
final class SupervisorUnderTest: Sendable {
    let home: StackHome
    let shutdown = ShutdownSignal()
    private let folder: TemporaryFolder
    private let thread: ServiceThread

    init(
        onStart: @escaping @Sendable () throws(ToolError) -> Void = {},
        _ units: (StackHome) -> [UnitPlan]
    ) throws {
        folder = try TemporaryFolder()
        home = try testHome(folder.path)
        try home.makeFolders()
        let plans = units(home)
        let me = try #require(ProcessIdentity.current)
        let (home, shutdown) = (home, shutdown)
        let log = CapturedLog()
        thread = try ServiceThread(name: "supervisor") {
            let logger = Logger(
                service: "tapeline", level: .info, format: .text(color: false), sink: log.sink)
            let supervisor = Supervisor(
                plans, home: home, identity: me, logger: logger, shutdown: shutdown)
            supervisor.onStart = { unit throws(ToolError) in
                if unit.kind == .service { try onStart() }
                return nil
            }
            _ = supervisor.run()
        }
    }

    var state: StackState? {
        do {
            return try StackState.read(home)
        } catch {
            return nil
        }
    }

    func unit(_ name: String) -> StackState.Unit? { state?.units.first { $0.name == name } }

    func isRunning() -> Bool { state?.phase == .running }

    /// Returns false if it did not end in time.
    func stop() -> Bool {
        shutdown.request("test")
        return thread.join(timeout: patience)
    }

    func ends() -> Bool { thread.join(timeout: patience) }
}

private func shell(
    _ name: String, _ script: String, kind: UnitPlan.Kind = .service, stage: Int = 0,
    check: UnitPlan.Check = .none, home: StackHome
) -> UnitPlan {
    UnitPlan(
        name: name, kind: kind, stage: stage, executable: "/bin/sh", arguments: ["-c", script],
        environment: ["PATH": "/usr/bin:/bin", StackPlan.marker: home.path], check: check,
        stopGrace: .seconds(2), startLimit: .seconds(20), logPath: home.log(name))
}

@Suite("Supervisor")
struct SupervisorTests {
    @Test("a job, then a service with a check, then the stop in good order")
    func wholeLife() throws {
        let test = try SupervisorUnderTest { home in
            [
                shell("prepare", "touch \(home.path)/ready", kind: .job, home: home),
                shell(
                    "service", "trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done",
                    stage: 1, check: .command("/usr/bin/test", ["-e", "\(home.path)/ready"]),
                    home: home),
            ]
        }
        #expect(eventually { test.isRunning() })
        #expect(test.unit("prepare")?.state == "done")
        let process = try #require(test.unit("service")?.process)
        #expect(process.isAlive)
        #expect(test.stop())
        #expect(!process.isAlive)
        #expect(test.state?.phase == .stopped)
        #expect(test.state?.problem == nil)
        #expect(test.unit("service")?.state == "stopped")
    }

    @Test("a killed service is started again")
    func restart() throws {
        let test = try SupervisorUnderTest { [shell("service", "exec sleep 600", home: $0)] }
        #expect(eventually { test.isRunning() })
        let first = try #require(test.unit("service")?.process)
        #expect(first.signal(SIGKILL))
        #expect(
            eventually {
                let unit = test.unit("service")
                return unit?.state == "works" && unit?.process != first
            })
        #expect(test.unit("service")?.restarts == 1)
        let second = try #require(test.unit("service")?.process)
        #expect(test.stop())
        #expect(!second.isAlive)
    }

    @Test("a unit whose plan cannot be read waits until it can be, and the others do not")
    func unreadableChange() throws {
        let isDamaged = Mutex(false)
        let test = try SupervisorUnderTest(
            onStart: { () throws(ToolError) in
                if isDamaged.withLock({ $0 }) {
                    throw .damaged(path: "change.json", problem: "not JSON")
                }
            },
            { home in
                [
                    shell("server", "exec sleep 600", kind: .server, home: home),
                    shell("operator-worker-a", "exec sleep 600", home: home),
                ]
            })
        #expect(eventually { test.isRunning() })
        isDamaged.withLock { $0 = true }
        for name in ["server", "operator-worker-a"] {
            let process = try #require(test.unit(name)?.process)
            #expect(process.signal(SIGKILL))
        }
        #expect(eventually { (test.unit("server")?.restarts ?? 0) > 0 })
        #expect(
            eventually {
                test.unit("operator-worker-a")?.detail.contains("change.json") == true
            })
        #expect(test.unit("operator-worker-a")?.state == "restarting")
        isDamaged.withLock { $0 = false }
        for name in ["server", "operator-worker-a"] {
            #expect(eventually { test.unit(name)?.state == "works" }, "\(name)")
        }
        #expect(test.stop())
    }

    @Test("a service that ignores SIGTERM is killed")
    func stubborn() throws {
        let test = try SupervisorUnderTest {
            [shell("service", "trap '' TERM; exec sleep 600", home: $0)]
        }
        #expect(eventually { test.isRunning() })
        let process = try #require(test.unit("service")?.process)
        #expect(test.stop())
        #expect(!process.isAlive)
        #expect(test.state?.problem == nil)
    }

    @Test("a job that fails stops the stack and tells its last words")
    func failedJob() throws {
        let test = try SupervisorUnderTest { home in
            [
                shell("server", "exec sleep 600", kind: .server, home: home),
                shell("job", "echo 'no such table' >&2; exit 3", kind: .job, stage: 1, home: home),
            ]
        }
        #expect(test.ends())
        #expect(test.state?.problem == "job failed: exit code 3: no such table")
        #expect(test.state?.alive.isEmpty == true)
    }

    @Test("a program that is not there, and one whose configuration is wrong, are not tried again")
    func hopeless() throws {
        let missing = try SupervisorUnderTest { home in
            [
                UnitPlan(
                    name: "gone", kind: .service, stage: 0, executable: "/nonexistent/program",
                    logPath: home.log("gone"))
            ]
        }
        #expect(missing.ends())
        #expect(missing.state?.problem?.contains("/nonexistent/program") == true)
        let wrong = try SupervisorUnderTest {
            [
                shell(
                    "wrong", "echo '{\"message\":\"NATS_URLL is no key\"}'; exit 64",
                    check: .command("/bin/false", []), home: $0)
            ]
        }
        #expect(wrong.ends())
        #expect(
            wrong.state?.problem == "wrong does not start: exit code 64: NATS_URLL is no key")
    }

    @Test("a check that hangs or has no program is no answer")
    func checks() throws {
        let folder = try TemporaryFolder()
        let home = try testHome(folder.path)
        func answers(_ check: UnitPlan.Check) -> Bool {
            shell("a", "true", check: check, home: home).problem == nil
        }
        #expect(answers(.command("/bin/true", [])))
        #expect(!answers(.command("/bin/false", [])))
        #expect(!answers(.command("/bin/sleep", ["600"])))
        #expect(!answers(.command("/nonexistent", [])))
        #expect(!answers(.http(port: freePort(), path: "/readyz")))
    }

    @Test("leftovers of a killed supervisor are found by note and by marker, and nothing else is")
    func leftovers() throws {
        let folder = try TemporaryFolder()
        let home = try madeHome(folder)
        func start(_ marker: String, _ script: String = "exec sleep 600") throws -> ChildProcess {
            try ChildProcess(
                executable: "/bin/sh", arguments: ["-c", script],
                environment: ["PATH": "/bin", StackPlan.marker: marker], logPath: "/dev/null")
        }
        let noted = try start(home.path)
        let unnoted = try start(home.path)
        let stubborn = try start(home.path, "trap '' TERM; exec sleep 600")
        let stranger = try start(home.path + "-other")
        defer { stranger.stop(SIGKILL) }
        let me = try #require(ProcessIdentity.current)
        var unit = StackState.Unit(name: "noted", kind: .service, stage: 0, state: "works")
        unit.process = noted.identity
        var reused = StackState.Unit(name: "reused", kind: .service, stage: 0, state: "works")
        reused.process = ProcessIdentity(id: stranger.id, startTime: stranger.startTime + 1)
        let state = StackState(
            phase: .running, problem: nil, supervisor: me, started: .undefined,
            units: [unit, reused])
        let leftovers = Leftovers(home: home, state: state, stopGrace: .milliseconds(500))
        #expect(eventually { leftovers.marked().count == 3 })
        #expect(!leftovers.isEmpty)
        var told: [String] = []
        try leftovers.stop { told.append($0) }
        #expect(told == ["noted is stopped", "2 more of its processes are stopped"])
        #expect(leftovers.isEmpty)
        #expect(stranger.isRunning)
        for process in [noted, unnoted, stubborn] { #expect(!process.isRunning) }
    }
}
