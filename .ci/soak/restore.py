#!/usr/bin/env python3
"""Shows that the disks can be destroyed: `make soak NAME=restore`.

    restore.py PROGRAMS [--seed N] [--seconds N] [--after N] [--rate N] [--keep]

A gateway with synthetic ticks, a worker and a writer use the servers of a local stack (.local/stack/restore), while
deploy/backup/database.sh backs the database up. At a time that follows from the seed everything is killed, and the
folders of NATS and of PostgreSQL are removed. Then the commands of docs/backup.md are carried out, and new ticks, of
another seed, come for `--after` seconds. A new trade is cancelled, so that a bar gets another version, and the repair
of an earlier bar is requested.

At the end the new tape is read by nats-py and the wire schema alone, and compared with the rows by SQL: each subject
begins with the ordinal after the database's, each record is one row, all restored and all new ticks are there, no
ordinal was assigned twice, and the lost time is named by each lane and each partition of bars. `tapeline audit` is
clean.
"""

import argparse
import asyncio
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

import nats
from nats.js.api import AckPolicy, ConsumerConfig

from stack import ROOT, Failure, Stack, eventually, free_port, run, say
from tape_rows import Audit

# The shipped rights name the streams of this namespace.
NAMESPACE = "md"
PARTITIONS = 8
STREAMS = [f"{NAMESPACE.upper()}_TICKS_{number}" for number in range(4)] + [f"{NAMESPACE.upper()}_BARS"]
SERVICES = ("gateway", "worker", "writer")
BATCH = 200
TICKS = (f"SELECT source, partition, ordinal FROM {NAMESPACE}.trades UNION ALL"
         f" SELECT source, partition, ordinal FROM {NAMESPACE}.quotes")


class RestoreStack(Stack):
    """The servers of a local stack, with services and a backup that this script starts."""

    def __init__(self, programs: pathlib.Path, seed: int, name: str) -> None:
        super().__init__(programs, seed, name)
        self.settings["MDS_NAMESPACE"] = self.environment["MDS_NAMESPACE"] = NAMESPACE
        self.settings["MDS_PARTITIONS"] = self.environment["MDS_PARTITIONS"] = str(PARTITIONS)
        self.pages: dict[str, int] = {}

    def make(self) -> None:
        self.remove()
        self.servers()
        self.run_program("tapeline", "setup", user="tool")
        self.run_program("store-writer", "migrate", user="writer")

    def servers(self) -> None:
        self.up("--servers-only", settings=self.settings)
        self.secrets = {path.name: path.read_text() for path in (self.home / "secrets").iterdir() if path.is_file()}
        eventually("the database answers", lambda: self.query("SELECT 1") == "1")

    # --- services

    def service_environment(self, user: str) -> dict[str, str]:
        database = {
            "POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": str(self.ports["postgres"]), "POSTGRES_DB": "tapeline",
            "POSTGRES_USER": "tapeline_writer", "POSTGRES_PASSWORD": self.secrets["postgres-writer"]}
        own = {"tool": database, "writer": {
            **database, "POSTGRES_MIGRATOR_USER": "tapeline_migrator", "OPS_PORT": "0", "LOG_FORMAT": "json",
            "POSTGRES_MIGRATOR_PASSWORD": self.secrets["postgres-migrator"], "WRITER_HOT_STATE": "false",
            "WRITER_MIGRATIONS": str(ROOT / "deploy/postgres")}}
        return {"PATH": os.environ["PATH"], "LLVM_PROFILE_FILE": "/dev/null",
                "NATS_URL": f"nats://127.0.0.1:{self.ports['nats']}", "NATS_USER": user,
                "NATS_PASSWORD": self.secrets[f"nats-{user}"], "MDS_NAMESPACE": NAMESPACE,
                "MDS_PARTITIONS": str(PARTITIONS), **own.get(user, {"OPS_PORT": "0", "LOG_FORMAT": "json"})}

    def run_program(self, program: str, *words: str, user: str, status: int = 0) -> str:
        done = subprocess.run([self.programs / program, *words], env=self.service_environment(user), text=True,
                              capture_output=True, timeout=300, cwd=ROOT)
        if done.returncode != status:
            raise Failure(f"{program} {' '.join(words)} ended with {done.returncode}, not {status}:"
                          f" {done.stdout.strip()[-300:]} {done.stderr.strip()[-600:]}")
        return done.stdout + done.stderr

    def tapeline(self, *words: str, status: int = 0) -> Any:
        return json.loads(self.run_program("tapeline", *words, "--json", user="tool", status=status))

    def start_services(self, ticks: int, rate: int, seed: int) -> None:
        self.start("writer", [str(self.programs / "store-writer")], self.service_environment("writer"))
        self.start("worker", [str(self.programs / "operator-worker")],
                   {**self.service_environment("operator"), "OPERATOR_SERIES": "1s,1m"})
        self.pages["gateway"] = free_port()
        self.start("gateway", [str(self.programs / "provider-gateway")], {
            **self.service_environment("gateway"), "OPS_PORT": str(self.pages["gateway"]),
            "SYNTHETIC_RATE": str(rate), "SYNTHETIC_TICKS": str(ticks), "SYNTHETIC_SEED": str(seed),
            "SYNTHETIC_PACE": "realtime", "GATEWAY_SPOOL": str(self.home / "spool")})

    def status(self) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.pages['gateway']}/status", timeout=5) as answer:
            return json.load(answer)

    def generated(self) -> int:
        return int(self.status()["gateway"]["generated"])

    # --- the backup and the disaster

    def backup_environment(self) -> dict[str, str]:
        database = ROOT / ".local/servers/database/bin"
        return {"PATH": f"{database}:{os.environ['PATH']}", "BACKUP_FOLDER": str(self.home / "backup"),
                "BACKUP_KEEP": "2", "BACKUP_LOOK": "1", "PGHOST": "127.0.0.1", "PGPORT": str(self.ports["postgres"]),
                "PGUSER": "postgres", "PGPASSFILE": str(self.home / "secrets/pgpass-backup")}

    def start_backup(self) -> None:
        # A replication connection names its database so.
        password = self.secrets["postgres-owner"].strip()
        path = self.home / "secrets/pgpass-backup"
        path.write_text(f"127.0.0.1:*:*:postgres:{password}\n")
        path.chmod(0o600)
        # A session of its own, as its programs end with it in a container.
        with open(self.home / "logs/backup.log", "ab") as log:
            self.own["backup"] = subprocess.Popen(
                ["/bin/sh", str(ROOT / "deploy/backup/database.sh"), "run"], stdout=log, stderr=log, cwd=ROOT,
                env=self.backup_environment(), start_new_session=True)

    def backups(self, kind: str) -> int:
        return int(self.query(f"SELECT count(*) FROM {NAMESPACE}.backups WHERE kind = '{kind}'"))

    def destroy(self) -> None:
        """Kills all at once, and removes the disks."""
        for name in SERVICES:
            self.own[name].send_signal(signal.SIGKILL)
        os.killpg(self.own["backup"].pid, signal.SIGKILL)
        for unit in ("nats-server", "postgres"):
            process = self.unit(unit)
            if process:
                os.kill(process, signal.SIGKILL)
        for name in (*SERVICES, "backup"):
            self.end(name)
        self.tool("down", check=False)
        shutil.rmtree(self.home / "nats")
        shutil.rmtree(self.home / "postgres")

    def recover(self) -> None:
        """The commands of docs/backup.md, for a stack."""
        done = subprocess.run(
            ["/bin/sh", str(ROOT / "deploy/backup/database.sh"), "recover", str(self.home / "postgres")],
            env=self.backup_environment(), text=True, capture_output=True, timeout=300)
        if done.returncode != 0:
            raise Failure(f"the database was not recovered: {done.stdout} {done.stderr}")
        say(done.stdout.strip())
        self.servers()
        eventually("the recovery is over", lambda: self.query("SELECT pg_is_in_recovery()") == "f")
        self.run_program("tapeline", "setup", user="tool")

    def close(self) -> None:
        self.end_in_order((*SERVICES, "backup"))
        if "backup" in self.own:
            try:
                os.killpg(self.own["backup"].pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        super().close()


# --- the audit


class NewTape(Audit):
    """What is on the new tape, and how many gap records its ticks begin with."""

    def __init__(self) -> None:
        super().__init__()
        self.gaps = 0

    def take(self, subject: str, sequence: int, packet: bytes) -> list[Any]:
        messages = super().take(subject, sequence, packet)
        if subject.endswith(".synthetic"):
            self.gaps += sum(1 for each in messages if each["message"] == "GapRecord")
        return messages


async def read_tape(stack: RestoreStack, audit: NewTape) -> None:
    client = await nats.connect(
        f"nats://127.0.0.1:{stack.ports['nats']}", user="tool", password=stack.secrets["nats-tool"])
    try:
        tape = client.jetstream(timeout=20)
        for stream in STREAMS:
            total = (await tape.stream_info(stream)).state.messages
            reader = await tape.pull_subscribe(
                ">", stream=stream, config=ConsumerConfig(ack_policy=AckPolicy.NONE, mem_storage=True))
            read = 0
            while read < total:
                for message in await reader.fetch(BATCH, timeout=10):
                    read += 1
                    if ".wm." not in message.subject:
                        audit.take(message.subject, message.metadata.sequence.stream, message.data)
    finally:
        await client.close()


def lines_of(answer: Any, kind: str) -> dict[tuple[str, str], int]:
    return {(each["source"], str(each["partition"])): int(each["last_ordinal"])
            for each in answer["lines"] if each["input"] == kind}


def verdict(stack: RestoreStack, raised: Any, stored: int, generated: int) -> None:
    audit = NewTape()
    asyncio.run(read_tape(stack, audit))
    problems = audit.faults[:10]
    ticks, bars = lines_of(raised, "ticks"), lines_of(raised, "bars")
    for subject, (begin, last, count) in audit.subjects.items():
        words = subject.split(".")
        if words[1] not in ("ticks", "bars"):
            continue
        before = (ticks.get((words[3], words[2]), 0) if words[1] == "ticks"
                  else bars.get(("operator", words[2]), 0))
        if begin != before + 1:
            problems.append(f"{subject} begins with ordinal {begin}, the database had {before}")
        if words[1] != "ticks" or not count:
            continue
        # A gap and a change of a trade have ordinals, and rows of other tables.
        rows = [int(each) for each in stack.query(
            f"SELECT count(*), count(DISTINCT ordinal) FROM (SELECT ordinal FROM ({TICKS}) AS t WHERE (source,"
            f" partition) = ('{words[3]}', {words[2]}) UNION ALL SELECT ordinal FROM {NAMESPACE}.gaps WHERE"
            f" (source, partition) = ('{words[3]}', {words[2]}) AND ordinal IS NOT NULL UNION ALL SELECT ordinal"
            f" FROM {NAMESPACE}.trade_changes WHERE (source, partition) = ('{words[3]}', {words[2]}) UNION ALL SELECT"
            f" ordinal FROM {NAMESPACE}.events WHERE (source, partition) = ('{words[3]}', {words[2]}))"
            f" AS every WHERE ordinal >= {begin}").split("|")]
        if rows != [count, count]:
            problems.append(f"{subject}: {count} records on the tape, {rows} rows and ordinals")
    rows_now = int(stack.query(f"SELECT count(*) FROM ({TICKS}) AS t"))
    if rows_now != stored + generated:
        problems.append(f"{stored} rows were restored and {generated} ticks generated, {rows_now} rows are there")
    if stack.query(f"SELECT sum(given_twice) FROM {NAMESPACE}.sink_source_ordinals") != "0":
        problems.append("ordinals were given twice")
    if stack.query(f"SELECT count(*) FROM {NAMESPACE}.sink_audit WHERE missing <> 0") != "0":
        problems.append("the books miss rows")
    named = int(stack.query(
        f"SELECT count(*) FROM {NAMESPACE}.gaps WHERE reason = 'tape_lost' AND ordinal IS NOT NULL"
        " AND source = 'synthetic' AND from_time < to_time"))
    lanes = sum(1 for source, _ in ticks if source == "synthetic")
    if named != lanes or audit.gaps != lanes:
        problems.append(f"{lanes} lanes lost ticks, {named} rows and {audit.gaps} records name it")
    losses = int(stack.query(
        f"SELECT count(*) FROM {NAMESPACE}.version_losses WHERE reason = 'tape_lost'"))
    if losses < len(bars):
        problems.append(f"versions of {len(bars)} partitions were lost, {losses} rows name it")
    say(f"{rows_now} rows: {stored} restored, {generated} new; {len(audit.subjects)} subjects, {named} gaps named")
    if problems:
        raise Failure("; ".join(problems[:5]))


# --- the drill


def late_versions(stack: RestoreStack, revision: int) -> None:
    """A change of a new trade makes a version that wins; a bar of before is not made of the rest of its ticks."""
    source, symbol, partition, ordinal, start = stack.query(
        f"SELECT t.source, t.symbol, t.partition, t.ordinal, b.ts FROM {NAMESPACE}.trades t JOIN {NAMESPACE}.bars b"
        f" ON (b.source, b.symbol, b.series) = (t.source, t.symbol, '1s') AND t.ts >= b.ts AND t.ts < b.ts"
        f" + interval '1 s' WHERE b.revision > {revision} AND b.trades > 1 AND b.ts < (SELECT max(ts) - interval"
        f" '10 s' FROM {NAMESPACE}.bars WHERE series = '1s') ORDER BY b.ts DESC, t.ordinal LIMIT 1"
    ).split("|")
    bar = (f"SELECT revision FROM {NAMESPACE}.bars WHERE (source, symbol, series) = ('{source}', '{symbol}', '1s')"
           f" AND ts = '{start}'")
    before = int(stack.query(bar))
    stack.run_program("tapeline", "trade", "cancel", f"{source}/{partition}/{ordinal}", "--note", "drill", "--yes",
                      user="tool")
    eventually("the bar has a later version", lambda: int(stack.query(bar)) > before, 60)
    say(f"a cancelled trade of {symbol} made version {stack.query(bar)} of a bar, after {before}")
    # The last bar of before that the database restored.
    symbol, start, revision_text = stack.query(
        f"SELECT symbol, ts, revision FROM {NAMESPACE}.bars WHERE series = '1s' AND source = '{source}' AND revision"
        f" <= {revision} ORDER BY ts LIMIT 1").split("|")
    done = subprocess.run(
        [stack.programs / "tapeline", "repair", symbol, "--from", start.replace(" ", "T").replace("+00", "Z"),
         "--to", "-1m", "--note", "drill", "--yes"], text=True, capture_output=True, timeout=120, cwd=ROOT,
        env=stack.service_environment("tool"))
    answer = (done.stdout + done.stderr).strip().replace("\n", " | ")
    say(f"a repair from {start} of {symbol} ended with {done.returncode}: {answer[-300:]}")
    log = stack.home / "logs/worker.log"
    eventually("the repair is refused", lambda: any(
        "operator.repair.refused" in line and f'"{symbol} of {source}"' in line
        for line in log.read_text(errors="replace").splitlines()), 60)
    now = stack.query(
        f"SELECT revision FROM {NAMESPACE}.bars WHERE (source, symbol, series) = ('{source}', '{symbol}', '1s')"
        f" AND ts = '{start}'")
    if now != revision_text:
        raise Failure(f"a bar of before the restore, {symbol} {start}, was made again of ticks that are not there")


def standing_bars(stack: RestoreStack) -> set[str]:
    """The bars in their newest versions, each as a line."""
    return set(stack.query(
        "SELECT concat_ws(' ', partition, source, symbol, series, ts, number, revision, close, volume, trades)"
        f" FROM {NAMESPACE}.bars").splitlines())


def drill(stack: Any, options: argparse.Namespace) -> None:
    assert isinstance(stack, RestoreStack)
    if options.after < 300:
        raise Failure("--after is at least 300: a repair reads some minutes before its window, of the new tape alone")
    chance = random.Random(stack.seed)
    stack.start_backup()
    eventually("the first base backup is noted", lambda: stack.backups("base") == 1, 120)
    stack.start_services(options.rate * options.seconds * 10, options.rate, stack.seed)
    eventually("ticks are rows", lambda: int(stack.query(f"SELECT count(*) FROM {NAMESPACE}.trades")) > 0)
    eventually("the WAL is received", lambda: stack.backups("log") == 1)
    time.sleep(options.seconds * chance.uniform(0.8, 1.2))
    # A repair of a person, whose source is restored like any other.
    symbol = stack.query(f"SELECT symbol FROM {NAMESPACE}.trades ORDER BY symbol LIMIT 1")
    stack.run_program("tapeline", "repair", symbol, "--from", "-20s", "--to", "-10s", "--note", "drill", "--yes",
                      user="tool")
    generated = stack.generated()
    stack.destroy()
    say(f"{generated} ticks were generated; everything is killed, and the disks are gone")

    stack.recover()
    stored = int(stack.query(f"SELECT count(*) FROM ({TICKS}) AS t"))
    revision = int(stack.query(f"SELECT max(revision) FROM {NAMESPACE}.bars"))
    looked = stack.tapeline("position", "raise", "--dry-run")
    raised = stack.tapeline("position", "raise", "--yes")
    again = stack.tapeline("position", "raise", "--yes")
    if looked["changed"] or not raised["changed"] or again["changed"] or looked["lines"] != raised["lines"]:
        raise Failure("a dry run, a run and a run again do not agree")
    say(f"{stored} ticks are restored; {generated} were generated a moment before the disaster;"
        f" {len(raised['lines'])} lines are raised")
    before = standing_bars(stack)
    ticks = options.rate * options.after
    stack.start_backup()
    stack.start_services(ticks, options.rate, stack.seed + 1)
    eventually("the source finishes", lambda: stack.status()["gateway"]["finished"]
               and stack.status()["gateway"]["waiting"] == 0, options.after + 300, 1)
    late_versions(stack, revision)
    new = stack.generated()
    eventually("every new tick is a row", lambda: int(stack.query(
        f"SELECT count(*) FROM ({TICKS}) AS t")) >= stored + new, 300, 1)
    eventually("every bar is a row", lambda: stack.tapeline("position", "verify")["holds"], 120, 1)
    eventually("the recovered database is backed up", lambda: len(
        list((stack.home / "backup/base").glob("2*Z"))) == 2, 120)
    say(stack.run_program("tapeline", "audit", "--all", user="tool").strip().splitlines()[-1])
    changed = sorted(before - standing_bars(stack))
    if changed:
        raise Failure(f"{len(changed)} bars of before the restore were changed: {changed[0]}")
    verdict(stack, raised, stored, new)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Destroys the disks, restores, and audits what comes then.")
    parser.add_argument("--seconds", type=int, default=120, help="of ticks before the disks are destroyed")
    parser.add_argument("--after", type=int, default=600, help="seconds of new ticks")
    parser.add_argument("--rate", type=int, default=500)
    sys.exit(run(parser, "restore", drill, RestoreStack))
