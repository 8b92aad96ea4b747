"""What the verdicts on simulated venues share: the gaps that are stored, and the findings. It shares no code with
the product."""

import collections
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

# Times between which something was made.
Span = tuple[int, int]


@dataclass(frozen=True)
class Gap:
    """A record of `gaps` that nobody will fill, or a row of `open_gaps`; times are in nanoseconds, and the end is
    not within."""

    symbol: str | None
    start: int
    end: int
    reason: str
    detail: str

    def holds(self, span: Span) -> bool:
        return self.start <= span[0] and span[1] < self.end

    def touches(self, span: Span) -> bool:
        return self.start <= span[1] and span[0] < self.end

    def __str__(self) -> str:
        return f"{self.symbol} [{self.start}, {self.end}) {self.reason}: {self.detail}"


class StoredGaps:
    """What the gaps of one source say."""

    # The kind of data that may be missing.
    kind = "trade"

    def __init__(self, session: Any, namespace: str, source: str) -> None:
        nanoseconds = "(extract(epoch FROM {}) * 1000000)::bigint * 1000"
        begin, end = nanoseconds.format("from_time"), nanoseconds.format("to_time")
        # The number of gaps by reason and state.
        self.states: collections.Counter[tuple[str, str]] = collections.Counter()
        self.gaps: list[Gap] = []
        # What was missing for a while only.
        self.filled: list[Gap] = []
        for symbol, start, stop, state, reason, detail in session.execute(
            f"SELECT symbol, coalesce(from_time_ns, {begin}), coalesce(to_time_ns, {end}), state, reason, detail"
            f" FROM {namespace}.gaps WHERE source = %s AND input = 'ticks' AND ordinal IS NOT NULL"
            " AND kind IN ('any', %s) ORDER BY ordinal", [source, self.kind]
        ):
            self.states[reason, state] += 1
            # A gap whose time nobody knows explains nothing.
            if state == "abandoned" and None not in (start, stop):
                self.gaps.append(Gap(symbol, start, stop, reason, detail))
            elif state == "filled" and None not in (start, stop):
                self.filled.append(Gap(symbol, start, stop, reason, detail))
        # What a person sees. Its times are microseconds; a stretch that lasts has no end.
        self.shown = [Gap(*row) for row in session.execute(
            f"SELECT symbol, {begin}, coalesce({end}, 9223372036854775807), reason, state"
            f" FROM {namespace}_market.open_gaps WHERE source = %s AND kind = %s", [source, self.kind])]
        self.holes: list[str] = [row[0] for row in session.execute(
            f"SELECT detail FROM {namespace}.gaps WHERE source = %s AND ordinal IS NULL", [source])]


class Findings:
    """What is counted, and what is wrong."""

    def __init__(self, gaps: StoredGaps, faults: Iterable[str] = ()) -> None:
        self.states = gaps.states
        self.wrong = [*faults, *(f"the books have a hole: {detail}" for detail in gaps.holes)]
        self.count: collections.Counter[str] = collections.Counter()

    def note(self, kind: str, text: str) -> None:
        """Counts a fault. The first five of a kind are written out."""
        self.count[f"✘ {kind}"] += 1
        if self.count[f"✘ {kind}"] <= 5:
            self.wrong.append(f"{kind}: {text}")

    def lines(self) -> list[str]:
        return [
            ", ".join(f"{number} {what}" for what, number in self.count.items()),
            "gaps: " + ", ".join(
                f"{number} {reason} {state}" for (reason, state), number in sorted(self.states.items())),
        ]
