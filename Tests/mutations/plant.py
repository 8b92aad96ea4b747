#!/usr/bin/env python3
"""Plants one fault after another in a copy of the sources and runs the simulations on each.

    Tests/mutations/plant.py [--scratch FOLDER] [--only bars|worker] [NAME...]

Every fault must be found: a test fails. The checkout itself is not touched. Ends with 0 when all
are found, with 1 when one was not, with 2 when a fault no longer fits its source.
"""
import argparse
import os
import re
import shutil
import signal
import subprocess
import sys

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STREAM = "Sources/StreamCore/"
GRAPH = "Sources/OperatorGraph/"
WORKER = "services/operator-worker/Sources/"

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
     "clock.advance(to: header.stageTime)", "clock.advance(to: header.eventTime)"),
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
     "buckets.append(bucket)", "buckets.append(Bucket(start: bucket.start))"),
    ("kept back by a stage and not counted", GRAPH + "Machine/BarLeaves+Ticks.swift",
     "exclude(leaf.leaf, run.trades[place].header, source: source)", "_ = source"),
    ("filled bars not made again behind a repair", STREAM + "BarMachine+Repair.swift",
     "if let known, fills.maxima[series] > 0 {", "if let known, fills.maxima[series] < 0 {"),
    ("a bar withdrawn that never stood", STREAM + "BarMachine+Repair.swift",
     "let hadBar = hadBar(repaired, stands)", "let hadBar = isGone(repaired.bounds, key: key)"),
]

# The same for the operator worker.
WORKER_FAULTS = [
    ("suppression one output short", STREAM + "OutputLedger.swift",
     "guard ordinal <= standing.ordinal", "guard ordinal < standing.ordinal"),
    ("checksum not compared at the last standing output", STREAM + "OutputLedger.swift",
     "if ordinal == standing.ordinal, checksum", "if ordinal > standing.ordinal, checksum"),
    ("restored one packet early", WORKER + "Partition/PartitionOperator+Checkpoint.swift",
     "position: position, publishFrom", "position: complete, publishFrom"),
    ("checkpoint before its output is acknowledged",
     WORKER + "Partition/PartitionOperator+Checkpoint.swift",
     "let image = waiting, acknowledged >= image.output?.ordinal ?? 0 else",
     "let image = waiting else"),
    ("checkpoint in the middle of a repair",
     WORKER + "Partition/PartitionOperator+Checkpoint.swift",
     "ledger.isPastStanding, repair?.isBetweenDays ?? true else", "ledger.isPastStanding else"),
    ("what is still to be repaired not kept", WORKER + "Partition/PartitionOperator+Checkpoint.swift",
     "pending: repair?.pending ?? []", "pending: []"),
    ("generation of a bar not raised", WORKER + "Partition/OutputItem.swift",
     "bar.generation = settings.generation", "bar.generation = 1"),
    ("generation of a packet not raised", WORKER + "Partition/PartitionOperator+Output.swift",
     "checksum: packedChecksum, generation: settings.generation",
     "checksum: packedChecksum, generation: 1"),
    ("no checkpoint behind a repair", WORKER + "Partition/PartitionOperator+Repair.swift",
     "schedule.demand()", "_ = schedule"),
    ("an input told while its repair is under way",
     WORKER + "Partition/PartitionOperator+Output.swift",
     "ledger.isPastStanding, stopped == nil, !isRepairing {",
     "ledger.isPastStanding, stopped == nil {"),
    ("repairs of what is built again published",
     WORKER + "Partition/PartitionOperator+Repair.swift",
     "keepOutput(isHidden: isHidden, isRepair", "keepOutput(isHidden: false, isRepair"),
    ("versions of repairs not published", WORKER + "Partition/PartitionOperator+Repair.swift",
     "keepOutput(isHidden: isHidden, isRepair", "keepOutput(isHidden: true, isRepair"),
    ("late ticks not published", WORKER + "Partition/OutputItem.swift",
     "for late in output.late { record(late) }", "_ = output.late"),
    ("a packet taken during a repair", WORKER + "Partition/PartitionOperator.swift",
     "stopped != nil || isRepairing {", "stopped != nil {"),
    ("a repair that reads from too late on", WORKER + "Repair/RepairReading.swift",
     "start = Self.start(needs.from)",
     "start = needs.from.advanced(byNanoseconds: Self.marginNanoseconds)"),
    ("later bars seen by a repair that is done again", WORKER + "Repair/StandingBars.swift",
     "ordinal <= lastOrdinal, let symbol", "ordinal > 0, let symbol"),
    ("bars that stand not read back", WORKER + "Partition/PartitionOperator+Repair.swift",
     "standing: isHidden ? nil : standing", "standing: nil"),
    ("a refusal of an owner before not followed",
     WORKER + "Partition/PartitionOperator+Repair.swift",
     "RefusedRepair(day, sequence: repair.position.sequence) == standing",
     "RefusedRepair(day, sequence: repair.position.sequence) != standing"),
    ("a refusal not put on the tape", WORKER + "Partition/PartitionOperator+Repair.swift",
     "if !repair.isHidden { record(day", "if repair.isHidden { record(day"),
]

# What is planted, the target whose tests run on it, and which of its suites: those that are pure
# or want no more than a NATS server to publish to.
PLANS = {
    "bars": (FAULTS, "SimulationTests", "SimulationTests"),
    "worker": (WORKER_FAULTS, "OperatorWorkerTests",
               "RecoverySimulationTests|RecoveryDecisionTests|CheckpointStoreTests"
               "|PartitionRepairTests|RefusedRepairTests"),
}

# Leaves one target of tests in a manifest, and what it uses.
MANIFEST = """
var kept: Set<String> = ["TARGET"]
while true {
    let uses = package.targets.filter { kept.contains($0.name) }.flatMap(\\.dependencies)
    let more = kept.union(
        uses.compactMap { if case .byNameItem(let name, _) = $0 { name } else { nil } })
    if more.count == kept.count { break }
    kept = more
}
package.targets.removeAll { !kept.contains($0.name) }
package.products = []
"""


def copy(folder, target):
    for part in ["Sources", "services", "Tests"]:
        shutil.copytree(f"{CHECKOUT}/{part}", f"{folder}/{part}", dirs_exist_ok=True)
    if not os.path.lexists(f"{folder}/.local"):
        os.symlink(f"{CHECKOUT}/.local", f"{folder}/.local")
    with open(f"{CHECKOUT}/Package.swift") as file:
        text = file.read()
    with open(f"{folder}/Package.swift", "w") as file:
        file.write(text + MANIFEST.replace("TARGET", target))


def run(folder, suites):
    """True when the simulations pass; None when it does not compile."""
    environment = dict(os.environ, SIMULATION_SEEDS="0")
    build = subprocess.run(["swift", "build", "--build-tests", "--disable-xctest"], cwd=folder,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if build.returncode != 0:
        print("\n".join(line for line in build.stdout.splitlines() if "error:" in line)[:600])
        return None
    # Without `swift test` around them: when that is ended, its tests go on.
    command = [f"{folder}/.build/debug/tapelinePackageTests.xctest",
               "--testing-library", "swift-testing", "--filter", suites]
    test = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, errors="replace",
                            start_new_session=True)
    count = 0
    for line in test.stdout:
        if " recorded an issue" in line:
            # The first failure is enough.
            os.killpg(test.pid, signal.SIGKILL)
            test.wait()
            return False
        if found := re.search(r"Test run with (\d+) tests?", line):
            count = int(found.group(1))
    # A fault that traps is found, too; a filter that matches nothing is not a pass.
    return test.wait() == 0 and count > 0


def plant(folder, suites, path, before, after):
    """In words what became of it."""
    with open(f"{CHECKOUT}/{path}") as file:
        text = file.read()
    if text.count(before) != 1:
        return f"STALE: {path} holds its place {text.count(before)} times"
    with open(f"{folder}/{path}", "w") as file:
        file.write(text.replace(before, after))
    passes = run(folder, suites)
    with open(f"{folder}/{path}", "w") as file:
        file.write(text)
    return {None: "STALE: it does not compile", True: "MISSED", False: "found"}[passes]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scratch", default="/tmp/planted-faults")
    parser.add_argument("--only", choices=sorted(PLANS))
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    became = []
    for plan, (faults, target, suites) in PLANS.items():
        chosen = [fault for fault in faults if not given.names or fault[0] in given.names]
        if not chosen or given.only not in (None, plan):
            continue
        folder = f"{given.scratch}/{plan}"
        os.makedirs(folder, exist_ok=True)
        copy(folder, target)
        if run(folder, suites) is not True:
            sys.exit("the simulations do not pass without a fault: nothing was planted")
        for name, path, before, after in chosen:
            became.append(plant(folder, suites, path, before, after))
            print(f"{became[-1]:7} {name}", flush=True)
    stale = any(word.startswith("STALE") for word in became)
    sys.exit(2 if stale or not became else 1 if "MISSED" in became else 0)


if __name__ == "__main__":
    main()
