"""The latest values: what the hot state in Valkey has of symbols, and how far it may be relied on."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .answered import KEYS_MAX, MEMORY, Memory
from .errors import Stale, TapelineError
from .heads import Heads, LaneHead
from .latest_values import (HEARD, KINDS as KINDS, NAMES, WHOLE, Feed, Latest as Latest, OpenGaps, Pair, Run,
                            collected_later, is_read, leave_out, name_of)
from .valkey import PIPELINE, Fields, Group, Valkey, command, keyed

LANES_MAX = 4_096
"""Of how many lanes a desk remembers that it has answered values. Beyond it, only those of the last answer."""

_Early = tuple[list[tuple[str, int]], list[Fields]] | None
_UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3_600 * 10**9}


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


class _Last:
    """What the last answer about many values was asked for, and the commands that read them by kind."""

    def __init__(
        self, symbols: Sequence[str], sources: Sequence[str], pairs: list[Pair], asking: Group | None = None,
        names: Sequence[bytes] = (),
    ) -> None:
        self.symbols, self.sources, self.pairs = symbols, list(sources), pairs
        self.asking, self.names = asking, names
        """The commands that read the sources, and what `_named` made of the answers."""
        self.groups = dict[str, Group]()


class HotState:
    """The hot state of a namespace, and the tape that tells how far it is."""

    def __init__(self, valkey: Valkey, namespace: str, heads: Heads, memory: Memory = MEMORY) -> None:
        self._valkey, self._namespace, self._heads, self._memory = valkey, namespace, heads, memory
        self._known = dict[tuple[str, int], None]()
        self._last = _Last([], [], [])

    def latest(
        self, symbols: Sequence[str], kinds: Sequence[str], sources: Sequence[str], fresh: int | None,
        clock: Callable[[], int] = time.time_ns, gaps: Callable[[Sequence[str]], OpenGaps | None] | None = None,
    ) -> Latest:
        """Returns the latest values. With `fresh`, in nanoseconds, it raises Stale. What is named twice is answered
        once. `gaps` is asked last, so that none is missing beside newer values."""
        symbols, kinds, sources = (list(dict.fromkeys(names)) for names in (symbols, kinds, sources))
        with collected_later() if len(symbols) > _MANY else contextlib.nullcontext():
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
    ) -> tuple[list[Pair], dict[str, str], _Early]:
        """Each symbol with each of its sources (None: none is known); of which symbols Valkey tells none; and the first
        tables of `_read`, where the pairs are those of the last answer."""
        last = self._last
        is_last = len(symbols) * len(kinds) > _MANY and symbols == last.symbols and list(sources) == last.sources
        if sources:
            if not is_last:
                last = _Last(symbols, sources, [(symbol, source) for symbol in symbols for source in sources])
                self._keep(last, kinds)
            return last.pairs, {}, None
        asking = last.asking if is_last and last.asking else Group([
            command("HMGET", f"{self._namespace}:sources", *symbols[at : at + PIPELINE])
            for at in range(0, len(symbols), PIPELINE)], str)
        early: _Early = None
        if is_last:
            asked = list(self._known)
            answers, tables = self._valkey.both(asking, self._tables(asked, kinds, last.pairs))
            early = asked, tables
        else:
            answers = self._valkey.ask(asking)
        refusals = dict[str, str]()
        texts = list[bytes]()
        for answer in answers:
            if isinstance(answer, list):
                texts += [one if isinstance(one, bytes) else b"" for one in answer]
                continue
            part = symbols[len(texts) : len(texts) + PIPELINE]
            refusals.update(dict.fromkeys(part, str(answer)))
            texts += [b""] * len(part)
        # Ends change as long as values come.
        names, end = _named(texts)
        if is_last and names == last.names and end >= now // 1_000_000:
            return last.pairs, refusals, early
        pairs = list[Pair]()
        for symbol, text in zip(symbols, texts):
            pairs += [(symbol, one) for one in _sources(text, now // 1_000_000)] or [(symbol, None)]
        kept = names if end >= now // 1_000_000 else []
        if is_last and pairs == last.pairs:
            last.names = kept
            return last.pairs, refusals, early
        self._keep(_Last(symbols, [], pairs, asking, kept), kinds)
        return pairs, refusals, None

    def _keep(self, asked: _Last, kinds: Sequence[str]) -> None:
        if _MANY < len(asked.symbols) * len(kinds) and len(asked.pairs) * len(kinds) <= KEPT_MAX:
            self._last = asked

    def _asking(self, kind: str, pairs: Sequence[Pair]) -> Group:
        """Returns the commands that read keys of a kind. No key ends without a source."""
        last = self._last
        found = last.groups.get(kind) if pairs is last.pairs else None
        if found is None:
            name, _, series = kind.partition(" ")
            before, middle = f"{self._namespace}:{name}:", f":{series}:" if series else ":"
            keys = [f"{before}{symbol}{middle}{source or ''}" for symbol, source in pairs]
            found = Group(keys, keyed("HMGET", *NAMES[name]), len(NAMES[name]),
                          lambda part: leave_out(kind, part, WHOLE, int))
            if pairs is last.pairs:
                if (len(last.groups) + 1) * len(pairs) > KEPT_MAX:
                    last.groups.clear()
                last.groups[kind] = found
        return found

    def _tables(
        self, lanes: Sequence[tuple[str, int]], kinds: Sequence[str], pairs: Sequence[Pair]
    ) -> list[Group]:
        """The runs of lanes, and after them the values."""
        keys = [f"{self._namespace}:lane:{partition}:{lane}" for lane, partition in lanes]
        values = [self._asking(kind, pairs) for kind in kinds]
        return [Group(keys, keyed("HMGET", "from", "ordinal"), 2), *values]

    def _read(
        self, pairs: Sequence[Pair], kinds: Sequence[str], refusals: Mapping[str, str], early: _Early
    ) -> tuple[list[Fields], dict[tuple[str, int], Run]]:
        """Returns the values of each kind, and the runs of their lanes. A run is older than the values, or one of
        them may have been replaced by a newer one of the run."""
        asked = early[0] if early else list(self._known) if len(pairs) * len(kinds) > _MANY else []
        # A second answer may have a lane of which nothing is known.
        for _ in range(2):
            runs, *found = early[1] if early else self._valkey.tables(self._tables(asked, kinds, pairs))
            early = None
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

    def _admit(self, pairs: Sequence[Pair], kinds: Sequence[str], found: Sequence[Fields]) -> None:
        """One that is older than what this process has answered is not answered."""
        peer = f"{self._valkey.address.host}:{self._valkey.address.port}"
        for kind, one in zip(kinds, found):
            told = dict(zip(NAMES[name_of(kind)], one.texts))
            is_bar = name_of(kind) == "bar"
            lanes: Any = itertools.repeat("") if is_bar else told["lane"]
            places: list[Any] = told["order"]
            if not is_bar:
                texts = told["ordinal"]
                places = [int(text or 0) for text in texts] if b"" in texts else list(map(int, texts))
            keys = list(zip(itertools.repeat(peer), self._asking(kind, pairs).keys, lanes))
            rows: Sequence[int] = range(len(keys))
            if one.without:
                rows = [row for row in rows if row not in one.without]
                keys, places = [keys[row] for row in rows], [places[row] for row in rows]
            orders, filled = ([told[name][row] for row in rows] if one.without else told[name]
                              for name in ("order", "filled"))
            for number, before in self._memory.admit(keys, places, orders, filled).items():
                ordinal = f" (ordinal {before})" if isinstance(before, int) else ""
                one.without[rows[number]] = f"Valkey has an older one than this process has answered{ordinal}"
                for cells in one.texts:
                    cells[rows[number]] = b""


KEPT_MAX = 65_536
"""Of how many values at most a desk keeps the commands of the last answer."""

_LAST = b"9999999999999"

_MANY = 1_000
"""Values: of more of them the lanes that are known are asked for with them, of fewer the values twice."""


def judged(run: Run, head: LaneHead | None, now: int) -> tuple[Feed, Run, int | None]:
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


def _lanes(kinds: Sequence[str], found: Sequence[Fields]) -> set[tuple[str, int]]:
    texts = set[tuple[bytes, bytes]]()
    for kind, one in zip(kinds, found):
        names = NAMES[name_of(kind)]
        texts.update(zip(one.texts[names.index("lane")], one.texts[names.index("partition")]))
    return {(lane.decode(errors="replace"), int(partition)) for lane, partition in texts if lane}


def _named(texts: Sequence[bytes]) -> tuple[list[bytes], int]:
    """Returns sources without the ends of their keys, which are 13 digits, and the first end; 0: one is none."""
    first, *others = b"\n".join(texts).split(b":")
    ends = [one[:13] for one in others]
    end = min(ends, default=_LAST)
    is_read = b"".join(ends).isdigit() and len(min(ends, key=len)) == 13 if ends else True
    return [first, *(one[13:] for one in others)], int(end) if is_read else 0


def _sources(text: bytes, now: int) -> list[str]:
    """Returns the sources that have a key at `now`, in milliseconds, of a text such as b"ib:1790000000000 b:..."."""
    found = []
    for one in text.split(b" "):
        name, _, end = one.partition(b":")
        if end.isdigit() and int(end) >= now:
            found.append(name.decode(errors="replace"))
    return sorted(found)


def _run(row: int, runs: Fields) -> Run:
    first, last = (texts[row] for texts in runs.texts)
    return (int(first), int(last)) if is_read(first, int) and is_read(last, int) else None


def _require(
    answer: Latest, found: Sequence[Fields], kinds: Sequence[str], now: int, fresh: int
) -> None:
    heard = [dict(zip(NAMES[name_of(kind)], one.texts))[HEARD[name_of(kind)]] for kind, one in zip(kinds, found)]
    if not any(one.without or times and now - min(map(int, times)) > fresh for one, times in zip(found, heard)):
        return
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
