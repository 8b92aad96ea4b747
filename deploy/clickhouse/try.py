#!/usr/bin/env python3
"""Judges a real server of ClickHouse as a store: whether it does what the writer relies on.

try.py URL [--user USER] [--report FILE]: asks by HTTP; the password is in CLICKHOUSE_PASSWORD. It
makes a database of its own, and removes it. Status 1: something is not as it has to be.

What it asks is what tests cannot ask of the engine without a server: users, settings of a profile,
the limits of a server, bodies that end in the middle, async queues, and the time of an insert."""

import argparse
import os
import pathlib
import re
import secrets
import struct
import sys
import time
import urllib.parse

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from store_report import Report, connections, send_cut  # noqa: E402

FLOOR = (26, 2)
TABLES = HERE / "schema.sql"
INSERT = {
    "wait_end_of_query": "1", "async_insert": "0", "insert_deduplicate": "1",
    "deduplicate_insert": "enable",
    "max_insert_block_size": "1048576", "max_insert_threads": "1",
    "max_partitions_per_insert_block": "1", "max_execution_time": "10",
}


class Refused(Exception):
    pass


class Server:
    def __init__(self, url, user, password, database):
        self.make = connections(url, {"http": 8123, "https": 8443}, timeout=60)
        self.headers = {"X-ClickHouse-User": user}
        if password:
            self.headers["X-ClickHouse-Key"] = password
        self.database = database

    def post(self, body, query=None, is_in_database=True):
        query = dict(query or {})
        if is_in_database:
            query["database"] = self.database
        connection = self.make()
        try:
            connection.request("POST", "/?" + urllib.parse.urlencode(query), body, self.headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200 or answer.getheader("X-ClickHouse-Exception-Code"):
                raise Refused(text.decode(errors="replace").strip()[:300])
            return text
        finally:
            connection.close()

    def ask(self, sql, is_in_database=True):
        return self.post(sql.encode(), {"wait_end_of_query": "1"}, is_in_database).decode().strip()

    def insert(self, table, columns, body, token, **settings):
        query = f"INSERT INTO {table} ({columns}) FORMAT RowBinary"
        return self.post(body, INSERT | {"query": query, "insert_deduplication_token": token} | settings)

    def cut(self, table, columns, body):
        """Sends a body that ends before its length."""
        query = urllib.parse.urlencode(
            INSERT | {"database": self.database, "insert_deduplication_token": "cut",
                      "query": f"INSERT INTO {table} ({columns}) FORMAT RowBinary"})
        send_cut(self.make(), f"/?{query}", self.headers, body)


COLUMNS = "input, partition, source, first_ordinal, last_ordinal, reason, epoch, stream_created_ns, sequence"


def rows(first, count):
    """Rows of ordinal_gaps."""
    def text(value):
        return bytes([len(value)]) + value.encode()

    return b"".join(
        text("ticks") + struct.pack("<q", 1) + text("try") + struct.pack("<qq", number, number)
        + text("hole") + struct.pack("<qqq", 1, 1, 1)
        for number in range(first, first + count))


def judge(server, report):
    version = server.ask("SELECT version()", False)
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    report.add(numbers >= FLOOR, f"the version is {FLOOR[0]}.{FLOOR[1]} or later", version)
    server.ask(f"CREATE DATABASE {server.database}", False)
    for statement in TABLES.read_text().split(";\n"):
        if statement.strip():
            server.ask(statement)
    report.add(True, "the tables and views of schema.sql can be made")

    def count():
        return int(server.ask("SELECT count() FROM ordinal_gaps"))

    server.insert("ordinal_gaps", COLUMNS, rows(1, 100), "first")
    server.insert("ordinal_gaps", COLUMNS, rows(1, 100), "first")
    report.add(count() == 100, "a block with a known token is dropped", f"{count()} rows of 100")
    server.insert("ordinal_gaps", COLUMNS, rows(1, 100), "second")
    report.add(count() == 200, "the token alone decides", f"{count()} rows of 200")
    try:
        server.insert("ordinal_gaps", COLUMNS, rows(1, 100)[:-1], "third")
        report.add(False, "a row that is cut is refused")
    except Refused:
        report.add(count() == 200, "a row that is cut is refused, with all others", f"{count()} rows")
    server.cut("ordinal_gaps", COLUMNS, rows(1, 100))
    time.sleep(3)
    report.add(count() == 200, "a body that ends in the middle leaves nothing", f"{count()} rows")
    window = "non_replicated_deduplication_window"
    engine = server.ask("SELECT engine_full FROM system.tables WHERE database = currentDatabase() "
                        "AND name = 'ordinal_gaps'")
    report.add(window in engine or engine.startswith(("Replicated", "Shared")),
               "the engine shows its settings to this user", engine[-120:])
    for name, value in INSERT.items():
        try:
            server.post(b"SELECT 1", {name: value})
        except Refused as error:
            report.add(False, f"the user may set {name} = {value}", str(error))
    started = time.monotonic()
    for number in range(20):
        server.insert("ordinal_gaps", COLUMNS, rows(1000 * number, 1000), f"speed {number}")
    milliseconds = (time.monotonic() - started) / 20 * 1000
    report.add(milliseconds < 5000, "20 inserts of 1,000 rows", f"{milliseconds:.0f} ms each")
    try:
        server.post(b"SELECT sleepEachRow(1) FROM numbers(5) SETTINGS max_block_size = 1",
                    {"max_execution_time": "1", "wait_end_of_query": "1"})
        report.add(False, "the server ends what takes too long")
    except Refused:
        report.add(True, "the server ends what takes too long")


def main():
    parser = argparse.ArgumentParser(description="Judges a server of ClickHouse as a store.")
    parser.add_argument("url")
    parser.add_argument("--user", default="default")
    parser.add_argument("--report", default="clickhouse-report.txt")
    given = parser.parse_args()
    server = Server(given.url, given.user, os.environ.get("CLICKHOUSE_PASSWORD", ""),
                    f"tapeline_try_{secrets.token_hex(4)}")
    report = Report()
    try:
        judge(server, report)
    except (OSError, Refused) as error:
        report.add(False, "the server answers", str(error))
    finally:
        try:
            server.ask(f"DROP DATABASE IF EXISTS {server.database}", False)
        except (OSError, Refused) as error:
            report.add(False, f"the database {server.database} can be removed", str(error))
    report.end(given.url, given.report)


main()
