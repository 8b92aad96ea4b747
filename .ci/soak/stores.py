#!/usr/bin/env python3
"""Shows that no store waits for another, and that the latest values are quick and never older: `make soak NAME=stores`.

    stores.py PROGRAMS [--part blocked|away|full|latest] [--seed N] [--seconds N] [--rate N] [--latest-rate N]
        [--symbols N] [--table NAME] [--stream-bytes N] [--report FILE] [--keep]

Each part has a local stack of its own (.local/stack/stores-PART) with a synthetic source.

- `blocked`: a trigger refuses each row of a table (`--table`, bars_short) for `--seconds`. No row of another group
  of tables waits for it, by the writer's counter and by the times of the COMMITs. Without the trigger the group catches
  up, and `tapeline dlq replay` stores the rows that were set aside before it waited apart.
- `away`: a second store, whose PostgreSQL is a server of its own, is killed, and away for `--seconds`. The gateway
  never spools, and the rows of the first store come as before. Then the second one catches up.
- `full`: the same with small streams (`--stream-bytes`) and STORE_NEEDED=false, until the second store was let go. When
  it is back, its gaps name the hole, and `tapeline store fill` closes it.
- `latest`: `desk.latest` and the command `tapeline latest` are timed on 10,000 symbols. Then Valkey is flushed, Valkey
  and the writer are killed, and the gateway is killed and stays away: no answer has a lower ordinal than one before
  it, and what Valkey does not have is unknown. At last each answer is the last row of the database.

At the end of the first three parts `tapeline audit --all` is clean in each store, and so is the verdict of nats-py, the
wire schema and psql alone: each ordinal of the tape is a row once, in both stores with the same values.

It prints a table of all figures, and writes them as JSON with the revision of git (.build/night/stores.json). All parts
take an hour; SOAK_PART=blocked SOAK_SECONDS=120 make soak NAME=stores is the first one in some five minutes.
"""

import argparse
import json
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import latest_values
from restore import NAMESPACE
from stack import ROOT, Failure, eventually, run, say
from store_report import revision, table
from store_stack import FIRST, SECOND, StoreStack, Watch, audit, await_bars, await_ticks, judge, told_ages

# How long rows are looked at before and after a fault.
CALM_SECONDS = 30
# A p99 of rows above this, and above twice that of before, is a wait.
SLOW_MS = 500.0
# A small stream is full after so long, at a low rate.
FULL_SECONDS = 600


def calm(options: argparse.Namespace) -> tuple[float, float]:
    begin = time.time()
    time.sleep(min(CALM_SECONDS, options.seconds))
    return begin, time.time()


def none_waited(stack: StoreStack, watch: Watch, groups: list[str], times: dict[str, tuple[float, float]]) -> list[str]:
    """What was wrong with rows of the first store that had nothing to wait for."""
    ages, wrong = told_ages(stack, groups, times), []
    for (group, title), p99 in ages.items():
        bound = max(SLOW_MS, 2 * ages[group, "before"])
        if p99 > bound:
            wrong.append(f"{group} {title}: the p99 of rows is {p99:.0f} ms, not {bound:.0f} ms")
    for title, (begin, end) in times.items():
        seconds, lags = watch.within("p99", begin, end), watch.within("lag", begin, end)
        if not seconds or not lags:
            raise Failure(f"{title}: the pages had no age of ticks, or no lag of {FIRST}")
        stack.figures[f"{title}: the worst second's p99 in ms, the most lag"] = [max(seconds) * 1e3, max(lags)]
        say(f"{title}: p99 of the worst second {max(seconds) * 1e3:.0f} ms, of the middle one"
            f" {sorted(seconds)[len(seconds) // 2] * 1e3:.0f} ms; the lag of {FIRST} was {max(lags):.0f} at most")
    return wrong


def finish(stack: StoreStack, stores: list[str], wrong: list[str], is_whole: bool = True) -> None:
    """The verdict on a stack whose feed has ended."""
    await_bars(stack, stores)
    audit(stack, stores)
    judge(stack, stores, is_whole)
    if wrong:
        raise Failure(f"{len(wrong)} did not hold: " + "; ".join(wrong))


# --- a blocked table


def blocked(stack: Any, options: argparse.Namespace) -> None:
    assert isinstance(stack, StoreStack)
    full_name, group = f"{NAMESPACE}.{options.table}", "bars" if options.table.startswith("bar") else "ticks"
    other = "ticks" if group == "bars" else "bars"
    stack.start_feed(options.rate, f"S*{options.symbols}")
    watch = Watch(stack)
    watch.start()
    times = {"before": calm(options)}
    stack.query("CREATE FUNCTION public.soak_refuse() RETURNS trigger LANGUAGE plpgsql AS"
                " $$BEGIN RAISE EXCEPTION 'no row'; END$$")
    stack.query(f"CREATE TRIGGER soak_refuse BEFORE INSERT ON {full_name} FOR EACH ROW EXECUTE FUNCTION"
                " public.soak_refuse()")
    begin = time.time()
    apart = eventually(f"the group {group} waits apart", lambda: watch.last()["apart"][group] or 0, options.seconds)
    took = time.time() - begin
    stack.figures["seconds until the group waited apart"] = took
    say(f"{options.table} refuses its rows; {group} waits apart at {apart:.0f} inputs after {took:.1f} s")
    time.sleep(max(0.0, begin + options.seconds - time.time()))
    times["during"] = begin, time.time()
    stack.query(f"DROP TRIGGER soak_refuse ON {full_name}")
    mended = time.monotonic()
    eventually(f"{group} is back", lambda: watch.last()["apart"][group] == 0.0 and watch.last()["behind"] == 0.0,
               120 + options.seconds)
    stack.figures["seconds until the group was back"] = time.monotonic() - mended
    say(f"{group} is back {time.monotonic() - mended:.1f} s after the trigger was dropped")
    times["after"] = calm(options)
    wrong = none_waited(stack, watch, [other], times)
    told_ages(stack, [group], times)
    waits = [each["waits"] for each in watch.samples]
    stack.figures["rows of another group that waited"] = waits[-1]
    say(f"rows of another group that waited: {waits[-1]}")
    if None in waits or max(waits) > 0:
        wrong.append(f"mds_store_group_waits_total was {waits[-1]}")
    if any(each["apart"][other] for each in watch.samples):
        wrong.append(f"{other} waited apart, too")
    replay(stack)
    watch.end()
    wrong += watch.judge()
    stack.stop_feed()
    await_ticks(stack, [FIRST], 300)
    finish(stack, [FIRST], wrong)


def replay(stack: StoreStack) -> None:
    """Stores the rows that were set aside before the group waited apart."""
    done = stack.of_store(FIRST, "dlq", "replay", "--all")
    said = (done.stdout + done.stderr).strip().splitlines()
    stack.figures["dead letters"] = said[-1] if said else "none"
    say(f"dead letters that the block made: {stack.figures['dead letters']}")
    if done.returncode != 0:
        raise Failure(f"tapeline dlq replay ended with {done.returncode}: {said[-3:]}")


# --- a second store


def two_stores(stack: StoreStack, options: argparse.Namespace) -> Watch:
    stack.make_second()
    stack.start_feed(options.rate, f"S*{options.symbols}")
    stack.start_second_writer()
    watch = Watch(stack)
    watch.start()
    eventually("both stores are level", lambda: is_near(watch, "lag", options) and is_near(watch, "lag-b", options))
    return watch


def is_near(watch: Watch, name: str, options: argparse.Namespace) -> bool:
    """Whether a lag is known, and below a second of ticks."""
    lag = watch.last()[name]
    return lag is not None and lag < options.rate


def back(stack: StoreStack, watch: Watch, options: argparse.Namespace, gone: float) -> None:
    """Starts the second server, and waits until its store is level while ticks come."""
    behind = watch.last()["lag-b"]
    stack.start_second()
    begin = time.monotonic()
    eventually(f"{SECOND} is level", lambda: is_near(watch, "lag-b", options), 300 + options.seconds, 1)
    took = time.monotonic() - begin
    stack.figures |= {"seconds away": begin - gone, "lag at the end": behind, "seconds until level": took}
    say(f"{SECOND} was away for {begin - gone:.0f} s, {behind} behind, and level {took:.1f} s after its server came")


def away(stack: Any, options: argparse.Namespace) -> None:
    assert isinstance(stack, StoreStack)
    watch = two_stores(stack, options)
    times = {"before": calm(options)}
    gone, begin = time.monotonic(), time.time()
    stack.stop_second()
    say(f"the server of {SECOND} is killed")
    while (left := begin + options.seconds - time.time()) > 0:
        time.sleep(min(60.0, left))
        sample = watch.last()
        say(f"  {time.time() - begin:.0f} s away: spool {sample['spool']}, {FIRST} {sample['lag']} behind, {SECOND}"
            f" {sample['lag-b']}")
    times["during"] = begin, time.time()
    back(stack, watch, options, gone)
    times["after"] = calm(options)
    wrong = none_waited(stack, watch, ["ticks", "bars"], times)
    watch.end()
    wrong += watch.judge()
    stack.stop_feed()
    took = await_ticks(stack, [FIRST, SECOND], 300)
    say(f"both stores have what was on the tape {took:.1f} s after the feed had ended")
    finish(stack, [FIRST, SECOND], wrong)


class FullStack(StoreStack):
    """One with small streams."""

    def make(self) -> None:
        self.settings["MDS_STREAM_BYTES"] = str(self.options.stream_bytes)
        self.more = {"writer-b": {"STORE_NEEDED": "false"}, "gateway": {
            "GATEWAY_KEEP": "5s", "MDS_STREAM_BYTES": str(self.options.stream_bytes)}}
        super().make()


def full(stack: Any, options: argparse.Namespace) -> None:
    assert isinstance(stack, StoreStack)
    watch = two_stores(stack, options)
    times = {"before": calm(options)}
    gone, begin = time.monotonic(), time.time()
    stack.stop_second()
    say(f"the server of {SECOND} is killed")
    eventually(f"{SECOND} is let go", lambda: watch.last()["let go"], FULL_SECONDS + options.seconds, 1)
    share = watch.last()["headroom"] / options.stream_bytes
    stack.figures |= {"seconds until let go": time.time() - begin, "free then": share}
    say(f"{SECOND} is let go after {time.time() - begin:.0f} s, with {share:.0%} of the fullest stream free")
    # More of the tape goes meanwhile.
    time.sleep(min(CALM_SECONDS, options.seconds))
    times["during"] = begin, time.time()
    back(stack, watch, options, gone)
    times["after"] = calm(options)
    wrong = none_waited(stack, watch, ["ticks", "bars"], times)
    free = min(watch.within("headroom", 0, time.time())) / options.stream_bytes
    stack.figures["least free"] = free
    say(f"{free:.0%} of a stream were free at least")
    watch.end()
    wrong += watch.judge()
    stack.stop_feed()
    await_ticks(stack, [FIRST, SECOND], 300)
    fill(stack)
    finish(stack, [FIRST, SECOND], wrong, is_whole=False)


def fill(stack: StoreStack) -> None:
    """Finds the hole named, and closes it."""
    named = stack.ask(SECOND, f"SELECT count(*), sum(last_ordinal - first_ordinal + 1) FROM {NAMESPACE}.gaps WHERE"
                      " ordinal IS NULL")
    missing = stack.ask(SECOND, f"SELECT input, sum(missing) FROM {NAMESPACE}.sink_audit GROUP BY 1 ORDER BY 1")
    stretches, ordinals = named.split("|")
    if not int(stretches):
        raise Failure(f"{SECOND} was let go, and its gaps name no hole")
    say(f"gaps of {SECOND} names {ordinals} ordinals in {stretches} stretches; not accounted for: {missing.split()}")
    port = str(stack.ports["postgres"])
    begin = time.monotonic()
    done = stack.of_store(SECOND, "store", "fill", SECOND, "--from", FIRST, "--json", FROM_POSTGRES_PORT=port)
    took = time.monotonic() - begin
    if done.returncode != 0:
        raise Failure(f"tapeline store fill ended with {done.returncode}: {(done.stdout + done.stderr).strip()[-500:]}")
    said = json.loads(done.stdout)
    stack.figures |= {"ordinals in the hole": int(ordinals), "rows filled": said["filled"], "seconds of the fill": took}
    say(f"tapeline store fill: {said['filled']} rows in {took:.1f} s, {said['left']} ordinals stay missing")
    again = stack.of_store(SECOND, "store", "fill", SECOND, "--from", FIRST, "--dry-run", FROM_POSTGRES_PORT=port)
    left = stack.ask(SECOND, f"SELECT count(*) FROM {NAMESPACE}.gaps WHERE ordinal IS NULL")
    if again.returncode != 0 or left != "0":
        raise Failure(f"after the fill {left} holes are named: {again.stdout.strip()[-300:]}")


# --- the parts


Soak = Callable[[Any, argparse.Namespace], None]
PARTS: dict[str, tuple[Soak, Any]] = {
    "blocked": (blocked, StoreStack), "away": (away, StoreStack), "full": (full, FullStack),
    "latest": (latest_values.soak, latest_values.LatestStack)}


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", choices=PARTS, help="one part alone")
    parser.add_argument("--seconds", type=int, default=600, help="for which a fault lasts, or at most")
    parser.add_argument("--rate", type=int, default=500, help="ticks per second")
    parser.add_argument("--latest-rate", type=int, default=2_000, help="the same in the part latest")
    parser.add_argument("--symbols", type=int, default=40, help="but in the part latest, which has 10,000")
    parser.add_argument("--table", default="bars_short", choices=("bars_short", "quote_rows", "trade_rows"))
    parser.add_argument("--stream-bytes", type=int, default=4 << 20, help="of each stream, in the part full")
    parser.add_argument("--report", type=pathlib.Path, default=ROOT / ".build/night/stores.json")
    return parser


def made(kind: Any, figures: dict[str, Any]) -> Any:
    """A kind of stack whose figures are kept when it has gone."""
    def make(programs: pathlib.Path, seed: int, name: str) -> Any:
        stack = kind(programs, seed, name)
        figures["seed"] = seed
        stack.figures = figures
        return stack
    return make


def told(soak: Soak, figures: dict[str, Any]) -> Soak:
    """A soak whose failure is kept, too."""
    def act(stack: Any, options: argparse.Namespace) -> None:
        try:
            soak(stack, options)
        except Failure as failure:
            figures["failure"] = str(failure)
            raise
    return act


def main() -> int:
    options, _ = arguments().parse_known_args()
    parts: dict[str, dict[str, Any]] = {}
    for part in [options.part] if options.part else PARTS:
        soak, kind = PARTS[part]
        rate = options.latest_rate if part == "latest" else options.rate
        figures: dict[str, Any] = {"held": False, "rate": rate}
        if part != "latest":
            figures["seconds of the fault"] = options.seconds
        status = run(arguments(), f"stores-{part}", told(soak, figures), made(kind, figures))
        figures["held"] = status == 0
        parts[part] = figures
        options.report.parent.mkdir(parents=True, exist_ok=True)
        new = options.report.with_suffix(".new")
        new.write_text(json.dumps({"revision": revision(), "parts": parts}, indent=1) + "\n")
        new.rename(options.report)
    print(table(parts))
    return 0 if all(each["held"] for each in parts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
