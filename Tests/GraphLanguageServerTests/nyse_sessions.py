"""Prints the sessions of an exchange as exchange_calendars knows them: day, open, close in UTC seconds.

Usage: nyse_sessions.py CALENDAR FIRST LAST. Exit status 3: the package is not there.
"""

import sys

try:
    import exchange_calendars
except ImportError:
    sys.exit(3)

name, first, last = sys.argv[1:]
schedule = exchange_calendars.get_calendar(name, start=first, end=last).schedule
for day, row in schedule.iterrows():
    opening = int(row["open"].timestamp())
    closing = int(row["close"].timestamp())
    print(day.strftime("%Y%m%d"), opening, closing)
