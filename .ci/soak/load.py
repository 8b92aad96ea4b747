#!/usr/bin/env python3
"""Shows that a past is loaded beside live ticks once and whole, whatever fails: `make soak NAME=load`.

    load.py PROGRAMS [--seed N] [--hours N] [--rate N] [--symbols A,B,...] [--keep]

A local stack of its own (.local/stack/load, namespace `soak`) has the provider `binance` on a simulated exchange with
ten symbols. Beside their live ticks `tapeline load` loads `--hours` of them in two ranges, the second one over the
first live trade. Twenty times, until three quarters of the first range are there, something fails, in an order that
follows from the seed: the command is killed (`kill -9`), also when it has just begun, and its gateway, a worker, the
writer and NATS are; the exchange answers by 429, with and without `Retry-After`, and 418, refuses connections, and
cuts. After a kill the same command is run again. It may not end for any other reason, and the load's gateway has to
end with it. The load of the second range is killed once.

With 10 trades per second a day is loaded in ten minutes, because the exchange allows a request of 1,000 trades every
0.5 s; the audit takes as long again on two cores. An hour takes three minutes in all, and the faults come in bursts.

At the end past.py asks the exchange for all its trades, page by page, and compares them with the tables:

- Each trade of the ranges has one row of `binance-history`, with its values, in the order of the ids. That source has
  no other rows and no gaps.
- `trades_joined` has each trade from the ranges' beginning to the end once, and one seam per symbol.
- Each window of 1 s and 1 min that has trades has one bar, whole, with the prices, volume and number that SQL makes
  of them: in `candles` of `binance-history`, and in `bars_joined`.
- The newest live bar of each symbol is never older than 10 s, looked at every second, except within 20 s of a fault
  that touches live ticks. The oldest is printed.
- A second load of each range is refused.
- `tapeline audit --all` is clean, and so is `tapeline prove` over 20 minutes of the past and all of the live ticks.
- The memory of the load's gateway is bounded as in binance.py.
"""

import argparse
import http.client
import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import psycopg

from binance import ExchangeStack
from past import Exchange, Range, Verdict
from stack import NAMESPACE, ROOT, Failure, eventually, run, say
from venue import CALM_SECONDS, GATEWAY, Memory, Storm, moment, settled

SOURCE = "binance-history"
LOADER = "gateway of the load"
SYMBOLS = "BTCUSDT,ETHUSDT,SOLUSDT,XRPUSDT,BNBUSDT,DOGEUSDT,ADAUSDT,LTCUSDT,DOTUSDT,LINKUSDT"
FAULTS = 20
# The share of the range until which something fails. The load's last process lives for the rest.
STORM_SHARE = 0.75
# How old the newest live bar of a symbol may be, beside the time between two trades, which is at most half as long
# again as the usual one. Its watermark is 2 s behind; the rest is for a slow machine.
HELD_SECONDS = 8.5
# How long after a fault of live ticks their bars may be late.
RECOVERY_SECONDS = 20
# How long nothing of the range may come: the longest wait that the exchange does not name, twice, and more.
STALLED_SECONDS = 150
# How often the command may end by itself.
EXITS_MAX = 8
# A process of the load ends with the command within this time.
ORPHAN_SECONDS = 10


class LoadStack(ExchangeStack):
    audit_seconds = 1_800

    def __init__(self, programs: pathlib.Path, seed: int, name: str) -> None:
        super().__init__(programs, seed, name)
        self.settings["OPERATOR_SERIES"] = "1s,1m"


class Load:
    """The command that loads a range. It is started again, as it was, after each end but the last."""

    def __init__(self, stack: LoadStack, loaded: Range) -> None:
        self.stack, self.range = stack, loaded
        # What the command said when it ended, although nobody killed it or its gateway.
        self.exits: list[str] = []
        self.starts = 0
        self.is_done = False
        self.start()

    @property
    def words(self) -> list[str]:
        return ["load", "binance", *self.stack.options.symbols.split(","), "--from", moment(self.range.begin),
                "--to", moment(self.range.end), "--yes"]

    def start(self) -> None:
        self.starts += 1
        stack = self.stack
        self.log = stack.home / "logs" / f"load-{self.range.begin}-{self.starts}.log"
        stack.start(self.log.stem, [
            str(stack.programs / "tapeline"), *self.words, "--home", str(ROOT), "--name",
            stack.name], {**stack.environment, "TMPDIR": str(stack.home)})
        self.process: subprocess.Popen[bytes] = stack.own.pop(self.log.stem)
        stack.own["load"] = self.process

    def gateway(self) -> int:
        """The number of the command's gateway, or 0. One that only plans does not count."""
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(path.read_text().rpartition(")")[2].split()[1])
                if parent == self.process.pid:
                    words = path.with_name("cmdline").read_bytes().rstrip(b"\0").split(b"\0")
                    if words[0].endswith(b"/provider-gateway") and len(words) == 1:
                        return int(path.parent.name)
            except (OSError, ValueError, IndexError):
                # It has ended just now.
                continue
        return 0

    def status(self) -> dict[str, Any]:
        """What the gateway's page says of the load; nothing if it has none at the moment."""
        try:
            environment = pathlib.Path(f"/proc/{self.gateway()}/environ").read_bytes().split(b"\0")
            port = next(each for each in environment if each.startswith(b"OPS_PORT=")).partition(b"=")[2]
            with urllib.request.urlopen(f"http://127.0.0.1:{int(port)}/status", timeout=2) as answer:
                found: dict[str, Any] = json.load(answer)["gateway"]["providers"][SOURCE]
                return found
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, StopIteration):
            return {}

    def look(self) -> bool:
        """Starts it again if it has ended too early. Returns whether all is loaded."""
        code = self.process.poll()
        if code is None or self.is_done:
            return self.is_done
        if code == 0:
            self.is_done = True
            return True
        self.exits.append(f"{code}: {self.log.read_text().strip()[-400:]}")
        say(f"  the command has ended by itself: {self.exits[-1]}")
        if len(self.exits) > EXITS_MAX:
            raise Failure(f"the load ended {len(self.exits)} times by itself")
        time.sleep(1)
        self.start()
        return False

    def kill(self) -> str:
        """Kills the command, and starts it again."""
        if self.look():
            return "all was loaded before"
        gateway = self.gateway()
        self.process.kill()
        if self.process.wait() == 0:
            self.is_done = True
            return "all was loaded before"
        eventually("the load's gateway ends with the command",
                   lambda: not gateway or not pathlib.Path(f"/proc/{gateway}").exists(), ORPHAN_SECONDS)
        self.start()
        return "kill -9"

    def kill_gateway(self) -> str:
        """Kills the command's gateway, and starts the command again, which has to end then."""
        gateway = int(eventually("the load has a gateway", lambda: self.gateway() or (-1 if self.look() else 0)))
        if gateway < 0:
            return "all was loaded before"
        os.kill(gateway, signal.SIGKILL)
        eventually("the command ends without its gateway", lambda: self.process.poll() is not None)
        if self.process.returncode == 0:
            raise Failure("the command says that it is done, although its gateway was killed")
        said = self.log.read_text().strip().splitlines()[-1]
        self.start()
        return f"kill -9: {said[-120:]}"


class Watch(threading.Thread):
    """Looks every second how old the newest live bars are, how far the load is, and what its gateway says."""

    def __init__(self, stack: LoadStack, load: Load) -> None:
        super().__init__(daemon=True)
        self.stack, self.load = stack, load
        self.symbols = stack.options.symbols.split(",")
        # When, and how old the newest live bar of the symbol was that has not got one for longest.
        self.ages: list[tuple[float, float, str]] = []
        # The time up to which the past is stored, and when it came.
        self.reached, self.came = 0.0, time.monotonic()
        self.problems: set[str] = set()
        self.ended = threading.Event()
        # Why it cannot look any more.
        self.failure = ""

    def run(self) -> None:
        try:
            with psycopg.connect(self.stack.tool("url").stdout.strip(), autocommit=True) as session:
                while not self.ended.wait(1):
                    self.look(session)
        except Exception as failure:
            self.failure = f"what is stored cannot be watched any more: {failure!r}"

    def look(self, session: Any) -> None:
        ages = {symbol: math.inf for symbol in self.symbols}
        ages.update(session.execute(
            "SELECT symbol, extract(epoch FROM clock_timestamp() - max(close_time))::float8"
            f" FROM {NAMESPACE}.bars WHERE source = 'binance' AND series = '1s'"
            " AND ts > clock_timestamp() - interval '5 min' GROUP BY symbol"))
        symbol = max(ages, key=lambda each: ages[each])
        self.ages.append((time.monotonic(), ages[symbol], symbol))
        # Older rows need not be looked at again.
        for (reached,) in session.execute(
            f"SELECT extract(epoch FROM max(ts))::float8 FROM {NAMESPACE}.trades WHERE source = %s AND ts >="
            " to_timestamp(%s)", [SOURCE, self.reached or self.load.range.begin]
        ):
            if reached is not None and reached > self.reached:
                self.reached, self.came = reached, time.monotonic()
        problem = self.load.status().get("problem")
        if problem:
            self.problems.add(problem)

    def share(self) -> float:
        """How much of the range is stored."""
        if self.failure:
            raise Failure(self.failure)
        if time.monotonic() - self.came > STALLED_SECONDS:
            raise Failure(f"nothing of the past came for {STALLED_SECONDS} s: {self.load.status()}")
        span = self.load.range
        return (self.reached - span.begin) / (span.end - span.begin)

    def judge(self, faults: list[tuple[float, float]]) -> list[str]:
        """Says how old live bars were. Returns what was wrong outside of the faults of live ticks."""
        self.ended.set()
        self.join()
        within: list[tuple[float, float, str]] = []
        outside: list[tuple[float, float, str]] = []
        for sample in self.ages:
            is_within = any(begin <= sample[0] <= end + RECOVERY_SECONDS for begin, end in faults)
            (within if is_within else outside).append(sample)
        for title, samples in (("outside of", outside), ("within", within)):
            if samples:
                ages = sorted(age for _, age, _ in samples)
                say(f"the oldest newest live bar, {title} faults of live ticks: {ages[-1]:.1f} s, half of the time"
                    f" below {ages[len(ages) // 2]:.1f} s; {len(ages)} samples")
        held = HELD_SECONDS + 1.5 * len(self.symbols) / self.stack.options.rate
        late = [sample for sample in outside if sample[1] > held]
        if not late:
            return []
        at, age, symbol = max(late, key=lambda sample: sample[1])
        return [f"live bars were held up for more than {held:.0f} s in {len(late)} samples, at most {age:.1f} s"
                f" ({symbol}, {at - self.ages[0][0]:.0f} s after the first sample)"]


class LoadStorm(Storm):
    def __init__(self, stack: LoadStack, load: Load, watch: Watch) -> None:
        super().__init__(stack)
        self.load, self.watch = load, watch
        self.others = {
            "load killed": self.kill_load, "load's gateway killed": self.load.kill_gateway,
            "worker killed": self.kill_worker, "writer killed": self.kill_writer, "NATS killed": self.kill_nats,
        }
        # Faults that touch live ticks: from when until when.
        self.live: list[tuple[float, float]] = []

    def commands(self) -> dict[str, Callable[[], str]]:
        pick = self.random
        return {
            "cut": lambda: "cut",
            "down": lambda: f"down {pick.choice((1, 3, 6))}",
            "429 with a time": lambda: f"limit {pick.choice((1, 3))} {pick.choice((1, 4))}",
            "429": lambda: "limit 1",
            "418": lambda: f"ban {pick.choice((1, 5))}",
        }

    # What does not touch live ticks.
    apart = ("load killed", "load's gateway killed", "429 with a time", "429", "418")

    def kill_load(self) -> str:
        """Once, or again when it has just begun."""
        said = self.load.kill()
        for wait in [self.random.uniform(0, 4) for _ in range(self.random.choice((0, 0, 1, 2)))]:
            time.sleep(wait)
            said += f", after {wait:.1f} s {self.load.kill()}"
        return said

    def kill_worker(self) -> str:
        name = self.random.choice(("operator-worker-a", "operator-worker-b"))
        self.stack.kill(name)
        return f"kill -9 of {name}"

    def kill_writer(self) -> str:
        self.stack.kill("store-writer")
        return "kill -9"

    def until(self, share: float) -> bool:
        """Waits until so much of the range is stored. Returns whether all of it is loaded."""
        while not self.load.look():
            if self.watch.share() >= share:
                return False
            time.sleep(0.2)
        return True

    def run(self, seconds: float) -> None:
        """Has things fail while the range is loaded, however long that takes. `seconds`: at most."""
        slots = self.schedule(FAULTS)
        say("schedule: " + "; ".join(" + ".join(slot) for slot in slots))
        for place, slot in enumerate(slots):
            if self.until(STORM_SHARE * (place + self.random.random()) / len(slots)):
                say(f"all is loaded before fault {place + 1}")
                break
            for number, title in enumerate(slot):
                if number:
                    time.sleep(self.random.uniform(0.05, 2))
                begin = time.monotonic()
                said = {**self.told, **self.others}[title]()
                if title not in self.apart:
                    last = int(said.split()[1]) if title == "down" else 0
                    self.live.append((begin, time.monotonic() + last))
                self.done[title] += 1
                say(f"{place + 1}/{len(slots)} {title}: {said} (at {self.watch.share():.0%})")
        end = time.monotonic() + seconds
        while not self.until(math.inf):
            if time.monotonic() > end:
                raise Failure("the load does not end")
        if never := {**self.told, **self.others}.keys() - self.done.keys():
            raise Failure(f"the range is too short, these never happened: {', '.join(sorted(never))}")


class LoadMemory(Memory):
    """With that of the load's gateway."""

    judged = (GATEWAY, LOADER)

    def __init__(self, stack: LoadStack, load: Load) -> None:
        super().__init__(stack)
        self.load = load

    def processes(self) -> list[tuple[str, int]]:
        number = self.load.gateway()
        return super().processes() + ([(LOADER, number)] if number else [])


def refused(load: Load) -> list[str]:
    """Loads a range again. Returns what is wrong if that is not refused."""
    done = load.stack.tool(*load.words, check=False)
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()
    say(f"the same range again: {done.returncode}: {said[-1] if said else ''}")
    if done.returncode == 0 or "--source" not in done.stderr:
        return [f"the same range again ended with {done.returncode}: {' | '.join(said[-3:])}"]
    return []


def judge(stack: LoadStack, truth: dict[str, Any], loaded: Range, end: int) -> list[str]:
    """Compares what is stored with what the exchange has. Returns what is wrong."""
    with psycopg.connect(stack.tool("url").stdout.strip()) as session:
        session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        verdict = Verdict(session, NAMESPACE, SOURCE, stack.source, truth, loaded, end)
    for line in verdict.lines():
        say(line)
    return verdict.wrong


def soak(stack: LoadStack, options: argparse.Namespace) -> None:
    eventually("each symbol has trades", lambda: stack.newest() < 5, 30)
    first = float(stack.query(
        f"SELECT extract(epoch FROM min(ts)) FROM {NAMESPACE}.trades WHERE source = '{stack.source}'"))
    # A minute before that of the first live trade, which is over for long enough.
    middle = (int(first) // 60 - 1) * 60
    eventually("the first range is over for a minute", lambda: time.time() > middle + 61, 90)
    load = Load(stack, Range(int(middle - options.hours * 3_600), middle))
    say(f"loading {moment(load.range.begin)} to {moment(load.range.end)}, {options.hours} hours")
    eventually("each symbol has live bars", lambda: int(stack.query(
        f"SELECT count(DISTINCT symbol) FROM {NAMESPACE}.bars WHERE source = '{stack.source}'"))
        == len(options.symbols.split(",")), 30)
    watch, memory = Watch(stack, load), LoadMemory(stack, load)
    watch.start()
    memory.start()
    storm = LoadStorm(stack, load, watch)
    began = time.monotonic()
    storm.run(3_600)
    took = time.monotonic() - began
    say(f"the first range is loaded, in {took:.0f} s: {options.hours * 3_600 * options.rate / took:.0f} trades/s")
    wrong = refused(load)

    # The end lies after the window of a minute that the first live trade is in.
    least = (int(first) // 60 + 1) * 60
    eventually("the second range is over for a minute", lambda: time.time() > least + 61, 200, 1)
    seam = Load(stack, Range(middle, int(time.time() - 61) // 60 * 60))
    say(f"loading {moment(seam.range.begin)} to {moment(seam.range.end)}, over the seam at {moment(first)}")
    watch.load = memory.load = seam
    time.sleep(storm.random.uniform(1, 6))
    say(f"the second load: {seam.kill()}")
    eventually("the second range is loaded", seam.look, 300)
    wrong += refused(seam)

    say(f"nothing fails for {CALM_SECONDS} s")
    time.sleep(CALM_SECONDS)
    end = int(time.time() - CALM_SECONDS / 4)
    loaded = Range(load.range.begin, seam.range.end)
    wrong += [f"the command ended by itself with {text}" for each in (load, seam) for text in each.exits]
    wrong += watch.judge(storm.live) + memory.judge()
    say(f"the load waited because of: {', '.join(sorted(watch.problems))}")
    for title, said in (("429", "too many requests"), ("418", "the exchange has banned this address")):
        if said not in watch.problems:
            wrong.append(f"the load never said '{said}', so {title} did not reach it")
    exchange = Exchange(stack.venue.port)
    truth = {symbol: exchange.trades(symbol, loaded.begin, end) for symbol in options.symbols.split(",")}
    part = load.range.begin + (load.range.end - load.range.begin) // 2 // 60 * 60
    wrong += settled(stack, (part, part + 1_200), (middle, end))
    wrong += judge(stack, truth, loaded, end)
    say(f"{sum(storm.done.values())} faults: " + ", ".join(
        f"{count} {title}" for title, count in sorted(storm.done.items())))
    if wrong:
        raise Failure(f"{len(wrong)} did not hold:\n  " + "\n  ".join(wrong))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hours", type=float, default=24, help="how much is loaded from before the first live tick")
    parser.add_argument("--rate", type=int, default=10, help="trades per second over all symbols")
    parser.add_argument("--symbols", default=SYMBOLS)
    parser.set_defaults(fill=True, hot_hot=False)
    return run(parser, "load", soak, LoadStack)


if __name__ == "__main__":
    sys.exit(main())
