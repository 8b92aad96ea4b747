"""The Arrow C data and stream interfaces by ctypes, in both directions.

"The Arrow C data interface" of Arrow's documentation has the structures. No package is needed."""

from __future__ import annotations

import array
import ctypes
import errno
import itertools
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from .columns import Batch, Buffer, Column, Field, column

_NULLABLE = 2


class ArrowSchema(ctypes.Structure):
    """`struct ArrowSchema`."""


ArrowSchema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_void_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(ArrowSchema))),
    ("dictionary", ctypes.POINTER(ArrowSchema)),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]


class ArrowArray(ctypes.Structure):
    """`struct ArrowArray`."""


ArrowArray._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(ArrowArray))),
    ("dictionary", ctypes.POINTER(ArrowArray)),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]


class ArrowArrayStream(ctypes.Structure):
    """`struct ArrowArrayStream`."""

    _fields_ = [
        ("get_schema", ctypes.c_void_p),
        ("get_next", ctypes.c_void_p),
        ("get_last_error", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    ]


_Release = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_Fill = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_LastError = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)

# What a structure that was handed out points to, by its private_data, until it is released.
_kept: dict[int, Any] = {}
_numbers = itertools.count(1)


def _keep(value: Any) -> int:
    number = next(_numbers)
    _kept[number] = value
    return number


def _released(kind: type[ArrowSchema] | type[ArrowArray]) -> Any:
    def release(address: int, kind: Any = kind, kept: dict[int, Any] = _kept) -> None:
        own = kind.from_address(address)
        parts = [own.children[place] for place in range(own.n_children)]
        if own.dictionary:
            parts.append(own.dictionary)
        for part in parts:
            if part.contents.release:
                _Release(part.contents.release)(ctypes.addressof(part.contents))
        kept.pop(own.private_data, None)
        own.release = None

    return _Release(release)


def _address(callback: Any) -> int:
    # A consumer may release an array while Python ends, so callbacks are never freed.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(callback))
    return ctypes.cast(callback, ctypes.c_void_p).value or 0


def _format(field: Field, tz: str) -> bytes:
    if field.kind == "ts":
        return f"tsn:{tz}".encode()
    if field.kind in ("wide", "decimal"):
        return f"d:{field.digits or 38},{field.scale}".encode()
    return {"dict": b"i", "fixed": b"l"}.get(field.kind, field.kind.encode())


def _metadata(field: Field) -> bytes | None:
    """`scale` of whole numbers that stand for decimals, as the decoder writes it."""
    if field.kind != "fixed":
        return None
    pairs = [(b"scale", str(field.scale).encode())]
    number = lambda value: int(value).to_bytes(4, "little")  # noqa: E731
    return number(len(pairs)) + b"".join(number(len(text)) + text for pair in pairs for text in pair)


def _fill_schema(
    out: ArrowSchema, name: str, form: bytes, children: Sequence[tuple[Field, bytes]] = (),
    *, dictionary: bool = False, metadata: bytes | None = None,
) -> None:
    made = [ArrowSchema() for _ in children]
    for part, (field, part_format) in zip(made, children):
        _fill_schema(
            part, field.name, part_format, dictionary=field.kind == "dict", metadata=_metadata(field)
        )
    pointers = (ctypes.POINTER(ArrowSchema) * max(1, len(made)))(*[ctypes.pointer(part) for part in made])
    texts = ArrowSchema()
    if dictionary:
        _fill_schema(texts, "", b"u")
    kept = ctypes.create_string_buffer(metadata, len(metadata)) if metadata else None
    # The structure may be a consumer's, which need not be zeroed.
    ctypes.memset(ctypes.addressof(out), 0, ctypes.sizeof(out))
    name_bytes = name.encode()
    out.format, out.name, out.flags = form, name_bytes, _NULLABLE
    out.metadata = ctypes.addressof(kept) if kept else None
    out.n_children = len(made)
    if made:
        out.children = ctypes.cast(pointers, ctypes.POINTER(ctypes.POINTER(ArrowSchema)))
    if dictionary:
        out.dictionary = ctypes.pointer(texts)
    out.private_data = _keep((form, name_bytes, kept, made, pointers, texts))
    out.release = _RELEASE_SCHEMA


def _place(buffer: Buffer | None) -> int | None:
    """Returns the address of a buffer's bytes."""
    if buffer is None:
        return None
    if isinstance(buffer, array.array):
        return buffer.buffer_info()[0] if len(buffer) else _EMPTY
    return ctypes.cast(ctypes.c_char_p(buffer), ctypes.c_void_p).value


_EMPTY_BYTES = ctypes.create_string_buffer(64)
_EMPTY = ctypes.addressof(_EMPTY_BYTES)


def _fill_array(
    out: ArrowArray, length: int, buffers: Sequence[Buffer | None], children: Sequence[Column] = (),
    *, nulls: int = 0, dictionary: tuple[str, ...] | None = None,
) -> None:
    ctypes.memset(ctypes.addressof(out), 0, ctypes.sizeof(out))
    made = [ArrowArray() for _ in children]
    for part, one in zip(made, children):
        own: list[Buffer | None] = [one.validity, one.offsets] if one.kind == "u" else [one.validity]
        _fill_array(part, one.length, [*own, one.data], nulls=one.nulls, dictionary=one.dictionary)
    pointers = (ctypes.POINTER(ArrowArray) * max(1, len(made)))(*[ctypes.pointer(part) for part in made])
    places = (ctypes.c_void_p * len(buffers))(*[_place(one) for one in buffers])
    texts = ArrowArray()
    if dictionary is not None:
        encoded = [text.encode() for text in dictionary]
        ends = array.array("i", itertools.accumulate(map(len, encoded), initial=0))
        _fill_array(texts, len(encoded), [None, ends, b"".join(encoded)])
    out.length, out.null_count, out.offset = length, nulls, 0
    out.n_buffers = len(buffers)
    out.buffers = ctypes.cast(places, ctypes.POINTER(ctypes.c_void_p))
    out.n_children = len(made)
    if made:
        out.children = ctypes.cast(pointers, ctypes.POINTER(ctypes.POINTER(ArrowArray)))
    if dictionary is not None:
        out.dictionary = ctypes.pointer(texts)
    out.private_data = _keep((tuple(buffers), made, pointers, places, texts))
    out.release = _RELEASE_ARRAY


class _Stream:
    """What stands behind an ArrowArrayStream that was handed out."""

    def __init__(self, fields: Sequence[Field], batches: Iterator[Batch], tz: str) -> None:
        self.fields, self.batches, self.tz = fields, batches, tz
        self.error: ctypes.Array[ctypes.c_char] | None = None

    def fail(self, error: BaseException) -> int:
        self.error = ctypes.create_string_buffer(f"{type(error).__name__}: {error}".encode())
        return errno.EIO


def _get_schema(stream: int, out: int) -> int:
    own: _Stream = _kept[ArrowArrayStream.from_address(stream).private_data]
    try:
        children = [(field, _format(field, own.tz)) for field in own.fields]
        _fill_schema(ArrowSchema.from_address(out), "", b"+s", children)
        return 0
    except BaseException as error:  # It must not leave through the C frame.
        return own.fail(error)


def _get_next(stream: int, out: int) -> int:
    own: _Stream = _kept[ArrowArrayStream.from_address(stream).private_data]
    target = ArrowArray.from_address(out)
    try:
        found = next(own.batches, None)
        if found is None:
            target.release = None
        else:
            _fill_array(target, len(found), [None], found.columns)
        return 0
    except BaseException as error:  # It must not leave through the C frame.
        return own.fail(error)


def _get_last_error(stream: int) -> int | None:
    own: _Stream = _kept[ArrowArrayStream.from_address(stream).private_data]
    return ctypes.addressof(own.error) if own.error else None


def _release_stream(stream: int, kept: dict[int, Any] = _kept) -> None:
    target = ArrowArrayStream.from_address(stream)
    own = kept.pop(target.private_data, None)
    target.release = None
    close = getattr(own.batches, "close", None) if own else None
    if close:
        close()


_RELEASE_SCHEMA = _address(_released(ArrowSchema))
_RELEASE_ARRAY = _address(_released(ArrowArray))
_GET_SCHEMA = _address(_Fill(_get_schema))
_GET_NEXT = _address(_Fill(_get_next))
_GET_LAST_ERROR = _address(_LastError(_get_last_error))
_RELEASE_STREAM = _address(_Release(_release_stream))

_NAME = b"arrow_array_stream"
_new = ctypes.pythonapi.PyCapsule_New
_new.restype = ctypes.py_object
_new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
# The streams that were handed out, each with its capsule. A destructor of the capsule cannot do this: it
# may be called while an exception is raised, and then nothing written in Python can run.
_handed_out: list[tuple[object, ArrowArrayStream]] = []


def _forget() -> None:
    """Releases the streams whose capsules nobody holds any more."""
    entries: list[tuple[object, Any]] = list(_handed_out)
    # How often a call and a loop count differs between versions of Python. An object that only its tuple
    # holds, counted in the same loop, tells it.
    *counts, alone = [sys.getrefcount(held) for held, _ in [*entries, (object(), None)]]
    for entry, count in zip(entries, counts):
        if count > alone:
            continue
        try:
            _handed_out.remove(entry)
        except ValueError:  # Another thread did it.
            continue
        stream = entry[1]
        if stream.release:
            _Release(stream.release)(ctypes.addressof(stream))


def export_stream(fields: Sequence[Field], batches: Iterator[Batch], tz: str = "UTC") -> object:
    """Returns a capsule of an ArrowArrayStream, which reads the batches when a consumer asks for them."""
    stream = ArrowArrayStream()
    stream.get_schema, stream.get_next = _GET_SCHEMA, _GET_NEXT
    stream.get_last_error, stream.release = _GET_LAST_ERROR, _RELEASE_STREAM
    stream.private_data = _keep(_Stream(fields, batches, tz))
    _forget()
    capsule: object = _new(ctypes.addressof(stream), _NAME, None)
    _handed_out.append((capsule, stream))
    return capsule


def schema_formats(schema: ArrowSchema) -> dict[str, bytes]:
    """Returns the names and the formats of the columns of a struct, and releases it."""
    parts = [schema.children[place].contents for place in range(schema.n_children)]
    formats = {(part.name or b"").decode(): part.format for part in parts}
    released(schema)
    return formats


def released(structure: ArrowSchema | ArrowArray) -> None:
    """Releases what another library handed out."""
    _Release(structure.release)(ctypes.addressof(structure))


def taken(fields: Sequence[Field], formats: dict[str, bytes], source: ArrowArray) -> Batch:
    """Returns a copy of these columns of a struct array whose columns have these formats. Raises OSError if
    a column has another one."""
    names = list(formats)
    for field in fields:
        expected, found = _format(field, "UTC"), formats.get(field.name)
        if found != expected:
            raise OSError(errno.EPROTO, f"the column {field.name} is {found!r} and not {expected!r}")
    return Batch(
        tuple(fields),
        tuple(_copied(field, source.children[names.index(field.name)].contents) for field in fields),
    )


class ForeignStream:
    """Reads an ArrowArrayStream of another library. What a batch points to is copied, and released."""

    def __init__(self) -> None:
        self.structure = ArrowArrayStream()
        self._formats: dict[str, bytes] = {}

    @property
    def address(self) -> int:
        return ctypes.addressof(self.structure)

    def close(self) -> None:
        """Frees it. Twice does nothing."""
        if self.structure.release:
            _Release(self.structure.release)(self.address)

    def __del__(self) -> None:
        self.close()

    def formats(self) -> dict[str, bytes]:
        """The names and the formats of the columns."""
        if not self._formats:
            schema = ArrowSchema()
            self._checked(_Fill(self.structure.get_schema)(self.address, ctypes.addressof(schema)))
            self._formats = schema_formats(schema)
        return self._formats

    def next(self, fields: Sequence[Field]) -> Batch | None:
        """Returns these columns of the next batch; None at the end. Raises OSError with the stream's
        text."""
        formats = self.formats()
        out = ArrowArray()
        self._checked(_Fill(self.structure.get_next)(self.address, ctypes.addressof(out)))
        if not out.release:
            return None
        try:
            return taken(fields, formats, out)
        finally:
            released(out)

    def _checked(self, code: int) -> None:
        if code:
            address = _LastError(self.structure.get_last_error)(self.address)
            text = ctypes.string_at(address).decode(errors="replace") if address else "no text"
            raise OSError(code, text)


_BYTES = {"l": 8, "L": 8, "ts": 8, "fixed": 8, "i": 4, "I": 4, "dict": 4, "S": 2, "C": 1, "g": 8, "wide": 16}


def _copied(field: Field, source: ArrowArray) -> Column:
    count, offset = source.length, source.offset
    if offset:
        raise OSError(errno.ENOTSUP, f"the column {field.name} has an offset")
    validity = None
    if source.null_count and source.buffers[0]:
        validity = ctypes.string_at(source.buffers[0], (count + 7) // 8)
    dictionary = None
    if field.kind == "dict":
        dictionary = tuple(_texts(source.dictionary.contents))
    if not count:
        return column(field.kind, [], scale=field.scale)
    if field.kind == "u":
        ends = ctypes.string_at(source.buffers[1], 4 * (count + 1))
        size = int.from_bytes(ends[-4:], "little")
        data = ctypes.string_at(source.buffers[2], size) if size else b""
        return Column("u", count, data, validity, ends)
    data = ctypes.string_at(source.buffers[1], count * _BYTES[field.kind])
    return Column(field.kind, count, data, validity, dictionary=dictionary, scale=field.scale)


def _texts(source: ArrowArray) -> list[str]:
    texts = _copied(Field("", "u"), source)
    return texts.values()
