#!/usr/bin/env python3
"""Plants the faults that draw.py draws, and says which suites find them.

    Tests/mutations/judge.py --seed 7 [--count 80] [--tiers pure|pure,servers,stacks|night] [--suites REGEX]
                             [--own] [--scratch FOLDER]

All faults are built into one copy of the checkout, each behind a switch that the environment sets
(DRAWN_FAULT=number), so one build is enough. Faults that do not compile are drawn anew. Then each fault runs against
the suites of its closure until one fails: pure targets first, and those of its own module first among these. A suite
runs once without a fault before that, and notes which places it reaches; a fault whose place it does not reach is not
run. What fails beside servers is done again, with and without the fault, and so is what takes too long. One line of
JSON for each fault comes on standard output: what was changed, and `found` with the suite and the test, or null. The
copy keeps what was built, what suites reach and what was judged (judged.jsonl), for a further call with some of the
--steps: it goes on with the suites that a fault has not met. When other faults are drawn, it forgets what was judged.
Ends with 0 when all are found.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import draw

ROOT = draw.ROOT
STEPS = "build", "draw", "plant", "judge"
SUITE_SECONDS_MAX = 900
# A fault may make an endless loop.
SLOWER_MAX, SECONDS_MIN = 5, 60
LATE = "it took too long"
# House rules read texts, and would find the switches.
NOT_RUN = "TidyTests"
TRAP = r"/traps[A-Z]"
TIERS = "pure", "servers", "stacks", "night"
# The names of tests and their arguments may hold such words, too.
FAILURE = re.compile("^✘ Test .* (?:recorded an issue|failed)".encode(), re.M)
FAILED = re.compile(r"^✘ Test (\S+?|\".*\") (?:with .*? )?recorded an issue(?: .*?)? at (\S+?):", re.M)


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
    for old in [file for part in ("Sources", "Equipment", "services", "Tests") for file in folder.glob(f"{part}/**/*.swift")]:
        if not (ROOT / old.relative_to(folder)).exists():
            old.unlink()
    if not (folder / ".git").exists():
        subprocess.run("git init -q && git add -A && git -c user.name=x -c user.email=x@x commit -qm x",
                       shell=True, cwd=folder, check=True)
    if not (folder / ".local").exists():
        (folder / ".local").symlink_to(ROOT / ".local")


class Copy:
    """The copy with its build folder, and what is known of it."""

    def __init__(self, folder, tiers):
        self.folder, self.tiers = folder, tiers
        self.kept = folder / ".build/drawn"
        self.kept.mkdir(parents=True, exist_ok=True)
        self.environment = {**os.environ, "TAPELINE_TESTS": tiers, "SWIFT_BACKTRACE": "enable=no"}
        self.environment.setdefault("TAPELINE_SEEDS", "0")
        self.lock, self.locks = threading.Lock(), {}
        # Suites with servers run one at a time.
        self.servers = threading.Lock()

    def build(self):
        """Returns the errors of the build, and none when it succeeds."""
        done = subprocess.run(
            ["bash", "-c", '. .ci/steps.sh && swift build --build-tests "${build_flags[@]}"'], cwd=self.folder,
            env=self.environment, capture_output=True, text=True)
        (self.kept / "build.log").write_text(done.stdout + done.stderr)
        errors = set(re.findall(r"^(/\S+?\.swift):(\d+):\d+: error", done.stdout + done.stderr, re.M))
        return errors or ({("", 0)} if done.returncode else set())

    def compilers(self):
        """Returns the compiler's arguments for each module, and its files, of the last build."""
        found = {}
        for line in (self.folder / ".build/checked/debug.yaml").read_text().splitlines():
            if '"-module-name","' in line and '"-c","@' in line:
                arguments = json.loads(line.partition("args: ")[2])
                sources = next(each[1:] for each in arguments if each.startswith("@"))
                files = re.findall(r"'?(/.+?\.swift)'?$", pathlib.Path(sources).read_text(), re.M)
                found.update({file: (arguments, files) for file in files})
        return found

    def compiles(self, fault, compilers):
        """Returns whether a fault compiles alone behind its switch."""
        path = str(self.folder / fault["file"])
        if path not in compilers:
            return False
        arguments, files = compilers[path]
        kept = [each for place, each in enumerate(arguments[1:], 1) if each in ALONE or arguments[place - 1] in WITH
                or each in WITH or each.startswith(("-D", "-I"))]
        with tempfile.TemporaryDirectory() as folder:
            changed = pathlib.Path(folder) / pathlib.Path(path).name
            changed.write_text(draw.with_switches((ROOT / fault["file"]).read_text(), [{**fault, "number": 1}]))
            others = [file for file in files if file != path]
            done = subprocess.run(
                [arguments[0], "-frontend", "-emit-sil", "-o", "/dev/null", *kept, "-primary-file", str(changed),
                 *others], capture_output=True, text=True)
        return done.returncode == 0

    def draw(self, seed, count):
        """Draws faults that compile, and keeps their list."""
        compilers = self.compilers()
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as several:
            faults = draw.draw(seed, count, lambda fault: self.compiles(fault, compilers), several.map)
        self.keep(json.dumps(faults, indent=1))

    def keep(self, text):
        """Keeps a list of faults. What is known of others, by number, says nothing of them."""
        path = self.kept / "faults.json"
        if not path.exists() or path.read_text() != text:
            (self.kept / "judged.jsonl").unlink(missing_ok=True)
            shutil.rmtree(self.kept / "reach", ignore_errors=True)
        path.write_text(text)

    def faults(self):
        return json.loads((self.kept / "faults.json").read_text())

    def plant(self):
        """Builds all faults."""
        faults = self.faults()
        for name in {fault["file"] for fault in faults}:
            inside = [fault for fault in faults if fault["file"] == name]
            (self.folder / name).write_text(draw.with_switches((ROOT / name).read_text(), inside))
        if errors := self.build():
            sys.exit(f"error: {errors}; look at {self.kept}/build.log")

    def suites(self):
        """Returns the runs of the bundle, each with tier, folders of the closure, and arguments: one for each pure
        target and for each other suite. Traps of a target have one of their own, because they wait for any child of
        their process."""
        script = ("import sys, json; sys.path.insert(0, '.ci'); import targets; package = targets.Package()\n"
                  f"print(json.dumps({{name: (tier, [package.folder(each) for each in package.closure(name)])\n"
                  f"    for tier in {self.tiers!r}.split(',') for name in targets.test_targets(tier)}}))")
        targets = json.loads(subprocess.run([sys.executable, "-c", script], cwd=self.folder, check=True,
                                            capture_output=True, text=True).stdout)
        tests = subprocess.run([self.bundle(), "--testing-library", "swift-testing", "--list-tests"], check=True,
                               capture_output=True, text=True, cwd=self.folder).stdout.split("\n")
        found = {}
        for test in filter(lambda line: "/" in line, map(str.strip, tests)):
            target = test.partition(".")[0]
            if target not in targets or target == NOT_RUN:
                continue
            tier, folders = targets[target]
            parts = test.split("/")
            suite = "/".join(parts[:2 if tier == "stacks" and len(parts) > 2 else 1]) + "/"
            if re.search(TRAP, test):
                found[f"{target}.traps"] = (tier, folders, ["--filter", rf"^{target}\..*{TRAP}"])
            else:
                name = f"{target}." if tier == "pure" else suite
                found[name] = (tier, folders, ["--filter", f"^{re.escape(name)}", "--skip", TRAP])
        return found

    def bundle(self):
        return str(self.folder / ".build/checked/debug/tapelinePackageTests.xctest")

    def run(self, arguments, seconds, more):
        """Runs tests until one fails. Returns what failed, or None, and the seconds."""
        run = tempfile.mkdtemp(prefix="drawn-")
        os.chmod(run, 0o755)
        log = pathlib.Path(run) / "log"
        command = [self.bundle(), "--testing-library", "swift-testing", "--no-parallel", *arguments]
        if os.geteuid() == 0:
            # Whatever a test starts ends with it, and what it left in memory, too.
            command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c",
                       'mount -t tmpfs shm /dev/shm; "$@"; exit $?', "drawn", *command]
        began = time.monotonic()
        with open(log, "wb") as output:
            process = subprocess.Popen(command, cwd=self.folder, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                                       env={**self.environment, "TMPDIR": run, **more})
        failed = None
        while process.poll() is None and failed is None:
            try:
                process.wait(0.3)
            except subprocess.TimeoutExpired:
                pass
            if FAILURE.search(log.read_bytes()):
                failed = "a test failed"
            elif time.monotonic() - began > seconds:
                failed = LATE
        process.kill()
        process.wait()
        if process.returncode > 0 or (failed is None and process.returncode != 0):
            failed = f"ended with status {process.returncode}"
        text = log.read_text(errors="replace")
        suite = re.sub(r"\W+", "-", arguments[1])
        shutil.copy(log, self.kept / f"{more.get('DRAWN_FAULT', suite)}.log")
        shutil.rmtree(run, ignore_errors=True)
        named = FAILED.search(text)
        return failed and (f"{named.group(1)} ({named.group(2)})" if named else failed), time.monotonic() - began

    def reach(self, suite, arguments):
        """Runs a suite once without a fault, and keeps which places it reaches, with its seconds."""
        path = self.kept / "reach" / re.sub(r"\W+", "-", suite)
        with self.lock:
            lock = self.locks.setdefault(suite, threading.Lock())
        with lock:
            if path.exists():
                return json.loads(path.read_text())
            with tempfile.TemporaryDirectory() as folder:
                os.chmod(folder, 0o777)
                for _ in range(2):
                    failed, seconds = self.run(arguments, SUITE_SECONDS_MAX, {"DRAWN_REACH": folder})
                    if not failed:
                        break
                reached = sorted(int(name) for name in os.listdir(folder))
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps({"failed": failed, "seconds": round(seconds, 1), "reached": reached}))
            print(f"{suite} reaches {len(reached)} in {seconds:.0f} s {failed or ''}", file=sys.stderr, flush=True)
            return json.loads(path.read_text())

    def judged(self):
        """Returns what earlier calls have said of faults: the last line of each."""
        path = self.kept / "judged.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return {line["number"]: line for line in map(json.loads, lines)}

    def is_failure(self, arguments, seconds, planted, tier, failed):
        """Returns whether a run failed by the fault. The machine may be slow, and servers fail by themselves."""
        if failed == LATE:
            return not self.run(arguments, seconds / 3, {})[0]
        return tier == "pure" or (not self.run(arguments, seconds, {})[0]
                                  and bool(self.run(arguments, seconds, planted)[0]))

    def judge(self, fault, suites, passed, own):
        """Returns the first suite that a fault fails, with the test, or None. `passed` are the suites that it met
        before, and gets those that it meets now. With `own`, suites of its module alone judge it."""
        parts = pathlib.Path(fault["file"]).parts
        module = (parts[1] if parts[0] == "services" else parts[2]).replace("-", "").lower()

        def rank(suite):
            return TIERS.index(suites[suite][0]), not suite.lower().startswith(module)

        planted = {"DRAWN_FAULT": str(fault["number"])}
        for suite in sorted(set(suites) - set(passed), key=rank):
            tier, folders, arguments = suites[suite]
            if own and rank(suite)[1] or not any(fault["file"].startswith(folder + "/") for folder in folders):
                continue
            with self.servers if tier != "pure" else contextlib.nullcontext():
                known = self.reach(suite, arguments)
                if known["failed"] or fault["number"] not in known["reached"]:
                    continue
                seconds = known["seconds"] * SLOWER_MAX + SECONDS_MIN
                failed, _ = self.run(arguments, seconds, planted)
                if failed and self.is_failure(arguments, seconds, planted, tier, failed):
                    return {"suite": suite, "test": failed}
                passed.append(suite)
        return None


ALONE = {"-enable-testing", "-parse-as-library", "-strict-memory-safety", "-warnings-as-errors"}
WITH = {"-module-name", "-I", "-target", "-Xcc", "-module-cache-path", "-swift-version", "-enable-upcoming-feature",
        "-enable-experimental-feature", "-package-name"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, default=80)
    parser.add_argument("--only", type=lambda text: [int(each) for each in text.split(",")], help="numbers of faults")
    parser.add_argument("--tiers", default="pure")
    parser.add_argument("--suites", default="", help="judge by suites alone whose names match")
    parser.add_argument("--own", action="store_true", help="judge by suites of the fault's module alone")
    parser.add_argument("--lanes", type=int, default=os.cpu_count(), help="suites at a time")
    parser.add_argument("--steps", default=",".join(STEPS), help="some of " + ", ".join(STEPS))
    parser.add_argument("--scratch", type=pathlib.Path, default=pathlib.Path("/tmp/drawn-faults"))
    options = parser.parse_args()
    steps = options.steps.split(",")
    work = Copy(options.scratch, options.tiers)
    if "build" in steps:
        copy(options.scratch)
        if errors := work.build():
            sys.exit(f"error: the copy does not compile: {errors}")
    if "draw" in steps:
        work.draw(options.seed, options.count)
    if "plant" in steps:
        work.plant()
    if "judge" not in steps:
        return
    suites = {name: each for name, each in work.suites().items() if re.search(options.suites, name)}
    before, missed, lock = work.judged(), [], threading.Lock()

    def one(fault):
        passed = before.get(fault["number"], {}).get("passed", [])
        found = before.get(fault["number"], {}).get("found") or work.judge(fault, suites, passed, options.own)
        line = json.dumps({"number": fault["number"], "found": found, "passed": passed, "file": fault["file"],
                           "line": fault["line"], "before": fault["before"], "after": fault["after"]})
        with lock, open(work.kept / "judged.jsonl", "a") as kept:
            if not found:
                missed.append(fault["number"])
            print(line, flush=True)
            print(line, file=kept)

    chosen = [fault for fault in work.faults() if not options.only or fault["number"] in options.only]
    with concurrent.futures.ThreadPoolExecutor(options.lanes) as several:
        list(several.map(one, chosen))
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
