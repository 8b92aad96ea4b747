"""Live data: history from the database up to the writer's position, then the tape from the next ordinal on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from . import history, live_bars
from .batches import Batches, LiveBatch, LiveWanted
from .columns import Batch
from .coverage import Missing, partition_of
from .database import _UNDEFINED, Database
from .decoder import Decoder, Hole
from .errors import NotReachable, TapeHole, TapelineError
from .history import Books, LaneKey
from .reading import TICK_STREAMS, Part, Reading, tick_stream
from .recording import GAP_FIELDS, tick_fields, tick_rows
from .selection import Wanted
from .tape import AHEAD_NS, RETRY_SECONDS, VALUES, Tape
from .tape_bars import absent
from .transport import Lane
from .versions import DECODED, BarKey
from .watermarks import Watermarks

SLOW_SECONDS = 30.0
"""With on_slow="raise": so long a program may stay behind the end of the tape."""
_STREAMS = {1: "ticks", 2: "bars"}


class Live(Batches):
    """An endless sequence of batches."""

    def __init__(self, origin: Database | Tape, tape: Tape, wanted: LiveWanted) -> None:
        super().__init__(wanted)
        self._database = origin if isinstance(origin, Database) else None
        self._tape = tape
        self._had_tape = False
        self._at_end = time.monotonic()
        # A wrong address or password is reported here, and not tried for ever.
        tape.link().close()
        self._books, stored, versions = self._begun()
        self._bars = (
            live_bars.LiveBars(wanted.bars.series, versions, self._books.times, self._refuse)
            if wanted.bars else None
        )
        self._stored: list[history.Ticks] = []
        self._heads: dict[str, Batch] = {}
        self._gaps: list[tuple[Any, ...]] = []
        self._filling: history.Filling | None = None
        if self._database:
            self._stored = [history.Ticks(self._database, one, self._books.lasts) for one in wanted.ticks]
        for one in stored:
            if self._bars:
                self._put("bars", self._bars.stored(one), "database")
        self._partitions = {one.kind: self._partitions_of(one) for one in wanted.kinds}
        ticks = sorted({p for one in wanted.ticks for p in self._partitions[one.kind]})
        self._watermarks = Watermarks(ticks, self._partitions.get("bars"))
        self._sources = wanted.ticks[0].sources if wanted.ticks else ()
        self._known: set[LaneKey] = set(self._books.lasts)
        self._reading = self._tape_reading(ticks)

    # ---- the beginning

    def _begun(self) -> tuple[Books, list[Batch], dict[BarKey, int]]:
        """Reads where the writer is, what is missing, and the bars, of one moment."""
        if not self._database:
            if not self._wanted.marks and (missing := absent(self._tape, self._wanted.kinds)):
                raise TapeHole(missing)
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
        count = self._tape.partitions
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
                if self._database:
                    for decoder in self._decoders:
                        decoder.expect(lane.source, lane.partition, 1)
                # Without a database, what was purged of the time since the start is a hole.
                elif one := self._tape.beginning(lane, self._wanted.kinds[0], lambda: self._is_closed):
                    self._holes.append(TapeHole([one]))
                self._known.add(key)
        self._lanes = lanes

    def _take(self) -> None:
        """Moves the decoders' rows to what is given next."""
        for decoder in self._decoders:
            for kind in decoder.kinds:
                if kind == "gaps":
                    gaps = decoder.take("gaps", GAP_FIELDS)
                    self._gaps += zip(*(column.values() for column in gaps.columns)) if gaps else ()
                elif kind == "bars" and self._bars:
                    found = decoder.take("bars", DECODED)
                    rows = self._bars.taken(found) if found else None
                    if rows:
                        self._put("bars", rows, "tape")
                        self._doubt_bars(rows)
                else:
                    wanted = self._wanted.of(kind)
                    found = decoder.take(kind, tick_fields(wanted))
                    if found:
                        self._put(kind, tick_rows(wanted, found), "tape")

    def _take_all(self) -> None:
        """Takes the rest of what all decoders have taken packets of. Only then the gap records of each are there."""
        self._take()
        gaps, self._gaps = self._gaps, []
        self._note_gaps(gaps, "tape")

    def _lost(self, hole: Hole) -> None:
        """Takes from the database what the tape does not have any more. What neither has is a hole."""
        # What came before it is given before it.
        self._take_all()
        if self._database and hole.source not in ("operator", VALUES):
            self._filling = history.Filling(self._database, self._wanted.ticks, hole)
        else:
            self._miss(hole)

    def _miss(self, hole: Hole, why: str = "") -> None:
        told = f"ordinals {hole.first} to {hole.last} of partition {hole.partition}{why}"
        one = Missing(None, None, "hole", None, hole.source, detail=told)
        self._holes.append(TapeHole([one]))

    def _fill(self, filling: history.Filling) -> None:
        """Gives the next rows of a hole from the database. When it is away, it is asked again."""
        try:
            found = filling.next()
        except NotReachable:
            time.sleep(RETRY_SECONDS)
            return
        except TapelineError as error:
            self._filling = None
            self._miss(filling.hole, f": {error}")
            return
        if found is not None:
            self._put(*found, "database")
            # What comes of the database is no delay behind the tape.
            self._at_end = time.monotonic()
            return
        self._filling = None
        if filling.gaps is None:
            self._miss(filling.hole)
        else:
            self._note_gaps(filling.gaps, "database")

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
        self._take_all()
        for lane in self._lanes:
            self._watermarks.note(lane)
        before, self._watermark = self._watermark, self._watermarks.present(self._sources)
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

    def _advance(self, until: float | None) -> None:
        if self._stored:
            self._read_stored()
        elif self._filling:
            self._fill(self._filling)
        else:
            self._step()

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
            time.sleep(RETRY_SECONDS)
            return
        if self._heads:
            kind = min(self._heads, key=lambda name: self._heads[name]["event_time"][0] or _UNDEFINED)
            self._put(kind, self._heads.pop(kind), "database")

    def _end(self) -> None:
        self._reading.close()
        for one in self._stored:
            one.close()
        self._stored.clear()
        if self._filling:
            self._filling.close()

    def __repr__(self) -> str:
        kinds = " and ".join(one.kind for one in self._wanted.kinds)
        return f"<live {kinds} of {self._tape!r}>"
