import IBSimulator
import ServiceRuntime

/// The text that `ibkr-simulator --help` prints.
enum HelpPage {
    static let text = """
        ibkr-simulator \(ProductVersion.text): a made-up TWS, for tests and demonstrations

        Clients of Interactive Brokers' socket protocol connect to it as to TWS or IB Gateway.
        All data follow from the seed and the clock; nothing of it is real.

        Usage: ibkr-simulator [OPTION]...

        Where
          --port N             for clients; 0: any that is free (7497 if not given)
          --control-port N     for commands; 0: any that is free
          --address ADDRESS    to listen on, 127.0.0.1 if not given
          --server-version N   \(MessageWriter.versions.lowerBound) to \
        \(MessageWriter.versions.upperBound), the latest if not given

        What
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

        Logs, one line of JSON per entry
          --truth FILE         every message that was sent, in order, when its last byte went
          --market-log FILE    all that happened in the market, sent or not

          --json               tell the ports as one line of JSON
          --tell COMMAND       run no simulator: give the one of --control-port a command
          --help, --version

        Examples
          ibkr-simulator --port 7497 --symbols SPY,QQQ --rate 50
          ibkr-simulator --port 0 --control-port 0 --truth truth.ndjson --json
          ibkr-simulator --control-port 4100 --tell 'farm market down'

        Commands of the control port, one per line, one answer each
          \(ControlCommand.usage.replacingBars())

        Exit codes
          0   stopped by SIGTERM, SIGINT or 'quit', or what was told is done
          1   a command was refused
          64  the arguments are wrong
          69  there is no simulator to tell something
          74  a log cannot be written
          75  a port is in use
        """
}

extension String {
    /// Formats a list separated by bars as lines of a few entries each.
    fileprivate func replacingBars() -> String {
        var lines = [""]
        for entry in split(separator: "|") {
            let word = entry.trimmed
            if (lines.last?.count ?? 0) + word.count > 80 { lines.append("") }
            lines[lines.count - 1] += (lines.last?.isEmpty == true ? "" : " | ") + word
        }
        return lines.joined(separator: "\n  ")
    }
}

extension Substring {
    fileprivate var trimmed: String {
        let start = drop { $0 == " " }
        return String(start.reversed().drop { $0 == " " }.reversed())
    }
}
