#!/usr/bin/env python3
"""Does for a compose cluster what KEDA and the HPA do for one of Kubernetes: scales by the lag.

    COMPOSE_FILE=docker-compose.yml:deploy/compose/load.yml:deploy/compose/autoscale.yml \\
        deploy/compose/autoscale.py

What waits is to be worked off in time, and what comes in to be kept up with: each worker gets as much of both as
deploy/scaling.json says, of which the manifests of KEDA and the HPA are made, too; so are the bounds.
--drain-seconds and --ticks-per-second replace its figures, --trigger the product. What each keeps up with
is measured while ticks wait, and counts where it is less than the figure; with --measure where it is more, too.

Every --interval seconds it reads /scale of a gateway, computes how many workers that asks for, by
KEDA's and the HPA's own rules (deploy/keda has them for Kubernetes), and says so to docker compose.
Which cluster: COMPOSE_FILE and COMPOSE_PROJECT_NAME, as for docker compose itself. It prints a line
per look, with --json as JSON. It ends on SIGTERM or SIGINT, and leaves the workers as they are.
"""

import argparse
import dataclasses
import http.client
import json
import math
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import scaling  # noqa: E402

CALL_SECONDS = 30
ANSWER_SECONDS = 5
SCALE_SECONDS = 120
# The group of each service, in /scale.
GROUPS = {"operator-worker": "operator", "store-writer": "store"}
CLOSED = 0
# Asks a writer for its page from within its container, which has no program for that.
WRITER_PAGE = (r"exec 3<>/dev/tcp/127.0.0.1/8502; printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3; "
               f"exec timeout {ANSWER_SECONDS} cat <&3")


# --- the rules: pure, with times in monotonic seconds


@dataclasses.dataclass(frozen=True)
class Rules:
    """The settings of a ScaledObject and of the HPA that it makes. The defaults are theirs."""

    least: int = 1
    most: int = 8
    # Nothing changes while the proposal differs from the present number by no more than this part.
    tolerance: float = 0.1
    # The lowest (up) or highest (down) proposal within this many seconds applies.
    up_window: float = 0
    down_window: float = 300
    # Within step_seconds at most this many more, or this many per cent more, whichever is greater.
    step_count: int = 4
    step_percent: int = 100
    step_seconds: float = 15
    # Within down_seconds at most this many fewer. None means any number.
    down_count: int | None = None
    down_seconds: float = 60
    # After this many polls in a row without a value, at least `fallback` are kept. None means
    # never.
    failures_max: int = 3
    fallback: int | None = None


@dataclasses.dataclass(frozen=True)
class Decision:
    # The proposal of the value alone. None if the value is unknown.
    asked: int | None
    # The number that there should be.
    wanted: int
    why: str


class Autoscaler:
    """Decides the number of replicas from the values of the triggers at one poll."""

    def __init__(self, rules):
        self.rules = rules
        self.asked = []  # (time, number) at former looks
        self.changes = []  # (time, how many more or fewer)
        self.failures = 0

    def decide(self, now, present, values):
        """`values` has for each trigger its value (None if unknown) and the target per replica."""
        rules = self.rules
        if not self.asked:
            # A scaler that has just started removes none before it has watched for a while.
            self.asked.append((now, present))
        known = [self.proposal(present, value, each) for value, each in values
                 if value is not None]
        self.failures = 0 if known else self.failures + 1
        if len(known) == len(values):
            return self.settle(now, present, max(known))
        if known:
            # An unknown value might ask for more, so none is removed.
            return self.settle(now, present, max(*known, present))
        # An unknown lag is not a lag of 0.
        if rules.fallback is not None and self.failures >= rules.failures_max:
            decision = self.settle(now, present, max(present, rules.fallback))
            return dataclasses.replace(decision, asked=None, why="no value: the fallback")
        return Decision(None, present, "no value: it stays")

    def proposal(self, present, value, each):
        """Returns the number at which each has at most its target. Keeps the present number within
        the tolerance."""
        tolerance = self.rules.tolerance
        if present > 0 and 1 - tolerance <= value / (each * present) <= 1 + tolerance:
            return present
        return math.ceil(value / each)

    def settle(self, now, present, asked):
        """Applies the windows, the bounds and the speed limit to the proposal."""
        rules = self.rules
        longest = max(rules.up_window, rules.down_window)
        self.asked = [each for each in self.asked if now - each[0] < longest]
        self.changes = [each for each in self.changes if now - each[0] < max(rules.step_seconds, rules.down_seconds)]
        lowest = min([asked, *(number for time, number in self.asked
                               if now - time < rules.up_window)])
        highest = max([asked, *(number for time, number in self.asked
                                if now - time < rules.down_window)])
        self.asked.append((now, asked))
        steady = min(max(present, lowest), highest)
        wanted = min(max(steady, rules.least), rules.most)
        if wanted > present:
            wanted = max(present, min(wanted, self.reach(now, present)))
        if wanted < present <= rules.most and rules.down_count is not None:
            lowest = self.before(now, present, rules.down_seconds) - rules.down_count
            wanted = min(present, max(wanted, lowest))
        if wanted != present:
            self.changes.append((now, wanted - present))
        if wanted == max(asked, rules.least):
            return Decision(asked, wanted, "as asked")
        if steady != asked:
            return Decision(asked, wanted, "a window holds it")
        return Decision(asked, wanted, "a limit holds it")

    def before(self, now, present, seconds):
        """Returns the number so many seconds ago."""
        return present - sum(change for time, change in self.changes if now - time < seconds)

    def reach(self, now, present):
        """Returns the most that the speed limit allows, from the number one step ago."""
        rules = self.rules
        start = self.before(now, present, rules.step_seconds)
        return max(start + rules.step_count, math.ceil(start * (1 + rules.step_percent / 100)))


def value_at(answer, path):
    """Returns the number at a path such as operator.lag. None if it is null, absent, or not a
    number."""
    for name in path.split("."):
        answer = answer.get(name) if isinstance(answer, dict) else None
    if isinstance(answer, bool) or not isinstance(answer, (int, float)):
        return None
    if not 0 <= answer < math.inf:
        return None
    return answer


# --- the edge


class Compose:
    """The cluster that docker compose's environment variables select."""

    def __init__(self, service, gateway, port):
        self.service, self.gateway, self.port = service, gateway, port

    def call(self, *arguments, timeout=CALL_SECONDS):
        return self.run("docker", "compose", *arguments, timeout=timeout)

    def run(self, *words, timeout=CALL_SECONDS):
        done = subprocess.run(words, text=True, timeout=timeout, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()[-1:] or ["no word why"]
            raise OSError(f"{' '.join(words[:3])} failed: {said[0]}")
        return done.stdout.strip()

    def scale_answer(self):
        """Returns the answer of /scale; {} while no gateway answers."""
        try:
            place = self.call("port", self.gateway, str(self.port))
            with urllib.request.urlopen(f"http://{place}/scale", timeout=ANSWER_SECONDS) as answer:
                return json.load(answer)
        except (OSError, ValueError, http.client.HTTPException, subprocess.TimeoutExpired):
            return {}

    def circuit(self):
        """Returns the lowest state of the writers' circuit breakers, which is CLOSED while one of them
        writes; None if no writer answers."""
        states = []
        for container in self.call("ps", "--quiet", self.service).splitlines():
            try:
                page = self.run("docker", "exec", container, "bash", "-c", WRITER_PAGE, timeout=2 * ANSWER_SECONDS)
            except (OSError, subprocess.TimeoutExpired):
                continue
            states += [float(state) for state in re.findall(r"(?m)^mds_coord_circuit_state ([0-9.]+)\s*$", page)]
            if CLOSED in states:
                break
        return min(states, default=None)

    def present(self):
        # Includes one that has just died, because Docker starts it again.
        return len(self.call("ps", "--all", "--quiet", self.service).splitlines())

    def scale(self, count):
        self.call("up", "--detach", "--no-build", "--no-recreate", "--no-deps",
                  "--scale", f"{self.service}={count}", self.service, timeout=SCALE_SECONDS)


def decide(scaler, now, present, values, circuit):
    """Decides by the values while a writer writes (circuit); workers always do. While the database is away
    the lag grows, and more writers would only add to its load: the number stays, as by KEDA."""
    if circuit is None:
        return scaler.decide(now, present, [(None, each) for _, each in values])
    if circuit == CLOSED:
        return scaler.decide(now, present, values)
    decision = scaler.decide(now, present, [(present * each, each) for _, each in values])
    return dataclasses.replace(decision, asked=None, why="the database is away")


def look(compose, scaler, triggers, capacity=None):
    """Does one round. Returns what it found and did, for a line of output."""
    answer = compose.scale_answer()
    values = {path: value_at(answer, path) for path, _ in triggers}
    present = compose.present()
    circuit = compose.circuit() if compose.service == "store-writer" else CLOSED
    decision = decide(scaler, time.monotonic(), present,
                      [(values[path], each) for path, each in triggers], circuit)
    if decision.wanted != present:
        compose.scale(decision.wanted)
    found = {"time": round(time.time(), 1), "present": present, **values,
             **dataclasses.asdict(decision)}
    if capacity:
        group = GROUPS[compose.service]
        lag, rate = (value_at(answer, f"{group}.{name}") for name in ("lag", "rate"))
        capacity.note(time.monotonic(), present, lag if circuit == CLOSED else None, rate)
        found["measured"] = capacity.each() or capacity.most()
    return found


def in_words(found, triggers):
    values = ", ".join(f"{path} {'unknown' if found[path] is None else found[path]}"
                       for path, _ in triggers)
    measured = found.get("measured")
    return (f"{time.strftime('%H:%M:%S', time.gmtime(found['time']))}Z {values}: "
            f"{found['present']} there, {found['wanted']} wanted ({found['why']})"
            + (f", each keeps up with {measured:.0f} a second" if measured else ""))


def trigger(text):
    path, _, each = text.partition("=")
    try:
        number = float(each)
    except ValueError:
        number = 0
    if not path or not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(
            f"'{text}' is no path of /scale and a number above 0, as operator.lag=20000")
    return path, number


def triggers_of(given, figures, measured=None):
    """Returns the triggers of the command line, or those of the target: what waits, and what comes in."""
    if given.trigger:
        return given.trigger
    group = GROUPS[given.service]
    seconds = given.drain_seconds or figures["drain_seconds"]
    each = measured or given.ticks_per_second or figures["ticks_per_second"]
    # Without the rate, fewer would be kept once nothing waits, whatever the load.
    return [(f"{group}.lag", seconds * each), (f"{group}.rate", figures["steady_percent"] * each / 100)]


def arguments(words=None):
    figures = scaling.read()
    # By one a minute, as deploy/keda.
    rules = Rules(least=figures["least"], most=figures["most"], down_count=1)
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], usage="%(prog)s [--drain-seconds N] [...], see --help")
    parser.add_argument("--drain-seconds", type=float, metavar="N",
                        help=f"in which the lag is to be worked off; default {figures['drain_seconds']}")
    parser.add_argument("--ticks-per-second", type=float, metavar="N",
                        help=f"that one keeps up with; default {figures['ticks_per_second']}")
    parser.add_argument("--trigger", type=trigger, action="append",
                        metavar="PATH=EACH", help="instead: a value of /scale, and how much of it is one's")
    parser.add_argument("--measure", action="store_true",
                        help="let what each has kept up with while ticks waited count where it is more, too")
    parser.add_argument("--service", choices=GROUPS, default="operator-worker", help="what is scaled")
    parser.add_argument("--gateway", default="provider-gateway", help="whose /scale is read")
    parser.add_argument("--port", type=int, default=8500, help="of the gateway's operations")
    parser.add_argument("--interval", type=float, default=15, help="seconds between two looks")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    for field in dataclasses.fields(Rules):
        parser.add_argument(
            f"--{field.name.replace('_', '-')}", default=getattr(rules, field.name),
            type=int if field.name in ("fallback", "down_count") else field.type, metavar="N",
            help=f"default {getattr(rules, field.name)}")
    given = parser.parse_args(words)
    for name in ("drain_seconds", "ticks_per_second"):
        if (value := getattr(given, name)) is not None and not 0 < value < math.inf:
            parser.error(f"--{name.replace('_', '-')} is a number above 0, not {value}")
    # With 0 everybody would go while nothing waits.
    if not 1 <= given.least <= given.most:
        parser.error(f"--least is at least 1 and at most --most, not {given.least} of {given.most}")
    for name in ("interval", "step_seconds", "down_seconds", "down_count", "failures_max"):
        if not 0 < (value := getattr(given, name)) < math.inf:
            parser.error(f"--{name.replace('_', '-')} is a number above 0, not {value}")
    if given.trigger and given.measure:
        parser.error("--measure is about the target, and --trigger replaces it")
    return given


def main():
    try:
        given, figures = arguments(), scaling.read()
    except (OSError, ValueError) as problem:
        print(f"autoscale: {problem}", file=sys.stderr)
        return 64
    capacity = scaling.Capacity(given.ticks_per_second or figures["ticks_per_second"])
    compose = Compose(given.service, given.gateway, given.port)
    scaler = Autoscaler(Rules(**{field.name: getattr(given, field.name)
                                 for field in dataclasses.fields(Rules)}))
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    while not ended.is_set():
        begin = time.monotonic()
        triggers = triggers_of(given, figures, capacity.each() if given.measure else capacity.figure())
        try:
            found = look(compose, scaler, triggers, capacity)
            print(json.dumps(found) if given.json else in_words(found, triggers), flush=True)
        except (OSError, subprocess.TimeoutExpired) as problem:
            print(f"autoscale: {problem}; it is tried again", file=sys.stderr, flush=True)
        ended.wait(max(0, begin + given.interval - time.monotonic()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
