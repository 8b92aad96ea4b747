"""What a load asks of each bound of one stack, where it is cut when one stack is not enough, and what is then
needed. Pure."""

import dataclasses
import math

from costs import TRADES, Costs, Load, cores

# Bytes, as in docs/sizing.md: of a packet and of a tick on the tape, of a packet and of a bar; of rows.
PACKET, TICK, BAR_PACKET, BAR = 243, 85, 341, 146
TRADE_ROW, QUOTE_ROW, BAR_ROW = 149, 165, 291
# The transaction log of a trade and of a quote.
TRADE_LOG, QUOTE_LOG = 168, 179
# Bytes a second into and out of nats-server for each partition without ticks, and of a tick that is told live
# (measured by loads.py: runs `idle` and `idle, 128 partitions`, and those of 1,000 and 10,000 ticks/s).
IDLE_IN, IDLE_OUT, LIVE_TICK = 745, 2_900, 490
# Megabytes of a process, and of each partition in it: loads.py, `idle` with 32, 128 and 512 partitions.
MEMORY = {"provider-gateway": (43.0, 0.04), "operator-worker": (20.0, 0.92), "store-writer": (26.0, 0.02)}
# What may be used of a bound in a plan.
PLANNED = 0.7
HEARTBEATS = 8
# The bounds of one stack: what is bounded, how much was measured or is allowed, where that is from.
BOUNDS = {
    "packets of one nats-server": (
        9_270, "/s", "docs/performance.md, TapeBenchmark: an fsync for each, 16 ticks a packet"),
    "rows of ticks of one database": (
        265_656, "/s", "docs/performance.md: the highest rate of which every tick became a row"),
    "rows of bars of one database": (
        105_118, "/s", "`StoreBenchmark bars` of 24 November: 5,000 a transaction"),
    "the core of one gateway": (1, "cores", "one thread reads, packs and publishes a source's ticks"),
    "symbols of one Valkey": (150_000, "", "docs/sizing.md: a quote, a trade and two series in 256 MiB"),
    "partitions of one namespace": (
        1_024, "", "simulated with 100 workers (ScaleTests); 4,096 are accepted"),
    "workers of one group": (100, "", "simulated (ScaleTests); a member hears 512 others"),
}


# A stack that uses more of these than planned is cut in two. Of the others a stack takes what it needs.
CUT = (
    "packets of one nats-server", "rows of ticks of one database", "rows of bars of one database",
    "symbols of one Valkey")


@dataclasses.dataclass(frozen=True)
class Plan:
    """A load over `stacks` stacks of the same size: each has a namespace, a nats-server (or three), and a
    database of its own."""

    name: str
    load: Load
    stacks: int
    # Of one stack.
    each: Load
    writers: int
    cores: dict[str, float]

    @property
    def total(self) -> float:
        return self.stacks * sum(self.cores.values())


def use(costs: Costs, load: Load) -> dict[str, float]:
    """The share of each bound that a load takes when one stack has to carry it; 1 is all of it."""
    busy = cores(costs, load)
    wanted = {
        "packets of one nats-server": load.packets,
        "rows of ticks of one database": load.ticks,
        "rows of bars of one database": load.bars,
        "the core of one gateway": busy["provider-gateway"] / load.sources,
        "symbols of one Valkey": load.symbols,
        "partitions of one namespace": load.partitions,
        "workers of one group": load.workers,
    }
    return {name: amount / BOUNDS[name][0] for name, amount in wanted.items()}


def first(costs: Costs, load: Load) -> tuple[str, float]:
    """The bound of which a load takes most."""
    taken = use(costs, load)
    name = max(taken, key=lambda each: taken[each])
    return name, taken[name]


def sized(costs: Costs, load: Load) -> Load:
    """The load with as many sources and workers as it needs: none of them more than the planned share of a
    core. A hundred symbols share a partition."""
    partitions = Load.partitions
    while partitions < min(1_024, load.symbols / 100):
        partitions *= 2
    load = dataclasses.replace(load, partitions=partitions)
    while cores(costs, load)["provider-gateway"] / load.sources > PLANNED:
        load = dataclasses.replace(load, sources=load.sources + 1)
    while cores(costs, load)["operator-worker"] / load.workers > PLANNED:
        load = dataclasses.replace(load, workers=load.workers + 1)
    return load


def plan(costs: Costs, name: str, load: Load) -> Plan:
    """Cuts a load into as many stacks as it takes until none uses more than the planned share of a bound."""
    stacks = 1
    while True:
        each = sized(costs, dataclasses.replace(
            load, ticks=load.ticks / stacks, symbols=math.ceil(load.symbols / stacks)))
        taken = use(costs, each)
        if all(taken[name] <= PLANNED for name in CUT):
            break
        stacks += 1
    busy = cores(costs, each)
    writers = max(1, math.ceil(busy["store-writer"] / PLANNED))
    return Plan(name, load, stacks, each, writers, busy)


def tape_bytes(load: Load) -> float:
    """Bytes a second on the tape, in one copy."""
    bars = BAR_PACKET * load.bar_packets + BAR * load.bars
    return PACKET * load.packets + TICK * load.ticks + bars


def row_bytes(load: Load) -> float:
    trades, quotes = TRADES * load.ticks, (1 - TRADES) * load.ticks
    return TRADE_ROW * trades + QUOTE_ROW * quotes + BAR_ROW * load.bars


def log_bytes(load: Load) -> float:
    """Bytes a second of PostgreSQL's transaction log, without that of bars."""
    return TRADE_LOG * TRADES * load.ticks + QUOTE_LOG * (1 - TRADES) * load.ticks


def nats_bytes(load: Load, copies: int = 1, is_live: bool = True) -> tuple[float, float]:
    """Bytes a second into and out of the nats-servers. Workers and writers read the tape once each, and each
    further copy is one more way out of the leader and into another server."""
    tape = tape_bytes(load)
    live = LIVE_TICK * load.ticks if is_live else 0.0
    into = copies * tape + live + IDLE_IN * load.partitions
    return into, (1 + copies) * tape + IDLE_OUT * load.partitions


def memory(load: Load) -> dict[str, float]:
    """Megabytes of each gateway, worker and writer, without what many symbols take."""
    own = {"operator-worker": load.partitions / load.workers}
    return {
        part: process + each * own.get(part, load.partitions)
        for part, (process, each) in MEMORY.items()}


def heartbeats(members: int) -> tuple[int, int]:
    """Heartbeats into nats-server a second, and out of it: all members hear all."""
    return HEARTBEATS * members, HEARTBEATS * members * members
