"""A record in which parts were measured again. Pure."""


def renewed(old, new):
    """The old record with what `new` measured: all rows, verdicts and failures of its parts."""
    parts = set(new["only"])
    told = {name: [each for each in old[name] if not is_of(each, parts)] + new[name]
            for name in ("problems", "missed")}
    whole, again = dict(old.get("whole") or {}), new.get("whole") or {}
    lines = [each for each in whole.get("latency", [])
             if ("kills" if each["killed"] else "latency") not in parts]
    whole = {**whole, **again, "latency": lines + again.get("latency", [])}
    rows = [row for row in old["rows"] if row["program"] not in parts] + new["rows"]
    kept = {name: days for name, days in old.get("again", {}).items() if name not in parts}
    machine = new["machine"]
    measured = f"revision {machine['revision']}, {machine['date']}"
    return {**old, **told, "rows": rows, "whole": whole, "again": {**kept, **dict.fromkeys(parts, measured)}}


def is_of(failure, parts):
    """Whether a failure is of one of these parts. That of a program begins with its command. Failures of
    the whole stack do not say of which part; a part of it that is measured again tells what still fails."""
    command = "`.build/release/"
    if failure.startswith(command):
        return failure.removeprefix(command).split(" ")[0].rstrip("`") in parts
    return bool(parts & {"highest", "latency", "kills", "growth"})
