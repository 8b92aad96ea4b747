"""A local stack of its own for a soak: its processes, its database, its simulated broker, and its faults."""

import argparse
import asyncio
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import nats

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMESPACE = "soak"
PARTITIONS = 4
# Every process of the stack that holds or moves data.
PROCESSES = ("provider-gateway", "provider-gateway-made", "operator-worker-a", "operator-worker-b",
             "store-writer", "nats-server", "postgres", "valkey")
FAKETIME = pathlib.Path(os.environ.get(
    "TEST_LIBFAKETIME", "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"))
LIST = """version: 1
defaults: {security: stock, exchange: SMART, primary_exchange: ARCA, currency: USD, feeds: trades}
instruments: [SPY, IWM, DIA]
"""
BROKER = {"SIMULATOR_RATE": "12"}
MARKET = {"GATEWAY_SOURCE": "made", "GATEWAY_PROVIDER": "synthetic", "SYNTHETIC_RATE": "60",
          "SYNTHETIC_SYMBOLS": "AAPL,MSFT,SPY", "SYNTHETIC_MISSED": "lost"}
# The symbols of each source.
NAMES = {"made": ("AAPL", "MSFT", "SPY"), "ibkr": ("SPY", "IWM", "DIA")}


begin = time.monotonic()


class Failure(Exception):
    """What did not hold, in one line."""


def say(text: str) -> None:
    print(f"[{time.monotonic() - begin:6.1f} s] {text}", flush=True)


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


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Stack:
    """The stack, by the commands that a person uses."""

    def __init__(self, programs: pathlib.Path, seed: int, name: str) -> None:
        self.programs, self.name, self.home = programs, name, ROOT / ".local/stack" / name
        self.settings = {
            "MDS_NAMESPACE": NAMESPACE, "MDS_PARTITIONS": str(PARTITIONS), "OPERATOR_SERIES": "1s,5s,15s",
            "OPERATOR_GENERATION": "1"}
        self.seed, self.options = seed, argparse.Namespace()
        # Programs of the checked build would leave their profiles in the checkout.
        self.environment = {
            "PATH": os.environ["PATH"], "MDS_NAMESPACE": NAMESPACE, "MDS_PARTITIONS": str(PARTITIONS),
            "LLVM_PROFILE_FILE": "/dev/null"}
        self.own: dict[str, subprocess.Popen[bytes]] = {}
        self.ports: dict[str, Any] = {}

    def tool(self, *words: str, check: bool = True, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        try:
            done = subprocess.run(
                [self.programs / "tapeline", *words, "--home", ROOT, "--name", self.name], text=True,
                timeout=seconds, cwd=ROOT, env=self.environment, capture_output=True)
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
        self.home.mkdir(parents=True)
        (self.home / "instruments.yaml").write_text(LIST)
        broker = {**BROKER, "SIMULATOR_SEED": str(self.seed),
                  "GATEWAY_INSTRUMENTS": str(self.home / "instruments.yaml")}
        self.up("--simulator", settings=broker)
        self.tool("down")
        self.up("--add-source")

    def up(self, *words: str, settings: dict[str, str] | None = None, wait: bool = True) -> None:
        """Starts the stack, if not with other settings with those of the second source."""
        given = {**self.settings, **(settings or {**MARKET, "SYNTHETIC_SEED": str(self.seed)})}
        sets = [f"--set={key}={value}" for key, value in given.items()]
        done = self.tool("up", *words, *sets, check=False)
        if done.returncode != 0 and " is not up" in self.tool("status", check=False).stderr:
            raise Failure(f"the stack does not start: {done.stderr.strip()[-600:]}")
        self.ports = json.loads((self.home / "ports.json").read_text())
        if wait and "--servers-only" not in words:
            self.works()

    def works(self) -> None:
        eventually("every process works", lambda: self.tool("status").returncode == 0, 90)

    def restart(self, *words: str) -> None:
        self.tool("down")
        self.up(*words)

    def remove(self) -> None:
        if self.home.exists():
            self.tool("down", check=False)
            shutil.rmtree(self.home)

    def close(self) -> None:
        for process in self.own.values():
            process.kill()
            process.wait()
        self.tool("down", check=False)

    # --- its processes

    def units(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((self.home / "state.json").read_text())["units"]
        return found

    def unit(self, name: str) -> int:
        """The number of a process of the stack, or 0."""
        found = next(each for each in self.units() if each["name"] == name)
        return int(found.get("process", {}).get("id", 0))

    def kill(self, name: str) -> None:
        """Kills a process of the stack, and waits until its supervisor has started another one."""
        before = self.unit(name)
        os.kill(before, signal.SIGKILL)
        eventually(f"{name} is started again", lambda: self.unit(name) not in (0, before))

    def start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        with open(self.home / "logs" / f"{name}.log", "ab") as log:
            self.own[name] = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, env=environment)

    def environment_of(self, unit: str) -> dict[str, str]:
        text = pathlib.Path(f"/proc/{self.unit(unit)}/environ").read_bytes().decode()
        return dict(entry.split("=", 1) for entry in text.split("\0") if entry)

    def beside(self, unit: str, name: str, program: str, **more: str) -> None:
        """Starts another process of a program with the environment of a unit."""
        environment = self.environment_of(unit) | {"MDS_MEMBER": name, **more}
        # A supervisor that starts again ends what has its stack's mark.
        environment.pop("TAPELINE_STACK", None)
        self.start(name, [str(self.programs / program)], environment)

    def end(self, name: str) -> None:
        process = self.own.pop(name)
        process.kill()
        process.wait()

    def end_in_order(self, names: Iterable[str]) -> None:
        """Asks those that run to end, and waits for each."""
        asked = [self.own[name] for name in names if name in self.own]
        for process in asked:
            process.send_signal(signal.SIGTERM)
        for process in asked:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                pass

    def start_worker(self, port: int = 0) -> None:
        """Starts a third worker, whose clock the file `clock` sets."""
        self.clock(0)
        self.beside("operator-worker-a", "operator-worker-c", "operator-worker", OPS_PORT=str(port), **self.faketime())

    def faketime(self) -> dict[str, str]:
        """The environment of a process whose clock of the day the file `clock` sets."""
        return {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(self.home / "clock"),
                "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_FORCE_MONOTONIC_FIX": "0"}

    def clock(self, ahead: int) -> None:
        """Sets that clock, by a rename: the process never reads half of the file."""
        new = self.home / "clock.new"
        new.write_text(f"{ahead:+d}s\n")
        new.rename(self.home / "clock")

    def start_recorder(self) -> None:
        url = self.tool("url", "nats", "--with-password").stdout.strip()
        self.start(
            "recorder", [sys.executable, str(ROOT / ".ci/soak/recorder.py"), f"{NAMESPACE.upper()}_BARS",
                         str(self.home / "recording")],
            {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ["PYTHONPATH"], "RECORDER_NATS": url,
             "PYTHONDONTWRITEBYTECODE": "1"})

    def simulator(self, command: str) -> None:
        with socket.create_connection(("127.0.0.1", self.ports["simulatorControl"]), 5) as link:
            link.sendall(command.encode() + b"\n")
            answer = link.makefile().readline()
        if not answer.startswith("ok"):
            raise Failure(f"the simulated broker does not take '{command}': {answer.strip()}")

    def record(self, name: str, *words: str) -> list[pathlib.Path]:
        """Writes a recording of each source, as a person does, with what the command says of it as JSON in a
        file beside it. Returns the recordings."""
        folder = self.home / "recordings"
        folder.mkdir(exist_ok=True)
        paths = [folder / f"{name}-{source}.tape" for source in NAMES]
        for source, path in zip(NAMES, paths):
            if not path.exists():
                done = self.tool("record", "--source", source, "-o", str(path), "--json", *words)
                path.with_suffix(".json").write_text(done.stdout)
        return paths

    # --- its servers

    def purge(self, stream: str, request: dict[str, Any]) -> None:
        """Purges a stream as a person may, with the user `tool`."""
        async def ask() -> Any:
            client = await nats.connect(
                f"nats://127.0.0.1:{self.ports['nats']}", user="tool",
                password=(self.home / "secrets/nats-tool").read_text())
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
            env={"PATH": os.environ["PATH"], "PGPASSFILE": str(self.home / "secrets/pgpass"),
                 **(environment or {})})
        if done.returncode != 0:
            raise Failure(f"{' '.join(words)[:120]}: {done.stderr.strip()[-400:]}")
        return done.stdout.strip()

    def dump(self) -> None:
        self.server_program(["pg_dump", "-d", "tapeline", "-f", str(self.home / "dump.sql")], "postgres")

    def restore(self) -> None:
        """Puts the database back to the dump, by the commands of docs/backup.md."""
        self.restart("--servers-only")
        self.psql(["-c", "DROP DATABASE tapeline WITH (FORCE)"], database="postgres")
        secrets = self.home / "secrets"
        self.psql(["-f", str(ROOT / "deploy/local/database.sql")], database="postgres", environment={
            f"TAPELINE_{role.upper()}_PASSWORD": (secrets / f"postgres-{role}").read_text()
            for role in ("migrator", "writer", "reader")})
        self.query("SELECT timescaledb_pre_restore()")
        self.psql(["-f", str(self.home / "dump.sql")])
        self.query("SELECT timescaledb_post_restore()")


def run(
    parser: argparse.ArgumentParser, name: str, soak: Callable[[Any, argparse.Namespace], None],
    make: type[Stack] = Stack
) -> int:
    """Carries out a soak on a stack of this name and kind. Returns the exit status."""
    parser.add_argument("programs", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--keep", action="store_true", help="leave the stack running")
    options = parser.parse_args()
    stack = make(options.programs.resolve(), options.seed, name)
    stack.options = options
    say(f"seed {options.seed}: the stack {name} comes up")
    try:
        stack.make()
        soak(stack, options)
    except Failure as failure:
        say(f"✘ seed {options.seed}: {failure}\n  what is stored is left as it is: {stack.home}")
        stack.close()
        return 1
    except BaseException:
        stack.close()
        raise
    if not options.keep:
        stack.close()
        stack.remove()
    say(f"seed {options.seed}: all held")
    return 0
