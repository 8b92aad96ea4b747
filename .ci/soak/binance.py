#!/usr/bin/env python3
"""Shows that no trade of an exchange is lost without a record, whatever fails: `make soak NAME=binance`.

    binance.py PROGRAMS [--seed N] [--seconds N] [--rate N] [--symbols A,B,...] [--no-fill] [--hot-hot] [--keep]

A local stack of its own (.local/stack/binance, namespace `soak`) has the provider `binance` on a simulated
exchange. Every 10 s something fails, in an order that follows from the seed. At the end the exchange's own logs
are compared with the database, by SQL. docs/TESTING.md describes it.

Exit status 0: all held. 1: something did not, and what the stack has stored is left.
"""

import argparse
import collections
import datetime
import os
import pathlib
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

import psycopg

from ids import Market, Stored, Verdict
from stack import NAMESPACE, Failure, Stack, eventually, run, say

SOURCE = "binance"
EXCHANGE = "binance-simulator"
GATEWAY = "provider-gateway"
FAULT_SECONDS = 10
# Waits of the gateway that fit faults which come so soon. The others are as shipped.
WAITS = {"BINANCE_SILENT_AFTER": "6s", "BINANCE_RECONNECT_MAX": "5s", "BINANCE_RENEW_AFTER": "60s"}
# After each fault there are trades again within this time: the longest silence, the longest absence of the
# exchange, two waits, and as much again for a second fault.
STALLED_SECONDS = 30
# How long nothing fails before the end, so that what was begun ends.
CALM_SECONDS = 20
# A process may grow by so much from the end of the first third of its life to its end.
GROWTH = 1.2
GROWTH_BYTES = 8 << 20
# Of a shorter life nothing is said.
LIFE_SECONDS = 60


class Exchange:
    """The simulated exchange, with logs of their own for each of its lives: a new one empties its logs."""

    def __init__(self, stack: "ExchangeStack") -> None:
        self.stack, self.lives = stack, 0
        self.port, self.control = free_ports(2)

    def start(self) -> None:
        self.lives += 1
        stack = self.stack
        stack.start(EXCHANGE, [
            str(stack.programs / EXCHANGE), "--port", str(self.port), "--control-port", str(self.control),
            "--seed", str(stack.seed), "--rate", str(stack.options.rate),
            "--symbols", stack.options.symbols,
            "--truth", str(stack.home / f"truth-{self.lives}"),
            "--market-log", str(stack.home / f"market-{self.lives}")], stack.environment)
        eventually("the exchange answers", lambda: self.tell("status"), 30)

    def tell(self, command: str) -> str:
        with socket.create_connection(("127.0.0.1", self.control), 10) as link:
            link.sendall(command.encode() + b"\n")
            answer = link.makefile().readline().strip()
        if not answer.startswith("ok"):
            raise Failure(f"the exchange does not take '{command}': {answer}")
        return answer

    def end(self, command: str) -> None:
        """Ends it by a command that completes its logs."""
        self.tell(command)
        self.stack.own.pop(EXCHANGE).wait(30)

    def market(self) -> Market:
        lives = range(1, self.lives + 1)
        markets, truths = (
            [self.stack.home / f"{name}-{life}" for life in lives] for name in ("market", "truth"))
        return Market(markets, truths)


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


class ExchangeStack(Stack):
    """A stack whose gateway is fed by the simulated exchange."""

    def make(self) -> None:
        self.remove()
        (self.home / "logs").mkdir(parents=True)
        (self.home / "instruments.yaml").write_text(
            "version: 1\ndefaults: {security: crypto, exchange: BINANCE, currency: USDT, feeds: trades}\n"
            f"instruments: [{self.options.symbols}]\n")
        # `prove` does not learn them from the stack.
        self.environment["OPERATOR_SERIES"] = self.settings["OPERATOR_SERIES"]
        self.exchange = Exchange(self)
        self.exchange.start()
        self.up(settings={
            "GATEWAY_PROVIDER": SOURCE, "GATEWAY_INSTRUMENTS": str(self.home / "instruments.yaml"),
            "BINANCE_URL": f"ws://127.0.0.1:{self.exchange.port}/stream",
            "BINANCE_REST_URL": f"http://127.0.0.1:{self.exchange.port}" if self.options.fill else "",
            "BINANCE_HOT_HOT": "true" if self.options.hot_hot else "false", **WAITS})

    def newest(self) -> float:
        """How old the newest trade of the symbol is that has not got any for longest, in seconds."""
        found = self.query(
            "SELECT extract(epoch FROM now() - min(ts)), count(*) FROM"
            f" (SELECT max(ts) AS ts FROM {NAMESPACE}.trades WHERE source = '{SOURCE}' GROUP BY symbol) AS t")
        age, count = found.split("|")
        if int(count) < len(self.options.symbols.split(",")):
            raise Failure(f"there are trades of {count} symbols only")
        return float(age)


# --- the faults


class Storm:
    """The faults, in an order and with numbers that follow from the seed."""

    def __init__(self, stack: ExchangeStack) -> None:
        self.stack, self.exchange = stack, stack.exchange
        self.random = random.Random(stack.seed)
        self.done: collections.Counter[str] = collections.Counter()
        self.stalls: list[str] = []
        pick = self.random
        told: dict[str, Callable[[], str]] = {
            "cut": lambda: "cut",
            "close": lambda: f"close {pick.choice((1000, 1001, 1008, 1011))}",
            "truncate": lambda: "truncate",
            "mute": lambda: f"mute {pick.choice((1, 2, 4, 30))}",
            "half-open": lambda: "half-open",
            "garbage": lambda: f"garbage {pick.choice((1, 64, 4096, 1_000_000))}",
            "wrong JSON": lambda: "bad-json",
            "oversized": lambda: f"oversized {pick.choice((70_000, 1_500_000, 8_000_000))}",
            "lost trades": lambda: f"lose {pick.choice((1, 5, 200))}",
            "shutdown": lambda: f"shutdown {pick.choice((1, 3, 8))}",
            "down": lambda: f"down {pick.choice((1, 3, 6))}",
        }
        if stack.options.fill:
            told |= {
                "429": lambda: f"limit {pick.choice((1, 3))}{pick.choice(('', ' 1', ' 4'))}",
                "418": lambda: f"ban {pick.choice((1, 5))}",
            }
        self.told = {title: self.teller(command) for title, command in told.items()}
        self.others: dict[str, Callable[[], str]] = {
            "exchange restarted": self.restart, "slow": self.slow, "gateway killed": self.kill_gateway,
            "gateway stopped": self.stop_gateway, "NATS killed": self.kill_nats,
        }

    def teller(self, command: Callable[[], str]) -> Callable[[], str]:
        def tell() -> str:
            line = command()
            self.exchange.tell(line)
            return line
        return tell

    def schedule(self, count: int) -> list[tuple[str, ...]]:
        """All kinds in turn, each time in another order. After one in four, something else fails at once."""
        deck: list[str] = []
        slots: list[tuple[str, ...]] = []
        while len(slots) < count:
            if not deck:
                deck = sorted({**self.told, **self.others})
                self.random.shuffle(deck)
            slot = deck.pop()
            also = self.random.choice(sorted(self.told)) if self.random.random() < 0.25 else None
            slots.append((slot, also) if also else (slot,))
        return slots

    def run(self, seconds: float) -> None:
        slots = self.schedule(max(1, int(seconds) // FAULT_SECONDS))
        say("schedule: " + "; ".join(" + ".join(slot) for slot in slots))
        begin = time.monotonic()
        for place, slot in enumerate(slots):
            at = begin + place * FAULT_SECONDS + self.random.uniform(0, 2)
            time.sleep(max(0.0, at - time.monotonic()))
            for number, title in enumerate(slot):
                if number:
                    time.sleep(self.random.uniform(0.05, 2))
                said = {**self.told, **self.others}[title]()
                self.done[title] += 1
                say(f"{place + 1}/{len(slots)} {title}: {said}")
            time.sleep(max(0.0, begin + (place + 1) * FAULT_SECONDS - time.monotonic()))
            age = self.stack.newest()
            say(f"  the newest trade is {age:.1f} s old")
            if age > STALLED_SECONDS:
                self.stalls.append(f"{age:.0f} s without trades, after fault {place + 1}: {' + '.join(slot)}")

    def restart(self) -> str:
        self.exchange.end("crash")
        away = self.random.uniform(0.2, 4)
        time.sleep(away)
        self.exchange.start()
        return f"away for {away:.1f} s"

    def slow(self) -> str:
        """The exchange gets a tenth of the time, in pieces."""
        process = self.stack.own[EXCHANGE]
        for _ in range(6):
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.9)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.1)
        return "a tenth of the time for 6 s"

    def kill_gateway(self) -> str:
        self.stack.kill(GATEWAY)
        return "kill -9"

    def stop_gateway(self) -> str:
        gateway, seconds = self.stack.unit(GATEWAY), self.random.uniform(3, 8)
        os.kill(gateway, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(gateway, signal.SIGCONT)
        return f"for {seconds:.1f} s"

    def kill_nats(self) -> str:
        self.stack.kill("nats-server")
        return "kill -9"


# --- memory


class Memory(threading.Thread):
    """Looks at the resident memory of processes of the stack. A process that was started again has another
    life."""

    names = (GATEWAY, "operator-worker", "store-writer")

    def __init__(self, stack: Stack) -> None:
        super().__init__(daemon=True)
        self.stack = stack
        self.lives: dict[tuple[str, int], list[tuple[float, int]]] = {}
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(2):
            for name, process in self.processes():
                try:
                    pages = int(pathlib.Path(f"/proc/{process}/statm").read_text().split()[1])
                except (OSError, IndexError):
                    pages = 0
                # A process that has ended just now has none.
                if pages:
                    self.lives.setdefault((name, process), []).append(
                        (time.monotonic(), pages * os.sysconf("SC_PAGE_SIZE")))

    def processes(self) -> list[tuple[str, int]]:
        try:
            units = self.stack.units()
        except (OSError, ValueError, KeyError):
            # The supervisor is writing it.
            return []
        return [(each["name"], number) for each in units if each["name"].startswith(self.names)
                and (number := int((each.get("process") or {}).get("id", 0)))]

    def judge(self) -> list[str]:
        """Says how each life grew. Returns which gateway grew too much."""
        self.ended.set()
        self.join()
        wrong = []
        for (name, process), seen in self.lives.items():
            begin, end = seen[0][0], seen[-1][0]
            third = next(each for at, each in seen if at >= begin + (end - begin) / 3)
            last = seen[-1][1]
            line = (f"memory of {name} ({process}), {end - begin:.0f} s: {third / 2**20:.1f} MiB at a third,"
                    f" {last / 2**20:.1f} MiB at the end, at most {max(each for _, each in seen) / 2**20:.1f}")
            grew = end - begin >= LIFE_SECONDS and last > third * GROWTH + GROWTH_BYTES
            if grew and name == GATEWAY:
                wrong.append(line)
            say(line + (", which is more than allowed" if grew else ""))
        return wrong


# --- the audit


def moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat(timespec="microseconds")


def stored(stack: ExchangeStack, end: float) -> bool:
    return time.time() - stack.newest() > end


def filled(stack: ExchangeStack) -> bool:
    """Whether no gap waits any more for the trades that it lacks."""
    waiting = stack.query(
        f"SELECT count(*) FROM {NAMESPACE}_market.open_gaps WHERE source = '{SOURCE}' AND to_time IS NOT NULL"
        " AND state <> 'abandoned'")
    return int(waiting) == 0


def audit(stack: ExchangeStack, begin: float, end: float) -> list[str]:
    """Compares all trades up to a time with what is stored. Returns what is wrong."""
    eventually("every process works", lambda: stack.tool("status").returncode == 0, 90)
    eventually("every trade is stored", lambda: stored(stack, end), 90)
    if stack.options.fill:
        eventually("no gap waits", lambda: filled(stack), 400, 1)
    wrong = []
    for words in (("audit", "--all"), ("prove", "--from", moment(begin), "--to", moment(end))):
        done = stack.tool(*words, check=False, seconds=300)
        said = (done.stdout.strip() or done.stderr.strip()).splitlines()
        say(f"tapeline {words[0]}: {done.returncode}: {said[-1] if said else ''}")
        if done.returncode:
            (stack.home / f"{words[0]}.txt").write_text(done.stdout + done.stderr)
            wrong.append(f"tapeline {' '.join(words)} ended with {done.returncode}: {' | '.join(said[-3:])}")
    stack.exchange.end("quit")
    with psycopg.connect(stack.tool("url").stdout.strip()) as session:
        session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        verdict = Verdict(
            stack.exchange.market(), Stored(session, NAMESPACE, SOURCE), int(end * 1e9), stack.options.fill)
    for line in verdict.lines():
        say(line)
    return wrong + verdict.wrong


def soak(stack: ExchangeStack, options: argparse.Namespace) -> None:
    begin = time.time()
    eventually("each symbol has trades", lambda: stack.newest() < 5, 30)
    memory, storm = Memory(stack), Storm(stack)
    memory.start()
    storm.run(options.seconds)
    say(f"nothing fails for {CALM_SECONDS} s")
    time.sleep(CALM_SECONDS)
    wrong = storm.stalls + memory.judge() + audit(stack, begin, time.time() - CALM_SECONDS / 4)
    say(f"{sum(storm.done.values())} faults: " + ", ".join(
        f"{count} {title}" for title, count in sorted(storm.done.items())))
    if wrong:
        raise Failure(f"{len(wrong)} did not hold:\n  " + "\n  ".join(wrong))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600, help="how long the faults take")
    parser.add_argument("--rate", type=int, default=200, help="trades per second over all symbols")
    parser.add_argument("--symbols", default="BTCUSDT,ETHUSDT,SOLUSDT,XRPUSDT,BNBUSDT,DOGEUSDT")
    parser.add_argument("--no-fill", dest="fill", action="store_false", help="past trades are not asked for")
    parser.add_argument("--hot-hot", action="store_true", help="two connections deliver all the time")
    return run(parser, "binance", soak, ExchangeStack)


if __name__ == "__main__":
    sys.exit(main())
