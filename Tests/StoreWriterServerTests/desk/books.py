"""The book at a time, from the rows of depth.sql."""

import decimal

from desk.checks import check, equal, raises


def books(desk):
    import tapeline

    def sides(at, **how):
        found = desk.book("AAPL", f"2026-03-02 {at}", **how)
        return tuple(tuple((row.price, row.size) for row in side) for side in (found.bids, found.asks))

    equal(sides("14:40:01"), ((), ()))
    equal(sides("14:40:02"), (((180.1, 100.0), (180.0, 300.0)), ((180.2, 200.0),)))
    equal(sides("14:40:04"), (((180.15, 50.0), (180.1, 150.25), (180.0, 300.0)), ((180.2, 200.0),)))
    equal(sides("14:40:04", rows=2), (((180.15, 50.0), (180.1, 150.25)), ((180.2, 200.0),)))
    equal(sides("14:40:06"), (((180.1, 150.25), (180.0, 300.0)), ((180.2, 200.0),)))
    # A row of 14:40:20 is older on the tape than one of 14:40:10, which deletes it.
    equal(sides("14:40:10"), sides("14:40:06"))
    equal(sides("14:40:20"), sides("14:40:06"))
    equal(sides("14:40:30", price="fixed")[1], ((180_210_000_000, 100_000_000),))
    equal(sides("14:40:30", price="decimal")[1], ((decimal.Decimal("180.21"), decimal.Decimal(1)),))
    equal(sides("14:41:31", since="14:40"), sides("14:40:30"))
    # A repetition, 30 s after a row that did not fit.
    equal(sides("14:51"), (((180.1, 5.0),), ((180.21, 1.0),)))
    equal(desk.book("AAPL", "2026-03-02 14:51").reason, "repeated")
    found = desk.book("AAPL", "2026-03-02 09:40:04", tz="America/New_York")
    equal((found.source, found.reason, found.bids[0].market_maker), ("test", "disconnected", "BATS"))
    for text in ("of test at 2026-03-02T14:40:04Z", "50.0 @ 180.15 | 200.0 @ 180.2"):
        check(text in repr(found), repr(found))
    for pattern, call in [
        ("books of second and test, .* source='second'", lambda: desk.book("SPY", "2026-03-02 14:41")),
        ("no row 7 that the row 70012", lambda: desk.book("AAPL", "2026-03-02 14:50", since="14:40")),
        ("no row 1 .*, or rows=1 is not", lambda: desk.book("AAPL", "2026-03-02 14:40:02", rows=1)),
        ("no reset from .*14:40:02Z to .*14:41:32Z", lambda: desk.book("AAPL", "2026-03-02 14:41:32")),
        ("no reset .* give since=", lambda: desk.book("AAPL", "2026-03-02 14:40:00")),
        ("no reset from .*14:40:02Z", lambda: desk.book("AAPL", "2026-03-02 14:41", since="14:40:02")),
        ("^no depth of MSFT is stored", lambda: desk.book("MSFT", "2026-03-02 14:41")),
        ("rows=0", lambda: desk.book("AAPL", "2026-03-02 14:41", rows=0)),
        ("missing=", lambda: desk.book("AAPL", "2026-03-02 14:41", missing="drop")),
        ("has not come", lambda: desk.book("AAPL", "2200-01-01")),
        ("one symbol", lambda: desk.book(["AAPL", "SPY"], "2026-03-02 14:41")),
    ]:
        with raises(tapeline.TapelineError, pattern):
            call()
    equal([desk.book("SPY", "2026-03-02 14:41", source=name).bids[0].price for name in ("test", "second")],
          [505.0, 506.0])
    with raises(tapeline.TapeHole, r"SPY of test from 2026-03-02T15:00:00Z .*missing='mark'"):
        desk.book("SPY", "2026-03-02 15:30", source="test", since="14:40")
    marked = desk.book("SPY", "2026-03-02 15:30", source="test", since="14:40", missing="mark")
    equal((marked.bids[0].price, len(marked.coverage)), (505.0, 1))
    check("missing: SPY of test" in repr(marked), repr(marked))
