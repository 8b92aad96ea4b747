#!/usr/bin/env python3
"""Plants the faults that draw.py draws, one after the other, and says which tests find them.

    Tests/mutations/judge.py --seed 7 [--count 80] [--tiers pure|pure,servers,stacks] [--first N]

Each fault is planted in a copy of the checkout, the tests are built, and those targets run whose sources import the
changed module. One line of JSON for each fault comes on standard output: what was changed, and `found` (the tests that
failed), `missed`, or `invalid` (it does not compile). The copy keeps its build folder, so that a second call with the
same --scratch goes on quickly. Ends with 0 when all valid ones are found, else with 1.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import draw

ROOT = draw.ROOT
FINDERS_MAX = 3
RUN_SECONDS_MAX = 1800


def copy(folder):
    """Brings the copy to the state of the checkout. Files that did not change keep their times."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            check=True, capture_output=True).stdout.decode().split("\0")
    for name in filter(None, listed):
        source, target = ROOT / name, folder / name
        if source.is_file() and not (target.exists() and target.read_bytes() == source.read_bytes()):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    for old in [file for part in ("Sources", "services", "Tests") for file in folder.glob(f"{part}/**/*.swift")]:
        if not (ROOT / old.relative_to(folder)).exists():
            old.unlink()
    if not (folder / ".git").exists():
        subprocess.run("git init -q && git add -A && git -c user.name=x -c user.email=x@x commit -qm x",
                       shell=True, cwd=folder, check=True)
    if not (folder / ".local").exists():
        (folder / ".local").symlink_to(ROOT / ".local")


def concerned(folder, file, tiers):
    """Returns the test targets that import the module of a file. Asked in the copy, whose manifest it is."""
    script = (
        "import sys; sys.path.insert(0, '.ci'); import targets; package = targets.Package()\n"
        f"module = [n for n in package.targets if {file!r}.startswith(package.folder(n) + '/')]\n"
        f"print(*(t for tier in {tiers!r}.split(',') for t in targets.test_targets(tier)\n"
        "       if package.closure(t) & set(module)))")
    return subprocess.run([sys.executable, "-c", script], cwd=folder, check=True, capture_output=True,
                          text=True).stdout.split()


def run(folder, names, environment):
    """Builds and runs test targets. Returns None if the copy does not compile, else the tests that failed."""
    build = subprocess.run(
        ["bash", "-c", '. .ci/steps.sh && swift build --build-tests "${build_flags[@]}"'], cwd=folder,
        env=environment, capture_output=True, text=True)
    if build.returncode != 0:
        return None
    if not names:
        return []
    command = f". .ci/steps.sh && run_tests judged --only {','.join(names)}"
    tests = subprocess.run(
        ["timeout", "--signal=INT", "--kill-after=60", str(RUN_SECONDS_MAX), "bash", "-c", command], cwd=folder,
        env=environment, capture_output=True, text=True)
    if tests.returncode in (124, 137):
        return ["it took too long"]
    if tests.returncode == 0 and "⚠ unsteady" not in tests.stdout:
        return []
    return re.findall(r"^✘ (.+?)(?: at |: )", tests.stdout, re.M)[:FINDERS_MAX] or ["the run failed"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, default=80)
    parser.add_argument("--first", type=int, default=0, help="begin with the fault of this number")
    parser.add_argument("--tiers", default="pure")
    parser.add_argument("--scratch", type=pathlib.Path, default=pathlib.Path("/tmp/drawn-faults"))
    options = parser.parse_args()
    environment = {**os.environ, "TAPELINE_TESTS": options.tiers, "TAPELINE_SEEDS": "0", "TAPELINE_TIER": "test"}
    copy(options.scratch)
    missed = 0
    for number, fault in enumerate(draw.draw(options.seed, options.count)):
        if number < options.first:
            continue
        path = options.scratch / fault["file"]
        text = path.read_text()
        lines = text.splitlines(keepends=True)
        lines[fault["line"] - 1] = fault["after"] + "\n"
        names = concerned(options.scratch, fault["file"], options.tiers)
        path.write_text("".join(lines))
        found = run(options.scratch, names, environment)
        path.write_text(text)
        verdict = "invalid" if found is None else "found" if found else "missed"
        missed += verdict == "missed"
        print(json.dumps({"number": number, "verdict": verdict, "by": found, "targets": len(names), **fault}),
              flush=True)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
