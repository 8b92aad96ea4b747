"""What is missing in a selection: stretches of time, and why."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from . import times

Stretch = tuple[int, int]

NO_DEPTH = "no depth of it is stored"
"""The cause where a book was never subscribed: a subscription begins with a reset."""

BEGINS_WITHIN = "the tape begins within it"
"""The end of the cause of a bar of which the first part is older than anything that was ever recorded."""
BEFORE, BEFORE_ON_TAPE = "nothing from before is stored", "nothing from before is on the tape"
"""The causes of the time before the first row."""


@dataclass(frozen=True)
class Missing:
    """Data of [start, end) are missing. None: not known, or not ended. No symbol: all of the source.

    `cause`: why, such as "disconnected", "not recorded yet" or "hole". `state`: "open", "filling" (history
    is being fetched), "abandoned" (nobody will fill it) or "" (no gap record says it)."""

    start: int | None
    end: int | None
    cause: str
    symbol: str | None = None
    source: str = ""
    state: str = ""
    kind: str = ""
    detail: str = ""

    @property
    def is_beginning(self) -> bool:
        """Whether nothing was lost: this is the time before the tape begins."""
        return self.cause in (BEFORE, BEFORE_ON_TAPE) or self.cause.endswith(BEGINS_WITHIN)

    def __str__(self) -> str:
        who = " of ".join(part for part in (self.symbol or "all symbols", self.source) if part)
        state = f", {self.state}" if self.state else ""
        detail = f": {self.detail}" if self.detail else ""
        is_timed = self.start is not None or self.end is not None
        when = f" from {times.text(self.start)} to {times.text(self.end)}" if is_timed else ""
        return f"{who}{when} ({self.cause}{state}{detail})"


class Coverage(Sequence[Missing]):
    """The stretches that are missing in a selection, in the order of time. Empty: none is known."""

    def __init__(self, missing: Iterable[Missing]) -> None:
        self._missing = sorted(missing, key=lambda one: (one.start or 0, one.symbol or "", one.source))

    @property
    def is_complete(self) -> bool:
        """True if nothing is missing as far as the data themselves tell. Nothing tells how far a writer that
        runs is behind the tape: of the last seconds before now rows may still come."""
        return not self._missing

    def __getitem__(self, place):  # type: ignore[no-untyped-def]
        return self._missing[place]

    def __len__(self) -> int:
        return len(self._missing)

    def __repr__(self) -> str:
        if not self._missing:
            return "<complete>"
        return "\n".join(["<missing:", *(f"  {one}" for one in self._missing), ">"])


@dataclass(frozen=True)
class GapRecord:
    """One gap record of the tape, as a row of `gaps` or of a recording has it."""

    source: str
    partition: int
    symbol: str | None
    kind: str
    start: int
    end: int | None
    received: int
    state: str
    reason: str
    detail: str
    epoch: int
    ordinal: int

    @property
    def place(self) -> tuple[int, int]:
        """The order of records."""
        return (self.epoch, self.ordinal)


STATES = ("open", "filling", "abandoned")


def stretches(records: Iterable[GapRecord], as_of: int | None = None) -> list[tuple[Missing, int]]:
    """Returns what is missing after all records, each with its partition. With `as_of` after those that the source
    had made by then: what was filled later was missing, and what was found later was not known to be.

    The last record about each moment applies, as in the view `open_gaps`. `any` stands for trades, quotes
    and all other kinds."""
    groups: dict[tuple[str, int, str | None, str], list[GapRecord]] = {}
    for record in records:
        if as_of is not None and record.received > as_of:
            continue
        kinds = ("trade", "quote", "other") if record.kind == "any" else (record.kind,)
        for kind in kinds:
            groups.setdefault((record.source, record.partition, record.symbol, kind), []).append(record)
    found: list[tuple[Missing, int]] = []
    for (source, partition, symbol, kind), group in groups.items():
        group.sort(key=lambda record: record.place)
        for state in STATES:
            for start, end in _standing(group, state):
                last = [one for one in group if one.start < end and _end(one) > start][-1]
                found.append((
                    Missing(
                        start, None if last.end is None else end, last.reason, symbol, source, state, kind,
                        last.detail,
                    ),
                    partition,
                ))
    return found


def _end(record: GapRecord) -> int:
    # A record without an end reaches up to its own time.
    return max(record.start, record.received if record.end is None else record.end)


def _standing(group: list[GapRecord], state: str) -> list[Stretch]:
    standing: list[Stretch] = []
    for record in group:
        start, end = record.start, _end(record)
        if start == end:
            continue
        standing = [
            piece
            for a, b in standing
            for piece in ((a, min(b, start)), (max(a, end), b))
            if piece[0] < piece[1]
        ]
        if record.state == state:
            standing = merged([*standing, (start, end)])
    return standing


def merged(pieces: list[Stretch]) -> list[Stretch]:
    """Returns stretches in the order of time, with those that touch as one."""
    found: list[Stretch] = []
    for start, end in sorted(pieces):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def overlaps(missing: Missing, start: int | None, end: int | None) -> bool:
    """Whether a stretch is partly in [start, end)."""
    begins_before = missing.start is None or end is None or missing.start < end
    return begins_before and (missing.end is None or start is None or missing.end > start)


def partial_bar(series: str) -> str:
    """The cause of a bar that is not whole. `Desk.explain` says which it was, and when."""
    return f"the bar of {series} is not whole: a gap touches it, or its feed began again within it"


def not_whole(
    bars: Iterable[tuple[str, str, str, int, int | None]], known: Sequence[Missing], sources: Collection[str],
    begin: int | None = None,
) -> Iterator[Missing]:
    """Yields bars that are not whole (symbol, source, series, open and close time), besides those that overlap
    a known stretch. A source that is none of the ticks' `sources` is a group of them. `begin`: when the tape
    begins, if that is known."""
    for symbol, source, series, start, end in bars:
        is_group = source not in sources
        is_known = any(
            one.symbol in (None, symbol) and (is_group or one.source in ("", source))
            and overlaps(one, start, end)
            for one in known
        )
        if is_known:
            continue
        is_first = begin is not None and start < begin and (end is None or begin < end)
        cause = f"the bar of {series} is not whole: {BEGINS_WITHIN}" if is_first else partial_bar(series)
        yield Missing(start, begin if is_first else end, cause, symbol, source)


def not_come(end: int | None) -> Iterator[Missing]:
    """Yields the time up to an end that has not come yet."""
    now = time.time_ns()
    if end is not None and end > now:
        yield Missing(now, end, "not recorded yet", detail="without an end a selection goes up to now")


def within(found: Iterable[Missing], start: int | None, end: int | None) -> Iterator[Missing]:
    """Yields the parts of stretches that lie in [start, end)."""
    for one in found:
        if not overlaps(one, start, end):
            continue
        begin, finish = one.start, one.end
        is_timed = begin is not None or finish is not None
        if is_timed and start is not None:
            begin = start if begin is None else max(begin, start)
        if is_timed and end is not None:
            finish = end if finish is None else min(finish, end)
        yield replace(one, start=begin, end=finish)


def partition_of(symbol: str, partitions: int) -> int:
    """Returns the partition of a symbol: murmur3 (32 bits, seed 0) of its UTF-8, modulo."""
    data = symbol.encode()
    word = 0xFFFFFFFF
    value = 0
    whole = len(data) // 4 * 4
    pieces = [data[at : at + 4] for at in range(0, whole, 4)]
    for piece in [*pieces, data[whole:]]:
        if not piece:
            continue
        part = int.from_bytes(piece, "little") * 0xCC9E2D51 & word
        part = (part << 15 | part >> 17) * 0x1B873593 & word
        value ^= part
        if len(piece) == 4:
            value = (value << 13 | value >> 19) & word
            value = value * 5 + 0xE6546B64 & word
    value ^= len(data)
    value = (value ^ value >> 16) * 0x85EBCA6B & word
    value = (value ^ value >> 13) * 0xC2B2AE35 & word
    return (value ^ value >> 16) % partitions
