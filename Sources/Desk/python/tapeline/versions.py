"""Versions of bars in the order of the tape: their numbers, when each was known, and which one stands.

The database counts in the same way. So a bar of the tape, or of a recording of it, has the same number and the
same `known_at` there and here, if its versions are taken from the first one on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from . import schema, times
from .columns import BATCH_ROWS, Batch, Field, batch
from .coverage import Missing
from .errors import NotKnown, TapelineError
from .selection import Wanted

FIELDS = (*schema.BARS, Field("is_withdrawn", "b"))
"""The columns of versions."""
COUNTED_MAX = 5_000_000
"""The most bars whose versions one reading counts: each takes up to 350 bytes. At more it raises, or an endless one
forgets the older half of the series with the most bars."""
KEPT_MAX = 1_000_000
"""The most bars that one selection keeps: each takes up to 1 KB. At more it raises."""

BarKey = tuple[str, str, str, int, int]
"""Symbol, source, series, open time, number."""
Row = tuple[Any, ...]
"""The values of FIELDS."""

_PARTIAL, _MIXED, _WITHDRAWN, _FILLED = 1, 4, 8, 16
_EXCLUDED = ("excluded_condition", "excluded_odd_lot", "excluded_filter", "excluded_undefined")
DECODED = (
    *schema.BARS[:13], Field("trades", "L"), *(Field(name, "I") for name in _EXCLUDED), Field("flags", "C"),
    Field("reason", "dict"), Field("sent_at", "ts"), Field("known_at", "ts"), Field("partition", "S"),
)
"""The columns that the decoder gives. `known_at` is when the tape took the packet."""
CLOCKS_NS = 1_000_000_000
"""By how much clocks may disagree about when a version was known."""
_PLACES = {field.name: place for place, field in enumerate(FIELDS)}
_IS_WHOLE, _KNOWN_AT = _PLACES["is_whole"], _PLACES["known_at"]


def check_count(count: int, most: int) -> None:
    """Raises when a reading has more bars than it may have."""
    if count > most:
        raise TapelineError(
            f"this reading has more than {most} bars: select less time, fewer symbols or fewer series"
        )


class Numbering:
    """Numbers versions that come in the order of the tape. `versions` has how many there were of each bar,
    and `times`, by partition, up to which time the tape has been read.

    With `refused` it may go on without an end: that gets the versions of bars that were forgotten, which have no
    row. `disputed` gets of each version from when to when it was known by some clocks and not by others."""

    def __init__(
        self, series: Sequence[str], versions: dict[BarKey, int] | None = None,
        times: Mapping[int, int] | None = None, refused: Callable[[list[Missing]], None] | None = None,
        disputed: Callable[[int, int], None] | None = None,
    ) -> None:
        self._series = frozenset(series)
        self.versions: dict[BarKey, int] = {} if versions is None else versions
        self._times = dict(times or {})
        self._refused, self._disputed = refused, disputed
        self.delays: dict[int, int] = {}
        """By partition: how long after its sending the tape took the last version, by the two clocks."""
        # By series: the open time from which on bars are counted.
        self._begins: dict[str, int] = {}

    def rows(self, found: Batch) -> list[Row]:
        """Returns the rows of decoded versions of these series (none: all)."""
        rows: list[Row] = []
        late: list[Missing] = []
        for row in zip(*(column.values() for column in found.columns)):
            opened, closed, symbol, source, series, number = row[:6]
            *excluded, flags, reason, sent, taken, partition = row[14:]
            # Within a partition the time of the tape never falls.
            taken = self._times[partition] = max(self._times.get(partition, 0), taken or 0)
            if self._series and series not in self._series or None in (opened, symbol, source):
                continue
            opened, closed = opened // 1_000 * 1_000, None if closed is None else closed // 1_000 * 1_000
            key = (symbol, source, series, opened, number)
            if opened < self._begins.get(series, opened):
                why = f"a version of the bar of {series} came so late that its number is not known any more"
                late.append(Missing(opened, closed, why, symbol, source))
                continue
            version = self.versions[key] = self.versions.get(key, 0) + 1
            # The latest of the times of three clocks, so that one which is behind makes nothing known too early.
            # Times of the packet are in microseconds, rounded up.
            taken = -(-taken // 1_000) * 1_000
            sent = taken if sent is None else -(-sent // 1_000) * 1_000
            known = max(taken, sent, closed or 0)
            self.delays[partition] = taken - sent
            if self._disputed:
                self._disputed(min(taken, sent), known)
            rows.append((
                opened, closed, symbol, source, series, *row[5:14], sum(excluded), not flags & _PARTIAL,
                bool(flags & _MIXED), bool(flags & _FILLED), version, reason, known, bool(flags & _WITHDRAWN),
            ))
        if self._refused and late:
            self._refused(late)
        while self._refused and len(self.versions) > COUNTED_MAX and self._forget():
            pass
        check_count(len(self.versions), COUNTED_MAX)
        return rows

    def _forget(self) -> bool:
        """Forgets the older half of the windows of the series that has the most bars. Returns whether it has some."""
        ((series, _),) = Counter(key[2] for key in self.versions).most_common(1)
        opened = sorted(key[3] for key in self.versions if key[2] == series)
        self._begins[series] = begin = opened[len(opened) // 2]
        forgotten = [key for key in self.versions if key[2] == series and key[3] < begin]
        for key in forgotten:
            del self.versions[key]
        return bool(forgotten)


class Versions:
    """The versions of one selection: of each bar it keeps the one that stands, or that was known at `as_of`."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        # The database has times in microseconds.
        self._until = None if wanted.as_of is None else wanted.as_of // 1_000 * 1_000
        self._numbering = Numbering(wanted.series, disputed=None if self._until is None else self._dispute)
        self._kept: dict[BarKey, Row] = {}
        self._doubt: tuple[int, int] | None = None

    def add(self, found: Batch) -> None:
        """Takes decoded versions (DECODED), in the order of the tape within each partition."""
        for row in self._numbering.rows(found):
            if self._until is None or row[_KNOWN_AT] <= self._until:
                self._kept[*row[2:5], row[0], row[5]] = row
        check_count(len(self._kept), KEPT_MAX)

    def _dispute(self, begin: int, end: int) -> None:
        if self._until is not None and begin <= self._until < end and end - begin > CLOCKS_NS:
            self._doubt = begin, end

    def require_known(self) -> None:
        """Raises NotKnown if by some clocks a version was known at `as_of`, and by others over a second later."""
        if self._doubt:
            begin, end = map(times.text, self._doubt)
            raise NotKnown(f"what was known then cannot be told: clocks disagree from {begin} to {end}")

    @property
    def delays(self) -> Mapping[int, int]:
        """By partition: how long after its sending the tape took the last version, by the two clocks."""
        return self._numbering.delays

    def rows(self, begin: Callable[[str], int | None] = lambda symbol: None) -> list[Row]:
        """Returns the rows in the order of time, without void bars. Bars of a symbol from before `begin` are
        left out: it is the time before which not all of its versions were taken."""
        begins = {symbol: begin(symbol) for symbol in {key[0] for key in self._kept}}
        found = [
            row for row in self._kept.values()
            if not row[-1] and (begins[row[2]] is None or row[0] >= begins[row[2]])
        ]
        return sorted(found, key=lambda row: (row[0], *row[2:6]))

    def batches(self, rows: Sequence[Row]) -> Iterator[Batch]:
        """Yields rows as a selection gives them."""
        if self._wanted.whole_only:
            rows = [row for row in rows if row[_IS_WHOLE]]
        texts: dict[str, dict[str, int]] = {}
        for start in range(0, len(rows), BATCH_ROWS):
            yield batch(schema.BARS, [row[:-1] for row in rows[start : start + BATCH_ROWS]], texts)

    @property
    def bars(self) -> set[tuple[str, str]]:
        """The symbols and series of which there was a version, at any time, void or not."""
        return {(key[0], key[2]) for key in self._numbering.versions}


def partial(rows: Sequence[Row]) -> Iterator[tuple[str, str, str, int, int | None]]:
    """Yields symbol, source, series, open and close time of bars that are not whole."""
    for row in rows:
        if not row[_IS_WHOLE] and not row[-1]:
            yield (*row[2:5], row[0], row[1])
