import AlpacaSimulator
import Primitives
import SimulatorPorts
import VenueWeb

/// The flags of the program.
@main
struct AlpacaArguments: SimulatorArguments {
    var flags = SimulatorFlags(port: 9_543)
    private var rate = 50
    private var symbols = AlpacaSymbol.stocks.compactMap { AlpacaSymbol($0) }
    private var coins = AlpacaSymbol.coins.compactMap { AlpacaSymbol($0) }
    private var settings = AlpacaSettings()
    private var rarities = AlpacaRarities()

    static var page: SimulatorPage<Self> {
        SimulatorPage(
            "alpaca-simulator",
            about: """
                a simulated Alpaca, for tests and demonstrations

                Clients of Alpaca's market data streams, and of its requests for trades, quotes
                and bars, connect to it as to the real service, without TLS. All records follow
                from the seed and the clock; none is real.
                """,
            ownFlags: [
                ("What", market), ("The account", account),
                ("A connection", SimulatorFlag.connection(\.settings.web)),
            ],
            example: "--symbols AAPL,SPY --rate 20", commands: (SimulatedAlpaca.usage, "mute 30"))
    }

    private static var market: [SimulatorFlag<Self>] {
        [
            .number(
                "--rate", 0...AlpacaLimits.rateMax, \.rate,
                "trades per second over all symbols, and as many quotes: 50"),
            names("--symbols", "A,B,...", AlpacaSymbol.stocks, "AAPL,SPY", \.symbols),
            names("--coins", "A/B,...", AlpacaSymbol.coins, "BTC/USD,ETH/USD", \.coins),
            .number(
                "--corrections", 0...65_536, \.rarities.correction,
                "one trade in N is corrected, 400 if not given; 0: none"),
            .number(
                "--cancels", 0...65_536, \.rarities.cancel,
                "one trade in N is cancelled, 500 if not given; 0: none"),
            .number(
                "--late", 0...65_536, \.rarities.late,
                "one trade in N is reported late, 200 if not given; 0: none"),
            .number(
                "--facilities", 1...16, \.rarities.facilities,
                """
                with ids of their own report trades outside of exchanges, 1 if not
                given: of each, one trade has the same id
                """),
            SimulatorFlag(
                "--halts", "SECONDS",
                "between two halts of a symbol, 1800 if not given; 0: none"
            ) { (arguments, text) throws(FlagProblem) in
                let seconds = Int64(try SimulatorFlags.number("--halts", text, 0...86_400))
                guard seconds == 0 || seconds >= 60 else {
                    throw FlagProblem(
                        "--halts wants 0 or a number from 60 to 86400, not '\(seconds)'")
                }
                arguments.rarities.haltSeconds = seconds
            },
            .number(
                "--news", of: "SECONDS", 0...86_400, \.rarities.newsSeconds,
                "between two articles, 10 if not given; 0: none"),
        ]
    }

    private static var account: [SimulatorFlag<Self>] {
        [
            .text("--key", \.settings.key, "test-key if not given"),
            .text("--secret", \.settings.secret, "test-secret if not given"),
            .number(
                "--hold", of: "SECONDS", 0...3_600, \.settings.holdSeconds,
                "for which a session counts after an unclean end, 90 if not given"),
            .number(
                "--sessions", 1...WebLimits.connectionsMax, \.settings.sessionsMax,
                "of one endpoint at the same time, 1 if not given"),
            .bound(
                "--symbol-limit", 1...AlpacaLimits.symbolsMax, \.settings.symbolLimit,
                "of trades and quotes together; any number if not given"),
            SimulatorFlag("--no-sip", "the account has no right to /v2/sip") {
                $0.settings.hasSIP = false
            },
        ]
    }

    /// A list of stocks or coins.
    private static func names(
        _ flag: String, _ value: String, _ usual: [String], _ example: String,
        _ path: WritableKeyPath<Self, [AlpacaSymbol]>
    ) -> SimulatorFlag<Self> {
        SimulatorFlag(flag, value, "\(usual.joined(separator: ",")) if not given") {
            (arguments, text) throws(FlagProblem) in
            let isOfCoins = flag == "--coins"
            arguments[keyPath: path] = try SimulatorFlags.names(
                flag, text, countMax: AlpacaLimits.symbolsMax, example: example
            ) { $0.contains("/") == isOfCoins ? AlpacaSymbol($0) : nil }
        }
    }

    func venue(start: Timestamp) -> SimulatedAlpaca {
        var settings = settings
        settings.web = settings.web.keeping(flags)
        return SimulatedAlpaca(
            AlpacaSite(
                settings, symbols: symbols, coins: coins, seed: flags.seed, rate: rate,
                rarities: rarities, start: start), start: start)
    }
}
