import MarketModel
import Primitives
import ServiceRuntime

/// `tapeline feed try`: connects to a provider, takes a few ticks, and says whether it works.
struct FeedCommand: ToolCommand {
    var feed: TriedFeed
    var ticks = 10
    var seconds = 30
    /// The gateway's settings that a person gave.
    var settings: [String: String] = [:]
    /// The file for a person who helps; `nil`: none is written.
    var report: String?
    var asJSON = false

    static let page = CommandPage(
        "feed", .choice, "try a provider: connect, take ten ticks, say whether it works",
        on: .nowhere, also: [.json],
        """
        feed try PROVIDER SYMBOL
            connect to a provider, take ten ticks, and say whether it works: ibkr, binance, alpaca,
            massive, synthetic, fred, coingecko or alternative-me (one value is enough), or replay
            with a recording instead of a symbol. It needs no NATS and no stack, and puts nothing on
            a tape. Settings come from the environment of the services: 0 it works, 1 it refuses the
            symbol, or the settings are wrong, 2 connected, but too few ticks, 69 not reachable
        --ticks N
            so many ticks, 10 if not given
        --seconds N
            wait so long at most, 30 if not given
        --set KEY=VALUE
            a setting of the gateway, such as IBKR_PORT=7496
        --report FILE
            write what came, the settings and the log into a file that can be sent. Secrets
            are taken out; prices and names of hosts are not
        $ tapeline feed try binance BTCUSDT
        $ tapeline feed try ibkr SPY --set IBKR_PORT=7497 --report feed.json
        $ tapeline feed try replay day.recording --ticks 100
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> FeedCommand {
        var command = FeedCommand(feed: try TriedFeed(given.words[0], given.words[1]))
        command.ticks = try given.integer("--ticks", in: 1...1_000) ?? command.ticks
        command.seconds = try given.integer("--seconds", in: 1...600) ?? command.seconds
        for text in given.all("--set") {
            guard let equals = text.firstIndex(of: "="), equals > text.startIndex else {
                throw .usage("--set wants KEY=VALUE, not '\(text.prefix(80))'")
            }
            command.settings[String(text[..<equals])] = String(text[text.index(after: equals)...])
        }
        command.report = try given.one("--report")
        command.asJSON = given.asJSON
        return command
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        try run(tool.environment, shutdown: tool.signals(), tool.terminal)
    }

    func run(
        _ environment: [String: String], shutdown: ShutdownSignal, _ terminal: Terminal
    ) throws(ToolError) -> ExitCode {
        let programs = FileSystem.folder(of: try Checkout.ownExecutable())
        // The list of a service is not what is tried.
        var given = environment
        given["GATEWAY_INSTRUMENTS"] = nil
        let settings = given.merging(settings) { $1 }
        if let report, FileSystem.exists(report) {
            throw .refused("\(report) is there already: name another file")
        }
        var probe = feed.probe("\(programs)/\(StackPlan.gateway)", settings)
        probe.ticks = ticks
        probe.time = .seconds(seconds)
        let result = try probe.run(shutdown)
        let outcome = result.outcome
        if shutdown.isRequested, outcome.verdict != .works {
            terminal.problem("interrupted: whether \(feed.provider) works is not known")
            return .interrupted
        }
        if asJSON {
            var writer = JSONWriter(capacity: 4_096)
            writer.object { outcome.write(into: &$0) }
            terminal.line(writer.text)
        } else {
            for line in outcome.lines { terminal.line(line) }
        }
        if let report {
            let bytes = FeedReport(result, settings).bytes
            try FileSystem.write(bytes, to: report)
            if !asJSON { terminal.line("\(report): look at it before you send it") }
        }
        return outcome.exitCode
    }
}

/// A provider and what is asked of it.
struct TriedFeed: Equatable, Sendable {
    let provider: String
    /// A symbol, or the path of a recording.
    let subject: String

    init(_ provider: String, _ subject: String) throws(ToolError) {
        guard SourceName(provider) != nil else {
            throw .usage(
                "'\(provider.prefix(40))' is no provider: ibkr, binance, alpaca, massive, "
                    + "fred, coingecko, alternative-me, synthetic, replay")
        }
        let isFile = provider == "replay"
        guard isFile || Symbol(subject) != nil && !subject.contains(where: { "\"\\".contains($0) })
        else { throw .usage("'\(subject.prefix(64))' is no symbol") }
        self.provider = provider
        self.subject = subject
    }

    /// Reads `binance/BTCUSDT`.
    init(_ text: String) throws(ToolError) {
        let parts = text.split(separator: "/", maxSplits: 1).map(String.init)
        guard parts.count == 2 else {
            throw .usage("--feed wants PROVIDER/SYMBOL, not '\(text.prefix(80))'")
        }
        try self.init(parts[0], parts[1])
    }

    /// A client of TWS beside a gateway needs a number of its own.
    private static let clientID = "90"

    func probe(_ program: String, _ environment: [String: String]) -> FeedProbe {
        var settings = environment
        settings["GATEWAY_SOURCE"] = nil
        if settings["IBKR_CLIENT_ID"]?.isEmpty ?? true {
            settings["IBKR_CLIENT_ID"] = Self.clientID
        }
        return FeedProbe(
            program: program, provider: provider, subject: subject, environment: settings)
    }
}

/// What a person can send who needs help with a provider: the outcome, the settings and the log,
/// without secrets.
struct FeedReport {
    let bytes: [UInt8]

    init(_ result: FeedProbe.Result, _ environment: [String: String]) {
        let ours = environment.filter { KeyCatalogue.product.names.contains($0.key) }
        let secrets = environment.filter { SecretFilter.isSecret($0.key) }.map(\.value)
        var writer = JSONWriter(capacity: 16_384)
        writer.object { json in
            json.member("tool", ProductVersion.line("tapeline"))
            result.outcome.write(into: &json)
            json.object("settings") { json in
                for (key, value) in ours.sorted(by: { $0.key < $1.key }) {
                    json.member(key, SecretFilter.isSecret(key) ? "[secret]" : value)
                }
            }
            json.member(
                "log",
                values: result.log.split(separator: UInt8(ascii: "\n")).map {
                    String(decoding: $0, as: UTF8.self)
                })
        }
        bytes = SecretFilter(secrets).cleaned(writer.bytes) + Array("\n".utf8)
    }
}
