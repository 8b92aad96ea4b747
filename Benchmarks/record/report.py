"""The record as Markdown, and its place in docs/performance.md. Pure but for the last function."""

from goals import goals
from machine import LOAD_MAX
from rows import limit, median, number, ratio, spread, verdict

BEGIN = "<!-- The lines up to the end mark are made by `make bench`. -->"
END = "<!-- The end of what `make bench` makes. -->"
PARTS = ("provider-gateway", "operator-worker", "store-writer", "nats-server", "postgres", "valkey")
VERDICTS = {True: "yes", False: "**no**", None: ""}


def markdown(record, folder):
    """The generated part of the page. `folder` is where its plots are, as the page links to them."""
    return "\n\n".join([*head(record), *reached(record), *latency(record, folder), *quick_rows(record),
                        *processor(record, folder), *kills(record), *growth(record, folder), *programs(record)])


def head(record):
    machine = record["machine"]
    lines = [
        "## The last record",
        f"Revision {machine['revision']}, {machine['date']}, `make bench` ({record['mode']}): "
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"Linux {machine['kernel']}, {machine['disk']}.",
        "Each benchmark ran alone, in turns with the others where it ran several times: a figure is the "
        "middle of its runs, *of the peer* the middle of the ratios within each run. *Load* is how many "
        f"cores others kept busy before it; a row above {LOAD_MAX} has a †.",
    ]
    again = record.get("again", {})
    if again:
        parts = ", ".join(f"{name} ({when})" for name, when in sorted(again.items()))
        lines.append(f"Measured again: {parts}.")
    failures = record["problems"] + record["missed"]
    if failures:
        lines.append("\n".join(["What failed, or missed a limit:", "", *(f"- {each}" for each in failures)]))
    return lines


def reached(record):
    rows = [[what, goal, figure, VERDICTS[holds]] for what, goal, figure, holds in goals(record)]
    return ["## Goals", table(["what", "goal", "figure", "reached"], rows)] if rows else []


def table(names, rows):
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def triple(values):
    return " / ".join(value if isinstance(value, str) else number(value) or "-" for value in values)


def latency(record, folder):
    whole = record.get("whole") or {}
    lines = [each for each in whole.get("latency", []) if not each["killed"]]
    if not lines:
        return []
    stages = list(lines[0]["latency_ms"])
    rows = [[mark(each) + share(each), number(each["rate"]), number(each["ticks_per_second"]),
             *(triple(each["latency_ms"][stage]) for stage in stages)] for each in lines]
    found = ["## From the socket to the row",
             "Milliseconds, p50 / p99 / p99.9, from the services' own histograms: between two bounds of a "
             "histogram a quantile is placed by proportion.",
             table(["of the highest rate", "ticks/s", "measured", *stages], rows)]
    if whole.get("highest_rate"):
        found.insert(1, f"The highest rate of which every tick became a row: "
                        f"**{number(whole['highest_rate'])} ticks/s**, to a quarter.")
    return found + plot(record, folder, "latency.svg", "Latency of each stage by rate")


def quick_rows(record):
    """What WRITER_LATENCY=quick does and costs, beside the usual rows at the same rate."""
    whole = record.get("whole") or {}
    usual = {each["rate"]: each for each in whole.get("latency", []) if not each["killed"] and not each["share"]}
    rows = []
    for each in whole.get("quick_rows", []):
        for aim, line in (("frugal", usual.get(each["rate"])), ("quick", each)):
            if line:
                rows.append([mark(line) + number(line["rate"]), aim, triple(line["latency_ms"]["receipt to row"]),
                             *(number(core_percent(line, part)) for part in ("postgres", "store-writer")),
                             number(line["core_percent"])])
    if not rows:
        return []
    return ["## Rows sooner",
            "With `WRITER_LATENCY=quick`, beside the shipped `frugal`: milliseconds p50 / p99 / p99.9, and percent "
            "of a core.",
            table(["ticks/s", "`WRITER_LATENCY`", "receipt to row", "PostgreSQL", "store-writer", "all"], rows)]


def core_percent(each, part):
    """What a part kept busy, in percent of a core."""
    return 100 * each["processor"].get(part, 0.0) * each["ticks_per_second"] / 1e6


def share(each):
    return f"{100 * each['share']:.0f} %" if each["share"] else "-"


def mark(each):
    return "† " if each.get("load", 0) > LOAD_MAX else ""


def plot(record, folder, name, words):
    return [f"![{words}]({folder}/{name})"] if name in record.get("plots", ()) else []


def processor(record, folder):
    lines = [each for each in (record.get("whole") or {}).get("latency", []) if not each["killed"]]
    if not lines:
        return []
    rows = [[mark(each) + number(each["rate"]),
             *(number(each["processor"].get(part, 0.0)) for part in PARTS),
             number(sum(each["processor"].values())), number(each["core_percent"]),
             " / ".join(f"{each['memory_mb'].get(part, 0):.0f}" for part in PARTS[:3])]
            for each in lines]
    return ["## Processor time of a million ticks",
            "Seconds of one core; the sum also as percent of a core, and the peak of memory in MB of a "
            "gateway, a worker and a writer.",
            table(["ticks/s", *PARTS, "sum", "% of a core", "MB"], rows),
            *plot(record, folder, "processor.svg", "Processor time of a million ticks by rate")]


def kills(record):
    lines = [each for each in (record.get("whole") or {}).get("latency", []) if each["killed"]]
    if not lines:
        return []
    stages = list(lines[0]["latency_ms"])
    rows = [[mark(each) + each["killed"], number(each["rate"]),
             *(triple(each["latency_ms"][stage]) for stage in stages)] for each in lines]
    return ["## While a process is killed",
            "The same over the time around a `SIGKILL`, after which the stack's supervisor starts the "
            "process again.",
            table(["killed", "ticks/s", *stages], rows)]


def growth(record, folder):
    curves = (record.get("whole") or {}).get("curves", [])
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
    for each in (record.get("whole") or {}).get("latency", []):
        what = f"{number(each['rate'])} ticks/s" + (f", {each['killed']} killed" if each["killed"] else "")
        stages = "  ".join(f"{stage} {triple(values)} ms" for stage, values in each["latency_ms"].items())
        lines.append(f"{what}: {stages}; {number(each['core_percent'])} % of a core")
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
    measured = [(row["row"], row["load"]) for row in record["rows"]]
    whole = record.get("whole") or {}
    for each in [*whole.get("latency", []), *whole.get("quick_rows", [])]:
        measured.append((f"{each['rate']} ticks/s", each.get("load", 0.0)))
    busy = [name for name, load in measured if load > LOAD_MAX]
    if busy:
        reasons.append(f"{len(busy)} of {len(measured)} rows were measured while others kept more than "
                       f"{LOAD_MAX} cores busy")
    if record["mode"] == "quick":
        reasons.append("a quick run only tries that all of it works")
    if record["only"]:
        reasons.append("it is only a part of the record")
    if record["problems"]:
        reasons.append("something failed")
    return reasons
