"""Plain Parquet files in folders that tell what is in them."""

from __future__ import annotations

import itertools
import os
import urllib.parse
from collections import OrderedDict
from typing import Any

from . import times
from .columns import Batch, PriceType
from .export import Export, Folder, Reading, checked
from .frames import arrow_batch, package
from .selection import Selection

OPEN_FILES_MAX = 64
"""The most files that are open at once. The one whose last row is the oldest is closed, and another part of
it begins when it has a row again."""
PENDING_ROWS_MAX = 262_144
"""The most rows of all files that are in memory after a batch."""
GROUP_ROWS = 65_536
"""The rows of a row group."""
FILE_ROWS_MAX = 33_554_432
"""The most rows of a file. Its index of row groups is in memory while it is open."""
PIECES_MAX = 16
"""The most pieces of the rows of one file in memory, each with dictionaries of its own."""

_DAY = 86_400 * times.SECOND
_NO_DATE = "__HIVE_DEFAULT_PARTITION__"


def export_tree(folder: str | os.PathLike[str], *selections: Selection) -> Export:
    """Writes selections as Parquet files (zstd) into a new folder, and returns what it wrote.

    The paths say what is in a file: `kind=trades/source=ib/date=2026-11-20/part-00000000.parquet`, and bars
    also have `series=1m/`. The date is the day of the event time (of bars: of the open time) in UTC. Columns
    that the path has are not in the file. Within a day of a source rows are in the order of event time,
    partition and ordinal, also from part to part.

    `manifest.json` has what was selected, what is missing, the checksum of the rows, and the time of the
    snapshot: each selection is one. It needs pyarrow, and memory for some batches, however much is selected.

        tapeline.export_tree("november", desk.trades(["AAPL", "SPY"], "2026-11-01", "2026-12-01"))
        polars.scan_parquet("november/kind=trades", hive_partitioning=True)
    """
    package("pyarrow.parquet")
    with Folder(folder) as target:
        told: list[dict[str, Any]] = []
        for selection in checked(selections):
            reading = Reading(selection, target)
            tree = _Tree(target, selection)
            try:
                for batch in reading:
                    tree.write(batch)
                tree.close()
            except BaseException:
                tree.abandon()
                raise
            told.append(reading.told(price=selection.price, tz=selection.tz))
        return target.finish("tapeline parquet tree", told)


class _File:
    """A Parquet file that is written."""

    def __init__(self, path: str, entry: dict[str, Any]) -> None:
        self.path, self.entry = path, entry
        self.pieces: list[Any] = []
        self.waiting = 0
        self.writer: Any = None

    @property
    def rows(self) -> int:
        """How many it has, with those in memory."""
        return int(self.entry["rows"]) + self.waiting

    def add(self, piece: Any) -> None:
        self.pieces.append(piece)
        self.waiting += piece.num_rows
        if len(self.pieces) > PIECES_MAX:
            self.pieces = self._joined().to_batches()

    def _joined(self) -> Any:
        return package("pyarrow").Table.from_batches(self.pieces).combine_chunks()

    def flush(self) -> None:
        """Writes what waits as one row group."""
        if not self.waiting:
            return
        table = self._joined()
        if self.writer is None:
            parquet = package("pyarrow.parquet")
            self.writer = parquet.ParquetWriter(self.path, table.schema, compression="zstd")
        self.writer.write_table(table, row_group_size=GROUP_ROWS)
        self.entry["rows"] += self.waiting
        self.pieces, self.waiting = [], 0

    def close(self) -> None:
        self.flush()
        self.writer.close()


class _Tree:
    """The files of one selection."""

    def __init__(self, folder: Folder, selection: Selection) -> None:
        self._folder, self._kind = folder, selection.wanted.kind
        self._price: PriceType = selection.price
        self._tz = selection.tz
        is_bars = self._kind == "bars"
        self._time = "open_time" if is_bars else "event_time"
        self._names = ("series", "source") if is_bars else ("source",)
        self._open: OrderedDict[tuple[str, ...], _File] = OrderedDict()
        self._parts: dict[tuple[str, ...], int] = {}
        self._waiting = 0

    def write(self, batch: Batch) -> None:
        """Takes rows in the order of time."""
        table = arrow_batch(batch.priced(self._price), self._tz)
        days = (None if time is None else time // _DAY for time in batch[self._time])
        start = 0
        for day, rows in itertools.groupby(days):
            count = sum(1 for _ in rows)
            date = _NO_DATE if day is None else times.text(day * _DAY)[:10]
            self._write_day(date, table.slice(start, count))
            start += count

    def _write_day(self, date: str, table: Any) -> None:
        compute = package("pyarrow.compute")
        columns = [table.column(name) for name in self._names]
        numbers = [column.indices.to_pylist() for column in columns]
        for key in dict.fromkeys(zip(*numbers)):
            texts = [column.dictionary[number].as_py() for column, number in zip(columns, key)]
            flags = None
            for column, number in zip(columns, key):
                own = compute.equal(column.indices, number)
                flags = own if flags is None else compute.and_(flags, own)
            # A filter copies: a slice would keep the whole batch in memory.
            rows = table.filter(flags).drop_columns(list(self._names))
            while rows.num_rows:
                rows = self._add((*texts, date), rows)

    def _add(self, key: tuple[str, ...], rows: Any) -> Any:
        """Takes rows of one file, and returns those for which it has no room."""
        file = self._open.get(key)
        if file is None or file.rows == FILE_ROWS_MAX:
            file = self._new(key)
        self._open.move_to_end(key)
        room = FILE_ROWS_MAX - file.rows
        before = file.waiting
        file.add(rows.slice(0, room))
        if file.waiting >= GROUP_ROWS:
            file.flush()
        self._waiting += file.waiting - before
        while self._waiting > PENDING_ROWS_MAX:
            largest = max(self._open.values(), key=lambda one: one.waiting)
            self._waiting -= largest.waiting
            largest.flush()
        return rows.slice(room)

    def _new(self, key: tuple[str, ...]) -> _File:
        if key in self._open:
            self._close(key)
        elif len(self._open) >= OPEN_FILES_MAX:
            self._close(next(iter(self._open)))
        part = self._parts.get(key, 0)
        self._parts[key] = part + 1
        names = [
            f"{name}={urllib.parse.quote(text, safe='')}" for name, text in zip((*self._names, "date"), key)
        ]
        # All numbers have the same width, so that the order of names is that of the parts.
        path = self._folder.file(f"kind={self._kind}", *names, f"part-{part:08}.parquet")
        file = self._open[key] = _File(path, self._folder.files[-1])
        return file

    def _close(self, key: tuple[str, ...]) -> None:
        file = self._open.pop(key)
        self._waiting -= file.waiting
        file.close()

    def close(self) -> None:
        """Writes what waits, and closes all files."""
        while self._open:
            self._close(next(iter(self._open)))

    def abandon(self) -> None:
        """Closes all files of an export that failed, which are removed."""
        for file in self._open.values():
            if file.writer is not None:
                try:
                    file.writer.close()
                except OSError:
                    # The error that ended the export is the one that is reported.
                    continue
