#!/usr/bin/env python3
"""Plants one fault after another in a copy of the pure modules and runs the simulations on each.

    Tests/mutations/plant.py [--scratch FOLDER] [NAME...]

Every fault must be found: a test fails. The checkout itself is not touched. Ends with 0 when all
are found, with 1 when one was not, with 2 when a fault no longer fits its source.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODULES = ["CXXHash", "Primitives", "MarketModel", "TapeCodec", "StreamCore", "OperatorGraph"]
MODULES.append("SimulationKit")
STREAM = "Sources/StreamCore/"
GRAPH = "Sources/OperatorGraph/"

# Name, file, what stands there (once), what is put there.
FAULTS = [
    ("boundary tick in both windows", STREAM + "WindowState.swift",
     "time >= start && time < end", "time >= start && time <= end"),
    ("late tick not listed", STREAM + "BarMachine+Placing.swift",
     "list(tick, bounds, series: series, reason: .windowClosed)", "_ = bounds"),
    ("lateness ends a moment late", STREAM + "BarMachine+Placing.swift",
     "guard bounds.end + lateness > closedThrough", "guard bounds.end + lateness >= closedThrough"),
    ("sources in the wrong order in one nanosecond", STREAM + "SourceTable.swift",
     "entries[left].name < entries[right].name", "entries[left].name > entries[right].name"),
    ("last tick of a nanosecond is the first", STREAM + "WindowState.swift",
     "guard input.ordinal > closeOrdinal", "guard input.ordinal < closeOrdinal"),
    ("kept window not replaced by a repair", STREAM + "BarMachine+Repair.swift",
     "windows.replace(slot, by: window)", "_ = slot"),
    ("cancelled trade counts in a repair", GRAPH + "Repair/GraphRepair.swift",
     "way.passed & leaf.input != 0, change != .cancelled", "way.passed & leaf.input != 0"),
    ("duplicates forgotten too early", STREAM + "Ticks/Deduplicator.swift",
     ">= rule.timeToLive", ">= rule.timeToLive / 2"),
    ("throttle by another clock than the tape's", STREAM + "Ticks/Throttle.swift",
     "clock.advance(to: header.receiveTime)", "clock.advance(to: header.eventTime)"),
    ("watermark of another source", STREAM + "BarMachine+Placing.swift",
     "sources.entries[table.feeds[symbol].source].watermark", "sources.entries[0].watermark"),
    ("revision of a late tick not published", STREAM + "BarMachine+Closing.swift",
     "windows.slots[slot].phase.insert(.published)\n            account.series[series].revisions",
     "if window.trades > 1 { continue }\n            account.series[series].revisions"),
    ("session ends an hour late", STREAM + "WindowShape.swift",
     "return Bounds(start: start, end: min(start + width, session.close))",
     "return Bounds(start: start, end: min(start + width, session.close + 3_600_000_000_000))"),
    ("number bar one tick too long", STREAM + "Number/NumberWindow.swift",
     "return sums.trades >= UInt64(count)", "return sums.trades > UInt64(count)"),
    ("half of a VWAP rounded down", STREAM + "WindowState+Bar.swift",
     "let isRoundedUp = rest >= volume.magnitude - rest",
     "let isRoundedUp = rest > volume.magnitude - rest"),
    ("bucket of a throttle not restored", STREAM + "Ticks/Throttle.swift",
     "buckets.append(bucket)", "buckets.append(Bucket(level: full, time: bucket.time))"),
    ("kept back by a stage and not counted", GRAPH + "Machine/GraphMachine+Ticks.swift",
     "leaves.exclude(leaf.leaf, trade.header, source: source)", "continue"),
]


def package(folder):
    """The pure modules, the kit and its tests, with the checkout's own settings."""
    with open(f"{CHECKOUT}/Package.swift") as file:
        text = file.read()
    head = text[:text.index("/// A module map for one C library")]
    targets = ['.target(name: "CXXHash", publicHeadersPath: "."),']
    for number, name in enumerate(MODULES[1:], 1):
        uses = ", ".join(f'"{other}"' for other in MODULES[:number])
        beside = ', beside: ["tape.sbe.xml"]' if name == "TapeCodec" else ""
        targets.append(f'library("{name}", uses: [{uses}]{beside}),')
    uses = ", ".join(f'"{name}"' for name in MODULES[1:])
    targets.append(
        f'.testTarget(name: "SimulationTests", dependencies: [{uses}], swiftSettings: strict),')
    with open(f"{folder}/Package.swift", "w") as file:
        file.write(head + "let package = Package(name: \"planted\", targets: [\n    "
                   + "\n    ".join(targets) + "\n])\n")


def copy(folder):
    for part in ["Sources/" + name for name in MODULES] + ["Tests/SimulationTests"]:
        shutil.copytree(f"{CHECKOUT}/{part}", f"{folder}/{part}", dirs_exist_ok=True)
    package(folder)


def run(folder):
    """True when the simulations pass; None when it does not compile."""
    environment = dict(os.environ, SIMULATION_SEEDS="0")
    build = subprocess.run(["swift", "build", "--build-tests", "--disable-xctest"], cwd=folder,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if build.returncode != 0:
        print("\n".join(line for line in build.stdout.splitlines() if "error:" in line)[:600])
        return None
    test = subprocess.run(["swift", "test", "--disable-xctest", "--skip-build"], cwd=folder,
                          env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    count = re.search(r"Test run with (\d+) tests?", test.stdout)
    # A fault that traps is found, too; a filter that matches nothing is not a pass.
    return test.returncode == 0 and count is not None and int(count.group(1)) > 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scratch", default="/tmp/planted-faults")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    os.makedirs(given.scratch, exist_ok=True)
    copy(given.scratch)
    if run(given.scratch) is not True:
        sys.exit("the simulations do not pass without a fault: nothing was planted")
    missed, stale = [], []
    for name, path, before, after in FAULTS:
        if given.names and name not in given.names:
            continue
        with open(f"{CHECKOUT}/{path}") as file:
            text = file.read()
        if text.count(before) != 1:
            print(f"STALE   {name}: {path} holds its place {text.count(before)} times", flush=True)
            stale.append(name)
            continue
        with open(f"{given.scratch}/{path}", "w") as file:
            file.write(text.replace(before, after))
        passes = run(given.scratch)
        with open(f"{given.scratch}/{path}", "w") as file:
            file.write(text)
        if passes is None:
            stale.append(name)
        elif passes:
            missed.append(name)
        print(f"{'STALE ' if passes is None else 'MISSED' if passes else 'found '}  {name}",
              flush=True)
    sys.exit(2 if stale else 1 if missed else 0)


if __name__ == "__main__":
    main()
