#!/usr/bin/env python3
"""Pairs trades with the quotes before them, with polars.

    pair_ticks.py TICKS PAIRS MAX_AGE

TICKS: rows of five 64-bit integers in the order of the tape: source, symbol, 1 for a quote or 0 for
a trade, ordinal within the source, receive time (ns). For each trade, in this order, the ordinal of
its quote is written to PAIRS: of the last one before it of its source and symbol. It is 0 if there
is none, or if the latest receive time of the source has moved by more than MAX_AGE (ns) since.
"""
import sys

import numpy as np
import polars as pl

NAMES = ["source", "symbol", "is_quote", "ordinal", "received"]
KEYS = ["source", "symbol"]


def main(ticks, pairs, max_age):
    rows = np.fromfile(ticks, dtype="<i8").reshape(-1, len(NAMES))
    frame = pl.DataFrame({name: np.ascontiguousarray(rows[:, i]) for i, name in enumerate(NAMES)})
    frame = frame.with_columns(clock=pl.col("received").cum_max().over("source"))
    trades = frame.filter(pl.col("is_quote") == 0).with_row_index("place")
    quotes = frame.filter(pl.col("is_quote") == 1).select(
        *KEYS, "ordinal", quote=pl.col("ordinal"), quoted=pl.col("clock"))
    joined = trades.sort("ordinal").join_asof(
        quotes.sort("ordinal"), on="ordinal", by=KEYS, strategy="backward").sort("place")
    is_young = pl.col("clock") - pl.col("quoted") <= max_age
    found = joined.select(pl.when(is_young).then(pl.col("quote")).otherwise(0).alias("quote"))
    found["quote"].to_numpy().astype("<i8").tofile(pairs)
    old = joined.filter(pl.col("quote").is_not_null() & ~is_young).height
    none = joined["quote"].null_count()
    print(f"polars: {joined.height - old - none} trades with a quote, {old} whose quote is too old, "
          f"{none} before all quotes")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
