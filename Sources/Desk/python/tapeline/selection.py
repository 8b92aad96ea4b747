"""What was asked for: a lazy selection of ticks or bars."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from . import schema, times
from .columns import Batch, Field, PriceType
from .coverage import Coverage
from .errors import TapeHole, TapelineError
from .frames import Readable

MissingPolicy = Literal["raise", "mark", "drop"]


@dataclass(frozen=True)
class Wanted:
    """Which rows: of these symbols (none: all) and sources, with a time in [start, end)."""

    kind: str
    symbols: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    start: int | None = None
    end: int | None = None
    as_of: int | None = None
    is_ordered: bool = True
    whole_only: bool = False

    @property
    def fields(self) -> tuple[Field, ...]:
        return schema.BARS if self.kind == "bars" else schema.TICKS[self.kind]


class Origin(Protocol):
    """Where rows come from."""

    def open(
        self, wanted: Wanted, check: Callable[[Coverage], None] | None
    ) -> Iterator[Batch]:
        """Starts a reading. What `check` gets, and the rows, are of one moment. An error of `check` ends
        it before a row is read."""

    def coverage(self, wanted: Wanted) -> Coverage:
        """What is missing in the selection."""


class Selection(Readable):
    """Ticks or bars that are read when they are asked for: by `to_polars()` and the like, by iteration, or
    by a package that reads Arrow. A selection that has a hole raises TapeHole before the first row."""

    def __init__(
        self, origin: Origin, wanted: Wanted, tz: str, price: PriceType, missing: MissingPolicy
    ) -> None:
        self._origin, self._wanted, self._missing = origin, wanted, missing
        self.tz, self.price = tz, price
        self._mode(price)
        allowed = ("raise", "mark", "drop") if wanted.kind == "bars" else ("raise", "mark")
        if missing not in allowed:
            raise TapelineError(f"missing={missing!r}: it is {' or '.join(map(repr, allowed))}")

    def __repr__(self) -> str:
        wanted = self._wanted
        who = ", ".join(wanted.symbols) or "all symbols"
        return (
            f"<{wanted.kind} of {who} from {times.text(wanted.start)} to {times.text(wanted.end)}, not read>"
        )

    def fields(self) -> tuple[Field, ...]:
        return self._wanted.fields

    def raw_batches(self) -> Iterator[Batch]:
        return self._origin.open(self._wanted, self._refuse if self._missing == "raise" else None)

    @staticmethod
    def _refuse(coverage: Coverage) -> None:
        if coverage:
            raise TapeHole(list(coverage))

    @property
    def coverage(self) -> Coverage:
        """What is missing in exactly this selection: stretches of time, with cause and state."""
        return self._origin.coverage(self._wanted)

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the rows come from: their number, the first and last ordinal by source and partition, and
        a checksum (SHA-256) of all values. It reads all rows. Two readings of the same ticks have the same
        provenance, whether they come from a database or from a recording."""
        sums = [hashlib.sha256() for _ in self.fields()]
        lanes: dict[tuple[str, int], list[int]] = {}
        rows = 0
        for batch in self.raw_batches():
            rows += len(batch)
            for checksum, column in zip(sums, batch.columns):
                checksum.update(column.canonical())
            if self._wanted.kind != "bars":
                _count(lanes, batch)
        total = hashlib.sha256(b"".join(checksum.digest() for checksum in sums))
        return {
            "kind": self._wanted.kind,
            "rows": rows,
            "checksum": total.hexdigest(),
            "lanes": [
                {"source": source, "partition": partition, "first": first, "last": last, "rows": count}
                for (source, partition), (first, last, count) in sorted(lanes.items())
            ],
        }


def _count(lanes: dict[tuple[str, int], list[int]], batch: Batch) -> None:
    sources: Sequence[str] = batch["source"]
    for source, partition, ordinal in zip(sources, batch["partition"], batch["ordinal"]):
        lane = lanes.setdefault((source, partition), [ordinal, ordinal, 0])
        lane[0], lane[1], lane[2] = min(lane[0], ordinal), max(lane[1], ordinal), lane[2] + 1
