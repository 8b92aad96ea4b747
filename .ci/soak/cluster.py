#!/usr/bin/env python3
"""Shows that three copies of the tape survive their servers: `make soak NAME=cluster`.

    cluster.py PROGRAMS [--seed N] [--seconds N] [--rate N] [--every N] [--outage N] [--keep]

Three servers of NATS with deploy/nats/server.conf and cluster.conf are one cluster. A gateway with synthetic ticks,
two workers and a writer use it, with MDS_REPLICAS=3 and MDS_LEASE=2s; the database and Valkey are those of a local
stack of its own (.local/stack/cluster). Every 30 s (`--every`) one server is killed, and started again some seconds
later; the seed chooses which one and when. The next kill waits until every copy is whole, the spool is empty and no
group is more than 3 s late. Then two of the three servers are away for five minutes (`--outage`); the ticks of that
time wait in the spool.

- No member lost a partition.
- tape_rows.py reads the ticks' streams by nats-py, decodes the headers by the wire schema, and compares them with the
  rows by SQL: each subject's ordinals are dense, each is one row, and there are as many as the gateway generated.
- `tapeline tape verify` finds the three copies equal.
- A bare program of libnats (`CBareTape hold`) publishes to four streams of its own meanwhile, with three copies and
  with the sequence that it expects. After each kill, a stream that the killed server led stops until it has another
  leader. By the times that the servers noted, the tape's may need a second more, in the median and at most
  (pauses.py).
"""

import argparse
import asyncio
import collections
import json
import os
import pathlib
import random
import subprocess
import sys
import time
import urllib.request
from typing import Any

from pauses import Pauses, bare_command, make_bare_streams
from stack import ROOT, Failure, Stack, eventually, free_port, run, say
from tape_rows import STREAMS_OF_TICKS, tick_streams, verdict

# The shipped rights name the streams of this namespace.
NAMESPACE = "md"
SERVERS = 3
PARTITIONS = 8
USERS = ("gateway", "operator", "writer", "cockpit", "actions", "consumer", "tool")
BACKLOG_SECONDS = 5
# How far a group may be behind between two kills, in seconds of ticks.
LAG_SECONDS = 3


class ClusterStack(Stack):
    """A stack whose services use a cluster of NATS in place of the stack's own server."""

    def __init__(self, programs: pathlib.Path, seed: int, name: str) -> None:
        super().__init__(programs, seed, name)
        self.settings["MDS_NAMESPACE"] = self.environment["MDS_NAMESPACE"] = NAMESPACE
        self.clients = [free_port() for _ in range(SERVERS)]
        self.routes = [free_port() for _ in range(SERVERS)]
        self.monitors = [free_port() for _ in range(SERVERS)]
        self.gateway = free_port()

    def make(self) -> None:
        self.remove()
        self.up("--servers-only", settings=self.settings)
        self.secrets = {path.name: path.read_text() for path in (self.home / "secrets").iterdir() if path.is_file()}
        folder = os.path.relpath(ROOT / "deploy/nats", self.home)
        (self.home / "cluster-server.conf").write_text(
            f"include {folder}/server.conf\ninclude {folder}/cluster.conf\n")
        for server in range(SERVERS):
            self.start_server(server)
        eventually("the cluster is whole", self.is_whole)
        # Electing leaders of so many streams at once may take longer than a request on a busy machine.
        eventually("the tape is set up", lambda: self.run_program("tapeline", "setup", user="tool"), 120)
        self.run_program("store-writer", "migrate", user="writer")

    def server_environment(self, server: int) -> dict[str, str]:
        routes = {f"NATS_ROUTE_{number}": f'"nats://route:between@127.0.0.1:{port}"'
                  for number, port in enumerate(self.routes)}
        passwords = {f"NATS_{user.upper()}_PASSWORD": self.secrets[f"nats-{user}"] for user in USERS}
        return {"PATH": os.environ["PATH"], "NATS_SERVER_NAME": f"n{server}", "NATS_HOST": "127.0.0.1",
                "NATS_PORT": str(self.clients[server]), "NATS_MONITOR_PORT": str(self.monitors[server]),
                "NATS_STORE_DIR": f'"{self.home}/n{server}"', "NATS_STORE_BYTES_MAX": "20GB",
                "NATS_CLUSTER_HOST": "127.0.0.1", "NATS_CLUSTER_PORT": str(self.routes[server]),
                "NATS_CLUSTER_USER": "route", "NATS_CLUSTER_PASSWORD": "between", **routes, **passwords}

    def start_server(self, server: int) -> None:
        self.start(f"n{server}", [str(ROOT / ".local/servers/bin/nats-server"), "--config",
                                  str(self.home / "cluster-server.conf")],
                   self.server_environment(server))

    def page(self, server: int, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.monitors[server]}{path}", timeout=2) as answer:
            return json.load(answer)

    def is_whole(self) -> bool:
        clusters = [self.page(server, "/jsz")["meta_cluster"] for server in range(SERVERS)]
        leader = [each for each in clusters if "replicas" in each]
        return (len({each.get("leader") for each in clusters}) == 1 and len(leader) >= 1
                and all(copy["current"] and not copy.get("offline") for each in leader for copy in each["replicas"]))

    def has_all_copies(self) -> bool:
        """Whether each stream's leader says that both followers have everything."""
        led = 0
        for server in range(SERVERS):
            for account in self.page(server, "/jsz?streams=true").get("account_details", []):
                for stream in account["stream_detail"]:
                    cluster = stream["cluster"]
                    if cluster.get("leader") != f"n{server}":
                        continue
                    led += 1
                    copies = cluster.get("replicas", [])
                    if len(copies) != SERVERS - 1 or not all(each["current"] for each in copies):
                        return False
        return led >= STREAMS_OF_TICKS + 1

    def led(self, server: int) -> set[str]:
        """The streams that a server leads."""
        found = set()
        for account in self.page(server, "/jsz?streams=true").get("account_details", []):
            for stream in account["stream_detail"]:
                if stream["cluster"].get("leader") == f"n{server}":
                    found.add(stream["name"])
        return found

    def start_bare(self) -> None:
        asyncio.run(make_bare_streams(self.urls, self.secrets["nats-tool"], SERVERS))
        self.start("bare", bare_command(os.environ["TAPELINE_BARE"], self.urls, "gateway"),
                   {"PATH": os.environ["PATH"], "BARE_PASSWORD": self.secrets["nats-gateway"]})

    @property
    def urls(self) -> list[str]:
        return [f"nats://127.0.0.1:{port}" for port in self.clients]

    # --- the services

    def service_environment(self, user: str) -> dict[str, str]:
        own = {"writer": {
            "POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": str(self.ports["postgres"]), "POSTGRES_DB": "tapeline",
            "POSTGRES_USER": "tapeline_writer", "POSTGRES_PASSWORD": self.secrets["postgres-writer"],
            "POSTGRES_MIGRATOR_USER": "tapeline_migrator",
            "POSTGRES_MIGRATOR_PASSWORD": self.secrets["postgres-migrator"], "WRITER_HOT_STATE": "false",
            "WRITER_DATABASE_DURABLE": "false", "WRITER_MIGRATIONS": str(ROOT / "deploy/postgres")}}.get(user, {})
        return {"PATH": os.environ["PATH"], "LLVM_PROFILE_FILE": "/dev/null", "LOG_FORMAT": "json", "OPS_PORT": "0",
                "NATS_URL": ",".join(self.urls),
                "NATS_USER": user, "NATS_PASSWORD": self.secrets[f"nats-{user}"], "MDS_NAMESPACE": NAMESPACE,
                "MDS_PARTITIONS": str(PARTITIONS), "MDS_REPLICAS": str(SERVERS), "MDS_LEASE": "2s", **own}

    def run_program(self, program: str, *words: str, user: str) -> str:
        environment = self.service_environment(user)
        if user == "tool":
            environment = {key: value for key, value in environment.items() if not key.startswith(("OPS", "LOG"))}
            del environment["MDS_LEASE"]
        done = subprocess.run([self.programs / program, *words], env=environment, text=True, capture_output=True,
                              timeout=300, cwd=ROOT)
        if done.returncode != 0:
            raise Failure(f"{program} {' '.join(words)} ended with {done.returncode}: {done.stderr.strip()[-600:]}")
        return done.stdout

    def start_service(self, program: str, user: str, name: str, **more: str) -> None:
        keys = {**self.service_environment(user), "MDS_MEMBER": name, **more}
        self.start(name, [str(self.programs / program)], keys)

    def waiting(self) -> int:
        """How many ticks the gateway has, and the tape has not."""
        page = self.status()["gateway"]
        return int(page["waiting"]) + int(page["spool"]["ticks"])

    def is_caught_up(self, rate: int) -> bool:
        """Whether nothing waits in the spool, and the groups have read nearly everything."""
        page = self.status()
        return bool(self.waiting() < rate
                    and all(group["lag"] < LAG_SECONDS * rate for group in page["lag"].values()))

    def status(self) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.gateway}/status", timeout=5) as answer:
            return json.load(answer)

    def losses(self) -> int:
        """How often a member lost a partition."""
        return sum((self.home / "logs" / f"{name}.log").read_text(errors="replace").count('"member.partition.lost"')
                   for name in ("gateway", "worker-a", "worker-b", "writer"))

    def close(self) -> None:
        self.end_in_order(("gateway", "worker-a", "worker-b", "writer"))
        super().close()


# --- the soak


def soak(stack: Any, options: argparse.Namespace) -> None:
    assert isinstance(stack, ClusterStack)
    chance = random.Random(stack.seed)
    ticks = options.rate * (options.seconds + options.outage)
    pauses = Pauses(tick_streams(NAMESPACE), options.every)
    stack.start_bare()
    stack.start_service("store-writer", "writer", "writer")
    for name in ("worker-a", "worker-b"):
        stack.start_service("operator-worker", "operator", name, OPERATOR_SERIES="1s,1m")
    stack.start_service(
        "provider-gateway", "gateway", "gateway", OPS_PORT=str(stack.gateway), SYNTHETIC_RATE=str(options.rate),
        SYNTHETIC_TICKS=str(ticks), SYNTHETIC_SEED=str(stack.seed), SYNTHETIC_PACE="realtime",
        SYNTHETIC_BACKLOG=f"{BACKLOG_SECONDS}s", GATEWAY_SPOOL=str(stack.home / "spool"),
        NATS_MONITOR_URL=",".join(f"http://127.0.0.1:{port}" for port in stack.monitors))
    eventually("ticks are generated", lambda: stack.status()["gateway"]["generated"] > 0)
    eventually("every partition has its owner", lambda: stack.status()["gateway"].get("waiting") is not None)
    before = stack.losses()
    begin, kills = time.monotonic(), 0
    victims: collections.Counter[str] = collections.Counter()
    while time.monotonic() - begin < options.seconds - BACKLOG_SECONDS - options.every:
        time.sleep(options.every * chance.uniform(0.5, 0.7))
        victim = chance.randrange(SERVERS)
        led = stack.led(victim)
        pauses.killed(time.time(), led)
        stack.end(f"n{victim}")
        kills += 1
        victims[f"n{victim}"] += 1
        time.sleep(options.every * chance.uniform(0.1, 0.25))
        stack.start_server(victim)
        eventually("the cluster is whole again", stack.is_whole)
        eventually("every copy is", stack.has_all_copies, 120)
        eventually("spool and lag are back", lambda: stack.is_caught_up(options.rate), 120)
    pauses.over = time.time()
    say(f"{kills} kills: {dict(sorted(victims.items()))}")
    if options.outage:
        away = chance.sample(range(SERVERS), 2)
        for victim in away:
            stack.end(f"n{victim}")
        time.sleep(options.outage)
        waiting = stack.waiting()
        for victim in away:
            stack.start_server(victim)
        eventually("the cluster is whole after the outage", stack.is_whole)
        say(f"two of three were away for {options.outage} s; {waiting} ticks waited then")
        if waiting < options.rate * options.outage / 2:
            raise Failure("hardly a tick waited while two servers were away")
    eventually("the source finishes", lambda: stack.status()["gateway"]["finished"]
               and stack.waiting() == 0, 180, 1)
    generated = int(stack.status()["gateway"]["generated"])
    eventually("every tick is a row", lambda: int(stack.query(
        f"SELECT (SELECT count(*) FROM {NAMESPACE}.trades) + (SELECT count(*) FROM {NAMESPACE}.quotes)"))
        >= generated, 300, 1)
    lost = stack.losses() - before
    if lost:
        raise Failure(f"members lost partitions {lost} times, although only servers of NATS were killed")
    eventually("every copy is whole", stack.has_all_copies, 120)
    say(stack.run_program("tapeline", "tape", "verify", "--rate", "200", user="tool").strip())
    verdict(stack.urls, stack.secrets["nats-tool"], stack.query, NAMESPACE, generated)
    stack.end("bare")
    pauses.read(stack.urls, stack.secrets["nats-tool"], NAMESPACE)
    pauses.judge()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Kills servers of a cluster of NATS, and audits the tape.")
    parser.add_argument("--seconds", type=int, default=1_200)
    parser.add_argument("--rate", type=int, default=2_000)
    parser.add_argument("--every", type=float, default=30, help="seconds from one kill to the next")
    parser.add_argument("--outage", type=int, default=300, help="seconds for which two servers are away")
    sys.exit(run(parser, "cluster", soak, ClusterStack))
