import ServiceRuntime

/// What `tapeline help` prints.
enum HelpPage {
    static let version = "0.1.0"

    static let text = """
        tapeline \(version): runs Tapeline on this machine, and looks at any tape

        Usage: tapeline COMMAND [OPTION]...

        The local stack
          demo      a whole run on real servers with a made-up broker that goes away in the
                    middle, about 30 s, then an audit of every row against what the broker
                    sent; it begins anew each time and stops what it started
          up        start NATS, PostgreSQL with TimescaleDB, Valkey and the services,
                    wait until all of them work, and leave them running
          down      stop exactly what 'up' started; the data stay
          status    what runs where, and how the broker's connection and feeds are; it fails
                    unless everything works
          audit     prove that tape and database hold the same, and every bar from its trades;
                    OPERATOR_GRAPH says what stands before a series, if anything does;
                    where NATS_URL names servers, theirs, when all gateways have stopped

        The tape
          watch     rates, lag, owners, watermarks and headroom on one screen, redrawn
          members   groups, their members, and who owns which partition since when
          tail      what is on the tape: from now on, or from a time or sequence
          tape      streams, partitions, rates, readers and their lag, what holds of the disk
          partition of SYMBOL
                    the number of the symbol's partition, alone; needs no server
          partition rebuild PARTITION...
                    have its operator make state and bars anew from the tape
          position show | verify | accept
                    where writer and operators have read to; whether the packets there still
                    stand; go on after tape data were destroyed, saying exactly what is lost
          groups list | register GROUP | remove GROUP
                    for whom the tape is kept: what a registered group has not read is not
                    purged, whether anybody of it runs or not
          spool list
                    what gateways could not put on the tape, in use and set aside
          spool replay NAME
                    put on the tape what a spool that was set aside has of the gaps there
          repair SYMBOL --from TIME --to TIME
                    have the bars of that time computed again from the tape: with what came
                    late, was taken back, corrected or filled in; new versions come of it.
                    It is also the way to accept late ticks that are listed (late_ticks)
          dlq list | show ID... | export FILE|-
                    rows that the database refused: by reason and table, in full, as NDJSON
          dlq replay ID...|--all | drop ID...|--all
                    store them where they are not stored; take them off their stream

          prove [SYMBOL...] --from TIME --to TIME
                    compute the bars of that time again, from the tape and from the stored
                    ticks, by the operators' OPERATOR_GRAPH or OPERATOR_SERIES, and compare
                    them with the stored ones: 0 equal, 1 not, 2 equal as far as the tape
                    still reaches, or no bar at all in that time

          record -o FILE [--source S] [--from TIME] [--to TIME] [--symbols A,B]
                    write what a source put on the tape into a file
          replay FILE --to-namespace NAME
          replay --from-namespace NAME --to-namespace NAME [--from TIME] [--to TIME]
                    put it on the tape of another namespace, also one with other partitions;
                    stopped or killed, the same command goes on where it was

          version   the version of this tool
          help      this page

        Options of the local stack
          --name NAME       the stack, 'default' if not given; several run side by side
          --home FOLDER     the checkout, if the tool does not lie in it
          --servers-only    up: without the services, to run one of them by hand
          --simulator       up: with a made-up Interactive Brokers TWS, as demo has it
          --set KEY=VALUE   up, demo: a configuration key of the services, such as
                            SYNTHETIC_RATE=5000, GATEWAY_PROVIDER=ibkr or IBKR_PORT=7496; of
                            the made-up TWS SIMULATOR_RATE, _SEED, _SYMBOLS and _TRUTH (a file)
          --seconds N       demo: how long the live part takes, 30 if not given (10 to 3600)
          --keep            demo: leave everything running
          --json            status, audit: for programs

        \(tape)

        Exit codes
        \(codes)
        """

    private static let tape = """
        Options of the tape's commands
          --name NAME       a local stack; if not given, the one that is up
          --nats URL        any server; as NATS_URL does, with the services' own environment:
                            NATS_USER, NATS_PASSWORD(_FILE), NATS_TLS_*, MDS_NAMESPACE,
                            MDS_PARTITIONS, POSTGRES_*; and NATS_MONITOR_URL
          --json            for programs: one object, or (tail) one line per tick; decimals
                            are texts with all their digits, times are ISO and nanoseconds
          --csv             tail: with a header (RFC 4180)
          --symbol S, --partition P, --kind K, --source NAME
                            tail: only these; each but the last may be repeated.
                            --partition all: what is derived over all partitions
          --bars            tail: what is derived (bars, late ticks, values) instead of ticks
          --control         tail: also the packets without ticks (markers, watermarks)
          --from PLACE, --until PLACE
                            tail: 'beginning', 2026-11-20T14:30:00Z, -10m, or seq:N in one
                            stream; times are those at which the tape stored a packet
          --limit N         tail: so many ticks
          --follow          tail: wait for more; so it does without --until and --limit.
                            Without --from it begins now if it follows, else at the start
          --live            tail: trades, quotes and bars as the services tell them, best effort
          --series S,...    prove: only these
          --table-only      prove: from the stored ticks alone
          --no-rate         tape: one look, not two with a second between
          --partitions N    partition of: 32 if not given
          --timeout N       partition rebuild: seconds to wait, 60 if not given
          --input ticks|bars, --group writer|operator, --partition P
                            position: only these
          --reads ticks|bars
                            groups register: what it reads, ticks if not given; may be repeated
          --interval N      watch: seconds from look to look, 1 if not given
          --once            watch: one look (two, for the rates), then it ends
          --folder FOLDER   spool: where the spools are; if not given, GATEWAY_SPOOL, or the
                            local stack's
          --reason data|undecodable|out_of_range, --sink TABLE, --since TIME, --until TIME
                            dlq: only these letters; times are those at which they were noted
          --all             dlq list: letter by letter; replay, drop: all that is there
          --file FILE       dlq: letters of a file (of an export, or of a writer that could not
                            reach NATS) instead of the stream
          --dry-run         dlq replay: say what would be stored, and store nothing
          --from TIME, --to TIME, --reason repair|bust|gap|backfill, --note TEXT
                            repair: times of the ticks; what the new versions say of why
          --wait            repair: until the new versions stand, --timeout seconds at most:
                            0 done, 1 refused with the reason, 2 in part, 75 not yet
          --dry-run         repair: say what would be asked for
          --speed 1|N|full, --shift now|recorded, --partitions N, --symbols A,B, --source S
                            replay: how fast (full if not given); as of when; of the new tape
          --print           replay: only say what to run
          --yes             do not ask

        Examples
          tapeline up --set GATEWAY_PROVIDER=ibkr --set IBKR_HOST=192.0.2.7 --set IBKR_PORT=7496
          tapeline tail --symbol BRK.B --from -10m
          tapeline tail --bars --json --from beginning --until now > bars.ndjson
          tapeline partition of "SPY   261218C00500000" --partitions 32
          tapeline groups remove old-archive
          NATS_URL=nats://nats.example:4222 tapeline tape
          tapeline position verify || tapeline position accept
          tapeline repair AAPL --from -2h --to -1h --note "late feed" --wait
          tapeline dlq list --since -1d --sink trades --all
          tapeline dlq replay ticks/3/synthetic/1041/1 --dry-run
        """

    private static let codes =
        [
            ExitCode.success, .failure, .incomplete, .usage, .dataError, .unavailable, .ioError,
            .temporary, .interrupted,
        ]
        .map { "  \("\($0.rawValue)".padded(to: 5)) \(meaning($0))" }
        .joined(separator: "\n")

    private static func meaning(_ code: ExitCode) -> String {
        switch code {
        case .success: "it is done; status: everything works; verify: all positions hold"
        case .failure: "it failed, or was not agreed to; status, verify: something is wrong"
        case .usage: "the arguments are wrong; nothing was done"
        case .dataError: "a file of the stack is damaged; tail: holes or unreadable packets"
        case .unavailable: "a program is missing, or a server does not answer"
        case .ioError: "reading or writing failed, or the disk is full"
        case .temporary: "another command is at work, no port is free, or it is not done yet"
        default: code.meaning
        }
    }
}
