"""The part `latest` of stores.py: how long answers about the latest values take, and what they say during faults."""

import argparse
import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from stack import NAMESPACE, ROOT, Failure, Stack, eventually, say

sys.path.insert(0, str(ROOT / "Sources/Desk/python"))

import tapeline  # noqa: E402

COUNT = 10_000
SYMBOLS = [f"S{number}" for number in range(1, COUNT + 1)]
KINDS = ("trade", "quote")
# Milliseconds: the p99 of one symbol, and the median of all and of the command.
ONE_MS, ALL_MS, COMMAND_MS = 5.0, 100.0, 300.0
ONE_TURNS, ALL_TURNS, COMMAND_TURNS = 2_000, 20, 20
# How many symbols the watch asks for at a time.
WATCHED = 200
# The gateway's source counts as silent after 5 s.
SILENT_SECONDS = 20
# A user of Valkey who may flush: the shipped ones may not.
FLUSHER = "user soak on >soak resetkeys resetchannels -@all +flushall"


class LatestStack(Stack):
    """A stack with a source of 10,000 symbols."""

    def __init__(self, programs: pathlib.Path, seed: int, name: str) -> None:
        super().__init__(programs, seed, name)
        self.figures: dict[str, Any] = {}
        self.settings["OPERATOR_SERIES"] = "1m"

    def make(self) -> None:
        self.remove()
        self.up(settings={"SYNTHETIC_SYMBOLS": f"S*{COUNT}", "SYNTHETIC_RATE": str(self.options.latest_rate),
                          "SYNTHETIC_SEED": str(self.seed), "SYNTHETIC_MISSED": "lost"})

    def desk(self) -> Any:
        return tapeline.connect(stack=self.name, home=str(ROOT), namespace=NAMESPACE)

    # --- faults

    def valkey(self, user: str, password: str, *words: str) -> None:
        done = subprocess.run(
            [ROOT / ".local/servers/database/bin/valkey-cli", "-h", "127.0.0.1", "-p", str(self.ports["valkey"]),
             "--user", user, *words], text=True, capture_output=True, timeout=30,
            env={"PATH": os.environ["PATH"], "REDISCLI_AUTH": password})
        if done.stdout.strip() != "OK":
            raise Failure(f"Valkey, {' '.join(words)}: {done.stdout.strip()} {done.stderr.strip()}")

    def flush(self) -> None:
        users = self.home / "valkey/users.acl"
        if FLUSHER not in users.read_text():
            with open(users, "a") as file:
                file.write(f"{FLUSHER}\n")
        self.valkey("keys", (self.home / "secrets/valkey-keys").read_text().strip(), "ACL", "LOAD")
        self.valkey("soak", "soak", "FLUSHALL")

    @contextlib.contextmanager
    def standing(self, process: int) -> Any:
        """A process stands still meanwhile."""
        os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process, signal.SIGCONT)

    def supervisor(self) -> int:
        return int(json.loads((self.home / "state.json").read_text())["supervisor"]["id"])


class Answers:
    """The highest ordinal of each value that was answered, and what was wrong."""

    def __init__(self) -> None:
        self.highest: dict[tuple[str, ...], int] = {}
        self.wrong: list[str] = []
        self.lower = self.values = 0
        self.lock = threading.Lock()

    def take(self, key: tuple[str, ...], ordinal: int) -> None:
        with self.lock:
            self.values += 1
            before = self.highest.get(key, 0)
            self.highest[key] = max(before, ordinal)
            if ordinal < before:
                self.lower += 1
                self.wrong.append(f"{' '.join(key)}: ordinal {ordinal} after {before}")

    def of(self, answer: Iterable[Any]) -> int:
        """Takes an answer of the desk. Returns how many of its values are unknown."""
        unknown = 0
        for one in answer:
            if one.unknown is None and one.ordinal is not None:
                self.take((one.symbol, one.source, one.kind, one.lane), one.ordinal)
            elif one.unknown is not None and one.ordinal is None and one.behind is None:
                unknown += 1
            else:
                self.wrong.append(f"{one.symbol} {one.kind}: unknown {one.unknown!r}, but ordinal {one.ordinal}")
        return unknown


class Asking(threading.Thread):
    """Asks for some symbols all the time, by one desk."""

    def __init__(self, stack: LatestStack, answers: Answers) -> None:
        super().__init__(daemon=True)
        self.desk, self.answers, self.ended = stack.desk(), answers, threading.Event()
        self.random = random.Random(stack.seed)
        self.asked = self.refused = self.unknown = 0
        self.failure = ""

    def run(self) -> None:
        while not self.ended.wait(0.05):
            try:
                self.unknown += self.answers.of(self.desk.latest(self.random.sample(SYMBOLS, WATCHED)))
                self.asked += 1
            except tapeline.NotReachable:
                # A server is away: that is no answer.
                self.refused += 1
            except Exception as failure:
                self.failure = repr(failure)
                return

    def end(self) -> None:
        self.ended.set()
        self.join(30)


# --- how long answers take


def spread(times: list[float]) -> tuple[float, float, float]:
    """The median, the p99 and the longest, in ms."""
    times = sorted(times)
    return times[len(times) // 2] * 1e3, times[int(len(times) * 0.99)] * 1e3, times[-1] * 1e3


def timed(call: Callable[[], Any], turns: int) -> tuple[float, float, float]:
    def seconds() -> float:
        begin = time.perf_counter()
        call()
        return time.perf_counter() - begin
    # The first ones connect, and find out what there is.
    for _ in range(2):
        call()
    return spread([seconds() for _ in range(turns)])


def measure(stack: LatestStack, answers: Answers) -> list[str]:
    desk, chance = stack.desk(), random.Random(stack.seed)
    found = {
        "one of 10,000 symbols": (timed(lambda: list(desk.latest([chance.choice(SYMBOLS)])), ONE_TURNS), 1, ONE_MS),
        "10,000 at once": (timed(lambda: desk.latest(SYMBOLS), ALL_TURNS), 0, ALL_MS),
        "10,000 at once, each value read": (timed(lambda: list(desk.latest(SYMBOLS)), ALL_TURNS), 0, None),
        "tapeline latest S17": (timed(lambda: command(stack, ["S17"], answers), COMMAND_TURNS), 0, COMMAND_MS)}
    wrong = []
    for title, (times, judged, bound) in found.items():
        stack.figures[f"{title}: p50, p99, longest in ms"] = times
        say(f"{title}: p50 {times[0]:.1f} ms, p99 {times[1]:.1f} ms, longest {times[2]:.1f} ms")
        if bound is not None and times[judged] > bound:
            wrong.append(f"{title}: {times[judged]:.1f} ms, not {bound:.0f} ms")
    return wrong


def command(stack: LatestStack, symbols: list[str], answers: Answers) -> None:
    """Asks as a person does. Another process does not know what the last one has said."""
    done = stack.tool("latest", *symbols, "--json", check=False)
    if done.returncode not in (0, 2):
        raise Failure(f"tapeline latest ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    for line in done.stdout.splitlines():
        one = json.loads(line)
        if one.get("ordinal") is not None:
            answers.take(("command", one["symbol"], one["source"], one["kind"], one["lane"]), int(one["ordinal"]))


# --- what they say during faults


def lacking(desk: Any, answers: Answers) -> int:
    return answers.of(desk.latest(SYMBOLS))


def lacks_nothing(desk: Any, answers: Answers) -> bool:
    try:
        return lacking(desk, answers) == 0
    except tapeline.NotReachable:
        return False


def faults(stack: LatestStack, desk: Any, answers: Answers) -> list[str]:
    wrong = []
    unknown = stack.desk().latest(["NOSUCH"])
    if any(one.unknown is None for one in unknown) or not len(unknown):
        wrong.append(f"a symbol that never was is answered: {list(unknown)}")

    def flushed_without_writer() -> None:
        with stack.standing(stack.unit("store-writer")):
            stack.flush()
            left = len(KINDS) * COUNT - answers.of(known := desk.latest(SYMBOLS)) - without_source(known)
            if left:
                wrong.append(f"Valkey was flushed, nobody writes to it, and {left} values are answered")

    def kill(*names: str) -> None:
        before = {name: stack.unit(name) for name in names}
        for process in before.values():
            os.kill(process, signal.SIGKILL)
        for name, process in before.items():
            eventually(f"{name} is started again", lambda: stack.unit(name) not in (0, process))

    for title, act in (
        ("Valkey is flushed", stack.flush), ("Valkey is flushed while the writer stands", flushed_without_writer),
        ("Valkey is killed", lambda: kill("valkey")), ("the writer is killed", lambda: kill("store-writer")),
        ("Valkey and the writer are killed", lambda: kill("valkey", "store-writer")),
    ):
        act()
        begin = time.monotonic()
        with contextlib.suppress(tapeline.NotReachable):
            say(f"{title}: {lacking(desk, answers)} of {len(KINDS) * COUNT} values are unknown")
        eventually(f"{title}: every value is known again", lambda: lacks_nothing(desk, answers), 300, 0.5)
        stack.figures[f"{title}: seconds until all is known"] = time.monotonic() - begin
        say(f"  all is known again after {time.monotonic() - begin:.1f} s")
    return wrong


def states(desk: Any) -> set[str]:
    """What the tape says of the feeds of some values."""
    return {one.feed.state for one in desk.latest(SYMBOLS[:50]) if one.unknown is None}


def without_source(known: Any) -> int:
    return max(0, len(KINDS) * COUNT - len(known))


def gateway_away(stack: LatestStack, desk: Any, answers: Answers) -> list[str]:
    """Without a gateway the values stay, their feed is silent, and each is the last row of the database."""
    process = stack.unit("provider-gateway")
    with stack.standing(stack.supervisor()):
        os.kill(process, signal.SIGKILL)
        begin = time.monotonic()
        eventually("the feed is silent", lambda: states(desk) == {"silent"}, SILENT_SECONDS, 0.5)
        say(f"the gateway is killed, and away: its feed is silent after {time.monotonic() - begin:.1f} s")
        eventually("each answer is the last row", lambda: not differing(stack, desk, answers), 60, 1)
        say(f"each of {len(KINDS) * COUNT} answers is the last row of its symbol")
    eventually("the feed is live again", lambda: states(desk) == {"live"}, 60, 0.5)
    return []


def differing(stack: LatestStack, desk: Any, answers: Answers) -> list[str]:
    stored = {(kind, symbol): int(ordinal) for kind in KINDS for symbol, ordinal in (
        row.split("|") for row in stack.query(
            f"SELECT symbol, max(ordinal) FROM {NAMESPACE}.{kind}s GROUP BY 1").splitlines())}
    answer = list(desk.latest(SYMBOLS))
    answers.of(answer)
    said = {(one.kind, one.symbol): one.ordinal for one in answer}
    return [f"{key}: row {stored.get(key)}, answer {said.get(key)}"
            for key in stored.keys() | said.keys() if stored.get(key) != said.get(key)]


def soak(stack: Any, options: argparse.Namespace) -> None:
    assert isinstance(stack, LatestStack)
    answers, commands = Answers(), Answers()
    desk = stack.desk()
    eventually("every symbol has a trade and a quote", lambda: lacks_nothing(desk, answers), 600, 1)
    eventually("the tape says that the feed is live", lambda: states(desk) == {"live"}, 10)
    say(f"{COUNT} symbols have a trade and a quote")
    wrong = measure(stack, commands)
    asking = Asking(stack, answers)
    asking.start()
    wrong += faults(stack, desk, answers) + gateway_away(stack, desk, answers)
    asking.end()
    stack.figures |= {"answers": asking.asked, "values": answers.values, "not reachable": asking.refused,
                      "unknown": asking.unknown, "lower ordinals": answers.lower,
                      "lower ordinals of commands": commands.lower}
    say(f"{asking.asked} answers with {answers.values} values, {asking.unknown} unknown, {asking.refused} times a"
        f" server was away; lower ordinals: {answers.lower}")
    wrong += [*answers.wrong[:5], *commands.wrong[:5], *([asking.failure] if asking.failure else [])]
    if not asking.asked:
        wrong.append("nothing was asked during the faults")
    if wrong:
        raise Failure(f"{len(wrong)} did not hold: " + "; ".join(wrong[:5]))
