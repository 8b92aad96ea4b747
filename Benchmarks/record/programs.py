"""The benchmark programs: with which arguments each runs, and how its rows are read."""

import dataclasses
import json
import os
import signal
import subprocess
import threading
import time


@dataclasses.dataclass(frozen=True)
class Program:
    name: str
    # Of each mode; `None` leaves the program out.
    quick: str | None
    usual: str | None
    full: str | None
    # What a usual run takes at most on two cores. It begins only if there is that much time.
    seconds: int

    def words(self, mode):
        chosen = getattr(self, mode)
        return None if chosen is None else chosen.split()

    def seconds_max(self, mode):
        """After this time it hangs."""
        return FULL_SECONDS_MAX if mode == "full" else 3 * self.seconds


# How long a benchmark may take in a full run, and how often each runs there.
FULL_SECONDS_MAX = 3_600
FULL_TURNS = 3
# The most important first: a usual run leaves out what does not fit into its time. The goals need those up to
# the second WorkersBenchmark.
PROGRAMS = (
    Program("WriterBenchmark", "ticks 3 shipped", "ticks 10 shipped", "ticks 60 bars 20", 120),
    Program("StoreBenchmark", "rows", "frames", "", 90),
    Program("TapeBenchmark", "publish read copies window --quick always 16",
            "publish read copies paced always 16 1024", "publish read latency gateway purge copies", 130),
    Program("WorkersBenchmark", "share 50000", "share 1000000", "share calm 60", 90),
    Program("ColumnBenchmark", "recording", "", "", 180),
    Program("WorkersBenchmark", "kills 2 handovers 2", "kills 20 handovers 6", "kills 20 handovers 10", 110),
    Program("OperatorBenchmark", "one", "one three", "", 20),
    Program("TapeCodecBenchmark", "", "", "", 15),
    Program("HotStateBenchmark", "2 1 10000", "6 1", "10 3", 30),
    Program("StoreBenchmark", None, "clients", None, 60),
    Program("RepairBenchmark", None, "10 read repair", "100 read repair", 40),
    Program("StreamCoreBenchmark", "", "", "", 20),
    Program("FeedBenchmark", "", "", "", 60),
    Program("IBProtocolBenchmark", "", "", "", 60),
    Program("GatewayBenchmark", "parts", "parts steady quiet turns 1", "parts steady quiet exchange hot-hot turns 3",
            120),
)


@dataclasses.dataclass
class Run:
    rows: list
    # What went wrong, in one line; empty when nothing did.
    problem: str
    # Whether the benchmark ran to its end and says itself that a limit was missed.
    is_own_verdict: bool


def run(folder, program, mode, log, tell):
    """Runs a benchmark once. Its rows are the lines that begin with an object of JSON."""
    words, seconds_max = program.words(mode), program.seconds_max(mode)
    command = [folder / program.name, "--json", *words]
    start, rows, last = time.monotonic(), [], ""
    with open(log, "a") as file:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   errors="replace", start_new_session=True)
        timer = threading.Timer(seconds_max, stop, [process])
        timer.start()
        try:
            for line in process.stdout:
                file.write(line)
                row = parse(line)
                if row:
                    rows.append(row)
                    tell(row)
                elif line.strip():
                    last = line.strip()
            status = process.wait()
        except BaseException:
            stop(process)
            raise
        finally:
            timer.cancel()
    seconds = time.monotonic() - start
    problem = ""
    if status < 0 and seconds >= seconds_max:
        problem = f"not over after {seconds_max} s"
    elif status != 0:
        # The record says nothing of where the checkout is.
        said = last.replace(f"{folder.parents[1]}/", "")
        problem = f"ended with {status}: {said or 'it said nothing'}"
    return Run(rows, problem, status == 1 and last.startswith("failed:") and bool(rows))


def stop(process):
    """Ends a benchmark with the servers that it started: they are its process group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        # It has ended meanwhile.
        return


def parse(line):
    """The row of a line; `None` for a line for people."""
    if not line.startswith('{"row":'):
        return None
    row = json.loads(line)
    # A figure that is no number comes as null, and would make no row.
    return row if row["value"] is not None else None
