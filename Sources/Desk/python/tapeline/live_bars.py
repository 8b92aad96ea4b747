"""Bars as a live reading gives them: every version, with the columns of stored bars."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .columns import Batch, batch
from .coverage import Missing
from .versions import FIELDS, BarKey, Numbering


class LiveBars:
    """Turns decoded bars into rows. `versions` and `times` are those of the books, and are kept on. `refused` gets
    versions of bars that came so late that their earlier ones were forgotten."""

    def __init__(
        self, series: Sequence[str], versions: dict[BarKey, int], times: Mapping[int, int],
        refused: Callable[[list[Missing]], None],
    ) -> None:
        self._numbering = Numbering(series, versions, times, refused)
        self._texts: dict[str, dict[str, int]] = {}

    def stored(self, found: Batch) -> Batch:
        """Returns stored bars with the columns of live ones."""
        rows = [(*row, False) for row in zip(*(column.values() for column in found.columns))]
        return batch(FIELDS, rows, self._texts)

    def taken(self, found: Batch) -> Batch | None:
        """Returns versions of bars that the tape gave; None if no row is wanted."""
        rows = self._numbering.rows(found)
        return batch(FIELDS, rows, self._texts) if rows else None
