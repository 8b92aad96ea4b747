internal import Glibc
import Primitives
import ServiceRuntime

/// Tries a provider: runs `provider-gateway try`, which needs no NATS, and reads its log.
struct FeedProbe {
    private static let logBytesMax = 1 << 20
    /// How long the gateway may take beyond the time of the trial.
    private static let spare = Duration.seconds(15)
    /// A provider that does not end in time is ended with the process.
    private static let stop = "500ms"

    /// The path of the gateway's program.
    let program: String
    let provider: String
    /// A symbol, or the path of a recording.
    let subject: String
    var ticks = 10
    var time = Duration.seconds(30)
    /// The gateway's settings.
    var environment: [String: String] = [:]

    /// The outcome and the log that it was read from.
    struct Result {
        let outcome: FeedOutcome
        let log: [UInt8]
    }

    /// Returns what came. Ends early after a request to stop.
    func run(_ shutdown: ShutdownSignal?) throws(ToolError) -> Result {
        guard FileSystem.isExecutable(program) else {
            throw .missing(path: program, verb: "build")
        }
        let folder = try Self.makeFolder(environment)
        let result = Swift.Result { () throws(ToolError) in try run(in: folder, shutdown) }
        try FileSystem.removeFolder(folder)
        return try result.get()
    }

    private func run(
        in folder: String, _ shutdown: ShutdownSignal?
    ) throws(ToolError) -> Result {
        let log = "\(folder)/gateway.log"
        var settings = environment
        settings["GATEWAY_PROVIDER"] = provider
        settings["GATEWAY_TRIAL_TICKS"] = "\(ticks)"
        settings["GATEWAY_TRIAL_TIME"] = "\(time.clampedNanoseconds / 1_000_000)ms"
        settings["GATEWAY_PROVIDER_STOP"] = Self.stop
        settings["LOG_FORMAT"] = "json"
        settings["LOG_LEVEL"] = "info"
        if let list = list {
            try FileSystem.write(Array(list.utf8), to: "\(folder)/instruments.yaml")
            settings["GATEWAY_INSTRUMENTS"] = "\(folder)/instruments.yaml"
        }
        if provider == "synthetic" { settings["SYNTHETIC_SYMBOLS"] = subject }
        if provider == "replay" { settings["REPLAY_FILE"] = subject }
        let child: ChildProcess
        do {
            child = try ChildProcess(
                executable: program, arguments: ["try"], environment: settings, logPath: log,
                options: [.ownGroup, .endsWithParent])
        } catch {
            throw .runtime(error)
        }
        let deadline = SystemClock().deadline(after: time + Self.spare)
        while child.wait(timeout: .milliseconds(50)) == nil,
            SystemClock().remaining(until: deadline) > .zero, shutdown?.isRequested != true
        {}
        child.stop(grace: .seconds(2))
        let bytes = FileSystem.tail(of: log, bytesMax: Self.logBytesMax)
        return Result(
            outcome: FeedOutcome(
                provider: provider, subject: subject, wanted: ticks, log: bytes), log: bytes)
    }

    /// The list with the one instrument; `nil` for providers that take none, or if the settings
    /// name one.
    private var list: String? {
        guard environment["GATEWAY_INSTRUMENTS"]?.isEmpty ?? true else { return nil }
        return Self.list(provider, subject)
    }

    /// Returns a list with one instrument, as a gateway reads it.
    static func list(_ provider: String, _ symbol: String) -> String? {
        if ["synthetic", "replay"].contains(provider) { return nil }
        let contracts = [
            "ibkr": "security: stock, exchange: SMART, currency: USD, feeds: quotes",
            "binance": "security: crypto, exchange: BINANCE, currency: USDT, feeds: trades",
            "alpaca": symbol.contains("/")
                ? "security: crypto, exchange: ALPACA, currency: USD, feeds: trades"
                : "security: stock, exchange: SMART, currency: USD, feeds: quotes",
            "fred": "security: index, exchange: FRED, currency: USD, feeds: indicators",
            "coingecko":
                "security: crypto, exchange: COINGECKO, currency: USD, feeds: indicators",
            "alternative-me":
                "security: index, exchange: ALTERNATIVE.ME, currency: USD, feeds: indicators",
        ]
        let defaults = contracts[provider].map { "defaults: {\($0)}\n" } ?? ""
        return "version: 1\n\(defaults)instruments:\n  - \"\(symbol)\"\n"
    }

    private static func makeFolder(_ environment: [String: String]) throws(ToolError) -> String {
        let parent = environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp"
        var pattern = Array("\(parent)/tapeline-feed-XXXXXX".utf8CString)
        guard let made = unsafe mkdtemp(&pattern) else {
            throw FileSystem.failure("make a folder in", parent)
        }
        return unsafe String(cString: made)
    }
}
