"""What the product shall reach, beside what it did. Pure."""

import dataclasses
import math

from rows import median, number, ratio

# Of the whole stack by ticks per second: the milliseconds of receipt to Valkey (p99), and percent of a core. Those
# are 0.6, 0.63, 0.7 and 0.8 of what revision b1e6af6d took.
VALKEY_GOALS = {100: 2, 1_000: 5, 10_000: 12, 50_000: 15}
CORE_GOALS = {1: 6, 100: 16, 1_000: 35, 10_000: 56, 50_000: 116}
FRUGAL_GOALS = {1_000: 18, 10_000: 30}
# From here on p99.9 has a goal, too.
BUSY_RATE = 10_000
# p50 and p99 in milliseconds, with WRITER_LATENCY=quick.
ROWS_GOALS = (25, 60)
COPY_ROW = ("WriterBenchmark", "ticks to rows, shipped")
# A packet of a gateway waits for the end of a cycle, and has 1,024 ticks at most.
CYCLE_MS = 7
TICKS_MAX = 1_024
PUBLISH_ROW = ("TapeBenchmark", "publish, sync always, 1024 ticks a packet")
COPIES_ROW = ("TapeBenchmark", "3 copies, 1150 packets/s of 9 ticks, sync always: ack p99")
KILLED_ROW = ("WorkersBenchmark", "a worker is killed: to the last marker, p50")
HANDOVER_ROW = ("WorkersBenchmark", "a worker ends: pause of a partition, p99")
SHARE_ROW = ("WorkersBenchmark", "ticks of 20 us each by two workers")
ARROW_ROW = ("ColumnBenchmark", "tape to Arrow, 32 ticks a packet")
POLARS_ROW = ("ColumnBenchmark", "recording to polars, 32 ticks a packet")


@dataclasses.dataclass(frozen=True)
class Goal:
    what: str
    bound: float
    unit: str
    # `None` when it was not measured.
    found: float | None
    at_least: bool = False

    @property
    def holds(self):
        if self.found is None:
            return None
        return self.found >= self.bound if self.at_least else self.found <= self.bound

    @property
    def cells(self):
        """What, goal, figure and whether it is reached."""
        found = "not measured" if self.found is None else f"{number(self.found)} {self.unit}"
        sign = "≥" if self.at_least else "≤"
        return [self.what, f"{sign} {number(self.bound)} {self.unit}", found, self.holds]


def goals(record):
    """All goals; none of an empty record."""
    if not record["rows"] and not record["whole"]:
        return []
    return [*stack_goals(record), *full_speed_goals(record), *kill_goals(record), *program_goals(record)]


KILL_GOALS = {"provider-gateway": 1_000, "store-writer": 1_000, "operator-worker-a": 700}
# By what `held_up` measures.
HELD_UP = {"row": "longest time without a new row", "value": "longest time without a new value in Valkey",
           "bar": "the latest bar after its window's end"}


def stack_goals(record):
    for rate, bound in VALKEY_GOALS.items():
        yield Goal(f"receipt to Valkey at {rate:,} ticks/s, p99", bound, "ms", valkey(record, rate, 1))
        if rate >= BUSY_RATE:
            p99, highest = valkey(record, rate, 1), valkey(record, rate, 2)
            yield Goal("the same, p99.9 beside p99", 2, "times", highest / p99 if p99 and highest else None)
    for part, bounds in (("latency", CORE_GOALS), ("frugal", FRUGAL_GOALS)):
        for rate, bound in bounds.items():
            how = "" if part == "latency" else f", {part}"
            yield Goal(f"the whole stack at {rate:,} ticks/s{how}", bound, "% of a core", core(record, part, rate))
    for rate in (1_000, 10_000):
        for place, bound in enumerate(ROWS_GOALS):
            yield Goal(f"receipt to row at {rate:,} ticks/s with `WRITER_LATENCY=quick`, p{(50, 99)[place]}", bound,
                       "ms", stage(record, "quick_rows", rate, "receipt to row", place))


def full_speed_goals(record):
    whole = record["whole"]
    bars, rows = whole.get("bars_per_second"), whole.get("highest_rate")
    yield Goal("ticks that become bars at full speed, nobody hears", 1_000_000, "/s", bars, True)
    bare = peer(record, PUBLISH_ROW)
    yield Goal("the same beside bare C that publishes 1,024 ticks a packet", 25, "%",
               bars and bare and 100 * bars / (bare * TICKS_MAX), True)
    copied = peer(record, COPY_ROW)
    yield Goal("the highest rate of which every tick becomes a row, beside `\\copy` by one session", 70, "%",
               rows and copied and 100 * rows / copied, True)


def kill_goals(record):
    yield Goal("a worker is killed: until others go on, median", 700, "ms", value(record, KILLED_ROW))
    killed = record["whole"].get("kills") or {victim: [] for victim in KILL_GOALS}
    for victim, kills in killed.items():
        for what, said in HELD_UP.items():
            yield Goal(f"{victim} is killed: {said}, median of {len(kills)}", KILL_GOALS[victim], "ms",
                       median([kill[what] for kill in kills]))
    yield Goal("a partition is handed over, p99", 60, "ms", value(record, HANDOVER_ROW))


def program_goals(record):
    acknowledged, share = value(record, COPIES_ROW), share_of(record, COPIES_ROW)
    yield Goal("three copies, packets of 10,000 ticks/s: a cycle and the acknowledgement, p99", 20, "ms",
               None if acknowledged is None else CYCLE_MS + acknowledged / 1e3)
    yield Goal("the same acknowledgement beside bare libnats", 1.5, "times", share)
    yield Goal("two workers beside one, 20 us a tick", 1.98, "times", share_of(record, SHARE_ROW), True)
    yield Goal("tape to Arrow, 32 ticks a packet, beside a bare pull", 0.9, "times", share_of(record, ARROW_ROW), True)
    frames = [ratio(each) for each in record["rows"] if each["program"] == "StoreBenchmark" and " into " in each["row"]]
    yield Goal("database to frames beside a binary `\\copy` to nowhere, the slowest", 0.8, "times",
               min((each for each in frames if each is not None), default=None), True)
    yield Goal("recording to polars, 32 ticks a packet", 25, "M ticks/s", value(record, POLARS_ROW), True)


def figures(record):
    """The figures of a record that its row of the history has."""
    whole = record["whole"]
    found = {f"valkey_p99_{rate}": valkey(record, rate, 1) for rate in VALKEY_GOALS}
    found |= {f"core_{rate}": core(record, "latency", rate) for rate in CORE_GOALS}
    found |= {key: whole.get(key) for key in ("bars_per_second", "bars_heard_per_second", "highest_rate")}
    return {name: figure for name, figure in found.items()
            if figure is not None and math.isfinite(figure)}


def row(record, name):
    return next((each for each in record["rows"] if (each["program"], each["row"]) == name), None)


def value(record, name):
    found = row(record, name)
    return found and median(found["values"])


def peer(record, name):
    found = row(record, name)
    return found and median(found["peer_values"])


def share_of(record, name):
    found = row(record, name)
    return found and ratio(found)


def line(record, part, rate):
    return next((each for each in record["whole"].get(part, []) if each["rate"] == rate), None)


def core(record, part, rate):
    found = line(record, part, rate)
    return found and found["core_percent"]


def valkey(record, rate, place):
    return stage(record, "latency", rate, "receipt to Valkey", place)


def stage(record, part, rate, name, place):
    """Milliseconds; infinite above the highest bound of the histogram."""
    found = line(record, part, rate)
    figure = found and found["latency_ms"][name][place]
    return math.inf if isinstance(figure, str) else figure
