#!/usr/bin/env python3
"""A nightly job: exports the trades and minutes of yesterday's session as Parquet files, and refuses a day with holes.
Then no folder is there, what is missing is listed, and the status is 1, so that what runs the job tries it again.

    nightly_export.py FOLDER SYMBOL... [--day 2026-11-20] [--hours 09:30 16:00] [--tz America/New_York]
        [--flow]

It reads the database of the local stack that is up, or as TAPELINE_URL says. cron and systemd run it as it is. With
--flow it is a flow of Prefect, which needs no server: without PREFECT_API_URL Prefect starts one for the time of the
run. In another scheduler `export` is the task."""

import argparse
import datetime
import pathlib
import sys
import zoneinfo

import tapeline


def export(folder, symbols, day, hours, tz):
    """Exports a session into FOLDER/day. Returns that folder. Raises TapeHole if anything is missing."""
    place = pathlib.Path(folder) / str(day)
    if place.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    desk, session = tapeline.connect(), (f"{day} {hours[0]}", hours[1])
    tapeline.export_tree(
        place, desk.trades(symbols, *session, tz=tz), desk.bars(symbols, "1m", *session, tz=tz))
    return place


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("symbols", nargs="+")
    parser.add_argument("--day", type=datetime.date.fromisoformat)
    parser.add_argument("--hours", nargs=2, default=["09:30", "16:00"])
    parser.add_argument("--tz", default="America/New_York")
    parser.add_argument("--flow", action="store_true")
    given = parser.parse_args()
    day = given.day or datetime.datetime.now(zoneinfo.ZoneInfo(given.tz)).date() - datetime.timedelta(days=1)
    job = export
    if given.flow:
        import prefect

        job = prefect.flow(export, name="nightly-export")
    try:
        print(job(given.folder, given.symbols, day, given.hours, given.tz))
    except tapeline.TapeHole as hole:
        print(f"{day} is not exported:", *hole.missing, sep="\n  ", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
