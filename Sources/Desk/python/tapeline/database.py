"""The database as the origin of rows, by psycopg (the extra `sql`). Each reading has a session of its own
and reads one snapshot; nothing is written."""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import time
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import copies, schema, times
from .columns import BATCH_ROWS, Batch, Field
from .coverage import Coverage, GapRecord
from .errors import NotKnown, NotReachable, TapelineError
from .past import Seam
from .selection import Wanted
from .stack import LocalStack

if TYPE_CHECKING:
    import psycopg

    from .latest_values import OpenGaps

_UNDEFINED = 2**63 - 1
_MICROSECONDS = "(extract(epoch FROM {0}) * 1000000)::bigint * 1000"
_NARROW = {"trades": "trade_rows", "quotes": "quote_rows"}
"""The tables below views whose exact times cost the server more than the rows themselves."""
_NARROW_TIMES = {"event_time": "ts, ts_rest_ns", "receive_time": "receive_time, receive_rest_ns"}


_GAPS_RETRY_SECONDS = 5.0
"""How long open gaps are not asked for after a failure, so that latest values do not wait for each."""


@dataclass
class Query:
    """Rows in SQL, to which conditions and an order may be added, and how the server sends their columns."""

    fields: tuple[Field, ...]
    kinds: list[int]
    sql: str
    values: list[Any]


_OTHERWISE = {"content": "encode(content, 'hex')", "news_kind": "kind"}
"""Columns that a frame has in another form, or under another name: folders of files have the kind of data."""


def _sent(field: Field, wanted: Wanted, is_narrow: bool) -> tuple[int, str]:
    """Returns how the server sends a column, and its SQL. Nothing is computed there that can be computed here."""
    name = field.name
    if name == "action":
        names = " ".join(f"WHEN {number} THEN '{name}'" for number, name in enumerate(schema.ACTIONS))
        return copies.TEXT, f"CASE action {names} ELSE action::text END"
    if name in ("provider", "of_source") and schema.KINDS[wanted.kind].own:
        # As the decoder has it of records without one.
        return copies.TEXT, f"nullif({name}, '')"
    if name in _OTHERWISE:
        return copies.TEXT, _OTHERWISE[name]
    if field.kind != "ts":
        return copies.KINDS[field.kind], name
    if wanted.kind == "bars" or name == "known_at":
        return copies.TIME, "ts" if name == "open_time" else name
    if is_narrow:
        return copies.TIME_REST, _NARROW_TIMES[name]
    return copies.NANOSECONDS, f"{name}_ns"


def _moment(ns: int, *, up: bool = False) -> datetime.datetime:
    """Returns a time in microseconds, as the database has it."""
    microseconds = -(-ns // 1_000) if up else ns // 1_000
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return epoch + datetime.timedelta(microseconds=microseconds)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turns an error of the driver into a line for a person."""
    driver = _driver()
    try:
        yield
    except driver.errors.QueryCanceled:
        raise TapelineError(
            "the database ended the query after its time limit: select less time or fewer symbols"
        ) from None
    except driver.OperationalError as error:
        raise NotReachable(f"the database cannot be reached: {_line(error)}") from None
    except driver.Error as error:
        if getattr(error, "sqlstate", None) == "TL020":
            raise NotKnown(f"what was known then cannot be told: {error.diag.message_primary}") from None
        raise TapelineError(f"the database refuses the query: {_line(error)}") from None


def _line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "; ".join(lines[:2]) or type(error).__name__


def _driver() -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise TapelineError(
            f"reading a database needs psycopg ({error}): pip install 'psycopg[binary]'"
        ) from None
    return psycopg


def _connected(driver: Any, parameters: dict[str, str]) -> Any:
    """Opens a session. The driver's errors about the text of a URL quote parts of it, and a password may
    be among them, so they are not shown."""
    try:
        ports = str(driver.conninfo.conninfo_to_dict(**parameters).get("port") or "")
        if re.fullmatch(r"[0-9,]*", ports):
            return driver.connect(**parameters)
    except driver.ProgrammingError:
        pass
    raise TapelineError(
        "the URL or a setting of the database is malformed. It is not shown, because it may have a password:"
        " write postgresql://user:password@host:port/name, with %40 for an @, %2F for a / and %25 for a %"
        " within user and password"
    )


class Snapshot:
    """A session with one read-only transaction, in which all queries see the same rows."""

    def __init__(self, parameters: dict[str, str], namespace: str) -> None:
        driver = _driver()
        self._process = os.getpid()
        with explained():
            # Not the session's own schema, because all names are qualified.
            self._session: psycopg.Connection[Any] = _connected(driver, parameters)
            self._session.read_only = True
            self._session.isolation_level = driver.IsolationLevel.REPEATABLE_READ
            self._session.execute("SET LOCAL TimeZone = 'UTC'; SET LOCAL client_encoding = 'UTF8'")
        self.namespace = namespace

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_own(self) -> bool:
        """False in a process that a fork made: the session stays that of its parent."""
        return os.getpid() == self._process

    def address(self) -> dict[str, str]:
        """Returns the server, user and password of the session as the services' settings have them."""
        info = self._session.info
        told = info.get_parameters()
        found = {
            "HOST": info.host, "PORT": str(info.port), "DB": info.dbname, "USER": info.user,
            "PASSWORD": info.password, "SSLMODE": told.get("sslmode"), "SSLROOTCERT": told.get("sslrootcert"),
        }
        return {f"POSTGRES_{name}": value for name, value in found.items() if value}

    def close(self) -> None:
        """Ends the session. Twice does nothing."""
        if self.is_own:
            self._session.close()

    def table(self, name: str) -> str:
        """Returns the name of a table or view of the namespace."""
        return f'"{self.namespace}".{name}'

    def market(self, name: str) -> str:
        """Returns the name of a view or function for people."""
        return f'"{self.namespace}_market".{name}'

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Returns all rows of a query."""
        with explained():
            return self._session.execute(sql, values).fetchall()

    def batches(self, query: Query) -> Iterator[Batch]:
        """Yields the rows of a query."""
        with explained():
            sql = _driver().ClientCursor(self._session).mogrify(query.sql, query.values)
            yield from copies.batches(self._session, sql, query.fields, query.kinds, BATCH_ROWS)


class Rows(Iterator[Batch]):
    """The batches of one query. The session ends after the last one."""

    def __init__(self, snapshot: Snapshot, query: Query) -> None:
        self._snapshot, self._batches = snapshot, snapshot.batches(query)
        # What is wrong with the query is raised here.
        self._first: Batch | None = self._fetch()

    def _fetch(self) -> Batch | None:
        if not self._snapshot.is_own:
            raise TapelineError("this reading is of the process before the fork: start another one")
        try:
            found = next(self._batches, None)
        except BaseException:
            self.close()
            raise
        if found is None:
            self.close()
        return found

    def __next__(self) -> Batch:
        found, self._first = self._first or self._fetch(), None
        if found is None:
            raise StopIteration
        return found

    def close(self) -> None:
        """Ends the session. Twice does nothing."""
        self._snapshot.close()

    def __del__(self) -> None:
        if hasattr(self, "_snapshot"):
            self.close()


VALUES_MAX = BATCH_ROWS
"""The most values of one table."""


class Database:
    """A database of Tapeline. `parameters` are libpq's; `stack`: the local one that it belongs to."""

    # The server sorts.
    sorts = True
    knows_ticks = True

    def __init__(
        self, parameters: dict[str, str], namespace: str, stack: LocalStack | None = None
    ) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,15}", namespace):
            raise TapelineError(f"{namespace!r} is no namespace: it has letters a to z, digits and _")
        self.parameters, self.namespace, self.stack = parameters, namespace, stack
        self._gaps_at = 0.0

    def __repr__(self) -> str:
        known = self.parameters
        if url := known.get("conninfo"):
            # Not the URL itself, which may have a password.
            parts = urllib.parse.urlsplit(url)
            name, place = parts.path.strip("/"), parts.netloc.rpartition("@")[2]
        elif service := os.environ.get("PGSERVICE") if not known else None:
            return f"<database of the service {service}>"
        else:
            values = [known.get(one) or os.environ.get(f"PG{one.upper()}", "") for one in ("host", "port")]
            name, place = known.get("dbname") or os.environ.get("PGDATABASE", ""), ":".join(values).strip(":")
        return f"<database {name or 'of the default name'} at {place or 'the default'}>"

    def described(self) -> dict[str, Any]:
        """What it is, for a manifest. Nothing of it is secret."""
        return {"database": self.namespace}

    def snapshot(self) -> Snapshot:
        """Opens a session."""
        return Snapshot(self.parameters, self.namespace)

    def open(
        self, wanted: Wanted, check: Callable[[Coverage], None] | None
    ) -> Iterator[Batch]:
        """Starts a reading. The check and the rows see the same snapshot."""
        snapshot = self.snapshot()
        try:
            if check:
                check(self.coverage(wanted, snapshot))
            if wanted.as_of is not None and wanted.kind != "bars":
                check_as_of(snapshot, wanted)
            return Rows(snapshot, query(snapshot, wanted))
        except BaseException:
            snapshot.close()
            raise

    def coverage(self, wanted: Wanted, snapshot: Snapshot | None = None) -> Coverage:
        """What is missing in the selection, as far as the database knows."""
        from .stored import missing

        if snapshot:
            return Coverage(missing(snapshot, wanted))
        with self.snapshot() as own:
            return Coverage(missing(own, wanted))

    def seams(self, wanted: Wanted) -> list[Seam]:
        """Where the past and the live rows of the selection meet."""
        from .stored import seams

        with self.snapshot() as own:
            return seams(own, wanted)

    def gap_records(self, wanted: Wanted) -> list[GapRecord]:
        """The gap records that may say something of the selection."""
        from .stored import gap_records

        with self.snapshot() as own:
            if wanted.as_of is not None:
                check_as_of(own, wanted, "gaps")
            return gap_records(own, wanted)

    def open_gaps(self, symbols: Sequence[str]) -> OpenGaps | None:
        """Returns how many stretches of symbols are missing, and may still come. None: the database does not
        answer within seconds, or did not within the last ones."""
        from .latest_values import OpenGaps

        if time.monotonic() < self._gaps_at:
            return None
        bounds = {"connect_timeout": "2", "tcp_user_timeout": "2000"}
        try:
            with Snapshot({**self.parameters, **bounds}, self.namespace) as own:
                own.rows("SELECT set_config('statement_timeout', '2s', true)")
                rows = own.rows(
                    "SELECT symbol, source, kind, partition, count(*)"
                    f" FROM {own.market('open_gaps')} WHERE state <> 'abandoned'"
                    " AND (symbol IS NULL OR symbol = ANY (%s)) GROUP BY 1, 2, 3, 4", [list(symbols)])
                counts = {(symbol, source, kind, partition): count for symbol, source, kind, partition, count in rows}
                return OpenGaps(counts, dict(own.rows(
                    f"SELECT partition, max(sent_time_ns) FROM {own.table('reached_positions')}"
                    " WHERE input = 'ticks' AND sent_time_ns IS NOT NULL GROUP BY 1")))
        except TapelineError:
            self._gaps_at = time.monotonic() + _GAPS_RETRY_SECONDS
            return None

    def values(self, wanted: Wanted, names: Sequence[str]) -> list[tuple[Any, ...]]:
        """Values of operators and providers, in the columns of schema.VALUES: of periods that end in the time
        of the selection, in their last revision or that of `as_of`."""
        start, end = wanted.start or 0, times.MAX_NS if wanted.end is None else wanted.end
        limits = [_moment(start), _moment(end, up=True)]
        symbols = list(wanted.symbols) or None
        with self.snapshot() as own:
            place, values = own.market("indicators_latest"), list[Any]()
            if wanted.as_of is not None:
                place = f"{own.market('indicators_as_of')}(%s, %s, %s, %s, %s)"
                values = [_moment(wanted.as_of), list(names), symbols, *limits]
            columns = ", ".join((
                "name, coalesce(symbol, ''), coalesce(nullif(of_source, ''), source)",
                _MICROSECONDS.format("period_start"), _MICROSECONDS.format("period_end"),
                "(value * 1000000000)::numeric(50, 0)", "unit, revision", _MICROSECONDS.format("known_at"),
            ))
            sql = (
                f"SELECT {columns} FROM {place} AS v WHERE name = ANY (%s) AND ts >= %s"
                " AND coalesce(period_end, ts) >= %s AND coalesce(period_end, ts) < %s"
            )
            values += [list(names), limits[0], *limits]
            for name, texts in (("symbol", symbols), ("coalesce(nullif(of_source, ''), source)", wanted.sources)):
                if texts:
                    sql += f" AND {name} = ANY (%s)"
                    values.append(list(texts))
            found = own.rows(
                f"{sql} ORDER BY coalesce(period_end, ts), name, symbol, of_source LIMIT {VALUES_MAX + 1}", values)
        if len(found) > VALUES_MAX:
            raise TapelineError(f"there are more than {VALUES_MAX} values: select less time, or fewer of them")
        return found

    def symbols(self, start: int | None, end: int | None) -> list[tuple[Any, ...]]:
        """Symbol, source, first and last event time of a trade, number of trades. Without a start only
        the last trade of each symbol of the last seven days is looked up."""
        with self.snapshot() as own:
            if start is None:
                last = _MICROSECONDS.format("last_trade")
                return own.rows(
                    f"SELECT symbol, source, NULL, {last}, NULL FROM {own.market('symbols')}"
                    " ORDER BY symbol, source"
                )
            return own.rows(
                f"SELECT symbol, source, min(event_time_ns), max(event_time_ns), count(*)"
                f" FROM {own.table('trades')} WHERE ts >= %s AND ts < %s AND action = 0"
                " GROUP BY symbol, source ORDER BY symbol, source",
                [_moment(start), _moment(times.MAX_NS if end is None else end, up=True)],
            )


_EFFECTIVE = """(SELECT ts, event_time_ns, receive_time, receive_time_ns, symbol, source, provider, now_price AS price,
    now_size AS size, now_exchange AS exchange, now_conditions AS conditions, (change IS NOT NULL)::integer AS action,
    flags, time_resolution, provider_id, partition, epoch, ordinal
    FROM {}(%s) WHERE flags & 1 = 0 AND change IS DISTINCT FROM 'cancel' AND now_price IS NOT NULL AND now_size >= 0)"""
"""Trades as they count, as in the view trades_effective."""


def query(snapshot: Snapshot, wanted: Wanted, *, is_narrow: bool = True) -> Query:
    """Returns the SQL of a selection. Without `is_narrow` it has the names of the views' columns."""
    is_bars = wanted.kind == "bars"
    is_narrow = is_narrow and wanted.kind in _NARROW and not wanted.history and not wanted.effective
    place, values = snapshot.table(_NARROW[wanted.kind] if is_narrow else wanted.kind), list[Any]()
    if is_bars:
        place, values = bars_place(snapshot, wanted)
    elif wanted.history:
        place = past_place(snapshot, snapshot.table("trades_with_history"))
    elif wanted.effective:
        place = f"{_EFFECTIVE.format(snapshot.table('trades_at'))} AS e"
        values = [None if wanted.as_of is None else _moment(wanted.as_of)]
    if not is_bars and (wanted.with_known or wanted.as_of is not None):
        has_period = wanted.kind == "indicators"
        source = f"{snapshot.table('indicator_input')}(r.source)" if has_period else "'ticks'"
        place = (
            "(SELECT r.*, CASE WHEN k.taken_at IS NOT NULL THEN greatest(k.taken_at, r.receive_time"
            f"{', r.period_end' * has_period}) END"
            f" AS known_at FROM (SELECT * FROM {place}) AS r LEFT JOIN LATERAL {snapshot.table('taken_at')}("
            f"{source}, r.partition, r.source, r.ordinal) k ON true) AS r"
        )
    conditions, more = criteria(wanted, is_narrow)
    if not is_bars and wanted.as_of is not None:
        conditions += " AND known_at <= %s"
        more = [*more, _moment(wanted.as_of)]
    kinds, columns = zip(*(_sent(field, wanted, is_narrow) for field in wanted.fields))
    sql = f"SELECT {', '.join(columns)} FROM {place}{conditions}"
    if wanted.whole_only:
        sql += " AND is_whole"
    if is_bars:
        sql += ' ORDER BY ts, symbol COLLATE "C", source COLLATE "C", series COLLATE "C", number'
    elif wanted.is_ordered:
        # At the time of the seam, trades of the past were before the live ones.
        past = "source = live_source, " if wanted.history else ""
        exact = "nullif(ts_rest_ns, -1)" if is_narrow else f"nullif(event_time_ns, {_UNDEFINED})"
        sql += f' ORDER BY ts, {exact}, {past}source COLLATE "C", partition, ordinal'
    if wanted.rows_max is not None:
        sql += f" LIMIT {int(wanted.rows_max)}"
    return Query(wanted.fields, list(kinds), sql, values + more)


def bars_place(snapshot: Snapshot, wanted: Wanted) -> tuple[str, list[Any]]:
    """Returns what bars are read from: the view of the last versions, or that of a time."""
    if wanted.history:
        return past_place(snapshot, snapshot.market("bars_joined")), []
    if wanted.as_of is None:
        return snapshot.market("candles"), []
    known = snapshot.rows(
        "SELECT to_regproc(%s) IS NOT NULL", [f"{snapshot.namespace}_market.bars_as_of"]
    )[0][0]
    if not known:
        raise TapelineError(
            "this database keeps only the last version of a bar (it has no function bars_as_of):"
            " ask without as_of, or upgrade the database"
        )
    if len(wanted.series) != 1 or not wanted.symbols or wanted.start is None or wanted.end is None:
        raise TapelineError("as_of needs symbols, one series, a start and an end")
    values = [
        _moment(wanted.as_of), list(wanted.symbols), wanted.series[0], _moment(wanted.start),
        _moment(wanted.end, up=True),
    ]
    return f"{snapshot.market('bars_as_of')}(%s, %s, %s, %s, %s) AS b", values


def check_as_of(snapshot: Snapshot, wanted: Wanted, kind: str = "") -> None:
    """Raises NotKnown where the database cannot say which ticks, or records of gaps, were known."""
    assert wanted.as_of is not None
    is_of_all = bool(schema.KINDS[wanted.kind].own) and not kind
    if not (wanted.symbols or is_of_all) or wanted.start is None or wanted.end is None:
        raise TapelineError(f"as_of needs {'' if is_of_all else 'symbols, '}a start and an end")
    snapshot.rows(
        f"SELECT {snapshot.table('check_as_of')}(%s, %s, %s, %s, NULL, %s, %s, false)",
        ["as_of", _moment(wanted.as_of), kind or ("trades_effective" if wanted.effective else wanted.kind),
         list(wanted.symbols) or None, _moment(wanted.start), _moment(wanted.end, up=True)],
    )


def past_place(snapshot: Snapshot, name: str) -> str:
    """Returns the name of a view that joins the loaded past, or raises where the database does not have it."""
    if not snapshot.rows("SELECT to_regclass(%s) IS NOT NULL", [name])[0][0]:
        raise TapelineError(f"this database does not join a loaded past (it has no view {name}): upgrade it")
    return name


def source_of(wanted: Wanted) -> str:
    """Returns whose rows they are, in SQL: of an operator's value whose ticks it is made of."""
    return "coalesce(nullif(of_source, ''), source)" if wanted.kind == "indicators" else "source"


def criteria(wanted: Wanted, is_narrow: bool = False) -> tuple[str, list[Any]]:
    """Returns the WHERE clause of a selection, and its values."""
    parts, values = ["true"], list[Any]()
    source = "live_source" if wanted.history else source_of(wanted)
    for name, texts in (
        ("symbol", wanted.symbols), (source, wanted.sources), ("series", wanted.series), ("name", wanted.names),
    ):
        if texts:
            parts.append(f"{name} = ANY (%s)")
            values.append(list(texts))
    for limit, sign, up in ((wanted.start, ">=", False), (wanted.end, "<", True)):
        if limit is None:
            continue
        parts.append(f"ts {sign} %s")
        values.append(_moment(limit, up=up))
        if limit % 1_000 and wanted.kind != "bars":
            parts.append(f"(ts, ts_rest_ns) {sign} (%s, %s)" if is_narrow else f"event_time_ns {sign} %s")
            values += [_moment(limit), limit % 1_000] if is_narrow else [limit]
    return " WHERE " + " AND ".join(parts), values
