"""What the library beside this package does, in Python, where there is no library: rows of a database as columns, and
columns as pyarrow has them. The same rows and frames come of it, some hundred times slower."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .columns import Batch, Column, Field, batch
from .errors import TapelineError

if TYPE_CHECKING:
    from .arrow import Stream

_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_HEAD, _SHORT, _LENGTH = struct.Struct(">II"), struct.Struct(">h"), struct.Struct(">i")
_NUMERIC = struct.Struct(">HhHh")
_INTEGERS = {2: _SHORT, 4: _LENGTH, 8: struct.Struct(">q")}
_EPOCH_MICROSECONDS = 946_684_800_000_000
"""PostgreSQL counts from the year 2000."""

NANOSECONDS, TIME, TIME_REST, INTEGER, SHORT, BYTE, ID, FIXED, WIDE, TEXT, FLAG = range(1, 12)
"""How the server sends a column. `TIME_REST` is two columns of the query."""

_LIMITS = {ID: (0, 2**64), WIDE: (-(2**127), 2**127), SHORT: (-(2**15), 2**16), BYTE: (0, 2**8)}
_ALL = (-(2**63), 2**63)


class Rows:
    """Makes batches of the pieces of a COPY, as `copies.Reader` does."""

    def __init__(self, fields: Sequence[Field], kinds: Sequence[int], capacity: int) -> None:
        self._fields, self._kinds = tuple(fields), tuple(kinds)
        self._rows: list[list[Any]] = []
        self._capacity = capacity
        self._texts: dict[str, dict[str, int]] = {}
        self._begun = False
        self.is_over = False

    @property
    def count(self) -> int:
        """Rows of the batch."""
        return len(self._rows)

    def read(self, piece: bytes) -> None:
        """Takes a piece, which ends with a row."""
        try:
            at = 0 if self._begun else self._header(piece)
            self._begun = True
            while at < len(piece):
                count, at = _SHORT.unpack_from(piece, at)[0], at + 2
                if count == -1 and not self.is_over:
                    self.is_over = True
                    continue
                is_full = self.is_over or self.count == self._capacity
                if is_full or count != len(self._kinds) + self._kinds.count(TIME_REST):
                    raise ValueError
                at = self._row(piece, at)
        except (struct.error, ValueError, KeyError):
            raise TapelineError("the database sent bytes that are no rows of the selection") from None

    def batch(self) -> Batch:
        """Returns the batch, and begins the next one."""
        rows, self._rows = self._rows, []
        return batch(self._fields, rows, self._texts)

    @staticmethod
    def _header(piece: bytes) -> int:
        flags, more = _HEAD.unpack_from(piece, len(_SIGNATURE))
        end: int = len(_SIGNATURE) + _HEAD.size + more
        if not piece.startswith(_SIGNATURE) or flags >> 16 or end > len(piece):
            raise ValueError
        return end

    def _row(self, piece: bytes, at: int) -> int:
        row: list[Any] = []
        for field, kind in zip(self._fields, self._kinds):
            value, at = _taken(piece, at)
            rest = 0
            if kind == TIME_REST:
                after, at = _taken(piece, at)
                rest = _integer(after or b"")
            found = None if value is None or rest < 0 else _READ[kind](value, field, rest)
            low, high = _LIMITS.get(kind, _ALL)
            if isinstance(found, int) and not low <= found < high:
                raise TapelineError(f"a value of the column {field.name} in the database does not fit into a frame")
            row.append(found % 2**16 if kind == SHORT and found is not None else found)
        self._rows.append(row)
        return at


def _taken(piece: bytes, at: int) -> tuple[bytes | None, int]:
    count, at = _LENGTH.unpack_from(piece, at)[0], at + 4
    if count == -1:
        return None, at
    if count < 0 or at + count > len(piece):
        raise ValueError
    return piece[at : at + count], at + count


def _integer(value: bytes) -> int:
    number: int = _INTEGERS[len(value)].unpack(value)[0]
    return number


def _time(value: bytes, field: Field, rest: int) -> int:
    moment: int = _INTEGERS[8].unpack(value)[0]
    return (moment + _EPOCH_MICROSECONDS) * 1_000 + rest


def _nanoseconds(value: bytes, field: Field, rest: int) -> int | None:
    found = _integer(value)
    return None if found == 2**63 - 1 else found


def _byte(value: bytes, field: Field, rest: int) -> int:
    found = _integer(value)
    return -1 - found if found < 0 else found


def _number(value: bytes, field: Field, rest: int) -> int:
    """Reads a numeric, times 10^scale, rounded half away from zero. It has groups of four digits."""
    count, weight, sign, _ = _NUMERIC.unpack_from(value)
    if sign >= 0xC000:
        # Not a number, and the infinite ones, fit nowhere.
        return 2**200
    groups = struct.unpack_from(f">{count}H", value, 8)
    if len(value) != 8 + 2 * count or sign & 0x3FFF or any(group > 9_999 for group in groups):
        raise ValueError
    whole: int = 0
    for group in groups:
        whole = whole * 10_000 + group
    power = 4 * (weight - count + 1) + field.scale
    if power >= 0:
        whole *= 10**power
    else:
        whole, part = divmod(whole, 10**-power)
        whole += 2 * part >= 10**-power
    return -whole if sign & 0x4000 else whole


def _text(value: bytes, field: Field, rest: int) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise TapelineError(f"the column {field.name} in the database has text that is not UTF-8") from None


def _flag(value: bytes, field: Field, rest: int) -> bool:
    if len(value) != 1:
        raise ValueError
    return value != b"\0"


def _plain(value: bytes, field: Field, rest: int) -> int:
    return _integer(value)


def _id(value: bytes, field: Field, rest: int) -> int | None:
    return _number(value, field, rest) or None


_READ: dict[int, Callable[[bytes, Field, int], Any]] = {
    NANOSECONDS: _nanoseconds, TIME: _time, TIME_REST: _time, INTEGER: _plain, SHORT: _plain, BYTE: _byte, ID: _id,
    FIXED: _number, WIDE: _number, TEXT: _text, FLAG: _flag,
}


def capsule(stream: Stream) -> object:
    """Returns a capsule of a stream of batches, which pyarrow makes."""
    from .frames import package

    arrow = package("pyarrow")
    fields = [_field(arrow, field, stream.tz) for field in stream.fields]
    schema = arrow.schema(fields)

    def records() -> Iterator[Any]:
        try:
            for found in stream.batches:
                columns = [_array(arrow, field.type, one) for field, one in zip(fields, found.columns)]
                yield arrow.RecordBatch.from_arrays(columns, schema=schema)
        except BaseException as error:
            stream.fail(error)
            raise

    return arrow.RecordBatchReader.from_batches(schema, records()).__arrow_c_stream__()


def _field(arrow: Any, field: Field, tz: str) -> Any:
    kind = {
        "l": arrow.int64, "L": arrow.uint64, "i": arrow.int32, "I": arrow.uint32, "S": arrow.uint16,
        "C": arrow.uint8, "g": arrow.float64, "u": arrow.string, "b": arrow.bool_, "fixed": arrow.int64,
        "ts": lambda: arrow.timestamp("ns", tz), "dict": lambda: arrow.dictionary(arrow.int32(), arrow.string()),
    }.get(field.kind, lambda: arrow.decimal128(field.digits or 38, field.scale))()
    return arrow.field(field.name, kind, metadata={"scale": str(field.scale)} if field.kind == "fixed" else None)


def _array(arrow: Any, kind: Any, column: Column) -> Any:
    parts = (column.validity, column.offsets, column.data)
    buffers = [None if part is None else arrow.py_buffer(part) for part in parts]
    if column.kind != "u":
        del buffers[1]
    if column.kind != "dict":
        return arrow.Array.from_buffers(kind, column.length, buffers)
    numbers = arrow.Array.from_buffers(arrow.int32(), column.length, buffers)
    return arrow.DictionaryArray.from_arrays(numbers, arrow.array(column.dictionary or (), arrow.string()))
