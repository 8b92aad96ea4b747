#!/usr/bin/env python3
"""Computes bars with other people's engines and compares them with ours, field by field.

    compare_bars.py TICKS BARS SERIES...

TICKS: rows of four 64-bit integers in order of arrival: event time (ns), price (1e-9), size (1e-8),
symbol. BARS: rows of 17, see OUR_FIELDS. A SERIES says how ours were made:

    INDEX:time:WIDTH:HOP:OFFSET    windows of WIDTH ns that begin every HOP ns, from OFFSET on
    INDEX:gap:GAP                  from a trade to the first pause of GAP ns behind it
    INDEX:ticks:COUNT              so many ticks; anew each UTC day
    INDEX:volume:UNITS             so much volume; anew each UTC day; all sizes are 1

Prints one line per comparison; status 1 when any two bars differ. All numbers are integers; where
an engine has other rules than we, docs/scale.md says which and how they are brought together.
"""
import sys

import numpy as np
import polars as pl
from nautilus_trader.common.component import TestClock
from nautilus_trader.data.aggregation import (
    TickBarAggregator, TimeBarAggregator, VolumeBarAggregator)
from nautilus_trader.model.currencies import BTC, USD
from nautilus_trader.model.data import BarSpecification, BarType, TradeTick
from nautilus_trader.model.enums import (
    AggregationSource, AggressorSide, BarAggregation, PriceType)
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Price, Quantity

OUR_FIELDS = [
    "symbol", "series", "start", "end", "number", "flags", "open", "high", "low", "close", "vwap",
    "trades", "volume_low", "volume_high", "notional_low", "notional_high", "excluded"]
PARTIAL = 1
UNDEFINED = 2**63 - 1
DAY = 86_400_000_000_000
SHOWN_MAX = 5
# nautilus_trader's raw numbers are in units of 1e-16.
PRICE_SCALE = 10**7
SIZE_SCALE = 10**8


def wide(low, high):
    """Joins the two halves of a 128-bit number."""
    return (int(high) << 64) | (int(low) & (2**64 - 1))


class Tape:
    def __init__(self, path):
        columns = np.fromfile(path, dtype="<i8").reshape(-1, 4).T
        # Ticks are in the order of their times, and within a nanosecond in the order of arrival.
        order = np.argsort(columns[0], kind="stable")
        self.times, self.prices, self.sizes, self.symbols = (c[order] for c in columns)

    def frame(self):
        return pl.DataFrame({
            "time": pl.Series(self.times).cast(pl.Datetime("ns")), "symbol": self.symbols,
            "price": self.prices, "size": self.sizes})

    def numbers(self):
        return pl.DataFrame({
            "time": self.times, "symbol": self.symbols, "price": self.prices, "size": self.sizes})

    def of(self, symbol):
        mine = self.symbols == symbol
        return zip(
            self.times[mine].tolist(), self.prices[mine].tolist(), self.sizes[mine].tolist())

    def all_symbols(self):
        return np.unique(self.symbols).tolist()


def rounded(notional, volume):
    """Returns notional / volume, rounded half away from zero."""
    if volume <= 0:
        return UNDEFINED
    quotient, rest = divmod(abs(notional), volume)
    magnitude = quotient + (1 if 2 * rest >= volume else 0)
    return -magnitude if notional < 0 else magnitude


# ---------------------------------------------------------------- polars


def polars_bars(tape, width, hop, offset):
    """Returns end, four prices, vwap, trades, volume and notional, by (symbol, start)."""
    price, size = pl.col("price"), pl.col("size")
    frame = tape.frame().group_by_dynamic(
        "time", every=f"{hop}ns", period=f"{width}ns", offset=f"{offset}ns", closed="left",
        label="left", start_by="window", group_by="symbol",
    ).agg(
        price.first().alias("open"), price.max().alias("high"), price.min().alias("low"),
        price.last().alias("close"), pl.len().alias("trades"),
        size.cast(pl.Int128).sum().alias("volume"),
        (price.cast(pl.Int128) * size.cast(pl.Int128)).sum().alias("notional"))
    rows = frame.with_columns(pl.col("time").cast(pl.Int64)).rows()
    return {
        (symbol, start): (start + width, o, h, l, c, rounded(notional, volume), trades, volume,
                          notional)
        for symbol, start, o, h, l, c, trades, volume, notional in rows}


FOLDED = [
    pl.col("time").first().alias("first"), pl.col("time").last().alias("last"),
    pl.col("price").first().alias("open"), pl.col("price").max().alias("high"),
    pl.col("price").min().alias("low"), pl.col("price").last().alias("close"),
    pl.len().alias("trades"), pl.col("size").cast(pl.Int128).sum().alias("volume"),
    (pl.col("price").cast(pl.Int128) * pl.col("size").cast(pl.Int128)).sum().alias("notional")]


def polars_runs(tape, gap):
    """Returns bars by (symbol, start), like `polars_bars`."""
    run = (pl.col("time").diff() >= gap).fill_null(False).cum_sum().over("symbol").alias("run")
    frame = tape.numbers().with_columns(run).group_by("symbol", "run").agg(FOLDED)
    return {
        (symbol, first): (last + gap, o, h, l, c, rounded(notional, volume), trades, volume,
                          notional)
        for symbol, _, first, last, o, h, l, c, trades, volume, notional in frame.rows()}


def polars_counted(tape, count):
    """Returns start, four prices, vwap, trades, volume and notional, by (symbol, end, number)."""
    frame = tape.numbers().with_columns(day=pl.col("time") // DAY)
    place = pl.int_range(pl.len()).over("symbol", "day") // count
    frame = frame.with_columns(place.alias("number")).group_by("symbol", "day", "number")
    return {
        (symbol, last + 1, number): (first, o, h, l, c, rounded(notional, volume), trades, volume,
                                     notional)
        for symbol, _, number, first, last, o, h, l, c, trades, volume, notional
        in frame.agg(FOLDED).rows()}


# ---------------------------------------------------------------- nautilus_trader


class Nautilus:
    """One instrument of nautilus_trader, and an aggregator for it."""
    UNITS = {
        1_000_000_000: (BarAggregation.SECOND, 1), 60_000_000_000: (BarAggregation.MINUTE, 1),
        900_000_000_000: (BarAggregation.MINUTE, 15), 3_600_000_000_000: (BarAggregation.HOUR, 1)}

    def __init__(self, symbol):
        name = Symbol(f"S{symbol}")
        self.id = InstrumentId(name, Venue("TAPE"))
        self.trade_id = TradeId("0")
        self.instrument = CurrencyPair(
            instrument_id=self.id, raw_symbol=name, base_currency=BTC, quote_currency=USD,
            price_precision=9, size_precision=8, price_increment=Price(1e-9, 9),
            size_increment=Quantity(1e-8, 8), ts_event=0, ts_init=0)

    def tick(self, time, price, size):
        return TradeTick.from_raw(
            self.id, price * PRICE_SCALE, 9, size * SIZE_SCALE, 8, AggressorSide.NO_AGGRESSOR,
            self.trade_id, time, time)

    def bar_type(self, step, aggregation):
        specification = BarSpecification(step, aggregation, PriceType.LAST)
        return BarType(self.id, specification, AggregationSource.INTERNAL)

    def time_bars(self, ticks, width):
        """Returns end, four prices and volume, by start."""
        ticks = list(ticks)
        unit, step = self.UNITS[width]
        bars = []
        clock = TestClock()
        clock.set_time(ticks[0][0] // width * width)
        # Only with this setting a tick on a border belongs to the next window. It makes no bars for
        # empty windows.
        aggregator = TimeBarAggregator(
            self.instrument, self.bar_type(step, unit), bars.append, clock,
            interval_type="right-open", timestamp_on_close=False, build_with_no_updates=False)
        due = clock.timestamp_ns() + width
        for time, price, size in ticks:
            # The clock moves first: a bar that it closes does not contain this tick.
            if time >= due:
                for event in clock.advance_time(time):
                    event.handle()
                due = time // width * width + width
            aggregator.handle_trade_tick(self.tick(time, price, size))
        for event in clock.advance_time(due):
            event.handle()
        # After an empty window its `ts_event` is not the start of the bar. `ts_init` is the end.
        return {bar.ts_init - width: (bar.ts_init, *self.values(bar)) for bar in bars}

    def counted_bars(self, ticks, kind, step):
        """Returns four prices and volume, by (time of the last tick, number)."""
        by_day = {}
        for time, price, size in ticks:
            day = time // DAY
            if day not in by_day:
                bars = by_day[day] = []
                aggregator = kind[0](self.instrument, self.bar_type(step, kind[1]), bars.append)
            aggregator.handle_trade_tick(self.tick(time, price, size))
        return {
            (bar.ts_event + 1, number): self.values(bar)
            for bars in by_day.values() for number, bar in enumerate(bars)}

    @staticmethod
    def values(bar):
        prices = (bar.open, bar.high, bar.low, bar.close)
        for price in prices:
            assert price.raw % PRICE_SCALE == 0
        assert bar.volume.raw % SIZE_SCALE == 0
        return (*(price.raw // PRICE_SCALE for price in prices), bar.volume.raw // SIZE_SCALE)


# ---------------------------------------------------------------- comparison


class Ours:
    def __init__(self, path):
        rows = np.fromfile(path, dtype="<i8").reshape(-1, len(OUR_FIELDS))
        self.rows = [dict(zip(OUR_FIELDS, row)) for row in rows.tolist()]

    def of(self, series):
        for row in self.rows:
            if row["series"] == series:
                row["volume"] = wide(row["volume_low"], row["volume_high"])
                row["notional"] = wide(row["notional_low"], row["notional_high"])
                yield row


class Comparison:
    def __init__(self):
        self.failed = False

    def compare(self, title, ours, theirs):
        equal = sum(1 for key, bar in ours.items() if theirs.get(key) == bar)
        wrong = [key for key, bar in ours.items() if key in theirs and theirs[key] != bar]
        missing = [key for key in theirs if key not in ours]
        extra = [key for key in ours if key not in theirs]
        print(f"{title}: equal {equal}, different {len(wrong)}, only theirs {len(missing)}, "
              f"only ours {len(extra)}")
        for key in wrong[:SHOWN_MAX]:
            print(f"  {key}: ours {ours[key]}, theirs {theirs[key]}")
        for key in missing[:SHOWN_MAX]:
            print(f"  {key}: only theirs {theirs[key]}")
        for key in extra[:SHOWN_MAX]:
            print(f"  {key}: only ours {ours[key]}")
        self.failed = self.failed or bool(wrong or missing or extra) or equal == 0


def prices(row):
    return row["open"], row["high"], row["low"], row["close"]


def sums(row):
    return row["vwap"], row["trades"], row["volume"], row["notional"]


def by_start(rows):
    return {(row["symbol"], row["start"]): (row["end"], *prices(row), *sums(row)) for row in rows}


def compare_time(comparison, tape, rows, index, width, hop, offset):
    ours = by_start(rows)
    # It has no window that begins before the last-beginning one of the windows that hold the first
    # trade.
    firsts = {
        symbol: (int(tape.times[tape.symbols == symbol][0]) - offset) // hop * hop + offset
        for symbol in tape.all_symbols()}
    ours = {key: bar for key, bar in ours.items() if key[1] >= firsts[key[0]]}
    theirs = polars_bars(tape, width, hop, offset)
    comparison.compare(f"polars {index}", ours, theirs)
    if hop != width or offset != 0 or width not in Nautilus.UNITS:
        return
    ours = {key: (bar[0], *bar[1:5], bar[7]) for key, bar in ours.items()}
    theirs = {
        (symbol, start): bar for symbol in tape.all_symbols()
        for start, bar in Nautilus(symbol).time_bars(tape.of(symbol), width).items()}
    comparison.compare(f"nautilus_trader {index}", ours, theirs)


def compare_counted(comparison, tape, rows, index, kind, step):
    # It never publishes the unfinished bar at the end of a day.
    ours = {
        (row["symbol"], row["end"], row["number"]): (*prices(row), row["volume"])
        for row in rows if not row["flags"] & PARTIAL}
    theirs = {
        (symbol, *key): bar for symbol in tape.all_symbols()
        for key, bar in Nautilus(symbol).counted_bars(tape.of(symbol), kind, step).items()}
    comparison.compare(f"nautilus_trader {index}", ours, theirs)


def main(ticks, bars, *series):
    tape, bars, comparison = Tape(ticks), Ours(bars), Comparison()
    for text in series:
        index, kind, *numbers = text.split(":")
        index, numbers = int(index), [int(number) for number in numbers]
        rows = list(bars.of(index))
        if kind == "time":
            compare_time(comparison, tape, rows, index, *numbers)
        elif kind == "gap":
            comparison.compare(f"polars {index}", by_start(rows), polars_runs(tape, *numbers))
        elif kind == "ticks":
            ours = {
                (row["symbol"], row["end"], row["number"]): (
                    row["start"], *prices(row), *sums(row)) for row in rows}
            comparison.compare(f"polars {index}", ours, polars_counted(tape, *numbers))
            aggregator = (TickBarAggregator, BarAggregation.TICK)
            compare_counted(comparison, tape, rows, index, aggregator, *numbers)
        elif kind == "volume":
            aggregator = (VolumeBarAggregator, BarAggregation.VOLUME)
            compare_counted(comparison, tape, rows, index, aggregator, *numbers)
        else:
            sys.exit(f"{text} is no series")
    return 1 if comparison.failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
