import MarketModel
import Primitives
import ServiceRuntime
import TapeTransport

/// `tapeline load PROVIDER SYMBOL... [--bars LENGTH] --from TIME --to TIME`: puts a provider's past
/// onto the tape, as a source of its own.
struct LoadCommand: ToolCommand {
    /// The providers whose past can be loaded.
    static let providers = ["binance", "alpaca", "massive", broker]
    /// The one of them for which a symbol alone names no contract.
    static let broker = "ibkr"
    /// The lengths of the bars that can be loaded of each. A month has none.
    static let lengths = [
        "binance": [
            "1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d",
            "1w",
        ],
        "alpaca": ["1m", "5m", "15m", "30m", "1h", "4h", "1d"],
        "massive": ["1s", "1m", "5m", "15m", "30m", "1h", "4h", "1d"],
        broker: [
            "1s", "5s", "10s", "15s", "30s", "1m", "2m", "3m", "5m", "10m", "15m", "20m", "30m",
            "1h", "2h", "3h", "4h", "8h", "1d",
        ],
    ]
    /// The keys of the gateway for these lengths.
    private static let barKeys = [
        "binance": "BINANCE_BARS", "alpaca": "ALPACA_HISTORY_BARS",
        "massive": "MASSIVE_HISTORY_BARS", broker: "IBKR_BARS",
    ]
    /// What is younger may not be complete at the provider yet.
    private static let settledNanoseconds: Int64 = 60_000_000_000

    let target: TapeTarget
    let provider: String
    /// In the order in which they were given.
    let symbols: [Symbol]
    /// The range of event times is [from, to).
    let from: Timestamp
    let to: Timestamp
    /// The length of the provider's bars that are loaded; empty: trades are.
    let bars: String
    /// The list with the contracts of a broker's symbols; empty: that of the deployment.
    let instruments: String
    let source: SourceName
    /// True to only print the commands.
    let prints: Bool
    let isConfirmed: Bool
    let asJSON: Bool

    static let page = CommandPage(
        "load", .choice, "load a provider's past", also: [.zone, .yes, .json], words: .own,
        """
        load PROVIDER SYMBOL... --from TIME --to TIME
            put the trades or bars of the past of binance, alpaca, massive or ibkr onto the tape, in
            the order of time, as a source of its own; says first what it takes, and asks. After a
            stop or a kill the same command goes on where it was (docs/history.md).
            Without a local stack, LOAD_NATS_USER and LOAD_NATS_PASSWORD name the gateway's user of
            NATS
        --bars LENGTH
            the provider's own bars and not its trades, as 1m or 1d
        --instruments FILE
            with ibkr: the list that names the contracts; else that of the stack's gateways,
            and a symbol in none is a stock at SMART in USD
        --source NAME
            PROVIDER-history if not given. A source is loaded forward in time: an earlier
            range needs another one, as binance-history-2
        --print
            only say what to run, for a shell; nothing is noted
        $ tapeline load binance BTCUSDT --from 2026-11-01 --to 2026-11-08
        $ tapeline load binance BTCUSDT --bars 1d --from 2025-11-01 --to 2026-11-01
        $ tapeline load ibkr AAPL MSFT --from 2026-11-02 --to 2026-11-07
        $ tapeline load binance BTCUSDT ETHUSDT --from 2026-10-01 --to 2026-11-01 --yes \\
            --source binance-history-2 --json
        """)

    /// Throws with all mistakes in one sentence.
    static func read(_ given: CommandArguments) throws(ToolError) -> LoadCommand {
        var mistakes: [String] = []
        func take<Value>(_ read: () throws(ToolError) -> Value) -> Value? {
            do throws(ToolError) {
                return try read()
            } catch {
                mistakes.append("\(error)")
                return nil
            }
        }
        let provider = take { () throws(ToolError) in try Self.provider(given.words.first) }
        let symbols = take { () throws(ToolError) in
            try Self.symbols(given.words.dropFirst())
        }
        let from = take { () throws(ToolError) in try given.neededTime("--from") }
        let to = take { () throws(ToolError) in try given.neededTime("--to") }
        if let from, let to { mistakes += problems(from, to, now: given.now) }
        let bars = take { () throws(ToolError) in
            try Self.bars(given, of: provider ?? Self.providers[0])
        }
        let instruments = take { () throws(ToolError) in
            try Self.instruments(given, of: provider ?? Self.broker)
        }
        let source = take { () throws(ToolError) in
            try Self.source(given, of: provider ?? Self.providers[0])
        }
        guard mistakes.isEmpty, let provider, let symbols, let from, let to, let bars, let source,
            let instruments
        else {
            throw .usage(mistakes.joined(separator: "; "))
        }
        return LoadCommand(
            target: try TapeTarget(given), provider: provider, symbols: symbols, from: from,
            to: to, bars: bars, instruments: instruments, source: source,
            prints: given.has("--print"),
            isConfirmed: given.isConfirmed, asJSON: given.asJSON)
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        try LoadRun(
            command: self, terminal: tool.terminal, program: tool.program(StackPlan.gateway),
            environment: tool.environment
        ).run(tool.deployment(target), shutdown: tool.signals())
    }

    private static func provider(_ word: String?) throws(ToolError) -> String {
        let known = providers.joined(separator: ", ")
        guard let word else {
            throw .usage("'tapeline load' wants a provider (\(known)) and symbols")
        }
        guard providers.contains(word) else {
            throw .usage("'\(word.prefix(40))' has no past to load; these have: \(known)")
        }
        return word
    }

    private static func symbols(_ words: ArraySlice<String>) throws(ToolError) -> [Symbol] {
        var symbols: [Symbol] = []
        for word in words {
            // They are written into a list of instruments between quotes.
            guard let symbol = Symbol(word), !word.contains(where: { "\"\\".contains($0) }) else {
                throw .usage("'\(word.prefix(64))' is no symbol")
            }
            if !symbols.contains(symbol) { symbols.append(symbol) }
        }
        guard (1...LoadRange.symbolsMax).contains(symbols.count) else {
            throw .usage(
                symbols.isEmpty
                    ? "no symbol is given"
                    : "\(symbols.count) symbols are given, and \(LoadRange.symbolsMax) are the "
                        + "most of one load")
        }
        return symbols
    }

    private static func instruments(
        _ given: CommandArguments, of provider: String
    ) throws(ToolError) -> String {
        guard let path = try given.one("--instruments") else { return "" }
        guard provider == broker else {
            throw .usage("--instruments is for \(broker): \(provider) is asked by symbol alone")
        }
        return path
    }

    private static func bars(
        _ given: CommandArguments, of provider: String
    ) throws(ToolError) -> String {
        guard let length = try given.one("--bars") else { return "" }
        let lengths = lengths[provider] ?? []
        guard lengths.contains(length) else {
            throw .usage(
                "--bars of \(provider) wants a length (\(lengths.joined(separator: ", "))), and "
                    + "not '\(length.prefix(40))'"
                    + (length == "1M" ? ": months differ, and are made of days" : ""))
        }
        return length
    }

    private static func problems(
        _ from: Timestamp, _ to: Timestamp, now: Timestamp
    ) -> [String] {
        var problems: [String] = []
        if from >= to { problems.append("--from has to come before --to") }
        if now.nanoseconds(since: to) < settledNanoseconds {
            problems.append("--to has to be a minute ago at least, so that the past is complete")
        }
        return problems
    }

    private static func source(
        _ given: CommandArguments, of provider: String
    ) throws(ToolError) -> SourceName {
        let suffix = SourceName.historySuffix
        guard let source = try given.source() ?? SourceName("\(provider)\(suffix)") else {
            throw .usage("the name of \(provider) is too long for a source: give --source NAME")
        }
        guard source.isHistory else {
            throw .usage(
                "--source wants a name that ends in \(suffix) or \(suffix)-2, because such a "
                    + "source is not live, and not '\(source)'")
        }
        return source
    }

    // MARK: the gateway

    /// The provider of the gateway that loads, which is also its name on the gateway's page.
    var kind: String { "\(provider)\(SourceName.historySuffix)" }

    /// The gateway's settings for the load, without its list and without those of the servers.
    var environment: [String: String] {
        let range = [
            "GATEWAY_PROVIDER": kind, "GATEWAY_SOURCE": source.text, "HISTORY_FROM": "\(from)",
            "HISTORY_TO": "\(to)", "GATEWAY_LIVE": "false", "GATEWAY_LATENCY": "frugal",
        ]
        guard !bars.isEmpty, let key = Self.barKeys[provider] else { return range }
        return range.merging([key: bars]) { $1 }
    }

    /// The gateway's list of instruments, of a provider that is asked by symbol alone.
    var list: String {
        FeedProbe.list(
            provider, symbols.map(\.text), feeds: bars.isEmpty ? "trades" : "bars") ?? ""
    }

    /// What is loaded: `trades`, or `bars (1d)`.
    var what: String { LoadRange.what(bars) }

    /// The range in words: `BTCUSDT from … to …`.
    var subject: String {
        "\(symbols.map(\.text).joined(separator: ", ")) from \(LoadRange.shown(from)) "
            + "to \(LoadRange.shown(to))"
    }

    /// The options that make a relative time the same one again.
    var times: String { "--from \(LoadRange.shown(from)) --to \(LoadRange.shown(to))" }
}
