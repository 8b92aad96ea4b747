import BinanceSimulator
import ServiceRuntime
import SimulatorPorts
import VenueWeb

/// The text that `binance-simulator --help` prints.
enum HelpPage {
    static let text = """
        binance-simulator \(ProductVersion.text): a simulated exchange, for tests and demonstrations

        Clients of Binance's market streams and of its public requests connect to it as to the
        exchange, without TLS. All trades follow from the seed and the clock, and quotes, bars
        and books from the trades; none is real.

        Usage: binance-simulator [OPTION]...

        What
          --seed N             of the market, 1 if not given
          --rate N             trades per second over all symbols, 200 if not given
          --symbols A,B,...    \(ExchangeSymbol.defaultNames.joined(separator: ",")) if not given
          --lifetime SECONDS   of a connection, 86400 if not given
          --ping SECONDS       between two pings, 20 if not given
          --market-data N      status of historicalTrades below /market-data, where the exchange
                               has market data alone: 403, 404 or 451; 404 if not given

        \(SimulatorFlags.help(port: 9_443))

        Examples
          binance-simulator --port 9443 --symbols BTCUSDT,ETHUSDT --rate 50
          binance-simulator --port 0 --control-port 0 --truth truth.ndjson --json
          binance-simulator --control-port 4100 --tell 'mute 30'

        Commands of the control port, one per line, one answer each
          \(SimulatorFlags.lines(of: SimulatedExchange.usage))

        \(SimulatorFlags.exitCodes)
        """
}
