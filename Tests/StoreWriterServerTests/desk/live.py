"""Live readings of a scene: history of the database, and a tape that is longer."""

import asyncio
import os
import pathlib
import re

from desk.checks import check, equal, raises

ROOT = pathlib.Path(__file__).resolve().parents[3]
KINDS = ("trades", "quotes", "depth")


def claiming():
    """While the first writers claim their partitions, a symbol is looked for where the tape has it."""
    import types

    from tapeline import history, live as readings
    from tapeline.coverage import partition_of
    from tapeline.selection import Wanted

    symbol = next(name for name in ("A", "B", "C", "D", "E", "F") if partition_of(name, 32) > 1)
    reading = object.__new__(readings.Live)
    reading._books = history.Books(positions={("ticks", 0): None, ("ticks", 1): None})
    reading._tape = types.SimpleNamespace(partitions=32)
    equal(reading._partitions_of(Wanted("trades", symbols=(symbol,))), [partition_of(symbol, 32)])
    equal(reading._partitions_of(Wanted("trades")), list(range(32)))


def live(stored, symbol, since, longer, cut):
    """History and then a longer tape give each row once, in pieces and after the database was away; what neither
    has raises. `make soak NAME=live` kills the services meanwhile."""
    import tapeline

    claiming()

    def of(namespace):
        return tapeline.desk.Desk(
            stored.origin, lambda: tapeline.connect(tape=True, namespace=namespace).origin)

    tape = tapeline.connect(tape=True, namespace=longer)
    expected = {
        (kind, *row[-3::2]): row
        for kind in KINDS
        for batch in getattr(tape, kind)(None, since, price="fixed", missing="mark")
        for row in zip(*(column.values() for column in batch.columns))
    }
    wanted = dict.fromkeys(KINDS, "*")
    rows, whole = tapeline.database.BATCH_ROWS, tapeline.history.Ticks.next
    for is_away in (False, True):

        def piece(ticks):
            found = whole(ticks)
            if is_away:
                ticks.close()
            return found

        tapeline.database.BATCH_ROWS, tapeline.history.Ticks.next = 100, piece
        try:
            given, twice, seams = read(
                of(longer).live(**wanted, since=since, price="fixed", missing="mark"), len(expected))
        finally:
            tapeline.database.BATCH_ROWS, tapeline.history.Ticks.next = rows, whole
        equal((twice, seams), ([], 1))
        equal(sorted(given.keys() ^ expected.keys())[:3], [])
        equal([key for key, row in given.items() if row != expected[key]][:3], [])
    # From before its first row of a kind, a symbol's history is missing.
    late = max(
        getattr(stored, kind)(symbol, since, missing="mark").to_polars()["event_time"].dt.timestamp("ns").min()
        for kind in KINDS
    )
    for policy in ("mark", "raise"):
        with of(cut).live(**dict.fromkeys(KINDS, symbol), since=late, missing=policy) as reading:
            with raises(tapeline.TapeHole, r"\(hole: ordinals 2003 to 2502 of partition 1\)"):
                while reading.next(10) is not None:
                    pass
            check(min(reading.next(10)["ordinal"]) > 2502)
    filled(stored, symbol)
    others(of(longer), since)


def filled(stored, symbol):
    """A hole of the tape is filled in pieces, with the gap records of all selected symbols, also when the database is
    away meanwhile."""
    import tapeline
    from tapeline import decoder, history, selection

    hole = decoder.Hole("test", 1, 301, 1_500)
    wanted = [
        selection.Wanted("trades", symbols=(symbol,)), selection.Wanted("quotes"),
        selection.Wanted("depth", sources=("other",))]
    expected = []
    for one in wanted[:2]:
        frame = getattr(stored, one.kind)(one.symbols or None, price="fixed", missing="mark").to_polars()
        expected += sorted((one.kind, n) for n in frame["ordinal"].to_list() if hole.first <= n <= hole.last)
    check(len(expected) > 300)
    rows = tapeline.database.BATCH_ROWS
    tapeline.database.BATCH_ROWS = 50
    try:
        given, sizes, filling = [], [], history.Filling(stored.origin, wanted, hole)
        while (found := filling.next()) is not None:
            kind, batch = found
            given += [(kind, ordinal) for ordinal in batch["ordinal"]]
            sizes.append(len(batch))
            filling.close()
            database, filling._database = filling._database, _Away()
            with raises(tapeline.NotReachable, "away"):
                filling.next()
            filling._database = database
    finally:
        tapeline.database.BATCH_ROWS = rows
    equal((given, max(sizes)), (expected, 50))
    equal(len(filling.gaps), 2)
    # What the writer has not stored is not filled.
    filling = history.Filling(stored.origin, wanted, decoder.Hole("test", 1, 301, 10**9))
    equal((filling.next(), filling.gaps), (None, None))


class _Away:
    def snapshot(self):
        import tapeline

        raise tapeline.NotReachable("the database is away")


def read(reading, count):
    """Returns the rows that a live reading gives, what came twice, and the number of its seams."""
    given, twice, seams = {}, [], 0
    with reading:
        while (batch := reading.next(10 if len(given) < count else 0.3)) is not None:
            seams += batch.seam
            for row in zip(*(column.values() for column in batch.columns)) if batch.kind in KINDS else ():
                key = (batch.kind, *row[-3::2])
                twice += [key] if key in given else []
                given[key] = row
    return given, twice, seams


def others(desk, since):
    """The page's program, `async for`, threads, forks and mistakes."""
    import tapeline

    text = (ROOT / "docs" / "python.md").read_text()
    code = re.search(r"History into live: .*?```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL).group(1)
    with desk.live(trades="*", since=since, missing="mark") as reading:
        first = reading.next()
        equal((first.kind, first.origin, first.seam), ("trades", "database", False))
        check(first.to_polars().equals(first.to_polars()) and len(first.to_pandas()) == len(first))
        child = os.fork()
        if child == 0:
            try:
                reading.next(0.1)
            except tapeline.TapelineError as error:
                os._exit(0 if "fork" in str(error) else 2)
            os._exit(1)
        equal(os.waitpid(child, 0)[1], 0)

    async def awaited():
        async for batch in desk.live(trades="*", since=since, missing="mark"):
            return len(batch)

    check(asyncio.run(awaited()) >= len(first))
    compile(code, "python.md", "exec")
    for pattern, call in [
        ("nothing is selected", lambda: desk.live()),
        ("on_slow=", lambda: desk.live(trades="*", on_slow="drop")),
        ("same series", lambda: desk.live(bars={"A": "1s", "B": "1m"})),
    ]:
        with raises(tapeline.TapelineError, pattern):
            call()
    with raises(tapeline.TapeHole, "nothing of it is stored"):
        desk.live(trades="TYPO", since=since)
