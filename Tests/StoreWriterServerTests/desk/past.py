"""The loaded past joined with live rows, in the database of history.sql."""

import json

from .checks import check, equal, raises

SPAN = ("2026-03-02 09:50", "10:05")
"""All that was loaded of most symbols. Live trades begin at 10:00:31."""
MINUTE = 60 * 10**9


def past(url):
    import tapeline

    desk = tapeline.connect(url)
    frames(desk)
    borders(desk)
    minutes(desk)
    holes(desk)
    loads()
    gaps(desk)
    refusals(desk)


def frames(desk):
    """Each trade is there once, in the order of time."""
    import tapeline

    # Live, ID has a trade that was fetched later, and a cancel.
    counts = {"ID": (1262, 539), "TIME": (1262, 538), "MIXED": (1262, 538), "NEW": (1800, 0), "SHORT": (1263, 537),
              "RUNNING": (1263, 537), "TWICE": (1263, 537)}
    for symbol, (before, after) in counts.items():
        trades = desk.trades(symbol, *SPAN, history=True, missing="mark")
        frame = trades.to_polars()
        new = frame.filter(frame["action"].cast(str) == "new")
        sources = frame["source"].cast(str)
        equal((sources.str.starts_with("x-history").sum(), (sources == "x").sum()), (before, after), symbol)
        check(frame["event_time"].is_sorted(), symbol)
        key = "event_time" if symbol == "TIME" else "provider_id"
        equal((len(new), new[key].n_unique()), (1800, 1800), symbol)
        if symbol not in ("MIXED", "TIME"):
            # Two trades have the time of the seam. That of the past comes first.
            check(new["provider_id"].to_list() == list(range(1, 1801)), symbol)
        tapeline.verify(trades.to_polars(price="fixed"), trades.provenance)
    both = desk.trades(["ID", "NEW"], *SPAN, source="x", history=True)
    equal(len(both.to_polars()), 3_601)
    equal(len(desk.trades("ID", *SPAN, source="x-history").to_polars()), 1_800)
    # In any order they are the same rows.
    equal(both.provenance, desk.trades(["ID", "NEW"], *SPAN, source="x", history=True, order="any").provenance)


def borders(desk):
    """The seams of a selection."""
    found = desk.trades(["ID", "NEW", "TWICE"], *SPAN, history=True).seams
    equal([(one.symbol, one.history, one.provider_id) for one in found],
          [("ID", "x-history", 1264), ("NEW", "x-history", None), ("TWICE", "x-history", 1264),
           ("TWICE", "x-history-2", 1264)])
    equal([str(one) for one in found[:2]],
          ["ID: x-history up to 2026-03-02T10:00:31Z, then x", "NEW: x-history alone, as x has no trade yet"])
    first = found[0]
    equal(first.loaded, ((first.begin, first.begin + 15 * MINUTE),))
    # Live trades were subscribed to half a second before the first one.
    equal((first.time - first.live_from, first.live_from - first.begin), (5 * 10**8, 10 * MINUTE + 305 * 10**8))
    equal(desk.bars("TIME", "1m", history=True).seams[0].time % 1000, 400)
    equal((desk.trades("ID").seams, desk.trades("ID", source="y", history=True).seams), ([], []))


def minutes(desk):
    """Of each window there is one bar."""
    for symbol, source in (("ID", "x-history"), ("TWICE", "x-history-2"), ("SHORT", "x"), ("RUNNING", "x")):
        frame = desk.bars(symbol, "1m", *SPAN, history=True, missing="mark").to_polars()
        equal((len(frame), frame["open_time"].n_unique()), (15, 15), symbol)
        equal(str(frame["source"][10]), source)
        equal(frame["is_whole"].to_list(), [place != 10 or source != "x" for place in range(15)], symbol)
    equal(len(desk.bars("SHORT", "1m", *SPAN, history=True, missing="drop").to_polars()), 14)
    equal(len(desk.bars("ID", "1m", *SPAN, missing="mark").to_polars()), 20)


def holes(desk):
    """What neither the past nor live has is missing."""
    import tapeline

    for symbol in ("ID", "TIME", "MIXED", "NEW", "SHORT", "TWICE"):
        check(desk.trades(symbol, *SPAN, history=True).coverage.is_complete, symbol)
    check(desk.bars(["ID", "TWICE", "NEW"], "1m", *SPAN, history=True).coverage.is_complete)
    with raises(tapeline.TapeHole, "SHORT of x from 2026-03-02T10:00:00Z .*the bar of 1m is not whole"):
        desk.bars("SHORT", "1m", *SPAN, history=True).to_polars()
    with raises(tapeline.TapeHole, "RUNNING of x from 2026-03-02T09:50:00Z to .*10:00:30.5Z .not loaded"):
        desk.trades("RUNNING", *SPAN, history=True).to_polars()
    check(desk.trades("RUNNING", "2026-03-02 10:01", "10:05", history=True).coverage.is_complete)
    with raises(tapeline.TapeHole, "NEW of x from 2026-03-02T10:05:00Z to 2026-03-02T10:06:00Z .not loaded"):
        desk.trades("NEW", "2026-03-02 10:00", "10:06", history=True).to_polars()
    with raises(tapeline.TapeHole, "ID from 2026-03-02T09:40:00Z to 2026-03-02T09:50:00Z .nothing from before"):
        desk.trades("ID", "2026-03-02 09:40", "10:05", history=True).to_polars()
    with raises(tapeline.TapeHole, "nothing of it is stored"):
        desk.trades("ID", *SPAN, source="y", history=True).to_polars()
    # Without the past, live trades begin in the middle.
    with raises(tapeline.TapeHole, "nothing from before is stored"):
        desk.trades("ID", *SPAN, source="x").to_polars()


def loads():
    """Times between two loads, and between a load and live rows, are missing."""
    from tapeline import past as own

    def missing(live_from, *loaded):
        seam = own.Seam("S", "x", "x-history", 1, live_from, live_from, 0, None, loaded)
        return [(one.start, one.end) for one in own.not_loaded([seam])]

    equal(missing(40, (0, 10), (20, 30)), [(10, 20), (30, 40)])
    equal(missing(30, (0, 10), (10, 40)), [])
    equal(missing(30, (0, 10), (50, 60)), [(10, 30)])
    equal(missing(None, (0, 10)), [(10, None)])
    equal(missing(40), [(0, 40)])


def gaps(desk):
    """A gap counts where the rows of its source do."""
    from tapeline import coverage, stored

    def missing(symbols, *records):
        """The minutes of 09:50 to 10:05 that are missing, if these records were there."""
        rows = [{
            "sink": "store", "input": "ticks", "partition": 0, "source": source, "symbol": symbol, "kind": "trade",
            "reason": "test", "state": "open", "epoch": 1, "ordinal": place, "receive_time": "2026-03-02 10:20+00",
            "from_time": f"2026-03-02 {start}+00", "to_time": f"2026-03-02 {end}+00",
        } for place, (source, symbol, start, end) in enumerate(records)]
        told = " UNION ALL ".join(
            f"SELECT * FROM jsonb_populate_record(NULL::md.gaps, '{json.dumps(row)}')" for row in rows)
        with desk.origin.snapshot() as snapshot:
            own = snapshot.table
            snapshot.table = lambda name: f"({told}) AS gaps" if name == "gaps" else own(name)
            selection = desk.trades(symbols, *SPAN, history=True, source="x")
            begin = selection.wanted.start
            return [(one.symbol, one.source, (one.start - begin) / MINUTE, (one.end - begin) / MINUTE)
                    for one in coverage.Coverage(stored.missing(snapshot, selection.wanted))]

    # Live begins after 10.5 minutes, by the subscription.
    live = (10 * MINUTE + 305 * 10**8) / MINUTE
    equal(missing("ID", ("x-history", "ID", "09:52", "09:53")), [("ID", "x-history", 2, 3)])
    equal(missing("ID", ("x-history", "ID", "09:59", "10:04")), [("ID", "x-history", 9, live)])
    equal(missing("ID", ("x-history", "ID", "10:02", "10:04")), [])
    equal(missing("ID", ("x", "ID", "09:52", "09:53")), [])
    equal(missing("ID", ("x", "ID", "09:59", "10:04")), [("ID", "x", live, 14)])
    # Of all symbols of the partition. The first trade of TIME is stamped before its subscription.
    equal(missing(["ID", "TIME"], ("x", None, "10:00", "10:02")), [("TIME", "x", 10.5, 12), ("ID", "x", live, 12)])
    equal(missing(None, ("x", None, "10:00", "10:02"))[:1], [("RUNNING", "x", 0, live)])
    check((None, "x", 10, 12) in missing(None, ("x", None, "10:00", "10:02")))
    # The second load has what the first one lacks from 09:54 on.
    equal(missing("TWICE", ("x-history", "TWICE", "09:53", "09:57")), [("TWICE", "x-history", 3, 4)])
    equal(missing("TWICE", ("x-history-2", "TWICE", "09:53", "09:57")), [("TWICE", "x-history-2", 3, 7)])
    # Another source is not concerned.
    equal(missing("ID", ("y", "ID", "09:52", "09:53")), [])


def refusals(desk):
    """What cannot be joined is an error of one line."""
    import tapeline
    from tapeline import database

    with raises(tapeline.TapelineError, "does not go with as_of"):
        desk.bars("ID", "1m", *SPAN, history=True, as_of="10:10")
    with raises(tapeline.TapelineError, "a recording or the tape: connect to the database"):
        tapeline.Desk(None).trades("ID", *SPAN, history=True)
    with desk.origin.snapshot() as snapshot:
        with raises(tapeline.TapelineError, 'it has no view "md".absent.: upgrade it'):
            database.past_place(snapshot, snapshot.table("absent"))
