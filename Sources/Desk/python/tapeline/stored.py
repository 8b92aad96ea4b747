"""What the database tells about missing data: gap records, beginnings, positions, lost ordinals."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from . import past, schema, times
from .coverage import BEFORE, NO_DEPTH, GapRecord, Missing, not_come, not_whole, stretches, within
from .database import Snapshot, _MICROSECONDS, _moment, bars_place, criteria, past_place, source_of
from .errors import NOTHING_STORED
from .selection import Wanted
from .tape import VALUES

STALE_NS = 60 * times.SECOND
"""A writer advances its positions every ten seconds. One that is behind by more has stopped."""

_TICKS = ("trades", "quotes", "depth")


def missing(snapshot: Snapshot, wanted: Wanted) -> list[Missing]:
    """Returns the stretches of the selection that are missing, cut to its time."""
    selected = wanted
    borders = seams(snapshot, wanted) if wanted.history else []
    wanted = past.with_past(wanted, borders)
    partitions = _partitions(snapshot, wanted)
    kinds = schema.KINDS[wanted.kind].gaps
    found = [
        one
        for one, partition in stretches(gap_records(snapshot, wanted), wanted.as_of)
        # A record without a symbol is about all symbols of its partition.
        if one.kind in kinds and (one.symbol or not wanted.symbols or partition in partitions.values())
    ]
    found = [*past.counted(found, borders, wanted.symbols), *past.not_loaded(borders)]
    found += _beginnings(snapshot, wanted)
    found += not_come(wanted.end)
    found += _end(snapshot, wanted, partitions)
    found += _lost(snapshot, wanted, partitions)
    found = list(within(found, wanted.start, wanted.end))
    if wanted.kind == "bars":
        found += _partial_bars(snapshot, selected, found)
    return found


def seams(snapshot: Snapshot, wanted: Wanted) -> list[past.Seam]:
    """Returns where the loaded past and the live rows of a selection meet."""
    sql, values = "true", list[Any]()
    for name, texts in (("symbol", wanted.symbols), ("live_source", wanted.sources)):
        if texts:
            sql += f" AND {name} = ANY (%s)"
            values.append(list(texts))
    sides = ", ".join(
        f"ARRAY(SELECT {_MICROSECONDS.format(f'{side}(piece)')} FROM unnest(loaded) AS piece ORDER BY piece)"
        for side in ("lower", "upper")
    )
    rows = snapshot.rows(
        "SELECT symbol, live_source, source, number::bigint, event_time_ns,"
        f" {_MICROSECONDS.format('least(ts, subscribed_at)')}, {_MICROSECONDS.format('loaded_from')},"
        f" provider_id, {sides} FROM {past_place(snapshot, snapshot.table('history_borders'))} WHERE {sql}"
        " ORDER BY symbol, live_source, number",
        values,
    )
    return [
        past.Seam(
            symbol, source, history, number, first, live_from, begin, None if name is None else int(name),
            tuple(zip(starts, ends)),
        )
        for symbol, source, history, number, first, live_from, begin, name, starts, ends in rows
    ]


def gap_records(snapshot: Snapshot, wanted: Wanted) -> list[GapRecord]:
    """Returns the gap records of the tape that may say something of the selection, with `as_of` those that were
    known then. One that ends before it may be what closes an earlier one without an end, so the start is no
    condition."""
    sql = f"""
        SELECT source, partition, symbol, kind,
            coalesce(from_time_ns, {_MICROSECONDS.format("from_time")}),
            coalesce(to_time_ns, {_MICROSECONDS.format("to_time")}),
            {_MICROSECONDS.format("coalesce(receive_time, from_time)")}, state, reason,
            coalesce(detail, ''), epoch, ordinal
        FROM {snapshot.table("gaps")}
        WHERE ordinal IS NOT NULL AND from_time IS NOT NULL"""
    values: list[Any] = []
    if wanted.symbols:
        sql += " AND (symbol IS NULL OR symbol = ANY (%s))"
        values.append(list(wanted.symbols))
    if sources := _tick_sources(snapshot, wanted):
        sql += " AND source = ANY (%s)"
        values.append(list(sources))
    if wanted.end is not None:
        sql += " AND from_time < %s"
        values.append(_moment(wanted.end, up=True))
    if wanted.as_of is not None:
        sql += f""" AND coalesce((SELECT greatest(k.taken_at, receive_time)
            FROM {snapshot.table("taken_at")}('ticks', partition, source, ordinal) k), receive_time) <= %s"""
        values.append(_moment(wanted.as_of))
    return [GapRecord(*row) for row in snapshot.rows(sql, values)]


def _tick_sources(snapshot: Snapshot, wanted: Wanted) -> tuple[str, ...]:
    """Returns the sources whose ticks the selection is made of; none: any. The source of a bar or a value may be
    a group, whose members nothing here names."""
    is_made = wanted.kind in ("bars", "indicators")
    if is_made and wanted.sources and not _known_sources(snapshot).issuperset(wanted.sources):
        return ()
    return wanted.sources


def _known_sources(snapshot: Snapshot) -> set[str]:
    """Returns the sources of ticks. Any other name is that of a group of them."""
    place = snapshot.table("sink_source_ordinals")
    return {source for source, in snapshot.rows(f"SELECT DISTINCT source FROM {place} WHERE input = 'ticks'")}


def _partitions(snapshot: Snapshot, wanted: Wanted) -> dict[str, int]:
    """Returns the partition of each symbol that has a row."""
    found: dict[str, int] = {}
    for symbol in wanted.symbols:
        for table in dict.fromkeys((wanted.kind, *_TICKS, "bars")):
            rows = snapshot.rows(
                # A scan's values are with the first partition, whatever their symbols.
                f"SELECT partition FROM {snapshot.table(table)} WHERE symbol = %s AND source <> %s"
                " ORDER BY ts DESC LIMIT 1",
                [symbol, VALUES],
            )
            if rows:
                found[symbol] = rows[0][0]
                break
    return found


def _beginnings(snapshot: Snapshot, wanted: Wanted) -> Iterator[Missing]:
    """What is asked for and was never stored: names that nothing has, and the time before anything was
    recorded. And what retention dropped."""
    if wanted.start is None and not (wanted.symbols or wanted.sources or wanted.series or wanted.names):
        return
    if schema.KINDS[wanted.kind].own:
        yield from _own_beginnings(snapshot, wanted)
        return
    ticks = ("depth",) if wanted.kind == "depth" else (*_TICKS, "events")
    source = wanted.sources[0] if len(wanted.sources) == 1 else ""
    for series in wanted.series or (None,):
        own = replace(wanted, series=(series,) if series else ())
        # All rows of the table, or bars of the series, from before are missing.
        limits = [(_retired(snapshot, own), "retention dropped what is from before")]
        if series:
            of_any = _first(snapshot, replace(own, symbols=()), ("bars",))
            limits.append((of_any, f"no bar of {series} from before is stored"))
        for symbol in wanted.symbols or (None,):
            one = replace(own, symbols=(symbol,) if symbol else ())
            first = _first(snapshot, one, (*(["bars"] if series else []), *ticks))
            if first is None or series and _first(snapshot, one, ("bars",)) is None:
                what, detail = _nothing(snapshot, own, symbol, series)
                yield Missing(wanted.start, wanted.end, what, symbol, source, detail=detail)
                continue
            known = [(first, BEFORE), *limits]
            begin, cause = max((moment, text) for moment, text in known if moment is not None)
            if wanted.start is not None and begin > wanted.start:
                yield Missing(wanted.start, begin, cause, symbol, source)


def _own_beginnings(snapshot: Snapshot, wanted: Wanted) -> Iterator[Missing]:
    """The same of what begins apart from ticks: with its first row, or with its subscription. None is of a value by
    its name."""
    source = wanted.sources[0] if len(wanted.sources) == 1 else ""
    retired = _retired(snapshot, wanted)
    for name, symbol in itertools.product(wanted.names or (None,), wanted.symbols or (None,)):
        one = replace(wanted, names=(name,) if name else (), symbols=(symbol,) if symbol else ())
        first = _first(snapshot, one, (wanted.kind,) if name else (wanted.kind, "events"))
        if first is None:
            yield Missing(wanted.start, wanted.end, NOTHING_STORED, symbol, source, detail=name or "")
            continue
        known = [(first, BEFORE), (retired, "retention dropped what is from before")]
        begin, cause = max((moment, text) for moment, text in known if moment is not None)
        if wanted.start is not None and begin > wanted.start:
            yield Missing(wanted.start, begin, cause, symbol, source, detail=name or "")


def _nothing(snapshot: Snapshot, wanted: Wanted, symbol: str | None, series: str | None) -> tuple[str, str]:
    """Returns what is said of a symbol of which there is nothing, or nothing in this series; and beside it which
    series there are, for a person who named one that there is not."""
    if wanted.kind == "depth":
        return NO_DEPTH, ""
    of_all = replace(wanted, symbols=(symbol,) if symbol else (), series=(), start=None)
    if not series or symbol and _first(snapshot, of_all, ("bars", *_TICKS)) is None:
        return NOTHING_STORED, ""
    known = _series(snapshot)
    told = [] if series in known else known
    return f"{NOTHING_STORED} in the series {series}", f"stored are {', '.join(told)}" if told else ""


def _series(snapshot: Snapshot) -> list[str]:
    """Returns which series are stored at all."""
    rows = snapshot.rows(f"SELECT DISTINCT series FROM {snapshot.table('bar_series')} ORDER BY series LIMIT 20", [])
    return [row[0] for row in rows]


def _first(snapshot: Snapshot, wanted: Wanted, tables: Sequence[str]) -> int | None:
    """Returns the time of the first row of the selection in these tables; without a start, of any row."""
    firsts: list[int] = []
    for table in tables:
        is_made = table in ("bars", "indicators")
        # A tick without any time is stored at the beginning of 1970. It tells that there is something.
        sql = "true" if wanted.start is None else "ts > '1971-01-01'"
        if table == "events":
            sql += " AND name = 'subscription'"
            if own := schema.KINDS[wanted.kind].own:
                sql += f" AND detail->>'kind' = '{own}' AND detail->>'action' IS DISTINCT FROM 'stop'"
        values: list[Any] = []
        for name, texts in (
            ("symbol", wanted.symbols),
            (source_of(wanted) if table == wanted.kind else "source",
             wanted.sources if is_made else _tick_sources(snapshot, wanted)),
            ("series", wanted.series if table == "bars" else ()),
            ("name", wanted.names),
        ):
            if texts:
                sql += f" AND {name} = ANY (%s)"
                values.append(list(texts))
        rows = snapshot.rows(
            f"SELECT {_MICROSECONDS.format('ts')} FROM {snapshot.table(table)} WHERE {sql}"
            f"{'' if wanted.start is None else ' ORDER BY ts'} LIMIT 1",
            values,
        )
        firsts += [row[0] for row in rows]
        if firsts and wanted.start is None:
            break
    return min(firsts, default=None)


def _retired(snapshot: Snapshot, wanted: Wanted) -> int | None:
    """Returns the time up to which retention has dropped the rows of the table that is asked for."""
    condition, values = "table_name = %s", [wanted.kind]
    if wanted.kind == "bars" and not wanted.series:
        condition, values = "input = 'bars'", []
    elif wanted.kind == "bars":
        condition = f"""input = 'bars' AND table_name IN ('bars.' || %s, (
            SELECT CASE WHEN is_long THEN 'bars_long' ELSE 'bars_short' END
            FROM {snapshot.table("bar_series")} WHERE series = %s))"""
        values = [wanted.series[0], wanted.series[0]]
    until: int | None = snapshot.rows(
        f"SELECT {_MICROSECONDS.format('max(until)')} FROM {snapshot.table('retired_rows')} WHERE {condition}",
        values,
    )[0][0]
    return until


def _end(snapshot: Snapshot, wanted: Wanted, partitions: dict[str, int]) -> Iterator[Missing]:
    """What a writer that stopped has not stored. A selection without an end goes up to now."""
    now = time.time_ns()
    end = now if wanted.end is None else wanted.end
    advanced = _MICROSECONDS.format("coalesce(advanced_at, claimed_at)")
    concerned = {*partitions.values(), *_with_values(snapshot, wanted)}
    for partition, stored in snapshot.rows(
        f"SELECT partition, min({advanced}) FROM {snapshot.table('reached_positions')}"
        # A position of which nothing was ever stored has no packet, and does not advance.
        f" WHERE input = ANY (%s) AND (advanced_at IS NOT NULL OR (input, partition) IN ("
        f"SELECT input, partition FROM {snapshot.table('sink_source_ordinals')})) GROUP BY partition",
        [list(schema.KINDS[wanted.kind].inputs)],
    ):
        is_concerned = not wanted.symbols or partition in concerned
        if is_concerned and stored < end and now - stored > STALE_NS:
            yield Missing(
                stored, wanted.end, "not stored yet", detail=f"the writer's partition {partition} stands still"
            )


def _with_values(snapshot: Snapshot, wanted: Wanted) -> list[int]:
    """Returns the partition with the values over all partitions, if some are of the selected symbols."""
    if wanted.kind != "indicators" or not wanted.symbols:
        return []
    place = snapshot.table("indicators")
    sql = f"SELECT partition FROM {place} WHERE symbol = ANY (%s) AND source = %s LIMIT 1"
    return [partition for partition, in snapshot.rows(sql, [list(wanted.symbols), VALUES])]


def lost_place(snapshot: Snapshot) -> str:
    """Returns where the ordinals are that the books name as lost, of all tables or of one group of them."""
    return f"{snapshot.table('book_gaps')} WHERE reason IN ('tape_lost', 'hole', 'dropped', 'group_hole')"


def _lost(snapshot: Snapshot, wanted: Wanted, partitions: dict[str, int]) -> Iterator[Missing]:
    """Ordinals that the books name as lost. They have no time: a symbol's rows before and after the
    selection tell whether they are of its time."""
    kind = schema.KINDS[wanted.kind]
    lost = snapshot.rows(
        "SELECT input, source, partition, first_ordinal, last_ordinal, reason, table_group"
        f" FROM {lost_place(snapshot)} AND input = ANY (%s) AND (table_group IS NULL OR table_group IN (%s, 'rest'))",
        # Records of gaps wait with the rest.
        [list(kind.inputs), kind.group],
    )
    for stream, source, partition, first, last, reason, group in lost:
        if wanted.sources and stream == "ticks" and source not in wanted.sources:
            continue
        told = f"ordinals {first} to {last} of partition {partition}"
        if group:
            told += f", of which the tables of {group} have lost their rows"
        if not wanted.symbols:
            yield Missing(None, None, reason, None, source, detail=told)
        for symbol in wanted.symbols:
            if partitions.get(symbol, partition) != partition and source != VALUES:
                continue
            # Rows of these kinds are few. Ticks have ordinals of the same lane.
            tables = (wanted.kind, *_TICKS) if kind.own and stream == "ticks" else (wanted.kind,)
            near = [replace(wanted, kind=table) for table in tables]
            before = [_ordinal(snapshot, one, symbol, source, "<", wanted.start) for one in near]
            after = [_ordinal(snapshot, one, symbol, source, ">=", wanted.end) for one in near]
            if all(one is None or one < last for one in before) and all(one is None or one > first for one in after):
                yield Missing(None, None, reason, symbol, source, detail=told)


_IN_TIME = " AND ts > '1971-01-01' AND flags & 4 = 0"
_CAME_IN_TIME = {
    "trades": f"{_IN_TIME} AND action = 0",
    "indicators": f"{_IN_TIME} AND revision = 0",
    "provider_bars": f"{_IN_TIME} AND bar_flags & 4 = 0",
    "bars": " AND replaced = 0 AND reason = 'closed'",
}
"""Rows that came long after their time have the ordinals of a later time: backfilled ticks, changes of
trades, revised bars. So have ticks without a time, which are stored at the beginning of 1970."""


def _ordinal(
    snapshot: Snapshot, wanted: Wanted, symbol: str, source: str, sign: str, limit: int | None
) -> int | None:
    """Returns the ordinal of the symbol's nearest row before or after a time."""
    if limit is None:
        return None
    sql, values = f"symbol = %s AND ts {sign} %s", [symbol, _moment(limit, up=sign == ">=")]
    if sign == "<":
        sql += _CAME_IN_TIME.get(wanted.kind, _IN_TIME)
    if wanted.kind != "bars":
        sql += " AND source = %s"
        values.append(source)
    elif wanted.series:
        sql += " AND series = ANY (%s)"
        values.append(list(wanted.series))
    rows = snapshot.rows(
        f"SELECT ordinal FROM {snapshot.table(wanted.kind)} WHERE {sql}"
        f" ORDER BY ts {'DESC' if sign == '<' else ''} LIMIT 1",
        values,
    )
    return int(rows[0][0]) if rows else None


def _partial_bars(snapshot: Snapshot, wanted: Wanted, known: list[Missing]) -> Iterator[Missing]:
    """Bars that are not whole, besides those that overlap a known stretch."""
    place, values = bars_place(snapshot, wanted)
    conditions, more = criteria(wanted)
    rows = snapshot.rows(
        f"SELECT symbol, source, series, {_MICROSECONDS.format('ts')}, {_MICROSECONDS.format('close_time')}"
        f" FROM {place}{conditions} AND NOT is_whole ORDER BY ts, symbol",
        values + more,
    )
    if rows:
        yield from not_whole(rows, known, _known_sources(snapshot), _begin(snapshot))


def _begin(snapshot: Snapshot) -> int | None:
    """Returns when the tape begins: the time of its first row. None if retention has dropped that."""
    dropped = snapshot.rows(f"SELECT 1 FROM {snapshot.table('retired_rows')} WHERE input = 'ticks' LIMIT 1", [])
    return None if dropped else _first(snapshot, Wanted("trades", start=0), (*_TICKS, "events"))
