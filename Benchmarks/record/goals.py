"""What the product shall reach, beside what it did. Pure."""

from rows import median, number, ratio

# Percent of a core that the whole stack takes, by ticks per second.
CORE_GOALS = {100: 20, 1_000: 60, 10_000: 125}
BARS_GOAL = 1_000_000
COPY_GOAL = 0.5
COPY_ROW = ("WriterBenchmark", "ticks to rows, shipped")
FRAMES_ROW = ("StoreBenchmark", "plain, quotes into polars with exact decimals")
FRAMES_GOAL = 0.8
OPERATOR_ROW = ("OperatorBenchmark", "{} symbols: graph, decode and 1s")
OPERATOR_GOAL = 125
WORKERS_ROW = ("WorkersBenchmark", "ticks of 20 us each by two workers")
WORKERS_GOAL = 1.7
LOOP_GOAL = 0.5


def goals(record):
    """Rows of what, goal, figure and whether it is reached, of what was measured."""
    whole, rows = record.get("whole") or {}, []
    calm = {each["rate"]: each for each in whole.get("latency", []) if not each["killed"]}
    for rate, goal in CORE_GOALS.items():
        if rate in calm:
            found = calm[rate]["core_percent"]
            rows.append([f"the whole stack at {rate:,} ticks/s", f"≤ {goal} % of a core",
                         f"{number(found)} %", found <= goal])
    if "bars_per_second" in whole:
        found = whole["bars_per_second"]
        rows.append(["ticks that become bars at full speed, without rows of ticks",
                     f"≥ {BARS_GOAL:,} a second", number(found), found >= BARS_GOAL])
    copied = row(record, COPY_ROW)
    if copied and copied["peer_values"] and whole.get("highest_rate"):
        found = whole["highest_rate"] / median(copied["peer_values"])
        rows.append(["the highest rate of which every tick becomes a row, beside `\\copy` by one session",
                     f"≥ {COPY_GOAL:.0%} of it", f"{found:.0%}", found >= COPY_GOAL])
    shared = row(record, WORKERS_ROW)
    if shared and ratio(shared):
        rows.append(["two workers, 20 us a tick, beside one", f"≥ {WORKERS_GOAL} times",
                     number(ratio(shared)), ratio(shared) >= WORKERS_GOAL])
    read = row(record, FRAMES_ROW)
    if read and ratio(read):
        rows.append(["quotes of the database into a frame, beside a binary `\\copy` of them in the same order to nowhere",
                     f"≥ {FRAMES_GOAL:.0%} of it", f"{ratio(read):.0%}", ratio(read) >= FRAMES_GOAL])
    return rows + operators(record)


def operators(record):
    rows = []
    few = row(record, (OPERATOR_ROW[0], OPERATOR_ROW[1].format(10)))
    if few:
        found = median(few["values"])
        rows.append(["packets of 10 symbols to bars of 1 s, one core", f"≥ {OPERATOR_GOAL} M trades/s",
                     number(found), found >= OPERATOR_GOAL])
    many = row(record, (OPERATOR_ROW[0], OPERATOR_ROW[1].format(500)))
    if many and ratio(many):
        rows.append(["the same of 500 symbols, beside a plain loop in C", f"≥ {LOOP_GOAL:.0%} of it",
                     f"{ratio(many):.0%}", ratio(many) >= LOOP_GOAL])
    return rows


def row(record, name):
    return next((each for each in record["rows"] if (each["program"], each["row"]) == name), None)
