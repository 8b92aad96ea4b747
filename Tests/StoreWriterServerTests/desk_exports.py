"""Checks what the package `tapeline` writes for other engines, with those engines as readers. desk_package.py
calls it."""

import datetime
import json
import os
import pathlib
import random
import resource
import shutil

from desk_package import DAY, SITE, check, equal, raises


def left(name):
    """What an export left beside its folder."""
    return sorted(path.name for path in pathlib.Path(SITE).glob(f"{name}*"))


def frame_of(folder, *, names):
    """A tree as polars reads it, with the columns of the selection in their order."""
    import polars as pl

    return pl.read_parquet(folder, hive_partitioning=True).select(names)


class Synthetic:
    """An origin of rows that are made here, in the order of time or in another one."""

    def __init__(self, rows, sorts=True, size=1_000):
        self.rows, self.sorts, self.size = rows, sorts, size

    def described(self):
        return {"synthetic": len(self.rows)}

    def open(self, wanted, check):
        from tapeline import columns
        from tapeline.coverage import Coverage

        check(Coverage([]))
        texts = {}
        for start in range(0, len(self.rows), self.size):
            yield columns.batch(wanted.fields, self.rows[start : start + self.size], texts)

    def selection(self, kind="trades", **options):
        from tapeline.selection import Selection, Wanted

        options = {"tz": "UTC", "price": "fixed", "missing": "raise", **options}
        return Selection(self, Wanted(kind), **options)


def trade(ns, source="a", ordinal=1, symbol="AAPL", **changes):
    """A row of trades: a price of 100.5, a size of 7."""
    row = {"event_time": ns, "symbol": symbol, "price": 100_500_000_000, "size": 700_000_000,
           "exchange": "XNAS", "conditions": "", "action": "new", "source": source, "provider": "test",
           "receive_time": None if ns is None else ns + 5, "flags": 0, "time_resolution": 0, "provider_id": 0,
           "partition": 1, "epoch": 1, "ordinal": ordinal}
    assert row.keys() >= changes.keys()
    return tuple({**row, **changes}.values())


def quote(ns, bid, bid_size, ask, ask_size):
    return (ns, "S", bid, bid_size, ask, ask_size, "", "", "a", "test", ns, 0, 0, 0, 1, 1, 1)


def bar(series, open_time, seconds, **changes):
    row = {"open_time": open_time, "close_time": open_time + seconds * 10**9, "symbol": "S", "source": "a",
           "series": series, "number": 4, "open": 1, "high": 2, "low": -1, "close": 2, "vwap": None,
           "volume": 2**63 * 10**8, "notional": 0, "trades": 1, "excluded": 0, "is_whole": True,
           "is_mixed": False, "is_filled": False, "version": 0, "reason": "closed", "known_at": None}
    assert row.keys() >= changes.keys()
    return tuple({**row, **changes}.values())


def rows_of(batches):
    return [row for batch in batches for row in zip(*(batch[field.name] for field in batch.fields))]


def tree(desk, session):
    """A tree has the rows of the database in every reader, and its manifest says what it is."""
    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow.dataset
    import tapeline

    folder = f"{SITE}/tree"
    trades = desk.trades(["AAPL", "MSFT"], *DAY, missing="mark", price="decimal")
    quotes, bars = desk.quotes("SPY", *DAY), desk.bars(["AAPL", "SPY"], "1m", *DAY)
    made = tapeline.export_tree(folder, trades, quotes, bars)
    equal(left("tree"), ["tree"])
    for selection, path in ((trades, "kind=trades"), (quotes, "kind=quotes"), (bars, "kind=bars")):
        expected = selection.to_polars()
        names = expected.columns
        plain = expected.with_columns(pl.col("source").cast(str), *(
            [pl.col("series").cast(str)] if path == "kind=bars" else []))
        found = frame_of(f"{folder}/{path}", names=names)
        equal(found.schema, plain.schema)
        check(found.equals(plain), path)
        table = pyarrow.dataset.dataset(f"{folder}/{path}", partitioning="hive").to_table()
        check(pl.from_arrow(table).select(names).cast(plain.schema).equals(plain), path)
        frame = pd.read_parquet(f"{folder}/{path}")
        equal([str(value) for value in frame["date"].unique()], ["2026-03-02"])
        again = pl.from_arrow(pyarrow.Table.from_pandas(frame, preserve_index=False))
        check(again.select(names).cast(plain.schema).equals(plain), path)
        rows = duckdb.sql(
            f"SELECT {', '.join(names)} FROM read_parquet('{folder}/{path}/**/*.parquet',"
            " hive_partitioning=true, file_row_number=true) ORDER BY file_row_number")
        check(pl.from_arrow(rows.to_arrow_table()).cast(plain.schema).equals(plain), path)
    stored = session.execute(
        "SELECT event_time_ns, symbol, price, size, action, ordinal FROM md.trades"
        " WHERE symbol IN ('AAPL', 'MSFT') AND ts >= '2026-03-02 14:31Z' AND ts < '2026-03-02 15:29Z'"
        " ORDER BY event_time_ns, source, partition, ordinal").fetchall()
    found = frame_of(
        f"{folder}/kind=trades", names=["event_time", "symbol", "price", "size", "action", "ordinal"])
    actions = pl.col("action").cast(str).replace_strict({"new": 0, "correction": 1, "cancel": 2})
    equal(found.with_columns(pl.col("event_time").dt.epoch("ns"), pl.col("symbol").cast(str), actions).rows(),
          [tuple(row) for row in stored])
    manifest = json.loads(pathlib.Path(folder, "manifest.json").read_text())
    equal(manifest, made.manifest)
    equal([made.rows, sum(file["rows"] for file in manifest["files"])],
          [sum(len(one.to_polars()) for one in (trades, quotes, bars))] * 2)
    check("This is a snapshot" in manifest["snapshot"])
    for told, selection in zip(manifest["selections"], (trades, quotes, bars)):
        equal({"kind": told["selection"]["kind"], **told["provenance"]}, selection.provenance)
        check(told["snapshot_at"].startswith(str(datetime.datetime.now(datetime.UTC).year)))
        equal(json.dumps(told).count('"symbols"'), 1)
    holes = [one["selection"]["missing"] for one in manifest["selections"]]
    equal(holes, ["mark", "raise", "raise"])
    missing = manifest["selections"][0]["coverage"]["missing"]
    equal([(one["symbol"], one["state"], one["start"]) for one in missing],
          [("MSFT", "abandoned", "2026-03-02T14:52:00Z")])
    check("open sesame" not in json.dumps(manifest))
    with raises(tapeline.TapelineError, "tree is there already"):
        tapeline.export_tree(folder, quotes)
    with raises(tapeline.TapeHole, "abandoned"):
        tapeline.export_tree(f"{SITE}/hole", desk.trades("MSFT", *DAY))
    for pattern, selections in (
        ("needs a selection", ()), ("two selections of quotes", (quotes, quotes)), ("is no selection", (3,)),
    ):
        with raises(tapeline.TapelineError, pattern):
            tapeline.export_tree(f"{SITE}/hole", *selections)
    with raises(tapeline.TapelineError, "cannot write"):
        tapeline.export_tree(f"{SITE}/nowhere/hole", quotes)
    equal(left("hole"), [])


def same_tree(recorded, stored):
    """A tree of a recording, which is sorted on the disk, has the rows of one of the database."""
    import polars as pl
    import tapeline
    from tapeline import spool as spools

    kept, kind = spools.RUN_ROWS, recorded.wanted.kind
    try:
        spools.RUN_ROWS = 60
        one = tapeline.export_tree(f"{SITE}/{kind}-a", recorded)
    finally:
        spools.RUN_ROWS = kept
    other = tapeline.export_tree(f"{SITE}/{kind}-b", stored)
    provenances = [made.manifest["selections"][0]["provenance"] for made in (one, other)]
    equal(*provenances)
    equal({"kind": kind, **provenances[0]}, stored.provenance)
    expected = stored.to_polars().with_columns(pl.col("source").cast(str))
    for made in (one, other):
        found = pl.read_parquet(f"{made.folder}/kind={kind}", hive_partitioning=True)
        check(found.select(expected.columns).sort("event_time", maintain_order=True).equals(expected), kind)
    equal(one.manifest["selections"][0]["origin"], {"recording": "day.tape", "source": "test"})


def limits():
    """Files, parts and waiting rows keep to their limits, and the rows to their order."""
    import polars as pl
    import tapeline
    from tapeline import export, tree as trees

    day = 86_400 * 10**9
    start = 20_000 * day
    rows = [trade(None, ordinal=n) for n in range(3)]
    # Fifty days and three sources, of which one trades rarely.
    for number in range(1_500):
        source = "rare" if number % 50 == 0 else "ab"[number % 2]
        rows.append(trade(start + number // 30 * day + number % 30, source, number))
    kept = {name: getattr(trees, name) for name in ("OPEN_FILES_MAX", "PENDING_ROWS_MAX", "FILE_ROWS_MAX")}
    handles, opened, waiting = resource.getrlimit(resource.RLIMIT_NOFILE), [], []
    new = trees._Tree._new

    def counted(self, key):
        file = new(self, key)
        opened.append(len(self._open))
        waiting.append(self._waiting)
        return file

    names = [field.name for field in Synthetic(rows).selection().fields()]
    try:
        trees._Tree._new = counted
        used = len(os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 80, handles[1]))
        tapeline.export_tree(f"{SITE}/days", Synthetic(rows).selection())
        check(max(opened) <= trees.OPEN_FILES_MAX and max(waiting) <= trees.PENDING_ROWS_MAX)
        trees.OPEN_FILES_MAX, trees.PENDING_ROWS_MAX, trees.FILE_ROWS_MAX = 2, 9, 5
        opened.clear()
        waiting.clear()
        made = tapeline.export_tree(f"{SITE}/parts", Synthetic(rows).selection())
        counts = (max(opened), max(waiting), len(made.manifest["files"]))
        check(counts[0] == 2 and counts[1] <= 9 and counts[2] > 250, counts)
    finally:
        trees._Tree._new = new
        resource.setrlimit(resource.RLIMIT_NOFILE, handles)
        for name, value in kept.items():
            setattr(trees, name, value)
    expected = Synthetic(rows).selection().to_polars().with_columns(pl.col("source").cast(str))
    for folder in ("days", "parts"):
        files = sorted(str(path) for path in pathlib.Path(SITE, folder).rglob("*.parquet"))
        check(all(path[-22:-16] == "/part-" or path[-23:-16] == "/part-0" for path in files), files[0])
        found = pl.read_parquet(f"{SITE}/{folder}/kind=trades", hive_partitioning=True)
        undated = found.filter(pl.col("date").is_null())
        equal(undated["ordinal"].to_list(), [0, 1, 2])
        # In each source the order of the files' names and of their rows is that of time.
        check(found.filter(pl.col("date").is_not_null()).select(names).equals(
            expected.filter(pl.col("event_time").is_not_null()).sort("source", maintain_order=True)), folder)
        shutil.rmtree(f"{SITE}/{folder}")
    files_max, export.FILES_MAX = export.FILES_MAX, 5
    with raises(tapeline.TapelineError, "more than 5 files"):
        tapeline.export_tree(f"{SITE}/many", Synthetic(rows).selection())
    export.FILES_MAX = files_max
    equal(left("many"), [])
    on_the_disk(rows)


def on_the_disk(rows):
    """Files are on the disk before the folder has its name, and a full disk leaves nothing."""
    import tapeline

    told = []
    fsync, rename = os.fsync, os.rename
    try:
        os.fsync = lambda file: (told.append(os.readlink(f"/proc/self/fd/{file}")), fsync(file))
        os.rename = lambda one, other: (told.append("rename"), rename(one, other))
        made = tapeline.export_tree(f"{SITE}/safe", Synthetic(rows[:100]).selection())
    finally:
        os.fsync, os.rename = fsync, rename
    work = f"{SITE}/safe.{os.getpid()}.new/"
    before = {path.removeprefix(work) for path in told[: told.index("rename")]}
    check(before >= {"manifest.json", *(file["path"] for file in made.manifest["files"])}, before)
    equal(told[told.index("rename") + 1 :], [SITE])
    shutil.rmtree(f"{SITE}/safe")
    size = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, size[1]))
        with raises(tapeline.TapelineError, "cannot write .*safe"):
            tapeline.export_tree(f"{SITE}/safe", Synthetic(rows).selection())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, size)
    equal(left("safe"), [])


def spool():
    """Sorted runs give the order of event time, source, partition, ordinal, and equal rows keep theirs."""
    import tapeline
    from tapeline import columns, schema, spool as spools

    seed = random.randrange(10**6)
    print("seed", seed, end=": ")
    rng = random.Random(seed)
    rows = [
        trade(rng.choice([None, *range(40)]), rng.choice(["b", "a", "é", "Z"]), rng.randrange(4),
              partition=rng.randrange(2), provider_id=number)
        for number in range(700)
    ]
    kept = {name: getattr(spools, name) for name in ("RUN_ROWS", "RUNS_MAX", "BLOCK_ROWS")}
    folder = f"{SITE}/sorted"
    os.mkdir(folder)

    def key(row):
        return (row[0] is not None, row[0] or 0, row[7], row[13], row[15])

    try:
        for spools.RUN_ROWS, spools.RUNS_MAX, spools.BLOCK_ROWS in ((20, 2, 7), (50, 3, 60), (5_000, 2, 500)):
            own = spools.Spool(folder, schema.TRADES, schema.ORDER)
            for batch in Synthetic(rows, size=90).selection().raw_batches():
                own.add(batch)
            found = rows_of(own.batches())
            check(found == sorted(rows, key=key), seed)
            equal(os.listdir(folder), [])
    finally:
        for name, value in kept.items():
            setattr(spools, name, value)
    bars = [
        (n, n + 60, "S", "a", "1m", n, 1, 2, 3, 4, None, n * 10**30, -n, 5, 6, n % 2 == 0, None, False, 0,
         "closed", n)
        for n in range(50)
    ]
    own = spools.Spool(folder, schema.BARS, ("open_time",))
    own.add(columns.batch(schema.BARS, rng.sample(bars, 50), {}))
    equal(rows_of(own.batches()), bars)
    equal(tapeline.export_tree(f"{SITE}/none", Synthetic([]).selection()).manifest["files"], [])


TIME = "ts >= '2026-03-02 14:31Z' AND ts < '2026-03-02 15:29Z'"


def dbn(desk, session):
    """DBN files have the numbers of the database, by both readers of Databento."""
    import databento
    import databento_dbn
    import tapeline

    def stored(columns, table, more, order):
        rows = session.execute(f"SELECT {columns} FROM {table} WHERE {TIME} AND {more} ORDER BY {order}")
        return [tuple(int(value) if name != "symbol" else value for name, value in zip(names, row))
                for row in rows.fetchall() for names in [columns.split(", ")]]

    def read(schema):
        path = f"{SITE}/dbn/{schema}.dbn"
        store = databento.DBNStore.from_file(path)
        names = {int(one["symbol"]): symbol for symbol, places in store.mappings.items() for one in places}
        equal((store.dataset, str(store.schema), str(store.stype_out)), ("TAPELINE", schema, "instrument_id"))
        equal([store.metadata.start, store.metadata.end],
              [int(datetime.datetime(2026, 3, 2, *at, tzinfo=datetime.UTC).timestamp()) * 10**9
               for at in ((14, 31), (15, 29))])
        decoder = databento_dbn.DBNDecoder()
        decoder.write(pathlib.Path(path).read_bytes())
        records = decoder.decode()[1:]
        again = list(store)
        equal([bytes(one) for one in again], [bytes(one) for one in records])
        equal(set(map(type, again)), set(map(type, records)))
        check(not store.to_df()["symbol"].isna().any())
        return [(names[record.instrument_id], record) for record in again]

    trades, quotes = desk.trades(["AAPL", "SPY"], *DAY), desk.quotes(["SPY", "AAPL"], *DAY)
    bars = desk.bars(["AAPL", "SPY"], "1m", *DAY)
    with raises(tapeline.Misfit, r"do not fit into DBN: 1 with a cancel .* first AAPL at .*, ordinal 9000 "):
        tapeline.export_dbn(f"{SITE}/dbn", trades, bars)
    equal(left("dbn"), [])
    made = tapeline.export_dbn(f"{SITE}/dbn", trades, quotes, bars, unfit="mark")
    equal([file["path"] for file in made.manifest["files"]], ["trades.dbn", "mbp-1.dbn", "ohlcv-1m.dbn"])
    equal([[one["rows"] for one in told["left_out"]] for told in made.manifest["selections"]], [[1], [], []])
    who, order = "symbol IN ('AAPL', 'SPY')", "event_time_ns, source, partition, ordinal"
    expected = stored(
        "symbol, event_time_ns, receive_time_ns, price * 1e9, size", "md.trades", f"{who} AND action = 0",
        order)
    found = read("trades")
    equal([(name, r.ts_event, r.ts_recv, r.price, r.size) for name, r in found], expected)
    equal({(r.action, r.side, r.flags, r.depth, r.ts_in_delta, r.sequence, r.publisher_id) for _, r in found},
          {("T", "N", 128, 0, 0, 0, 0)})
    expected = stored(
        "symbol, event_time_ns, receive_time_ns, bid_price * 1e9, ask_price * 1e9, bid_size, ask_size",
        "md.quotes", who, order)
    found = read("mbp-1")
    levels = [(name, r, r.levels[0]) for name, r in found]
    equal([(name, r.ts_event, r.ts_recv, level.bid_px, level.ask_px, level.bid_sz, level.ask_sz)
           for name, r, level in levels], expected)
    equal({(r.action, r.side, r.flags, r.price, r.size) for _, r in found}, {("M", "N", 192, 2**63 - 1, 0)})
    expected = stored(
        "symbol, extract(epoch FROM ts) * 1e9, open * 1e9, high * 1e9, low * 1e9, close * 1e9, volume",
        "md_market.candles", f"{who} AND series = '1m'", "ts, symbol")
    found = read("ohlcv-1m")
    equal([(name, r.ts_event, r.open, r.high, r.low, r.close, r.volume) for name, r in found], expected)
    one = tapeline.export_dbn(f"{SITE}/dbn-2", quotes)
    numbers = made.manifest["selections"][1]["provenance"]
    equal(one.manifest["selections"][0]["provenance"], numbers)
    with raises(tapeline.TapeHole, "abandoned"):
        tapeline.export_dbn(f"{SITE}/hole", desk.trades("MSFT", *DAY), unfit="mark")
    with raises(tapeline.Misfit, "a bar that is not whole"):
        partial = desk.bars("AAPL", "1m", "2026-03-02 14:30", "15:00", missing="mark")
        tapeline.export_dbn(f"{SITE}/hole", partial)
    equal(left("hole"), [])


def misfits():
    """What DBN has no room for is refused by its name, or left out and counted; nothing is rounded."""
    import databento
    import tapeline
    from tapeline import dbn as files

    one, day = 10**8, 86_400 * 10**9
    start = 20_000 * day + 5
    wrong = [
        ("longer than 70", {"symbol": "x" * 71}), ("of ASCII", {"symbol": "Ä"}),
        ("no symbol", {"symbol": None}),
        ("no event time", {"event_time": None}), ("no receive time", {"receive_time": None}),
        ("before 1970", {"receive_time": -1}), ("a correction", {"action": "correction"}),
        ("a cancel", {"action": "cancel"}), ("not known", {"action": "9"}), ("no price", {"price": None}),
        ("no size", {"size": None}), ("not whole", {"size": one + 1}), ("below zero", {"size": -one}),
        ("32 bits", {"size": (2**32 - 1) * one}),
    ]
    fits = [
        trade(start, symbol="y" * 70, price=-1, size=0),
        trade(start + 1, size=(2**32 - 2) * one, price=2**62),
        # Databento's reader looks up the symbol of the day on which it came.
        trade(start + 2, receive_time=start + 3 * day),
    ]
    for text, change in wrong:
        rows = [*fits, trade(start + 3, ordinal=9, **change), trade(start + 4, **change)]
        with raises(tapeline.Misfit, f"into DBN: 2 with .*{text}.*, first .*, ordinal 9"):
            tapeline.export_dbn(f"{SITE}/misfit", Synthetic(rows).selection())
    equal(left("misfit"), [])
    rows = [*fits, *(trade(start + n, **change) for n, (_, change) in enumerate(wrong))]
    made = tapeline.export_dbn(
        f"{SITE}/misfit", Synthetic(rows).selection(), unfit="mark", dataset="X.Y", publisher_id=65_535)
    told = made.manifest["selections"][0]
    # Both names are of one reason.
    equal([entry["rows"] for entry in told["left_out"]], [2] + [1] * (len(wrong) - 2))
    equal((made.rows, told["provenance"]["rows"]), (len(fits), len(rows)))
    store = databento.DBNStore.from_file(f"{SITE}/misfit/trades.dbn")
    records = list(store)
    equal([(r.price, r.size, r.publisher_id) for r in records],
          [(-1, 0, 65_535), (2**62, 2**32 - 2, 65_535), (100_500_000_000, 7, 65_535)])
    equal(store.to_df()["symbol"].to_list(), ["y" * 70, "AAPL", "AAPL"])
    equal((store.dataset, store.metadata.start, store.metadata.end), ("X.Y", start, start + 3 * day + 1))
    for pattern, call in (
        ("of the sources a and b", lambda at: tapeline.export_dbn(
            at, Synthetic([trade(start), trade(start + 1, "b")], size=1).selection(), unfit="mark")),
        ("publisher_id=65536", lambda at: tapeline.export_dbn(
            at, Synthetic(fits).selection(), publisher_id=65_536)),
        ("dataset=", lambda at: tapeline.export_dbn(at, Synthetic(fits).selection(), dataset="x" * 16)),
        ("unfit=", lambda at: tapeline.export_dbn(at, Synthetic(fits).selection(), unfit="round")),
        ("leave depth out", lambda at: tapeline.export_dbn(at, Synthetic([]).selection("depth"))),
    ):
        with raises(tapeline.TapelineError, pattern):
            call(f"{SITE}/refused")
    kept, files.INSTRUMENTS_MAX = files.INSTRUMENTS_MAX, 1
    with raises(tapeline.TapelineError, "more than 1 symbols"):
        tapeline.export_dbn(f"{SITE}/refused", Synthetic(fits).selection())
    files.INSTRUMENTS_MAX = kept
    equal(left("refused"), [])
    quotes_and_bars(start)


def quotes_and_bars(start):
    """An empty side of a quote is one in DBN; windows are those of the schema, or refused."""
    import databento
    import tapeline

    one, day = 10**8, 20_000 * 86_400 * 10**9
    quotes = [quote(start, *values) for values in (
        (None, None, 5, one), (None, 0, None, None), (4, 0, 5, 2 * one), (None, one, 5, one),
        (4, None, 5, one), (4, one // 2, 5, one))]
    bars = [
        bar("1s", day, 1), bar("1m", day, 60), bar("1h", day, 3_600), bar("1d", day, 86_400),
        bar("5m", day, 300), bar("1d", day + 3_600 * 10**9, 86_400), bar("1m", day, 61),
        bar("1m", day, 60, is_whole=False), bar("1m", day, 60, is_filled=True), bar("1m", day, 60, open=None),
        bar("1m", day, 60, volume=1), bar("1m", day, 60, volume=2**64 * one), bar("1m", -60 * 10**9, 60),
    ]
    made = tapeline.export_dbn(
        f"{SITE}/sides", Synthetic(quotes).selection("quotes"), Synthetic(bars).selection("bars"),
        unfit="mark")
    equal([[(entry["reason"].split(" (")[0], entry["rows"]) for entry in told["left_out"]]
           for told in made.manifest["selections"]],
          [[("a size without a price", 1), ("no size", 1), ("a size that is not whole", 1)],
           [("a series other than 1s, 1m, 1h and 1d", 1),
            ("a window other than the second, minute, hour or day in UTC", 2), ("a bar that is not whole", 1),
            ("a bar without trades, with the price before", 1), ("no price", 1),
            ("a volume that is not whole", 1), ("a volume of more than 64 bits", 1),
            ("a time before 1970", 1)]])
    none = 2**63 - 1
    levels = [record.levels[0] for record in databento.DBNStore.from_file(f"{SITE}/sides/mbp-1.dbn")]
    equal([(level.bid_px, level.bid_sz, level.ask_px, level.ask_sz) for level in levels],
          [(none, 0, 5, 1), (none, 0, none, 0), (4, 0, 5, 2)])
    for series in ("1s", "1m", "1h", "1d"):
        records = list(databento.DBNStore.from_file(f"{SITE}/sides/ohlcv-{series}.dbn"))
        equal([(r.ts_event, r.open, r.high, r.low, r.close, r.volume) for r in records],
              [(day, 1, 2, -1, 2, 2**63)])


def catalog(desk, session):
    """A catalog of NautilusTrader has the numbers of the database, and a backtest replays them."""
    import tapeline
    from nautilus_trader.persistence.catalog import ParquetDataCatalog

    def stored(columns, table, more, order):
        return session.execute(
            f"SELECT {columns} FROM {table} WHERE {TIME} AND symbol IN ('AAPL', 'SPY') AND {more}"
            f" ORDER BY symbol, {order}").fetchall()

    def by_symbol(found):
        return sorted(found, key=lambda row: row[0])

    trades, quotes = desk.trades(["AAPL", "SPY"], *DAY), desk.quotes(["SPY", "AAPL"], *DAY)
    bars = desk.bars(["AAPL", "SPY"], "1m", *DAY)
    with raises(tapeline.Misfit, "into NautilusTrader's catalog: 1 with a cancel .*, ordinal 9000 "):
        tapeline.export_nautilus(f"{SITE}/cat", trades, bars, currency="USD")
    equal(left("cat"), [])
    made = tapeline.export_nautilus(f"{SITE}/cat", trades, quotes, bars, currency="USD", unfit="mark")
    equal([[one["rows"] for one in told["left_out"]] for told in made.manifest["selections"]], [[1], [], []])
    equal({"kind": "quotes", **made.manifest["selections"][1]["provenance"]}, quotes.provenance)
    found = ParquetDataCatalog(f"{SITE}/cat")
    defined = found.instruments()
    equal(by_symbol((str(one.id), type(one).__name__, one.price_precision, one.size_precision,
                     str(one.price_increment), str(one.quote_currency)) for one in defined),
          [(f"{name}.TEST", "Equity", 2, 0, "0.01", "USD") for name in ("AAPL", "SPY")])
    ticks = found.trade_ticks()
    # The tape took each tick a second after its receipt.
    expected = stored("symbol, price, size, event_time_ns, receive_time_ns + 1000000000, partition, ordinal",
                      "md.trades",
                      "action = 0", "receive_time_ns, event_time_ns, ordinal")
    equal(by_symbol((tick.instrument_id.symbol.value, tick.price.as_decimal(), tick.size.as_decimal(),
                     tick.ts_event, tick.ts_init, *map(int, tick.trade_id.value.split("-")))
                    for tick in ticks),
          [tuple(row) for row in expected])
    equal({(tick.price.precision, tick.size.precision) for tick in ticks}, {(2, 0)})
    expected = stored("symbol, bid_price, ask_price, bid_size, ask_size, event_time_ns,"
                      " receive_time_ns + 1000000000", "md.quotes", "true", "receive_time_ns, event_time_ns, ordinal")
    equal(by_symbol((tick.instrument_id.symbol.value, tick.bid_price.as_decimal(),
                     tick.ask_price.as_decimal(), tick.bid_size.as_decimal(), tick.ask_size.as_decimal(),
                     tick.ts_event, tick.ts_init) for tick in found.quote_ticks()),
          [tuple(row) for row in expected])
    expected = stored(
        "symbol, open, high, low, close, volume, (extract(epoch FROM close_time) * 1e9)::bigint,"
        " (extract(epoch FROM known_at) * 1e9)::bigint", "md_market.candles", "series = '1m'", "known_at, ts")
    equal(by_symbol((bar.bar_type.instrument_id.symbol.value, *(
        value.as_decimal() for value in (bar.open, bar.high, bar.low, bar.close, bar.volume)), bar.ts_event,
        bar.ts_init) for bar in found.bars()), [tuple(row) for row in expected])
    equal({str(bar.bar_type) for bar in found.bars()},
          {f"{name}.TEST-1-MINUTE-LAST-EXTERNAL" for name in ("AAPL", "SPY")})
    # A bar that was changed is known later than the bars after it.
    check(any(bar.ts_init - bar.ts_event > 10**12 for bar in found.bars()))
    replayed(defined, ticks + found.bars())
    with raises(tapeline.TapeHole, "abandoned"):
        tapeline.export_nautilus(f"{SITE}/hole", desk.trades("MSFT", *DAY), currency="USD", unfit="mark")
    equal(left("hole"), [])


def replayed(instruments, data):
    """Runs a backtest of all data with a strategy that counts them."""
    from nautilus_trader.backtest.engine import BacktestEngine
    from nautilus_trader.config import BacktestEngineConfig, LoggingConfig
    from nautilus_trader.model import Money, Venue
    from nautilus_trader.model.currencies import USD
    from nautilus_trader.model.enums import AccountType, OmsType
    from nautilus_trader.trading import Strategy

    class Counter(Strategy):
        ticks = bars = 0

        def on_start(self):
            for one in instruments:
                self.subscribe_trade_ticks(one.id)
            for kind in {item.bar_type for item in data if hasattr(item, "bar_type")}:
                self.subscribe_bars(kind)

        def on_trade_tick(self, tick):
            self.ticks += 1

        def on_bar(self, bar):
            self.bars += 1

    engine = BacktestEngine(config=BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(
        Venue("TEST"), OmsType.NETTING, AccountType.CASH, [Money(1_000_000, USD)], base_currency=USD)
    for one in instruments:
        engine.add_instrument(one)
    engine.add_data(data)
    counter = Counter()
    engine.add_strategy(counter)
    engine.run()
    bars = sum(hasattr(item, "bar_type") for item in data)
    equal((counter.ticks, counter.bars), (len(data) - bars, bars))
    engine.dispose()


def catalog_misfits():
    """What the catalog has no room for is refused by its name, or left out and counted."""
    import tapeline
    from nautilus_trader.persistence.catalog import ParquetDataCatalog
    from nautilus_trader.test_kit.providers import TestInstrumentProvider

    one, day = 10**8, 86_400 * 10**9
    start = 20_000 * day + 5
    wrong = [
        ("no symbol", {"symbol": None}), ("with other characters", {"symbol": "a?b"}),
        ("200 characters", {"symbol": "x" * 300}), ("that of another one", {"symbol": "btc-USD"}),
        ("no event time", {"event_time": None}), ("no receive time", {"receive_time": None}),
        ("before 1970", {"receive_time": -1}), ("a correction", {"action": "correction"}),
        ("a cancel", {"action": "cancel"}), ("not known", {"action": "9"}), ("no price", {"price": None}),
        ("no size", {"size": None}), ("above zero", {"size": 0}),
    ]
    fits = [trade(start, symbol="BTC USD", size=one // 4, price=-3), trade(start + 1, symbol="B/^#$_"),
            trade(start + 2, price=2**63 - 2, size=2**62)]
    for text, change in wrong:
        rows = [*fits, trade(start + 3, ordinal=9, **change), trade(start + 4, **change)]
        with raises(tapeline.Misfit, f"catalog: 2 with .*{text}.*, first .*, ordinal 9"):
            tapeline.export_nautilus(f"{SITE}/misfit", Synthetic(rows).selection(), currency="EUR")
    equal(left("misfit"), [])
    rows = [*fits, *(trade(start + n, **change) for n, (_, change) in enumerate(wrong))]
    made = tapeline.export_nautilus(
        f"{SITE}/misfit", Synthetic(rows).selection(), unfit="mark", currency="EUR", venue="X-1")
    told = made.manifest["selections"][0]
    equal(([entry["rows"] for entry in told["left_out"]], made.rows), ([1] * len(wrong), len(fits)))
    found = ParquetDataCatalog(f"{SITE}/misfit")
    equal({str(tick.instrument_id): (str(tick.price), str(tick.size)) for tick in found.trade_ticks()},
          {"BTC USD.X-1": ("-0.000000003", "0.25"), "B/^#$_.X-1": ("100.5", "7"),
           "AAPL.X-1": ("9223372036.854775806", "46116860184.27387904")})
    equal({str(one.id): (type(one).__name__, one.price_precision, one.size_precision, str(one.quote_currency))
           for one in found.instruments()},
          {"BTC USD.X-1": ("Cfd", 9, 2, "EUR"), "B/^#$_.X-1": ("Equity", 1, 0, "EUR"),
           "AAPL.X-1": ("Cfd", 9, 8, "EUR")})
    given = TestInstrumentProvider.equity("AAPL", "A")
    two = Synthetic([trade(start), trade(start, "b")]).selection()
    for pattern, selection, options in (
        ("of the sources a and b", two, {"venue": "X"}), ("venue='x'", two, {"venue": "x"}),
        ("currency='FOO'", two, {"currency": "FOO"}), ("unfit=", two, {"unfit": "round"}),
        ("leave depth out", Synthetic([]).selection("depth"), {}),
        ("is AAPL.A, and its rows are of AAPL.B", Synthetic([trade(start, "b")]).selection(),
         {"instruments": {"AAPL": given}}),
        ("has 2 decimals of prices", Synthetic([trade(start, price=1)]).selection(),
         {"instruments": {"AAPL": given}}),
    ):
        with raises(tapeline.TapelineError, pattern):
            tapeline.export_nautilus(f"{SITE}/refused", selection, **{"currency": "USD", **options})
    equal(left("refused"), [])
    tapeline.export_nautilus(
        f"{SITE}/given", Synthetic([trade(start)]).selection(), currency="USD", instruments={"AAPL": given})
    equal([str(tick.price) for tick in ParquetDataCatalog(f"{SITE}/given").trade_ticks()], ["100.50"])
    tapeline.export_nautilus(f"{SITE}/two", two, currency="USD")
    both = ParquetDataCatalog(f"{SITE}/two").instruments()
    equal(sorted(str(one.id) for one in both), ["AAPL.A", "AAPL.B"])


def catalog_files():
    """Files end where the time changes, rows come as they were known, and each kind has its rules."""
    import tapeline
    from nautilus_trader.persistence.catalog import ParquetDataCatalog
    from tapeline import nautilus as files

    start = 20_000 * 86_400 * 10**9
    # Known late, and many in the same moment.
    rows = [trade(start + n, ordinal=n, symbol="AB"[n % 2], receive_time=start + 1_000 - n // 20 * 10)
            for n in range(300)]
    names = ("FILE_ROWS", "SAME_TIME_MAX", "FILES_MAX", "INSTRUMENTS_MAX")
    kept = {name: getattr(files, name) for name in names}
    try:
        files.FILE_ROWS = 15
        made = tapeline.export_nautilus(f"{SITE}/small", Synthetic(rows).selection(), currency="USD")
        check(len(made.manifest["files"]) > 10 and made.rows == 300)
        for name, value, pattern in (
            ("SAME_TIME_MAX", 9, "more than 9 rows of A came at"), ("FILES_MAX", 5, "more than 5 files"),
            ("INSTRUMENTS_MAX", 1, "more than 1 instruments"),
        ):
            setattr(files, name, value)
            with raises(tapeline.TapelineError, pattern):
                tapeline.export_nautilus(f"{SITE}/limit", Synthetic(rows).selection(), currency="USD")
            setattr(files, name, kept[name])
    finally:
        for name, value in kept.items():
            setattr(files, name, value)
    equal(left("limit"), [])
    for symbol in "AB":
        ticks = ParquetDataCatalog(f"{SITE}/small").trade_ticks([f"{symbol}.A"])
        expected = sorted((row for row in rows if row[1] == symbol), key=lambda row: (row[9], row[0]))
        equal([(tick.ts_init, tick.ts_event, tick.trade_id.value) for tick in ticks],
              [(row[9], row[0], f"1-{row[15]}") for row in expected])
    sides = [quote(start, 4, 100, 5, 0), quote(start, None, 100, 5, 100), quote(start, 4, None, 5, 100),
             quote(start, 4, 100, 5, -1)]
    bars = [bar("5m", start, 300, volume=3), bar("5m", start, 299), bar("tick", start, 1),
            bar("1m", start, 60, is_whole=False), bar("1m", start, 60, open=None),
            bar("1m", start, 60, high=0), bar("1m", start, 60, volume=None),
            bar("1m", start, 60, volume=2**126)]
    made = tapeline.export_nautilus(
        f"{SITE}/rules", Synthetic(sides).selection("quotes"), Synthetic(bars).selection("bars"),
        currency="USD", unfit="mark")
    equal([[(entry["reason"], entry["rows"]) for entry in told["left_out"]]
           for told in made.manifest["selections"]],
          [[("a side without a price or a size", 2), ("a size below zero", 1)],
           [("a window that is not as long as the name of its series says", 1),
            ("a series whose name is not like 1s, 5m, 1h or 1d", 1), ("a bar that is not whole", 1),
            ("no price", 1), ("prices outside high and low", 1), ("no volume", 1),
            ("a size that is too large", 1)]])
    found = ParquetDataCatalog(f"{SITE}/rules")
    equal([(str(one.bid_price), str(one.bid_size), str(one.ask_size)) for one in found.quote_ticks()],
          [("0.000000004", "0.00000100", "0.00000000")])
    equal([(str(one.bar_type), one.ts_event - start, one.ts_init - start, str(one.volume))
           for one in found.bars()],
          [("S.A-5-MINUTE-LAST-EXTERNAL", 300 * 10**9, 300 * 10**9, "0.00000003")])
