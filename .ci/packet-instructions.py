#!/usr/bin/env python3
"""Counts the instructions that the pure parts spend on a packet of one trade, and holds them to their bounds.
The packets of join and filters hold ten quotes as well.

  packet-instructions.py PROGRAM           # PROGRAM is a release build of PacketInstructions
  packet-instructions.py PROGRAM --write   # writes what it counted as the new bounds

valgrind counts, so neither the load of the machine nor the speed of its processor matters. Each part runs with
two numbers of packets; the difference has nothing of the start. The bounds are of one instruction set, one
compiler and one C library, and others may count a little more or less: so 5 % are allowed. A count that is
further below its bound is an error, too: with the old bound a later change could spend again what was won.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

PARTS = ("build", "publish", "read", "compute", "traces", "join", "filters")
# A graph with a join may cost so much of the same graph with a filter on trades and one on quotes in its place.
JOIN_MAX = 1.5
# So much may a worker spend on a packet, from its bytes to its windows, when one in 1,000 is traced, of what it
# spends without a collector. The service around these parts, which costs more than they do, is left out.
TRACES_MAX = 1.02
BOUNDS = pathlib.Path(__file__).resolve().parent.parent / "Benchmarks/PacketInstructions/bounds.json"
# Tables and buffers have their final size after the first of these, within the noise of the second.
PACKETS = (512, 2048)
ALLOWED = 0.05
RUN_SECONDS_MAX = 120
COUNTED = re.compile(r"I\s+refs:\s+([\d,]+)")


class Unusable(Exception):
    pass


def instructions(program, part, packets):
    """Returns how many instructions a run has, from its start to its end."""
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", program,
               part, str(packets)]
    # The same hashes in each run.
    environment = os.environ | {"SWIFT_DETERMINISTIC_HASHING": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=RUN_SECONDS_MAX)
    counted = COUNTED.search(run.stderr)
    if run.returncode != 0 or not counted:
        said = (run.stdout + run.stderr).strip().splitlines()
        raise Unusable(f"{' '.join(command)} ended with {run.returncode}: {said[-1] if said else 'it said nothing'}")
    return int(counted[1].replace(",", ""))


def per_packet(program, part):
    few, many = (instructions(program, part, packets) for packets in PACKETS)
    return round((many - few) / (PACKETS[1] - PACKETS[0]))


def judge(part, counted, bound):
    """Returns a line about the part, and whether it is within its bound."""
    if bound is None:
        return f"{part}: {counted} instructions a packet, and {BOUNDS.name} has no bound: --write adds it", False
    line = f"{part}: {counted} instructions a packet, {(counted / bound - 1) * 100:+.1f} % of its bound of {bound}"
    if counted > bound * (1 + ALLOWED):
        return (f"{line}, and at most {ALLOWED * 100:+.0f} % are allowed: make it cheaper; if it has to cost that, "
                "write new bounds (.ci/packet-instructions.py PROGRAM --write) and say why in the commit"), False
    if counted < bound * (1 - ALLOWED):
        return f"{line}: write new bounds, so that it stays so cheap (.ci/packet-instructions.py PROGRAM --write)", False
    return line, True


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("program")
    arguments.add_argument("--write", action="store_true", help="write what was counted as the new bounds")
    wanted = arguments.parse_args()
    machine = platform.machine()
    bounds = json.loads(BOUNDS.read_text())
    with tempfile.TemporaryDirectory() as folder:
        # Debian's valgrind cannot read the debugging information of Swift's compiler.
        program = f"{folder}/PacketInstructions"
        subprocess.run(["strip", "-o", program, wanted.program], check=True)
        counts = {part: per_packet(program, part) for part in PARTS}
    if wanted.write:
        bounds[machine] = counts
        BOUNDS.write_text(json.dumps(bounds, indent=2) + "\n")
        print(f"wrote the bounds of {machine}: {counts}")
        return 0
    if machine not in bounds:
        print(f"there are no bounds for {machine}, so nothing is compared: {counts}")
        return 0
    verdicts = [judge(part, counts[part], bounds[machine].get(part)) for part in PARTS]
    ratio = counts["join"] / counts["filters"]
    said = f"a join costs {ratio:.2f} of two filters in its place, and may cost {JOIN_MAX}"
    verdicts.append((said, ratio <= JOIN_MAX))
    without = counts["read"] + counts["compute"]
    ratio = (counts["read"] + counts["traces"]) / without
    said = f"traces of one packet in 1,000 cost {ratio:.4f} of none, and may cost {TRACES_MAX}"
    verdicts.append((said, ratio <= TRACES_MAX))
    for line, is_within in verdicts:
        print(line if is_within else f"error: {line}")
    return 0 if all(is_within for _, is_within in verdicts) else 1


try:
    sys.exit(main())
except (Unusable, OSError, ValueError, subprocess.SubprocessError) as error:
    sys.exit(f"error: the instructions could not be counted: {error}")
