"""One connection to Valkey that reads: pipelines of commands, and their answers."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from .errors import NotReachable, TapelineError

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
"""How long the server may be silent."""

PIPELINE = 1_024
"""How many commands are sent together. The next ones are sent before these are answered."""

ANSWER_BYTES = 64 * 1024 * 1024
"""The most bytes of the answers to one pipeline."""

Answer = bytes | None | list["Answer"]


@dataclass(frozen=True)
class ValkeyAddress:
    """Where Valkey is, and who asks. No text shows the password."""

    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)


class ValkeyError(Exception):
    """What Valkey answered instead of a value."""


def encoded(words: Sequence[bytes]) -> bytes:
    """Returns a command as the server reads it."""
    parts = [b"*%d\r\n" % len(words)]
    parts += [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
    return b"".join(parts)


class Valkey:
    """A connection that is made when it is needed, and again after it was lost."""

    def __init__(self, address: ValkeyAddress) -> None:
        self.address = address
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        # A value that no key has, so its answer ends those before it.
        self._mark = secrets.token_hex(16).encode()
        self._ping = encoded([b"PING", self._mark])
        self._end = b"$%d\r\n%b\r\n" % (len(self._mark), self._mark)
        self._process = os.getpid()

    def ask(self, commands: Sequence[bytes]) -> list[Answer]:
        """Returns the answers to encoded commands. Any thread may call. A connection that was lost is made
        again once."""
        if os.getpid() != self._process:
            raise TapelineError("this desk is of the process before the fork: make another one in this process")
        if not commands:
            return []
        with self._lock:
            was_open = self._socket is not None
            try:
                return self._asked(commands)
            except OSError as error:
                self._close()
                if not was_open:
                    raise self._away(error) from None
            try:
                return self._asked(commands)
            except OSError as error:
                self._close()
                raise self._away(error) from None

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _away(self, error: Exception) -> NotReachable:
        return NotReachable(f"Valkey at {self.address.host}:{self.address.port} does not answer: {error}")

    def _asked(self, commands: Sequence[bytes]) -> list[Answer]:
        link = self._socket or self._connected()
        self._socket = link
        pieces = [b"".join(commands[at : at + PIPELINE]) + self._ping for at in range(0, len(commands), PIPELINE)]
        answers: list[Answer] = []
        rest = b""
        try:
            link.sendall(pieces[0])
            for number in range(len(pieces)):
                if number + 1 < len(pieces):
                    link.sendall(pieces[number + 1])
                block, rest = self._block(link, rest)
                answers += parsed(block)
        except BaseException:
            # What is still to come would be taken for later answers.
            self._close()
            raise
        if len(answers) != len(commands):
            self._close()
            raise self._away(ValueError("the answers are no answers of Valkey"))
        return answers

    def _block(self, link: socket.socket, rest: bytes) -> tuple[bytes, bytes]:
        """Receives the answers up to the mark. Returns them, and what came after it."""
        data = bytearray(rest)
        sought = 0
        while (place := data.find(self._end, sought)) < 0:
            sought = max(0, len(data) - len(self._end))
            if len(data) > ANSWER_BYTES:
                raise OSError(f"an answer has more than {ANSWER_BYTES} bytes")
            piece = link.recv(1 << 18)
            if not piece:
                raise OSError("it has ended the connection")
            data += piece
        return bytes(data[:place]), bytes(data[place + len(self._end) :])

    def _connected(self) -> socket.socket:
        link = socket.create_connection((self.address.host, self.address.port), CONNECT_SECONDS)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.settimeout(ANSWER_SECONDS)
        try:
            password = self.address.password
            if password is not None:
                user = [] if self.address.user is None else [self.address.user.encode()]
                link.sendall(encoded([b"AUTH", *user, password.encode()]))
                self._greet(link, b"+OK\r\n")
            link.sendall(self._ping)
            self._greet(link, self._end)
        except BaseException:
            link.close()
            raise
        return link

    def _greet(self, link: socket.socket, wanted: bytes) -> None:
        """Receives the answer to one command of the greeting. A refusal has no mark."""
        data = b""
        while not data.endswith(wanted):
            if data[:1] == b"-" and data.endswith(b"\r\n"):
                raise NotReachable(
                    f"Valkey at {self.address.host}:{self.address.port} refuses: {data[1:-2].decode(errors='replace')}")
            if len(data) > 1_000:
                raise OSError("the answer is none of Valkey")
            piece = link.recv(1_000)
            if not piece:
                raise OSError("it has ended the connection")
            data += piece


_LENGTHS = {count: b"$%d" % count for count in range(1_024)}


def parsed(block: bytes) -> list[Answer]:
    """Returns the answers of a block. One that is an error is a `ValkeyError` among them.

    Most answers are arrays of texts, or of nothing. They are cut out of the lines of the block, and their
    lengths are compared. What does not fit is read byte by byte."""
    lines = block.split(b"\r\n")
    found: list[Answer] = []
    at, end = 0, len(lines) - 1
    while at < end:
        head = lines[at]
        if head[:1] != b"*":
            return _read_all(block)
        count = int(head[1:])
        if count < 0:
            return _read_all(block)
        if count > 0 and lines[at + 1] == b"$-1":
            if lines[at + 1 : at + 1 + count] != [b"$-1"] * count:
                return _read_all(block)
            found.append([None] * count)
            at += 1 + count
            continue
        texts = lines[at + 2 : at + 2 + 2 * count : 2]
        lengths = lines[at + 1 : at + 1 + 2 * count : 2]
        if lengths != list(map(_LENGTHS.get, map(len, texts))):
            return _read_all(block)
        found.append(texts)
        at += 1 + 2 * count
    return found


def _read_all(block: bytes) -> list[Answer]:
    found: list[Answer] = []
    at = 0
    while at < len(block):
        answer, at = _read(block, at)
        found.append(answer)
    return found


def _read(block: bytes, at: int) -> tuple[Answer, int]:
    end = block.index(b"\r\n", at)
    kind, head, at = block[at : at + 1], block[at + 1 : end], end + 2
    if kind == b"*":
        array: list[Answer] = []
        for _ in range(int(head)):
            element, at = _read(block, at)
            array.append(element)
        return array, at
    if kind == b"$":
        count = int(head)
        return (None, at) if count < 0 else (block[at : at + count], at + count + 2)
    if kind == b"-":
        return ValkeyError(head.decode(errors="replace")), at  # type: ignore[return-value]
    return head, at
