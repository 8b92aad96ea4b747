"""Metrics of a service over a time, and quantiles of its histograms. Pure."""

import math
import re

LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def parse(page):
    """The samples of a page of metrics, by name with labels."""
    samples = {}
    for line in page.splitlines():
        if not line or line.startswith("#"):
            continue
        name, _, value = line.rpartition(" ")
        samples[name] = float(value)
    return samples


class Growth:
    """How much each counter of a process rose, also when the process was started again meanwhile: its
    counters then begin at 0."""

    def __init__(self):
        self.last, self.process, self.sums = {}, None, {}

    def add(self, process, samples):
        first = self.process is None
        before = self.last if process == self.process else {}
        if not first:
            for name, value in samples.items():
                rise = value - before.get(name, 0.0)
                # Gauges fall, and are of no interest here.
                self.sums[name] = self.sums.get(name, 0.0) + max(0.0, rise)
        self.process, self.last = process, samples

    def total(self, metric, **labels):
        """The sum of a metric over its series that have these labels."""
        return sum(value for name, value in self.sums.items() if matches(name, metric, labels))

    def now(self, metric, **labels):
        """The present value of a gauge, summed like a total; 0 when it is not shown."""
        return sum(value for name, value in self.last.items() if matches(name, metric, labels))

    def buckets(self, metric, **labels):
        """By upper bound, how many values of a histogram were at most that."""
        found = {}
        for name, value in self.sums.items():
            if matches(name, f"{metric}_bucket", labels):
                bound = dict(LABEL.findall(name))["le"]
                bound = math.inf if bound == "+Inf" else float(bound)
                found[bound] = found.get(bound, 0.0) + value
        return found


def matches(name, metric, labels):
    if name != metric and not name.startswith(f"{metric}{{"):
        return False
    present = dict(LABEL.findall(name))
    return all(present.get(key) == value for key, value in labels.items())


def merge(all_buckets):
    """The buckets of several processes as one histogram."""
    sums = {}
    for buckets in all_buckets:
        for bound, count in buckets.items():
            sums[bound] = sums.get(bound, 0.0) + count
    return sums


def quantile(buckets, share):
    """The value below which this share lies, between the bounds of its bucket by proportion. `None`
    without values; infinite above the highest bound."""
    count = buckets.get(math.inf, 0.0)
    if not count:
        return None
    wanted, low, below = share * count, 0.0, 0.0
    for bound in sorted(buckets):
        if buckets[bound] >= wanted:
            if bound == math.inf:
                return math.inf
            inside = buckets[bound] - below
            return low + (bound - low) * ((wanted - below) / inside if inside else 1.0)
        low, below = bound, buckets[bound]
    return math.inf
