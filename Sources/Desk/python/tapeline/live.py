"""Live data: history from the database up to the writer's position, then the tape from the next ordinal on."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from . import history, live_bars, schema
from .columns import Batch, PriceType, batch
from .coverage import Missing, partition_of
from .database import Database
from .decoder import Decoder, Hole
from .errors import NotReachable, TapeHole, TapelineError
from .frames import Table
from .history import Books, LaneKey
from .reading import TICK_STREAMS, Part, Reading, first_stored, tick_stream
from .recording import GAP_FIELDS, gap_record, named_actions, tick_fields
from .selection import Wanted
from .tape import AHEAD_NS, Tape
from .transport import Lane, TransportError
from .versions import BarKey

if TYPE_CHECKING:
    import pandas
    import polars

SlowPolicy = Literal["block", "raise"]
SLOW_SECONDS = 30.0
"""With on_slow="raise": so long a program may stay behind the end of the tape."""
_RETRY_SECONDS = 0.5
_UNDEFINED = 2**63 - 1
_RETIREMENT = 2
_STREAMS = {1: "ticks", 2: "bars"}


@dataclass(frozen=True)
class LiveBatch(Batch):
    """Rows of one kind, as a live reading gives them.

    `kind`: "trades", "quotes", "depth", "bars" or "gaps". `origin`: "database" or "tape". `seam`: true for the
    first batch of the tape. `watermark`: no source that is in time will give a tick with an earlier event time
    (of bars: a bar with an earlier close time) any more; None: not known yet."""

    kind: str = ""
    origin: str = "tape"
    seam: bool = False
    watermark: int | None = None
    tz: str = "UTC"

    def to_polars(self) -> polars.DataFrame:
        """Returns a polars DataFrame."""
        return Table(self, self.tz).to_polars()

    def to_pandas(self) -> pandas.DataFrame:
        """Returns a pandas DataFrame."""
        return Table(self, self.tz).to_pandas()


@dataclass
class LiveWanted:
    """What a live reading gives: a selection of each kind."""

    kinds: list[Wanted]
    tz: str
    price: PriceType
    marks: bool
    on_slow: SlowPolicy

    def of(self, kind: str) -> Wanted:
        return next(one for one in self.kinds if one.kind == kind)

    @property
    def ticks(self) -> list[Wanted]:
        return [one for one in self.kinds if one.kind != "bars"]

    @property
    def bars(self) -> Wanted | None:
        return next((one for one in self.kinds if one.kind == "bars"), None)


@dataclass
class _Watermarks:
    """The promises of sources: the last one of each in each partition."""

    partitions: list[int]
    of_ticks: dict[str, dict[int, int]] = field(default_factory=dict)
    of_streams: dict[str, dict[int, int]] = field(default_factory=dict)
    of_bars: dict[int, int] = field(default_factory=dict)
    retired: dict[str, int] = field(default_factory=dict)

    def note(self, lane: Lane) -> None:
        if lane.kind == 3 and lane.flags & _RETIREMENT:
            self.retired[lane.source] = lane.epoch
        elif lane.epoch > self.retired.get(lane.source, lane.epoch):
            del self.retired[lane.source]
        if lane.watermark == _UNDEFINED:
            return
        if lane.kind == 2:
            self.of_bars[lane.partition] = max(lane.watermark, self.of_bars.get(lane.partition, 0))
            return
        table = self.of_ticks if lane.kind == 1 else self.of_streams
        own = table.setdefault(lane.source, {})
        own[lane.partition] = max(lane.watermark, own.get(lane.partition, 0))

    def ticks(self, sources: Sequence[str]) -> int | None:
        """The time up to which all sources that were heard, and are not retired, have given their ticks."""
        heard = {*self.of_ticks, *self.of_streams} - set(self.retired)
        told = [self._of(source) for source in heard if not sources or source in sources]
        return min((one for one in told if one is not None), default=None) if None not in told else None

    def _of(self, source: str) -> int | None:
        ticks, streams = self.of_ticks.get(source, {}), self.of_streams.get(source, {})
        found = [
            max(ticks.get(partition, 0), streams.get(partition % TICK_STREAMS, 0))
            for partition in self.partitions
        ]
        return min(found) or None if found else None

    def bars(self, partitions: Sequence[int]) -> int | None:
        found = [self.of_bars.get(partition, 0) for partition in partitions]
        return min(found) or None if found else None


class Live(Iterator[LiveBatch]):
    """An endless sequence of batches, for `for` and `async for`. Several threads may share it: each batch goes
    to one of them. `close()`, or `with`, ends it."""

    def __init__(self, origin: Database | Tape, tape: Tape, wanted: LiveWanted) -> None:
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._database = origin if isinstance(origin, Database) else None
        self._tape, self._wanted = tape, wanted
        self._out: deque[LiveBatch] = deque()
        self._holes: deque[TapeHole] = deque()
        self._is_closed = self._had_tape = False
        self._watermark: int | None = None
        self._at_end = time.monotonic()
        self._pending: concurrent.futures.Future[Any] | None = None
        self._gaps_to: dict[tuple[str, int], int] = {}
        self._gap_texts: dict[str, dict[str, int]] = {}
        # A wrong address or password is reported here, and not tried for ever.
        tape.link().close()
        self._actions = {one.kind: list(schema.ACTIONS) for one in wanted.ticks}
        self._books, stored, versions = self._begun()
        self._bars = (
            live_bars.LiveBars(wanted.bars.series, versions, self._books.times) if wanted.bars else None
        )
        self._stored: list[history.Ticks] = []
        self._heads: dict[str, Batch] = {}
        if self._database:
            self._stored = [history.Ticks(self._database, one, self._books.lasts) for one in wanted.ticks]
        for one in stored:
            if self._bars:
                self._put("bars", self._bars.stored(one), "database")
        self._partitions = {one.kind: self._partitions_of(one) for one in wanted.kinds}
        ticks = sorted({p for one in wanted.ticks for p in self._partitions[one.kind]})
        self._watermarks = _Watermarks(ticks)
        self._known: set[LaneKey] = set(self._books.lasts)
        self._reading = self._tape_reading(ticks)

    # ---- the beginning

    def _begun(self) -> tuple[Books, list[Batch], dict[BarKey, int]]:
        """Reads where the writer is, what is missing, and the bars, of one moment."""
        if not self._database:
            return Books(), [], {}
        with self._database.snapshot() as snapshot:
            if not self._wanted.marks:
                missing = history.missing(self._database, snapshot, self._wanted.kinds)
                if missing:
                    raise TapeHole(missing)
            found = history.books(snapshot)
            if not self._wanted.bars:
                return found, [], {}
            return (found, *history.bars(snapshot, self._wanted.bars))

    def _partitions_of(self, wanted: Wanted) -> list[int]:
        count = self._books.partitions or self._tape.partitions
        if not wanted.symbols:
            return list(range(count))
        return sorted({partition_of(symbol, count) for symbol in wanted.symbols})

    def _tape_reading(self, ticks: list[int]) -> Reading:
        """Prepares the reading of the tape. A part begins with the earliest position of its partitions; what
        others have stored after it is left out by its ordinals."""
        groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
        for one in self._wanted.kinds:
            groups.setdefault((one.symbols, one.sources), []).append(one.kind)
        start = self._wanted.kinds[0].start
        self._decoders = [
            Decoder(
                (*kinds, "gaps") if set(kinds) - {"bars"} else kinds, symbols, sources, start, None,
                marks_holes=False,
            )
            for (symbols, sources), kinds in groups.items()
        ]
        for (stream, source, partition), last in self._books.lasts.items():
            for decoder in self._decoders:
                decoder.expect(source, partition, last + 1)
        name, parts = self._tape.namespace, list[Part]()
        for number in range(TICK_STREAMS):
            own = [partition for partition in ticks if partition % TICK_STREAMS == number]
            if own:
                subjects = {partition: f"{name}.ticks.{partition}.*" for partition in own}
                parts += self._parts("ticks", tick_stream(name, number), subjects, f"{name}.wm.{number}.*")
        if self._wanted.bars:
            subjects = {partition: f"{name}.bars.{partition}" for partition in self._partitions["bars"]}
            parts += self._parts("bars", f"{name.upper()}_BARS", subjects, None)
        return Reading(
            self._tape.address, self._decoders, parts, full=self._take, hole=self._lost, before=self._before,
            follows=True,
        )

    def _parts(
        self, stream: str, name: str, subjects: Mapping[int, str], more: str | None
    ) -> list[Part]:
        begin = max(1, (self._wanted.kinds[0].start or 0) - AHEAD_NS)
        if not self._database:
            return [Part(name, (*subjects.values(), *([more] if more else [])), time=begin)]
        places = {partition: self._books.positions.get((stream, partition)) for partition in subjects}
        read = {partition: place for partition, place in places.items() if place}
        new = [partition for partition, place in places.items() if not place]
        parts: list[Part] = []
        if read:
            first = min(read.values(), key=lambda place: place.sequence)
            filters = (*(subjects[partition] for partition in read), *([more] if more else []))
            # A position of bars may be a packet of values over all partitions, which is not read here.
            is_proof = stream == "ticks"
            parts.append(
                Part(name, filters, sequence=first.sequence, position=first if is_proof else None)
            )
        if new:
            parts.append(Part(name, tuple(subjects[partition] for partition in new)))
        return parts

    # ---- the tape

    def _before(self, lanes: list[Lane]) -> None:
        """Notes what packets promise. A source that the books do not know begins with its first ordinal."""
        for lane in lanes:
            key = (_STREAMS.get(lane.kind, ""), lane.source, lane.partition)
            if key[0] and key not in self._known and lane.next_ordinal > lane.first_ordinal:
                self._known.add(key)
                if self._database:
                    for decoder in self._decoders:
                        decoder.expect(lane.source, lane.partition, 1)
                elif lane.first_ordinal > 1:
                    self._check_beginning(lane)
        self._lanes = lanes

    def _check_beginning(self, lane: Lane) -> None:
        """Without a database, what was purged of the time since the start is a hole."""
        start, name = self._wanted.kinds[0].start or 0, self._tape.namespace
        stream, subject = f"{name.upper()}_BARS", f"{name}.bars.{lane.partition}"
        if lane.kind == 1:
            stream = tick_stream(name, lane.partition)
            subject = f"{name}.ticks.{lane.partition}.{lane.source}"
        link = self._tape.link()
        try:
            stored = first_stored(link, stream, [subject])
        except TransportError as error:
            raise NotReachable(str(error)) from None
        finally:
            link.close()
        if stored and stored[2] > 1 and stored[0] > start - AHEAD_NS:
            told = f"the tape has partition {lane.partition} from ordinal {stored[2]} on"
            one = Missing(start, stored[0] + AHEAD_NS, "purged", None, lane.source, detail=told)
            self._holes.append(TapeHole([one]))

    def _take(self) -> None:
        """Moves the decoders' rows to what is given next."""
        for decoder in self._decoders:
            for kind in decoder.kinds:
                if kind == "gaps":
                    self._take_gaps(decoder)
                elif kind == "bars" and self._bars:
                    found = decoder.take("bars", live_bars.DECODED)
                    rows = self._bars.taken(found) if found else None
                    if rows:
                        self._put("bars", rows, "tape")
                        self._doubt_bars(rows)
                else:
                    wanted = self._wanted.of(kind)
                    found = decoder.take(kind, tick_fields(wanted))
                    if found:
                        self._put(kind, named_actions(wanted, found, self._actions[kind]), "tape")

    def _take_gaps(self, decoder: Decoder) -> None:
        found = decoder.take("gaps", GAP_FIELDS)
        if found:
            self._note_gaps(list(zip(*(column.values() for column in found.columns))), "tape")

    def _note_gaps(self, rows: list[tuple[Any, ...]], origin: str) -> None:
        """Gives gap records, or raises for those that name a gap. Several decoders may have the same one."""
        new = [row for row in rows if row[-1] > self._gaps_to.get((row[0], row[1]), 0)]
        for row in new:
            self._gaps_to[row[0], row[1]] = row[-1]
        if self._wanted.marks:
            if new:
                self._put("gaps", batch(GAP_FIELDS, new, self._gap_texts), origin)
            return
        kinds = {"any", *(kind for one in self._wanted.kinds for kind in schema.GAP_KINDS[one.kind])}
        missing = [
            Missing(one.start, one.end, one.reason, one.symbol, one.source, one.state, one.kind, one.detail)
            for one in map(gap_record, new)
            if one and one.state != "filled" and one.kind in kinds
        ]
        if missing:
            self._holes.append(TapeHole(missing))

    def _doubt_bars(self, rows: Batch) -> None:
        if self._wanted.marks:
            return
        columns = ("symbol", "source", "series", "open_time", "close_time", "is_whole", "is_withdrawn")
        missing = [
            Missing(start, end, f"the bar of {series} is not whole", symbol, source)
            for symbol, source, series, start, end, is_whole, is_void in zip(*(rows[name] for name in columns))
            if not is_whole and not is_void
        ]
        if missing:
            self._holes.append(TapeHole(missing))

    def _lost(self, hole: Hole) -> None:
        """Takes from the database what the tape does not have any more. What neither has is a hole."""
        # What came before it is given before it.
        self._take()
        is_bars = hole.source in ("operator", "universe")
        if self._database and not is_bars:
            while not self._is_closed:
                try:
                    found = history.filled(self._database, self._wanted.ticks, hole)
                    break
                except NotReachable:
                    time.sleep(_RETRY_SECONDS)
            else:
                return
            if found is not None:
                rows, gaps = found
                for kind, part in rows:
                    self._put(kind, part, "database")
                self._note_gaps(gaps, "database")
                return
        told = f"ordinals {hole.first} to {hole.last} of partition {hole.partition}"
        one = Missing(None, None, "hole", None, hole.source, detail=told)
        self._holes.append(TapeHole([one]))

    def _put(self, kind: str, rows: Batch, origin: str) -> None:
        priced = rows.priced(self._wanted.price)
        seam = origin == "tape" and not self._had_tape
        self._had_tape = self._had_tape or seam
        self._out.append(LiveBatch(
            priced.fields, priced.columns, kind, origin, seam, self._watermark, self._wanted.tz
        ))

    def _step(self) -> None:
        """Reads one piece of the tape."""
        self._lanes = []
        came = self._reading.step()
        self._take()
        for lane in self._lanes:
            self._watermarks.note(lane)
        before, self._watermark = self._watermark, self._present()
        if self._out and came and self._watermark != before:
            # Only the last batch of the piece: rows that come after the others may be older.
            last = self._out.pop()
            self._out.append(LiveBatch(
                last.fields, last.columns, last.kind, last.origin, last.seam, self._watermark, last.tz
            ))
        now = time.monotonic()
        if self._reading.is_at_end or not self._reading.is_open:
            self._at_end = now
        elif self._wanted.on_slow == "raise" and now - self._at_end > SLOW_SECONDS:
            self._at_end = now
            raise TapelineError(
                f"the program is slower than the tape: it was not at its end for {SLOW_SECONDS:.0f} s. Select"
                " less, do less for each batch, or use on_slow='block'"
            )

    def _present(self) -> int | None:
        told = []
        if self._wanted.ticks:
            told.append(self._watermarks.ticks(self._wanted.ticks[0].sources))
        if self._wanted.bars:
            told.append(self._watermarks.bars(self._partitions["bars"]))
        return None if None in told else min(one for one in told if one is not None)

    # ---- what a program calls

    @property
    def watermark(self) -> int | None:
        """The watermark of the last batch or a later one, in nanoseconds since 1970 UTC."""
        return self._watermark

    def next(self, timeout: float | None = None) -> LiveBatch | None:
        """Returns the next batch; None when none came in time. Without a timeout it waits for ever.

        Raises TapeHole when data are missing; the call after that continues after the hole."""
        until = None if timeout is None else time.monotonic() + timeout
        if os.getpid() != self._process:
            raise TapelineError("this reading is of the process before the fork: start another one")
        with self._lock:
            while True:
                if self._is_closed:
                    raise StopIteration
                if self._out:
                    return self._out.popleft()
                if self._holes:
                    raise self._holes.popleft()
                if self._stored:
                    self._read_stored()
                else:
                    self._step()
                if until is not None and not self._out and not self._holes and time.monotonic() >= until:
                    return None

    def _read_stored(self) -> None:
        """Gives the stored batch that begins first. When the database is away, it is asked again."""
        try:
            for one in list(self._stored):
                if one.wanted.kind not in self._heads:
                    found = one.next()
                    if found is None:
                        self._stored.remove(one)
                    else:
                        self._heads[one.wanted.kind] = found
        except NotReachable:
            time.sleep(_RETRY_SECONDS)
            return
        if self._heads:
            kind = min(self._heads, key=lambda name: self._heads[name]["event_time"][0])
            self._put(kind, self._heads.pop(kind), "database")

    def __next__(self) -> LiveBatch:
        found = self.next()
        if found is None:
            raise StopIteration
        return found

    def __iter__(self) -> Live:
        return self

    def __aiter__(self) -> Live:
        return self

    async def __anext__(self) -> LiveBatch:
        """Waits in a thread. A batch that comes after a cancelled wait is given by the next one."""
        if self._pending is None:
            self._pending = concurrent.futures.Future()
            threading.Thread(target=self._await, args=(self._pending,), daemon=True).start()
        found: LiveBatch | BaseException = await asyncio.shield(asyncio.wrap_future(self._pending))
        self._pending = None
        if isinstance(found, BaseException):
            raise found
        return found

    def _await(self, future: concurrent.futures.Future[Any]) -> None:
        try:
            future.set_result(self.__next__())
        except StopIteration:
            future.set_result(StopAsyncIteration())
        except BaseException as error:
            future.set_result(error)

    def close(self) -> None:
        """Ends it. Twice does nothing. A thread that waits for a batch gets the end of the iteration."""
        self._is_closed = True
        if os.getpid() != self._process:
            return
        with self._lock:
            self._reading.close()
            for one in self._stored:
                one.close()
            self._stored.clear()

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        kinds = " and ".join(one.kind for one in self._wanted.kinds)
        return f"<live {kinds} of {self._tape!r}>"
