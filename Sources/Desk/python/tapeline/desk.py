"""The desk: where a person asks for data."""

from __future__ import annotations

import datetime
import os
import pathlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from . import schema, stack as places, times
from .batches import LiveWanted, SlowPolicy
from .book import Book, book as made_book
from .columns import PriceType, batch, checked_price
from .coverage import overlaps, stretches
from .database import Database
from .errors import TapelineError
from .follow import LEASE_SECONDS, Follow
from .follow_batches import FollowWanted
from .frames import Table
from .heads import Heads
from .latest import KINDS, HotState, Latest, nanoseconds
from .live import Live
from .names import Names, checked, word
from .recording import Recording
from .selection import MissingPolicy, Selection, Wanted
from .sides import Sides
from .tape import Tape
from .times import Time
from .tool import TIME_LIMIT, Explanation, Proof, ask
from .valkey import Valkey


def connect(
    url: str | None = None,
    *,
    stack: str | None = None,
    home: str | os.PathLike[str] | None = None,
    namespace: str | None = None,
    tape: bool = False,
    nats: str | None = None,
    valkey: str | None = None,
) -> Desk:
    """Returns a desk on a database, or on the tape.

    Without arguments it is what the environment names (TAPELINE_URL, POSTGRES_HOST and the other settings of
    the services, libpq's own variables, as `eval "$(tapeline env)"` sets them), or the local stack that is up in
    the checkout around the working folder, or in that of TAPELINE_HOME. `stack`: the name of a local stack;
    `home`: the checkout that it belongs to; `namespace`: "md" if nothing names it.

    With `tape=True` it reads the tape instead: the ticks and bars that NATS has, up to the last one. A URL such as
    "nats://consumer:password@host:4222" names the tape by itself; otherwise it is TAPELINE_NATS, NATS_URL with
    the other settings of the services, or that of the local stack. `nats`: such a URL beside that of a database,
    for live readings. `valkey`: a URL such as "valkey://reader:password@host:6379" for `latest`; otherwise it is
    TAPELINE_VALKEY, VALKEY_HOST with the other settings of the services, or that of the local stack.

        desk = tapeline.connect()
        desk.bars("AAPL", "1m", "2026-11-20 09:30", "16:00", tz="America/New_York").to_polars()
    """
    if tape or url and url.startswith(("nats://", "tls://")):
        own = _tape(url or nats, stack, home, namespace)
        own.link().close()
        is_local = bool(stack or home) or not (
            url or nats or os.environ.get("TAPELINE_NATS") or os.environ.get("NATS_URL"))

        def same(group: str | None = None) -> Tape:
            return own if group is None else _tape(url or nats, stack, home, namespace, group=group)

        return Desk(own, same, lambda: _hot(valkey, stack, home, own.namespace, lambda: own, is_local))
    found = places.find(url, stack, home, namespace, os.environ)

    def tape_of(group: str | None = None) -> Tape:
        return _tape(nats, stack, home, found.namespace, is_local=found.stack is not None, group=group)

    def hot() -> HotState:
        return _hot(valkey, stack, home, found.namespace, tape_of, found.stack is not None)

    desk = Desk(Database(found.parameters, found.namespace, found.stack), tape_of, hot)
    # A wrong address is reported here, and not by the first frame.
    with desk.origin.snapshot():  # type: ignore[union-attr]
        return desk


def _tape(
    url: str | None, stack: str | None, home: str | os.PathLike[str] | None, namespace: str | None,
    *, is_local: bool = True, group: str | None = None,
) -> Tape:
    place = places.find_tape(url, stack, home, namespace, os.environ, is_local=is_local, group=group)
    return Tape(place.address, place.namespace, place.partitions)


def _hot(
    url: str | None, stack: str | None, home: str | os.PathLike[str] | None, namespace: str,
    tape: Callable[[], Tape], is_local: bool,
) -> HotState:
    address = places.find_valkey(url, stack, home, os.environ, is_local=is_local)
    return HotState(Valkey(address), namespace, Heads(tape))


def open(path: str | os.PathLike[str]) -> Desk:  # noqa: A001
    """Returns a desk on a recording (`tapeline record`): the same calls, and `tapeline.simulate`.

        desk = tapeline.open("day.tape")
        desk.trades("AAPL", "2026-11-20 14:30", "15:00").to_polars()
    """
    return Desk(Recording(path))


def demo() -> Desk:
    """Returns a desk on a recording that is inside this package, so that all of it can be tried before there is
    a stack: some minutes of trades, quotes and bars (10s and 1m) of three symbols of a synthetic market, whose
    gateway was away for a quarter of a minute. So a selection of all of it raises TapeHole.

        desk = tapeline.demo()
        desk.bars("AAPL", "10s", missing="mark").to_polars()
        for batch in tapeline.simulate(desk, "2026-01-01", trades=["AAPL"], bars={"AAPL": "10s"}, missing="mark"):
            print(batch.known_at, batch.kind, len(batch))
    """
    return open(pathlib.Path(__file__).with_name("demo.tape"))


class Desk(Sides):
    """Ticks, bars, gaps and more of a database, a recording or the tape. Any thread may use it."""

    def __init__(
        self, origin: Database | Recording | Tape, tape: Callable[..., Tape] | None = None,
        hot: Callable[[], HotState] | None = None,
    ) -> None:
        self.origin, self._tape = origin, tape
        self._find_hot, self._hot_lock = hot, threading.Lock()
        self._hot: HotState | None = None
        self._process = os.getpid()

    def __repr__(self) -> str:
        return f"<desk on {self.origin!r}>"

    def trades(
        self, symbols: Names = None, start: Time | None = None, end: Time | None = None, *,
        as_of: Time | None = None, source: Names = None, tz: str = "UTC", price: PriceType = "float",
        missing: MissingPolicy = "raise", order: str = "time", history: bool = False, effective: bool = False,
    ) -> Selection:
        """Selects trades, corrections and cancels as they came, with an event time in [start, end).

        Nothing is read yet: `to_polars()`, `to_pandas()`, `to_numpy()`, `write_parquet(path)`, iteration, or
        a package that takes Arrow (`polars.DataFrame(trades)`) reads. A selection with a hole raises
        TapeHole; `missing="mark"` reads it, and `.coverage` lists what is missing.

        `symbols`, `source`: a name or several; none, or "*": all. `start`, `end`: text ("2026-11-20 09:30", "today",
        "yesterday 09:30", "-1h", or "09:30", of the day of the start, and as a start of today), a `date`, a `datetime`
        (without a zone in `tz`), a `numpy.datetime64` (UTC), or nanoseconds. There is no "now": without an end it
        goes up to now, and an end in the future is a hole. `tz`: the zone of these texts and of the times in the
        frame. `price`: "float", "decimal" (exact), or "fixed" (whole numbers: prices in 1e-9, sizes in 1e-8).
        `order`: "time" (event time, then source, partition, ordinal), or "any": faster, and a recording is then
        read with little memory.

        Columns: `action` (new, correction, cancel: a change comes as a row of its own, and the trade stays),
        `conditions` and `exchange` as the provider has them, `flags` (the sum of: 1 state at the start of a
        subscription, 2 several events in one, 4 history that came later, 8 delayed, 16 outside of the session, 32
        partial, 64 not reported as one that makes the last price, 128 beyond the limits of the day),
        `time_resolution` of the provider's time (0 unknown, 1 ns, 2 us, 3 ms, 4 s, 5 min, 6 day), `epoch` (of the run
        of its gateway) and `ordinal`:
        (source, partition, ordinal) is unique. Ordinals count trades, quotes and depth of all symbols of a partition
        together, so those of one symbol have holes.

        `as_of`: those that were known at this time, with `known_at`: when the tape had taken them, up to a second too
        late. It needs a database, symbols, a start and an end, and raises NotKnown where that cannot be told. Of a
        recording or the tape `tapeline.simulate` gives what was known.

        `history=True`: with the past that `tapeline load` stored, before the live rows of its source. `source` names
        live ones then, and the column `source` says where a row is from. Each trade is there once, snapshots are left
        out, and `.seams` says where live begins. Only a database has it.

        `effective=True`: as trades count after cancels and corrections, with `as_of` by those that were known then:
        without cancelled ones, snapshots and those without price or size; `action` says whether one was corrected.
        Only a database has it.

            desk.trades(["AAPL", "MSFT"], "2026-11-20 09:30", "16:00", tz="America/New_York").to_polars()
        """
        return self._ticks(
            "trades", symbols, start, end, source, tz, price, missing, order, history, as_of, effective)

    def quotes(
        self, symbols: Names = None, start: Time | None = None, end: Time | None = None, *,
        as_of: Time | None = None, source: Names = None, tz: str = "UTC", price: PriceType = "float",
        missing: MissingPolicy = "raise", order: str = "time",
    ) -> Selection:
        """Selects changes of the best bid and offer: `bid_price`, `bid_size`, `bid_exchange`, and those of `ask`.
        Otherwise as `trades`."""
        return self._ticks("quotes", symbols, start, end, source, tz, price, missing, order, as_of=as_of)

    def depth(
        self, symbols: Names = None, start: Time | None = None, end: Time | None = None, *,
        as_of: Time | None = None, source: Names = None, tz: str = "UTC", price: PriceType = "float",
        missing: MissingPolicy = "raise", order: str = "time",
    ) -> Selection:
        """Selects changes and resets of order books: `operation` (insert, update, delete, reset) of the row `position`
        of a `side`, and the `reason` of a reset. Otherwise as `trades`. `book` makes books of them."""
        return self._ticks("depth", symbols, start, end, source, tz, price, missing, order, as_of=as_of)

    def book(
        self, symbol: str, at: Time, *, source: str | None = None, since: Time | None = None,
        rows: int | None = None, tz: str = "UTC", price: PriceType = "float",
        missing: MissingPolicy = "raise",
    ) -> Book:
        """Returns the order book of one source at a time, made of the rows since its last reset.

        A book of several sources is none: `source` names one. A hole since the reset raises TapeHole, and
        `missing="mark"` goes on over it. The reset is looked for up to 90 s before; `since`: from there on.
        `rows`: how many rows of each side were requested, where the provider does not delete what an insert
        moves beyond them; without it a book keeps all rows.

            desk.book("AAPL", "2026-11-20 14:31")
        """
        moment = times.nanoseconds(at, tz)
        if not isinstance(symbol, str) or symbol == "*":
            raise TapelineError(f"{symbol!r}: a book is of one symbol")
        if moment > time.time_ns():
            raise TapelineError(f"{times.text(moment)} has not come: a book is of a time that has passed")
        day = times.local_date(moment, tz)
        return made_book(
            lambda start, end, who: self.depth(
                symbol, start, end, source=source or who, order="any", missing="mark"),
            symbol, moment, None if since is None else times.nanoseconds(since, tz, day=day), rows, price,
            missing,
        )

    def explain(
        self, symbol: str, series: str, at: Time, *, source: str | None = None, tz: str = "UTC",
        time_limit: float = TIME_LIMIT,
    ) -> Explanation:
        """Explains the bar that a time lies in: every tick of its window and why it counts or not, its
        versions, its gaps, and whether its ticks make it again.

        `tapeline explain` of the local stack, or on the PATH, finds it out. Of another database NATS_URL has
        to name its tape.

            desk.explain("AAPL", "1m", "2026-11-20 14:31")
        """
        words = ["explain", word(symbol), word(series), times.text(times.nanoseconds(at, tz))]
        words += [f"--source={word(source)}"] if source else []
        return Explanation(*ask(self.origin, words, time_limit))

    def prove(
        self, symbols: Names = None, series: Names = None, start: Time | None = None, end: Time | None = None,
        *, tz: str = "UTC", time_limit: float = TIME_LIMIT,
    ) -> Proof:
        """Computes the bars with an open time in [start, end) again, from their ticks in the tables and on
        the tape, and compares them. No symbols or series: all.

        `tapeline prove` does it, as in `explain`.

            desk.prove("AAPL", "1m", "2026-11-20 14:30", "15:00")
        """
        if start is None:
            raise TapelineError("prove() wants a start")
        wanted = self._wanted("bars", symbols, start, end, None, tz, series=checked(series, "series"))
        words = ["prove", *map(word, wanted.symbols), f"--from={times.text(wanted.start)}"]
        words += [f"--to={times.text(wanted.end)}"] if wanted.end is not None else []
        words += [f"--series={word(name)}" for name in wanted.series]
        return Proof(*ask(self.origin, words, time_limit))

    def _ticks(
        self, kind: str, symbols: Names, start: Time | None, end: Time | None, source: Names = None,
        tz: str = "UTC", price: PriceType = "float", missing: MissingPolicy = "raise", order: str = "time",
        history: bool = False, as_of: Time | None = None, effective: bool = False, **more: Any,
    ) -> Selection:
        if order not in ("time", "any"):
            raise TapelineError(f"order={order!r}: it is 'time' or 'any'")
        if as_of is not None and (history or not isinstance(self.origin, Database)):
            raise TapelineError(
                "as_of of ticks reads a database, without history=True: tapeline.simulate gives what was known of"
                " a recording or the tape")
        if effective and (history or not isinstance(self.origin, Database)):
            raise TapelineError("effective=True reads a database, without history=True")
        wanted = self._wanted(
            kind, symbols, start, end, source, tz, as_of, is_ordered=order == "time", history=history,
            with_known=as_of is not None, effective=effective, **more)
        return Selection(self.origin, wanted, tz, price, missing)

    def bars(
        self, symbols: Names = None, series: Names = None, start: Time | None = None, end: Time | None = None, *,
        as_of: Time | None = None, source: Names = None, tz: str = "UTC", price: PriceType = "float",
        missing: MissingPolicy = "raise", history: bool = False,
    ) -> Selection:
        """Selects bars of series such as "1m", with an open time in [start, end), in their last version,
        or in the version that was known at the time `as_of`.

        A bar that is not whole is a hole. `missing="mark"` reads it (its `is_whole` is false), and
        `missing="drop"` leaves it out, and reads over all other holes. The rest is as in `trades`; with
        `price="fixed"` volume and notional are exact decimals, as they may have more than 64 bits. Without `series` it
        is all of them: `desk.bars("AAPL", start="today", missing="mark").to_polars()["series"].unique()` lists them.

        In a database `as_of` needs symbols, one series, a start and an end. A time of day in it is of the day of the
        start. A bar that was not known then is not in the frame, and is no hole.

        `history=True`: with the loaded past, as in `trades`. Of each window there is one bar. That of the seam is whole
        if the past has all of it. It does not go with `as_of`.

        Columns: `number` (0 of bars of time, a count of others), `trades` that are in the bar and `excluded` ones that
        a rule left out, `is_mixed` (of more than one provider), `is_filled` (a window without trades, made of the close
        before it), `version` (from 1 on), its `reason` (closed, late, bust, gap, backfill or repair), and `known_at`,
        when the tape took it.

            desk.bars("AAPL", "1m", "2026-11-20 09:30", "16:00", tz="America/New_York").to_pandas()
        """
        if history and as_of is not None:
            raise TapelineError("history=True does not go with as_of: what was loaded later was not known then")
        wanted = self._wanted(
            "bars", symbols, start, end, source, tz, as_of, series=checked(series, "series"),
            whole_only=missing == "drop", history=history,
        )
        return Selection(self.origin, wanted, tz, price, missing)

    def live(
        self, *, trades: Names = None, quotes: Names = None, depth: Names = None,
        bars: Mapping[str, Names] | None = None, since: Time | None = None, source: Names = None,
        tz: str = "UTC", price: PriceType = "float", missing: MissingPolicy = "raise",
        on_slow: SlowPolicy = "block",
    ) -> Live:
        """Begins an endless reading: what the database has since a time, and then the tape, as it grows. Each
        tick comes once, and none is left out at the seam.

        `trades`, `quotes`, `depth`: symbols, or "*" for all. `bars`: the series of each symbol (or of "*");
        every version of a bar comes. `since`: event time of the first tick, or open time of the first bar;
        none: now. Batches are of one kind each: `batch.kind`, `batch.to_polars()`, `batch.watermark`,
        `batch.seam` (see `LiveBatch`). Rows of one kind come in the order of the tape in each partition, and those of
        two kinds in batches of their own: sort by source, partition and ordinal before you join them.

        It continues by itself when services, NATS and the database were away. What the tape lost, a gap record
        and a bar that is not whole raise TapeHole; the next call continues after it. With `missing="mark"` gap
        records are batches of the kind "gaps", bars come as they are, and lost ordinals still raise.

        Nothing waits in memory for a slow program but one piece of the tape: with `on_slow="block"` the tape
        keeps the rest, and with "raise" a program that is not at the end of the tape for 30 s gets an error.

            for batch in desk.live(trades=["AAPL"], bars={"AAPL": ["1s"]}, since="09:30"):
                print(batch.kind, len(batch), batch.watermark)
        """
        if isinstance(self.origin, Recording) or self._tape is None:
            raise TapelineError("a recording has nothing live: connect to a database or a tape")
        if missing not in ("raise", "mark") or on_slow not in ("block", "raise"):
            raise TapelineError(
                f"missing={missing!r}, on_slow={on_slow!r}: missing is 'raise' or 'mark', and on_slow 'block' or"
                " 'raise'"
            )
        start = time.time_ns() if since is None else since
        kinds = self._each_kind(trades, quotes, depth, bars, start, source, tz)
        return Live(self.origin, self._tape(), LiveWanted(kinds, tz, price, missing == "mark", on_slow))

    def follow(
        self, group: str, *, database: str, kinds: Names, symbols: Names = None, tz: str = "UTC",
        price: PriceType = "float", missing: MissingPolicy = "raise", lease: float = LEASE_SECONDS,
    ) -> Follow:
        """Begins a follower: batches of the tape, each of which is taken exactly once, with the transaction that also
        moves the position. `group`: as it is registered. `database`: the URL of a PostgreSQL of one's own. `kinds`:
        "trades", "quotes", "depth", "bars", or "bars 1m". Any number of copies share the partitions; what one has
        that is away for `lease` seconds goes to the others. A hole raises until `accept` gets it.

            for batch in desk.follow("features", database="postgresql:///mine", kinds=["trades"], symbols=["AAPL"]):
                batch.execute("INSERT INTO seen SELECT unnest(%s::float8[])", [batch.rows["trades"]["price"]])
        """
        if isinstance(self.origin, Recording) or self._tape is None:
            raise TapelineError("a recording cannot be followed: connect to a database or a tape")
        wanted = FollowWanted.of(group, checked(kinds, "kinds"), checked(symbols, "symbols"), tz, price, missing)
        return Follow(self._tape(group), wanted, database, lease)

    def latest(
        self, symbols: Names, *, kinds: Names = ("trade", "quote"), source: Names = None,
        fresh: str | float | datetime.timedelta | None = None, gaps: bool = False,
    ) -> Latest:
        """Returns the latest values of symbols, as the hot state in Valkey has them: of each source its last trade
        and quote. `kinds`: "trade", "quote", or "bar 1m" with the name of a series.

        Each `LatestValue` says its ordinal, age, origin (tape or database), what the tape says of its feed, and how
        many records of its lane are not in Valkey yet; None or "unknown" where that is not known. `fresh="5s"` raises
        Stale if a value is older, or unknown. With `gaps`, a database says how many stretches of its data are missing.

        Of one kind, symbol, source and lane no answer of a process has a lower ordinal than one before, but the value
        is unknown; so for the `latest.KEYS_MAX` values that were asked for last.

            desk.latest(["AAPL", "MSFT"], fresh="5s")
        """
        if self._find_hot is None:
            raise TapelineError("a recording has no latest values: connect to a database or a tape")
        if os.getpid() != self._process:
            raise TapelineError("this desk is of the process before the fork: make another one in this process")
        named, wanted = checked(symbols, "symbols"), checked(kinds, "kinds")
        if not named:
            raise TapelineError("latest() wants symbols: Valkey has no list of all")
        for kind in wanted:
            name, _, series = kind.partition(" ")
            if name not in KINDS or bool(series) != (name == "bar") or ":" in series:
                raise TapelineError(f"kinds={kind!r}: it is 'trade', 'quote', or a bar with its series, as 'bar 1m'")
        with self._hot_lock:
            if self._hot is None:
                self._hot = self._find_hot()
        missing = self.origin.open_gaps if gaps and isinstance(self.origin, Database) else None
        length = None if fresh is None else nanoseconds(fresh)
        return self._hot.latest(named, wanted or ("trade", "quote"), checked(source, "source"), length, gaps=missing)

    def values(
        self, names: Names, symbols: Names = None, start: Time | None = None, end: Time | None = None, *,
        as_of: Time | None = None, source: Names = None, tz: str = "UTC", price: PriceType = "float",
    ) -> Table:
        """Returns values of operators and providers, such as "stats.q10s.mean", of periods that end in [start, end):
        in their last revision, or in the one that was known at the time `as_of`. It needs a database.

        `known_at`: when the tape had taken this revision, up to a second too late, and not before the period ended.
        `source`: whose ticks it is made of, or who published it. With `as_of` it raises NotKnown where that cannot be
        told, and needs a start and an end. At most 65,536 values.

            desk.values("stats.q10s.mean", "AAPL", "2026-11-20", "2026-11-21", as_of="2026-11-20 14:31")
        """
        if not isinstance(self.origin, Database):
            raise TapelineError("values are in a database, and this desk is on a recording or the tape")
        wanted = self._wanted("values", symbols, start, end, source, tz, as_of)
        named = checked(names, "values")
        if not named or as_of is not None and (wanted.start is None or wanted.end is None):
            raise TapelineError("values need names, and with as_of a start and an end")
        return Table(batch(schema.VALUES, self.origin.values(wanted, named), {}).priced(checked_price(price)), tz)

    def gaps(
        self, symbols: Names = None, start: Time | None = None, end: Time | None = None, *,
        as_of: Time | None = None, source: Names = None, tz: str = "UTC",
    ) -> Table:
        """Returns the stretches of [start, end) for which gap records say that data are missing now: one row
        per stretch and kind of data, with its state (open, filling, abandoned) and its reason. Without
        `to_time` it lasts. `kind`: trade, quote, depth or other. With `as_of` (of a database, with symbols, a start
        and an end) as it was known at that time; it raises NotKnown where that cannot be told.

        `coverage` of a selection has these, and what no gap record says."""
        wanted = self._wanted("trades", symbols, start, end, source, tz, as_of)
        if as_of is not None and not isinstance(self.origin, Database):
            raise TapelineError("as_of of gaps needs a database")
        rows = [
            (one.symbol, one.source, one.kind, one.start, one.end, one.state, one.cause, one.detail)
            for one in sorted(
                (one for one, _ in stretches(self.origin.gap_records(wanted))),
                key=lambda one: (one.start or 0, one.symbol or "", one.kind, one.source),
            )
            if overlaps(one, wanted.start, wanted.end)
        ]
        return Table(batch(schema.GAPS, rows, {}), tz)

    def symbols(
        self, start: Time | None = None, end: Time | None = None, *, on: Time | None = None, tz: str = "UTC",
    ) -> Table:
        """Returns the symbols that have trades in [start, end), or on a day: source, first and last trade, and their
        number. It reads all trades of that time. Without a time, a recording is read completely, and of a database
        only the last trade of each symbol of the last seven days is looked up."""
        if on is not None:
            first = times.nanoseconds(on, tz)
            day = times.local_date(first, tz)
            start, end = day, day + datetime.timedelta(days=1)
        wanted = self._wanted("trades", None, start, end, None, tz)
        return Table(batch(schema.SYMBOLS, self.origin.symbols(wanted.start, wanted.end), {}), tz)

    def _each_kind(
        self, trades: Names, quotes: Names, depth: Names, bars: Mapping[str, Names] | None, start: Time,
        source: Names, tz: str,
    ) -> list[Wanted]:
        """Returns a selection of each kind that is named, from a time on."""
        kinds = [
            self._wanted(kind, symbols, start, None, source, tz)
            for kind, symbols in (("trades", trades), ("quotes", quotes), ("depth", depth))
            if symbols is not None
        ]
        if bars is not None and not isinstance(bars, Mapping):
            raise TapelineError(f"bars={bars!r}: it names the series of each symbol, as in bars={{'AAPL': ['1s']}}")
        if bars:
            named = {checked(series, "series") for series in bars.values()}
            if len(named) > 1:
                raise TapelineError("the symbols of one reading have the same series of bars")
            kinds.append(self._wanted("bars", tuple(bars), start, None, source, tz, series=named.pop()))
        if not kinds:
            raise TapelineError("nothing is selected: name trades, quotes, depth or bars")
        return kinds

    def _wanted(
        self, kind: str, symbols: Names, start: Time | None, end: Time | None, source: Names, tz: str,
        as_of: Time | None = None, **more: Any,
    ) -> Wanted:
        if os.getpid() != self._process:
            raise TapelineError("this desk is of the process before the fork: make another one in this process")
        times.zone(tz)
        begin = None if start is None else times.nanoseconds(start, tz)
        day = None if begin is None else times.local_date(begin, tz)
        finish = None if end is None else times.nanoseconds(end, tz, day=day)
        if begin is not None and finish is not None and finish <= begin:
            raise TapelineError(f"the end {times.text(finish)} is not after the start {times.text(begin)}")
        if begin is not None and finish is None and begin > time.time_ns():
            raise TapelineError(f"the start {times.text(begin)} is in the future: nothing of it is there yet")
        if begin is None and times.is_of_day(as_of):
            raise TapelineError(f"as_of={as_of!r} is of the day of the start, and there is none: write its day, too")
        known = None if as_of is None else times.nanoseconds(as_of, tz, day=day)
        return Wanted(
            kind, checked(symbols, "symbols"), checked(source, "source"), start=begin, end=finish, as_of=known, **more
        )
