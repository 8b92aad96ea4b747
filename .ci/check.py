#!/usr/bin/env python3
"""The body of `make check`: proves what a change concerns, without servers.

A pure test target is run if what it is made of changed since it was last green: sources, resources, Package.swift,
the compiler, the versions of servers, and variables. Its verdict is kept under a hash of all of these in
.build/verdicts, for the simulations' kept seeds and some fresh ones. Layout is checked of files that changed.

`make test` has the same flags and build folder, so neither builds again what the other has built.
"""

import argparse
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time

import targets

ROOT = targets.ROOT
VERDICTS = ROOT / ".build/verdicts"
RULES = "TidyTests"
# How many verdicts are kept of a target, so that going back to an earlier change is known, too.
KEPT_MAX = 20
FILES_SHOWN_MAX = 12


class Verdicts:
    """The hashes under which a name was green, the newest last."""

    def __init__(self, name):
        self.path = VERDICTS / f"{name}.json"
        self.keys = json.loads(self.path.read_text()) if self.path.exists() else []

    def add(self, *keys, most=KEPT_MAX):
        self.keys = ([key for key in self.keys if key not in keys] + list(keys))[-most:]
        VERDICTS.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(f".{os.getpid()}")
        beside.write_text(json.dumps(self.keys))
        beside.rename(self.path)


def step(title, command, log, environment=None):
    """Runs a command with its output in a log. Shows what failed and ends the program if it fails."""
    began = time.monotonic()
    print(f"{title} …", flush=True)
    path = ROOT / ".build/logs" / log
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        status = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                env={**os.environ, **(environment or {})}).returncode
    if status != 0:
        lines = path.read_text(errors="replace").splitlines()
        shown = list(dict.fromkeys(line for line in lines if "error:" in line)) or lines[-40:]
        print("\n".join(shown[:400]))
        sys.exit(f"✘ {title} failed (status {status}). The whole log: {path.relative_to(ROOT)}")
    print(f"✔ {title}: {time.monotonic() - began:.0f} s", flush=True)


def check_format(package):
    known = Verdicts("format")
    settings = hashlib.sha256(targets.hash_of_file(".swift-format") + targets.compiler().encode()).hexdigest()
    keys = {name: f"{settings[:16]}-{targets.hash_of_file(name).hex()}"
            for name in package.files if name.endswith(".swift")}
    green = set(known.keys)
    changed = [name for name, key in keys.items() if key not in green]
    if changed:
        step(f"Layout of {len(changed)} files", ["swift", "format", "lint", "--strict", "--parallel", *changed],
             "format.log")
        known.add(*(keys[name] for name in changed), most=4 * len(keys))


def build_flags():
    """Returns the flags of every build of tests, which .ci/steps.sh declares."""
    text = subprocess.run(["bash", "-c", ". .ci/steps.sh && printf '%s\\n' \"${build_flags[@]}\""],
                          cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return text.split()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="run all pure targets, whatever changed")
    parser.add_argument("--list", action="store_true", help="name the targets that would run, and end")
    options = parser.parse_args()
    began = time.monotonic()
    os.environ.setdefault("TAPELINE_TIER", "check")

    package = targets.Package()
    pure = targets.test_targets("pure")
    keys = {name: package.verdict_key(name, every=name == RULES) for name in pure}
    concerned = [name for name in pure if options.all or keys[name] not in Verdicts(name).keys]
    if options.list:
        print("\n".join(concerned) or "nothing that changed concerns a pure target")
        return
    check_format(package)
    if not concerned:
        print(f"✔ nothing to run: all {len(pure)} pure targets were green as they are")
        return
    print(f"{len(concerned)} of {len(pure)} pure targets are concerned: {listed(concerned)}")

    environment = {"TAPELINE_TESTS": "pure", "TAPELINE_QUICK_TESTS": "1"}
    flags = build_flags()
    step("Build", ["swift", "build", "--build-tests", *flags], "check-build.log", environment)
    folder = subprocess.run(["swift", "build", *flags, "--show-bin-path"], cwd=ROOT, check=True,
                            env={**os.environ, **environment}, capture_output=True, text=True).stdout.strip()
    command = [str(ROOT / ".ci/run-tests.py"), f"{folder}/tapelinePackageTests.xctest",
               "--logs", str(ROOT / ".build/logs/check"), "--only", ",".join(concerned),
               "--lanes", str(os.cpu_count())]
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        sys.exit(1)
    # A file that changed meanwhile may have been tested or not.
    targets.hash_of_file.cache_clear()
    targets.common_key.cache_clear()
    after = targets.Package()
    for name in concerned:
        if after.verdict_key(name, every=name == RULES) == keys[name]:
            Verdicts(name).add(keys[name])
    print(f"✔ checked in {time.monotonic() - began:.0f} s; make test has the rest")


def listed(names):
    more = len(names) - FILES_SHOWN_MAX
    return ", ".join(names[:FILES_SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")


main()
