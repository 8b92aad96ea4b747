"""A simulation of a recording: the packets of its file, stream by stream, and what it cannot know.

Packets stand in a file in the order in which they were sent, and a packet may wait for hours before the tape takes it.
So each stream has a reading of its own of the file, and nothing waits in memory for another stream."""

from __future__ import annotations

import os
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace

from . import times
from .batches import LiveWanted
from .coverage import Missing, partition_of
from .decoder import Decoder, Hole
from .errors import DamagedTape, NotReachable, TapelineError
from .packet_streams import PacketStream, Streams
from .reading import HEADER, TICK_STREAMS, Head
from .recording import Recording
from .tape import AHEAD_NS

_TICKS, _BARS, _WATERMARKS = 1, 2, 3
_HEADER_LENGTH = struct.Struct("<12xI")
_LENGTH, _REST = struct.Struct("<I"), struct.Struct("<Qq")
"""Before a packet (docs/replay.md): its length; the chain, and when the tape took it."""
_BUFFER_BYTES = 256 << 10
_PIECE_BYTES = 2 << 20
_PIECE_PACKETS = 1_024
"""A piece of a stream ends with so many bytes or packets."""


@dataclass(frozen=True)
class Frame:
    """Where a packet is in a file, when the tape took it, and its header."""

    place: int
    known: int
    head: Head


class Frames(Iterator[Frame]):
    """The frames of a recording, from an offset on. `Recording.check` has read the file before, so
    what does not fit was changed since."""

    def __init__(self, path: str, place: int = 0) -> None:
        self._path = path
        try:
            self._file = open(path, "rb", buffering=_BUFFER_BYTES)
        except OSError as error:
            raise NotReachable(f"{path} cannot be read: {os.strerror(error.errno or 0)}") from None
        self._next = place or _HEADER_LENGTH.unpack(self._bytes(_HEADER_LENGTH.size))[0]
        self._begin, self._rest = b"", 0

    def __next__(self) -> Frame:
        place = self._next
        self._file.seek(place)
        (length,) = _LENGTH.unpack(self._bytes(_LENGTH.size))
        if not length:
            raise StopIteration
        if length < HEADER.size:
            raise self._changed()
        _, known = _REST.unpack(self._bytes(_REST.size))
        self._begin, self._rest = self._bytes(HEADER.size), length - HEADER.size
        self._next = place + _LENGTH.size + _REST.size + length
        return Frame(place, known, Head.read(self._begin))

    def packet(self) -> bytes:
        """Returns the bytes of the packet of the last frame. Call it once for each."""
        return self._begin + self._bytes(self._rest)

    def _bytes(self, count: int) -> bytes:
        found = self._file.read(count)
        if len(found) < count:
            raise self._changed()
        return found

    def _changed(self) -> DamagedTape:
        return DamagedTape(f"{self._path} was changed while it was read: read it again")

    def close(self) -> None:
        """Closes the file. Twice does nothing."""
        self._file.close()


def _stream(head: Head) -> int:
    """The stream of the tape that a packet is of; bars have the one after those of ticks."""
    return TICK_STREAMS if head.kind == _BARS else head.partition % TICK_STREAMS


class _FileStream(PacketStream):
    """The packets of one stream of the tape that a recording has."""

    def __init__(
        self, path: str, wanted: LiveWanted, kinds: Collection[str], end: int, stream: int,
        partitions: Collection[int], place: int,
    ) -> None:
        super().__init__(wanted, kinds, end)
        self._stream, self._partitions = stream, frozenset(partitions)
        self._frames = Frames(path, place)

    def _read(self) -> None:
        packets = read = 0
        for frame in self._frames:
            head = frame.head
            if _stream(head) != self._stream:
                continue
            if head.kind != _WATERMARKS and head.partition not in self._partitions:
                continue
            packet = self._frames.packet()
            self._feed(packet, frame)
            packets, read = packets + 1, read + len(packet)
            if self.is_over or packets >= _PIECE_PACKETS or read >= _PIECE_BYTES:
                return
        self.is_over = True

    def _feed(self, packet: bytes, frame: Frame) -> None:
        is_met = False
        for decoder in self._decoders:
            try:
                self._decode(decoder, packet, frame.known)
            except Hole as hole:
                # All decoders have taken the same packets, so each of them refuses this one.
                if not is_met:
                    self._lost(hole)
                is_met = True
                decoder.expect(hole.source, hole.partition, hole.last + 1)
                self._decode(decoder, packet, frame.known)
        self._packet(frame.head, frame.known)

    def _decode(self, decoder: Decoder, packet: bytes, known: int) -> None:
        while decoder.feed_bytes(packet, known):
            self._flush()

    def close(self) -> None:
        super().close()
        self._frames.close()


@dataclass
class _Survey:
    """What one reading of a file told of its packets."""

    firsts: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    """By kind and partition: the ordinal with which the first packet begins, and when the tape took it."""
    places: dict[int, int] = field(default_factory=dict)
    """By stream: the offset of its first packet from a time on."""
    lead: int = 0
    """How far the clock of the gateway was ahead of that of NATS at most, by the packets; 0: it was not."""

    @staticmethod
    def of(path: str, begin: int) -> _Survey:
        """Reads a file. `begin`: the time from which on packets matter."""
        found, frames = _Survey(), Frames(path)
        try:
            for frame in frames:
                head = frame.head
                found.firsts.setdefault((head.kind, head.partition), (head.first_ordinal, frame.known))
                if frame.known >= begin:
                    found.places.setdefault(_stream(head), frame.place)
                if head.kind != _BARS:
                    found.lead = max(found.lead, head.sent - frame.known)
        finally:
            frames.close()
        return found


def recorded_streams(recording: Recording, wanted: LiveWanted, end: int | None) -> Streams:
    """Returns the streams of a recording up to a time; None: as far as it knows them."""
    info, start = recording.info, wanted.kinds[0].start or 0
    if wanted.bars and (why := recording.bars.absence):
        raise TapelineError(f"{why[:why.index(':')]}: record it again, or simulate tapeline.connect(tape=True)")
    recording.check()
    begin = max(1, start - AHEAD_NS)
    survey = _Survey.of(recording.path, begin)
    # A packet that was sent after the end may have been taken before it, by the clock of NATS.
    known: int = info["to"] - survey.lead
    if wanted.bars:
        known = min([known, *recording.bars.ends(wanted.bars)])
    until = known if end is None else end
    if until <= start:
        raise TapelineError(f"the recording ends at {times.text(until)}, before the start {times.text(start)}")
    everything, partitions = list(range(info["partitions"])), dict[str, list[int]]()
    for one in wanted.kinds:
        own = {partition_of(symbol, info["partitions"]) for symbol in one.symbols}
        partitions[one.kind] = sorted(own) or everything
    found = Streams.of("recording", partitions)
    kinds, parts = [one.kind for one in wanted.ticks], list[PacketStream]()
    for stream, own_partitions in found.split():
        if place := survey.places.get(stream):
            parts.append(_FileStream(
                recording.path, wanted, kinds, until, stream, own_partitions, place))
    if found.bars is not None and (place := survey.places.get(TICK_STREAMS)):
        parts.append(_FileStream(recording.path, wanted, ["bars"], until, TICK_STREAMS, found.bars, place))
    found.parts = parts
    found.missing = list(dict.fromkeys(_missing(recording, wanted, found, survey, known, until)))
    return found


def _missing(
    recording: Recording, wanted: LiveWanted, found: Streams, survey: _Survey, known: int, end: int
) -> Iterator[Missing]:
    """Yields what the recording does not know of the simulation. `known`: up to when it knows anything."""
    info, start = recording.info, wanted.kinds[0].start or 0
    source = info["source"]
    if end > known:
        yield Missing(max(start, known), end, "after the recording", None, source)
    for one in wanted.kinds:
        yield from recording.not_selected(replace(one, end=end))
        if info["symbols"] and not one.symbols:
            yield Missing(start, end, "not selected by the recording", None, source)
    if wanted.ticks:
        for name in wanted.ticks[0].sources:
            if name != source:
                yield Missing(start, end, f"the recording is of {source}", None, name)
        yield from _before(recording, found, survey, start, end)
    if wanted.bars and found.bars is not None:
        left = [one for one in found.bars if one not in info["present"]]
        if left and not wanted.bars.symbols:
            told = f"partitions {', '.join(map(str, left))}"
            yield Missing(start, end, "the recording has no bars of them", None, detail=told)
        for symbol, series in recording.bars.unknown(wanted.bars):
            yield Missing(start, end, f"nothing of it is recorded in the series {series}", symbol)
        for missing in recording.bars.outside(wanted.bars):
            yield replace(missing, end=end if missing.end is None else min(end, missing.end))


def _before(
    recording: Recording, found: Streams, survey: _Survey, start: int, end: int
) -> Iterator[Missing]:
    """Yields the time whose ticks the tape may have taken before the first packet of the file. As none comes
    before its time, what is sure begins some seconds after that packet, as on a tape that was purged."""
    begin, source = start - AHEAD_NS, recording.info["source"]
    first: int | None = recording.info["from"]
    if first is not None and first > begin:
        yield Missing(start, min(end, first + AHEAD_NS), "before the recording", None, source)
    for partition in found.ticks:
        ordinal, known = survey.firsts.get((_TICKS, partition), (1, 0))
        if ordinal != 1 and known > begin:
            told = f"the recording has partition {partition} from ordinal {ordinal} on"
            yield Missing(start, min(end, known + AHEAD_NS), "before the recording", None, source, detail=told)
