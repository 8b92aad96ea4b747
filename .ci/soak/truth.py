"""What was known of bars at a time, from the packets of a recorder and the schema of the wire format alone.
It shares no code with the product."""

import collections
import json
import pathlib
import sys
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests/TapeCodecTests"))

import decode_packet  # noqa: E402

NONE_WIDE = str(2**127 - 1)
Key = tuple[int, int, str]
Row = dict[str, Any]


@dataclass(frozen=True)
class Version:
    """One published state of a bar, and the microseconds from which on it was known by one clock, and by all."""

    revision: int
    begin: int
    known: int
    lateness: int
    is_withdrawn: bool
    row: Row


def scaled(text: str, digits: int) -> Decimal | None:
    return None if text in ("undefined", NONE_WIDE) else Decimal(int(text)).scaleb(-digits)


class Truth:
    """All versions of all bars on the tape."""

    def __init__(self, path: pathlib.Path) -> None:
        self.schema = decode_packet.Schema(ROOT / "Sources/Tape/TapeCodec/tape.sbe.xml")
        self._ticks = {
            each.get("name") for number, each in self.schema.messages.items() if number & 0x8000}
        # Of each (source, symbol, series), the versions of each (ts, number, source) in their order.
        self.series: dict[tuple[str, str, str], dict[Key, list[Version]]] = {}
        self.reasons: collections.Counter[str] = collections.Counter()
        self.packets = self.last_taken = self.last_sequence = 0
        self.early: list[str] = []
        self.faults: list[str] = []
        self._taken: dict[str, int] = {}
        self._next: dict[str, int] = {}
        with path.open() as lines:
            for line in lines:
                self._take(json.loads(line))

    def _take(self, packet: Row) -> None:
        self.packets += 1
        if "lost" in packet:
            self.faults.append(f"the recorder missed the sequences {packet['lost']}")
        if packet["sequence"] <= self.last_sequence:
            self.faults.append(f"the recorder has {packet['sequence']} after {self.last_sequence}")
        self.last_sequence = packet["sequence"]
        self.last_taken = max(self.last_taken, packet["taken"])
        # The time of the tape, rounded up, and never falling within a partition.
        subject = packet["subject"]
        taken = max(self._taken.get(subject, 0), -(-packet["taken"] // 1_000))
        self._taken[subject] = taken
        if packet["received"] < taken * 1_000:
            self.early.append(f"{subject} {packet['sequence']}: received {packet['received']}, taken {taken}")
        symbols: dict[str, Row] = {}
        series: dict[str, Row] = {}
        ordinal, sent = None, 0
        for message in decode_packet.decode(self.schema, bytes.fromhex(packet["data"])):
            name, fields = message["message"], message["fields"]
            if name == "PacketHeader":
                ordinal, sent = int(fields["firstOrdinal"]), -(-int(fields["sendTime"]) // 1_000)
                if fields["tickCount"] != "0":
                    expected = self._next.get(subject, ordinal)
                    if ordinal != expected:
                        self.faults.append(f"{subject}: ordinal {ordinal} after {expected - 1}")
                    self._next[subject] = ordinal + int(fields["tickCount"])
            elif name == "SymbolDefinition":
                symbols[fields["index"]] = fields
            elif name == "SeriesDefinition":
                series[fields["index"]] = fields
            elif self._is_tick(name):
                if name == "Bar":
                    named = symbols[fields["symbol"]], series[fields["series"]]
                    self._bar(fields, *named, ordinal, taken, sent)
                ordinal += 1

    def _is_tick(self, name: str) -> bool:
        """Whether a message has an ordinal: bit 15 of its template says it, known or not."""
        if name.startswith("unknown "):
            return bool(int(name.split()[1]) & 0x8000)
        return name in self._ticks

    def _bar(self, bar: Row, symbol: Row, series: Row, revision: int, taken: int, sent: int) -> None:
        flags = bar["flags"].split("|")
        excluded = ("excludedByCondition", "excludedOddLots", "excludedByFilter", "excludedUndefined")
        row = {
            "symbol": symbol["symbol"], "series": series["name"], "source": symbol["source"],
            "ts": int(bar["openTime"]) // 1_000, "close_time": int(bar["closeTime"]) // 1_000,
            "number": int(bar["number"]),
            **{name: scaled(bar[name], 9) for name in ("open", "high", "low", "close", "vwap")},
            "volume": scaled(bar["volume"], 8), "notional": scaled(bar["notional"], 17),
            "trades": int(bar["trades"]), "excluded": sum(int(bar[name]) for name in excluded),
            "is_whole": "partial" not in flags, "is_mixed": "mixedProviders" in flags,
            "is_filled": "filled" in flags, "reason": bar["reason"],
        }
        known = row["known_at"] = max(taken, sent, row["close_time"])
        self.reasons[bar["reason"]] += 1
        bars = self.series.setdefault((row["source"], row["symbol"], row["series"]), {})
        versions = bars.setdefault((row["ts"], row["number"], row["source"]), [])
        if versions and versions[-1].revision >= revision:
            self.faults.append(
                f"{row['symbol']} {row['ts']}: revision {revision} after {versions[-1].revision}")
        versions.append(Version(
            revision, min(taken, sent), known, int(series.get("latenessNanoseconds", 0)), "withdrawn" in flags, row))

    def as_of(self, name: tuple[str, str, str], time: int, start: int, end: int) -> dict[Key, Row]:
        """Returns the bars of [start, end) as they were known at the time, all in microseconds."""
        found: dict[Key, Row] = {}
        for key, versions in self.series[name].items():
            if not start <= key[0] < end:
                continue
            count = max((place for place, each in enumerate(versions, 1) if each.known <= time), default=0)
            if count == 0 or versions[count - 1].is_withdrawn:
                continue
            last = versions[count - 1]
            final = max(last.row["close_time"], last.known) + last.lateness // 1_000
            found[key] = {**last.row, "version": count, "is_final": time >= final, "is_uncertain": False}
        return found

    def is_disputed(self, name: tuple[str, str, str], time: int, start: int, end: int) -> bool:
        """Whether clocks disagree by over a second about what was known of [start, end) at the time."""
        return any(
            each.begin <= time < each.known and each.known - each.begin > 1_000_000
            for key, versions in self.series[name].items() if start <= key[0] < end for each in versions)

    def versions(self) -> list[tuple[tuple[str, str, str], Version]]:
        """Returns every version with the series that it belongs to."""
        return [
            (name, version) for name, bars in sorted(self.series.items())
            for versions in bars.values() for version in versions]
