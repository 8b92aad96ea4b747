import IBSimulator

/// The flags of the program.
struct SimulatorArguments: Equatable {
    var port: UInt16 = 7_497
    var controlPort: UInt16 = 0
    var address = "127.0.0.1"
    var seed: UInt64 = 1
    var rate = 200
    var symbols = InstrumentList.defaultSymbols
    var madeUp = 0
    var hasOthers = true
    var serverVersion = MessageWriter.versions.upperBound
    var truth: String?
    var marketLog: String?
    var historySeconds: Int64 = 30 * 86_400
    var settings = SimulatorSettings.Limits()
    var isJSON = false
    /// A command for a running simulator. `nil` to run one.
    var told: String?

    enum Wish: Equatable {
        case run(SimulatorArguments)
        case help
        case version
    }

    struct Problem: Error, Equatable, CustomStringConvertible {
        let description: String
    }

    static func parse(_ words: [String]) throws(Problem) -> Wish {
        var arguments = SimulatorArguments()
        var rest = words[...]
        while let word = rest.popFirst() {
            let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
            let flag = parts.first ?? ""
            switch flag {
            case "--help", "-h", "help": return .help
            case "--version": return .version
            case "--json": arguments.isJSON = true
            case "--no-pacing": arguments.settings.watchesPacing = false
            case "--stocks-only": arguments.hasOthers = false
            default:
                guard flag.hasPrefix("--") else {
                    throw Problem(description: "'\(word.prefix(64))' is no flag: see --help")
                }
                guard let value = parts.count > 1 ? parts[1] : rest.popFirst() else {
                    throw Problem(description: "\(flag) wants a value")
                }
                try arguments.set(flag, value)
            }
        }
        return .run(arguments)
    }

    private mutating func set(_ flag: String, _ value: String) throws(Problem) {
        switch flag {
        case "--port": port = UInt16(try Self.number(flag, value, 0...65_535))
        case "--control-port": controlPort = UInt16(try Self.number(flag, value, 0...65_535))
        case "--address": address = value
        case "--seed":
            guard let number = UInt64(value) else {
                throw Problem(description: "\(flag) wants a whole number, not '\(value)'")
            }
            seed = number
        case "--rate": rate = try Self.number(flag, value, 0...SimulatorLimits.rateMax)
        case "--symbols":
            symbols = value.split(separator: ",").map(String.init)
            guard (1...SimulatorLimits.instrumentsMax).contains(symbols.count),
                Set(symbols).count == symbols.count
            else { throw Problem(description: "\(flag) wants symbols, each once: SPY,QQQ") }
        case "--instruments":
            madeUp = try Self.number(flag, value, 0...SimulatorLimits.instrumentsMax - 100)
        case "--server-version":
            let versions = MessageWriter.versions
            serverVersion = Int32(
                try Self.number(
                    flag, value, Int(versions.lowerBound)...Int(versions.upperBound)))
        case "--tell": told = value
        case "--truth": truth = value
        case "--market-log": marketLog = value
        case "--history-days":
            historySeconds = Int64(try Self.number(flag, value, 0...3_650)) * 86_400
        case "--client-limit": settings.clientsMax = try Self.number(flag, value, 1...64)
        case "--line-limit": settings.lines = try Self.number(flag, value, 0...100_000)
        case "--tick-limit": settings.tickByTickLines = try Self.number(flag, value, 0...100_000)
        case "--depth-limit": settings.depthLines = try Self.number(flag, value, 0...100_000)
        default: throw Problem(description: "'\(flag.prefix(64))' is no flag: see --help")
        }
    }

    private static func number(
        _ flag: String, _ value: String, _ range: ClosedRange<Int>
    ) throws(Problem) -> Int {
        guard let number = Int(value), range.contains(number) else {
            throw Problem(
                description: "\(flag) wants a number from \(range.lowerBound) to "
                    + "\(range.upperBound), not '\(value.prefix(20))'")
        }
        return number
    }

    var simulatorSettings: SimulatorSettings {
        var whole = SimulatorSettings()
        whole.serverVersion = serverVersion
        whole.limits = settings
        whole.keepsTruth = truth != nil
        whole.keepsMarketLog = marketLog != nil
        return whole
    }
}
