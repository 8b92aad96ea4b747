"""Times: text, numbers and `datetime` to nanoseconds since 1970 UTC, and back."""

from __future__ import annotations

import datetime
import operator
import re
import zoneinfo
from typing import TYPE_CHECKING, Any, Union

from .errors import TapelineError

if TYPE_CHECKING:
    import numpy

Time = Union[str, int, datetime.datetime, datetime.date, "numpy.datetime64"]
"""A time: text such as "2026-11-20 09:30:00.5", "2026-11-20" (its beginning), "today", "yesterday 09:30", "09:30" (of
the day of the start, or of today if there is none), "-90s", "-10m", "-1h", "-2d" (before now) or
"2026-11-20T14:30:00Z"; a `datetime` or a `date`; nanoseconds since 1970 UTC; or a `numpy.datetime64`, which is in UTC. What else has no zone is in the zone `tz`. There is no
"now": an end that is left out goes up to now."""

MIN_NS, MAX_NS = -(2**63), 2**63 - 1
SECOND = 1_000_000_000
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_TEXT = re.compile(
    r"(?:(\d{4})-(\d\d)-(\d\d)|today|yesterday)?(?:(?:^|[T ])(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?\s*"
    r"(Z|[+-]\d\d(?::?\d\d)?)?"
)
_BEFORE_NOW = re.compile(r"-(\d{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_WORDS = ("today", "yesterday")


def zone(name: str) -> datetime.tzinfo:
    """Returns a time zone by its name, such as "America/New_York"."""
    if name == "UTC":
        return datetime.timezone.utc
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise TapelineError(
            f"there is no time zone {name!r}: name one of the IANA database, such as America/New_York"
        ) from None


def nanoseconds(time: Time, tz: str = "UTC", *, day: datetime.date | None = None) -> int:
    """Returns a time as nanoseconds since 1970 UTC. `day`: of a text that has only a time of day."""
    if type(time).__name__ == "datetime64":
        return _of_numpy(time)
    if hasattr(time, "__index__") and not isinstance(time, bool):
        return _checked(operator.index(time), time)
    # NaT of pandas is a datetime that is not equal to itself.
    if not isinstance(time, (str, datetime.date)) or time != time:
        raise TapelineError(f"{time!r} is no time: use text, a datetime, a date or nanoseconds")
    if isinstance(time, str):
        moment, rest = _parsed(time, tz, day)
    elif isinstance(time, datetime.datetime):
        # pandas' Timestamp is a datetime with nanoseconds of its own.
        moment, rest = time, int(getattr(time, "nanosecond", 0))
    else:
        moment, rest = datetime.datetime(time.year, time.month, time.day), 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone(tz))
    since = moment.astimezone(datetime.timezone.utc) - _EPOCH
    whole = (since.days * 86_400 + since.seconds) * SECOND + since.microseconds * 1_000
    return _checked(whole + rest, time)


def is_of_day(time: Time | None) -> bool:
    """Whether it is a text that has only a time of day."""
    found = _TEXT.fullmatch(time.strip()) if isinstance(time, str) else None
    return bool(found and not found.group(1) and not str(time).strip().startswith(_WORDS))


def _of_numpy(time: Any) -> int:
    seconds = int(time.astype("datetime64[s]").astype("int64"))
    if time != time or not MIN_NS < seconds * SECOND < MAX_NS:
        raise TapelineError(f"{time!r} is no time: times are from 1678 to 2261")
    return _checked(int(time.astype("datetime64[ns]").astype("int64")), time)


def _checked(value: int, time: object) -> int:
    if not MIN_NS < value < MAX_NS:
        raise TapelineError(f"{time!r} is out of range: times are from 1678 to 2261")
    return value


def _parsed(text: str, tz: str, day: datetime.date | None) -> tuple[datetime.datetime, int]:
    before = _BEFORE_NOW.fullmatch(text.strip())
    if before:
        now = datetime.datetime.now(datetime.timezone.utc)
        seconds = min(int(before.group(1)) * _SECONDS[before.group(2)], 10**10)
        return now - datetime.timedelta(seconds=seconds), 0
    found = _TEXT.fullmatch(text.strip())
    if not found or not text.strip():
        raise TapelineError(
            f"{text!r} is no time: write 2026-11-20, '2026-11-20 09:30', today, yesterday, 09:30, -1h, or"
            " 2026-11-20T14:30:00Z"
        )
    year, month, dom, hour, minute, second, part, offset = found.groups()
    place = zone(tz) if offset is None else _offset(offset)
    if year:
        date = (int(year), int(month), int(dom))
    else:
        is_named = text.strip().startswith(_WORDS)
        known = day if day and not is_named else datetime.datetime.now(place).date()
        if text.strip().startswith("yesterday"):
            known -= datetime.timedelta(days=1)
        date = (known.year, known.month, known.day)
    rest = int((part or "").ljust(9, "0"))
    try:
        moment = datetime.datetime(
            *date, int(hour or 0), int(minute or 0), int(second or 0), rest // 1_000, tzinfo=place
        )
    except ValueError as error:
        raise TapelineError(f"{text!r} is no time: {error}") from None
    return moment, rest % 1_000


def _offset(text: str) -> datetime.tzinfo:
    if text == "Z":
        return datetime.timezone.utc
    digits = text[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    if minutes >= 24 * 60:
        raise TapelineError(f"{text!r} is no offset from UTC")
    return datetime.timezone(datetime.timedelta(minutes=-minutes if text[0] == "-" else minutes))


def text(ns: int | None) -> str:
    """Returns a time as text in UTC; "..." for none."""
    if ns is None:
        return "..."
    seconds, rest = divmod(ns, SECOND)
    moment = (_EPOCH + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return moment + (f".{rest:09d}".rstrip("0") if rest else "") + "Z"


def local_date(ns: int, tz: str) -> datetime.date:
    """Returns the day of a time in a zone."""
    return (_EPOCH + datetime.timedelta(microseconds=ns // 1_000)).astimezone(zone(tz)).date()
