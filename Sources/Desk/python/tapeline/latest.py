"""The latest values: what the hot state in Valkey has of symbols, and how far it may be relied on."""

from __future__ import annotations

import contextlib
import datetime
import gc
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import schema
from .columns import batch
from .errors import Stale, TapelineError
from .frames import Table
from .heads import Heads, LaneHead
from .valkey import Answer, Valkey, ValkeyError, encoded

KEYS_MAX = 262_144
"""Of how many values a process remembers the highest ordinal that it has answered. Beyond it, the value
that was not asked for for the longest time is forgotten: its next answer is taken as the first one."""

KINDS = ("trade", "quote", "bar")
_FIELDS = {
    "trade": ("price", "size", "exchange"),
    "quote": ("bid", "bid_size", "ask", "ask_size", "bid_exchange", "ask_exchange"),
    "bar": ("open", "high", "low", "close", "volume", "vwap", "trades"),
}
_TEXTS = ("exchange", "bid_exchange", "ask_exchange")
_Run = tuple[int, int] | None
"""The first and the last ordinal of a lane whose values are all in Valkey, unless newer ones are."""
_UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3_600 * 10**9}


class Memory:
    """The highest place that was answered of each value. A place is an ordinal, or the order of a bar."""

    def __init__(self, most: int = KEYS_MAX) -> None:
        self._most, self._places = most, dict[tuple[str, ...], Any]()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._places)

    def admit(self, keyed: Iterable[tuple[tuple[str, ...], Any]]) -> list[Any]:
        """Notes the places of values. Returns for each of them None, or the higher place that was answered
        before."""
        places, refused = self._places, list[Any]()
        with self._lock:
            for key, place in keyed:
                before = places.pop(key, None)
                is_lower = before is not None and before > place
                places[key] = before if is_lower else place
                refused.append(before if is_lower else None)
                if len(places) > self._most:
                    del places[next(iter(places))]
        return refused


MEMORY = Memory()
"""What this process has answered, whatever desk was asked."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What the tape says of a source in a partition.

    `state`: "live" (its gateway has promised within 5 s that older ticks have come), "silent" (for longer it has
    not), "retired", or "unknown". `watermark`: no older tick comes any more, unless it is late. `age`: seconds since
    its last sign."""

    state: str = "unknown"
    watermark: int | None = None
    age: float | None = None


@dataclass(frozen=True, slots=True)
class LatestValue:
    """The latest value of one kind of a symbol, from Valkey. `unknown` says why there is none, and is None
    otherwise.

    `values`: what the kind has (price, bid, close ...). (`lane`, `partition`, `ordinal`) is its place on the tape.
    `age`: seconds since it was received (of a bar: since its end). `is_stale`: older than the services take as
    new. `origin`: "tape", or "database" if Valkey had lost it. `behind`: how many records of its lane the tape has
    that are not in Valkey; None: not known, also where a newer value may be missing."""

    symbol: str
    source: str | None
    kind: str
    unknown: str | None = None
    values: Mapping[str, float | str | None] | None = None
    lane: str | None = None
    partition: int | None = None
    ordinal: int | None = None
    event_time: int | None = None
    age: float | None = None
    is_stale: bool | None = None
    is_delayed: bool | None = None
    origin: str | None = None
    feed: Feed = Feed()
    behind: int | None = None


class _Found(NamedTuple):
    """A value as Valkey has it."""

    symbol: str
    source: str | None
    kind: str
    texts: Sequence[bytes] | None
    unknown: str | None


class Latest(Sequence[LatestValue]):
    """The latest values of some symbols, in the order in which they were asked for: of each source its kinds."""

    def __init__(
        self, found: Sequence[_Found], now: int, lanes: Mapping[tuple[str, int], tuple[Feed, _Run, int | None]]
    ) -> None:
        self._found, self._now, self._lanes = found, now, lanes

    def __len__(self) -> int:
        return len(self._found)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self._value(one) for one in self._found[place]]
        return self._value(self._found[place])

    def __iter__(self) -> Iterator[LatestValue]:
        return map(self._value, self._found)

    def of(self, symbol: str) -> list[LatestValue]:
        """Returns the values of a symbol."""
        return [self._value(one) for one in self._found if one.symbol == symbol]

    def _value(self, found: _Found) -> LatestValue:
        if found.texts is None or found.unknown is not None:
            return LatestValue(found.symbol, found.source, found.kind, found.unknown)
        told = _told(found.kind, found.texts)
        lane, partition = told["lane"].decode() or None, int(told["partition"])
        feed, run, behind = self._lanes.get((lane or "", partition), (Feed(), None, None))
        ordinal = int(told["ordinal"]) if told["ordinal"] else None
        # Of before the run: a newer one may be missing.
        if run is None or ordinal is None or ordinal < run[0]:
            behind = None
        return LatestValue(
            found.symbol, found.source, found.kind, None,
            {name: _number(name, told[name]) for name in _FIELDS[found.kind.partition(" ")[0]]},
            lane, partition, ordinal, int(told["ts"]),
            (self._now - int(told["heard"])) / 1e9, self._now - int(told["heard"]) > int(told["stale_after"]) * 10**6,
            told["delayed"] == b"1", "database" if told["filled"] else "tape", feed, behind,
        )

    def __repr__(self) -> str:
        return "\n".join(map(_line, self[:20])) + (f"\nand {len(self) - 20} more" if len(self) > 20 else "")

    def table(self, tz: str = "UTC") -> Table:
        """Returns them as a table, whose `to_polars()` and so on make frames: a row per value."""
        names = [field.name for field in schema.LATEST]
        rows = []
        for one in self:
            told: dict[str, Any] = {
                **(one.values or {}), "symbol": one.symbol, "source": one.source, "kind": one.kind,
                "unknown": one.unknown, "event_time": one.event_time, "age": one.age, "lane": one.lane,
                "partition": one.partition, "ordinal": one.ordinal, "origin": one.origin, "behind": one.behind,
                "is_stale": one.is_stale, "feed": one.feed.state, "watermark": one.feed.watermark,
            }
            rows.append(tuple(told.get(name) for name in names))
        return Table(batch(schema.LATEST, rows, {}), tz)


def _line(one: LatestValue) -> str:
    who = f"{one.symbol} {one.kind} {one.source or '-'}"
    if one.unknown is not None:
        return f"{who}: unknown ({one.unknown})"
    told = " ".join(f"{name} {value}" for name, value in (one.values or {}).items() if value not in (None, ""))
    behind = "unknown" if one.behind is None else str(one.behind)
    return (f"{who}: {told}, ordinal {one.ordinal}, {one.age:.3f} s old, from Valkey ({one.origin}), feed"
            f" {one.feed.state}, behind {behind}")


def _number(name: str, text: bytes) -> float | str | None:
    if name in _TEXTS:
        return text.decode(errors="replace")
    return float(text) if text else None


def _names(kind: str) -> tuple[str, ...]:
    """The fields of a key. What makes its age is the third one from the end."""
    heard = "close_ts" if kind == "bar" else "receive_ts"
    return (*_FIELDS[kind], "ts", "partition", "ordinal", "lane", "order", "delayed", heard, "stale_after", "filled")


_NAMES = {kind: _names(kind) for kind in KINDS}
_HEARD, _LANE, _ORDER, _ORDINAL, _PARTITION = -3, -6, -5, -7, -8


def _told(kind: str, texts: Sequence[bytes]) -> dict[str, bytes]:
    told = dict(zip(_NAMES[kind.partition(" ")[0]], texts))
    told["heard"] = texts[_HEARD]
    return told


def nanoseconds(fresh: str | float | datetime.timedelta) -> int:
    """Reads a length such as "5s", "500ms" or seconds."""
    if isinstance(fresh, datetime.timedelta):
        found = fresh // datetime.timedelta(microseconds=1) * 1_000
    elif isinstance(fresh, (int, float)) and not isinstance(fresh, bool):
        found = int(fresh * 10**9)
    else:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", fresh) if isinstance(fresh, str) else None
        found = int(float(match[1]) * _UNITS[match[2]]) if match else 0
    if found <= 0:
        raise TapelineError(f"fresh={fresh!r}: it is a length such as '5s', '500ms', or seconds")
    return found


class HotState:
    """The hot state of a namespace, and the tape that tells how far it is."""

    def __init__(self, valkey: Valkey, namespace: str, heads: Heads, memory: Memory = MEMORY) -> None:
        self._valkey, self._namespace, self._heads, self._memory = valkey, namespace, heads, memory

    def latest(
        self, symbols: Sequence[str], kinds: Sequence[str], sources: Sequence[str], fresh: int | None,
        clock: Callable[[], int] = time.time_ns,
    ) -> Latest:
        """Returns the latest values. With `fresh`, in nanoseconds, it raises Stale."""
        with _collected_later() if len(symbols) > _MANY else contextlib.nullcontext():
            pairs = self._pairs(symbols, sources, clock())
            found = self._read(pairs, kinds)
            now = clock()
            answer = Latest(found, now, self._lanes(found, now))
        if fresh is not None:
            _require(found, now, fresh)
        return answer

    def _pairs(self, symbols: Sequence[str], sources: Sequence[str], now: int) -> list[tuple[str, str | None]]:
        """Each symbol with each of its sources; None: none is known."""
        if sources:
            return [(symbol, source) for symbol in symbols for source in sources]
        tail = [b"%d" % (now // 1_000_000), b"+inf", b"BYSCORE"]
        answers = self._valkey.ask([
            encoded([b"ZRANGE", f"{self._namespace}:sources:{symbol}".encode(), *tail]) for symbol in symbols
        ])
        return [
            (symbol, source)
            for symbol, answer in zip(symbols, answers)
            for source in ([one.decode() for one in sorted(_texts(answer))] or [None])
        ]

    def _read(self, pairs: Sequence[tuple[str, str | None]], kinds: Sequence[str]) -> list[_Found]:
        wanted = [(symbol, source, kind) for symbol, source in pairs for kind in kinds]
        heads = {kind: _Command(self._namespace, kind) for kind in kinds}
        answers = iter(self._valkey.ask([
            heads[kind].of(symbol, source) for symbol, source, kind in wanted if source is not None
        ]))
        found = [
            _Found(symbol, source, kind, *_whole(next(answers)))
            if source is not None else _Found(symbol, None, kind, None, "Valkey has no source of it")
            for symbol, source, kind in wanted
        ]
        # One that is older than what this process has answered is not answered.
        peer = f"{self._valkey.address.host}:{self._valkey.address.port}/{self._namespace}"
        known = [place for place, one in enumerate(found) if one.texts is not None]
        refused = self._memory.admit(_keyed(peer, found[place]) for place in known)
        for place, before in zip(known, refused):
            if before is not None:
                told = f" (ordinal {before})" if isinstance(before, int) else ""
                found[place] = found[place]._replace(
                    texts=None, unknown=f"Valkey has an older one than this process has answered{told}")
        return found

    def _lanes(self, found: Sequence[_Found], now: int) -> dict[tuple[str, int], tuple[Feed, _Run, int | None]]:
        lanes = {(one.texts[_LANE], one.texts[_PARTITION]) for one in found if one.texts is not None}
        ordered = sorted((lane.decode(), int(partition)) for lane, partition in lanes if lane)
        answers = self._valkey.ask([
            encoded([b"HMGET", f"{self._namespace}:lane:{partition}:{lane}".encode(), b"from", b"ordinal"])
            for lane, partition in ordered
        ])
        runs = {lane: _run(answer) for lane, answer in zip(ordered, answers)}
        heads = self._heads.of(ordered)
        return {lane: judged(runs[lane], heads.get(lane), now) for lane in ordered}


_MANY = 1_000


@contextlib.contextmanager
def _collected_later() -> Iterator[None]:
    """Puts off the search for cycles, of which an answer makes none: it would look at each new list many times."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def judged(run: _Run, head: LaneHead | None, now: int) -> tuple[Feed, _Run, int | None]:
    """Returns what a lane's head says of its feed, the run, and how many records are after it."""
    if head is None:
        return Feed(), run, None
    behind = None if run is None or head.ordinal is None else max(0, head.ordinal - run[1])
    if head.is_retired:
        state = "retired"
    elif head.sent_at is None:
        state = "unknown"
    else:
        state = "live" if now - head.sent_at <= Heads.SILENT_NS else "silent"
    age = None if head.sent_at is None else max(0, now - head.sent_at) / 1e9
    return Feed(state, head.watermark, age), run, behind


class _Command:
    """The commands that read keys of one kind."""

    def __init__(self, namespace: str, kind: str) -> None:
        name, _, series = kind.partition(" ")
        names = _NAMES[name]
        self._head = b"*%d\r\n$5\r\nHMGET\r\n" % (2 + len(names))
        self._tail = b"".join(b"$%d\r\n%b\r\n" % (len(one), one.encode()) for one in names)
        self._before, self._middle = f"{namespace}:{name}:", f":{series}:" if series else ":"

    def of(self, symbol: str, source: str) -> bytes:
        key = f"{self._before}{symbol}{self._middle}{source}".encode()
        return b"%b$%d\r\n%b\r\n%b" % (self._head, len(key), key, self._tail)


def _texts(answer: Answer) -> list[bytes]:
    if not isinstance(answer, list):
        raise TapelineError(f"Valkey does not answer as the hot state: {answer!r}")
    return [one for one in answer if isinstance(one, bytes)]


def _whole(answer: Answer) -> tuple[Sequence[bytes] | None, str | None]:
    """Returns the fields of a key, or why there are none."""
    if isinstance(answer, ValkeyError):
        return None, str(answer)
    texts: Any = answer
    if not isinstance(texts, list) or None in texts:
        return None, "Valkey has none"
    return texts, None


def _run(answer: Answer) -> _Run:
    texts = [one for one in answer if isinstance(one, bytes) and one] if isinstance(answer, list) else []
    return (int(texts[0]), int(texts[1])) if len(texts) == 2 else None


def _keyed(peer: str, one: _Found) -> tuple[tuple[str, ...], Any]:
    texts = one.texts or ()
    if one.kind[:3] == "bar":
        return (peer, one.kind, one.symbol, one.source or "", ""), texts[_ORDER]
    return (peer, one.kind, one.symbol, one.source or "", texts[_LANE].decode()), int(texts[_ORDINAL] or 0)


def _require(found: Sequence[_Found], now: int, fresh: int) -> None:
    late = [
        (one.symbol, one.kind, one.source, one.unknown or f"{(now - int(one.texts[_HEARD])) / 1e9:.3f} s old")
        for one in found
        if one.texts is None or now - int(one.texts[_HEARD]) > fresh
    ]
    if late:
        raise Stale(fresh / 1e9, late)
