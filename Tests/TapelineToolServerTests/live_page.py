#!/usr/bin/env python3
"""Runs the Python program of docs/data.md that uses NATS.

    live_page.py docs/data.md        with TAPELINE_NATS in the environment
"""
import pathlib
import re
import sys


def main(page):
    found = re.findall(r"^```python\n(.*?)^```", pathlib.Path(page).read_text(), re.MULTILINE | re.DOTALL)
    if len(found) != 1:
        raise SystemExit(f"{len(found)} programs in {page}, not one")
    sys.stdout.reconfigure(line_buffering=True)
    exec(compile(found[0], page, "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    main(*sys.argv[1:])
