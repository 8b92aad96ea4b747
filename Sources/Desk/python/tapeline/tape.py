"""The tape as the origin of rows: the streams of NATS, read by consumers of the reading's own."""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from . import schema, times
from .columns import Batch, having, in_order
from .coverage import BEFORE_ON_TAPE, NO_DEPTH, Coverage, GapRecord, Missing, not_come, partition_of, stretches, within
from .decoder import Decoder, Hole
from .errors import NotReachable, TapelineError
from .reading import (
    TICK_STREAMS, Head, Part, Reading, checked_name, first_stored, steps, tick_parts, tick_stream,
)
from .recording import GAP_FIELDS, gap_record, tick_fields, tick_rows, traded
from .selection import Wanted
from .transport import Lane, Link, TapeAddress, TransportError

NOTHING = "nothing of it is on the tape"
AHEAD_NS = 10 * times.SECOND
"""A tick may be on the tape before its event time, by the clock of NATS: gateways refuse what is further ahead
than GATEWAY_FUTURE_MAX, 2 s if not set."""
VALUES = "universe"
"""The source of values over all partitions. It has no bars, but its packets count for the time of partition 0."""
RETRY_SECONDS = 0.5
"""How long a reading waits before it asks again, when NATS or the database is away."""


@dataclass
class _Survey:
    """What one reading of the tape told, besides rows."""

    records: list[GapRecord] = field(default_factory=list)
    holes: list[Hole] = field(default_factory=list)
    # By source, partition and whether it is of bars: the first ordinal that was read.
    begins: dict[tuple[str, int, bool], int] = field(default_factory=dict)
    # The symbols of the rows, and of values their names.
    symbols: set[tuple[str | None, str]] = field(default_factory=set)


class Tape:
    """The tape of a namespace up to its present end. Each reading has a connection of its own."""

    # Packets come in the order of the tape, so rows in the order of time are in memory once.
    sorts = False
    knows_ticks = True

    def __init__(self, address: TapeAddress, namespace: str, partitions: int) -> None:
        self.address, self.namespace = address, checked_name(namespace)
        self._partitions, self._is_checked = partitions, False

    def __repr__(self) -> str:
        return f"<tape {self.namespace} at {self.address.url.partition('://')[2]}>"

    def described(self) -> dict[str, Any]:
        """What it is, for a manifest. Nothing of it is secret."""
        return {"tape": self.namespace}

    def link(self) -> Link:
        """Opens a connection."""
        try:
            return Link(self.address)
        except TransportError as error:
            raise NotReachable(str(error)) from None

    @contextlib.contextmanager
    def linked(self) -> Iterator[Link]:
        """A connection for some questions."""
        link = self.link()
        try:
            yield link
        except TransportError as error:
            raise NotReachable(str(error)) from None
        finally:
            link.close()

    @property
    def partitions(self) -> int:
        """The number of partitions, which never changes. The user `consumer` may not look it up, so it is
        compared with the partitions of symbols that are on the tape."""
        if not self._is_checked:
            for symbol, partition in self._sample():
                if partition_of(symbol, self._partitions) != partition:
                    raise TapelineError(
                        f"{symbol} is in partition {partition} of the tape, which is not one of"
                        f" {self._partitions}: set MDS_PARTITIONS to the number that the services have"
                    )
            self._is_checked = True
        return self._partitions

    def _sample(self) -> set[tuple[str, int]]:
        """Returns some symbols of the first packets that are stored, and their partitions."""
        kinds = tuple(schema.TICKS)
        found: set[tuple[str, int]] = set()
        decoder = Decoder(kinds, (), (), None, None, marks_holes=False)

        def take() -> None:
            for kind in kinds:
                names = [one for one in schema.TICKS[kind] if one.name in ("symbol", "partition")]
                rows = decoder.take(kind, names)
                if rows:
                    found.update((s, p) for s, p in zip(rows["symbol"], rows["partition"]) if s is not None)

        parts = tick_parts(self.namespace, None, ())
        reading = Reading(self.address, [decoder], parts, full=take, hole=lambda hole: None)
        for number, _ in enumerate(steps(reading), 1):
            take()
            if len(found) >= _SAMPLE or found and number >= _SAMPLE_STEPS:
                break
        return found

    def partitions_for(self, wanted: Wanted) -> list[int] | None:
        """The partitions of the selected symbols; None: all."""
        if not wanted.symbols:
            return None
        return sorted({partition_of(symbol, self.partitions) for symbol in wanted.symbols})

    # ---- readings

    def open(self, wanted: Wanted, check: Callable[[Coverage], None] | None) -> Iterator[Batch]:
        """Starts a reading. With a check, in the order of time, or of bars, all of its rows are in memory once."""
        if wanted.kind == "bars":
            from .tape_bars import TapeBars

            return TapeBars(self, wanted).open(check)
        if check is None and not wanted.is_ordered:
            return self._rows(wanted, _Survey())
        survey = _Survey()
        batches = list(self._rows(wanted, survey))
        if check:
            check(self._coverage(wanted, survey))
        return in_order(batches, schema.ORDER) if wanted.is_ordered else iter(batches)

    def _rows(self, wanted: Wanted, survey: _Survey) -> Iterator[Batch]:
        fields = tick_fields(wanted)
        # A provider sends the bar of a day before it is over.
        ahead = AHEAD_NS + (86_400 * times.SECOND if wanted.kind == "provider_bars" else 0)
        begin = None if wanted.start is None else max(1, wanted.start - ahead)
        decoder = Decoder(
            (wanted.kind, "gaps"), wanted.symbols, wanted.sources, wanted.start, wanted.end, marks_holes=False
        )
        waiting: list[Batch] = []

        def take() -> None:
            gaps = decoder.take("gaps", GAP_FIELDS)
            if gaps:
                survey.records += _records(gaps)
            rows = decoder.take(wanted.kind, fields)
            if rows:
                survey.symbols |= _named(wanted, rows)
                waiting.append(tick_rows(wanted, rows))

        parts = self._parts(wanted, begin or 0)
        reading = Reading(self.address, [decoder], parts, full=take, hole=survey.holes.append)
        for _ in steps(reading):
            # A batch for each block would be many small ones.
            if reading.is_over or decoder.rows(wanted.kind) >= _BATCH_ROWS:
                take()
            if reading.is_over:
                survey.begins = {
                    (lane["source"], lane["partition"], lane["stream"] == "bars"): lane["first"]
                    for lane in decoder.lanes()
                }
            yield from filter(len, waiting)
            waiting.clear()

    def _parts(self, wanted: Wanted, time: int = 0) -> list[Part]:
        """The parts of streams that have rows of a selection: of values those of operators, too."""
        partitions = self.partitions_for(wanted)
        parts = tick_parts(self.namespace, partitions, wanted.sources, time=time)
        if "bars" in schema.KINDS[wanted.kind].inputs:
            from .tape_bars import bar_subjects

            all_of_them = list(range(self.partitions)) if partitions is None else partitions
            parts.append(Part(self.bar_stream, bar_subjects(self, all_of_them, with_values=True), time=time))
        return parts

    def gap_records(self, wanted: Wanted) -> list[GapRecord]:
        """The gap records that may say something of the selection. One from before the start may last, and
        one that ends before it may be what closes an earlier one."""
        found: list[GapRecord] = []
        decoder = Decoder(("gaps",), wanted.symbols, wanted.sources, None, wanted.end, marks_holes=False)

        def take() -> None:
            gaps = decoder.take("gaps", GAP_FIELDS)
            found.extend(_records(gaps) if gaps else ())

        parts = tick_parts(self.namespace, self.partitions_for(wanted), wanted.sources)
        reading = Reading(self.address, [decoder], parts, full=take, hole=lambda hole: None)
        for _ in steps(reading):
            take()
        return found

    def symbols(self, start: int | None, end: int | None) -> list[tuple[Any, ...]]:
        """Symbol, source, first and last event time of a trade, number of trades."""
        wanted = Wanted("trades", start=start, end=end, is_ordered=False)
        return traded(self._rows(wanted, _Survey()))

    # ---- what is missing

    def coverage(self, wanted: Wanted) -> Coverage:
        """What is missing: gap records, ordinals that the tape lost, what was purged, and names of which it
        has nothing. It reads the selection."""
        if wanted.kind == "bars":
            from .tape_bars import TapeBars

            return TapeBars(self, wanted).coverage()
        survey = _Survey()
        for _ in self._rows(wanted, survey):
            pass
        return self._coverage(wanted, survey)

    def _coverage(self, wanted: Wanted, survey: _Survey) -> Coverage:
        # Records that came while the rows were read may be newer than what this reads.
        found = [*self.gaps(wanted, survey.records), *not_come(wanted.end)]
        for hole in survey.holes:
            told = f"ordinals {hole.first} to {hole.last} of partition {hole.partition}"
            found.append(Missing(None, None, "hole", None, hole.source, detail=told))
        try:
            purged = list(self._beginnings(wanted, survey))
            found += [*purged, *self._unknown(wanted)]
            for name in wanted.names or ("",):
                own = replace(wanted, names=(name,)) if name else wanted
                read = {symbol for symbol, of in survey.symbols if not name or of == name}
                read |= {None} if read and not wanted.symbols else set()
                found += [replace(one, detail=name or one.detail) for one in self.absent(own, read, purged)]
        except TransportError as error:
            raise NotReachable(str(error)) from None
        return Coverage(within(found, wanted.start, wanted.end))

    def gaps(self, wanted: Wanted, newer: Iterable[GapRecord] = ()) -> list[Missing]:
        """The stretches for which gap records say that data of this kind are missing now."""
        partitions, kinds = self.partitions_for(wanted), schema.KINDS[wanted.kind].gaps
        if wanted.kind == "indicators" and wanted.sources:
            # The source of a value may be a group, whose members nothing here names.
            known = tuple(self._known(wanted.sources))
            wanted = replace(wanted, sources=known if known == wanted.sources else ())
        records = {(one.source, one.partition, *one.place): one for one in [*self.gap_records(wanted), *newer]}
        return [
            one
            for one, partition in stretches(records.values(), wanted.as_of)
            if one.kind in kinds and (one.symbol or partitions is None or partition in partitions)
        ]

    def _beginnings(self, wanted: Wanted, survey: _Survey) -> Iterator[Missing]:
        """What was purged of each source and partition. A purge leaves the last packet of each, so what has
        no packet in the time of the reading has lost none of that time."""
        for (source, partition, bars), first in sorted(survey.begins.items()):
            if first == 1 or wanted.start is None:
                continue
            if one := self.purged(source, partition, wanted.start, bars=bars):
                yield one

    def purged(self, source: str, partition: int, start: int | None, *, bars: bool = False) -> Missing | None:
        """What was purged of the time from a start on (None: of any time), of a source's ticks or of the bars
        of a partition. None: nothing."""
        stream, subject = tick_stream(self.namespace, partition), f"{self.namespace}.ticks.{partition}.{source}"
        if bars:
            subject = f"all.{VALUES}" if source == VALUES else f"bars.{partition}"
            stream, subject = self.bar_stream, f"{self.namespace}.{subject}"
        with self.linked() as link:
            stored = first_stored(link, stream, [subject])
        if stored is None or stored[2] == 1 or start is not None and stored[0] <= start - AHEAD_NS:
            return None
        told = f"the tape has partition {partition} from ordinal {stored[2]} on"
        return Missing(start, stored[0] + AHEAD_NS, "purged", None, "" if bars else source, detail=told)

    def beginning(
        self, lane: Lane | Head, wanted: Wanted, is_closed: Callable[[], bool], patience: float = math.inf
    ) -> Missing | None:
        """What was purged of the selection before the first packet of a lane. It is asked for until NATS answers, or
        the reading is closed, as nothing asks again."""
        if lane.first_ordinal == 1 or lane.kind == 1 and wanted.sources and lane.source not in wanted.sources:
            return None
        until = time.monotonic() + patience
        while True:
            try:
                return self.purged(lane.source, lane.partition, wanted.start or 0, bars=lane.kind == 2)
            except NotReachable:
                if is_closed():
                    return None
                if time.monotonic() > until:
                    raise
                time.sleep(RETRY_SECONDS)

    @property
    def bar_stream(self) -> str:
        """The stream of all bars."""
        return f"{self.namespace.upper()}_BARS"

    def has_source(self, link: Link, source: str) -> bool:
        """Whether the tape has ticks of a source."""
        return any(
            first_stored(link, tick_stream(self.namespace, stream), [f"{self.namespace}.ticks.*.{source}"])
            for stream in range(TICK_STREAMS)
        )

    def _unknown(self, wanted: Wanted) -> Iterator[Missing]:
        """Sources of which the tape has nothing at all. Values may be of a group of them."""
        known = set(wanted.sources if wanted.kind == "indicators" else self._known(wanted.sources))
        for source in wanted.sources:
            if source not in known:
                yield Missing(wanted.start, wanted.end, NOTHING, None, source)

    def _known(self, sources: Sequence[str]) -> list[str]:
        """Returns those of the sources of which the tape has ticks."""
        link = self.link() if sources else None
        try:
            return [source for source in sources if link and self.has_source(link, source)]
        finally:
            if link:
                link.close()

    def absent(
        self, wanted: Wanted, read: Collection[str | None] = (), purged: Sequence[Missing] = ()
    ) -> Iterator[Missing]:
        """Symbols of which the tape has nothing, and the time before the first tick of each (without symbols: of
        all). `read`: those that have a row in the selection. `purged`: what is missing of that time anyway."""
        everyone = wanted.symbols or (None,)
        is_named = wanted.symbols or wanted.names or wanted.kind == "indicators" and wanted.sources
        if wanted.start is None and (not is_named or set(everyone) <= set(read)):
            return
        source = wanted.sources[0] if len(wanted.sources) == 1 else ""
        for symbol, first in self.late(wanted, everyone).items():
            if first is not None:
                yield from before(wanted, first, BEFORE_ON_TAPE, symbol, source, purged)
            elif symbol not in read:
                what = NO_DEPTH if wanted.kind == "depth" else NOTHING
                yield Missing(wanted.start, wanted.end, what, symbol, source)

    def late(self, wanted: Wanted, symbols: Iterable[str | None]) -> dict[str | None, int | None]:
        """Returns those of the symbols (None: any) that have no tick up to the start (without it: at any time), with
        the time of the first one after it. Of what begins apart from ticks only its rows count."""
        left = dict.fromkeys(symbols)
        for symbol in self._seen(wanted, left, None if wanted.start is None else wanted.start + 1):
            left.pop(symbol, None)
        return left | (self._firsts(wanted, left) if left and wanted.start is not None else {})

    def _seen(self, wanted: Wanted, left: Collection[str | None], end: int | None) -> set[str | None]:
        """Returns those of the symbols (None: any) that have a tick before a time. It stops when all have."""
        found: set[str | None] = set()
        for rows in self._times(wanted, left, end):
            found |= {None} if None in left else set(rows["symbol"])
            if found >= set(left):
                break
        return found

    def _firsts(self, wanted: Wanted, left: Collection[str | None]) -> dict[str | None, int]:
        """Returns the time of the first tick of each of the symbols (None: of any) that has one."""
        found: dict[str | None, int] = {}
        for rows in self._times(wanted, left, None):
            for moment, symbol in zip(rows["event_time"], rows["symbol"]):
                who = None if None in left else symbol
                if moment is not None:
                    found[who] = min(moment, found.get(who, moment))
        return found

    def _times(self, wanted: Wanted, left: Collection[str | None], end: int | None) -> Iterator[Batch]:
        """Yields event time and symbol of all ticks of the symbols before a time. Of what begins apart from ticks
        only its rows count."""
        names = tuple(sorted(one for one in left if one is not None))
        kinds = (wanted.kind,) if _is_apart(wanted) else tuple(schema.TICKS)
        fields = [one for one in schema.KINDS[kinds[0]].fields if one.name in ("event_time", "symbol", "name")]
        decoder = Decoder(kinds, names, wanted.sources, None, end, marks_holes=False)
        waiting: list[Batch] = []

        def take() -> None:
            for kind in kinds:
                rows = decoder.take(kind, fields)
                if rows and (found := having(rows, "name", wanted.names) if wanted.names else rows):
                    waiting.append(found)

        parts = self._parts(replace(wanted, symbols=names))
        reading = Reading(self.address, [decoder], parts, full=take, hole=lambda hole: None)
        for _ in steps(reading):
            take()
            yield from waiting
            waiting.clear()


def before(
    wanted: Wanted, first: int, cause: str, symbol: str | None, source: str, purged: Iterable[Missing]
) -> Iterator[Missing]:
    """Yields the time of a selection before the first row, unless it was purged."""
    start = wanted.start
    if start is not None and start < first and not any(one.end is None or one.end >= first for one in purged):
        yield Missing(start, first, cause, symbol, source)


_SAMPLE = 8
_SAMPLE_STEPS = 8
"""Of a tape with fewer symbols, so many blocks are read, or more up to its first tick."""
_BATCH_ROWS = 32_768
"""A batch comes when so many rows wait: half of the most, because one packet may have thousands."""


def _is_apart(wanted: Wanted) -> bool:
    """Whether only rows of this kind tell since when there is something."""
    return wanted.kind == "depth" or bool(schema.KINDS[wanted.kind].own)


def _named(wanted: Wanted, rows: Batch) -> set[tuple[str | None, str]]:
    """Returns the symbols of rows, and of values their names. The texts of a column have the symbols of other kinds,
    too, which tell nothing of what begins apart from ticks."""
    if _is_apart(wanted):
        return set(zip(rows["symbol"], rows["name"] if wanted.kind == "indicators" else itertools.repeat("")))
    return {(text, "") for text in rows.column("symbol").dictionary or ()}


def _records(batch: Batch) -> list[GapRecord]:
    rows = zip(*(column.values() for column in batch.columns))
    return [found for found in map(gap_record, rows) if found]
