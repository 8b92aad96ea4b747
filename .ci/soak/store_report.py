"""The figures of stores.py: pages of metrics, and the report for people and for programs."""

import math
import pathlib
import subprocess
from collections.abc import Mapping
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Metrics:
    """A page of metrics. What it does not have is None, never 0."""

    def __init__(self, text: str) -> None:
        self.lines = [line.rpartition(" ")[::2] for line in text.splitlines() if line and line[0] != "#"]

    def all(self, name: str, **labels: str) -> dict[str, float]:
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return {key: float(value) for key, value in self.lines
                if key.partition("{")[0] == name and all(each in key for each in wanted)}

    def of(self, name: str, **labels: str) -> float | None:
        found = self.all(name, **labels)
        return sum(found.values()) if found else None

    def buckets(self, name: str) -> list[tuple[float, float]]:
        found = ((key.partition('le="')[2].partition('"')[0], value)
                 for key, value in self.all(f"{name}_bucket").items())
        return sorted((math.inf if end == "+Inf" else float(end), value) for end, value in found)


def quantile(before: list[tuple[float, float]], after: list[tuple[float, float]], share: float) -> float | None:
    """The upper end of the bucket that has the quantile of what came between; None: nothing came."""
    counts = [(end, value - old) for (end, value), (_, old) in zip(after, before)]
    if not counts or counts[-1][1] <= 0:
        return None
    return next(end for end, count in counts if count >= share * counts[-1][1])


def revision() -> str:
    """The commit of the checkout, and whether something in it was changed since."""
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain", "--untracked-files=no") else "")


def shown(value: Any) -> str:
    """A figure for people: three digits that count, lists with spaces."""
    if isinstance(value, (list, tuple)):
        return "  ".join(map(shown, value))
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def table(parts: Mapping[str, Mapping[str, Any]]) -> str:
    """The report for people: a line for each figure of each part."""
    rows = [(part, name, shown(value)) for part, figures in parts.items() for name, value in figures.items()]
    widths = [max((len(row[place]) for row in rows), default=0) for place in range(2)]
    return "\n".join(f"{part.ljust(widths[0])}  {name.ljust(widths[1])}  {value}" for part, name, value in rows)
