import Foundation
import TestSupport
import Testing

@testable import ServiceRuntime
@testable import ServiceRuntimeTests

/// Every program here is waited for in the end. The exit tests of the same test process watch all
/// its children, and one that is never waited for would keep them spinning for ever.
@Suite struct ChildProcessTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder("child") }

    private func shell(
        _ script: String, environment: [String: String] = ["PATH": "/usr/bin:/bin"],
        workingDirectory: String? = nil, options: ChildProcess.Options = []
    ) throws -> ChildProcess {
        try ChildProcess(
            executable: "/bin/sh", arguments: ["-c", script], environment: environment,
            workingDirectory: workingDirectory, logPath: folder.file("log"), options: options)
    }

    private var log: String { get throws { try textOfFile(folder.file("log")) } }

    private func isGone(_ id: Int32) -> Bool { ProcessIdentity(of: id)?.isAlive != true }

    @Test(
        "How a program ended is known, as often as one asks",
        arguments: [
            ("exit 0", ChildProcess.ExitStatus.exited(0)), ("exit 64", .exited(64)),
            ("exit 255", .exited(255)),
            ("kill -TERM $$", .killed(signal: 15)), ("kill -KILL $$", .killed(signal: 9)),
        ])
    func ends(script: String, status: ChildProcess.ExitStatus) throws {
        let child = try shell(script)
        #expect(child.wait(timeout: .seconds(60)) == status)
        #expect(child.wait(timeout: .zero) == status)
        #expect(child.exitStatus == status && !child.isRunning)
        #expect(status.isSuccess == (status == .exited(0)))
    }

    @Test("Who waits for several programs is woken by the end of any of them, and by a call")
    func anyEnds() throws {
        let (short, long, wake) = (
            try shell("exit 3"), try shell("exec sleep 600"), try WakeEvent()
        )
        defer { long.stop(SIGKILL) }
        // Without a reason to return, these waits would last longer than any test may.
        ChildProcess.waitForAny(of: [long, short], or: wake, atMost: .seconds(36_000))
        #expect(short.exitStatus == .exited(3) && long.isRunning)
        wake.wake()
        ChildProcess.waitForAny(of: [long], or: wake, atMost: .seconds(36_000))
        ChildProcess.waitForAny(of: [long], or: wake, atMost: .milliseconds(1))
        ChildProcess.waitForAny(of: [], or: wake, atMost: .milliseconds(1))
        #expect(long.isRunning)
    }

    @Test("What it prints goes to the end of the log, and it gets exactly its environment")
    func output() throws {
        try folder.write("before\n", to: "log")
        let child = try shell(
            "echo out; echo err >&2; echo \"$A-$HOME-$B\"", environment: ["A": "1", "B": "x y"])
        #expect(child.wait(timeout: .seconds(60)) == .exited(0))
        #expect(try log == "before\nout\nerr\n1--x y\n")
    }

    @Test("Its input is empty, its folder is the one given")
    func surroundings() throws {
        let child = try shell("cat; pwd -P", workingDirectory: "/usr")
        #expect(child.wait(timeout: .seconds(60)) == .exited(0))
        #expect(try log == "/usr\n")
    }

    @Test("It inherits no descriptor: only those of its output")
    func descriptors() throws {
        let leaked = try FileHandle(forReadingFrom: URL(fileURLWithPath: "/dev/null"))
        _ = fcntl(leaked.fileDescriptor, F_SETFD, 0)
        let child = try shell(
            "for n in 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$n ] && echo $n; done; true")
        #expect(child.wait(timeout: .seconds(60)) == .exited(0))
        #expect(try log == "")
        try leaked.close()
    }

    @Test("It inherits neither blocked nor ignored signals")
    func signalMask() throws {
        var blocked = sigset_t()
        unsafe sigemptyset(&blocked)
        unsafe sigaddset(&blocked, SIGTERM)
        unsafe sigaddset(&blocked, SIGUSR1)
        let result = Calls()
        let path = folder.file("log")
        // A separate thread, because the mask belongs to the thread, and this test must leave no
        // trace.
        let thread = try ServiceThread(name: "masked") { [blocked] in
            var mask = blocked
            unsafe pthread_sigmask(SIG_BLOCK, &mask, nil)
            do {
                let child = try ChildProcess(
                    executable: "/bin/grep",
                    arguments: ["-E", "^Sig(Blk|Ign)", "/proc/self/status"],
                    environment: [:], logPath: path)
                if child.wait(timeout: .seconds(60)) == .exited(0) { result.add(1) }
            } catch {
                Issue.record(error)
            }
        }
        #expect(thread.join(timeout: .seconds(60)))
        #expect(result.all == [1])
        // Signals 32 and 33 belong to the C library, which handles them itself.
        #expect(try log == "SigBlk:\t0000000000000000\nSigIgn:\t0000000180000000\n")
    }

    @Test("A wait that is too short answers nil, and a signal ends the program")
    func signals() throws {
        let child = try shell("exec sleep 600")
        #expect(child.wait(timeout: .milliseconds(5)) == nil)
        #expect(child.isRunning && child.identity.isAlive)
        #expect(child.signal(SIGTERM))
        #expect(child.wait(timeout: .seconds(60)) == .killed(signal: SIGTERM))
        #expect(!child.signal(SIGTERM))
        #expect(!child.identity.isAlive)
    }

    @Test("Several threads may wait for one program")
    func manyWaiters() throws {
        let child = try shell("exec sleep 600")
        let ended = Calls()
        let threads = try (0..<4).map { n in
            try ServiceThread(name: "waiter-\(n)") {
                if child.wait(timeout: .seconds(60)) == .killed(signal: 9) { ended.add(n) }
            }
        }
        child.signal(SIGKILL)
        for thread in threads { #expect(thread.join(timeout: .seconds(60))) }
        #expect(ended.all.sorted() == [0, 1, 2, 3])
    }

    @Test("A program that does not want to end is killed after its time of grace")
    func stubborn() throws {
        let child = try shell(
            "trap '' TERM; echo ready; while :; do sleep 600; done", options: .ownGroup)
        #expect(try eventually { try log == "ready\n" })
        #expect(child.stop(grace: .milliseconds(20)) == .killed(signal: SIGKILL))
    }

    @Test("What it leaves running in its group at its end is killed; without a group it goes on")
    func leftBehind() throws {
        let child = try shell("sleep 600 & echo $!", options: .ownGroup)
        #expect(child.wait(timeout: .seconds(60)) == .exited(0))
        let grandchild = try #require(Int32(try log.dropLast()))
        #expect(eventually { isGone(grandchild) })
        let other = try shell("sleep 600 & echo $!")
        #expect(other.wait(timeout: .seconds(60)) == .exited(0))
        let last = try #require(try log.split(separator: "\n").last)
        let survivor = try #require(Int32(last))
        #expect(!isGone(survivor))
        kill(survivor, SIGKILL)
    }

    @Test("With a group of its own its children get the signal, too")
    func group() throws {
        let child = try shell("sleep 600 & echo $!; wait", options: .ownGroup)
        #expect(try eventually { try log.hasSuffix("\n") })
        let grandchild = try #require(Int32(try log.dropLast()))
        #expect(child.signalGroup(SIGTERM))
        #expect(child.wait(timeout: .seconds(60)) == .killed(signal: SIGTERM))
        #expect(eventually { isGone(grandchild) })
    }

    @Test("A program that ends with its parent does, whatever ends the parent")
    func endsWithParent() throws {
        let path = folder.file("log")
        // The parent is a thread here, because the kernel means the thread that started the
        // program.
        let children = Mailbox<ChildProcess>(capacity: 1)
        let thread = try ServiceThread(name: "parent") {
            do {
                let child = try ChildProcess(
                    executable: "/bin/sh", arguments: ["-c", "echo up; exec sleep 600"],
                    environment: ["PATH": "/usr/bin:/bin"], logPath: path,
                    options: .endsWithParent)
                _ = children.send(child)
                let isUp = try eventually { try !textOfFile(path).isEmpty }
                if !isUp { Issue.record("the program did not start") }
            } catch {
                Issue.record(error)
            }
        }
        #expect(thread.join(timeout: .seconds(60)))
        var child: [ChildProcess] = []
        #expect(children.receive(into: &child, max: 1, timeout: .zero) == 1)
        #expect(child.first?.wait(timeout: .seconds(60)) == .killed(signal: SIGTERM))
    }

    @Test("A handle that is dropped after the end leaves no zombie")
    func dropped() throws {
        let id = try {
            let child = try shell("true")
            #expect(child.identity.waitUntilGone(timeout: .seconds(60)))
            return child.id
        }()
        #expect(ProcessIdentity(of: id) == nil)
    }

    @Test("What cannot be started is an error that names it")
    func missing() throws {
        let path = folder.file("log")
        for (program, word) in [("/nonexistent/tool", "No such file"), ("/etc/passwd", "denied")] {
            for options in [ChildProcess.Options(), .endsWithParent] {
                let error = #expect(throws: ServiceError.self) {
                    try ChildProcess(
                        executable: program, arguments: [], environment: [:], logPath: path,
                        options: options)
                }
                #expect(error?.description.contains("cannot start \(program)") == true)
                #expect(error?.description.contains(word) == true)
            }
        }
        let error = #expect(throws: ServiceError.self) { try shell("a\u{0}b") }
        #expect(error == .spawn(program: "/bin/sh", SystemErrorCode(rawValue: EINVAL)))
        #expect(throws: ServiceError.self) { try shell("true", workingDirectory: "/nonexistent") }
    }

    @Test("A log that cannot be written is an error that names it")
    func logMissing() {
        let error = #expect(throws: ServiceError.self) {
            try ChildProcess(
                executable: "/bin/true", arguments: [], environment: [:],
                logPath: "/nonexistent/log")
        }
        #expect(error?.description.contains("cannot write the log /nonexistent/log") == true)
    }

    @Test("A process is told from a successor with the same number")
    func identity() throws {
        let own = try #require(ProcessIdentity.current)
        #expect(own.id == getpid() && own.isAlive && own.startTime > 0)
        let earlier = ProcessIdentity(id: own.id, startTime: own.startTime - 1)
        #expect(!earlier.isAlive)
        #expect(!earlier.signal(SIGKILL))
        #expect(earlier.waitUntilGone(timeout: .zero))
        #expect(!own.waitUntilGone(timeout: .milliseconds(1)))
        for id in [Int32(0), -1, Int32.max] { #expect(ProcessIdentity(of: id) == nil) }
    }

    @Test("A process can be signalled and awaited by its identity alone")
    func identitySignals() throws {
        let child = try shell("exec sleep 600")
        let identity = try #require(ProcessIdentity(of: child.id))
        #expect(identity == child.identity)
        #expect(identity.signal(SIGTERM))
        // It is not reaped yet, but an ended process counts as removed.
        #expect(identity.waitUntilGone(timeout: .seconds(60)))
        #expect(child.wait(timeout: .seconds(60)) == .killed(signal: SIGTERM))
        #expect(!identity.signal(SIGTERM))
    }

    @Test("The name of a program may hold brackets and spaces")
    func strangeName() throws {
        let program = folder.file("a) S (b c")
        try FileManager.default.createSymbolicLink(
            atPath: program, withDestinationPath: "/bin/sleep")
        let child = try ChildProcess(
            executable: program, arguments: ["600"], environment: [:], logPath: folder.file("log"))
        #expect(child.identity.isAlive && child.startTime > 0)
        #expect(child.stop() == .killed(signal: SIGTERM))
    }

    @Test("Ends are told in words")
    func words() {
        #expect(ChildProcess.ExitStatus.exited(3).description == "exit code 3")
        #expect(ChildProcess.ExitStatus.killed(signal: 9).description == "killed by SIGKILL")
        #expect(ChildProcess.ExitStatus.killed(signal: 11).description == "killed by signal 11")
    }
}
