"""Rows of the record: the figures of several runs as one row, with its peer and its limit. Pure."""

import statistics

LIMITS = ("at_least", "at_most", "ratio_at_least", "ratio_at_most")


class Rows:
    """Collects the rows of all runs, by the program and the row's name."""

    def __init__(self):
        self.rows = {}

    def add(self, program, command, row, load):
        key = (program, row["row"])
        known = self.rows.setdefault(key, {
            "program": program, "row": row["row"], "unit": row["unit"], "command": command,
            "peer": row.get("peer"), "values": [], "peer_values": [], "load": 0.0,
            **{name: row[name] for name in LIMITS if name in row}})
        known["values"].append(row["value"])
        if row.get("peer_value") is not None:
            known["peer_values"].append(row["peer_value"])
        known["load"] = max(known["load"], load)

    def all(self):
        return list(self.rows.values())


def median(values):
    return statistics.median(values) if values else None


def ratio(row):
    """The middle of the ratios of each run: both programs of one run saw the same machine."""
    if not row["peer_values"] or len(row["peer_values"]) != len(row["values"]):
        return None
    return median([ours / theirs for ours, theirs in zip(row["values"], row["peer_values"]) if theirs])


def verdict(row):
    """Whether the row reaches its limit; `None` when it has none."""
    value, part = median(row["values"]), ratio(row)
    for name in LIMITS:
        if name not in row:
            continue
        found = part if name.startswith("ratio") else value
        if found is None:
            return False
        return found >= row[name] if name.endswith("least") else found <= row[name]
    return None


def limit(row):
    """The limit as people read it."""
    for name in LIMITS:
        if name in row:
            sign = "≥" if name.endswith("least") else "≤"
            return f"{sign} {number(row[name])}{' of the peer' if name.startswith('ratio') else ''}"
    return ""


def number(value):
    """A figure with three digits that count."""
    if value is None:
        return ""
    if value == float("inf"):
        return "∞"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def spread(row):
    """The lowest and the highest of several runs."""
    values = row["values"]
    return f"{number(min(values))} to {number(max(values))}" if len(values) > 1 else ""
