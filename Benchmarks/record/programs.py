"""The benchmark programs: with which arguments each runs, and how its rows are read."""

import dataclasses
import json
import os
import signal
import subprocess
import threading
import time

# `quick` only tries that all of it works. `full` is the matrix.
MODES = ("quick", "usual", "full")


@dataclasses.dataclass(frozen=True)
class Program:
    name: str
    # Of each mode; `None` leaves the program out.
    quick: str | None
    usual: str
    full: str
    # How often it runs at most, as far as there is time. Long runs need no repetition.
    turns: int = 5
    seconds_max: int = 600

    def words(self, mode):
        chosen = getattr(self, mode)
        return None if chosen is None else chosen.split()


PROGRAMS = (
    Program("TapeCodecBenchmark", "", "", ""),
    Program("IBProtocolBenchmark", "", "", ""),
    Program("FeedBenchmark", "", "", ""),
    Program("StreamCoreBenchmark", "", "", ""),
    Program("ColumnBenchmark", "recording", "", "", turns=2),
    Program("OperatorBenchmark", "one", "", ""),
    Program("TapeBenchmark", "publish read copies window --quick always 16",
            "publish read latency gateway copies always 1 16 1024",
            "publish read latency gateway purge copies", turns=3, seconds_max=1800),
    Program("GatewayBenchmark", "parts", "parts steady quiet exchange hot-hot turns 1",
            "parts steady quiet exchange hot-hot turns 3"),
    Program("StoreBenchmark", "rows", "", "", turns=2),
    Program("WriterBenchmark", "ticks 3 shipped", "ticks 10 shipped bars 10", "ticks 60 bars 20",
            turns=1, seconds_max=1800),
    Program("HotStateBenchmark", "2 1 10000", "6 1", "10 1"),
    Program("RepairBenchmark", None, "10 read repair", "100 read repair", turns=1, seconds_max=1800),
    Program("WorkersBenchmark", "kills 2 handovers 2 share 50000", "kills 20 handovers 6 share",
            "kills 100 handovers 10 calm 60 share", turns=1, seconds_max=3600),
)


@dataclasses.dataclass
class Run:
    rows: list
    seconds: float
    # What went wrong, in one line; empty when nothing did.
    problem: str
    # Whether the benchmark ran to its end and says itself that a limit was missed.
    is_own_verdict: bool


def run(folder, program, words, log, tell):
    """Runs a benchmark once. Its rows are the lines that begin with an object of JSON."""
    command = [folder / program.name, "--json", *words]
    start, rows, last = time.monotonic(), [], ""
    with open(log, "a") as file:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   start_new_session=True)
        timer = threading.Timer(program.seconds_max, stop, [process])
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
    if status < 0 and seconds >= program.seconds_max:
        problem = f"not over after {program.seconds_max} s"
    elif status != 0:
        # The record says nothing of where the checkout is.
        said = last.replace(f"{folder.parents[1]}/", "")
        problem = f"ended with {status}: {said or 'it said nothing'}"
    return Run(rows, seconds, problem, status == 1 and last.startswith("failed:") and bool(rows))


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
