"""The whole stack, measured from outside: latency, processor time, kills, and how both grow."""

import math
import time

from histograms import quantile
from stack import Failure, Meter, Stack, symbols

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
VICTIMS = ("operator-worker-a", "provider-gateway", "store-writer")
# The rate at which the stack's growth is measured, far below the highest one.
GROWTH_RATE = 5_000


class Times:
    """How long each part of a measurement takes, in seconds."""

    def __init__(self, mode):
        self.warm = {"quick": 2, "usual": 8, "full": 10}[mode]
        self.measured = {"quick": 4, "usual": 20, "full": 40}[mode]
        self.search = {"quick": 3, "usual": 8, "full": 12}[mode]
        self.growth = {"quick": 4, "usual": 15, "full": 20}[mode]


class Whole:
    def __init__(self, checkout, programs, mode, tell):
        self.checkout, self.programs, self.times, self.tell = checkout, programs, Times(mode), tell

    def stack(self, name, rate, settings=None):
        sets = {"SYNTHETIC_SYMBOLS": symbols(SYMBOLS), "SYNTHETIC_RATE": str(rate), **(settings or {})}
        return Stack(self.checkout, self.programs, name, sets)

    def measure(self, stack, seconds, kill=None):
        """Looks at a stack for a time. With `kill`, a process ends in its first third, and looks are a
        second apart, because a killed process takes its counts along."""
        time.sleep(self.times.warm)
        meter = Meter(stack)
        meter.look()
        if kill:
            time.sleep(seconds / 4)
            meter.look()
            stack.kill(kill)
            end = time.monotonic() + seconds * 3 / 4
            while time.monotonic() < end:
                time.sleep(1)
                meter.look()
        else:
            time.sleep(seconds)
            meter.look()
        return meter

    # --- the highest rate

    def highest_rate(self):
        """The highest rate of ticks of which all become rows, to a quarter."""
        rate = self.capacity()
        self.tell(f"rows of ticks at full speed: {rate:,.0f}/s")
        step = None
        for _ in range(5):
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

    def bars_per_second(self):
        """Ticks per second that become bars while the gateway sends as fast as it can and no rows of
        ticks are written. The gateway's ticks count as far as workers kept up with them."""
        full = {"SYNTHETIC_PACE": "full", "SYNTHETIC_TICKS": "400000000", "WRITER_SINKS": "bars",
                "GATEWAY_LIVE": "false"}
        with self.stack("bars", 200_000, full) as stack:
            meter = self.measure(stack, self.times.search)
        return meter.operated / meter.seconds

    # --- tables

    def latency(self, rate, share=None, kill=None, settings=None):
        """A line of the table of latency, and of that of processor time."""
        with self.stack("latency", round(rate), settings) as stack:
            meter = self.measure(stack, self.times.measured, kill)
            memory = meter.memory()
        return {
            "rate": round(rate), "share": share, "killed": kill, "measured_seconds": meter.seconds,
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
        yield self.growth("partitions", (4, 16, 32, 64), lambda count: {"MDS_PARTITIONS": str(count)})
        yield self.growth("series", tuple(len(each.split(",")) for each in series),
                          lambda count: {"OPERATOR_SERIES": next(
                              each for each in series if len(each.split(",")) == count)})
        yield self.growth("workers", (2, 3, 4, 6), prepare=workers)


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
