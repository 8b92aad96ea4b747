"""The database as the origin of rows, by psycopg (the extra `sql`). Each reading has a session of its own
and reads one snapshot; nothing is written."""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from . import schema, times
from .columns import BATCH_ROWS, Batch, Field, batch
from .coverage import Coverage, GapRecord
from .errors import NotKnown, NotReachable, TapelineError
from .past import Seam
from .selection import Wanted
from .stack import LocalStack

if TYPE_CHECKING:
    import psycopg

_UNDEFINED = 2**63 - 1
_MICROSECONDS = "(extract(epoch FROM {0}) * 1000000)::bigint * 1000"


def _scaled(name: str, scale: int, kind: str) -> str:
    whole = f"{name} * 1{'0' * scale}"
    return f"({whole})::bigint" if kind == "fixed" else f"({whole})::numeric(50, 0)"


def _tick_expression(field: Field) -> str:
    if field.name == "known_at":
        return _MICROSECONDS.format("known_at")
    if field.kind == "ts":
        return f"nullif({field.name}_ns, {_UNDEFINED})"
    if field.name == "action":
        names = " ".join(f"WHEN {number} THEN '{name}'" for number, name in enumerate(schema.ACTIONS))
        return f"CASE action {names} ELSE action::text END"
    if field.name == "provider_id":
        # 64 bits without a sign do not fit into bigint; the same bits with one do.
        return "(provider_id - CASE WHEN provider_id >= 9223372036854775808 THEN 18446744073709551616" \
            " ELSE 0 END)::bigint"
    return _scaled(field.name, field.scale, field.kind) if field.kind == "fixed" else field.name


def _bar_expression(field: Field) -> str:
    column = {"open_time": "ts"}.get(field.name, field.name)
    if field.kind == "ts":
        return _MICROSECONDS.format(column)
    if field.kind in ("fixed", "wide"):
        return _scaled(column, field.scale, field.kind)
    return f"{column}::bigint" if field.kind == "l" else column


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
            self._session.execute("SET LOCAL TimeZone = 'UTC'")
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

    def cursor(self, sql: str, values: Sequence[Any]) -> Any:
        """Opens a cursor of the server, which gives rows in pieces."""
        with explained():
            found = self._session.cursor(name="tapeline", binary=True)
            found.execute(sql, values)
            return found


class Rows(Iterator[Batch]):
    """The batches of one query. The session ends with the last one."""

    def __init__(self, snapshot: Snapshot, fields: Sequence[Field], sql: str, values: Sequence[Any]) -> None:
        self._snapshot, self._fields = snapshot, fields
        self._texts: dict[str, dict[str, int]] = {}
        self._cursor = snapshot.cursor(sql, values)
        self._next: list[Any] = self._fetch()

    def _fetch(self) -> list[Any]:
        if not self._snapshot.is_own:
            raise TapelineError("this reading is of the process before the fork: start another one")
        with explained():
            rows: list[Any] = self._cursor.fetchmany(BATCH_ROWS)
        if not rows:
            self.close()
        return rows

    def __next__(self) -> Batch:
        rows = self._next
        if not rows:
            raise StopIteration
        self._next = self._fetch() if len(rows) == BATCH_ROWS else []
        if not self._next:
            self.close()
        return batch(self._fields, rows, self._texts)

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
            return Rows(snapshot, wanted.fields, *query(snapshot, wanted))
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


def query(snapshot: Snapshot, wanted: Wanted) -> tuple[str, list[Any]]:
    """Returns the SQL of a selection, and its values."""
    is_bars = wanted.kind == "bars"
    expression = _bar_expression if is_bars else _tick_expression
    columns = ", ".join(f"{expression(field)} AS {field.name}" for field in wanted.fields)
    place, values = snapshot.table(wanted.kind), list[Any]()
    if is_bars:
        place, values = bars_place(snapshot, wanted)
    elif wanted.history:
        place = past_place(snapshot, snapshot.table("trades_with_history"))
    elif wanted.effective:
        place = f"{_EFFECTIVE.format(snapshot.table('trades_at'))} AS e"
        values = [None if wanted.as_of is None else _moment(wanted.as_of)]
    if not is_bars and (wanted.with_known or wanted.as_of is not None):
        place = (
            "(SELECT r.*, CASE WHEN k.taken_at IS NOT NULL THEN greatest(k.taken_at, r.receive_time) END"
            f" AS known_at FROM (SELECT * FROM {place}) AS r LEFT JOIN LATERAL {snapshot.table('taken_at')}("
            "'ticks', r.partition, r.source, r.ordinal) k ON true) AS r"
        )
    conditions, more = criteria(wanted)
    if not is_bars and wanted.as_of is not None:
        conditions += " AND known_at <= %s"
        more = [*more, _moment(wanted.as_of)]
    sql = f"SELECT {columns} FROM {place}{conditions}"
    if wanted.whole_only:
        sql += " AND is_whole"
    if is_bars:
        sql += ' ORDER BY ts, symbol COLLATE "C", source COLLATE "C", series COLLATE "C", number'
    elif wanted.is_ordered:
        # At the time of the seam, trades of the past were before the live ones.
        past = "source = live_source, " if wanted.history else ""
        sql += f' ORDER BY ts, event_time, {past}source COLLATE "C", partition, ordinal'
    return sql, values + more


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
    if not wanted.symbols or wanted.start is None or wanted.end is None:
        raise TapelineError("as_of needs symbols, a start and an end")
    snapshot.rows(
        f"SELECT {snapshot.table('check_as_of')}(%s, %s, %s, %s, NULL, %s, %s, false)",
        ["as_of", _moment(wanted.as_of), kind or ("trades_effective" if wanted.effective else wanted.kind),
         list(wanted.symbols), _moment(wanted.start), _moment(wanted.end, up=True)],
    )


def past_place(snapshot: Snapshot, name: str) -> str:
    """Returns the name of a view that joins the loaded past, or raises where the database does not have it."""
    if not snapshot.rows("SELECT to_regclass(%s) IS NOT NULL", [name])[0][0]:
        raise TapelineError(f"this database does not join a loaded past (it has no view {name}): upgrade it")
    return name


def criteria(wanted: Wanted, time: str = "ts") -> tuple[str, list[Any]]:
    """Returns the WHERE clause of a selection, and its values."""
    parts, values = ["true"], list[Any]()
    source = "live_source" if wanted.history else "source"
    for name, texts in (("symbol", wanted.symbols), (source, wanted.sources), ("series", wanted.series)):
        if texts:
            parts.append(f"{name} = ANY (%s)")
            values.append(list(texts))
    exact = "event_time_ns" if wanted.kind != "bars" else None
    for limit, sign, up in ((wanted.start, ">=", False), (wanted.end, "<", True)):
        if limit is None:
            continue
        parts.append(f"{time} {sign} %s")
        values.append(_moment(limit, up=up))
        if limit % 1_000 and exact:
            parts.append(f"{exact} {sign} %s")
            values.append(limit)
    return " WHERE " + " AND ".join(parts), values
