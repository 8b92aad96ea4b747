"""A local stack with a market of its own, and what its processes and their metrics do meanwhile."""

import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

from histograms import Growth, merge, parse

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
WAIT_SECONDS = 180
SERVICES = ("provider-gateway", "operator-worker", "store-writer")


class Failure(Exception):
    """A measurement that cannot be made, with one line for the person."""


def symbols(count):
    """Names for a synthetic market, which has 256 symbols at most."""
    return ",".join(f"S{number:03d}" for number in range(count))


class Stack:
    """Ends with the block that uses it, with all its data."""

    def __init__(self, checkout, programs, name, settings):
        self.checkout, self.programs = checkout, programs
        self.name = f"bench-{name}-{os.getpid()}"
        self.settings = settings
        self.home = checkout / ".local/stack" / self.name
        self.extra = {}

    def __enter__(self):
        try:
            self.tool("up", *(f"--set={key}={value}" for key, value in self.settings.items()))
            self.units = json.loads(self.tool("status", "--json"))["processes"]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process, _ in self.extra.values():
            process.terminate()
            process.wait()
        self.tool("down", check=False)
        shutil.rmtree(self.home, ignore_errors=True)

    def tool(self, command, *options, check=True):
        done = subprocess.run(
            [self.programs / "tapeline", command, "--name", self.name, *options], cwd=self.checkout,
            text=True, timeout=600, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if check and done.returncode != 0:
            said = "; ".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-3:])
            raise Failure(f"'tapeline {command}' ended with {done.returncode}: "
                          f"{said or 'it said nothing'}")
        return done.stdout

    def processes(self):
        """The process numbers by name, of those that live. A supervisor may have restarted some."""
        found = {}
        for unit in json.loads((self.home / "state.json").read_text())["units"]:
            if unit["kind"] != "job" and unit.get("process"):
                found[unit["name"]] = unit["process"]["id"]
        for name, (process, _) in self.extra.items():
            found[name] = process.pid
        return found

    def ports(self):
        """The operations ports of the services by name."""
        found = {unit["name"]: unit["operationsPort"] for unit in self.units if "operationsPort" in unit}
        found.update({name: port for name, (_, port) in self.extra.items()})
        return found

    def add_worker(self):
        """Starts one more worker, with the environment of the first one."""
        first = self.processes()["operator-worker-a"]
        words = pathlib.Path(f"/proc/{first}/environ").read_bytes().decode().split("\0")
        environment = dict(word.split("=", 1) for word in words if "=" in word)
        name, port = f"operator-worker-{len(self.extra) + 3}", free_port()
        environment.update({"MDS_MEMBER": name, "OPS_PORT": str(port)})
        # The supervisor does not know it, and must not take it for one of its own.
        environment.pop("TAPELINE_STACK", None)
        log = open(self.home / f"{name}.log", "wb")
        process = subprocess.Popen([self.programs / "operator-worker"], env=environment, stdout=log,
                                   stderr=log)
        log.close()
        self.extra[name] = (process, port)
        self.wait_ready(name)

    def wait_ready(self, name):
        end = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < end:
            if page(self.ports()[name], "/readyz") is not None:
                return
            time.sleep(0.1)
        raise Failure(f"{name} is not ready after {WAIT_SECONDS} s: see its log in {self.home}")

    def kill(self, name):
        try:
            os.kill(self.processes()[name], signal.SIGKILL)
        except (KeyError, ProcessLookupError):
            raise Failure(f"{name} does not run: see its log in {self.home}") from None


class Listener:
    """Hears all live data of a stack while its block runs, and discards them."""

    def __init__(self, stack):
        port = json.loads((stack.home / "ports.json").read_text())["nats"]
        password = (stack.home / "secrets/nats-consumer").read_text().strip()
        self.bytes, self.is_wanted, self.end = 0, True, None
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        user = json.dumps({"user": "consumer", "pass": password, "verbose": False, "pedantic": False})
        self.socket.sendall(f"CONNECT {user}\r\nSUB md.live.> 1\r\nPING\r\n".encode())
        self.thread = threading.Thread(target=self.hear, daemon=True)

    def hear(self):
        buffer = bytearray(1 << 20)
        while self.is_wanted and not self.end:
            try:
                count = self.socket.recv_into(buffer)
                if buffer.find(b"PING\r\n", 0, count) >= 0:
                    self.socket.sendall(b"PONG\r\n")
            except TimeoutError:
                continue
            except OSError as error:
                self.end = str(error)
                return
            self.bytes += count
            if not count or buffer.startswith(b"-ERR"):
                self.end = buffer[:100].decode(errors="replace") if count else "NATS closed the connection"

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.is_wanted = False
        self.thread.join()
        self.socket.close()
        if kind is None and self.end:
            raise Failure(f"the listener of live data was cut off: {self.end}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def page(port, path):
    """A page of a service; `None` when it does not answer, or is not ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.read().decode()
    except (urllib.error.URLError, http.client.HTTPException, OSError):
        # It has ended, or ends while it answers.
        return None


def processor_seconds():
    """Seconds of processor time by process, each with those of its children that have ended, and the
    parent of each."""
    used, parents = {}, {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            text = pathlib.Path(f"/proc/{entry.name}/stat").read_text()
        except OSError:
            # It has ended meanwhile.
            continue
        words = text.rsplit(")", 1)[1].split()
        used[int(entry.name)] = sum(int(word) for word in words[11:15]) / CLOCK_TICKS
        parents[int(entry.name)] = int(words[1])
    return used, parents


def peak_megabytes(process):
    for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


class Meter:
    """What the processes of a stack do from its first look on."""

    def __init__(self, stack):
        self.stack = stack
        self.growth = {}
        self.processor = {}
        self.used_before = {}
        self.begin = None

    def look(self):
        """Reads all metrics and processor times. Before a kill, so that its counts are not lost."""
        present = self.stack.processes()
        for name, port in self.stack.ports().items():
            text = page(port, "/metrics")
            if text is not None and name in present:
                self.growth.setdefault(name, Growth()).add(present[name], parse(text))
        self.lag = max((growth.now("mds_group_lag_ticks", group="operator")
                        for growth in self.of("provider-gateway")), default=0.0)
        self.first_lag = self.lag if self.begin is None else self.first_lag
        used, parents = processor_seconds()
        for name, process in present.items():
            now = used.get(process, 0.0) + sum(
                used[child] for child, parent in parents.items() if parent == process)
            before = self.used_before.get((name, process), None if self.begin is None else 0.0)
            # A first look at the beginning counts nothing; a process of later begins at 0.
            if before is not None:
                self.processor[name] = self.processor.get(name, 0.0) + max(0.0, now - before)
            self.used_before[name, process] = now
        self.end = time.monotonic()
        self.begin = self.begin or self.end

    @property
    def seconds(self):
        return self.end - self.begin

    def of(self, service):
        return [growth for name, growth in self.growth.items() if name.startswith(service)]

    def total(self, service, metric, **labels):
        return sum(growth.total(metric, **labels) for growth in self.of(service))

    def histogram(self, service, metric, **labels):
        return merge(growth.buckets(metric, **labels) for growth in self.of(service))

    @property
    def ticks(self):
        """Ticks that the tape acknowledged."""
        return self.total("provider-gateway", "mds_tape_ticks_published_total")

    @property
    def operated(self):
        """Ticks that workers have read: what was published less what their lag grew by."""
        return self.ticks - (self.lag - self.first_lag)

    @property
    def rows(self):
        """Rows of trades and quotes."""
        return sum(self.total("store-writer", "sink_writes_total", sink=sink)
                   for sink in ("trades", "quotes"))

    def parts(self):
        """Seconds of processor time by part; several workers are one."""
        sums = {}
        for name, seconds in self.processor.items():
            part = next((service for service in SERVICES if name.startswith(service)), name)
            sums[part] = sums.get(part, 0.0) + seconds
        return sums

    def memory(self):
        """The peak of each service's largest process, in MB."""
        found = {}
        for name, process in self.stack.processes().items():
            part = next((service for service in SERVICES if name.startswith(service)), None)
            if part:
                found[part] = max(found.get(part, 0.0), round(peak_megabytes(process), 1))
        return found
