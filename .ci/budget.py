#!/usr/bin/env python3
"""The budget of the house: how much code and how many words there are, and what building and testing costs.

    budget.py [--reason TEXT]   measures, and writes .ci/budget.json
    budget.py --compare         prints what differs between the file and the tree
    budget.py --check           what the house rule asks: ends with 1, and says why, when the file is not kept

Figures of the file:

    lines/PART/LANGUAGE   units of code, see units.py
    words                 of Markdown, without what a program makes
    processor/STEP        seconds of processor time of a step of `make test`, and of a release build from nothing
    calibration           seconds of processor time of a fixed loop, on the machine of those steps
    bytes/PROGRAM         the size of a release program

Only the ratio of a step to the calibration says something on another machine, so that is compared. A figure
that this tree has not measured keeps its place in the file; `null` was never measured.

The *sum* is all units of code and a tenth of the words: about one unit for a line of a page. Where it grew by
more than a tenth from one version of the file to the next, the file has to give the reason, in one line."""

import argparse
import datetime
import json
import pathlib
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import units  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
FILE = ".ci/budget.json"
LOGS = ".build/logs"
RELEASE = ".build/release"

GROWTH = 0.1
# A figure of the file may differ from the tree's by a tenth, and a small one by this.
SLACK = 500
# The table shows no smaller changes.
SHOWN = 0.01

PARTS = {
    "Sources": "product", "services": "product", "Equipment": "equipment", "Tests": "tests",
    "Benchmarks": "benchmarks", "deploy": "deploy", ".ci": "deploy",
}
WORDS_PER_UNIT = 10
CALIBRATION = "calibration"
RELEASE_BUILD = "processor/build: Programs (release)"


class NoHistory(Exception):
    """The tree is no checkout."""


def git(root, *arguments):
    done = subprocess.run(["git", "-C", str(root), "-c", "safe.directory=*", *arguments],
                          capture_output=True, check=False)
    if done.returncode:
        raise NoHistory(done.stderr.decode(errors="replace").strip())
    return done.stdout.decode()


# Figures of the tree


def counted(files):
    """The static figures of files: pairs of path and text."""
    figures = {"words": 0}
    for path, text in files:
        if path.endswith(".md"):
            figures["words"] += units.words(text)
            continue
        language = units.language(path, text.partition("\n")[0])
        if language:
            name = f"lines/{PARTS.get(path.partition('/')[0], 'other')}/{language}"
            figures[name] = figures.get(name, 0) + units.units(text, language)
    return figures


def tracked(root):
    """What git knows of, and what it will know of: new files that it does not ignore."""
    listed = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for path in sorted(set(filter(None, listed.split("\0")))):
        try:
            yield path, (root / path).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue


def sizes(root):
    """The sizes of the release programs that are built: those that Package.swift makes products."""
    manifest = (root / "Package.swift").read_text(encoding="utf-8").partition("products:")[2]
    manifest = manifest.partition("\n    targets:")[0]
    programs = (each for each in (root / RELEASE).glob("*") if each.is_file() and not each.suffix)
    return {f"bytes/{each.name}": each.stat().st_size for each in sorted(programs)
            if f'"{each.name}"' in manifest}


def steps(root):
    """The steps of the last runs, as deploy/local/steps.sh writes them: by program a file, by step a line."""
    found = []
    for file in sorted((root / LOGS).glob("steps-*.jsonl")):
        found += [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return found


def calibration():
    """Seconds of processor time of a loop of numbers, texts and tables: the least of five."""
    def loop():
        begin, table, state = time.process_time(), {}, 1
        for number in range(200_000):
            state = (state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % (1 << 64)
            table[f"{state >> 52}"] = number
        return time.process_time() - begin
    return round(min(loop() for _ in range(5)), 4)


# The file


def merged(old, static, built, ran, loop):
    """The figures of a new file. A step that was not run, or had less to do than from nothing, keeps its
    old value, at the speed of this machine; one that a whole run no longer has is gone."""
    figures = {CALIBRATION: None, RELEASE_BUILD: None} | static
    known = {name for name in old if name.startswith("bytes/")}
    figures |= {name: old[name] for name in known} | built
    speed = loop / old[CALIBRATION] if old.get(CALIBRATION) else 1.0
    programs = {step["program"] for step in ran}
    names = {f"processor/{step['program']}: {step['name']}" for step in ran}
    for name, seconds in old.items():
        program = name.partition("/")[2].partition(":")[0]
        if name.startswith("processor/") and (name in names or program not in programs):
            figures[name] = None if seconds is None else round(seconds * speed, 1)
    for step in ran:
        name = f"processor/{step['program']}: {step['name']}"
        if step["whole"]:
            figures[name] = round(step["processor"], 1)
    if any(value is not None for name, value in figures.items() if name.startswith("processor/")):
        figures[CALIBRATION] = loop
    return figures


def sum_of(figures):
    lines = sum(value for name, value in figures.items() if name.startswith("lines/"))
    return lines + figures["words"] // WORDS_PER_UNIT


def growth(old, new):
    return sum_of(new) / sum_of(old) - 1 if sum_of(old) else 0.0


def text_of(budget):
    return json.dumps(budget, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def read(root):
    path = root / FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def committed(root):
    """The last versions of the file that git knows, two at most, the newest first."""
    commits = git(root, "log", "-n", "2", "--format=%H", "--diff-filter=AM", "--", FILE).split()
    return [json.loads(git(root, "show", f"{commit}:{FILE}")) for commit in commits]


def before(file, versions):
    """The version before this one: the last committed, or the one before if this one is committed."""
    return next((each for each in versions if each != file), None)


# What the commands do


def problems(file, previous, static):
    """Sentences about a file that is not kept, or that grew without a reason."""
    if file is None:
        return [f"{FILE} is missing: 'make budget' writes it"]
    found = []
    for name in sorted(set(static) | {name for name in file["figures"] if name.startswith("lines/")}):
        kept, now = file["figures"].get(name) or 0, static.get(name, 0)
        if abs(now - kept) > max(GROWTH * kept, SLACK):
            found.append(f"{name} is {now:,} in the tree and {kept:,} in {FILE}: 'make budget' writes it anew")
    rise = growth(previous["figures"], file["figures"]) if previous else 0.0
    reason = file.get("reason", "")
    if "\n" in reason or reason != reason.strip():
        found.append(f"the reason in {FILE} is not one line")
    if rise > GROWTH and not reason.strip():
        found.append(f"the sum grew by {100 * rise:.0f} % since the file before, of {previous['date']}: "
                     f"make budget REASON='…' says why")
    return found


def table(old, new):
    """Lines: figure, in the old file, now, change. Processor time is compared by its ratio to the calibration."""
    speed = new[CALIBRATION] / old[CALIBRATION] if new.get(CALIBRATION) and old.get(CALIBRATION) else None
    rows = [("sum", sum_of(old), sum_of(new), growth(old, new))]
    for name in sorted(set(old) | set(new)):
        was, now = old.get(name), new.get(name)
        if name == CALIBRATION or not was and not now:
            continue
        change = None
        if was and now is not None and (speed or not name.startswith("processor/")):
            change = now / (was * speed if name.startswith("processor/") else was) - 1
        if change is None or abs(change) >= SHOWN:
            rows.append((name, was, now, change))
    if speed:
        rows.append((CALIBRATION, old[CALIBRATION], new[CALIBRATION], speed - 1))
    width = max(len(row[0]) for row in rows)
    lines = [f"{'':{width}}  {'in the file':>14}  {'now':>14}  {'change':>8}"]
    for name, was, now, change in rows:
        percent = "–" if change is None else f"{100 * change:+.1f} %"
        lines.append(f"{name:{width}}  {shown(was):>14}  {shown(now):>14}  {percent:>8}")
    return lines


def shown(value):
    return "–" if value is None else f"{value:,}"


def measured(root, old):
    """The figures of now. The calibration is that of the run of the tests, or else is made now."""
    ran = steps(root)
    loops = [step[CALIBRATION] for step in ran if CALIBRATION in step]
    ran = [step for step in ran if CALIBRATION not in step]
    return merged(old, counted(tracked(root)), sizes(root), ran, loops[-1] if loops else calibration())


def check(root):
    file, versions = read(root), committed(root)
    previous = before(file, versions)
    found = problems(file, previous, counted(tracked(root)))
    for problem in found:
        print(problem)
    if not found and previous is None:
        print(f"git knows no version of {FILE} before this one, so there is no growth to look at")
    return 1 if found else 0


def compare(root):
    """Prints what differs, and keeps the calibration beside the steps of the run that has just ended."""
    run = root / LOGS / "steps-test.jsonl"
    if run.exists():
        with run.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({CALIBRATION: calibration()}) + "\n")
    file = read(root)
    if file:
        print("\n".join(table(file["figures"], measured(root, file["figures"]))))
    return 0


def write(root, reason):
    file = read(root)
    if reason is None:
        # A reason belongs to the version that it was given for, which may be measured once more.
        is_new = file is not None and file not in committed(root)[:1]
        reason = file.get("reason", "") if is_new else ""
    old = file["figures"] if file else {}
    budget = {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "figures": measured(root, old), "reason": " ".join(reason.split()),
        "revision": git(root, "rev-parse", "--short=8", "HEAD").strip(),
    }
    (root / FILE).write_text(text_of(budget), encoding="utf-8")
    previous = before(budget, committed(root)) or budget
    print("\n".join(table(previous["figures"], budget["figures"])))
    return check(root)


def main():
    arguments = argparse.ArgumentParser(description="The budget of the house (see the top of the script)")
    arguments.add_argument("--compare", action="store_true")
    arguments.add_argument("--check", action="store_true")
    arguments.add_argument("--reason")
    asked = arguments.parse_args()
    try:
        if asked.check:
            return check(ROOT)
        return compare(ROOT) if asked.compare else write(ROOT, asked.reason)
    except NoHistory as problem:
        print(f"git has no tree here, so nothing was compared: {problem}")
        return 0


if __name__ == "__main__":
    sys.exit(main())
