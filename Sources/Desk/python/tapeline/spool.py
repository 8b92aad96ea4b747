"""Rows in an order, with little memory: sorted runs on the disk, which are merged."""

from __future__ import annotations

import array
import bisect
import marshal
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from .columns import BATCH_ROWS, Batch, Column, Field, packed, sorted_rows, taken, unpacked
from .errors import TapelineError

RUN_ROWS = 262_144
"""The most rows that are sorted in memory at once."""
RUNS_MAX = 16
"""The most runs that are merged at once, each with a file and a block in memory. More of them become
fewer and longer ones."""
BLOCK_ROWS = 16_384
"""The rows of a run that are read at once."""

_WIDTHS = {"ts": 8, "l": 8, "L": 8, "fixed": 8, "g": 8, "dict": 4, "i": 4, "I": 4, "S": 2, "C": 1, "b": 1,
           "wide": 16}
_ARRIVAL = Field("", "l")


@dataclass(frozen=True)
class _Rows:
    """Rows as bytes of a fixed width per column, with a byte per row that says whether there is a value."""

    length: int
    data: tuple[bytes, ...]
    validity: tuple[bytes | None, ...]

    def part(self, widths: Sequence[int], start: int, end: int) -> _Rows:
        return _Rows(
            end - start,
            tuple(data[start * width : end * width] for data, width in zip(self.data, widths)),
            tuple(None if flags is None else flags[start:end] for flags in self.validity),
        )


class Spool:
    """Takes batches in any order, and returns their rows in the order of some columns. A missing value comes
    first, texts are in the order of their bytes, and rows that are equal in all of these columns stay in the
    order in which they came.

    In memory are at most RUN_ROWS and RUNS_MAX * BLOCK_ROWS rows and what one batch has. The files are in a
    folder of the caller, and take up to twice the size of the rows. All columns have a fixed width."""

    def __init__(self, folder: str, fields: Sequence[Field], order: Sequence[str]) -> None:
        self._folder = folder
        # The place of a row among all that came makes each key different.
        self._fields, self._order = (*fields, _ARRIVAL), (*order, _ARRIVAL.name)
        self._widths = [_WIDTHS[field.kind] for field in self._fields]
        self._texts: list[tuple[str, ...]] = [()] * len(self._fields)
        self._waiting: list[_Rows] = []
        self._rows = self._total = self._numbers = 0
        self._runs: list[list[str]] = []

    def add(self, batch: Batch) -> None:
        """Takes the rows of a batch. Its dictionaries begin with those of the batches before."""
        for place, column in enumerate(batch.columns):
            if column.dictionary is not None and len(column.dictionary) > len(self._texts[place]):
                self._texts[place] = column.dictionary
        rows = _unpacked(batch, self._total)
        self._total += rows.length
        for start in range(0, rows.length, RUN_ROWS):
            part = rows.part(self._widths, start, min(rows.length, start + RUN_ROWS))
            if self._rows + part.length > RUN_ROWS:
                self._end_run()
            self._waiting.append(part)
            self._rows += part.length

    def batches(self) -> Iterator[Batch]:
        """Yields all rows in order, once. The files are removed."""
        self._end_run()
        paths = [path for level in reversed(self._runs) for path in level]
        while len(paths) > RUNS_MAX:
            # The last ones are the shortest.
            paths[-RUNS_MAX:] = [self._written(self._merged(paths[-RUNS_MAX:]))]
        count = 0
        for rows in self._merged(paths):
            count += rows.length
            for start in range(0, rows.length, BATCH_ROWS):
                yield self._packed(rows.part(self._widths, start, min(rows.length, start + BATCH_ROWS)))
        if count != self._total:
            raise TapelineError(f"{count} of {self._total} sorted rows came back from {self._folder}")

    def _end_run(self) -> None:
        if not self._waiting:
            return
        whole, self._waiting, self._rows = self._sorted(self._waiting), [], 0
        blocks = (
            whole.part(self._widths, start, min(whole.length, start + BLOCK_ROWS))
            for start in range(0, whole.length, BLOCK_ROWS)
        )
        run = self._written(blocks)
        for level in range(len(self._runs) + 1):
            if level == len(self._runs):
                self._runs.append([])
            self._runs[level].append(run)
            if len(self._runs[level]) < RUNS_MAX:
                return
            run = self._written(self._merged(self._runs[level]))
            self._runs[level] = []

    def _written(self, blocks: Iterator[_Rows]) -> str:
        path = os.path.join(self._folder, f"run-{self._numbers}")
        self._numbers += 1
        with open(path, "xb") as file:
            for block in blocks:
                for start in range(0, block.length, BLOCK_ROWS):
                    part = block.part(self._widths, start, min(block.length, start + BLOCK_ROWS))
                    marshal.dump((part.length, part.data, part.validity), file)
        return path

    @staticmethod
    def _blocks(path: str) -> Iterator[_Rows]:
        with open(path, "rb") as file:
            while True:
                try:
                    yield _Rows(*marshal.load(file))
                except EOFError:
                    break
        os.unlink(path)

    def _merged(self, paths: Sequence[str]) -> Iterator[_Rows]:
        """Yields the rows of runs in order. In a round come all rows up to the smallest key that ends a
        block: no later block has one before it."""
        runs = [self._blocks(path) for path in paths]
        heads: list[_Rows | None] = [next(run, None) for run in runs]
        while any(heads):
            bound = min(self._key(head, head.length - 1) for head in heads if head)
            ready: list[_Rows] = []
            for place, head in enumerate(heads):
                if not head:
                    continue
                count = bisect.bisect_right(range(head.length), bound, key=partial(self._key, head))
                if count:
                    ready.append(head.part(self._widths, 0, count))
                if count == head.length:
                    heads[place] = next(runs[place], None)
                else:
                    heads[place] = head.part(self._widths, count, head.length)
            yield self._sorted(ready)

    def _key(self, rows: _Rows, at: int) -> tuple[Any, ...]:
        """Returns the values by which a row is sorted."""
        found: list[Any] = []
        for name in self._order:
            place = self._place(name)
            flags = rows.validity[place]
            if flags is not None and not flags[at]:
                found.append((False, 0))
                continue
            field, width = self._fields[place], self._widths[place]
            is_signed = field.kind in ("ts", "l", "fixed", "g", "dict", "i")
            data = rows.data[place][at * width : (at + 1) * width]
            number = int.from_bytes(data, "little", signed=is_signed)
            found.append((True, self._texts[place][number] if field.kind == "dict" else number))
        return tuple(found)

    def _place(self, name: str) -> int:
        return next(place for place, field in enumerate(self._fields) if field.name == name)

    def _sorted(self, parts: Sequence[_Rows]) -> _Rows:
        """Returns the rows of all parts in order."""
        whole = self._columns(_joined(parts))
        order = sorted_rows(whole, self._order)
        columns = [taken(column, order) for column in whole.columns]
        return _Rows(
            len(order),
            tuple(bytes(memoryview(column.data).cast("B")) for column in columns),
            tuple(
                None if column.validity is None else unpacked(column.validity, column.length)
                for column in columns
            ),
        )

    def _columns(self, rows: _Rows) -> Batch:
        """Returns rows as columns whose truths and validity have a byte per row."""
        kinds = ["C" if field.kind == "b" else field.kind for field in self._fields]
        return Batch(self._fields, tuple(
            Column(
                kind, rows.length, rows.data[place], rows.validity[place],
                dictionary=self._texts[place] if kind == "dict" else None, scale=self._fields[place].scale,
            )
            for place, kind in enumerate(kinds)
        ))

    def _packed(self, rows: _Rows) -> Batch:
        """Returns rows as a batch."""
        columns = []
        fields = self._fields[:-1]
        for field, column in zip(fields, self._columns(rows).columns):
            flags = column.validity
            validity = None if flags is None or 0 not in flags else packed(flags)
            data = packed(bytes(column.data)) if field.kind == "b" else column.data
            columns.append(replace(column, kind=field.kind, data=data, validity=validity))
        return Batch(fields, tuple(columns))


def _unpacked(batch: Batch, first: int) -> _Rows:
    """Returns the rows with their numbers from this one on."""
    data: list[bytes] = []
    validity: list[bytes | None] = []
    for column in batch.columns:
        raw = bytes(memoryview(column.data).cast("B"))
        data.append(unpacked(raw, column.length) if column.kind == "b" else raw)
        validity.append(None if column.validity is None else unpacked(column.validity, column.length))
    data.append(array.array("q", range(first, first + len(batch))).tobytes())
    return _Rows(len(batch), tuple(data), (*validity, None))


def _joined(parts: Sequence[_Rows]) -> _Rows:
    validity: list[bytes | None] = []
    for place in range(len(parts[0].data)):
        flags = [part.validity[place] for part in parts]
        if all(one is None for one in flags):
            validity.append(None)
        else:
            validity.append(
                b"".join(b"\1" * part.length if one is None else one for one, part in zip(flags, parts)))
    return _Rows(
        sum(part.length for part in parts),
        tuple(b"".join(part.data[place] for part in parts) for place in range(len(parts[0].data))),
        tuple(validity),
    )
