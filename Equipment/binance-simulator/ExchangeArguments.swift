import BinanceSimulator
import Primitives
import SimulatorPorts
import VenueWeb

/// The flags of the program.
@main
struct ExchangeArguments: SimulatorArguments {
    var flags = SimulatorFlags(port: 9_443)
    private var rate = 200
    private var symbols = ExchangeSymbol.defaultNames.compactMap { ExchangeSymbol($0) }
    private var settings = WebSettings()
    private var marketDataStatus = ExchangeLimits.marketDataStatuses[0]

    static var page: SimulatorPage<Self> {
        SimulatorPage(
            "binance-simulator",
            about: """
                a simulated exchange, for tests and demonstrations

                Clients of Binance's market streams and of its public requests connect to it as
                to the exchange, without TLS. All trades follow from the seed and the clock, and
                quotes, bars and books from the trades; none is real.
                """,
            ownFlags: [
                (
                    "What",
                    [
                        .number(
                            "--rate", 0...ExchangeLimits.rateMax, \.rate,
                            "trades per second over all symbols, 200 if not given"),
                        SimulatorFlag(
                            "--symbols", "A,B,...",
                            "\(ExchangeSymbol.defaultNames.joined(separator: ",")) if not given"
                        ) { (arguments, text) throws(FlagProblem) in
                            arguments.symbols = try SimulatorFlags.names(
                                "--symbols", text, countMax: ExchangeLimits.symbolsMax,
                                example: "BTCUSDT,ETHUSDT", ExchangeSymbol.init)
                        },
                        SimulatorFlag(
                            "--market-data", "N",
                            """
                            status of historicalTrades below /market-data, where the exchange
                            has market data alone: 403, 404 or 451; 404 if not given
                            """
                        ) { (arguments, text) throws(FlagProblem) in
                            let status = try SimulatorFlags.number("--market-data", text, 100...599)
                            guard ExchangeLimits.marketDataStatuses.contains(status) else {
                                throw FlagProblem("--market-data wants 403, 404 or 451")
                            }
                            arguments.marketDataStatus = status
                        },
                    ]
                ), ("A connection", SimulatorFlag.connection(\.settings)),
            ], example: "--symbols BTCUSDT,ETHUSDT --rate 50",
            commands: (SimulatedExchange.usage, "mute 30"))
    }

    func venue(start: Timestamp) -> SimulatedExchange {
        SimulatedExchange(
            settings.keeping(flags),
            market: ExchangeMarket(symbols: symbols, seed: flags.seed, rate: rate), start: start,
            marketDataStatus: marketDataStatus)
    }
}
