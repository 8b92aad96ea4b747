"""What a load costs each part of a stack: seconds of processor for a tick, a packet, a partition, a bar and a
process, fitted to measured runs. Pure."""

import dataclasses
import json
import math
import pathlib
import typing

RUNS = pathlib.Path(__file__).with_name("runs.json")
SECONDS = {"s": 1, "m": 60, "h": 3600}
# Three quotes to a trade, as the synthetic market makes them.
TRADES = 0.25
# Packets a second of a partition that has ticks all the time, by the gateway's aim: `frugal` sends one every
# 83 ms, and `quick` one in each cycle (PacketPace.Cycle). Partitions share four streams.
FRUGAL_PACKETS = 12.0
CYCLE_SECONDS_MIN, CYCLE_LANE_SECONDS, STREAMS = 0.007, 0.0025, 4
# GATEWAY_PACKETS_PER_SECOND.
PACKETS_MAX = 2_000.0
COMMITS_MAX = 1 / 0.07
# How sharply the packets bend from one for each tick to the most that the aim allows.
BEND = 2.5
SWEEPS = 5_000

# The runs have up to 256 bars a second. Those cost PostgreSQL much each, because few share a statement. Of more,
# the rest costs what a row costs among thousands: one session took 105,118 a second on 24 November
# (`StoreBenchmark bars`).
FEW_BARS = 300
BAR_ROW_SECONDS = 1 / 105_118
# What each part's processor time depends on. What is not named here costs it nothing that was measured.
FEATURES = {
    "nats-server": ("stack", "partitions", "packets", "ticks", "workers"),
    "provider-gateway": ("stack", "partitions", "packets", "ticks"),
    "operator-worker": ("workers", "partitions", "packets", "ticks", "bars"),
    "store-writer": ("stack", "partitions", "packets", "ticks", "bars"),
    "postgres": ("stack", "partitions", "commits", "ticks", "few_bars"),
    "valkey": ("stack", "packets", "ticks"),
}


@dataclasses.dataclass(frozen=True)
class Load:
    """What a stack has to do. Ticks are those of a second, of all sources."""

    ticks: float
    symbols: int
    partitions: int = 8
    series: str = "1s,1m"
    aim: str = "quick"
    workers: int = 2
    sources: int = 1

    @property
    def lanes(self) -> float:
        """The partitions that have a symbol, when symbols fall on them by chance."""
        return self.partitions * (1 - math.pow(1 - 1 / self.partitions, self.symbols))

    @property
    def packets(self) -> float:
        """Packets of ticks a second. Each source has its own in each partition."""
        ticks, lanes = self.ticks / self.sources, self.lanes
        cycle = max(CYCLE_SECONDS_MIN, CYCLE_LANE_SECONDS * math.ceil(self.partitions / STREAMS))
        most = min(lanes * FRUGAL_PACKETS if self.aim == "frugal" else lanes / cycle, PACKETS_MAX)
        return self.sources * ticks * math.pow(1 + math.pow(ticks / most, BEND), -1 / BEND)

    @property
    def bars(self) -> float:
        """Bars a second: a window has one if its symbol traded in it."""
        return sum(count / time for time, count in self.windows)

    @property
    def bar_packets(self) -> float:
        """Packets of bars a second: one of each partition that has bars, for each window's end."""
        return sum(self.lanes * (1 - math.exp(-count / self.lanes)) / time for time, count in self.windows)

    @property
    def windows(self) -> list[tuple[int, float]]:
        """For each series the seconds of a window, and how many symbols have a bar of it."""
        trades = TRADES * self.ticks / self.symbols
        seconds = [int(each[:-1]) * SECONDS[each[-1]] for each in self.series.split(",")]
        return [(time, self.symbols * (1 - math.exp(-trades * time))) for time in seconds]

    @property
    def commits(self) -> float:
        """Transactions a second of a writer, whose rows wait 70 ms for others."""
        return COMMITS_MAX * (1 - math.exp(-self.ticks / COMMITS_MAX))

    def feature(self, name: str, packets: float | None = None) -> float:
        values: dict[str, float] = {
            "stack": 1, "partitions": self.partitions, "ticks": self.ticks,
            "bars": self.bars, "few_bars": FEW_BARS * (1 - math.exp(-self.bars / FEW_BARS)),
            "workers": self.workers, "commits": self.commits, "packets": self.packets if packets is None else packets}
        return values[name]


@dataclasses.dataclass(frozen=True)
class Run:
    """A measured run, or the middle of several: cores that each part kept busy."""

    name: str
    source: str
    # `fit`: the costs follow from it. `check`: it has to be predicted. `busy`: the same, on a busy machine.
    use: str
    load: Load
    packets: float | None
    cores: dict[str, float]
    # What all parts kept busy in each of several runs.
    sums: tuple[float, ...] = ()
    # Bytes a second `into` and `out` of nats-server.
    bytes: dict[str, float] = dataclasses.field(default_factory=dict)

    @property
    def total(self) -> float:
        return sum(self.cores.values())

    def predicted(self, costs: "Costs") -> dict[str, float]:
        """The cores that each part should have kept busy. Runs with `quick` are of earlier cycles, and had more
        packets or fewer than one of now."""
        return cores(costs, self.load, self.packets if self.load.aim == "quick" else None)


def runs(path: pathlib.Path = RUNS) -> list[Run]:
    found = []
    for each in json.loads(path.read_text())["runs"]:
        found.append(Run(
            each["name"], each["source"], each["use"], Load(**each["load"]), each.get("packets"),
            each["cores"], tuple(each.get("sums", ())), each.get("bytes", {})))
    return found


Costs = dict[str, dict[str, float]]


def fit(measured: typing.Sequence[Run]) -> Costs:
    """Seconds of processor by part and feature: none below nothing, with the least squares of relative
    errors."""
    fitted = [run for run in measured if run.use == "fit"]
    found: Costs = {}
    for part, names in FEATURES.items():
        rows = []
        for run in fitted:
            rest = run.cores[part] - bar_rows(part, run.load)
            rows.append([run.load.feature(name, run.packets) / rest for name in names])
        found[part] = dict(zip(names, least_squares(rows)))
    return found


def bar_rows(part: str, load: Load) -> float:
    return BAR_ROW_SECONDS * load.bars if part == "postgres" else 0.0


def least_squares(rows: list[list[float]]) -> list[float]:
    """Weights of at least 0 with which each row adds up to about 1."""
    count = range(len(rows[0]))
    products = [[sum(row[i] * row[j] for row in rows) for j in count] for i in count]
    sums = [sum(row[i] for row in rows) for i in count]
    weights = [0.0 for _ in count]
    for _ in range(SWEEPS):
        for i in count:
            others = sum(products[i][j] * weights[j] for j in count if j != i)
            weights[i] = max(0.0, (sums[i] - others) / products[i][i])
    return weights


def unseen(measured: typing.Sequence[Run], use: str) -> list[Run]:
    """The runs for this use whose loads the costs were not fitted to."""
    fitted = {run.load for run in measured if run.use == "fit"}
    return [run for run in measured if run.use == use and run.load not in fitted]


def busy_factor(costs: Costs, measured: typing.Sequence[Run]) -> float:
    """How much dearer everything is on the busy machine, by its runs of loads that were fitted."""
    others = unseen(measured, "busy")
    known = [run for run in measured if run.use == "busy" and run not in others]
    return sum(run.total / sum(run.predicted(costs).values()) for run in known) / len(known)


def cores(costs: Costs, load: Load, packets: float | None = None) -> dict[str, float]:
    """The cores that each part keeps busy under a load, with these packets a second if they are known."""
    return {
        part: bar_rows(part, load) + sum(cost * load.feature(name, packets) for name, cost in weights.items())
        for part, weights in costs.items()}
