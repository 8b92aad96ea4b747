internal import Glibc
import ServiceRuntime

/// `tapeline service`: has systemd run a local stack.
struct ServiceCommand: ToolCommand {
    /// It is there while systemd runs.
    static let systemd = "/run/systemd/system"

    enum Verb: Equatable { case install, print, remove }

    var target = StackTarget()
    var verb = Verb.install
    /// What `up` is given.
    var arguments: [String] = []

    static let page = CommandPage(
        "service", .stack, "have systemd run a stack", on: .stack,
        """
        service install [PROVIDER=NAME]
            write a unit of systemd that runs 'up --foreground' of the stack: root's starts with the
            machine, a person's with the session. A start that fails is tried again every 10 s, 5
            times in 10 minutes. Without a provider or settings the stack goes on as it was
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
        try Stack.UpOptions(given).check()
        var arguments = given.words
        for path in given.all("--settings") {
            arguments += ["--settings", FileSystem.resolved(path) ?? path]
        }
        if given.has("--simulator") { arguments.append("--simulator") }
        return ServiceCommand(
            target: target, verb: given.has("--print") ? .print : .install, arguments: arguments)
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        guard let home = tool.environment["HOME"], home.hasPrefix("/") else {
            throw .usage("HOME is not the path of a folder: a unit of systemd needs it")
        }
        let stack = try tool.stack(target)
        let unit = ServiceUnit(
            stack: stack.home.name, program: stack.checkout.command,
            checkout: target.home == nil ? nil : stack.checkout.root,
            arguments: arguments, home: home, isOfRoot: getuid() == 0)
        return try carryOut(unit, tool.terminal, systemd: Self.systemd)
    }

    func carryOut(
        _ unit: ServiceUnit, _ terminal: Terminal, systemd: String
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
            let enable = unit.systemctl("enable --now \(unit.name)")
            terminal.line("now:    \(unit.systemctl("daemon-reload")) && \(enable)")
            if !unit.isOfRoot {
                terminal.line("later:  loginctl enable-linger, for a start with the machine")
            }
        case .remove:
            guard FileSystem.exists(unit.path) else {
                terminal.line("there is no unit \(unit.path)")
                return .success
            }
            let off = unit.systemctl("disable --now \(unit.name)")
            guard !FileSystem.isLink(unit.link) else {
                throw .refused(
                    "the unit is switched on: run '\(off)' first, then this again")
            }
            try FileSystem.removeFile(unit.path)
            terminal.line("\(unit.path) is removed; the stack \(unit.stack) stays as it is")
            terminal.line("now:    \(unit.systemctl("daemon-reload"))")
        }
        return .success
    }
}
