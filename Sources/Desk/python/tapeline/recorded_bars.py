"""The bars of a recording: which of them it has completely, and what it can say of a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import times
from .coverage import Missing, overlaps, partial_bar, partition_of
from .decoder import Reader
from .errors import NotKnown, TapelineError
from .selection import Wanted
from .versions import CLOCKS_NS, DECODED, Row, Versions, partial

AHEAD_NS = 10 * times.SECOND
"""How much earlier than its end, by the clock of NATS, a window may be closed: gateways refuse what is further
ahead than GATEWAY_FUTURE_MAX, 2 s if not set."""


@dataclass
class FoundBars:
    """One reading of the bars of a selection."""

    versions: Versions
    rows: list[Row] = field(default_factory=list)
    holes: list[Missing] = field(default_factory=list)
    """Ordinals that the file lacks."""
    unknown: list[tuple[str, str]] = field(default_factory=list)
    """Symbols and series of which the whole file has no bar."""


class RecordedBars:
    """What a recording says of its bars."""

    def __init__(self, path: str, info: dict[str, Any]) -> None:
        self._path, self._info = path, info
        self.source: str = info["source"]
        self._stretches: dict[int, dict[str, Any]] = {
            stretch["partition"]: stretch for stretch in info["bars"] or ()
        }

    @property
    def absence(self) -> str | None:
        """Why there are no bars; None: there are."""
        if self._info["bars"] is not None:
            return None
        return "the recording was made without bars: record it again, or read them from the database"

    def partitions(self, wanted: Wanted) -> list[int]:
        """The partitions of the selection."""
        if not wanted.symbols:
            return list(self._info["present"])
        return sorted({self._partition(symbol) for symbol in wanted.symbols})

    def _partition(self, symbol: str) -> int:
        return partition_of(symbol, self._info["partitions"])

    def begin(self, partition: int) -> int | None:
        """The open time from which on all versions of the partition's bars are there; None: all."""
        if partition not in self._stretches:
            return times.MAX_NS
        begin: int | None = self._stretches[partition]["from"]
        return None if begin is None else begin + AHEAD_NS

    def ends(self, wanted: Wanted) -> list[int]:
        """Up to when the tape's packets of bars are there, of the selected partitions that have any."""
        return [self._stretches[one]["to"] for one in self.partitions(wanted) if one in self._stretches]

    def read(self, wanted: Wanted) -> FoundBars:
        """Reads all versions of the selected bars. Raises NotKnown where clocks disagree about its `as_of`."""
        if why := self.absence:
            raise TapelineError(why)
        # Times of bars are whole microseconds.
        start = None if wanted.start is None else wanted.start // 1_000 * 1_000
        end = None if wanted.end is None else -(-wanted.end // 1_000) * 1_000
        reader = Reader(self._path, "bars", wanted.symbols, start, end, sources=wanted.sources)
        found = FoundBars(Versions(wanted))
        while (batch := reader.next(DECODED)) is not None:
            found.versions.add(batch)
        partitions = self.partitions(wanted)
        for lane in reader.provenance()["lanes"]:
            if lane["partition"] in partitions:
                for first, last in lane["holes"]:
                    told = f"ordinals {first} to {last} of the bars of partition {lane['partition']}"
                    found.holes.append(Missing(None, None, "hole", None, "", detail=told))
        reader.close()
        found.versions.require_known()
        self._check_end(wanted, found.versions)
        found.rows = found.versions.rows(lambda symbol: self.begin(self._partition(symbol)))
        found.unknown = self.unknown(wanted, found.versions.bars)
        return found

    def _check_end(self, wanted: Wanted, versions: Versions) -> None:
        """Raises NotKnown where what the tape took after the end of the recording may have been sent before `as_of`."""
        for partition, delay in versions.delays.items() if wanted.as_of is not None else ():
            end: int = self._stretches[partition]["to"] if partition in self._stretches else times.MAX_NS
            if delay > CLOCKS_NS and wanted.as_of is not None and wanted.as_of >= end - delay:
                raise NotKnown(
                    f"what was known then cannot be told: clocks disagree from {times.text(end - delay)} to"
                    f" {times.text(end)}, where the recording ends"
                )

    def unknown(self, wanted: Wanted, known: Collection[tuple[str, str]] = ()) -> list[tuple[str, str]]:
        """The symbols and series of the selection of which there is no bar at any time."""
        names = [(symbol, series) for symbol in wanted.symbols for series in wanted.series]
        missing = set(names).difference(known)
        if not missing:
            return []
        fields = [one for one in DECODED if one.name in ("symbol", "series")]
        symbols = sorted({symbol for symbol, _ in missing})
        reader = Reader(self._path, "bars", symbols, None, None, sources=wanted.sources)
        while missing and (batch := reader.next(fields)) is not None:
            missing -= set(zip(batch["symbol"], batch["series"]))
        reader.close()
        return [name for name in names if name in missing]

    def require_known(self, wanted: Wanted) -> None:
        """Raises NotKnown if the recording cannot say what was known of the selection at its `as_of`."""
        assert wanted.as_of is not None
        if why := self.absence:
            raise NotKnown(f"what was known then cannot be told: {why}")
        for partition in self.partitions(wanted):
            stretch, begin = self._stretches.get(partition), self.begin(partition)
            if stretch is None:
                why = f"the recording has no complete bars of partition {partition}"
            elif wanted.as_of // 1_000 * 1_000 >= stretch["to"]:
                why = f"the recording ends at {times.text(stretch['to'])}"
            elif begin is not None and (wanted.start is None or wanted.start < begin):
                why = (
                    f"bars of partition {partition} are complete for windows from {times.text(begin)} on:"
                    " select later ones"
                )
            else:
                continue
            raise NotKnown(f"what was known then cannot be told: {why}")

    def outside(self, wanted: Wanted) -> Iterator[Missing]:
        """What lies outside of the time whose bars are complete. As of a time, the rest is known or raises."""
        for partition in self.partitions(wanted) if wanted.as_of is None else ():
            stretch, begin = self._stretches.get(partition), self.begin(partition)
            told = f"partition {partition}"
            if stretch is None:
                yield Missing(
                    wanted.start, wanted.end, "the recording has no complete bars of it", None, "", detail=told)
                continue
            if begin is not None and wanted.start is not None and wanted.start < begin:
                yield Missing(wanted.start, begin, "before the bars of the recording", None, "", detail=told)
            closed = stretch["closed"]
            end = wanted.start if closed is None else min(closed, stretch["to"])
            if wanted.end is not None and (end is None or end < wanted.end):
                yield Missing(end, wanted.end, "not closed yet in the recording", None, "", detail=told)

    def missing(self, wanted: Wanted, found: FoundBars, gaps: Sequence[Missing]) -> list[Missing]:
        """What is missing in the selection. `gaps`: what gap records of the recorded source say."""
        known = [*gaps, *self.outside(wanted)]
        others = {row[3] for row in found.rows} | set(wanted.sources)
        known += [
            Missing(wanted.start, wanted.end, f"the recording is of {self.source}", None, name)
            for name in sorted(others - {self.source})
        ]
        known += found.holes
        known += [
            Missing(wanted.start, wanted.end, f"nothing of it is recorded in the series {series}", symbol)
            for symbol, series in found.unknown
        ]
        whole = list(known)
        for symbol, source, series, start, end in partial(found.rows):
            if not any(
                one.symbol in (None, symbol) and one.source in ("", source) and overlaps(one, start, end)
                for one in known
            ):
                whole.append(Missing(start, end, partial_bar(series), symbol, source))
        return whole
