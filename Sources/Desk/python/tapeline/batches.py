"""Batches as live readings and simulations give them, one after the other."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from . import schema
from .arrow import Stream
from .columns import Batch, PriceType, batch, checked_price
from .coverage import Missing, partial_bar
from .errors import TapeHole, TapelineError
from .frames import Table
from .reading import INTERRUPTED
from .recording import GAP_FIELDS, gap_record
from .selection import Wanted

if TYPE_CHECKING:
    import pandas
    import polars

SlowPolicy = Literal["block", "raise"]


@dataclass(frozen=True)
class LiveBatch(Batch):
    """Rows of one kind, as a live reading or a simulation gives them.

    `kind`: "trades", "quotes", "depth", "bars" or "gaps". `origin`: "database", "tape" or "recording". `seam`: true
    for the first batch of the tape. `watermark`: no source that is in time will give a tick with an earlier event
    time (of bars: a bar with an earlier close time) any more; None: not known yet. `known_at`: in a simulation the
    time at which the rows were known, which never falls."""

    kind: str = ""
    origin: str = "tape"
    seam: bool = False
    watermark: int | None = None
    tz: str = "UTC"
    known_at: int | None = None

    # Its numbers are as the reading was asked for them.

    def to_polars(self) -> polars.DataFrame:
        """Returns a polars DataFrame."""
        return Table(self, self.tz).to_polars("fixed")

    def to_pandas(self) -> pandas.DataFrame:
        """Returns a pandas DataFrame."""
        return Table(self, self.tz).to_pandas("fixed")

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return Stream(self.fields, iter([self]), self.tz).capsule()


@dataclass
class LiveWanted:
    """What a live reading gives: a selection of each kind."""

    kinds: list[Wanted]
    tz: str
    price: PriceType
    marks: bool
    on_slow: SlowPolicy

    def __post_init__(self) -> None:
        checked_price(self.price)

    def of(self, kind: str) -> Wanted:
        return next(one for one in self.kinds if one.kind == kind)

    @property
    def ticks(self) -> list[Wanted]:
        return [one for one in self.kinds if one.kind != "bars"]

    @property
    def bars(self) -> Wanted | None:
        return next((one for one in self.kinds if one.kind == "bars"), None)


class Batches(Iterator[LiveBatch]):
    """A sequence of batches for `for` and `async for`. Several threads or tasks may share it: each batch goes to
    one of them. `close()`, or `with`, ends it."""

    def __init__(self, wanted: LiveWanted) -> None:
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._wanted = wanted
        self._out: deque[LiveBatch] = deque()
        self._holes: deque[TapeHole] = deque()
        self._is_closed = self._is_over = self._is_interrupted = False
        self._watermark: int | None = None
        # What cancelled waits of `async for` left.
        self._cancelled: deque[concurrent.futures.Future[Any]] = deque()
        self._gaps_to: dict[tuple[str, int], int] = {}
        self._gap_texts: dict[str, dict[str, int]] = {}

    def _advance(self, until: float | None) -> None:
        """Does one piece of work, up to a time of the monotonic clock."""
        raise NotImplementedError

    def _put(self, kind: str, rows: Batch, origin: str) -> None:
        """Appends a batch to what is given next."""
        raise NotImplementedError

    def _end(self) -> None:
        """Frees what it has. Nothing else uses it any more."""
        raise NotImplementedError

    # ---- what is missing

    def _note_gaps(self, rows: list[tuple[Any, ...]], origin: str) -> None:
        """Gives gap records, or raises for those that name a gap. The rows are those of all decoders, of which several
        may have the same one."""
        each = {(row[0], row[1], row[-1]): row for row in rows}.values()
        new = sorted(
            (row for row in each if row[-1] > self._gaps_to.get((row[0], row[1]), 0)), key=lambda row: row[-1])
        for row in new:
            self._gaps_to[row[0], row[1]] = row[-1]
        if not new:
            return
        if self._wanted.marks:
            self._put("gaps", batch(GAP_FIELDS, new, self._gap_texts), origin)
            return
        kinds = {"any", *(kind for one in self._wanted.kinds for kind in schema.KINDS[one.kind].gaps)}
        missing = [
            Missing(one.start, one.end, one.reason, one.symbol, one.source, one.state, one.kind, one.detail)
            for one in map(gap_record, new)
            if one and one.state != "filled" and one.kind in kinds
        ]
        if missing:
            self._holes.append(TapeHole(missing))

    def _refuse(self, missing: list[Missing]) -> None:
        """Raises for versions of bars whose earlier ones were forgotten."""
        self._holes.append(TapeHole(missing))

    def _doubt_bars(self, rows: Batch) -> None:
        if self._wanted.marks:
            return
        columns = ("symbol", "source", "series", "open_time", "close_time", "is_whole", "is_withdrawn")
        missing = [
            Missing(start, end, partial_bar(series), symbol, source)
            for symbol, source, series, start, end, is_whole, is_void in zip(*(rows[name] for name in columns))
            if not is_whole and not is_void
        ]
        if missing:
            self._holes.append(TapeHole(missing))

    # ---- what a program calls

    @property
    def watermark(self) -> int | None:
        """The watermark of the last batch or a later one, in nanoseconds since 1970 UTC."""
        return self._watermark

    def next(self, timeout: float | None = None) -> LiveBatch | None:
        """Returns the next batch; None when none came in time. Without a timeout it waits as long as it takes.

        Raises TapeHole when data are missing; the call after that continues after the hole."""
        until = None if timeout is None else time.monotonic() + timeout
        if os.getpid() != self._process:
            raise TapelineError("this reading is of the process before the fork: start another one")
        # Another thread may hold the lock while it waits for a batch.
        limit = -1 if timeout is None else min(max(0.0, timeout), threading.TIMEOUT_MAX)
        if not self._lock.acquire(timeout=limit):
            return None
        try:
            return self._next(until)
        finally:
            self._lock.release()

    def _next(self, until: float | None) -> LiveBatch | None:
        while True:
            if self._is_closed:
                raise StopIteration
            if self._out:
                return self._out.popleft()
            if self._holes:
                raise self._holes.popleft()
            if self._is_over:
                raise StopIteration
            if self._is_interrupted:
                raise TapelineError(INTERRUPTED)
            try:
                self._advance(until)
            except TapelineError:
                raise
            except BaseException:
                # Such as Ctrl-C: rows may be lost that nothing names.
                self._is_interrupted = True
                raise
            if until is not None and not self._out and not self._holes and time.monotonic() >= until:
                return None

    def __next__(self) -> LiveBatch:
        found = self.next()
        if found is None:
            raise StopIteration
        return found

    def __iter__(self) -> Batches:
        return self

    def __aiter__(self) -> Batches:
        return self

    async def __anext__(self) -> LiveBatch:
        """Waits in a thread. A batch that comes after a cancelled wait is given by the next one."""
        if self._cancelled:
            future = self._cancelled.popleft()
        else:
            future = concurrent.futures.Future()
            threading.Thread(target=self._await, args=(future,), daemon=True).start()
        try:
            found: LiveBatch | BaseException = await asyncio.shield(asyncio.wrap_future(future))
        except asyncio.CancelledError:
            self._cancelled.append(future)
            raise
        if isinstance(found, BaseException):
            raise found
        return found

    def _await(self, future: concurrent.futures.Future[Any]) -> None:
        try:
            future.set_result(self.__next__())
        except StopIteration:
            future.set_result(StopAsyncIteration())
        except BaseException as error:
            future.set_result(error)

    def close(self) -> None:
        """Ends it. Twice does nothing. A thread that waits for a batch gets the end of the iteration."""
        self._is_closed = True
        if os.getpid() != self._process:
            return
        with self._lock:
            self._end()

    def __enter__(self) -> Batches:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
