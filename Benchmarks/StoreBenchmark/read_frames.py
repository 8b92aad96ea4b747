#!/usr/bin/env python3
"""Measures how fast the Python package reads all rows of a kind into frames, in turns with psql.

    read_frames.py URL KIND PSQL

KIND: trades or quotes. PSQL: the program, which copies the same rows in binary to nowhere: the columns of the table of
which the frame is made, in the same order. Prints a line for each frame: its name, our rows per second, and psql's.
"""
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "Sources/Desk/python"))

import tapeline  # noqa: E402

TURNS = 5
COLUMNS = {
    "trades": "price, size, exchange, conditions, action",
    "quotes": "bid_price, bid_size, ask_price, ask_size, bid_exchange, ask_exchange",
}
COMMON = ("ts, ts_rest_ns, receive_time, receive_rest_ns, symbol, source, provider, {}, flags, time_resolution,"
          " provider_id, partition, epoch, ordinal")
ORDER = " ORDER BY ts, ts_rest_ns, source COLLATE \"C\", partition, ordinal"


def seconds(call):
    start = time.monotonic()
    found = call()
    return time.monotonic() - start, found


def main(url, kind, psql):
    table = f"md.{kind[:-1]}_rows"
    columns = COMMON.format(COLUMNS[kind])
    read = getattr(tapeline.connect(url), kind)
    in_order, any_order = read(missing="mark"), read(missing="mark", order="any")
    ways = {
        "polars with exact decimals": (lambda: in_order.to_polars(price="decimal"), ORDER),
        "polars with exact decimals, in any order": (lambda: any_order.to_polars(price="decimal"), ""),
        "pandas": (in_order.to_pandas, ORDER),
    }
    best = {}
    count = 0
    for _ in range(TURNS):
        for name, (frame, order) in ways.items():
            copy = f"\\copy (SELECT {columns} FROM {table}{order}) TO '/dev/null' (FORMAT binary)"
            theirs, _ = seconds(lambda: subprocess.run([psql, "-X", "-q", "-c", copy, url], check=True))
            ours, found = seconds(frame)
            count = len(found)
            best[name] = [min(pair) for pair in zip(best.get(name, [ours, theirs]), [ours, theirs])]
    for name, (ours, theirs) in best.items():
        print(f"{name};{count / ours};{count / theirs}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
