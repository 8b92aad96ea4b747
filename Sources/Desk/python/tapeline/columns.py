"""Columns of a batch as buffers of Python, laid out as Arrow has them. Nothing here needs a package."""

from __future__ import annotations

import array
import operator
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, repeat
from typing import Any, Literal

from .errors import TapelineError

try:  # numpy is not needed. With it, numbers are converted faster.
    import numpy
except ImportError:
    numpy = None  # type: ignore[assignment]

BATCH_ROWS = 65_536
"""The most rows of one batch."""

PriceType = Literal["float", "fixed", "decimal"]


def checked_price(price: PriceType) -> PriceType:
    """Returns it if it is one."""
    if price not in ("float", "fixed", "decimal"):
        raise TapelineError(f"price={price!r}: it is 'float', 'fixed' or 'decimal'")
    return price


Buffer = bytes | array.array  # type: ignore[type-arg]
_TYPECODES = {"l": "q", "L": "Q", "i": "i", "I": "I", "S": "H", "C": "B", "g": "d", "ts": "q"}


@dataclass(frozen=True)
class Field:
    """The name and the type of a column.

    `kind` is a type of the Arrow C data interface ("l" int64, "g" float64, "u" text, "b" bool), or "ts"
    (nanoseconds since 1970 UTC), "dict" (text by its number), "fixed" (int64 in 10^-scale), "wide"
    (128 bits in 10^-scale) or "decimal" (`digits` digits in 10^-scale)."""

    name: str
    kind: str
    scale: int = 0
    digits: int = 0
    unit: str = ""

    def priced(self, price: PriceType) -> Field:
        """Returns the field as a caller wants numbers of prices and sizes."""
        if self.kind not in ("fixed", "wide") or price == "fixed" and self.kind == "fixed":
            return self
        if price == "float":
            return replace(self, kind="g")
        return replace(self, kind="decimal", digits=19 if self.kind == "fixed" else 38)


@dataclass(frozen=True)
class Column:
    """The values of one column. `validity` has a bit per row, and is None when no value is missing."""

    kind: str
    length: int
    data: Buffer
    validity: bytes | None = None
    offsets: Buffer | None = None
    dictionary: tuple[str, ...] | None = None
    scale: int = 0

    @property
    def nulls(self) -> int:
        if self.validity is None:
            return 0
        return self.length - sum(unpacked(self.validity, self.length))

    def integers(self) -> memoryview:
        """The values as numbers; what a missing one has is undefined."""
        code = "i" if self.kind == "dict" else _TYPECODES.get("l" if self.kind == "fixed" else self.kind, "")
        if not code:
            raise TapelineError(f"a column of the kind {self.kind!r} has no plain numbers")
        whole: Any = memoryview(self.data).cast("B")
        numbers: memoryview = whole.cast(code)
        return numbers

    def values(self) -> list[Any]:
        """The values as Python has them: numbers, text, None. Times are nanoseconds."""
        if self.kind == "u":
            ends = memoryview(self.offsets or b"").cast("B").cast("i")
            data = bytes(self.data)
            found: list[Any] = [data[a:b].decode() for a, b in zip(ends, ends[1:])]
        elif self.kind == "dict":
            texts = self.dictionary or ("",)
            found = [texts[place] if place < len(texts) else "" for place in self.integers()]
        elif self.kind == "b":
            found = [bool(bit) for bit in unpacked(bytes(self.data), self.length)]
        elif self.kind in ("wide", "decimal"):
            data = bytes(self.data)
            found = [
                int.from_bytes(data[at : at + 16], "little", signed=True)
                for at in range(0, 16 * self.length, 16)
            ]
        else:
            found = self.integers().tolist()
        if self.validity is None:
            return found
        return [v if ok else None for v, ok in zip(found, unpacked(self.validity, self.length))]

    def priced(self, price: PriceType) -> Column:
        """Returns the column as `Field.priced` says."""
        if self.kind not in ("fixed", "wide") or price == "fixed" and self.kind == "fixed":
            return self
        if self.kind == "wide":
            if price != "float":
                return replace(self, kind="decimal")
            return column("g", floats(self.values(), self))
        if price == "decimal":
            return replace(self, kind="decimal", data=_widened(self.integers()))
        if numpy is not None:
            data: Buffer = (numpy.frombuffer(self.data, "<i8") / 10.0**self.scale).tobytes()
        else:
            data = array.array("d", map(operator.truediv, self.integers(), repeat(10.0**self.scale)))
        return replace(self, kind="g", data=data)


def floats(values: Sequence[int | None], of: Field | Column) -> list[float | None]:
    """Returns whole numbers of a scale as the floats that frames have."""
    # Of 64 bits, numpy makes floats before it divides.
    power: int | float = 10**of.scale if of.kind == "wide" else 10.0**of.scale
    return [None if value is None else value / power for value in values]


def _widened(values: memoryview) -> Buffer:
    if numpy is not None:
        low = numpy.asarray(values)
        return numpy.stack((low, low >> 63), axis=1).tobytes()
    wide = array.array("q", bytes(16 * len(values)))
    wide[0::2] = array.array("q", values)
    wide[1::2] = array.array("q", [-1 if value < 0 else 0 for value in values])
    return wide


_BITS = bytes.maketrans(b"\0\1", b"01")
_FLAGS = bytes.maketrans(b"01", b"\0\1")


def packed(flags: bytes) -> bytes:
    """Returns bytes of 0 and 1 as bits, the first one lowest."""
    if not flags:
        return b""
    return int(flags.translate(_BITS)[::-1], 2).to_bytes((len(flags) + 7) // 8, "little")


def unpacked(bits: bytes, count: int) -> bytes:
    """Returns the first bits as bytes of 0 and 1."""
    if not count:
        return b""
    text = format(int.from_bytes(bits[: (count + 7) // 8], "little"), f"0{count}b")
    return text.encode()[::-1][:count].translate(_FLAGS)


def column(kind: str, values: Sequence[Any], *, scale: int = 0, texts: dict[str, int] | None = None) -> Column:
    """Returns a column of values of Python. `texts` numbers the texts of a "dict" over all batches."""
    validity = None
    if None in values:
        validity = packed(bytes(value is not None for value in values))
        empty: Any = "" if kind in ("u", "dict") else False if kind == "b" else 0
        if kind != "dict":
            values = [empty if value is None else value for value in values]
    count = len(values)
    if kind == "dict":
        texts = {} if texts is None else texts
        for text in dict.fromkeys(values):
            if text is not None:
                texts.setdefault(text, len(texts))
        data: Buffer = array.array("i", [texts.get(text, 0) for text in values])
        return Column(kind, count, data, validity, dictionary=tuple(texts))
    if kind == "u":
        encoded = [value.encode() for value in values]
        offsets = array.array("i", accumulate(map(len, encoded), initial=0))
        return Column(kind, count, b"".join(encoded), validity, offsets)
    if kind == "b":
        return Column(kind, count, packed(bytes(map(bool, values))), validity)
    if kind in ("wide", "decimal"):
        data = b"".join(int(value).to_bytes(16, "little", signed=True) for value in values)
        return Column(kind, count, data, validity, scale=scale)
    code = _TYPECODES["l" if kind == "fixed" else kind]
    if code == "Q":
        values = [value % 2**64 for value in values]
    return Column(kind, count, array.array(code, values), validity, scale=scale)


@dataclass(frozen=True)
class Batch:
    """At most 65,536 rows. `batch["price"]` is a list of values; polars, pandas' readers, pyarrow and
    duckdb take a batch as they take a selection."""

    fields: tuple[Field, ...]
    columns: tuple[Column, ...]

    def __len__(self) -> int:
        return self.columns[0].length if self.columns else 0

    def __repr__(self) -> str:
        return f"<{len(self)} rows of {', '.join(field.name for field in self.fields)}>"

    def __getitem__(self, name: str) -> list[Any]:
        return self.column(name).values()

    def column(self, name: str) -> Column:
        """Returns a column by its name."""
        for field, found in zip(self.fields, self.columns):
            if field.name == name:
                return found
        raise KeyError(f"{name!r}: there are {', '.join(field.name for field in self.fields)}")

    def priced(self, price: PriceType) -> Batch:
        """Returns the batch with prices and sizes as floats, decimals or whole numbers."""
        checked_price(price)
        return Batch(
            tuple(field.priced(price) for field in self.fields),
            tuple(found.priced(price) for found in self.columns),
        )

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        from .arrow import Stream

        return Stream(self.fields, iter([self])).capsule()


def batch(fields: Sequence[Field], rows: Sequence[Sequence[Any]], texts: dict[str, dict[str, int]]) -> Batch:
    """Returns a batch of rows. `texts` keeps the numbers of texts from batch to batch."""
    lists: Iterable[Sequence[Any]] = zip(*rows) if rows else ([] for _ in fields)
    return Batch(
        tuple(fields),
        tuple(
            column(field.kind, values, scale=field.scale, texts=texts.setdefault(field.name, {}))
            for field, values in zip(fields, lists)
        ),
    )


_WIDTHS = {"wide": 16, "decimal": 16, "dict": 4, "i": 4, "I": 4, "S": 2, "C": 1}


def part(whole: Batch, start: int, end: int) -> Batch:
    """Returns the rows of [start, end). No column is plain text or a truth value."""
    if (start, end) == (0, len(whole)):
        return whole
    return Batch(whole.fields, tuple(_part(one, start, end) for one in whole.columns))


def _part(whole: Column, start: int, end: int) -> Column:
    width, count, validity = _WIDTHS.get(whole.kind, 8), end - start, None
    if whole.validity is not None:
        bits = int.from_bytes(whole.validity[start // 8 : (end + 7) // 8], "little") >> start % 8
        bits &= (1 << count) - 1
        validity = None if bits == (1 << count) - 1 else bits.to_bytes((count + 7) // 8, "little")
    data = bytes(memoryview(whole.data).cast("B")[width * start : width * end])
    return Column(whole.kind, count, data, validity, None, whole.dictionary, whole.scale)


def in_order(batches: list[Batch], names: Sequence[str]) -> Iterator[Batch]:
    """Yields the rows of all batches in the order of columns; a missing value comes first.

    No column is plain text, and a later dictionary begins with the earlier one."""
    if not batches:
        return
    fields = batches[0].fields
    whole = Batch(
        fields,
        tuple(_joined(field, [one.columns[place] for one in batches]) for place, field in enumerate(fields)),
    )
    order = sorted_rows(whole, names)
    for start in range(0, len(order), BATCH_ROWS):
        rows = order[start : start + BATCH_ROWS]
        yield Batch(fields, tuple(taken(one, rows) for one in whole.columns))


def having(whole: Batch, name: str, texts: Collection[str]) -> Batch:
    """Returns the rows that have one of these texts in a column. No column is plain text or a truth value."""
    rows = [row for row, text in enumerate(whole[name]) if text in texts]
    flags = [None if one.validity is None else unpacked(one.validity, one.length) for one in whole.columns]
    columns = (replace(one, validity=known) for one, known in zip(whole.columns, flags))
    return Batch(whole.fields, tuple(taken(one, rows) for one in columns))


def _joined(field: Field, parts: list[Column]) -> Column:
    validity = None
    if any(part.validity is not None for part in parts):
        validity = b"".join(
            b"\1" * part.length if part.validity is None else unpacked(part.validity, part.length)
            for part in parts
        )
    data = b"".join(bytes(memoryview(part.data).cast("B")) for part in parts)
    length = sum(part.length for part in parts)
    # While columns are joined, validity has a byte per row.
    return Column(field.kind, length, data, validity, None, parts[-1].dictionary, field.scale)


def sorted_rows(whole: Batch, names: Sequence[str]) -> Sequence[int]:
    """Returns the numbers of the rows in the order of columns. Validity has a byte per row."""
    keys: list[Sequence[int]] = []
    for name in names:
        found = whole.column(name)
        numbers: Sequence[int] = found.integers()
        if found.kind == "dict":
            texts = found.dictionary or ()
            rank = {place: rank for rank, place in enumerate(sorted(range(len(texts)), key=texts.__getitem__))}
            numbers = array.array("q", [rank.get(place, 0) for place in numbers])
        if found.validity is not None:
            numbers = array.array("q", [n if ok else -(2**63) for n, ok in zip(numbers, found.validity)])
        keys.append(numbers)
    if numpy is not None:
        return numpy.lexsort([numpy.asarray(key) for key in reversed(keys)])  # type: ignore[return-value]
    together: Callable[[int], tuple[int, ...]] = list(zip(*keys)).__getitem__
    return sorted(range(len(whole)), key=together)


def taken(whole: Column, rows: Sequence[int]) -> Column:
    """Returns these rows of a column of a fixed width, whose validity has a byte per row."""
    count = len(rows)
    validity = None
    if whole.validity is not None:
        flags = bytes(map(whole.validity.__getitem__, rows))
        validity = None if 0 not in flags else packed(flags)
    data: Buffer
    if whole.kind == "wide":
        data = b"".join(whole.data[16 * row : 16 * row + 16] for row in rows)
    elif numpy is not None:
        code = _TYPECODES["i" if whole.kind == "dict" else "l" if whole.kind == "fixed" else whole.kind]
        data = numpy.frombuffer(whole.data, code)[rows].tobytes()
    else:
        numbers = whole.integers()
        data = array.array(numbers.format, map(numbers.__getitem__, rows))
    return replace(whole, length=count, data=data, validity=validity)
