import ServiceRuntime

/// The simulated broker of a stack, `ibkr-simulator`: its arguments, the settings that the gateway
/// needs for it, and its commands. Pure, except for the commands.
struct SimulatorPlan: Equatable, Sendable {
    static let program = "ibkr-simulator"
    static let provider = "ibkr"
    /// The settings that `--set` can change.
    static let flags = [
        "SIMULATOR_SEED": "--seed", "SIMULATOR_RATE": "--rate", "SIMULATOR_SYMBOLS": "--symbols",
        "SIMULATOR_TRUTH": "--truth",
    ]
    /// The number of market data lines and of tick-by-tick lines. The simulated account is not
    /// limited.
    private static let lines = 1_000
    private static let commandTimeout: Duration = .seconds(5)

    let ports: StackPorts
    let settings: StackSettings

    func unit(checkout: Checkout, home: StackHome) -> UnitPlan {
        let control = ports[.simulatorControl]
        var arguments = [
            "--address", StackPlan.loopback, "--port", "\(ports[.simulator])",
            "--control-port", "\(control)", "--line-limit", "\(Self.lines)",
            "--tick-limit", "\(Self.lines)",
        ]
        for (key, flag) in Self.flags.sorted(by: { $0.key < $1.key }) {
            if let value = settings[key] { arguments += [flag, value] }
        }
        // A person who names stocks wants them to get the complete rate.
        if settings["SIMULATOR_SYMBOLS"] != nil { arguments.append("--stocks-only") }
        return UnitPlan(
            name: Self.program, kind: .server, stage: 0, executable: checkout.program(Self.program),
            arguments: arguments, check: .line(port: control, question: "status"),
            logPath: home.log(Self.program),
            address: "\(StackPlan.loopback):\(ports[.simulator]), commands at \(control)")
    }

    /// The settings of a gateway that is fed by it.
    static func gatewayEnvironment(_ ports: StackPorts) -> [String: String] {
        [
            "IBKR_HOST": StackPlan.loopback, "IBKR_PORT": "\(ports[.simulator])",
            "IBKR_LINES": "\(lines)", "IBKR_TICK_LINES": "\(lines)",
        ]
    }

    /// Sends one line to the control port. Returns the text after "ok".
    @discardableResult
    func command(_ line: String) throws(ToolError) -> String {
        let answer: String
        do {
            answer = try LineProbe.ask(
                host: StackPlan.loopback, port: ports[.simulatorControl], line: line,
                timeout: Self.commandTimeout)
        } catch {
            throw .unreachable("\(Self.program) does not take '\(line)': \(error)")
        }
        guard answer.hasPrefix("ok") else {
            throw .refused("\(Self.program) does not take '\(line)': \(answer)")
        }
        return String(answer.dropFirst("ok".count).drop { $0 == ":" || $0 == " " })
    }
}
