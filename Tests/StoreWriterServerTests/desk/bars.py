"""Bars of the tape beside those of the database, and a simulation beside a live reading."""

import collections
import itertools
import os
import pathlib
import re

from desk.checks import check, equal, raises

SECOND = 10**9
START = 1_699_972_260 * SECOND
"""Of the ticks and the windows of DeskMarket. The tape took them now."""
WHO, SERIES = ("S0", "S1"), ("1s", "1m")
BARS = {name: SERIES for name in WHO}
ROOT = pathlib.Path(__file__).resolve().parents[3]


def bars(torn, purged):
    import tapeline

    tape, stored = tapeline.connect(tape=True), tapeline.connect()
    first = START - 60 * SECOND
    standing(tape, stored, first)
    known(tape, stored, first)
    lost(stored, tapeline.connect(tape=True, namespace=torn), first)
    gone(tape, tapeline.connect(tape=True, namespace=purged), first)
    simulated(tape, stored, first)
    exported(tape, first)
    page(tape)


def ticks_known(stored, given, first):
    """The database has each trade with the time of its packet, or up to a second later."""
    names = ("source", "partition", "ordinal")
    taken = {key: at for kind, at, batch in given if kind == "trades" for key in zip(*(batch[n] for n in names))}
    known = {
        tuple(key): at
        for batch in stored.trades(WHO, first, missing="mark").knowing().batches()
        for *key, at in zip(*(batch[n] for n in (*names, "known_at")))}
    equal(set(taken), set(known))
    late = [known[key] - at for key, at in taken.items()]
    check(0 <= min(late) and max(late) <= SECOND, min(late), max(late))


def exported(tape, first):
    """What is read of the tape can be exported."""
    import tapeline

    bars, trades = tape.bars(None, SERIES, first, missing="mark"), tape.trades("S0", START, order="any")
    told = tapeline.export_tree(f"{os.environ['DESK_SITE']}/tape", bars, trades)
    equal(told.rows, len(bars.to_polars()) + len(trades.to_polars()))
    equal(told.manifest["selections"][0]["origin"], {"tape": tape.origin.namespace})


def standing(tape, stored, first):
    """Frames are equal, and what is missing raises."""
    import tapeline

    for who in (None, "S0", ["S0", "S1"]):
        for missing in ("mark", "drop"):
            for start, end in ((None, None), (first, None), (START + 999, START + 70 * SECOND + 1)):
                of_tape = tape.bars(who, SERIES, start, end, missing=missing)
                of_stored = stored.bars(who, SERIES, start, end, missing=missing)
                for price in ("fixed", "float"):
                    one, two = of_tape.to_polars(price), of_stored.to_polars(price)
                    check(one.equals(two), who, missing, start, one, two)
                if start is None:
                    check(len(one) > 3, one)
                    equal(of_tape.provenance, of_stored.provenance)
    frame = tape.bars(None, None, first, missing="mark").to_polars()
    check(frame["version"].max() > 2 and not frame["is_whole"].all(), frame)
    whole = frame.filter(frame["is_whole"])[0]
    partial = frame.filter(~frame["is_whole"])[0]
    begin = partial["open_time"].dt.epoch("ns")[0]
    who = (partial["symbol"].cast(str)[0], partial["series"].cast(str)[0], begin, begin + SECOND)
    for desk in (tape, stored):
        with raises(tapeline.TapeHole, f"the bar of {who[1]} is not whole"):
            desk.bars(*who).to_polars()
    begin = whole["open_time"].dt.epoch("ns")[0]
    who = (whole["symbol"].cast(str)[0], whole["series"].cast(str)[0], begin, begin + SECOND)
    check(tape.bars(*who).coverage.is_complete and len(tape.bars(*who).to_polars()) == 1)
    for wrong, pattern in [
        (("S0", "7m"), "S0 .*nothing of it is on the tape in the series 7m"),
        (("TYPO", "1s"), "TYPO .*nothing of it is on the tape in the series 1s"),
        ((None, ["1s", "7m"]), "nothing of it is on the tape in the series 7m"),
        (("TYPO", None), r"TYPO .*nothing of it is on the tape\b"),
    ]:
        for when in ((), (first,)):
            with raises(tapeline.TapeHole, pattern):
                tape.bars(*wrong, *when).to_polars()
    with raises(tapeline.TapeHole, "nothing of it is on the tape"):
        tape.bars(None, "1s", first, source="typo").to_polars()
    # What is before the tape is missing, as in the database.
    for who, series in itertools.product((None, "S0", WHO), (None, "1s", SERIES)):
        for start in (first, START, START + 2 * SECOND, START + 3_600 * SECOND):
            told = [
                sorted((one.symbol or "", one.start, one.end) for one in desk.bars(who, series, start).coverage
                       if "from before" in one.cause)
                for desk in (tape, stored)
            ]
            equal(*told, who, series, start)
        with raises(tapeline.TapeHole, "nothing from before is on the tape"):
            tape.bars(who, series, first, first + SECOND).to_polars()
    from tapeline import history

    kept, history.KEPT_MAX = history.KEPT_MAX, 3
    try:
        with raises(tapeline.TapelineError, "more than 3 bars: select less time"):
            stored.live(bars={"S0": SERIES}, since=first, missing="mark")
    finally:
        history.KEPT_MAX = kept


def times_of(stored):
    """Returns the times at which versions were known, in nanoseconds."""
    with stored.origin.snapshot() as snapshot:
        rows = snapshot.rows(
            "SELECT DISTINCT (extract(epoch FROM known_at) * 1000000)::bigint * 1000"
            f" FROM {snapshot.market('bar_versions')} ORDER BY 1")
    return [row[0] for row in rows]


def known(tape, stored, first):
    """What was known at a time is the same, and raises at the same times."""
    import tapeline

    # Each partition has a later packet, so the minute in which an answer may be early does not matter.
    end, seen = START + 3_600 * SECOND, times_of(stored)[:-6]
    check(len(seen) > 50, seen)
    for number in range(0, len(seen), max(1, len(seen) // 12)):
        for at in (seen[number] - 1_000, seen[number], seen[number] + 999):
            for series in SERIES:
                answers = [
                    desk.bars(["S0", "S1"], series, first, end, as_of=at, missing="mark").to_polars("fixed")
                    for desk in (stored, tape)
                ]
                check(answers[0].equals(answers[1]), at, series, *answers)
    check(len(answers[0]) > 3)
    equal(len(tape.bars("S0", "1s", first, end, as_of=seen[0] - SECOND, missing="mark").to_polars()), 0)
    for desk in (tape, stored):
        with raises(tapeline.NotKnown, "is not known yet"):
            desk.bars("S0", "1s", first, end, as_of="2200-01-01").to_polars()
        with raises(tapeline.TapeHole, "is not whole"):
            desk.bars(["S0", "S1"], "1s", first, end, as_of=seen[-1]).to_polars()
    # A time that the tape has not reached, and that is older than a minute.
    import time

    real, time.time_ns = time.time_ns, lambda: real() + 3_600 * SECOND
    try:
        with raises(tapeline.NotKnown, r"the tape has partition 0 up to .* only"):
            tape.bars("S0", "1s", first, end, as_of=real()).to_polars()
        # Not even the last minute is answered while the tape is behind.
        with raises(tapeline.NotKnown, r"the tape has partition 0 up to .* only"):
            tape.bars("S0", "1s", first, end, as_of=time.time_ns() - 10 * SECOND).to_polars()
        check(len(tape.bars("S0", "1s", first, end, as_of=seen[-10], missing="mark").to_polars()) > 1)
    finally:
        time.time_ns = real


def lost(stored, torn, first):
    """A packet that the tape lost raises. Before it is lost, it is known what was known."""
    import tapeline

    del stored
    with raises(tapeline.TapeHole, r"\(hole: ordinals \d+ to \d+ of partition 3\)"):
        torn.bars("S1", "1s", first).to_polars()
    check(len(torn.bars("S1", "1s", first, missing="mark").to_polars()) > 3)
    # The other partition has lost nothing.
    check("hole" not in {one.cause for one in torn.bars("S0", "1s", first).coverage})
    known = [at for row in simulation(torn, first) for at in [row[1]]]
    with raises(tapeline.NotKnown, r"the tape lacks ordinals \d+ to \d+ of partition 3"):
        torn.bars("S1", "1s", first, as_of=known[-1]).to_polars()
    check(len(torn.bars("S1", "1s", first, as_of=known[0], missing="mark").to_polars()) < 3)
    with raises(tapeline.TapeHole, r"ordinals \d+ to \d+ of partition 3"):
        for _ in tapeline.simulate(torn, first, bars={"*": SERIES}, missing="mark"):
            pass


def gone(tape, purged, first):
    """Where the first versions of a bar may be purged, its number is not told."""
    import tapeline

    pattern = r"the tape has partition 0 from ordinal \d+ on"
    with raises(tapeline.TapeHole, pattern):
        purged.bars("S0", "1s", first).to_polars()
    with raises(tapeline.NotKnown, pattern):
        purged.bars("S0", "1s", first, as_of=START + 365 * 86_400 * SECOND).to_polars()
    with raises(tapeline.NotKnown, pattern):
        purged.bars("S0", "1s", as_of=START + 365 * 86_400 * SECOND, missing="mark").to_polars()
    for start in (None, first):
        marked = purged.bars("S0", "1s", start, missing="mark")
        equal(len(marked.to_polars()), 0)
    equal([one.cause for one in marked.coverage], ["purged"])
    check(len(purged.bars("S1", "1s", first, missing="mark").to_polars()) > 3)
    # Windows that begin after the first packet have all of their versions.
    now = marked.coverage[0].end
    check(purged.bars("S0", None, now, missing="mark").coverage.is_complete)
    away(purged, first, pattern)


def away(purged, first, pattern):
    """NATS may be away when a reading asks for the beginning of a partition: it then asks again."""
    import tapeline

    real, failures = purged.origin.purged, []

    def fails(*words, **names):
        failures.append(words)
        if len(failures) % 2:
            raise tapeline.NotReachable("NATS is away for a moment")
        return real(*words, **names)

    purged.origin.purged = fails
    try:
        with raises(tapeline.TapeHole, pattern):
            for _ in tapeline.simulate(purged, first, bars={"S0": "1s"}, missing="mark"):
                pass
        with purged.live(bars={"S0": "1s"}, since=first, missing="mark") as reading:
            with raises(tapeline.TapeHole, pattern):
                while reading.next(10) is not None:
                    pass
    finally:
        purged.origin.purged = real
    equal(len(failures), 4)


NAMES = {
    "trades": ("symbol", "partition", "ordinal", "event_time", "price"),
    "bars": ("symbol", "series", "open_time", "number", "version", "close", "known_at", "is_withdrawn"),
}


def rows_of(batches):
    """Returns the rows by kind and symbol, in their order."""
    found = collections.defaultdict(list)
    for one in batches:
        for row in zip(*(one[name] for name in NAMES[one.kind])):
            found[one.kind, row[0]].append(row)
    return dict(found)


def simulation(desk, first, **how):
    """Returns kind, known_at and rows of each batch, and what was missing."""
    import tapeline

    found = []
    with tapeline.simulate(desk, first, trades=WHO, bars=BARS, missing="mark", **how) as day:
        while True:
            try:
                batch = next(day)
            except tapeline.TapeHole:
                continue
            except StopIteration:
                return found
            found.append((batch.kind, batch.known_at, batch))


def simulated(tape, stored, first):
    import tapeline

    given = simulation(tape, first)
    batches = [one[2] for one in given]
    expected = rows_of(batches)
    equal(sorted(expected), [(kind, who) for kind in ("bars", "trades") for who in ("S0", "S1")])
    # What a live reading gives, in its order.
    count, live = sum(map(len, batches)), []
    with tape.live(trades=WHO, bars=BARS, since=first, missing="mark") as reading:
        while sum(map(len, live)) < count:
            live.append(reading.next(30))
    equal(rows_of(live), expected)
    # Nothing before it was known, and all of it in one order of time.
    seen = [one[1] for one in given]
    equal(seen, sorted(seen))
    ticks_known(stored, given, first)
    for pattern, wrong in (
        ("as_of of ticks reads a database", lambda: tape.quotes("S0", as_of=first)),
        ("as_of of gaps needs a database", lambda: tape.gaps("S0", as_of=first)),
        ("are in a database", lambda: tape.values("mean")),
    ):
        with raises(tapeline.TapelineError, pattern):
            wrong()
    watermark = 0
    for kind, at, batch in given:
        if kind == "bars":
            equal({-(-at // 1_000) * 1_000}, set(batch["known_at"]))
        else:
            check(min(batch["event_time"]) >= watermark, watermark)
        check((batch.watermark or 0) >= watermark and batch.seam is False, batch.watermark)
        watermark = batch.watermark or 0
    check(watermark > START)
    equal(batches[-1].watermark, reading.watermark)
    last = {}
    for row in expected["bars", "S0"] + expected["bars", "S1"]:
        last[row[:4]] = row[4:7] if not row[7] else None
    names = [name for name in NAMES["bars"] if name != "is_withdrawn"]
    equal({row[:4]: row[4:] for one in stored.bars(None, SERIES, missing="mark")
           for row in zip(*(one[name] for name in names))},
          {key: row for key, row in last.items() if row})
    equal(again(simulation(tape, first)), again(given))
    pieces(tape, first, given)
    with tapeline.simulate(tape, first, bars={"*": "1s"}) as day:
        with raises(tapeline.TapeHole, "nothing from before is on the tape"):
            next(day)
        with raises(tapeline.TapeHole, "is not whole"):
            list(day)


def again(given):
    return [(kind, at, one.watermark, rows_of([one])) for kind, at, one in given]


def pieces(tape, first, given):
    """An end, speeds, kinds, and mistakes."""
    import tapeline

    middle = given[len(given) // 2][1]
    cut = [one for one in again(given) if one[1] < middle]
    equal(again(simulation(tape, first, end=middle)), cut)
    span = given[-1][1] - given[0][1]
    equal(again(simulation(tape, first, speed=span / SECOND * 10)), again(given))
    with tapeline.simulate(tape, START, trades="S0", speed=1e-6) as day:
        check(day.next(5).known_at and day.next(0.01) is None)
        check("simulation of trades" in repr(day), repr(day))
    with raises(StopIteration, ""):
        next(day)
    one = tapeline.simulate(tape, START, trades="S0", price="fixed")
    batches = list(one)
    equal([row[:4] for row in rows_of(batches)["trades", "S0"]],
          [row[:4] for row in rows_of([two[2] for two in given])["trades", "S0"]])
    for pattern, call in [
        ("speed=", lambda: tapeline.simulate(tape, first, trades="*", speed=0)),
        ("speed=", lambda: tapeline.simulate(tape, first, trades="*", speed="fast")),
        ("missing=", lambda: tapeline.simulate(tape, first, trades="*", missing="drop")),
        ("nothing is selected", lambda: tapeline.simulate(tape, first)),
        ("is in the future", lambda: tapeline.simulate(tape, "2200-01-01", trades="*")),
        ("not after the start", lambda: tapeline.simulate(tape, first, first, trades="*")),
    ]:
        with raises(tapeline.TapelineError, pattern):
            call()


def page(tape):
    """The tasks of docs/python.md about the tape have answers."""
    import tapeline

    text = (ROOT / "docs" / "python.md").read_text()
    tasks = re.findall(r"^### (.*? on the tape.*?)\n```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    equal(len(tasks), 1)
    here = os.getcwd()
    os.chdir(os.environ["DESK_SITE"])
    for title, code in tasks:
        code = code.replace("AAPL", "S0").replace("2026-03-02", "2023-11-14")
        names = {"desk": tape, "tapeline": tapeline}
        exec(compile(code, title, "exec"), names)
        check(len(names["answer"]), title)
    os.chdir(here)
