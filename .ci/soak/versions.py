#!/usr/bin/env python3
"""Shows that the database answers what was known at a time, whatever fails: `make soak NAME=versions`.

    versions.py PROGRAMS [--seed N] [--seconds N] [--questions N] [--every N] [--keep]

A local stack of its own (.local/stack/versions, namespace `soak`) has two sources, the simulated broker and synthetic
ticks. A schedule from the seed kills each process (`kill -9`), sets the clock of a worker back by 30 s
(`libfaketime`), stops NATS for 20 s, has the broker send ticks late, twice and in another order and lose its
connection, cancels, corrects and restores trades, repairs, and begins a generation with one more series. A recorder,
a pull consumer of nats-py that is killed, too, writes down each packet of bars with the tape's time and its own.

- No packet was received before the tape's time of it.
- `bars_as_of`, `as_of=` in Python (of the database and of the tape) and `tapeline bars --as-of` are asked for random
  bars at random times: a third at the very microsecond from which on a version was known, a third one microsecond
  earlier. Each answer is compared with the recorder's packets, field by field. truth.py makes what is expected from
  the wire schema alone. One question of `--every` is asked in Python and by command, too.
- Questions that were answered during the faults, about times more than a minute before, have the same answers later.
- `tapeline audit --all` finds every gap and every version of a bar as the tape has it.
- After a restart, after a restore of a dump that was made in the middle, after a purge: the same answers. Of a purged
  tape: the same, or the error `NotKnown`.
- After a restore that the tape cannot fill up, before and after `tapeline position accept`: the same, or the error
  TL020. With `with_uncertain`, bars without the mark are the recorder's. Of windows that begin after the acceptance
  no answer raises.
- `tapeline record` makes a recording of each source in the middle of the faults, at their end, after the purge and
  after the acceptance. Of the windows and times that a recording has: the same answers. Of others: the same, or
  `NotKnown`.

It prints for each part how many questions were asked, how many answers were right and with how many bars, how many
raised and why, and how many were wrong. A wrong answer does not end the run.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import re
import signal
import sys
import time
from collections.abc import Callable

import psycopg

from answers import MARKET, SECOND, Command, Database, Desk, Question, Raised, Recording, Tape, iso
from stack import NAMES, NAMESPACE, PARTITIONS, PROCESSES, Failure, Stack, eventually, run, say
from truth import Key, Row, Truth

# What came within the last minute may be on its way: an answer about it may change.
SETTLED_SECONDS = 61
# What a purge leaves of each subject: enough for the positions, and far less than since the dump.
BARS_LEFT, TICKS_LEFT = 30, 400
# How long bars are made after a loss was accepted, for questions about them.
LATER_SECONDS = 30
SERIES = ("1s", "5s", "15s")


# --- the comparison


def difference(expected: dict[Key, Row], found: dict[Key, Row]) -> str | None:
    for key in sorted(expected.keys() | found.keys()):
        if key not in found:
            return f"the bar of {iso(key[0])} is missing"
        if key not in expected:
            return f"the bar of {iso(key[0])} was not known"
        for name, value in found[key].items():
            if value != expected[key][name]:
                return f"{name} of {iso(key[0])} is {value}, the recorder has {expected[key][name]}"
    return None


class Verdict:
    """What was asked in one part, and how many answers were the recorder's."""

    def __init__(self, title: str, may_raise: bool = False) -> None:
        self.title, self.may_raise = title, may_raise
        self.same = self.raised = self.bars = self.disputed = 0
        self.wrong: list[str] = []
        self.reasons: collections.Counter[str] = collections.Counter()

    def take(
        self, question: Question, expected: dict[Key, Row], ask: Callable[[Question], dict[Key, Row]],
        is_disputed: bool = False,
    ) -> None:
        """`is_disputed`: clocks disagree about the answer, so it has to raise."""
        try:
            found = ask(question)
        except Raised as error:
            self.raised += 1
            if is_disputed:
                self.disputed += 1
            self.reasons[re.sub(r"[0-9]{4}-\S+( [0-9:.]+\S*)?", "…", str(error))[:90]] += 1
            if not self.may_raise and not is_disputed:
                self.wrong.append(f"{question}: raised: {error}")
            return
        wrong = "clocks disagree, and it answered" if is_disputed else difference(expected, found)
        if wrong:
            self.wrong.append(f"{question}: {wrong}")
        else:
            self.same += 1
            self.bars += len(found)

    def __str__(self) -> str:
        raised = self.disputed if not self.may_raise else self.raised
        return (f"{self.title}: {self.same} of {self.same + raised + len(self.wrong)} the same ({self.bars} bars),"
                f" {self.raised} raised, {len(self.wrong)} wrong")


class Report:
    """The verdicts of all parts. A wrong answer of one does not keep the next one from being asked."""

    def __init__(self) -> None:
        self.parts: list[Verdict] = []

    def take(self, verdict: Verdict) -> None:
        self.parts.append(verdict)
        say(str(verdict))
        for reason, count in verdict.reasons.most_common(3):
            say(f"  {count} raised: {reason}")
        for wrong in verdict.wrong[:5]:
            say(f"  ✘ {wrong}")

    def check(self) -> None:
        """Shows all parts, and fails if one had a wrong answer."""
        for verdict in self.parts:
            print(f"  {verdict}", flush=True)
        wrong = [verdict.title for verdict in self.parts if verdict.wrong]
        if wrong:
            raise Failure(f"wrong answers: {'; '.join(wrong)}")


# --- the storm


class Storm:
    """The faults, in an order that follows from the seed."""

    def __init__(self, stack: Stack, seed: int, live: "Live") -> None:
        self.stack, self.random, self.live = stack, random.Random(seed), live
        self.done: list[str] = []
        # Of the middle of the storm.
        self.recordings: list[pathlib.Path] = []
        self.changed: set[str] = set()

    def run(self, seconds: float) -> None:
        stack = self.stack
        kills = [(f"{name} is killed", lambda name=name: stack.kill(name)) for name in PROCESSES]
        faults: list[tuple[str, Callable[[], None]]] = [
            *kills, ("the recorder is killed", self.kill_recorder),
            ("40 ticks come 3 s late", lambda: stack.simulator("late 40")),
            ("20 ticks come twice", lambda: stack.simulator("duplicate 20")),
            ("20 ticks change places", lambda: stack.simulator("reorder 20")),
            ("the broker's connection is closed", lambda: stack.simulator("close")),
            ("the broker sends nothing for 4 s", self.lose),
            ("a trade is busted", lambda: self.change("cancel")),
            ("a trade is corrected", lambda: self.change("correct", "--price", "101.25")),
            ("a trade is busted and restored", self.restore_trade),
            ("bars are repaired", self.repair), ("bars are repaired", self.repair),
            ("a worker's clock steps by -30 s", lambda: stack.clock(-30)),
            ("NATS is away for 20 s", self.freeze_nats),
        ]
        self.random.shuffle(faults)
        faults.insert(len(faults) // 2, ("the database is dumped", stack.dump))
        faults.insert(len(faults) // 2 + 1, ("the tape is recorded", self.record))
        faults.insert(3 * len(faults) // 4, ("a new generation with another series", self.generation))
        end = time.monotonic() + seconds
        for index, (title, fault) in enumerate(faults):
            say(title)
            self.done.append(title)
            fault()
            self.live.ask()
            left = (end - time.monotonic()) / (len(faults) - index)
            time.sleep(max(0.5, left * self.random.uniform(0.4, 1.0)))

    def record(self) -> None:
        self.recordings = eventually("the tape is recorded", lambda: self.stack.record("middle"), 90, 1)

    def kill_recorder(self) -> None:
        self.stack.end("recorder")
        self.stack.start_recorder()

    def lose(self) -> None:
        self.stack.simulator("lost")
        time.sleep(4)
        self.stack.simulator(f"restored {self.random.choice(('keep', 'lose'))}")

    def freeze_nats(self) -> None:
        """A server that hangs is worse than one that is gone: nobody is told."""
        server = self.stack.unit("nats-server")
        os.kill(server, signal.SIGSTOP)
        time.sleep(20)
        os.kill(server, signal.SIGCONT)
        self.stack.works()

    def trade(self) -> str:
        """The address of a trade that was made a while ago, so that its bars are closed."""
        def find() -> str:
            found = self.stack.query(
                f"SELECT tick_id FROM {MARKET}.trades WHERE ts BETWEEN now() - interval '60 s'"
                " AND now() - interval '4 s' AND action = 'new' ORDER BY ts DESC LIMIT 400").splitlines()
            # A trade that was changed before would be refused.
            found = [address for address in found if address not in self.changed]
            return self.random.choice(found) if found else ""
        address: str = eventually("there are trades", find)
        self.changed.add(address)
        return address

    def change(self, word: str, *more: str) -> None:
        self.trusted("trade", word, self.trade(), *more, "--note", "soak", "--yes", "--wait")

    def restore_trade(self) -> None:
        address = self.trade()
        self.trusted("trade", "cancel", address, "--note", "soak", "--yes", "--wait")
        self.trusted("trade", "restore", address, "--note", "soak", "--yes", "--wait")

    def repair(self) -> None:
        source = self.random.choice(list(NAMES))
        back = self.random.randint(15, 40)
        now = time.time()
        self.trusted(
            "repair", self.random.choice(NAMES[source]), "--source", source, "--from",
            iso(int(now - back) * SECOND), "--to", iso(int(now - back + 10) * SECOND), "--note", "soak",
            "--wait", "--yes")

    def trusted(self, *words: str) -> None:
        """A command that a fault just before it may disturb: a person would give it again."""
        eventually(f"tapeline {' '.join(words[:2])}", lambda: self.stack.tool(*words).returncode == 0, 60, 1)

    def generation(self) -> None:
        stack = self.stack
        stack.end("operator-worker-c")
        stack.settings |= {"OPERATOR_GENERATION": "2", "OPERATOR_SERIES": "1s,5s,15s,10s"}
        stack.restart("--add-source")
        stack.end("recorder")
        stack.start_recorder()
        stack.start_worker()


class Live:
    """Questions while the faults go on. Their answers have to stay true."""

    def __init__(self, stack: Stack, seed: int) -> None:
        self.stack, self.random = stack, random.Random(seed + 1)
        self.start = int(time.time()) * SECOND
        self.answers: list[tuple[Question, dict[Key, Row]]] = []
        self.raised = 0

    def ask(self) -> None:
        latest = int((time.time() - SETTLED_SECONDS) * SECOND)
        if latest <= self.start:
            return
        database = eventually("the database answers", self.open)
        for _ in range(8):
            source = self.random.choice(list(NAMES))
            at = self.random.randrange(self.start, latest)
            question = Question(
                (source, self.random.choice(NAMES[source]), self.random.choice(SERIES)), at,
                at - 120 * SECOND, at, 0)
            try:
                self.answers.append((question, database.ask(question)))
            except Raised:
                self.raised += 1
        database.close()

    def open(self) -> Database | None:
        try:
            return Database(self.stack)
        except psycopg.Error as error:
            raise Failure(str(error)) from None


# --- the audit


class Audit:
    """The questions, from the seed, and who answers them."""

    def __init__(
        self, stack: Stack, truth: Truth, report: Report, count: tuple[int, int], latest: int
    ) -> None:
        self.stack, self.report = stack, report
        self.count, self.every = count
        self.pick = random.Random(stack.seed + 2)
        self.again(truth, 0, latest)

    def again(self, truth: Truth, earliest: int, latest: int) -> None:
        """Makes new questions: about windows from a time on, as they were known up to another time."""
        self.truth, pick = truth, self.pick
        names = sorted(truth.series)
        known: dict[tuple[str, str, str], list[int]] = {name: [] for name in names}
        for name, version in truth.versions():
            if version.known <= latest and version.row["ts"] >= earliest:
                known[name].append(version.known)
        first = min(time_of for times in known.values() for time_of in times)
        self.questions: list[Question] = []
        while len(self.questions) < self.count:
            name = pick.choice(names)
            # At the very moment of a version, right before it, or at any time.
            way = pick.random()
            at = pick.randrange(first, latest)
            if way < 0.6 and known[name]:
                at = pick.choice(known[name]) - (1 if way < 0.3 else 0)
            start = max(earliest, at - pick.randrange(5, 300) * SECOND)
            self.questions.append(Question(name, at, start, at + 1, pick.randrange(1, 60)))

    def expected(self, question: Question) -> dict[Key, Row]:
        return self.truth.as_of(question.name, question.time, question.start, question.end)

    def is_disputed(self, question: Question) -> bool:
        return self.truth.is_disputed(question.name, question.time, question.start, question.end)

    def newest(self, question: Question) -> dict[Key, Row]:
        found = self.truth.as_of(question.name, question.time, 0, question.time + 1)
        return {key: found[key] for key in sorted(found)[-question.count:]}

    def ask(self, title: str, kinds: tuple[type, ...], may_raise: bool = False) -> None:
        for kind in kinds:
            asked = kind(self.stack)
            verdict = Verdict(f"{title}, {asked.name}", may_raise)
            for question in self.questions[::1 if kind is Database else self.every]:
                expected = self.newest(question) if kind is Command else self.expected(question)
                is_disputed = self.is_disputed(question)
                # How many windows the command looks at is its own matter.
                if kind is Command and (is_disputed or not expected):
                    continue
                verdict.take(question, expected, asked.ask, is_disputed)
            asked.close()
            self.report.take(verdict)

    def ask_recordings(self, title: str, recordings: list[pathlib.Path], *, must_know: bool = True) -> None:
        """Asks recordings. About the windows and times that a recording has, no answer may raise."""
        for path in recordings:
            asked = Recording(path)
            inside = Verdict(f"{title}, {asked.name}")
            outside = Verdict(f"{title}, {asked.name}, outside of it", may_raise=True)
            for question in filter(asked.has, self.questions[::self.every]):
                verdict = inside if asked.knows(question) else outside
                verdict.take(question, self.expected(question), asked.ask, self.is_disputed(question))
            if must_know and not (inside.same or inside.wrong):
                inside.wrong.append("no question is of windows and times that it has")
            for verdict in (inside, outside):
                if verdict.same or verdict.raised or verdict.wrong:
                    self.report.take(verdict)

    def compare_tape(self, title: str) -> None:
        """The product's own comparison of rows with the tape: gaps, and each version of each bar."""
        done = self.stack.tool("audit", "--all", "--json", check=False, seconds=300)
        checks = {each["name"]: each for each in json.loads(done.stdout)["checks"]}
        for name in ("gaps_on_tape", "versions_on_tape"):
            found = checks.get(name)
            if not found or not found["ok"]:
                raise Failure(f"{title}, tapeline audit: {name}: {found and found['detail']}")
            say(f"{title}, tapeline audit: {found['found']} of {found['expected']} right: {name}")

    def ask_uncertain(self, title: str) -> None:
        """Bars that are not marked are true also where others of the same answer are not certain."""
        verdict, database = Verdict(f"{title}, with_uncertain, the bars without a mark"), Database(self.stack)
        for question in self.questions:
            found = database.ask(question, with_uncertain=True)
            certain = {key: row for key, row in found.items() if not row["is_uncertain"]}
            expected = self.expected(question)
            verdict.take(question, {key: expected[key] for key in certain if key in expected},
                         lambda _: certain)
        database.close()
        self.report.take(verdict)


def reached(stack: Stack, latest: int) -> bool:
    """Whether the writer has stored every partition of bars up to this time of the tape."""
    found = stack.query(
        f"SELECT bool_and(coalesce(tape_time_ns, 0) > {latest * 1_000}) AND count(*) > 0"
        f" FROM {NAMESPACE}.sink_positions WHERE input = 'bars'")
    return found == "t"


def recorded(stack: Stack, latest: int) -> bool:
    path = stack.home / "recording"
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2_000_000))
        return int(json.loads(file.read().rstrip(b"\n").rpartition(b"\n")[2])["taken"]) > latest * 1_000


def read(stack: Stack, latest: int) -> Truth:
    """Returns what the recorder has when all up to a time is stored and recorded."""
    eventually("everything is stored", lambda: reached(stack, latest), 90)
    eventually("everything is recorded", lambda: recorded(stack, latest), 60)
    truth = Truth(stack.home / "recording")
    if truth.faults or truth.early:
        raise Failure(f"the recorder's packets: {(truth.faults + truth.early)[:5]}")
    return truth


def soak(stack: Stack, options: argparse.Namespace) -> None:
    stack.start_recorder()
    stack.start_worker()
    live, report = Live(stack, stack.seed), Report()
    storm = Storm(stack, stack.seed, live)
    storm.run(options.seconds)
    latest = int(time.time() * SECOND)
    truth = read(stack, latest)
    say(f"{len(storm.done)} faults; {truth.packets} packets of bars, {sum(truth.reasons.values())} versions: "
        + ", ".join(f"{number} {reason}" for reason, number in truth.reasons.most_common()))
    say(f"0 of {truth.packets} packets were received before the tape's time of them")
    verdict = Verdict(f"while the faults went on ({live.raised} raised), bars_as_of")
    for question, found in live.answers:
        expected = truth.as_of(question.name, question.time, question.start, question.end)
        disputed = truth.is_disputed(question.name, question.time, question.start, question.end)
        verdict.take(question, expected, lambda _, found=found: found, disputed)
    report.take(verdict)
    audit = Audit(stack, truth, report, (options.questions, options.every), latest)
    audit.ask("at the end", (Database, Desk, Tape, Command))
    audit.ask_recordings("at the end", storm.recordings + stack.record("end"))
    audit.compare_tape("at the end")
    after(stack, audit, latest)
    report.check()


def after(stack: Stack, audit: Audit, latest: int) -> None:
    """What the past was stays the same, whatever is done to the stores."""
    stack.end("operator-worker-c")
    say("the stack is restarted")
    stack.restart("--add-source")
    audit.ask("restarted", (Database, Tape))
    # A restored database does not know either what is on its way in the last minute.
    time.sleep(max(0.0, latest / SECOND + SETTLED_SECONDS - time.time()))
    say("the database is put back to the dump, the tape is whole")
    stack.restore()
    stack.tool("down")
    stack.up("--add-source", wait=False)
    audit.ask("restored, while it is filled up", (Database,), may_raise=True)
    eventually("the database is filled up", lambda: reached(stack, latest), 90)
    audit.ask("filled up", (Database, Desk))
    audit.compare_tape("filled up")
    say("of each subject of the tape the newest packets are left")
    stack.restart("--servers-only")
    for partition in range(PARTITIONS):
        stack.purge(f"{NAMESPACE.upper()}_BARS", {
            "filter": f"{NAMESPACE}.bars.{partition}", "keep": BARS_LEFT})
        for source in NAMES:
            stack.purge(f"{NAMESPACE.upper()}_TICKS_{partition % 4}", {
                "filter": f"{NAMESPACE}.ticks.{partition}.{source}", "keep": TICKS_LEFT})
    stack.restart("--add-source")
    audit.ask("purged and restarted", (Database, Desk))
    audit.ask("purged and restarted", (Tape,), may_raise=True)
    audit.ask_recordings("purged and restarted", stack.record("purged"), must_know=False)
    say("the database is put back to the dump again: the tape cannot fill it up")
    stack.restore()
    audit.ask("restored without its tape", (Database, Desk, Command), may_raise=True)
    audit.ask_uncertain("restored without its tape")
    say("a person accepts what the tape has lost")
    stack.tool("down")
    stack.up("--add-source", wait=False)
    eventually("the position is accepted", lambda: stack.tool(
        "position", "accept", "--group", "store", "--yes").returncode == 0)
    accepted = int(time.time() * SECOND)
    eventually("everything works", lambda: reached(stack, latest))
    audit.ask("accepted", (Database, Desk, Command), may_raise=True)
    audit.ask_uncertain("accepted")
    # Of windows that begin after the loss everything is known again.
    later = accepted + LATER_SECONDS * SECOND
    time.sleep(max(0.0, later / SECOND - time.time()))
    audit.again(read(stack, later), accepted + SECOND, later)
    audit.ask("of windows after the acceptance", (Database, Desk, Tape))
    since = ("--from", iso(accepted))
    audit.ask_recordings(
        "of windows after the acceptance", stack.record("later") + stack.record("range", *since))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=150, help="how long the faults take")
    parser.add_argument("--questions", type=int, default=1_000)
    parser.add_argument("--every", type=int, default=4,
                        help="every so many questions one is also asked in Python and by command")
    return run(parser, "versions", soak)


if __name__ == "__main__":
    sys.exit(main())
