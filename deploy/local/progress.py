#!/usr/bin/env python3
"""Shows how far a release build is, and how long it will take, until the process of the build ends.

    progress.py --process PID --title TITLE --log LOG --package FILE

LOG is what `swift build` prints, FILE what `swift package describe --type json` printed before. On a
terminal there is one line, which changes; otherwise one is added every 30 s.

Every module is compiled by one call of the compiler, which takes about as long as it has lines. The rest of
a build is its lines played through on the processors of this machine, a module after those that it imports,
at the pace of the modules that are finished.
"""

import argparse
import heapq
import json
import os
import pathlib
import re
import sys
import time
import typing

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILT = ROOT / ".build/release"
# Of two processors of 2025 (AMD EPYC, Zen 5). Another machine's pace shows with its first modules.
SECONDS_PER_LINE = 0.0036
# A program is not optimised (Package.swift): its lines take this share of that.
PROGRAM_SHARE = 0.25
SECONDS_PER_MODULE = 1.0
SECONDS_PER_LINK = 4.0
# How many seconds the pace above counts against what is measured.
TRUST_SECONDS = 10.0
# `swift build` says that a part is done, when it is.
DONE = re.compile(r"^\[\d+/\d+\] (Compiling|Linking) (\S+)")
LINES_EVERY = 30.0


class Part(typing.NamedTuple):
    """One call of the compiler or the linker, after those of what it imports."""

    seconds: float
    after: frozenset
    # False for a module that is only built because one that it imports changed.
    is_changed: bool = True


def lines(path):
    """Counts the lines of a Swift file without comments and blanks."""
    text = path.read_text(errors="replace").splitlines()
    return sum(1 for line in text if line.strip() and not line.lstrip().startswith("//"))


def is_changed(target, built, sources):
    """Says whether a source is newer than what every call of the compiler writes."""
    name = target["c99name"]
    made = built / f"{name}.build" / f"{name}.d"
    if target["module_type"] == "ClangTarget":
        made = built / f"{name}.build" / f"{target['sources'][0]}.o"
    if not made.exists():
        return True
    return any(source.stat().st_mtime > made.stat().st_mtime for source in sources)


def parts(package, root, built):
    """Returns the parts of a package that are to be built, by name: modules that changed, those that import
    one, and the programs of these."""
    targets = {each["c99name"]: each for each in package["targets"] if each.get("sources")}
    modules = {each["name"]: name for name, each in targets.items()}
    needs = {name: frozenset(modules[other] for other in each.get("target_dependencies", []) if other in modules)
             for name, each in targets.items()}
    found = {}

    def add(name):
        if name in found:
            return found[name] is not None
        found[name] = None
        sources = [root / targets[name]["path"] / source for source in targets[name]["sources"]]
        after = frozenset([each for each in needs[name] if add(each)])
        changed = is_changed(targets[name], built, sources)
        if after or changed:
            code = [source for source in sources if source.suffix == ".swift"]
            pace = SECONDS_PER_LINE * (PROGRAM_SHARE if targets[name].get("type") == "executable" else 1)
            seconds = SECONDS_PER_MODULE + pace * sum(map(lines, code))
            found[name] = Part(seconds, after, changed)
        return found[name] is not None

    for name in targets:
        add(name)
    stale = {name: part for name, part in found.items() if part}
    for product in package["products"]:
        linked = frozenset(name for name, each in targets.items()
                           if product["name"] in each.get("product_memberships", [])) & stale.keys()
        if linked and "executable" in product["type"]:
            stale[f"Linking {product['name']}"] = Part(SECONDS_PER_LINK, linked)
    return stale


def play(parts, begun, processors):
    """Returns the seconds that `parts` take. `begun` has the seconds that some of them ran already."""
    waits = {name: len(part.after & parts.keys()) for name, part in parts.items()}
    ready = [name for name in parts if not waits[name]]
    ready.sort(key=lambda name: -begun.get(name, 0))
    running, now = [], 0.0
    while ready or running:
        while ready and len(running) < processors:
            name = ready.pop(0)
            heapq.heappush(running, (now + max(0.0, parts[name].seconds - begun.get(name, 0)), name))
        now, finished = heapq.heappop(running)
        for name, part in parts.items():
            if finished in part.after:
                waits[name] -= 1
                if not waits[name]:
                    ready.append(name)
    return now


class Forecast:
    """What is left of a build, by the parts that are finished. Times are seconds since its begin."""

    def __init__(self, parts, processors):
        self.parts = dict(parts)
        self.left = dict(parts)
        self.processors = processors
        # When those that run were begun, as far as that can be told.
        self.began = {}
        # Seconds that finished parts took, and those that they have in `parts`.
        self.spent = self.done = 0.0
        self._begin(0.0)

    def finish(self, name, now, has_new_interface=True):
        """Takes note of a finished part. If what others see of it is as before, they may stay as they are."""
        part = self.left.pop(name, None)
        if part is None:
            return
        if name not in self.began and self.began:
            # It ran in the place of another one.
            self.began[name] = self.began.pop(max(self.began, key=self.began.get))
        self.spent += now - self.began.pop(name, now)
        self.done += part.seconds
        if not has_new_interface:
            self._release(name)
        self._begin(now)

    def _release(self, name):
        for other, part in list(self.left.items()):
            if name in part.after:
                self.parts[other] = self.left[other] = part._replace(after=part.after - {name})
                if part.after == {name} and not part.is_changed:
                    del self.left[other], self.parts[other]
                    self._release(other)

    def _begin(self, now):
        for name, part in self.left.items():
            if len(self.began) >= self.processors:
                return
            if name not in self.began and not part.after & self.left.keys():
                self.began[name] = now

    def remaining(self, now):
        """Returns the seconds until the end."""
        pace, running = 1.0, {}
        # How much of what runs is done follows from the pace, and the pace from that: a few rounds settle it.
        for _ in range(8):
            running = {name: min((now - since) / pace, self.left[name].seconds)
                       for name, since in self.began.items()}
            spent = self.spent + sum(now - since for since in self.began.values())
            pace = (spent + TRUST_SECONDS) / (self.done + sum(running.values()) + TRUST_SECONDS)
        return pace * play(self.left, running, self.processors)

    def text(self, now):
        """Returns what a person reads."""
        if not self.parts:
            return ""
        rest = self.remaining(now)
        share = 100 * now / (now + rest) if now + rest else 100
        modules = [name for name in self.parts if not name.startswith("Linking ")]
        finished = sum(name not in self.left for name in modules)
        return f"{share:.0f} %, {finished} of {len(modules)} modules, {spoken(rest)} left"


def spoken(seconds):
    """Returns a duration in words, as exactly as it is known."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 60:
        return f"about {5 * round(seconds / 5)} s"
    minutes, rest = divmod(10 * round(seconds / 10), 60)
    return f"about {minutes} min" + (f" {rest} s" if rest else "")


def finished_part(line):
    """Returns the name of the part that a line of the build's output reports, or None."""
    found = DONE.match(line)
    return found and (found[2] if found[1] == "Compiling" else f"Linking {found[2]}")


def is_running(process):
    """Says whether a process runs; one that has ended and is not waited for yet does not."""
    try:
        state = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def read_package(path):
    """Returns the parts to build, or None while the description of the package is not written."""
    try:
        package = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return parts(package, ROOT, BUILT)


def has_new_interface(name, since):
    """Says whether the compiler has written what other modules see of this one. It leaves that as it is when it
    is the same."""
    try:
        return (BUILT / f"Modules/{name}.swiftmodule").stat().st_mtime >= since
    except OSError:
        return True


def watch(process, title, log, package):
    """Shows the progress until the process ends."""
    since = time.time() - 1
    start, said, seen, forecast = time.monotonic(), 0.0, 0, None
    is_terminal = sys.stdout.isatty()
    while is_running(process):
        now = time.monotonic() - start
        if forecast is None and (found := read_package(package)) is not None:
            forecast, begin = Forecast(found, len(os.sched_getaffinity(0))), now
        text = f"{now:.0f} s"
        if forecast:
            *whole, _ = log.read_text(errors="replace").split("\n")
            for line in whole[seen:]:
                if name := finished_part(line):
                    forecast.finish(name, now - begin, has_new_interface(name, since))
            seen = len(whole)
            text += f"  {forecast.text(now - begin)}"
        if is_terminal:
            print(f"\r\033[K{title} … {text}"[:100], end="", flush=True)
        elif now >= said + (LINES_EVERY if said else LINES_EVERY / 2):
            print(f"    … {text}", flush=True)
            said = now
        time.sleep(0.2)
    if is_terminal:
        print("\r\033[K", end="", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--process", type=int, required=True)
    parser.add_argument("--title", required=True)
    parser.add_argument("--log", type=pathlib.Path, required=True)
    parser.add_argument("--package", type=pathlib.Path, required=True)
    given = parser.parse_args()
    try:
        watch(given.process, given.title, given.log, given.package)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
