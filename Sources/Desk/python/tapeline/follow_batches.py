"""What a follower gives, and what it reports: batches with their transaction, rows of bars, messages of positions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import schema
from .batches import LiveBatch
from .columns import Batch, Field, PriceType, batch, checked_price
from .errors import TapelineError
from .follow_rules import Place, Reached
from .versions import _FILLED, _MIXED, _PARTIAL, _WITHDRAWN, DECODED

GroupName = re.compile("[a-z0-9-]{1,64}")
_REPORT_BYTES = 48 << 10
BAR_FIELDS = (*DECODED, Field("ordinal", "l"))
BARS = (*schema.BARS[:18], Field("is_withdrawn", "b"), Field("revision", "l"), *schema.BARS[19:])
"""The columns of bars: those of stored ones, with `revision` in the place of `version`. Of one bar the highest
revision stands."""


@dataclass(frozen=True)
class FollowWanted:
    """What a follower reads."""

    group: str
    kinds: tuple[str, ...]
    symbols: tuple[str, ...]
    series: tuple[str, ...]
    tz: str
    price: PriceType
    marks: bool

    def __post_init__(self) -> None:
        checked_price(self.price)
        if GroupName.fullmatch(self.group) is None:
            raise TapelineError(f"{self.group!r} is no name of a group: it has a to z, digits and -, 64 at most")
        if not set(self.kinds) <= {*schema.TICKS, "bars"} or not self.kinds:
            raise TapelineError(f"kinds={list(self.kinds)}: they are 'trades', 'quotes', 'depth', 'bars', or 'bars 1m'")

    @staticmethod
    def of(
        group: str, kinds: Sequence[str], symbols: tuple[str, ...], tz: str, price: PriceType, missing: str,
    ) -> FollowWanted:
        """Returns what kinds such as "trades" and "bars 1m" name."""
        if missing not in ("raise", "mark"):
            raise TapelineError(f"missing={missing!r}: it is 'raise' or 'mark'")
        series = tuple(kind[5:] for kind in kinds if kind.startswith("bars "))
        names = tuple(dict.fromkeys("bars" if kind.startswith("bars ") else kind for kind in kinds))
        return FollowWanted(group, names, symbols, () if "bars" in kinds else series, tz, price, missing == "mark")

    @property
    def told(self) -> str:
        """The selection as text, which all copies have alike."""
        named = ["bars " + one for one in self.series] or ["bars"]
        kinds = [name for kind in self.kinds for name in (named if kind == "bars" else [kind])]
        return f"{', '.join(sorted(kinds))} of {', '.join(sorted(self.symbols)) or 'all symbols'}"


@dataclass
class FollowBatch:
    """Rows of the tape, and the transaction in which they are taken.

    `rows`: a `LiveBatch` of each kind that has some. `connection`: that of psycopg, within the transaction; `execute`
    is its. The body neither commits nor takes back: the end of the body commits, and an exception takes all of it
    back, and the batch comes again."""

    rows: dict[str, LiveBatch]
    connection: Any = field(repr=False)

    def execute(self, sql: str, values: Any = None) -> Any:
        """Carries out a statement in the transaction. Returns psycopg's cursor."""
        return self.connection.execute(sql, values)

    def __len__(self) -> int:
        return sum(map(len, self.rows.values()))


def tuples(rows: Batch) -> list[tuple[Any, ...]]:
    return list(zip(*(column.values() for column in rows.columns)))


def bars(found: Sequence[tuple[Any, ...]]) -> Batch:
    """Returns versions of bars with the columns of stored ones."""
    rows = []
    for row in found:
        *excluded, flags, reason, sent, taken, _, ordinal = row[14:]
        known = max(one for one in (sent, taken, row[1], 0) if one is not None)
        rows.append((
            *row[:14], sum(excluded), not flags & _PARTIAL, bool(flags & _MIXED), bool(flags & _FILLED),
            bool(flags & _WITHDRAWN), ordinal, reason, known,
        ))
    return batch(BARS, rows, {})


def reports(group: str, positions: Sequence[tuple[Place, int, Reached]]) -> Iterator[bytes]:
    """Yields the messages that report positions, as docs/ARCHITECTURE.md has them."""
    told: list[str] = []
    size = 0
    for (name, partition), created, reached in positions:
        position = reached.position
        if position is None:
            continue
        text = json.dumps({
            "partition": partition, "input": name, "sequence": position.sequence, "durable": position.sequence,
            "stream_created_ns": created, "packet_epoch": position.epoch,
            "packet_ordinal": position.first_ordinal, "packet_checksum": position.checksum,
            "sources": [{"source": source, "epoch": epoch, "last_ordinal": last}
                        for source, (epoch, last) in sorted(reached.sources.items())],
        })
        if told and size + len(text) > _REPORT_BYTES:
            yield _report(group, told)
            told, size = [], 0
        told.append(text)
        size += len(text)
    if told:
        yield _report(group, told)


def _report(group: str, positions: Sequence[str]) -> bytes:
    return f'{{"v": 1, "group": "{group}", "positions": [{", ".join(positions)}]}}'.encode()
