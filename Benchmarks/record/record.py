#!/usr/bin/env python3
"""Makes the record of what the product does on this machine, as docs/performance.md says.

    Benchmarks/record/record.py [--quick | --full] [--only NAME,...] [--budget MINUTES] [--anyway]
                                [--programs FOLDER]
    Benchmarks/record/record.py --from FILE [--only NAME,...] [--anyway]

Measures the whole stack, and runs each benchmark program alone, the most important first. What does not
fit into the budget any more is left out, and the page says so. The figures are printed as they come, and are
in .local/bench: record.json (part.json of a part), record.md, plots, and what the programs said. If the machine was
quiet and
nothing failed, docs/performance.md and its plots are written again, and Benchmarks/record/history.jsonl has a
row more; --anyway writes the page with rows marked. --from makes the page of a record that is there, with the
parts that --only names measured again.

NAME is a program (TapeBenchmark) or a part of the whole stack: latency, bars, highest, frugal, quick_rows,
kills, growth, busy. --quick takes three minutes and is no record. --full adds growth and busy, and longer runs.
Exit code 0: all ran. 1: something failed, or a limit was missed. 2: another program uses more of the machine
than a record allows, at the start.
"""

import argparse
import dataclasses
import json
import math
import pathlib
import sys
import time
import traceback
import typing

sys.dont_write_bytecode = True
CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
HOME = CHECKOUT / ".local/bench"
PAGE = CHECKOUT / "docs/performance.md"
PLOTS = "performance"
HISTORY = CHECKOUT / "Benchmarks/record/history.jsonl"
import history  # noqa: E402
import machine  # noqa: E402
import plots  # noqa: E402
import programs  # noqa: E402
import report  # noqa: E402
from renewal import renewed  # noqa: E402
from rows import Rows, number  # noqa: E402
from whole import Whole  # noqa: E402

# The rates for which there are goals. A quick run has the first two alone.
RATES = (100, 1_000, 10_000, 50_000, 1)
OTHER_RATES = (1_000, 10_000)
BUDGET_MINUTES = {"usual": 25.0, "full": 180.0}
WHOLE_PARTS = ("latency", "bars", "highest", "frugal", "quick_rows", "kills", "growth", "busy")


@dataclasses.dataclass(frozen=True)
class Step:
    # As --only names it.
    part: str
    what: str
    # What it takes at most in a usual run.
    seconds: int
    run: typing.Callable[[float], None]


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
    def __init__(self, options, described):
        self.options, self.progress, self.described = options, Progress(), described
        self.rows, self.problems, self.whole, self.left_out, self.loads = Rows(), [], {}, [], {}
        self.measure = Whole(CHECKOUT, options.programs, options.mode, self.progress.line)
        # What a benchmark says of itself: a missed limit is a figure, too.
        self.missed = []
        self.patience = 0 if options.mode == "quick" else machine.QUIET_SECONDS_MAX
        # A part that was asked for, and a try, are run to the end.
        has_time = options.mode == "quick" or options.only
        self.seconds_max = math.inf if has_time else 60 * options.budget

    def run(self):
        """Takes one step after the other. What fails is a problem of the record, and the others go on."""
        for step in self.whole_steps() + self.program_steps():
            if self.options.only and step.part not in self.options.only:
                continue
            if self.progress.seconds + step.seconds > self.seconds_max:
                self.left_out.append(step.what)
                continue
            load = self.loads[step.what] = machine.load_before(self.patience)
            self.progress.step(f"{step.what}: load before {load}")
            try:
                step.run(load)
            except Exception as error:
                traceback.print_exc()
                # The record says nothing of where the checkout is.
                said = str(error).replace(f"{CHECKOUT}/", "")
                self.problems.append(f"{step.part}: {step.what}: {said or type(error).__name__}")
            write(self.record())

    # --- the programs

    def program_steps(self):
        mode = self.options.mode
        chosen = [each for each in programs.PROGRAMS if each.words(mode) is not None]
        return [Step(each.name, " ".join([each.name, *each.words(mode)]), each.seconds,
                     lambda load, each=each: self.run_program(each, load))
                for _ in range(programs.FULL_TURNS if mode == "full" else 1) for each in chosen]

    def run_program(self, program, load):
        command = " ".join([f".build/release/{program.name}", *program.words(self.options.mode)])
        run = programs.run(self.options.programs, program, self.options.mode, HOME / f"{program.name}.log",
                           self.progress.row)
        for row in run.rows:
            self.rows.add(program.name, command, row, load)
        if run.problem:
            (self.missed if run.is_own_verdict else self.problems).append(
                f"{program.name}: `{command}` {run.problem}")
            self.progress.line(run.problem)

    # --- the whole stack

    def whole_steps(self):
        measure, note = self.measure, self.note
        steps = [self.line("latency", rate, {}) for rate in RATES]
        if self.options.mode == "quick" and not self.options.only:
            return steps[:2]
        steps += [
            Step("bars", "bars at full speed, nobody hears", 90,
                 note("bars_per_second", lambda: measure.bars_per_second(False))),
            Step("bars", "bars at full speed, one listener hears everything", 90,
                 note("bars_heard_per_second", lambda: measure.bars_per_second(True))),
            Step("highest", "the highest rate of the whole stack", 120, note("highest_rate", measure.highest_rate)),
            *(self.line("frugal", rate, {"GATEWAY_LATENCY": "frugal"}) for rate in OTHER_RATES),
            *(self.line("quick_rows", rate, {"WRITER_LATENCY": "quick"}) for rate in OTHER_RATES),
            Step("kills", "a gateway and a writer are killed", 100, note("kills", measure.kills))]
        if self.options.mode == "full" or "growth" in self.options.only:
            steps.append(Step("growth", "growth with symbols, partitions, series and workers", 1_500,
                              note("curves", lambda: list(measure.curves()))))
        if self.options.mode == "full" or "busy" in self.options.only:
            steps.append(Step("busy", "the highest rate beside two busy loops", 2_500,
                              note("busy_rate", measure.busy_rate)))
        return steps

    def note(self, key, measured):
        """How a step measures one figure of the whole stack."""
        def run(_):
            self.whole[key] = measured()
            if isinstance(self.whole[key], float):
                self.progress.line(f"{number(self.whole[key])}/s")
        return run

    def line(self, part, rate, settings):
        """The step that measures a line of a table of the whole stack."""
        def run(load):
            line = {**self.measure.latency(rate, settings), "load": load}
            self.whole.setdefault(part, []).append(line)
            for stage, values in line["latency_ms"].items():
                self.progress.line(f"{stage}: {report.triple(values)} ms")
            self.progress.line(f"{number(line['core_percent'])} % of a core")
        said = "".join(f", {key}={value}" for key, value in settings.items())
        return Step(part, f"the whole stack at {number(rate)} ticks/s{said}", 36, run)

    def record(self):
        record = {"mode": self.options.mode, "only": self.options.only, "machine": self.described,
                  "problems": self.problems, "missed": self.missed, "left_out": self.left_out, "loads": self.loads,
                  "rows": self.rows.all(), "whole": self.whole, "seconds": round(self.progress.seconds)}
        record["plots"] = sorted(plots.all_plots(record))
        return record


def write(record):
    """Keeps the record, or what there is of it so far. A part does not replace the record that is there."""
    name = "part.json" if record["only"] else "record.json"
    (HOME / name).write_text(json.dumps(record, indent=1) + "\n")


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
    rows = history.with_record(history.read(HISTORY), record)
    history.write(HISTORY, rows)
    (PAGE.parent / PLOTS / "history.svg").write_text(history.plot(rows))
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
    options.budget = options.budget or BUDGET_MINUTES.get(options.mode)
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
    recorder = Recorder(options, machine.describe(CHECKOUT))
    recorder.run()
    record = recorder.record()
    if known:
        record = renewed(known, record)
        record["plots"] = sorted(plots.all_plots(record))
    write(record)
    save(record, HOME / "record.md", ".", HOME)
    print("\n".join(["", *report.terminal(record), ""]))
    publish(record, options.anyway)
    failures = record["problems"] + record["missed"]
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
