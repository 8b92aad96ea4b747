"""Readings that are interrupted, that several threads and tasks share, and whose origins are away: with parts of them
replaced."""

import asyncio
import collections
import threading
import time

from desk.checks import check, equal, raises


def readings():
    interrupted()
    prices()
    printed()
    beginnings()
    gaps()
    shared()
    tasks()
    purges()
    filling()
    sample()
    names()


class _Link:
    """A link with one block of one packet at each fetch. It raises once at a call."""

    is_connected = True

    def __init__(self, at, error):
        self.at, self.error = at, error

    def _call(self, name):
        if self.at == name:
            self.at = ""
            raise self.error

    def begin(self, *_, **__):
        return 1

    def fetch(self, milliseconds):
        self._call("fetch")

    def lanes(self):
        from tapeline import transport

        self._call("lanes")
        return [transport.Lane(kind=1)]

    def messages(self):
        from tapeline import transport

        return [transport.Message()]

    def state(self, number):
        from tapeline import transport

        return transport.RangeState(1)

    def feed(self, *_):
        self._call("feed")


class _Feeding:
    """A decoder that takes all of a block."""

    def feed(self, link, number, place):
        link.feed()


def interrupted():
    """What ends a step between its fetch and its last packet ends the reading, as rows may be lost."""
    import tapeline
    from tapeline import reading, transport

    def made(at, error):
        one = reading.Reading(
            None, [_Feeding()], [reading.Part("MD_TICKS_0", ("md.ticks.0.*",))], full=lambda: None,
            hole=lambda hole: None, follows=True)
        one._link = _Link(at, error)
        return one

    for at in ("fetch", "lanes", "feed"):
        one = made(at, KeyboardInterrupt())
        with raises(KeyboardInterrupt, ""):
            one.step(1)
        for _ in range(2):
            with raises(tapeline.TapelineError, "this reading was interrupted: begin another one"):
                one.step(1)
    # Nothing has come then.
    one = made("fetch", transport.TransportError(transport.AWAY, 0, "away"))
    equal(one.step(1), False)
    equal(one.step(1), True)
    # Between two steps rows are on their way, too.
    batches = _Batches([_trades(), KeyboardInterrupt(), _trades()])
    equal(len(batches.next()), 1)
    with raises(KeyboardInterrupt, ""):
        batches.next()
    with raises(tapeline.TapelineError, "interrupted"):
        batches.next()


def _Batches(pieces, wanted=()):
    """Returns batches of which each piece of work gives, or raises, what is next; False gives nothing."""
    from tapeline import batches

    class Own(batches.Batches):
        def _put(self, kind, rows, origin):
            self._out.append(batches.LiveBatch(rows.fields, rows.columns, kind, origin))

        def _advance(self, until):
            found = pieces.pop(0) if isinstance(pieces, list) else pieces()
            if isinstance(found, BaseException):
                raise found
            if found:
                self._put("trades", found, "tape")

        def _end(self):
            pass

    return Own(batches.LiveWanted(list(wanted), "UTC", "float", False, "block"))


def _trades(number=1):
    from tapeline import columns

    return columns.batch((columns.Field("n", "l"),), [(number,)], {})


def prices():
    """A batch of a live reading is as it was asked for, and a wrong price is refused."""
    import polars
    import tapeline
    from tapeline import batches, book, columns, schema

    names = {field.name: field for field in schema.TRADES}
    fields = [names["event_time"], names["price"]]
    raw = columns.batch(fields, [(0, 1_500_000_000)], {})
    for price, expected in (("fixed", 1_500_000_000), ("float", 1.5)):
        priced = raw.priced(price)
        one = batches.LiveBatch(priced.fields, priced.columns, "trades", tz="America/New_York")
        frames = [one.to_polars(), polars.DataFrame(one)]
        equal([frame["price"].to_list() for frame in frames], [[expected]] * 2)
        equal({str(frame.schema["event_time"]) for frame in frames},
              {"Datetime(time_unit='ns', time_zone='America/New_York')"})
        equal(one.to_pandas()["price"].tolist(), [expected])
    for call in (
        lambda: batches.LiveWanted([], "UTC", "floats", False, "block"),
        lambda: raw.priced("floats"),
        lambda: book.book(None, "AAPL", 1, None, None, "floats", "raise"),
    ):
        with raises(tapeline.TapelineError, "price='floats': it is 'float', 'fixed' or 'decimal'"):
            call()


def printed():
    """Bars that are printed on 80 columns show their prices and their volume. What a batch has keeps its order."""
    import pandas
    import polars
    from tapeline import columns, frames, schema

    ways = {"ts": 1_772_000_000 * 10**9, "dict": "AAPL", "l": 1, "fixed": 187_250_000_000, "wide": 10**11, "b": True}
    table = frames.Table(columns.batch(schema.BARS, [[ways[one.kind] for one in schema.BARS]] * 30, {}), "UTC")
    wanted = ("open_time", "symbol", "open", "high", "low", "close", "volume")
    frame = table.to_polars()
    with polars.Config(tbl_width_chars=80):
        text = str(frame)
    check(all(f" {name} " in text for name in wanted), text)
    with pandas.option_context("display.width", 80, "display.max_columns", 0):
        text = str(table.to_pandas())
    check(all(name in text.split() for name in ("open_time", "symbol", "open", "close", "volume")), text)
    check(str(table).split()[:7] == list(wanted), str(table))
    equal(list(table.to_pandas().columns), frame.columns)
    equal(sorted(frame.columns), sorted(one.name for one in schema.BARS))
    equal(table.to_arrow().schema.names, [one.name for one in schema.BARS])
    equal(schema.in_frame(["event_time", "open", "close"]), ["event_time", "open", "close"])


def beginnings():
    """The time before the tape begins is not told as a loss, with another stretch beside it it is."""
    from tapeline import coverage, errors, stored

    minute, begin = 60 * 10**9, 1_772_000_000 * 10**9
    first = begin - begin % minute
    bars = [("AAPL", "test", "1m", at, at + minute) for at in (first, first + minute)]
    one, other = coverage.not_whole(bars, [], {"test"}, begin)
    equal((one.cause, one.start, one.end), ("the bar of 1m is not whole: the tape begins within it", first, begin))
    check("a gap touches it" in other.cause, other)
    for known in (None, first, first - 1, first + 2 * minute):
        check(all("a gap touches it" in each.cause for each in coverage.not_whole(bars, [], {"test"}, known)), known)
    before = coverage.Missing(first, begin, coverage.BEFORE, "AAPL", "test")
    told = "the tape begins at 2026-02-25T06:13:20Z, after the start of this selection: AAPL of test from "
    for missing in ([one], [before, one]):
        check(str(errors.TapeHole(missing)).startswith(told), str(errors.TapeHole(missing)))
    check(str(errors.TapeHole([one, other])).startswith("data of this selection are missing: "))

    class Stored:
        def __init__(self, dropped):
            self.dropped = dropped

        def table(self, name):
            return name

        def rows(self, sql, values):
            if "retired_rows" in sql:
                return [(1,)] * self.dropped
            return [(begin,)] if " trades " in sql or " events " in sql else []

    equal([stored._begin(Stored(dropped)) for dropped in (0, 1)], [begin, None])


def _gap(symbol, ordinal):
    return ("ib", 3, symbol, "trade", 10**18, None, 10**18 + 5, "open", "disconnected", "", 1, ordinal)


class _Gaps:
    """A decoder in which gap records wait."""

    kinds = ("gaps",)

    def __init__(self, *rows):
        self._rows = list(rows)

    def take(self, kind, fields):
        from tapeline import columns

        rows, self._rows = self._rows, []
        return columns.batch(fields, rows, {}) if rows else None


def gaps():
    """Of several decoders with the same partition no gap record is left out, and none comes twice."""
    from tapeline import live, selection, simulation

    rows = [[_gap("AAPL", 10), _gap(None, 11)], [_gap("MSFT", 9), _gap(None, 11)]]
    own = _made(live.Live)
    own._decoders = [_Gaps(*some) for some in rows]
    own._take()
    own._take_all()
    day = _made(simulation.Simulation)
    day._give(simulation.Packet(1, rows=[("gaps", some) for some in rows]))
    for one in (own, day):
        (hole,) = one._holes
        equal([missing.symbol for missing in hole.missing], ["MSFT", "AAPL", None])
        # A record that was given before, and is read again.
        one._note_gaps([_gap("MSFT", 9)], "tape")
        equal(len(one._holes), 1)


def _made(kind):
    """Returns a reading of trades and quotes without any origin."""
    from tapeline import batches, selection

    one = kind.__new__(kind)
    wanted = [selection.Wanted("trades", symbols=("AAPL",), sources=("ib",), start=5), selection.Wanted("quotes")]
    batches.Batches.__init__(one, batches.LiveWanted(wanted, "UTC", "float", False, "block"))
    one._database = one._bars = one._filling = None
    one._gaps, one._missing, one._origin, one._known, one._had_tape = [], [], "tape", set(), True
    return one


def shared():
    """A time limit also holds while another thread waits for a batch."""
    gate = threading.Event()

    def piece():
        gate.wait(0.05)
        return gate.is_set() and _trades()

    batches = _Batches(piece)
    other = threading.Thread(target=batches.next, daemon=True)
    other.start()
    time.sleep(0.1)
    begin = time.monotonic()
    equal(batches.next(timeout=0.2), None)
    check(time.monotonic() - begin < 5)
    gate.set()
    other.join(10)
    equal(len(batches.next(timeout=10)), 1)


def tasks():
    """Each batch goes to one task, and what a cancelled wait left goes to the next one."""
    numbers = iter(range(1_000))
    gate = threading.Event()

    def piece():
        gate.wait(10)
        return _trades(next(numbers))

    async def run():
        batches, got = _Batches(piece), []
        try:
            await asyncio.wait_for(batches.__anext__(), 0.05)
        except asyncio.TimeoutError:
            got.append("late")
        gate.set()
        got.append((await batches.__anext__())["n"][0])

        async def task():
            for _ in range(5):
                got.append((await batches.__anext__())["n"][0])

        await asyncio.gather(task(), task())
        return got

    first, *got = asyncio.run(run())
    equal((first, got[0], sorted(got)), ("late", 0, list(range(11))))


class _Away:
    """Raises as often as it is told, and then has an answer."""

    def __init__(self, times, error, answer):
        self.left, self.error, self.answer, self.calls = times, error, answer, 0

    def __call__(self, *_, **__):
        self.calls += 1
        self.left -= 1
        if self.left >= 0:
            raise self.error
        return self.answer


def purges():
    """What was purged is asked for until there is an answer, and only of selected sources."""
    import tapeline
    from tapeline import coverage, errors, live, selection, tape, transport

    one, gone = tape.Tape.__new__(tape.Tape), coverage.Missing(5, 9, "purged")
    away = errors.NotReachable("away for a moment")
    wanted = selection.Wanted("trades", sources=("ib",), start=5)

    def asked(times, lane, is_closed=lambda: False, **how):
        one.purged = _Away(times, away, gone)
        return one.beginning(lane, wanted, is_closed, **how), one.purged.calls

    def lane(kind, source, first):
        return transport.Lane(source.encode(), kind=kind, first_ordinal=first, next_ordinal=first + 3)

    kept, tape.RETRY_SECONDS = tape.RETRY_SECONDS, 0.01
    try:
        equal(asked(3, lane(1, "ib", 7)), (gone, 4))
        equal(asked(0, lane(2, "operator", 7)), (gone, 1))
        equal(asked(0, lane(1, "ib", 1)), (None, 0))
        equal(asked(0, lane(1, "other", 7)), (None, 0))
        equal(asked(1, lane(1, "ib", 7), lambda: True), (None, 1))
        with raises(tapeline.NotReachable, "away for a moment"):
            asked(100, lane(1, "ib", 7), patience=0.03)
        own = _made(live.Live)
        own._tape, one.purged = one, _Away(2, away, gone)
        own._before([lane(1, "ib", 7), lane(1, "other", 7), lane(1, "ib", 10)])
        equal(([hole.missing for hole in own._holes], one.purged.calls), ([[gone]], 3))
    finally:
        tape.RETRY_SECONDS = kept


def filling():
    """A database that is away while it fills a hole is asked again, and one that fails leaves a hole."""
    from tapeline import decoder, errors, live

    hole = decoder.Hole("ib", 3, 5, 9)

    class Filling:
        def __init__(self, *pieces):
            self.pieces, self.hole, self.gaps = [*pieces], hole, [_gap("AAPL", 7)]

        def next(self):
            found = self.pieces.pop(0)
            if isinstance(found, BaseException):
                raise found
            return found

    kept, live.RETRY_SECONDS = live.RETRY_SECONDS, 0.0
    try:
        for last, told in ((None, "AAPL"), (errors.TapelineError("its time limit"), "5 to 9 of partition 3: its time")):
            own = _made(live.Live)
            own._stored, own._filling = [], Filling(("trades", _trades()), errors.NotReachable("away"), last)
            for count in (1, 1, 1):
                own._advance(None)
                equal(len(own._out), count)
            check(own._filling is None and own._out[0].origin == "database")
            check(told in str(own._holes[0]), str(own._holes[0]))
    finally:
        live.RETRY_SECONDS = kept


class _Rows:
    """A decoder of bars or ticks whose rows come at its first call."""

    all = [("A", "1m", 0), ("B", "1m", 0)]

    def __init__(self, kinds, symbols, *_, **__):
        self._rows = [row for row in self.all if not symbols or row[0] in symbols]

    def take(self, kind, fields):
        from tapeline import columns

        rows, self._rows = self._rows, []
        kinds = (("symbol", "dict"), ("series", "dict"), ("partition", "S"))
        return columns.batch([columns.Field(*one) for one in kinds], rows, {}) if rows else None


def sample():
    """A tape with few symbols is not read to its end to learn the number of its partitions."""
    from tapeline import tape

    read = []
    kept = tape.Decoder, tape.Reading, tape.steps
    tape.Decoder, tape.Reading = _Rows, lambda *_, **__: None
    tape.steps = lambda reading: (read.append(number) for number in range(1_000))
    try:
        one = tape.Tape.__new__(tape.Tape)
        one.namespace, one.address = "md", None
        equal(one._sample(), {("A", 0), ("B", 0)})
        check(len(read) < 20, len(read))
        read.clear()
        # Before its first tick there is nothing to learn.
        _Rows.all, rows = [], _Rows.all
        equal((one._sample(), len(read)), (set(), 1_000))
        _Rows.all = rows
    finally:
        tape.Decoder, tape.Reading, tape.steps = kept


def names():
    """A symbol with a bar in the time is not told as absent because another one has none there. And times of bars of a
    recording are whole microseconds."""
    from tapeline import recorded_bars, selection, tape_bars, versions

    class Tape:
        namespace, address, partitions, bar_stream = "md", None, 4, "MD_BARS"

        def partitions_for(self, wanted):
            return [0]

    def unknown(*symbols):
        wanted = selection.Wanted("bars", symbols=symbols, series=("1m",), end=2 * 10**15)
        survey = tape_bars._Survey(versions.Versions(wanted))
        survey.versions._numbering.versions["A", "test", "1m", 10**15, 0] = 1
        return [one.symbol for one in tape_bars.TapeBars(Tape(), wanted).absent(survey.versions.bars)]

    kept = tape_bars.Decoder, tape_bars.Reading, tape_bars.steps
    tape_bars.Decoder, tape_bars.Reading, tape_bars.steps = _Rows, lambda *_, **__: None, lambda one: iter([None])
    try:
        equal([unknown("A", "B"), unknown("A", "B", "C"), unknown("A")], [[], ["C"], []])
    finally:
        tape_bars.Decoder, tape_bars.Reading, tape_bars.steps = kept
    asked = []

    class Reader:
        def __init__(self, path, kind, symbols, start, end, **_):
            asked.append((start, end))

        def next(self, fields):
            return None

        def provenance(self):
            return {"lanes": []}

        def close(self):
            pass

    kept, recorded_bars.Reader = recorded_bars.Reader, Reader
    try:
        info = {"source": "ib", "bars": [], "present": [], "format": 2, "partitions": 4}
        for start, end in ((1_999, 5_001), (None, None)):
            recorded_bars.RecordedBars("x", info).read(selection.Wanted("bars", start=start, end=end))
    finally:
        recorded_bars.Reader = kept
    equal(asked, [(1_000, 6_000), (None, None)])
