import BinanceSimulator
import Primitives
import SimulatorPorts
import VenueWeb

/// The flags of the program.
struct ExchangeArguments: SimulatorArguments {
    var flags = SimulatorFlags(port: 9_443)
    private var rate = 200
    private var symbols = ExchangeSymbol.defaultNames.compactMap { ExchangeSymbol($0) }
    private var settings = WebSettings()
    private var marketDataStatus = ExchangeLimits.marketDataStatuses[0]

    /// It has no flag without a value of its own.
    mutating func take(_ flag: String) -> Bool { false }

    mutating func set(_ flag: String, _ value: String) throws(FlagProblem) -> Bool {
        if flag == "--rate" {
            rate = try SimulatorFlags.number(flag, value, 0...ExchangeLimits.rateMax)
        } else if flag == "--symbols" {
            let names = try SimulatorFlags.names(
                flag, value, countMax: ExchangeLimits.symbolsMax, example: "BTCUSDT,ETHUSDT")
            symbols = names.compactMap { ExchangeSymbol($0) }
            guard symbols.count == names.count else {
                let wrong = names.first { ExchangeSymbol($0) == nil } ?? ""
                throw FlagProblem(
                    "'\(wrong.prefix(40))' is no symbol of the exchange: write it like BTCUSDT")
            }
        } else if flag == "--lifetime" {
            settings.lifetimeSeconds = Int64(try SimulatorFlags.number(flag, value, 1...86_400))
        } else if flag == "--market-data" {
            marketDataStatus = try SimulatorFlags.number(flag, value, 100...599)
            guard ExchangeLimits.marketDataStatuses.contains(marketDataStatus) else {
                throw FlagProblem("--market-data wants 403, 404 or 451")
            }
        } else if flag == "--ping" {
            settings.pingSeconds = Int64(try SimulatorFlags.number(flag, value, 1...3_600))
        } else {
            return false
        }
        return true
    }

    /// Makes the exchange that the flags describe.
    func exchange(start: Timestamp) -> SimulatedExchange {
        var settings = settings
        settings.keepsTruth = flags.truth != nil
        settings.keepsMarketLog = flags.marketLog != nil
        return SimulatedExchange(
            settings, market: ExchangeMarket(symbols: symbols, seed: flags.seed, rate: rate),
            start: start, marketDataStatus: marketDataStatus)
    }
}
