import Primitives
import ServiceRuntime

/// Tries a provider: runs `provider-gateway try`, which needs no NATS, and reads its log.
struct FeedProbe {
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
        var settings = environment
        settings["GATEWAY_PROVIDER"] = provider
        settings["GATEWAY_TRIAL_TICKS"] = "\(ticks)"
        settings["GATEWAY_TRIAL_TIME"] = "\(time.clampedNanoseconds / 1_000_000)ms"
        settings["GATEWAY_PROVIDER_STOP"] = Self.stop
        if provider == "synthetic" { settings["SYNTHETIC_SYMBOLS"] = subject }
        if provider == "replay" { settings["REPLAY_FILE"] = subject }
        let question = GatewayQuestion(
            program: program, word: "try", environment: settings, list: list,
            timeout: time + Self.spare)
        let log = try question.ask(shutdown).log
        return Result(
            outcome: FeedOutcome(provider: provider, subject: subject, wanted: ticks, log: log),
            log: log)
    }

    /// The list with the one instrument; `nil` for providers that take none, or if the settings
    /// name one.
    private var list: String? {
        guard environment["GATEWAY_INSTRUMENTS"]?.isEmpty ?? true else { return nil }
        return Self.list(provider, [subject])
    }

    /// Returns a list of instruments, as a gateway reads it. `nil` for providers that take none.
    /// All have the contract of the first one, and `feeds`; `nil`: those of the provider.
    static func list(_ provider: String, _ symbols: [String], feeds: String? = nil) -> String? {
        if ["synthetic", "replay"].contains(provider) { return nil }
        let contracts = [
            "ibkr": ("security: stock, exchange: SMART, currency: USD", "quotes"),
            "binance": ("security: crypto, exchange: BINANCE, currency: USDT", "trades"),
            "alpaca": symbols.first?.contains("/") == true
                ? ("security: crypto, exchange: ALPACA, currency: USD", "trades")
                : ("security: stock, exchange: SMART, currency: USD", "quotes"),
            "massive": ("security: stock, exchange: SMART, currency: USD", "quotes"),
            "fred": ("security: index, exchange: FRED, currency: USD", "indicators"),
            "coingecko": ("security: crypto, exchange: COINGECKO, currency: USD", "indicators"),
            "alternative-me": (
                "security: index, exchange: ALTERNATIVE.ME, currency: USD", "indicators"
            ),
        ]
        let defaults =
            contracts[provider].map { contract, usual in
                "defaults: {\(contract), feeds: \(feeds ?? usual)}\n"
            } ?? ""
        let lines = symbols.map { "  - \"\($0)\"\n" }.joined()
        return "version: 1\n\(defaults)instruments:\n\(lines)"
    }
}
