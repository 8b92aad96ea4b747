"""Bars of the tape as a live reading gives them: every version, with the columns of stored bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import schema
from .columns import Batch, Field, batch
from .errors import TapelineError
from .history import BarKey

FIELDS = (*schema.BARS, Field("is_withdrawn", "b"))
"""The columns of live bars."""
BARS_MAX = 5_000_000
"""The most bars whose versions one live reading counts. At that it raises."""

_PARTIAL, _MIXED, _WITHDRAWN, _FILLED = 1, 4, 8, 16
_EXCLUDED = ("excluded_condition", "excluded_odd_lot", "excluded_filter", "excluded_undefined")
DECODED = (
    *schema.BARS[:13], Field("trades", "L"), *(Field(name, "I") for name in _EXCLUDED), Field("flags", "C"),
    Field("reason", "dict"), Field("known_at", "ts"), Field("partition", "S"),
)
"""The columns that the decoder gives."""


class LiveBars:
    """Turns decoded bars into rows. `versions` and `times` are those of the books, and are kept on."""

    def __init__(
        self, series: Sequence[str], versions: dict[BarKey, int], times: dict[int, int]
    ) -> None:
        self._series = frozenset(series)
        self.versions, self._times = versions, dict(times)
        self._texts: dict[str, dict[str, int]] = {}

    def stored(self, found: Batch) -> Batch:
        """Returns stored bars with the columns of live ones."""
        rows = [(*row, False) for row in zip(*(column.values() for column in found.columns))]
        return batch(FIELDS, rows, self._texts)

    def taken(self, found: Batch) -> Batch | None:
        """Returns versions of bars that the tape gave; None if no row is wanted."""
        rows: list[tuple[Any, ...]] = []
        for row in zip(*(column.values() for column in found.columns)):
            opened, closed, symbol, source, series, number = row[:6]
            *excluded, flags, reason, known, partition = row[14:]
            # Within a partition the time never falls, and it counts in microseconds, rounded up.
            known = self._times[partition] = max(self._times.get(partition, 0), known or 0)
            if series not in self._series or opened is None or symbol is None or source is None:
                continue
            opened, closed = opened // 1_000 * 1_000, None if closed is None else closed // 1_000 * 1_000
            key = (symbol, source, series, opened, number)
            version = self.versions[key] = self.versions.get(key, 0) + 1
            rows.append((
                opened, closed, symbol, source, series, *row[5:14], sum(excluded), not flags & _PARTIAL,
                bool(flags & _MIXED), bool(flags & _FILLED), version, reason, -(-known // 1_000) * 1_000,
                bool(flags & _WITHDRAWN),
            ))
        if len(self.versions) > BARS_MAX:
            raise TapelineError(
                f"this reading has more than {BARS_MAX} bars: begin another one with a later 'since'"
            )
        return batch(FIELDS, rows, self._texts) if rows else None
