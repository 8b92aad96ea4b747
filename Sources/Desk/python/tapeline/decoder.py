"""libtapeline_decoder.so: the product's own decoder, by ctypes. `tapeline_decoder.h` has the contract."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import pathlib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from .arrow import ForeignStream
from .columns import Batch, Field
from .errors import DamagedTape, NotReachable, TapelineError
from .times import MAX_NS, MIN_NS

INTERFACE = 1
NAME = "libtapeline_decoder.so"
KINDS = {"trades": 1, "quotes": 2, "depth": 3, "bars": 4, "gaps": 5}
_IO, _DAMAGED, _HOLE, _ORDER = 2, 3, 4, 5
_MARK_HOLES = 1


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


_Signature = tuple[Any, list[Any]]
_text, _handle, _error = ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(_Error)
_SIGNATURES: dict[str, _Signature] = {
    "tapeline_interface": (ctypes.c_uint32, []),
    "tapeline_text_free": (None, [_text]),
    "tapeline_recording_info": (_text, [ctypes.c_char_p, _error]),
    "tapeline_reader_open": (
        _handle, [ctypes.c_char_p, ctypes.c_int32, ctypes.POINTER(_Selection), _error]
    ),
    "tapeline_reader_stream": (ctypes.c_int32, [_handle, ctypes.c_void_p, _error]),
    "tapeline_reader_error": (ctypes.c_int32, [_handle, _error]),
    "tapeline_reader_provenance": (_text, [_handle]),
    "tapeline_reader_close": (None, [_handle]),
}


@cache
def library() -> ctypes.CDLL:
    """Loads the decoder. TAPELINE_DECODER names another file than the one beside this package."""
    path = os.environ.get("TAPELINE_DECODER") or str(pathlib.Path(__file__).with_name(NAME))
    try:
        found = ctypes.CDLL(path)
    except OSError as error:
        raise NotReachable(
            f"the decoder of recordings cannot be loaded ({error}): install the wheel of 'make wheel'"
        ) from None
    found.tapeline_interface.restype = ctypes.c_uint32
    if found.tapeline_interface() < INTERFACE:
        raise NotReachable(
            f"{path} has the interface {found.tapeline_interface()}, and {INTERFACE} is needed:"
            " make the wheel again"
        )
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(found, name)
        function.restype, function.argtypes = result, arguments
    return found


def _owned_text(address: int | None) -> str | None:
    if not address:
        return None
    try:
        return ctypes.string_at(address).decode()
    finally:
        library().tapeline_text_free(address)


def recording_info(path: str) -> dict[str, Any]:
    """Returns what the header of a recording says."""
    error = _Error()
    text = _owned_text(library().tapeline_recording_info(os.fsencode(path), ctypes.byref(error)))
    if text is None:
        raise error.exception()
    info: dict[str, Any] = json.loads(text)
    return info


def _names(texts: Sequence[str]) -> Any:
    return (ctypes.c_char_p * max(1, len(texts)))(*[text.encode() for text in texts])


class Reader:
    """One reading of one kind of records of a recording, in the order of the file.

    Missing ordinals do not end it: `provenance` lists them."""

    def __init__(
        self, path: str, kind: str, symbols: Sequence[str], start: int | None, end: int | None
    ) -> None:
        names = _names(symbols)
        selection = _Selection(
            ctypes.cast(names, ctypes.POINTER(ctypes.c_char_p)), len(symbols), None, 0,
            MIN_NS if start is None else start, MAX_NS if end is None else end, _MARK_HOLES,
        )
        error = _Error()
        self._stream = ForeignStream()
        self._handle = library().tapeline_reader_open(
            os.fsencode(path), KINDS[kind], ctypes.byref(selection), ctypes.byref(error)
        )
        if not self._handle:
            raise error.exception()
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
        handle, self._handle = self._handle, None
        if handle:
            library().tapeline_reader_close(handle)

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self.close()
