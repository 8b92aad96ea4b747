#!/usr/bin/env python3
"""Shows that a database may fail over: `make soak NAME=failover`.

    failover.py PROGRAMS [--seed N] [--seconds N] [--rate N] [--kills N] [--lag N] [--keep]

Two servers of PostgreSQL of its own are a primary and its standby; NATS and Valkey are those of a local stack
(.local/stack/failover). A gateway with synthetic ticks, a worker and two writers with both servers in `POSTGRES_HOST`
use them. This script does what Patroni, CloudNativePG or a person does: it kills and promotes.

1. The standby is synchronous, `WRITER_PURGE_AFTER=standby`. The primary is killed several times (`--kills`), the
   standby promoted, and a new standby made by a base backup. Each time a writer has to commit at the promoted server
   within 10 s of the promotion.
2. The standby is asynchronous and gets nothing for some seconds (`--lag`) before the primary is killed,
   `WRITER_PURGE_AFTER=30s`. The durable positions must not be above those of the standby. What it lacks comes from
   the tape again.
3. The killed primary is started again, accepts writes and is listed first, and all sessions of the writers are ended
   three times. Its rows and positions have to stay as they are, and the refused server has to be reported.
4. A standby is promoted while the primary lives and no session ends. Within 10 s a writer has to commit at the
   promoted server, and then nothing goes to the earlier primary any more.

At the end the ticks on the tape, by the wire schema, are compared with the rows, by SQL: dense ordinals, each one
row. `tapeline audit --all` has to be clean.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from typing import Any

from stack import ROOT, Failure, Stack, eventually, free_port, run, say
from tape_rows import verdict

# The shipped rights name the streams of this namespace.
NAMESPACE = "md"
PARTITIONS = 8
BACKLOG_SECONDS = 5
PROGRAMS = ROOT / ".local/servers/database/bin"
PASSWORD = "failover"
SERVICES = ("gateway", "worker", "writer-a", "writer-b")
# A writer is at work again so soon after a promotion.
AT_WORK_SECONDS = 10.0
MARGIN_SECONDS = 30


class FailoverStack(Stack):
    """A stack whose writers use two servers of PostgreSQL in place of the stack's own one."""

    def __init__(self, programs: pathlib.Path, seed: int, name: str) -> None:
        super().__init__(programs, seed, name)
        for settings in (self.settings, self.environment):
            settings["MDS_NAMESPACE"], settings["MDS_PARTITIONS"] = NAMESPACE, str(PARTITIONS)
        self.servers = {"a": free_port(), "b": free_port()}
        self.primary, self.standby = "a", "b"
        # The order in which writers try them.
        self.order = ["a", "b"]
        self.operations = {name: free_port() for name in SERVICES}

    def make(self) -> None:
        self.remove()
        self.up("--servers-only", settings=self.settings)
        self.secrets = {path.name: path.read_text() for path in (self.home / "secrets").iterdir() if path.is_file()}
        (self.home / "pgpass").write_text(f"*:*:*:postgres:{PASSWORD}\n")
        (self.home / "pgpass").chmod(0o600)
        self.make_primary()
        self.make_standby()
        self.run_program("tapeline", "setup", user="tool")
        self.run_program("store-writer", "migrate", user="writer")

    # --- the servers

    def folder(self, server: str) -> pathlib.Path:
        return self.home / f"pg-{server}"

    def not_root(self, server: str, *words: str) -> list[str]:
        return [str(PROGRAMS / "not-root"), "-o", str(self.folder(server)), str(PROGRAMS / words[0]), *words[1:]]

    def make_primary(self) -> None:
        folder, secret = self.folder("a"), self.home / "pg-password"
        secret.write_text(PASSWORD + "\n")
        subprocess.run(
            self.not_root("a", "initdb", "-D", str(folder), "-U", "postgres", f"--pwfile={secret}",
                          "--auth=scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
            check=True, capture_output=True)
        with open(folder / "postgresql.conf", "a") as configuration:
            configuration.write(
                "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\n"
                "shared_preload_libraries = 'timescaledb'\ntimescaledb.telemetry_level = off\n"
                "shared_buffers = '64MB'\nwal_keep_size = '512MB'\nmax_locks_per_transaction = 512\n")
        self.start_postgres("a")
        secrets = {f"TAPELINE_{role.upper()}_PASSWORD": self.secrets[f"postgres-{role}"]
                   for role in ("migrator", "writer", "reader")}
        self.sql("a", ["-f", str(ROOT / "deploy/local/database.sql")], "postgres", secrets)

    def start_postgres(self, server: str) -> None:
        self.start(f"pg-{server}", self.not_root(
            server, "postgres", "-D", str(self.folder(server)), "-c", f"port={self.servers[server]}"),
            {"PATH": os.environ["PATH"]})
        eventually(f"server {server} answers", lambda: self.sql(server, ["-c", "SELECT 1"], "postgres") == "1")

    def make_standby(self) -> None:
        """Makes the other server a standby, by a base backup of the primary."""
        source, target = self.folder(self.primary), self.folder(self.standby)
        if target.exists():
            shutil.rmtree(target)
        label = self.home / "backup-label"
        # The session of the backup has to last: psql calls cp in between.
        self.sql(self.primary, [
            "-c", "SELECT pg_backup_start('soak', true)", "-c", f"\\! cp -a {source} {target}",
            "-c", f"\\o {label}", "-c", "SELECT labelfile FROM pg_backup_stop(false)"], "postgres")
        for name in ("postmaster.pid", "postmaster.opts", "standby.signal", "recovery.signal"):
            (target / name).unlink(missing_ok=True)
        shutil.copy(source / "PG_VERSION", target / "backup_label")
        (target / "backup_label").write_text(label.read_text())
        shutil.copy(source / "PG_VERSION", target / "standby.signal")
        for path in ("backup_label", "standby.signal"):
            owner = (source / "PG_VERSION").stat()
            os.chown(target / path, owner.st_uid, owner.st_gid)
        with open(target / "postgresql.auto.conf", "a") as configuration:
            configuration.write(
                f"primary_conninfo = 'host=127.0.0.1 port={self.servers[self.primary]} user=postgres"
                f" password={PASSWORD} application_name={self.standby}'\n")
        self.start_postgres(self.standby)
        eventually("the standby streams", lambda: self.sql(
            self.primary, ["-c", "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"]) == "1")

    def set(self, server: str, name: str, value: str) -> None:
        self.sql(server, ["-c", f"ALTER SYSTEM SET {name} = '{value}'", "-c", "SELECT pg_reload_conf()"])

    def make_synchronous(self) -> None:
        self.set(self.primary, "synchronous_standby_names", "*")
        eventually("the standby is synchronous", lambda: self.sql(
            self.primary, ["-c", "SELECT sync_state FROM pg_stat_replication"]) == "sync")

    def kill_primary(self) -> None:
        """Ends the server and its sessions, without a word."""
        parent = self.own.pop(f"pg-{self.primary}")
        children = pathlib.Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text()
        for process in (parent.pid, *map(int, children.split())):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        parent.wait()

    def promote(self) -> float:
        """Makes the standby the primary. Returns when, by the monotonic clock."""
        self.sql(self.standby, ["-c", "SELECT pg_promote()"])
        promoted = time.monotonic()
        self.primary, self.standby = self.standby, self.primary
        # Until a new standby is there, nothing waits for one.
        self.set(self.primary, "synchronous_standby_names", "")
        return promoted

    def sql(self, server: str, words: list[str], database: str = "tapeline",
            environment: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            [PROGRAMS / "psql", "--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p",
             str(self.servers[server]), "-U", "postgres", "-d", database, *words],
            text=True, timeout=120, capture_output=True,
            env={"PATH": os.environ["PATH"], "PGPASSFILE": str(self.home / "pgpass"), **(environment or {})})
        if done.returncode != 0:
            raise Failure(f"server {server}: {' '.join(words)[:120]}: {done.stderr.strip()[-400:]}")
        return done.stdout.strip()

    def query(self, sql: str, user: str = "postgres", database: str = "tapeline") -> str:
        return self.sql(self.primary, ["-c", sql], database)

    # --- the services

    def service_environment(self, user: str) -> dict[str, str]:
        database = {
            "POSTGRES_HOST": ",".join(f"127.0.0.1:{self.servers[server]}" for server in self.order),
            "POSTGRES_DB": "tapeline", "POSTGRES_USER": "tapeline_writer",
            "POSTGRES_PASSWORD": self.secrets["postgres-writer"]}
        own = {"tool": database, "writer": {
            **database, "POSTGRES_MIGRATOR_USER": "tapeline_migrator",
            "POSTGRES_MIGRATOR_PASSWORD": self.secrets["postgres-migrator"], "WRITER_HOT_STATE": "false",
            "WRITER_MIGRATIONS": str(ROOT / "deploy/postgres")}}.get(user, {})
        services = {} if user == "tool" else {"LOG_FORMAT": "json", "OPS_PORT": "0", "MDS_LEASE": "2s"}
        return {"PATH": os.environ["PATH"], "LLVM_PROFILE_FILE": "/dev/null",
                "NATS_URL": f"nats://127.0.0.1:{self.ports['nats']}", "NATS_USER": user,
                "NATS_PASSWORD": self.secrets[f"nats-{user}"], "MDS_NAMESPACE": NAMESPACE,
                "MDS_PARTITIONS": str(PARTITIONS), **services, **own}

    def run_program(self, program: str, *words: str, user: str) -> str:
        done = subprocess.run([self.programs / program, *words], env=self.service_environment(user), text=True,
                              capture_output=True, timeout=300, cwd=ROOT)
        if done.returncode != 0:
            raise Failure(f"{program} {' '.join(words)} ended with {done.returncode}:"
                          f" {done.stdout.strip()[-400:]} {done.stderr.strip()[-600:]}")
        return done.stdout

    def start_service(self, program: str, user: str, name: str, **more: str) -> None:
        keys = {**self.service_environment(user), "MDS_MEMBER": name, "OPS_PORT": str(self.operations[name]), **more}
        self.start(name, [str(self.programs / program)], keys)

    def start_writers(self, purge_after: str) -> None:
        for name in ("writer-a", "writer-b"):
            self.start_service("store-writer", "writer", name, WRITER_PURGE_AFTER=purge_after)

    def end_writers(self) -> None:
        for name in ("writer-a", "writer-b"):
            self.own[name].send_signal(signal.SIGTERM)
        for name in ("writer-a", "writer-b"):
            self.own.pop(name).wait(60)

    def page(self, name: str, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.operations[name]}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    def gateway(self) -> Any:
        return json.loads(self.page("gateway", "/status"))["gateway"]

    def close(self) -> None:
        self.end_in_order(SERVICES)
        super().close()

    # --- what is stored

    def rows(self, server: str) -> int:
        return int(self.sql(server, ["-c", f"SELECT (SELECT count(*) FROM {NAMESPACE}.trades)"
                                     f" + (SELECT count(*) FROM {NAMESPACE}.quotes)"]))

    def positions(self, server: str) -> dict[tuple[str, int], int]:
        """The sequences of the writers' positions, by input and partition."""
        found = {}
        for row in self.sql(server, ["-c", f"SELECT input, partition, sequence FROM {NAMESPACE}.sink_positions"
                                     ]).splitlines():
            kind, partition, sequence = row.split("|")
            found[kind, int(partition)] = int(sequence)
        return found

    def durable(self) -> dict[tuple[str, int], int]:
        """Up to where the tape may be purged, as the keeper has noted it."""
        found = {}
        for group in json.loads(self.run_program("tapeline", "groups", "list", "--json", user="tool"))["groups"]:
            if group["group"] == "store":
                for each in group["positions"]:
                    found[each["input"], int(each["partition"])] = int(each["durable"])
        return found

    def wait_at_work(self, killed: float, promoted: float) -> float:
        """Waits until a writer has committed at the promoted server. Returns the seconds since the promotion."""
        def is_at_work() -> bool:
            return self.query(
                f"SELECT max(advanced_at) > to_timestamp({killed}) FROM {NAMESPACE}.sink_positions") == "t"
        eventually("a writer commits at the promoted server", is_at_work, 60, 0.1)
        return time.monotonic() - promoted


def fail_over(stack: FailoverStack) -> float:
    """Kills the primary and promotes the standby. Returns how long no writer was at work after the promotion."""
    stack.kill_primary()
    killed = time.time()
    took = stack.wait_at_work(killed, stack.promote())
    if took > AT_WORK_SECONDS:
        raise Failure(f"a writer was at work only {took:.1f} s after the promotion")
    return took


def synchronous(stack: FailoverStack, options: argparse.Namespace, chance: random.Random) -> None:
    stack.start_writers("standby")
    eventually("rows are stored", lambda: stack.rows(stack.primary) > 0)
    waits = []
    for _ in range(options.kills):
        stack.make_synchronous()
        time.sleep(options.seconds / options.kills * chance.uniform(0.5, 1))
        waits.append(fail_over(stack))
        stack.make_standby()
    say(f"{options.kills} kills of the primary: at work after the promotion within "
        + ", ".join(f"{each:.1f}" for each in waits) + " s")


def asynchronous(stack: FailoverStack, options: argparse.Namespace) -> None:
    stack.end_writers()
    stack.start_writers(f"{MARGIN_SECONDS}s")
    before = stack.rows(stack.primary)
    eventually("rows are stored", lambda: stack.rows(stack.primary) > before)
    # Long enough that positions become durable.
    time.sleep(MARGIN_SECONDS + 5)
    port = stack.servers[stack.primary]
    stack.set(stack.standby, "primary_conninfo", "host=127.0.0.1 port=1")
    eventually("the standby gets nothing", lambda: stack.sql(
        stack.primary, ["-c", "SELECT count(*) FROM pg_stat_replication"]) == "0")
    time.sleep(options.lag)
    ahead = stack.positions(stack.primary)
    kept, durable = stack.positions(stack.standby), stack.durable()
    lost = stack.rows(stack.primary) - stack.rows(stack.standby)
    if not any(durable.values()):
        raise Failure("nothing of the writers' positions is durable")
    early = [place for place, sequence in durable.items() if sequence > kept.get(place, 0)]
    if early or ahead == kept:
        raise Failure(f"the tape might be purged of what the standby lacks, at {early[:5]}")
    took = fail_over(stack)
    say(f"{options.lag} s of lag: the promoted server lacked {lost} rows of port {port}; at work within {took:.1f} s")
    eventually("the rows that it lacked are there", lambda: all(
        sequence >= ahead[place] for place, sequence in stack.positions(stack.primary).items()), 120, 0.5)


def two_primaries(stack: FailoverStack) -> None:
    old = stack.standby
    stack.end_writers()
    stack.order = [old, stack.primary]
    stack.start_postgres(old)
    if stack.sql(old, ["-c", "SELECT pg_is_in_recovery()"]) != "f":
        raise Failure("the killed primary accepts no writes")
    before = stack.rows(old), stack.positions(old)
    stack.start_writers("commit")
    for _ in range(3):
        start = stack.rows(stack.primary)
        eventually("rows are stored", lambda: stack.rows(stack.primary) > start + 1_000)
        stack.query("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'tapeline_writer'")
    eventually("the refused server is reported", lambda: "mds_store_refused_servers 1" in stack.page(
        "writer-a", "/metrics"))
    after = stack.rows(old), stack.positions(old)
    if after != before:
        raise Failure(f"the earlier primary has {after[0] - before[0]} rows more, or other positions")
    say(f"the earlier primary accepts writes and is listed first: it has {after[0]} rows, as before")


def left_alive(stack: FailoverStack) -> None:
    ended = stack.own.pop(f"pg-{stack.standby}")
    ended.send_signal(signal.SIGINT)
    ended.wait(60)
    stack.make_standby()
    old = stack.primary
    promoted = stack.promote()
    took = stack.wait_at_work(time.time(), promoted)
    if took > AT_WORK_SECONDS:
        raise Failure(f"a writer left the earlier primary only {took:.1f} s after the promotion")
    eventually("no worker has a session with the earlier primary", lambda: stack.sql(old, [
        "-c", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'store-writer'"]) == "0")
    before = stack.rows(old), stack.positions(old)
    time.sleep(5)
    if (stack.rows(old), stack.positions(old)) != before:
        raise Failure("rows go to the earlier primary")
    say(f"promoted beside a primary that lives: writers are at work there within {took:.1f} s")


def soak(stack: Any, options: argparse.Namespace) -> None:
    assert isinstance(stack, FailoverStack)
    chance = random.Random(stack.seed)
    stack.start_service("operator-worker", "operator", "worker", OPERATOR_SERIES="1s,1m")
    stack.start_service(
        "provider-gateway", "gateway", "gateway", SYNTHETIC_RATE=str(options.rate), SYNTHETIC_SEED=str(stack.seed),
        SYNTHETIC_PACE="realtime", SYNTHETIC_BACKLOG=f"{BACKLOG_SECONDS}s",
        GATEWAY_SPOOL=str(stack.home / "spool"),
        SYNTHETIC_TICKS=str(options.rate * (2 * options.seconds + 2 * MARGIN_SECONDS + options.lag + 120)))
    eventually("ticks are generated", lambda: stack.gateway()["generated"] > 0)
    synchronous(stack, options, chance)
    asynchronous(stack, options)
    two_primaries(stack)
    left_alive(stack)
    eventually("the source finishes", lambda: stack.gateway()["finished"] and stack.gateway()["waiting"] == 0, 600, 1)
    generated = int(stack.gateway()["generated"])
    eventually("every tick is a row", lambda: stack.rows(stack.primary) >= generated, 300, 1)
    verdict([f"nats://127.0.0.1:{stack.ports['nats']}"], stack.secrets["nats-tool"], stack.query, NAMESPACE, generated)
    stack.run_program("tapeline", "audit", "--all", user="tool")
    say("tapeline audit --all: the books hold")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Kills primaries of PostgreSQL under load, and audits the rows.")
    parser.add_argument("--seconds", type=int, default=120, help="how long primaries are killed")
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--lag", type=int, default=5, help="seconds that the asynchronous standby lacks")
    sys.exit(run(parser, "failover", soak, FailoverStack))
