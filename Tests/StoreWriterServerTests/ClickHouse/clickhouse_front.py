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

`held` answers how many have waited so far, `done` how many late ones were done.
"""

import http.server
import json
import os
import pathlib
import re
import socketserver
import sys
import threading
import urllib.parse

from chdb import session

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


class Faults:
    def __init__(self):
        self.lock = threading.Lock()
        self.planned = []
        self.held = 0
        self.done = 0
        self.released = threading.Event()

    def command(self, line):
        words = line.split()
        with self.lock:
            match words:
                case ["held"]:
                    return str(self.held)
                case ["done"]:
                    return str(self.done)
                case ["release"]:
                    self.released.set()
                case [name, count]:
                    self.released.clear()
                    self.planned += [name] * int(count)
        return "ok"

    def hold(self, stream):
        """Waits until the client has gone."""
        with self.lock:
            self.held += 1
        try:
            stream.read(1)
        except OSError:
            pass

    def next(self):
        with self.lock:
            return self.planned.pop(0) if self.planned else ""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine = None
    faults = None

    def do_POST(self):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("x-clickhouse-key", "") == "wrong":
            return self.answer(403, b"Code: 516. Authentication failed", "516")
        database = query.get("database", "default")
        fault = self.faults.next() if "query" in query else ""
        if fault == "away":
            return self.end()
        if fault == "full":
            return self.answer(500, b"Code: 243. Cannot reserve 1.00 MiB, not enough space", "243")
        if fault in ("before", "late"):
            self.faults.hold(self.rfile)
            if fault == "before":
                return self.end()
            self.faults.released.wait()
        if fault == "slow":
            with self.faults.lock:
                self.faults.held += 1
            self.faults.released.wait()
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
            code = re.search(r"Code: (\d+)", str(error))
            return self.answer(500, str(error).encode(), code.group(1) if code else "1000")
        if fault == "after":
            self.faults.hold(self.rfile)
        if fault in ("late", "slow"):
            with self.faults.lock:
                self.faults.done += 1
        if fault in ("lose", "after", "late"):
            return self.end()
        return self.answer(200, found)

    def answer(self, status, body, code=""):
        self.send_response(status)
        if code:
            self.send_header("X-ClickHouse-Exception-Code", code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def end(self):
        """Ends the connection without an answer."""
        self.close_connection = True

    def log_message(self, format, *arguments):
        pass


class Control(socketserver.StreamRequestHandler):
    faults = None

    def handle(self):
        line = self.rfile.readline().decode().strip()
        self.wfile.write((self.faults.command(line) + "\n").encode())


def main():
    engine = Engine(sys.argv[1])
    if len(sys.argv) > 2:
        sys.stdout.write(engine.ask(sys.argv[2], sys.argv[3]).decode())
        return
    Handler.engine = engine
    Handler.faults = Control.faults = Faults()
    front = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    control = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Control)
    front.daemon_threads = control.daemon_threads = True
    threading.Thread(target=control.serve_forever, daemon=True).start()
    ports = {"port": front.server_address[1], "control_port": control.server_address[1]}
    print(json.dumps(ports), flush=True)
    try:
        front.serve_forever()
    finally:
        os._exit(0)


main()
