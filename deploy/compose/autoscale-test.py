#!/usr/bin/env python3
"""Closes the loop on the compose cluster: ten times the ticks scale the workers out, and in again.

    deploy/compose/autoscale-test.py [--cpus N] [--peak-seconds N] [--plot FILE] [--keep] [--no-build]

Workers are held to a small part of a core each (autoscale.yml) and have a graph of many conditions, so
that this machine can make more ticks than they take; autoscale.py scales them by the target of
deploy/scaling.json with the measured throughput, and at the end every row is audited. --plot draws rate,
lag and workers, as SVG. The cluster is a project of its own (tapeline-autoscale) with its own volumes.
Exit code 0: every step held.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import chart  # noqa: E402
import scaling  # noqa: E402
from cluster import (  # noqa: E402
    CHECKOUT, Cluster, Failure, all_stored, audit, eventually, finish, from_nothing, report)

# In the calm, one worker uses a quarter of its capacity. The peak's source adds nine times as much.
PART = 0.25
PEAK = 9
INTERVAL = 5
# Longer than it takes to work off the peak.
DOWN_WINDOW = 100
CALM_SECONDS = 25
RECOVER_SECONDS = 300
MEASURE_SECONDS = 20
# How often each trade is compared in each branch of each route of the workers' graph.
ROUTES, BRANCHES, COMPARISONS = 30, 20, 60
PUBLISHED = 'sum(rate(mds_tape_ticks_published_total{job="provider-gateway"}[15s]))'
LAG = 'max(mds_group_lag_ticks{group="operator"})'
LAG_AGE = 'max(mds_group_lag_seconds{group="operator"})'


def costly_workers(folder):
    """Makes a compose file, in a folder that containers can read, with which a trade costs a worker
    much."""
    os.chmod(folder, 0o755)
    never = " and ".join([*["price > 0"] * COMPARISONS, "price < 0"])
    branches = ", ".join(f'never{number}: "{never}"' for number in range(BRANCHES))
    inputs = ["trades", *(f"route{number}.rest" for number in range(ROUTES))]
    nodes = [f"  route{number}: {{operator: route, input: {inputs[number]}, "
             f"branches: {{{branches}, rest: else}}}}" for number in range(ROUTES)]
    nodes.append(f"  bars: {{operator: bars, input: {inputs[-1]}, series: [1s, 1m]}}")
    graph, compose = folder / "costly.yaml", folder / "costly-workers.yml"
    graph.write_text("\n".join(["version: 1", "name: costly", "nodes:", *nodes, ""]))
    compose.write_text(
        "services:\n  operator-worker:\n"
        "    environment: {OPERATOR_GRAPH: /etc/tapeline/costly.yaml}\n"
        f'    volumes: ["{graph}:/etc/tapeline/costly.yaml:ro"]\n')
    return compose


class Scaler(threading.Thread):
    """autoscale.py as a separate process, with its output."""

    def __init__(self, cluster, takes, most):
        super().__init__(daemon=True)
        self.looks = []
        self.process = subprocess.Popen(
            [sys.executable, "deploy/compose/autoscale.py", "--json", "--ticks-per-second", str(takes),
             "--least", "1", "--most", str(most), "--interval", str(INTERVAL),
             "--down-window", str(DOWN_WINDOW), "--down-seconds", str(3 * INTERVAL)],
            cwd=CHECKOUT, text=True, stdout=subprocess.PIPE,
            env={**os.environ, "COMPOSE_PROJECT_NAME": cluster.project,
                 "COMPOSE_FILE": ":".join(["docker-compose.yml", *cluster.files])})
        self.start()

    def run(self):
        for line in self.process.stdout:
            look = json.loads(line)
            self.looks.append(look)
            report.line(f"lag {look['operator.lag']}, rate {look['operator.rate']}: {look['present']} there, "
                        f"{look['wanted']} wanted ({look['why']})")

    def workers(self):
        return self.looks[-1]["wanted"] if self.looks else None

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(timeout=150) != 0:
            raise Failure("autoscale.py did not end in order")
        self.join(timeout=10)


def worked_off(cluster, workers):
    """Returns the ticks per second that so many workers process while ticks are waiting."""
    # A worker that is far behind opens its partitions slowly, and is not ready meanwhile.
    cluster.scale("operator-worker", workers, wait=False)
    eventually(f"{workers} workers share the partitions",
               lambda: cluster.is_shared("operator", workers), 120)
    time.sleep(MEASURE_SECONDS + 5)
    window = f"[{MEASURE_SECONDS}s:1s]"
    arriving = cluster.total(f"avg_over_time({PUBLISHED}{window})")
    rate = arriving - cluster.total(f"deriv({LAG}{window})")
    busy = cluster.total(
        f'sum(rate(process_cpu_seconds_total{{job="operator-worker"}}[{MEASURE_SECONDS}s]))')
    left = cluster.total(LAG)
    report.line(f"{workers} workers take {rate:6.0f} ticks/s while {arriving:.0f} arrive, with "
                f"{busy:.3f} cores: {busy / rate * 1e6:.1f} us a tick"
                + ("" if left > rate else "; nothing was left to do in the end"))
    return rate


def capacity(cluster, options):
    """Measures the capacity of one worker, on a tape with waiting ticks."""
    report.step("Throughput of one, two and three workers, each held to "
                f"{options.cpus} of a core")
    os.environ.update(LOAD_RATE=str(options.overload))
    cluster.up("load-gateway")
    # Until then the measured rate of arrival is too low, and so is the rate of consumption.
    eventually("all of the load arrives",
               lambda: cluster.total(PUBLISHED) > 0.97 * options.overload, 60)
    eventually("ticks wait", lambda: cluster.total(LAG) > options.overload, 120)
    return [worked_off(cluster, workers) for workers in (1, 2, 3)][0]


def calm(cluster, options, base):
    report.step(f"A calm of {base} ticks/s, which is {PART} of what one worker takes")
    os.environ.update(LOAD_RATE=str(base))
    cluster.up("load-gateway")
    passed = eventually("nothing waits any more", lambda: cluster.total(LAG) < base, 600)
    report.line(f"nothing waits any more after {passed:.0f} s; one worker is left")
    cluster.scale("operator-worker", 1)
    eventually("it has all partitions", lambda: cluster.is_shared("operator", 1), 90)


def closed_loop(cluster, options, base, takes, each):
    """Runs a calm, the peak, and a calm. Returns all polls of the scaler, and the times of the
    phases."""
    total = base * PEAK * options.peak_seconds
    report.step(f"From {base} to {base * (PEAK + 1)} ticks/s for "
                f"{options.peak_seconds} s; one worker for every {each} ticks that wait, or for its part of the rate")
    begin = time.time()
    scaler = Scaler(cluster, takes, options.most)
    try:
        time.sleep(CALM_SECONDS)
        if scaler.workers() != 1:
            raise Failure(f"{scaler.workers()} workers are wanted before the peak")
        os.environ.update(PEAK_RATE=str(base * PEAK), PEAK_TICKS=str(total))
        cluster.up("--no-recreate", "--no-deps", "peak-gateway")
        started = time.time()
        report.line("the peak has begun")
        eventually("the workers were scaled out",
                   lambda: scaler.workers() >= 3, options.peak_seconds)
        time.sleep(max(0, started + options.peak_seconds - time.time()))
        ended = time.time()
        report.line("the peak is over")
        recovered = eventually("nothing waits any more",
                               lambda: scaler.looks[-1]["operator.lag"] < each, RECOVER_SECONDS)
        report.line(f"nothing waits any more, {recovered:.0f} s after the peak")
        eventually("one worker is left", lambda: scaler.workers() == 1, RECOVER_SECONDS)
        eventually("it has all partitions", lambda: cluster.is_shared("operator", 1), 60)
        time.sleep(CALM_SECONDS)
    finally:
        scaler.stop()
    all_stored(cluster, "peak", total, RECOVER_SECONDS)
    return scaler.looks, [begin, started, ended, time.time()]


def plot(cluster, options, looks, times, each):
    begin, started, ended, end = times

    def points(expression):
        series = cluster.prometheus(
            "query_range", query=expression, start=begin, end=end, step=2)
        return [(float(time) - begin, float(value)) for time, value in series[0]["values"]]

    workers = [(0, looks[0]["present"]), *((look["time"] - begin, look["wanted"]) for look in looks)]
    drawn = chart.draw(
        f"Ten times the ticks; workers of {options.cpus} core each, one for every {each} that wait",
        [
            chart.Panel("ticks per second", [chart.Line("onto the tape", points(PUBLISHED))]),
            chart.Panel("ticks that wait", [chart.Line("lag of the workers", points(LAG))]),
            chart.Panel("age of the oldest of them, s", [chart.Line("age", points(LAG_AGE))]),
            chart.Panel("workers", [chart.Line("wanted", [*workers, (end - begin, workers[-1][1])],
                                               steps=True)]),
        ],
        chart.Frame(end - begin, [(started - begin, "peak"), (ended - begin, "over")]))
    with open(options.plot, "w", encoding="utf-8") as file:
        file.write(drawn)
    report.line(f"drawn: {options.plot}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peak-seconds", type=int, default=120, help="how long the peak lasts")
    parser.add_argument("--takes", type=int, metavar="N",
                        help="ticks per second that one worker takes; else that is measured")
    parser.add_argument("--overload", type=int, default=4000,
                        help="ticks per second while the workers' throughput is measured")
    parser.add_argument("--cpus", type=float, default=0.2, help="part of a core of a worker")
    parser.add_argument("--most", type=int, default=6, help="workers at most")
    parser.add_argument("--plot", metavar="FILE", help="where rate, lag and workers are drawn")
    parser.add_argument("--keep", action="store_true", help="leave the cluster running")
    parser.add_argument("--no-build", action="store_true", help="use the images that are there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        costly = costly_workers(pathlib.Path(folder))
        cluster = Cluster("tapeline-autoscale", "load.yml", "autoscale.yml", costly)

        def steps():
            from_nothing(cluster, build=not options.no_build)
            takes = options.takes or capacity(cluster, options)
            each = scaling.waiting({**scaling.read(), "ticks_per_second": takes})
            base = int(takes * PART)
            calm(cluster, options, base)
            looks, times = closed_loop(cluster, options, base, takes, each)
            if options.plot:
                plot(cluster, options, looks, times, each)
            audit(cluster, "provider-gateway", "load-gateway", "peak-gateway")

        return finish(cluster, steps, keep=options.keep,
                      settings={"WORKER_CPUS": str(options.cpus), "SCALE_PORT": "",
                                "LOAD_TICKS": "0", "SIMULATOR_RATE": "20"})


if __name__ == "__main__":
    sys.exit(main())
