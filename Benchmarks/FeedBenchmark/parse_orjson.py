#!/usr/bin/env python3
"""Measures how fast Python with orjson makes exact records of trades, on one core.

    parse_orjson.py trades|stocks MESSAGES

trades: of Binance, one in a line. stocks: of Alpaca, several in an array in a line. Prints the number of trades and the
processor time in nanoseconds.
"""
import datetime
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


def nanoseconds(text):
    """Returns a time in UTC with up to nine decimals."""
    second = datetime.datetime.fromisoformat(text[:19] + "+00:00")
    return int(second.timestamp()) * 10**9 + int(text[20:-1].ljust(9, "0") or 0)


def trades(lines):
    last = {}
    count = missing = 0
    for line in lines:
        trade = orjson.loads(line)["data"]
        if trade["e"] != "trade":
            continue
        symbol, number = trade["s"], trade["t"]
        missing += number - last.get(symbol, number - 1) - 1
        last[symbol] = number
        record = (symbol, number, trade["T"] * 1_000_000, exact(trade["p"], 9), exact(trade["q"], 8))
        count += len(record) == 5
    if missing:
        sys.exit(f"{missing} trades are missing")
    return count


def stocks(lines):
    count = 0
    for line in lines:
        for trade in orjson.loads(line):
            if trade["T"] != "t":
                continue
            # Its number has the exchange, the day and the id. orjson has no decimals, but gives the shortest text.
            record = (
                trade["S"], (trade["x"], trade["t"][:10], trade["i"]), nanoseconds(trade["t"]),
                exact(str(trade["p"]), 9), exact(str(trade["s"]), 8), trade["x"], "".join(trade["c"]))
            count += len(record) == 7
    return count


def main(read, path):
    with open(path, "rb") as file:
        lines = file.read().splitlines()
    start = time.process_time_ns()
    count = read(lines)
    print(count, time.process_time_ns() - start)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("trades", "stocks"):
        sys.exit(__doc__)
    main({"trades": trades, "stocks": stocks}[sys.argv[1]], sys.argv[2])
