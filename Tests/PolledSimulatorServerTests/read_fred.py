"""Reads a simulated FRED on loopback with fredapi, and writes what it decoded as one JSON object per line:
{"from": "releases" | "first" | "latest" | "vintages" | "info", "series", ...}. Before the requests comes
{"from": "asked", "time"}.

read_fred.py PORT KEY SERIES...
"""

import json
import os
import sys
import time
from typing import Any

# A proxy would not reach loopback.
for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
    os.environ.pop(name, None)

from fredapi import Fred  # type: ignore[import-untyped]

PORT, KEY, SERIES = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
Fred.root_url = f"http://127.0.0.1:{PORT}/fred"


def text(value: float) -> str:
    # NaN and NaT differ from themselves.
    return "." if value != value else f"{value:.10g}"


def show(origin: str, series: str, **what: Any) -> None:
    print(json.dumps({"from": origin, "series": series, **what}))


client = Fred(api_key=KEY)
print(json.dumps({"from": "asked", "time": time.time_ns()}))
for each in SERIES:
    for _, row in client.get_series_all_releases(each).iterrows():
        show(
            "releases", each, date=f"{row['date']:%Y-%m-%d}", value=text(row["value"]),
            realtime_start=f"{row['realtime_start']:%Y-%m-%d}")
    for date, value in client.get_series_first_release(each).items():
        show("first", each, date=f"{date:%Y-%m-%d}", value=text(value))
    for date, value in client.get_series(each, observation_start="2025-01-01").items():
        show("latest", each, date=f"{date:%Y-%m-%d}", value=text(value))
    for date in client.get_series_vintage_dates(each):
        show("vintages", each, date=f"{date:%Y-%m-%d}")
    show("info", each, frequency=client.get_series_info(each)["frequency_short"])
try:
    Fred(api_key="0" * 32).get_series(SERIES[0])
except ValueError as error:
    show("refused", SERIES[0], text=str(error))
