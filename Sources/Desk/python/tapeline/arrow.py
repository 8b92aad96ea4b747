"""The Arrow C data and stream interfaces by ctypes, in both directions.

"The Arrow C data interface" of Arrow's documentation has the structures. No package is needed."""

from __future__ import annotations

import array
import atexit
import ctypes
import errno
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from . import pure
from .columns import Batch, Buffer, Column, Field, column
from .libraries import Signatures, load, path_of

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


class _Bytes(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_void_p), ("count", ctypes.c_size_t)]


INTERFACE = 2
_SIGNATURES: Signatures = {
    "tapeline_arrow_begin": (None, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]),
    "tapeline_arrow_end": (None, []),
    "tapeline_arrow_live": (ctypes.c_int64, []),
    "tapeline_arrow_schema": (
        ctypes.c_int32,
        [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, _Bytes, ctypes.c_int64, ctypes.c_int64,
         ctypes.c_int32],
    ),
    "tapeline_arrow_array": (
        ctypes.c_int32,
        [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.POINTER(_Bytes), ctypes.c_int64,
         ctypes.c_int64, ctypes.c_int32],
    ),
    "tapeline_arrow_stream": (
        ctypes.c_int32,
        [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p],
    ),
    "tapeline_arrow_place": (ctypes.c_void_p, []),
    "tapeline_arrow_collect": (ctypes.c_size_t, [ctypes.POINTER(ctypes.c_uint64), ctypes.c_size_t]),
}


@cache
def is_there() -> bool:
    """Whether there is a library. Without it `pure` does its work."""
    return os.path.exists(path_of("arrow"))


@cache
def library() -> ctypes.CDLL:
    """Loads what owns the structures (`tapeline_arrow.h`), because none of its consumers may meet Python
    when it releases one."""
    found = load("arrow", ("tapeline_arrow_interface", INTERFACE), _SIGNATURES, "the library of frames")
    python = ctypes.pythonapi
    found.tapeline_arrow_begin(
        _function(python.PyCapsule_GetPointer), _function(python.Py_AddPendingCall), _COLLECT
    )
    atexit.register(found.tapeline_arrow_end)
    return found


def _function(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _address(callback: Any) -> int:
    # A consumer may read while Python ends, so callbacks are never freed.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(callback))
    return _function(callback)


def live() -> int:
    """How many structures are handed out and not released, with the streams that nobody collected."""
    collect()
    count: int = library().tapeline_arrow_live()
    return count


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
    texts = b"".join(_number(len(text)) + text for pair in pairs for text in pair)
    return _number(len(pairs)) + texts


def _number(value: int) -> bytes:
    return value.to_bytes(4, "little")


def _fill_schema(
    out: ArrowSchema, name: str, form: bytes, children: Sequence[tuple[Field, bytes]] = (),
    *, dictionary: bool = False, metadata: bytes | None = None,
) -> None:
    own = _bytes(metadata)
    _made(library().tapeline_arrow_schema(
        ctypes.addressof(out), form, name.encode(), own, _NULLABLE, len(children), dictionary
    ))
    try:
        for place, (field, part) in enumerate(children):
            _fill_schema(
                out.children[place].contents, field.name, part, dictionary=field.kind == "dict",
                metadata=_metadata(field),
            )
        if dictionary:
            _fill_schema(out.dictionary.contents, "", b"u")
    except BaseException:
        released(out)
        raise


def _made(code: int) -> None:
    if code:
        raise MemoryError


def _bytes(buffer: Buffer | None) -> _Bytes:
    """Returns where the bytes of a buffer are. It has to live longer."""
    if buffer is None:
        return _Bytes(None, 0)
    if isinstance(buffer, array.array):
        place, count = buffer.buffer_info()
        return _Bytes(place if count else _EMPTY, count * buffer.itemsize)
    return _Bytes(ctypes.cast(ctypes.c_char_p(buffer), ctypes.c_void_p).value, len(buffer))


_EMPTY_BYTES = ctypes.create_string_buffer(64)
_EMPTY = ctypes.addressof(_EMPTY_BYTES)


def _fill_array(
    out: ArrowArray, length: int, buffers: Sequence[Buffer | None], children: Sequence[Column] = (),
    *, nulls: int = 0, dictionary: tuple[str, ...] | None = None,
) -> None:
    places = (_Bytes * len(buffers))(*map(_bytes, buffers))
    _made(library().tapeline_arrow_array(
        ctypes.addressof(out), length, nulls, places, len(buffers), len(children), dictionary is not None
    ))
    try:
        for place, one in enumerate(children):
            own: list[Buffer | None] = [one.validity, one.offsets] if one.kind == "u" else [one.validity]
            _fill_array(
                out.children[place].contents, one.length, [*own, one.data], nulls=one.nulls,
                dictionary=one.dictionary,
            )
        if dictionary is not None:
            encoded = [text.encode() for text in dictionary]
            ends = array.array("i", itertools.accumulate(map(len, encoded), initial=0))
            _fill_array(out.dictionary.contents, len(encoded), [None, ends, b"".join(encoded)])
    except BaseException:
        released(out)
        raise


class Stream:
    """Batches for a consumer of an ArrowArrayStream. `failure` is why it did not get all of them."""

    def __init__(self, fields: Sequence[Field], batches: Iterator[Batch], tz: str = "UTC") -> None:
        self.fields, self.batches, self.tz = fields, batches, tz
        self.failure: BaseException | None = None
        self.text: ctypes.Array[ctypes.c_char] | None = None
        self.numbered: tuple[str, ...] = ()

    def fail(self, error: BaseException) -> int:
        self.failure = error
        self.text = ctypes.create_string_buffer(f"{type(error).__name__}: {error}".encode())
        return errno.EIO

    def texts(self, name: str) -> list[str]:
        """No column has numbers of texts alone."""
        raise KeyError(name)

    def close(self) -> None:
        """Nothing: the reading ends when its stream is released."""

    def capsule(self) -> object:
        """Returns a capsule, from which a consumer takes the stream. It can be taken once."""
        if not is_there():
            return pure.capsule(self)
        collect()
        capsule, place = stream_capsule()
        number = next(_numbers)
        _streams[number] = self
        code = library().tapeline_arrow_stream(place, number, _GET_SCHEMA, _GET_NEXT, _GET_LAST_ERROR)
        if code:
            del _streams[number]
        _made(code)
        return capsule


def stream_capsule() -> tuple[object, int]:
    """Returns a capsule of a stream, and the address to which the stream has to be written. The capsule releases
    a stream that no consumer took."""
    place = library().tapeline_arrow_place()
    _made(errno.ENOMEM if not place else 0)
    destructor = _function(library().tapeline_arrow_capsule_freed)
    return _new_capsule(place, b"arrow_array_stream", destructor), place


_streams: dict[int, Stream] = {}
_numbers = itertools.count(1)
_COLLECTED = 64


def collect() -> None:
    """Ends the readings whose streams were released."""
    numbers = (ctypes.c_uint64 * _COLLECTED)()
    count = _COLLECTED
    while count == _COLLECTED:
        count = library().tapeline_arrow_collect(numbers, _COLLECTED)
        for number in numbers[:count]:
            # A generator that nobody holds is closed.
            _streams.pop(number, None)


def _collect_later(_: int | None) -> int:
    collect()
    return 0


def _of(stream: int) -> Stream | None:
    """The reading of a stream. There is none any more when the interpreter ends."""
    private = ArrowArrayStream.from_address(stream).private_data
    return _streams.get(ctypes.c_uint64.from_address(private).value)


def _given(stream: int, give: Callable[[Stream], None]) -> int:
    """Calls a function with the reading of a stream. Returns a code of errno: no exception may leave through
    the C frame."""
    own = None
    try:
        own = _of(stream)
        if own is None:
            return errno.EINVAL
        give(own)
        return 0
    except BaseException as error:
        return own.fail(error) if own else errno.EINVAL


def _get_schema(stream: int, out: int) -> int:
    def give(own: Stream) -> None:
        children = [(field, _format(field, own.tz)) for field in own.fields]
        _fill_schema(ArrowSchema.from_address(out), "", b"+s", children)

    return _given(stream, give)


def _get_next(stream: int, out: int) -> int:
    def give(own: Stream) -> None:
        target = ArrowArray.from_address(out)
        collect()
        found = next(own.batches, None)
        if found is None:
            target.release = None
        else:
            _fill_array(target, len(found), [None], found.columns)

    return _given(stream, give)


def _get_last_error(stream: int) -> int | None:
    own = _of(stream)
    return ctypes.addressof(own.text) if own and own.text else None


_COLLECT = _address(ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(_collect_later))
_GET_SCHEMA = _address(_Fill(_get_schema))
_GET_NEXT = _address(_Fill(_get_next))
_GET_LAST_ERROR = _address(_LastError(_get_last_error))

_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


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
        dictionary = tuple(texts(source.dictionary.contents))
    if not count:
        return column(field.kind, [], scale=field.scale)
    if field.kind == "u":
        ends = ctypes.string_at(source.buffers[1], 4 * (count + 1))
        size = int.from_bytes(ends[-4:], "little")
        data = ctypes.string_at(source.buffers[2], size) if size else b""
        return Column("u", count, data, validity, ends)
    data = ctypes.string_at(source.buffers[1], count * _BYTES[field.kind])
    return Column(field.kind, count, data, validity, dictionary=dictionary, scale=field.scale)


def texts(source: ArrowArray) -> list[str]:
    """Returns a copy of an array of texts."""
    found: list[str] = _copied(Field("", "u"), source).values()
    return found
