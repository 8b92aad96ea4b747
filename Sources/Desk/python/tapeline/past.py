"""The loaded past of a source before its live rows: where they meet, and what is missing there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from . import times
from .coverage import Missing, Stretch, merged

if TYPE_CHECKING:
    from .selection import Wanted


@dataclass(frozen=True)
class Seam:
    """Where the live rows of a symbol begin, after a past that was loaded. Times are nanoseconds.

    `source` is the live one, `history` that of the past. Of two pasts, the one with the higher `number` counts.
    `time` and `provider_id` are those of the first live trade; None: there is none yet. `live_from`: from then on
    live rows are complete, as far as no gap record says otherwise; None: not yet. `begin`: where the first load
    began, also one that did not reach its end. `loaded`: the times of which all is loaded."""

    symbol: str
    source: str
    history: str
    number: int
    time: int | None
    live_from: int | None
    begin: int
    provider_id: int | None
    loaded: tuple[Stretch, ...]

    def __str__(self) -> str:
        if self.time is None:
            return f"{self.symbol}: {self.history} alone, as {self.source} has no trade yet"
        return f"{self.symbol}: {self.history} up to {times.text(self.time)}, then {self.source}"


def with_past(wanted: Wanted, seams: Iterable[Seam]) -> Wanted:
    """Returns the selection with the sources of the past beside the live ones that it names."""
    if not wanted.sources:
        return wanted
    return replace(wanted, sources=tuple(dict.fromkeys([*wanted.sources, *(seam.history for seam in seams)])))


def not_loaded(seams: Sequence[Seam]) -> Iterator[Missing]:
    """Yields the times between the beginning of the first load and the live rows that no load has."""
    for symbol, source in dict.fromkeys((seam.symbol, seam.source) for seam in seams):
        mine = [seam for seam in seams if (seam.symbol, seam.source) == (symbol, source)]
        begin = min(seam.begin for seam in mine)
        loaded = [piece for seam in mine for piece in seam.loaded]
        for start, end in _without((begin, mine[0].live_from), loaded):
            yield Missing(start, end, "not loaded", symbol, source)


def counted(found: Iterable[Missing], seams: Sequence[Seam], symbols: Collection[str]) -> Iterator[Missing]:
    """Yields the parts of stretches in which the rows of their source count: of a live source after the seam, of
    the past before it, where no other past was loaded. Selected symbols that share a stretch get one each."""
    for one in found:
        mine = [
            seam for seam in seams
            if one.source in (seam.source, seam.history) and one.symbol in (None, seam.symbol)
        ]
        if not mine or one.symbol is None and {seam.symbol for seam in mine} != set(symbols):
            yield one
            continue
        yield from dict.fromkeys(part for seam in mine for part in _parts(one, seam, seams))


def _parts(one: Missing, seam: Seam, seams: Sequence[Seam]) -> Iterator[Missing]:
    if one.source == seam.source:
        if seam.live_from is not None and (one.end is None or one.end > seam.live_from):
            start = seam.live_from if one.start is None else max(one.start, seam.live_from)
            yield replace(one, symbol=seam.symbol, start=start)
        elif seam.live_from is None:
            yield replace(one, symbol=seam.symbol)
        return
    ends = [end for end in (one.end, seam.live_from) if end is not None]
    better = [
        piece for other in seams
        if (other.symbol, other.source) == (seam.symbol, seam.source) and other.number > seam.number
        for piece in other.loaded
    ]
    for start, end in _without((seam.begin if one.start is None else one.start, min(ends, default=None)), better):
        yield replace(one, symbol=seam.symbol, start=start, end=end)


def _without(whole: tuple[int, int | None], pieces: list[Stretch]) -> Iterator[tuple[int, int | None]]:
    """Yields what is left of a stretch. One without an end does not end."""
    start, end = whole
    for begin, finish in merged(pieces):
        if end is not None and begin >= end:
            break
        if start < begin:
            yield start, begin
        start = max(start, finish)
    if end is None or start < end:
        yield start, end
