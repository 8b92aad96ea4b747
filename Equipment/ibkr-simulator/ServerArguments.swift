import IBSimulator
import Primitives
import SimulatorPorts

extension Simulator: SimulatedVenue {}

/// The flags of the program.
@main
struct ServerArguments: SimulatorArguments {
    var flags = SimulatorFlags(port: 7_497)
    private var rate = 200
    private var symbols = InstrumentList.defaultSymbols
    private var madeUp = 0
    private var hasOthers = true
    private var serverVersion = MessageWriter.versions.upperBound
    private var historyDays: Int64 = 30
    private var limits = SimulatorSettings.Limits()

    static var page: SimulatorPage<Self> {
        let versions = MessageWriter.versions
        let countMax = SimulatorLimits.instrumentsMax
        return SimulatorPage(
            "ibkr-simulator",
            about: """
                a made-up TWS, for tests and demonstrations

                Clients of Interactive Brokers' socket protocol connect to it as to TWS or IB
                Gateway. All data follow from the seed and the clock; nothing of it is real.
                """,
            ownFlags: [
                (
                    "What",
                    [
                        .number(
                            "--server-version", Int(versions.lowerBound)...Int(versions.upperBound),
                            \.serverVersion,
                            "\(versions.lowerBound) to \(versions.upperBound), "
                                + "the latest if not given"),
                        .number(
                            "--rate", 0...SimulatorLimits.rateMax, \.rate,
                            "events per second over all instruments, 200 if not given"),
                        SimulatorFlag("--symbols", "A,B,...", "stocks; if not given, 15 ETFs") {
                            (arguments, text) throws(FlagProblem) in
                            arguments.symbols = try SimulatorFlags.names(
                                "--symbols", text, countMax: countMax, example: "SPY,QQQ")
                        },
                        .number(
                            "--instruments", 0...countMax - 100, \.madeUp,
                            "so many more stocks, called SIM0, SIM1 and so on"),
                        SimulatorFlag(
                            "--stocks-only",
                            "no option, future, currency, coin, bond, fund and CFD besides"
                        ) { $0.hasOthers = false },
                        .number(
                            "--history-days", 0...3_650, \.historyDays,
                            "so far back goes the past, 30 if not given"),
                    ]
                ),
                (
                    "Limits of a client",
                    [
                        .number(
                            "--client-limit", 1...64, \.limits.clientsMax, "clients at once (32)"),
                        .number(
                            "--line-limit", 0...100_000, \.limits.lines, "market data lines (100)"),
                        .number(
                            "--tick-limit", 0...100_000, \.limits.tickByTickLines,
                            "tick-by-tick requests (5)"),
                        .number("--depth-limit", 0...100_000, \.limits.depthLines, "books (3)"),
                        SimulatorFlag(
                            "--no-pacing", "no errors 100 and no pacing violations"
                        ) { $0.limits.watchesPacing = false },
                    ]
                ),
            ], example: "--symbols SPY,QQQ --rate 50",
            commands: (ControlCommand.usage, "farm market down"))
    }

    func venue(start: Timestamp) -> Simulator {
        var settings = SimulatorSettings()
        settings.serverVersion = serverVersion
        settings.limits = limits
        settings.keepsTruth = flags.truth != nil
        settings.keepsMarketLog = flags.marketLog != nil
        let market = SimulatedMarket(
            instruments: InstrumentList.make(symbols: symbols, madeUp: madeUp, others: hasOthers),
            seed: flags.seed, rate: rate,
            firstSecond: start.nanoseconds / 1_000_000_000 - historyDays * 86_400)
        return Simulator(settings, market: market, start: start)
    }
}
