internal import Glibc
import ServiceRuntime

/// `tapeline service`: has systemd run a local stack.
struct ServiceCommand: ToolCommand {
    /// It is there while systemd runs.
    static let systemd = "/run/systemd/system"

    enum Verb: Equatable { case install, print, remove }

    /// What the stack runs by.
    enum Runner: Equatable { case nobody, systemd, person(down: String) }

    var target = StackTarget()
    var verb = Verb.install
    /// What `up` is given.
    var arguments: [String] = []
    var options = Stack.UpOptions()

    static let page = CommandPage(
        "service", .stack, "have systemd run a stack", on: .stack,
        """
        service install [PROVIDER=NAME]
            write a unit of systemd that runs 'up --foreground' of the stack: root's starts with the
            machine, a person's with the session. A start that fails is tried again every 10 s,
            unless the configuration is wrong. The stack goes on with the provider and all settings
            of its last start; what is given here counts before them
        service remove
            remove the unit; the stack stays as it is
        --settings FILE
            install: as of 'up'; it has to stay there
        --simulator
            install: as of 'up'
        --print
            install: only show the unit
        $ tapeline service install --name coins PROVIDER=binance
        $ tapeline service install --print
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> ServiceCommand {
        let target = try StackTarget(given)
        guard given.verb == "install" else { return ServiceCommand(target: target, verb: .remove) }
        // What is wrong with them is said now, and not by a unit that fails.
        let options = try Stack.UpOptions(given)
        try options.check()
        var arguments = given.words
        for path in given.all("--settings") {
            arguments += ["--settings", FileSystem.resolved(path) ?? path]
        }
        if given.has("--simulator") { arguments.append("--simulator") }
        return ServiceCommand(
            target: target, verb: given.has("--print") ? .print : .install, arguments: arguments,
            options: options)
    }

    /// Refuses what the unit's start would refuse.
    func check(_ stack: Stack) throws(ToolError) {
        guard verb != .remove else { return }
        try options.settings.check(isPackage: stack.checkout.places.isPackage)
        if verb == .install { try stack.requireProvider(options) }
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        guard let home = tool.environment["HOME"], home.hasPrefix("/") else {
            throw .usage("HOME is not the path of a folder: a unit of systemd needs it")
        }
        let stack = try tool.stack(target)
        try check(stack)
        let unit = ServiceUnit(
            stack: stack.home.name, stackFolder: stack.home.path, program: stack.checkout.command,
            checkout: target.home == nil ? nil : stack.checkout.root,
            arguments: arguments, home: home, isOfRoot: getuid() == 0)
        let runner = try Self.runner(of: stack.home, unit)
        return try carryOut(unit, tool.terminal, systemd: Self.systemd, runner: runner)
    }

    private static func runner(
        of home: StackHome, _ unit: ServiceUnit
    ) throws(ToolError) -> Runner {
        guard let state = try StackState.read(home), state.isSupervised else { return .nobody }
        let groups = try FileSystem.read("/proc/\(state.supervisor.id)/cgroup") ?? []
        return unit.hasStarted(String(decoding: groups, as: UTF8.self))
            ? .systemd : .person(down: home.command("down"))
    }

    /// Returns what a person types after a unit was written. Two cannot run one stack.
    private static func steps(_ unit: ServiceUnit, _ runner: Runner) -> String {
        let reload = unit.systemctl("daemon-reload")
        let enable = unit.systemctl("enable --now \(unit.name)")
        return switch runner {
        case .nobody: "\(reload) && \(enable)"
        case .person(let down): "\(down) && \(reload) && \(enable)"
        case .systemd: "\(reload) && \(enable) && \(unit.systemctl("restart \(unit.name)"))"
        }
    }

    func carryOut(
        _ unit: ServiceUnit, _ terminal: Terminal, systemd: String, runner: Runner
    ) throws(ToolError) -> ExitCode {
        switch verb {
        case .print: terminal.raw(unit.text)
        case .install:
            guard FileSystem.isFolder(systemd) else {
                throw .refused(
                    "systemd does not run on this machine: have something else run "
                        + "'tapeline up --foreground'")
            }
            try FileSystem.makeFolder(unit.folder)
            try FileSystem.write(Array(unit.text.utf8), to: unit.path, mode: 0o644)
            terminal.line("\(unit.path) is written")
            terminal.line("now:    \(Self.steps(unit, runner))")
            if !unit.isOfRoot {
                terminal.line("later:  loginctl enable-linger, for a start with the machine")
            }
        case .remove:
            guard FileSystem.exists(unit.path) else {
                terminal.line("there is no unit \(unit.path)")
                return .success
            }
            let off = unit.systemctl("disable --now \(unit.name)")
            guard !FileSystem.isLink(unit.link), runner != .systemd else {
                throw .refused(
                    "the unit is switched on or runs: run '\(off)' first, then this again")
            }
            try FileSystem.removeFile(unit.path)
            terminal.line("\(unit.path) is removed; the stack \(unit.stack) stays as it is")
            terminal.line("now:    \(unit.systemctl("daemon-reload"))")
        }
        return .success
    }
}
