"""What was asked for: a lazy selection of ticks or bars."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, runtime_checkable

from . import schema, times
from .columns import Batch, Field, PriceType
from .coverage import Coverage
from .errors import TapeHole, TapelineError
from .frames import Given, Readable, Table
from .past import Seam
from .provenance import Provenance
from .spool import Spool

MissingPolicy = Literal["raise", "mark", "drop"]


@dataclass(frozen=True)
class Wanted:
    """Which rows: of these symbols (none: all) and sources, with a time in [start, end)."""

    kind: str
    symbols: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    start: int | None = None
    end: int | None = None
    as_of: int | None = None
    names: tuple[str, ...] = ()
    """Of values."""
    is_ordered: bool = True
    whole_only: bool = False
    with_known: bool = False
    """With the column `known_at`, of ticks of a database. Bars always have it."""
    history: bool = False
    """With the loaded past of each source before its live rows. `sources` are live ones then."""
    effective: bool = False
    """Trades as they count after cancels and corrections, of a database."""
    rows_max: int | None = None
    """A database sends no more rows than these."""

    @property
    def fields(self) -> tuple[Field, ...]:
        has_known = self.with_known and self.kind != "bars"
        return schema.KINDS[self.kind].fields + ((schema.KNOWN,) if has_known else ())


class Origin(Protocol):
    """Where rows come from."""

    sorts: bool
    """Whether rows in order take little memory here."""

    def described(self) -> dict[str, Any]:
        """What it is, for a manifest. Nothing of it is secret."""

    def open(
        self, wanted: Wanted, check: Callable[[Coverage], None] | None
    ) -> Iterator[Batch]:
        """Starts a reading. What `check` gets, and the rows, are of one moment. An error of `check` ends
        it before a row is read."""

    def coverage(self, wanted: Wanted) -> Coverage:
        """What is missing in the selection."""


@runtime_checkable
class StreamedOrigin(Origin, Protocol):
    """An origin whose rows packages can read without Python."""

    def stream(
        self, wanted: Wanted, check: Callable[[Coverage], None] | None, price: PriceType, tz: str, *,
        numbered: bool,
    ) -> Given | None:
        """Starts such a reading; None: these rows are made in Python. `numbered` is as in `Readable.given`."""


@runtime_checkable
class JoinedOrigin(Origin, Protocol):
    """An origin that has the loaded past, too."""

    def seams(self, wanted: Wanted) -> list[Seam]:
        """Where the past and the live rows of the selection meet."""


class Selection(Readable):
    """Ticks or bars that are read when they are asked for: by `to_polars()` and the like, by iteration, or
    by a package that reads Arrow. A selection that has a hole raises TapeHole before the first row."""

    def __init__(
        self, origin: Origin, wanted: Wanted, tz: str, price: PriceType, missing: MissingPolicy
    ) -> None:
        self._origin, self._wanted, self._missing = origin, wanted, missing
        self.tz, self.price = tz, price
        self._mode(price)
        allowed = ("raise", "mark", "drop") if wanted.kind == "bars" else ("raise", "mark")
        if missing not in allowed:
            raise TapelineError(f"missing={missing!r}: it is {' or '.join(map(repr, allowed))}")
        if wanted.history and not isinstance(origin, JoinedOrigin):
            raise TapelineError(
                "history=True reads the past that was loaded into a database, and this desk is on a recording or"
                " the tape: connect to the database"
            )

    def knowing(self) -> Selection:
        """Returns the same with the column `known_at`, if its origin knows when ticks were known."""
        if self._wanted.kind == "bars" or not getattr(self._origin, "knows_ticks", False):
            return self
        return Selection(
            self._origin, replace(self._wanted, with_known=True), self.tz, self.price, self._missing)

    def __repr__(self) -> str:
        wanted = self._wanted
        who = ", ".join(wanted.symbols) or "all symbols"
        return (
            f"<{wanted.kind} of {who} from {times.text(wanted.start)} to {times.text(wanted.end)}, not read>"
        )

    def head(self, rows: int = 5) -> Table:
        few = replace(self._wanted, rows_max=rows)
        return Readable.head(Selection(self._origin, few, self.tz, self.price, self._missing), rows)

    def _repr_html_(self) -> str:
        """What a notebook shows: the first rows, or why there are none. Only a database finds them quickly."""
        if not self._origin.sorts:
            rows = "head() reads the first rows."
        else:
            try:
                rows = self.head()._repr_html_()
            except TapelineError as error:
                rows = html.escape(str(error))
        return f"<p>{html.escape(repr(self))}</p>{rows}"

    def fields(self) -> tuple[Field, ...]:
        return self._wanted.fields

    def raw_batches(self) -> Iterator[Batch]:
        return self._origin.open(self._wanted, self._check)

    @property
    def _check(self) -> Callable[[Coverage], None] | None:
        return self._refuse if self._missing == "raise" else None

    def given(self, price: PriceType | None, *, numbered: bool = False) -> Given:
        mode, found = self._mode(price), None
        if isinstance(self._origin, StreamedOrigin):
            found = self._origin.stream(self._wanted, self._check, mode, self.tz, numbered=numbered)
        return found or super().given(mode, numbered=numbered)

    def sorted_batches(self, folder: str, found: Callable[[Coverage], None]) -> Iterator[Batch]:
        """Yields all rows in the order of time with little memory, as a file or a database may have more of
        them. `found` gets what is missing at the moment of the reading. Sorted runs go into the folder."""
        def check(coverage: Coverage) -> None:
            if self._missing == "raise":
                self._refuse(coverage)
            found(coverage)

        # Bars are always in order.
        is_sorted = self._origin.sorts or self._wanted.kind == "bars"
        batches = self._origin.open(replace(self._wanted, is_ordered=is_sorted), check)
        if is_sorted:
            yield from batches
            return
        spool = Spool(folder, self.fields(), schema.ORDER)
        for batch in batches:
            spool.add(batch)
        yield from spool.batches()

    @property
    def wanted(self) -> Wanted:
        """Which rows are selected."""
        return self._wanted

    @property
    def missing(self) -> MissingPolicy:
        """What happens at a hole."""
        return self._missing

    @property
    def origin(self) -> Origin:
        """Where the rows come from."""
        return self._origin

    @staticmethod
    def _refuse(coverage: Coverage) -> None:
        if coverage:
            raise TapeHole(list(coverage))

    @property
    def coverage(self) -> Coverage:
        """What is missing in exactly this selection: stretches of time, with cause and state."""
        return self._origin.coverage(self._wanted)

    @property
    def seams(self) -> list[Seam]:
        """Where the loaded past of each symbol and source ends and live rows begin. Only with `history=True`."""
        if self._wanted.history and isinstance(self._origin, JoinedOrigin):
            return self._origin.seams(self._wanted)
        return []

    @property
    def provenance(self) -> dict[str, Any]:
        """What tells these rows from all others: of each source and partition (of bars: source, series and
        symbol) their number, the first and the last ordinal, and sums of all values, exact and as floats; and
        `missing` of the selection. It reads all rows.

        It depends neither on where rows come from nor on their order: the same ticks of a database and of a
        recording have the same. `json.dumps` writes it, and `tapeline.verify` proves rows by it."""
        found = Provenance(self._wanted.kind, self.missing)
        for batch in self.raw_batches():
            found.add(batch)
        return found.told()
