"""Rows of PostgreSQL as batches: psycopg hands over what a COPY in binary sends, and the library beside this package
(`tapeline_rows.h`) makes columns of it. No value is an object of Python on the way."""

from __future__ import annotations

import ctypes
import itertools
import select
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from .arrow import is_there, library
from .columns import Batch, Column, Field
from .errors import TapelineError
from .pure import BYTE, FIXED, FLAG, ID, INTEGER, NANOSECONDS, SHORT, TEXT, TIME, TIME_REST, WIDE, Rows

if TYPE_CHECKING:
    import psycopg

__all__ = [
    "BYTE", "FIXED", "FLAG", "ID", "INTEGER", "KINDS", "NANOSECONDS", "SHORT", "TEXT", "TIME", "TIME_REST", "WIDE",
    "Reader", "batches",
]

KINDS = {"l": INTEGER, "S": SHORT, "C": BYTE, "L": ID, "fixed": FIXED, "wide": WIDE, "dict": TEXT, "b": FLAG}
"""By the kind of a field, which is not a time."""

_PIECE_ROWS = 256
"""More of them at once do not stay in the processor's cache."""

_WAIT_MILLISECONDS = 100
_CANCEL_SECONDS = 5.0
_RANGE, _TEXTS, _MEMORY = -2, -3, -4


class _Kind(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int32), ("scale", ctypes.c_int32)]


class _View(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p), ("data_bytes", ctypes.c_size_t),
        ("validity", ctypes.c_void_p), ("validity_bytes", ctypes.c_size_t),
        ("texts", ctypes.c_void_p), ("ends", ctypes.POINTER(ctypes.c_uint32)), ("text_count", ctypes.c_size_t),
    ]


_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "open": (ctypes.c_void_p, [ctypes.POINTER(_Kind), ctypes.c_size_t, ctypes.c_size_t]),
    "close": (None, [ctypes.c_void_p]),
    "read": (
        ctypes.c_int32, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int32)]),
    "is_over": (ctypes.c_int32, [ctypes.c_void_p]),
    "column": (None, [ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(_View)]),
    "clear": (None, [ctypes.c_void_p]),
}


@cache
def _calls() -> dict[str, Any]:
    found = {name: getattr(library(), f"tapeline_rows_{name}") for name in _SIGNATURES}
    for name, (result, arguments) in _SIGNATURES.items():
        found[name].restype, found[name].argtypes = result, arguments
    return found


class Reader:
    """Makes batches of the pieces of a COPY."""

    def __init__(self, fields: Sequence[Field], kinds: Sequence[int], capacity: int) -> None:
        self._calls, self._fields = _calls(), tuple(fields)
        self._texts: list[list[str]] = [[] for _ in fields]
        plan = (_Kind * len(kinds))(*(_Kind(kind, field.scale) for kind, field in zip(kinds, fields)))
        self._rows = self._calls["open"](plan, len(kinds), capacity)
        if not self._rows:
            raise MemoryError
        self.count = 0
        """Rows of the batch."""

    def __del__(self) -> None:
        if rows := getattr(self, "_rows", None):
            self._calls["close"](rows)

    @property
    def is_over(self) -> bool:
        """Whether the end of the COPY came."""
        return bool(self._calls["is_over"](self._rows))

    def read(self, piece: bytes) -> None:
        """Takes a piece, which ends with a row."""
        place = ctypes.c_int32()
        code = self._calls["read"](self._rows, piece, len(piece), ctypes.byref(place))
        if code >= 0:
            self.count = code
            return
        name = self._fields[place.value].name if place.value >= 0 else ""
        if code == _MEMORY:
            raise MemoryError
        if code == _RANGE:
            raise TapelineError(f"a value of the column {name} in the database does not fit into a frame")
        if code == _TEXTS:
            raise TapelineError(f"the column {name} has too many different texts: select less")
        raise TapelineError("the database sent bytes that are no rows of the selection")

    def batch(self) -> Batch:
        """Returns the batch, and begins the next one."""
        found = Batch(self._fields, tuple(map(self._column, range(len(self._fields)), self._fields)))
        self._calls["clear"](self._rows)
        self.count = 0
        return found

    def _column(self, place: int, field: Field) -> Column:
        view = _View()
        self._calls["column"](self._rows, place, ctypes.byref(view))
        data = ctypes.string_at(view.data, view.data_bytes)
        validity = ctypes.string_at(view.validity, view.validity_bytes) if view.validity else None
        if field.kind != "dict":
            return Column(field.kind, self.count, data, validity, scale=field.scale)
        texts = self._texts[place]
        if len(texts) < view.text_count:
            texts += _decoded(view, len(texts), field)
        return Column(field.kind, self.count, data, validity, dictionary=tuple(texts))


def _decoded(view: _View, first: int, field: Field) -> list[str]:
    """Returns the texts from a number on."""
    start = view.ends[first - 1] if first else 0
    ends = [end - start for end in view.ends[first : view.text_count]]
    data = ctypes.string_at(view.texts + start, ends[-1])
    try:
        return [data[a:b].decode() for a, b in itertools.pairwise([0, *ends])]
    except UnicodeDecodeError:
        raise TapelineError(f"the column {field.name} in the database has text that is not UTF-8") from None


def batches(
    session: psycopg.Connection[Any], sql: str, fields: Sequence[Field], kinds: Sequence[int], rows: int
) -> Iterator[Batch]:
    """Yields the rows of a query, so many in a batch."""
    reader: Reader | Rows = Reader(fields, kinds, rows) if is_there() else Rows(fields, kinds, rows)
    try:
        for piece in _pieces(session, sql, lambda: min(_PIECE_ROWS, rows - reader.count)):
            reader.read(piece)
            if reader.count == rows:
                yield reader.batch()
    except KeyboardInterrupt as interrupt:
        # A server that sorts would not notice that nobody waits for it.
        try:
            session.cancel_safe(timeout=_CANCEL_SECONDS)
        finally:
            raise interrupt
    if not reader.is_over:
        raise TapelineError("the database ended its answer before the last row")
    if reader.count:
        yield reader.batch()


def _pieces(session: psycopg.Connection[Any], sql: str, room: Callable[[], int]) -> Iterator[bytes]:
    """Yields what the server sends, so many rows at once."""
    link, events = session.pgconn, select.poll()
    link.send_query(f"COPY ({sql}) TO STDOUT (FORMAT binary)".encode())
    _result(link, events)
    piece: list[Any] = []
    size = 1
    while size >= 0:
        # A message is a row.
        for size, row in map(link.get_copy_data, itertools.repeat(1, room() - len(piece))):
            if size <= 0:
                break
            piece.append(row)
        if size == 0:
            _wait(link, events)
        elif piece:
            yield b"".join(piece)
            piece.clear()
    while _result(link, events):
        pass


def _result(link: psycopg.pq.abc.PGconn, events: select.poll) -> Any:
    """Waits for the next result of the server; None: there is none. Raises the server's error."""
    from psycopg.errors import error_from_result
    from psycopg.pq import ExecStatus

    while link.is_busy():
        _wait(link, events)
    found = link.get_result()
    if found and found.status not in (ExecStatus.COPY_OUT, ExecStatus.COMMAND_OK):
        raise error_from_result(found)
    return found


def _wait(link: psycopg.pq.abc.PGconn, events: select.poll) -> None:
    """Waits for bytes of the server, and takes them. What TLS has read ahead shows only by taking it."""
    events.register(link.socket, select.POLLIN | (select.POLLOUT if link.flush() else 0))
    events.poll(_WAIT_MILLISECONDS)
    link.consume_input()
