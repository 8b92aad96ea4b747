"""A catalog of NautilusTrader, by its own ParquetDataCatalog."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import schema, times
from .columns import Batch, Field, batch
from .errors import TapelineError
from .export import FILES_MAX, Export, Folder, Reading, checked
from .frames import package
from .selection import Selection, Wanted
from .spool import Spool
from .unfit import LeftOut, UnfitPolicy

FILE_ROWS = 65_536
"""The rows of a file of the catalog. Its writer takes all of them as objects."""
SAME_TIME_MAX = 1_048_576
"""The most rows of one instrument that came at the same time. The catalog wants them in one file."""
INSTRUMENTS_MAX = 100_000
"""The most instruments of one export."""

_HEAD = (Field("symbol", "dict"), Field("source", "dict"), Field("series", "dict"), Field("ts_init", "ts"),
         Field("ts_event", "ts"), Field("partition", "l"), Field("number", "l"))
_ORDER = ("symbol", "source", "series", "ts_init", "ts_event", "partition", "number")
_VALUES = {
    "trades": (Field("price", "fixed"), Field("size", "fixed")),
    "quotes": (Field("bid_price", "fixed"), Field("ask_price", "fixed"), Field("bid_size", "fixed"),
               Field("ask_size", "fixed")),
    "bars": (Field("open", "fixed"), Field("high", "fixed"), Field("low", "fixed"), Field("close", "fixed"),
             Field("volume", "wide")),
}
"""What is kept of a row until it is written: prices in 1e-9, then sizes in 1e-8."""
_SIZES = {"trades": 1, "quotes": 2, "bars": 1}
_PRICE_SCALE, _SIZE_SCALE = 9, 8
_UNITS = {"s": ("SECOND", 1), "m": ("MINUTE", 60), "h": ("HOUR", 3_600), "d": ("DAY", 86_400)}


def export_nautilus(
    folder: str | os.PathLike[str], *selections: Selection, currency: str, venue: str | None = None,
    instruments: Mapping[str, Any] | None = None, unfit: UnfitPolicy = "raise",
) -> Export:
    """Writes selections into a new catalog of NautilusTrader, and returns what it wrote.

    Trades become TradeTick, quotes QuoteTick, bars Bar (`AAPL.IB-1-MINUTE-LAST-EXTERNAL`). An instrument is
    `SYMBOL.VENUE`; the venue is the name of the source in capital letters, or `venue` for rows of one source.
    `ts_event` is the event time, of a bar its close. `ts_init` is when the row was known: `known_at` of a
    bar, or its close if that is not stored; of a tick the latest of the times at which the tape took it, at which it
    was sent and at which it was received (of a database up to a second too late). A backtest replays in the order
    of `ts_init`. The id of a trade is its partition and ordinal.

    Instruments have the decimals that the data have. One whose sizes are whole is an Equity, any other a Cfd
    (of the class ALTERNATIVE), in `currency`; `instruments` gives other ones by their symbols.

    Nothing is rounded: with `unfit="raise"` rows that do not fit (corrections and cancels, partial bars,
    quotes with one side, sizes of zero, symbols that the catalog cannot read back) raise Misfit, which names
    the reasons, and nothing is written. `unfit="mark"` leaves them out, and the manifest counts them by
    reason. A trade whose cancel or correction is left out stays as it first came. It needs nautilus_trader.

        tapeline.export_nautilus("catalog", desk.trades("AAPL", "2026-11-20", "2026-11-21"), currency="USD")
        ParquetDataCatalog("catalog").trade_ticks()
    """
    library = _Library(currency)
    if venue is not None and not re.fullmatch(r"[A-Z0-9][A-Z0-9_-]*", venue):
        raise TapelineError(f"venue={venue!r}: it has capital letters, digits, - and _")
    with Folder(folder) as target:
        book = _Book(library, venue, instruments or {})
        sorters: list[_Sorter] = []
        told: list[dict[str, Any]] = []
        for selection in checked(selections):
            if (kind := selection.wanted.kind) not in ("trades", "quotes", "bars"):
                raise TapelineError(f"the catalog has no {kind} as they are stored: leave {kind} out")
            selection = selection.knowing()
            reading, left_out = Reading(selection, target), LeftOut("NautilusTrader's catalog", unfit)
            sorter = _Sorter(library, book, selection.wanted, target, left_out)
            for one in reading:
                sorter.add(one)
            left_out.check()
            sorters.append(sorter)
            told.append(reading.told(left_out=left_out.told()))
        # The decimals of an instrument are known when all of its rows have been seen.
        catalog = library.catalog(target.work)
        files = book.write(catalog)
        for sorter in sorters:
            files = sorter.write(catalog, files)
        _list(target)
        made = target.finish("nautilus catalog", told)
        return made


def _list(target: Folder) -> None:
    """Puts the files of the catalog into the manifest, with their rows."""
    parquet = package("pyarrow.parquet")
    found: list[str] = []
    for path, _, names in os.walk(os.path.join(target.work, "data")):
        found += [os.path.join(path, name) for name in names]
    for path in sorted(found):
        name = os.path.relpath(path, target.work)
        is_data = name.split(os.sep)[1] in ("trade_tick", "quote_tick", "bar")
        # Instruments are no rows of a selection.
        target.files.append({"path": name, "rows": parquet.read_metadata(path).num_rows if is_data else 0})


class _Library:
    """What is used of nautilus_trader."""

    def __init__(self, currency: str) -> None:
        self.data = package("nautilus_trader.model.data")
        self.enums = package("nautilus_trader.model.enums")
        self.identifiers = package("nautilus_trader.model.identifiers")
        self.instruments = package("nautilus_trader.model.instruments")
        self.objects = package("nautilus_trader.model.objects")
        self._catalog = package("nautilus_trader.persistence.catalog").ParquetDataCatalog
        self.precision: int = self.objects.FIXED_PRECISION
        if self.precision < _PRICE_SCALE:
            raise TapelineError(
                f"this NautilusTrader has {self.precision} decimals, and prices have {_PRICE_SCALE}: install"
                " another build of it")
        self.currency = self.objects.Currency.from_str(currency, strict=True)
        if self.currency is None:
            raise TapelineError(f"currency={currency!r}: NautilusTrader has no currency of this name")

    def catalog(self, folder: str) -> Any:
        return self._catalog(folder)

    def limit(self, prices: Sequence[int], sizes: Sequence[int]) -> str | None:
        """Returns why numbers are too large for theirs."""
        if max(map(abs, prices)) > int(self.objects.PRICE_MAX) * 10**_PRICE_SCALE:
            return "a price that is too large"
        is_fit = max(sizes) <= int(self.objects.QUANTITY_MAX) * 10**_SIZE_SCALE
        return None if is_fit else "a size that is too large"

    def price(self, value: int, precision: int) -> Any:
        """Returns a price in 1e-9 as theirs. Their numbers have more decimals than ours."""
        return self.objects.Price.from_raw(value * 10 ** (self.precision - _PRICE_SCALE), precision)

    def quantity(self, value: int, precision: int) -> Any:
        """Returns a size in 1e-8 as theirs."""
        return self.objects.Quantity.from_raw(value * 10 ** (self.precision - _SIZE_SCALE), precision)


@dataclass
class _Instrument:
    """An instrument, with the decimals of what was seen of it."""

    identifier: Any
    symbol: str
    first: int
    decimals: list[int] = field(default_factory=lambda: [0, 0])

    def see(self, prices: Sequence[int], sizes: Sequence[int]) -> None:
        for place, scale, values in ((0, _PRICE_SCALE, prices), (1, _SIZE_SCALE, sizes)):
            for value in values:
                while value % 10 ** (scale - self.decimals[place]):
                    self.decimals[place] += 1


class _Book:
    """The instruments of an export."""

    def __init__(self, library: _Library, venue: str | None, given: Mapping[str, Any]) -> None:
        self._library, self._venue, self._given = library, venue, given
        self._found: dict[tuple[str, str], _Instrument | str] = {}
        self._places: dict[str, str] = {}
        self._source = ""

    def instrument(self, symbol: str, source: str, time: int) -> _Instrument | str:
        """Returns the instrument of a row, or why there is none."""
        found = self._found.get((symbol, source))
        if found is None:
            if len(self._found) == INSTRUMENTS_MAX:
                raise TapelineError(
                    f"the export has more than {INSTRUMENTS_MAX} instruments: select fewer symbols")
            found = self._found[symbol, source] = self._new(symbol, source, time)
        if isinstance(found, _Instrument):
            found.first = min(found.first, time)
        return found

    def _new(self, symbol: str, source: str, time: int) -> _Instrument | str:
        if self._venue is not None:
            self._source = self._source or source
            if source != self._source:
                raise TapelineError(
                    f"the venue {self._venue} would have rows of the sources {self._source} and {source}:"
                    " select one source, or leave out venue")
        if not symbol:
            return "no symbol"
        if not re.fullmatch(r"[A-Za-z0-9 ._/^#$-]+", symbol):
            return "a symbol with other characters than letters, digits, spaces and . _ - / ^ # $"
        names = self._library.identifiers
        identifier = names.InstrumentId(names.Symbol(symbol), names.Venue(self._venue or source.upper()))
        # What the catalog makes of a name, in its folders and in its queries.
        place = re.sub(r"[.\- ^]", "_", str(identifier).replace("/", "")).lower()
        if len(place) > _NAME_MAX:
            return f"a symbol that makes a name of more than {_NAME_MAX} characters"
        if self._places.setdefault(place, symbol) != symbol:
            return "a symbol whose name in the catalog is that of another one"
        return _Instrument(identifier, symbol, time)

    def write(self, catalog: Any) -> int:
        """Writes the definitions of all instruments, and returns their number."""
        made = [self._made(one) for one in self._found.values() if isinstance(one, _Instrument)]
        for one in made:
            catalog.write_data([one])
        return len(made)

    def _made(self, one: _Instrument) -> Any:
        library, (price, size) = self._library, one.decimals
        given = self._given.get(one.symbol)
        if given is not None:
            if given.id != one.identifier:
                raise TapelineError(
                    f"the instrument for {one.symbol} is {given.id}, and its rows are of {one.identifier}")
            if given.price_precision < price or given.size_precision < size:
                raise TapelineError(
                    f"the instrument {given.id} has {given.price_precision} decimals of prices and"
                    f" {given.size_precision} of sizes, and its rows have {price} and {size}")
            one.decimals = [given.price_precision, given.size_precision]
            return given
        name = library.identifiers.Symbol(one.symbol)
        step = library.price(10 ** (_PRICE_SCALE - price), price)
        if not size:
            return library.instruments.Equity(
                one.identifier, name, library.currency, price, step, library.objects.Quantity.from_int(1),
                one.first, one.first)
        return library.instruments.Cfd(
            one.identifier, name, library.enums.AssetClass.ALTERNATIVE, library.currency, price, size, step,
            library.quantity(10 ** (_SIZE_SCALE - size), size), one.first, one.first)


_NAME_MAX = 200
"""The most characters of a name of an instrument: that of a bar type has some more, and a folder 255."""


class _Sorter:
    """The rows of one selection, in the order in which the catalog wants them."""

    def __init__(
        self, library: _Library, book: _Book, wanted: Wanted, folder: Folder, left_out: LeftOut
    ) -> None:
        self._library, self._book, self._left_out, self._kind = library, book, left_out, wanted.kind
        self._fields = (*_HEAD, *_VALUES[wanted.kind])
        place = os.path.join(folder.spool, wanted.kind)
        os.mkdir(place)
        self._spool = Spool(place, self._fields, _ORDER)
        self._texts: dict[str, dict[str, int]] = {}

    def add(self, rows: Batch) -> None:
        """Takes rows, and leaves out those that do not fit."""
        read = {"trades": self._trades, "quotes": self._quotes, "bars": self._bars}[self._kind]
        kept: list[tuple[Any, ...]] = []
        sizes = _SIZES[self._kind]
        for reason, row in read(rows):
            symbol, source, series, known, event, _, number, *values = row
            reason = reason or _time(event, known, rows) or self._library.limit(values[:-sizes], values[-sizes:])
            found = reason or self._book.instrument(symbol, source, min(event, known))
            if isinstance(found, str):
                self._left_out.add(found, symbol, event, number, series or None)
                continue
            found.see(values[:-sizes], values[-sizes:])
            kept.append(row)
        if kept:
            self._spool.add(batch(self._fields, kept, self._texts))

    def _trades(self, rows: Batch) -> Iterator[tuple[str | None, tuple[Any, ...]]]:
        names = ("symbol", "source", _known(rows), "event_time", "partition", "ordinal", "price", "size", "action")
        found = zip(*(rows[name] for name in names))
        for symbol, source, known, event, partition, ordinal, price, size, action in found:
            reason = (
                _ACTIONS.get(action, "an action that is not known")
                or ("no price" if price is None else None) or ("no size" if size is None else None)
                or ("a size that is not above zero" if size <= 0 else None)
            )
            yield reason, (symbol, source, "", known, event, partition, ordinal, price, size)

    def _quotes(self, rows: Batch) -> Iterator[tuple[str | None, tuple[Any, ...]]]:
        names = ("symbol", "source", _known(rows), "event_time", "partition", "ordinal", "bid_price", "ask_price",
                 "bid_size", "ask_size")
        for symbol, source, known, event, partition, ordinal, *values in zip(*(rows[n] for n in names)):
            reason = "a side without a price or a size" if None in values else None
            if reason is None and min(values[2:]) < 0:
                reason = "a size below zero"
            yield reason, (symbol, source, "", known, event, partition, ordinal, *values)

    def _bars(self, rows: Batch) -> Iterator[tuple[str | None, tuple[Any, ...]]]:
        names = ("symbol", "source", "series", "known_at", "open_time", "close_time", "number", "is_whole",
                 "open", "high", "low", "close", "volume")
        found = zip(*(rows[name] for name in names))
        for symbol, source, series, known, start, end, number, whole, *values in found:
            prices, volume = values[:4], values[4]
            reason = (
                _window(series, start, end) or (None if whole else "a bar that is not whole")
                or ("no price" if None in prices else None)
                or (None if prices[1:3] == [max(prices), min(prices)] else "prices outside high and low")
                or ("no volume" if volume is None or volume < 0 else None)
            )
            yield reason, (symbol, source, series, end if known is None else known, end, 0, number, *values)

    def write(self, catalog: Any, files: int) -> int:
        """Writes all rows, and returns the number of files with those before."""
        waiting: list[Any] = []
        before: tuple[Any, ...] = ()
        make: Callable[..., Any] | None = None
        for rows in self._spool.batches():
            for symbol, source, series, known, event, partition, number, *values in zip(
                *(rows[field.name] for field in self._fields)
            ):
                now = (symbol, source, series)
                if waiting and (now != before[:3] or len(waiting) >= FILE_ROWS and known != before[3]):
                    files = self._write_file(catalog, waiting, files)
                    waiting = []
                if make is None or now != before[:3]:
                    make = self._maker(symbol, source, series)
                if len(waiting) == SAME_TIME_MAX:
                    raise TapelineError(
                        f"more than {SAME_TIME_MAX} rows of {symbol} came at {times.text(known)}")
                waiting.append(make(values, event, known, f"{partition}-{number}"))
                before = (*now, known)
        return self._write_file(catalog, waiting, files) if waiting else files

    @staticmethod
    def _write_file(catalog: Any, rows: list[Any], files: int) -> int:
        if files == FILES_MAX:
            raise TapelineError(
                f"the export has more than {FILES_MAX} files: select less time or fewer symbols")
        catalog.write_data(rows)
        return files + 1

    def _maker(self, symbol: str, source: str, series: str) -> Callable[..., Any]:
        """Returns what makes objects of the rows of one instrument."""
        library = self._library
        instrument = self._book.instrument(symbol, source, times.MAX_NS)
        if not isinstance(instrument, _Instrument):
            raise TapelineError(f"{symbol} of {source} has no instrument")
        identifier, (price_decimals, size_decimals) = instrument.identifier, instrument.decimals
        sizes = _SIZES[self._kind]
        data, nobody = library.data, library.enums.AggressorSide.NO_AGGRESSOR
        bar_type = data.BarType.from_str(_bar_type(identifier, series)) if series else None

        def make(values: list[int], event: int, known: int, number: str) -> Any:
            numbers = [library.price(value, price_decimals) for value in values[:-sizes]]
            numbers += [library.quantity(value, size_decimals) for value in values[-sizes:]]
            if bar_type is not None:
                return data.Bar(bar_type, *numbers, event, known)
            if sizes == 2:
                return data.QuoteTick(identifier, *numbers, event, known)
            trade = library.identifiers.TradeId(number)
            return data.TradeTick(identifier, *numbers, nobody, trade, event, known)

        return make


_ACTIONS = {"new": None, "correction": "a correction (the trade as it first came is in the export)",
            "cancel": "a cancel (the trade as it first came is in the export)"}


def _known(rows: Batch) -> str:
    """Returns the name of the column that says when ticks were known."""
    return "known_at" if schema.KNOWN in rows.fields else "receive_time"


def _time(event: int | None, known: int | None, rows: Batch) -> str | None:
    if event is None:
        return "no event time"
    if known is None:
        return "no receive time" if _known(rows) == "receive_time" else "no time at which it was known"
    return "a time before 1970" if min(event, known) < 0 else None


def _bar_type(identifier: Any, series: str) -> str:
    step, unit = int(series[:-1]), _UNITS[series[-1]][0]
    return f"{identifier}-{step}-{unit}-LAST-EXTERNAL"


def _window(series: str | None, start: int | None, end: int | None) -> str | None:
    found = re.fullmatch(r"([1-9][0-9]{0,3})([smhd])", series or "")
    if not found:
        return "a series whose name is not like 1s, 5m, 1h or 1d"
    width = int(found[1]) * _UNITS[found[2]][1] * times.SECOND
    if start is None or end is None or end - start != width:
        return "a window that is not as long as the name of its series says"
    return None
