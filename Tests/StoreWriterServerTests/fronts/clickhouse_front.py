"""ClickHouse's interface of HTTP before PyPI's chdb, which is its engine without a server.

clickhouse_front.py FOLDER: prints {"port": ..., "control_port": ...}, and keeps tables in FOLDER.
clickhouse_front.py FOLDER DATABASE SQL: prints the answer as TSV. The front must have ended.

What a server checks before its engine (users, quotas) is not here. A line to the control port plans
faults for the next N inserts:

    lose N     they are done and not answered
    away N     their connections are closed
    full N     they are answered with the code of a full disk
    before N   they wait until their client has gone, and are not done
    after N    they are done, and their answer waits until their client has gone
    late N     they wait until their client has gone, and are done after `release`
    slow N     they wait for `release`, are done, and answered

`held` answers how many have waited so far, `done` how many late ones were done. `password WORD`:
inserts with another one are refused, and `refused` answers how many.
"""

import pathlib
import re
import sys
import threading
import urllib.parse

from chdb import session

sys.dont_write_bytecode = True
import front  # noqa: E402

# Settings of an insert that a server takes from the address.
SETTINGS = {
    "async_insert", "insert_deduplicate", "deduplicate_insert", "insert_deduplication_token",
    "max_insert_block_size", "max_insert_threads", "input_format_parallel_parsing",
    "max_partitions_per_insert_block", "throw_on_max_partitions_per_insert_block",
    "max_execution_time",
}


class Engine:
    """The engine, one question at a time."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.session = session.Session(str(self.folder / "data"))
        self.lock = threading.Lock()
        self.number = 0

    def ask(self, database, sql, output="TSV"):
        with self.lock:
            self.session.query(f"USE {database}")
            return self.session.query(sql, output).bytes() or b""

    def insert(self, database, head, settings, name, body):
        """Inserts a body: the engine reads it from a file, as one block."""
        with self.lock:
            self.number += 1
            path = self.folder / f"body-{self.number}"
            path.write_bytes(body)
            try:
                texts = [f"{key} = '{value}'" for key, value in sorted(settings.items())]
                self.session.query(f"USE {database}")
                self.session.query(
                    f"{head} FROM INFILE '{path}' SETTINGS {', '.join(texts)} FORMAT {name}")
            finally:
                path.unlink()


class Handler(front.Handler):
    engine = None

    def do_POST(self):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        body = self.rfile.read(int(self.headers["content-length"]))
        key = self.headers.get("x-clickhouse-key", "")
        if key == "wrong" or "query" in query and not self.faults.takes(key):
            return self.refuse(403, b"Code: 516. Authentication failed")
        database = query.get("database", "default")
        fault = self.faults.next() if "query" in query else ""
        if fault == "away":
            return self.end()
        if fault == "full":
            return self.refuse(500, b"Code: 243. Cannot reserve 1.00 MiB, not enough space")
        if not self.faults.wait(fault, self.rfile):
            return self.end()
        try:
            if "query" in query:
                head, name = re.fullmatch(r"(.*) FORMAT (\w+)", query["query"]).groups()
                settings = {key: query[key] for key in SETTINGS & query.keys()}
                self.engine.insert(database, head, settings, name, body)
                found = b""
            else:
                found = self.engine.ask(
                    database, body.decode(), query.get("default_format", "TSV"))
        except Exception as error:  # The engine's errors have no type of their own.
            return self.refuse(500, str(error).encode())
        if not self.faults.wait_after(fault, self.rfile):
            return self.end()
        return self.reply(200, found)

    def refuse(self, status, text):
        code = re.search(rb"Code: (\d+)", text)
        headers = [("X-ClickHouse-Exception-Code", code.group(1).decode())] if code else []
        self.reply(status, text, headers)


def main():
    engine = Engine(sys.argv[1])
    if len(sys.argv) > 2:
        sys.stdout.write(engine.ask(sys.argv[2], sys.argv[3]).decode())
        return
    Handler.engine = engine
    front.serve(Handler, front.Faults())


main()
