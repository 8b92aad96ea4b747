#!/usr/bin/env python3
"""Runs gateway, worker and writer of two releases side by side, in all eight mixes, under load.

    deploy/local/upgrade-mixes.py [--programs FOLDER] [--seconds N] [--keep]

The releases are those of upgrade-test.py. The servers are those of the older one, with its rights. One process at a
time is ended and started as the other release; in each such step a process is killed, and all ticks of the tape have to become rows and bars before
the next one. The way is the order of docs/upgrade.md and back. Mixes with the older writer come before the
migration, because it need not take a later schema; the other four come after it. audit judges each part, prove the
last one. The stack is in .local/upgrade-mixes. Exit code 0: every step held. 1: one did not, or the programs of a
release are not there.
"""

import argparse
import importlib.machinery
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import time
import urllib.request

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]


def load(name):
    path = CHECKOUT / "deploy/local/upgrade-test.py"
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


sys.dont_write_bytecode = True
test = load("upgrade_test")
test.HOME = CHECKOUT / ".local/upgrade-mixes"
test.STACK = test.HOME / ".local/stack/default"
Failure, report, eventually, expect = test.Failure, test.report, test.eventually, test.expect

# Role: the program, its port in ports.json, and its user of NATS.
ROLES = {
    "gateway": ("provider-gateway", "gateway", "gateway"),
    "worker": ("operator-worker", "operatorA", "operator"),
    "writer": ("store-writer", "writer", "writer"),
}
OLD, NEW = 0, 1
SERIES = "1s,15s"
# All is handed over; what is not, the next start makes again (a busy machine); a signal.
ORDERLY = (0, 75, 143)
# The mixes of gateway and worker with one kind of writer: from both of before to both of now and back, so that each
# is ended and begun beside each release of the other.
GATEWAY_AND_WORKER = [(OLD, OLD), (OLD, NEW), (NEW, NEW), (NEW, OLD), (OLD, OLD)]


def steps():
    """Returns the mixes (gateway, worker, writer) in order; each differs from the one before in one place."""
    before = [(*pair, OLD) for pair in GATEWAY_AND_WORKER]
    # Readers first: the writer, then the worker, then the gateway; and the opposite way back.
    after = [(*pair, NEW) for pair in GATEWAY_AND_WORKER]
    there_and_back = [(OLD, NEW, NEW), (NEW, NEW, NEW), (OLD, NEW, NEW), (OLD, OLD, NEW), (OLD, OLD, OLD)]
    return [*before, *after, *there_and_back]


class Mix:
    """The processes of the moment, each of one release."""

    def __init__(self, releases):
        self.releases, self.running, self.kind = releases, {}, {}
        self.generation = 1
        self.seen = set()
        self.kills = 0

    def environment(self, role):
        program, port, user = ROLES[role]
        known, secrets = test.ports(), test.STACK / "secrets"
        values = {
            "PATH": os.environ["PATH"], "NATS_URL": f"nats://127.0.0.1:{known['nats']}", "NATS_USER": user,
            "NATS_PASSWORD_FILE": secrets / f"nats-{user}", "OPS_ADDRESS": "127.0.0.1", "OPS_PORT": known[port],
            "LOG_FORMAT": "json", "MDS_MEMBER": program, "MDS_LEASE": "2s"}
        if role == "gateway":
            values |= {"GATEWAY_PROVIDER": "synthetic", "SYNTHETIC_MISSED": "lost",
                       "SYNTHETIC_SYMBOLS": ",".join(test.SYMBOLS), "SYNTHETIC_RATE": "300",
                       "GATEWAY_SPOOL": test.STACK / "spool", "GATEWAY_DEAD_LETTERS": test.STACK / "dead-letters/mixes",
                       "NATS_MONITOR_URL": f"http://127.0.0.1:{known['natsMonitor']}"}
        elif role == "worker":
            values |= {"OPERATOR_SERIES": SERIES, "OPERATOR_GENERATION": self.generation}
        else:
            values |= {"POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": known["postgres"], "POSTGRES_DB": "tapeline",
                       "POSTGRES_USER": "tapeline_writer", "POSTGRES_PASSWORD_FILE": secrets / "postgres-writer",
                       "POSTGRES_MIGRATOR_USER": test.MIGRATOR, "POSTGRES_READER": "tapeline_reader",
                       "POSTGRES_MIGRATOR_PASSWORD_FILE": secrets / "postgres-migrator",
                       "VALKEY_PORT": known["valkey"], "VALKEY_PASSWORD_FILE": secrets / "valkey",
                       "VALKEY_USER": "writer"}
        return {key: str(value) for key, value in values.items()}

    def tool(self, kind, *arguments, check=True, **settings):
        """Runs the tool of a release. The stack is not this release's own, which finds the servers by settings."""
        release = self.releases[kind]
        if kind == OLD:
            return release.tool(*arguments, "--home", str(test.HOME), check=check, **settings)
        named = {key: value for key, value in self.environment("writer").items()
                 if key.startswith(("NATS_", "POSTGRES_"))}
        named |= {"NATS_USER": "tool", "NATS_PASSWORD_FILE": str(test.STACK / "secrets/nats-tool")}
        return release.tool(*arguments, check=check, **named, **settings)

    def start(self, role, kind):
        release = self.releases[kind]
        log = open(test.HOME / f"{role}.log", "ab")
        self.running[role] = subprocess.Popen(
            [release.programs / ROLES[role][0]], cwd=test.HOME, stdout=log, stderr=log, env=self.environment(role))
        self.kind[role] = kind

    def end(self, role, by="terminate"):
        process = self.running.pop(role)
        getattr(process, by)()
        code = process.wait(timeout=60)
        expect(by == "kill" or code in ORDERLY, f"the {role} ended with {code}")

    def end_all(self):
        for role in list(self.running):
            self.running.pop(role).kill()

    def is_ready(self, role):
        address = f"http://127.0.0.1:{test.ports()[ROLES[role][1]]}/readyz"
        with urllib.request.urlopen(address, timeout=5) as answer:
            return answer.status == 200

    def settled(self):
        """Waits until all processes work. A worker that must not continue the other's bars gets a generation."""
        # A worker that begins a generation is started again, which changes the order.
        for role in list(self.running):
            if role == "worker":
                self.settle_worker()
            eventually(f"the {role} is ready", lambda role=role: self.is_ready(role))

    def settle_worker(self):
        refusals = []

        def works():
            parts = test.status("operatorA")["operator"]["partitions"]
            problems = [each["problem"] for each in parts if each["problem"]]
            refusals[:] = [problem for problem in problems if "OPERATOR_GENERATION" in problem]
            return bool(refusals) or len(parts) == 8 and not problems or f"{len(parts)} of 8; {problems[:1]}"

        eventually("the worker works in all partitions", works)
        if not refusals:
            return
        expect(self.generation < 100, f"the worker works with no generation: {refusals[0]}")
        self.generation += 1
        report.line(f"the worker does not continue these bars ({refusals[0][:100]}): generation {self.generation}")
        self.end("worker")
        self.start("worker", self.kind["worker"])
        self.settle_worker()


def written():
    return test.number("SELECT coalesce(sum(written), 0) FROM sink_source_ordinals WHERE input = 'ticks'")


def caught_up(mix, since):
    """All ticks of this moment become rows, and bars of the time since then come."""
    goal = sum(test.heads(mix.releases[OLD]).values())
    eventually("all ticks of the tape are rows", lambda: written() >= goal or f"{written()} of {goal}")
    eventually("bars come", lambda: test.number(
        f"SELECT count(*) FROM bars WHERE series = '1s' AND ts > to_timestamp({since})") > 0)
    return goal


def migrate(mix, kind):
    """What a person runs before the writer of that release starts."""
    release = mix.releases[kind]
    environment = {**mix.environment("writer"), "WRITER_MIGRATIONS": str(release.root / "deploy/postgres")}
    done = subprocess.run([release.programs / "store-writer", "migrate"], env=environment, cwd=test.HOME, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600, check=False)
    if kind == OLD and done.returncode != 0 and "this program knows versions up to" in done.stdout:
        report.line("the database is ahead of the older release: the statements of the way back")
        test.query(test.back_statements())
        return migrate(mix, kind)
    expect(done.returncode == 0, f"store-writer migrate of {release.name}:\n{done.stdout}")
    report.line(f"$ store-writer migrate ({release.name})")


def change(mix, role, kind, seconds):
    """One process becomes one of the other release. A process is killed in it, each time another one."""
    since = int(time.time())
    report.line(f"the {role} becomes one of {mix.releases[kind].name}")
    mix.end(role)
    if role == "writer":
        migrate(mix, kind)
    mix.start(role, kind)
    mix.settled()
    victim = list(ROLES)[mix.kills % len(ROLES)]
    mix.kills += 1
    mix.end(victim, by="kill")
    mix.start(victim, mix.kind[victim])
    mix.settled()
    time.sleep(seconds)
    goal = caught_up(mix, since)
    report.line(f"the {victim} was killed; {goal} ticks on the tape are rows")


def audited(mix):
    """All rows, by the tool of the writer's release, while the gateway stands."""
    kind = mix.kind["writer"]
    mix.end("gateway")

    def is_clean():
        found = mix.tool(kind, "audit", "--all", check=False)
        return found.returncode == 0 or found.stdout[-1500:]

    eventually(f"the audit of {mix.releases[kind].name} is clean", is_clean, 90, 3)
    report.line(f"$ tapeline audit of {mix.releases[kind].name}: clean")
    mix.start("gateway", mix.kind["gateway"])
    mix.settled()


def proven(mix, begin):
    """Bars are what their ticks make. prove names those of a window in which the generation changed, and the repair
    that docs/upgrade.md names makes them."""
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 20))
    settings = {"OPERATOR_SERIES": SERIES}
    words = ["prove", *test.SYMBOLS, "--from", begin, "--to", end, "--series", SERIES]
    found = mix.tool(NEW, *words, check=False, **settings)
    report.line(f"$ tapeline prove ends with {found.returncode}")
    expect(found.returncode in (0, 1), found.stdout[-1500:])
    if found.returncode == 0:
        return
    expect(mix.generation > 1, f"bars differ, and no generation was changed:\n{found.stdout[-1500:]}")
    for symbol in test.SYMBOLS:
        mix.tool(NEW, "repair", symbol, "--from", begin, "--to", end, "--wait", "--yes", **settings)
    eventually("the repaired bars are proven",
               lambda: mix.tool(NEW, *words, check=False, **settings).returncode == 0, 90, 3)


def trial(mix, seconds):
    begin = None
    way = steps()
    mix.seen.add(way[0])
    migrate(mix, OLD)
    for role, kind in zip(ROLES, way[0]):
        mix.start(role, kind)
    mix.settled()
    caught_up(mix, int(time.time()))
    # The first command of the order.
    mix.tool(NEW, "setup")
    for number, (before, after) in enumerate(zip(way, way[1:])):
        changed = [index for index in range(3) if before[index] != after[index]]
        expect(len(changed) == 1, f"{before} to {after} is no step")
        role = list(ROLES)[changed[0]]
        words = ", ".join(f"{name} {('of before', 'of now')[kind]}" for name, kind in zip(ROLES, after))
        report.step(f"{number + 1} of {len(way) - 1}: {words}")
        # The rows of one schema are judged before the next one comes.
        if role == "writer":
            audited(mix)
            if after[2] == OLD:
                proven(mix, begin)
            begin = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        change(mix, role, after[changed[0]], seconds)
        mix.seen.add(after)
    audited(mix)
    expect(len(mix.seen) == 8, f"only {len(mix.seen)} of eight mixes were run")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", default=str(CHECKOUT / ".build/release"))
    parser.add_argument("--seconds", type=float, default=5, help="load in each mix, besides its changes")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    releases = test.both_releases(options.programs)
    if not releases:
        return 1
    shutil.rmtree(test.HOME, ignore_errors=True)
    (test.HOME / ".local").mkdir(parents=True)
    (test.HOME / ".local/servers").symlink_to(CHECKOUT / ".local/servers")
    mix = Mix(releases)
    releases[OLD].take_over()
    try:
        report.step("The servers of the older release")
        releases[OLD].command("up", "--servers-only")
        trial(mix, options.seconds)
    except (Failure, subprocess.TimeoutExpired) as failure:
        print(f"✘ {failure}\n  logs and stack: {test.HOME}", file=sys.stderr)
        return 1
    finally:
        mix.end_all()
        releases[OLD].tool("down", "--home", str(test.HOME), check=False)
    if not options.keep:
        test.clean()
    print("\nall eight mixes hold")
    return 0


if __name__ == "__main__":
    sys.exit(main())
