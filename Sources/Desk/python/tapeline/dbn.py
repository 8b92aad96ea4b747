"""DBN files, the format of Databento, by their own encoder."""

from __future__ import annotations

import datetime
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from . import times
from .columns import Batch
from .errors import TapelineError
from .export import Export, Folder, Reading, checked
from .frames import package
from .selection import Selection, Wanted
from .unfit import LeftOut, UnfitPolicy

INSTRUMENTS_MAX = 1_000_000
"""The most symbols of one export: all of them are in memory, and in the head of the files."""

_ONE = 10**8
"""A size of one, as the tape has it."""
_WIDTHS = {"1s": 1, "1m": 60, "1h": 3_600, "1d": 86_400}
"""The series for which DBN has a schema, with the seconds of a window."""


def export_dbn(
    folder: str | os.PathLike[str], *selections: Selection, dataset: str = "TAPELINE", publisher_id: int = 0,
    unfit: UnfitPolicy = "raise",
) -> Export:
    """Writes selections as DBN files into a new folder, and returns what it wrote.

    Trades become `trades.dbn` (schema trades), quotes `mbp-1.dbn` (mbp-1, with the top of the book, and
    without the order that changed it), and bars of the series 1s, 1m, 1h and 1d `ohlcv-1s.dbn` and so on. A
    schema without rows has no file. Depth has no schema that fits. DBN cannot tell sources apart, so all rows
    of a selection must be of one source.

    DBN has whole sizes of 32 bits, no corrections and cancels, no partial bars, and symbols of at most 70
    characters of ASCII. Nothing is rounded: with `unfit="raise"` rows that do not fit raise Misfit, which
    names the reasons, and nothing is written. `unfit="mark"` leaves them out, and the manifest counts them by
    reason. A trade whose cancel or correction is left out stays as it first came.

    `dataset` (at most 15 characters) and `publisher_id` go into the files; Databento's own names would be
    wrong. Instruments are numbered in the order of their first rows, for this export only. It needs
    databento-dbn.

        tapeline.export_dbn("november", desk.trades("AAPL", "2026-11-01", "2026-12-01", source="ib"))
        databento.DBNStore.from_file("november/trades.dbn").to_df()
    """
    codec = package("databento_dbn")
    if isinstance(publisher_id, bool) or not 0 <= publisher_id < 2**16:
        raise TapelineError(f"publisher_id={publisher_id!r}: it is from 0 to 65535")
    if not 0 < len(dataset) <= 15 or not dataset.isascii():
        raise TapelineError(f"dataset={dataset!r}: it has 1 to 15 characters of ASCII")
    with Folder(folder) as target:
        told: list[dict[str, Any]] = []
        instruments: dict[str, int] = {}
        for selection in checked(selections):
            if (kind := selection.wanted.kind) not in ("trades", "quotes", "bars"):
                raise TapelineError(f"DBN has no schema for {kind} as they are stored: leave {kind} out")
            reading, left_out = Reading(selection, target), LeftOut("DBN", unfit)
            writer = _Writer(codec, target, selection.wanted, publisher_id, instruments, left_out)
            with writer:
                for batch in reading:
                    writer.write(batch)
                left_out.check()
                writer.finish(dataset)
            told.append(reading.told(left_out=left_out.told(), dataset=dataset, publisher_id=publisher_id))
        return target.finish("dbn", told)


@dataclass
class _File:
    """The records of one schema, which wait until their head is known."""

    path: str
    file: BinaryIO
    rows: int
    symbols: dict[str, int]
    # Of both times of all records: Databento's reader looks up symbols by the day of either.
    first: int
    last: int


class _Writer:
    """The files of one selection."""

    def __init__(
        self, codec: Any, folder: Folder, wanted: Wanted, publisher_id: int, instruments: dict[str, int],
        left_out: LeftOut,
    ) -> None:
        self._codec, self._folder, self._wanted = codec, folder, wanted
        self._publisher, self._instruments, self._left_out = publisher_id, instruments, left_out
        self._files: dict[str, _File] = {}
        self._source = ""

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._files.values():
            one.file.close()

    def write(self, batch: Batch) -> None:
        """Takes rows in the order of time."""
        sources = dict.fromkeys([*([self._source] if self._source else []), *batch["source"]])
        if len(sources) > 1:
            first, second = list(sources)[:2]
            raise TapelineError(
                f"the {self._wanted.kind} are of the sources {first} and {second}, and DBN cannot tell them"
                f" apart: select one, as in source={first!r}")
        self._source = next(iter(sources), "")
        records = {"trades": self._trades, "quotes": self._quotes, "bars": self._bars}[self._wanted.kind]
        # Reasons are in the order of the checks, so a row counts once.
        for schema, symbol, known, record in records(batch):
            self._append(schema, symbol, known, record)

    def _append(self, schema: str, symbol: str, known: Sequence[int], record: Callable[[int], Any]) -> None:
        number = self._instruments.get(symbol)
        if number is None:
            if len(self._instruments) == INSTRUMENTS_MAX:
                raise TapelineError(f"the export has more than {INSTRUMENTS_MAX} symbols: select fewer")
            number = self._instruments[symbol] = len(self._instruments) + 1
        entry = self._files.get(schema)
        if entry is None:
            path = os.path.join(self._folder.spool, schema)
            entry = self._files[schema] = _File(path, open(path, "xb"), 0, {}, min(known), max(known))
        entry.file.write(bytes(record(number)))
        entry.rows += 1
        entry.symbols[symbol] = number
        entry.first, entry.last = min(entry.first, *known), max(entry.last, *known)

    def _name(self, symbol: str | None) -> str | None:
        """Returns why a symbol does not fit."""
        if not symbol:
            return "no symbol"
        most = self._codec.SYMBOL_CSTR_LEN - 1
        is_fit = symbol.isascii() and len(symbol) <= most
        return None if is_fit else f"a symbol that is longer than {most} characters or not of ASCII"

    def _trades(self, batch: Batch) -> Iterator[tuple[str, str, tuple[int, int], Callable[[int], Any]]]:
        codec = self._codec
        names = ("symbol", "event_time", "receive_time", "action", "price", "size", "ordinal")
        for symbol, event, received, action, price, size, ordinal in zip(*(batch[name] for name in names)):
            reason = (
                self._name(symbol) or _time(event, received)
                or _ACTIONS.get(action, "an action that is not known")
                or ("no price" if price is None else None) or _size(size, codec)
            )
            if reason:
                self._left_out.add(reason, symbol, event, ordinal)
                continue
            yield "trades", symbol, (event, received), lambda number: codec.TradeMsg(
                self._publisher, number, event, price, size // _ONE, codec.Action.TRADE, codec.Side.NONE, 0,
                received, codec.F_LAST,
            )

    def _quotes(self, batch: Batch) -> Iterator[tuple[str, str, tuple[int, int], Callable[[int], Any]]]:
        codec = self._codec
        names = ("symbol", "event_time", "receive_time", "bid_price", "bid_size", "ask_price", "ask_size",
                 "ordinal")
        for symbol, event, received, bid, bid_size, ask, ask_size, ordinal in zip(*(batch[n] for n in names)):
            reason = (
                self._name(symbol) or _time(event, received)
                or _side(bid, bid_size, codec) or _side(ask, ask_size, codec)
            )
            if reason:
                self._left_out.add(reason, symbol, event, ordinal)
                continue
            none = codec.UNDEF_PRICE
            level = codec.BidAskPair(
                none if bid is None else bid, none if ask is None else ask, (bid_size or 0) // _ONE,
                (ask_size or 0) // _ONE,
            )
            yield "mbp-1", symbol, (event, received), lambda number: codec.MBP1Msg(
                self._publisher, number, event, none, 0, codec.Action.MODIFY, codec.Side.NONE, 0, received,
                codec.F_LAST | codec.F_TOB, levels=level,
            )

    def _bars(self, batch: Batch) -> Iterator[tuple[str, str, tuple[int, int], Callable[[int], Any]]]:
        codec = self._codec
        types = {
            "1s": codec.RType.OHLCV_1S, "1m": codec.RType.OHLCV_1M, "1h": codec.RType.OHLCV_1H,
            "1d": codec.RType.OHLCV_1D,
        }
        names = ("symbol", "series", "open_time", "close_time", "open", "high", "low", "close", "volume",
                 "is_whole", "is_filled", "number")
        rows = zip(*(batch[name] for name in names))
        for symbol, series, start, end, *prices, volume, whole, filled, number in rows:
            reason = (
                self._name(symbol) or _window(series, start, end)
                or (None if whole else "a bar that is not whole")
                or ("a bar without trades, with the price before" if filled else None)
                or ("no price" if None in prices else None) or _volume(volume)
            )
            if reason:
                self._left_out.add(reason, symbol, start, number, series)
                continue
            yield f"ohlcv-{series}", symbol, (start, start), lambda number: codec.OHLCVMsg(
                types[series], self._publisher, number, start, *prices, volume // _ONE)

    def finish(self, dataset: str) -> None:
        """Puts each head and its records together."""
        for schema, entry in self._files.items():
            entry.file.close()
            head = bytes(self._head(dataset, schema, entry))
            path = self._folder.file(f"{schema}.dbn")
            self._folder.files[-1]["rows"] = entry.rows
            with open(path, "xb") as file, open(entry.path, "rb") as records:
                file.write(head)
                shutil.copyfileobj(records, file)
            os.unlink(entry.path)

    def _head(self, dataset: str, schema: str, entry: _File) -> Any:
        codec, wanted = self._codec, self._wanted
        start = entry.first if wanted.start is None else max(0, wanted.start)
        end = entry.last + 1 if wanted.end is None else wanted.end
        days = (_day(min(start, entry.first)), _day(max(end - 1, entry.last)) + datetime.timedelta(days=1))
        asked = [symbol for symbol in wanted.symbols if not self._name(symbol)]
        return codec.Metadata(
            dataset, start, codec.SType.RAW_SYMBOL, codec.SType.INSTRUMENT_ID, codec.Schema.from_str(schema),
            symbols=asked or sorted(entry.symbols),
            not_found=[symbol for symbol in asked if symbol not in entry.symbols],
            mappings=[
                _Mapping(symbol, [_Interval(*days, str(number))]) for symbol, number in entry.symbols.items()
            ],
            end=end,
        )


@dataclass(frozen=True)
class _Interval:
    """The days of a number of an instrument, without the last one, as the encoder wants it."""

    start_date: datetime.date
    end_date: datetime.date
    symbol: str


@dataclass(frozen=True)
class _Mapping:
    raw_symbol: str
    intervals: list[_Interval]


_ACTIONS = {"new": None, "correction": "a correction (the trade as it first came is in the export)",
            "cancel": "a cancel (the trade as it first came is in the export)"}


def _day(ns: int) -> datetime.date:
    return times.local_date(ns, "UTC")


def _time(event: int | None, received: int | None) -> str | None:
    if event is None:
        return "no event time"
    if received is None:
        return "no receive time"
    return "a time before 1970" if min(event, received) < 0 else None


def _size(size: int | None, codec: Any) -> str | None:
    if size is None:
        return "no size"
    if size < 0:
        return "a size below zero"
    if size % _ONE:
        return "a size that is not whole"
    return "a size of more than 32 bits" if size // _ONE >= codec.UNDEF_ORDER_SIZE else None


def _side(price: int | None, size: int | None, codec: Any) -> str | None:
    """Returns why one side of a quote does not fit. A side that has no price and no size is empty."""
    if price is None:
        return "a size without a price" if size else None
    return _size(size, codec)


def _volume(volume: int | None) -> str | None:
    if volume is None or volume < 0:
        return "no volume"
    if volume % _ONE:
        return "a volume that is not whole"
    return "a volume of more than 64 bits" if volume // _ONE >= 2**64 else None


def _window(series: str | None, start: int | None, end: int | None) -> str | None:
    seconds = _WIDTHS.get(series or "")
    if seconds is None:
        return "a series other than 1s, 1m, 1h and 1d"
    width = seconds * times.SECOND
    if start is None or end is None or end - start != width or start % width:
        return "a window other than the second, minute, hour or day in UTC"
    return "a time before 1970" if start < 0 else None
