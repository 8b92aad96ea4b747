import PolledSimulator
import Primitives
import SimulatorPorts
import VenueWeb

/// The flags of the program.
struct PolledArguments: SimulatorArguments {
    var flags = SimulatorFlags(port: 9_643)
    private var settings = PolledSettings()

    /// It has no flag without a value of its own.
    mutating func take(_ flag: String) -> Bool { false }

    mutating func set(_ flag: String, _ value: String) throws(FlagProblem) -> Bool {
        if flag == "--fred-key" {
            settings.fredKey = value
        } else if flag == "--coin-key" {
            settings.coinKey = value
        } else if flag == "--speed" {
            settings.speed = try SimulatorFlags.number(flag, value, 1...PolledLimits.speedMax)
        } else if flag == "--start" {
            guard let start = ISOTime.parse(value), start.nanoseconds >= 0 else {
                throw FlagProblem(
                    "--start wants a time like 2026-01-02T00:00:00Z, not '\(value.prefix(40))'")
            }
            settings.simulatedStart = start
        } else {
            return false
        }
        return true
    }

    /// Makes the services that the flags describe.
    func venue(start: Timestamp) -> SimulatedServices {
        var settings = settings
        settings.web.keepsTruth = flags.truth != nil
        settings.web.keepsMarketLog = flags.marketLog != nil
        return SimulatedServices(
            PolledSite(settings, seed: flags.seed, start: start), start: start)
    }
}
