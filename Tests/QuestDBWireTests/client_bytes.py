#!/usr/bin/env python3
"""The bytes of PyPI's questdb, QuestDB's own client, for the rows of a file.

client_bytes.py write FILE: puts the client's bytes beside each row of FILE (Golden/rows.json).
client_bytes.py check FILE: status 1 when the client makes other bytes than the file has.

Packages: questdb (deploy/local/questdb.packages)."""

import decimal
import json
import random
import sys

import questdb
from questdb.ingress import Buffer, TimestampNanos

decimal.getcontext().prec = 80


def number(digits, scale):
    value = int(digits)
    return decimal.Decimal((int(value < 0), tuple(map(int, str(abs(value)))), -scale))


def value(kind, text):
    match kind:
        case "text":
            return text
        case "integer":
            return int(text)
        case "bool":
            return text == "t"
        case "time":
            return TimestampNanos(int(text))
    return number(text, int(kind.removeprefix("decimal")))


def bytes_of(row):
    buffer = Buffer(protocol_version=3)
    buffer.row(
        row["table"], symbols=dict(row["symbols"]),
        columns={name: value(kind, text) for name, kind, text in row["values"]},
        at=TimestampNanos(int(row["time"])))
    return bytes(buffer).hex()


def edge_rows():
    """Rows with each limit of a value."""
    texts = ["a", "A B,C=D\\E\nF\r\"ü/", "\t\x01", "日本", "😀", "'", "\\\\", "a\\", "=", "\x7f"]
    for text in texts:
        yield {"table": "t", "symbols": [["s", text]], "values": [["v", "text", text]],
               "time": "0"}
    yield {"table": "t", "symbols": [], "values": [["v", "text", ""]], "time": "1"}
    yield {"table": "t", "symbols": [["a", "b"]], "values": [], "time": str(2 ** 63 - 1)}
    powers = [sign * (2 ** power + delta)
              for power in (0, 7, 8, 15, 16, 31, 63, 64, 125) for delta in (-1, 0, 1)
              for sign in (1, -1)]
    for digits in [0, 10 ** 38 - 1, -(10 ** 38 - 1)] + powers:
        if abs(digits) < 10 ** 38:
            yield {"table": "t", "symbols": [],
                   "values": [["d", "decimal9", str(digits)], ["e", "decimal0", str(digits)]],
                   "time": "0"}
    for digits in [0, 1, -1, 9, 10, 2 ** 63 - 1, -2 ** 63]:
        yield {"table": "t", "symbols": [],
               "values": [["i", "integer", str(digits)], ["b", "bool", "t" if digits else "f"]],
               "time": "1700000000123456789"}


def drawn_rows(count):
    """Rows as the tables of ticks and bars have them."""
    drawn = random.Random(59)
    alphabet = "AZaz09 ,=\\\"\n\r/ü日."
    for _ in range(count):
        def text():
            return "".join(drawn.choice(alphabet) for _ in range(drawn.randrange(1, 12)))
        values = [
            ["partition", "integer", str(drawn.randrange(64))],
            ["ordinal", "integer", str(drawn.randrange(1, 2 ** 62))],
            ["price", "decimal9", str(drawn.randrange(-10 ** 15, 10 ** 15))],
            ["volume", "decimal8", str(drawn.randrange(10 ** 38))],
            ["receive_time", "time", str(drawn.randrange(2 ** 62))],
            ["partial", "bool", drawn.choice("tf")], ["note", "text", text()],
        ]
        drawn.shuffle(values)
        yield {"table": drawn.choice(["trades", "bar_versions"]),
               "symbols": [["symbol", text()], ["source", "test"]],
               "values": values[: drawn.randrange(1, len(values) + 1)],
               "time": str(drawn.randrange(2 ** 62))}


def main():
    what, path = sys.argv[1:]
    if what == "write":
        rows = [row | {"bytes": bytes_of(row)} for row in [*edge_rows(), *drawn_rows(40)]]
        with open(path, "w", encoding="utf-8") as file:
            file.write("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
        return
    rows = json.load(open(path, encoding="utf-8"))
    wrong = [row for row in rows if bytes_of(row) != row["bytes"]]
    for row in wrong[:3]:
        print(f"questdb {questdb.__version__} makes {bytes_of(row)} of {row}")
    print(f"{len(rows) - len(wrong)} of {len(rows)} rows")
    sys.exit(1 if wrong else 0)


main()
