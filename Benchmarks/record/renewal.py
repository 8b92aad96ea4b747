"""A record in which parts were measured again. Pure."""


def renewed(old, new):
    """The old record with what `new` measured: all rows, verdicts and failures of its parts."""
    parts = set(new["only"])
    # A failure begins with its part.
    told = {name: [each for each in old[name] if each.split(":")[0] not in parts] + new[name]
            for name in ("problems", "missed")}
    made = {name: {**old[name], **new[name]} for name in ("whole", "loads")}
    rows = [row for row in old["rows"] if row["program"] not in parts] + new["rows"]
    left_out = [each for each in old["left_out"] if each not in new["loads"]]
    kept = {name: days for name, days in old.get("again", {}).items() if name not in parts}
    machine = new["machine"]
    measured = f"revision {machine['revision']}, {machine['date']}"
    return {**old, **told, **made, "rows": rows, "left_out": left_out,
            "again": {**kept, **dict.fromkeys(parts, measured)}}
