#!/usr/bin/env python3
"""Measures how fast Python with orjson makes exact records of the exchange's trades, on one core.

    parse_orjson.py MESSAGES

MESSAGES: one message a line. Prints the number of messages and the processor time in nanoseconds.
"""
import sys
import time

import orjson


def exact(text, decimals):
    """Returns a decimal as an integer in units of 10^-decimals; nothing is rounded."""
    whole, _, fraction = text.partition(".")
    kept = fraction.rstrip("0")
    if len(kept) > decimals:
        raise ValueError(text)
    return int(whole + kept) * 10 ** (decimals - len(kept))


def main(path):
    with open(path, "rb") as file:
        lines = file.read().splitlines()
    last = {}
    records = missing = 0
    start = time.process_time_ns()
    for line in lines:
        trade = orjson.loads(line)["data"]
        if trade["e"] != "trade":
            continue
        symbol, number = trade["s"], trade["t"]
        missing += number - last.get(symbol, number - 1) - 1
        last[symbol] = number
        record = (symbol, number, trade["T"] * 1_000_000, exact(trade["p"], 9), exact(trade["q"], 8))
        records += len(record) == 5
    taken = time.process_time_ns() - start
    if missing:
        sys.exit(f"{missing} trades are missing")
    print(records, taken)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
