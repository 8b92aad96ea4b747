import AlpacaSimulator
import Primitives
import SimulatorPorts
import VenueWeb

/// The flags of the program.
struct AlpacaArguments: SimulatorArguments {
    var flags = SimulatorFlags(port: 9_543)
    private var rate = 50
    private var symbols = AlpacaSymbol.stocks.compactMap { AlpacaSymbol($0) }
    private var coins = AlpacaSymbol.coins.compactMap { AlpacaSymbol($0) }
    private var settings = AlpacaSettings()
    private var rarities = AlpacaRarities()

    mutating func take(_ flag: String) -> Bool {
        guard flag == "--no-sip" else { return false }
        settings.hasSIP = false
        return true
    }

    mutating func set(_ flag: String, _ value: String) throws(FlagProblem) -> Bool {
        if flag == "--symbols" {
            symbols = try names(flag, value, example: "AAPL,SPY", isCoin: false)
        } else if flag == "--coins" {
            coins = try names(flag, value, example: "BTC/USD,ETH/USD", isCoin: true)
        } else if flag == "--key" {
            settings.key = value
        } else if flag == "--secret" {
            settings.secret = value
        } else {
            return try setNumber(flag, value)
        }
        return true
    }

    /// The flags with a number.
    private enum NumberFlag: String {
        case rate = "--rate"
        case lifetime = "--lifetime"
        case ping = "--ping"
        case hold = "--hold"
        case sessions = "--sessions"
        case symbolLimit = "--symbol-limit"
        case corrections = "--corrections"
        case cancels = "--cancels"
        case late = "--late"
        case halts = "--halts"
        case news = "--news"
        case facilities = "--facilities"
    }

    private mutating func setNumber(
        _ flag: String, _ value: String
    ) throws(FlagProblem) -> Bool {
        func number(_ range: ClosedRange<Int>) throws(FlagProblem) -> Int {
            try SimulatorFlags.number(flag, value, range)
        }
        guard let which = NumberFlag(rawValue: flag) else { return false }
        switch which {
        case .rate: rate = try number(0...AlpacaLimits.rateMax)
        case .lifetime: settings.web.lifetimeSeconds = Int64(try number(1...86_400))
        case .ping: settings.web.pingSeconds = Int64(try number(1...3_600))
        case .hold: settings.holdSeconds = Int64(try number(0...3_600))
        case .sessions: settings.sessionsMax = try number(1...WebLimits.connectionsMax)
        case .symbolLimit: settings.symbolLimit = try number(1...AlpacaLimits.symbolsMax)
        case .corrections: rarities.correction = UInt64(try number(0...65_536))
        case .cancels: rarities.cancel = UInt64(try number(0...65_536))
        case .late: rarities.late = UInt64(try number(0...65_536))
        case .halts:
            let seconds = Int64(try number(0...86_400))
            guard seconds == 0 || seconds >= 60 else {
                throw FlagProblem("--halts wants 0 or a number from 60 to 86400, not '\(seconds)'")
            }
            rarities.haltSeconds = seconds
        case .facilities: rarities.facilities = UInt64(try number(1...16))
        case .news: rarities.newsSeconds = Int64(try number(0...86_400))
        }
        return true
    }

    private func names(
        _ flag: String, _ value: String, example: String, isCoin: Bool
    ) throws(FlagProblem) -> [AlpacaSymbol] {
        let names = try SimulatorFlags.names(
            flag, value, countMax: AlpacaLimits.symbolsMax, example: example)
        return try names.map { name throws(FlagProblem) in
            guard let symbol = AlpacaSymbol(name), name.contains("/") == isCoin else {
                throw FlagProblem(
                    "'\(name.prefix(40))' is no symbol of \(flag): write it like \(example)")
            }
            return symbol
        }
    }

    /// Makes the venue that the flags describe.
    func venue(start: Timestamp) -> SimulatedAlpaca {
        var settings = settings
        settings.web.keepsTruth = flags.truth != nil
        settings.web.keepsMarketLog = flags.marketLog != nil
        return SimulatedAlpaca(
            AlpacaSite(
                settings, symbols: symbols, coins: coins, seed: flags.seed, rate: rate,
                rarities: rarities, start: start), start: start)
    }
}
