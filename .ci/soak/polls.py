"""What became of the values that services answered: by the services' own logs, SQL and nothing else. It shares no
code with the product."""

import bisect
import datetime
import json
import pathlib
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from verdict import Findings, Gap, Span, StoredGaps

SECOND = 10**9
# How long after an answer what it began may take: a poll, and the time that the machine takes.
AFTER_NS = 5 * SECOND
# So many of the newest values of a series are compared.
KNOWN_PERIODS = 16
DIGITS = Decimal("1e-9")


@dataclass(frozen=True)
class Answer:
    """A whole answer: when the service made it, and its values by their periods. Times are in nanoseconds."""

    time: int
    values: dict[int, Decimal]


class Asked:
    """All answers of one service."""

    def __init__(self, paths: list[pathlib.Path]) -> None:
        # By series, in their order.
        self.answers: dict[str, list[Answer]] = {}
        # The times of answers that are no good ones.
        self.failed: list[int] = []
        self.count = 0
        for path in paths:
            with path.open() as file:
                for line in file:
                    self.take(json.loads(line))

    def take(self, entry: dict[str, Any]) -> None:
        self.count += 1
        if entry["status"] != 200:
            self.failed.append(entry["time"])
        found: dict[str, dict[int, Decimal]] = {}
        if entry.get("series") and "values" in entry:
            found[entry["series"]] = {}
        for *names, period, text in entry.get("values", ()):
            own = found.setdefault(names[0] if names else entry["series"], {})
            # FRED has "." for none.
            if text != ".":
                own[time_of(period)] = Decimal(text).quantize(DIGITS, ROUND_HALF_EVEN)
        for series, values in found.items():
            self.answers.setdefault(series, []).append(Answer(entry["answered"], values))


def time_of(period: str) -> int:
    """The beginning of a period: a date, or seconds."""
    if period.isdigit():
        return int(period) * SECOND
    return int(datetime.datetime.fromisoformat(f"{period}T00:00:00+00:00").timestamp()) * SECOND


@dataclass(frozen=True)
class Row:
    """A row of `indicators`."""

    time: int
    received: int
    period: int
    value: Decimal
    revision: int


class Stored(StoredGaps):
    """The values of one source, and what its gaps say, in one snapshot of the database."""

    kind = "indicator"

    def __init__(self, session: Any, namespace: str, source: str) -> None:
        super().__init__(session, namespace, source)
        self.rows: dict[str, list[Row]] = {}
        for symbol, *values in session.execute(
            "SELECT symbol, event_time_ns, receive_time_ns, period_start_ns, value, revision"
            f" FROM {namespace}.indicators WHERE source = %s ORDER BY partition, ordinal", [source]
        ):
            self.rows.setdefault(symbol, []).append(Row(*values))

    def of(self, gaps: list[Gap], series: str) -> list[Gap]:
        return [gap for gap in gaps if gap.symbol in (None, series)]


class Verdict(Findings):
    """Compares what is stored of one service with its answers, up to a time in nanoseconds."""

    def __init__(self, asked: Asked, stored: Stored, faults: list[Span], end: int, has_periods: bool) -> None:
        super().__init__(stored)
        self.asked, self.stored, self.faults, self.end = asked, stored, faults, end
        # Whether an answer has earlier periods, too.
        self.has_periods = has_periods
        self.count["answers"] = asked.count
        for series in sorted({*asked.answers, *stored.rows}):
            rows, answers = stored.rows.get(series, []), asked.answers.get(series, [])
            if not rows:
                self.note("nothing", f"{series} has no row")
                continue
            self.said(series, rows, answers)
            self.revised(series, rows)
            self.shown(series, rows, answers)
        for gap in [*stored.gaps, *stored.filled]:
            self.true(gap)

    def said(self, series: str, rows: list[Row], answers: list[Answer]) -> None:
        """Each row is a value of the answer that came just before it."""
        times = [answer.time for answer in answers]
        for row in rows:
            self.count["rows"] += 1
            before = bisect.bisect_right(times, row.time)
            if row.time != row.received:
                self.note("time", f"{series}: {row} has another time than that at which it came")
            if before and answers[before - 1].values.get(row.period) == row.value:
                continue
            known = [each for each in answers if each.values.get(row.period) == row.value]
            if not known:
                self.note("invented", f"{series}: {row} was never answered")
            elif known[0].time > row.time:
                self.note("early", f"{series}: {row} was known before {known[0].time}, when it was answered")
            else:
                self.note("stale", f"{series}: {row} is not of the answer before it")

    def revised(self, series: str, rows: list[Row]) -> None:
        """The revisions of a period are counted, and differ. Values of before the first one were known."""
        last: dict[int, Row] = {}
        for row in rows:
            before = last.get(row.period)
            if before is None:
                if row.revision and row.period >= rows[0].period:
                    self.note("revision", f"{series}: {row} is the first of its period")
            else:
                self.count["revisions"] += 1
                if row.revision != before.revision + 1:
                    self.note("revision", f"{series}: {row} comes after {before}")
                if row.value == before.value:
                    self.note("twice", f"{series}: {row} comes after {before}")
            last[row.period] = row

    def shown(self, series: str, rows: list[Row], answers: list[Answer]) -> None:
        """What an answer has is the present state of the rows until the next answer, or lies within a gap."""
        for place, answer in enumerate(answers):
            until = answers[place + 1].time if place + 1 < len(answers) else self.end + AFTER_NS
            if answer.time > self.end or answer.time < rows[0].time - AFTER_NS:
                continue
            present: dict[int, Row] = {}
            for row in rows:
                if row.time < until:
                    present[row.period] = row
            for period, value in answer.values.items():
                self.count["values"] += 1
                if period < rows[0].period or self.is_behind(period, present):
                    continue
                row = present.get(period)
                if row is None or row.value != value:
                    self.explain(series, answer, period, value, rows)

    def is_behind(self, period: int, present: dict[int, Row]) -> bool:
        """What is older than the newest values comes from a cache that is behind, or a clock that went back: it is
        left out."""
        newest = sorted(present)[-(KNOWN_PERIODS if self.has_periods else 1):]
        return len(newest) == (KNOWN_PERIODS if self.has_periods else 1) and period < newest[0]

    def explain(self, series: str, answer: Answer, period: int, value: Decimal, rows: list[Row]) -> None:
        self.count["missing"] += 1
        span = (answer.time, answer.time)
        what = f"{value} of {period} in the answer of {series} at {answer.time}"
        if any(gap.holds(span) for gap in self.stored.of(self.stored.filled, series)):
            self.count["missing until a gap was filled"] += 1
            if not any(row.period == period for row in rows):
                self.note("not filled", what)
            return
        for gaps, place in ((self.stored.gaps, "gap"), (self.stored.shown, "row of open_gaps")):
            if not any(gap.holds(span) for gap in self.stored.of(gaps, series)):
                self.note("silent", f"{what} is in no {place}")

    def true(self, gap: Gap) -> None:
        """Something failed within it."""
        self.count["gaps"] += 1
        span = (gap.start - AFTER_NS, gap.end + AFTER_NS)
        if gap.end <= gap.start:
            self.note("empty gap", str(gap))
        if any(span[0] <= time <= span[1] for time in self.asked.failed):
            return
        if not any(begin <= span[1] and span[0] <= end for begin, end in self.faults):
            self.note("false gap", f"{gap}: no poll failed in it")
