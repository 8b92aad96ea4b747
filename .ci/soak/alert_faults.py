"""The stack of alerts.py, with a receiver of its pages, and what causes each fault of alert_table.py.

A function that causes a fault takes the stack, what was drawn, and the steps that end the fault: it adds a step before
it does what that undoes. It returns when the fault began, if that is later than its call."""

import asyncio
import contextlib
import http.server
import json
import os
import pathlib
import queue
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any

import nats

from alert_table import NO_ALARM, OBJECTIVE, waits
from stack import NAMESPACE, ROOT, Failure, Stack, eventually, free_port

Undo = contextlib.ExitStack
# A process is scraped each 5 s: so long after a start it is known.
SCRAPED_SECONDS = 12
SERVICES = "provider-gateway|operator-worker|store-writer"
# An alert that waits for longer than this before it fires may wait at the next fault.
SOON_SECONDS = 300
# What counters of a quarter of an hour still know, and the next fault could add to.
REMEMBERED = (
    f'changes(process_start_time_seconds{{job=~"{SERVICES}"}}[15m]) > 1',
    "increase(mds_nats_disconnects_total[15m]) > 1.5")


class Receiver:
    """A web server that takes the pages, and the calls of the watchdog, with the times at which they came."""

    def __init__(self) -> None:
        self.posts: queue.Queue[tuple[float, dict[str, Any]]] = queue.Queue()
        self.calls: list[float] = []
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                came = time.monotonic()
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path == "/watchdog":
                    owner.calls.append(came)
                else:
                    owner.posts.put((came, body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class AlertStack(Stack):
    """A stack with three sources that sends its alerts to a receiver, by the shipped rules and routes."""

    def __init__(self, programs: pathlib.Path, seed: int, name: str) -> None:
        super().__init__(programs, seed, name)
        self.receiver = Receiver()
        self.hooks = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-"))
        for hook in ("pages", "watchdog"):
            path = self.hooks / hook
            path.write_text(f"{self.receiver.url}/{hook}")
            path.chmod(0o600)
        self.settings |= {
            "ALERTS_WEBHOOK_FILE": str(self.hooks / "pages"), "ALERTS_WATCHDOG_FILE": str(self.hooks / "watchdog"),
            # Without it an alert says that it is missing.
            "WRITER_DATABASE_BYTES": "100GiB",
            # A stream that is made small must not be purged of what is old.
            "GATEWAY_KEEP": "24h"}
        # The objectives that its faults have spoilt.
        self.hurt: set[str] = set()
        # What fires without any fault.
        self.at_rest: set[str] = set()

    def make(self) -> None:
        super().make()
        self.tool("down")
        self.up("--add-source", "--simulator", settings={"GATEWAY_PROVIDER": "alpaca", "SIMULATOR_RATE": "12"})
        # Processes that a fault starts beside those of the stack.
        self.scrape_beside([])
        configuration = self.home / "prometheus.yml"
        configuration.write_text(
            configuration.read_text().rstrip("\n") + "\n  - job_name: beside\n    file_sd_configs:\n"
            f'      - files: ["{self.home}/beside.json"]\n')
        os.kill(self.unit("prometheus"), signal.SIGHUP)

    def works(self) -> None:
        # A gateway whose broker was away for long asks again after a minute.
        eventually("every process works", lambda: self.tool("status").returncode == 0, 300, 1)

    def close(self) -> None:
        super().close()
        self.own = {}

    def forget(self) -> None:
        self.receiver.server.shutdown()
        shutil.rmtree(self.hooks)

    # --- what it says

    def ask(self, path: str, **words: str) -> Any:
        """The answer of Prometheus."""
        query = urllib.parse.urlencode(words)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['prometheus']}/api/v1/{path}?{query}",
                                    timeout=10) as answer:
            return json.load(answer)["data"]

    def standing(self) -> set[str]:
        """The alerts that fire, or wait and will soon, but those of the budgets, which look back for hours."""
        soon = {name for (name, _), seconds in waits().items() if seconds <= SOON_SECONDS}
        return {
            alert["labels"]["alertname"] for alert in self.ask("alerts")["alerts"]
            if alert["state"] == "firing" or alert["labels"]["alertname"] in soon} - {NO_ALARM, OBJECTIVE}

    def unrest(self) -> list[str]:
        """What has to be over before the next fault."""
        left = sorted(self.standing() - self.at_rest)
        return left or [text for text in REMEMBERED if self.ask("query", query=text)["result"]]

    # --- its processes

    def supervisor(self) -> int:
        return int(json.loads((self.home / "state.json").read_text())["supervisor"]["id"])

    def names(self, job: str) -> list[str]:
        return [each["name"] for each in self.units() if each["name"] == job or each["name"].startswith(f"{job}-")]

    def scrape_beside(self, targets: list[dict[str, Any]]) -> None:
        new = self.home / "beside.new"
        new.write_text(json.dumps(targets))
        new.rename(self.home / "beside.json")

    def tell(self, port: str, *commands: str) -> None:
        """Has a simulated venue take commands."""
        before = self.ports["simulatorControl"]
        try:
            self.ports["simulatorControl"] = self.ports[port]
            for command in commands:
                self.simulator(command)
        finally:
            self.ports["simulatorControl"] = before

    def of_nats(self, user: str, act: Callable[[Any], Awaitable[Any]]) -> Any:
        async def session() -> Any:
            client = await nats.connect(
                f"nats://127.0.0.1:{self.ports['nats']}", user=user, inbox_prefix=f"_INBOX_{user}".encode(),
                password=(self.home / f"secrets/nats-{user}").read_text().strip())
            try:
                return await act(client)
            finally:
                await client.close()
        return asyncio.run(session())

    def end_sessions(self) -> None:
        self.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tapeline_writer'",
                   database="postgres")

    def statement(self, sql: str) -> None:
        self.query(sql, database="postgres")


def signalled(process: int, number: int) -> None:
    """Sends a signal to a process of the stack, which may have ended meanwhile."""
    if process > 0:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def descendants(process: int) -> list[int]:
    found = [process]
    for each in found:
        with contextlib.suppress(FileNotFoundError):
            found += map(int, pathlib.Path(f"/proc/{each}/task/{each}/children").read_text().split())
    return found


# --- processes and servers


def pause(stack: AlertStack, target: str, undo: Undo) -> None:
    for process in descendants(stack.unit(target)):
        undo.callback(signalled, process, signal.SIGCONT)
        signalled(process, signal.SIGSTOP)


def pause_all(stack: AlertStack, target: str, undo: Undo) -> None:
    for name in stack.names(target):
        pause(stack, name, undo)


def kill_all_of(stack: AlertStack, names: list[str], undo: Undo) -> None:
    """Kills processes that nobody starts again: their supervisor stands still."""
    supervisor = stack.supervisor()
    undo.callback(signalled, supervisor, signal.SIGCONT)
    signalled(supervisor, signal.SIGSTOP)
    for name in names:
        signalled(stack.unit(name), signal.SIGKILL)


def kill(stack: AlertStack, target: str, undo: Undo) -> None:
    kill_all_of(stack, [target], undo)


def kill_all(stack: AlertStack, target: str, undo: Undo) -> None:
    kill_all_of(stack, stack.names(target), undo)


def kill_often(stack: AlertStack, target: str, undo: Undo) -> float:
    for turn in range(3):
        if turn:
            time.sleep(SCRAPED_SECONDS)
        stack.kill(target)
    return time.monotonic()


def pause_valkey(stack: AlertStack, target: str, undo: Undo) -> None:
    pause(stack, "valkey", undo)


def kill_valkey(stack: AlertStack, target: str, undo: Undo) -> None:
    kill(stack, "valkey", undo)


def pause_database(stack: AlertStack, target: str, undo: Undo) -> None:
    pause(stack, "postgres", undo)


def kill_database(stack: AlertStack, target: str, undo: Undo) -> None:
    kill(stack, "postgres", undo)


# --- the database


def changed(stack: AlertStack, undo: Undo, sql: str, back: str) -> None:
    """Carries out a statement, and later the one that takes it back, and ends the writers' sessions after each."""
    undo.callback(stack.end_sessions)
    undo.callback(stack.statement, back)
    stack.statement(sql)
    stack.end_sessions()


def database_password(stack: AlertStack, target: str, undo: Undo) -> None:
    right = (stack.home / "secrets/postgres-writer").read_text().strip()
    role = "ALTER ROLE tapeline_writer PASSWORD"
    changed(stack, undo, f"{role} 'another'", f"{role} '{right}'")


def database_limit(stack: AlertStack, target: str, undo: Undo) -> None:
    limit = "ALTER DATABASE tapeline CONNECTION LIMIT"
    changed(stack, undo, f"{limit} 0", f"{limit} -1")


def database_read_only(stack: AlertStack, target: str, undo: Undo) -> None:
    setting = "default_transaction_read_only"
    changed(stack, undo, f"ALTER DATABASE tapeline SET {setting} = on", f"ALTER DATABASE tapeline RESET {setting}")


def database_crash(stack: AlertStack, target: str, undo: Undo) -> None:
    def reload() -> None:
        stack.statement("SELECT pg_reload_conf()")
    undo.callback(reload)
    undo.callback(stack.statement, "ALTER SYSTEM RESET fsync")
    stack.statement("ALTER SYSTEM SET fsync = off")
    reload()


def lock_table(stack: AlertStack, target: str, undo: Undo) -> None:
    table = f"{NAMESPACE}.{target}"
    session = subprocess.Popen(
        [ROOT / ".local/servers/database/bin/psql", "--no-psqlrc", "-qAt", "-h", "127.0.0.1", "-p",
         str(stack.ports["postgres"]), "-U", "postgres", "-d", "tapeline"], stdin=subprocess.PIPE, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "PGPASSFILE": str(stack.home / "secrets/pgpass")})
    undo.callback(session.wait, 30)
    assert session.stdin
    undo.callback(session.stdin.close)
    session.stdin.write(f"BEGIN;\nLOCK TABLE {table} IN ACCESS EXCLUSIVE MODE;\n")
    session.stdin.flush()
    eventually("the table is locked", lambda: stack.query(
        "SELECT count(*) FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock'"
        f" AND relation = '{table}'::regclass") != "0")


def with_trigger(stack: AlertStack, target: str, undo: Undo, body: str) -> None:
    table = f"{NAMESPACE}.{target}"
    undo.callback(stack.query, f"DROP TRIGGER IF EXISTS soak_refuse ON {table}")
    stack.query("CREATE OR REPLACE FUNCTION public.soak_refuse() RETURNS trigger LANGUAGE plpgsql AS"
                f" $$BEGIN {body} RETURN NEW; END$$")
    stack.query(f"CREATE TRIGGER soak_refuse BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW"
                " EXECUTE FUNCTION public.soak_refuse()")


def refuse_rows(stack: AlertStack, target: str, undo: Undo) -> None:
    with_trigger(stack, target, undo, "RAISE EXCEPTION 'no row';")


def refuse_symbol(stack: AlertStack, target: str, undo: Undo) -> None:
    with_trigger(stack, target, undo, "IF NEW.symbol = 'AAPL' THEN RAISE EXCEPTION 'not this symbol'"
                 " USING ERRCODE = 'check_violation'; END IF;")


# --- passwords and rights


def rewritten(path: pathlib.Path, text: str) -> None:
    """Writes a file in place, as its mode and owner are a server's."""
    path.write_text(text)


def valkey_password(stack: AlertStack, target: str, undo: Undo) -> None:
    users = stack.home / "valkey/users.acl"
    before = users.read_text()
    after = re.sub(r"^(user writer on >)\S+", r"\1another", before, flags=re.M)
    if after == before:
        raise Failure(f"{users} has no user 'writer' with a password")
    undo.callback(stack.kill, "valkey")
    undo.callback(rewritten, users, before)
    rewritten(users, after)
    # A new server lets nobody in by the old password.
    stack.kill("valkey")


def nats_changed(stack: AlertStack, undo: Undo, change: Callable[[str], str]) -> None:
    path = stack.home / "nats.conf"
    before = path.read_text()
    after = change(before)
    if after == before:
        raise Failure(f"{path} has not what the fault changes")
    undo.callback(signalled, stack.unit("nats-server"), signal.SIGHUP)
    undo.callback(rewritten, path, before)
    rewritten(path, after)
    signalled(stack.unit("nats-server"), signal.SIGHUP)


def nats_password(stack: AlertStack, target: str, undo: Undo) -> None:
    user = {"store-writer": "WRITER", "operator-worker": "OPERATOR", "cockpit": "COCKPIT"}[target]
    nats_changed(stack, undo, lambda text: re.sub(rf'(NATS_{user}_PASSWORD: ")[^"]*', r"\1another", text))


def nats_right(stack: AlertStack, target: str, undo: Undo) -> None:
    nats_changed(stack, undo, lambda text: text.replace(
        '"*.ticks.*.*", "*.wm.*.*", "*.dlq.gateway"', '"*.wm.*.*", "*.dlq.gateway"', 1))


def forge_action(stack: AlertStack, target: str, undo: Undo) -> None:
    async def publish(client: Any) -> None:
        await client.publish(f"{NAMESPACE}.act", b"forged", reply="_INBOX_cockpit.forged")
        await client.flush()
    stack.of_nats("cockpit", publish)


# --- the tape, members and clocks


def fill_stream(stack: AlertStack, target: str, undo: Undo) -> None:
    stream = f"{NAMESPACE.upper()}_{target}"

    async def ask(client: Any, subject: str, request: Any) -> Any:
        answer = json.loads((await client.request(subject, json.dumps(request).encode(), timeout=10)).data)
        if "error" in answer:
            raise Failure(f"{subject}: {answer['error']}")
        return answer

    def update(configuration: Any) -> None:
        stack.of_nats("tool", lambda client: ask(client, f"$JS.API.STREAM.UPDATE.{stream}", configuration))

    found = stack.of_nats("tool", lambda client: ask(client, f"$JS.API.STREAM.INFO.{stream}", {}))
    undo.callback(update, found["config"])
    update({**found["config"], "max_bytes": int(found["state"]["bytes"] * 1.05)})


def twin(stack: AlertStack, target: str, undo: Undo) -> float:
    port = free_port()
    undo.callback(stack.end, "twin")
    # Another place: it is no later start of the same process.
    stack.beside(target, "twin", "operator-worker", MDS_MEMBER=target, MDS_PLACE="", OPS_PORT=str(port))
    scrape_worker(stack, "twin", port, undo)
    return time.monotonic()


def scrape_worker(stack: AlertStack, name: str, port: int, undo: Undo) -> None:
    """Has Prometheus ask a worker beside the stack, which owns partitions as the others do."""
    undo.callback(stack.scrape_beside, [])
    stack.scrape_beside([{"targets": [f"127.0.0.1:{port}"], "labels": {"job": "operator-worker", "instance": name}}])


def wrong_clock(stack: AlertStack, target: str, undo: Undo) -> float:
    port = free_port()
    stack.start_worker(port)
    undo.callback(stack.end, "operator-worker-c")
    scrape_worker(stack, "operator-worker-c", port, undo)
    stack.clock(5)
    return time.monotonic()


# --- providers


def tws(*commands: str, back: tuple[str, ...] = ()) -> Callable[[AlertStack, str, Undo], None]:
    def act(stack: AlertStack, target: str, undo: Undo) -> None:
        if back:
            undo.callback(stack.tell, "simulatorControl", *back)
        else:
            undo.callback(stack.kill, "ibkr-simulator")
        stack.tell("simulatorControl", *commands)
    return act


tws_away = tws("down 86400")
tws_lost = tws("lost", back=("restored lose",))
tws_silent = tws("stop SPY", back=("start SPY",))
tws_competing = tws("competing all on", back=("competing all off",))
tws_permission = tws("permission SPY none", "close", back=("permission SPY live", "close"))


def alpaca_away(stack: AlertStack, target: str, undo: Undo) -> None:
    undo.callback(stack.kill, "alpaca-simulator")
    stack.tell("alpacaSimulatorControl", "down 86400")


def alpaca_refuses(stack: AlertStack, target: str, undo: Undo) -> None:
    undo.callback(stack.tell, "alpacaSimulatorControl", "renew")
    stack.tell("alpacaSimulatorControl", "expire", "cut")
