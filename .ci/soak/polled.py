#!/usr/bin/env python3
"""Shows that no value of a polled service is lost without a record, whatever fails: `make soak NAME=polled`.

    polled.py PROGRAMS [--seed N] [--seconds N] [--keep]

A local stack of its own (.local/stack/polled, namespace `soak`) has three gateways: `fred`, `coingecko` and
`alternative-me`, each on a simulated service of its own, polled every 2 or 3 s. The services' time is faster than the
real one: a day a second, of CoinGecko a minute. Every 10 s something fails at one of the three, in an order that
follows from the seed: 429 with and without `Retry-After`, 423, 418, 5xx, 403, 404, connections that are reset, cut,
never answered or down, garbage, JSON that is cut or of another form, answers that are late or too long, a key that is
refused for a while, a clock that steps ahead or back; the service and its gateway are killed, slow or stopped, and
NATS is killed. At the end polls.py compares the services' own logs with the tables:

- Each value of a whole answer is what the rows say until the next answer, or the answer lies within a gap, in `gaps`
  and in `open_gaps`. A gap that was filled has a row of each period.
- Each row is of the answer that came just before it, and its event time is that at which the answer came. The
  revisions of a period are counted without holes, and their values differ.
- In each gap a poll failed. There are values of each service again within 120 s of its last fault: after a refused
  key, or 429 without a time, a minute passes.
- While the services' clocks stop, polls continue and cost no packet of ticks.
- `tapeline audit --all` is clean, and the memory of the three gateways is bounded as in binance.py.

Values of before the first row, and periods older than the newest 16, are not compared: the product says so, too.
"""

import asyncio
import datetime
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import nats
import psycopg

from polls import SECOND, Asked, Stored, Verdict
from stack import NAMESPACE, PARTITIONS, Failure, eventually, say
from venue import GATEWAY, Storm, Venue, VenueStack, carry_out

KEY = "abcdefghijklmnopqrstuvwxyz012345"
FIRST_DAY = datetime.datetime(2022, 1, 3, tzinfo=datetime.timezone.utc)
# How long nothing is new at the end, while polls go on.
IDLE_POLLS = 4
# A poll fails at most so long after the order of its fault: the longest wait, and a poll.
WAIT_SECONDS = 90


@dataclass(frozen=True)
class Service:
    """A service that is polled, and its gateway."""

    source: str
    # The beginning of the names of its settings.
    prefix: str
    symbols: tuple[str, ...]
    every: int
    # Simulated seconds per second, and those of a step of its clock.
    speed: int
    steps: tuple[int, ...]
    has_key: bool = True
    has_periods: bool = True

    def settings(self, port: int, folder: str) -> dict[str, str]:
        given = {
            "GATEWAY_SOURCE": self.source, "GATEWAY_PROVIDER": self.source,
            "GATEWAY_INSTRUMENTS": f"{folder}/{self.source}.yaml",
            f"{self.prefix}_URL": f"http://127.0.0.1:{port}", f"{self.prefix}_EVERY": f"{self.every}s"}
        return given | ({f"{self.prefix}_API_KEY_FILE": f"{folder}/key"} if self.has_key else {})


SERVICES = (
    Service("fred", "FRED", ("DGS10", "VIXCLS", "CPIAUCSL"), 2, 86_400, (86_400, 864_000, 2_592_000)),
    Service("coingecko", "COINGECKO", ("bitcoin", "ethereum", "pepe"), 3, 60, (60, 600), has_periods=False),
    Service("alternative-me", "ALTERNATIVE", ("fng",), 2, 86_400, (86_400, 1_728_000), has_key=False),
)


class PolledStack(VenueStack):
    source = "polled"
    program = "polled-simulator"
    # After 429 without a time, and after a refused key, a minute passes.
    stalled_seconds = 120
    seconds = 180
    has_bars = False

    def make(self) -> None:
        self.remove()
        (self.home / "logs").mkdir(parents=True)
        key = self.home / "key"
        key.touch(0o600)
        key.write_text(KEY)
        self.begin = time.time()
        self.venues = {each.source: Venue(self, each.source) for each in SERVICES}
        self.venue = self.venues["fred"]
        for number, service in enumerate(SERVICES):
            (self.home / f"{service.source}.yaml").write_text(
                "version: 1\ndefaults: {security: index, exchange: X, currency: USD, feeds: indicators}\n"
                f"instruments: [{', '.join(service.symbols)}]\n")
            venue = self.venues[service.source]
            venue.start()
            if number:
                self.tool("down")
            self.up(*(["--add-source"] if number else []), settings=service.settings(venue.port, str(self.home)))

    def market(self, venue: Venue) -> list[str]:
        """A service goes on with its time after a restart."""
        service = next(each for each in SERVICES if each.source == venue.label)
        passed = datetime.timedelta(seconds=int((time.time() - self.begin) * service.speed))
        return ["--start", f"{FIRST_DAY + passed:%Y-%m-%dT%H:%M:%SZ}", "--speed", str(service.speed),
                "--fred-key", KEY, *(["--coin-key", KEY] if service.source == "coingecko" else [])]

    def gateways(self) -> dict[str, str]:
        """The name of each source's gateway."""
        return {each.source: GATEWAY if place == 0 else f"{GATEWAY}-{each.source}"
                for place, each in enumerate(SERVICES)}

    def newest(self) -> float:
        """How old the newest value of the source is that has not got any for longest, in seconds."""
        found = self.query(
            "SELECT extract(epoch FROM now() - min(ts)), count(*) FROM"
            f" (SELECT max(ts) AS ts FROM {NAMESPACE}.indicators GROUP BY source) AS t")
        age, count = found.split("|")
        if int(count) < len(SERVICES):
            raise Failure(f"there are values of {count} sources only")
        return float(age)

    def waited(self) -> float:
        """Counted from the last fault of each service: some services get several in turn, and wait after each. So one
        that never has values again is seldom found here; at the end, `settled` waits until each has a new one."""
        rows = self.query(f"SELECT source, extract(epoch FROM max(ts)) FROM {NAMESPACE}.indicators GROUP BY source")
        newest = {source: float(at) for source, at in (line.split("|") for line in rows.splitlines())}
        return time.time() - min(max(newest.get(source, 0), spans[-1][0] / 1e9) for source, spans in self.spans.items())

    def settle(self) -> None:
        """While the services have nothing new, polls cost no packets."""
        for venue in self.venues.values():
            venue.tell("speed 0")
        self.wait_for_polls(IDLE_POLLS)
        before = self.packets()
        self.wait_for_polls(IDLE_POLLS)
        self.idle = {source: count - before[source] for source, count in self.packets().items()}
        say(f"packets of {IDLE_POLLS} polls without news: {self.idle}")

    def wait_for_polls(self, count: int) -> None:
        """Waits until each series was asked for so many times more."""
        def polls() -> dict[str, int]:
            return {name: len(answers) for source, venue in self.venues.items()
                    for name, answers in Asked(venue.logs("truth")).answers.items()}
        begin = polls()
        eventually(
            "each series is polled",
            lambda: all(now >= begin.get(name, 0) + count for name, now in polls().items()), 90, 1)

    def packets(self) -> dict[str, int]:
        """The number of each source's packets on the tape, without its signs of life."""
        async def ask() -> dict[str, int]:
            client = await nats.connect(
                f"nats://127.0.0.1:{self.ports['nats']}", user="tool",
                password=(self.home / "secrets/nats-tool").read_text())
            found = {each.source: 0 for each in SERVICES}
            try:
                for number in range(PARTITIONS):
                    answer = await client.request(
                        f"$JS.API.STREAM.INFO.{NAMESPACE.upper()}_TICKS_{number}",
                        json.dumps({"subjects_filter": f"{NAMESPACE}.ticks.>"}).encode(), timeout=10)
                    for subject, count in (json.loads(answer.data)["state"].get("subjects") or {}).items():
                        found[subject.split(".")[-1]] += count
            finally:
                await client.close()
            return found
        return asyncio.run(ask())

    def quit(self) -> None:
        for venue in self.venues.values():
            venue.end("quit")


class PolledStorm(Storm):
    def __init__(self, stack: PolledStack) -> None:
        super().__init__(stack)
        # When polls of each source may fail, in nanoseconds. At the beginning the stack was started again.
        made = (int(stack.begin * 1e9), time.time_ns())
        self.spans: dict[str, list[tuple[int, int]]] = {each.source: [made] for each in SERVICES}
        stack.spans = self.spans
        self.others = {title: self.aimed(fault) for title, fault in self.others.items()}

    def commands(self) -> dict[str, Callable[[], str]]:
        pick = self.random
        return {
            "429": lambda: "limit 1",
            "429 with a time": lambda: f"limit {pick.choice((1, 3))} {pick.choice((1, 4))}",
            "423": lambda: "fail 1 423",
            "418": lambda: f"ban {pick.choice((1, 5))}",
            "5xx": lambda: f"fail {pick.choice((1, 3))} {pick.choice((500, 502, 503))}",
            "403": lambda: "fail 1 403",
            "404": lambda: "fail 1 404",
            "reset": lambda: f"reset {pick.choice((1, 3))}",
            "cut": lambda: f"sever {pick.choice((1, 3))}",
            "mute": lambda: "hang 1",
            "garbage": lambda: f"junk {pick.choice((1, 2))}",
            "half of the JSON": lambda: f"halve {pick.choice((1, 2))}",
            "wrong JSON": lambda: f"wrong {pick.choice((1, 4))}",
            "oversized": lambda: f"swell {pick.choice((1, 2))} {pick.choice((1_100_000, 8_000_000))}",
            "late": lambda: f"late 1 {pick.choice((2, 8, 15))}",
            "down": lambda: f"down {pick.choice((1, 3, 6))}",
            "expired key": self.expire,
            "clock ahead": lambda: f"ahead {pick.choice(self.service.steps)}",
            "clock back": lambda: f"back {pick.choice(self.service.steps)}",
        }

    @property
    def service(self) -> Service:
        return next(each for each in SERVICES if each.source == self.venue.label)

    def teller(self, command: Callable[[], str]) -> Callable[[], str]:
        return self.aimed(super().teller(command))

    def aimed(self, fault: Callable[[], str]) -> Callable[[], str]:
        """A fault of one of the services, or of its gateway."""
        def aim() -> str:
            source = self.random.choice([each.source for each in SERVICES])
            self.venue, begin = self.stack.venues[source], time.time_ns()
            said = fault()
            self.spans[source].append((begin, time.time_ns() + WAIT_SECONDS * SECOND))
            return f"{source}: {said}"
        return aim

    def expire(self) -> str:
        """The key is refused for a while. Where there is none, nothing changes."""
        self.venue.tell("expire")
        time.sleep(4)
        return "renew"

    @property
    def gateway(self) -> str:
        return self.stack.gateways()[self.venue.label]


def judge(stack: PolledStack, end: float) -> list[str]:
    """Compares all values up to a time with what is stored. Returns what is wrong."""
    wrong = [f"{count} packets of {source} although nothing was new" for source, count in stack.idle.items() if count]
    polls = 0
    with psycopg.connect(stack.tool("url").stdout.strip()) as session:
        session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        for service in SERVICES:
            asked = Asked(stack.venues[service.source].logs("truth"))
            verdict = Verdict(asked, Stored(session, NAMESPACE, service.source), stack.spans[service.source],
                              int(end * 1e9), service.has_periods)
            polls += sum(map(len, asked.answers.values()))
            for line in verdict.lines():
                say(f"{service.source}: {line}")
            wrong += [f"{service.source}: {each}" for each in verdict.wrong]
    say(f"{polls} good answers for a series")
    return wrong


def main() -> int:
    return carry_out(__doc__, "", PolledStack, PolledStorm, judge)


if __name__ == "__main__":
    sys.exit(main())
