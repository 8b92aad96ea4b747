"""Provenance: what tells rows from all others, and the proof of a frame by it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import foreign, schema
from .columns import Batch, Field, floats
from .errors import TapelineError
from .frames import Readable

VERSION = 2
_MODULUS = 2**256
_KINDS = {name: kind.fields for name, kind in schema.KINDS.items()}

Lane = tuple[Any, ...]
"""Of ticks source and partition, of bars source, series and symbol."""


def lane_names(kind: str) -> tuple[str, ...]:
    """Returns the columns that name a lane."""
    return ("source", "series", "symbol") if kind == "bars" else ("source", "partition")


class Tally:
    """Counts rows by lane, and sums the SHA-256 of each: in any order and in any batches the same."""

    def __init__(self, kind: str) -> None:
        self.kind, self.fields = kind, _KINDS[kind]
        self.is_exact = True
        self._lanes: dict[Lane, list[Any]] = {}
        names = [field.name for field in self.fields]
        self._lane = [names.index(name) for name in lane_names(kind)]
        self._place = names.index("number" if kind == "bars" else "ordinal")
        self._prices = [at for at, field in enumerate(self.fields) if field.kind in ("fixed", "wide")]

    def add(self, columns: Sequence[Sequence[Any]]) -> None:
        """Counts rows. Prices and sizes are whole numbers, or in some columns floats."""
        rounded, exact = list(columns), True
        for at in self._prices:
            if any(isinstance(value, float) for value in columns[at]):
                exact = False
            else:
                rounded[at] = floats(columns[at], self.fields[at])
        self.is_exact = self.is_exact and exact
        lanes = list(zip(*(columns[at] for at in self._lane)))
        for lane, place, row, near in zip(lanes, columns[self._place], zip(*columns), zip(*rounded)):
            told = self._lanes.get(lane)
            if told is None:
                told = self._lanes[lane] = [place, place, 0, 0, 0]
            told[0], told[1] = min(told[0], place), max(told[1], place)
            told[2] += 1
            if self.is_exact:
                told[3] += _digest(row)
            told[4] += _digest(near)

    def told(self) -> list[dict[str, Any]]:
        """Returns a row per lane. Without exact values, `checksum` is none."""
        return [
            {
                **dict(zip(lane_names(self.kind), lane)), "first": first, "last": last, "rows": rows,
                "checksum": _hex(exact) if self.is_exact else None, "checksum_of_floats": _hex(near),
            }
            for lane, (first, last, rows, exact, near) in sorted(
                self._lanes.items(), key=lambda entry: [str(name) for name in entry[0]]
            )
        ]


def _digest(row: tuple[Any, ...]) -> int:
    # `ascii` writes a value in one way only, in every version of Python.
    return int.from_bytes(hashlib.sha256(ascii(row).encode()).digest(), "little")


def _hex(number: int) -> str:
    return f"{number % _MODULUS:064x}"


def _total(kind: str, missing: str, lanes: Iterable[Mapping[str, Any]]) -> str:
    told = [(kind, missing), *(tuple(sorted(lane.items())) for lane in lanes)]
    return hashlib.sha256(ascii(told).encode()).hexdigest()


class Provenance:
    """Sums up the rows of one reading. It keeps nothing of them."""

    def __init__(self, kind: str, missing: str) -> None:
        self._tally, self._missing = Tally(kind), missing

    def add(self, batch: Batch) -> None:
        """Counts the rows of a batch, whose prices are still whole numbers."""
        self._tally.add([column.values() for column in batch.columns])

    def told(self) -> dict[str, Any]:
        """Returns it as `Selection.provenance` has it."""
        kind, lanes = self._tally.kind, self._tally.told()
        return {
            "version": VERSION, "kind": kind, "missing": self._missing,
            "rows": sum(lane["rows"] for lane in lanes),
            "checksum": _total(kind, self._missing, lanes), "lanes": lanes,
        }


@dataclass(frozen=True)
class LaneDifference:
    """One lane whose rows are not those of the provenance. None: there are none."""

    lane: str
    expected: Mapping[str, Any] | None
    found: Mapping[str, Any] | None

    def __str__(self) -> str:
        if self.expected is None:
            return f"{self.lane}: {_rows(self.found)} that the provenance does not have"
        if self.found is None:
            return f"{self.lane}: {_rows(self.expected)} are missing"
        places = ("rows", "first", "last")
        if all(self.expected[name] == self.found[name] for name in places):
            return f"{self.lane}: the values of {_rows(self.found)} are not the same"
        return f"{self.lane}: {_rows(self.found)}, and the provenance has {_rows(self.expected)}"


def _rows(lane: Mapping[str, Any] | None) -> str:
    return f"{lane['rows']} rows ({lane['first']} to {lane['last']})" if lane else "no rows"


@dataclass
class Differs(TapelineError):
    """Rows are not those of a provenance. `differences` has one entry per lane that differs."""

    differences: Sequence[LaneDifference]

    SHOWN = 3

    def __str__(self) -> str:
        shown = "; ".join(str(one) for one in self.differences[: self.SHOWN])
        more = len(self.differences) - self.SHOWN
        return f"these rows are not those of the provenance: {shown}" + (
            f"; and {more} more" if more > 0 else ""
        )


@dataclass(frozen=True)
class Verified:
    """Rows are those of the provenance.

    `exact` is false of a frame of floats: its floats are those that the prices and sizes have. `unproven`:
    columns of the frame that no provenance has."""

    kind: str
    rows: int
    exact: bool
    unproven: tuple[str, ...] = ()

    def __str__(self) -> str:
        how = "" if self.exact else ", to the precision of floats"
        besides = f"; nothing is said of {', '.join(self.unproven)}" if self.unproven else ""
        return f"{self.rows} rows of {self.kind} are those of the provenance{how}{besides}"

    def __repr__(self) -> str:
        return f"<{self}>"


def verify(rows: Any, provenance: Mapping[str, Any]) -> Verified:
    """Proves that rows are those of a provenance that was saved before: no row more, none less, each value
    the same. Raises `Differs`, which names each source and partition (of bars: source, series, symbol) that
    differs.

    `rows`: a frame of polars, pandas or pyarrow as the package made it, whatever its prices are and in any
    order of rows and columns; or a selection, which is read. Columns that were added are not looked at, and
    the answer names them.

        saved = trades.provenance                       # to be kept beside the frame, as JSON
        tapeline.verify(frame, saved)
    """
    told = _checked(provenance)
    tally = Tally(told["kind"])
    unproven: tuple[str, ...] = ()
    if isinstance(rows, Readable):
        missing = getattr(rows, "missing", told["missing"])
        if missing != told["missing"]:
            raise TapelineError(
                f"the provenance is of a selection with missing={told['missing']!r}, and this one has"
                f" missing={missing!r}: select with the same"
            )
        names = [field.name for field in rows.fields()]
        _complete(names, tally.fields)
        for batch in rows.raw_batches():
            tally.add([batch.column(field.name).values() for field in tally.fields])
    else:
        names = foreign.names(rows)
        _complete(names, tally.fields)
        unproven = tuple(sorted(set(names) - {field.name for field in tally.fields}))
        for part in foreign.parts(rows, tally.fields):
            tally.add(part)
    found, sums = tally.told(), ("checksum" if tally.is_exact else "checksum_of_floats")
    differences = list(_differences(told, found, sums))
    if differences:
        raise Differs(differences)
    return Verified(told["kind"], told["rows"], tally.is_exact, unproven)


def _complete(names: Sequence[str], fields: Sequence[Field]) -> None:
    lacking = [field.name for field in fields if field.name not in names]
    if lacking:
        raise TapelineError(
            f"the frame has no column {', '.join(lacking)}: a frame is proven with all columns that it was"
            " read with"
        )


def _differences(
    told: Mapping[str, Any], found: Sequence[Mapping[str, Any]], sums: str
) -> Iterator[LaneDifference]:
    names = lane_names(told["kind"])
    before, now = ({tuple(lane[name] for name in names): lane for lane in lanes}
                   for lanes in (told["lanes"], found))
    for lane in sorted({*before, *now}, key=str):
        expected, other = before.get(lane), now.get(lane)
        same = expected and other and all(
            expected[name] == other[name] for name in ("first", "last", "rows", sums))
        if not same:
            who = ", ".join(f"{name} {value}" for name, value in zip(names, lane))
            yield LaneDifference(who, expected, other)


def _checked(provenance: Mapping[str, Any]) -> Mapping[str, Any]:
    """Raises if this is no provenance, or not as it was saved."""
    if not isinstance(provenance, Mapping) or "lanes" not in provenance or "kind" not in provenance:
        raise TapelineError("this is no provenance: give what selection.provenance returned, as a dictionary")
    if provenance.get("version") != VERSION:
        raise TapelineError(
            f"the provenance has the version {provenance.get('version', 1)!r}, and this package proves"
            f" {VERSION}: make it again from the same selection"
        )
    try:
        kind, lanes, rows = provenance["kind"], provenance["lanes"], provenance["rows"]
        whole = {*lane_names(kind), "first", "last", "rows", "checksum", "checksum_of_floats"}
        is_own = kind in _KINDS and rows == sum(lane["rows"] for lane in lanes) and all(
            set(lane) == whole and re.fullmatch("[0-9a-f]{64}", lane["checksum"]) for lane in lanes)
        if is_own and provenance["checksum"] == _total(kind, provenance["missing"], lanes):
            return provenance
    except (KeyError, TypeError, ValueError):
        pass
    raise TapelineError("the provenance is not as it was made: its own checksum does not fit its contents")
