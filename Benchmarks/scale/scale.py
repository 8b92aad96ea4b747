#!/usr/bin/env python3
"""What a load needs: processor of each part, network, disk, memory; and the tables of docs/scale.md.

    scale.py --ticks 5000 --symbols 500 [--partitions 8] [--series 1s,1m] [--aim frugal] [--workers 2]
             [--sources 1] [--copies 1]
    scale.py --page      # the lines between the marks of docs/scale.md
    scale.py --write     # writes them there"""

import argparse
import pathlib
import re
import sys

from costs import Costs, Load, busy_factor, cores, fit, runs, unseen
from cuts import (
    BOUNDS, CUT, HEARTBEATS, PLANNED, Plan, first, heartbeats, log_bytes, memory, nats_bytes, plan,
    row_bytes, tape_bytes, use)

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/scale.md"
BEGIN = "<!-- The lines up to the end mark are made by Benchmarks/scale/scale.py --write. -->"
END = "<!-- The end of what it makes. -->"
DAY = 86_400
PARTS = {
    "nats-server": "nats-server", "provider-gateway": "gateways", "operator-worker": "workers",
    "store-writer": "writer", "postgres": "PostgreSQL", "valkey": "Valkey"}
BASE = Load(2_000, 100, aim="frugal")
FACTORS = (1, 10, 100, 1_000)


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines] + [""]


def amount(value: float) -> str:
    """Three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 1 else f"{value:.2g}"


def costs_table(costs: Costs) -> list[str]:
    names = ("stack", "workers", "partitions", "packets", "commits", "ticks", "bars", "few_bars")
    heads = ["part", "a process", "a worker", "a partition", "a packet", "a transaction", "a tick", "a bar",
             "one of few bars"]
    rows = []
    for part, weights in costs.items():
        cells = [amount(1e6 * weights[name]) if weights.get(name) else "-" for name in names]
        rows.append([part, *cells])
    return table(heads, rows)


def checks_table(costs: Costs) -> list[str]:
    rows = []
    for run in unseen(runs(), "check"):
        predicted, measured = run.predicted(costs), run.total
        total = sum(predicted.values())
        worst = max(run.cores, key=lambda part: abs(predicted[part] - run.cores[part]))
        rows.append([
            run.name, f"{100 * measured:.1f}", f"{100 * total:.1f}",
            f"{100 * (total / measured - 1):+.0f} %",
            f"{PARTS[worst]} {100 * (predicted[worst] - run.cores[worst]):+.1f}"])
    return table(["run", "measured, % of a core", "predicted", "error", "most wrong, % of a core"], rows)


def busy_table(costs: Costs, factor: float) -> list[str]:
    rows = []
    for run in unseen(runs(), "busy"):
        predicted = factor * sum(run.predicted(costs).values())
        rows.append([
            run.name, f"{100 * run.total:.1f}", " ".join(f"{100 * each:.1f}" for each in run.sums),
            f"{100 * predicted:.1f}", f"{100 * (predicted / run.total - 1):+.0f} %"])
    return table(["run", "measured, % of a core", "each", "predicted", "error"], rows)


def wire_table() -> list[str]:
    rows = []
    for run in runs():
        if run.use != "busy":
            continue
        into, out = nats_bytes(run.load)
        predicted = {"into": into, "out": out}
        rows.append([run.name, *(
            f"{run.bytes[key] / 1e6:.2f}, {value / 1e6:.2f}, {100 * (value / run.bytes[key] - 1):+.0f} %"
            for key, value in predicted.items())])
    return table(
        ["run: measured, predicted, error", "into NATS, MB/s", "out of it, MB/s"], rows)


def idle_table() -> list[str]:
    parts = ("nats-server", "provider-gateway", "operator-worker", "store-writer")
    rows = []
    for run in runs():
        if run.load.ticks > 1:
            continue
        rows.append([
            str(run.load.partitions), *(f"{100 * run.cores[part]:.1f}" for part in parts),
            f"{100 * run.total:.1f}", " ".join(f"{100 * each:.1f}" for each in run.sums)])
    return table(
        ["partitions", *(PARTS[part] for part in parts), "sum, % of a core", "of each run"], rows)


def sizes_table(plans: list[Plan]) -> list[str]:
    heads = ["load", "ticks/s", "symbols", "bars/s", "stacks", "of each: partitions", "sources",
             "workers", "writer threads' cores"]
    return table(heads, [[
        each.name, amount(each.load.ticks), amount(each.load.symbols), amount(each.load.bars),
        str(each.stacks), str(each.each.partitions), str(each.each.sources), str(each.each.workers),
        amount(each.cores["store-writer"])] for each in plans])


def cores_table(plans: list[Plan]) -> list[str]:
    rows = [[each.name, *(amount(each.stacks * each.cores[part]) for part in PARTS), amount(each.total)]
            for each in plans]
    return table(["cores", *PARTS.values(), "sum"], rows)


def bytes_table(plans: list[Plan]) -> list[str]:
    heads = ["load", "tape, MB/s", "tape, GB a day", "into NATS, MB/s", "without live fan-out", "out of NATS",
             "with three copies: in, out", "rows, GB a day", "transaction log, MB/s"]
    rows = []
    for each in plans:
        load, many = each.each, each.stacks
        into, out = nats_bytes(load)
        quiet, _ = nats_bytes(load, is_live=False)
        three_in, three_out = nats_bytes(load, copies=3)
        rows.append([each.name, *(amount(many * value) for value in (
            tape_bytes(load) / 1e6, tape_bytes(load) * DAY / 1e9, into / 1e6, quiet / 1e6, out / 1e6)),
            f"{amount(many * three_in / 1e6)}, {amount(many * three_out / 1e6)}",
            amount(many * row_bytes(load) * DAY / 1e9), amount(many * log_bytes(load) / 1e6)])
    return table(heads, rows)


def firsts_table(costs: Costs, plans: list[Plan]) -> list[str]:
    rows = []
    for each in plans:
        taken = sorted(use(costs, each.load).items(), key=lambda item: -item[1])
        rows.append([each.name, *(
            f"{name}: {amount(share * BOUNDS[name][0])} of {BOUNDS[name][0]:,}"
            for name, share in [item for item in taken if item[0] in GIVES][:3])])
    return table(["one stack with", "gives first", "then", "then"], rows)


GIVES = (*CUT, "the core of one gateway")


def bounds_table() -> list[str]:
    return table(["bound", "of one", "from"], [
        [name, f"{most:,} {unit}".strip(), source] for name, (most, unit, source) in BOUNDS.items()])


def members_table() -> list[str]:
    rows = []
    for members in (2, 10, 30, 100, 300):
        into, out = heartbeats(members)
        rows.append([str(members), f"{into:,}", f"{out:,}", f"{HEARTBEATS * members:,}"])
    return table(["workers", "heartbeats/s into NATS", "out of it", "heard by each"], rows)


def page() -> str:
    costs = fit(runs())
    factor = busy_factor(costs, runs())
    plans = [plan(costs, f"{times:,} times", Load(BASE.ticks * times, BASE.symbols * times, aim=BASE.aim))
             for times in FACTORS]
    lines = [BEGIN, "", "## Costs", "", "Microseconds of one core.", "", *costs_table(costs),
             "## Predicted and measured", "", *checks_table(costs),
             "## On a busy machine", "",
             f"Everything cost {factor:.2f} times as much there, by runs of two loads that were fitted.", "",
             *busy_table(costs, factor), *wire_table(),
             "## Partitions without ticks", "", *idle_table(),
             "## Bounds", "", f"A plan uses {100 * PLANNED:.0f} % of each.", "", *bounds_table(),
             "## What gives first", "", *firsts_table(costs, plans),
             "## Cuts", "", *sizes_table(plans),
             "## Processor", "", "Of all stacks together.", "", *cores_table(plans),
             "## Network and disk", "", "Of all stacks together.", "", *bytes_table(plans),
             "## Heartbeats", "", *members_table(), END]
    return "\n".join(lines)


def needs(load: Load, copies: int) -> str:
    costs = fit(runs())
    busy = cores(costs, load)
    into, out = nats_bytes(load, copies)
    name, share = first(costs, load)
    lines = [f"{PARTS[part]}: {value:.2f} cores" for part, value in busy.items()]
    lines += [
        f"sum: {sum(busy.values()):.2f} cores",
        f"packets of ticks: {load.packets:,.0f}/s, bars: {load.bars:,.0f}/s",
        f"tape: {tape_bytes(load) * DAY / 1e9:,.1f} GB a day and copy",
        f"database: {row_bytes(load) * DAY / 1e9:,.1f} GB a day as written",
        f"network: {into / 1e6:,.2f} MB/s into NATS, {out / 1e6:,.2f} MB/s out of it",
        "memory of each: " + ", ".join(
            f"{part} {megabytes:.0f} MB" for part, megabytes in memory(load).items()),
        f"most used: {name}, {100 * share:.0f} % of {BOUNDS[name][0]:,}"]
    return "\n".join(lines)


def count(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,11}", text):
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 on")
    return int(text)


def series(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,5}[smh](,[1-9][0-9]{0,5}[smh])*", text):
        raise argparse.ArgumentTypeError(f"{text} is no list of times such as 1s,1m,1h")
    return text


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--ticks", type=count)
    options.add_argument("--symbols", type=count)
    options.add_argument("--partitions", type=count, default=8)
    options.add_argument("--series", type=series, default="1s,1m")
    options.add_argument("--aim", choices=("quick", "frugal"), default="quick")
    options.add_argument("--workers", type=count, default=2)
    options.add_argument("--sources", type=count, default=1)
    options.add_argument("--copies", type=int, choices=(1, 3), default=1)
    options.add_argument("--page", action="store_true")
    options.add_argument("--write", action="store_true")
    chosen = options.parse_args()
    if chosen.page:
        print(page())
    elif chosen.write:
        text = PAGE.read_text()
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        PAGE.write_text(before + page() + after)
    elif chosen.ticks is None or chosen.symbols is None:
        options.error("say --ticks and --symbols, or --page")
    else:
        print(needs(Load(
            chosen.ticks, chosen.symbols, chosen.partitions, chosen.series, chosen.aim, chosen.workers,
            chosen.sources), chosen.copies))
    return 0


if __name__ == "__main__":
    sys.exit(main())
