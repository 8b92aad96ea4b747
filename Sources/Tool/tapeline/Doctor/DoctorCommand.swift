import ServiceRuntime
import TapeTransport

/// `tapeline doctor`: looks at everything that a deployment needs, and says what to do.
struct DoctorCommand: ToolCommand {
    /// The operations pages and the Prometheus that nothing else names.
    struct Pages: Equatable, Sendable {
        static let servicesMax = 64

        var services: [TapeWatch.Monitor] = []
        var prometheus: TapeWatch.Monitor?

        init() {}

        init(_ given: CommandArguments) throws(ToolError) {
            let pages = given.all("--service")
            guard pages.count <= Self.servicesMax else {
                throw .usage("--service may come \(Self.servicesMax) times at most")
            }
            for text in pages { services.append(try Self.page(text, "--service")) }
            prometheus = try given.one("--prometheus").map { text throws(ToolError) in
                try Self.page(text, "--prometheus")
            }
        }

        private static func page(
            _ text: String, _ option: String
        ) throws(ToolError) -> TapeWatch.Monitor {
            let url = text.contains("://") ? text : "http://\(text)"
            guard let page = TapeWatch.Monitor(url: url) else {
                throw .usage("\(option) wants HOST:PORT, not '\(text.prefix(80))'")
            }
            return page
        }
    }

    var target = TapeTarget()
    var pages = Pages()
    /// The providers that are tried.
    var feeds: [TriedFeed] = []
    var asJSON = false

    private static let feedsMax = 16

    static let page = CommandPage(
        "doctor", .state, "look at all that a deployment needs, and say what to do",
        also: [.service, .prometheus, .json],
        """
        doctor
            look at all that a deployment needs: this machine, NATS, streams, database, Valkey,
            services and alerts; their versions, rights, room, durability and clocks. Each finding
            says what to do. It changes nothing, and says what it could not look at: 0 all in order,
            1 something is wrong, 2 nothing is wrong, but there are warnings, or something was not
            seen
        --feed PROVIDER/SYMBOL
            try this provider, too; may be repeated
        $ tapeline doctor
        $ tapeline doctor --feed binance/BTCUSDT
        $ NATS_URL=nats://nats.example:4222 tapeline doctor --service writer.example:9103
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> DoctorCommand {
        let feeds = given.all("--feed")
        guard feeds.count <= feedsMax else {
            throw .usage("--feed may come \(feedsMax) times at most")
        }
        return DoctorCommand(
            target: try TapeTarget(given), pages: try Pages(given),
            feeds: try feeds.map { text throws(ToolError) in try TriedFeed(text) },
            asJSON: given.asJSON)
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        try run(tool.deployment(target), tool.environment, tool.terminal)
    }

    func run(
        _ deployment: Deployment, _ environment: [String: String], _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        var settings = environment.merging(try deployment.feedSettings()) { $1 }
        // The list of a service is not what is tried.
        settings["GATEWAY_INSTRUMENTS"] = nil
        let report = try Examination(deployment, environment, pages).report(
            with: feeds.map { feed throws(ToolError) in try finding(of: feed, settings) })
        terminal.show(report.lines, json: report.json(), asJSON)
        return report.exitCode
    }

    private func finding(
        of feed: TriedFeed, _ environment: [String: String]
    ) throws(ToolError) -> Finding {
        let programs = FileSystem.folder(of: try Checkout.ownExecutable())
        let probe = feed.probe("\(programs)/\(StackPlan.gateway)", environment)
        return try probe.run(nil).outcome.finding
    }
}

extension Deployment {
    /// The settings of a local stack's gateways, so that a provider is reached as the stack reaches
    /// it.
    func feedSettings() throws(ToolError) -> [String: String] {
        guard let home, let state = try StackState.read(home) else { return [:] }
        var given = StackSettings()
        for (option, value) in zip(state.arguments, state.arguments.dropFirst())
        where option == "--set" { try given.add(value) }
        var settings = given.environment(for: .gateway)
        let ports = try StackPorts.present(home)
        for venue in SimulatedVenue.allCases
        where state.alive.contains(where: { $0.name == venue.program }) {
            settings.merge(SimulatorPlan.gatewayEnvironment(venue, ports)) { $1 }
        }
        return settings
    }
}

extension FeedOutcome {
    /// The outcome as a line of the doctor.
    var finding: Finding {
        let again = "'tapeline feed try \(provider) \(subject) --report FILE' writes more"
        return switch verdict {
        case .works: Finding(.fine, .feeds, sentence)
        case .quiet: Finding(.warning, .feeds, sentence, again)
        case .refused: Finding(.wrong, .feeds, sentence, "correct the symbol; \(again)")
        case .occupied:
            Finding(.warning, .feeds, sentence, "end the other session; \(again)")
        case .unreachable:
            Finding(.wrong, .feeds, sentence, "see that it is up and reachable; \(again)")
        case .failed: Finding(.wrong, .feeds, sentence, "correct the settings; \(again)")
        }
    }
}
