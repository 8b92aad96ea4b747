import PolledSimulator
import Primitives
import SimulatorPorts
import VenueWeb

/// The flags of the program.
@main
struct PolledArguments: SimulatorArguments {
    var flags = SimulatorFlags(port: 9_643)
    private var settings = PolledSettings()

    static var page: SimulatorPage<Self> {
        SimulatorPage(
            "polled-simulator",
            about: """
                simulated services, for tests and demonstrations

                FRED, CoinGecko and Alternative.me on one port, without TLS: /fred/, /api/v3/
                and /fng/. All values follow from the seed and the clock; none is real.
                """,
            ownFlags: [
                (
                    "What",
                    [
                        SimulatorFlag(
                            "--start", "TIME",
                            "the simulated time at the start, as 2026-01-02T00:00:00Z; now"
                        ) { (arguments, text) throws(FlagProblem) in
                            guard let start = ISOTime.parse(text), start.nanoseconds >= 0 else {
                                throw FlagProblem(
                                    "--start wants a time like 2026-01-02T00:00:00Z, "
                                        + "not '\(text.prefix(40))'")
                            }
                            arguments.settings.simulatedStart = start
                        },
                        .number(
                            "--speed", 1...PolledLimits.speedMax, \.settings.speed,
                            "simulated seconds per second, 1 if not given"),
                        .text(
                            "--fred-key", \.settings.fredKey,
                            "\(PolledSettings().fredKey) if not given"),
                        SimulatorFlag(
                            "--coin-key", "TEXT", "CoinGecko's; without it, no key is needed"
                        ) { (arguments, text) throws(FlagProblem) in
                            arguments.settings.coinKey = text
                        },
                    ]
                )
            ], example: "--start 2026-01-02T00:00:00Z --speed 86400",
            commands: (SimulatedServices.usage, "limit 3 60"))
    }

    func venue(start: Timestamp) -> SimulatedServices {
        var settings = settings
        settings.web = settings.web.keeping(flags)
        return SimulatedServices(
            PolledSite(settings, seed: flags.seed, start: start), start: start)
    }
}
