#!/usr/bin/env python3
"""Runs the tests of a built bundle side by side, in many processes: a long suite has one of its own, a few
short ones share one.

  run-tests.py BUNDLE --logs FOLDER [--only MODULE,… | --skip MODULE,…] [--lanes N]

The testing library runs as many tests at once as the machine has processors, and a test that waits for a
server keeps its place. So most of the time nothing would run. Here several processes wait at once, and each
runs its tests one after the other, so that the time of each test is its own. Suites of pure modules do not wait,
so no more of them run than there are processors.

A test that fails beside others runs again alone. If it passes then, it is named as unsteady with all that it
said, and the run goes on. A second failure, more failures than a busy machine explains, a crash, and a test
that never ran fail the run.

A suite that shows no progress for too long is ended, with everything that it started. The limit grows with
the load of the machine. What did not run is named.
"""

import argparse
import ctypes
import functools
import json
import os
import pathlib
import re
import signal
import sys
import test_files
import time

import idle
import targets

# Tests mostly wait, so there are several processes per processor, up to a maximum.
LANES_PER_PROCESSOR = 3
LANES_MAX = 32
# The short suites of a module share processes, because each process of the bundle takes 0.6 s of a processor to
# begin, and often starts servers that all its suites use, with the tables of a database. More of them would make the
# last one end late; pure suites take less than a second each.
SUITES_PER_PROCESS = {"pure": 12, "servers": 8, "night": 4}
# Each test of this tier starts a whole stack. So many of them run at once: more of them load two processors
# so much that tests with time limits fail. Their suites are inside of one that is serial without this program.
STACKS_MAX = 2
PURE_MAX = os.cpu_count()
# One test, and all of them, on a machine whose load is at most twice its processors.
TEST_SECONDS_MAX = 600
RUN_SECONDS_MAX = 3600
# At night one test simulates thousands of worlds, and the part of the night has a bound of its own.
if os.environ.get("TAPELINE_TIER") == "night":
    TEST_SECONDS_MAX, RUN_SECONDS_MAX = 3600, 4 * 3600
# After an interrupt, a process has this long to stop its servers.
ENDING_SECONDS_MAX = 20
# How many tests may fail beside others and then pass alone.
UNSTEADY_MAX = 5
PROGRESS_SECONDS = 60
SLOWEST_SHOWN = 10
ISSUES_SHOWN_MAX = 40
# The output of a service may be long, so it is cut here. The suite's log contains all of it.
ISSUE_CHARACTERS_MAX = 3000
NAMES_SHOWN_MAX = 20
COMMAND_CHARACTERS_MAX = 100
# These last longest, so each has a process of its own, and they begin first. A suite that is missing here only
# begins later, and with others.
SLOW_SUITES = pathlib.Path(__file__).with_name("slow-suites")
# A test of a trap starts the bundle again and waits for any child of its process. So it must not
# share a process with tests that start servers.
TRAP = re.compile(r"/traps[A-Z]")
PLACE = re.compile(r"/[^/]*\.swift:\d+:\d+$")
PR_SET_CHILD_SUBREAPER = 36
AGAIN = "again-"
SEED = re.compile(r"TAPELINE_SEED=(\d+)")


class Shard:
    """Tests that share a process: those of one suite, of a few short ones, or of traps of one module."""

    def __init__(self, name, filters, tests, skip=None):
        self.name, self.filters, self.skip = name, filters, skip
        self.tier = tier_of(module_of(name.removeprefix(AGAIN)))
        self.waiting = set(tests)
        self.seconds = {}
        self.processor_seconds = 0.0
        self.failed = []
        self.issues = []
        self.running = None
        self.pid = None
        self.status = None
        self.ended_for = None
        self.interrupted_at = None
        # What its process has in its environment beside that of the run.
        self.more = {}

    def start(self, bundle, folder, environment):
        stem = re.sub(r"[^\w.-]+", "-", self.name)
        self.log, self.events = folder / f"{stem}.log", folder / f"{stem}.json"
        self.events.write_bytes(b"")
        self.offset, self.rest = 0, b""
        arguments = [bundle, "--testing-library", "swift-testing", "--no-parallel",
                     "--event-stream-version", "0", "--event-stream-output-path", str(self.events)]
        for one in self.filters:
            arguments += ["--filter", one]
        if self.skip:
            arguments += ["--skip", self.skip]
        environment = {**environment, **self.more}
        self.pid = os.posix_spawn(bundle, arguments, environment, setpgroup=0, setsigmask=[], file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(self.log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2)])
        self.began = self.moved = time.monotonic()

    def read(self):
        """Reads what the bundle has reported since the last call."""
        with open(self.events, "rb") as file:
            file.seek(self.offset)
            read = file.read()
        self.offset += len(read)
        *lines, self.rest = (self.rest + read).split(b"\n")
        for line in lines:
            event = json.loads(line)
            if event["kind"] == "event":
                self.take(event["payload"])

    def take(self, event):
        # The list names the source location only where two tests have the same name.
        kind, test = event["kind"], event.get("testID", "")
        name = test if test in self.waiting else PLACE.sub("", test)
        self.moved = time.monotonic()
        moment = event["instant"]["absolute"]
        if kind == "issueRecorded":
            place = event["issue"].get("sourceLocation") or {}
            said = "\n".join(message["text"] for message in event["messages"])
            if not event["issue"].get("isKnown"):
                self.issues.append((name, place.get("fileID", ""), place.get("line", 0), said))
        elif name not in self.waiting:
            return
        elif kind == "testStarted":
            self.running, self.started = name, moment
        elif kind in ("testEnded", "testSkipped"):
            self.waiting.discard(name)
            self.seconds[name] = moment - self.started if self.running == name else 0
            self.running = None
            if kind == "testEnded" and any(message["symbol"] == "fail" for message in event["messages"]):
                self.failed.append(name)

    def interrupt(self, why):
        now = time.monotonic()
        if self.interrupted_at is None:
            self.interrupted_at, self.ended_for = now, why
            os.killpg(self.pid, signal.SIGINT)
        elif now - self.interrupted_at > ENDING_SECONDS_MAX:
            os.killpg(self.pid, signal.SIGKILL)

    def trouble(self):
        """The reason why the results of its tests cannot be used, or None."""
        if self.ended_for:
            return self.ended_for
        if os.WIFSIGNALED(self.status):
            return f"ended by signal {os.WTERMSIG(self.status)}"
        if self.waiting:
            return f"ended with status {os.WEXITSTATUS(self.status)} before its last test"
        if os.WEXITSTATUS(self.status) != 0 and not self.failed:
            return f"ended with status {os.WEXITSTATUS(self.status)}, although no test failed"
        return None


class Run:
    def __init__(self, bundle, folder, shards, lanes):
        self.bundle, self.folder, self.lanes = bundle, folder, lanes
        self.queue, self.running, self.done = list(reversed(shards)), {}, []
        self.processor_seconds = 0.0
        self.idle = idle.Idle()
        self.total = sum(len(shard.waiting) for shard in shards)
        self.stopped = None
        # Printing a backtrace after a crash would hold up a shard for minutes.
        self.environment = {"SWIFT_BACKTRACE": "enable=no", **os.environ}

    def all(self):
        """Runs all shards. Returns the names of the processes that they left running; these are ended."""
        try:
            self.work()
        finally:
            left = end_orphans()
        return left

    def work(self):
        self.began = self.shown = time.monotonic()
        while self.queue or self.running:
            while shard := self.next():
                shard.start(self.bundle, self.folder, self.environment)
                self.running[shard.pid] = shard
            signal.sigtimedwait([signal.SIGCHLD], 0.2)
            self.reap()
            for shard in self.running.values():
                shard.read()
            self.limit()
            self.show()
            if self.stopped and not self.running:
                break
        if sys.stdout.isatty():
            print("\r\033[K", end="")

    def next(self):
        """Takes the next shard that may begin now from the queue, or returns None."""
        more = len(self.running) - self.lanes
        if self.stopped or more >= self.lanes or (more >= 0 and not self.idle.is_free()):
            return None
        free = {"stacks": STACKS_MAX, "pure": PURE_MAX}
        for shard in self.running.values():
            if shard.tier in free:
                free[shard.tier] -= 1
        for place in reversed(range(len(self.queue))):
            if free.get(self.queue[place].tier, 1) > 0:
                return self.queue.pop(place)
        return None

    def reap(self):
        """Waits for ended processes, including those that tests started and did not wait for, as
        the first process of a machine does."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            used = usage.ru_utime + usage.ru_stime
            self.processor_seconds += used
            shard = self.running.pop(pid, None)
            if shard:
                shard.status, shard.processor_seconds = status, used
                shard.read()
                self.done.append(shard)

    def limit(self):
        stretch = max(1, os.getloadavg()[0] / (2 * os.cpu_count()))
        now = time.monotonic()
        if not self.stopped and now - self.began > RUN_SECONDS_MAX * stretch:
            self.stopped = f"the run took longer than {RUN_SECONDS_MAX * stretch:.0f} s"
        for shard in self.running.values():
            if self.stopped:
                shard.interrupt(self.stopped)
            elif shard.interrupted_at or now - shard.moved > TEST_SECONDS_MAX * stretch:
                shard.interrupt(f"no progress for {TEST_SECONDS_MAX * stretch:.0f} s")

    def show(self):
        now = time.monotonic()
        if now - self.shown < (1 if sys.stdout.isatty() else PROGRESS_SECONDS):
            return
        self.shown = now
        shards = [*self.done, *self.running.values()]
        ended = sum(len(shard.seconds) for shard in shards)
        failed = sum(len(shard.failed) for shard in shards)
        line = f"{now - self.began:.0f} s: {ended} of {self.total} tests, {failed} failed"
        if self.running:
            oldest = min(self.running.values(), key=lambda shard: shard.began)
            line += f"; longest at work: {oldest.running or oldest.name}, {now - oldest.began:.0f} s"
        if sys.stdout.isatty():
            print(f"\r\033[K{line[:100]}", end="", flush=True)
        else:
            print(f"    … {line}", flush=True)


def end_orphans():
    """Ends the processes that tests left behind, and returns their names. They are children of this process
    by now."""
    ended = {}
    deadline = time.monotonic() + ENDING_SECONDS_MAX
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0] != 0:
                pass
        except ChildProcessError:
            return sorted(ended.values())
        children = pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        late = time.monotonic() > deadline
        for child in children:
            if late or child not in ended:
                ended[child] = f"{name_of(child)} ({child})"
                os.kill(int(child), signal.SIGKILL if late else signal.SIGTERM)
        time.sleep(0.05)


def name_of(process):
    """The beginning of a process's command line. A process that has ended has none."""
    line = pathlib.Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return line.strip()[:COMMAND_CHARACTERS_MAX] or "a process that had ended"


def module_of(name):
    return name.split(".", 1)[0]


@functools.cache
def tier_of(module):
    return next((tier for tier in targets.TIERS if module in targets.test_targets(tier)), None)


def shards_of(tests):
    """A shard for each long test, for each long suite with the suites inside of it, shards of a few short ones, and one
    for each module's tests of traps. Of whole stacks, each inner suite is a shard. Those that last longest come
    first, and pure ones last: they keep the processors busy until the end, where one that waits would not."""
    slow = SLOW_SUITES.read_text().split("\n") if SLOW_SUITES.exists() else []
    ranks = {suite: rank for rank, suite in enumerate(slow)}
    suites, traps, alone = {}, {}, {}
    for test in tests:
        place = test.split("(")[0]
        if place in ranks:
            alone.setdefault(place, []).append(test)
            continue
        if TRAP.search(test):
            traps.setdefault(module_of(test), []).append(test)
        else:
            names = test.split("/")
            depth = 2 if tier_of(module_of(test)) == "stacks" and len(names) > 2 else 1
            suites.setdefault("/".join(names[:depth]), []).append(test)
    shards, short = [Shard(place, [rf"^{re.escape(place)}\("], names) for place, names in alone.items()], {}
    for suite, names in suites.items():
        if suite in ranks or tier_of(module_of(suite)) == "stacks":
            shards.append(shard([suite], names, alone))
        else:
            short.setdefault(module_of(suite), []).append(suite)
    for module, names in short.items():
        count = -(-len(names) // SUITES_PER_PROCESS.get(tier_of(module), 1))
        # Suites of similar names cost similarly, so neighbours are spread over the processes.
        for first in range(count):
            share = names[first::count]
            shards.append(shard(share, [test for name in share for test in suites[name]], alone))
    shards += [Shard(f"{module}.traps", [rf"^{module}\..*{TRAP.pattern}"], names)
               for module, names in traps.items()]
    return sorted(shards, key=lambda shard: (
        shard.tier == "pure", ranks.get(shard.name, len(ranks)), -len(shard.waiting)))


def shard(suites, tests, alone):
    more = f" and {len(suites) - 1} more" if len(suites) > 1 else ""
    skip = "|".join([TRAP.pattern, *(rf"^{re.escape(place)}\(" for place in alone)])
    return Shard(suites[0] + more, [f"^{re.escape(suite)}/" for suite in suites], tests, skip=skip)


def list_tests(bundle):
    read, write = os.pipe()
    pid = os.posix_spawn(
        bundle, [bundle, "--testing-library", "swift-testing", "--list-tests"],
        {**os.environ, "LLVM_PROFILE_FILE": "/dev/null"},
        file_actions=[(os.POSIX_SPAWN_DUP2, write, 1), (os.POSIX_SPAWN_CLOSE, read)])
    os.close(write)
    with os.fdopen(read) as output:
        tests = [line.strip() for line in output if "/" in line]
    _, status = os.waitpid(pid, 0)
    if status != 0:
        sys.exit(f"error: {bundle} does not list its tests")
    return tests


def show_issues(shards):
    issues = [issue for shard in shards for issue in shard.issues]
    for test, file, line, said in issues[:ISSUES_SHOWN_MAX]:
        shown = said if len(said) <= ISSUE_CHARACTERS_MAX else said[:ISSUE_CHARACTERS_MAX] + " …"
        print(f"✘ {test} at {file}:{line}: {shown}")
    if len(issues) > ISSUES_SHOWN_MAX:
        print(f"… and {len(issues) - ISSUES_SHOWN_MAX} more")


def show_troubles(shards):
    for shard in shards:
        if shard.trouble():
            print(f"✘ {shard.name}: {shard.trouble()}; at work: {shard.running or 'no test'}; "
                  f"did not end: {listed(sorted(shard.waiting))}. The whole log: {shard.log}")


def names(text):
    return text.split(",")


def listed(names):
    more = len(names) - NAMES_SHOWN_MAX
    return ", ".join(names[:NAMES_SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")


def show_summary(shards):
    """Prints a line for each module, and the slowest shards. A shard's seconds on a processor include the
    processes that it waited for; those of processes that it left to the runner are in the run's sum only."""
    modules = {}
    for shard in shards:
        row = modules.setdefault(module_of(shard.name), [0, 0, 0.0, 0.0])
        row[0] += len(shard.seconds)
        row[1] += 1
        row[2] += sum(shard.seconds.values())
        row[3] += shard.processor_seconds
    print(f"{'seconds':>9} {'processor':>9} {'tests':>6} {'shards':>7}  module")
    for name, (tests, count, seconds, processor) in sorted(modules.items(), key=lambda item: -item[1][2]):
        print(f"{seconds:9.1f} {processor:9.1f} {tests:6} {count:7}  {name}")
    print(f"{'seconds':>9} {'processor':>9} {'tests':>6}          slowest shards")
    slowest = sorted(shards, key=lambda shard: -sum(shard.seconds.values()))
    for shard in slowest[:SLOWEST_SHOWN]:
        print(f"{sum(shard.seconds.values()):9.1f} {shard.processor_seconds:9.1f} {len(shard.seconds):6}"
              f"          {shard.name}")


def write_seconds(path, shards):
    """Writes the seconds per shard (in brackets those of its process on a processor) and per test, the
    slowest first, to find what slows the run down."""
    with open(path, "w") as file:
        for shard in sorted(shards, key=lambda shard: -sum(shard.seconds.values())):
            file.write(f"{sum(shard.seconds.values()):.2f} ({shard.processor_seconds:.2f}) {shard.name}\n")
            for test, seconds in sorted(shard.seconds.items(), key=lambda item: -item[1]):
                file.write(f"    {seconds:.2f} {test}\n")


def again(run, failed, folder):
    """Runs failed tests once more, one after the other, each with the seed that failed if it named one: a
    world that is wrong is wrong again, and is no unsteady test. Returns True if all pass."""
    print(f"Again, alone: {', '.join(failed)}", flush=True)
    shards = [Shard(AGAIN + test, [f"^{re.escape(test)}"], [test]) for test in failed]
    for one in shards:
        said = "\n".join(text for first in run.done for test, _, _, text in first.issues if test in one.waiting)
        if named := SEED.search(said):
            one.more = {"TAPELINE_SEED": named.group(1)}
    # The coverage is taken from the first run.
    second = Run(run.bundle, folder, shards, lanes=1)
    second.environment["LLVM_PROFILE_FILE"] = "/dev/null"
    second.all()
    show_issues(shards)
    show_troubles(shards)
    if any(shard.failed or shard.trouble() for shard in shards):
        return False
    for test in failed:
        print(f"⚠ unsteady, look at what it said above: {test}")
    return True


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--logs", type=pathlib.Path, required=True, help="a folder for logs and events")
    parser.add_argument("--only", type=names, help="the modules whose tests run, comma-separated")
    parser.add_argument("--skip", type=names, default=[], help="modules whose tests do not run, comma-separated")
    parser.add_argument("--lanes", type=int, default=min(LANES_MAX, LANES_PER_PROCESSOR * os.cpu_count()))
    options = parser.parse_args()
    if not os.access(options.bundle, os.X_OK):
        sys.exit(f"error: there is no test bundle {options.bundle}: swift build --build-tests makes it")
    options.logs.mkdir(parents=True, exist_ok=True)
    for old in options.logs.iterdir():
        old.unlink()
    test_files.prepare()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])

    # The bundle also has tests of lower tiers, where others use their helpers.
    tiers = os.environ.get("TAPELINE_TESTS", "").split(",")
    tests = [test for test in list_tests(options.bundle)
             if (tiers == [""] or not {module_of(test), tier_of(module_of(test))}.isdisjoint(tiers))
             and (not options.only or module_of(test) in options.only) and module_of(test) not in options.skip]
    if not tests:
        sys.exit("error: no test to run")
    shards = shards_of(tests)
    run = Run(options.bundle, options.logs, shards, options.lanes)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: setattr(run, "stopped", "interrupted"))
    left = run.all()

    if not options.only:
        show_summary(run.done)
        print(f"{run.processor_seconds:.0f} s on a processor")
    write_seconds(options.logs / "seconds.txt", run.done)
    if left:
        print(f"⚠ tests left processes running, which were ended: {listed(left)}")
    # What failed comes last: who keeps only the end of a long log sees it.
    show_issues(run.done)
    show_troubles(run.done)
    if run.queue:
        print(f"✘ {run.stopped}; did not begin: {listed([shard.name for shard in run.queue])}")
    failed = sorted(test for shard in run.done for test in shard.failed)
    passed = not run.queue and not any(shard.trouble() for shard in run.done)
    if passed and failed:
        passed = len(failed) <= UNSTEADY_MAX and again(run, failed, options.logs)
    ended = sum(len(shard.seconds) for shard in run.done)
    print(f"{'✔' if passed else '✘'} {ended} of {run.total} tests in {len(run.done)} processes "
          f"{'passed' if passed else 'failed'} after {time.monotonic() - run.began:.0f} s")
    red = len(failed) if not passed else 0
    (options.logs / "summary.txt").write_text(f"{ended - red} passed, {red} failed\n")
    sys.exit(0 if passed else 1)


main()
