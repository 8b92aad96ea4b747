"""The columns of each kind of data. A database and a recording give the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .columns import Field

# A frame that is printed shows its first and its last columns.
_HEAD = (Field("event_time", "ts"), Field("symbol", "dict"))
_TAIL = (Field("source", "dict"), Field("provider", "dict"), Field("receive_time", "ts"), Field("flags", "S"),
         Field("time_resolution", "C"), Field("provider_id", "L"), Field("partition", "S"), Field("epoch", "l"),
         Field("ordinal", "l"))


def _price(name: str) -> Field:
    return Field(name, "fixed", scale=9)


def _size(name: str) -> Field:
    return Field(name, "fixed", scale=8)


TRADES = (*_HEAD, _price("price"), _size("size"), Field("exchange", "dict"), Field("conditions", "dict"),
          Field("action", "dict"), *_TAIL)
QUOTES = (*_HEAD, _price("bid_price"), _size("bid_size"), _price("ask_price"), _size("ask_size"),
          Field("bid_exchange", "dict"), Field("ask_exchange", "dict"), *_TAIL)
DEPTH = (*_HEAD, Field("operation", "dict"), Field("side", "dict"), Field("position", "l"), _price("price"),
         _size("size"), Field("market_maker", "dict"), Field("book_flags", "C"), Field("reason", "dict"),
         *_TAIL)
TICKS = {"trades": TRADES, "quotes": QUOTES, "depth": DEPTH}
"""The kinds of ticks. All columns of all of them are of a fixed width."""

BARS = (Field("open_time", "ts"), Field("close_time", "ts"), Field("symbol", "dict"), Field("source", "dict"),
        Field("series", "dict"), Field("number", "l"), _price("open"), _price("high"), _price("low"),
        _price("close"), _price("vwap"), Field("volume", "wide", scale=8), Field("notional", "wide", scale=17),
        Field("trades", "l"), Field("excluded", "l"), Field("is_whole", "b"), Field("is_mixed", "b"),
        Field("is_filled", "b"), Field("version", "l"), Field("reason", "dict"), Field("known_at", "ts"))
_BARS_HEAD, _BARS_TAIL = ("open_time", "symbol", "open", "high"), ("low", "close", "volume", "trades")


def in_frame(names: Sequence[str]) -> list[str]:
    """Returns the columns of a frame in their order: polars prints the first four and the last four, pandas as many
    as fit. Batches, streams and files have bars in the order of `BARS`."""
    return _led(names, _BARS_HEAD, _BARS_TAIL)


def in_text(names: Sequence[str]) -> list[str]:
    """Returns the columns of rows as text in their order: all of them are printed."""
    return _led(names, _BARS_HEAD + _BARS_TAIL, ())


def _led(names: Sequence[str], first: tuple[str, ...], last: tuple[str, ...]) -> list[str]:
    if not {field.name for field in BARS} <= set(names):
        return list(names)
    return [*first, *(name for name in names if name not in first + last), *last]


GAPS = (Field("symbol", "dict"), Field("source", "dict"), Field("kind", "dict"), Field("from_time", "ts"),
        Field("to_time", "ts"), Field("state", "dict"), Field("reason", "dict"), Field("detail", "u"))

SYMBOLS = (Field("symbol", "dict"), Field("source", "dict"), Field("first", "ts"), Field("last", "ts"),
           Field("trades", "l"))

LATEST = (Field("symbol", "dict"), Field("source", "dict"), Field("kind", "dict"), Field("unknown", "dict"),
          *(Field(name, "g") for name in (
              "price", "size", "bid", "bid_size", "ask", "ask_size", "open", "high", "low", "close", "volume", "vwap",
              "trades")),
          *(Field(name, "dict") for name in ("exchange", "bid_exchange", "ask_exchange")),
          Field("event_time", "ts"), Field("age", "g"), Field("is_stale", "b"), Field("origin", "dict"),
          Field("lane", "dict"), Field("partition", "l"), Field("ordinal", "l"), Field("feed", "dict"),
          Field("watermark", "ts"), Field("behind", "l"), Field("gaps", "l"))

KNOWN = Field("known_at", "ts")
"""When a tick of a database was known: where it is asked for, the last column."""

VALUES = (Field("name", "dict"), Field("symbol", "dict"), Field("source", "dict"), Field("period_start", "ts"),
          Field("period_end", "ts"), Field("value", "wide", scale=9), Field("unit", "dict"),
          Field("revision", "l"), Field("known_at", "ts"))

ORDER = ("event_time", "source", "partition", "ordinal")
"""The order of ticks: no two have the same."""

ACTIONS = ("new", "correction", "cancel")


def _texts(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, "dict") for name in names)


INDICATORS = (*_HEAD, Field("name", "dict"), Field("value", "wide", scale=9), Field("unit", "dict"),
              Field("period_start", "ts"), Field("period_end", "ts"), Field("revision", "l"),
              Field("of_source", "dict"), *_TAIL)
PROVIDER_BARS = (*_HEAD, Field("made_of", "dict"), Field("open_time", "ts"),
                 *map(_price, ("open", "high", "low", "close", "vwap")), Field("volume", "wide", scale=8),
                 Field("trades", "l"), Field("bar_flags", "C"), *_TAIL)
NEWS = (*_HEAD, *_texts("news_kind", "publisher", "article", "body", "extra", "bulletin_kind", "exchange"), *_TAIL)
OPTIONS = (*_HEAD, *_texts("computed_from", "basis"),
           *map(_price, ("implied_volatility", "delta", "gamma", "vega", "theta", "option_price", "dividends",
                         "underlying_price")), *_TAIL)
FUNDAMENTALS = (*_HEAD, Field("report", "dict"), *(Field(name, "l") for name in ("part", "parts", "document_bytes")),
                Field("content", "dict"), *_TAIL)


@dataclass(frozen=True)
class Kind:
    """What a selection of rows is of. Its name is that of the call of a desk, and of the table of a database.

    `gaps`: which kinds of gap records concern it. `inputs`: the streams that have it. `group`: the group of tables
    that waits with it. `own`: the kind in records of subscriptions, of what begins apart from ticks; then only its
    own rows and these records say since when there is something."""

    fields: tuple[Field, ...]
    gaps: tuple[str, ...]
    inputs: tuple[str, ...] = ("ticks",)
    group: str = "ticks"
    own: str = ""


KINDS = {
    "trades": Kind(TRADES, ("trade",)),
    "quotes": Kind(QUOTES, ("quote",)),
    "depth": Kind(DEPTH, ("depth", "other")),
    "bars": Kind(BARS, ("trade",), ("bars",), "bars"),
    # Operators make values of trades and quotes.
    "indicators": Kind(
        INDICATORS, ("indicator", "trade", "quote", "other"), ("ticks", "bars"), "bars", own="indicator"),
    "provider_bars": Kind(PROVIDER_BARS, ("provider_bar", "other"), group="rest", own="provider_bar"),
    "news": Kind(NEWS, ("news", "other"), group="rest", own="news"),
    "options": Kind(OPTIONS, ("option_computation", "other"), own="option_computation"),
    "fundamentals": Kind(FUNDAMENTALS, ("fundamental", "other"), group="rest", own="fundamental"),
}
