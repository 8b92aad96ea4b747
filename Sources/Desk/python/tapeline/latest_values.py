"""The latest values as an answer has them: read from the fields of keys when one is looked at."""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import schema
from .columns import Batch, column
from .frames import Table
from .heads import LaneHead
from .valkey import Fields

KINDS = ("trade", "quote", "bar")
_FIELDS = {
    "trade": ("price", "size", "exchange"),
    "quote": ("bid", "bid_size", "ask", "ask_size", "bid_exchange", "ask_exchange"),
    "bar": ("open", "high", "low", "close", "volume", "vwap", "trades"),
}
_TEXTS = ("exchange", "bid_exchange", "ask_exchange")
_SHARED = ("ts", "partition", "ordinal", "lane", "delayed", "stale_after", "filled")
HEARD = {"trade": "receive_ts", "quote": "receive_ts", "bar": "close_ts"}
"""What makes the age of a kind."""
NAMES = {kind: (*_FIELDS[kind], *_SHARED, HEARD[kind], "order") for kind in KINDS}
"""The fields of a key."""
_NEEDED = ("partition", "stale_after", *HEARD.values())
WHOLE = ("ordinal", *_NEEDED)
"""What an answer reads of its values before one is looked at."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What the tape says of a source in a partition.

    `state`: "live" (its gateway has promised within 5 s that older ticks have come), "silent" (for longer it has
    not), "retired", or "unknown". `watermark`: no older tick comes any more, unless it is late. `age`: seconds since
    its last sign."""

    state: str = "unknown"
    watermark: int | None = None
    age: float | None = None


class LatestValue(NamedTuple):
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


Run = tuple[int, int] | None
"""The first and the last ordinal of a lane whose values are all in Valkey, unless newer ones are."""
Pair = tuple[str, str | None]
Lanes = Mapping[tuple[str, int], tuple[Feed, Run, int | None]]
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


_FEW = 64
"""So many values of an answer are read one by one when they are looked at. Then all of them are."""
_Columns = dict[str, Sequence[Any]]
_COLUMNS = ("symbol", "source", "kind", "unknown", "values", "lane", "partition", "ordinal", "event_time", "age",
            "is_stale", "is_delayed", "origin", "feeds", "behind", "gaps")
"""What makes a `LatestValue`."""
_NOTHING = (Feed(), None, None)


@contextlib.contextmanager
def collected_later() -> Iterator[None]:
    """Puts off the search for cycles, of which an answer makes none: it would look at each new list many times."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Latest(Sequence[LatestValue]):
    """The latest values of some symbols, in the order in which they were asked for: of each source its kinds."""

    def __init__(
        self, pairs: Sequence[Pair], kinds: Sequence[str], found: Sequence[Fields], now: int, lanes: Lanes,
        gaps: Gaps, near: Set[tuple[str | None, int | None]],
    ) -> None:
        self._pairs, self._kinds, self._found = pairs, kinds, found
        self._now, self._lanes, self._gaps, self._near = now, lanes, gaps, near
        self._looks = 0

    def __len__(self) -> int:
        return len(self._pairs) * len(self._kinds)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self._value(one) for one in range(len(self))[place]]
        return self._value(range(len(self))[place])

    def __iter__(self) -> Iterator[LatestValue]:
        with collected_later():
            made = [list(_values(columns)) for columns in self._columns]
        return itertools.chain.from_iterable(zip(*made))

    def of(self, symbol: str) -> list[LatestValue]:
        """Returns the values of a symbol."""
        count = len(self._kinds)
        return [self._value(row * count + number) for row in self._rows.get(symbol, ()) for number in range(count)]

    @functools.cached_property
    def _rows(self) -> dict[str, list[int]]:
        rows = dict[str, list[int]]()
        for row, (symbol, _) in enumerate(self._pairs):
            rows.setdefault(symbol, []).append(row)
        return rows

    def _value(self, place: int) -> LatestValue:
        row, number = divmod(place, len(self._kinds))
        if self._looks >= _FEW or len(self._pairs) == 1:
            made = self._columns[number]
        else:
            self._looks += 1
            kind, found = self._kinds[number], self._found[number]
            without = {0: found.without[row]} if row in found.without else {}
            one = Fields([texts[row : row + 1] for texts in found.texts], without)
            made, row = self._read(kind, self._pairs[row : row + 1], one), 0
        return next(_values({name: cells[row : row + 1] for name, cells in made.items()}))

    @functools.cached_property
    def _columns(self) -> list[_Columns]:
        """All values of each kind, column by column."""
        with collected_later():
            return [self._read(kind, self._pairs, found) for kind, found in zip(self._kinds, self._found)]

    def _read(self, kind: str, pairs: Sequence[Pair], found: Fields) -> _Columns:
        name, count = name_of(kind), len(pairs)
        leave_out(kind, found, ("ts",), int)
        numbers = _floats(kind, found)
        told = dict(zip(NAMES[name], found.texts))
        partitions = _ints(told["partition"])
        # What is not known has no partition.
        unknown = [row for row, partition in enumerate(partitions) if partition is None] if None in partitions else []

        def named(texts: Sequence[bytes], names: Callable[[bytes], Any]) -> list[Any]:
            if texts and texts.count(texts[0]) == count:
                made = [names(texts[0])] * count
            else:
                known = {text: names(text) for text in set(texts)}
                made = [known[text] for text in texts]
            for row in unknown:
                made[row] = None
            return made

        symbols, sources = zip(*pairs) if pairs else ((), ())
        made: _Columns = {
            "symbol": symbols, "source": sources, "kind": [kind] * count, "partition": partitions,
            "unknown": list(map(found.without.get, range(count))) if found.without else [None] * count,
            "ordinal": _ints(told["ordinal"]), "event_time": _ints(told["ts"]),
            "lane": named(told["lane"], lambda text: _text(text) or None),
            "is_delayed": named(told["delayed"], b"1".__eq__),
            "origin": named(told["filled"], lambda text: "database" if text else "tape"),
        }
        for field in _FIELDS[name]:
            made[field] = named(told[field], _text) if field in _TEXTS else numbers[field]
        most = named(told["stale_after"], lambda text: int(text or 0) * 10**6)
        ages = [None if heard is None else self._now - heard for heard in _ints(told[HEARD[name]])]
        made["age"] = [None if age is None else age / 1e9 for age in ages]
        made["is_stale"] = [None if age is None else age > limit for age, limit in zip(ages, most)]
        self._place(made, name)
        return made

    def _place(self, made: _Columns, name: str) -> None:
        """Adds what is known of the lanes of values."""
        places = list(zip(made["lane"], made["partition"]))
        lanes = list(map(self._lanes.get, places, itertools.repeat(_NOTHING)))
        feeds, runs, behinds = zip(*lanes) if lanes else ((), (), ())
        made["feeds"] = feeds
        # Of before the run: a newer one may be missing.
        made["behind"] = [
            None if run is None or ordinal is None or ordinal < run[0] else behind
            for run, behind, ordinal in zip(runs, behinds, made["ordinal"])
        ] if any(runs) else [None] * len(lanes)
        made["gaps"] = [
            self._missing(symbol, {source, place[0]}, name, place[1]) if place in self._near else None
            for symbol, source, place in zip(made["symbol"], made["source"], places)
        ] if self._near and name != "bar" else [None] * len(lanes)

    def _missing(self, symbol: str, sources: set[str | None], kind: str, partition: int) -> int:
        return sum(self._gaps.get((one, source, kind, partition), 0) for one in (symbol, None) for source in sources)

    def __repr__(self) -> str:
        return "\n".join(map(_line, self[:20])) + (f"\nand {len(self) - 20} more" if len(self) > 20 else "")

    def table(self, tz: str = "UTC") -> Table:
        """Returns them as a table, whose `to_polars()` and so on make frames: a row per value."""
        made = [column(field.kind, self._cells(field.name), texts={}) for field in schema.LATEST]
        return Table(Batch(schema.LATEST, tuple(made)), tz)

    def _cells(self, name: str) -> list[Any]:
        cells = [None] * len(self)
        for number, made in enumerate(self._columns):
            if name == "feed":
                part: Sequence[Any] = [feed.state for feed in made["feeds"]]
            elif name == "watermark":
                part = [feed.watermark for feed in made["feeds"]]
            else:
                part = made.get(name, ())
            if part:
                cells[number :: len(self._kinds)] = part
        return cells


def _values(made: _Columns) -> Iterator[LatestValue]:
    """Yields the values of some columns. One that is unknown has no fields."""
    if not made["kind"]:
        return iter(())
    fields = _FIELDS[name_of(made["kind"][0])]
    values: list[Any] = [dict(zip(fields, row)) for row in zip(*(made[field] for field in fields))]
    for row, why in enumerate(made["unknown"]):
        if why is not None:
            values[row] = None
    whole = {**made, "values": values}
    return map(LatestValue._make, zip(*(whole[name] for name in _COLUMNS)))


def _ints(texts: Sequence[bytes]) -> list[int | None]:
    return [int(text) if text else None for text in texts] if b"" in texts else list(map(int, texts))


def _floats(kind: str, found: Fields) -> dict[str, list[float | None]]:
    """Returns the numbers of a kind. What has one that is none is left out."""
    fields = [field for field in _FIELDS[name_of(kind)] if field not in _TEXTS]
    for is_left_out in (False, True):
        texts = dict(zip(NAMES[name_of(kind)], found.texts))
        try:
            return {field: [float(text) if text else None for text in texts[field]] for field in fields}
        except ValueError:
            if is_left_out:
                raise
            leave_out(kind, found, fields, float)
    return {}


def _text(text: bytes) -> str:
    return text.decode(errors="replace")


def name_of(kind: str) -> str:
    """Returns the name of a kind without a series."""
    return kind.partition(" ")[0]


def leave_out(kind: str, found: Fields, fields: Sequence[str], read: Callable[[bytes], Any]) -> None:
    """Leaves the values out that have a field which is no number. Those of `_NEEDED` are never empty."""
    for field, texts in zip(NAMES[name_of(kind)], found.texts):
        if field not in fields or _are_digits(texts, len(found.without) if field in _NEEDED else len(texts)):
            continue
        odd = {text for text in set(texts) if not (is_read(text, read) if text else field not in _NEEDED)}
        for row, text in enumerate(texts if odd else ()):
            if text in odd and row not in found.without:
                found.without[row] = f"Valkey has a value of it whose {field} is {text.decode(errors='replace')!r}"
                for others in found.texts:
                    others[row] = b""


def is_read(text: bytes, read: Callable[[bytes], Any]) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _are_digits(texts: Sequence[bytes], empty: int) -> bool:
    """Returns whether all are whole numbers of at most 20 digits, but for at most so many that are empty."""
    return b"".join(texts).isdigit() and max(map(len, texts)) <= 20 and texts.count(b"") <= empty


def _line(one: LatestValue) -> str:
    who = f"{one.symbol} {one.kind} {one.source or '-'}"
    if one.unknown is not None:
        return f"{who}: unknown ({one.unknown})"
    told = " ".join(f"{name} {value}" for name, value in (one.values or {}).items() if value not in (None, ""))
    behind, gaps = ("unknown" if count is None else str(count) for count in (one.behind, one.gaps))
    return (f"{who}: {told}, ordinal {one.ordinal}, {one.age:.3f} s old, from Valkey ({one.origin}), feed"
            f" {one.feed.state}, behind {behind}, gaps {gaps}")
