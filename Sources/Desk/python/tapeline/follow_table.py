"""The rows of a follower in the person's own PostgreSQL: a lease, an epoch and a position per part of the tape."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .database import _connected, _driver, explained
from .errors import TapelineError
from .follow_rules import Held, Lease, Place, Reached
from .reading import Position

_TABLES = """
CREATE TABLE IF NOT EXISTS tapeline_followed (
    follower text, input text, partition integer, stream_created bigint NOT NULL,
    epoch bigint NOT NULL DEFAULT 0, owner text, lease_until timestamptz NOT NULL DEFAULT '-infinity',
    sequence bigint, packet_checksum numeric(20), packet_epoch bigint, packet_ordinal bigint,
    sources jsonb NOT NULL DEFAULT '{}', moved_at timestamptz, PRIMARY KEY (follower, input, partition));
CREATE TABLE IF NOT EXISTS tapeline_copies (
    follower text, copy text, selection text NOT NULL, lease_until timestamptz NOT NULL,
    PRIMARY KEY (follower, copy));
"""
# By the clock of the database, and not by that of the transaction's beginning.
_LATER = "clock_timestamp() + make_interval(secs => %(lease)s)"
_ROW = "input, partition, epoch, stream_created, sequence, packet_checksum, packet_epoch, packet_ordinal, sources"
_RENEW = f"""
UPDATE tapeline_followed SET lease_until = {_LATER} WHERE follower = %(follower)s AND owner = %(copy)s RETURNING {_ROW}
"""
# A row that another session has locked is being claimed, or committed.
_CLAIM = f"""
UPDATE tapeline_followed SET epoch = epoch + 1, owner = %(copy)s, lease_until = {_LATER}
WHERE (follower, input, partition) IN (
    SELECT follower, input, partition FROM tapeline_followed
    WHERE follower = %(follower)s AND input = %(input)s AND partition = %(partition)s
        AND (owner IS NULL OR lease_until <= clock_timestamp())
    FOR UPDATE SKIP LOCKED)
RETURNING {_ROW}
"""
_LET_GO = """
UPDATE tapeline_followed SET owner = NULL, lease_until = '-infinity'
WHERE follower = %(follower)s AND owner = %(copy)s AND input = %(input)s AND partition = %(partition)s
"""
_LEASES = """
SELECT input, partition, CASE WHEN lease_until > clock_timestamp() THEN owner END FROM tapeline_followed
WHERE follower = %(follower)s AND input = ANY(%(inputs)s) ORDER BY input, partition
"""
_COPY = f"""
INSERT INTO tapeline_copies (follower, copy, selection, lease_until)
VALUES (%(follower)s, %(copy)s, %(selection)s, {_LATER})
ON CONFLICT (follower, copy) DO UPDATE SET lease_until = excluded.lease_until
"""
_COPIES = """
SELECT copy, selection FROM tapeline_copies WHERE follower = %(follower)s AND lease_until > clock_timestamp()
"""
# A body may take longer than a lease while no other copy wants its part, and one that was paused may continue.
_STOPPED_LEASES = 4
# Of copies that were killed.
_FORGET = "DELETE FROM tapeline_copies WHERE follower = %s AND lease_until < clock_timestamp() - interval '1 day'"
_ADVANCE = """
UPDATE tapeline_followed SET sequence = %s, packet_checksum = %s, packet_epoch = %s, packet_ordinal = %s,
    sources = %s, moved_at = clock_timestamp()
WHERE follower = %s AND input = %s AND partition = %s AND epoch = %s
"""


class FollowTable:
    """A session with these rows (`Ledger`), and with the transaction of a batch. A failure ends the session, which
    takes back what was not committed; the next call begins another one."""

    def __init__(self, url: str, follower: str, copy: str, selection: str, lease: float) -> None:
        self._url, self._selection = url, selection
        self._told: dict[str, Any] = {"follower": follower, "copy": copy, "selection": selection, "lease": lease}
        self._follower, self._lease = follower, lease
        self._session: Any = None
        self._transaction: Any = None

    # ---- the session

    @property
    def session(self) -> Any:
        """The connection of psycopg."""
        if self._session is None:
            driver = _driver()
            with explained():
                session = _connected(driver, {"conninfo": self._url})
                session.autocommit = True
                # Whatever the database's own is: where another copy has changed a row meanwhile, any other level
                # refuses the statement, and the copy would not see that it has lost its lease.
                session.execute("SET default_transaction_isolation = 'read committed'")
            self._session = session
        return self._session

    def close(self) -> None:
        """Ends the session, and takes back what is not committed. Twice does nothing."""
        session, self._session, self._transaction = self._session, None, None
        if session is not None:
            session.close()

    def _rows(self, sql: str, more: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        with explained():
            cursor = self.session.execute(sql, {**self._told, **(more or {})})
            return cursor.fetchall() if cursor.description else []

    def make(self, streams: Mapping[Place, int], begun: Callable[[Sequence[Place]], Mapping[Place, Reached]]) -> None:
        """Makes the tables and the rows that are not there. `streams`: of each part when its stream was made. `begun`
        is asked with what new ones begin, so that what is purged after it is missing."""
        self._leave()
        self._told["inputs"] = sorted({name for name, _ in streams})
        with explained(), self.session.transaction():
            # Copies that begin together make the tables one after the other.
            self.session.execute("SELECT pg_advisory_xact_lock(hashtextextended('tapeline_followed', 0))")
            names = "to_regclass('tapeline_followed'), to_regclass('tapeline_copies')"
            if None in self.session.execute(f"SELECT {names}").fetchone():
                self.session.execute(_TABLES)
            self.session.execute(_FORGET, [self._follower])
            known = "SELECT input, partition FROM tapeline_followed WHERE follower = %s"
            new = sorted({*streams} - {*self.session.execute(known, [self._follower]).fetchall()})
            if new:
                self.session.cursor().executemany(
                    "INSERT INTO tapeline_followed (follower, input, partition, stream_created, sources)"
                    " VALUES (%s, %s, %s, %s, %s)",
                    [(self._follower, *place, streams[place], json.dumps(one.sources))
                     for place, one in begun(new).items()])

    def _leave(self) -> None:
        if self._transaction is not None:
            raise TapelineError("the batch before is not ended: leave its 'with', or go on with the loop")

    # ---- leases

    def renew(self) -> dict[Place, Held]:
        self._leave()
        return dict(map(_held, self._rows(_RENEW)))

    def copies(self) -> list[str]:
        # A copy that was begun with another selection ends before others see it, and not they.
        self._alike()
        self._rows(_COPY)
        return self._alike()

    def _alike(self) -> list[str]:
        found = self._rows(_COPIES)
        for copy, selection in found:
            if selection != self._selection:
                raise TapelineError(
                    f"the copy {copy} of the follower {self._follower} selects {selection}, and this one"
                    f" {self._selection}: copies share one position, so end the others first")
        return [copy for copy, _ in found]

    def leases(self) -> list[Lease]:
        return [Lease((name, partition), owner) for name, partition, owner in self._rows(_LEASES)]

    def claim(self, place: Place) -> Held | None:
        found = self._rows(_CLAIM, {"input": place[0], "partition": place[1]})
        return _held(found[0])[1] if found else None

    def let_go(self, place: Place) -> None:
        self._rows(_LET_GO, {"input": place[0], "partition": place[1]})

    def leave(self) -> None:
        """Frees all of this copy, so that others take it before its leases end."""
        self._leave()
        self._rows("UPDATE tapeline_followed SET owner = NULL, lease_until = '-infinity'"
                   " WHERE follower = %(follower)s AND owner = %(copy)s")
        self._rows("DELETE FROM tapeline_copies WHERE follower = %(follower)s AND copy = %(copy)s")

    # ---- batches

    def begin(self) -> Any:
        """Begins the transaction of a batch. Returns its connection, which refuses to commit by itself."""
        self._leave()
        with explained():
            self._transaction = self.session.transaction()
            self._transaction.__enter__()
            self._bound(self._session, _STOPPED_LEASES)
        return self._session

    def _bound(self, session: Any, leases: int) -> None:
        """Lets a copy that is stopped within a batch keep rows from others no longer than so many leases."""
        most = min(int(self._lease * leases * 1_000), 2**31 - 1)
        session.execute(f"SET LOCAL idle_in_transaction_session_timeout = {most}")

    def commit(self, connection: Any, epochs: Mapping[Place, int], reached: Mapping[Place, Reached]) -> bool:
        """Moves positions in the transaction that `begin` gave, and commits it. Returns False when another copy has
        got one of the parts, and all of it is taken back; or when the session has ended, and the database alone knows
        whether it is committed."""
        session, transaction = self._session, self._transaction
        if transaction is None or session is not connection:
            raise TapelineError("the follower was closed, or has begun another batch, before this one ended")
        if session.info.transaction_status.name in ("INERROR", "IDLE"):
            raise TapelineError("the body has ended the transaction of its batch, or a statement in it has failed")
        try:
            with explained():
                # From here on it has the rows of its parts, too.
                self._bound(session, 1)
                cursor = session.cursor()
                cursor.executemany(_ADVANCE, [
                    (*_packet(one), json.dumps(one.sources), self._follower, *place, epochs[place])
                    for place, one in sorted(reached.items())
                ])
                if cursor.rowcount == len(reached):
                    transaction.__exit__(None, None, None)
                    self._transaction = None
                    return True
        except TapelineError:
            if not session.closed:
                raise
        self.close()
        return False


def _packet(reached: Reached) -> Sequence[int | None]:
    one = reached.position
    return (None,) * 4 if one is None else (one.sequence, one.checksum, one.epoch, one.first_ordinal)


def _held(row: tuple[Any, ...]) -> tuple[Place, Held]:
    name, partition, epoch, created, sequence, checksum, packet_epoch, ordinal, sources = row
    position = None if sequence is None else Position(sequence, int(checksum), packet_epoch, ordinal)
    reached = Reached(position, {source: (told[0], told[1]) for source, told in sources.items()})
    return (name, partition), Held(epoch, created, reached)
