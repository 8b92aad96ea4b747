"""Records what a writer sends to QuestDB, and answers what it asks. It is no server: it keeps
requests in a file, and checks of a row only that it is a line.

questdb_recorder.py FOLDER: prints {"port": ..., "control_port": ...}. FOLDER/requests has the
bodies of /write that were stored, each behind its length; questdb_judge.py reads them.

A line to the control port plans faults for the next N requests with rows:

    lose N     they are stored and not answered
    away N     their connections are closed
    full N     they are answered as with a full disk
    before N   they wait until their client has gone, and are not stored
    after N    they are stored, and their answer waits until their client has gone
    late N     they wait until their client has gone, and are stored after `release`
    slow N     they wait for `release`, are stored, and answered

`held` answers how many have waited so far, `done` how many late ones were stored. `refuse N`: rows
with this ordinal are refused, `take N`: no more. `drop TABLE`, `again TABLE`: it is not there any more, or was made
anew. `plain TABLE`: it has no deduplication. `suspend TABLE`, `resume TABLE`: its log is not
applied any more, or is again. `set NAME VALUE`: another version, edition, mode or protocol.
`lose_rows TABLE N`: the rows with this ordinal are gone. `behind N`: no table shows a row, until it
was asked N times how far logs are applied. `count`: the ticks, by partition. `named`: how many
ordinals gaps name as missing, by partition. `password WORD`: rows with another one are refused, and
`refused` answers how many."""

import base64
import collections
import datetime
import json
import os
import pathlib
import re
import struct
import sys
import threading
import urllib.parse

import front
import questdb_judge


class Refused(Exception):
    def __init__(self, text, line=None):
        super().__init__(text)
        self.line = line


class Kept:
    """Tables as they were made, and requests."""

    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "requests"
        self.path.touch()
        self.lock = threading.RLock()
        self.tables = {}
        self.number = 0
        self.identity = None
        self.refused = set()
        self.lost = set()
        self.suspended = set()
        self.behind = 0
        self.facts = {"version": "9.2.0", "edition": "OSS", "mode": "sync", "protocols": "[1,2,3]",
                      "parts": "0"}

    def settings(self):
        return json.dumps({"config": {
            "release.type": self.facts["edition"], "release.version": self.facts["version"],
            "line.proto.support.versions": json.loads(self.facts["protocols"])}})

    def write(self, body):
        with self.lock:
            number = 0
            try:
                for table, columns, _ in questdb_judge.lines(body):
                    number += 1
                    if table not in self.tables:
                        continue
                    unknown = set(columns) - set(self.tables[table]["columns"])
                    if unknown:
                        raise Refused(f"column: {unknown.pop()}; creating new columns is disabled",
                                      number)
                    if columns.get("ordinal", (0, 0))[1] in self.refused:
                        raise Refused(f"error in line {number}: it is to be refused", number)
            except (questdb_judge.Bad, IndexError, ValueError) as error:
                raise Refused(f"error in line {number + 1}: {error}", number + 1) from error
            with open(self.path, "ab") as file:
                file.write(struct.pack("<Q", len(body)) + body)

    def make(self, name, columns=None, time="", keys=()):
        self.number += 1
        self.tables[name] = {"id": self.number, "columns": columns or {}, "time": time,
                             "keys": list(keys)}

    def exec(self, sql):
        with self.lock:
            return self.answer(" ".join(sql.split()))

    def answer(self, sql):
        if match := re.fullmatch(
                r'CREATE TABLE IF NOT EXISTS "(\w+)" \( (.*) \) TIMESTAMP\("(\w+)"\) '
                r"PARTITION BY \w+ WAL DEDUP UPSERT KEYS\((.*)\)", sql):
            name, columns, time, keys = match.groups()
            pairs = re.findall(r'"(\w+)" ([A-Z_]+(?:\([0-9,]+\))?)', columns)
            if name not in self.tables:
                self.make(name, dict(pairs), time, re.findall(r"\w+", keys))
            return {"ddl": "OK"}
        if sql.startswith("CREATE TABLE IF NOT EXISTS store_identity AS"):
            if "store_identity" not in self.tables:
                self.make("store_identity")
                self.identity = os.urandom(16).hex()
            return {"ddl": "OK"}
        if sql == "SELECT identity FROM store_identity":
            return rows(["identity"], [[self.identity]] if self.identity else [])
        if sql.endswith("FROM tables()"):
            return rows(
                ["id", "table_name", "designatedTimestamp", "walEnabled", "dedup", "ttlValue"],
                [[table["id"], name, table["time"] or None, bool(table["time"]),
                  bool(table["keys"]), 0]
                 for name, table in self.tables.items()])
        if sql.endswith("FROM wal_tables()"):
            applied = 0 if self.behind else 1
            self.behind = max(0, self.behind - 1)
            return rows(["name", "suspended", "writerTxn", "sequencerTxn"],
                        [[name, name in self.suspended, applied, 1]
                         for name, table in self.tables.items() if table["time"]])
        if sql.startswith("(SHOW PARAMETERS) WHERE property_path = 'cairo.commit.mode'"):
            return rows(["property_path", "value"], [
                ["cairo.commit.mode", self.facts["mode"]],
                ["cairo.default.sequencer.part.txn.count", self.facts["parts"]]])
        if match := re.fullmatch(r'SHOW COLUMNS FROM "(\w+)"', sql):
            table = self.tables[match.group(1)]
            return rows(["column", "type", "upsertKey"],
                        [[name, kind, name in table["keys"]]
                         for name, kind in table["columns"].items()])
        if sql.startswith("SELECT src, count()"):
            return rows(["src", "n", "ordinals", "first", "last"],
                        [[source, len(all_), len(set(all_)), min(all_), max(all_)]
                         for source, all_ in self.ordinals(sql).items()])
        if sql.startswith("SELECT DISTINCT ordinal FROM "):
            found = {ordinal for all_ in self.ordinals(sql).values() for ordinal in all_}
            return rows(["ordinal"], [[ordinal] for ordinal in sorted(found)])
        if match := re.fullmatch(
                r"SELECT ([\w, \"]+) FROM (ordinal_gaps|fills)(?: WHERE reason IN \((.*)\))?", sql):
            return self.books(*match.groups())
        if match := re.fullmatch(
                r'SELECT source, sum\("rows"\) AS n, min\(first_ordinal\) AS first FROM fills '
                r"WHERE input = '(\w+)' AND \"partition\" = (\d+) GROUP BY source", sql):
            return self.copied(*match.groups())
        if sql.startswith("SELECT first_ordinal, last_ordinal FROM ordinal_gaps WHERE "):
            return rows(["first_ordinal", "last_ordinal"], self.gaps(sql))
        if sql.startswith("SELECT tableName, diskSize FROM table_storage()"):
            return rows(["tableName", "diskSize"],
                        [[name, 4096] for name, table in self.tables.items() if table["time"]])
        raise Refused(f"the recorder does not know: {sql}")

    def books(self, columns, table, reasons):
        """Answers with columns of rows of gaps or copies."""
        names = re.findall(r"\w+", columns)
        wanted = re.findall(r"'(\w+)'", reasons or "")
        found = questdb_judge.rows(self.path)[0][table].values()
        return rows(names, [[row[name][1] for name in names] for row in found
                            if not wanted or row["reason"][1] in wanted])

    def copied(self, input_, partition):
        """Answers what was copied, by source."""
        found = collections.defaultdict(list)
        for row in questdb_judge.rows(self.path)[0]["fills"].values():
            if row["input"][1] == input_ and row["partition"][1] == int(partition):
                found[row["source"][1]].append((row["rows"][1], row["first_ordinal"][1]))
        return rows(["source", "n", "first"], [
            [source, sum(count for count, _ in all_), min(first for _, first in all_)]
            for source, all_ in found.items()])

    def ordinals(self, sql):
        """Returns by source the ordinals of the rows for which it asks, as they would stand."""
        ordinals = collections.defaultdict(list)
        if self.behind:
            return ordinals
        found, _, _ = questdb_judge.rows(self.path)
        for part in sql[sql.index("(SELECT") + 1:sql.rindex(")")].split(" UNION ALL "):
            if not re.match(r'SELECT \S+ AS src, ordinal FROM \w+ WHERE "partition" = ', part):
                raise Refused(f"the recorder does not know: {part}")
            table = re.search(r"FROM (\w+)", part).group(1)
            partition = int(re.search(r"= (\d+)", part).group(1))
            fixed = re.match(r"SELECT '(\w+)'", part)
            names = re.search(r"(NOT )?IN \((.*)\)", part)
            only = re.search(r"source = '([^']*)'", part)
            span = re.search(r"ordinal >= (\d+) AND ordinal <= (\d+)", part)
            times = re.search(r"AND (\w+) >= '(\S+)' AND \1 <= '(\S+)'", part)
            for (time, *_), columns in found[table].items():
                source = columns["source"][1]
                if columns["partition"][1] != partition or only and source != only.group(1):
                    continue
                if span and not int(span[1]) <= columns["ordinal"][1] <= int(span[2]):
                    continue
                if times and not nanoseconds(times[2]) <= time <= nanoseconds(times[3]):
                    continue
                if (table, columns["ordinal"][1]) in self.lost:
                    continue
                if fixed:
                    source = fixed.group(1)
                elif (source in re.findall(r"'(\w+)'", names.group(2))) == bool(names.group(1)):
                    continue
                ordinals[source].append(columns["ordinal"][1])
        return ordinals

    def gaps(self, sql):
        """Returns the ranges that gaps of a source name as missing."""
        source, partition, first, last = re.search(
            r"AND source = '(\S+)' AND \"partition\" = (\d+) AND last_ordinal >= (\d+) "
            r"AND first_ordinal <= (\d+) AND reason != 'given_twice'", sql).groups()
        found, _, _ = questdb_judge.rows(self.path)
        ranges = []
        for columns in found["ordinal_gaps"].values():
            of = tuple(columns[name][1] for name in ("first_ordinal", "last_ordinal"))
            if (columns["source"][1] == source and columns["partition"][1] == int(partition)
                    and columns["reason"][1] != "given_twice"
                    and of[1] >= int(first) and of[0] <= int(last)):
                ranges.append(list(of))
        return ranges

    def named(self):
        found, _, _ = questdb_judge.rows(self.path)
        counts = collections.Counter()
        for columns in found["ordinal_gaps"].values():
            if columns["reason"][1] in ("tape_lost", "hole"):
                first, last = columns["first_ordinal"][1], columns["last_ordinal"][1]
                counts[columns["partition"][1]] += last - first + 1
        return ", ".join(f"{partition} {count}" for partition, count in sorted(counts.items()))

    def count(self):
        found, _, _ = questdb_judge.rows(self.path)
        ordinals = collections.defaultdict(list)
        for table in ("trades", "quotes"):
            for columns in found[table].values():
                ordinals[columns["partition"][1]].append(columns["ordinal"][1])
        return ", ".join(f"{partition} {len(all_)} {len(set(all_))} {min(all_)} {max(all_)}"
                         for partition, all_ in sorted(ordinals.items()))


def nanoseconds(text):
    """Reads a time such as 2024-01-02T03:04:05.000000006Z."""
    whole, rest = text.removesuffix("Z").split(".")
    start = datetime.datetime.fromisoformat(whole + "+00:00")
    return int(start.timestamp()) * 10**9 + int(rest)


def rows(names, dataset):
    return {"query": "", "columns": [{"name": name, "type": "STRING"} for name in names],
            "timestamp": -1, "dataset": dataset, "count": len(dataset)}


class Faults(front.Faults):
    def __init__(self, kept):
        super().__init__()
        self.kept = kept

    def command(self, line):
        match line.split():
            case ["count"]:
                return self.kept.count()
            case ["named"]:
                return self.kept.named()
            case ["refuse", ordinal]:
                self.kept.refused.add(int(ordinal))
            case ["take", ordinal]:
                self.kept.refused.discard(int(ordinal))
            case ["drop", table]:
                del self.kept.tables[table]
            case ["again", table]:
                old = self.kept.tables[table]
                self.kept.make(table, old["columns"], old["time"], old["keys"])
            case ["suspend", table]:
                self.kept.suspended.add(table)
            case ["resume", table]:
                self.kept.suspended.remove(table)
            case ["behind", count]:
                self.kept.behind = int(count)
            case ["plain", table]:
                self.kept.tables[table]["keys"] = []
            case ["set", name, value]:
                self.kept.facts[name] = value
            case ["lose_rows", table, ordinal]:
                self.kept.lost.add((table, int(ordinal)))
            case _:
                return super().command(line)
        return "ok"


class Handler(front.Handler):
    kept = None

    def password(self):
        pair = self.headers.get("authorization", "").removeprefix("Basic ")
        return base64.b64decode(pair).decode().partition(":")[2]

    def do_GET(self):
        place = urllib.parse.urlsplit(self.path)
        if self.password() == "wrong":
            return self.answer(401, {"error": "Unauthorized"})
        if place.path == "/settings":
            return self.answer(200, text=self.kept.settings())
        try:
            query = dict(urllib.parse.parse_qsl(place.query))["query"]
            return self.answer(200, self.kept.exec(query))
        except (Refused, KeyError) as error:
            return self.answer(400, {"query": "", "error": str(error), "position": 0})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if not self.faults.takes(self.password()):
            return self.answer(401, {"error": "Unauthorized"})
        fault = self.faults.next()
        if fault == "away":
            return self.end()
        if fault == "full":
            return self.answer(500, {
                "code": "internal error", "errorId": "f-1",
                "message": "commit error for table: t, errno: 28, error: no space left"})
        if not self.faults.wait(fault, self.rfile):
            return self.end()
        try:
            self.kept.write(body)
        except Refused as error:
            return self.answer(400, {"code": "invalid", "message": str(error),
                                     "line": error.line, "errorId": "r-1"})
        if not self.faults.wait_after(fault, self.rfile):
            return self.end()
        return self.answer(204)

    def answer(self, status, json_=None, text=""):
        self.reply(status, (json.dumps(json_) if json_ is not None else text).encode())


if __name__ == "__main__":
    Handler.kept = Kept(sys.argv[1])
    front.serve(Handler, Faults(Handler.kept))
