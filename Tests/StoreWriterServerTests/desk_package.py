"""Checks the package `tapeline` as its wheel installs it, against other readers of the same data.

    desk_package.py database URL                   the database of data_page.sql
    desk_package.py nautilus URL                   the same, with nautilus_trader
    desk_package.py past URL                       the database of desk/history.sql
    desk_package.py recording FILE TORN_FILE       the same ticks in a recording and in POSTGRES_*
    desk_package.py streams                        readings that fail in their middle, or are dropped
    desk_package.py rows SEED                      what a server sends of rows, and wrong bytes

DESK_PACKAGE names the folder in which the wheel is installed (desk/install.py), DESK_SITE an empty one."""

import datetime
import json
import os
import pathlib
import re
import shutil
import sys
import threading
import types

from desk import checks, copies
from desk.books import books as order_books
from desk.checks import DAY, UTC, check, equal, raises
from desk.kinds import kinds
from desk.known import known
from desk.past import past
from desk.proofs import agree, proofs
from desk.streams import streams
from desk.tools import tools

ROOT = pathlib.Path(__file__).resolve().parents[2]
SITE, PACKAGE = os.environ["DESK_SITE"], os.environ["DESK_PACKAGE"]


def values(desk, session):
    """Frames have the values of the database, in all packages."""
    import duckdb
    import polars as pl
    import pyarrow as pa

    expected = session.execute(
        "SELECT event_time_ns, symbol, price, size, exchange, ordinal FROM md.trades WHERE symbol = 'AAPL'"
        " AND ts >= '2026-03-02 14:31Z' AND ts < '2026-03-02 15:29Z' ORDER BY ts, ordinal").fetchall()
    check(len(expected) > 3_000)
    trades = desk.trades("AAPL", *DAY)
    check("not read" in repr(trades) and "2026-03-02T15:29:00Z" in repr(trades), repr(trades))
    names = ["event_time", "symbol", "price", "size", "exchange", "ordinal"]
    exact = trades.to_polars(price="decimal").select(names)
    equal(exact.schema["event_time"], pl.Datetime("ns", "UTC"))
    equal(exact.with_columns(pl.col("event_time").dt.epoch("ns"), pl.col(pl.Categorical).cast(str)).rows(),
          [tuple(row) for row in expected])
    fixed = trades.to_polars(price="fixed")
    equal(fixed["price"].to_list(), [int(row[2] * 10**9) for row in expected])
    floats = trades.to_polars()
    equal(floats["price"].to_list(), [float(row[2]) for row in expected])
    check(floats.equals(pl.DataFrame(trades)))
    table = pa.table(trades)
    equal(table.column("price").to_pylist(), floats["price"].to_list())
    equal(duckdb.sql("SELECT count(*), sum(price) FROM trades").fetchall()[0][0], len(expected))
    frame = trades.to_pandas()
    equal(frame["price"].tolist(), floats["price"].to_list())
    equal(frame["event_time"].dt.as_unit("ns").astype("int64").tolist(), [row[0] for row in expected])
    exchanges = [row[4] for row in expected]
    equal((frame["exchange"].tolist(), frame["exchange"].cat.categories.tolist()), (exchanges, sorted(set(exchanges))))
    depth = desk.depth(missing="mark")
    # A reset has no side.
    equal(set(depth.to_pandas()["side"].dropna()), set(depth.to_polars()["side"].drop_nulls().cast(str)))
    equal(depth.to_pandas()["side"].isna().tolist(), depth.to_polars()["side"].is_null().to_list())
    equal(trades.to_pandas(price="decimal")["price"].tolist(), [row[2] for row in expected])
    equal(trades.to_numpy()["exchange"].tolist(), [row[4] for row in expected])
    equal(sum(len(batch) for batch in trades), len(expected))
    local = desk.trades("AAPL", "2026-03-02 09:31", "10:29", tz="America/New_York").to_polars()
    equal(local["event_time"].dt.epoch("ns").to_list(), [row[0] for row in expected])
    equal(local.schema["event_time"], pl.Datetime("ns", "America/New_York"))
    quotes = desk.quotes(["AAPL", "SPY"], *DAY).to_polars()
    check(quotes["event_time"].is_sorted() and quotes["symbol"].n_unique() == 2)
    check(desk.trades("AAPL", *DAY, source="nobody", missing="mark").to_polars().is_empty())


def holes(desk):
    """A hole raises, is listed, and can be read over."""
    import tapeline
    from tapeline import stored

    equal(desk.trades("AAPL", *DAY).coverage.is_complete, True)
    hole = desk.trades("MSFT", *DAY)
    with raises(tapeline.TapeHole, r"MSFT of test from 2026-03-02T14:52:00Z to .*14:54:58.5Z \(disconnected"):
        hole.to_polars()
    with raises(tapeline.TapeHole, "abandoned"):
        iter(hole)
    with raises(tapeline.TapeHole, "abandoned"):
        hole.__arrow_c_stream__()
    equal(len(hole.coverage), 1)
    equal((hole.coverage[0].state, hole.coverage[0].kind), ("abandoned", "trade"))
    check(len(desk.trades("MSFT", *DAY, missing="mark").to_polars()) > 3_000)
    check(desk.trades("MSFT", "2026-03-02 14:55", "15:29").coverage.is_complete)
    with raises(tapeline.TapeHole, "nothing from before is stored"):
        desk.trades("AAPL", "2026-03-02 14:00", "15:00").to_polars()
    with raises(tapeline.TapeHole, "nothing of it is stored"):
        desk.trades("NONE", *DAY).to_polars()
    with raises(tapeline.TapeHole, "NONE .*nothing of it is stored"):
        desk.quotes(["AAPL", "NONE"]).to_polars()
    for who, when in (("AAPL", DAY), ("AAPL", ()), (None, ())):
        with raises(tapeline.TapeHole, "nothing of it is stored in the series 7m"):
            desk.bars(who, ["1m", "7m"], *when).to_polars()
    known = types.SimpleNamespace(table=str, rows=lambda sql, values: [("1m",), ("1s",)] if "bar_series" in sql else [])
    equal(stored._series(known), ["1m", "1s"])
    # A series that others have is not named as what there is instead, and of nothing there is nothing to read.
    with raises(tapeline.TapeHole, r"^data of this selection are missing: NONE \(nothing of it is stored\)$"):
        desk.bars("NONE", "1m").to_polars()
    with raises(tapeline.TapeHole, "NONE of test from .*nothing of it is stored"):
        desk.trades("NONE", *DAY, source="test").to_polars()
    # Trades of it are there; its book was never subscribed.
    for when in ((), DAY):
        with raises(tapeline.TapeHole, "MSFT .*no depth of it is stored"):
            desk.depth("MSFT", *when).to_polars()
    with raises(tapeline.TapeHole, "AAPL from .* to 2026-03-02T14:40:00Z .*nothing from before is stored"):
        desk.depth("AAPL", *DAY).to_polars()
    ahead = [desk.trades("AAPL", DAY[0], 2**62, **how).coverage[-1] for how in ({}, {"source": "test"})]
    equal([(one.cause, one.end) for one in ahead], [("not recorded yet", 2**62)] * 2)
    check("not recorded yet" not in {one.cause for one in desk.trades("AAPL", DAY[0]).coverage})
    gaps = desk.gaps("MSFT", "2026-03-02", "2026-03-03").to_polars()
    equal(sorted(gaps["kind"].cast(str)), ["other", "quote", "trade"])


def books(desk):
    """Coverage goes by what retention, the writers and the tape have noted: here rows that only its queries
    see."""
    from tapeline import decoder, history, stored

    def missing(selection, **places):
        with desk.origin.snapshot() as snapshot:
            own = snapshot.table
            snapshot.table = lambda name: f"({places[name]}) AS {name}" if name in places else own(name)
            return [one for one in stored.missing(snapshot, selection._wanted) if "not whole" not in one.cause]

    def row(table, **values):
        return f"SELECT * FROM jsonb_populate_record(NULL::md.{table}, '{json.dumps(values)}')"

    def is_filled(gaps):
        """Whether ordinals that the tape does not have any more come from the database."""
        def snapshot():
            found = desk.origin.snapshot()
            own = found.table
            places = {"book_gaps": gaps, "reached_ordinals": row(
                "reached_ordinals", input="ticks", partition=1, source="test", last_ordinal=1600)}
            found.table = lambda name: f"({places[name]}) AS {name}" if name in places else own(name)
            return found

        hole = decoder.Hole(source="test", partition=1, first=1510, last=1520)
        filling = history.Filling(types.SimpleNamespace(snapshot=snapshot), [trades._wanted], hole)
        return bool(filling._check())

    def more(table, *rows):
        return " UNION ALL ".join([f"SELECT * FROM md.{table}", *rows])

    at, start = "2026-03-02 {}+00".format, int(datetime.datetime(2026, 3, 2, 14, 40, tzinfo=UTC).timestamp())
    trades, minutes = desk.trades("AAPL", *DAY), desk.bars("AAPL", "1m", *DAY)
    # Retention works by table: quotes of that time are there.
    gone = row("retired_rows", table_name="trades", input="ticks", until=at("14:40"))
    equal([(one.end, one.cause[:9]) for one in missing(trades, retired_rows=gone)], [(start * 10**9, "retention")])
    equal(missing(desk.quotes("AAPL", *DAY), retired_rows=gone) + missing(minutes, retired_rows=gone), [])
    series = row("bar_series", series="1m", is_long=False)
    for table, count in (("bars.1m", 1), ("bars_short", 1), ("bars_long", 0), ("bars.5m", 0)):
        gone = row("retired_rows", table_name=table, input="bars", until=at("14:40"))
        found = missing(minutes, retired_rows=gone, bar_series=series)
        equal([one.end for one in found], [start * 10**9] * count, table)
    # All series: retention of any one counts.
    gone = row("retired_rows", table_name="bars.5m", input="bars", until=at("14:40"))
    for who in ("AAPL", None):
        found = missing(desk.bars(who, None, *DAY), retired_rows=gone)
        equal([one.end for one in found if "retention" in one.cause], [start * 10**9])
    young = missing(minutes, bars=f"SELECT * FROM md.bars WHERE ts >= '{at('14:40')}'")
    equal([(one.end, one.cause) for one in young], [(start * 10**9, "no bar of 1m from before is stored")])
    # A writer that stands still, of the partition of AAPL.
    still = row("reached_positions", input="ticks", partition=1, claimed_at=at("14:00"), advanced_at=at("15:00"))
    for who, count in (("AAPL", 1), ("SPY", 0)):
        equal([one.cause for one in missing(desk.trades(who, DAY[0]), reached_positions=still)],
              ["not stored yet"] * count)
    equal(missing(desk.trades("AAPL", DAY[0], "14:59"), reached_positions=still), [])
    # A partition that never had a packet does not advance. One of which something is stored does.
    idle = row("reached_positions", input="ticks", partition=3, claimed_at=at("14:00"), sequence=0)
    known = row("sink_source_ordinals", input="ticks", partition=3, source="test")
    for places, count in (({}, 0), ({"sink_source_ordinals": known}, 1)):
        found = missing(desk.trades(None, DAY[0]), reached_positions=idle, **places)
        equal([one.cause for one in found].count("not stored yet"), count)
    # Lost ordinals of 14:54:58 to 14:56:38. What was backfilled for a time before has a higher one.
    def named(reason, group=None, stream="ticks"):
        return row("book_gaps", sink="store", input=stream, partition=1, source="test", reason=reason,
                   table_group=group, first_ordinal=1500 if stream == "ticks" else 1, last_ordinal=1600)

    lost = named("hole")
    equal(missing(desk.trades("AAPL", "2026-03-02 15:10", "15:20"), book_gaps=lost), [])
    late = more("trades", *[
        row("trades", ts=at("14:45:00.2"), symbol="AAPL", source="test", partition=1, ordinal=9500, **how)
        for how in ({"flags": 4, "action": 0}, {"flags": 0, "action": 2})])
    for places in ({}, {"trades": late}):
        found = missing(desk.trades("AAPL", "2026-03-02 14:45:00.5", "15:20"), book_gaps=lost, **places)
        equal([one.cause for one in found], ["hole"])
    # What a group of tables has lost is none of those who read another one. `rest` has the gaps of ticks.
    for group, count in (("ticks", 1), ("bars", 0), ("rest", 1)):
        hole = named("group_hole", group)
        found = missing(desk.trades("AAPL", "2026-03-02 14:45:00.5", "15:20"), book_gaps=hole)
        equal([one.cause for one in found], ["group_hole"] * count, group)
        check(all(group in one.detail for one in found), found)
        equal(is_filled(hole), not count, group)
        found = missing(minutes, book_gaps=named("group_hole", group, "bars"))
        equal([one.cause for one in found], ["group_hole"] * (group != "ticks"), group)
    equal([is_filled(lost), is_filled(named("given_twice"))], [False, True])
    # The gap of the source is one of the group's bars, and none of another source's.
    def of(source):
        named = json.dumps({"source": source})
        changed = f"SELECT b.* FROM md.bars AS o, jsonb_populate_record(o, '{named}') AS b"
        known = " UNION ALL ".join(
            row("sink_source_ordinals", source=name, input="ticks") for name in ("test", "b"))
        found = missing(desk.bars("MSFT", "1m", *DAY, source=source), bars=changed, sink_source_ordinals=known)
        return [one.state for one in found]

    equal([of("test"), of("both"), of("b")], [["abandoned"], ["abandoned"], []])
    # A gap without an end, and the record that closes it, both from before the selection.
    told = {"sink": "store", "input": "ticks", "partition": 1, "source": "test", "symbol": "AAPL",
            "kind": "trade", "reason": "test", "epoch": 1, "from_time": at("14:32"),
            "receive_time": at("14:32:30")}
    opened = row("gaps", **told, state="open", ordinal=1)
    closed = row("gaps", **told, state="open", ordinal=2, to_time=at("14:33"))
    later = desk.trades("AAPL", "2026-03-02 14:40", "15:00")
    equal([one.cause for one in missing(later, gaps=more("gaps", opened))], ["test"])
    equal(missing(later, gaps=more("gaps", opened, closed)), [])
    equal(len(missing(trades, gaps=more("gaps", opened, closed))), 1)


def bars(desk, session):
    """Bars are those of the view, and one that is not whole is a hole."""
    import tapeline

    names = "open, high, low, close, volume, notional, vwap, trades"
    expected = session.execute(
        f"SELECT ts, {names}, version, reason FROM md_market.candles WHERE symbol = 'AAPL' AND series = '1m'"
        " AND ts >= '2026-03-02 14:31Z' AND ts < '2026-03-02 15:29Z' ORDER BY ts").fetchall()
    frame = desk.bars("AAPL", "1m", *DAY, price="decimal").to_polars()
    told = frame.select(["open_time", *names.split(", "), "version", "reason"]).rows()
    equal([row[0].astimezone(UTC) for row in told], [row[0] for row in expected])
    equal([row[1:-1] for row in told], [row[1:-1] for row in expected])
    equal([str(row[-1]) for row in told], [row[-1] for row in expected])
    equal(desk.bars("AAPL", "1m", *DAY).to_polars()["volume"].to_list(), [float(row[5]) for row in expected])
    with raises(tapeline.TapeHole, "1m is not whole"):
        desk.bars("AAPL", "1m", "2026-03-02 14:30", "15:00").to_polars()
    marked = desk.bars("AAPL", "1m", "2026-03-02 14:30", "15:00", missing="mark").to_polars()
    equal(marked["is_whole"].to_list(), [False] + [True] * 29)
    equal(len(desk.bars("AAPL", "1m", "2026-03-02 14:30", "15:00", missing="drop").to_polars()), 29)
    equal(desk.bars("AAPL", "1m", *DAY).to_pandas()["is_whole"].tolist(), [True] * 58)
    with raises(tapeline.TapelineError, "as_of needs symbols|no function bars_as_of"):
        desk.bars("AAPL", "1m", as_of="2026-03-02 15:00").to_polars()
    # A time of day is of the day of the start, in the zone, and never of a later one.
    for at, tz, expected in [
        ("15:00", "UTC", (2, 15, 0)), ("01:01:00.5", "UTC", (2, 1, 1)), ("10:00", "America/New_York", (2, 15, 0)),
        ("2026-03-03 15:00", "UTC", (3, 15, 0)), ("2026-03-03", "UTC", (3, 0, 0)),
    ]:
        asked = desk.bars("AAPL", "1m", "2026-03-02 09:31", "2026-03-04", as_of=at, tz=tz).wanted.as_of // 10**9
        known = datetime.datetime.fromtimestamp(asked, UTC)
        equal((known.day, known.hour, known.minute), expected, at, tz)
    with raises(tapeline.TapelineError, "as_of='15:00' is of the day of the start, and there is none"):
        desk.bars("AAPL", "1m", as_of="15:00")
    check(desk.bars("AAPL", "1m", as_of="today 15:00").wanted.as_of > 10**18)
    equal(set(desk.bars("AAPL", None, *DAY, missing="mark").to_polars()["series"].cast(str)) >= {"1m"}, True)


def others(desk, url, folder):
    """Symbols, files, provenance, threads, forks and mistakes."""
    import numpy
    import pandas
    import polars as pl
    import tapeline

    equal([desk.trades(who, *DAY).wanted.symbols for who in ("*", ["*"], None)], [()] * 3)
    first = desk.trades("AAPL", *DAY).wanted.start
    for same in (numpy.datetime64(first, "ns"), numpy.datetime64("2026-03-02T14:31"), numpy.int64(first)):
        equal(desk.trades("AAPL", same, tz="America/New_York").wanted.start, first)
    day = {row["symbol"]: row["trades"] for row in desk.symbols(on="2026-03-02").rows()}
    equal(sorted(day), ["AAPL", "MSFT", "SPY"])
    equal(day["AAPL"], 3_600)
    equal(sorted({row["symbol"] for row in desk.symbols().rows()}), ["AAPL", "MSFT", "SPY"])
    trades = desk.trades(["AAPL", "SPY"], *DAY)
    path = f"{folder}/trades.parquet"
    equal(trades.write_parquet(path), len(trades.to_polars()))
    check(pl.read_parquet(path)["price"].to_list() == trades.to_polars()["price"].to_list())
    with raises(tapeline.TapelineError, "is there already"):
        trades.write_parquet(path)
    with_sessions(trades)
    frames = []
    threads = [threading.Thread(target=lambda: frames.append(trades.to_polars())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(len(frames) == 4 and all(frame.equals(frames[0]) for frame in frames))
    child = os.fork()
    if child == 0:
        try:
            desk.trades("AAPL", *DAY)
        except tapeline.TapelineError as error:
            os._exit(0 if "fork" in str(error) else 2)
        os._exit(1)
    equal(os.waitpid(child, 0)[1], 0)
    with desk.origin.snapshot() as snapshot:
        # The session is that of this process: a child does not end it.
        child = os.fork()
        if child == 0:
            snapshot.close()
            os._exit(0)
        equal(os.waitpid(child, 0)[1], 0)
        equal(snapshot.rows("SELECT 1"), [(1,)])
    for wrong in (
        "mysql://me:xyzzy@host/db", "postgresql://me:a@xyzzy@host/db", "postgresql://me:1/xyzzy@host/db",
        "postgresql://me:xyzzy%zz@host/db", "postgresql://me:xyzzy", "postgresql://host/db?xyzzy",
    ):
        with raises(tapeline.TapelineError, r"^(?!.*xyzzy).*(%40|is no URL of a database)"):
            tapeline.connect(wrong)
    for pattern, call in [
        ("is no time", lambda: desk.trades("AAPL", "half past nine")),
        ("no time zone", lambda: desk.trades("AAPL", *DAY, tz="Mars/Olympus")),
        ("not after the start", lambda: desk.trades("AAPL", "2026-03-02", "2026-03-01")),
        ("price=", lambda: desk.trades("AAPL", *DAY, price="cheap")),
        ("missing=", lambda: desk.trades("AAPL", *DAY, missing="drop")),
        ("empty: .* None or '\\*'", lambda: desk.trades([], *DAY)),
        ("empty: .* None or '\\*'", lambda: desk.bars("AAPL", [], *DAY)),
        ("5 is no name", lambda: desk.trades(5, *DAY)),
        ("bars=\\['AAPL'\\]: .*series of each symbol", lambda: desk.live(bars=["AAPL"])),
        ("NaT.* is no time", lambda: desk.trades("AAPL", numpy.datetime64("NaT"))),
        ("9999.* is no time", lambda: desk.trades("AAPL", numpy.datetime64("9999-01-01"))),
        ("NaT is no time", lambda: desk.trades("AAPL", pandas.NaT)),
        ("one symbol", lambda: desk.book("*", DAY[0])),
        ("out of range", lambda: desk.trades("AAPL", 2**64)),
        ("is no URL", lambda: tapeline.connect("mysql://me:open sesame@host/db")),
        ("is no namespace", lambda: tapeline.connect(url, namespace='md"; --')),
        ("cannot be reached", lambda: tapeline.connect(re.sub(r":\d+/", ":1/", url))),
        ("no local stack|is not up", lambda: tapeline.connect(home=folder)),
    ]:
        with raises(tapeline.TapelineError, pattern):
            call()


def stacks(url, folder):
    """The local stack that is up is found as `tapeline up` leaves it; one that is not up is not."""
    import psycopg.conninfo
    import tapeline

    # Whoever runs this may have stacks of their own.
    os.environ["HOME"] = str(pathlib.Path(folder) / "person")
    given = psycopg.conninfo.conninfo_to_dict(url)
    start = int(pathlib.Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    for name, time in (("default", start), ("gone", start + 1)):
        stack = pathlib.Path(folder) / ".local" / "stack" / name
        (stack / "secrets").mkdir(parents=True)
        state = {"version": 1, "supervisor": {"id": os.getpid(), "startTime": time}}
        (stack / "state.json").write_text(json.dumps(state))
        passwords = stack / "secrets" / "pgpass-reader"
        passwords.write_text("*:*:*:*:" + given["password"])
        passwords.chmod(0o600)
        names = {**{name: given[name] for name in ("host", "port", "dbname", "user", "options")},
                 "passfile": passwords}
        (stack / "secrets" / "pg_service.conf").write_text(
            "[tapeline]\n" + "".join(f"{key}={value}\n" for key, value in names.items()))
    inside = pathlib.Path(folder) / "docs" / "deep"
    inside.mkdir(parents=True)
    here = os.getcwd()
    os.chdir(inside)
    check(len(tapeline.connect().trades("AAPL", *DAY).to_polars()) > 3_000)
    os.chdir(here)
    check("default" not in repr(tapeline.connect(home=folder, stack="default")))
    with raises(tapeline.NotReachable, "'gone' is not up"):
        tapeline.connect(home=folder, stack="gone")
    with raises(tapeline.NotReachable, f"no stack 'typo' in {folder}.*: give home=.*TAPELINE_HOME"):
        tapeline.connect(home=folder, stack="typo")
    # Its supervisor is dead, and a process of it runs: that is up, as to the tool.
    gone = pathlib.Path(folder) / ".local" / "stack" / "gone" / "state.json"
    state = json.loads(gone.read_text())
    unit = {"process": {"id": os.getpid(), "startTime": start}}
    gone.write_text(json.dumps({**state, "units": [{"name": "migrate"}, unit]}))
    with raises(tapeline.TapelineError, r"several stacks are up \(default, gone\): name one, as in connect\(stack="):
        tapeline.connect(home=folder)
    gone.write_text(json.dumps(state))
    os.chdir("/")
    with raises(tapeline.NotReachable, "no stack 'default' in / or .*: give home=.*TAPELINE_HOME"):
        tapeline.connect(stack="default")
    # Those of the packages of Python are the person's.
    shutil.copytree(pathlib.Path(folder) / ".local" / "stack", pathlib.Path(os.environ["HOME"]) / ".tapeline")
    check(len(tapeline.connect().trades("AAPL", *DAY).to_polars()) > 3_000)
    equal(tapeline.stack.find(None, None, None, None, {}).stack.home, None)
    equal(tapeline.stack.find(None, None, folder, None, {}).stack.home, str(folder))
    os.chdir(here)
    database = tapeline.database.Database
    place = f"{given['dbname']} at {given['host']}:{given['port']}>"
    check(repr(tapeline.connect(url)).endswith(f"<database {place}>"), repr(tapeline.connect(url)))
    os.environ["PGSERVICE"] = "tapeline"
    equal(repr(database({}, "md")), "<database of the service tapeline>")
    del os.environ["PGSERVICE"]


def page(desk, package="", count=10):
    """The tasks of docs/python.md have answers. `package`: those that need this one, which is not where the
    others are."""
    import tapeline

    text = (ROOT / "docs" / "python.md").read_text()
    tasks = re.findall(r"^### (.*?)\n```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    # Those on the tape are tried there (desk/bars.py).
    tasks = [task for task in tasks if " on the tape" not in task[0]]
    tasks = [task for task in tasks if ("nautilus_trader" in task[1]) == bool(package)]
    equal(len(tasks), count)
    here = os.getcwd()
    os.chdir(SITE)
    names = {}
    for title, code in tasks:
        names = {"desk": desk, "tapeline": tapeline}
        exec(compile(code, title, "exec"), names)
        check(names["answer"] if isinstance(names["answer"], (dict, float, list)) else len(names["answer"]), title)
    os.chdir(here)


def with_sessions(trades):
    """The session of a stream that nobody reads ends with its capsule."""
    from tapeline import arrow

    capsules = [trades.__arrow_c_stream__() for _ in range(3)]
    equal(arrow.live(), 3)
    held = capsules.pop()
    del capsules
    equal(arrow.live(), 1)
    del held
    equal(arrow.live(), 0)


def without_libraries(desk, session):
    """A database has the same frames where the package has no compiled part."""
    from tapeline import arrow, copies

    kept, arrow.is_there = arrow.is_there, lambda: False
    copies.is_there = arrow.is_there
    try:
        values(desk, session)
        path = f"{SITE}/bare.parquet"
        bars = desk.bars("AAPL", "1m", *DAY, missing="mark")
        check(bars.write_parquet(path) == len(bars.to_polars()) > 0)
    finally:
        arrow.is_there = copies.is_there = kept


def database(url):
    import psycopg
    import tapeline

    with psycopg.connect(url) as session:
        session.execute("SET TimeZone = 'UTC'")
        desk = tapeline.connect(url)
        values(desk, session)
        without_libraries(desk, session)
        copies.stored(url)
        holes(desk)
        books(desk)
        bars(desk, session)
        others(desk, url, SITE)
        stacks(url, SITE)
        proofs(desk)
        known(desk)
        kinds(desk)
        order_books(desk)
        page(desk)
        desk_exports.tree(desk, session)
        desk_exports.limits()
        desk_exports.dbn(desk, session)
        desk_exports.misfits()
        desk_exports.spool()


def nautilus(url):
    import psycopg
    import tapeline

    with psycopg.connect(url) as session:
        session.execute("SET TimeZone = 'UTC'")
        desk = tapeline.connect(url)
        desk_exports.catalog(desk, session)
        desk_exports.catalog_misfits()
        desk_exports.catalog_files()
        page(desk, "nautilus_trader", 1)


def pure(selection):
    """The rows as they are sorted and converted without numpy."""
    from tapeline import columns

    kept, columns.numpy = columns.numpy, None
    try:
        return selection.to_polars()
    finally:
        columns.numpy = kept


def recording(path, torn):
    import polars as pl
    import tapeline

    stored, file = tapeline.connect(), tapeline.open(path)
    info = file.origin.info
    start, end = info["from"] + 10**9, info["to"]
    # The first one has the gap.
    symbols = sorted((row["symbol"] for row in file.symbols().rows()), key=lambda name: int(name[1:]))
    equal(len(symbols), 3)
    for kind in ("trades", "quotes", "depth", "provider_bars", "indicators"):
        for who in (None, symbols[1], symbols[:2]):
            of_file = getattr(file, kind)(symbols=who, start=start, missing="mark")
            of_stored = getattr(stored, kind)(symbols=who, start=start, missing="mark")
            for price in ("fixed", "decimal", "float"):
                one, other = of_file.to_polars(price), of_stored.to_polars(price)
                check(len(one) > 50 and one["event_time"].is_sorted(), kind, len(one))
                equal(one.schema, other.schema)
                differing = [name for name in one.columns if not one[name].equals(other[name])]
                check(one.equals(other), kind, who, price, differing,
                      one.select(differing).head(), other.select(differing).head())
            check(one.equals(pure(of_file)), kind)
            if who is None:
                agree(of_file, of_stored)
        desk_exports.same_tree(of_file, of_stored)
    direct(file, symbols)
    any_order = file.trades(symbols, order="any", missing="mark").to_polars()
    sums = [frame["ordinal"].sum() for frame in (any_order, file.trades(symbols, missing="mark").to_polars())]
    equal(*sums)
    equal(file.trades(symbols, order="any", missing="mark").provenance,
          stored.trades(symbols, missing="mark").provenance)
    # The gap of the first symbol: four of ten seconds are missing, in both.
    for desk in (stored, file):
        gaps = desk.gaps(symbols[0], start, end).rows()
        equal([(row["from_time"] - start, row["to_time"] - start, row["reason"]) for row in gaps],
              [(10 * 10**9, 14 * 10**9, "gateway_lost")])
        with raises(tapeline.TapeHole, r"gateway_lost, open: of a test"):
            desk.trades(symbols[0], start, start + 30 * 10**9).to_polars()
        # With an end: on a busy machine the writer may have stood still for a minute.
        check(len(desk.quotes(symbols[0], start + 3 * 10**8, end).to_polars()) > 20)
    with raises(tapeline.TapeHole, "TYPO .*nothing of it is recorded"):
        file.trades(["TYPO", symbols[1]], start, end).to_polars()
    with raises(tapeline.TapeHole, "after the recording"):
        file.trades(symbols[1], start, end + 1).to_polars()
    # Made without --from, it begins with its first packet.
    first = tapeline.open(path)
    first.origin.info = {**info, "from": None}
    with raises(tapeline.TapeHole, "before the recording"):
        first.trades(symbols[1], info["from"] - 10**9, end).to_polars()
    check(first.trades(symbols[1], end - 10**9, end).coverage.is_complete)
    with raises(tapeline.TapeHole, r"typo .*\(the recording is of test"):
        file.trades(symbols[1], start, source=["test", "typo"]).to_polars()
    check(file.trades(symbols[1], start, source="typo", missing="mark").to_polars().is_empty())
    equal(file.gaps(symbols[0], source="typo").rows(), [])
    with raises(tapeline.TapelineError, "made without bars"):
        file.bars("AAPL", "1m").to_polars()
    for asked in (lambda: file.trades(history=True), lambda: file.bars(history=True)):
        with raises(tapeline.TapelineError, "a recording or the tape: connect to the database"):
            asked()
    tools(stored, file, symbols[1], start)
    broken(path, torn, symbols[1], any_order)


def direct(file, symbols):
    """What packages read from the library itself is what Python makes of its rows."""
    import polars as pl
    import pyarrow as pa
    import tapeline

    for kind in ("trades", "quotes", "depth"):
        for who in (None, symbols[1]):
            for price in ("fixed", "float"):
                how = {"missing": "mark", "tz": "Asia/Tokyo", "price": price}
                selection = getattr(file, kind)(who, order="any", **how)
                made = getattr(file, kind)(who, **how).to_polars()
                for frame in (selection.to_polars(), pl.DataFrame(selection), pl.from_arrow(pa.table(selection))):
                    equal(frame.schema, made.schema, kind, price)
                    order = [pl.col(name).cast(str) if name == "source" else name for name in tapeline.schema.ORDER]
                    check(frame.sort(order).equals(made), kind, who, price)
    check(file.trades(symbols[1], 1, 2, order="any", missing="mark").to_polars().schema == file.trades(
        symbols[1], missing="mark").to_polars().schema)
    with raises(tapeline.TapeHole, r"gateway_lost, open: of a test"):
        file.trades(symbols[0], order="any").to_polars()
    given = file.trades(order="any", missing="mark").given(None)
    with raises(ValueError, "of a package"), tapeline.frames._handed(given):
        raise ValueError("of a package")
    check(given._handle is None)
    old_library()


def old_library():
    """A library of an older interface is refused by name, before a function of it is missing."""
    import tapeline

    decoder = tapeline.decoder
    decoder.library.cache_clear()
    decoder.INTERFACE += 1
    try:
        with raises(tapeline.NotReachable, "make the wheel again"):
            decoder.library()
    finally:
        decoder.INTERFACE -= 1


def broken(path, torn, symbol, whole):
    """A recording without a packet, and damaged ones."""
    import tapeline

    with raises(tapeline.TapeHole, r"\(hole: ordinals 1001 to 1052 of partition 1\)"):
        tapeline.open(torn).trades(symbol).to_polars()
    check(0 < len(tapeline.open(torn).trades(missing="mark").to_polars()) < len(whole))
    data = bytearray(pathlib.Path(path).read_bytes())
    data[len(data) // 2] ^= 1
    damaged = f"{SITE}/damaged.tape"
    pathlib.Path(damaged).write_bytes(data)
    for order in ("time", "any"):
        with raises(tapeline.DamagedTape, "."):
            tapeline.open(damaged).trades(missing="mark", order=order).to_polars()
    with raises(tapeline.NotReachable, "."):
        tapeline.open(f"{SITE}/absent.tape")


if __name__ == "__main__":
    # The other script finds this one by its name, and not a second copy.
    sys.modules["desk_package"] = sys.modules["__main__"]
    import desk_exports

    sys.path.insert(0, PACKAGE)
    parts = {"database": database, "nautilus": nautilus, "past": past, "recording": recording,
             "rows": copies.rows, "streams": streams}
    parts[sys.argv[1]](*sys.argv[2:])
    print(f"{checks.count} checks passed")
