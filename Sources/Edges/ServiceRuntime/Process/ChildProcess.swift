internal import CLinux
internal import Glibc
internal import Primitives

/// A program that this process started, with its output in a log file.
///
/// It continues when its handle is released. Its starter must wait for it in the end; until then it
/// keeps its process id, so that a signal cannot reach another process.
package final class ChildProcess: Sendable {
    package struct Options: OptionSet, Sendable {
        package let rawValue: Int
        package init(rawValue: Int) { self.rawValue = rawValue }

        /// A separate process group: Ctrl-C in the terminal does not reach it, `signalGroup` also
        /// reaches its children, and those that are left at its end are killed.
        package static let ownGroup = Options(rawValue: 1)
        /// The kernel sends it SIGTERM when the *thread* that started it ends. Use it only from a
        /// thread that lives as long as the process.
        package static let endsWithParent = Options(rawValue: 2)
    }

    package let executable: String
    package let identity: ProcessIdentity
    private let options: Options
    /// Readable at the end of the process; negative when the kernel has no such descriptors.
    private let endDescriptor: Int32
    private let status = ConditionLock<ExitStatus?>(nil)

    /// Starts the program at the path `executable` with exactly this environment. Standard input is
    /// empty; standard output and error are appended to `logPath`. The program inherits no
    /// descriptors and no signal mask.
    package init(
        executable: String, arguments: [String], environment: [String: String],
        workingDirectory: String? = nil, logPath: String, options: Options = []
    ) throws(ServiceError) {
        let isExecutable = unsafe access(executable, X_OK) == 0
        if !isExecutable && workingDirectory == nil { throw .spawn(program: executable, .current) }
        let log = unsafe open(logPath, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard log >= 0 else { throw .logFile(path: logPath, .current) }
        defer { close(log) }
        var command = [executable] + arguments
        if options.contains(.endsWithParent) { command = ChildProcess.wrapper + command }
        let plan = SpawnPlan(
            command: command, environment: environment.map { "\($0.key)=\($0.value)" },
            workingDirectory: workingDirectory, log: log,
            hasOwnGroup: options.contains(.ownGroup))
        let id = try plan.run()
        endDescriptor = shim_pidfd_open(id)
        self.executable = executable
        self.options = options
        // The process id is the child's until it is waited for, so this finds no other process.
        identity = ProcessIdentity(of: id) ?? ProcessIdentity(id: id, startTime: 0)
    }

    deinit {
        // If it has ended, this leaves no zombie. A running program continues.
        _ = reap()
        if endDescriptor >= 0 { close(endDescriptor) }
    }

    /// `posix_spawn` has no option for it. The program is a part of util-linux, which every Debian
    /// has.
    private static let wrapper = ["/usr/bin/setpriv", "--pdeathsig", "TERM", "--"]

    package var id: Int32 { identity.id }
    package var startTime: UInt64 { identity.startTime }

    /// How it ended; `nil` as long as it runs.
    package var exitStatus: ExitStatus? { wait(timeout: .zero) }
    package var isRunning: Bool { exitStatus == nil }

    /// Returns false when it has ended already.
    @discardableResult
    package func signal(_ number: Int32) -> Bool { send(number, to: id) }

    /// Signals the process and all descendants that stayed in its group. Only with `.ownGroup`.
    @discardableResult
    package func signalGroup(_ number: Int32) -> Bool {
        precondition(options.contains(.ownGroup), "\(executable) has no process group of its own")
        return send(number, to: -id)
    }

    private func send(_ number: Int32, to target: Int32) -> Bool {
        // While the lock is held, no thread can wait for the child, so the process id stays its
        // own.
        status.withLock { $0 == nil && kill(target, number) == 0 }
    }

    /// Returns how it ended, if it ends within `timeout`. Any number of threads may wait.
    package func wait(timeout: Duration) -> ExitStatus? {
        let deadline = SystemClock().deadline(after: timeout)
        while true {
            if let ended = reap() { return ended }
            let left = SystemClock().remaining(until: deadline)
            if left == .zero { return nil }
            waitForEnd(endDescriptor, atMost: left)
        }
    }

    /// Waits until one of these processes has ended, `wake` is called, or the time is over.
    /// `exitStatus` shows which one has ended.
    package static func waitForAny(
        of processes: some Sequence<ChildProcess>, or wake: WakeEvent, atMost limit: Duration
    ) {
        var wanted = [pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0)]
        var pause = limit
        for process in processes {
            // An old kernel has no such descriptors, and `poll` passes over a negative one.
            if process.endDescriptor < 0 { pause = min(pause, .milliseconds(100)) }
            wanted.append(
                pollfd(fd: process.endDescriptor, events: Int16(POLLIN), revents: 0))
        }
        unsafe poll(&wanted, nfds_t(wanted.count), pause.pollMilliseconds)
        wake.clear()
    }

    /// Sends signal `number` (15: SIGTERM), waits `grace` for the end, and then kills the process.
    /// Returns `nil` when the kernel did not end it in time.
    @discardableResult
    package func stop(_ number: Int32 = 15, grace: Duration = .seconds(10)) -> ExitStatus? {
        signal(number)
        if let ended = wait(timeout: grace) { return ended }
        signal(SIGKILL)
        return wait(timeout: grace)
    }

    private func reap() -> ExitStatus? {
        status.withLock { status in
            if let status { return status }
            if options.contains(.ownGroup) { killWhatItLeaves() }
            var raw: Int32 = 0
            guard unsafe waitpid(id, &raw, WNOHANG) == id else { return nil }
            status = ExitStatus(waitStatus: raw)
            return status
        }
    }

    /// Kills the rest of the group. No process supervises them, and they would disturb a program
    /// that is started instead. It must happen before the status is fetched: until then the group's
    /// id cannot belong to another group.
    private func killWhatItLeaves() {
        var information = unsafe siginfo_t()
        let what = WEXITED | WNOHANG | WNOWAIT
        guard unsafe waitid(P_PID, id_t(id), &information, what) == 0,
            unsafe information.si_signo != 0
        else { return }
        _ = kill(-id, SIGKILL)
    }
}
