#!/usr/bin/env python3
"""Shows that no clock makes answers about a past time wrong: `make soak NAME=clocks`.

    clocks.py PROGRAMS [--seed N] [--seconds N] [--questions N] [--keep]

A local stack of its own (.local/stack/clocks, namespace `soak`) has two sources, the simulated broker and synthetic
ticks, bars and values. Each clock is moved by itself, forwards and back: those of the hosts of gateways, workers, the
writer and the venue (`libfaketime`), and that of NATS, of each stream another one, in deliveries and answers
(tape_clock.py). Services are killed, trades cancelled, corrected and restored, the broker is lost, NATS hangs. A
recorder of each stream that sees no moved clock writes down when each packet could be read.

Questions about bars, ticks, changes, values and gaps as they were known at a time, most of them within a second of a
moment that some clock shows, are asked in SQL, in Python of the database and, if of bars, of the tape and of
recordings:

- (a) While one clock is not behind, no answer has what could not be read yet. A row that waited for the tape longer
  than a second has the tape's clock alone: such rows are counted.
- (b) Where clocks disagree about the asked time by more than a second, the answer raises and names a stretch with it.
- (c) Nothing is missing that all clocks put before the asked time. Ticks, changes, values and gaps have a second.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import psycopg

import tape_clock
from answers import MARKET, SECOND, Database, Desk, Raised, Recording, Tape, iso, micros, moment, tapeline
from stack import BROKER, FAKETIME, LIST, NAMES, NAMESPACE, ROOT, Failure, Stack, eventually, free_port, run, say
from truth import Truth
from witnesses import Asked, Record, Witnesses, last, missing

STREAMS = [f"{NAMESPACE.upper()}_BARS", *(f"{NAMESPACE.upper()}_TICKS_{number}" for number in range(4))]
HOSTS = {"provider-gateway": "gateway", "operator-worker": "worker", "store-writer": "writer",
         "ibkr-simulator": "venue"}
STEPS = (0.4, 2, 12, 45)
GRAPH = """version: 1
name: clocks
nodes:
  bars: {operator: bars, input: trades, series: [1s, 5s]}
  stats: {operator: aggregate, input: trades, functions: [mean], series: [{name: q2s, width: 2s}]}
"""
KINDS = ("bars", "ticks", "changes", "values", "gaps")
MOMENT = r"(\d{4}-\d\d-\d\d[ T][0-9:.]+(?:\+00|Z))"
NAMED = re.compile(f"clocks disagree from {MOMENT} to {MOMENT}")


class ClockStack(Stack):
    """A stack whose processes have other clocks, and see another one of NATS."""

    def make(self) -> None:
        self.remove()
        (self.home / "logs").mkdir(parents=True)
        (self.home / "instruments.yaml").write_text(LIST)
        (self.home / "graph.yaml").write_text(GRAPH)
        del self.settings["OPERATOR_SERIES"]
        self.settings["OPERATOR_GRAPH"] = str(self.home / "graph.yaml")
        self.port = free_port()
        self.offsets: dict[str, list[tuple[float, float]]] = {host: [] for host in HOSTS.values()}
        self.wrap()
        self.plan()
        self.start("proxy", [
            sys.executable, str(ROOT / ".ci/soak/tape_clock.py"), str(self.port), str(self.home / "ports.json"),
            str(self.home / "moves")], {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"})
        broker = {**BROKER, "SIMULATOR_SEED": str(self.seed),
                  "GATEWAY_INSTRUMENTS": str(self.home / "instruments.yaml")}
        self.up("--simulator", settings=broker)
        self.tool("down")
        self.up("--add-source")

    def wrap(self) -> None:
        """Makes a folder of the programs, in which those of services have a clock and the proxy."""
        folder, self.real = self.home / "programs", self.programs
        folder.mkdir()
        for path in self.real.iterdir():
            if path.name in HOSTS:
                host = HOSTS[path.name]
                self.set_clock(host, 0)
                fake = self.faketime() | {"FAKETIME_TIMESTAMP_FILE": str(self.home / f"clock-{host}")}
                if host != "venue":
                    fake["NATS_URL"] = f"nats://127.0.0.1:{self.port}"
                sets = "".join(f"export {key}='{value}'\n" for key, value in fake.items())
                (folder / path.name).write_text(f"#!/bin/sh\n{sets}exec /usr/bin/env '{path}' \"$@\"\n")
                (folder / path.name).chmod(0o755)
            elif path.name == "tapeline":
                # The supervisor starts what is beside it, wherever a link leads.
                shutil.copy2(path, folder / path.name)
            elif path.is_file() and os.access(path, os.X_OK):
                (folder / path.name).symlink_to(path)
        self.programs = folder

    def set_clock(self, host: str, ahead: float) -> None:
        new = self.home / f"clock-{host}.new"
        new.write_text(f"{ahead:+.3f}s\n")
        new.rename(self.home / f"clock-{host}")
        self.offsets[host].append((time.time(), ahead))

    def was_behind(self, host: str, at: int) -> bool:
        """Whether the clock of a host was behind within some seconds before a true time."""
        begin = at / SECOND - 5
        before = [ahead for since, ahead in self.offsets[host] if since <= begin][-1:]
        return any(ahead < 0 for ahead in before + [
            ahead for since, ahead in self.offsets[host] if begin < since <= at / SECOND])

    def plan(self) -> None:
        """Plans how the clock of each stream moves: its steps are in the middle of the run."""
        pick, moves, begin = random.Random(self.seed + 7), {}, time.time() + 40
        for stream in STREAMS:
            times = sorted(pick.uniform(begin, begin + self.options.seconds) for _ in range(5))
            steps = [pick.choice((0.0, pick.choice(STEPS), -pick.choice(STEPS))) for _ in times]
            end = [begin + self.options.seconds + 5, 0.0]
            moves[stream] = [[int(at * 1e9), int(step * 1e9)] for at, step in [*zip(times, steps), end]]
        (self.home / "moves").write_text(json.dumps(moves))
        self.moves = tape_clock.Moves(self.home / "moves")

    def start_recorder(self) -> None:
        url = self.tool("url", "nats", "--with-password").stdout.strip()
        (self.home / "tapes").mkdir(exist_ok=True)
        for stream in STREAMS:
            self.start(f"recorder-{stream}", [
                sys.executable, str(ROOT / ".ci/soak/recorder.py"), stream, str(self.home / "tapes" / stream)],
                {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ["PYTHONPATH"], "RECORDER_NATS": url,
                 "PYTHONDONTWRITEBYTECODE": "1"})

    def proxied(self, user: str) -> str:
        secret = (self.home / f"secrets/nats-{user}").read_text()
        return f"nats://{user}:{secret}@127.0.0.1:{self.port}"

    def record(self, name: str, *words: str) -> list[pathlib.Path]:
        """Records through the proxy."""
        folder = self.home / "recordings"
        folder.mkdir(exist_ok=True)
        paths = []
        for source in NAMES:
            path = folder / f"{name}-{source}.tape"
            path.unlink(missing_ok=True)
            done = subprocess.run(
                [self.real / "tapeline", "record", "--source", source, "-o", str(path), "--json", *words], text=True,
                timeout=120, capture_output=True, cwd=self.home, env={
                    **self.environment, "NATS_URL": f"nats://127.0.0.1:{self.port}", "NATS_USER": "tool",
                    "NATS_PASSWORD_FILE": str(self.home / "secrets/nats-tool")})
            if done.returncode not in (0, 2):
                raise Failure(f"tapeline record: {done.stderr.strip()[-400:]}")
            path.with_suffix(".json").write_text(done.stdout)
            paths.append(path)
        return paths


# --- the storm


class Storm:
    """Moves of clocks, and faults, in an order that follows from the seed."""

    def __init__(self, stack: ClockStack) -> None:
        self.stack, self.random = stack, random.Random(stack.seed)
        self.changed: set[str] = set()
        self.done: collections.Counter[str] = collections.Counter()

    def run(self, seconds: float) -> None:
        stack, end = self.stack, time.monotonic() + seconds
        faults: list[tuple[str, Callable[[], None]]] = [
            *((f"{name} is killed", lambda name=name: stack.kill(name)) for name in (
                "provider-gateway", "provider-gateway-made", "operator-worker-a", "store-writer", "nats-server")),
            ("NATS hangs for 7 s", self.hang), ("the broker sends nothing for 3 s", self.lose),
            ("40 ticks come 3 s late", lambda: stack.simulator("late 40")),
            *[("a trade is changed", self.change)] * 5, ("bars are repaired", self.repair),
        ]
        clocks = [("the clock moves", self.move)] * 16
        deck = faults + clocks
        self.random.shuffle(deck)
        for place, (title, fault) in enumerate(deck):
            fault()
            self.done[title] += 1
            left = (end - time.monotonic()) / (len(deck) - place)
            time.sleep(max(0.3, left * self.random.uniform(0.5, 1.0)))
        for host in HOSTS.values():
            stack.set_clock(host, 0)

    def move(self) -> None:
        host = self.random.choice(list(HOSTS.values()))
        # Ticks that are further ahead than a gateway takes are in no answer.
        steps = (0.4, 1.5) if host == "venue" else STEPS
        ahead = self.random.choice((0.0, self.random.choice(steps), -self.random.choice(STEPS)))
        say(f"the clock of the {host} is {ahead:+.1f} s")
        self.stack.set_clock(host, ahead)

    def hang(self) -> None:
        server = self.stack.unit("nats-server")
        os.kill(server, signal.SIGSTOP)
        time.sleep(7)
        os.kill(server, signal.SIGCONT)

    def lose(self) -> None:
        self.stack.simulator("lost")
        time.sleep(3)
        self.stack.simulator(f"restored {self.random.choice(('keep', 'lose'))}")

    def change(self) -> None:
        def find() -> str:
            found = self.stack.query(
                f"SELECT tick_id FROM {MARKET}.trades WHERE receive_time > now() - interval '90 s'"
                " AND action = 'new' ORDER BY ts DESC LIMIT 300").splitlines()
            found = [address for address in found if address not in self.changed]
            return self.random.choice(found) if found else ""
        address = eventually("there are trades", find)
        self.changed.add(address)
        words = self.random.choice((["cancel", "restore"], ["correct"], ["cancel"]))
        for word in words:
            more = ("--price", "101.25") if word == "correct" else ()
            eventually(f"trade {word}", lambda: self.stack.tool(
                "trade", word, address, *more, "--note", "soak", "--yes", check=False).returncode == 0, 60, 1)

    def repair(self) -> None:
        now = time.time()
        eventually("repair", lambda: self.stack.tool(
            "repair", "AAPL", "--source", "made", "--from", iso(int(now - 40) * SECOND), "--to",
            iso(int(now - 30) * SECOND), "--note", "soak", "--yes", check=False).returncode == 0, 60, 1)


# --- the questions


class Sql(Database):
    """The functions of the database. Each gives the names of the rows."""

    def names(self, asked: Asked) -> set[Any]:
        if asked.kind == "bars":
            return set(versions_of(self.ask(asked.bars)))
        sql = {
            "ticks": f"SELECT tick_id FROM {MARKET}.trades_as_of(%s, %s, %s, %s) WHERE action = 'new'",
            "changes": "SELECT tick_id, change, changed_at"
                       f" FROM {MARKET}.trade_changes_as_of(%s, %s, %s, %s)",
            "values": "SELECT of_source, period_start, revision"
                      f" FROM {MARKET}.indicators_as_of(%s, '{{stats.q2s.mean}}', %s, %s, %s)",
            "gaps": "SELECT source, kind, state, from_time"
                    f" FROM {MARKET}.gaps_as_of(%s, %s, %s, %s) WHERE kind = 'trade'",
        }[asked.kind]
        try:
            rows = self.session.execute(
                sql, (iso(asked.time), [asked.symbol], iso(asked.start), iso(asked.end))).fetchall()
        except psycopg.Error as error:
            if error.sqlstate == "TL020":
                raise Raised(str(error).splitlines()[0]) from None
            raise
        return {named(row) for row in rows}


class Frames(Desk):
    """The Python package, of the database."""

    def names(self, asked: Asked) -> set[Any]:
        if asked.kind == "bars":
            return set(versions_of(self.ask(asked.bars)))
        limits = (asked.symbol, asked.start * 1_000, asked.end * 1_000)
        how: dict[str, Any] = {"as_of": asked.time * 1_000}
        try:
            if asked.kind == "ticks":
                return {f"{source}/{partition}/{ordinal}"
                        for batch in self.desk.trades(*limits, missing="mark", **how)
                        for source, partition, ordinal, action in zip(
                            batch["source"], batch["partition"], batch["ordinal"], batch["action"])
                        if action == "new"}
            if asked.kind == "values":
                return {(row["source"], row["period_start"] // 1_000, row["revision"])
                        for row in self.desk.values("stats.q2s.mean", *limits, **how).rows()}
            return {(row["source"], row["kind"], row["state"], row["from_time"] // 1_000)
                    for row in self.desk.gaps(*limits, **how).rows() if row["kind"] == "trade"}
        except tapeline.errors.NotKnown as error:
            raise Raised(str(error)) from None


class Moved(Tape):
    """The Python package, of the tape through the proxy."""

    def __init__(self, stack: ClockStack) -> None:
        self.desk = tapeline.connect(stack.proxied("consumer"), tape=True, namespace=NAMESPACE)

    def names(self, asked: Asked) -> set[Any]:
        return set(versions_of(self.ask(asked.bars)))


class Recorded(Recording):
    def names(self, asked: Asked) -> set[Any]:
        return set(versions_of(self.ask(asked.bars)))


def named(row: tuple[Any, ...]) -> Any:
    values = tuple(micros(each) if hasattr(each, "tzinfo") else each for each in row)
    return values[0] if len(values) == 1 else values


def versions_of(bars: dict[Any, Any]) -> list[Any]:
    return [(*key, row["version"]) for key, row in bars.items()]


# --- the verdict


class Judge:
    """What the recorders saw, and what became of the questions."""

    def __init__(self, stack: ClockStack, latest: int) -> None:
        self.stack, self.latest = stack, latest
        folder = stack.home / "tapes"
        told = stack.moves.told
        ticks = Witnesses([folder / stream for stream in STREAMS[1:]], told)
        bars = Witnesses([folder / STREAMS[0]], told)
        self.records: dict[str, list[Record]] = collections.defaultdict(list)
        for record in ticks.records + bars.records:
            if record.kind != "values" or record.fields["name"] == "stats.q2s.mean":
                self.records[record.kind].append(record)
        # The recorder's packets of bars with the tape's time as its clock shows it.
        shown = folder / "shown"
        with shown.open("w") as file:
            for line in (folder / STREAMS[0]).read_text().splitlines():
                packet = json.loads(line)
                packet["read"], packet["taken"] = packet["taken"], told(STREAMS[0], packet["taken"])
                file.write(json.dumps(packet) + "\n")
        self.truth = Truth(shown)
        if self.truth.faults:
            raise Failure(f"the recorders' packets: {self.truth.faults[:5]}")
        self.count: collections.Counter[str] = collections.Counter()
        self.wrong: list[str] = []
        self.disputes: dict[Any, Any] = {}

    def questions(self, count: int, pick: random.Random) -> list[Asked]:
        bars = [(name, version) for name, version in self.truth.versions()
                if name[2] == "1s" and version.known < self.latest]
        found = []
        for place in range(count):
            kind = KINDS[place % len(KINDS)]
            if kind == "bars":
                (source, symbol, _), version = pick.choice(bars)
                at, times = version.row["ts"], (version.begin, version.known)
            else:
                record = pick.choice(self.records[kind])
                source, symbol, at = "", record.symbol, record.place
                times = (record.begin, record.known, record.read, record.read - pick.randrange(SECOND))
            asked = min(self.latest, pick.choice(times) + pick.randrange(-1, 2))
            if pick.random() < 0.3:
                asked = min(self.latest, at + pick.randrange(60 * SECOND))
            start = at - pick.randrange(60) * SECOND
            found.append(Asked(kind, symbol, asked, start, max(at, start) + 1 + pick.randrange(5) * SECOND, source))
        return found

    def of(self, asked: Asked) -> list[Record]:
        """The records that may be in an answer."""
        if asked.kind == "gaps":
            return [one for one in self.records["gaps"] if one.symbol in ("", asked.symbol) and one.place
                    and one.place < asked.end]
        return [one for one in self.records[asked.kind] if one.symbol == asked.symbol
                and asked.start <= one.place < asked.end]

    def take(self, asked: Asked, reader: str, names: Callable[[Asked], set[Any]]) -> None:
        self.count[f"{asked.kind} in {reader}"] += 1
        if asked.kind == "bars":
            is_disputed = self.truth.is_disputed(asked.bars.name, asked.time, asked.start, asked.end)
        else:
            is_disputed = any(one.is_disputed(asked.time) for one in self.of(asked))
        try:
            found = names(asked)
        except Raised as error:
            self.count["raised"] += 1
            stretch = NAMED.search(str(error))
            if stretch:
                self.count["raised, as clocks disagree"] += 1
                begin, end = map(moment, stretch.groups())
                if not begin <= asked.time <= end:
                    self.note("names another stretch", asked, reader, str(error))
            elif is_disputed:
                self.count["raised for another reason where clocks disagree"] += 1
            return
        self.count["answered"] += 1
        self.count["rows"] += len(found)
        if is_disputed:
            self.note("(b) answered where clocks disagree", asked, reader, "")
        else:
            self.compare(asked, reader, found)

    def note(self, what: str, asked: Asked, reader: str, more: str) -> None:
        self.count[f"✘ {what}, {asked.kind} in {reader}"] += 1
        self.wrong.append(f"{what}: {asked}, {reader}: {more}")

    def compare(self, asked: Asked, reader: str, found: set[Any]) -> None:
        if asked.kind == "bars":
            expected = set(versions_of(self.truth.as_of(
                asked.bars.name, asked.time, asked.start, asked.end)))
            if found != expected:
                what = "(a) too early" if found - expected else "(c) missing"
                self.note(what, asked, reader, f"{found - expected}, not {expected - found}")
            return
        records = self.of(asked)
        if asked.kind == "gaps":
            self.compare_gaps(asked, reader, found, records)
            return
        rest = set(found)
        for right in last(records, asked.time, SECOND):
            got = rest & right
            rest -= got
            if not got and None not in right:
                self.note("(c) missing", asked, reader, str(right))
        if rest:
            self.note("(a) too early", asked, reader, str(sorted(map(str, rest))[:5]))
        for one in records:
            if one.name in found:
                self.early(one, asked, reader)

    def compare_gaps(self, asked: Asked, reader: str, found: set[Any], records: list[Record]) -> None:
        """A gap of which a part of the stretch lies in the window, by the records of one moment."""
        moments = sorted({asked.time, *(one.known + SECOND for one in records
                                        if one.known <= asked.time < one.known + SECOND)})
        possible = [one for one in records if one.known <= asked.time]
        variants = []
        for cut in moments:
            told = [one for one in possible if one.known + SECOND <= max(cut, asked.time) or cut == asked.time]
            variants.append({gap for gap in missing(told) if gap[1] == "trade"})
        certain = {gap for gap in missing([one for one in possible if one.known + SECOND <= asked.time])
                   if gap[1] == "trade"}
        variants.append(certain)
        if not any(found <= each for each in variants):
            self.note("(a) too early", asked, reader, f"{found}, not {variants[0]}")
            return
        # Those that begin in the window lie in it.
        for each in variants:
            if {gap for gap in each if asked.start <= gap[3] < asked.end} <= found:
                return
        self.note("(c) missing", asked, reader, f"{found}, not {variants[0]}")

    def early(self, one: Record, asked: Asked, reader: str) -> None:
        """Judges a row that was answered before it could be read."""
        if one.read <= asked.time + SECOND:
            return
        host = "worker" if one.kind == "values" else "gateway"
        if one.taken < one.read and self.stack.was_behind(host, one.read):
            self.count["rows of which all clocks were behind, too early"] += 1
        elif one.taken < one.read and one.read - one.sent > SECOND:
            self.count["rows that waited while the tape's clock was behind, too early"] += 1
        else:
            self.note("(a) too early by the true time", asked, reader, str(one))


def soak(stack: ClockStack, options: argparse.Namespace) -> None:
    stack.start_recorder()
    storm = Storm(stack)
    storm.run(options.seconds)
    say(f"{sum(storm.done.values())} events: " + ", ".join(
        f"{count} times {title}" for title, count in sorted(storm.done.items())))
    # What came in the last minute may be on its way.
    time.sleep(20)
    latest = int(time.time() * SECOND)
    time.sleep(62)
    eventually("everything is stored", lambda: stack.query(
        f"SELECT bool_and(coalesce(tape_time_ns, 0) > {latest * 1_000}) AND count(*) > 0"
        f" FROM {NAMESPACE}.sink_positions WHERE input = 'bars'") == "t", 90)
    judge = Judge(stack, latest)
    say(", ".join(f"{len(found)} {kind}" for kind, found in sorted(judge.records.items()))
        + f", {sum(judge.truth.reasons.values())} versions of bars")
    recordings = [Recorded(path) for path in eventually("the tape is recorded", lambda: stack.record("end"), 60, 1)]
    readers: list[tuple[str, Any]] = [("SQL", Sql(stack)), ("Python", Frames(stack))]
    tape = Moved(stack)
    for number, asked in enumerate(judge.questions(options.questions, random.Random(stack.seed + 3))):
        for name, reader in readers:
            if name == "SQL" or asked.kind != "changes":
                judge.take(asked, name, reader.names)
        if asked.kind == "bars":
            judge.take(asked, "tape", tape.names)
            for recording in recordings:
                if asked.symbol in recording.symbols and recording.knows(asked.bars):
                    judge.take(asked, "recording", recording.names)
    for what, count in sorted(judge.count.items()):
        say(f"  {count} {what}")
    if judge.wrong:
        raise Failure(f"{len(judge.wrong)} answers are wrong:\n  " + "\n  ".join(judge.wrong[:12]))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=180, help="how long clocks are moved")
    parser.add_argument("--questions", type=int, default=500)
    return run(parser, "clocks", soak, ClockStack)


if __name__ == "__main__":
    sys.exit(main())
