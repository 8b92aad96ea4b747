#!/usr/bin/env python3
"""What a stack of its own costs a host (docs/sizing.md): idle, then with ticks.

    .ci/tenant.py [--programs .build/release] [--rate 100] [--seconds 60]

It starts a stack by `tapeline up`, waits until its memory is level, measures, and removes it. Memory is the
proportional share (PSS): what its processes have together counts once. Disk is what the files of the stack take."""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT, CLOCK = pathlib.Path(__file__).resolve().parents[1], os.sysconf("SC_CLK_TCK")
# Memory is level when it moved by less than this share within so many seconds.
LEVEL_SHARE, LEVEL_SECONDS, LOOKS_MAX = 0.01, 30, 20


class Tenant:
    def __init__(self, programs, name):
        self.program, self.name, self.home = programs / "tapeline", name, ROOT / ".local/stack" / name

    def tool(self, *words, check=True):
        done = subprocess.run([self.program, *words, "--home", ROOT, "--name", self.name], text=True, cwd=ROOT,
                              env={"PATH": os.environ["PATH"], "LLVM_PROFILE_FILE": "/dev/null"},
                              capture_output=True, timeout=600, check=False)
        if check and done.returncode:
            sys.exit(f"tenant.py: 'tapeline {words[0]}' ended with {done.returncode}: {done.stderr.strip()[-600:]}")
        return done.stdout

    def remove(self):
        self.tool("down", "--remove", "--yes", check=False)
        shutil.rmtree(self.home, ignore_errors=True)

    def units(self):
        """The unit of each process: the units' own, and what these and their supervisor have started."""
        named = {unit["pid"]: unit["name"] for unit in json.loads(self.tool("status", "--json"))["processes"]}
        parents = {}
        for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
        for pid in {parents.get(pid, 1) for pid in named}:
            if b"supervise" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                named[pid] = "supervisor"
        found = {}
        for pid in parents:
            above = pid
            while above in parents and above not in named:
                above = parents[above]
            if above in named:
                found[pid] = named[above]
        return found

    def look(self):
        """Processor seconds and bytes of memory by unit, and bytes on the disk."""
        seconds, memory = {}, {}
        for pid, unit in self.units().items():
            with contextlib.suppress(OSError, TypeError):
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                share = re.search(r"\nPss: +(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text())[1]
                memory[unit] = memory.get(unit, 0) + int(share) * 1024
                # With those of children that have ended.
                seconds[unit] = seconds.get(unit, 0) + sum(int(word) for word in fields[11:15]) / CLOCK
        blocks = 0
        for folder, _, names in os.walk(self.home):
            for name in names:
                with contextlib.suppress(OSError):
                    blocks += os.lstat(f"{folder}/{name}").st_blocks
        return seconds, memory, blocks * 512

    def wait_until_level(self):
        before = 0
        for _ in range(LOOKS_MAX):
            now = sum(self.look()[1].values())
            if abs(now - before) < LEVEL_SHARE * now:
                return
            before = now
            time.sleep(LEVEL_SECONDS)
        print("tenant.py: the memory does not become level", file=sys.stderr)

    def measure(self, title, seconds, setting):
        self.tool("up", f"--set={setting}")
        self.wait_until_level()
        begin, (first, _, room) = time.monotonic(), self.look()
        time.sleep(seconds)
        took, (last, memory, later) = time.monotonic() - begin, self.look()
        print(f"\n| {title} | processor, % of a core | memory, MB |\n| --- | --- | --- |")
        rates = {unit: 100 * (last[unit] - first.get(unit, 0)) / took for unit in last}
        for unit in sorted(rates, key=rates.get, reverse=True):
            print(f"| {unit} | {rates[unit]:.2f} | {memory[unit] / 1e6:.0f} |")
        print(f"| all | {sum(rates.values()):.2f} | {sum(memory.values()) / 1e6:.0f} |")
        print(f"\ndisk: {later / 1e6:.0f} MB, and {(later - room) / took * 3600 / 1e6:.1f} MB an hour", flush=True)
        self.remove()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--programs", type=pathlib.Path, default=ROOT / ".build/release")
    parser.add_argument("--rate", type=int, default=100, help="ticks a second of the second run")
    parser.add_argument("--seconds", type=int, default=60, help="how long it measures")
    options = parser.parse_args()
    tenant = Tenant(options.programs.resolve(), "tenant")
    if tenant.home.exists():
        parser.error("there is a stack 'tenant', which this would remove: 'tapeline down --remove --name tenant'")
    try:
        # One tick, and then nothing.
        tenant.measure("idle", options.seconds, "SYNTHETIC_TICKS=1")
        tenant.measure(f"{options.rate} ticks a second", options.seconds, f"SYNTHETIC_RATE={options.rate}")
    finally:
        tenant.remove()


if __name__ == "__main__":
    main()
