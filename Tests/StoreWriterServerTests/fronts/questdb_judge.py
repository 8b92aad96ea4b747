"""Reads what the recorder kept, and judges it as a server with deduplication would have it.

questdb_judge.py FILE TICKS: prints what each partition has of trades and quotes. Status 1 unless
each of its ordinals 1 to TICKS is in exactly one row, and every repeat is equal to the first row.

It reads the protocol by itself: nothing of the product is in it."""

import collections
import struct
import sys

SYMBOL, TEXT, LONG, BOOL, TIME, DECIMAL = "symbol", "text", "long", "bool", "time", "decimal"


class Bad(Exception):
    """A line that is none."""


def name_or_symbol(body, place, ends):
    """Reads up to one of the bytes `ends`, and takes backslashes away."""
    found = bytearray()
    while place < len(body):
        byte = body[place]
        if byte == 0 and ends != b'"':
            raise Bad("a NUL")
        if byte == 0x5C:
            place += 1
            found.append(body[place])
        elif byte in ends:
            return found.decode(), place
        else:
            found.append(byte)
        place += 1
    raise Bad("it ends")


def value(body, place):
    """Reads a value of a column. Returns its kind, itself, and the place behind it."""
    if body[place] == 0x22:
        text, place = name_or_symbol(body, place + 1, b'"')
        return TEXT, text, place + 1
    if body[place] == 0x3D:
        if body[place + 1] != 23:
            raise Bad(f"the binary type {body[place + 1]}")
        scale, count = body[place + 2], body[place + 3]
        digits = body[place + 4:place + 4 + count]
        if len(digits) != count:
            raise Bad("it ends in a decimal")
        return DECIMAL, (int.from_bytes(digits, "big", signed=True), scale), place + 4 + count
    end = place
    while body[end] not in b", \n":
        end += 1
    text = body[place:end].decode()
    if text in ("t", "f"):
        return BOOL, text == "t", end
    kinds = {"i": LONG, "n": TIME}
    if text[-1:] not in kinds:
        raise Bad(f"a value '{text}'")
    return kinds[text[-1]], int(text[:-1]), end


def line(body, place):
    """Reads a line. Returns table, columns, time, and the place behind it."""
    table, place = name_or_symbol(body, place, b", ")
    columns = {}
    while body[place] == 0x2C:
        name, place = name_or_symbol(body, place + 1, b"=")
        text, place = name_or_symbol(body, place + 1, b", ")
        if not text or name in columns:
            raise Bad(f"the symbol {name}")
        columns[name] = (SYMBOL, text)
    place += 1
    if not body[place:place + 1].isdigit() or b"=" in body[place:body.find(b"\n", place)]:
        while True:
            name, place = name_or_symbol(body, place, b"=")
            kind, found, place = value(body, place + 1)
            if name in columns:
                raise Bad(f"{name} twice")
            columns[name] = (kind, found)
            place += 1
            if body[place - 1] == 0x20:
                break
            if body[place - 1] != 0x2C:
                raise Bad(f"'{chr(body[place - 1])}' behind {name}")
    end = body.index(b"\n", place)
    if body[end - 1:end] != b"n":
        raise Bad("a time without its unit")
    return table, columns, int(body[place:end - 1]), end + 1


def lines(body):
    place = 0
    while place < len(body):
        table, columns, time, place = line(body, place)
        yield table, columns, time


def bodies(path):
    with open(path, "rb") as file:
        while head := file.read(8):
            (count,) = struct.unpack("<Q", head)
            yield file.read(count)


def keys(table, columns, time):
    """The values by which a row is told apart from others of its table."""
    names = {
        "ordinal_gaps": ["input", "source", "partition", "first_ordinal", "last_ordinal", "reason",
                         "epoch"],
        "fills": ["input", "source", "partition", "first_ordinal", "last_ordinal"],
        "bar_versions": ["source", "partition", "ordinal", "revision"],
    }.get(table, ["source", "partition", "ordinal"])
    return time, *(columns.get(name) for name in names)


def rows(path):
    """Returns the rows by table and keys, and what is wrong with repeats."""
    found, problems, again = collections.defaultdict(dict), [], 0
    for body in bodies(path):
        tables = set()
        for table, columns, time in lines(body):
            tables.add(table)
            key = keys(table, columns, time)
            if key in found[table]:
                again += 1
                # A gap that is found again may have another batch's sequence.
                apart = {"sequence"} if table == "ordinal_gaps" else set()
                if any(found[table][key].get(name) != columns.get(name)
                       for name in (found[table][key].keys() | columns.keys()) - apart):
                    problems.append(f"{table} {key} came again as {columns}")
            found[table][key] = columns
        if len(tables) > 1:
            problems.append(f"one request has rows of {sorted(tables)}")
    return found, problems, again


def main():
    path, ticks = sys.argv[1], int(sys.argv[2])
    found, problems, again = rows(path)
    counts = collections.defaultdict(collections.Counter)
    for table in ("trades", "quotes"):
        for columns in found[table].values():
            counts[columns["partition"][1]][columns["ordinal"][1]] += 1
    for partition, ordinals in sorted(counts.items()):
        print(f"partition {partition}: {sum(ordinals.values())} rows, {len(ordinals)} ordinals, "
              f"{min(ordinals)} to {max(ordinals)}")
        problems += [f"partition {partition}: {ordinal} is in {count} rows"
                     for ordinal, count in ordinals.items() if count > 1]
        if missing := set(range(1, ticks + 1)) ^ set(ordinals):
            problems.append(f"partition {partition}: {sorted(missing)[:5]} are missing or extra")
    if not counts:
        problems.append("there are no rows")
    print(f"{again} lines came again")
    for problem in problems[:10]:
        print(problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
