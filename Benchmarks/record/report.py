"""The record as Markdown, and its place in docs/performance.md. Pure but for the last function."""

from goals import HELD_UP, goals
from machine import LOAD_MAX
from rows import limit, median, number, ratio, spread, verdict

BEGIN = "<!-- The lines up to the end mark are made by `make bench`. -->"
END = "<!-- The end of what `make bench` makes. -->"
PARTS = ("provider-gateway", "operator-worker", "store-writer", "nats-server", "postgres", "valkey")
VERDICTS = {True: "yes", False: "**no**", None: ""}


def markdown(record, folder):
    """The generated part of the page. `folder` is where its plots are, as the page links to them."""
    return "\n\n".join([*head(record), *reached(record), *latency(record, folder), *processor(record, folder),
                        *kills(record), *growth(record, folder), *programs(record)])


def head(record):
    machine = record["machine"]
    lines = [
        "## The last record",
        f"Revision {machine['revision']}, {machine['date']}, `make bench` ({record['mode']}): "
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"Linux {machine['kernel']}, {machine['disk']}.",
        f"It took {record['seconds'] / 60:.0f} minutes. Each benchmark ran alone; a figure of several runs is their "
        "middle, *of the peer* the middle of the ratios within each run. *Load* is how many cores others kept busy "
        f"before it; a row above {LOAD_MAX} has a †.",
    ]
    again = record.get("again", {})
    if again:
        parts = ", ".join(f"{name} ({when})" for name, when in sorted(again.items()))
        lines.append(f"Measured again: {parts}.")
    if record["left_out"]:
        lines.append(f"Left out, because there was no time: {'; '.join(f'`{each}`' for each in record['left_out'])}.")
    failures = record["problems"] + record["missed"]
    if failures:
        lines.append("\n".join(["What failed, or missed a limit:", "", *(f"- {each}" for each in failures)]))
    return lines


def reached(record):
    rows = [[*goal.cells[:3], VERDICTS[goal.holds]] for goal in goals(record)]
    return ["## Goals", table(["what", "goal", "figure", "reached"], rows)] if rows else []


def table(names, rows):
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def triple(values):
    return " / ".join(value if isinstance(value, str) else number(value) or "-" for value in values)


def stack_lines(record):
    """The lines of the whole stack by their rates, those with another setting after the shipped ones."""
    lines = [each for part in ("latency", "frugal", "quick_rows") for each in record["whole"].get(part, [])]
    return sorted(lines, key=lambda each: (sorted(each["settings"].items()), each["rate"]))


def name_of(each):
    settings = ", ".join(f"`{key}={value}`" for key, value in each["settings"].items())
    return f"{mark(each)}{number(each['rate'])}{', ' if settings else ''}{settings}"


def latency(record, folder):
    lines, whole = stack_lines(record), record["whole"]
    found = [f"The highest rate of which every tick became a row: **{number(whole['highest_rate'])} ticks/s**, to a "
             "quarter."] if "highest_rate" in whole else []
    if "busy_rate" in whole:
        found.append("The highest of some rates of which rows stayed at most 5 s behind for ten minutes, beside two "
                     f"busy loops: **{number(whole['busy_rate'])} ticks/s**.")
    for key, who in (("bars_per_second", "nobody"), ("bars_heard_per_second", "one listener")):
        if key in whole:
            found.append(f"Ticks that became bars at full speed, while {who} heard live data: "
                         f"**{number(whole[key])} a second**.")
    if lines:
        stages = list(lines[0]["latency_ms"])
        rows = [[name_of(each), number(each["ticks_per_second"]),
                 *(triple(each["latency_ms"][stage]) for stage in stages)] for each in lines]
        found += ["Milliseconds, p50 / p99 / p99.9, from the services' own histograms: between two bounds of a "
                  "histogram a quantile is placed by proportion.",
                  table(["ticks/s", "measured", *stages], rows),
                  *plot(record, folder, "latency.svg", "Latency of each stage by rate")]
    return ["## From the socket to the row", *found] if found else []


def core_percent(each, part):
    """What a part kept busy, in percent of a core."""
    return 100 * each["processor"].get(part, 0.0) * each["ticks_per_second"] / 1e6


def mark(each):
    return "† " if each.get("load", 0) > LOAD_MAX else ""


def plot(record, folder, name, words):
    return [f"![{words}]({folder}/{name})"] if name in record.get("plots", ()) else []


def processor(record, folder):
    lines = stack_lines(record)
    if not lines:
        return []
    rows = [[name_of(each), *(number(core_percent(each, part)) for part in PARTS), number(each["core_percent"]),
             " / ".join(f"{each['memory_mb'].get(part, 0):.0f}" for part in PARTS[:3])] for each in lines]
    return ["## Processor",
            "Percent of a core, and the peak of memory in MB of a gateway, a worker and a writer.",
            table(["ticks/s", *PARTS, "all", "MB"], rows),
            *plot(record, folder, "processor.svg", "Processor time of a million ticks by rate")]


def kills(record):
    killed = record["whole"].get("kills", {})
    rows = [[victim, str(len(kills)), *(
        f"{number(median(found))} / {number(max(found))}"
        for found in ([kill[what] for kill in kills] for what in HELD_UP))] for victim, kills in killed.items() if kills]
    return ["## While a process is killed",
            "Around a `SIGKILL` at 10,000 ticks/s, in ms, median / longest: the time without a new row, without a new "
            "value in Valkey, and from a window's end to its bar, where there is one each second. The stack's "
            "supervisor starts the process again.",
            table(["killed", "kills", "row", "value", "bar"], rows)] if rows else []


def growth(record, folder):
    curves = record["whole"].get("curves", [])
    parts = []
    for curve in curves:
        parts += plot(record, folder, f"growth-{curve['name']}.svg",
                      f"Processor time and latency by the number of {curve['name']}")
    return ["## Growth", *parts] if parts else []


def programs(record):
    found = ["## Parts and their peers"] if record["rows"] else []
    for name in dict.fromkeys(row["program"] for row in record["rows"]):
        rows = [row for row in record["rows"] if row["program"] == name]
        commands = ", ".join(f"`{each}`" for each in dict.fromkeys(row["command"] for row in rows))
        found += [f"### {name}", f"By {commands}.", table(
            ["what", "figure", "lowest to highest", "runs", "peer", "of the peer", "limit", "kept"],
            [program_row(row) for row in rows])]
    return found


def program_row(row):
    peer = f"{row['peer']}: {number(median(row['peer_values']))}" if row["peer_values"] else ""
    return [("† " if row["load"] > LOAD_MAX else "") + row["row"].replace("|", "\\|"),
            f"{number(median(row['values']))} {row['unit']}", spread(row), str(len(row["values"])),
            peer.replace("|", "\\|"), number(ratio(row)), limit(row), VERDICTS[verdict(row)]]


def terminal(record):
    """The same for a terminal: a line for each row."""
    lines = []
    for row in record["rows"]:
        against = f"  {number(ratio(row))} of {row['peer']}" if row["peer_values"] else ""
        missed = "  MISSED: " + limit(row) if verdict(row) is False else ""
        loaded = "  †" if row["load"] > LOAD_MAX else ""
        lines.append(f"{row['row'][:72]:<72} {number(median(row['values'])):>10} {row['unit']}"
                     f"{against}{missed}{loaded}")
    for each in stack_lines(record):
        stages = "  ".join(f"{stage} {triple(values)} ms" for stage, values in each["latency_ms"].items())
        lines.append(f"{name_of(each)} ticks/s: {stages}; {number(each['core_percent'])} % of a core")
    for goal in goals(record):
        what, bound, found, holds = goal.cells
        lines.append(f"goal {VERDICTS[holds].strip('*') or '-'}: {what}: {found}, {bound}")
    return lines


def put(page, generated):
    """The page with its generated part replaced."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no marks: put '{BEGIN}' and '{END}' where the record belongs")
    return f"{before}{BEGIN}\n\n{generated}\n\n{END}{after}"


def loaded(record):
    """What speaks against putting the record on the page, in words; empty when nothing does."""
    reasons = []
    busy = [name for name, load in record["loads"].items() if load > LOAD_MAX]
    if busy:
        reasons.append(f"{len(busy)} of {len(record['loads'])} parts were measured while others kept more than "
                       f"{LOAD_MAX} cores busy")
    if record["mode"] == "quick":
        reasons.append("a quick run only tries that all of it works")
    if record["only"]:
        reasons.append("it is only a part of the record")
    if record["problems"]:
        reasons.append("something failed")
    return reasons
