#!/usr/bin/env python3
"""Measures other people's clients of PyPI, which insert the rows of a file: clickhouse-connect and questdb.

    insert_rows.py clickhouse|questdb TABLE FILE PORT CONTROL_PORT TURNS

FILE: bodies of inserts, each behind its length: blocks of FORMAT Native, or lines of QuestDB's protocol. They are
read into values of Python first, in the form that the client takes in the least time; each body is a batch. The ports
are those of discard_rows.py. Prints for each turn: rows, processor-seconds of this process, how busy the server was
in percent of a core, and the bytes of bodies.
"""
import decimal
import gc
import os
import pathlib
import re
import socket
import struct
import sys
import time

JUDGE = pathlib.Path(__file__).resolve().parents[2] / "Tests/StoreWriterServerTests/fronts"


class Block:
    """A block of FORMAT Native."""

    def __init__(self, body):
        self.body, self.place = body, 0

    def take(self, count):
        self.place += count
        return self.body[self.place - count:self.place]

    def count(self):
        value, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def text(self):
        return self.take(self.count()).decode()

    def values(self, kind, rows):
        if kind.startswith("Nullable("):
            absent = self.take(rows)
            return [None if gone else value
                    for gone, value in zip(absent, self.values(kind[9:-1], rows))]
        if kind == "String":
            return [self.text() for _ in range(rows)]
        if kind == "Bool":
            return [byte != 0 for byte in self.take(rows)]
        # The client takes a time as the number that it sends.
        if kind in ("Int64", "UInt64") or kind.startswith("DateTime64("):
            return list(struct.unpack(f"<{rows}{'Q' if kind[0] == 'U' else 'q'}", self.take(8 * rows)))
        scale = int(re.fullmatch(r"Decimal\(38, (\d+)\)", kind)[1])
        digits = self.take(16 * rows)
        return [decimal.Decimal(int.from_bytes(digits[at:at + 16], "little", signed=True)).scaleb(-scale)
                for at in range(0, 16 * rows, 16)]

    def columns(self):
        """Returns names, types and values of its columns, and how many rows there are."""
        names, kinds, values = [], [], []
        count, rows = self.count(), self.count()
        for _ in range(count):
            names.append(self.text())
            kinds.append(self.text())
            values.append(self.values(kinds[-1], rows))
        return names, kinds, values, rows


def clickhouse(table, bodies, port):
    """Returns how many rows there are, and what inserts them."""
    import clickhouse_connect

    batches = [Block(body).columns() for body in bodies]
    client = clickhouse_connect.get_client(
        host="127.0.0.1", port=port, username="default", database="market_data", compress=False)

    def insert():
        for names, kinds, values, _ in batches:
            client.insert(table, values, column_names=names, column_type_names=kinds, column_oriented=True)

    return sum(rows for *_, rows in batches), insert


def questdb(table, bodies, port):
    sys.path.insert(0, str(JUDGE))
    import questdb_again
    import questdb_judge
    from questdb.ingress import Sender

    batches = [[questdb_again.arguments(columns, at) for _, columns, at in questdb_judge.lines(body)]
               for body in bodies]
    sender = Sender.from_conf(f"http::addr=127.0.0.1:{port};protocol_version=3;auto_flush=off;")
    sender.establish()

    def insert():
        for rows in batches:
            for row in rows:
                sender.row(table, **row)
            sender.flush()

    return sum(map(len, batches)), insert


def bodies(path):
    with open(path, "rb") as file:
        while head := file.read(8):
            yield file.read(struct.unpack("<Q", head)[0])


def use(port):
    """Returns the server's processor time, and the bytes that it got."""
    with socket.create_connection(("127.0.0.1", port)) as link:
        link.sendall(b"use\n")
        seconds, count = link.makefile().readline().split()
    return float(seconds), int(count)


def main(product, table, path, port, control_port, turns):
    # Some clients would ask a proxy for this machine.
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    decimal.getcontext().prec = 80
    make = {"clickhouse": clickhouse, "questdb": questdb}[product]
    rows, insert = make(table, list(bodies(path)), port)
    # The collector has nothing to find among them.
    gc.collect()
    gc.freeze()
    for _ in range(turns):
        theirs, sent = use(control_port)
        start, spent = time.monotonic(), time.process_time()
        insert()
        spent = time.process_time() - spent
        taken = time.monotonic() - start
        after, received = use(control_port)
        print(rows, spent, 100 * (after - theirs) / taken, received - sent)


if __name__ == "__main__":
    if len(sys.argv) != 7:
        sys.exit(__doc__)
    main(*sys.argv[1:4], *map(int, sys.argv[4:]))
