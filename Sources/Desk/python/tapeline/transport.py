"""libtapeline_transport.so: packets of the tape, by ctypes. `tapeline_transport.h` has the contract."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from .decoder import Fed
from .errors import TapelineError
from .libraries import Signatures, load

INTERFACE = 2
AWAY, REFUSED, CLOSED = 2, 3, 4
RANGES_MAX = 16


class _Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int32), ("server_code", ctypes.c_int32), ("text", ctypes.c_char * 512)]


class _Options(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_char_p) for name in ("url", "user", "password", "authority", "certificate", "key")
    ]


class _Range(ctypes.Structure):
    _fields_ = [
        ("stream", ctypes.c_char_p),
        ("filters", ctypes.POINTER(ctypes.c_char_p)),
        ("filter_count", ctypes.c_size_t),
        ("sequence", ctypes.c_uint64),
        ("time", ctypes.c_int64),
        ("messages_max", ctypes.c_int32),
        ("idle_seconds", ctypes.c_int32),
    ]


class RangeState(ctypes.Structure):
    """How far a range has come. `state`: 0 none, 1 reading, 2 doubt."""

    _fields_ = [
        ("state", ctypes.c_int32),
        ("pending", ctypes.c_uint64),
        ("sequence", ctypes.c_uint64),
        ("delivered", ctypes.c_uint64),
        ("reason", ctypes.c_char * 256),
    ]


class Message(ctypes.Structure):
    """A message of a block."""

    _fields_ = [
        ("bytes", ctypes.c_void_p),
        ("subject", ctypes.c_char_p),
        ("sequence", ctypes.c_uint64),
        ("time", ctypes.c_int64),
        ("pending", ctypes.c_uint64),
        ("count", ctypes.c_uint32),
        ("range", ctypes.c_int32),
    ]


class Lane(ctypes.Structure):
    """What a block has of one source in one partition. `kind`: 1 ticks, 2 bars, 3 watermarks."""

    _fields_ = [
        ("_source", ctypes.c_char * 32),
        ("kind", ctypes.c_int32),
        ("partition", ctypes.c_int32),
        ("range", ctypes.c_int32),
        ("flags", ctypes.c_uint32),
        ("packets", ctypes.c_uint32),
        ("place", ctypes.c_uint32),
        ("first_ordinal", ctypes.c_uint64),
        ("next_ordinal", ctypes.c_uint64),
        ("first_sequence", ctypes.c_uint64),
        ("last_sequence", ctypes.c_uint64),
        ("first_time", ctypes.c_int64),
        ("last_time", ctypes.c_int64),
        ("watermark", ctypes.c_int64),
        ("epoch", ctypes.c_uint64),
        ("checksum", ctypes.c_uint64),
        ("last_first_ordinal", ctypes.c_uint64),
        ("sent_time", ctypes.c_int64),
    ]

    @property
    def source(self) -> str:
        text: str = self._source.decode(errors="replace")
        return text


class TransportError(Exception):
    """The transport's report. `code`: AWAY, REFUSED, CLOSED or another one of its header."""

    def __init__(self, code: int, server_code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.server_code = code, server_code


_handle, _error = ctypes.c_void_p, ctypes.POINTER(_Error)
_SIGNATURES: Signatures = {
    "tapeline_tape_open": (_handle, [ctypes.POINTER(_Options), _error]),
    "tapeline_tape_close": (None, [_handle]),
    "tapeline_tape_is_connected": (ctypes.c_int32, [_handle]),
    "tapeline_tape_begin": (
        ctypes.c_int32,
        [_handle, ctypes.c_int32, ctypes.POINTER(_Range), ctypes.POINTER(ctypes.c_uint64), _error],
    ),
    "tapeline_tape_last": (
        ctypes.c_int32, [_handle, ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(Lane), _error]
    ),
    "tapeline_tape_end": (ctypes.c_int32, [_handle, ctypes.c_int32]),
    "tapeline_tape_range": (ctypes.c_int32, [_handle, ctypes.c_int32, ctypes.POINTER(RangeState)]),
    "tapeline_tape_fetch": (ctypes.c_int32, [_handle, ctypes.c_int32, _error]),
    "tapeline_tape_block": (ctypes.c_size_t, [_handle, ctypes.POINTER(ctypes.POINTER(Message))]),
    "tapeline_tape_lanes": (ctypes.c_size_t, [_handle, ctypes.POINTER(ctypes.POINTER(Lane))]),
    "tapeline_tape_feed": (
        ctypes.c_int32,
        [_handle, ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_size_t),
         ctypes.c_void_p],
    ),
}


@cache
def library() -> ctypes.CDLL:
    """Loads the transport."""
    return load(
        "transport", ("tapeline_transport_interface", INTERFACE), _SIGNATURES, "the transport of the tape",
        "; it needs OpenSSL 3 (Debian: libssl3)",
    )


@dataclass(frozen=True)
class TapeAddress:
    """Where NATS is: URLs without user and password, and what a client needs there."""

    url: str
    user: str | None = None
    password: str | None = None
    authority: str | None = None
    certificate: str | None = None
    key: str | None = None

    def __repr__(self) -> str:
        return f"<NATS at {self.url.partition('://')[2]}>"


class Link:
    """One connection to NATS, which one reading uses. It comes back by itself after an outage."""

    def __init__(self, address: TapeAddress) -> None:
        self._process = os.getpid()
        # Calls wait for each other, so that no call of one thread meets the closing by another.
        self._lock = threading.Lock()
        texts = [getattr(address, name) for name, *_ in _Options._fields_]
        options = _Options(*[None if text is None else os.fsencode(text) for text in texts])
        error = _Error()
        self._handle = library().tapeline_tape_open(ctypes.byref(options), ctypes.byref(error))
        if not self._handle:
            raise _failure(error)

    def _own(self) -> Any:
        if os.getpid() != self._process:
            raise TapelineError("this reading is of the process before the fork: start another one")
        if not self._handle:
            raise TransportError(CLOSED, 0, "the connection was closed")
        return self._handle

    def close(self) -> None:
        """Ends the connection. Twice does nothing."""
        if os.getpid() != self._process:
            return
        with self._lock:
            handle, self._handle = self._handle, None
            if handle:
                library().tapeline_tape_close(handle)

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self.close()

    @property
    def is_connected(self) -> bool:
        with self._lock:
            return bool(library().tapeline_tape_is_connected(self._own()))

    def begin(
        self, number: int, stream: str, filters: Sequence[str], *, sequence: int = 0, time: int = 0,
        messages_max: int = 0, idle_seconds: int = 30,
    ) -> int:
        """Makes the consumer of a range; what comes of its earlier one is ignored. Returns how many
        messages it has now."""
        texts = (ctypes.c_char_p * max(1, len(filters)))(*[text.encode() for text in filters])
        wanted = _Range(
            stream.encode(), ctypes.cast(texts, ctypes.POINTER(ctypes.c_char_p)), len(filters), sequence, time,
            messages_max, idle_seconds,
        )
        error, pending = _Error(), ctypes.c_uint64()
        with self._lock:
            code = library().tapeline_tape_begin(
                self._own(), number, ctypes.byref(wanted), ctypes.byref(pending), ctypes.byref(error)
            )
        if code:
            raise _failure(error)
        return pending.value

    def last(self, stream: str, subject: str) -> Lane | None:
        """Returns what the last packet on a subject says; None: there is none."""
        found, error = Lane(), _Error()
        with self._lock:
            code = library().tapeline_tape_last(
                self._own(), stream.encode(), subject.encode(), ctypes.byref(found), ctypes.byref(error)
            )
        if code:
            raise _failure(error)
        return found if found.packets else None

    def end(self, number: int) -> None:
        """Ends a range."""
        with self._lock:
            library().tapeline_tape_end(self._own(), number)

    def state(self, number: int) -> RangeState:
        """How far a range has come."""
        found = RangeState()
        with self._lock:
            library().tapeline_tape_range(self._own(), number, ctypes.byref(found))
        return found

    def fetch(self, milliseconds: int) -> None:
        """Waits for the next block."""
        error = _Error()
        with self._lock:
            code = library().tapeline_tape_fetch(self._own(), milliseconds, ctypes.byref(error))
        if code:
            raise _failure(error)

    def messages(self) -> Sequence[Message]:
        """The messages of the block, until the next fetch."""
        found = ctypes.POINTER(Message)()
        with self._lock:
            count = library().tapeline_tape_block(self._own(), ctypes.byref(found))
        return [found[place] for place in range(count)]

    def lanes(self) -> list[Lane]:
        """What the block has of each source and partition. A copy."""
        found = ctypes.POINTER(Lane)()
        with self._lock:
            count = library().tapeline_tape_lanes(self._own(), ctypes.byref(found))
            return [Lane.from_buffer_copy(found[place]) for place in range(count)]

    def feed(self, number: int, place: int, function: Any, decoder: Any, error: Any) -> tuple[int, int]:
        """Feeds the messages of a range in the block, from an index on. Returns the decoder's code and the
        index at which it stopped."""
        at = ctypes.c_size_t(place)
        with self._lock:
            code: int = library().tapeline_tape_feed(
                self._own(), number, ctypes.cast(function, ctypes.c_void_p), decoder, ctypes.byref(at), error
            )
        return code, at.value

    def feed_one(self, message: Message, time: int, function: Any, decoder: Any, error: Any) -> int:
        """Feeds one message of the block with another time. Returns the decoder's code."""
        told = Fed(message.sequence, time, message.subject)
        with self._lock:
            self._own()
            code: int = function(decoder, message.bytes, message.count, ctypes.byref(told), error)
        return code


def _failure(error: _Error) -> TransportError:
    return TransportError(error.code, error.server_code, error.text.decode(errors="replace"))
