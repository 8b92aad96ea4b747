"""libtapeline_decoder.so: the product's own decoder, by ctypes. `tapeline_decoder.h` has the contract."""

from __future__ import annotations

import ctypes
import errno
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from .arrow import ArrowArray, ArrowSchema, ForeignStream, released, schema_formats, stream_capsule, taken, texts
from .columns import Batch, Field, PriceType
from .errors import DamagedTape, NotReachable, TapelineError
from .libraries import Signatures, load
from .times import MAX_NS, MIN_NS

if TYPE_CHECKING:
    from .transport import Link, Message

INTERFACE = 3
KINDS = {"trades": 1, "quotes": 2, "depth": 3, "bars": 4, "gaps": 5, "indicators": 6, "provider_bars": 7}
_IO, _DAMAGED, _HOLE, _ORDER, _FULL = 2, 3, 4, 5, 6
_MARK_HOLES = 1
_FLOATS, _NUMBERS = 1, 2


class _Selection(ctypes.Structure):
    _fields_ = [
        ("symbols", ctypes.POINTER(ctypes.c_char_p)),
        ("symbol_count", ctypes.c_size_t),
        ("sources", ctypes.POINTER(ctypes.c_char_p)),
        ("source_count", ctypes.c_size_t),
        ("start", ctypes.c_int64),
        ("end", ctypes.c_int64),
        ("flags", ctypes.c_uint32),
    ]


class _Shape(ctypes.Structure):
    _fields_ = [
        ("columns", ctypes.POINTER(ctypes.c_char_p)),
        ("column_count", ctypes.c_size_t),
        ("zone", ctypes.c_char_p),
        ("flags", ctypes.c_uint32),
    ]


class _Error(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_int32),
        ("partition", ctypes.c_int32),
        ("first", ctypes.c_uint64),
        ("last", ctypes.c_uint64),
        ("sequence", ctypes.c_uint64),
        ("offset", ctypes.c_int64),
        ("source", ctypes.c_char * 32),
        ("text", ctypes.c_char * 1024),
    ]

    def exception(self) -> TapelineError:
        text = self.text.decode(errors="replace") or f"the decoder reports code {self.code}"
        if self.code == _IO:
            return NotReachable(text)
        return DamagedTape(text) if self.code in (_DAMAGED, _ORDER) else TapelineError(text)


class Fed(ctypes.Structure):
    """What is known of a packet besides its bytes."""

    _fields_ = [("sequence", ctypes.c_uint64), ("time", ctypes.c_int64), ("subject", ctypes.c_char_p)]


_text, _handle, _error = ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(_Error)
_SIGNATURES: Signatures = {
    "tapeline_text_free": (None, [_text]),
    "tapeline_recording_info": (_text, [ctypes.c_char_p, _error]),
    "tapeline_reader_open": (
        _handle,
        [ctypes.c_char_p, ctypes.c_int32, ctypes.POINTER(_Selection), ctypes.POINTER(_Shape), _error],
    ),
    "tapeline_reader_stream": (ctypes.c_int32, [_handle, ctypes.c_void_p, _error]),
    "tapeline_reader_error": (ctypes.c_int32, [_handle, _error]),
    "tapeline_reader_texts": (ctypes.c_int32, [_handle, ctypes.c_char_p, ctypes.c_void_p, _error]),
    "tapeline_reader_provenance": (_text, [_handle]),
    "tapeline_reader_close": (None, [_handle]),
    "tapeline_schema": (ctypes.c_int32, [ctypes.c_int32, ctypes.c_void_p, _error]),
    "tapeline_decoder_new": (_handle, [ctypes.c_uint32, ctypes.POINTER(_Selection), _error]),
    "tapeline_decoder_expect": (
        ctypes.c_int32, [_handle, ctypes.c_char_p, ctypes.c_int32, ctypes.c_uint64, _error]
    ),
    "tapeline_decoder_feed": (
        ctypes.c_int32, [_handle, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p]
    ),
    "tapeline_decoder_rows": (ctypes.c_int64, [_handle, ctypes.c_int32]),
    "tapeline_decoder_take": (ctypes.c_int32, [_handle, ctypes.c_int32, ctypes.c_void_p, _error]),
    "tapeline_decoder_provenance": (_text, [_handle]),
    "tapeline_decoder_free": (None, [_handle]),
}


@cache
def library() -> ctypes.CDLL:
    """Loads the decoder."""
    return load("decoder", ("tapeline_interface", INTERFACE), _SIGNATURES, "the decoder of recordings")


def _owned_text(address: int | None) -> str | None:
    if not address:
        return None
    try:
        return ctypes.string_at(address).decode()
    finally:
        library().tapeline_text_free(address)


def recording_info(path: str) -> dict[str, Any]:
    """Returns what a recording says of itself."""
    error = _Error()
    text = _owned_text(library().tapeline_recording_info(os.fsencode(path), ctypes.byref(error)))
    if text is None:
        raise error.exception()
    info: dict[str, Any] = json.loads(text)
    return info


def _names(texts: Sequence[str]) -> Any:
    return (ctypes.c_char_p * max(1, len(texts)))(*[text.encode() for text in texts])


@cache
def _formats(kind: str) -> dict[str, bytes]:
    schema, error = ArrowSchema(), _Error()
    if library().tapeline_schema(KINDS[kind], ctypes.addressof(schema), ctypes.byref(error)):
        raise error.exception()
    return schema_formats(schema)


class Hole(Exception):
    """Ordinals that the next packet of the tape does not follow: first to last are missing."""

    def __init__(self, source: str, partition: int, first: int, last: int) -> None:
        super().__init__(f"ordinals {first} to {last} of {source} in partition {partition}")
        self.source, self.partition, self.first, self.last = source, partition, first, last


class Decoder:
    """Makes columns of packets of the tape."""

    def __init__(
        self, kinds: Iterable[str], symbols: Sequence[str], sources: Sequence[str], start: int | None,
        end: int | None, *, marks_holes: bool,
    ) -> None:
        self.kinds = tuple(kinds)
        by_symbol, by_source = _names(symbols), _names(sources)
        selection = _Selection(
            ctypes.cast(by_symbol, ctypes.POINTER(ctypes.c_char_p)), len(symbols),
            ctypes.cast(by_source, ctypes.POINTER(ctypes.c_char_p)), len(sources),
            MIN_NS if start is None else start, MAX_NS if end is None else end,
            _MARK_HOLES if marks_holes else 0,
        )
        self.error = _Error()
        self.handle = library().tapeline_decoder_new(
            sum(1 << KINDS[kind] for kind in self.kinds), ctypes.byref(selection), ctypes.byref(self.error)
        )
        if not self.handle:
            raise self.error.exception()

    def expect(self, source: str, partition: int, ordinal: int) -> None:
        """Sets the ordinal with which a source goes on in a partition."""
        code = library().tapeline_decoder_expect(
            self.handle, source.encode(), partition, ordinal, ctypes.byref(self.error)
        )
        if code:
            raise self.error.exception()

    def feed(self, link: Link, number: int, place: int) -> int | None:
        """Takes the messages of a range in the link's block, from an index on. Returns None after the last
        one, or the index of the one before which the rows have to be taken. Raises Hole."""
        code, at = link.feed(
            number, place, library().tapeline_decoder_feed, self.handle, ctypes.addressof(self.error)
        )
        return at if self._is_full(code) else None

    def feed_one(self, link: Link, message: Message, time: int) -> bool:
        """Takes one message of the link's block, as one that the tape took at this time. Returns whether the
        rows have to be taken before it. Raises Hole."""
        return self._is_full(link.feed_one(
            message, time, library().tapeline_decoder_feed, self.handle, ctypes.addressof(self.error)
        ))

    def feed_bytes(self, packet: bytes, time: int) -> bool:
        """Takes a packet of a recording, which the tape took at this time. Otherwise as `feed_one`."""
        told = Fed(0, time, None)
        return self._is_full(library().tapeline_decoder_feed(
            self.handle, packet, len(packet), ctypes.byref(told), ctypes.addressof(self.error)
        ))

    def _is_full(self, code: int) -> bool:
        if code == _HOLE:
            found = self.error
            raise Hole(found.source.decode(), found.partition, found.first, found.last)
        if code and code != _FULL:
            raise self.error.exception()
        return code == _FULL

    def rows(self, kind: str) -> int:
        """How many rows of a kind wait."""
        count: int = library().tapeline_decoder_rows(self.handle, KINDS[kind])
        return count

    def take(self, kind: str, fields: Sequence[Field]) -> Batch | None:
        """Returns these columns of the rows that wait; None without rows."""
        if self.rows(kind) <= 0:
            return None
        out = ArrowArray()
        if library().tapeline_decoder_take(
            self.handle, KINDS[kind], ctypes.addressof(out), ctypes.byref(self.error)
        ):
            raise self.error.exception()
        if not out.release:
            return None
        try:
            return taken(fields, _formats(kind), out)
        finally:
            released(out)

    def lanes(self) -> list[dict[str, Any]]:
        """What was taken so far, by source and partition."""
        text = _owned_text(library().tapeline_decoder_provenance(self.handle))
        if text is None:
            raise TapelineError("there is not enough memory")
        found: list[dict[str, Any]] = json.loads(text)["lanes"]
        return found

    def close(self) -> None:
        """Frees it. Twice does nothing."""
        handle, self.handle = self.handle, None
        if handle:
            library().tapeline_decoder_free(handle)

    def __del__(self) -> None:
        if getattr(self, "handle", None):
            self.close()


def _opened(
    path: str, kind: str, names: tuple[Sequence[str], Sequence[str]], time: tuple[int | None, int | None],
    shape: _Shape | None,
) -> int:
    """Returns the handle of a reading of these symbols and sources, with a time in [start, end)."""
    symbols, sources = map(_names, names)
    start, end = time
    selection = _Selection(
        ctypes.cast(symbols, ctypes.POINTER(ctypes.c_char_p)), len(names[0]),
        ctypes.cast(sources, ctypes.POINTER(ctypes.c_char_p)), len(names[1]),
        MIN_NS if start is None else start, MAX_NS if end is None else end, _MARK_HOLES,
    )
    error = _Error()
    handle: int | None = library().tapeline_reader_open(
        os.fsencode(path), KINDS[kind], ctypes.byref(selection), shape and ctypes.byref(shape), ctypes.byref(error)
    )
    if not handle:
        raise error.exception()
    return handle


class _Reading:
    """A reading that the library has open."""

    _handle: int | None

    def close(self) -> None:
        """Frees it. Twice does nothing."""
        handle, self._handle = self._handle, None
        if handle:
            library().tapeline_reader_close(handle)

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self.close()


class RecordedStream(_Reading):
    """A reading of a recording for a package that takes Arrow streams. The package reads from the library itself,
    and nothing is copied or made in Python. A stream that was taken continues after `close`.

    `numbered`: columns of repeated texts have their numbers, and `texts` what these mean."""

    def __init__(
        self, path: str, kind: str, symbols: Sequence[str], time: tuple[int | None, int | None],
        fields: Sequence[Field], *, price: PriceType, tz: str, numbered: bool = False,
    ) -> None:
        columns = _names([field.name for field in fields])
        flags = (_FLOATS if price == "float" else 0) | (_NUMBERS if numbered else 0)
        shape = _Shape(
            ctypes.cast(columns, ctypes.POINTER(ctypes.c_char_p)), len(fields), tz.encode(), flags)
        self.numbered = [field.name for field in fields if numbered and field.kind == "dict"]
        self._handle = _opened(path, kind, (symbols, ()), time, shape)

    def capsule(self) -> object:
        """Returns a capsule, from which a consumer takes the stream. It can be taken once."""
        capsule, place = stream_capsule()
        error = _Error()
        if library().tapeline_reader_stream(self._handle, place, ctypes.byref(error)):
            raise error.exception()
        return capsule

    @property
    def failure(self) -> TapelineError | None:
        """Why the consumer did not get all of it."""
        error = _Error()
        return error.exception() if library().tapeline_reader_error(self._handle, ctypes.byref(error)) else None

    def texts(self, name: str) -> list[str]:
        """What the numbers of a column mean, of all batches so far."""
        out, error = ArrowArray(), _Error()
        if library().tapeline_reader_texts(
            self._handle, name.encode(), ctypes.addressof(out), ctypes.byref(error)
        ):
            raise error.exception()
        try:
            return texts(out)
        finally:
            released(out)


class Reader(_Reading):
    """One reading of one kind of records of a recording, in the order of the file.

    Missing ordinals do not end it: `provenance` lists them."""

    def __init__(
        self, path: str, kind: str, symbols: Sequence[str], start: int | None, end: int | None, *,
        sources: Sequence[str] = (),
    ) -> None:
        error = _Error()
        self._stream = ForeignStream()
        self._handle = _opened(path, kind, (symbols, sources), (start, end), None)
        if library().tapeline_reader_stream(self._handle, self._stream.address, ctypes.byref(error)):
            raise error.exception()

    def batches(self, fields: Sequence[Field]) -> Iterator[Batch]:
        """Yields these columns, and frees the reader at the end."""
        try:
            while (batch := self.next(fields)) is not None:
                yield batch
        finally:
            self.close()

    def next(self, fields: Sequence[Field]) -> Batch | None:
        """Returns these columns of the next batch; None at the end."""
        try:
            return self._stream.next(fields)
        except OSError as failure:
            error = _Error()
            if library().tapeline_reader_error(self._handle, ctypes.byref(error)):
                raise error.exception() from None
            raise TapelineError(failure.strerror or os.strerror(failure.errno or errno.EIO)) from None

    def provenance(self) -> dict[str, Any]:
        """What was read so far, by source and partition."""
        text = _owned_text(library().tapeline_reader_provenance(self._handle))
        if text is None:
            raise TapelineError("there is not enough memory")
        found: dict[str, Any] = json.loads(text)
        return found

    def close(self) -> None:
        """Frees it. Twice does nothing."""
        self._stream.close()
        super().close()
