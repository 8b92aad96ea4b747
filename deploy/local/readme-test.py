#!/usr/bin/env python3
"""Runs every line of the README, in its order: those of the packages of Python in a bare Debian without network, as a
person types them; those of a clone and of Docker are looked up in the Makefile and in the compose files.

    deploy/local/readme-test.py [--wheels FOLDER] [--roots FOLDER] [--show] [SUITE]

SUITE is bookworm if not given. It fails when a line ends in another way than a person expects, when a line is in no
list below, and when something is left. --show prints what each line said. Run it as root, after 'make wheels'.
"""

import argparse
import importlib
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
wheels_test = importlib.import_module("wheels-test")

WORDS_MAX = 1_000
# Lines of a clone or of containers, which no bare Debian can run: their make and compose know them.
OF_CLONE = re.compile(r"(make|docker compose|cp \.env\.example) ?")
# What is shown until a person stops it.
ENDLESS = re.compile(r"tapeline (watch|logs -f)( |$)")
ENDLESS_SECONDS = 4
# A bare Debian without network, TWS and systemd refuses these with this status and in one line that says what is
# missing. Lines are known by how they begin.
REFUSED = {
    "tapeline service install": (1, "systemd does not run on this machine"),
    "tapeline up --name coins": (69, "Without internet: 'tapeline up --name coins PROVIDER=binance --simulator'"),
    "tapeline load --name coins": (64, "the stack coins is not up: start it with 'tapeline up --name coins'"),
    "tapeline up --name tws": (1, "not everything works: ibkr is not connected"),
    "tapeline status --name tws": (1, "not everything works: ibkr is not connected"),
}
# The packages of others that a line installs.
PACKAGES = ("polars", "psycopg[binary]")
HEAD = """\
set -u
cd "$HOME"
mkdir .build
ln -s /wheels .build/wheel
export PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels PIP_QUIET=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
"""
TAIL = 'echo "@@ left"\n' + wheels_test.PROCESSES


def fail(problem):
    sys.exit(f"readme-test.py: {problem}")


def commands(text):
    """Returns the commands of all blocks without a language, in their order."""
    found, language = [], None
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("```"):
            language = line[3:] if language is None else None
        elif language == "" and line.strip():
            found.append(line)
    return found


def of_clone(line):
    """Fails unless the Makefile or the compose files know what a line names."""
    words = line.split(" #")[0].split()
    if words[0] == "make":
        run(["make", "--dry-run", *words[1:]], line)
    elif words[0] == "cp":
        if not (ROOT / words[1]).is_file():
            fail(f"'{line}': {words[1]} is missing")
    else:
        services = (ROOT / "docker-compose.yml").read_text()
        for name in re.findall(r"--profile (\S+)", line):
            if f'"{name}"' not in services and f"[{name}]" not in services and f"- {name}" not in services:
                fail(f"'{line}': docker-compose.yml has no profile {name}")
        for name in re.findall(r"run --rm (\S+)", line):
            if f"\n  {name}:\n" not in services:
                fail(f"'{line}': docker-compose.yml has no service {name}")


def run(words, what):
    done = subprocess.run(words, cwd=ROOT, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        fail(f"'{what}': {(done.stderr or done.stdout).strip().splitlines()[-1:]}")


def script(lines):
    steps = [HEAD]
    for number, line in enumerate(lines):
        steps.append(f'echo "@@ {number}"')
        if ENDLESS.match(line):
            line = f"timeout -s INT {ENDLESS_SECONDS} {line}"
        steps.append(f'{line}\necho "@@ ended $?"')
    return "\n".join([*steps, TAIL])


def judge(line, said, code):
    """Returns why a line did not do what the README says; empty: it did."""
    last = said[-1] if said else "it says nothing"
    if ENDLESS.match(line):
        return "" if code in (0, 124, 130) and said else f"it ended with {code}: {last}"
    for start, (status, words) in REFUSED.items():
        if line.startswith(start):
            if code != status:
                return f"it ended with {code}, not with {status}: {last}"
            return "" if words in last else f"its last line is not '{words}': {last}"
    if code != 0:
        return f"it ended with {code}: {last}"
    return "it shows a traceback" if "Traceback" in "\n".join(said) else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=pathlib.Path, default=ROOT / ".build/wheel")
    parser.add_argument("--roots", type=pathlib.Path, default=ROOT / ".local/roots")
    parser.add_argument("--show", action="store_true", help="print what each line said")
    parser.add_argument("suite", nargs="?", default="bookworm", choices=wheels_test.SUITES)
    given = parser.parse_args()
    text = (ROOT / "README.md").read_text()
    if len(text.split()) > WORDS_MAX:
        fail(f"README.md has {len(text.split())} words, and {WORDS_MAX} are allowed")
    lines = commands(text)
    clone = [line for line in lines if OF_CLONE.match(line)]
    for line in clone:
        of_clone(line)
    own = [line for line in lines if line not in clone]
    place = wheels_test.bare(given.suite, given.roots.resolve())
    with tempfile.TemporaryDirectory(prefix="tapeline-readme-") as work:
        wheels = pathlib.Path(work)
        wheels.chmod(0o755)
        for path in given.wheels.resolve().glob("*.whl"):
            shutil.copy(path, wheels)
        wheels_test.fetch(wheels, place, PACKAGES)
        done = wheels_test.enter(place, wheels, "person", script(own))
    parts = re.split(r"(?m)^@@ (\d+|left)\n", "\n".join(done) + "\n")
    said = dict(zip(parts[1::2], parts[2::2]))
    problems = []
    for number, line in enumerate(own):
        told, _, code = said.get(str(number), "").rpartition("@@ ended ")
        shown = told.strip().splitlines()
        problem = judge(line, shown, int(code)) if code.strip().isdigit() else "it was not run"
        print(f"{'✘' if problem else '✔'} {line.split('  #')[0].strip()}{': ' + problem if problem else ''}", flush=True)
        if given.show or problem:
            print("".join(f"    | {row}\n" for row in shown[-40:]), end="")
        problems += [problem] if problem else []
    left = [row for row in said.get("left", "tapeline: nobody came so far to look").splitlines()
            if wheels_test.OF_STACK.search(row)]
    for line in clone:
        print(f"✔ {line.split('  #')[0].strip()} (known in the clone)")
    if problems or left:
        fail(f"{len(problems)} of {len(own)} lines do not do what the README says; left: {left}")
    print(f"{len(own)} lines were run on {given.suite}, {len(clone)} more are known in the clone; "
          f"{len(text.split())} words")


if __name__ == "__main__":
    main()
