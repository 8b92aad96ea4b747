"""Checks what the package `tapeline` reads of a tape, against other readers of the same data.

    desk_tape.py same FILE TORN PURGED LONGER CUT    the same ticks on the tape of NATS_URL, in POSTGRES_* and in a
                                                     recording; and four namespaces: without a packet, purged,
                                                     with more packets, and purged in these
    desk_tape.py bars TORN PURGED                    bars on the tape and in POSTGRES_*, and a simulation; and two
                                                     namespaces: with a lost packet, and purged
    desk_tape.py recorded FILE TORN BARE START TIMES   bars of a recording and of POSTGRES_*, as they stand and as they
                                                     were known at TIMES; recordings without a packet, and without bars
    desk_tape.py days START WHOLE TORN PURGED NO_BARS ONE   simulations of recordings and of the tapes whole, torn
                                                     and purged of NATS_URL; recordings without bars, of one symbol

DESK_PACKAGE names the folder in which the wheel is installed (desk/install.py), DESK_SITE an empty one."""

import collections
import itertools
import os
import sys
import time

import desk_package as base
from desk import checks
from desk.bars import bars
from desk.links import links
from desk.live import live
from desk.merges import merges
from desk.readings import readings
from desk.recorded_days import days
from desk.versions import versions
from desk_package import check, equal, raises


def same(path, torn, purged, longer, cut):
    """Frames of the tape, of the recording and of the database are equal, and holes raise."""
    import tapeline
    from tapeline import reading

    stored, file = tapeline.connect(), tapeline.open(path)
    tape = tapeline.connect(tape=True)
    equal(tape.origin.partitions, 4)
    equal(reading.TICK_STREAMS, int(os.environ["DESK_TICK_STREAMS"]))
    check(os.environ["NATS_URL"].partition("//")[2] in repr(tape), repr(tape))
    start, end = file.origin.info["from"] + 10**9, file.origin.info["to"]
    symbols = sorted((row["symbol"] for row in file.symbols().rows()), key=lambda name: int(name[1:]))
    for kind in ("trades", "quotes", "depth", "provider_bars", "indicators"):
        for who in (None, symbols[1], symbols[:2]):
            of_tape = getattr(tape, kind)(symbols=who, start=start, missing="mark")
            for other in (stored, file):
                of_other = getattr(other, kind)(symbols=who, start=start, missing="mark")
                for price in ("fixed", "float"):
                    one, two = of_tape.to_polars(price), of_other.to_polars(price)
                    check(len(one) > 50 and one.equals(two), kind, who, price, len(one), len(two))
                equal(of_tape.provenance, of_other.provenance)
    equal(tape.symbols().rows(), file.symbols().rows())
    values(tape, stored, file, symbols, start)
    equal(tape.gaps(symbols[0], start, end).rows(), file.gaps(symbols[0], start, end).rows())
    any_order = [len(batch) for batch in tape.trades(order="any", missing="mark")]
    equal(sum(any_order), len(tape.trades(missing="mark").to_polars()))
    with raises(tapeline.TapeHole, r"gateway_lost, open: of a test"):
        tape.trades(symbols[0], start, start + 30 * 10**9).to_polars()
    check(len(tape.trades(symbols[1], start + 3 * 10**8, start + 30 * 10**9).to_polars()) > 20)
    with raises(tapeline.TapeHole, r"nothing of it is on the tape"):
        tape.trades("S0", start).to_polars()
    beginnings(tape, stored, symbols, start)
    with raises(tapeline.TapeHole, r"typo .*nothing of it is on the tape"):
        tape.trades(symbols[1], start, source=["test", "typo"]).to_polars()
    with raises(tapeline.TapeHole, "nothing of it is on the tape in the series 1m"):
        tape.bars(symbols[1], "1m", start).to_polars()
    # A tape without a packet of bars does not raise for a time, but knows none.
    equal(len(tape.bars(symbols[1], "1m", start, as_of=end, missing="mark").to_polars()), 0)
    with raises(tapeline.TapelineError, r"times at which ticks were known: .*connect\(tape=True\)"):
        tapeline.simulate(stored, start, trades="*")
    equal(tape.trades(symbols[1], start, missing="mark")._origin.described(), {"tape": tape.origin.namespace})
    simulated(tape, symbols, start)
    patient(tape)
    broken(symbols[1], start, torn, purged)
    live(stored, symbols[1], start, longer, cut)
    addresses(tape, symbols[1], start)


def values(tape, stored, file, symbols, start):
    """Values of a name are the same everywhere, and those that are not there raise."""
    import tapeline

    for who in (None, symbols[1]):
        frames = [desk.indicators("größe", who, start, missing="mark").to_polars() for desk in (tape, stored, file)]
        check(len(frames[0]) > 20 and set(frames[0]["name"]) == {"größe"}, who, len(frames[0]))
        check(all(frames[0].equals(one) for one in frames[1:]), who)
    equal(set(file.indicators(symbols=symbols[1], missing="mark").to_polars()["symbol"]), {symbols[1]})
    check(None in set(file.indicators(missing="mark").to_polars()["symbol"]))
    end = start + 30 * 10**9
    for desk, pattern in ((tape, "on the tape: typo"), (stored, "stored: typo"), (file, "recorded: typo")):
        with raises(tapeline.TapeHole, f"nothing of it is {pattern}"):
            desk.indicators(["rate", "typo"], symbols[1], start, end).to_polars()
        with raises(tapeline.TapeHole, "S0"):
            desk.provider_bars(["S0", symbols[1]], start, end).to_polars()
        with raises(tapeline.TapeHole, r"gateway_lost, open: of a test"):
            desk.indicators(symbols=symbols[0], start=start, end=end).to_polars()
    # What operators publish is among values, and the recording has no bars.
    with raises(tapeline.TapeHole, "made without bars"):
        file.indicators(symbols=symbols[1], start=start, end=start + 10**9).to_polars()
    with raises(tapeline.TapelineError, "news are read from a database"):
        tape.news(symbols[1])
    with raises(TypeError, r"provider_bars\(\) got an unexpected keyword argument 'history'"):
        stored.provider_bars(symbols[1], history=True)


def beginnings(tape, stored, symbols, start):
    """What is before the tape is missing up to its first tick, as in the database."""
    import tapeline

    early = start - 60 * 10**9
    for kind, who in itertools.product(("trades", "quotes", "depth"), (None, symbols[1], symbols[1:])):
        told = [
            [(one.start, one.end // 1_000, one.symbol) for one in getattr(desk, kind)(who, early).coverage
             if "from before" in one.cause]
            for desk in (tape, stored)
        ]
        equal(*told)
        equal(len(told[0]), len(symbols[1:]) if isinstance(who, list) else 1)
        with raises(tapeline.TapeHole, "nothing from before is on the tape"):
            getattr(tape, kind)(who, early, start - 30 * 10**9).to_polars()
        late = getattr(tape, kind)(who, start + 3 * 10**8, missing="mark").coverage
        check(not any("before" in one.cause for one in late), late)
    with raises(tapeline.TapeHole, "S0 .*no depth of it is stored"):
        tape.depth("S0").to_polars()
    with raises(tapeline.NotKnown, "no depth of S0 is stored"):
        tape.book("S0", start + 10**9)
    with raises(tapeline.TapeHole, r"S0 of test .*nothing of it is on the tape"):
        tape.trades("S0", start, source="test").to_polars()
    ahead = tape.trades(symbols[1], start, 2**62, missing="mark").coverage[-1]
    equal((ahead.cause, ahead.end), ("not recorded yet", 2**62))
    for kinds, pattern in [
        ({"trades": "S0"}, "S0 .*nothing of it is on the tape"),
        ({"depth": "S0"}, "S0 .*no depth of it is stored"),
        ({"bars": {symbols[1]: "7m"}}, f"{symbols[1]} .*nothing of it is on the tape in the series 7m"),
    ]:
        with raises(tapeline.TapeHole, pattern):
            next(tapeline.simulate(tape, start + 3 * 10**8, missing="raise", **kinds))
        with raises(tapeline.TapeHole, pattern):
            tape.live(since=start + 3 * 10**8, **kinds)
    with raises(tapeline.TapeHole, "nothing from before is on the tape"):
        next(tapeline.simulate(tape, early, trades="*"))
    with raises(tapeline.TapeHole, "nothing from before is on the tape"):
        tape.live(trades=symbols[1], since=early)
    tape.live(trades=symbols[1]).close()


def simulated(tape, symbols, start):
    """A simulation has all kinds of ticks and the gap records, in the order of a live reading."""
    import tapeline

    def ordinals(batches):
        found = collections.defaultdict(list)
        for batch in batches:
            found[batch.kind] += zip(batch["partition"], batch["ordinal"])
        return found

    everything = {"trades": "*", "quotes": "*", "depth": "*"}
    told = ordinals(tapeline.simulate(tape, start, **everything, missing="mark"))
    equal(sorted(told), ["depth", "gaps", "quotes", "trades"])
    equal(len(told["gaps"]), 2)
    live = []
    with tape.live(**everything, since=start, missing="mark") as reading:
        while sum(map(len, live)) < sum(map(len, told.values())):
            live.append(reading.next(30))
    equal(ordinals(live), told)
    # Two decoders, as the kinds have other symbols.
    two = ordinals(tapeline.simulate(
        tape, start, trades=symbols[0], quotes=symbols[1], missing="mark"))
    equal(sorted(two), ["gaps", "quotes", "trades"])
    equal(two["gaps"], told["gaps"])
    for kind, who in (("trades", symbols[0]), ("quotes", symbols[1])):
        equal(len(two[kind]), len(getattr(tape, kind)(who, start, missing="mark").to_polars()))
    with raises(tapeline.TapeHole, "gateway_lost, open: of a test"):
        for _ in tapeline.simulate(tape, start + 3 * 10**8, trades=symbols[0]):
            pass


def patient(tape):
    """The time that a program takes for itself is no silence of the tape."""
    from tapeline import reading

    # Connecting, and making a consumer, take less.
    kept, reading._PATIENCE = reading._PATIENCE, 0.5
    try:
        one = reading.Reading(
            tape.origin.address, [], reading.tick_parts(tape.origin.namespace, [1], ()), full=lambda: None,
            hole=lambda hole: None)
        time.sleep(0.6)
        one.step(1)
        one.close()
    finally:
        reading._PATIENCE = kept


def recorded(path, torn, bare, start, known):
    """Bars of a recording are those of the database, and it raises where it cannot know."""
    import tapeline

    stored, file = tapeline.connect(), tapeline.open(path)
    start, known = int(start), [int(time) for time in known.split(",")]
    end, symbols = start + 10**10 * 60, sorted({row["symbol"] for row in file.symbols().rows()})
    symbols = sorted(symbols, key=lambda name: int(name[1:]))[:2]

    def same(one, other, *what):
        frames = [one.to_polars("fixed"), other.to_polars("fixed")]
        check(frames[0].equals(frames[1]), *what, *frames)
        check(one.to_polars().equals(other.to_polars()), *what)
        equal(one.provenance, other.provenance)
        return len(frames[0])

    for series in ("1s", "1m"):
        for who in (symbols, symbols[0]):
            for more in ({}, {"source": "test"}, {"missing": "drop"}):
                more = {"missing": "mark", **more}
                found = [desk.bars(who, series, start, end, **more) for desk in (file, stored)]
                check(same(*found, series, who, more) > 0 or len(more) > 1 or "drop" in more.values())
        counts = set()
        for at in {one + delta for one in known for delta in (-1_000, 0, 1_000)}:
            found = [desk.bars(symbols, series, start, end, as_of=at, missing="mark") for desk in (file, stored)]
            counts.add(same(*found, series, at))
            rows = found[0].to_polars()
            check(rows.is_empty() or rows["known_at"].dt.timestamp("ns").max() <= at, at)
        check(len(counts) > 2 and 0 in counts, counts)
    check(same(*(desk.bars(None, "1s", start, end, missing="mark") for desk in (file, stored))) > 0)
    unknown(file, symbols, start, end, known)
    with raises(tapeline.TapeHole, r"hole: ordinals [0-9]+ to [0-9]+ of the bars of partition 1"):
        tapeline.open(torn).bars(symbols, "1s", start, end, source="test").to_polars()
    check(len(tapeline.open(torn).bars(symbols, None, start, end, missing="mark").to_polars()) > 0)
    with raises(tapeline.NotKnown, "ordinals .* are missing"):
        tapeline.open(torn).bars(symbols, "1s", start, end, as_of=known[-1], missing="mark").to_polars()
    for as_of, error in ((None, tapeline.TapelineError), (known[0], tapeline.NotKnown)):
        with raises(error, "made without bars"):
            tapeline.open(bare).bars(symbols, "1s", start, end, as_of=as_of).to_polars()


def unknown(file, symbols, start, end, known):
    """What a recording does not know raises, as do holes."""
    import tapeline

    (stretch,) = file.origin.info["bars"]
    equal((stretch["partition"], stretch["from"]), (1, None))
    with raises(tapeline.NotKnown, "the recording ends at"):
        file.bars(symbols, "1s", start, end, as_of=stretch["to"] + 1_000).to_polars()
    from tapeline import versions

    kept, versions.Versions.delays = versions.Versions.delays, property(lambda one: {1: 2 * 10**9})
    try:
        with raises(tapeline.NotKnown, "clocks disagree from .*, where the recording ends"):
            file.bars(symbols, "1s", start, end, as_of=stretch["to"] - 10**9).to_polars()
    finally:
        versions.Versions.delays = kept
    every = (symbols[1], ["1s", "1m"], start, end)
    partial = file.bars(*every, source="test", missing="mark")
    equal({"is not whole" in one.cause for one in partial.coverage},
          set() if partial.to_polars()["is_whole"].all() else {True})
    with raises(tapeline.TapeHole, r"desk-2 .*\(the recording is of test"):
        file.bars(*every).to_polars()
    with raises(tapeline.TapeHole, "nothing of it is recorded in the series 5m"):
        file.bars(symbols[1], "5m", start, end).to_polars()
    late = file.bars(symbols[1], "1s", start, stretch["closed"] + 1, source="test").coverage
    equal([one.detail for one in late if "not closed yet" in one.cause], ["partition 1"])
    late = tapeline.open(file.origin.path)
    late.origin.info["bars"][0]["from"] = start - 9 * 10**9
    for time, error, why in (
        (known[-1], tapeline.NotKnown, "complete for windows from"), (None, tapeline.TapeHole, "before the bars"),
    ):
        with raises(error, why):
            late.bars(symbols, "1s", start, end, as_of=time).to_polars()
    left = late.bars(symbols, "1s", start, end, missing="mark").to_polars()["open_time"].dt.timestamp("ns")
    equal(left.min() >= start + 10**9, True)
    # Nothing is said of any other partition.
    late.origin._bars._stretches.clear()
    with raises(tapeline.NotKnown, "no complete bars of partition 1"):
        late.bars(symbols, "1s", start, end, as_of=known[-1]).to_polars()
    with raises(tapeline.TapeHole, "no complete bars of it"):
        late.bars(symbols, "1s", start, end).to_polars()


def broken(symbol, start, torn, purged):
    """What the tape lost and what was purged of it raises."""
    import tapeline

    hole = tapeline.connect(os.environ["NATS_URL"], namespace=torn).trades(symbol, start)
    with raises(tapeline.TapeHole, r"\(hole: ordinals 1001 to 1052 of partition 1\)"):
        hole.to_polars()
    young = tapeline.connect(tape=True, namespace=purged)
    with raises(tapeline.TapeHole, r"\(purged: the tape has partition 1 from ordinal 501 on\)"):
        young.trades(symbol, start).to_polars()
    rows = young.trades(symbol, start, missing="mark").to_polars()
    equal(rows["ordinal"].min() > 500, True)
    check(len(young.trades(symbol).to_polars()) == len(rows))
    # What was purged of a source that is not selected is no hole.
    day = tapeline.simulate(young, start, trades="*", source="other", missing="mark")
    equal((list(day), [one.cause for one in day.coverage]), ([], ["nothing of it is on the tape"]))
    with raises(tapeline.TapeHole, "all symbols of other .*nothing of it is on the tape"):
        next(tapeline.simulate(young, start, trades="*", source="other"))
    with young.live(trades="*", source="other", since=start, missing="mark") as reading:
        equal(reading.next(1), None)


def addresses(tape, symbol, start):
    """Mistakes are named without a password, and a desk is of its process."""
    import tapeline

    place = os.environ["NATS_URL"].partition("//")[2]
    for wrong, pattern in [
        ("nats://me:open sesame@host:1/x", "malformed"), ("nats://me:open sesame@", "malformed"),
        ("nats://me:open sesame@127.0.0.1:1", "127.0.0.1:1: "),
        (f"nats://{place},nats://a@{place}", "different users"),
        (f"tls://{place}", "NATS at"),
    ]:
        with raises(tapeline.TapelineError, pattern):
            tapeline.connect(wrong)
    with raises(tapeline.TapelineError, "no namespace"):
        tapeline.connect(tape=True, namespace="Md-")
    os.environ["MDS_PARTITIONS"] = "3"
    with raises(tapeline.TapelineError, "is in partition [0-9]+ of the tape.*MDS_PARTITIONS"):
        tapeline.connect(tape=True).trades(["S1", "S2", "S3", "S5"], start).to_polars()
    del os.environ["MDS_PARTITIONS"]
    child = os.fork()
    if child == 0:
        told = ""
        try:
            tape.trades(symbol, start)
        except tapeline.TapelineError as error:
            told = str(error)
        os._exit(0 if "fork" in told else 1)
    equal(os.waitpid(child, 0)[1], 0)


def of_bars(torn, purged):
    versions()
    merges()
    readings()
    links()
    bars(torn, purged)


if __name__ == "__main__":
    sys.path.insert(0, base.PACKAGE)
    {"same": same, "bars": of_bars, "recorded": recorded, "days": days}[sys.argv[1]](*sys.argv[2:])
    print(f"{checks.count} checks passed")
