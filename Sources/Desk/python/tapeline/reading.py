"""A reading of the tape: consumers that are made again where they ended, and a decoder that proves that no
ordinal is missing and none comes twice.

A consumer holds nothing on the tape and acknowledges nothing. So the reading itself knows how far it is. After
a doubt it begins again with the packet that it took last, which must still be the same one."""

from __future__ import annotations

import ctypes
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from .decoder import Decoder, Hole
from .errors import DamagedTape, NotReachable, TapelineError
from .transport import CLOSED, REFUSED, Lane, Link, Message, TapeAddress, TransportError

TICK_STREAMS = 4
"""The streams over which the partitions' ticks are spread. It never changes."""
INTERRUPTED = "this reading was interrupted: begin another one"
IDLE_SECONDS = 30
"""After so long without a pull the server ends a consumer, also that of a program that was killed."""
_RETRY_FIRST, _RETRY_MAX = 0.05, 1.0
_END_DOUBT = 10.0
"""A server that has just become a stream's leader may not know all of it yet. After so long it does."""
_PATIENCE = 30.0
_FETCH_MILLISECONDS = 250
_UNDEFINED = 2**63 - 1
HEADER = struct.Struct("<8xQIIQQqqHBB4x24s")
"""Of a packet (docs/wire-format.md): checksum, byteCount, tickCount, epoch, firstOrdinal, watermark, sendTime,
partition, kind, flags, source."""


@dataclass(frozen=True)
class Head:
    """What the header of a packet says. `kind` and the rest are as in `Lane` of the transport."""

    kind: int
    partition: int
    source: str
    epoch: int
    first_ordinal: int
    watermark: int
    sent: int
    flags: int
    ticks: int = 0

    def latest(self, taken: int) -> int:
        """Returns the later one of two times: that of its sending, and this one, at which the tape took it."""
        return taken if self.sent == _UNDEFINED else max(taken, self.sent)

    def earliest(self, taken: int) -> int:
        """Returns the earlier one of the two."""
        return min(taken, self.sent)

    @staticmethod
    def of(message: Message) -> Head | None:
        """The header of a message; None if it is no packet."""
        if message.count < HEADER.size:
            return None
        return Head.read(ctypes.string_at(message.bytes, HEADER.size))

    @staticmethod
    def read(packet: bytes) -> Head:
        """The header with which a packet begins."""
        _, _, ticks, epoch, first, watermark, sent, partition, kind, flags, source = HEADER.unpack_from(packet)
        return Head(
            kind, partition, source.rstrip(b"\0").decode(errors="replace"), epoch, first, watermark, sent, flags,
            ticks,
        )


@dataclass(frozen=True)
class Position:
    """The last packet that was taken of a part."""

    sequence: int
    checksum: int
    epoch: int
    first_ordinal: int

    @staticmethod
    def of(message: Message) -> Position | None:
        """The position after a message; None if it is no packet."""
        if message.count < HEADER.size:
            return None
        checksum, _, _, epoch, first, *_ = HEADER.unpack(ctypes.string_at(message.bytes, HEADER.size))
        return Position(message.sequence, checksum, epoch, first)


@dataclass
class Part:
    """A part of one stream. It begins at a sequence, or at a time, or with what is stored."""

    stream: str
    filters: tuple[str, ...]
    sequence: int = 0
    time: int = 0
    position: Position | None = None
    number: int = 0
    is_open: bool = False
    is_over: bool = False
    is_verified: bool = True
    failures: int = 0
    retry_at: float = 0.0
    ended_at: float | None = None
    reason: str = ""
    waiting: int = 0


@dataclass
class Reading:
    """Reads parts of streams into decoders. `step` does one piece of it.

    `before` gets the lanes of a block before it is decoded. `full` takes rows when a batch is full. `hole`
    gets ordinals that the tape lacks: it returns for the reading to continue after them. A reading that does not
    follow the tape ends with what is stored when it gets there. What raises in the middle of a block, such as an
    interrupt, ends the reading: each later step raises.

    With `packet`, packets are decoded one by one, and it gets each with the time at which it was known: the time of
    the tape, which never falls within a partition. The decoders' rows have that time, too. `message` is its message."""

    address: TapeAddress
    decoders: list[Decoder]
    parts: list[Part]
    full: Callable[[], None]
    hole: Callable[[Hole], None]
    before: Callable[[list[Lane]], None] = lambda lanes: None
    packet: Callable[[Head, int], None] | None = None
    follows: bool = False
    doubts: int = 0
    message: Message | None = None
    _is_broken: bool = False
    _link: Link | None = None
    _suspect: tuple[str, int, int] | None = None
    _retry_at: float = 0.0
    _failures: int = 0
    _refused: float = 0.0
    _heard: float = field(default_factory=time.monotonic)
    _left: float = field(default_factory=time.monotonic)
    # By kind and partition: the highest time of the tape so far.
    _times: dict[tuple[int, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number, part in enumerate(self.parts):
            part.number = number

    def close(self) -> None:
        """Ends it. The server ends the consumers by itself."""
        link, self._link = self._link, None
        if link:
            link.close()
        for decoder in self.decoders:
            decoder.close()

    @property
    def is_over(self) -> bool:
        """Whether all parts have come to their end."""
        return all(part.is_over for part in self.parts)

    @property
    def is_open(self) -> bool:
        """Whether all parts have a consumer."""
        return all(part.is_open for part in self.parts)

    @property
    def is_at_end(self) -> bool:
        """Whether nothing more was on the tape when the last packets came."""
        return all(part.is_open and part.is_verified and not part.waiting for part in self.parts)

    def step(self, milliseconds: int = _FETCH_MILLISECONDS) -> bool:
        """Waits for packets, and takes them. Returns whether some came."""
        # The time that the caller took is no silence of the tape.
        self._heard += time.monotonic() - self._left
        try:
            return self._step(milliseconds)
        finally:
            self._left = time.monotonic()

    def _step(self, milliseconds: int) -> bool:
        if self._is_broken:
            raise TapelineError(INTERRUPTED)
        try:
            link = self._ready(milliseconds)
            if link is None:
                return False
            # Until all of the block is taken. What ends that in its middle loses the rest of it.
            self._is_broken = True
            link.fetch(milliseconds)
        except TransportError as error:
            self._is_broken = False
            self._lost(error)
            return False
        lanes = link.lanes()
        if lanes:
            self._heard, self._failures, self._refused = time.monotonic(), 0, 0.0
        self.before(lanes)
        for part in self.parts:
            if part.is_open:
                self._take(link, part, any(lane.range == part.number for lane in lanes))
        self._is_broken = False
        if not self.follows and time.monotonic() - self._heard > _PATIENCE:
            why = "; ".join({part.reason for part in self.parts if part.reason}) or "it sends nothing"
            raise NotReachable(f"the tape cannot be read further: {why}")
        return bool(lanes)

    # ---- parts

    def _take(self, link: Link, part: Part, has_packets: bool) -> None:
        if has_packets:
            messages = link.messages()
            own = [place for place, message in enumerate(messages) if message.range == part.number]
            place = own[0]
            if not part.is_verified:
                place = self._verified(part, messages[place], place)
            if not self._feed(link, part, messages, own, place):
                return
            part.position = Position.of(messages[own[-1]]) or part.position
            part.failures, part.ended_at = 0, None
        state = link.state(part.number)
        part.waiting = state.pending
        if state.state == 2:
            self._doubt(part, state.reason.decode(errors="replace"))
        elif not self.follows and not state.pending and part.is_verified:
            part.is_over, part.is_open = True, False
            link.end(part.number)

    @staticmethod
    def _verified(part: Part, first: Message, place: int) -> int:
        """Checks that the packet of the position is still there. Returns the index of the first new one."""
        part.is_verified = True
        known = part.position
        if known is None or first.sequence != known.sequence:
            # It was purged. The ordinals tell whether something is missing.
            return place
        if Position.of(first) != known:
            raise DamagedTape(
                f"another packet is stored at {known.sequence} of {part.stream} than the one that was read"
                " there: the tape was restored from a backup"
            )
        return place + 1

    def _feed(
        self, link: Link, part: Part, messages: Sequence[Message], own: list[int], place: int
    ) -> bool:
        """Decodes the packets of a part from an index on. Returns False when it began a doubt instead."""
        if self.packet is None:
            met, refused = self._all(link, part.number, place)
        else:
            met, refused = self._each(link, [messages[one] for one in own if one >= place], self.packet)
        if met is None:
            return True
        before = [one for one in own if messages[one].sequence < refused]
        if before:
            part.position = Position.of(messages[before[-1]]) or part.position
        self._met(part, met)
        return False

    def _all(self, link: Link, number: int, place: int) -> tuple[Hole | None, int]:
        """Decodes messages of a range. Returns the missing ordinals before one, and its sequence."""
        met, refused = None, 0
        for decoder in self.decoders:
            at: int | None = place
            try:
                while at is not None and (at := decoder.feed(link, number, at)) is not None:
                    self.full()
            except Hole as hole:
                # All decoders have taken the same packets, so all of them refuse this one.
                met, refused = hole, decoder.error.sequence
        return met, refused

    def _each(
        self, link: Link, messages: Sequence[Message], packet: Callable[[Head, int], None]
    ) -> tuple[Hole | None, int]:
        for message in messages:
            head = Head.of(message)
            key = (head.kind, head.partition) if head else (0, 0)
            known = max(message.time, self._times.get(key, 0))
            try:
                for decoder in self.decoders:
                    while decoder.feed_one(link, message, known):
                        self.full()
            except Hole as hole:
                return hole, message.sequence
            self._times[key] = known
            if head:
                self.message = message
                packet(head, known)
        return None, 0

    def _met(self, part: Part, hole: Hole) -> None:
        """Handles missing ordinals: they are read again before they are believed. All other packets of the
        block, which no decoder has seen, come again with new consumers."""
        met = (hole.source, hole.partition, hole.first)
        for one in self.parts:
            if one.is_open:
                self._doubt(one, f"{hole} did not come")
        part.failures = 0
        if met == self._suspect:
            self._suspect = None
            # It continues after the hole.
            for decoder in self.decoders:
                decoder.expect(hole.source, hole.partition, hole.last + 1)
            self.hole(hole)
        else:
            self._suspect = met

    # ---- trouble

    def _doubt(self, part: Part, reason: str) -> None:
        """Gives up the consumer of a part. It is made again, later each time that this happens."""
        self.doubts += 1
        part.is_open, part.reason = False, reason
        wait = min(_RETRY_MAX, _RETRY_FIRST * 2**part.failures) if part.failures else 0.0
        part.failures = min(part.failures + 1, 8)
        part.retry_at = time.monotonic() + wait

    def _lost(self, error: TransportError) -> None:
        """Handles a failed connection or question."""
        if error.code == REFUSED:
            # A server that has just started refuses for a moment; it names a number then.
            self._refused = self._refused or time.monotonic()
            if not error.server_code or time.monotonic() - self._refused > _PATIENCE:
                raise NotReachable(str(error)) from None
        if error.code == CLOSED and self._link:
            self._link.close()
            self._link = None
        for part in self.parts:
            if self._link is None and part.is_open:
                self._doubt(part, str(error))
            part.reason = part.reason or str(error)
        self._failures = min(self._failures + 1, 8)
        self._retry_at = time.monotonic() + min(_RETRY_MAX, _RETRY_FIRST * 2**self._failures)
        if not self.follows and time.monotonic() - self._heard > _PATIENCE:
            raise NotReachable(f"the tape cannot be read: {error}")

    def _ready(self, milliseconds: int) -> Link | None:
        """Returns the link with the consumers that can be made now; None when it waits for NATS."""
        now = time.monotonic()
        if self._link is None or not self._link.is_connected:
            if now < self._retry_at:
                time.sleep(min(milliseconds / 1_000, self._retry_at - now))
                return None
        if self._link is None:
            self._link = Link(self.address)
        for part in self.parts:
            if not part.is_open and not part.is_over and now >= part.retry_at and now >= self._retry_at:
                self._find(part)
                self._open(self._link, part, now)
        return self._link

    def _find(self, part: Part) -> None:
        """Looks up the sequence with which a part begins. A consumer of several subjects that begins at a time
        leaves out what lies before the first message of one of them (nats-server 2.12); by a sequence it does not."""
        if not part.time or part.sequence or part.position or len(part.filters) < 2:
            return
        # A fetch of its own link would lose what other parts have got there.
        link = Link(self.address)
        try:
            first = first_stored(link, part.stream, [part.filters[0].split(".")[0] + ".>"], start=part.time)
        finally:
            link.close()
        if first:
            part.sequence = first[1]

    def _open(self, link: Link, part: Part, now: float) -> None:
        known = part.position
        start = known.sequence if known else part.sequence
        part.waiting = link.begin(
            part.number, part.stream, part.filters, sequence=start, time=0 if start else part.time,
            idle_seconds=IDLE_SECONDS,
        )
        part.is_open, part.is_verified = True, known is None
        if not part.waiting and known:
            # The packet of the position is not there, so the stream ends before it.
            part.ended_at = part.ended_at or now
            if now - part.ended_at > _END_DOUBT:
                raise DamagedTape(
                    f"the stream {part.stream} ends before {known.sequence}, which was read: the tape was"
                    " restored from a backup, or made again"
                )
            self._doubt(part, f"the stream {part.stream} seems to end before {known.sequence}")


def first_stored(
    link: Link, stream: str, filters: Sequence[str], *, start: int = 0
) -> tuple[int, int, int] | None:
    """Returns the time, the sequence and the first ordinal of the first packet that is stored, or that was stored
    from a time on; None: none. The time is that of the tape or of the sender, whichever is later."""
    number = 15
    try:
        if not link.begin(number, stream, filters, time=start, messages_max=1, idle_seconds=1):
            return None
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            link.fetch(_FETCH_MILLISECONDS)
            for message in link.messages():
                head = Head.of(message)
                if message.range == number and head:
                    return head.latest(message.time), message.sequence, head.first_ordinal
            if link.state(number).state != 1:
                break
    finally:
        link.end(number)
    raise NotReachable(f"the beginning of the stream {stream} cannot be read")


def tick_stream(namespace: str, partition: int) -> str:
    """Returns the stream of a partition's ticks."""
    return f"{namespace.upper()}_TICKS_{partition % TICK_STREAMS}"


def tick_parts(
    namespace: str, partitions: Sequence[int] | None, sources: Sequence[str], *, time: int = 0
) -> list[Part]:
    """Returns a part for each stream that has ticks of these partitions (None: all) and sources (none:
    all)."""
    names = tuple(sources) or ("*",)
    if partitions is None:
        return [
            Part(tick_stream(namespace, one), tuple(f"{namespace}.ticks.*.{name}" for name in names), time=time)
            for one in range(TICK_STREAMS)
        ]
    found: dict[str, list[str]] = {}
    for partition in sorted(set(partitions)):
        subjects = found.setdefault(tick_stream(namespace, partition), [])
        subjects += [f"{namespace}.ticks.{partition}.{name}" for name in names]
    return [Part(stream, tuple(subjects), time=time) for stream, subjects in found.items()]


def steps(reading: Reading) -> Iterator[None]:
    """Runs a reading up to its end, with a stop after each piece."""
    try:
        while not reading.is_over:
            reading.step()
            yield
    finally:
        reading.close()


def checked_name(namespace: str) -> str:
    """Returns the namespace if it is one."""
    if not namespace.isidentifier() or namespace != namespace.lower() or len(namespace) > 16:
        raise TapelineError(f"{namespace!r} is no namespace: it has letters a to z, digits and _")
    return namespace
