"""Readings that fail in their middle, and streams that nobody reads to their end.

    streams.py WAY        a child process: reads a failing selection by a package, and ends with its exception"""

import array
import ctypes
import gc
import os
import subprocess
import sys
import threading

COUNT = 1_000
FAILURES = ("pyarrow", "polars", "duckdb", "own", "pandas")
"""The packages that read a selection of which the second batch raises."""


class Failing:
    """An origin with rows, and an exception instead of the second batch."""

    sorts = True

    def __init__(self, batches=1):
        self.batches, self.open_readings = batches, 0

    def described(self):
        return {}

    def coverage(self, wanted):
        from tapeline.coverage import Coverage

        return Coverage([])

    def open(self, wanted, check):
        import tapeline

        fields = [field for field in wanted.fields if field.name in ("event_time", "symbol", "price")]
        assert [field.kind for field in fields] == ["ts", "dict", "fixed"]
        self.open_readings += 1
        try:
            for number in range(self.batches):
                yield rows(fields, number)
            raise tapeline.DamagedTape("the second batch is damaged")
        finally:
            self.open_readings -= 1


def rows(fields, number):
    from tapeline.columns import Batch, Column

    count = 1_000
    numbers = array.array("q", range(number * count, (number + 1) * count))
    names = Column("dict", count, array.array("i", [0, 1] * (count // 2)), dictionary=("AAPL", "MSFT"))
    return Batch(tuple(fields), (Column("ts", count, numbers), names, Column("fixed", count, numbers, scale=9)))


def selected(origin):
    from tapeline.columns import Field
    from tapeline.selection import Selection, Wanted

    class Few(Wanted):
        fields = tuple(Field(name, kind, scale=9 if kind == "fixed" else 0) for name, kind in (
            ("event_time", "ts"), ("symbol", "dict"), ("price", "fixed")))

    return Selection(origin, Few("trades"), "UTC", "float", "mark")


def child(way):
    """Reads it. What is raised ends the process."""
    selection = selected(Failing())
    if way == "pyarrow":
        import pyarrow

        pyarrow.table(selection)
    elif way == "polars":
        import polars

        polars.DataFrame(selection)
    elif way == "duckdb":
        import duckdb

        duckdb.sql("SELECT count(*), sum(price) FROM selection").fetchall()
    elif way == "own":
        selection.to_arrow()
    elif way == "pandas":
        import pandas

        pandas.DataFrame.from_arrow(selection)


def dropped(origin, way):
    """Takes a batch of a stream, and drops the rest, also while an exception is raised."""
    import pyarrow

    reader = pyarrow.RecordBatchReader.from_stream(selected(origin))
    batch = reader.read_next_batch()
    if way == 0:
        return batch.num_rows
    if way == 1:
        raise KeyError("while a batch and a stream are held")
    if way == 2:
        return batch.column(2)
    return selected(origin).__arrow_c_stream__()


def streams():
    from desk.checks import check, equal
    from tapeline import arrow

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for way in FAILURES:
        done = subprocess.run([sys.executable, __file__, way], capture_output=True, text=True, env=environment)
        equal(done.returncode, 1, way, done.stderr)
        check("DamagedTape: the second batch is damaged" in done.stderr, way, done.stderr)
        check("Fatal" not in done.stderr and "ignored on" not in done.stderr, way, done.stderr)
    equal(arrow.live(), 0)
    origin = Failing(batches=3)
    for number in range(COUNT):
        try:
            dropped(origin, number % 4)
        except KeyError:
            pass
    gc.collect()
    equal((arrow.live(), origin.open_readings), (0, 0))
    elsewhere(origin)
    forgotten()
    looks()


def looks():
    """The first rows are shown without the rest, and a reading that fails says why, also in a notebook."""
    import tapeline
    from desk.checks import check, equal, raises

    origin = Failing()
    trades = selected(origin)
    head = trades.head(2)
    equal((len(head), origin.open_readings), (2, 0))
    equal(repr(head), "event_time                      symbol  price\n1970-01-01T00:00:00Z            AAPL    0\n"
          "1970-01-01T00:00:00.000000001Z  MSFT    0.000000001")
    equal(head.to_polars()["price"].to_list(), [0.0, 1e-9])
    check("<td>MSFT</td><td>0.000000001</td></tr>" in trades._repr_html_())
    check("and 900 more" in str(trades.head(1_000)) and repr(trades.head(1_000)).startswith("<1000 rows"))
    with raises(tapeline.DamagedTape, "the second batch is damaged"):
        trades.count()
    none = selected(Failing(batches=0))
    check(none._repr_html_().endswith("not read&gt;</p>the second batch is damaged"))
    with raises(tapeline.TapelineError, "a number of rows from 1 to 65,536"):
        trades.head(0)
    equal(origin.open_readings, 0)


def forgotten():
    """A stream whose reading is gone, as at the interpreter's end, fails instead of giving memory that nobody
    filled."""
    import errno

    from desk.checks import check, equal
    from tapeline import arrow

    place = arrow.library().tapeline_arrow_place()
    arrow._made(arrow.library().tapeline_arrow_stream(
        place, next(arrow._numbers), arrow._GET_SCHEMA, arrow._GET_NEXT, arrow._GET_LAST_ERROR))
    stream = arrow.ArrowArrayStream.from_address(place)
    schema, rows = arrow.ArrowSchema(), arrow.ArrowArray()
    told = []
    sys.unraisablehook = told.append
    try:
        for function, out in ((stream.get_schema, schema), (stream.get_next, rows)):
            equal(arrow._Fill(function)(place, ctypes.addressof(out)), errno.EINVAL)
            check(not out.release)
        equal(arrow._LastError(stream.get_last_error)(place), None)
    finally:
        sys.unraisablehook = sys.__unraisablehook__
    equal(told, [])
    arrow._Release(stream.release)(place)


def elsewhere(origin):
    """Threads without Python's lock release what others took, and the main thread ends the readings."""
    import pyarrow
    from desk.checks import equal
    from tapeline import arrow

    readers = [pyarrow.RecordBatchReader.from_stream(selected(origin)) for _ in range(64)]
    batches = [reader.read_next_batch() for reader in readers]
    equal(origin.open_readings, 64)
    places = [iter(range(64))] * 4

    def release(numbers):
        for number in numbers:
            readers[number] = batches[number] = None

    threads = [threading.Thread(target=release, args=(place,)) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # No call of the package: the interpreter does it between two lines.
    for _ in range(1_000):
        if not origin.open_readings:
            break
    equal(origin.open_readings, 0)
    equal(arrow.live(), 0)


if __name__ == "__main__":
    child(sys.argv[1])
