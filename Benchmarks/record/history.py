"""One row for each record: the figures that are compared from landing to landing, and their plot."""

import json

import plots
from chart import Line, Panel
from goals import figures

ROWS_DRAWN = 50
# The panels of the plot, with the figures that each draws: by the name of a figure, that of its line.
PANELS = {
    "receipt to Valkey p99, ms, by ticks/s": {f"valkey_p99_{rate}": name for rate, name in (
        (100, "100"), (1_000, "1 k"), (10_000, "10 k"), (50_000, "50 k"))},
    "the whole stack, % of a core, by ticks/s": {f"core_{rate}": name for rate, name in (
        (1, "1"), (100, "100"), (1_000, "1 k"), (10_000, "10 k"), (50_000, "50 k"))},
    "ticks a second": {"bars_per_second": "bars", "bars_heard_per_second": "bars, heard", "highest_rate": "rows"},
}


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def with_record(rows, record):
    """The rows with that of a record. A try, a part and a record of which something failed have none; a record that
    is put on the page again has one."""
    if record["mode"] == "quick" or record["only"] or record["problems"]:
        return rows
    machine = record["machine"]
    row = {"date": machine["date"], "revision": machine["revision"], "load": max(record["loads"].values(), default=0.0),
           **{name: float(f"{value:.4g}") for name, value in figures(record).items()}}
    return [each for each in rows if each["date"] != row["date"]] + [row]


def plot(rows):
    """The last rows, side by side."""
    rows = rows[-ROWS_DRAWN:]
    return plots.draw("The records", "the last record is 0", [
        Panel(name, [Line(title, [(place - len(rows) + 1, row[key]) for place, row in enumerate(rows) if key in row])
                     for key, title in lines.items()])
        for name, lines in PANELS.items()])
