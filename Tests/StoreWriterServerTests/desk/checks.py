"""What the checks of the Python package share."""

import contextlib
import datetime
import re

UTC = datetime.timezone.utc
DAY = ("2026-03-02 14:31", "15:29")
"""A time of data_page.sql without a hole in AAPL and SPY."""

count = 0


def check(truth, *told):
    global count
    count += 1
    if not truth:
        raise AssertionError(*told)


def equal(one, other, *told):
    check(one == other, *told, one, other)


@contextlib.contextmanager
def raises(kind, pattern):
    """The error is one line, has the pattern, and shows no password."""
    try:
        yield
    except kind as error:
        check(re.search(pattern, str(error)), f"{pattern!r} is not in", str(error))
        check("\n" not in str(error) and "open sesame" not in str(error), str(error))
    else:
        raise AssertionError(f"no {kind.__name__}: {pattern}")
