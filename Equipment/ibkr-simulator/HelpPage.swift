import IBSimulator
import ServiceRuntime
import SimulatorPorts

/// The text that `ibkr-simulator --help` prints.
enum HelpPage {
    static let text = """
        ibkr-simulator \(ProductVersion.text): a made-up TWS, for tests and demonstrations

        Clients of Interactive Brokers' socket protocol connect to it as to TWS or IB Gateway.
        All data follow from the seed and the clock; nothing of it is real.

        Usage: ibkr-simulator [OPTION]...

        What
          --server-version N   \(MessageWriter.versions.lowerBound) to \
        \(MessageWriter.versions.upperBound), the latest if not given
          --seed N             of the market, 1 if not given
          --rate N             events per second over all instruments, 200 if not given
          --symbols A,B,...    stocks; if not given, 15 ETFs
          --instruments N      so many more stocks, called SIM0, SIM1 and so on
          --stocks-only        no option, future, currency, coin, bond, fund and CFD besides
          --history-days N     so far back goes the past, 30 if not given

        Limits of a client
          --client-limit N     clients at once (32)
          --line-limit N       market data lines (100)
          --tick-limit N       tick-by-tick requests (5)
          --depth-limit N      books (3)
          --no-pacing          no errors 100 and no pacing violations

        \(SimulatorFlags.help(port: 7_497))

        Examples
          ibkr-simulator --port 7497 --symbols SPY,QQQ --rate 50
          ibkr-simulator --port 0 --control-port 0 --truth truth.ndjson --json
          ibkr-simulator --control-port 4100 --tell 'farm market down'

        Commands of the control port, one per line, one answer each
          \(SimulatorFlags.lines(of: ControlCommand.usage))

        \(SimulatorFlags.exitCodes)
        """
}
