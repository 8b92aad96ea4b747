#!/usr/bin/env python3
"""Brings the compose cluster up from nothing, scales it under load, breaks it, and audits every row.

    deploy/compose/cluster-test.py [--rate N] [--seconds N] [--tls | --three] [--keep] [--no-build]

With --three, three servers of NATS hold three copies of the tape (nats-cluster.yml).

The cluster is a project of its own (tapeline-test) with its own volumes, which are removed first and
last. Exit code 0: every step held. 1: one did not, or Docker is not there.
"""

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
from cluster import (  # noqa: E402
    CATCH_UP_SECONDS, CHECKOUT, IMAGES, PARTITIONS, READY_SECONDS, Cluster, Failure, all_stored,
    audit, eventually, finish, from_nothing, report, run, stop_in_order)

# The number of partitions that one member may have above its equal share.
BALANCE = 2
# How long bars may pause when workers come or go. With three servers of NATS each change of an owner
# waits for two of them, which share one disk and its processors with all else here.
PAUSE_MAX = 1.0
PAUSE_MAX_OF_THREE = 3.0
# The streams that verify reads.
STREAMS = {"MD_TICKS_0", "MD_TICKS_1", "MD_TICKS_2", "MD_TICKS_3", "MD_BARS"}
OUTAGE_SECONDS = 30
# Sources of deploy/sources.json that run beside the first one, each fed by its simulator.
SIMULATED = [f"{name}-simulated" for name in ("binance", "alpaca", "massive", "fred")]
SIMULATORS = ("binance-simulator", "alpaca-simulator", "massive-simulator", "polled-simulator")


class BarWatch(threading.Thread):
    """A consumer of the bars. It measures how late each one-second bar comes after its window's
    end."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.late = []  # (arrival, seconds late)
        self.lock = threading.Lock()
        self.container = f"{cluster.project}-bars"
        self.process = subprocess.Popen(
            [*cluster.command, "run", "--rm", "--no-deps", "-T", "--name", self.container,
             "tapeline", "tail", "--bars", "--kind", "bar", "--json", "--follow"],
            cwd=CHECKOUT, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.start()

    def run(self):
        for line in self.process.stdout:
            arrival = time.time()
            bar = json.loads(line)
            if bar.get("series") != "1s" or not bar["symbol"].startswith("LOAD"):
                continue
            with self.lock:
                self.late.append((arrival, arrival - bar["close_time_ns"] / 1e9))

    def between(self, begin, end):
        with self.lock:
            return [late for arrival, late in self.late if begin <= arrival <= end]

    def stop(self):
        # Ending the command that started the container would leave the container running.
        run(["docker", "rm", "--force", self.container])
        self.process.wait(timeout=60)


# --- steps


def images(cluster):
    report.step("Images and containers")
    for name in IMAGES:
        image = json.loads(run(["docker", "image", "inspect", f"tapeline/{name}"]).stdout)[0]
        report.line(f"{name}: {image['Size'] / 1e6:.0f} MB, user {image['Config']['User']}")
    roots = set()
    for identity, service, name in cluster.containers():
        host = cluster.inspect(identity)["HostConfig"]
        if not host["ReadonlyRootfs"] or host["CapDrop"] != ["ALL"]:
            raise Failure(f"{name} may write to its root file system, or has capabilities")
        if "0" in run(["docker", "top", identity, "-o", "pid,uid"]).stdout.split()[3::2]:
            roots.add(service)
    # The image of NATS has no other user than root.
    if not roots <= set(cluster.nats):
        raise Failure(f"{', '.join(sorted(roots - set(cluster.nats)))} runs as root")
    report.line("all containers are on read-only roots, without capabilities; as root runs "
                f"{', '.join(sorted(roots)) or 'none'}")


def encrypted(cluster):
    """Checks that all connections to NATS and the database use TLS, and that both refuse others."""
    report.step("TLS")
    server = json.loads(cluster.compose(
        "exec", "-T", "nats", "wget", "-q", "-O", "-", "http://nats-monitor:8222/varz").stdout)
    if not server["tls_required"]:
        raise Failure("NATS speaks without TLS")
    links = json.loads(cluster.compose(
        "exec", "-T", "nats", "wget", "-q", "-O", "-", "http://nats-monitor:8222/connz").stdout)
    versions = {each.get("tls_version", "none") for each in links["connections"]}
    if not versions or "none" in versions:
        raise Failure(f"connections of NATS speak TLS {versions or 'not at all'}")
    report.line(f"NATS: {links['num_connections']} connections, TLS {', '.join(sorted(versions))}")
    sessions = cluster.query(
        "SELECT coalesce(version, 'none'), count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
        " WHERE client_addr IS NOT NULL GROUP BY 1").splitlines()
    if not sessions or any(each.startswith("none") for each in sessions):
        raise Failure(f"sessions of the database: {sessions}")
    report.line(f"TimescaleDB: sessions by {', '.join(each.replace('|', ': ') for each in sessions)}")
    plain = cluster.compose(
        "exec", "-T", "-e", "PGSSLMODE=disable", "timescaledb", "psql", "-h", "timescaledb",
        "-U", "tapeline_writer", "-d", "tapeline", "-wc", "SELECT 1", check=False)
    if plain.returncode == 0 or "no encryption" not in plain.stderr:
        raise Failure(f"the database takes who speaks without TLS: {plain.stderr.strip()}")
    report.line("TimescaleDB refuses who speaks without")


def data_flow(cluster):
    report.step("Data flow from the simulator")
    for what, sql in (
        ("quotes of the simulator", "SELECT count(*) FROM md.quotes WHERE source = 'ibkr-simulated'"),
        ("trades of the simulator", "SELECT count(*) FROM md.trades WHERE source = 'ibkr-simulated'"),
        ("bars of them", "SELECT count(*) FROM md.bars"),
    ):
        passed = eventually(f"{what} are stored", lambda: cluster.number(sql) > 0, 120)
        report.line(f"{what}: {cluster.number(sql)} after {passed:.1f} s")


def simulated_sources(cluster, *, build):
    report.step(f"{len(SIMULATED)} simulated sources beside the first one")
    for service in SIMULATORS if build else ():
        cluster.compose("build", service, timeout=3600)
    # Who names a service starts what it needs of its profile.
    cluster.up(*(f"{name}-gateway" for name in SIMULATED))
    for name in SIMULATED:
        passed = eventually(f"rows of '{name}' are stored", lambda: cluster.rows(name) > 0, 120)
        report.line(f"{cluster.rows(name)} rows of '{name}' after {passed:.1f} s")


def start_load(cluster, options):
    report.step(f"Load: {options.rate} ticks/s for {options.seconds} s, "
                f"{options.rate * options.seconds} in all")
    cluster.up("load-gateway")
    eventually("ticks of the load are stored", lambda: cluster.stored("load") > 0, 120)


def measure(cluster, workers, seconds=15):
    """Reports throughput, processor time per tick and balance, at this number of workers."""
    before, begin = cluster.stored("load"), time.monotonic()
    time.sleep(seconds)
    rate = (cluster.stored("load") - before) / (time.monotonic() - begin)
    shares = cluster.shares("operator")
    busy = cluster.total('rate(process_cpu_seconds_total{job="operator-worker"}[15s])')
    report.line(f"{workers} workers: {rate:7.0f} ticks/s stored, "
                f"{busy / max(rate, 1) * 1e6:5.2f} us of processor per tick in the workers, "
                f"partitions {shares}")
    return shares


def scale_workers(cluster, watch, count):
    """Reports the longest delay of bars while the number of workers changed."""
    calm = time.time()
    time.sleep(5)
    begin = time.time()
    usual = statistics.median(watch.between(calm, begin) or [0])
    cluster.scale("operator-worker", count)
    eventually(f"{count} workers share the partitions",
               lambda: cluster.is_shared("operator", count), 60)
    time.sleep(5)
    late = watch.between(begin, time.time())
    if not late:
        raise Failure("no bars came while the workers were scaled")
    pause = max(late) - usual
    report.line(f"to {count}: bars came {usual * 1e3:.0f} ms after their end before, "
                f"{max(late) * 1e3:.0f} ms at worst: a pause of {pause:.2f} s")
    most = PAUSE_MAX if len(cluster.nats) == 1 else PAUSE_MAX_OF_THREE
    if pause >= most:
        raise Failure(f"a pause of {pause:.2f} s is not below {most} s")


def scale_under_load(cluster):
    report.step("Scale the workers under load")
    watch = BarWatch(cluster)
    try:
        eventually("bars arrive", lambda: len(watch.late) > 200, 60)
        measure(cluster, 1)
        for count in (2, 3, 1, 3):
            scale_workers(cluster, watch, count)
            if count > 1:
                shares = measure(cluster, count)
                if max(shares) > PARTITIONS / count + BALANCE:
                    raise Failure(f"{count} workers share {PARTITIONS} partitions as {shares}")
    finally:
        watch.stop()
    cluster.scale("store-writer", 2)
    eventually("two writers share the partitions", lambda: cluster.is_shared("store", 2), 60)
    report.line("two writers share the partitions, too")


def dashboards(cluster):
    report.step("The dashboards' queries")
    url = f"http://{cluster.address('prometheus', 9090)}"
    answers = []

    def are_answered():
        lines = run(["deploy/grafana/queries.py", url], check=False).stdout.splitlines()
        refused = [line for line in lines if not line.startswith("{")]
        if refused or not lines:
            raise Failure("; ".join(refused[:5]) or "no queries were asked")
        answers[:] = map(json.loads, lines)
        return True

    eventually("Prometheus answers the dashboards' queries", are_answered, 90, 5)
    silent = [each for each in answers if each["series"] == 0]
    report.line(f"{len(answers)} queries are answered, {len(answers) - len(silent)} with data")
    for each in silent:
        report.line(f"nothing has happened for: {each['dashboard']}, {each['panel']}")


def kill_each(cluster):
    report.step("Kill each container and start it again")
    for identity, _, name in cluster.containers():
        run(["docker", "kill", "--signal", "KILL", identity])
        run(["docker", "start", identity])
        passed = eventually(f"{name} works again", lambda: cluster.is_healthy(identity),
                            READY_SECONDS, step=0.5)
        report.line(f"{name}: killed, works again after {passed:.1f} s")


def rows_come(cluster, when):
    """Reports how long no row came. The simulator continues after the load has ended."""
    before = cluster.stored("load") + cluster.stored("ibkr-simulated")
    passed = eventually(f"rows come {when}",
                        lambda: cluster.stored("load") + cluster.stored("ibkr-simulated") > before, 60)
    report.line(f"rows come {when} after {passed:.1f} s")


def outage(cluster, *services, rows_go_on=False):
    report.step(f"{', '.join(services)} stopped for {OUTAGE_SECONDS} s")
    starts = {identity: cluster.inspect(identity)["State"]["StartedAt"]
              for identity, name, _ in cluster.containers() if name not in services}
    cluster.compose("stop", *services)
    begin = time.monotonic()
    if rows_go_on:
        # The first ones may have been in the writers before.
        for _ in range(3):
            rows_come(cluster, "meanwhile")
    time.sleep(max(0, OUTAGE_SECONDS - (time.monotonic() - begin)))
    cluster.compose("start", *services)

    def is_back():
        return all(cluster.is_healthy(identity) for identity, _, _ in cluster.containers())

    report.line(f"everybody is ready again after {eventually('all are ready', is_back, 120):.1f} s")
    rows_come(cluster, "again")
    for identity, started in starts.items():
        if cluster.inspect(identity)["State"]["StartedAt"] != started:
            raise Failure(f"{cluster.inspect(identity)['Name']} did not live through it")
    report.line("no other container was restarted by it")


def copies(cluster):
    """Checks that each server of NATS has the same in its own files."""
    report.step("The copies of the tape")
    servers, packets, findings = {}, 0, []
    try:
        found = json.loads(cluster.tool("tape", "verify", "--json", check=False).stdout)["copies"]
    except (ValueError, KeyError) as problem:
        raise Failure(f"the copies cannot be read: {problem}") from problem
    for copy in found:
        servers.setdefault(copy["stream"], set()).add(copy["server"])
        packets += copy["packets"]
        findings += [f"{copy['stream']} on {copy['server']}: {finding}" for finding in copy["findings"]]
    few = [stream for stream, those in servers.items() if len(those) != len(cluster.nats)]
    missing = STREAMS - servers.keys()
    if findings or few or missing:
        raise Failure("; ".join(findings[:5]) or f"too few copies: {few or missing}")
    report.line(f"{len(servers)} streams, {len(cluster.nats)} copies each, {packets} packets in all copies: "
                "each is as on the other servers")


def load_end(cluster, options):
    total = options.rate * options.seconds
    if cluster.stored("load") >= total:
        report.line("the load ended before the last outage: with more --seconds it lasts longer")
    report.step(f"The load's end: {total} ticks")
    all_stored(cluster, "load", total, options.seconds + CATCH_UP_SECONDS)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=int, default=2_000, help="ticks per second of the load")
    parser.add_argument("--seconds", type=int, default=600, help="how long the load goes on")
    links = parser.add_mutually_exclusive_group()
    links.add_argument("--tls", action="store_true", help="with tls.yml on top: NATS and the database")
    links.add_argument("--three", action="store_true",
                       help="with nats-cluster.yml on top: three servers of NATS, three copies")
    parser.add_argument("--keep", action="store_true", help="leave the cluster running")
    parser.add_argument("--no-build", action="store_true", help="use the images that are there")
    options = parser.parse_args()
    on_top = (["tls.yml", "tls-load.yml"] if options.tls
              else ["nats-cluster.yml", "nats-cluster-load.yml"] if options.three else [])
    cluster = Cluster("tapeline-test", "load.yml", *on_top)

    def steps():
        if options.tls:
            run(["deploy/compose/certificates.sh"])
        from_nothing(cluster, build=not options.no_build)
        images(cluster)
        data_flow(cluster)
        simulated_sources(cluster, build=not options.no_build)
        if options.tls:
            encrypted(cluster)
        start_load(cluster, options)
        scale_under_load(cluster)
        dashboards(cluster)
        kill_each(cluster)
        if options.three:
            outage(cluster, cluster.nats[0], rows_go_on=True)
        outage(cluster, *cluster.nats)
        outage(cluster, "timescaledb")
        load_end(cluster, options)
        audit(cluster, "provider-gateway", "load-gateway", *(f"{name}-gateway" for name in SIMULATED))
        if options.three:
            copies(cluster)
        stop_in_order(cluster, "operator-worker", "store-writer")

    return finish(
        cluster, steps, keep=options.keep,
        settings={"LOAD_RATE": str(options.rate),
                  "LOAD_TICKS": str(options.rate * options.seconds)})


if __name__ == "__main__":
    sys.exit(main())
