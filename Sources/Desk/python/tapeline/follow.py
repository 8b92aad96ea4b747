"""A follower: batches of the tape, each with the transaction that also moves its position, in the person's own
database. So each tick is taken exactly once, whatever is killed, by any number of copies."""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from . import schema
from .batches import LiveBatch
from .columns import Batch, batch, part
from .core_nats import CoreNats
from .coverage import Missing, partial_bar, partition_of
from .decoder import Decoder, Hole
from .errors import DamagedTape, NotReachable, TapeHole, TapelineError
from .follow_batches import BAR_FIELDS, FollowBatch, FollowWanted, bars, reports, tuples
from .follow_rules import Copy, Fed, Piece, Place, Reached, pieces, put
from .follow_table import FollowTable
from .reading import Head, Part, Position, Reading, tick_stream
from .recording import GAP_FIELDS, gap_record, tick_fields
from .selection import Wanted
from .tape import RETRY_SECONDS, VALUES, Tape
from .tape_bars import bar_subjects
from .versions import _PARTIAL, _WITHDRAWN

LEASE_SECONDS = 30.0
REPORT_SECONDS = 1.0
_TURNS = 4
"""So often leases are renewed within one."""
_STEP_MILLISECONDS = 100
_LATE_MAX = 3
"""So many batches in a row may be taken back because their bodies took longer than a lease."""
_INPUTS = {1: "ticks", 2: "bars"}


class Follow:
    """Batches for `for`, of one thread. `batch()` gives one; `accept(hole)` continues after a hole; `close()`, or
    `with`, ends it and lets other copies have its parts."""

    def __init__(self, tape: Tape, wanted: FollowWanted, database: str, lease: float) -> None:
        if lease < 1:
            raise TapelineError(f"lease={lease!r}: a lease has at least 1 s")
        self._tape, self._wanted, self._lease = tape, wanted, lease
        self._process = os.getpid()
        name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._nats = CoreNats(tape.address, f"{tape.namespace}.ask.positions")
        self._table = FollowTable(database, wanted.group, name, wanted.told, lease)
        self._copy = Copy(name, self._table)
        self._selected = [Wanted(kind, symbols=wanted.symbols) for kind in wanted.kinds if kind != "bars"]
        self._reading: Reading | None = None
        self._is_closed = False
        self._renew_at = self._report_at = 0.0
        self._late = 0
        # The partitions of the symbols; none: all. What others lack is nothing of this selection.
        self._concerned = {partition_of(symbol, tape.partitions) for symbol in wanted.symbols}
        # How far parts were read, and what lies between that and what is committed.
        self._reached: dict[Place, Reached] = {}
        self._losses: dict[tuple[Place, str], list[Missing]] = {}
        self._fed: list[Fed] = []
        self._queue: list[tuple[Piece, dict[str, Batch]]] = []
        self._passed: dict[Place, Reached] = {}
        self._streams = self._surveyed()
        self._table.make(self._streams, self._begun_with)

    def __repr__(self) -> str:
        return f"<follower {self._wanted.group} of {self._tape!r}>"

    # ---- the tape

    def _surveyed(self) -> dict[Place, int]:
        """Asks of each part when its stream was made."""
        inputs = [name for name, one in (("ticks", self._selected), ("bars", "bars" in self._wanted.kinds)) if one]
        streams = {(name, one): self._stream((name, one)) for name in inputs for one in range(self._tape.partitions)}
        told = {name: _made(self._ask("INFO", name)) for name in sorted(set(streams.values()))}
        return {place: told[name] for place, name in streams.items()}

    def _begun_with(self, places: Sequence[Place]) -> dict[Place, Reached]:
        """Asks for the first packet that is stored of each source in these parts."""
        firsts: dict[Place, dict[str, tuple[int, int]]] = {place: {} for place in places}
        for stream, name in sorted({(self._stream(place), place[0]) for place in places}):
            told = self._ask("INFO", stream, subjects_filter=f"{self._tape.namespace}.{name}.>")
            for subject in told["state"].get("subjects") or ():
                found = self._ask("MSG.GET", stream, seq=1, next_by_subj=subject)
                head = Head.read(base64.b64decode(found["message"]["data"]))
                # A packet without ticks has the ordinal of the next one.
                if (sources := firsts.get((name, head.partition))) is not None:
                    sources[head.source] = (0, max(1, head.first_ordinal) - 1)
        return {place: Reached(sources=sources) for place, sources in firsts.items()}

    def _ask(self, what: str, stream: str, **more: Any) -> Any:
        """Returns what NATS says of a stream."""
        answer = self._nats.request(f"$JS.API.STREAM.{what}.{stream}", json.dumps(more).encode())
        if "error" in answer:
            raise NotReachable(f"the stream {stream} cannot be looked up: {answer['error'].get('description', '')}")
        return answer

    def _stream(self, place: Place) -> str:
        return self._tape.bar_stream if place[0] == "bars" else tick_stream(self._tape.namespace, place[1])

    def _open(self) -> None:
        """Begins to read what this copy has, from what is committed on."""
        self._drop()
        self._reached = {place: one.reached for place, one in self._copy.held.items()}
        for place, held in self._copy.held.items():
            if held.created != self._streams[place]:
                raise DamagedTape(
                    f"the position of the follower {self._wanted.group} in the {place[0]} of partition {place[1]} is"
                    " of another tape, which was made again: name another group")
        parts = self._parts()
        if not parts:
            return
        kinds = (*self._wanted.kinds, *(["gaps"] if self._selected else []))
        decoder = Decoder(kinds, self._wanted.symbols, (), None, None, marks_holes=False)
        for (_, partition), reached in self._reached.items():
            for source, (_, last) in reached.sources.items():
                decoder.expect(source, partition, last + 1)
        self._reading = Reading(
            self._tape.address, [decoder], parts, full=self._flush, hole=self._lost, packet=self._packet, follows=True)

    def _parts(self) -> list[Part]:
        """A part of each stream begins with the earliest position in it. What others took after it is left out."""
        tape, groups = self._tape, dict[tuple[str, bool], list[Place]]()
        for place in sorted(self._reached):
            groups.setdefault((self._stream(place), self._reached[place].position is not None), []).append(place)
        found = []
        for (stream, _), places in groups.items():
            own = [partition for _, partition in places]
            subjects = (bar_subjects(tape, own) if places[0][0] == "bars"
                        else tuple(f"{tape.namespace}.ticks.{one}.*" for one in own))
            positions = [one for place in places if (one := self._reached[place].position)]
            first = min(positions, key=lambda one: one.sequence, default=None)
            found.append(Part(stream, subjects, sequence=first.sequence if first else 0, position=first))
        return found

    def _drop(self) -> None:
        """Forgets what is not committed."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.close()
        self._reached, self._losses, self._passed = {}, {}, {}
        self._fed.clear()
        self._queue.clear()

    def _packet(self, head: Head, known: int) -> None:
        message = self._reading.message if self._reading else None
        position = Position.of(message) if message else None
        place = (_INPUTS.get(head.kind, ""), head.partition)
        reached = self._reached.get(place)
        if position is None or reached is None:
            return
        if reached.has(position.sequence):
            taken = reached.position
            if taken and taken.sequence == position.sequence and taken != position:
                raise DamagedTape(
                    f"another packet is stored at {position.sequence} of partition {place[1]} than the one that was"
                    " taken: the tape was restored from a backup")
            return
        holes = self._losses.pop((place, head.source), [])
        if lost := reached.lost(head):
            holes.append(_lost(head.source, head.partition, *lost))
        self._reached[place] = reached.after(head, position)
        self._fed.append(Fed(place, self._reached[place], self._ends(), holes if self._concerns(place[1]) else []))

    def _concerns(self, partition: int) -> bool:
        return not self._concerned or partition in self._concerned

    def _ends(self) -> tuple[int, ...]:
        decoder = self._decoder
        return tuple(max(0, decoder.rows(kind)) for kind in decoder.kinds)

    @property
    def _decoder(self) -> Decoder:
        if self._reading is None:
            raise TapelineError("this follower does not read")
        return self._reading.decoders[0]

    def _lost(self, hole: Hole) -> None:
        if hole.source != VALUES:
            place = ("bars" if hole.source == "operator" else "ticks", hole.partition)
            one = _lost(hole.source, hole.partition, hole.first, hole.last)
            self._losses.setdefault((place, hole.source), []).append(one)

    def _flush(self) -> None:
        """Moves what the decoder has to what is given next."""
        decoder, fed, rows = self._decoder, self._fed, dict[str, Batch]()
        self._fed = []
        for number, kind in enumerate(decoder.kinds):
            if kind == "gaps":
                found = decoder.take(kind, GAP_FIELDS)
                holes = self._gap_holes(found) if found else []
            elif kind == "bars":
                found = decoder.take(kind, BAR_FIELDS)
                holes = self._bar_holes(found) if found else []
            else:
                wanted = next(one for one in self._selected if one.kind == kind)
                found, holes = decoder.take(kind, tick_fields(wanted)), []
            if found:
                rows[kind] = found
            put(holes, fed, number)
        for piece in pieces(fed, len(decoder.kinds)):
            self._queue.append((piece, {
                kind: made
                for kind, begin, end in zip(decoder.kinds, piece.begins, piece.ends)
                if end > begin and (made := self._cut(kind, rows[kind], begin, end)) is not None and len(made)
            }))

    # ---- rows

    def _gap_holes(self, found: Batch) -> list[tuple[int, Missing]]:
        kinds = {"any", *(kind for one in self._wanted.kinds for kind in schema.KINDS[one].gaps)}
        return [] if self._wanted.marks else [
            (row, Missing(one.start, one.end, one.reason, one.symbol, one.source, one.state, one.kind, one.detail))
            for row, one in enumerate(map(gap_record, tuples(found)))
            if one and one.state != "filled" and one.kind in kinds and (one.symbol or self._concerns(one.partition))
        ]

    def _bar_holes(self, found: Batch) -> list[tuple[int, Missing]]:
        names = ("flags", "series", "symbol", "source", "open_time", "close_time")
        return [] if self._wanted.marks else [
            (row, Missing(start, end, partial_bar(series), symbol, source or ""))
            for row, (flags, series, symbol, source, start, end) in enumerate(zip(*(found[one] for one in names)))
            if flags & _PARTIAL and not flags & _WITHDRAWN and self._has(series)
        ]

    def _has(self, series: str | None) -> bool:
        return not self._wanted.series or series in self._wanted.series

    def _cut(self, kind: str, rows: Batch, begin: int, end: int) -> Batch | None:
        """Returns rows of a kind as a batch has them; None: it has none of these."""
        if kind == "gaps":
            if not self._wanted.marks:
                return None
            return batch(GAP_FIELDS, tuples(rows)[begin:end], {})
        if kind == "bars":
            found = [row for row in tuples(part(rows, begin, end)) if self._has(row[4])]
            return bars(found).priced(self._wanted.price)
        return part(rows, begin, end).priced(self._wanted.price)

    # ---- what a program calls

    def __iter__(self) -> Iterator[FollowBatch]:
        """Yields batches without an end. The next one commits the one before; an exception, or `break`, takes it
        back."""
        while not self._is_closed:
            with self.batch() as found:
                if found is not None:
                    yield found

    @contextlib.contextmanager
    def batch(self, timeout: float | None = None) -> Iterator[FollowBatch | None]:
        """Gives the next batch, or None when none came in time, and commits it at the end of the `with`.

        Raises TapeHole where data are missing, again and again until `accept` has got it: the position stays before
        it meanwhile."""
        found = self._next(timeout)
        if found is None:
            yield None
            return
        piece, given = found
        until = time.monotonic() + self._lease
        try:
            yield given
            is_done = self._commit(given.connection, {**self._passed, **piece.reached})
            self._late = 0 if is_done else self._late + (time.monotonic() > until)
            if self._late == _LATE_MAX:
                self._late = 0
                raise TapelineError(
                    f"{_LATE_MAX} batches in a row took longer than lease={self._lease:g} and were taken back: begin"
                    " the follower with a longer lease")
        except BaseException:
            self._restart()
            raise

    def accept(self, hole: TapeHole) -> None:
        """Continues after a hole. The position passes it with the next batch: until that is committed, a copy that
        begins here raises it again."""
        if not self._queue or self._queue[0][0].holes is not hole.missing:
            raise TapelineError("this hole is not the one before the next batch: accept the one that was raised last")
        self._queue[0][0].holes = []

    def close(self) -> None:
        """Ends it. A batch that is not committed is taken back."""
        if self._is_closed or os.getpid() != self._process:
            return
        self._is_closed = True
        self._drop()
        self._table.close()
        with contextlib.suppress(NotReachable):
            self._table.leave()
        self._table.close()
        self._nats.close()

    def __enter__(self) -> Follow:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- turns

    def _next(self, timeout: float | None) -> tuple[Piece, FollowBatch] | None:
        until = None if timeout is None else time.monotonic() + timeout
        if os.getpid() != self._process:
            raise TapelineError("this follower is of the process before the fork: begin another one")
        while not self._is_closed:
            try:
                if not self._is_kept():
                    self._restart()
                    time.sleep(RETRY_SECONDS)
                elif found := self._taken():
                    if given := self._begun(found[1]):
                        return found[0], given
                else:
                    self._read()
            except TapeHole:
                raise
            except BaseException:
                self._restart()
                raise
            if until is not None and not self._queue and time.monotonic() >= until:
                return None
        return None

    def _taken(self) -> tuple[Piece, dict[str, Batch]] | None:
        """Takes the next piece that has rows. Raises what is missing before it."""
        while self._queue:
            piece, rows = self._queue[0]
            if piece.holes:
                raise TapeHole(piece.holes)
            self._queue.pop(0)
            if rows:
                return piece, rows
            self._passed.update(piece.reached)
        return None

    def _begun(self, rows: dict[str, Batch]) -> FollowBatch | None:
        """Begins the transaction of a batch; None when the database is away: it comes again."""
        try:
            session = self._table.begin()
        except NotReachable:
            self._restart()
            return None
        tz = self._wanted.tz
        return FollowBatch(
            {kind: LiveBatch(one.fields, one.columns, kind, tz=tz) for kind, one in rows.items()}, session)

    def _read(self) -> None:
        if self._reading is None:
            # Other copies have all of it.
            time.sleep(_STEP_MILLISECONDS / 1_000)
        elif self._reading.step(_STEP_MILLISECONDS):
            self._flush()

    def _commit(self, connection: Any, reached: dict[Place, Reached]) -> bool:
        if not self._table.commit(connection, self._copy.epochs, reached):
            # The parts, or some, are another copy's, or the database is away. What it has committed is read again.
            self._restart()
            return False
        self._passed.clear()
        for place, one in reached.items():
            self._copy.held[place] = replace(self._copy.held[place], reached=one)
        return True

    def _restart(self) -> None:
        """Takes back what is not committed, and reads it again from the database."""
        self._drop()
        self._table.close()
        self._copy.held.clear()
        self._renew_at = 0.0

    def _is_kept(self) -> bool:
        """Renews leases and reports positions, when that is due. Returns False when the database is away."""
        now = time.monotonic()
        is_due = now >= self._report_at or self._nats.asked()
        try:
            if self._passed and (is_due or now >= self._renew_at):
                # Packets without rows move positions, too.
                self._commit(self._table.begin(), dict(self._passed))
            if now >= self._renew_at:
                if self._copy.turn() or self._reading is None:
                    self._open()
                self._renew_at = now + self._lease / _TURNS
        except NotReachable:
            return False
        if is_due:
            self._report()
            self._report_at = now + REPORT_SECONDS
        return True

    def _report(self) -> None:
        """Reports what is committed. While NATS is away nothing is."""
        if self._nats.refusal:
            raise TapelineError(
                f"NATS refuses the user {self._tape.address.user}: {self._nats.refusal}; the user of a follower is made"
                f" by 'tapeline groups register {self._wanted.group} --needed no'")
        for message in reports(self._wanted.group, [
            (place, one.created, one.reached) for place, one in sorted(self._copy.held.items())
        ]):
            try:
                self._nats.publish(f"{self._tape.namespace}.pos.{self._wanted.group}", message)
            except OSError:
                return


def _made(answer: Any) -> int:
    """Returns when a stream was made."""
    made = answer["config"].get("metadata", {}).get("created") or answer["created"]
    moment, _, rest = made.rstrip("Z").partition(".")
    seconds = datetime.datetime.fromisoformat(f"{moment}+00:00").timestamp()
    return int(seconds) * 10**9 + int(f"{rest:0<9}"[:9])


def _lost(source: str, partition: int, first: int, last: int) -> Missing:
    told = f"ordinals {first} to {last} of partition {partition}"
    return Missing(None, None, "hole", None, source, detail=told)
