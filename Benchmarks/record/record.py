#!/usr/bin/env python3
"""Makes the record of what the product does on this machine, as docs/performance.md says.

    Benchmarks/record/record.py [--quick | --full] [--only NAME,...] [--budget MINUTES] [--anyway]
                                [--programs FOLDER]
    Benchmarks/record/record.py --from FILE [--only NAME,...] [--anyway]

Runs each benchmark program alone, and then the whole stack. Programs that run several times take turns,
as far as the budget has time; the first turn of all of them is run in any case. The figures are printed
as they come, and are in .local/bench afterwards: record.json, record.md, plots, and what the programs
said. docs/performance.md and its plots are written again if the machine was quiet and nothing failed;
--anyway writes them with rows marked. --from makes the page of a record that is there, with the parts
that --only names measured again.

NAME is a program (TapeBenchmark) or a part of the whole stack: highest, latency, kills, growth.
--quick takes two minutes and is no record. --full adds growth, and longer runs. Exit code 0: all ran. 1: something
failed, or a limit was missed. 2: another program uses more of the machine than a record allows, at the start.
"""

import argparse
import json
import pathlib
import sys
import time

sys.dont_write_bytecode = True
CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
HOME = CHECKOUT / ".local/bench"
PAGE = CHECKOUT / "docs/performance.md"
PLOTS = "performance"
import machine  # noqa: E402
import plots  # noqa: E402
import programs  # noqa: E402
import report  # noqa: E402
from renewal import renewed  # noqa: E402
from rows import Rows, number  # noqa: E402
from stack import Failure  # noqa: E402
from whole import VICTIMS, Whole  # noqa: E402

SHARES = (0.01, 0.1, 0.5, 0.9)
# The rates for which there are goals. A quick run looks for no highest rate and has the first two.
RATES = (100, 1_000, 10_000)
# The part of the budget that programs may use.
PROGRAMS_SHARE = 0.55
BUDGET_MINUTES = {"quick": 3.0, "usual": 25.0, "full": 180.0}
WHOLE_PARTS = ("highest", "latency", "kills", "growth")


class Progress:
    def __init__(self):
        self.start = time.monotonic()

    def step(self, text):
        print(f"[{time.monotonic() - self.start:6.0f} s] {text}", flush=True)

    def line(self, text):
        print(f"           {text}", flush=True)

    def row(self, row):
        peer = f", {row['peer']} {number(row['peer_value'])}" if row.get("peer_value") else ""
        self.line(f"{row['row']}: {number(row['value'])} {row['unit']}{peer}")

    @property
    def seconds(self):
        return time.monotonic() - self.start


class Recorder:
    def __init__(self, options):
        self.options, self.progress = options, Progress()
        self.rows, self.problems, self.whole = Rows(), [], {}
        self.seconds_max = 60 * options.budget
        # What a benchmark says of itself: a missed limit is a figure, too.
        self.missed = []
        self.patience = 0 if options.mode == "quick" else machine.QUIET_SECONDS_MAX

    def wants(self, name):
        return not self.options.only or name in self.options.only

    # --- the programs

    def run_programs(self):
        chosen = [each for each in programs.PROGRAMS
                  if self.wants(each.name) and each.words(self.options.mode) is not None]
        taken = {}
        turns = 1 if self.options.mode == "quick" else max((each.turns for each in chosen), default=0)
        for turn in range(turns):
            for program in chosen:
                ends = self.progress.seconds + taken.get(program.name, 0.0)
                if turn >= program.turns or turn and ends > PROGRAMS_SHARE * self.seconds_max:
                    continue
                taken[program.name] = self.run_program(program, turn)

    def run_program(self, program, turn):
        words = program.words(self.options.mode)
        load = machine.load_before(self.patience)
        self.progress.step(f"{' '.join([program.name, *words])}: turn {turn + 1}, load before {load}")
        command = " ".join([f".build/release/{program.name}", *words])
        run = programs.run(self.options.programs, program, words, HOME / f"{program.name}.log",
                           self.progress.row)
        for row in run.rows:
            self.rows.add(program.name, command, row, load)
        if run.problem:
            said = f"`{command}` {run.problem}"
            (self.missed if run.is_own_verdict else self.problems).append(said)
            self.progress.line(run.problem)
        return run.seconds

    # --- the whole stack

    def run_whole(self):
        measure = Whole(CHECKOUT, self.options.programs, self.options.mode, self.progress.line)
        self.whole["latency"] = []
        rates = [(rate, None) for rate in RATES]
        try:
            if self.options.mode != "quick" and self.wants_any("highest", "latency", "kills"):
                self.progress.step("the highest rate of the whole stack")
                highest = self.whole["highest_rate"] = measure.highest_rate()
                self.whole["bars_per_second"] = measure.bars_per_second()
                rates += [(highest * share, share) for share in SHARES]
            if self.wants("latency"):
                for rate, share in rates[:2] if self.options.mode == "quick" else rates:
                    self.measure(measure, rate, share)
                if self.options.mode != "quick":
                    self.measure_quick_rows(measure)
            if self.wants("kills") and (self.options.mode != "quick" or self.options.only):
                # Half of the highest rate; in a quick run the second one.
                rate, share = rates[1] if self.options.mode == "quick" else rates[-2]
                for victim in VICTIMS:
                    self.measure(measure, rate, share, victim)
            if self.wants("growth") and (self.options.mode == "full" or self.options.only):
                self.progress.step("growth with symbols, partitions, series and workers")
                self.whole["curves"] = []
                for curve in measure.curves():
                    self.whole["curves"].append(curve)
        except Failure as failure:
            self.problems.append(str(failure))
            self.progress.line(str(failure))

    def wants_any(self, *names):
        return any(self.wants(name) for name in names)

    def measure(self, measure, rate, share, victim=None):
        load = machine.load_before(self.patience)
        killed = f", {victim} is killed" if victim else ""
        self.progress.step(f"the whole stack at {number(rate)} ticks/s{killed}: load before {load}")
        line = {**measure.latency(rate, share, victim), "load": load}
        self.whole["latency"].append(line)
        for stage, values in line["latency_ms"].items():
            self.progress.line(f"{stage}: {report.triple(values)} ms")
        self.progress.line(f"{number(line['core_percent'])} % of a core")

    def measure_quick_rows(self, measure):
        self.whole["quick_rows"] = []
        for rate in RATES[1:]:
            load = machine.load_before(self.patience)
            self.progress.step(f"rows as soon as possible at {number(rate)} ticks/s: load before {load}")
            line = {**measure.latency(rate, settings={"WRITER_LATENCY": "quick"}), "load": load}
            self.whole["quick_rows"].append(line)
            self.progress.line(f"receipt to row: {report.triple(line['latency_ms']['receipt to row'])} ms, "
                               f"{number(line['core_percent'])} % of a core")

    def record(self, described):
        record = {"mode": self.options.mode, "only": self.options.only, "machine": described,
                  "problems": self.problems, "missed": self.missed, "rows": self.rows.all(), "whole": self.whole,
                  "seconds": round(self.progress.seconds)}
        record["plots"] = sorted(plots.all_plots(record))
        return record


def save(record, page, folder, plots_folder):
    """Writes the plots, and the record in the page or as a page of its own."""
    plots_folder.mkdir(parents=True, exist_ok=True)
    for name, plot in plots.all_plots(record).items():
        (plots_folder / name).write_text(plot)
    text = report.markdown(record, folder)
    page.write_text(report.put(page.read_text(), text) if page == PAGE else text + "\n")


def publish(record, anyway):
    """Puts the record on the page, or says why not."""
    reasons = report.loaded(record)
    if reasons and not anyway:
        print(f"docs/performance.md stays as it is: {'; '.join(reasons)}")
        return
    save(record, PAGE, PLOTS, PAGE.parent / PLOTS)
    print(f"the record is in docs/performance.md, its plots in docs/{PLOTS}")


def parsed():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--quick", dest="mode", action="store_const", const="quick", default="usual")
    how.add_argument("--full", dest="mode", action="store_const", const="full")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[])
    parser.add_argument("--budget", type=float)
    parser.add_argument("--anyway", action="store_true")
    parser.add_argument("--programs", type=pathlib.Path, default=CHECKOUT / ".build/release")
    parser.add_argument("--from", dest="source", type=pathlib.Path)
    options = parser.parse_args()
    options.budget = options.budget or BUDGET_MINUTES[options.mode]
    known = {*WHOLE_PARTS, *(each.name for each in programs.PROGRAMS)}
    unknown = [name for name in options.only if name not in known]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return options


def main():
    options = parsed()
    known = json.loads(options.source.read_text()) if options.source else None
    if known:
        options.mode = known["mode"]
        if not options.only:
            publish(known, options.anyway)
            return 0
    HOME.mkdir(parents=True, exist_ok=True)
    present = machine.load_before(0 if options.mode == "quick" else machine.QUIET_SECONDS_MAX)
    if present > machine.LOAD_MAX and options.mode != "quick" and not options.anyway:
        print(f"others keep {present} cores of this machine busy, and a record allows {machine.LOAD_MAX}: "
              "stop them, or mark the rows with --anyway", file=sys.stderr)
        return 2
    recorder = Recorder(options)
    described = machine.describe(CHECKOUT)
    recorder.run_programs()
    if recorder.wants_any(*WHOLE_PARTS):
        recorder.run_whole()
    record = recorder.record(described)
    if known:
        record = renewed(known, record)
        record["plots"] = sorted(plots.all_plots(record))
    (HOME / "record.json").write_text(json.dumps(record, indent=1, allow_nan=False) + "\n")
    save(record, HOME / "record.md", ".", HOME)
    print("\n".join(["", *report.terminal(record), ""]))
    publish(record, options.anyway)
    failures = record["problems"] + record["missed"]
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
