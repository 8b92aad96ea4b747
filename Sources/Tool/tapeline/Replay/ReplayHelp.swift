/// The text that `tapeline record --help` and `tapeline replay --help` print.
enum ReplayHelp {
    static let text = """
        tapeline record: writes what a source put on the tape into a file
        tapeline replay: puts a file, or a range of another tape, onto the tape of a namespace

        Usage: tapeline record -o FILE [OPTION]...
               tapeline replay FILE --to-namespace NAME [OPTION]...
               tapeline replay --from-namespace NAME --to-namespace NAME [OPTION]...

        What
          --source S        the source; if not given, that of the file, or the only one of the
                            tape
          --from TIME, --to TIME
                            packets that were sent from then on, and before then: 'beginning',
                            2026-11-20T14:30:00Z, -10m; all up to now if not given
          --zone ZONE       days and times without a zone are of this one, such as
                            America/New_York; without it, of UTC
          --symbols A,B     only these
          -o FILE           record: a file that is not there yet
          --no-bars         record: only ticks. Otherwise the file also has the bars of these
                            partitions that the tape took in that time; a replay leaves them
                            out

        How (replay)
          --speed 1|N|full  as fast as recorded, N times as fast (2.5), or as the tape takes it:
                            full if not given
          --shift now       times move so that the recording begins now; only with --speed 1
          --partitions N    of the new namespace, if it is not there yet
          --print           only say what to run, for a shell

        Where
          --name NAME, --nats URL
                            as for the tape's other commands; a local stack has all that is
                            needed. Elsewhere NATS_USER and NATS_PASSWORD name the gateway's
                            user, and REPLAY_NATS_USER and REPLAY_NATS_PASSWORD one that may
                            read the tape of --from-namespace
          --json            for programs: one object at the end

        A terminal shows progress each second. Killed or interrupted, a replay goes on where
        it was by the same command; give --to as it was said, if it was not given. It refuses
        a namespace in which the source has anything else.

        Examples
          tapeline record --source ibkr --from 2026-11-20T14:30:00Z -o day.tape
          tapeline replay day.tape --to-namespace test
          tapeline replay day.tape --to-namespace demo --speed 1 --shift now
          tapeline replay --from-namespace md --to-namespace md64 --partitions 64 \\
              --source ibkr --to 2026-11-21T00:00:00Z

        Exit codes
          0   it is done
          1   it failed: nothing to record, or the namespace holds something else
          2   it is done, but the tape had lost some of what was asked for; one line says what
          64  the arguments are wrong; nothing was done
          65  the recording is damaged
          69  a program is missing, or a server does not answer
          74  a file cannot be read or written, or the disk is full
          75  interrupted, or no port is free: the same command goes on
        """
}
