#!/usr/bin/env python3
"""The body of `make night`: all that is too slow or too rare for each landing, in parts.

    night.py [--hours H] [PART...]    run the parts whose verdict is missing or older than what they depend on
    night.py --age                    one line for `make test`: which verdicts hold, and which do not any more
    night.py --list                   what each part proves, its command and its bound

A part has a bound of its own, and the whole night has one (`NIGHT_HOURS`). What did not fit, or was interrupted, runs
in the next call: a part whose files did not change since it was green is not run again. Each result goes into
.ci/night.json, which is in the tree, and the page docs/night.md is made of it. Logs are in .build/night.
"""

import argparse
import dataclasses
import datetime
import fnmatch
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import targets

ROOT = targets.ROOT
RECORD = ROOT / ".ci/night.json"
PAGE = ROOT / "docs/night.md"
LOGS = ROOT / ".build/night"
HOURS = 6.0
WEEKS_KEPT = 26
LINES_SHOWN = 12
# What a night makes does not change what it has proven.
MADE = (".ci/night.json", "docs/night.md")
SCRIPTS = [".ci/*.sh", ".ci/run-tests.py", ".ci/idle.py", ".ci/test_files.py", ".ci/packet-instructions.py"]
SOURCES = ["Sources/*", "Equipment/*", "services/*", "Package.swift", *SCRIPTS]
STACK = [*SOURCES, "Tests/*", "deploy/*", ".ci/soak*"]
ALL = [*SOURCES, "Tests/*", "deploy/*", "docs/*", "Samples/*", "Benchmarks/*", "docker-compose.yml", "README.md"]


@dataclasses.dataclass(frozen=True)
class Part:
    """What is run and judged as one."""

    name: str
    proves: str
    command: str
    minutes: int
    # Patterns of the files that the result depends on.
    files: tuple = tuple(ALL)
    # A program without which the part cannot run here.
    needs: str = ""


def soak(name, proves, minutes, seeds="", variables=""):
    return Part(f"soak-{name}", proves, f"{variables} .ci/soak.sh {name} {seeds}".strip(), minutes, tuple(STACK))


PARTS = [
    Part("worlds", "every simulation with all fixed seeds and thousands of fresh ones",
         ".ci/tests.sh pure", 150, tuple(SOURCES + ["Tests/*"])),
    Part("servers", "tests with servers in every kind of database, with more seeds and longer faults",
         ".ci/tests.sh servers stacks", 75),
    Part("rare", "foreign engines, browsers, exports, backups, power cuts, clocks of hosts",
         ".ci/tests.sh night", 45),
    Part("coverage", "85 % of the lines of every target", "make coverage", 90),
    Part("instructions", "the pure parts spend no more instructions on a packet than their bounds",
         ".ci/packet-instructions.sh", 10, tuple(SOURCES + ["Benchmarks/PacketInstructions/*"])),
    Part("plans", "no question of people reads a whole table of 100 million rows",
         "deploy/local/servers.sh && .ci/plans.py", 90, ("deploy/postgres/*", "docs/data.md", ".ci/plans.py")),
    Part("faults", "a planted fault is found", "Tests/mutations/plant.py", 120, tuple(SOURCES + ["Tests/*"])),
    Part("fuzz", "10 million mutated packets", ".ci/fuzz.sh", 30,
         ("Sources/Tape/*", "Sources/Model/*", "Tests/TapeCodecTests/*", "Package.swift", *SCRIPTS)),
    Part("threads", "pure and transport tests under the thread sanitizer", ".ci/sanitize.sh thread", 90),
    Part("addresses", "the same under the address sanitizer", ".ci/sanitize.sh address", 90),
    Part("sample", "a package of a user builds, and its programs work", "make sample", 30),
    soak("kills", "storms of kills of services and servers", 60, "20"),
    soak("churn", "members that come and go", 60, "20"),
    soak("network", "links cut, answers lost, late and untrue", 60, "20"),
    soak("tape", "publishers and readers alone, with faults of the network", 30, "200"),
    soak("broker", "a gateway on a broker with a fault every 10 s", 20, "60"),
    Part("soak-versions", "what was known at a time, under faults and with moved clocks",
         ".ci/soak.sh versions && .ci/soak.sh clocks", 35, tuple(STACK)),
    soak("live", "live readings under kills", 15),
    soak("binance", "an exchange with dense ids, under faults", 20),
    soak("alpaca", "a service without ids, under faults", 20),
    soak("massive", "a service whose numbers have holes, under faults", 20),
    soak("polled", "services that are polled, under faults", 20),
    soak("load", "a past that is loaded beside live ticks, under faults", 30, "", "SOAK_HOURS=2"),
    soak("cluster", "three servers of NATS under kills", 40, "", "SOAK_SECONDS=600"),
    soak("failover", "a database that fails over", 30),
    soak("restore", "disks of NATS and PostgreSQL destroyed", 30),
    soak("pages", "what the cockpit costs while many look", 20),
    soak("questions", "what people ask the cockpit during faults", 20),
    Part("alerts", "forty faults page somebody, in time and by their names", ".ci/soak.sh alerts", 180, tuple(STACK)),
    soak("stores", "a store that is away, a full tape, a blocked table, and latest values, under faults", 100),
    Part("upgrade", "an upgrade and the way back, and all mixes of two releases", "make upgrade-test", 60),
    Part("packages", "Debian packages in a bare Debian",
         "make packages && deploy/debian/install-test.py", 60, needs="docker"),
    Part("wheels", "the packages of Python in bare Debians, as a person and as root",
         "make wheels && " + " && ".join(f"deploy/local/{name}-test.py" for name in ("wheels", "readme", "desk", "service")),
         60, needs="debootstrap"),
    Part("cluster", "the compose cluster scales, is killed and audited",
         "make cluster-test && make autoscale-test", 60, needs="docker"),
    Part("bench", "the record of what all of it does on this machine", "make bench QUICK=1", 30),
    Part("bench-long", "20 kills and more of each process; ten minutes beside two busy loops",
         "make build servers && Benchmarks/record/record.py --full --only kills,busy,WorkersBenchmark", 100),
]


def key_of(part, package):
    """The hash of all that a part's result depends on."""
    digest = hashlib.sha256((part.command + targets.compiler()).encode())
    for name in package.files:
        if name not in MADE and any(fnmatch.fnmatch(name, pattern) for pattern in part.files):
            digest.update(name.encode() + b"\0" + targets.hash_of_file(name))
    return digest.hexdigest()[:16]


def read_record():
    return json.loads(RECORD.read_text()) if RECORD.exists() else {"parts": {}, "worlds": {}}


def write_record(record):
    beside = RECORD.with_suffix(".new")
    beside.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    beside.rename(RECORD)
    PAGE.write_text(page_of(record))


def page_of(record):
    rows = []
    for part in PARTS:
        row = record["parts"].get(part.name)
        shown = (f"{row['result']} | {row['minutes']} | {row.get('worlds') or ''} | {row['date'][:16]} | "
                 f"{row['revision']} | {row.get('note', '')}" if row else "not run yet |  |  |  |  |")
        rows.append(f"| {part.name} | {part.proves} | {shown} |")
    weeks = ", ".join(f"{week}: {count:,}" for week, count in sorted(record["worlds"].items()))
    return "\n".join([
        "# The last night", "",
        "`make night` proves what is too slow or too rare for each landing ([TESTING.md](TESTING.md)). It writes this",
        "page: the newest result of each part.", "",
        "<!-- The lines up to the end mark are made by `make night`. -->", "",
        "| part | proves | result | minutes | worlds | began (UTC) | revision | |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |", *rows, "",
        f"Worlds of fresh seeds by week: {weeks or 'none yet'}.", "", "<!-- The end of what `make night` makes. -->", ""])


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def revision():
    changes = git("status", "--porcelain", "--", ".", *(f":!{name}" for name in MADE))
    return git("rev-parse", "--short=8", "HEAD") + ("-dirty" if changes else "")


def show_age(package):
    record = read_record()
    held, changed, red, never = [], [], [], []
    for part in PARTS:
        row = record["parts"].get(part.name)
        if row is None:
            never.append(part.name)
        elif row["result"] != "green":
            red.append(part.name)
        elif row["key"] == key_of(part, package):
            held.append(part.name)
        else:
            changed.append(part.name)
    dates = [row["date"] for row in record["parts"].values()]
    if not dates:
        print("Night: none on record (make night)")
        return
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(max(dates))
    print(f"Night: the last part began {age.days} d {age.seconds // 3600} h ago; of {len(PARTS)} parts {len(held)} hold")
    for title, names in (("changed since", changed), ("red", red), ("never run", never)):
        if names:
            print(f"  {title}: {' '.join(names)}")


class Run:
    def __init__(self, package, hours, chosen):
        self.package, self.record = package, read_record()
        self.deadline = time.monotonic() + hours * 3600
        self.chosen, self.process, self.stopped = chosen, None, False

    def interrupt(self, *_):
        self.stopped = True
        if self.process:
            os.killpg(self.process.pid, signal.SIGINT)

    def all(self):
        left = []
        for part in PARTS:
            row = self.record["parts"].get(part.name)
            key = key_of(part, self.package)
            if self.chosen and part.name not in self.chosen:
                continue
            if not self.chosen and row and row["result"] == "green" and row["key"] == key:
                print(f"✔ {part.name}: green at {row['revision']}, nothing that it depends on has changed")
            elif part.needs and subprocess.run(["sh", "-c", f"command -v {part.needs}"],
                                               capture_output=True).returncode != 0:
                print(f"– {part.name}: {part.needs} is missing here")
                left.append(part.name)
            elif self.stopped or time.monotonic() + 60 > self.deadline:
                left.append(part.name)
            elif not self.run(part, key):
                left.append(part.name)
        if left:
            print(f"Not run: {' '.join(left)}. The next make night runs them.")
        return left

    def run(self, part, key):
        """Runs a part within its bound and what is left of the night, and puts the result on record. Returns
        false if the night ended before it."""
        LOGS.mkdir(parents=True, exist_ok=True)
        log, worlds = LOGS / f"{part.name}.log", LOGS / f"{part.name}.worlds"
        worlds.write_bytes(b"")
        bound = min(part.minutes * 60, self.deadline - time.monotonic())
        is_short = bound < part.minutes * 60
        began, date, commit = time.monotonic(), datetime.datetime.now(datetime.UTC), revision()
        print(f"{part.name} … at most {bound / 60:.0f} min: {part.command}", flush=True)
        with open(log, "wb") as file:
            self.process = subprocess.Popen(
                ["bash", "-c", part.command], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                env={**os.environ, "TAPELINE_TIER": "night", "TAPELINE_WORLDS": str(worlds)}, start_new_session=True)
            if self.stopped:
                self.interrupt()
            note = ""
            try:
                status = self.process.wait(bound)
            except subprocess.TimeoutExpired:
                note = f"cut after {bound / 60:.0f} min"
                status = self.end()
        self.process = None
        lines = log.read_text(errors="replace").splitlines()
        if self.stopped or (note and is_short):
            print(f"  {note or 'interrupted'}; its log: {log.relative_to(ROOT)}")
            return False
        result = "green" if status == 0 and not note else "red"
        # A line for each simulation: its place, its worlds, how many of them are fresh, the first fresh seed.
        told = [line.split() for line in worlds.read_text().splitlines() if line]
        count, fresh = (sum(int(words[place]) for words in told) for place in (1, 2))
        row = {"result": result, "key": key, "revision": commit, "date": date.isoformat(timespec="seconds"),
               "minutes": round((time.monotonic() - began) / 60, 1), "worlds": count, "fresh": fresh}
        if result == "red":
            failing = [line.strip() for line in lines if "✘" in line] or lines[-1:]
            why = "; ".join(filter(None, [note, *failing[-2:]]))[:300]
            row["note"] = why.replace("|", "/").replace(f"{ROOT}/", "")
            print("\n".join(f"  {line}" for line in lines[-LINES_SHOWN:]))
        self.record["parts"][part.name] = row
        year, week, _ = date.isocalendar()
        weeks = self.record["worlds"]
        weeks[f"{year}-W{week:02}"] = weeks.get(f"{year}-W{week:02}", 0) + fresh
        for old in sorted(weeks)[:-WEEKS_KEPT]:
            del weeks[old]
        write_record(self.record)
        print(f"{'✔' if result == 'green' else '✘'} {part.name}: {row['minutes']} min"
              + (f", {count:,} worlds" if count else "") + (f", {row['note']}" if "note" in row else ""), flush=True)
        return True

    def end(self):
        """Ends a part that takes too long: politely first, so that it stops its servers."""
        for number, seconds in ((signal.SIGINT, 30), (signal.SIGTERM, 15), (signal.SIGKILL, 15)):
            os.killpg(self.process.pid, number)
            try:
                return self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
        return -signal.SIGKILL


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--hours", type=float, default=float(os.environ.get("NIGHT_HOURS") or HOURS))
    parser.add_argument("--age", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    unknown = set(options.parts) - {part.name for part in PARTS}
    if unknown:
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(p.name for p in PARTS)}")
    if options.list:
        for part in PARTS:
            print(f"{part.name:16} at most {part.minutes:3} min  {part.proves}\n{'':16} {part.command}")
        return
    package = targets.Package()
    if options.age:
        show_age(package)
        return
    run = Run(package, options.hours, options.parts)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, run.interrupt)
    left = run.all()
    red = [name for name, row in run.record["parts"].items() if row["result"] != "green"]
    print(f"The page: {PAGE.relative_to(ROOT)}" + (f"; red: {' '.join(red)}" if red else ""))
    sys.exit(130 if run.stopped else 1 if red else 3 if left else 0)


main()
