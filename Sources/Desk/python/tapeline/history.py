"""What a live reading takes from the database: where the writer is, and the rows up to there.

Positions and rows are of one snapshot, so the tape goes on with the next ordinal of each source and
partition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from typing import Any

from .columns import Batch
from .coverage import Missing
from .database import _UNDEFINED, Database, Rows, Snapshot, criteria, query
from .decoder import Hole
from .reading import Position
from .selection import Wanted
from .stored import gap_records, lost_place
from .versions import KEPT_MAX, BarKey, check_count

LaneKey = tuple[str, str, int]
"""Of a stream: "ticks" or "bars", source, partition."""

_LAST_KEY = ("event_time", "source", "partition", "ordinal")


@dataclass
class Books:
    """How far the writer has stored the tape."""

    positions: dict[tuple[str, int], Position | None] = field(default_factory=dict)
    """By stream and partition; None: nothing was read of it."""
    lasts: dict[LaneKey, int] = field(default_factory=dict)
    """The last ordinal that is stored."""
    times: dict[int, int] = field(default_factory=dict)
    """By partition of bars: the highest time at which the tape took a packet."""


def books(snapshot: Snapshot) -> Books:
    """Reads how far the writer is."""
    found = Books()
    for row in snapshot.rows(
        "SELECT input, partition, sequence, packet_crc, packet_epoch, packet_ordinal, tape_time_ns"
        f" FROM {snapshot.table('reached_positions')}"
    ):
        stream, partition, sequence, checksum, epoch, ordinal, taken = row
        has_packet = sequence > 0 and None not in (checksum, epoch, ordinal)
        found.positions[stream, partition] = (
            Position(sequence, checksum % 2**64, epoch, ordinal) if has_packet else None
        )
        if stream == "bars":
            found.times[partition] = taken or 0
    for stream, source, partition, last in snapshot.rows(
        f"SELECT input, source, partition, last_ordinal FROM {snapshot.table('reached_ordinals')}"
    ):
        found.lasts[stream, source, partition] = last
    return found


def missing(database: Database, snapshot: Snapshot, wanted: Sequence[Wanted]) -> list[Missing]:
    """What is missing of these selections. What the writer has not stored yet comes from the tape."""
    return [
        one
        for each in wanted
        for one in database.coverage(each, snapshot)
        if one.cause != "not stored yet"
    ]


class Ticks:
    """The stored rows of one kind up to the books, in the order of time. Rows that were given are not read
    again after the database was away."""

    def __init__(self, database: Database, wanted: Wanted, lasts: Mapping[LaneKey, int]) -> None:
        self._database, self.wanted = database, wanted
        lanes = [(source, partition, last) for (stream, source, partition), last in lasts.items()
                 if stream == "ticks"]
        self._bounds = [list(column) for column in zip(*lanes)] or [[], [], []]
        self._given: tuple[Any, ...] | None = None
        self._rows: Rows | None = None

    def next(self) -> Batch | None:
        """Returns the next batch; None at the end. After NotReachable it may be called again."""
        try:
            if self._rows is None:
                self._rows = self._opened()
            found = next(self._rows, None)
        except BaseException:
            self.close()
            raise
        if found is not None and len(found):
            # Rows without an event time come last.
            moment, *lane = (found[name][-1] for name in _LAST_KEY)
            self._given = (_UNDEFINED if moment is None else moment, *lane)
        return found

    def close(self) -> None:
        """Ends the session."""
        rows, self._rows = self._rows, None
        if rows:
            rows.close()

    def _opened(self) -> Rows:
        snapshot = self._database.snapshot()
        try:
            found = query(snapshot, replace(self.wanted, is_ordered=False), is_narrow=False)
            # The columns of rows that the books name. Others came after them.
            found.sql += (
                " AND ordinal <= (SELECT b.last FROM unnest(%s::text[], %s::int[], %s::bigint[])"
                f" AS b (source, partition, last) WHERE b.source = {self.wanted.kind}.source"
                f" AND b.partition = {self.wanted.kind}.partition)"
            )
            found.values += self._bounds
            if self._given is not None:
                found.sql += ' AND (event_time_ns, source COLLATE "C", partition, ordinal) > (%s, %s, %s, %s)'
                found.values += self._given
            found.sql += ' ORDER BY event_time_ns, source COLLATE "C", partition, ordinal'
            return Rows(snapshot, found)
        except BaseException:
            snapshot.close()
            raise


class Filling:
    """The stored rows of ordinals that the tape does not have any more, kind by kind. At the end `gaps` has the rows of
    their gap records; None: not all of these ordinals are stored."""

    def __init__(self, database: Database, wanted: Sequence[Wanted], hole: Hole) -> None:
        self._database, self._wanted, self.hole = database, wanted, hole
        self.gaps: list[tuple[Any, ...]] | None = None
        self._left: list[Wanted] | None = None
        self._last = hole.first - 1
        self._rows: Rows | None = None

    def next(self) -> tuple[str, Batch] | None:
        """Returns the next kind and batch; None at the end. After NotReachable it may be called again."""
        if self._left is None:
            self._left = self._check()
        while self._left:
            one = self._left[0]
            try:
                if self._rows is None:
                    self._rows = self._opened(one)
                found = next(self._rows, None)
            except BaseException:
                self.close()
                raise
            if found is not None and len(found):
                self._last = found["ordinal"][-1]
                return one.kind, found
            self.close()
            self._left.pop(0)
            self._last = self.hole.first - 1
        return None

    def _check(self) -> list[Wanted]:
        """Reads the gap records. Returns the selections whose rows are stored."""
        hole = self.hole
        with self._database.snapshot() as snapshot:
            stored = books(snapshot).lasts.get(("ticks", hole.source, hole.partition), 0)
            lost = snapshot.rows(
                # A group of tables that has lost none of the ticks or their gaps does not matter.
                f"SELECT 1 FROM {lost_place(snapshot)} AND input = 'ticks'"
                " AND table_group IS DISTINCT FROM 'bars' AND source = %s AND partition = %s"
                " AND first_ordinal <= %s AND last_ordinal >= %s LIMIT 1",
                [hole.source, hole.partition, hole.last, hole.first],
            )
            if stored < hole.last or lost:
                return []
            records = {record for one in self._wanted for record in gap_records(snapshot, one)}
        self.gaps = sorted((
            astuple(record) for record in records
            if (record.source, record.partition) == (hole.source, hole.partition)
            and hole.first <= record.ordinal <= hole.last
        ), key=lambda row: row[-1])
        return [one for one in self._wanted if not one.sources or hole.source in one.sources]

    def _opened(self, wanted: Wanted) -> Rows:
        hole, snapshot = self.hole, self._database.snapshot()
        try:
            found = query(snapshot, replace(wanted, is_ordered=False))
            found.sql += " AND source = %s AND partition = %s AND ordinal BETWEEN %s AND %s ORDER BY ordinal"
            found.values += [hole.source, hole.partition, self._last + 1, hole.last]
            return Rows(snapshot, found)
        except BaseException:
            snapshot.close()
            raise

    def close(self) -> None:
        """Ends the session."""
        rows, self._rows = self._rows, None
        if rows:
            rows.close()


def bars(snapshot: Snapshot, wanted: Wanted) -> tuple[list[Batch], dict[BarKey, int]]:
    """Returns the bars as they stand, and the number of the last version of each, also of void ones."""
    found = query(snapshot, wanted)
    found.sql += f" LIMIT {KEPT_MAX + 1}"
    batches = list(snapshot.batches(found))
    check_count(sum(map(len, batches)), KEPT_MAX)
    versions: dict[BarKey, int] = {}
    for one in batches:
        keys = zip(*(one[name] for name in ("symbol", "source", "series", "open_time", "number")))
        versions.update(zip(keys, one["version"]))
    conditions, values = criteria(wanted)
    for *key, version in snapshot.rows(
        "SELECT symbol, source, series, (extract(epoch FROM ts) * 1000000)::bigint * 1000, number,"
        f" replaced + 1 FROM {snapshot.table('bars')}{conditions} AND withdrawn", values,
    ):
        versions[tuple(key)] = version
    return batches, versions
