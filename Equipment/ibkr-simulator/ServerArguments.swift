import IBSimulator
import Primitives
import SimulatorPorts

/// The flags of the program.
struct ServerArguments: SimulatorArguments {
    var flags = SimulatorFlags(port: 7_497)
    private var rate = 200
    private var symbols = InstrumentList.defaultSymbols
    private var madeUp = 0
    private var hasOthers = true
    private var serverVersion = MessageWriter.versions.upperBound
    private var historySeconds: Int64 = 30 * 86_400
    private var limits = SimulatorSettings.Limits()

    mutating func take(_ flag: String) -> Bool {
        if flag == "--no-pacing" { limits.watchesPacing = false }
        if flag == "--stocks-only" { hasOthers = false }
        return ["--no-pacing", "--stocks-only"].contains(flag)
    }

    mutating func set(_ flag: String, _ value: String) throws(FlagProblem) -> Bool {
        switch flag {
        case "--rate": rate = try number(flag, value, 0...SimulatorLimits.rateMax)
        case "--symbols":
            symbols = try SimulatorFlags.names(
                flag, value, countMax: SimulatorLimits.instrumentsMax, example: "SPY,QQQ")
        case "--instruments":
            madeUp = try number(flag, value, 0...SimulatorLimits.instrumentsMax - 100)
        case "--server-version":
            let versions = MessageWriter.versions
            serverVersion = Int32(
                try number(flag, value, Int(versions.lowerBound)...Int(versions.upperBound)))
        case "--history-days":
            historySeconds = Int64(try number(flag, value, 0...3_650)) * 86_400
        case "--client-limit": limits.clientsMax = try number(flag, value, 1...64)
        case "--line-limit": limits.lines = try number(flag, value, 0...100_000)
        case "--tick-limit": limits.tickByTickLines = try number(flag, value, 0...100_000)
        case "--depth-limit": limits.depthLines = try number(flag, value, 0...100_000)
        default: return false
        }
        return true
    }

    private func number(
        _ flag: String, _ value: String, _ range: ClosedRange<Int>
    ) throws(FlagProblem) -> Int {
        try SimulatorFlags.number(flag, value, range)
    }

    /// Makes the server that the flags describe.
    func simulator(start: Timestamp) -> Simulator {
        var settings = SimulatorSettings()
        settings.serverVersion = serverVersion
        settings.limits = limits
        settings.keepsTruth = flags.truth != nil
        settings.keepsMarketLog = flags.marketLog != nil
        let market = SimulatedMarket(
            instruments: InstrumentList.make(
                symbols: symbols, madeUp: madeUp, others: hasOthers),
            seed: flags.seed, rate: rate,
            firstSecond: start.nanoseconds / 1_000_000_000 - historySeconds)
        return Simulator(settings, market: market, start: start)
    }
}
