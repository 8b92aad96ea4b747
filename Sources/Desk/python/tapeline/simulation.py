"""A recorded day as it became known: the loop of a live reading, over the packets of the past."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Literal

from . import live_bars, times
from .batches import Batches, LiveBatch, LiveWanted
from .columns import Batch, PriceType
from .coverage import Coverage, Missing
from .database import Database
from .desk import Desk
from .errors import TapeHole, TapelineError
from .names import Names
from .packet_streams import Packet, Streams, tape_streams
from .recorded_packets import recorded_streams
from .recording import Recording
from .tape import VALUES
from .times import Time
from .watermarks import Watermarks

Speed = float | Literal["asap"]
_ORDER = ("trades", "quotes", "depth", "bars", "gaps")
"""In which rows of one packet are given. Those of gaps come last, of all decoders together."""
_WAIT_SECONDS = 0.25


HELD_NS = 10 * times.SECOND
"""By how much the clocks of the servers that lead two streams may differ: so long a packet of bars waits for the
ticks that it is made of."""


class Merge:
    """Merges streams of packets by the time at which they were known. In a stream that time does not fall: where
    its clock went back, a packet counts as known with the one before it. At equal times the stream with the lower
    number comes first. So the order is the same at each run.

    A packet that `is_early` lets those of other streams go first that are known up to HELD_NS after it. It then
    counts as known with the last one of them."""

    def __init__(self, streams: int, is_early: Callable[[Packet], bool] = lambda packet: False) -> None:
        self._is_early, self._last = is_early, 0
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
        heads = sorted((queue[0].known, one) for one, queue in enumerate(self._queues) if queue)
        if not heads or self.wants is not None:
            return None
        (known, first), others = heads[0], heads[1:]
        if others and others[0][0] <= known + HELD_NS and self._is_early(self._queues[first][0]):
            first = others[0][1]
        packet = self._queues[first].popleft()
        packet.known = self._last = max(self._last, packet.known)
        return packet


class Simulation(Batches):
    """The batches of a time of the past, as they became known. It ends with the last one."""

    def __init__(self, desk: Desk, wanted: LiveWanted, streams: Streams, speed: Speed) -> None:
        super().__init__(wanted)
        self._speed = None if speed == "asap" else float(speed)
        self._desk, self._closing = desk, threading.Event()
        self._origin, self._streams = streams.origin, streams.parts
        self._watermarks = Watermarks(streams.ticks, streams.bars)
        self._sources = wanted.ticks[0].sources if wanted.ticks else ()
        self._bars = live_bars.LiveBars(wanted.bars.series, {}, {}, self._refuse) if wanted.bars else None
        self._missing: list[Missing] = list(streams.missing)
        if streams.missing and not wanted.marks:
            self._holes.append(TapeHole(list(Coverage(streams.missing))))
        self._merge = Merge(len(self._streams), self._is_early)
        self._held: Packet | None = None
        self._known_at = 0
        # The first packet with rows: its time on the tape and that of the monotonic clock.
        self._first: tuple[int, float] | None = None

    def __repr__(self) -> str:
        kinds = " and ".join(one.kind for one in self._wanted.kinds)
        return f"<simulation of {kinds} of {self._desk.origin!r}>"

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

    def _is_early(self, packet: Packet) -> bool:
        """Whether ticks may be to come of which the bars of a packet are made: each stream of the tape may be led by
        a server with another clock. Only what is read counts: without ticks nothing waits."""
        if packet.head is None or packet.head.partition not in self._watermarks.partitions:
            return False
        return any(
            self._watermarks.reached(packet.head.partition, source, self._sources) < close
            for source, close in packet.closes().items()
        )

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
            self._missing += packet.hole.missing
        self._known_at = packet.known
        for kind, rows in sorted(packet.rows, key=lambda one: _ORDER.index(one[0])):
            if kind == "gaps":
                continue
            if kind != "bars":
                self._put(kind, rows, self._origin)
            elif self._bars and (bars := self._bars.taken(rows)):
                self._put("bars", bars.priced(self._wanted.price), self._origin)
                self._doubt_bars(bars)
        gaps = [row for kind, rows in packet.rows if kind == "gaps" for row in rows]
        self._note_gaps(gaps, self._origin)
        if packet.head and packet.head.source != VALUES:
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

    @property
    def coverage(self) -> Coverage:
        """What is missing, as far as it was read: what was lost or purged, and what a recording does not know. Gap
        records and bars that are not whole come with the batches."""
        return Coverage(self._missing)

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


def simulate(
    desk: Desk, start: Time, end: Time | None = None, *, trades: Names = None, quotes: Names = None,
    depth: Names = None, bars: Mapping[str, Names] | None = None, source: Names = None, tz: str = "UTC",
    price: PriceType = "float", missing: Literal["raise", "mark"] = "raise", speed: Speed = "asap",
) -> Simulation:
    """Begins the loop of `desk.live` over a time of the past: the batches that `desk.live(since=start)` would have
    given from then on, as they became known, and up to what was known at `end` (without it: up to now, or to the end
    of the recording).

    The desk is on the tape, or on a recording of it, which gives the same batches. Each batch has rows
    of one kind of one packet. They come in the order in which the tape took the packets, over all partitions:
    `batch.known_at` never falls. At equal times ticks come in the order of their streams, and bars after them.
    Nothing comes before it was known: every version of a bar comes when it was published, and history that a
    provider delivered later comes when it came. Bars come after the ticks that they are made of, where both are
    selected, also where the servers that took them have clocks that differ by up to 10 s.

    `speed`: "asap", or how many times faster than it happened. All else is as in `desk.live`. A hole raises
    TapeHole, and the next call continues after it. What a recording cannot know raises before the first batch, or
    with `missing="mark"` is in `.coverage` only.

        desk = tapeline.open("day.tape")               # or tapeline.connect(tape=True)
        with tapeline.simulate(desk, "2026-11-20 14:30", "21:00", trades=["AAPL"], bars={"AAPL": "1m"}) as day:
            for batch in day:
                print(batch.known_at, batch.kind, len(batch))
    """
    if isinstance(desk.origin, Database):
        raise TapelineError(
            "a database does not have the times at which ticks were known: simulate"
            " tapeline.connect(tape=True)"
        )
    if missing not in ("raise", "mark"):
        raise TapelineError(f"missing={missing!r}: it is 'raise' or 'mark'")
    is_factor = isinstance(speed, (int, float)) and not isinstance(speed, bool) and 0 < speed < float("inf")
    if speed != "asap" and not is_factor:
        raise TapelineError(f"speed={speed!r}: it is 'asap', or how many times faster it is than it was")
    kinds = desk._each_kind(trades, quotes, depth, bars, start, source, tz)
    begin, now = kinds[0].start or 0, time.time_ns()
    until = None if end is None else min(now, times.nanoseconds(end, tz, day=times.local_date(begin, tz)))
    if (now if until is None else until) <= begin:
        raise TapelineError(f"the end {times.text(until or now)} is not after the start {times.text(begin)}")
    wanted = LiveWanted(kinds, tz, price, missing == "mark", "block")
    if isinstance(desk.origin, Recording):
        streams = recorded_streams(desk.origin, wanted, until)
    else:
        streams = tape_streams(desk.origin, wanted, now if until is None else until)
    return Simulation(desk, wanted, streams, speed)
