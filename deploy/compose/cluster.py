"""The compose cluster of a test: brought up from nothing, scaled, asked, audited, removed.

It is a project of its own with its own volumes, so that somebody's cluster on the same machine is
not touched. Every number of a report is read from the database, from Prometheus or from Docker.
"""

import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.parse
import urllib.request

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
SERVICES = ("provider-gateway", "operator-worker", "store-writer")
IMAGES = (*SERVICES, "cockpit", "tapeline", "ibkr-simulator")
PARTITIONS = 8
READY_SECONDS = 180
CATCH_UP_SECONDS = 300
# A service that is asked to end has handed over its partitions within this time.
END_SECONDS = 10


class Failure(Exception):
    """A step that failed, with one line for the person."""


class Report:
    """The output: a heading per step, a line per figure."""

    def __init__(self):
        self.start = time.monotonic()

    def step(self, title):
        print(f"\n[{time.monotonic() - self.start:6.1f} s] {title}", flush=True)

    def line(self, text):
        print(f"  {text}", flush=True)


report = Report()


def run(arguments, *, check=True, timeout=900):
    """Runs a command and returns its output. A failure names the command and its last output."""
    done = subprocess.run(
        arguments, cwd=CHECKOUT, timeout=timeout, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout or "").strip().splitlines()
        raise Failure(f"'{' '.join(arguments)}' ended with {done.returncode}: "
                      f"{' | '.join(said[-5:])}")
    return done


def eventually(what, condition, seconds, step=1.0):
    """Waits until the condition is true. If one of its commands fails, it is treated as not yet
    true."""
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


class Cluster:
    """A compose project, made of the main file and those of this folder that go on top of it."""

    def __init__(self, project, *on_top):
        self.project = project
        self.files = [str(pathlib.PurePath("deploy/compose", name)) for name in on_top]

    @property
    def command(self):
        named = [part for file in ("docker-compose.yml", *self.files) for part in ("-f", file)]
        return ["docker", "compose", "-p", self.project, *named]

    def compose(self, *arguments, **options):
        return run([*self.command, *arguments], **options)

    def up(self, *arguments, wait=True):
        begin = time.monotonic()
        waiting = ["--wait", "--wait-timeout", str(READY_SECONDS)] if wait else []
        self.compose("up", "--detach", "--no-build", *waiting, *arguments)
        return time.monotonic() - begin

    def down(self):
        """Removes the project, including containers that a profile has started."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "5")

    def scale(self, service, count, wait=True):
        return self.up("--no-recreate", "--no-deps", "--scale", f"{service}={count}", service,
                       wait=wait)

    @property
    def nats(self):
        """The services that are servers of NATS."""
        return [name for name in self.compose("config", "--services").stdout.split()
                if name == "nats" or name.startswith("nats-")]

    def containers(self, service=None):
        """Returns identity, service and name of the containers of long-running services."""
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

    def rows(self, source):
        """Returns the rows of ticks of any kind: services that are polled have neither trades nor quotes."""
        values = self.number(f"SELECT count(*) FROM md.indicators WHERE source = '{source}'")
        return self.stored(source) + values

    def address(self, service, port):
        """Returns the address of a port that is published on this machine."""
        return self.compose("port", service, str(port)).stdout.strip()

    def prometheus(self, path, **parameters):
        """Returns the series of Prometheus' answer."""
        url = (f"http://{self.address('prometheus', 9090)}/api/v1/{path}?"
               + urllib.parse.urlencode(parameters))
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]["result"]

    def total(self, expression):
        """Returns the sum of an instant query's samples."""
        return sum(float(each["value"][1])
                   for each in self.prometheus("query", query=expression))

    def shares(self, group):
        """Returns how many partitions each member of a group owns. Empty unless all are ready."""
        groups = json.loads(self.tool("members", "--json").stdout)["groups"]
        members = [each for one in groups if one["group"] == group for each in one["members"]]
        if any(each["state"] != "ready" for each in members):
            return []
        return sorted(len(each["held"]) for each in members)

    def is_shared(self, group, count):
        shares = self.shares(group)
        return len(shares) == count and sum(shares) == PARTITIONS and min(shares) > 0


# --- steps that every test has


def from_nothing(cluster, *, build, also=()):
    report.step("Up from nothing")
    cluster.down()
    run(["deploy/compose/secrets.sh"])
    if build:
        begin = time.monotonic()
        for service in IMAGES:
            cluster.compose("build", service, timeout=3600)
        report.line(f"images built in {time.monotonic() - begin:.1f} s")
    services = ["nats", "timescaledb", "valkey", *SERVICES, "cockpit", "prometheus", *also]
    report.line(f"all of it works after {cluster.up(*services):.1f} s")


def all_stored(cluster, source, total, seconds):
    """Checks that each tick of a source is one row."""
    eventually(f"all ticks of '{source}' are stored",
               lambda: cluster.stored(source) >= total, seconds, 3)
    found = cluster.stored(source)
    if found != total:
        raise Failure(f"{found} rows of the {total} ticks of '{source}'")
    report.line(f"{found} rows of '{source}'")


def stop_in_order(cluster, *services):
    """Asks each container to end. Checks that it ends in time with exit code 0."""
    for identity, service, name in cluster.containers():
        if service not in services:
            continue
        begin = time.monotonic()
        run(["docker", "stop", "--time", "60", identity])
        passed = time.monotonic() - begin
        code = cluster.inspect(identity)["State"]["ExitCode"]
        report.line(f"{name} was asked to end: it did after {passed:.1f} s, exit code {code}")
        if code != 0 or passed > END_SECONDS:
            raise Failure(f"{name} did not end in order within {END_SECONDS} s")


def audited(cluster):
    """Returns the audit of every row, once the writers have worked off the tape."""
    answer = {}

    def is_taken():
        # Its exit code reports whether all checks passed. Here only matters whether the writers are
        # done.
        nonlocal answer
        answer = json.loads(cluster.tool("audit", "--all", "--json", check=False).stdout)
        return all(check["ok"] for check in answer["checks"] if check["name"].endswith("_taken"))

    eventually("the writers have taken all that is on the tape", is_taken, CATCH_UP_SECONDS, 3)
    return answer


def audit(cluster, *sources):
    """Ends the sources, lets the others work off the tape, and checks every row."""
    report.step("Audit")
    stop_in_order(cluster, *sources)
    answer = audited(cluster)
    for check in answer["checks"]:
        report.line(f"{'ok  ' if check['ok'] else 'FAIL'} {check['found']:>9}  {check['sentence']}"
                    + (f": {check['detail']}" if not check["ok"] else ""))
    if not answer["clean"]:
        raise Failure("the audit is not clean")


def finish(cluster, steps, *, keep, settings):
    """Runs the steps and returns the exit code. If one fails, the cluster is left for
    inspection."""
    try:
        run(["docker", "compose", "version"], timeout=30)
        run(["docker", "info"], timeout=30)
    except (Failure, OSError) as problem:
        print(f"Docker with compose is needed, and is not there: {problem}", file=sys.stderr)
        return 1
    # Any free port, so that another cluster on this machine is not in the way.
    os.environ.update(settings, PROMETHEUS_PORT="", GRAFANA_PORT="", COCKPIT_PORT="")
    try:
        steps()
    except (Failure, subprocess.TimeoutExpired) as problem:
        print(f"\nFAILED: {problem}", flush=True)
        print(f"the cluster is left for a look: docker compose -p {cluster.project} ps; it is "
              f"removed by docker compose -p {cluster.project} --profile '*' down --volumes")
        return 1
    if not keep:
        cluster.down()
    report.step("The cluster holds")
    return 0
