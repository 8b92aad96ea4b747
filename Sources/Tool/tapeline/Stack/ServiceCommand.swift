internal import Glibc
import ServiceRuntime

/// `tapeline service`: has systemd start a local stack.
struct ServiceCommand: ToolCommand {
    var target = StackTarget()
    var options = Stack.UpOptions()
    var removes = false

    static let page = CommandPage(
        "service", .stack, "have systemd start a stack", on: .stack, also: [.set.of("install")],
        """
        service install [PROVIDER=NAME]
            write a unit of systemd that starts the stack with the machine, or of a person with the
            session. It gives 'up' what it is given here
        service remove
            remove the unit. The stack stays as it is
        --settings FILE
            install: as of 'up'
        --simulator
            install: as of 'up'
        $ tapeline service install --name coins PROVIDER=binance
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> ServiceCommand {
        let removes = given.verb == "remove"
        return ServiceCommand(
            target: try StackTarget(given),
            options: removes ? Stack.UpOptions() : try Stack.UpOptions(given), removes: removes)
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        guard let home = tool.environment["HOME"], home.hasPrefix("/") else {
            throw .usage("HOME is not set: a unit of systemd needs it")
        }
        try options.check()
        let stack = try tool.stack(target)
        let unit = ServiceUnit(
            stack: stack.home.name, program: stack.checkout.command,
            checkout: target.home == nil ? nil : stack.checkout.root,
            arguments: options.arguments, home: home, isOfRoot: getuid() == 0)
        if removes {
            guard FileSystem.exists(unit.path) else {
                return tool.say("there is no unit \(unit.path)")
            }
            try FileSystem.removeFile(unit.path)
            tool.terminal.line("\(unit.path) is removed; the stack \(stack.home.name) stays")
            tool.terminal.line("now: \(unit.systemctl("daemon-reload"))")
            return .success
        }
        try FileSystem.makeFolder(unit.folder)
        try FileSystem.write(Array(unit.text.utf8), to: unit.path, mode: 0o644)
        tool.terminal.line("\(unit.path) is written")
        let enable = unit.systemctl("enable --now \(unit.name)")
        tool.terminal.line("now: \(unit.systemctl("daemon-reload")) && \(enable)")
        return .success
    }
}
