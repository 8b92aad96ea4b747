import MassiveSimulator
import Primitives
import SimulatorPorts
import VenueWeb

/// The flags of the program.
struct MassiveArguments: SimulatorArguments {
    var flags = SimulatorFlags(port: 9_643)
    private var rate = 50
    private var symbols = MassiveSymbol.stocks.compactMap { MassiveSymbol($0) }
    private var settings = MassiveSettings()
    private var rarities = MassiveRarities()

    private enum Switch: String {
        case noStreams = "--no-streams"
        case noQuotes = "--no-quotes"
    }

    mutating func take(_ flag: String) -> Bool {
        guard let which = Switch(rawValue: flag) else { return false }
        switch which {
        case .noStreams: settings.hasStreams = false
        case .noQuotes: settings.hasQuotes = false
        }
        return true
    }

    mutating func set(_ flag: String, _ value: String) throws(FlagProblem) -> Bool {
        if flag == "--symbols" {
            symbols = try names(flag, value)
        } else if flag == "--key" {
            settings.key = value
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
        case sessions = "--sessions"
        case requests = "--requests"
        case busts = "--busts"
        case late = "--late"
        case fractions = "--fractions"
        case twins = "--twins"
    }

    private mutating func setNumber(
        _ flag: String, _ value: String
    ) throws(FlagProblem) -> Bool {
        func number(_ range: ClosedRange<Int>) throws(FlagProblem) -> Int {
            try SimulatorFlags.number(flag, value, range)
        }
        guard let which = NumberFlag(rawValue: flag) else { return false }
        switch which {
        case .rate: rate = try number(0...MassiveLimits.rateMax)
        case .lifetime: settings.web.lifetimeSeconds = Int64(try number(1...86_400))
        case .ping: settings.web.pingSeconds = Int64(try number(1...3_600))
        case .sessions: settings.sessionsMax = try number(1...WebLimits.connectionsMax)
        case .requests: settings.requestsPerMinute = try number(1...1_000_000)
        case .busts: rarities.bust = UInt64(try number(0...65_536))
        case .late: rarities.late = UInt64(try number(0...65_536))
        case .twins: rarities.twin = UInt64(try number(0...65_536))
        case .fractions: rarities.fraction = UInt64(try number(0...65_536))
        }
        return true
    }

    private func names(
        _ flag: String, _ value: String
    ) throws(FlagProblem) -> [MassiveSymbol] {
        let names = try SimulatorFlags.names(
            flag, value, countMax: MassiveLimits.symbolsMax, example: "AAPL,SPY")
        return try names.map { name throws(FlagProblem) in
            guard let symbol = MassiveSymbol(name) else {
                throw FlagProblem("'\(name.prefix(40))' is no symbol: write it like AAPL")
            }
            return symbol
        }
    }

    /// Makes the venue that the flags describe.
    func venue(start: Timestamp) -> SimulatedMassive {
        var settings = settings
        settings.web.keepsTruth = flags.truth != nil
        settings.web.keepsMarketLog = flags.marketLog != nil
        return SimulatedMassive(
            MassiveSite(
                settings, symbols: symbols, seed: flags.seed, rate: rate, rarities: rarities,
                start: start), start: start)
    }
}
