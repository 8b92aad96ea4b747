"""A local stack of its own for a soak: its processes, its database, its simulated broker, and its faults."""

import asyncio
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import nats

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = "versions"
NAMESPACE = "soak"
HOME = ROOT / ".local/stack" / NAME
FAKETIME = pathlib.Path(os.environ.get(
    "TEST_LIBFAKETIME", "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"))
LIST = """version: 1
defaults: {security: stock, exchange: SMART, primary_exchange: ARCA, currency: USD, feeds: trades}
instruments: [SPY, IWM, DIA]
"""
BROKER = {"SIMULATOR_RATE": "12"}
MARKET = {"GATEWAY_SOURCE": "made", "GATEWAY_PROVIDER": "synthetic", "SYNTHETIC_RATE": "60",
          "SYNTHETIC_SYMBOLS": "AAPL,MSFT,SPY", "SYNTHETIC_MISSED": "lost"}


class Failure(Exception):
    """What did not hold, in one line."""


def eventually(what: str, condition: Callable[[], Any], seconds: float = 60, step: float = 0.2) -> Any:
    """Waits until the condition is true, and returns its value. A failure of its commands is no answer."""
    end = time.monotonic() + seconds
    while True:
        try:
            found = condition()
            if found:
                return found
        except (Failure, OSError, ValueError, KeyError, subprocess.TimeoutExpired) as failure:
            found = failure
        if time.monotonic() > end:
            raise Failure(f"not within {seconds:.0f} s: {what} ({found})")
        time.sleep(step)


class Stack:
    """The stack, by the commands that a person uses."""

    def __init__(self, programs: pathlib.Path, seed: int) -> None:
        self.programs = programs
        self.settings = {
            "MDS_NAMESPACE": NAMESPACE, "MDS_PARTITIONS": "4", "OPERATOR_SERIES": "1s,5s,15s",
            "OPERATOR_GENERATION": "1"}
        self.seed = seed
        self.environment = {"PATH": os.environ["PATH"], "MDS_NAMESPACE": NAMESPACE, "MDS_PARTITIONS": "4"}
        self.own: dict[str, subprocess.Popen[bytes]] = {}
        self.ports: dict[str, Any] = {}

    def tool(self, *words: str, check: bool = True, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        try:
            done = subprocess.run(
                [self.programs / "tapeline", *words, "--name", NAME], text=True, timeout=seconds,
                cwd=ROOT, env=self.environment, capture_output=True)
        except subprocess.TimeoutExpired:
            raise Failure(f"'tapeline {' '.join(words)}' did not end within {seconds:.0f} s") from None
        if check and done.returncode != 0:
            raise Failure(f"'tapeline {' '.join(words)}' ended with {done.returncode}: {done.stderr.strip()}"
                          f" {done.stdout.strip()[-600:]}")
        return done

    # --- its life

    def make(self) -> None:
        """Starts with an empty stack: the simulated broker's source, then made-up ticks beside it."""
        self.remove()
        HOME.mkdir(parents=True)
        (HOME / "instruments.yaml").write_text(LIST)
        broker = {**BROKER, "SIMULATOR_SEED": str(self.seed),
                  "GATEWAY_INSTRUMENTS": str(HOME / "instruments.yaml")}
        self.up("--simulator", settings=broker)
        self.tool("down")
        self.up("--add-source")

    def up(self, *words: str, settings: dict[str, str] | None = None, wait: bool = True) -> None:
        """Starts the stack, if not with other settings with those of the second source."""
        given = {**self.settings, **(settings or {**MARKET, "SYNTHETIC_SEED": str(self.seed)})}
        sets = [f"--set={key}={value}" for key, value in given.items()]
        self.tool("up", *words, *sets, check=False)
        self.ports = json.loads((HOME / "ports.json").read_text())
        if wait and "--servers-only" not in words:
            self.works()

    def works(self) -> None:
        eventually("every process works", lambda: self.tool("status").returncode == 0, 90)

    def restart(self, *words: str) -> None:
        self.tool("down")
        self.up(*words)

    def remove(self) -> None:
        if HOME.exists():
            self.tool("down", check=False)
            shutil.rmtree(HOME)

    def close(self) -> None:
        for process in self.own.values():
            process.kill()
            process.wait()
        self.tool("down", check=False)

    # --- its processes

    def unit(self, name: str) -> int:
        """The number of a process of the stack, or 0."""
        units = json.loads((HOME / "state.json").read_text())["units"]
        found = next(each for each in units if each["name"] == name)
        return int(found.get("process", {}).get("id", 0))

    def kill(self, name: str) -> None:
        """Kills a process of the stack, and waits until its supervisor has started another one."""
        before = self.unit(name)
        os.kill(before, signal.SIGKILL)
        eventually(f"{name} is started again", lambda: self.unit(name) not in (0, before))

    def start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        with open(HOME / "logs" / f"{name}.log", "ab") as log:
            self.own[name] = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, env=environment)

    def end(self, name: str) -> None:
        process = self.own.pop(name)
        process.kill()
        process.wait()

    def start_worker(self) -> None:
        """Starts a third worker, whose clock the file `clock` sets."""
        own = pathlib.Path(f"/proc/{self.unit('operator-worker-a')}/environ").read_bytes().decode()
        environment = dict(entry.split("=", 1) for entry in own.split("\0") if entry)
        self.clock(0)
        environment |= {
            "OPS_PORT": "0", "MDS_MEMBER": "operator-worker-c", "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(HOME / "clock"), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_FORCE_MONOTONIC_FIX": "0"}
        # A supervisor that starts again ends what has its stack's mark.
        environment.pop("TAPELINE_STACK", None)
        self.start("operator-worker-c", [str(self.programs / "operator-worker")], environment)

    @staticmethod
    def clock(ahead: int) -> None:
        """Sets the third worker's clock, by a rename: it never reads half of the file."""
        new = HOME / "clock.new"
        new.write_text(f"{ahead:+d}s\n")
        new.rename(HOME / "clock")

    def start_recorder(self) -> None:
        url = self.tool("url", "nats", "--with-password").stdout.strip()
        self.start(
            "recorder", [sys.executable, str(ROOT / ".ci/soak/recorder.py"), f"{NAMESPACE.upper()}_BARS",
                         str(HOME / "recording")],
            {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ["PYTHONPATH"], "RECORDER_NATS": url,
             "PYTHONDONTWRITEBYTECODE": "1"})

    def simulator(self, command: str) -> None:
        with socket.create_connection(("127.0.0.1", self.ports["simulatorControl"]), 5) as link:
            link.sendall(command.encode() + b"\n")
            answer = link.makefile().readline()
        if not answer.startswith("ok"):
            raise Failure(f"the simulated broker does not take '{command}': {answer.strip()}")

    # --- its servers

    def purge(self, stream: str, request: dict[str, int]) -> None:
        """Purges a stream as a person may, with the user `tool`."""
        async def ask() -> Any:
            client = await nats.connect(
                f"nats://127.0.0.1:{self.ports['nats']}", user="tool",
                password=(HOME / "secrets/nats-tool").read_text())
            try:
                answer = await client.request(
                    f"$JS.API.STREAM.PURGE.{stream}", json.dumps(request).encode(), timeout=10)
                return json.loads(answer.data)
            finally:
                await client.close()
        answer = asyncio.run(ask())
        if not answer.get("success"):
            raise Failure(f"the stream {stream} was not purged: {answer}")

    def query(self, sql: str, user: str = "postgres", database: str = "tapeline") -> str:
        return self.psql(["-c", sql], user, database)

    def psql(self, words: list[str], user: str = "postgres", database: str = "tapeline",
             environment: dict[str, str] | None = None) -> str:
        return self.server_program(
            ["psql", "--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "-d", database, *words], user,
            environment)

    def server_program(self, words: list[str], user: str, environment: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            [ROOT / ".local/servers/database/bin" / words[0], "-h", "127.0.0.1", "-p",
             str(self.ports["postgres"]), "-U", user, *words[1:]], text=True, timeout=300,
            capture_output=True,
            env={"PATH": os.environ["PATH"], "PGPASSFILE": str(HOME / "secrets/pgpass"),
                 **(environment or {})})
        if done.returncode != 0:
            raise Failure(f"{' '.join(words)[:120]}: {done.stderr.strip()[-400:]}")
        return done.stdout.strip()

    def dump(self) -> None:
        self.server_program(["pg_dump", "-d", "tapeline", "-f", str(HOME / "dump.sql")], "postgres")

    def restore(self) -> None:
        """Puts the database back to the dump, by the commands of docs/backup.md."""
        self.restart("--servers-only")
        self.psql(["-c", "DROP DATABASE tapeline WITH (FORCE)"], database="postgres")
        secrets = HOME / "secrets"
        self.psql(["-f", str(ROOT / "deploy/local/database.sql")], database="postgres", environment={
            f"TAPELINE_{role.upper()}_PASSWORD": (secrets / f"postgres-{role}").read_text()
            for role in ("migrator", "writer", "reader")})
        self.query("SELECT timescaledb_pre_restore()")
        self.psql(["-f", str(HOME / "dump.sql")])
        self.query("SELECT timescaledb_post_restore()")
