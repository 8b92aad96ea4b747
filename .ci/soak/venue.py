"""What soaks of simulated venues share: a stack whose gateway is fed by one, its faults, and the memory of its
processes."""

import argparse
import collections
import datetime
import os
import pathlib
import random
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from stack import NAMESPACE, Failure, Stack, eventually, run, say

GATEWAY = "provider-gateway"
FAULT_SECONDS = 10
# How long nothing fails before the end, so that what was begun ends.
CALM_SECONDS = 20
# A process may grow by so much from the end of the first third of its life to its end.
GROWTH = 1.2
GROWTH_BYTES = 8 << 20
# Of a shorter life nothing is said.
LIFE_SECONDS = 60


class Venue:
    """The simulated venue, with logs of their own for each of its lives: a new one empties its logs. `label`
    tells several of one stack apart."""

    def __init__(self, stack: "VenueStack", label: str = "") -> None:
        self.stack, self.label, self.lives = stack, label, 0
        self.program = "-".join(filter(None, (stack.program, label)))
        self.port, self.control = free_ports(2)

    def start(self) -> None:
        self.lives += 1
        stack = self.stack
        stack.start(self.program, [
            str(stack.programs / stack.program), "--port", str(self.port), "--control-port", str(self.control),
            "--seed", str(stack.seed), *stack.market(self), "--truth", str(self.log("truth", self.lives)),
            ], stack.environment)
        eventually("the venue answers", lambda: self.tell("status"), 30)

    def tell(self, command: str) -> str:
        with socket.create_connection(("127.0.0.1", self.control), 10) as link:
            link.sendall(command.encode() + b"\n")
            answer = link.makefile().readline().strip()
        if not answer.startswith("ok"):
            raise Failure(f"the venue does not take '{command}': {answer}")
        return answer

    def end(self, command: str) -> None:
        """Ends it by a command that completes its logs."""
        self.tell(command)
        self.stack.own.pop(self.program).wait(30)

    def log(self, name: str, life: int) -> pathlib.Path:
        return self.stack.home / "-".join(filter(None, (name, self.label, str(life))))

    def logs(self, name: str) -> list[pathlib.Path]:
        return [self.log(name, life) for life in range(1, self.lives + 1)]


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


class VenueStack(Stack):
    """A stack whose gateway is fed by a simulated venue."""

    source = ""
    # The simulator, and more flags of it.
    program = ""
    flags: tuple[str, ...] = ()
    # What the list of instruments says of all of them.
    defaults = ""
    # After each fault there are trades again within this time.
    stalled_seconds = 30
    # How long the audit, or a proof, may take.
    audit_seconds = 300
    # How long the faults take, if nobody says it.
    seconds = 600
    # Whether there are bars to prove.
    has_bars = True
    # What makes the bars, if not the simple graph.
    graph = ""

    def market(self, venue: Venue) -> list[str]:
        """The flags that say what a venue has."""
        return ["--rate", str(self.options.rate), "--symbols", self.options.symbols, *self.flags,
                "--market-log", str(venue.log("market", venue.lives))]

    def make(self) -> None:
        self.remove()
        (self.home / "logs").mkdir(parents=True)
        (self.home / "instruments.yaml").write_text(
            f"version: 1\ndefaults: {{{self.defaults}}}\ninstruments: [{self.options.symbols}]\n")
        if self.graph:
            (self.home / "graph.yaml").write_text(self.graph)
            del self.settings["OPERATOR_SERIES"]
            self.settings["OPERATOR_GRAPH"] = str(self.home / "graph.yaml")
        # `prove` does not learn them from the stack.
        self.environment |= {
            key: self.settings[key] for key in ("OPERATOR_SERIES", "OPERATOR_GRAPH") if key in self.settings}
        self.venue = Venue(self)
        self.venue.start()
        self.up(settings={
            "GATEWAY_PROVIDER": self.source, "GATEWAY_INSTRUMENTS": str(self.home / "instruments.yaml"),
            **self.gateway()})

    def gateway(self) -> dict[str, str]:
        """The settings of the gateway for the venue."""
        return {}

    def waited(self) -> float:
        """How long a value has been due, in seconds."""
        return self.newest()

    def newest(self) -> float:
        """How old the newest trade of the symbol is that has not got any for longest, in seconds."""
        found = self.query(
            "SELECT extract(epoch FROM now() - min(ts)), count(*) FROM"
            f" (SELECT max(ts) AS ts FROM {NAMESPACE}.trades WHERE source = '{self.source}' GROUP BY symbol) AS t")
        age, count = found.split("|")
        if int(count) < len(self.options.symbols.split(",")):
            raise Failure(f"there are trades of {count} symbols only")
        return float(age)

    def quiet(self) -> bool:
        """Whether no bar gets another version for some seconds."""
        count = f"SELECT count(*) FROM {NAMESPACE}.bar_versions"
        before = self.query(count)
        time.sleep(8)
        return self.query(count) == before

    def settle(self) -> None:
        """Waits for what the gateway does by itself at the end."""

    def quit(self) -> None:
        """Ends the venue."""
        self.venue.end("quit")


# --- the faults


class Storm:
    """The faults, in an order and with numbers that follow from the seed."""

    def __init__(self, stack: VenueStack) -> None:
        self.stack, self.venue = stack, stack.venue
        self.random = random.Random(stack.seed)
        self.done: collections.Counter[str] = collections.Counter()
        self.stalls: list[str] = []
        self.told = {title: self.teller(command) for title, command in self.commands().items()}
        self.others: dict[str, Callable[[], str]] = {
            "venue restarted": self.restart, "slow": self.slow, "gateway killed": self.kill_gateway,
            "gateway stopped": self.stop_gateway, "NATS killed": self.kill_nats,
        }

    def commands(self) -> dict[str, Callable[[], str]]:
        """The commands of the venue, by their titles, with numbers that follow from the seed."""
        return {}

    def of_frames(self) -> dict[str, Callable[[], str]]:
        """The commands of venues that send frames."""
        pick = self.random
        return {
            "cut": lambda: "cut",
            "close": lambda: f"close {pick.choice((1000, 1001, 1008, 1011))}",
            "truncate": lambda: "truncate",
            "half-open": lambda: "half-open",
            "garbage": lambda: f"garbage {pick.choice((1, 64, 4096, 1_000_000))}",
            "wrong JSON": lambda: "bad-json",
            "down": lambda: f"down {pick.choice((1, 3, 6))}",
        }

    def expire(self) -> str:
        """The key is refused for a while, in which a new connection is needed."""
        self.venue.tell("expire")
        self.venue.tell("cut")
        time.sleep(4)
        return "renew"

    def teller(self, command: Callable[[], str]) -> Callable[[], str]:
        def tell() -> str:
            line = command()
            self.venue.tell(line)
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
            age = self.stack.waited()
            say(f"  the newest trade is {age:.1f} s old")
            if age > self.stack.stalled_seconds:
                self.stalls.append(f"{age:.0f} s without trades, after fault {place + 1}: {' + '.join(slot)}")

    def restart(self) -> str:
        self.venue.end("crash")
        away = self.random.uniform(0.2, 4)
        time.sleep(away)
        self.venue.start()
        return f"away for {away:.1f} s"

    def slow(self) -> str:
        """The venue gets a tenth of the time, in pieces."""
        process = self.stack.own[self.venue.program]
        for _ in range(6):
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.9)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.1)
        return "a tenth of the time for 6 s"

    @property
    def gateway(self) -> str:
        """The gateway that fails."""
        return GATEWAY

    def kill_gateway(self) -> str:
        self.stack.kill(self.gateway)
        return "kill -9"

    def stop_gateway(self) -> str:
        gateway, seconds = self.stack.unit(self.gateway), self.random.uniform(3, 8)
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
    # Those that may not grow, by the beginnings of their names.
    judged: tuple[str, ...] = (GATEWAY,)

    def __init__(self, stack: VenueStack) -> None:
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
        """Says how each life grew. Returns which ones of those that may not grew too much."""
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
            if grew and name.startswith(self.judged):
                wrong.append(line)
            say(line + (", which is more than allowed" if grew else ""))
        return wrong


# --- the audit


def moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat(timespec="microseconds")


def settled(stack: VenueStack, *spans: tuple[float, float]) -> list[str]:
    """Waits until everything up to the end of the last span is stored. Returns what the product itself finds wrong,
    of the bars in these spans."""
    end = spans[-1][1]
    eventually("every process works", lambda: stack.tool("status").returncode == 0, 90)
    eventually("every trade is stored", lambda: time.time() - stack.newest() > end, 90)
    stack.settle()
    # What happens later may change trades of before, so that bars get versions while they are proven.
    stack.quit()
    proofs = []
    if stack.has_bars:
        eventually("no bar gets another version", stack.quiet, 120)
        proofs = [("prove", "--from", moment(begin), "--to", moment(end)) for begin, end in spans]
    wrong = []
    for words in (("audit", "--all"), *proofs):
        done = stack.tool(*words, check=False, seconds=stack.audit_seconds)
        said = (done.stdout.strip() or done.stderr.strip()).splitlines()
        say(f"tapeline {words[0]}: {done.returncode}: {said[-1] if said else ''}")
        if done.returncode:
            with (stack.home / f"{words[0]}.txt").open("a") as file:
                file.write(done.stdout + done.stderr)
            wrong.append(f"tapeline {' '.join(words)} ended with {done.returncode}: {' | '.join(said[-3:])}")
    return wrong


def soak(
    stack: VenueStack, options: argparse.Namespace, storm_of: type[Storm],
    judge: Callable[[Any, float], list[str]]
) -> None:
    """Has everything fail in turn, and compares what is stored with the logs of the venue, by `judge`."""
    begin = time.time()
    eventually("each symbol has trades", lambda: stack.newest() < 5, 30)
    memory, storm = Memory(stack), storm_of(stack)
    memory.start()
    storm.run(options.seconds)
    say(f"nothing fails for {CALM_SECONDS} s")
    time.sleep(CALM_SECONDS)
    end = time.time() - CALM_SECONDS / 4
    wrong = storm.stalls + memory.judge() + settled(stack, (begin, end)) + judge(stack, end)
    say(f"{sum(storm.done.values())} faults: " + ", ".join(
        f"{count} {title}" for title, count in sorted(storm.done.items())))
    if wrong:
        raise Failure(f"{len(wrong)} did not hold:\n  " + "\n  ".join(wrong))


def carry_out(
    document: str | None, symbols: str, stack: type[VenueStack], storm: type[Storm],
    judge: Callable[[Any, float], list[str]], options: tuple[tuple[str, dict[str, str]], ...] = ()
) -> int:
    """Reads the options and carries the soak out. Returns the exit status."""
    parser = argparse.ArgumentParser(description=(document or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=stack.seconds, help="how long the faults take")
    if symbols:
        parser.add_argument("--rate", type=int, default=200, help="trades per second over all symbols")
        parser.add_argument("--symbols", default=symbols)
    for flag, more in options:
        parser.add_argument(flag, **more)  # type: ignore[arg-type]
    return run(parser, stack.source, lambda made, given: soak(made, given, storm, judge), stack)
