"""The kinds of rows beside ticks and bars, as a desk selects them."""

from __future__ import annotations

from typing import Any, Protocol, TypedDict, Unpack

from .columns import PriceType
from .database import Database
from .errors import TapelineError
from .names import Names, checked
from .selection import MissingPolicy, Selection
from .times import Time


class How(TypedDict, total=False):
    """What else a selection says, as in `Desk.trades`."""

    as_of: Time | None
    source: Names
    tz: str
    price: PriceType
    missing: MissingPolicy
    order: str


class _Selecting(Protocol):
    origin: Any

    def _ticks(self, kind: str, symbols: Names, start: Time | None, end: Time | None, **how: Any) -> Selection:
        """Selects rows of a kind."""


class Sides:
    """Rows come as they were published. `source`, `tz`, `price`, `missing`, `order` and `as_of` are as in `trades`;
    `as_of` needs a start and an end, and no symbols. What is missing includes the time before the first row, or in a
    database before the first subscription of this kind."""

    def indicators(
        self: _Selecting, names: Names = None, symbols: Names = None, start: Time | None = None,
        end: Time | None = None, **how: Unpack[How],
    ) -> Selection:
        """Selects values of operators and providers, such as "stats.q10s.mean", that were published in [start, end):
        every revision of each, and a withdrawn one without a `value`. `values` has the last ones alone.

        The event time of an operator's value is the end of its period, [`period_start`, `period_end`). `of_source` says
        whose ticks it is made of, and `source=` means these, or else who published it.

            desk.indicators("stats.q10s.mean", "AAPL", "2026-11-20 09:30", "16:00").to_polars()
        """
        return _selected(self, "indicators", symbols, start, end, how, names=checked(names, "values"))

    def provider_bars(
        self: _Selecting, symbols: Names = None, start: Time | None = None, end: Time | None = None,
        **how: Unpack[How],
    ) -> Selection:
        """Selects bars that providers made, which end in [start, end): `event_time` is the end of the window that
        begins at `open_time`, and `made_of` says of which data. An unfinished bar comes again; `bar_flags` has the sum
        of: 1 unfinished, 2 of regular hours only, 4 made again after its end. The last row of a window counts."""
        return _selected(self, "provider_bars", symbols, start, end, how)

    def news(
        self: _Selecting, symbols: Names = None, start: Time | None = None, end: Time | None = None,
        **how: Unpack[How],
    ) -> Selection:
        """Selects headlines, and bulletins, which have no symbol, of a database."""
        return _selected(self, "news", symbols, start, end, how)

    def options(
        self: _Selecting, symbols: Names = None, start: Time | None = None, end: Time | None = None,
        **how: Unpack[How],
    ) -> Selection:
        """Selects what a provider computed about options, of a database: volatility, greeks, and the prices that they
        were `computed_from`. None: not computed."""
        return _selected(self, "options", symbols, start, end, how)

    def fundamentals(
        self: _Selecting, symbols: Names = None, start: Time | None = None, end: Time | None = None,
        **how: Unpack[How],
    ) -> Selection:
        """Selects parts of documents about companies, of a database. The parts 0 to `parts` - 1 of a document have one
        `provider_id`, and follow each other by `ordinal`; `content` has the bytes of each in hexadecimal digits."""
        return _selected(self, "fundamentals", symbols, start, end, how)


def _selected(
    desk: _Selecting, kind: str, symbols: Names, start: Time | None, end: Time | None, how: How, **more: Any,
) -> Selection:
    if unknown := sorted(set(how) - set(How.__annotations__)):
        raise TypeError(f"{kind}() got an unexpected keyword argument {unknown[0]!r}")
    if kind in ("news", "options", "fundamentals") and not isinstance(desk.origin, Database):
        raise TapelineError(f"{kind} are read from a database: connect to one")
    return desk._ticks(kind, symbols, start, end, **how, **more)
