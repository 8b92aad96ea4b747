"""The stack of stores.py: a local stack's servers, a second PostgreSQL, and the services as processes of the script."""

import asyncio
import os
import pathlib
import struct
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import nats

from restore import NAMESPACE, TICKS, RestoreStack
from stack import ROOT, Failure, eventually, free_port, say
from store_report import Metrics, quantile
from tape_rows import Audit, read_streams, tick_streams

FIRST, SECOND = "store", "store-b"
PROGRAMS = ROOT / ".local/servers/database/bin"
SERVICES = ("gateway", "worker", "writer", "writer-b")
# No bar came for so long: the worker has made all of the ticks that there are.
QUIET_SECONDS = 10
BARS = f"{NAMESPACE.upper()}_BARS"
# From when a row's sender had it until its COMMIT, by the group of its table.
AGES = {
    "ticks": "SELECT pg_xact_commit_timestamp(xmin) AS done, receive_time AS begun FROM {0}.trade_rows UNION ALL"
             " SELECT pg_xact_commit_timestamp(xmin), receive_time FROM {0}.quote_rows",
    "bars": "SELECT pg_xact_commit_timestamp(xmin) AS done, sent_at AS begun FROM {0}.bars_short"}
# Each version of a bar, by its place on the tape.
VERSIONS = " UNION ALL ".join(
    f"SELECT partition, revision AS ordinal FROM {NAMESPACE}.{table}"
    for table in ("bars_short", "bars_long", "bar_versions"))
# Sums that do not depend on the order of rows.
SUMS = {table: f"SELECT count(*), sum(hashtextextended(({columns})::text, 0)::numeric) FROM {NAMESPACE}.{table} AS t"
        for table, columns in {
            "trade_rows": "t", "quote_rows": "t",
            "bars": "t.symbol, t.series, t.ts, t.number, t.revision, t.source, t.partition, t.open, t.high, t.low,"
                    " t.close, t.volume, t.trades"}.items()}
Lanes = dict[tuple[str, int], list[int]]


class StoreStack(RestoreStack):
    """The servers of a local stack with the rights of a second store, and services that this script starts."""

    def __init__(self, programs: pathlib.Path, seed: int, name: str) -> None:
        super().__init__(programs, seed, name)
        self.second = free_port()
        self.figures: dict[str, Any] = {}
        # More settings of a service.
        self.more: dict[str, dict[str, str]] = {}

    def make(self) -> None:
        self.remove()
        self.servers()
        self.run_program("store-writer", "migrate", user="writer")

    def servers(self) -> None:
        self.up("--servers-only", "--store", SECOND, settings=self.settings)
        self.secrets = {path.name: path.read_text() for path in (self.home / "secrets").iterdir() if path.is_file()}
        eventually("the database answers", lambda: self.query("SELECT 1") == "1")

    # --- the second server

    @property
    def folder(self) -> pathlib.Path:
        return self.home / "postgres-b"

    def not_root(self, *words: str) -> list[str]:
        return [str(ROOT / "deploy/local/not-root.sh"), "-o", str(self.folder), str(PROGRAMS / words[0]), *words[1:]]

    def make_second(self) -> None:
        subprocess.run(
            [ROOT / "deploy/local/initdb.sh", PROGRAMS / "initdb", self.folder, self.home / "secrets/postgres-owner"],
            check=True, capture_output=True)
        self.start_second()
        self.sql(SECOND, ["-f", str(ROOT / "deploy/local/database.sql")], "postgres", {
            f"TAPELINE_{role.upper()}_PASSWORD": self.secrets[f"postgres-{role}"]
            for role in ("migrator", "writer", "reader")})
        self.run_program("store-writer", "migrate", user="writer-b")

    def start_second(self) -> None:
        self.start("postgres-b", self.not_root(
            "postgres", "-D", str(self.folder), f"--config-file={ROOT / 'deploy/local/postgresql.conf'}",
            "--listen-addresses=127.0.0.1", f"--port={self.second}"), {"PATH": os.environ["PATH"]})
        eventually("the second server answers", lambda: self.ask(SECOND, "SELECT 1", "postgres") == "1")

    def stop_second(self) -> None:
        subprocess.run(self.not_root("pg_ctl", "stop", "-D", str(self.folder), "-m", "immediate"), check=True,
                       capture_output=True)
        self.own.pop("postgres-b").wait(60)

    def sql(self, store: str, words: list[str], database: str = "tapeline",
            environment: dict[str, str] | None = None) -> str:
        port = self.second if store == SECOND else self.ports["postgres"]
        done = subprocess.run(
            [PROGRAMS / "psql", "--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(port),
             "-U", "postgres", "-d", database, *words], text=True, timeout=600, capture_output=True,
            env={"PATH": os.environ["PATH"], "PGPASSWORD": self.secrets["postgres-owner"].strip(),
                 **(environment or {})})
        if done.returncode != 0:
            raise Failure(f"{store}: {' '.join(words)[:120]}: {done.stderr.strip()[-400:]}")
        return done.stdout.strip()

    def ask(self, store: str, sql: str, database: str = "tapeline") -> str:
        return self.sql(store, ["-c", sql], database)

    # --- the services

    def service_environment(self, user: str) -> dict[str, str]:
        if user != "writer-b":
            return super().service_environment(user)
        return {**super().service_environment("writer"), "NATS_USER": user,
                "NATS_PASSWORD": self.secrets[f"nats-{user}"], **self.place_of(SECOND)}

    def place_of(self, store: str) -> dict[str, str]:
        port = self.second if store == SECOND else self.ports["postgres"]
        return {"POSTGRES_PORT": str(port), "STORE_NAME": store}

    def of_store(self, store: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A command about a store, as a person gives it where the environment names servers."""
        return subprocess.run(
            [self.programs / "tapeline", *words], text=True, capture_output=True, timeout=1_800, cwd=ROOT,
            env={**self.service_environment("tool"), **self.place_of(store), **more})

    def begin(self, name: str, program: str, user: str, **more: str) -> None:
        self.pages.setdefault(name, free_port())
        self.start(name, [str(self.programs / program)], {
            **self.service_environment(user), "MDS_MEMBER": name, "OPS_PORT": str(self.pages[name]), **more,
            **self.more.get(name, {})})

    def start_feed(self, rate: int, symbols: str) -> None:
        """Starts all but the second store."""
        self.begin("writer", "store-writer", "writer", WRITER_DEAD_LETTERS=str(self.home / "letters"))
        self.begin("worker", "operator-worker", "operator", OPERATOR_SERIES="1s,1m")
        self.begin("gateway", "provider-gateway", "gateway", SYNTHETIC_RATE=str(rate), SYNTHETIC_SYMBOLS=symbols,
                   SYNTHETIC_SEED=str(self.seed), GATEWAY_SPOOL=str(self.home / "spool"),
                   NATS_MONITOR_URL=f"http://127.0.0.1:{self.ports['natsMonitor']}")
        eventually("ticks are rows", lambda: int(self.ask(FIRST, f"SELECT count(*) FROM {NAMESPACE}.quotes")) > 0)

    def start_second_writer(self) -> None:
        self.begin("writer-b", "store-writer", "writer-b", WRITER_DEAD_LETTERS=str(self.home / "letters-b"))
        eventually("ticks are rows of the second store", lambda: int(
            self.ask(SECOND, f"SELECT count(*) FROM {NAMESPACE}.quotes")) > 0)

    def stop_feed(self) -> None:
        """Ends the gateway in order: what it has taken is on the tape then."""
        self.end_in_order(["gateway"])
        self.own.pop("gateway")

    def metrics(self, name: str) -> Metrics:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.pages[name]}/metrics", timeout=5) as answer:
            return Metrics(answer.read().decode())

    def close(self) -> None:
        self.end_in_order(SERVICES)
        super().close()


class Watch(threading.Thread):
    """Looks every second at the gateway and at the first store's writer."""

    def __init__(self, stack: StoreStack) -> None:
        super().__init__(daemon=True)
        self.stack, self.ended = stack, threading.Event()
        self.samples: list[dict[str, Any]] = []
        self.missed = 0

    def run(self) -> None:
        buckets: list[tuple[float, float]] = []
        while not self.ended.wait(1):
            try:
                gateway, writer = self.stack.metrics("gateway"), self.stack.metrics("writer")
            except OSError:
                self.missed += 1
                continue
            now = writer.buckets("mds_writer_tick_age_seconds")
            self.samples.append({
                "at": time.time(), "p99": quantile(buckets, now, 0.99) if buckets else None,
                "spool": gateway.of("mds_gateway_spool_ticks"),
                "spooled": gateway.of("mds_gateway_spooled_ticks_total"),
                "left out": gateway.of("mds_gateway_left_out_ticks_total"),
                "refused": gateway.of("mds_gateway_refused_records_total"),
                "slowed": gateway.of("mds_gateway_slowed"),
                "lag": gateway.of("mds_group_lag_ticks", group=FIRST),
                "lag-b": gateway.of("mds_group_lag_ticks", group=SECOND),
                "let go": gateway.of("mds_keeper_let_go", group=SECOND),
                "headroom": min(gateway.all("mds_tape_stream_headroom_bytes").values(), default=None),
                "waits": writer.of("mds_store_group_waits_total"),
                "apart": {group: writer.of("mds_store_group_apart", group=group)
                          for group in ("ticks", "bars", "rest")},
                "behind": writer.of("mds_store_group_behind_seconds")})
            buckets = now

    def last(self) -> dict[str, Any]:
        if not self.samples or time.time() - self.samples[-1]["at"] > 5:
            raise Failure("the pages of the gateway or of the writer do not answer")
        return self.samples[-1]

    def within(self, name: str, begin: float, end: float) -> list[float]:
        return [each[name] for each in self.samples if begin <= each["at"] < end and each[name] is not None]

    def end(self) -> None:
        self.ended.set()
        self.join()

    def judge(self) -> list[str]:
        """What was wrong with the gateway at any time."""
        wrong = []
        for name in ("spool", "spooled", "left out", "refused", "slowed"):
            values = [each[name] for each in self.samples]
            known = [value for value in values if value is not None]
            self.stack.figures[f"gateway: {name}, most"] = max(known, default=None)
            if max(known, default=0) > 0:
                wrong.append(f"the gateway's {name} reached {max(known):.0f}")
            if len(known) < len(values):
                wrong.append(f"the gateway's page lacked {name} {len(values) - len(known)} times")
        self.stack.figures["samples"], self.stack.figures["samples missed"] = len(self.samples), self.missed
        if self.missed > max(2, len(self.samples) // 50):
            wrong.append(f"{self.missed} of {len(self.samples) + self.missed} looks at the pages failed")
        return wrong


# --- what is on the tape, and what is stored


class Headers(Audit):
    """Reads the headers of packets alone."""

    def take(self, subject: str, sequence: int, packet: bytes) -> list[Any]:
        (block,) = struct.unpack_from("<H", packet)
        return super().take(subject, sequence, packet[:8 + block])


def age(stack: StoreStack, group: str, begin: float, end: float) -> tuple[float, float, float, int]:
    """How long rows of a group of tables took that were sent in this time: p50, p99 and the longest in ms, and how
    many there were; by the times of the COMMITs."""
    row = stack.ask(FIRST, (
        "SELECT count(*), percentile_disc(0.5) WITHIN GROUP (ORDER BY ms), percentile_disc(0.99) WITHIN GROUP"
        " (ORDER BY ms), max(ms) FROM (SELECT extract(epoch FROM done - begun) * 1000 AS ms FROM ("
        + AGES[group] + f") AS r WHERE begun >= to_timestamp({begin}) AND begun < to_timestamp({end})) AS a"
    ).format(NAMESPACE))
    count, *values = row.split("|")
    if int(count) == 0:
        raise Failure(f"no row of {group} was sent within {end - begin:.0f} s")
    return float(values[0]), float(values[1]), float(values[2]), int(count)


def told_ages(
    stack: StoreStack, groups: list[str], times: dict[str, tuple[float, float]]
) -> dict[tuple[str, str], float]:
    """Says how old rows of the first store were at their COMMIT. Returns each p99."""
    found = {}
    for group in groups:
        for title, (begin, end) in times.items():
            p50, p99, longest, count = age(stack, group, begin, end)
            stack.figures[f"{group} {title}: p50, p99, longest in ms, rows"] = [p50, p99, longest, count]
            say(f"{title}: {count} rows of {group}: p50 {p50:.0f} ms, p99 {p99:.0f} ms, longest {longest:.0f} ms")
            found[group, title] = p99
    return found


def of_nats(stack: StoreStack, act: Callable[[Any], Any]) -> Any:
    async def session() -> Any:
        client = await nats.connect(
            f"nats://127.0.0.1:{stack.ports['nats']}", user="tool", password=stack.secrets["nats-tool"])
        try:
            return await act(client.jetstream(timeout=20))
        finally:
            await client.close()
    return asyncio.run(session())


def heads(stack: StoreStack, streams: list[str], subjects: str) -> dict[str, int]:
    """The last ordinal of each subject, by its last packet alone."""
    audit = Headers()

    async def look(tape: Any) -> None:
        for stream in streams:
            state = (await tape.stream_info(stream, subjects_filter=f"{NAMESPACE}.{subjects}")).state
            for subject in state.subjects or {}:
                message = await tape.get_last_msg(stream, subject)
                audit.take(subject, message.seq, message.data)
    of_nats(stack, look)
    return {subject: last for subject, (_, last, _) in audit.subjects.items() if last}


def ticks_ends(stack: StoreStack) -> dict[str, int]:
    return heads(stack, tick_streams(NAMESPACE), "ticks.>")


def bars_ends(stack: StoreStack) -> dict[str, int]:
    return heads(stack, [BARS], "bars.>")


def lane_of(subject: str) -> tuple[str, int]:
    _, _, partition, source = subject.split(".")
    return source, int(partition)


def rows(stack: StoreStack, store: str) -> Lanes:
    """Of each lane how many rows and distinct ordinals there are, the first and the last."""
    found: Lanes = {}
    for row in stack.ask(store, "SELECT source, partition, count(*), count(DISTINCT ordinal), min(ordinal),"
                         f" max(ordinal) FROM ({TICKS}) AS t GROUP BY 1, 2").splitlines():
        source, partition, *numbers = row.split("|")
        found[source, int(partition)] = [int(each) for each in numbers]
    return found


def versions(stack: StoreStack, store: str) -> dict[int, list[int]]:
    """Of each partition how many versions of bars and distinct ordinals there are, and the last."""
    found = {}
    for row in stack.ask(store, "SELECT partition, count(*), count(DISTINCT ordinal), max(ordinal)"
                         f" FROM ({VERSIONS}) AS v GROUP BY 1").splitlines():
        partition, *numbers = row.split("|")
        found[int(partition)] = [int(each) for each in numbers]
    return found


def await_ticks(stack: StoreStack, stores: list[str], seconds: float) -> float:
    """Waits until stores have what was on the tape when the feed had ended. Returns how long that took."""
    ends, begin = ticks_ends(stack), time.monotonic()
    if not ends:
        raise Failure("nothing is on the tape")

    def has_all(store: str) -> bool:
        stored = rows(stack, store)
        return all(stored.get(lane_of(subject), [0])[-1] >= last for subject, last in ends.items())
    for store in stores:
        eventually(f"{store} has the last ticks", lambda: has_all(store), seconds, 1)
    return time.monotonic() - begin


def await_bars(stack: StoreStack, stores: list[str]) -> None:
    """Waits until the worker has made all bars, ends it, and waits until stores have them."""
    since, ends = time.monotonic(), bars_ends(stack)
    while time.monotonic() < since + QUIET_SECONDS:
        time.sleep(1)
        now = bars_ends(stack)
        if now != ends:
            since, ends = time.monotonic(), now
    stack.end_in_order(["worker"])
    stack.own.pop("worker")
    ends = bars_ends(stack)

    def has_all(store: str) -> bool:
        stored = versions(stack, store)
        return all(stored.get(int(subject.split(".")[2]), [0])[-1] >= last for subject, last in ends.items())
    for store in stores:
        eventually(f"{store} has the last bars", lambda: has_all(store), 300, 1)


def sums(stack: StoreStack, store: str) -> dict[str, str]:
    return {table: stack.ask(store, sql) for table, sql in SUMS.items()}


def judge(stack: StoreStack, stores: list[str], is_whole: bool = True) -> None:
    """Compares the stores with the tape by nats-py, the wire schema and psql alone: each ordinal from the first to the
    tape's last one is a row once, in each store; and with each other. `is_whole`: nothing was purged."""
    ticks, bars, problems = Headers(), Headers(), list[str]()
    url = [f"nats://127.0.0.1:{stack.ports['nats']}"]
    for audit, streams, subjects in ((ticks, tick_streams(NAMESPACE), "ticks.>"), (bars, [BARS], "bars.>")):
        asyncio.run(read_streams(
            url, stack.secrets["nats-tool"], streams, f"{NAMESPACE}.{subjects}",
            lambda _, message: audit.take(message.subject, message.metadata.sequence.stream, message.data)))
        problems += audit.faults[:5]
    found = {store: rows(stack, store) for store in stores}
    for subject, (begin, last, count) in ticks.subjects.items():
        if not last:
            continue
        if is_whole and begin != 1:
            problems.append(f"{subject}: the tape begins with {begin}")
        for store in stores:
            numbers = found[store].pop(lane_of(subject), None)
            if numbers != [last, last, 1, last]:
                problems.append(f"{subject}: on the tape {count} from {begin} to {last}, in {store} {numbers}")
    problems += [f"{store}: {lane} has rows, and no packet" for store in stores for lane in found[store]]
    made = {store: versions(stack, store) for store in stores}
    for subject, (_, last, _) in bars.subjects.items():
        if not last:
            continue
        for store in stores:
            numbers = made[store].pop(int(subject.split(".")[2]), None)
            if numbers != [last, last, last]:
                problems.append(f"{subject}: {last} versions on the tape, in {store} {numbers}")
    problems += [f"{store}: partition {partition} has bars, and no packet"
                 for store in stores for partition in made[store]]
    first, *others = (sums(stack, store) for store in stores)
    problems += [f"{table}: {one[table]} in one store, {first[table]} in the other"
                 for one in others for table in first if one[table] != first[table]]
    on_tape, bars_on_tape = (sum(each[1] for each in audit.subjects.values()) for audit in (ticks, bars))
    stack.figures["ordinals of ticks on the tape"], stack.figures["versions of bars"] = on_tape, bars_on_tape
    if problems:
        raise Failure("; ".join(problems[:5]))
    say(f"by nats-py and psql: {on_tape} ordinals of {len(ticks.subjects)} lanes and {bars_on_tape} versions of bars"
        f" are rows once in {' and '.join(stores)}" + (", with the same values" if others else ""))


def audit(stack: StoreStack, stores: list[str]) -> None:
    for store in stores:
        done = stack.of_store(store, "audit", "--all")
        if done.returncode != 0:
            raise Failure(f"tapeline audit of {store} ended with {done.returncode}: "
                          f"{(done.stdout + done.stderr).strip()[-500:]}")
        said = next((line for line in done.stdout.splitlines() if "audit is clean" in line), done.stdout[-300:])
        say(f"tapeline audit --all of {store}: {said}")
