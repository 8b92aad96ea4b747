"""A recorded day as it became known: the loop of a live reading, over the packets of the past."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from . import live_bars, schema, times
from .batches import Batches, LiveBatch, LiveWanted
from .columns import BATCH_ROWS, Batch, PriceType, part
from .coverage import Missing
from .database import Database
from .decoder import Decoder, Hole
from .desk import Desk, Names
from .errors import TapeHole, TapelineError
from .reading import TICK_STREAMS, Head, Part, Reading, tick_stream
from .recording import GAP_FIELDS, Recording, named_actions, tick_fields
from .tape import AHEAD_NS, Tape
from .tape_bars import bar_subjects
from .times import Time
from .versions import DECODED
from .watermarks import Watermarks

Speed = float | Literal["asap"]
_KINDS = {1: "ticks", 2: "bars"}
_ORDER = ("trades", "quotes", "depth", "bars", "gaps")
"""In which rows of one packet are given."""
_VALUES = "universe"
_WAIT_SECONDS = 0.25
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


class Merge:
    """Merges streams of packets by the time at which they were known. In a stream that time does not fall: where
    its clock went back, a packet counts as known with the one before it. At equal times the stream with the lower
    number comes first. So the order is the same at each run."""

    def __init__(self, streams: int) -> None:
        self._queues: list[deque[Packet]] = [deque() for _ in range(streams)]
        self._lasts = [0] * streams
        self._over: set[int] = set()

    def add(self, stream: int, packet: Packet) -> None:
        """Takes the next packet of a stream."""
        packet.known = self._lasts[stream] = max(self._lasts[stream], packet.known)
        self._queues[stream].append(packet)

    def end(self, stream: int) -> None:
        """Notes that nothing more comes of a stream."""
        self._over.add(stream)

    @property
    def wants(self) -> int | None:
        """The stream whose next packet has to be there before one can be given; None: none."""
        return next(
            (one for one, queue in enumerate(self._queues) if not queue and one not in self._over), None
        )

    def next(self) -> Packet | None:
        """Returns the next packet; None when all streams are over, or one is wanted."""
        heads = [(queue[0].known, one) for one, queue in enumerate(self._queues) if queue]
        return self._queues[min(heads)[1]].popleft() if heads and self.wants is None else None


class _TapeStream:
    """The packets of one stream of the tape, up to a time."""

    def __init__(self, tape: Tape, wanted: LiveWanted, source: Part, kinds: Sequence[str], end: int) -> None:
        self._tape, self._wanted, self._end = tape, wanted, end
        self._start = wanted.kinds[0].start or 0
        groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
        for one in wanted.kinds:
            if one.kind in kinds:
                groups.setdefault((one.symbols, one.sources), []).append(one.kind)
        more = () if "bars" in kinds else ("gaps",)
        self._decoders = [
            Decoder((*names, *more), symbols, sources, self._start, None, marks_holes=False)
            for (symbols, sources), names in groups.items()
        ]
        self._actions = {kind: list(schema.ACTIONS) for kind in kinds}
        self._known: set[tuple[int, str, int]] = set()
        # Packets that were decoded, with the ends of their rows in each decoder and kind.
        self._fed: list[tuple[Packet, list[int]]] = []
        self._ready: list[Packet] = []
        self._last, self.is_over = 0, False
        self._reading = Reading(
            tape.address, self._decoders, [source], full=self._flush, hole=self._lost, packet=self._packet
        )

    def step(self) -> list[Packet]:
        """Returns the packets that came next."""
        self._reading.step()
        self._flush()
        self.is_over = self.is_over or self._reading.is_over
        found, self._ready = self._ready, []
        return found

    def close(self) -> None:
        self._reading.close()

    def _packet(self, head: Head, known: int) -> None:
        self._last = max(self._last, known)
        self.is_over = self.is_over or self._last >= self._end
        if self.is_over:
            return
        key = (head.kind, head.source, head.partition)
        if head.kind in _KINDS and head.source != _VALUES and key not in self._known:
            self._known.add(key)
            one = self._purged(head)
            if one:
                self._fed.append((Packet(known, hole=TapeHole([one])), self._ends()))
        ends = self._ends()
        self._fed.append((Packet(known, head), ends))
        # All decoders have taken the packet, and the next one has room in each.
        if max(ends) >= _FLUSH_ROWS:
            self._flush()

    def _purged(self, head: Head) -> Missing | None:
        if head.first_ordinal == 1:
            return None
        return self._tape.purged(head.source, head.partition, self._start, bars=head.kind == 2)

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
        self._ready += [packet for packet, _ in self._fed]
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
            whole = named_actions(wanted, found, self._actions[kind]).priced(self._wanted.price)
        return lambda begin, end: part(whole, begin, end)

    def _lost(self, hole: Hole) -> None:
        if self.is_over or hole.source == _VALUES:
            return
        told = f"ordinals {hole.first} to {hole.last} of partition {hole.partition}"
        one = Missing(None, None, "hole", None, hole.source, detail=told)
        self._fed.append((Packet(self._last, hole=TapeHole([one])), self._ends()))


class Simulation(Batches):
    """The batches of a time of the past, as they became known. It ends with the last one."""

    def __init__(self, tape: Tape, wanted: LiveWanted, end: int, speed: Speed) -> None:
        super().__init__(wanted)
        self._speed = None if speed == "asap" else float(speed)
        self._tape, self._closing = tape, threading.Event()
        everything = list(range(tape.partitions))
        partitions = {one.kind: tape.partitions_for(one) or everything for one in wanted.kinds}
        ticks = sorted({p for one in wanted.ticks for p in partitions[one.kind]})
        self._watermarks = Watermarks(ticks, partitions.get("bars"))
        self._sources = wanted.ticks[0].sources if wanted.ticks else ()
        self._bars = live_bars.LiveBars(wanted.bars.series, {}, {}) if wanted.bars else None
        self._streams = [
            _TapeStream(tape, wanted, one, kinds, end)
            for one, kinds in _parts(tape, wanted, ticks, partitions.get("bars"))
        ]
        self._merge = Merge(len(self._streams))
        self._held: Packet | None = None
        self._known_at = 0
        # The first packet with rows: its time on the tape and that of the monotonic clock.
        self._first: tuple[int, float] | None = None

    def __repr__(self) -> str:
        kinds = " and ".join(one.kind for one in self._wanted.kinds)
        return f"<simulation of {kinds} of {self._tape!r}>"

    def _advance(self, until: float | None) -> None:
        if self._held is None:
            stream = self._merge.wants
            if stream is not None:
                self._read(stream)
                return
            self._held = self._merge.next()
            self._is_over = self._held is None
        packet = self._held
        if packet and self._is_due(packet, until):
            self._held = None
            self._give(packet)

    def _read(self, stream: int) -> None:
        one = self._streams[stream]
        for packet in one.step():
            self._merge.add(stream, packet)
        if one.is_over:
            self._merge.end(stream)
            one.close()

    def _is_due(self, packet: Packet, until: float | None) -> bool:
        """Waits for the time of a packet, a while at most. Returns whether it has come."""
        if self._speed is None or not packet.rows:
            return True
        now = time.monotonic()
        if self._first is None:
            self._first = packet.known, now
        due = self._first[1] + (packet.known - self._first[0]) / times.SECOND / self._speed
        if due > now:
            left = _WAIT_SECONDS if until is None else min(_WAIT_SECONDS, until - now)
            self._closing.wait(max(0.0, min(due - now, left)))
        return time.monotonic() >= due

    def _give(self, packet: Packet) -> None:
        if packet.hole:
            self._holes.append(packet.hole)
        self._known_at = packet.known
        for kind, rows in sorted(packet.rows, key=lambda one: _ORDER.index(one[0])):
            if kind == "gaps":
                self._note_gaps(rows, "tape")
            elif kind != "bars":
                self._put(kind, rows, "tape")
            elif self._bars and (bars := self._bars.taken(rows)):
                self._put("bars", bars.priced(self._wanted.price), "tape")
                self._doubt_bars(bars)
        if packet.head and packet.head.source != _VALUES:
            self._watermarks.note(packet.head)
            self._watermark = self._watermarks.present(self._sources)
        if self._out:
            # Only the last batch of a packet: rows that come after the others may be older.
            last = self._out.pop()
            self._out.append(LiveBatch(
                last.fields, last.columns, last.kind, last.origin, False, self._watermark, last.tz,
                packet.known,
            ))

    def _put(self, kind: str, rows: Batch, origin: str) -> None:
        self._out.append(LiveBatch(
            rows.fields, rows.columns, kind, origin, False, self._watermark, self._wanted.tz, self._known_at
        ))

    def close(self) -> None:
        """Ends it. Twice does nothing. A thread that waits for a batch gets the end of the iteration."""
        self._is_closed = True
        self._closing.set()
        super().close()

    def _end(self) -> None:
        for one in self._streams:
            one.close()

    def __enter__(self) -> Simulation:
        return self


def _parts(
    tape: Tape, wanted: LiveWanted, ticks: list[int], bars: list[int] | None
) -> Iterator[tuple[Part, list[str]]]:
    """Yields the parts of the tape that are read, each with its kinds: ticks by the number of the stream, then
    bars."""
    begin, name = max(1, (wanted.kinds[0].start or 0) - AHEAD_NS), tape.namespace
    kinds = [one.kind for one in wanted.ticks]
    for stream in range(TICK_STREAMS):
        own = [partition for partition in ticks if partition % TICK_STREAMS == stream]
        if own:
            subjects = (*(f"{name}.ticks.{partition}.*" for partition in own), f"{name}.wm.{stream}.*")
            yield Part(tick_stream(name, stream), subjects, time=begin), kinds
    if bars is not None:
        yield Part(tape.bar_stream, bar_subjects(tape, bars), time=begin), ["bars"]


def simulate(
    desk: Desk, start: Time, end: Time | None = None, *, trades: Names = None, quotes: Names = None,
    depth: Names = None, bars: Mapping[str, Names] | None = None, source: Names = None, tz: str = "UTC",
    price: PriceType = "float", missing: Literal["raise", "mark"] = "raise", speed: Speed = "asap",
) -> Simulation:
    """Begins the loop of `desk.live` over a time of the past: the batches that `desk.live(since=start)` would have
    given from then on, as they became known, and up to what was known at `end` (without it: up to now).

    The desk is on the tape. Each batch has rows of one kind of one packet. They come in the order in which the tape
    took the packets, over all partitions: `batch.known_at` never falls. At equal times ticks come in the order of
    their streams, and bars after them. Nothing comes before it was known: every version of a bar comes when it was
    published, and history that a provider delivered later comes when it came.

    `speed`: "asap", or how many times faster than it happened. All else is as in `desk.live`. A hole raises
    TapeHole, and the next call continues after it.

        with tapeline.simulate(desk, "2026-11-20 09:30", "16:00", trades=["AAPL"], bars={"AAPL": "1m"}) as day:
            for batch in day:
                print(batch.known_at, batch.kind, len(batch))
    """
    if isinstance(desk.origin, Database):
        raise TapelineError(
            "a database does not have the times at which ticks were known: simulate"
            " tapeline.connect(tape=True)"
        )
    if isinstance(desk.origin, Recording):
        raise TapelineError(
            "a recording does not have the times at which ticks were known: simulate"
            " tapeline.connect(tape=True)"
        )
    if missing not in ("raise", "mark"):
        raise TapelineError(f"missing={missing!r}: it is 'raise' or 'mark'")
    is_factor = isinstance(speed, (int, float)) and not isinstance(speed, bool) and 0 < speed < float("inf")
    if speed != "asap" and not is_factor:
        raise TapelineError(f"speed={speed!r}: it is 'asap', or how many times faster it is than it was")
    kinds = desk.each_kind(trades, quotes, depth, bars, start, source, tz)
    begin, now = kinds[0].start or 0, time.time_ns()
    until = now
    if end is not None:
        until = min(now, times.nanoseconds(end, tz, day=times.local_date(begin, tz)))
    if until <= begin:
        raise TapelineError(f"the end {times.text(until)} is not after the start {times.text(begin)}")
    wanted = LiveWanted(kinds, tz, price, missing == "mark", "block")
    return Simulation(desk.origin, wanted, until, speed)
