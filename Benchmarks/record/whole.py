"""The whole stack, measured from outside: latency, processor time, kills, and how both grow."""

import math
import subprocess
import sys
import time

from histograms import Growth, matches, merge, parse, quantile
from stack import Failure, Listener, Meter, Stack, page, symbols

# By name, the service whose histogram it is, the histogram and its labels.
STAGES = {
    "receipt to durable": ("provider-gateway", "mds_gateway_tick_age_seconds", {}),
    "window's end to bar": ("operator-worker", "mds_operator_bar_age_seconds", {}),
    "receipt to row": ("store-writer", "mds_writer_tick_age_seconds", {}),
    "receipt to Valkey": ("store-writer", "mds_hot_state_age_seconds", {"from": "receipt"}),
}
SHARES = (0.5, 0.99, 0.999)
SYMBOLS = 96
# A rate is kept up when this much of the ticks of a time are rows at its end.
KEPT_UP = 0.98
# What is killed in turn. A service that had run for 30 s is started again at once.
VICTIMS = ("provider-gateway", "store-writer", "operator-worker-a")
KILL_RATE = 10_000
KILL_SECONDS = 11
WATCH_SECONDS = 6
LOOK_SECONDS = 0.02
# Beside this many busy loops rows may be this much later than the tape.
BUSY_LOOPS = 2
BUSY_RATES = (50_000, 25_000, 10_000, 5_000)
BEHIND_SECONDS_MAX = 5
# The rate at which the stack's growth is measured, far below the highest one.
GROWTH_RATE = 5_000


class Times:
    """How long each part of a measurement takes, in seconds."""

    def __init__(self, mode):
        self.warm = {"quick": 2, "usual": 6, "full": 10}[mode]
        self.measured = {"quick": 4, "usual": 20, "full": 40}[mode]
        self.search = {"quick": 3, "usual": 8, "full": 12}[mode]
        self.bars = {"quick": 4, "usual": 60, "full": 60}[mode]
        self.kills = {"quick": 1, "usual": 2, "full": 20}[mode]
        self.busy = {"quick": 10, "usual": 60, "full": 600}[mode]
        self.growth = {"quick": 4, "usual": 15, "full": 20}[mode]


class Whole:
    def __init__(self, checkout, programs, mode, tell):
        self.checkout, self.programs, self.times, self.tell = checkout, programs, Times(mode), tell

    def stack(self, name, rate, settings=None):
        sets = {"SYNTHETIC_SYMBOLS": symbols(SYMBOLS), "SYNTHETIC_RATE": str(rate), **(settings or {})}
        return Stack(self.checkout, self.programs, name, sets)

    def measure(self, stack, seconds):
        time.sleep(self.times.warm)
        meter = Meter(stack)
        meter.look()
        time.sleep(seconds)
        meter.look()
        return meter

    # --- the highest rate

    def highest_rate(self):
        """The highest rate of ticks of which all become rows, to a quarter."""
        rate = self.capacity()
        self.tell(f"rows of ticks at full speed: {rate:,.0f}/s")
        step = None
        for _ in range(4):
            keeps = self.keeps_up(rate)
            self.tell(f"{rate:,.0f} ticks/s: {'kept up' if keeps else 'not kept up'}")
            if step is not None and keeps != step:
                return rate if keeps else rate / 1.25
            step = keeps
            rate = rate * 1.25 if keeps else rate / 1.25
        return rate / 1.25 if step else rate

    def capacity(self):
        """Rows per second while the gateway sends as fast as it can."""
        full = {"SYNTHETIC_PACE": "full", "SYNTHETIC_TICKS": "400000000"}
        with self.stack("full", 200_000, full) as stack:
            meter = self.measure(stack, self.times.search)
        if not meter.rows:
            raise Failure("at full speed no row came within the time: run it on a machine with more room")
        return meter.rows / meter.seconds

    def keeps_up(self, rate):
        with self.stack("search", round(rate)) as stack:
            meter = self.measure(stack, self.times.search)
        return meter.rows >= KEPT_UP * rate * meter.seconds

    def bars_per_second(self, is_heard):
        """Ticks per second that become bars while the gateway sends as fast as it can, with the shipped
        settings but no rows of ticks, and room on the tape for a minute. The gateway's ticks count as far as
        workers kept up with them. With `is_heard` a listener hears all live data."""
        full = {"SYNTHETIC_PACE": "full", "SYNTHETIC_TICKS": "400000000", "STORE_TABLES": "bars",
                "MDS_STREAM_BYTES": "4GiB"}
        with self.stack("bars", 200_000, full) as stack:
            if not is_heard:
                meter = self.measure(stack, self.times.bars)
            else:
                with Listener(stack) as listener:
                    meter = self.measure(stack, self.times.bars)
                live = meter.total("provider-gateway", "mds_live_messages_total") / meter.seconds
                self.tell(f"{live:,.0f} live ticks/s, {listener.bytes / 1e6:,.0f} MB heard")
                if not live:
                    raise Failure("the gateway sent nothing to the listener of live data")
        return meter.operated / meter.seconds

    # --- kills

    def kills(self):
        """What each kill of each victim held up, in ms (`held_up`)."""
        found = {victim: [] for victim in VICTIMS}
        with self.stack("kills", KILL_RATE) as stack:
            # Each has to have run for a time before it is killed.
            time.sleep(KILL_SECONDS * len(VICTIMS))
            for _ in range(self.times.kills):
                for victim, kills in found.items():
                    end = time.monotonic() + KILL_SECONDS
                    kills.append(held_up(stack, victim))
                    self.tell(f"{victim} is killed: " + ", ".join(
                        f"{what} {number:,.0f} ms" for what, number in kills[-1].items()))
                    time.sleep(max(0.0, end - time.monotonic()))
        return found

    # --- a busy machine

    def busy_rate(self):
        """The highest of some rates of which rows stay near the tape beside busy loops; 0 if none does."""
        for rate in BUSY_RATES:
            loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(BUSY_LOOPS)]
            try:
                with self.stack("busy", rate) as stack:
                    behind = self.behind(stack)
            finally:
                for loop in loops:
                    loop.kill()
                    loop.wait()
            self.tell(f"{rate:,} ticks/s: rows up to {behind:.1f} s behind")
            if behind <= BEHIND_SECONDS_MAX:
                return float(rate)
        return 0.0

    def behind(self, stack):
        """How many seconds the writers were behind at most, from look to look. It ends when it is too many."""
        time.sleep(self.times.warm)
        end, most = time.monotonic() + self.times.busy, 0.0
        while time.monotonic() < end and most <= BEHIND_SECONDS_MAX:
            text = page(stack.ports()["provider-gateway"], "/metrics")
            if text is not None:
                present = [value for name, value in parse(text).items()
                           if matches(name, "mds_group_lag_seconds", {"group": "store"})]
                most = max([most, *present])
            time.sleep(1)
        return most

    # --- tables

    def latency(self, rate, settings):
        """A line of the tables of latency and processor time."""
        with self.stack("latency", rate, settings) as stack:
            meter = self.measure(stack, self.times.measured)
            memory = meter.memory()
        return {
            "rate": rate, "settings": settings, "measured_seconds": meter.seconds,
            "ticks_per_second": meter.ticks / meter.seconds, "rows_per_second": meter.rows / meter.seconds,
            "latency_ms": latencies(meter), "processor": per_million(meter), "memory_mb": memory,
            "core_percent": 100 * sum(meter.parts().values()) / meter.seconds,
        }

    def growth(self, name, values, settings=None, prepare=None):
        """A curve: one short run for each value."""
        points = []
        for value in values:
            with self.stack("growth", GROWTH_RATE, settings(value) if settings else None) as stack:
                if prepare:
                    prepare(stack, value)
                meter = self.measure(stack, self.times.growth)
                memory = meter.memory()
            points.append({
                "value": value, "processor": per_million(meter), "latency_ms": latencies(meter),
                "memory_mb": memory})
            self.tell(f"{name} {value}: {sum(points[-1]['processor'].values()):.1f} s of processor "
                      "time for a million ticks")
        return {"name": name, "rate": GROWTH_RATE, "points": points}

    def curves(self):
        """Measures one curve after the other."""
        series = ("1s", "1s,1m", "1s,1m,1h", "1s,5s,15s,1m,5m,1h")

        def workers(stack, count):
            for _ in range(count - 2):
                stack.add_worker()

        yield self.growth("symbols", (8, 32, 96, 256),
                          lambda count: {"SYNTHETIC_SYMBOLS": symbols(count)})
        yield self.growth("partitions", (4, 8, 16, 32), lambda count: {"MDS_PARTITIONS": str(count)})
        yield self.growth("series", tuple(len(each.split(",")) for each in series),
                          lambda count: {"OPERATOR_SERIES": next(
                              each for each in series if len(each.split(",")) == count)})
        yield self.growth("workers", (2, 3, 4, 6), prepare=workers)


def held_up(stack, victim):
    """Kills it. Returns in ms the longest time between two looks at which the writer had a new row, and a new
    value in Valkey, and the age of the latest bar, counted from its window's end."""
    ports, now = stack.ports(), time.monotonic()
    writer = next(port for name, port in ports.items() if name.startswith("store-writer"))
    workers = {name: Growth() for name in ports if name.startswith("operator-worker")}
    clocks = {"row": PauseClock(now), "value": PauseClock(now)}
    look_at(stack, workers)
    killed, end = False, now + WATCH_SECONDS
    while time.monotonic() < end:
        text, now = page(writer, "/metrics"), time.monotonic()
        if text is not None:
            clocks["row"].see(tick_rows(text), now)
            clocks["value"].see(values(text), now)
        if not killed and all(clock.is_running for clock in clocks.values()):
            stack.kill(victim)
            killed = True
        time.sleep(LOOK_SECONDS)
    for what, clock in clocks.items():
        if not clock.is_running or end - clock.seen > 1:
            raise Failure(f"no new {what} {WATCH_SECONDS} s after {victim} was killed")
    look_at(stack, workers)
    ages = merge(growth.buckets("mds_operator_bar_age_seconds") for growth in workers.values())
    latest = quantile(ages, 1.0)
    if latest is None or latest == math.inf:
        raise Failure(f"no bar of known age came in {WATCH_SECONDS} s around the kill of {victim}")
    return {**{what: 1e3 * clock.longest for what, clock in clocks.items()}, "bar": 1e3 * latest}


def look_at(stack, workers):
    """Adds what the workers' metrics are now."""
    processes, ports = stack.processes(), stack.ports()
    for name, growth in workers.items():
        text = page(ports[name], "/metrics")
        if text is not None:
            growth.add(processes[name], parse(text))


class PauseClock:
    """The longest time between two looks at which a counter had changed. One that began again at 0 has not
    changed yet."""

    def __init__(self, now):
        self.count, self.seen, self.longest = None, now, 0.0

    @property
    def is_running(self):
        """Whether a change was seen, from which on times are counted."""
        return self.count is not None

    def see(self, count, now):
        if not count or count == self.count:
            return
        if self.is_running:
            self.longest = max(self.longest, now - self.seen)
        self.count, self.seen = count, now


def tick_rows(text):
    """The rows of trades and quotes of a page of a writer's metrics."""
    return total(text, 'sink_writes_total{sink="trades"', 'sink_writes_total{sink="quotes"')


def values(text):
    """The values that a writer put into Valkey, of a page of its metrics."""
    return total(text, "mds_hot_state_writes_total")


def total(text, *beginnings):
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(beginnings))


def latencies(meter):
    """Milliseconds by stage, in the order of `SHARES`: a text above the histogram's highest bound, and
    `None` without values."""
    found = {}
    for name, (service, metric, labels) in STAGES.items():
        buckets = meter.histogram(service, metric, **labels)
        highest = max((bound for bound in buckets if bound != math.inf), default=0.0)
        values = [quantile(buckets, share) for share in SHARES]
        found[name] = [
            None if value is None else f"> {1e3 * highest:,.0f}" if value == math.inf else 1e3 * value
            for value in values]
    return found


def per_million(meter):
    """Seconds of processor time by part, for a million ticks."""
    if not meter.ticks:
        raise Failure("no tick was published while the stack was measured")
    return {name: 1e6 * seconds / meter.ticks for name, seconds in meter.parts().items()}
