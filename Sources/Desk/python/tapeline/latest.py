"""The latest values: what the hot state in Valkey has of symbols, and how far it may be relied on."""

from __future__ import annotations

import contextlib
import datetime
import functools
import gc
import itertools
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import schema
from .answered import KEYS_MAX, MEMORY, Memory
from .columns import Batch, column
from .errors import Stale, TapelineError
from .frames import Table
from .heads import Heads, LaneHead
from .valkey import Answer, Fields, Group, Valkey, keyed

LANES_MAX = 4_096
"""Of how many lanes a desk remembers that it has answered values. Beyond it, only those of the last answer."""

KINDS = ("trade", "quote", "bar")
_FIELDS = {
    "trade": ("price", "size", "exchange"),
    "quote": ("bid", "bid_size", "ask", "ask_size", "bid_exchange", "ask_exchange"),
    "bar": ("open", "high", "low", "close", "volume", "vwap", "trades"),
}
_VALUE = ("symbol", "source", "kind", "unknown", "lane", "partition", "ordinal", "event_time", "age", "is_stale",
          "is_delayed", "origin", "behind", "gaps")
_TEXTS = ("exchange", "bid_exchange", "ask_exchange")
_Early = tuple[list[tuple[str, int]], list[Fields]] | None
_Run = tuple[int, int] | None
"""The first and the last ordinal of a lane whose values are all in Valkey, unless newer ones are."""
_UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3_600 * 10**9}


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
    that are not in Valkey; None: not known, also where a newer value may be missing. `gaps`: how many stretches of
    its data are missing and may still come; None: not asked, not known of bars, or the database does not answer, or
    is not known to be near the end of the lane."""

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
    gaps: int | None = None


_Pair = tuple[str, str | None]
_Lanes = Mapping[tuple[str, int], tuple[Feed, _Run, int | None]]
Gaps = Mapping[tuple[str | None, str | None, str, int], int]
"""How many stretches are missing of a symbol (None: of all), a source and a kind of data in a partition."""


_NEAR_NS = 5 * 10**9


class OpenGaps(NamedTuple):
    """What a database knows of gaps, and by partition when the newest packet that it has was sent."""

    counts: Gaps
    stored_at: Mapping[int, int]

    def is_near(self, head: LaneHead | None, partition: int) -> bool:
        """False where it is not known that the database has the gaps of the lane up to its end, but for seconds."""
        stored = self.stored_at.get(partition)
        if head is None or stored is None:
            return False
        return head.ticks_at is None or head.ticks_at - stored <= _NEAR_NS


class Latest(Sequence[LatestValue]):
    """The latest values of some symbols, in the order in which they were asked for: of each source its kinds."""

    def __init__(
        self, pairs: Sequence[_Pair], kinds: Sequence[str], found: Sequence[Fields], now: int, lanes: _Lanes,
        gaps: Gaps, near: Set[tuple[str | None, int | None]],
    ) -> None:
        self._pairs, self._kinds, self._found = pairs, kinds, found
        self._now, self._lanes, self._gaps, self._near = now, lanes, gaps, near

    def __len__(self) -> int:
        return len(self._pairs) * len(self._kinds)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self._value(one) for one in range(len(self))[place]]
        return self._value(range(len(self))[place])

    def __iter__(self) -> Iterator[LatestValue]:
        return map(self._value, range(len(self)))

    def of(self, symbol: str) -> list[LatestValue]:
        """Returns the values of a symbol."""
        return [self._value(place) for place, one in enumerate(self._cells["symbol"]) if one == symbol]

    def _value(self, place: int) -> LatestValue:
        cells = self._cells
        told = {name: cells[name][place] for name in _VALUE}
        if told["unknown"] is None:
            fields = _FIELDS[_name(told["kind"])]
            told["values"] = {name: cells[name][place] for name in fields}
        return LatestValue(**told, feed=cells["feeds"][place] or Feed())

    @functools.cached_property
    def _cells(self) -> dict[str, list[Any]]:
        """All values, column by column. They are made when the first one is looked at."""
        names = {*_VALUE, "feed", "feeds", "watermark", *itertools.chain(*_FIELDS.values())}
        cells = {name: [None] * len(self) for name in names}
        for number, (kind, found) in enumerate(zip(self._kinds, self._found)):
            for name, made in self._columns(kind, found).items():
                cells[name][number :: len(self._kinds)] = made
        return cells

    def _columns(self, kind: str, found: Fields) -> dict[str, list[Any]]:
        name = _name(kind)
        _leave_out(kind, found, ("ts",), int)
        _leave_out(kind, found, [field for field in _FIELDS[name] if field not in _TEXTS], float)
        told = dict(zip(_NAMES[name], found.texts))
        made: dict[str, list[Any]] = {
            "symbol": [symbol for symbol, _ in self._pairs], "source": [source for _, source in self._pairs],
            "kind": [kind] * len(self._pairs), "unknown": [found.without.get(row) for row in range(len(self._pairs))],
            "partition": _ints(told["partition"]), "ordinal": _ints(told["ordinal"]), "event_time": _ints(told["ts"]),
        }
        # What is not known has no partition.
        is_known = [partition is not None for partition in made["partition"]]
        for field in _FIELDS[name]:
            texts = told[field]
            made[field] = _texts_of(texts, is_known) if field in _TEXTS else [
                float(text) if text else None for text in texts]
        made["lane"] = [lane or None for lane in _texts_of(told["lane"], is_known)]
        ages = [None if heard is None else self._now - heard for heard in _ints(told[_HEARD[name]])]
        made["age"] = [None if age is None else age / 1e9 for age in ages]
        made["is_stale"] = [
            None if age is None else age > int(most) * 10**6 for age, most in zip(ages, told["stale_after"])]
        made["is_delayed"] = [text == b"1" if known else None for text, known in zip(told["delayed"], is_known)]
        made["origin"] = [
            ("database" if text else "tape") if known else None for text, known in zip(told["filled"], is_known)]
        nothing = (Feed(), None, None)
        lanes = [self._lanes.get((lane or "", partition), nothing) if known else (None, None, None)
                 for lane, partition, known in zip(made["lane"], made["partition"], is_known)]
        made["feeds"] = [feed for feed, _, _ in lanes]
        made["feed"] = [feed.state if feed else "unknown" for feed, _, _ in lanes]
        made["watermark"] = [feed and feed.watermark for feed, _, _ in lanes]
        # Of before the run: a newer one may be missing.
        made["behind"] = [
            None if run is None or ordinal is None or ordinal < run[0] else behind
            for (_, run, behind), ordinal in zip(lanes, made["ordinal"])
        ]
        if self._near and name != "bar":
            made["gaps"] = [
                self._missing(symbol, {source, lane}, name, partition) if (lane, partition) in self._near else None
                for (symbol, source), lane, partition in zip(self._pairs, made["lane"], made["partition"])
            ]
        return made

    def _missing(self, symbol: str, sources: set[str | None], kind: str, partition: int) -> int:
        return sum(self._gaps.get((one, source, kind, partition), 0) for one in (symbol, None) for source in sources)

    def __repr__(self) -> str:
        return "\n".join(map(_line, self[:20])) + (f"\nand {len(self) - 20} more" if len(self) > 20 else "")

    def table(self, tz: str = "UTC") -> Table:
        """Returns them as a table, whose `to_polars()` and so on make frames: a row per value."""
        made = [column(field.kind, self._cells[field.name], texts={}) for field in schema.LATEST]
        return Table(Batch(schema.LATEST, tuple(made)), tz)


def _ints(texts: Sequence[bytes]) -> list[int | None]:
    return [int(text) if text else None for text in texts]


def _leave_out(kind: str, found: Fields, fields: Sequence[str], read: Callable[[bytes], Any]) -> None:
    """Leaves the values out that have a field which is no number. Those of `_NEEDED` are never empty."""
    for field, texts in zip(_NAMES[_name(kind)], found.texts):
        if field not in fields:
            continue
        odd = {text for text in set(texts) if not (_is_read(text, read) if text else field not in _NEEDED)}
        for row, text in enumerate(texts if odd else ()):
            if text in odd and row not in found.without:
                found.without[row] = f"Valkey has a value of it whose {field} is {text.decode(errors='replace')!r}"
                for others in found.texts:
                    others[row] = b""


def _is_read(text: bytes, read: Callable[[bytes], Any]) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _texts_of(texts: Sequence[bytes], is_known: Sequence[bool]) -> list[str | None]:
    names = {text: text.decode(errors="replace") for text in set(texts)}
    return [names[text] if known else None for text, known in zip(texts, is_known)]


def _line(one: LatestValue) -> str:
    who = f"{one.symbol} {one.kind} {one.source or '-'}"
    if one.unknown is not None:
        return f"{who}: unknown ({one.unknown})"
    told = " ".join(f"{name} {value}" for name, value in (one.values or {}).items() if value not in (None, ""))
    behind, gaps = ("unknown" if count is None else str(count) for count in (one.behind, one.gaps))
    return (f"{who}: {told}, ordinal {one.ordinal}, {one.age:.3f} s old, from Valkey ({one.origin}), feed"
            f" {one.feed.state}, behind {behind}, gaps {gaps}")


_SHARED = ("ts", "partition", "ordinal", "lane", "delayed", "stale_after", "filled")
_HEARD = {"trade": "receive_ts", "quote": "receive_ts", "bar": "close_ts"}
"""What makes the age of a kind."""
_NAMES = {
    kind: (*_FIELDS[kind], *_SHARED, _HEARD[kind], "order") for kind in KINDS
}
"""The fields of a key."""
_NEEDED = ("partition", "stale_after", *_HEARD.values())
_WHOLE = ("ordinal", *_NEEDED)
"""What an answer reads of its values before one is looked at."""


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
        self._known = dict[tuple[str, int], None]()
        self._last: tuple[list[str], list[_Pair]] = [], []
        """The symbols of the last answer about many, and the pairs that they had."""

    def latest(
        self, symbols: Sequence[str], kinds: Sequence[str], sources: Sequence[str], fresh: int | None,
        clock: Callable[[], int] = time.time_ns, gaps: Callable[[Sequence[str]], OpenGaps | None] | None = None,
    ) -> Latest:
        """Returns the latest values. With `fresh`, in nanoseconds, it raises Stale. What is named twice is answered
        once. `gaps` is asked last, so that none is missing beside newer values."""
        symbols, kinds, sources = (list(dict.fromkeys(names)) for names in (symbols, kinds, sources))
        with _collected_later() if len(symbols) > _MANY else contextlib.nullcontext():
            pairs, refusals, early = self._pairs(symbols, sources, kinds, clock())
            found, runs = self._read(pairs, kinds, refusals, early)
            self._admit(pairs, kinds, found)
            now = clock()
            heads = self._heads.of(sorted(runs))
            lanes = {lane: judged(run, heads.get(lane), now) for lane, run in runs.items()}
            told = None if gaps is None else gaps(symbols)
            near = {lane for lane in runs if told is not None and told.is_near(heads.get(lane), lane[1])}
            answer = Latest(pairs, kinds, found, now, lanes, {} if told is None else told.counts, near)
        if fresh is not None:
            _require(answer, found, kinds, now, fresh)
        return answer

    def _pairs(
        self, symbols: list[str], sources: Sequence[str], kinds: Sequence[str], now: int
    ) -> tuple[list[_Pair], dict[str, str], _Early]:
        """Each symbol with each of its sources (None: none is known); of which symbols Valkey tells none; and the first
        tables of `_read`, where the pairs are those of the last answer."""
        if sources:
            return [(symbol, source) for symbol in symbols for source in sources], {}, None
        asking = Group([f"{self._namespace}:sources:{symbol}" for symbol in symbols],
                       keyed("ZRANGE", str(now // 1_000_000), "+inf", "BYSCORE"))
        early: _Early = None
        if len(symbols) * len(kinds) > _MANY and symbols == self._last[0]:
            asked = list(self._known)
            answers, tables = self._valkey.both(asking, self._tables(asked, kinds, self._last[1]))
            early = asked, tables
        else:
            answers = self._valkey.ask(asking)
        refusals = {symbol: str(answer) for symbol, answer in zip(symbols, answers) if not isinstance(answer, list)}
        pairs = list[_Pair]()
        for symbol, answer in zip(symbols, answers):
            known = [(symbol, one.decode(errors="replace")) for one in sorted(_texts(answer))]
            pairs += known or [(symbol, None)]
        if early and pairs != self._last[1]:
            early = None
        if _MANY < len(symbols) * len(kinds) and len(pairs) <= KEYS_MAX:
            self._last = symbols, pairs
        return pairs, refusals, early

    def _tables(
        self, lanes: Sequence[tuple[str, int]], kinds: Sequence[str], pairs: Sequence[_Pair]
    ) -> list[Group]:
        """The runs of lanes, and after them the values."""
        keys = [f"{self._namespace}:lane:{partition}:{lane}" for lane, partition in lanes]
        values = [_asking(self._namespace, kind, pairs) for kind in kinds]
        return [Group(keys, keyed("HMGET", "from", "ordinal"), 2), *values]

    def _read(
        self, pairs: Sequence[_Pair], kinds: Sequence[str], refusals: Mapping[str, str], early: _Early
    ) -> tuple[list[Fields], dict[tuple[str, int], _Run]]:
        """Returns the values of each kind, and the runs of their lanes. A run is older than the values, or one of
        them may have been replaced by a newer one of the run."""
        asked = early[0] if early else list(self._known) if len(pairs) * len(kinds) > _MANY else []
        # A second answer may have a lane of which nothing is known.
        for _ in range(2):
            runs, *found = early[1] if early else self._valkey.tables(self._tables(asked, kinds, pairs))
            early = None
            for kind, one in zip(kinds, found):
                _leave_out(kind, one, _WHOLE, int)
            told = {lane: _run(row, runs) for row, lane in enumerate(asked)}
            lanes = _lanes(kinds, found)
            if lanes <= told.keys():
                break
            asked = list(lanes)
        known = dict.fromkeys([*self._known, *lanes])
        self._known = known if len(known) <= LANES_MAX else dict.fromkeys(list(lanes)[:LANES_MAX])
        for row, (symbol, source) in enumerate(pairs):
            if source is None:
                for one in found:
                    one.without[row] = refusals.get(symbol, "Valkey has no source of it")
        return found, {lane: told.get(lane) for lane in lanes}

    def _admit(self, pairs: Sequence[_Pair], kinds: Sequence[str], found: Sequence[Fields]) -> None:
        """One that is older than what this process has answered is not answered."""
        peer = f"{self._valkey.address.host}:{self._valkey.address.port}/{self._namespace}"
        symbols, sources = [symbol for symbol, _ in pairs], [source or "" for _, source in pairs]
        for kind, one in zip(kinds, found):
            told = dict(zip(_NAMES[_name(kind)], one.texts))
            is_bar = _name(kind) == "bar"
            lanes: Any = itertools.repeat("") if is_bar else told["lane"]
            places: list[Any] = told["order"] if is_bar else [int(text or 0) for text in told["ordinal"]]
            keys = list(zip(itertools.repeat(peer), itertools.repeat(kind), symbols, sources, lanes))
            rows: Sequence[int] = range(len(keys))
            if one.without:
                rows = [row for row in rows if row not in one.without]
                keys, places = [keys[row] for row in rows], [places[row] for row in rows]
            orders, filled = ([told[name][row] for row in rows] if one.without else told[name]
                              for name in ("order", "filled"))
            for number, before in self._memory.admit(keys, places, orders, filled).items():
                ordinal = f" (ordinal {before})" if isinstance(before, int) else ""
                one.without[rows[number]] = f"Valkey has an older one than this process has answered{ordinal}"
                for texts in one.texts:
                    texts[rows[number]] = b""


_MANY = 1_000
"""Values: of more of them the lanes that are known are asked for with them, of fewer the values twice."""


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


def _asking(namespace: str, kind: str, pairs: Sequence[_Pair]) -> Group:
    """Returns the commands that read keys of a kind. No key ends without a source."""
    name, _, series = kind.partition(" ")
    before, middle = f"{namespace}:{name}:", f":{series}:" if series else ":"
    keys = [f"{before}{symbol}{middle}{source or ''}" for symbol, source in pairs]
    return Group(keys, keyed("HMGET", *_NAMES[name]), len(_NAMES[name]))


def _name(kind: str) -> str:
    return kind.partition(" ")[0]


def _lanes(kinds: Sequence[str], found: Sequence[Fields]) -> set[tuple[str, int]]:
    texts = set[tuple[bytes, bytes]]()
    for kind, one in zip(kinds, found):
        names = _NAMES[_name(kind)]
        texts.update(zip(one.texts[names.index("lane")], one.texts[names.index("partition")]))
    return {(lane.decode(errors="replace"), int(partition)) for lane, partition in texts if lane}


def _texts(answer: Answer) -> list[bytes]:
    return [one for one in answer if isinstance(one, bytes)] if isinstance(answer, list) else []


def _run(row: int, runs: Fields) -> _Run:
    first, last = (texts[row] for texts in runs.texts)
    return (int(first), int(last)) if _is_read(first, int) and _is_read(last, int) else None


def _require(
    answer: Latest, found: Sequence[Fields], kinds: Sequence[str], now: int, fresh: int
) -> None:
    heard = [dict(zip(_NAMES[_name(kind)], one.texts))[_HEARD[_name(kind)]] for kind, one in zip(kinds, found)]
    late = [
        row * len(kinds) + number
        for number, (one, times) in enumerate(zip(found, heard))
        for row, text in enumerate(times)
        if row in one.without or now - int(text) > fresh
    ]
    if late:
        raise Stale(fresh / 1e9, [
            (one.symbol, one.kind, one.source, one.unknown or f"{one.age:.3f} s old")
            for one in (answer[place] for place in sorted(late))
        ])
