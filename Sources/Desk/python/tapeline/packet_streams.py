"""The packets of one stream with their rows, as a simulation gets them of the tape or of a recording of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .batches import LiveWanted
from .columns import BATCH_ROWS, part
from .coverage import Missing
from .decoder import Decoder, Hole
from .errors import TapeHole
from .reading import TICK_STREAMS, Head, Part, Reading, tick_stream
from .recording import GAP_FIELDS, tick_fields, tick_rows
from .tape import AHEAD_NS, VALUES, Tape
from .tape_bars import absent, bar_subjects
from .versions import DECODED

_KINDS = {1: "ticks", 2: "bars"}
_BARS = 2
_PATIENCE = 30.0
"""So long NATS is asked for the beginning of a partition."""
_FLUSH_ROWS = BATCH_ROWS // 2


@dataclass
class Packet:
    """One packet of an origin: when it was known, its header, and its rows of each kind. With `hole`, data are
    missing before the next one."""

    known: int
    head: Head | None = None
    rows: list[tuple[str, Any]] = field(default_factory=list)
    """Kind, and a batch of rows; of gaps a list of rows."""
    hole: TapeHole | None = None

    def closes(self) -> dict[str, int]:
        """Returns by source when the last one of its windows ends, of bars."""
        found: dict[str, int] = {}
        for kind, rows in self.rows:
            for source, close in zip(rows["source"], rows["close_time"]) if kind == "bars" else ():
                if source is not None and close is not None:
                    found[source] = max(close, found.get(source, close))
        return found


class PacketStream:
    """The packets of one stream, from a time of the tape up to another one, as decoders take them."""

    def __init__(self, wanted: LiveWanted, kinds: Collection[str], end: int) -> None:
        self._wanted, self._end = wanted, end
        self._start = wanted.kinds[0].start or 0
        self._sources = wanted.ticks[0].sources if wanted.ticks else ()
        groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
        for one in wanted.kinds:
            if one.kind in kinds:
                groups.setdefault((one.symbols, one.sources), []).append(one.kind)
        more = () if "bars" in kinds else ("gaps",)
        self._decoders = [
            Decoder((*names, *more), symbols, sources, self._start, None, marks_holes=False)
            for (symbols, sources), names in groups.items()
        ]
        # Packets that were decoded, with the ends of their rows in each decoder and kind.
        self._fed: list[tuple[Packet, list[int]]] = []
        self._ready: list[Packet] = []
        # Lost ordinals before the next packet.
        self._losses: list[TapeHole] = []
        self._last, self.is_over = 0, False

    def step(self) -> list[Packet]:
        """Returns the packets that came next."""
        self._read()
        self._flush()
        found, self._ready = self._ready, []
        return found

    def _read(self) -> None:
        """Feeds the packets of one piece, and gives each to `_packet`. Sets `is_over` after the last one."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends it. Twice does nothing."""
        for decoder in self._decoders:
            decoder.close()

    def _missing(self, head: Head) -> Missing | None:
        """What is missing before the packet of a header, besides lost ordinals."""
        return None

    def _packet(self, head: Head, known: int) -> None:
        self._last = max(self._last, known)
        self.is_over = self.is_over or self._last >= self._end
        if self.is_over:
            # What a later packet tells was not known at the end: which one comes first depends on what else is read.
            return
        if self._sources and head.kind != _BARS and head.source not in self._sources:
            # It has no rows. A bar that waited for it would be known later than in a recording, which lacks it.
            return
        for hole in self._losses:
            self._fed.append((Packet(self._last, hole=hole), self._ends()))
        self._losses.clear()
        if one := self._missing(head):
            self._fed.append((Packet(known, hole=TapeHole([one])), self._ends()))
        ends = self._ends()
        # Bars are known from when on both clocks say so, as stored ones.
        told = head.latest(known) if head.kind == _BARS and head.source != VALUES else known
        self._fed.append((Packet(told, head), ends))
        # All decoders have taken the packet, and the next one has room in each.
        if max(ends) >= _FLUSH_ROWS:
            self._flush()

    def _ends(self) -> list[int]:
        return [max(0, decoder.rows(kind)) for decoder in self._decoders for kind in decoder.kinds]

    def _flush(self) -> None:
        """Gives the rows that wait to their packets."""
        place = 0
        for decoder in self._decoders:
            for kind in decoder.kinds:
                found = self._taken(decoder, kind)
                begin = 0
                for packet, ends in self._fed:
                    if found is not None and ends[place] > begin and packet.head:
                        packet.rows.append((kind, found(begin, ends[place])))
                        begin = ends[place]
                place += 1
        self._ready += [packet for packet, _ in self._fed if packet.known < self._end]
        self._fed.clear()

    def _taken(self, decoder: Decoder, kind: str) -> Callable[[int, int], Any] | None:
        if kind == "gaps":
            gaps = decoder.take(kind, GAP_FIELDS)
            rows = list(zip(*(column.values() for column in gaps.columns))) if gaps else []
            return (lambda begin, end: rows[begin:end]) if rows else None
        wanted = self._wanted.of(kind)
        found = decoder.take(kind, DECODED if kind == "bars" else tick_fields(wanted))
        if found is None:
            return None
        if kind == "bars":
            whole = found
        else:
            # Of many rows at once, numbers are converted faster.
            whole = tick_rows(wanted, found).priced(self._wanted.price)
        return lambda begin, end: part(whole, begin, end)

    def _lost(self, hole: Hole) -> None:
        if self.is_over or hole.source == VALUES:
            return
        told = f"ordinals {hole.first} to {hole.last} of partition {hole.partition}"
        self._losses.append(TapeHole([Missing(None, None, "hole", None, hole.source, detail=told)]))


class _TapeStream(PacketStream):
    """The packets of one stream of the tape."""

    def __init__(self, tape: Tape, wanted: LiveWanted, source: Part, kinds: Sequence[str], end: int) -> None:
        super().__init__(wanted, kinds, end)
        self._tape = tape
        self._known: set[tuple[int, str, int]] = set()
        self._reading = Reading(
            tape.address, self._decoders, [source], full=self._flush, hole=self._lost, packet=self._packet
        )

    def _read(self) -> None:
        self._reading.step()
        self.is_over = self.is_over or self._reading.is_over

    def close(self) -> None:
        self._reading.close()

    def _missing(self, head: Head) -> Missing | None:
        key = (head.kind, head.source, head.partition)
        if head.kind not in _KINDS or head.source == VALUES or key in self._known:
            return None
        found = self._tape.beginning(head, self._wanted.kinds[0], lambda: False, _PATIENCE)
        self._known.add(key)
        return found


@dataclass
class Streams:
    """What a simulation reads."""

    origin: str
    """As in `LiveBatch`."""
    ticks: list[int]
    """The partitions of the selected ticks."""
    bars: list[int] | None
    """Those of the selected bars; None: no bars are selected."""
    parts: Sequence[PacketStream] = ()
    missing: list[Missing] = field(default_factory=list)
    """What is known to be missing before the first packet."""

    @staticmethod
    def of(origin: str, partitions: Mapping[str, list[int]]) -> Streams:
        """Returns those of the selected kinds, whose partitions are given."""
        ticks = {one for kind, own in partitions.items() if kind != "bars" for one in own}
        return Streams(origin, sorted(ticks), partitions.get("bars"))

    def split(self) -> Iterator[tuple[int, list[int]]]:
        """Yields the streams of ticks that are read, each with its partitions."""
        for stream in range(TICK_STREAMS):
            own = [partition for partition in self.ticks if partition % TICK_STREAMS == stream]
            if own:
                yield stream, own


def tape_streams(tape: Tape, wanted: LiveWanted, end: int) -> Streams:
    """Returns the streams of the tape up to a time: those of ticks by their number, then the bars."""
    everything = list(range(tape.partitions))
    found = Streams.of("tape", {one.kind: tape.partitions_for(one) or everything for one in wanted.kinds})
    begin, name = max(1, (wanted.kinds[0].start or 0) - AHEAD_NS), tape.namespace
    kinds, parts = [one.kind for one in wanted.ticks], list[PacketStream]()
    for stream, own in found.split():
        subjects = (*(f"{name}.ticks.{partition}.*" for partition in own), f"{name}.wm.{stream}.*")
        parts.append(_TapeStream(tape, wanted, Part(tick_stream(name, stream), subjects, time=begin), kinds, end))
    if found.bars is not None:
        subjects = bar_subjects(tape, found.bars)
        parts.append(_TapeStream(tape, wanted, Part(tape.bar_stream, subjects, time=begin), ["bars"], end))
    found.parts = parts
    found.missing = absent(tape, [replace(one, end=end) for one in wanted.kinds])
    return found
