import AlpacaSimulator
import ServiceRuntime
import SimulatorPorts
import VenueWeb

/// The text that `alpaca-simulator --help` prints.
enum HelpPage {
    static let text = """
        alpaca-simulator \(ProductVersion.text): a simulated Alpaca, for tests and demonstrations

        Clients of Alpaca's market data streams, and of its requests for trades, quotes and bars,
        connect to it as to the real service, without TLS. All records follow from the seed and the
        clock; none is real.

        Usage: alpaca-simulator [OPTION]...

        What
          --seed N             of the market, 1 if not given
          --rate N             trades per second over all symbols, and as many quotes: 50
          --symbols A,B,...    \(AlpacaSymbol.stocks.joined(separator: ",")) if not given
          --coins A/B,...      \(AlpacaSymbol.coins.joined(separator: ",")) if not given
          --corrections N      one trade in N is corrected, 400 if not given; 0: none
          --cancels N          one trade in N is cancelled, 500 if not given; 0: none
          --late N             one trade in N is reported late, 200 if not given; 0: none
          --facilities N       with ids of their own report trades outside of exchanges, 1 if not
                               given: of each, one trade has the same id
          --halts SECONDS      between two halts of a symbol, 1800 if not given; 0: none
          --news SECONDS       between two articles, 10 if not given; 0: none

        The account
          --key TEXT           test-key if not given
          --secret TEXT        test-secret if not given
          --hold SECONDS       for which a session counts after an unclean end, 90 if not given
          --sessions N         of one endpoint at the same time, 1 if not given
          --symbol-limit N     of trades and quotes together; any number if not given
          --no-sip             the account has no right to /v2/sip
          --lifetime SECONDS   of a connection, 86400 if not given
          --ping SECONDS       between two pings, 20 if not given

        \(SimulatorFlags.help(port: 9_543))

        Examples
          alpaca-simulator --port 9543 --symbols AAPL,SPY --rate 20
          alpaca-simulator --port 0 --control-port 0 --truth truth.ndjson --json
          alpaca-simulator --control-port 4100 --tell 'mute 30'

        Commands of the control port, one per line, one answer each
          \(SimulatorFlags.lines(of: SimulatedAlpaca.usage))

        \(SimulatorFlags.exitCodes)
        """
}
