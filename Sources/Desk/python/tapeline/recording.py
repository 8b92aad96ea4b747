"""A recording as the origin of rows (`tapeline record`), by the product's decoder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import schema
from .columns import Batch, Column, Field, PriceType, column, having, in_order
from .coverage import NO_DEPTH, Coverage, GapRecord, Missing, partition_of, stretches, within
from .decoder import Reader, RecordedStream, recording_info
from .errors import NotKnown
from .recorded_bars import FoundBars, RecordedBars
from .selection import Wanted

GAP_FIELDS = (Field("source", "dict"), Field("partition", "S"), Field("symbol", "dict"), Field("kind", "dict"),
               Field("from_time", "ts"), Field("to_time", "ts"), Field("receive_time", "ts"),
               Field("state", "dict"), Field("reason", "dict"), Field("detail", "u"), Field("epoch", "l"),
               Field("ordinal", "l"))


class Recording:
    """A file of packets of one source."""

    # Packets come in the order of ordinals, so rows in the order of time are in memory once.
    sorts = False
    knows_ticks = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.info: dict[str, Any] = recording_info(self.path)
        self._bars = RecordedBars(self.path, self.info)

    def __repr__(self) -> str:
        return f"<recording {self.path} of {self.info['source']}>"

    def described(self) -> dict[str, Any]:
        """What it is, for a manifest."""
        return {"recording": os.path.basename(self.path), "source": self.info["source"]}

    @property
    def bars(self) -> RecordedBars:
        """What it says of its bars."""
        return self._bars

    def check(self) -> None:
        """Reads the whole file, so that damage raises before the first row."""
        for _ in Reader(self.path, "gaps", (), None, None).batches(GAP_FIELDS[:1]):
            pass

    def open(
        self, wanted: Wanted, check: Callable[[Coverage], None] | None
    ) -> Iterator[Batch]:
        """Starts a reading. Before the rows, the check reads the whole file once."""
        if wanted.kind == "bars":
            return self._open_bars(wanted, check)
        if check:
            check(self.coverage(wanted))
        if wanted.sources and self.info["source"] not in wanted.sources:
            return iter(())
        batches = self._ticks(wanted)
        return in_order(list(batches), schema.ORDER) if wanted.is_ordered else batches

    def stream(
        self, wanted: Wanted, check: Callable[[Coverage], None] | None, price: PriceType, tz: str, *,
        numbered: bool,
    ) -> RecordedStream | None:
        """Starts a reading of ticks that a package reads without Python. None: rows that Python has to make."""
        is_python = price == "decimal" or wanted.names or any(field.kind == "wide" for field in wanted.fields)
        if is_python or wanted.is_ordered or wanted.with_known:
            return None
        if wanted.sources and self.info["source"] not in wanted.sources:
            return None
        if check:
            check(self.coverage(wanted))
        return RecordedStream(
            self.path, wanted.kind, wanted.symbols, (wanted.start, wanted.end), wanted.fields, price=price, tz=tz,
            numbered=numbered,
        )

    def _open_bars(
        self, wanted: Wanted, check: Callable[[Coverage], None] | None
    ) -> Iterator[Batch]:
        if wanted.as_of is not None:
            self._bars.require_known(wanted)
        found = self._bars.read(wanted)
        if check:
            check(self._bar_coverage(wanted, found))
        if wanted.as_of is not None and found.holes:
            raise NotKnown(f"what was known then cannot be told: {found.holes[0].detail} are missing")
        return found.versions.batches(found.rows)

    def _bar_coverage(self, wanted: Wanted, found: FoundBars) -> Coverage:
        gaps = self._gaps(wanted, self._survey(wanted)[0])
        return Coverage(within(self._bars.missing(wanted, found, gaps), wanted.start, wanted.end))

    def _gaps(self, wanted: Wanted, records: list[GapRecord]) -> list[Missing]:
        """The stretches that gap records name and that concern the selection."""
        partitions = {partition_of(symbol, self.info["partitions"]) for symbol in wanted.symbols}
        return [
            one
            for one, partition in stretches(records, wanted.as_of)
            if one.kind in schema.KINDS[wanted.kind].gaps
            and (one.symbol or not partitions or partition in partitions)
        ]

    def _ticks(self, wanted: Wanted) -> Iterator[Batch]:
        # Values are of many sources.
        sources = wanted.sources if wanted.kind == "indicators" else ()
        reader = Reader(self.path, wanted.kind, wanted.symbols, wanted.start, wanted.end, sources=sources)
        for batch in reader.batches(tick_fields(wanted)):
            if rows := tick_rows(wanted, batch):
                yield rows

    def coverage(self, wanted: Wanted) -> Coverage:
        """What is missing: gap records, ordinals that the file lacks, time outside of it, and sources that
        are not the recording's. Of bars also those that are not whole."""
        if wanted.kind == "bars":
            if wanted.as_of is not None:
                self._bars.require_known(wanted)
            return self._bar_coverage(wanted, self._bars.read(wanted))
        source = self.info["source"]
        others = [
            Missing(wanted.start, wanted.end, f"the recording is of {source}", None, name)
            for name in wanted.sources if name != source
        ]
        if wanted.sources and source not in wanted.sources:
            return Coverage(others)
        records, lanes = self._survey(wanted)
        partitions = {partition_of(symbol, self.info["partitions"]) for symbol in wanted.symbols}
        found = self._gaps(wanted, records)
        begin, end = self.info["from"], self.info["to"]
        if begin is None and wanted.start is not None:
            begin = self._first_sent(wanted.kind, partitions)
        if wanted.start is not None and (begin is None or wanted.start < begin):
            found.append(Missing(wanted.start, begin, "before the recording", None, source))
        if wanted.end is not None and wanted.end > end:
            found.append(Missing(end, wanted.end, "after the recording", None, source))
        found += self.not_selected(wanted)
        for lane in lanes:
            if partitions and lane["partition"] not in partitions:
                continue
            found += _holes(lane, source, "partition")
        if "bars" in schema.KINDS[wanted.kind].inputs:
            found += self._values(wanted, partitions)
        return Coverage([*others, *within(found, wanted.start, wanted.end)])

    def _values(self, wanted: Wanted, partitions: set[int]) -> Iterator[Missing]:
        """What is missing of the values that come with bars: that outside of the recorded bars, what the file lacks
        of them, and what the ticks of other sources made of it."""
        if why := self._bars.absence:
            yield Missing(wanted.start, wanted.end, why, None, "operator")
            return
        yield from self._bars.outside(wanted)
        fields = [one for one in schema.INDICATORS if one.name in ("name", "source", "of_source")]
        reader = Reader(
            self.path, "indicators", wanted.symbols, wanted.start, wanted.end, sources=wanted.sources)
        others = set[str]()
        while (batch := reader.next(fields)) is not None:
            rows = having(batch, "name", wanted.names) if wanted.names else batch
            others.update(one or other for one, other in zip(rows["of_source"], rows["source"]))
        for lane in reader.provenance()["lanes"]:
            if lane["stream"] == "bars" and (not partitions or lane["partition"] in partitions):
                yield from _holes(lane, lane["source"], "the bars of partition")
        reader.close()
        for name in sorted(others - {self.info["source"]}):
            yield Missing(wanted.start, wanted.end, f"the recording is of {self.info['source']}", None, name)

    def _first_sent(self, kind: str, partitions: set[int]) -> int | None:
        """When a recording without a beginning begins for these partitions (empty: all): the tape may have lost
        what one of them had before its first packet, so the latest first one counts. None: there is no row."""
        fields = (Field("partition", "S"), Field("sent_at", "ts"))
        first: dict[int, int] = {}
        for batch in Reader(self.path, kind, (), None, None).batches(fields):
            for partition, sent in zip(batch["partition"], batch["sent_at"]):
                if sent is not None and (not partitions or partition in partitions):
                    first[partition] = min(sent, first.get(partition, sent))
        return max(first.values(), default=None)

    def not_selected(self, wanted: Wanted) -> Iterator[Missing]:
        """Symbols that were not selected, and those of which there is nothing. A recording of some symbols has others
        only where these were in the same packets."""
        recorded = self.info["symbols"]
        what = NO_DEPTH if wanted.kind == "depth" else "nothing of it is recorded"
        left = set(wanted.symbols).intersection(recorded or wanted.symbols)
        kinds = schema.TICKS if wanted.kind in ("trades", "quotes") else (wanted.kind,) * (wanted.kind != "bars")
        for kind in kinds:
            if left:
                reader = Reader(self.path, kind, sorted(left), None, None)
                for batch in reader.batches([one for one in schema.TRADES if one.name == "symbol"]):
                    left.difference_update(batch["symbol"])
                    if not left:
                        break
                reader.close()
        for name in self._unknown_names(wanted):
            yield Missing(wanted.start, wanted.end, what, None, detail=name)
        for symbol in wanted.symbols:
            if recorded and symbol not in recorded:
                yield Missing(wanted.start, wanted.end, "not selected by the recording", symbol)
            elif symbol in left and wanted.kind != "bars":
                yield Missing(wanted.start, wanted.end, what, symbol)

    def _unknown_names(self, wanted: Wanted) -> list[str]:
        """The names of values of which the file has nothing."""
        left = dict.fromkeys(wanted.names)
        if left:
            reader = Reader(self.path, wanted.kind, wanted.symbols, None, None)
            for batch in reader.batches([one for one in schema.INDICATORS if one.name == "name"]):
                for name in set(batch["name"]):
                    left.pop(name, None)
                if not left:
                    break
            reader.close()
        return list(left)

    def gap_records(self, wanted: Wanted) -> list[GapRecord]:
        """The gap records that may say something of the selection."""
        if wanted.sources and self.info["source"] not in wanted.sources:
            return []
        return self._survey(wanted)[0]

    def _survey(self, wanted: Wanted) -> tuple[list[GapRecord], list[dict[str, Any]]]:
        # A record that ends before the start may be what closes an earlier one without an end.
        reader = Reader(self.path, "gaps", wanted.symbols, None, wanted.end)
        records: list[GapRecord] = []
        lanes: list[dict[str, Any]] = []
        while (batch := reader.next(GAP_FIELDS)) is not None:
            rows = zip(*(column.values() for column in batch.columns))
            records += [found for found in map(gap_record, rows) if found]
        lanes = [lane for lane in reader.provenance()["lanes"] if lane["stream"] == "ticks"]
        reader.close()
        return records, lanes

    def symbols(self, start: int | None, end: int | None) -> list[tuple[Any, ...]]:
        """Symbol, source, first and last event time of a trade, number of trades. It reads the file."""
        return traded(self._ticks(Wanted("trades", start=start, end=end, is_ordered=False)))


def traded(batches: Iterable[Batch]) -> list[tuple[Any, ...]]:
    """Symbol, source, first and last event time of a trade, and number of trades, of batches of trades."""
    fields = ("event_time", "symbol", "source", "action")
    found: dict[tuple[str, str], list[int]] = {}
    for batch in batches:
        for moment, symbol, source, action in zip(*(batch[name] for name in fields)):
            if symbol is None or moment is None or action != "new":
                continue
            entry = found.setdefault((symbol, source), [moment, moment, 0])
            entry[0], entry[1], entry[2] = min(entry[0], moment), max(entry[1], moment), entry[2] + 1
    return [(*name, *entry) for name, entry in sorted(found.items())]


def _holes(lane: dict[str, Any], source: str, what: str) -> Iterator[Missing]:
    """Yields the ordinals that a lane lacks."""
    for first, last in lane["holes"]:
        detail = f"ordinals {first} to {last} of {what} {lane['partition']}"
        yield Missing(None, None, "hole", None, source, detail=detail)


_SENT = Field("sent_at", "ts")


def tick_fields(wanted: Wanted) -> tuple[Field, ...]:
    """Returns the columns of ticks as the decoder has them."""
    return (*wanted.fields, _SENT) if wanted.with_known else wanted.fields


def tick_rows(wanted: Wanted, batch: Batch) -> Batch:
    """Returns a batch of the decoder with the columns of the selection."""
    found = having(batch, "name", wanted.names) if wanted.names else batch
    if not wanted.with_known:
        return found
    return Batch(wanted.fields, (*found.columns[:-2], _known(found)))


def _known(batch: Batch) -> Column:
    """Returns when each tick was known, as the database has it: the latest of the times at which the tape took its
    packet, at which that was sent, at which the tick was received, and at which the period of a value ended."""
    names = (schema.KNOWN.name, _SENT.name, "receive_time", "period_end")
    times = zip(*(batch[field.name] for field in batch.fields if field.name in names))
    return column("ts", [max((one for one in row if one is not None), default=None) for row in times])


def gap_record(row: tuple[Any, ...]) -> GapRecord | None:
    """Returns the record of a row of GAP_FIELDS; None for one without a beginning."""
    source, partition, symbol, kind, start, end, received, *rest = row
    if start is None:
        return None
    return GapRecord(
        source, partition, symbol, kind, start, end, start if received is None else received, *rest
    )
