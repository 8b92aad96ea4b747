"""One connection to Valkey that reads: pipelines of commands, and their answers."""

from __future__ import annotations

import functools
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .errors import NotReachable, TapelineError

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
"""How long the answers to one pipeline may take."""

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


def command(*words: str) -> str:
    """Returns a command as the server reads it, in UTF-8."""
    return f"*{len(words)}\r\n" + "".join(map(_word, words))


def _word(word: str) -> str:
    return f"${len(word) if word.isascii() else len(word.encode())}\r\n{word}\r\n"


def keyed(name: str, *words: str) -> Callable[[str], str]:
    """Returns what writes a command of a key: its name, the key, the other words."""
    head, tail = f"*{2 + len(words)}\r\n{_word(name)}", "".join(map(_word, words))

    def write(key: str) -> str:
        return f"{head}${len(key) if key.isascii() else len(key.encode())}\r\n{key}\r\n{tail}"

    return write


class Valkey:
    """A connection that is made when it is needed, and again after it was lost."""

    def __init__(self, address: ValkeyAddress) -> None:
        self.address = address
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        # A value that no key has, so its answer ends those before it.
        mark = secrets.token_hex(16)
        self._ping, self._end = command("PING", mark).encode(), _word(mark).encode()
        self._process = os.getpid()

    def ask(self, group: Group) -> list[Answer]:
        """Returns the answers to commands. Any thread may call. A connection that was lost is made again once."""
        return self.both(group, ())[0]

    def tables(self, groups: Sequence[Group]) -> list[Fields]:
        """Returns the answers to groups of commands HMGET, in their order. As `ask`."""
        return self.both(Group((), str), groups)[1]

    def both(self, group: Group, groups: Sequence[Group]) -> tuple[list[Answer], list[Fields]]:
        """Returns the answers of `ask`, and after them those of `tables`, in one exchange."""
        first = group.pieces
        blocks = iter(self._exchange([*first, *(piece for one in groups for piece in one.pieces)]))
        answers = [one for _ in first for one in next(blocks)]
        found = []
        for group in groups:
            whole = next(blocks) if group.pieces else Fields([[] for _ in range(group.width)], {})
            for number in range(1, len(group.pieces)):
                part, at = next(blocks), number * PIPELINE
                for texts, more in zip(whole.texts, part.texts):
                    texts += more
                whole.without.update((at + row, why) for row, why in part.without.items())
            found.append(whole)
        return answers, found

    def _exchange(self, pieces: Sequence[Piece]) -> list[Any]:
        if os.getpid() != self._process:
            raise TapelineError("this desk is of the process before the fork: make another one in this process")
        if not pieces:
            return []
        with self._lock:
            was_open = self._socket is not None
            try:
                return self._asked(pieces)
            except OSError as error:
                self._close()
                if not was_open:
                    raise self._away(error) from None
            try:
                return self._asked(pieces)
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

    def _asked(self, pieces: Sequence[Piece]) -> list[Any]:
        link = self._socket or self._connected()
        self._socket = link
        answers: list[Any] = []
        rest = b""
        try:
            link.sendall(pieces[0].written + self._ping)
            for number, piece in enumerate(pieces):
                if number + 1 < len(pieces):
                    link.sendall(pieces[number + 1].written + self._ping)
                block, rest = self._block(link, rest)
                try:
                    read: Callable[[bytes, int, int], Any] = columns if piece.width else _answers
                    answers.append(read(block, piece.commands, piece.width))
                    # The server answers the next ones meanwhile.
                    if piece.check is not None:
                        piece.check(answers[-1])
                except (ValueError, IndexError, RecursionError) as error:
                    raise OSError(f"the answers are no answers of Valkey ({error})") from None
        except BaseException:
            # What is still to come would be taken for later answers.
            self._close()
            raise
        return answers

    def _block(self, link: socket.socket, rest: bytes) -> tuple[bytes, bytes]:
        """Receives the answers up to the mark. Returns them, and what came after it."""
        data = bytearray(rest)
        sought = 0
        end = time.monotonic() + ANSWER_SECONDS
        while (place := data.find(self._end, sought)) < 0:
            sought = max(0, len(data) - len(self._end))
            if len(data) > ANSWER_BYTES:
                raise OSError(f"an answer has more than {ANSWER_BYTES} bytes")
            piece = link.recv(1 << 18)
            if not piece:
                raise OSError("it has ended the connection")
            data += piece
            if time.monotonic() > end:
                raise TimeoutError("timed out")
        whole = memoryview(data)
        return bytes(whole[:place]), bytes(whole[place + len(self._end) :])

    def _connected(self) -> socket.socket:
        link = socket.create_connection((self.address.host, self.address.port), CONNECT_SECONDS)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.settimeout(ANSWER_SECONDS)
        try:
            password = self.address.password
            if password is not None:
                user = [] if self.address.user is None else [self.address.user]
                link.sendall(command("AUTH", *user, password).encode())
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


class Piece(NamedTuple):
    """Commands that are sent together, how many fields each of them wants, and what looks at these."""

    written: bytes
    commands: int
    width: int
    check: Callable[[Fields], None] | None = None


class Group:
    """Commands that `write` makes of keys, each of which wants `width` fields, and what looks at the fields of each
    part of them. They are written once."""

    def __init__(
        self, keys: Sequence[str], write: Callable[[str], str], width: int = 0,
        check: Callable[[Fields], None] | None = None,
    ) -> None:
        self.keys, self.write, self.width, self.check = keys, write, width, check

    @functools.cached_property
    def pieces(self) -> list[Piece]:
        parts = (self.keys[at : at + PIPELINE] for at in range(0, len(self.keys), PIPELINE))
        return [Piece("".join(map(self.write, part)).encode(), len(part), self.width, self.check)
                for part in parts]


class Fields(NamedTuple):
    """The fields of keys, a list per field; and why keys have none, by their number."""

    texts: list[list[bytes]]
    without: dict[int, str]


_NONE = "Valkey has none"


def columns(block: bytes, count: int, width: int) -> Fields:
    """Returns `count` answers to HMGET with `width` fields each. The fields of a key that is missing are empty."""
    whole = block
    if b"-" in block:
        nothing = b"*%d" % width + b"\r\n$-1" * width + b"\r\n"
        whole = block.replace(nothing, b"*\r\n" + b"\r\n" * (2 * width))
    lines = _lines(whole, count, width)
    if lines:
        heads = lines[:: 1 + 2 * width]
        without = {row: _NONE for row, one in enumerate(heads) if one == b"*"} if b"*" in heads else {}
        return Fields([lines[place :: 1 + 2 * width] for place in range(2, 1 + 2 * width, 2)], without)
    empty, rows, without = [b""] * width, list[list[bytes]](), {}
    for row, answer in enumerate(parsed(block)):
        texts = [one for one in answer if isinstance(one, bytes)] if isinstance(answer, list) else []
        if len(texts) != width:
            without[row] = str(answer) if isinstance(answer, ValkeyError) else _NONE
        rows.append(texts if len(texts) == width else empty)
    if len(rows) != count:
        raise OSError("the answers are no answers of Valkey")
    return Fields([list(one) for one in zip(*rows)], without)


_LENGTHS = {count: b"$%d" % count for count in range(1_024)}


def _lines(block: bytes, count: int, width: int) -> list[bytes] | None:
    """Returns the lines of `count` arrays, if each has `width` texts, or the head "*" and empty lines.

    With as many lines as there have to be no text has an end of a line in it, if neither an error nor a missing text
    makes up for its lines. A number below zero may be an error."""
    lines, stride = block.split(b"\r\n"), 1 + 2 * width
    heads = lines[:-1:stride]
    if (
        len(lines) == count * stride + 1 and heads.count(b"*%d" % width) + heads.count(b"*") == count
        and (b"-" not in block or b"\r\n-" not in block and b"\r\n$-1\r\n" not in block)
    ):
        del lines[-1]
        return lines
    return None


def _answers(block: bytes, count: int, _: int) -> list[Answer]:
    answers = parsed(block)
    if len(answers) != count:
        raise OSError("the answers are no answers of Valkey")
    return answers


def parsed(block: bytes) -> list[Answer]:
    """Returns the answers of a block. One that is an error is a `ValkeyError` among them.

    Most answers are arrays of texts, and of nothing. They are cut out of the lines of the block, and their
    lengths are compared. What does not fit is read byte by byte."""
    # As a text has, nothing gets a line after its length.
    lines: list[Any] = block.replace(b"$-1\r\n", b"$-1\r\n\r\n").split(b"\r\n")
    found: list[Answer] = []
    at, end = 0, len(lines) - 1
    while at < end:
        head = lines[at]
        if head[:1] != b"*":
            return _read_all(block)
        count = int(head[1:])
        if not 0 <= count <= len(lines):
            return _read_all(block)
        texts = lines[at + 2 : at + 2 + 2 * count : 2]
        lengths = lines[at + 1 : at + 1 + 2 * count : 2]
        if b"$-1" in lengths:
            texts = [None if length == b"$-1" else text for length, text in zip(lengths, texts)]
            lengths = [b"$0" if text is None else length for length, text in zip(lengths, texts)]
            sized = [text or b"" for text in texts]
        else:
            sized = texts
        if lengths != list(map(_LENGTHS.get, map(len, sized))):
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
        # Beyond the end of the block there is no next line.
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
