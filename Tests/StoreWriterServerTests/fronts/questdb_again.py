"""Gives the rows that the recorder kept to QuestDB's own client (PyPI's questdb), and compares.

questdb_again.py FILE: status 1 when the client makes other bytes of a row."""

import decimal
import sys

import questdb_judge
from questdb.ingress import Buffer, TimestampNanos

decimal.getcontext().prec = 80


def value(kind, found):
    if kind == questdb_judge.TIME:
        return TimestampNanos(found)
    if kind == questdb_judge.DECIMAL:
        digits, scale = found
        return decimal.Decimal((int(digits < 0), tuple(map(int, str(abs(digits)))), -scale))
    return found


def arguments(columns, time):
    """Returns a row as the client takes it."""
    symbols = {name: text for name, (kind, text) in columns.items()
               if kind == questdb_judge.SYMBOL}
    values = {name: value(kind, found) for name, (kind, found) in columns.items()
              if kind != questdb_judge.SYMBOL}
    return {"symbols": symbols, "columns": values, "at": TimestampNanos(time)}


def again(table, columns, time):
    buffer = Buffer(protocol_version=3)
    buffer.row(table, **arguments(columns, time))
    return bytes(buffer)


def main():
    count = 0
    for body in questdb_judge.bodies(sys.argv[1]):
        place = 0
        while place < len(body):
            table, columns, time, end = questdb_judge.line(body, place)
            if again(table, columns, time) != body[place:end]:
                print(f"{again(table, columns, time)} of {body[place:end]}")
                sys.exit(1)
            place, count = end, count + 1
    print(f"{count} rows are equal")
    sys.exit(0 if count else 1)


if __name__ == "__main__":
    main()
