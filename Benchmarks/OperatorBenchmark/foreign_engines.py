#!/usr/bin/env python3
"""Measures how fast other people's engines make 1 s bars of trades, on one core.

    foreign_engines.py TICKS [OURS]

TICKS: rows of four 64-bit integers: event time (ns), price (1e-9), size (1e-8), symbol. Prints
processor time per trade and says what it includes. The slower an engine, the fewer trades it gets.
OURS: what our own graph makes of them, in millions of trades per second. With it, each figure is also
printed as a line of JSON beside ours.
"""
import json
import os
import sys
import time
from datetime import datetime, timedelta, timezone

os.environ["POLARS_MAX_THREADS"] = "1"
import bytewax.operators as op
import bytewax.operators.windowing as windowing
import numpy as np
import polars as pl
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main
from nautilus_trader.common.component import TestClock
from nautilus_trader.data.aggregation import TimeBarAggregator
from nautilus_trader.model.currencies import BTC, USD
from nautilus_trader.model.data import BarSpecification, BarType, TradeTick
from nautilus_trader.model.enums import (
    AggregationSource, AggressorSide, BarAggregation, PriceType)
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Price, Quantity

SECOND = 1_000_000_000
NAUTILUS_TRADES = 200_000
BYTEWAX_TRADES = 20_000
REPETITIONS = 3
OURS = float(sys.argv[2]) if len(sys.argv) == 3 else None


def tell(name, seconds, trades):
    nanoseconds = seconds * 1e9 / trades
    print(f"  {nanoseconds:.1f} ns, {1000 / nanoseconds:.2f} M/s: {name} ({trades} trades)")
    if OURS is not None:
        print(json.dumps({
            "row": f"packets to bars of 1 s, beside {name.split(',')[0]}", "value": OURS,
            "unit": "M trades/s", "peer": name, "peer_value": 1000 / nanoseconds}))


def best(run):
    taken = []
    for _ in range(REPETITIONS):
        start = time.process_time()
        run()
        taken.append(time.process_time() - start)
    return min(taken)


def polars_bars(columns):
    times, prices, sizes, symbols = columns
    frame = pl.DataFrame({
        "time": pl.Series(times).cast(pl.Datetime("ns")), "symbol": symbols, "price": prices,
        "size": sizes})
    price, size = pl.col("price"), pl.col("size")
    four = [
        price.first().alias("open"), price.max().alias("high"), price.min().alias("low"),
        price.last().alias("close"), pl.len().alias("trades"), size.sum().alias("volume")]
    notional = (price.cast(pl.Int128) * size.cast(pl.Int128)).sum().alias("notional")

    def grouped(aggregates):
        return lambda: frame.group_by_dynamic(
            "time", every="1s", closed="left", group_by="symbol").agg(aggregates)

    trades = len(times)
    tell("polars, sorted columns in memory, 1 s bars, volume in 64 bits, no notional",
         best(grouped(four)), trades)
    tell("polars with a notional, the same with the notional in 128 bits", best(grouped([*four, notional])), trades)


def nautilus_bars(columns):
    rows = [column[:NAUTILUS_TRADES].tolist() for column in columns]
    bars, aggregators, ids = [], [], []
    clock = TestClock()
    clock.set_time(rows[0][0] // SECOND * SECOND)
    for number in range(max(rows[3]) + 1):
        name = Symbol(f"S{number}")
        ids.append(InstrumentId(name, Venue("TAPE")))
        instrument = CurrencyPair(
            instrument_id=ids[-1], raw_symbol=name, base_currency=BTC, quote_currency=USD,
            price_precision=9, size_precision=8, price_increment=Price(1e-9, 9),
            size_increment=Quantity(1e-8, 8), ts_event=0, ts_init=0)
        specification = BarSpecification(1, BarAggregation.SECOND, PriceType.LAST)
        aggregators.append(TimeBarAggregator(
            instrument, BarType(ids[-1], specification, AggregationSource.INTERNAL), bars.append,
            clock, interval_type="right-open", timestamp_on_close=False,
            build_with_no_updates=False))
    trade_id = TradeId("0")
    ticks = [
        (symbol, TradeTick.from_raw(
            ids[symbol], price * 10**7, 9, size * 10**8, 8, AggressorSide.NO_AGGRESSOR, trade_id,
            at, at))
        for at, price, size, symbol in zip(*rows)]
    handlers = [aggregator.handle_trade_tick for aggregator in aggregators]
    due = clock.timestamp_ns() + SECOND
    start = time.process_time()
    for symbol, tick in ticks:
        if tick.ts_event >= due:
            for event in clock.advance_time(tick.ts_event):
                event.handle()
            due += SECOND
        handlers[symbol](tick)
    taken = time.process_time() - start
    assert bars
    tell("nautilus_trader, TradeTick objects made before, 1 s bars, called from Python",
         taken, len(ticks))


def bytewax_bars(columns):
    rows = [column[:BYTEWAX_TRADES].tolist() for column in columns]
    start_time = datetime.fromtimestamp(rows[0][0] // SECOND, timezone.utc)
    items = [
        (str(symbol), (datetime.fromtimestamp(at / SECOND, timezone.utc), price, size))
        for at, price, size, symbol in zip(*rows)]

    def add(bar, tick):
        price, size = tick[1], tick[2]
        if bar is None:
            return [price, price, price, price, size, price * size, 1]
        bar[1] = max(bar[1], price)
        bar[2] = min(bar[2], price)
        bar[3] = price
        bar[4] += size
        bar[5] += price * size
        bar[6] += 1
        return bar

    def run():
        closed = []
        flow = Dataflow("bars")
        stream = op.input("ticks", flow, TestingSource(items, batch_size=1_024))
        bars = windowing.fold_window(
            "fold", stream,
            windowing.EventClock(lambda tick: tick[0], timedelta(seconds=0)),
            windowing.TumblingWindower(timedelta(seconds=1), start_time), lambda: None, add,
            lambda left, right: left)
        op.output("out", bars.down, TestingSink(closed))
        run_main(flow)
        assert closed

    tell("bytewax, Python tuples made before, 1 s bars folded in Python", best(run), len(items))


def main(path):
    columns = np.fromfile(path, dtype="<i8").reshape(-1, 4).T.copy()
    print("other engines, one core, no packets to decode:")
    polars_bars(columns)
    nautilus_bars(columns)
    bytewax_bars(columns)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(sys.argv[1])
