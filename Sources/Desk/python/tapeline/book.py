"""The order book at a time, from the rows that edited it since its last reset."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import times
from .columns import PriceType, checked_price
from .coverage import NO_DEPTH, Coverage
from .errors import NotKnown, TapeHole, TapelineError
from .selection import Selection

LOOK_BACK_NS = 90 * times.SECOND
"""How far back the last reset is looked for: a gateway repeats each book every 60 s, or somewhat later."""

ROWS_MAX = 2_000_000
"""The most rows since the last reset from which a book is made: some 400 MB of memory."""

_AHEAD_NS = 60 * times.SECOND
"""A row that is stamped later than `at` and is older on the tape ends the book. It is looked for so far."""

_NAMES = ("event_time", "source", "operation", "side", "position", "price", "size", "market_maker", "reason",
          "ordinal")


class _Edit(NamedTuple):
    time: int
    source: str
    operation: str
    side: str | None
    position: int | None
    price: int | None
    size: int | None
    market_maker: str
    reason: str | None
    ordinal: int


class BookRow(NamedTuple):
    """One row of a side of a book. `price` and `size` are as the book was asked for."""

    price: Any
    size: Any
    market_maker: str
    event_time: int


@dataclass(frozen=True)
class Book:
    """The book of one source at a time: `bids` and `asks`, the best row first.

    `since`: the reset from which it was made, with its `reason` (of a new subscription "disconnected", of a
    repetition "repeated"). `last`: the event time of the last row; rows of a repetition have its time.
    `coverage`: what is missing since the reset."""

    symbol: str
    source: str
    at: int
    since: int
    reason: str
    last: int
    bids: tuple[BookRow, ...]
    asks: tuple[BookRow, ...]
    coverage: Coverage

    def __repr__(self) -> str:
        head = (
            f"{self.symbol} of {self.source} at {times.text(self.at)}, made of what came since the reset"
            f" ({self.reason}) at {times.text(self.since)}"
        )
        lines = [head, *(f"  missing: {one}" for one in self.coverage)]
        for place in range(max(len(self.bids), len(self.asks))):
            sides = [
                f"{side[place].size} @ {side[place].price}" if place < len(side) else ""
                for side in (self.bids, self.asks)
            ]
            lines.append(f"  {sides[0]:>28} | {sides[1]}")
        return "\n".join(lines if len(lines) > 1 else [*lines, "  empty"])


def book(
    select: Callable[[int, int, str | None], Selection], symbol: str, at: int, since: int | None,
    rows: int | None, price: PriceType, missing: str,
) -> Book:
    """Makes a book. `select` gives the depth rows of the symbol in a time, of the source or of any, in any
    order and over holes."""
    checked_price(price)
    if missing not in ("raise", "mark"):
        raise TapelineError(f"missing={missing!r}: it is 'raise' or 'mark'")
    if rows is not None and (isinstance(rows, bool) or not isinstance(rows, int) or rows < 1):
        raise TapelineError(f"rows={rows!r}: it is the number of rows that were requested of each side")
    start = at - LOOK_BACK_NS if since is None else since
    edits = _edits(select(start, at + _AHEAD_NS, None), at)
    _one_source(symbol, edits)
    if not edits and any(one.cause == NO_DEPTH for one in select(start, at + 1, None).coverage):
        raise NotKnown(f"no depth of {symbol} is stored, so there is no book of it")
    if not edits or edits[0].operation != "reset":
        raise TapelineError(
            f"the book of {symbol} has no reset from {times.text(start)} to {times.text(at)}, so its"
            " rows are not known: give since=, a time before its last reset"
        )
    reset = edits[0]
    coverage = select(reset.time, at + 1, reset.source).coverage
    if coverage and missing == "raise":
        raise TapeHole(list(coverage))
    sides: dict[str, list[_Edit]] = {"bid": [], "ask": []}
    for edit in edits[1:]:
        if not _apply(edit, sides, rows) and not coverage:
            raise TapelineError(
                f"the book of {symbol} has no row {edit.position} that the row {edit.ordinal} of"
                f" {times.text(edit.time)} edits: rows of it are missing that nothing names"
                + ("" if rows is None else f", or rows={rows} is not what was requested")
            )
    bids, asks = ([_row(edit, price) for edit in sides[side]] for side in ("bid", "ask"))
    return Book(
        symbol, reset.source, at, reset.time, reset.reason or "unknown", edits[-1].time, tuple(bids),
        tuple(asks), coverage,
    )


def _one_source(symbol: str, edits: list[_Edit]) -> None:
    sources = sorted({edit.source for edit in edits})
    if len(sources) > 1:
        raise TapelineError(
            f"{symbol} has books of {' and '.join(sources)}, which are not one book: name a source, as in"
            f" source={sources[0]!r}"
        )


def _edits(selection: Selection, at: int) -> list[_Edit]:
    """Returns the last reset of each source and what follows it on the tape, up to the time, in the order
    of the tape."""
    found: dict[str, list[_Edit]] = {}
    ends: dict[str, int] = {}
    count = 0
    for edit in _rows(selection):
        if edit.time > at:
            ends[edit.source] = min(ends.get(edit.source, edit.ordinal), edit.ordinal)
            continue
        own = found.setdefault(edit.source, [])
        own.append(edit)
        count += 1
        if count > ROWS_MAX:
            found = {source: _since_reset(edits) for source, edits in found.items()}
            count = sum(map(len, found.values()))
            if count > ROWS_MAX // 2:
                raise TapelineError(
                    f"the book has more than {ROWS_MAX // 2} rows since its last reset, which is the limit"
                )
    return [
        edit
        for source in sorted(found)
        for edit in _since_reset([
            edit for edit in found[source] if source not in ends or edit.ordinal < ends[source]])
    ]


def _rows(selection: Selection) -> Iterator[_Edit]:
    for batch in selection.batches("fixed"):
        yield from map(_Edit, *(batch[name] for name in _NAMES))


def _since_reset(edits: list[_Edit]) -> list[_Edit]:
    edits = sorted(edits, key=lambda edit: edit.ordinal)
    place = max((at for at, edit in enumerate(edits) if edit.operation == "reset"), default=0)
    return edits[place:]


def _apply(edit: _Edit, sides: dict[str, list[_Edit]], rows_max: int | None) -> bool:
    """Edits a side as the provider's program does. Returns whether the row exists."""
    side, place = sides.get(edit.side or ""), edit.position
    if side is None or place is None:
        return False
    end = len(side) + (edit.operation == "insert")
    if place >= (end if rows_max is None else min(end, rows_max)):
        return False
    if edit.operation == "insert":
        side.insert(place, edit)
        if rows_max is not None:
            del side[rows_max:]
    elif edit.operation == "update":
        side[place] = edit
    elif edit.operation == "delete":
        del side[place]
    else:
        return False
    return True


def _row(edit: _Edit, price: PriceType) -> BookRow:
    def shown(value: int | None, scale: int) -> Any:
        if value is None or price == "fixed":
            return value
        if price == "float":
            return value / 10.0**scale
        from .frames import _decimal

        return _decimal(value, scale)

    return BookRow(shown(edit.price, 9), shown(edit.size, 8), edit.market_maker, edit.time)
