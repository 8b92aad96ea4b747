import PolledSimulator
import ServiceRuntime
import SimulatorPorts
import VenueWeb

/// The text that `polled-simulator --help` prints.
enum HelpPage {
    static let text = """
        polled-simulator \(ProductVersion.text): simulated services, for tests and demonstrations

        FRED, CoinGecko and Alternative.me on one port, without TLS: /fred/, /api/v3/ and /fng/. All
        values follow from the seed and the clock; none is real.

        Usage: polled-simulator [OPTION]...

        What
          --seed N             of the values, 1 if not given
          --start TIME         the simulated time at the start, as 2026-01-02T00:00:00Z; now
          --speed N            simulated seconds per second, 1 if not given
          --fred-key TEXT      \(PolledSettings().fredKey) if not given
          --coin-key TEXT      CoinGecko's; without it, no key is needed

        \(SimulatorFlags.help(port: 9_643))

        Examples
          polled-simulator --port 9643
          polled-simulator --start 2026-01-02T00:00:00Z --speed 86400 --market-log values.ndjson
          polled-simulator --control-port 4100 --tell 'limit 3 60'

        Commands of the control port, one per line, one answer each
          \(SimulatorFlags.lines(of: SimulatedServices.usage))

        \(SimulatorFlags.exitCodes)
        """
}
