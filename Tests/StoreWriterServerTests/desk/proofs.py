"""Rows are proven again by a provenance that was saved."""

import json

from desk.checks import DAY, check, equal, raises


def saved(selection):
    return json.loads(json.dumps(selection.provenance))


def frames(selection):
    """Yields the selection as each package has it, with the way in which it has prices."""
    for price in ("float", "fixed", "decimal"):
        for make in (selection.to_polars, selection.to_pandas, selection.to_arrow):
            yield price, make(price)


def all_verify(selection):
    import tapeline

    provenance = saved(selection)
    # Without prices and sizes rows are exact in any form.
    fields = tapeline.schema.KINDS[provenance["kind"]].fields
    has_prices = any(field.kind in ("fixed", "wide") for field in fields)
    for price, frame in frames(selection):
        told = tapeline.verify(frame, provenance)
        exact = price != "float" or not has_prices
        equal((told.rows, told.exact, told.unproven), (provenance["rows"], exact, ()))
    check(tapeline.verify(selection, provenance).exact)
    return provenance


def proofs(desk):
    """What verifies, and what is named when it does not."""
    import polars as pl
    import tapeline

    trades = desk.trades(["AAPL", "SPY"], *DAY)
    provenance = all_verify(trades)
    equal(len(provenance["lanes"]), 2)
    all_verify(desk.bars(["AAPL", "SPY"], "1m", *DAY))
    all_verify(desk.quotes("SPY", "2026-03-02 14:31", "14:33"))
    equal(saved(desk.trades(["AAPL", "SPY"], *DAY, order="any")), provenance)
    tapeline.verify(desk.trades(["AAPL", "SPY"], *DAY, order="any", price="fixed"), provenance)
    frame = trades.to_polars(price="fixed")
    mixed = frame.reverse().select(reversed(frame.columns)).with_columns(mine=1, yours=2)
    told = tapeline.verify(mixed, provenance)
    equal(told.unproven, ("mine", "yours"))
    check("nothing is said of mine, yours" in repr(told), repr(told))
    tapeline.verify(frame.to_arrow().to_batches(max_chunksize=100_000)[0], provenance)
    differing(frame, provenance)
    with raises(tapeline.TapelineError, r"no column ordinal: a frame is proven with all"):
        tapeline.verify(frame.drop("ordinal"), provenance)
    with raises(tapeline.TapelineError, "LazyFrame is no frame .*collect"):
        tapeline.verify(frame.lazy(), provenance)
    with raises(tapeline.TapelineError, "event_time has no times"):
        tapeline.verify(frame.with_columns(pl.col("event_time").cast(int)), provenance)
    with raises(tapeline.TapelineError, "price has .* more than 9 decimals"):
        tapeline.verify(frame.with_columns(price=pl.lit("1.0000000001").cast(pl.Decimal(20, 10))), provenance)
    with raises(tapeline.TapelineError, "ordinal has floats"):
        tapeline.verify(frame.with_columns(pl.col("ordinal") + 0.5), provenance)
    with raises(tapeline.TapelineError, "missing='raise', and this one has missing='mark'"):
        tapeline.verify(desk.trades(["AAPL", "SPY"], *DAY, missing="mark"), provenance)
    hole = desk.trades("MSFT", *DAY, missing="mark")
    equal(saved(hole)["missing"], "mark")
    tapeline.verify(hole.to_pandas(), saved(hole))
    for wrong, pattern in [
        ({**provenance, "rows": 3}, "its own checksum"),
        ({**provenance, "missing": "mark"}, "its own checksum"),
        ({**provenance, "lanes": [7]}, "its own checksum"),
        ({**provenance, "kind": []}, "its own checksum"),
        ({**provenance, "version": 1}, "has the version 1"),
        ({}, "is no provenance"), ("text", "is no provenance"),
    ]:
        with raises(tapeline.TapelineError, pattern):
            tapeline.verify(frame, wrong)


def differing(frame, provenance):
    import polars as pl
    import tapeline

    spy = pl.col("symbol").cast(str) == "SPY"
    lanes = {lane["partition"]: lane for lane in provenance["lanes"]}
    other = frame.filter(spy)["partition"][0]
    for price in ("fixed", "float"):
        given = frame if price == "fixed" else frame.with_columns(pl.col("price") / 1e9, pl.col("size") / 1e8)
        place = given.with_row_index().filter(spy)["index"][17]
        near = pl.when(pl.int_range(pl.len()) == place).then(pl.col("price") * 1.001).otherwise("price")
        for changed, pattern in [
            (given.filter(~spy), r"partition \d+: 17\d+ rows \(\d+ to \d+\) are missing$"),
            (pl.concat([given[:place], given[place + 1 :]]), r"\d+ rows .*, and the provenance has \d+ rows"),
            (pl.concat([given, given[place : place + 1]]), r"\d+ rows .*, and the provenance has \d+ rows"),
            (given.with_columns(near.cast(given["price"].dtype)), r"the values of \d+ rows .* not the same"),
        ]:
            with raises(tapeline.Differs, f"source test, partition {other}: "):
                tapeline.verify(changed, provenance)
            with raises(tapeline.Differs, pattern):
                tapeline.verify(changed, provenance)
    try:
        tapeline.verify(frame.with_columns(partition=pl.lit(9, pl.UInt16)), provenance)
    except tapeline.Differs as error:
        equal(len(error.differences), 3)
        equal([one.found is None for one in error.differences].count(True), len(lanes))
    else:
        raise AssertionError("another partition was proven")


def agree(one, other):
    """Two origins tell the same of the same rows, in any order of them, and each proves the other's."""
    import tapeline

    equal(saved(one), saved(other))
    provenance = all_verify(one)
    tapeline.verify(other.to_pandas(price="fixed"), provenance)
    tapeline.verify(other, provenance)
