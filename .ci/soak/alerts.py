#!/usr/bin/env python3
"""Shows that what fails pages somebody, in time and by its name: `make soak NAME=alerts`.

    alerts.py PROGRAMS [--seed N] [--faults N] [--from N] [--stacks N] [--only WORDS] [--hold N] [--report FILE]
        [--keep]

Faults (40) are drawn by the seed from alert_table.py: none comes again before all were drawn. `--only` draws from those
whose name has these words; `--from` leaves out those that an earlier run of the seed has tried. Local stacks of their
own (.local/stack/alerts-1 …, three of them) work beside each other; each has three sources, and sends its alerts by a
Prometheus and an Alertmanager with the shipped rules, routes, waits and intervals to a receiver, which is a web server
of this script. A stack gets its next fault when nothing fires any more, and counters of the last quarter of an hour
remember little.

What is not as shipped: WRITER_DATABASE_BYTES is set, and GATEWAY_KEEP is a day, so that a stream that is made small
stays full. Rates are low. Settings, passwords and triggers of a fault are taken back at its end.

It fails if

- the first page after a fault comes later than the `for` of its rule, the window of the rule's expression (which the
  table has, with the reason) and 45 s;
- that page does not name the cause: the alert, with the process, the group or the source;
- more than 2 pages of 40 faults are about something else. What follows from a fault by its row of the table, and
  objectives that it spoilt and its alert does not silence, are counted apart and shown;
- an alert fires or pages before the first fault (objectives are shown alone), goes on for 40 minutes after the end of
  a fault, or the call of the watchdog stays away for two minutes. What pages between two faults is of the first one.

It prints a table with a line for each fault, and writes the same as JSON (.build/night/alerts.json). Two counts are
printed: how many faults hold, and how many do without what the table allows: no window, and no other page at all.
Six faults take some 20 minutes: SOAK_FAULTS=6 SOAK_SEED=1 make soak NAME=alerts.
"""

import argparse
import collections
import contextlib
import json
import pathlib
import queue
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import alert_faults
import alert_guest
from alert_faults import SOON_SECONDS, AlertStack
from alert_table import KINDS, OBJECTIVE, Fault, Outcome, Pages, counts, document, draw, table, verdict, words_of
from stack import FAKETIME, ROOT, Failure, say

STACKS = 3
FAULTS = 40
# How long a page is waited for beyond its bound, so that the report says when it came.
LATE_SECONDS = 120
# How long a fault lasts after its first page, so that others may follow.
HOLD_SECONDS = 45
# A new stack has to be silent for so long before its first fault.
REST_SECONDS = 90
QUIET_SECONDS = 40 * 60
WATCHDOG_SECONDS = 120
LOOK_SECONDS = 1.0


def revision() -> str:
    """The commit of the checkout, and whether files differ from it."""
    git = ["git", "describe", "--always", "--exclude=*", "--abbrev=8", "--dirty"]
    return subprocess.run(git, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


class Stopped(Exception):
    """Somebody ended the run."""


class Worker(threading.Thread):
    """Tries faults of the common list on a stack of its own, one after the other."""

    def __init__(self, run: "Run", number: int) -> None:
        super().__init__(name=f"alerts-{number}")
        self.common, self.number, self.lives = run, number, 0
        self.stack: AlertStack | None = None
        self.pages = Pages()
        # The fault before, which pages that come late are of.
        self.last: Outcome | None = None

    def run(self) -> None:
        try:
            while not self.common.stop.is_set() and self.common.faults:
                if self.stack is None:
                    self.stack = self.made()
                try:
                    fault = self.common.faults.popleft()
                except IndexError:
                    break
                outcome = Outcome(fault, self.name)
                self.common.outcomes.append(outcome)
                self.attempt(self.stack, outcome)
                self.last = outcome
                self.report(outcome)
                if outcome.problem or fault.kind.ends_stack:
                    # What is left of it would be in the way of the next one.
                    self.end()
        except Stopped:
            pass
        except Exception as failure:  # A thread's error would only be printed.
            self.common.problems.append(f"{self.name}: {failure!r}")
        finally:
            self.end()

    def made(self) -> AlertStack:
        self.lives += 1
        stack = AlertStack(self.common.programs, self.common.seed + self.number, self.name)
        self.stack, self.pages, self.last = stack, Pages(), None
        say(f"{self.name} comes up")
        stack.make()
        silent = time.monotonic()
        # What waits at first has fired by then.
        end = silent + SOON_SECONDS + REST_SECONDS
        while time.monotonic() < min(end, silent + REST_SECONDS):
            self.wait(LOOK_SECONDS)
            if stack.standing():
                silent = time.monotonic()
        stack.at_rest = stack.standing()
        if stack.at_rest:
            self.common.problems.append(f"{self.name}: without a fault it says {', '.join(sorted(stack.at_rest))}")
        self.drained()
        return stack

    def end(self) -> None:
        stack, self.stack = self.stack, None
        if stack is None:
            return
        calls = [*stack.receiver.calls, time.monotonic()]
        gaps = [later - call for call, later in zip(calls, calls[1:])]
        if max(gaps, default=WATCHDOG_SECONDS + 1) > WATCHDOG_SECONDS:
            self.common.problems.append(
                f"{self.name}: the watchdog called {len(gaps)} times, and stayed away for {max(gaps, default=0):.0f} s")
        if self.common.keeps:
            return
        stack.close()
        # What a failed stack has stored is left as it is, under another name.
        if any(each.problem for each in self.common.outcomes if each.stack == self.name):
            with contextlib.suppress(OSError):
                stack.home.rename(stack.home.with_name(f"{self.name}-left-{self.lives}"))
        stack.remove()
        stack.forget()

    # --- a fault

    def attempt(self, stack: AlertStack, outcome: Outcome) -> None:
        fault = outcome.fault
        self.drained()
        say(f"{self.name}: {fault.number} {fault.title}: {fault.kind.alert} within {fault.bound} s")
        try:
            with contextlib.ExitStack() as undo:
                begin = time.monotonic()
                act: Callable[..., float | None] = (vars(alert_faults) | vars(alert_guest))[fault.kind.act]
                begin = act(stack, fault.target, undo) or begin
                stack.hurt |= set(fault.kind.hurts)
                end = begin + fault.bound + LATE_SECONDS
                while outcome.first is None and time.monotonic() < end:
                    self.take(outcome, begin, 0.5)
                hold = time.monotonic() + self.common.hold
                while outcome.first is not None and time.monotonic() < hold:
                    self.take(outcome, begin, 0.5)
            healed = time.monotonic()
            stack.works()
            if not fault.kind.ends_stack:
                self.settle(stack, outcome, begin, healed)
        except Failure as failure:
            outcome.problem = str(failure)
        except (OSError, ValueError, KeyError) as failure:
            outcome.problem = repr(failure)

    def settle(self, stack: AlertStack, outcome: Outcome, begin: float, healed: float) -> None:
        """Waits until nothing stands any more, and counters have forgotten enough."""
        left: list[str] = ["unknown"]
        while time.monotonic() < healed + QUIET_SECONDS:
            self.take(outcome, begin, LOOK_SECONDS)
            left = stack.unrest()
            if outcome.over is None and not stack.standing() - stack.at_rest:
                outcome.over = time.monotonic() - healed
            if not left:
                return
        outcome.problem = f"not over within {QUIET_SECONDS // 60} min: {', '.join(left)}"

    def take(self, outcome: Outcome, begin: float, seconds: float) -> None:
        """Waits for a post and takes what is new in it."""
        assert self.stack
        if self.common.stop.is_set():
            raise Stopped
        try:
            at, post = self.stack.receiver.posts.get(timeout=seconds)
        except queue.Empty:
            return
        page = self.pages.take(at, post)
        if page:
            outcome.take(page, begin, self.stack.hurt)

    def drained(self) -> None:
        """Takes what came before a fault: it is of the one before, or nothing had failed yet."""
        assert self.stack
        early: list[dict[str, str]] = []
        with contextlib.suppress(queue.Empty):
            while True:
                page = self.pages.take(*self.stack.receiver.posts.get_nowait())
                early += page.alerts if page else []
        if not early:
            return
        said = ", ".join(map(words_of, early))
        say(f"{self.name}: paged before the next fault: {said}")
        if self.last:
            for labels in early:
                self.last.note(labels, self.stack.hurt)
        # A stack that comes up spoils objectives.
        elif any(labels["alertname"] != OBJECTIVE for labels in early):
            self.common.problems.append(f"{self.name}: without a fault it paged {said}")

    def wait(self, seconds: float) -> None:
        if self.common.stop.wait(seconds):
            raise Stopped

    def report(self, outcome: Outcome) -> None:
        first = "no page" if outcome.first is None else f"after {outcome.first:.0f} s: {outcome.said}"
        also = [*outcome.follows, *outcome.objectives, *(f"OTHER {name}" for name in outcome.others)]
        say(f"{self.name}: {outcome.fault.number} {outcome.fault.title}: {first}"
            + (f"; also {', '.join(also)}" if also else "") + (f"; ✘ {outcome.fails}" if outcome.fails else ""))
        self.common.write()


class Run:
    """The faults of all stacks, and what came of them."""

    def __init__(self, options: argparse.Namespace, faults: list[Fault]) -> None:
        self.programs, self.seed, self.count = options.programs.resolve(), options.seed, len(faults)
        self.hold, self.keeps, self.path = options.hold, options.keep, options.report
        self.faults, self.outcomes = collections.deque(faults), list[Outcome]()
        self.problems: list[str] = []
        self.revision = revision()
        self.stop, self.lock = threading.Event(), threading.Lock()
        self.workers = [Worker(self, number + 1) for number in range(min(options.stacks, len(faults)))]

    def all(self) -> list[str]:
        """Tries all faults. Returns what did not hold."""
        for worker in self.workers:
            worker.start()
        try:
            for worker in self.workers:
                while worker.is_alive():
                    worker.join(0.5)
        finally:
            self.stop.set()
            for worker in self.workers:
                worker.join()
        self.write()
        return verdict(self.outcomes, self.count) + self.problems

    def write(self) -> None:
        with self.lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            told = document(list(self.outcomes), self.seed, self.count, self.revision) | {
                "stacks": list(self.problems)}
            new = self.path.with_suffix(".new")
            new.write_text(json.dumps(told, indent=1) + "\n")
            new.rename(self.path)


def main() -> int:
    parser = argparse.ArgumentParser(description="Faults page, in time and by their names.")
    parser.add_argument("programs", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--faults", type=int, default=FAULTS)
    parser.add_argument("--from", type=int, default=1, dest="first", help="the number of the first fault to try")
    parser.add_argument("--stacks", type=int, default=STACKS)
    parser.add_argument("--only", default="", help="draw from faults whose name has these words")
    parser.add_argument("--hold", type=int, default=HOLD_SECONDS, help="seconds that a fault lasts after its page")
    parser.add_argument("--report", type=pathlib.Path, default=ROOT / ".build/night/alerts.json")
    parser.add_argument("--keep", action="store_true", help="leave the stacks running")
    options = parser.parse_args()
    kinds = [kind for kind in KINDS if options.only in kind.name]
    if not FAKETIME.exists():
        say(f"clocks stay right: {FAKETIME} is missing here")
        kinds = [kind for kind in kinds if not kind.moves_clock]
    drawn = draw(options.faults, options.seed, kinds) if kinds else []
    faults = [each for each in drawn if each.number >= options.first]
    if drawn and not faults:
        parser.error(f"--from {options.first} leaves none of {options.faults} faults")
    if not faults or options.stacks < 1:
        parser.error(f"no fault: there are {', '.join(kind.name for kind in KINDS)}")
    say(f"seed {options.seed}: {len(faults)} faults of {len(kinds)} kinds")
    run = Run(options, faults)
    problems = run.all()
    print(table(run.outcomes))
    lenient, strict = counts(run.outcomes)
    say(f"{lenient} of {run.count} hold; strictly {strict}: within 'for' and the margin, and with no other page")
    for problem in problems:
        say(f"✘ seed {options.seed}: {problem}")
    if not problems:
        say(f"seed {options.seed}: all held")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
