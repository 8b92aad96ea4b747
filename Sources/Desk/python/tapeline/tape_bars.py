"""Bars of the past from the tape, as the database has them: the same versions, numbers and times."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from . import times
from .columns import Batch
from .coverage import BEFORE_ON_TAPE, Coverage, Missing, not_come, not_whole, partition_of, within
from .decoder import Decoder, Hole
from .errors import NotKnown
from .reading import Head, Part, Reading, first_stored, steps
from .selection import Wanted
from .tape import AHEAD_NS, NOTHING, VALUES, Tape, before
from .versions import DECODED, Row, Versions, partial

Pair = tuple[str | None, str | None]
"""A symbol and a series. None: any."""
_BARS = 2
_ON_THE_WAY = 60 * times.SECOND
"""What came in the last minute may be on its way: a partition has to be there up to a minute ago only, as in the
database."""
_BACK = 20 * times.SECOND
"""How long before its beginning a reading looks for a packet first."""


@dataclass
class _Loss:
    """Ordinals that the tape lost between two packets, which it took at these times."""

    hole: Hole
    after: int
    before: int | None = None


@dataclass
class _Survey:
    """What one reading of the tape told."""

    versions: Versions
    firsts: dict[int, int] = field(default_factory=dict)
    """By partition: the first ordinal that was read."""
    lasts: dict[int, int] = field(default_factory=dict)
    """By partition: when the last packet that was read was sent and taken by the tape, by the clock that says the
    earlier time. It never falls."""
    losses: list[_Loss] = field(default_factory=list)

    def packet(self, head: Head, known: int) -> None:
        if head.kind != _BARS:
            return
        self.lasts[head.partition] = max(self.lasts.get(head.partition, 0), head.earliest(known))
        if head.source != VALUES:
            self.firsts.setdefault(head.partition, head.first_ordinal)
            for loss in self.losses:
                if loss.before is None and loss.hole.partition == head.partition:
                    loss.before = head.latest(known)

    def hole(self, hole: Hole) -> None:
        if hole.source != VALUES:
            self.losses.append(_Loss(hole, self.lasts.get(hole.partition, 0)))


class TapeBars:
    """One reading of bars. A bar has all of its versions on the tape if none of them was purged. As none comes
    before its window begins, that is sure of windows that begin after the first packet."""

    def __init__(self, tape: Tape, wanted: Wanted) -> None:
        self._tape, self._wanted = tape, wanted
        self._partitions = tape.partitions_for(wanted) or list(range(tape.partitions))
        # Times of bars are whole microseconds.
        self._start = None if wanted.start is None else wanted.start // 1_000 * 1_000
        self._end = None if wanted.end is None else -(-wanted.end // 1_000) * 1_000
        self._begin = 0 if self._start is None else max(1, self._start - AHEAD_NS)

    def open(self, check: Callable[[Coverage], None] | None) -> Iterator[Batch]:
        """Reads the bars. The check gets what is missing before the first row."""
        survey, purged, rows = self._read()
        if check:
            check(self._coverage(survey, purged, rows))
        return survey.versions.batches(rows)

    def coverage(self) -> Coverage:
        """What is missing: gap records, ordinals that the tape lost, what was purged, bars that are not whole,
        and names of which it has nothing."""
        return self._coverage(*self._read())

    def _read(self) -> tuple[_Survey, dict[int, Missing], list[Row]]:
        as_of = self._wanted.as_of
        if as_of is not None and as_of > time.time_ns():
            raise NotKnown(f"what will be known at {times.text(as_of)} is not known yet")
        survey = self._survey()
        purged = {
            partition: one
            for partition, first in survey.firsts.items()
            if first > 1 and (one := self._tape.purged("operator", partition, self._start, bars=True))
        }
        if as_of is not None:
            self._check_known(as_of, survey, purged)
        count = self._tape.partitions

        def begin(symbol: str) -> int | None:
            one = purged.get(partition_of(symbol, count)) if purged else None
            return one.end if one else None

        return survey, purged, survey.versions.rows(begin)

    def _survey(self) -> _Survey:
        wanted = self._wanted
        survey = _Survey(Versions(wanted))
        decoder = Decoder(("bars",), wanted.symbols, wanted.sources, self._start, self._end, marks_holes=False)

        def take() -> None:
            found = decoder.take("bars", DECODED)
            if found:
                survey.versions.add(found)

        part = Part(
            self._tape.bar_stream, bar_subjects(self._tape, self._partitions), sequence=self._first(), time=self._begin
        )
        reading = Reading(
            self._tape.address, [decoder], [part], full=take, hole=survey.hole, packet=survey.packet
        )
        for _ in steps(reading):
            take()
        return survey

    def _first(self) -> int:
        """Returns the sequence of a packet from before the beginning; 0: there is none. The tape finds packets by its
        own clock. Where that was behind, packets are in time that it seems to have taken before, so the packet is one
        that was sent before the beginning, too."""
        if not self._begin:
            return 0
        back = _BACK
        with self._tape.linked() as link:
            while True:
                start = max(1, self._begin - back)
                first = first_stored(link, self._tape.bar_stream, [f"{self._tape.namespace}.>"], start=start)
                if first and (start == 1 or first[0] <= self._begin):
                    return first[1]
                if start == 1:
                    return 0
                back *= 8

    # ---- what is missing

    def _check_known(self, as_of: int, survey: _Survey, purged: dict[int, Missing]) -> None:
        """Raises if it cannot be told what was known at a time."""
        start, named = self._start, times.text(as_of)
        for one in purged.values():
            raise NotKnown(
                f"what was known at {named} cannot be told: {one.detail}, so versions of bars from before"
                f" {times.text(one.end)} are not there: ask for later windows"
            )
        for loss in survey.losses:
            until = None if loss.before is None else loss.before + AHEAD_NS
            if loss.after <= as_of and (start is None or until is None or until > start):
                raise NotKnown(
                    f"what was known at {named} cannot be told: the tape lacks ordinals {loss.hole.first} to"
                    f" {loss.hole.last} of partition {loss.hole.partition}, from {times.text(loss.after)} on"
                )
        due = min(as_of, time.time_ns() - _ON_THE_WAY)
        for partition in self._partitions if start is None or as_of > start else ():
            reached = survey.lasts.get(partition)
            if reached is None and self._has_packets(partition):
                reached = self._begin
            if reached is not None and -(-reached // 1_000) * 1_000 <= due // 1_000 * 1_000:
                raise NotKnown(
                    f"what was known at {named} cannot be told: the tape has partition {partition} up to"
                    f" {times.text(reached)} only"
                )
        survey.versions.require_known()

    def _has_packets(self, partition: int) -> bool:
        subject = f"{self._tape.namespace}.bars.{partition}"
        with self._tape.linked() as link:
            return first_stored(link, self._tape.bar_stream, [subject]) is not None

    def _coverage(self, survey: _Survey, purged: dict[int, Missing], rows: list[Row]) -> Coverage:
        wanted, tape = self._wanted, self._tape
        bars = list(partial(rows))
        named = {*wanted.sources, *(bar[1] for bar in bars)}
        with tape.linked() as link:
            known = {source for source in named if tape.has_source(link, source)}
        # The source of a bar may be a group, whose members nothing here names.
        sources = wanted.sources if known.issuperset(wanted.sources) else ()
        found = tape.gaps(replace(wanted, sources=sources))
        found += not_come(wanted.end)
        if wanted.start is not None:
            found += purged.values()
        for loss in survey.losses:
            hole = loss.hole
            told = f"ordinals {hole.first} to {hole.last} of partition {hole.partition}"
            found.append(Missing(None, None, "hole", None, "", detail=told))
        found += self.absent(survey.versions.bars, list(purged.values()))
        found = list(within(found, wanted.start, wanted.end))
        return Coverage([*found, *not_whole(bars, found, known)])

    def absent(
        self, read: Collection[tuple[str, str]] = (), purged: Sequence[Missing] = ()
    ) -> Iterator[Missing]:
        """Symbols and series of which the tape has no bar, and the time before their first bar or tick. `read`: those
        that have a bar in the selection. `purged`: what is missing of that time anyway."""
        wanted = self._wanted
        if wanted.start is None and not (wanted.symbols or wanted.sources or wanted.series):
            return
        source = wanted.sources[0] if len(wanted.sources) == 1 else ""
        left = _without(wanted, read)
        if left and (wanted.start is not None or wanted.end is not None):
            left = _without(wanted, self._all(left) | set(read))
        for symbol, series in left:
            what = NOTHING + (f" in the series {series}" if series else "")
            yield Missing(wanted.start, wanted.end, what, symbol, source)
        if wanted.start is not None:
            yield from self._beginnings(wanted.start, left, source, purged)

    def _beginnings(
        self, start: int, absent: Sequence[Pair], source: str, purged: Sequence[Missing]
    ) -> Iterator[Missing]:
        """The time before the first bar or tick of a symbol, and before the first bar of a series of any symbol."""
        wanted, tape = self._wanted, self._tape
        early = set[tuple[str, str]]()
        for rows in self._scan(wanted.symbols, start + 1):
            early.update(zip(rows["symbol"], rows["series"]))
            if not _without(wanted, early):
                return
        left = [one for one in _without(wanted, early) if one not in absent]
        if not left:
            return
        ticks = replace(wanted, kind="trades", series=(), sources=self._tick_sources())
        late = tape.late(ticks, dict.fromkeys(symbol for symbol, _ in left))
        firsts: dict[tuple[str, str], int] = {}
        for rows in self._scan((), None):
            for opened, *pair in zip(rows["open_time"], rows["symbol"], rows["series"]):
                firsts[pair[0], pair[1]] = min(opened, firsts.get((pair[0], pair[1]), opened))

        def first(who: str | None, what: str | None) -> list[int]:
            return [at for (one, name), at in firsts.items() if who in (None, one) and what in (None, name)]

        for symbol, series in left:
            begins = [min(first(None, series), default=start)]
            if symbol in late:
                tick = late[symbol]
                begins.append(min([*first(symbol, series), *([] if tick is None else [tick])], default=start))
            yield from before(wanted, max(begins), BEFORE_ON_TAPE, symbol, source, purged)

    def _tick_sources(self) -> tuple[str, ...]:
        """The sources whose ticks the bars are made of; none: any, as the source of a bar may be a group of them."""
        with self._tape.linked() as link:
            known = all(self._tape.has_source(link, source) for source in self._wanted.sources)
        return self._wanted.sources if known else ()

    def _all(self, left: list[Pair]) -> set[tuple[str, str]]:
        """Returns the symbols and series of all times, up to when each of these is there."""
        wanted, found = self._wanted, set[tuple[str, str]]()
        symbols = tuple({symbol for symbol, _ in left if symbol})
        for rows in self._scan(symbols, None):
            found.update(zip(rows["symbol"], rows["series"]))
            if not _without(replace(wanted, symbols=symbols), found):
                break
        return found

    def _scan(self, symbols: tuple[str, ...], end: int | None) -> Iterator[Batch]:
        """Yields open time, symbol and series of all versions before an end, of the symbols (none: any)."""
        fields = [one for one in DECODED if one.name in ("open_time", "symbol", "series")]
        decoder = Decoder(("bars",), symbols, self._wanted.sources, None, end, marks_holes=False)
        waiting: list[Batch] = []

        def take() -> None:
            if rows := decoder.take("bars", fields):
                waiting.append(rows)

        partitions = self._partitions if symbols else range(self._tape.partitions)
        subjects = tuple(f"{self._tape.namespace}.bars.{partition}" for partition in partitions)
        part = Part(self._tape.bar_stream, subjects)
        reading = Reading(self._tape.address, [decoder], [part], full=take, hole=lambda hole: None)
        for _ in steps(reading):
            take()
            yield from waiting
            waiting.clear()


def absent(tape: Tape, kinds: Sequence[Wanted]) -> list[Missing]:
    """Returns symbols and series of which the tape has nothing, and the time before the beginning of the others."""
    found = [list(TapeBars(tape, one).absent() if one.kind == "bars" else tape.absent(one)) for one in kinds]
    return list(dict.fromkeys(one for each in found for one in each))


def _without(wanted: Wanted, bars: Collection[tuple[str, str]]) -> list[Pair]:
    """Returns the symbols and series of a selection that are not among these. None: any."""
    symbols, series = {one[0] for one in bars}, {one[1] for one in bars}
    return [
        (symbol, name)
        for symbol in wanted.symbols or (None,)
        for name in wanted.series or (None,)
        if not (
            (symbol, name) in bars if symbol and name else symbol in symbols if symbol
            else name in series if name else bars
        )
    ]


def bar_subjects(tape: Tape, partitions: list[int], *, with_values: bool = False) -> tuple[str, ...]:
    """Returns the subjects of the bars of partitions. The first one has the values over all partitions, too: those
    of a scan may be of a symbol of any partition."""
    values = [f"{tape.namespace}.all.{VALUES}"] if with_values or 0 in partitions else []
    return (*(f"{tape.namespace}.bars.{partition}" for partition in partitions), *values)
