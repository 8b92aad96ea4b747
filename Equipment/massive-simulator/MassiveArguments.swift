import MassiveSimulator
import Primitives
import SimulatorPorts
import VenueWeb

/// The flags of the program.
@main
struct MassiveArguments: SimulatorArguments {
    var flags = SimulatorFlags(port: 9_643)
    private var rate = 50
    private var symbols = MassiveSymbol.stocks.compactMap { MassiveSymbol($0) }
    private var settings = MassiveSettings()
    private var rarities = MassiveRarities()

    static var page: SimulatorPage<Self> {
        SimulatorPage(
            "massive-simulator",
            about: """
                a simulated Massive, for tests and demonstrations

                Clients of Massive's stream of US stocks, and of its requests for trades, quotes
                and bars, connect to it as to the real service, without TLS. All records follow
                from the seed and the clock; none is real.
                """,
            ownFlags: [
                ("What", market), ("The account", account),
                ("A connection", SimulatorFlag.connection(\.settings.web)),
            ],
            example: "--symbols AAPL,SPY --rate 20", commands: (SimulatedMassive.usage, "mute 30"))
    }

    private static var market: [SimulatorFlag<Self>] {
        [
            .number(
                "--rate", 0...MassiveLimits.rateMax, \.rate,
                "trades per second over all symbols, and as many quotes: 50"),
            SimulatorFlag(
                "--symbols", "A,B,...",
                "\(MassiveSymbol.stocks.joined(separator: ",")) if not given"
            ) { (arguments, text) throws(FlagProblem) in
                arguments.symbols = try SimulatorFlags.names(
                    "--symbols", text, countMax: MassiveLimits.symbolsMax, example: "AAPL,SPY",
                    MassiveSymbol.init)
            },
            .number(
                "--late", 0...65_536, \.rarities.late,
                "one late trade for N others, 200 if not given; 0: none"),
            .number(
                "--busts", 0...65_536, \.rarities.bust,
                "one trade in N is cancelled, 500 if not given; 0: none"),
            .number(
                "--twins", 0...65_536, \.rarities.twin,
                """
                one trade in N comes with another one of its sequence, 0 if not
                given: none
                """),
            .number(
                "--fractions", 0...65_536, \.rarities.fraction,
                """
                one trade in N outside of exchanges has a part of a share: 4;
                0: none
                """),
        ]
    }

    private static var account: [SimulatorFlag<Self>] {
        [
            .text("--key", \.settings.key, "test-key if not given"),
            .number(
                "--sessions", 1...WebLimits.connectionsMax, \.settings.sessionsMax,
                "at the same time, 1 if not given; a further one ends the oldest"),
            .bound(
                "--requests", 1...1_000_000, \.settings.requestsPerMinute,
                "in a minute, as 5 of the free plan; any number if not given"),
            SimulatorFlag("--no-streams", "the plan includes no streams") {
                $0.settings.hasStreams = false
            },
            SimulatorFlag("--no-quotes", "the plan includes no quotes") {
                $0.settings.hasQuotes = false
            },
        ]
    }

    func venue(start: Timestamp) -> SimulatedMassive {
        var settings = settings
        settings.web = settings.web.keeping(flags)
        return SimulatedMassive(
            MassiveSite(
                settings, symbols: symbols, seed: flags.seed, rate: rate, rarities: rarities,
                start: start), start: start)
    }
}
