"""Explanations and proofs by the product's tool, which DESK_TOOLS has."""

import os
import re
import time

from desk.checks import check, equal, raises


def texts():
    """What a person sees of an answer: versions by their numbers, and the first bars that differ. And what a person
    writes: the same words of time as for the tool."""
    import tapeline
    from tapeline import times, tool

    hour, now = 3_600 * 10**9, time.time_ns()
    check(0 <= times.nanoseconds("-1h") - (now - hour) < 60 * 10**9)
    check(0 <= times.nanoseconds(" -2d") - (now - 48 * hour) < 60 * 10**9)
    zone = "Asia/Tokyo"
    days = [times.local_date(times.nanoseconds(word, zone), zone) for word in ("yesterday 09:30", "today 09:30")]
    equal((days[1] - days[0]).days, 1)
    check(not times.is_of_day("yesterday") and not times.is_of_day("-1h") and times.is_of_day("09:30"))
    for word in ("-1", "-1w", "1h", "yesterdays", "now"):
        with raises(tapeline.TapelineError, "is no time: write .* today, yesterday, 09:30, -1h, or "):
            times.nanoseconds(word)
    versions = [{"number": number, "revision": 1126 + number, "reason": "closed", "trades": 3} for number in (1, 2)]
    told = repr(tool.Explanation({
        "symbol": "AAPL", "series": "1m", "source": "ib", "open_time": "a", "close_time": "b", "bar": None,
        "versions": versions, "ticks": [], "ticks_from": "tape", "only_in_tables": [], "gaps": [], "gap_faults": [],
        "feed_starts": [{"source": "ib", "provider": "x", "time": "05:17:27.5"}], "proof": {}}, "proven"))
    check("ib began to get it from x, or asked for it again, at 05:17:27.5: ticks" in told, told)
    check("  version 1: closed, 3 trades, ordinal 1127\n  version 2: " in told, told)
    bar = {"kind": "differing", "symbol": "AAPL", "series": "1m", "source": "ib", "open_time": "a", "fields": []}
    counts = {"equal": 1, "differing": 1_200, "missing": 3, "extra": 0, "not_over": 0}
    told = repr(tool.Proof({
        "ticks_read": 7, "tables": {**counts, "bars": [bar] * 1_000}, "tape": None, "not_on_tape": []}, "differs"))
    equal((told.count("differing AAPL"), told.count("and 1193 more")), (10, 1))
    value = {"kind": "extra", "symbol": "AAPL", "name": "stats.1s.mean", "source": "ib", "stored": "2",
             "computed": "none"}
    told = repr(tool.Proof({
        "ticks_read": 7, "tables": None, "tape": None, "not_on_tape": [],
        "values": {**counts, "not_checked": 4, "values": [value]}}, "differs"))
    check("4 not checked\n  " in told and "extra AAPL stats.1s.mean of ib: stored 2, computed none" in told, told)
    value = {**value, "symbol": None, "name": "market.advance_decline", "source": None}
    told = repr(tool.Proof({
        "ticks_read": 7, "tables": None, "tape": None, "not_on_tape": [], "values": None,
        "over_all": {**counts, "not_checked": 5, "values": [value]}}, "differs"))
    check("values over all partitions: 1 equal" in told and "5 not checked" in told, told)
    check("extra all market.advance_decline of all: stored 2" in told, told)


def tools(desk, file, symbol, at):
    """On the database and the tape of the environment. No bars are stored there."""
    import tapeline

    texts()
    with raises(tapeline.TapelineError, "the start 2200.* is in the future"):
        desk.trades(symbol, "2200-01-01")
    kept = dict(os.environ)
    try:
        os.environ["PATH"] = "/usr/bin:/bin"
        with raises(tapeline.NotReachable, "tapeline, .* is not in the PATH: run 'pip install"):
            desk.explain(symbol, "1m", at)
        os.environ["PATH"] = os.environ["DESK_TOOLS"]
        with raises(tapeline.TapelineError, "on a database"):
            file.explain(symbol, "1m", at)
        told = desk.explain(symbol, "1m", at)
        equal((told["symbol"], told["series"], told["is_stored"], told["bar"]), (symbol, "1m", False, None))
        # The tape has none of the ticks that are stored here.
        equal((len(told["ticks"]), told.outcome), (0, "differs"))
        check(len(told["only_in_tables"]) > 50 and "no bar is stored" in repr(told), told)
        check(re.search(r"is only in the tables\n  and \d+ more", repr(told)), told)
        equal(desk.explain(symbol, "1m", at, source="test")["only_in_tables"], told["only_in_tables"])
        proof = desk.prove(symbol, "1m", at - at % (60 * 10**9), at + 60 * 10**9)
        check(repr(proof).startswith(proof.outcome) and "from the tables: " in repr(proof), proof)
        for pattern, call in [
            ("cannot answer: no series is called 7m", lambda: desk.explain(symbol, "7m", at)),
            ("cannot answer: no bar of NONE", lambda: desk.explain("NONE", "1m", at)),
            ("'--help' is no name", lambda: desk.explain("--help", "1m", at)),
            ("'-x' is no name", lambda: desk.prove("-x", "1m", at)),
            ("wants a start", lambda: desk.prove(symbol, "1m")),
            ("took more than 0.001 s", lambda: desk.explain(symbol, "1m", at, time_limit=0.001)),
        ]:
            with raises(tapeline.TapelineError, pattern):
                call()
        del os.environ["NATS_URL"]
        with raises(tapeline.TapelineError, "set NATS_URL"):
            desk.explain(symbol, "1m", at)
    finally:
        os.environ.clear()
        os.environ.update(kept)
