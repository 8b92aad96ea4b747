#!/usr/bin/env python3
"""Judges a real server of QuestDB as a store: whether it does what the writer relies on.

try.py URL [--user USER] [--report FILE]: asks by HTTP; the password is in QUESTDB_PASSWORD. It
makes tables of its own (tapeline_try_…), and removes them. Status 1: something is not as it has
to be.

Tests have a recorder, and no server. So each sentence of the report is news."""

import argparse
import base64
import json
import os
import pathlib
import re
import secrets
import sys
import time
import urllib.parse

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from store_report import Report, connections, send_cut  # noqa: E402

FLOOR, ADAPTIVE_FLOOR = (9, 2), (10, 2)
WINDOW = "cairo.adaptive.commit.group.window"
LOG_PARTS = "cairo.default.sequencer.part.txn.count"
TABLES = HERE / "schema.sql"
START = 1_700_000_000_000_000_001
LARGEST = 10 ** 38 - 1


class Refused(Exception):
    def __init__(self, status, text):
        super().__init__(f"{status}: {text[:300]}")
        self.status = status
        self.text = text


class Server:
    def __init__(self, url, user, password):
        self.make = connections(url, {"http": 9000, "https": 9000}, timeout=70)
        self.headers = {}
        if user:
            pair = base64.b64encode(f"{user}:{password}".encode()).decode()
            self.headers["Authorization"] = f"Basic {pair}"

    def request(self, method, path, body=None):
        connection = self.make()
        try:
            connection.request(method, path, body, self.headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
            if answer.status not in (200, 204):
                raise Refused(answer.status, text)
            return text
        finally:
            connection.close()

    def settings(self):
        return json.loads(self.request("GET", "/settings"))["config"]

    def ask(self, sql):
        text = self.request("GET", "/exec?" + urllib.parse.urlencode({"query": sql}))
        answer = json.loads(text)
        names = [column["name"] for column in answer.get("columns", [])]
        return [dict(zip(names, row)) for row in answer.get("dataset", [])]

    def write(self, body):
        self.request("POST", "/write?precision=n", body)

    def cut(self, body):
        """Sends a body that ends before its length."""
        send_cut(self.make(), "/write?precision=n", self.headers, body)

    def settle(self, table):
        """Waits until the table has what its log has."""
        for _ in range(100):
            found = self.ask("SELECT writerTxn, sequencerTxn, suspended FROM wal_tables() "
                             f"WHERE name = '{table}'")
            if found and found[0]["writerTxn"] == found[0]["sequencerTxn"]:
                return
            time.sleep(0.1)
        raise Refused(0, f"{table} does not apply its log: {found}")


def decimal(value, scale):
    count = max(2, (value if value >= 0 else ~value).bit_length() // 8 + 1)
    return b"=" + bytes([23, scale, count]) + value.to_bytes(count, "big", signed=True)


def trades(table, first, count, price=10 ** 9, size=LARGEST):
    return b"".join(
        f"{table},symbol=A\\ B,source=try ".encode() + b"partition=1i,price=" + decimal(price, 9)
        + b",size=" + decimal(size, 8)
        + f",receive_time={START}n,ordinal={ordinal}i {START + ordinal}n\n".encode()
        for ordinal in range(first, first + count))


def judge_server(server, report):
    config = server.settings()
    version = config.get("release.version", "")
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    report.add(config.get("release.type") == "OSS" and numbers >= FLOOR,
               f"it is the open edition, {FLOOR[0]}.{FLOOR[1]} or later",
               f"{config.get('release.type')} {version}")
    protocols = config.get("line.proto.support.versions", [])
    report.add(3 in protocols, "it takes version 3 of the line protocol", str(protocols))
    shown = server.ask("(SHOW PARAMETERS) WHERE property_path = 'cairo.commit.mode' "
                       f"OR property_path = '{LOG_PARTS}' OR property_path LIKE '{WINDOW}%'")
    values = {row["property_path"]: row["value"] for row in shown}
    mode = values.pop("cairo.commit.mode", "not shown")
    parts = values.pop(LOG_PARTS, "not shown")
    has_no_window = values and all(re.match(r"0+\D*$", value) for value in values.values())
    is_new = numbers >= ADAPTIVE_FLOOR
    report.add(mode == "sync" and (is_new or parts == "0")
               or mode == "adaptive" and is_new and has_no_window,
               "the commit mode keeps what is answered", f"{mode} {values}, {LOG_PARTS} {parts}")


def judge_tables(server, names, report):
    columns = {}
    for statement in TABLES.read_text().split(";\n"):
        if match := re.search(r'CREATE TABLE IF NOT EXISTS "(\w+)"', statement):
            server.ask(statement.replace(f'"{match.group(1)}"', f'"{names[match.group(1)]}"', 1))
            columns[match.group(1)] = dict(
                re.findall(r'    "(\w+)" ([A-Z_0-9(),]+?),?\n', statement))
    report.add(True, "the tables of schema.sql can be made")
    for table, wanted in columns.items():
        found = {row["column"]: row["type"].replace(" ", "")
                 for row in server.ask(f'SHOW COLUMNS FROM "{names[table]}"')}
        wrong = {name: found.get(name) for name, kind in wanted.items() if found.get(name) != kind}
        report.add(not wrong, f"{table} shows the types that it was made with", str(wrong or ""))
    keys = {row["column"] for row in server.ask(f'SHOW COLUMNS FROM "{names["trades"]}"')
            if row["upsertKey"]}
    report.add(keys == {"ts", "source", "partition", "ordinal"}, "it shows the keys", str(keys))
    about = server.ask("SELECT id, table_name, designatedTimestamp, walEnabled, dedup, ttlValue "
                       f"FROM tables() WHERE table_name = '{names['trades']}'")
    report.add(len(about) == 1 and about[0]["dedup"] is True and about[0]["walEnabled"] is True,
               "tables() shows what a table is", str(about))


def judge_rows(server, table, report):
    def found():
        server.settle(table)
        return server.ask(
            f'SELECT count() AS n, count_distinct(ordinal) AS ordinals FROM "{table}"')[0]

    server.write(trades(table, 1, 100))
    server.write(trades(table, 1, 100))
    server.write(trades(table, 51, 100))
    report.add(found() == {"n": 150, "ordinals": 150}, "rows that come again are there once",
               str(found()))
    row = server.ask('SELECT symbol, price, size, cast(ts AS LONG) AS ns, '
                     f'cast(receive_time AS LONG) AS rns FROM "{table}" WHERE ordinal = 7')[0]
    report.add(int(row["ns"]) == START + 7 and int(row["rns"]) == START,
               "times keep their nanoseconds", str(row))
    report.add(row["symbol"] == "A B" and str(row["size"]).replace(".", "") == str(LARGEST),
               "38 digits and escaped symbols come back", str(row))
    for sentence, bad in [
            ("a line that is none", b"x\n"),
            ("a decimal that is too large", trades(table, 999, 1, size=10 ** 39)),
            ("a time before 1970", trades(table, 999, 1).replace(b" %d" % (START + 999), b" -5"))]:
        try:
            server.write(trades(table, 201, 10) + bad + trades(table, 211, 10))
            report.add(False, f"{sentence} is refused")
        except Refused as error:
            report.add(found()["n"] == 150, f"{sentence} is refused, with all other lines",
                       f"{error}; {found()}")
    server.cut(trades(table, 301, 10))
    time.sleep(3)
    report.add(found()["n"] == 150, "a body that ends in the middle leaves nothing", str(found()))
    try:
        server.write(f"{table},source=try partition=\"a\",ordinal=1i {START}n\n".encode())
        report.add(False, "another type is refused")
    except Refused as error:
        report.add("cast error from" in error.text, "another type is refused as a cast error",
                   str(error))
    counted = server.ask(
        "SELECT src, count() AS n, count_distinct(ordinal) AS ordinals, min(ordinal) AS first, "
        f"max(ordinal) AS last FROM (SELECT source::varchar AS src, ordinal FROM \"{table}\" WHERE "
        "\"partition\" = 1 AND source NOT IN ('operator', 'universe') UNION ALL SELECT "
        f"'operator'::varchar AS src, ordinal FROM \"{table}\" WHERE \"partition\" = 2) "
        "GROUP BY src")
    report.add(counted == [{"src": "try", "n": 150, "ordinals": 150, "first": 1, "last": 150}],
               "the audit's question is answered", str(counted))
    started = time.monotonic()
    for number in range(20):
        server.write(trades(table, 1000 * (number + 1), 1000))
    milliseconds = (time.monotonic() - started) / 20 * 1000
    report.add(milliseconds < 5000, "20 requests of 1,000 rows", f"{milliseconds:.0f} ms each")


def judge_fill(server, table, report):
    def when(nanoseconds):
        seconds, rest = divmod(nanoseconds, 10 ** 9)
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09}Z"

    found = server.ask(
        "SELECT DISTINCT ordinal FROM (SELECT source::varchar AS src, ordinal FROM "
        f"\"{table}\" WHERE \"partition\" = 1 AND source NOT IN ('operator', 'universe') AND source "
        f"= 'try' AND ordinal >= 1 AND ordinal <= 9 AND ts >= '{when(START + 3)}' AND ts <= "
        f"'{when(START + 5)}') ORDER BY ordinal")
    report.add(found == [{"ordinal": ordinal} for ordinal in (3, 4, 5)],
               "a filling's question is answered to the nanosecond", str(found))


def judge_values(server, table, report):
    server.ask(f"CREATE TABLE {table} (ts TIMESTAMP_NS, early TIMESTAMP_NS, text VARCHAR) "
               "TIMESTAMP(ts) PARTITION BY DAY WAL")
    server.write(f'{table} early=-1n,text="a\0b" {START}n\n'.encode())
    server.settle(table)
    row = server.ask(f"SELECT cast(early AS LONG) AS early, text FROM {table}")[0]
    report.add(int(row["early"]) == -1, "a time before 1970 is kept beside the row's own", str(row))
    report.add(row["text"] == "a\0b", "a VARCHAR keeps a NUL", str(row))


def judge_identity(server, table, report):
    server.ask(f"CREATE TABLE IF NOT EXISTS {table} AS (SELECT rnd_uuid4() AS identity "
               "FROM long_sequence(1))")
    first = server.ask(f"SELECT identity FROM {table}")
    again = server.ask(f"SELECT identity FROM {table}")
    report.add(len(first) == 1 and first == again, "a database keeps a name of its own", str(first))


def main():
    parser = argparse.ArgumentParser(description="Judges a server of QuestDB as a store.")
    parser.add_argument("url")
    parser.add_argument("--user", default="")
    parser.add_argument("--report", default="questdb-report.txt")
    given = parser.parse_args()
    server = Server(given.url, given.user, os.environ.get("QUESTDB_PASSWORD", ""))
    prefix = f"tapeline_try_{secrets.token_hex(4)}_"
    made = re.findall(r'CREATE TABLE IF NOT EXISTS "(\w+)"', TABLES.read_text())
    names = {name: prefix + name for name in made}
    report = Report()
    try:
        judge_server(server, report)
        judge_tables(server, names, report)
        judge_rows(server, names["trades"], report)
        judge_fill(server, names["trades"], report)
        judge_values(server, prefix + "values", report)
        judge_identity(server, prefix + "identity", report)
    except (OSError, Refused, ValueError, KeyError, IndexError) as error:
        report.add(False, "the server answers", str(error))
    for table in [*names.values(), prefix + "values", prefix + "identity"]:
        try:
            server.ask(f'DROP TABLE IF EXISTS "{table}"')
        except (OSError, Refused, ValueError) as error:
            report.add(False, f"{table} can be removed", str(error))
    report.end(given.url, given.report)


main()
