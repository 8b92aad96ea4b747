"""What may be answered about ticks, changes, values and gaps of a past time, from the packets of recorders and the
schema of the wire format alone: by the times of all clocks, and by the true one. It shares no code with the product."""

import json
import pathlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from answers import Question, iso
from truth import ROOT, decode_packet

SECOND = 1_000_000
NONE_WIDE = str(2**127 - 1)


class Asked:
    """A question of one kind about a symbol, with a window and a time in microseconds."""

    def __init__(self, kind: str, symbol: str, time_of: int, start: int, end: int, source: str) -> None:
        self.kind, self.symbol, self.time, self.start, self.end, self.source = (
            kind, symbol, time_of, start, end, source)

    def __str__(self) -> str:
        return f"{self.kind} of {self.symbol} in [{iso(self.start)}, {iso(self.end)}) as of {iso(self.time)}"

    @property
    def bars(self) -> Question:
        return Question((self.source, self.symbol, "1s"), self.time, self.start, self.end, 0)


@dataclass(frozen=True)
class Record:
    """A record of the tape. Times are in microseconds."""

    kind: str
    symbol: str
    # By which it is asked for: of a gap its beginning, of a value the end of its period.
    place: int
    # How an answer names it.
    name: Any
    # When it could be read, by a right clock.
    read: int
    taken: int
    sent: int
    stamp: int
    # What later records with the same key replace, and whether they say that there is nothing.
    key: Any
    is_void: bool
    ordinal: int
    fields: dict[str, str]

    @property
    def known(self) -> int:
        return max(self.taken, self.sent, self.stamp)

    @property
    def begin(self) -> int:
        return min(self.taken, self.sent)

    def is_disputed(self, time: int) -> bool:
        """Whether clocks disagree about a time by over a second. The third one is compared with those of a whole
        second."""
        return self.begin <= time < self.known and (
            abs(self.taken - self.sent) > SECOND + 1_000 or self.known - self.begin > 2 * SECOND)


class Witnesses:
    """All records of some kinds on the tape. `told` gives the time that a stream's clock shows."""

    def __init__(self, paths: Iterable[pathlib.Path], told: Callable[[str, int], int]) -> None:
        self.schema = decode_packet.Schema(ROOT / "Sources/Tape/TapeCodec/tape.sbe.xml")
        self.numbered = {
            each.get("name") for number, each in self.schema.messages.items() if number & 0x8000}
        self.records: list[Record] = []
        # When a packet of bars could be read, by its subject and first ordinal.
        self.packets: list[tuple[int, int, int]] = []
        self._taken: dict[str, int] = {}
        for path in paths:
            for line in path.read_text().splitlines():
                packet = json.loads(line)
                self._take(packet, told(path.stem, packet["taken"]))

    def _take(self, packet: dict[str, Any], told: int) -> None:
        subject = packet["subject"]
        taken = self._taken[subject.split(".")[2]] = max(
            self._taken.get(subject.split(".")[2], 0), -(-told // 1_000))
        symbols: dict[str, Any] = {}
        ordinal = sent = 0
        source = partition = ""
        for message in decode_packet.decode(self.schema, bytes.fromhex(packet["data"])):
            name, fields = message["message"], message["fields"]
            if name == "PacketHeader":
                ordinal, sent = int(fields["firstOrdinal"]), -(-int(fields["sendTime"]) // 1_000)
                source, partition = fields["source"], fields["partition"]
                self.packets.append((-(-packet["taken"] // 1_000), taken, sent))
            elif name == "SymbolDefinition":
                symbols[fields["index"]] = fields
            elif name in self.numbered or name.startswith("unknown "):
                if name in ("Trade", "TradeChange", "IndicatorValue", "GapRecord"):
                    symbol = symbols.get(fields["symbol"], {"symbol": "", "source": ""})
                    self.records.append(self._record(
                        name, fields, symbol, (source, partition, ordinal),
                        (-(-packet["taken"] // 1_000), taken, sent)))
                ordinal += 1

    @staticmethod
    def _record(
        name: str, fields: dict[str, str], symbol: dict[str, str], place: tuple[str, str, int],
        times: tuple[int, int, int]
    ) -> Record:
        source, partition, ordinal = place
        stamp, address = micros(fields["receiveTime"]), f"{source}/{partition}/{ordinal}"
        if name == "Trade":
            at = micros(fields["providerTime"]) or stamp
            kind = "ticks" if fields["action"] in ("0", "new") else "changes"
            return Record(kind, symbol["symbol"], at, address, *times, stamp, address, False, ordinal, fields)
        if name == "TradeChange":
            target = f"{fields['source']}/{partition}/{fields['ordinal']}"
            said = (target, fields["change"], stamp)
            return Record("changes", symbol["symbol"], micros(fields["providerTime"]), said, *times, stamp,
                          address, False, ordinal, fields)
        if name == "IndicatorValue":
            begin, end = micros(fields["periodStart"]), micros(fields["periodEnd"])
            key = (fields["name"], symbol["symbol"], symbol["source"], begin)
            return Record("values", symbol["symbol"], end, (key[2], begin, int(fields["revision"])), *times,
                          max(stamp, end), key, fields["value"] in ("undefined", NONE_WIDE), ordinal, fields)
        return Record("gaps", symbol["symbol"], micros(fields["from"]), address, *times, stamp,
                      (source, partition, symbol["symbol"]), False, ordinal, fields)


def micros(text: str) -> int:
    """Returns a time as a column has it; 0 if it has none."""
    return 0 if text == "undefined" else int(text) // 1_000


def last(records: list[Record], time: int, slack: int) -> list[set[Any]]:
    """Returns of each key the names of which each is a right answer; None: there is no row."""
    keys: dict[Any, list[Record]] = {}
    for record in records:
        keys.setdefault(record.key, []).append(record)
    found = []
    for versions in keys.values():
        right: set[Any] = set()
        for one in sorted(versions, key=lambda each: (each.name[2] if each.kind == "values" else 0, each.ordinal),
                          reverse=True):
            if one.known <= time:
                right.add(None if one.is_void else one.name)
            if one.known + slack <= time:
                break
        else:
            right.add(None)
        found.append(right)
    return found


def missing(records: list[Record]) -> set[Any]:
    """Returns what is missing by these records of gaps: source, kind, state and beginning of each stretch."""
    found = set()
    places: dict[Any, list[Record]] = {}
    for one in records:
        for kind in ("trade", "quote", "other") if one.fields["kind"] == "any" else (one.fields["kind"],):
            places.setdefault((*one.key, kind), []).append(one)
    for (source, _, _, kind), told in places.items():
        for state in ("open", "filling", "abandoned"):
            pieces: list[tuple[int, int]] = []
            for one in sorted(told, key=lambda each: each.ordinal):
                begin = one.place
                end = max(begin, micros(one.fields["to"]) or one.stamp)
                if end == begin:
                    continue
                rest = [piece for left, right in pieces
                        for piece in ((left, min(right, begin)), (max(left, end), right)) if piece[0] < piece[1]]
                if one.fields["state"] == state:
                    rest.append((begin, end))
                pieces = joined(rest)
            found |= {(source, kind, state, begin) for begin, _ in pieces}
    return found


def joined(pieces: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for begin, end in sorted(pieces):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found
