import ServiceRuntime

/// A simulated venue of a stack: its arguments, the settings that the gateway needs for it, and its
/// commands. Pure, except for the commands.
struct SimulatorPlan: Equatable, Sendable {
    /// The settings that `--set` can change.
    static let flags = [
        "SIMULATOR_SEED": "--seed", "SIMULATOR_RATE": "--rate", "SIMULATOR_SYMBOLS": "--symbols",
        "SIMULATOR_TRUTH": "--truth",
    ]
    /// The number of market data lines and of tick-by-tick lines. The simulated account is not
    /// limited.
    private static let lines = 1_000
    private static let commandTimeout: Duration = .seconds(5)

    let venue: SimulatedVenue
    let ports: StackPorts
    let settings: StackSettings

    private var program: String { venue.program }

    func unit(checkout: Checkout, home: StackHome) -> UnitPlan {
        let control = ports[venue.controlPort]
        var arguments = [
            "--address", StackPlan.loopback, "--port", "\(ports[venue.port])",
            "--control-port", "\(control)",
        ]
        if venue == .ibkr {
            arguments += ["--line-limit", "\(Self.lines)", "--tick-limit", "\(Self.lines)"]
        }
        for (key, flag) in Self.flags.sorted(by: { $0.key < $1.key }) {
            if let value = settings[key] { arguments += [flag, value] }
        }
        // A person who names stocks wants them to get the complete rate.
        if venue == .ibkr, settings["SIMULATOR_SYMBOLS"] != nil {
            arguments.append("--stocks-only")
        }
        return UnitPlan(
            name: program, kind: .server, stage: 0, executable: checkout.program(program),
            arguments: arguments, check: .line(port: control, question: "status"),
            logPath: home.log(program),
            address: "\(StackPlan.loopback):\(ports[venue.port]), commands at \(control)")
    }

    /// The settings of a gateway that is fed by it.
    static func gatewayEnvironment(
        _ venue: SimulatedVenue, _ ports: StackPorts
    ) -> [String: String] {
        let port = ports[venue.port]
        return switch venue {
        case .ibkr:
            [
                "IBKR_HOST": StackPlan.loopback, "IBKR_PORT": "\(port)",
                "IBKR_LINES": "\(lines)", "IBKR_TICK_LINES": "\(lines)",
            ]
        case .binance:
            [
                "BINANCE_URL": "ws://\(StackPlan.loopback):\(port)/stream",
                "BINANCE_REST_URL": "http://\(StackPlan.loopback):\(port)",
            ]
        case .alpaca:
            [
                "ALPACA_URL": "ws://\(StackPlan.loopback):\(port)",
                "ALPACA_REST_URL": "http://\(StackPlan.loopback):\(port)",
                // Those of the simulator, which everybody knows.
                "ALPACA_API_KEY": "test-key", "ALPACA_API_SECRET": "test-secret",
            ]
        case .massive:
            [
                "MASSIVE_URL": "ws://\(StackPlan.loopback):\(port)",
                "MASSIVE_REST_URL": "http://\(StackPlan.loopback):\(port)",
                "MASSIVE_API_KEY": "test-key",
            ]
        }
    }

    /// Sends one line to the control port. Returns the text after "ok".
    @discardableResult
    func command(_ line: String) throws(ToolError) -> String {
        let answer: String
        do {
            answer = try LineProbe.ask(
                host: StackPlan.loopback, port: ports[venue.controlPort], line: line,
                timeout: Self.commandTimeout)
        } catch {
            throw .unreachable("\(program) does not take '\(line)': \(error)")
        }
        guard answer.hasPrefix("ok") else {
            throw .refused("\(program) does not take '\(line)': \(answer)")
        }
        return String(answer.dropFirst("ok".count).drop { $0 == ":" || $0 == " " })
    }
}
