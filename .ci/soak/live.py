#!/usr/bin/env python3
"""Shows that live readings lose nothing and give nothing twice, whatever is killed: `make soak NAME=live`.

    live.py PROGRAMS [--seed N] [--seconds N] [--keep]

A local stack of its own (.local/stack/live, namespace `soak`) has two sources. Three readings of `desk.live` begin,
all with history and then the tape. Then each gateway, worker, the writer, NATS, PostgreSQL and Valkey are killed
(`kill -9`), in an order that follows from the seed, as often as there is time. At the end SQL reads all rows of the
range, and they are compared with what each reading gave:

- A reading of trades, quotes and bars since before the stack began, with `missing="mark"`: no row and no version of a
  bar is missing, none came twice, none has other values, and nothing raised.
- A reading of the same that raises: the same, and it raised for each gap record and each partial bar.
- A reading that is read only after the kills, when most of the tape was purged: it takes from the database what the
  tape does not have any more.

Then the writer is stopped while ticks come, and the tape is purged of what the writer does not have. A new reading
raises for each source and partition that lost something, with `missing="mark"` and without, and continues after it.
"""

import argparse
import collections
import os
import random
import signal
import sys
import threading
import time
from typing import Any

import psycopg

from stack import NAMESPACE, PARTITIONS, PROCESSES, ROOT, Failure, Stack, eventually, run, say

sys.path.insert(0, str(ROOT / "Sources/Desk/python"))

import tapeline  # noqa: E402

# Before the stack has anything.
SINCE = int(time.time())
SERIES = "1s"
# How much history there is before the readings begin.
HISTORY_SECONDS = 10
# What is left of each subject when the reading that waited goes on.
TICKS_LEFT = 200
LANE = ("source", "partition", "ordinal")
PRICES = {"price": 9, "size": 8, "bid_price": 9, "bid_size": 8, "ask_price": 9, "ask_size": 8}
TICKS = {"trades": ("event_time", "symbol", "price", "size"),
         "quotes": ("event_time", "symbol", "bid_price", "bid_size", "ask_price", "ask_size")}
BAR = ("symbol", "source", "series", "open_time", "number")
VALUES = ("close", "volume", "is_whole", "is_withdrawn", "known_at")
NANOSECONDS = "(extract(epoch FROM {}) * 1000000)::bigint * 1000"
Rows = dict[Any, Any]


class Given(threading.Thread):
    """A live reading, and what it gave."""

    def __init__(self, title: str, reading: tapeline.live.Live) -> None:
        super().__init__(name=title, daemon=True)
        self.reading = reading
        self.rows: dict[str, Rows] = {kind: {} for kind in TICKS}
        # Of each bar the versions that came, and those of them that the tape gave.
        self.bars: dict[Any, Rows] = {}
        self.of_tape: set[Any] = set()
        self.gaps: set[Any] = set()
        self.twice: list[Any] = []
        self.holes: list[tapeline.coverage.Missing] = []
        self.origins: collections.Counter[tuple[str, str]] = collections.Counter()
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while True:
                try:
                    batch = self.reading.next()
                except tapeline.TapeHole as hole:
                    self.holes += hole.missing
                    continue
                self.take(batch)
        except StopIteration:
            pass
        except BaseException as error:
            self.error = error

    def take(self, batch: tapeline.live.LiveBatch) -> None:
        self.origins[batch.kind, batch.origin] += len(batch)
        if batch.kind == "bars":
            for *key, version, close, volume, whole, void, known in zip(
                *(batch[name] for name in (*BAR, "version", *VALUES))
            ):
                self.note(self.bars.setdefault(tuple(key), {}), version, (close, volume, whole, void, known))
                if batch.origin == "tape":
                    self.of_tape.add((*key, version))
        elif batch.kind == "gaps":
            self.gaps.update(zip(*(batch[name] for name in LANE)))
        elif batch.kind in TICKS:
            for source, partition, ordinal, *values in zip(
                *(batch[name] for name in (*LANE, *TICKS[batch.kind]))
            ):
                self.note(self.rows[batch.kind], (source, partition, ordinal), tuple(values))

    def note(self, table: Rows, key: Any, value: Any) -> None:
        if key in table:
            self.twice.append((key, value))
        table[key] = value

    def close(self) -> None:
        self.reading.close()
        self.join(30)
        if self.error or self.is_alive():
            raise Failure(f"{self.name}: it ended with {self.error!r}")


class Stored:
    """The rows and bars that the database has from a time on, in seconds."""

    def __init__(self, stack: Stack, since: int) -> None:
        self.rows: dict[str, Rows] = {}
        self.bars: dict[Any, Rows] = {}
        with psycopg.connect(stack.tool("url").stdout.strip()) as session:
            session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            for kind, names in TICKS.items():
                columns = ["nullif(event_time_ns, 9223372036854775807)"] + [
                    f"({name} * 1e{PRICES[name]})::bigint" if name in PRICES else name for name in names[1:]]
                self.rows[kind] = {tuple(row[:3]): tuple(row[3:]) for row in session.execute(
                    f"SELECT {', '.join((*LANE, *columns))} FROM {NAMESPACE}.{kind}"
                    " WHERE ts >= to_timestamp(%s)", [since])}
            opened, known = NANOSECONDS.format("ts"), NANOSECONDS.format("known_at")
            for *key, version, close, volume, whole, void, at in session.execute(
                f"SELECT symbol, source, series, {opened}, number, version, (close * 1e9)::bigint,"
                f" (volume * 1e8)::numeric(50, 0), is_whole, is_withdrawn, {known}"
                f" FROM {NAMESPACE}_market.bar_versions WHERE series = %s AND ts >= to_timestamp(%s)",
                [SERIES, since]
            ):
                self.bars.setdefault(tuple(key), {})[version] = (close, volume, whole, void, at)
            self.gaps = {tuple(row) for row in session.execute(
                "SELECT source, partition, ordinal, symbol, kind, coalesce(from_time_ns,"
                f" {NANOSECONDS.format('from_time')}), coalesce(to_time_ns, {NANOSECONDS.format('to_time')}),"
                f" state, reason FROM {NAMESPACE}.gaps WHERE ordinal IS NOT NULL AND from_time IS NOT NULL"
                " AND input = 'ticks' AND state <> 'filled' AND kind IN ('any', 'trade', 'quote')"
                " AND (to_time IS NULL OR to_time > to_timestamp(%s))", [since])}
            self.lasts = {(source, partition): last for source, partition, last in session.execute(
                f"SELECT source, partition, last_ordinal FROM {NAMESPACE}.sink_source_ordinals"
                " WHERE input = 'ticks'")}

    def __len__(self) -> int:
        return sum(map(len, self.rows.values())) + sum(map(len, self.bars.values()))

    def missing(self, given: Given) -> list[Any]:
        """Rows that a reading did not give. Of a bar of the past it gives the version that stands."""
        found: list[Any] = [
            (kind, *key) for kind, rows in self.rows.items() for key in rows.keys() - given.rows[kind].keys()]
        for key, versions in self.bars.items() if given.bars else ():
            came = given.bars.get(key, {})
            found += [(*key, one) for one in versions if one not in came and one >= min(came, default=1)]
        return found

    def others(self, given: Given) -> list[Any]:
        """What a reading gave and is not stored, or has other values."""
        found: list[Any] = [
            (kind, *key, value, self.rows[kind].get(key)) for kind, rows in given.rows.items()
            for key, value in rows.items() if self.rows[kind].get(key) != value]
        for key, came in given.bars.items():
            versions = self.bars.get(key, {})
            found += [(*key, one, value, versions.get(one)) for one, value in came.items()
                      if versions.get(one) != value]
            first = min(came)
            if first > 1 and (*key, first) in given.of_tape:
                found.append((*key, first, "is the first one that came"))
        return found

    def not_told(self, given: Given, lasts: Rows) -> list[Any]:
        """Gap records after these ordinals, and partial bars, for which a reading without `missing` raised
        nothing."""
        told = {(one.source, one.symbol, one.kind, one.start, one.end, one.state, one.cause)
                for one in given.holes}
        found: list[Any] = [
            (source, partition, ordinal, *rest) for source, partition, ordinal, *rest in self.gaps
            if ordinal > lasts.get((source, partition), 0) and (source, *rest) not in told]
        told_bars = {(one.symbol, one.source, one.start) for one in given.holes if "not whole" in one.cause}
        for key, versions in self.bars.items():
            for one, (_, _, whole, void, _) in versions.items():
                if not whole and not void and (*key, one) in given.of_tape:
                    if (key[0], key[1], key[3]) not in told_bars:
                        found.append((*key, one, "partial"))
        return found


# --- the readings


def strict(desk: tapeline.desk.Desk, **more: Any) -> tuple[Given, int]:
    """Begins a reading that raises. Returns it, and the time since when it reads."""
    def begun() -> tuple[Given, int]:
        since = int(time.time()) - 1
        try:
            return Given("strict", desk.live(
                trades="*", quotes="*", price="fixed", since=since * 10**9, **more)), since
        except tapeline.TapeHole as hole:
            raise Failure(str(hole)) from None
    found: tuple[Given, int] = eventually("nothing is missing of the last second", begun)
    return found


class Readings:
    """Three of them. `all` is read since before the stack began, with what is missing marked. `strict` raises
    where something is missing. `waiting` begins with the others, and is read when the kills are over."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.desk = tapeline.connect(stack=stack.name, home=ROOT, namespace=NAMESPACE)
        ticks: dict[str, Any] = {"trades": "*", "quotes": "*", "price": "fixed"}
        bars = {"*": [SERIES]}
        self.all = Given("all", self.desk.live(**ticks, bars=bars, since=SINCE * 10**9, missing="mark"))
        self.all.start()
        self.waiting = Given("waiting", self.desk.live(**ticks, since=SINCE * 10**9, missing="mark"))

        self.strict, self.strict_since = strict(self.desk, bars=bars)
        # The writer may have gone on since the reading began. Of gap records in between nothing is expected.
        self.lasts = Stored(stack, self.strict_since).lasts
        self.strict.start()

    def check(self) -> None:
        """Compares what came with what is stored."""
        expected = {self.all: SINCE, self.waiting: SINCE, self.strict: self.strict_since}
        for given, since in expected.items():
            stored = Stored(self.stack, since)
            eventually(f"{given.name} has what is stored",
                       lambda: given.error or not stored.missing(given), 60)
            given.close()
            self.store(given)
            self.compare(given, stored, Stored(self.stack, since))

    def store(self, given: Given) -> None:
        """Waits until what a reading has given is stored."""
        came = {kind: list(rows) for kind, rows in given.rows.items()}

        def is_stored() -> bool:
            rows = Stored(self.stack, SINCE).rows
            return all(key in rows[kind] for kind, keys in came.items() for key in keys)
        eventually(f"what {given.name} has given is stored", is_stored, 60)

    def compare(self, given: Given, before: Stored, after: Stored) -> None:
        missing, others = before.missing(given), after.others(given)
        came = ", ".join(f"{count} {kind} of the {origin}" for (kind, origin), count in sorted(
            given.origins.items()))
        say(f"{given.name}: {len(before)} rows and versions of bars are stored; it gave {came};"
            f" {len(missing)} missing, {len(given.twice)} twice, {len(others)} other,"
            f" {len(given.holes)} stretches raised, {given.reading._reading.doubts} consumers given up")
        if missing or others or given.twice:
            raise Failure(f"{given.name}: missing {missing[:3]}, other {others[:3]}, twice {given.twice[:3]}")
        if given is self.strict:
            not_told = before.not_told(given, self.lasts)
            records = [each for each in before.gaps if each[2] > self.lasts.get(each[:2], 0)]
            say(f"strict: {len(records)} gap records came; {len(not_told)} of them and of partial bars did not"
                " raise")
            if not_told or not records:
                raise Failure(f"strict: of {len(records)} gap records it did not tell {not_told[:3]}")
        elif given.holes or not given.rows["quotes"]:
            raise Failure(f"{given.name}: {len(given.rows['quotes'])} quotes, and it raised {given.holes[:3]}")


def purge(stack: Stack, left: int) -> None:
    """Leaves of each source in each partition the newest packets of ticks."""
    for partition in range(PARTITIONS):
        for source in ("made", "ibkr"):
            stack.purge(f"{NAMESPACE.upper()}_TICKS_{partition % 4}", {
                "filter": f"{NAMESPACE}.ticks.{partition}.{source}", "keep": left})


def losses(given: Given) -> set[tuple[str, int]]:
    """The sources and partitions of which a reading raised lost ordinals."""
    holes = {(one.source, int(one.detail.rpartition(" ")[2])): one for one in given.holes if one.cause == "hole"}
    say(f"{given.name}: lost ordinals of {len(holes)} sources and partitions raised, such as:"
        f" {next(iter(holes.values()), None)}")
    return set(holes)


def check_loss(marking: Given, raising: Given, lasts: Rows) -> None:
    """What comes after the stored rows goes on with the next ordinal, or after a hole that was raised."""
    first: dict[tuple[str, int], int] = {}
    for rows in (*marking.rows.values(), marking.gaps):
        for source, partition, ordinal in rows:
            if ordinal > lasts.get((source, partition), 0):
                lane = source, partition
                first[lane] = min(ordinal, first.get(lane, ordinal))
    raised = losses(marking)
    # The other reading has only ticks of later times, so its first ordinals say nothing.
    silent = (raised - losses(raising)) | {
        lane for lane, ordinal in first.items() if lane not in raised and ordinal > lasts.get(lane, 0) + 1}
    twice = marking.twice + raising.twice
    if not raised or silent or twice:
        raise Failure(f"no hole was raised of {silent}; twice {twice[:3]}")


def lose(stack: Stack, desk: tapeline.desk.Desk) -> None:
    """Has the tape lose what the writer has not stored: every reading raises for it, and goes on after it."""
    writer = stack.unit("store-writer")
    os.kill(writer, signal.SIGSTOP)
    try:
        before = Stored(stack, SINCE)
        time.sleep(5)
        purge(stack, 1)
        marking = Given("marking", desk.live(
            trades="*", quotes="*", price="fixed", since=SINCE * 10**9, missing="mark"))
        raising, _ = strict(desk)
        for given in (marking, raising):
            given.start()
            eventually(f"the {given.name} reading raises and goes on", lambda: given.error or (
                given.holes and any(origin == "tape" for _, origin in given.origins)))
            time.sleep(2)
            given.close()
        check_loss(marking, raising, before.lasts)
    finally:
        os.kill(writer, signal.SIGCONT)


def kills(stack: Stack, seconds: float) -> int:
    """Kills each process of the stack in turn, as often as there is time."""
    pick = random.Random(stack.seed)
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        order = list(PROCESSES)
        pick.shuffle(order)
        for name in order:
            say(f"{name} is killed")
            stack.kill(name)
            count += 1
            time.sleep(pick.uniform(1, max(1.5, seconds / len(PROCESSES) * 0.7)))
    return count


def soak(stack: Stack, options: argparse.Namespace) -> None:
    os.environ["MDS_PARTITIONS"] = str(PARTITIONS)
    time.sleep(HISTORY_SECONDS)
    readings = Readings(stack)
    count = kills(stack, options.seconds)
    stack.works()
    readings.store(readings.all)
    say(f"{count} kills; of each subject of the tape the newest {TICKS_LEFT} packets are left")
    purge(stack, TICKS_LEFT)
    readings.waiting.start()
    readings.check()
    say("the tape loses what nobody has stored")
    lose(stack, readings.desk)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120, help="how long the kills take")
    return run(parser, "live", soak)


if __name__ == "__main__":
    sys.exit(main())
