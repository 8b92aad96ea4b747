#!/usr/bin/env python3
"""Runs the whole stack under chosen loads and notes what each part used, for the model of docs/scale.md.

    loads.py [--programs FOLDER] [--turns N] [--only PART_OF_A_NAME] [--to FILE]

FOLDER has release builds of the services and of `tapeline`. All loads run once in each turn, so that what
else the machine does meets all of them. Processor times are those that the kernel counts, so a busy machine
makes a run slower and not dearer. The file is added to: a turn that was measured stays."""

import argparse
import json
import pathlib
import sys
import time
import urllib.request

from machine import describe
from stack import Failure, Meter, Stack, symbols

ROOT = pathlib.Path(__file__).resolve().parents[2]
WARM_SECONDS = 6
MEASURED_SECONDS = 15
TWO = "1s,1m"
THREE = "1s,1m,1h"

# Ticks a second, partitions, symbols, series, aim of the gateway, workers.
LOADS = {
    "idle": (1, 8, 96, TWO, "quick", 2),
    "idle, 32 partitions": (1, 32, 96, TWO, "quick", 2),
    "idle, 128 partitions": (1, 128, 96, TWO, "quick", 2),
    "idle, 512 partitions": (1, 512, 96, TWO, "quick", 2),
    "1,000 frugal": (1_000, 8, 96, TWO, "frugal", 2),
    "3,000 quick, 64 partitions, 48 symbols": (3_000, 64, 48, TWO, "quick", 2),
    "15,000 frugal, 16 partitions, 192 symbols": (15_000, 16, 192, TWO, "frugal", 2),
    "6,000 frugal, 96 partitions, 128 symbols, 3 series": (6_000, 96, 128, THREE, "frugal", 2),
    "500 frugal, 48 partitions, 30 symbols": (500, 48, 30, TWO, "frugal", 2),
    "10,000 frugal": (10_000, 8, 96, TWO, "frugal", 2),
}


class LoadStack(Stack):
    """A stack of programs that may lie outside of the checkout."""

    def tool(self, command, *options, check=True):
        return super().tool(command, f"--home={self.checkout}", *options, check=check)


def monitor(stack):
    """What nats-server has received and sent, in messages and bytes."""
    port = json.loads((stack.home / "ports.json").read_text())["natsMonitor"]
    found = {}
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/varz", timeout=5) as answer:
        varz = json.loads(answer.read())
    for key in ("in_msgs", "out_msgs", "in_bytes", "out_bytes"):
        found[key] = varz[key]
    return found


def run(programs, name, load):
    rate, partitions, symbol_count, series, aim, workers = load
    settings = {
        "SYNTHETIC_RATE": rate, "MDS_PARTITIONS": partitions, "SYNTHETIC_SYMBOLS": symbols(symbol_count),
        "OPERATOR_SERIES": series, "GATEWAY_LATENCY": aim}
    with LoadStack(ROOT, programs, "loads", settings) as stack:
        for _ in range(workers - 2):
            stack.add_worker()
        time.sleep(WARM_SECONDS)
        meter, before = Meter(stack), monitor(stack)
        meter.look()
        time.sleep(MEASURED_SECONDS)
        meter.look()
        after, memory = monitor(stack), meter.memory()
    seconds = meter.seconds
    rates = {
        "ticks": meter.ticks, "rows": meter.rows,
        "packets": meter.total("provider-gateway", "mds_tape_packets_published_total"),
        "tape_bytes": meter.total("provider-gateway", "mds_tape_bytes_published_total"),
        "bars": meter.total("operator-worker", "mds_operator_bars_published"),
        "bar_packets": meter.total("operator-worker", "mds_tape_packets_published_total"),
        "bar_bytes": meter.total("operator-worker", "mds_tape_bytes_published_total"),
        "batches": meter.total("store-writer", "mds_worker_batches_written_total"),
        "hot_writes": meter.total("store-writer", "mds_hot_state_writes_total")}
    rates.update({key: after[key] - before[key] for key in after})
    return {
        "load": {
            "ticks": rate, "partitions": partitions, "symbols": symbol_count, "series": series,
            "aim": aim, "workers": workers},
        "seconds": round(seconds, 2),
        "rates": {key: round(value / seconds, 2) for key, value in rates.items()},
        "cores": {part: round(used / seconds, 5) for part, used in meter.parts().items()},
        "memory_mb": memory}


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--programs", type=pathlib.Path, default=ROOT / ".build/release")
    options.add_argument("--turns", type=int, default=3)
    options.add_argument("--only", default="")
    options.add_argument("--to", type=pathlib.Path, default=ROOT / ".local/bench/loads.json")
    chosen = options.parse_args()
    names = [name for name in LOADS if not chosen.only or chosen.only in name]
    found = json.loads(chosen.to.read_text()) if chosen.to.exists() else {"runs": {}}
    found["machine"] = describe(ROOT)
    for _ in range(chosen.turns):
        for name in names:
            try:
                done = run(chosen.programs.resolve(), name, LOADS[name])
            except Failure as failure:
                # The other loads and turns are still worth their time.
                print(f"{name}: {failure}", file=sys.stderr, flush=True)
                continue
            found["runs"].setdefault(name, []).append(done)
            chosen.to.parent.mkdir(parents=True, exist_ok=True)
            chosen.to.write_text(json.dumps(found, indent=1) + "\n")
            total = sum(done["cores"].values())
            print(f"{name}: {done['rates']['ticks']:,.0f} ticks/s, {done['rates']['packets']:,.0f} "
                  f"packets/s, {100 * total:.1f} % of a core", flush=True)


if __name__ == "__main__":
    sys.exit(main())
