#!/usr/bin/env python3
"""Writes the target of deploy/scaling.json into all that scales workers and writers.

  scaling.py            write it; says which files changed
  scaling.py --check    change nothing; exit code 1 and a line for each file that differs

The target is a time: what waits is to be worked off within `drain_seconds`. Of the file:

  drain_seconds      so much of its own rate may wait for each worker or writer
  ticks_per_second   what one of them keeps up with, on your machines and with your graph, or less:
                     deploy/compose/autoscale.py shows it while ticks wait, and
                     deploy/keda/metrics-api/operator-worker.yaml says how else to know, and how too much looks
  steady_percent     how much of that a steady rate may take, so that something is left for what waits
  least, most        how many there are; no more than MDS_PARTITIONS have something to do

Files of KEDA, of the HPA and of prometheus-adapter have the products. deploy/compose/autoscale.py reads the file.
"""

import json
import pathlib
import re
import statistics
import sys

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "deploy"))
import written_files  # noqa: E402

KEDA = (r"(minReplicaCount: )\d+", r"(maxReplicaCount: )\d+", r"(failureThreshold: \d+, replicas: )\d+")
HPA = (r"(minReplicas: )\d+", r"(maxReplicas: )\d+")
# In each file: how often, and which place has the ticks that may wait, and which those of a steady rate.
LAG = {
    "deploy/keda/metrics-api/operator-worker.yaml": [(1, r'(valueLocation: operator\.lag\n +targetValue: ")\d+')],
    "deploy/keda/metrics-api/store-writer.yaml": [
        (1, r'(valueLocation: store\.lag\n +targetValue: ")\d+'), (1, r'(\n      target: ")\d+'),
        (1, r"(\(others \+ 1\) \* )\d+"), (1, r"(rate / \d+ \* )\d+")],
    "deploy/keda/prometheus/operator-worker.yaml": [(1, r'(query: max\(mds_group_lag_ticks.*\n +threshold: ")\d+')],
    "deploy/keda/prometheus/store-writer.yaml": [
        (1, r'(query: >-\n +\(max\(mds_group_lag(?:.*\n)+? +threshold: ")\d+'),
        (1, r"(query: >-\n +\(max\(mds_group_lag(?:.*\n)+? +or \()\d+")],
    "deploy/kubernetes/components/hpa/operator-worker.yaml": [
        (1, r'(name: tapeline_operator_lag_ticks\}\n.*averageValue: ")\d+')],
    "deploy/kubernetes/components/hpa/adapter-rules.yaml": [(1, r'(lag_ticks\{group="store"\}\) / )\d+')],
}
RATE = {
    "deploy/keda/metrics-api/operator-worker.yaml": [(1, r'(valueLocation: operator\.rate\n +targetValue: ")\d+')],
    "deploy/keda/metrics-api/store-writer.yaml": [
        (1, r'(valueLocation: store\.rate\n +targetValue: ")\d+'), (1, r"(max\(lag, rate / )\d+")],
    "deploy/keda/prometheus/operator-worker.yaml": [(1, r'(query: sum\(rate\(.*\n(?:.*\n)??.* +threshold: ")\d+')],
    "deploy/keda/prometheus/store-writer.yaml": [
        (1, r'(query: >-\n +\(sum\(rate(?:.*\n)+? +threshold: ")\d+'),
        (1, r"(query: >-\n +\(sum\(rate(?:.*\n)+? +or \()\d+")],
    "deploy/kubernetes/components/hpa/operator-worker.yaml": [
        (1, r'(name: tapeline_ticks_per_second\}\n.*averageValue: ")\d+')],
    "deploy/kubernetes/components/hpa/adapter-rules.yaml": [(1, r"(received_total\[2m\]\)\) / )\d+")],
}
SCALERS = ([f"deploy/keda/{kind}/{name}.yaml" for kind in ("metrics-api", "prometheus")
            for name in ("operator-worker", "store-writer")]
           + [f"deploy/kubernetes/components/hpa/{name}.yaml" for name in ("operator-worker", "store-writer")])


# Each figure, what it has to be at least and at most, and of which kind. There are at most 4096 partitions.
BOUNDS = (("drain_seconds", 1, 3_600, (int, float)), ("ticks_per_second", 1, 10_000_000, (int, float)),
          ("steady_percent", 1, 100, (int, float)), ("least", 1, 4_096, int), ("most", 1, 4_096, int))


class Capacity:
    """What one worker or writer keeps up with, measured while something waits for all of them.

    What is read is what comes in, less what more waits, both of the span over which /scale has the rate. Times are
    monotonic seconds."""

    SPAN = 30
    # So many seconds of the rate are always shown as lag: heads and positions are told once a second.
    IDLE_SECONDS = 3
    # Less than this part of the assumed figure is none of it: they did not work, or had only just begun.
    LEAST = 0.02
    RESULTS_MIN = 3
    RESULTS_MAX = 20

    def __init__(self, assumed):
        self.assumed = assumed
        self.looks, self.results = [], []

    def note(self, now, present, lag, rate):
        """Takes a look at how many there are, what waits, and what comes in; None is not known."""
        waits = lag is not None and rate is not None and lag > self.IDLE_SECONDS * rate
        if not waits or self.looks and self.looks[-1][1] != present:
            self.looks = []
        if not waits or not present:
            return
        self.looks.append((now, present, lag))
        old = [look for look in self.looks if now - look[0] >= self.SPAN]
        if not old:
            return
        self.looks = self.looks[len(old) - 1:]
        begin, _, before = self.looks[0]
        each = (rate - (lag - before) / (now - begin)) / present
        if each >= self.LEAST * self.assumed:
            self.results = (self.results + [each])[-self.RESULTS_MAX:]

    def each(self):
        """Returns the ticks a second of one; None while too little was measured."""
        return statistics.median(self.results) if len(self.results) >= self.RESULTS_MIN else None

    def most(self):
        """Returns the most that was measured; None while nothing was."""
        return max(self.results, default=None)

    def figure(self):
        """Returns the assumed ticks a second of one, or the most that was measured, where that is less: a figure that
        is too high would take workers away whom the rest needs, again and again."""
        return min(self.assumed, self.most() or self.assumed)


def read(root=ROOT):
    """Returns the figures; raises ValueError for one with which everybody would go, or nobody come."""
    figures = json.loads((root / "deploy/scaling.json").read_text())
    for key, least, most, kinds in BOUNDS:
        value = figures.get(key)
        if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
            raise ValueError(f"deploy/scaling.json: {key} is {value}, and has to be from {least} to {most}")
    if figures["least"] > figures["most"]:
        raise ValueError(f"deploy/scaling.json: least ({figures['least']}) is more than most ({figures['most']})")
    if min(waiting(figures), steady(figures)) < 1:
        raise ValueError(f"deploy/scaling.json: ticks_per_second is {figures['ticks_per_second']}, which leaves "
                         "less than one tick for each")
    return figures


def waiting(figures):
    """Returns the ticks that may wait for each."""
    return round(figures["drain_seconds"] * figures["ticks_per_second"])


def steady(figures):
    """Returns the ticks a second that each is given."""
    return round(figures["steady_percent"] * figures["ticks_per_second"] / 100)


def put(text, pattern, count, value, path):
    text, found = re.subn(pattern, lambda match: f"{match[1]}{value}", text)
    if found != count:
        raise ValueError(f"{path}: '{pattern}' stands there {found} times, not {count}")
    return text


def made(root=ROOT):
    """Returns the text of each file."""
    figures = read(root)
    texts = {path: (root / path).read_text() for path in {*SCALERS, *LAG, *RATE}}
    for places, value in ((LAG, waiting(figures)), (RATE, steady(figures))):
        for path, patterns in places.items():
            for count, pattern in patterns:
                texts[path] = put(texts[path], pattern, count, value, path)
    for path in SCALERS:
        bounds = KEDA if "/keda/" in path else HPA
        for pattern, value in zip(bounds, (figures["least"], figures["most"], figures["least"])):
            texts[path] = put(texts[path], pattern, 1, value, path)
    return dict(sorted(texts.items()))


def main(arguments, root=ROOT):
    return written_files.main("scaling.py", __doc__, arguments, root, made)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
