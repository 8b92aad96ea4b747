#!/usr/bin/env python3
"""Brings the compose cluster up from nothing, scales it under load, breaks it, and audits every row.

    deploy/compose/cluster-test.py [--rate N] [--seconds N] [--keep] [--no-build]

The cluster is a project of its own (tapeline-test) with its own volumes, which are removed first and
last. Exit code 0: every step held. 1: one did not, or Docker is not there.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
PROJECT = "tapeline-test"
SERVICES = ("provider-gateway", "operator-worker", "store-writer")
PARTITIONS = 32
# One member may have so many more than its equal part.
BALANCE = 4
PAUSE_MAX = 1.0
OUTAGE_SECONDS = 30
READY_SECONDS = 180
CATCH_UP_SECONDS = 300


class Failure(Exception):
    """A step that did not hold: one line for the person."""


class Report:
    """What is printed: a heading per step, a line per figure."""

    def __init__(self):
        self.start = time.monotonic()

    def step(self, title):
        print(f"\n[{time.monotonic() - self.start:6.1f} s] {title}", flush=True)

    def line(self, text):
        print(f"  {text}", flush=True)


report = Report()


def run(arguments, *, check=True, timeout=900, quiet=True):
    """A command's output; a failure names the command and what it said last."""
    done = subprocess.run(
        arguments, cwd=CHECKOUT, timeout=timeout, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE if quiet else None)
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout or "").strip().splitlines()
        raise Failure(f"'{' '.join(arguments)}' ended with {done.returncode}: "
                      f"{' | '.join(said[-5:])}")
    return done


class Cluster:
    """The compose project of the test."""

    files = ["-f", "docker-compose.yml", "-f", "deploy/compose/load.yml"]

    def compose(self, *arguments, **options):
        return run(["docker", "compose", "-p", PROJECT, *self.files, *arguments], **options)

    def up(self, *arguments):
        begin = time.monotonic()
        self.compose("up", "--detach", "--no-build", "--wait", "--wait-timeout",
                     str(READY_SECONDS), *arguments)
        return time.monotonic() - begin

    def down(self):
        """Also what a profile has started."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "5")

    def scale(self, service, count):
        return self.up("--no-recreate", "--no-deps", "--scale", f"{service}={count}", service)

    def containers(self, service=None):
        """Of the services that run for ever: identity, service, name."""
        lines = self.compose("ps", "--format", "json").stdout.splitlines()
        found = [json.loads(line) for line in lines if line.strip()]
        return sorted(
            ((each["ID"], each["Service"], each["Name"]) for each in found
             if service in (None, each["Service"])), key=lambda each: each[2])

    def inspect(self, identity):
        return json.loads(run(["docker", "inspect", identity]).stdout)[0]

    def is_healthy(self, identity):
        return self.inspect(identity)["State"].get("Health", {}).get("Status") == "healthy"

    def tool(self, *arguments, **options):
        return self.compose("run", "--rm", "--no-deps", "-T", "tapeline", *arguments, **options)

    def query(self, sql):
        return self.compose(
            "exec", "-T", "timescaledb", "psql", "-U", "postgres", "-d", "tapeline", "-AtX",
            "-v", "ON_ERROR_STOP=1", "-c", sql).stdout.strip()

    def number(self, sql):
        return int(self.query(sql) or 0)

    def stored(self, source):
        return self.number(
            f"SELECT (SELECT count(*) FROM md.trades WHERE source = '{source}')"
            f" + (SELECT count(*) FROM md.quotes WHERE source = '{source}')")

    def prometheus(self, expression):
        """The samples of an instant query: by instance, as numbers."""
        place = self.compose("port", "prometheus", "9090").stdout.strip()
        url = f"http://{place}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(url, timeout=10) as answer:
            result = json.load(answer)["data"]["result"]
        return {each["metric"].get("instance", ""): float(each["value"][1]) for each in result}


def eventually(what, condition, seconds, step=1.0):
    """Waits until the condition holds; a failure of its commands counts as not yet."""
    begin = time.monotonic()
    problem = ""
    while time.monotonic() - begin < seconds:
        try:
            if condition():
                return time.monotonic() - begin
            problem = ""
        except (Failure, OSError, ValueError, KeyError) as failure:
            problem = f": {failure}"
        time.sleep(step)
    raise Failure(f"not within {seconds} s: {what}{problem}")


class BarWatch(threading.Thread):
    """A consumer of the bars: how late each bar of one second is after its window's end."""

    name_of_container = f"{PROJECT}-bars"

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.late = []  # (arrival, seconds late, partition)
        self.lock = threading.Lock()
        self.process = subprocess.Popen(
            ["docker", "compose", "-p", PROJECT, *cluster.files, "run", "--rm", "--no-deps", "-T",
             "--name", self.name_of_container, "tapeline", "tail", "--bars", "--kind", "bar", "--json", "--follow"],
            cwd=CHECKOUT, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.start()

    def run(self):
        for line in self.process.stdout:
            arrival = time.time()
            bar = json.loads(line)
            if bar.get("series") != "1s" or not bar["symbol"].startswith("LOAD"):
                continue
            late = arrival - bar["close_time_ns"] / 1e9
            with self.lock:
                self.late.append((arrival, late, bar["partition"]))

    def between(self, begin, end):
        with self.lock:
            return [late for arrival, late, _ in self.late if begin <= arrival <= end]

    def stop(self):
        # Whoever ends the command that started it leaves the container.
        run(["docker", "rm", "--force", self.name_of_container])
        self.process.wait(timeout=60)


# --- steps


def from_nothing(cluster, options):
    report.step("Up from nothing")
    cluster.down()
    run(["deploy/compose/secrets.sh"])
    if not options.no_build:
        begin = time.monotonic()
        for service in ("provider-gateway", "operator-worker", "store-writer", "tapeline",
                        "ibkr-simulator"):
            cluster.compose("build", service, timeout=3600)
        report.line(f"images built in {time.monotonic() - begin:.1f} s")
    services = ["nats", "timescaledb", "valkey", "ibkr-simulator", *SERVICES, "prometheus"]
    report.line(f"all of it works after {cluster.up(*services):.1f} s")


def data_flow(cluster):
    report.step("Data flow from the simulator")
    for what, sql in (
        ("quotes of the simulator", "SELECT count(*) FROM md.quotes WHERE source = 'ibkr'"),
        ("trades of the simulator", "SELECT count(*) FROM md.trades WHERE source = 'ibkr'"),
        ("bars of them", "SELECT count(*) FROM md.bars"),
    ):
        passed = eventually(f"{what} are stored", lambda: cluster.number(sql) > 0, 120)
        report.line(f"{what}: {cluster.number(sql)} after {passed:.1f} s")


def start_load(cluster, options):
    report.step(f"Load: {options.rate} ticks/s for {options.seconds} s, "
                f"{options.rate * options.seconds} in all")
    cluster.up("load-gateway")
    eventually("ticks of the load are stored", lambda: cluster.stored("load") > 0, 120)


def measure(cluster, workers, seconds=15):
    """Throughput, processor time per tick and balance, at this number of workers."""
    before, begin = cluster.stored("load"), time.monotonic()
    time.sleep(seconds)
    rate = (cluster.stored("load") - before) / (time.monotonic() - begin)
    shares = shares_of(cluster, "operator")
    busy = sum(cluster.prometheus(
        'rate(process_cpu_seconds_total{job="operator-worker"}[15s])').values())
    report.line(f"{workers} workers: {rate:7.0f} ticks/s stored, "
                f"{busy / max(rate, 1) * 1e6:5.2f} us of processor per tick in the workers, "
                f"partitions {shares}")
    return shares


def shares_of(cluster, group):
    """How many partitions each member of a group holds; empty unless all say that they are ready."""
    groups = json.loads(cluster.tool("members", "--json").stdout)["groups"]
    members = [each for one in groups if one["group"] == group for each in one["members"]]
    if any(each["state"] != "ready" for each in members):
        return []
    return sorted(len(each["held"]) for each in members)


def is_shared(cluster, group, count):
    shares = shares_of(cluster, group)
    return len(shares) == count and sum(shares) == PARTITIONS and min(shares) > 0


def scale_under_load(cluster):
    report.step("Scale the workers under load")
    watch = BarWatch(cluster)
    try:
        eventually("bars arrive", lambda: len(watch.late) > 200, 60)
        measure(cluster, 1)
        for count in (2, 3, 1, 3):
            calm = time.time()
            time.sleep(5)
            begin = time.time()
            usual = statistics.median(watch.between(calm, begin) or [0])
            cluster.scale("operator-worker", count)
            eventually(f"{count} workers share the partitions",
                       lambda: is_shared(cluster, "operator", count), 60)
            time.sleep(5)
            late = watch.between(begin, time.time())
            if not late:
                raise Failure("no bars came while the workers were scaled")
            pause = max(late) - usual
            report.line(f"to {count}: bars came {usual * 1e3:.0f} ms after their end before, "
                        f"{max(late) * 1e3:.0f} ms at worst: a pause of {pause:.2f} s")
            if pause >= PAUSE_MAX:
                raise Failure(f"a pause of {pause:.2f} s is not below {PAUSE_MAX} s")
            if count > 1:
                shares = measure(cluster, count)
                if max(shares) > PARTITIONS / count + BALANCE:
                    raise Failure(f"{count} workers share {PARTITIONS} partitions as {shares}")
    finally:
        watch.stop()
    cluster.scale("store-writer", 2)
    eventually("two writers share the partitions", lambda: is_shared(cluster, "writer", 2), 60)
    report.line("two writers share the partitions, too")


def kill_each(cluster):
    report.step("Kill each container and start it again")
    for identity, _, name in cluster.containers():
        run(["docker", "kill", "--signal", "KILL", identity])
        run(["docker", "start", identity])
        passed = eventually(f"{name} works again", lambda: cluster.is_healthy(identity),
                            READY_SECONDS, step=0.5)
        report.line(f"{name}: killed, works again after {passed:.1f} s")


def outage(cluster, service):
    report.step(f"{service} stopped for {OUTAGE_SECONDS} s")
    starts = {identity: cluster.inspect(identity)["State"]["StartedAt"]
              for identity, name, _ in cluster.containers() if name != service}
    cluster.compose("stop", service)
    time.sleep(OUTAGE_SECONDS)
    cluster.compose("start", service)

    def is_back():
        return all(cluster.is_healthy(identity) for identity, _, _ in cluster.containers())

    report.line(f"everybody is ready again after {eventually('all are ready', is_back, 120):.1f} s")
    # The simulator goes on also when the load has ended.
    before = cluster.stored("load") + cluster.stored("ibkr")
    eventually("rows come again",
               lambda: cluster.stored("load") + cluster.stored("ibkr") > before, 60)
    for identity, started in starts.items():
        if cluster.inspect(identity)["State"]["StartedAt"] != started:
            raise Failure(f"{cluster.inspect(identity)['Name']} did not live through it")
    report.line("no other container was restarted by it")


def final_audit(cluster, options):
    total = options.rate * options.seconds
    done = cluster.stored("load")
    if done >= total:
        report.line("the load ended before the last outage: with more --seconds it lasts longer")
    report.step(f"The load's end: {total} ticks")
    left = options.seconds + CATCH_UP_SECONDS
    eventually("all ticks of the load are stored", lambda: cluster.stored("load") >= total, left, 3)
    found = cluster.stored("load")
    if found != total:
        raise Failure(f"{found} rows of the load's {total} ticks")
    report.line(f"{found} rows")
    report.step("Audit")
    cluster.compose("stop", "provider-gateway", "load-gateway")
    answer = {}

    def is_taken():
        # Its exit code says whether all checks hold; here only whether the writers are done.
        nonlocal answer
        answer = json.loads(cluster.tool("audit", "--json", check=False).stdout)
        return all(check["ok"] for check in answer["checks"] if check["name"].endswith("_taken"))

    eventually("the writers have taken all that is on the tape", is_taken, CATCH_UP_SECONDS, 3)
    for check in answer["checks"]:
        report.line(f"{'ok  ' if check['ok'] else 'FAIL'} {check['found']:>9}  {check['sentence']}"
                    + (f": {check['detail']}" if not check["ok"] else ""))
    if not answer["clean"]:
        raise Failure("the audit is not clean")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=int, default=2_000, help="ticks per second of the load")
    parser.add_argument("--seconds", type=int, default=600, help="how long the load goes on")
    parser.add_argument("--keep", action="store_true", help="leave the cluster running")
    parser.add_argument("--no-build", action="store_true", help="use the images that are there")
    options = parser.parse_args()
    try:
        run(["docker", "compose", "version"], timeout=30)
        run(["docker", "info"], timeout=30)
    except (Failure, OSError) as problem:
        print(f"cluster-test: Docker with compose is needed, and is not there: {problem}",
              file=sys.stderr)
        return 1
    os.environ.update(
        LOAD_RATE=str(options.rate), LOAD_TICKS=str(options.rate * options.seconds),
        # Any free port, so that a cluster of somebody's own is not in the way.
        PROMETHEUS_PORT="", GRAFANA_PORT="")
    cluster = Cluster()
    try:
        from_nothing(cluster, options)
        data_flow(cluster)
        start_load(cluster, options)
        scale_under_load(cluster)
        kill_each(cluster)
        outage(cluster, "nats")
        outage(cluster, "timescaledb")
        final_audit(cluster, options)
    except (Failure, subprocess.TimeoutExpired) as problem:
        print(f"\nFAILED: {problem}", flush=True)
        print(f"the cluster is left for a look: docker compose -p {PROJECT} ps; it is removed by "
              f"docker compose -p {PROJECT} --profile '*' down --volumes")
        return 1
    if not options.keep:
        cluster.down()
    report.step("The cluster holds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
