import ServiceRuntime

/// `tapeline up --foreground`: stays with the stack, as what starts services expects.
extension Stack {
    private static let lookAgainEvery: Duration = .milliseconds(200)

    /// Returns success when the stack was stopped by a signal or by `down`. A start that failed for
    /// good, and a supervisor that died, are errors: then nothing is left running. A stack in which
    /// not everything works stays as it is, so that it can be mended. It goes on with the settings
    /// of the last start.
    func upInForeground(
        _ options: UpOptions, shutdown: ShutdownSignal
    ) throws(ToolError) -> ExitCode {
        guard try StackState.read(home)?.isSupervised != true else {
            throw .refused(
                "the stack \(home.name) is already up: run '\(home.command("down"))' first, then "
                    + "this again")
        }
        try requireProvider(options)
        var options = options
        options.resumes = true
        let code = try up(options, shutdown: shutdown)
        if code == .interrupted { return .success }
        guard let supervisor = try StackState.read(home)?.supervisor else {
            throw .damaged(path: home.state, problem: "it names no supervisor")
        }
        terminal.line("in the foreground: Ctrl-C or SIGTERM stops the stack")
        while supervisor.isAlive {
            if shutdown.wait(timeout: Self.lookAgainEvery) { return try down() }
        }
        if let last = try StackState.read(home), last.phase == .stopped {
            guard let problem = last.problem else {
                terminal.line("the stack \(home.name) was stopped")
                return .success
            }
            throw .refused("the stack \(home.name) has ended: \(problem) (logs: \(home.logs))")
        }
        // `down --remove` has left nothing.
        guard FileSystem.isFolder(home.path) else { return .success }
        try locked { () throws(ToolError) in try end(nil) }
        throw .refused(
            "the supervisor of the stack \(home.name) has died, and what it left running is "
                + "stopped (logs: \(home.logs))")
    }
}
