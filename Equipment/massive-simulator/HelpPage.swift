import MassiveSimulator
import ServiceRuntime
import SimulatorPorts
import VenueWeb

/// The text that `massive-simulator --help` prints.
enum HelpPage {
    static let text = """
        massive-simulator \(ProductVersion.text): a simulated Massive, for tests and demonstrations

        Clients of Massive's stream of US stocks, and of its requests for trades, quotes and bars,
        connect to it as to the real service, without TLS. All records follow from the seed and the
        clock; none is real.

        Usage: massive-simulator [OPTION]...

        What
          --seed N             of the market, 1 if not given
          --rate N             trades per second over all symbols, and as many quotes: 50
          --symbols A,B,...    \(MassiveSymbol.stocks.joined(separator: ",")) if not given
          --late N             one late trade for N others, 200 if not given; 0: none
          --busts N            one trade in N is cancelled, 500 if not given; 0: none
          --twins N            one trade in N comes with another one of its sequence, 0 if not
                               given: none
          --fractions N        one trade in N outside of exchanges has a part of a share: 4;
                               0: none

        The account
          --key TEXT           test-key if not given
          --sessions N         at the same time, 1 if not given; a further one ends the oldest
          --requests N         in a minute, as 5 of the free plan; any number if not given
          --no-streams         the plan includes no streams
          --no-quotes          the plan includes no quotes
          --lifetime SECONDS   of a connection, 86400 if not given
          --ping SECONDS       between two pings, 20 if not given

        \(SimulatorFlags.help(port: 9_643))

        Examples
          massive-simulator --port 9643 --symbols AAPL,SPY --rate 20
          massive-simulator --port 0 --control-port 0 --truth truth.ndjson --json
          massive-simulator --control-port 4100 --tell 'mute 30'

        Commands of the control port, one per line, one answer each
          \(SimulatorFlags.lines(of: SimulatedMassive.usage))

        \(SimulatorFlags.exitCodes)
        """
}
