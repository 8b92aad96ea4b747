#!/usr/bin/env python3
"""Upgrades a local stack to the next release, as docs/upgrade.md says, and goes back.

    deploy/local/upgrade-test.py [--programs FOLDER] [--minutes N] [--keep]

The older release makes a stack with two sources, bars, checkpoints, Valkey keys, and a spool whose gateway was killed.
The newer one takes it over. Then the older one gets it back, and the newer one takes it over once more. The commands
are those of docs/upgrade.md. After a first release, the older one is that of deploy/local/previous.release, and the
newer one this checkout. Until then the older one is this checkout, and the newer one a made-up second release of it
(deploy/local/second-release.py). deploy/local/previous.sh builds the programs of the other one.

The stack is in .local/upgrade, which is removed first, and last unless --keep is given. It takes five
minutes. Exit code 0: every step held. 1: one did not.
"""

import argparse
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "deploy/compose"))
from cluster import Failure, Report  # noqa: E402

HOME = CHECKOUT / ".local/upgrade"
STACK = HOME / ".local/stack/default"
SYMBOLS = ("AAPL", "MSFT", "SPY")
SERIES = "15s,1m,1h"
SETTINGS = {"OPERATOR_SERIES": SERIES}
PRESENT = {"SYNTHETIC_SYMBOLS": ",".join(SYMBOLS), "SYNTHETIC_RATE": "40"}
OTHER = {"GATEWAY_SOURCE": "other", "SYNTHETIC_SYMBOLS": ",".join(SYMBOLS), "SYNTHETIC_RATE": "25",
         "SYNTHETIC_SEED": "7", "SYNTHETIC_MISSED": "lost"}
MIGRATOR = "tapeline_migrator"


report = Report()


def eventually(what, condition, seconds=120.0, step=0.5):
    """Waits until the condition is true."""
    begin = time.monotonic()
    found = None
    while time.monotonic() - begin < seconds:
        try:
            found = condition()
            if found is True:
                return
        except (OSError, ValueError, KeyError, Failure) as failure:
            found = failure
        time.sleep(step)
    raise Failure(f"not within {seconds:.0f} s: {what} ({found})")


def expect(holds, text):
    if not holds:
        raise Failure(text)


class Release:
    """The programs of one release, and what comes with them."""

    def __init__(self, name, root, programs):
        self.name, self.root = name, pathlib.Path(root)
        self.programs = pathlib.Path(programs).resolve()

    def take_over(self):
        """What `git checkout` does: the files of this release come with its programs."""
        for name in ("deploy", "services"):
            link = HOME / name
            link.unlink(missing_ok=True)
            link.symlink_to(self.root / name)

    def tool(self, *arguments, check=True, seconds=600, **environment):
        done = subprocess.run(
            [self.programs / "tapeline", *arguments], cwd=HOME, text=True, timeout=seconds,
            env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if check and done.returncode != 0:
            raise Failure(f"'tapeline {' '.join(arguments)}' of {self.name} ended with "
                          f"{done.returncode}:\n{done.stdout}")
        return done

    def command(self, *arguments, settings=None):
        """A command of docs/upgrade.md, shown as a person types it."""
        words = [*arguments, *(f"--set={key}={value}" for key, value in (settings or {}).items())]
        report.line(f"$ tapeline {' '.join(words)}")
        return self.tool(*words, "--home", str(HOME))

    def json(self, *arguments, check=True):
        return json.loads(self.tool(*arguments, "--home", str(HOME), "--json", check=check).stdout)


# --- the stack


def ports():
    return json.loads((STACK / "ports.json").read_text())


def query(sql, user=MIGRATOR):
    done = subprocess.run(
        [HOME / ".local/servers/database/bin/psql", "--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1",
         "-h", "127.0.0.1", "-p", str(ports()["postgres"]), "-U", user, "-d", "tapeline"],
        text=True, input=f"SET search_path = md, pg_temp;\n{sql}", timeout=600,
        env={**os.environ, "PGPASSFILE": str(STACK / "secrets/pgpass")},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        raise Failure(f"{sql[:80]}: {done.stderr.strip()}")
    return done.stdout.strip()


def number(sql):
    return int(query(sql) or 0)


def query_time():
    return time.strftime("%Y-%m-%dT%H:%M:00Z", time.gmtime())


def status(name):
    """The page /status of a service."""
    with urllib.request.urlopen(
            f"http://127.0.0.1:{ports()[name]}/status", timeout=5) as answer:
        return json.load(answer)


def cache(*words):
    """The answer of Valkey to its user for readers."""
    return subprocess.run(
        [HOME / ".local/servers/database/bin/valkey-cli", "-p", str(ports()["valkey"]), "--user", "reader", *words],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "REDISCLI_AUTH": (STACK / "secrets/valkey-reader").read_text()}).stdout.split()


def unit(name):
    """The process number of a unit of the stack."""
    units = json.loads((STACK / "state.json").read_text())["units"]
    return next(each["process"]["id"] for each in units if each["name"] == name)


class OtherGateway:
    """The gateway of the second source, started by hand, so that nothing starts it again when it is killed."""

    def __init__(self, release):
        known = ports()
        self.port = known["simulator"]
        self.log = open(HOME / "other.log", "ab")
        self.process = subprocess.Popen(
            [release.programs / "provider-gateway"], stdout=self.log, stderr=self.log, cwd=HOME,
            env={"PATH": os.environ["PATH"], "NATS_URL": f"nats://127.0.0.1:{known['nats']}",
                 "NATS_USER": "gateway", "NATS_PASSWORD_FILE": str(STACK / "secrets/nats-gateway"),
                 "GATEWAY_PROVIDER": "synthetic", "GATEWAY_SPOOL": str(STACK / "spool"),
                 "GATEWAY_DEAD_LETTERS": str(STACK / "dead-letters/gateway-other"),
                 "OPS_ADDRESS": "127.0.0.1", "OPS_PORT": str(self.port), "LOG_FORMAT": "json",
                 "MDS_MEMBER": "provider-gateway-other", **OTHER})

    def kill(self):
        self.process.kill()
        self.process.wait()


def heads(release):
    """The last acknowledged ordinal of each lane of ticks."""
    found = {}
    for partition in release.json("tape", "--no-rate")["partitions"]:
        for source in partition["sources"]:
            found[partition["partition"], source["source"]] = source["last_ordinal"]
    return found


# --- the fixture


def two_sources(old, minutes):
    report.step(f"Two sources feed the same symbols for {minutes} minutes")
    old.command("up", settings={**SETTINGS, **PRESENT})
    other = OtherGateway(old)
    begin = time.monotonic()
    eventually("ticks of both are rows", lambda: number(
        "SELECT count(DISTINCT source) FROM trades WHERE ts > now() - interval '1 minute'") == 2)
    time.sleep(max(0.0, 60 * minutes - (time.monotonic() - begin)))
    report.line("NATS stops answering for 4 s; the gateway of the second source spools and is killed")
    nats = unit("nats-server")
    os.kill(nats, signal.SIGSTOP)
    time.sleep(4)
    other.kill()
    os.kill(nats, signal.SIGCONT)
    eventually("the first source goes on", lambda: number(
        "SELECT count(*) FROM trades WHERE source = 'synthetic' AND ts > now() - interval '2 seconds'")
        > 0)


def before(old, begin):
    """What the older release has, at the moment of the upgrade."""
    report.step("What there is before the upgrade")
    found = {
        "heads": heads(old), "begin": begin,
        "spooled": sum(each["ticks"] for each in old.json("spool", "list")["spools"]
                       if each["source"] == "other")}
    keys = cache("keys", "md:bar:*")
    expect(found["spooled"] > 0, "the killed gateway left no spool")
    expect(keys, "there are no bars in Valkey")
    old.command("down")
    report.line(f"{sum(found['heads'].values())} ticks on the tape, {found['spooled']} in a spool, "
                f"{len(keys)} bars in Valkey")
    return found


# --- the upgrade


def upgrade(new):
    report.step("The upgrade, by the commands of docs/upgrade.md")
    report.line("(git checkout, make build)")
    new.take_over()
    new.command("up", settings={**SETTINGS, **PRESENT})
    new.command("down")
    new.command("up", "--add-source", settings={**SETTINGS, **OTHER})


def nothing_stopped():
    """Every partition is owned and none has stopped."""
    pages = [status(name)["operator"] for name in ("operatorA", "operatorB")]
    owned = [each for page in pages for each in page["partitions"]]
    problems = [f"{each['partition']}: {each['problem']}" for each in owned if each["problem"]]
    return not problems and len(owned) == 8 or f"{len(owned)} of 8 partitions owned; {problems[:3]}"


def after(new, known):
    report.step("What the newer release has made of it")
    eventually("all partitions are owned and work", nothing_stopped)
    now = heads(new)
    lost = {lane: last for lane, last in known["heads"].items() if now.get(lane, 0) < last}
    expect(not lost, f"acknowledged ticks are missing: {lost}")
    other = sum(last for (_, source), last in now.items() if source == "other")
    held = sum(last for (_, source), last in known["heads"].items() if source == "other")
    expect(other >= held + known["spooled"], f"of the spool {other - held} ticks are on the tape")
    left = [each for each in new.json("spool", "list")["spools"] if each["ticks"]]
    expect(not left, f"ticks are still in spools: {left}")
    eventually("bars of each source", lambda: number(
        "SELECT count(DISTINCT source) FROM bars WHERE series = '15s' "
        "AND ts > now() - interval '1 minute'") == 2)
    eventually("both sources are in Valkey", lambda: {each.split(":")[0] for each in cache(
        "hget", "md:sources", SYMBOLS[0])} == {"synthetic", "other"})
    holds = new.tool("position", "verify", "--home", str(HOME)).stdout.strip()
    report.line(f"{sum(now.values())} ticks on the tape; {holds}")


def verdict(release, known):
    """`audit` of all rows, and `prove` over the time of both releases, find nothing."""
    report.step("audit and prove, over the time before the upgrade and after it")
    found = {}

    def holds(*words, environment=None):
        done = release.tool(*words, "--home", str(HOME), check=False, **(environment or {}))
        found[words[0]] = done.stdout[-1500:]
        return done.returncode == 0 or found[words[0]]

    eventually("the audit finds nothing", lambda: holds("audit", "--all"), 120, 3)
    report.line("$ tapeline audit --all: clean")
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 30))
    eventually("the bars are proven", lambda: holds(
        "prove", *SYMBOLS, "--from", known["begin"], "--to", end, "--series", "15s,1m",
        environment={"OPERATOR_SERIES": SERIES}), 120, 3)
    report.line("$ tapeline prove: every bar is what its ticks make")


# --- the way back


def back_statements():
    """The statements by which the older release may migrate the database again. Only the made-up one has any."""
    path = CHECKOUT / "deploy/local/second-release.py"
    loader = importlib.machinery.SourceFileLoader("second_release", str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("second_release", loader))
    loader.exec_module(module)
    return module.WAY_BACK


def way_back(old, new, known):
    report.step("The way back, by the commands of docs/upgrade.md")
    new.command("down")
    new.command("up", "--servers-only")
    query(back_statements())
    new.command("down")
    old.take_over()
    old.command("up", settings={**SETTINGS, **PRESENT})
    eventually("all partitions are owned and work", nothing_stopped)
    report.line(old.tool("position", "verify", "--home", str(HOME)).stdout.strip())
    verdict(old, known)
    old.command("down")
    report.step("Forward again")
    new.take_over()
    new.command("up", settings={**SETTINGS, **PRESENT})
    eventually("all partitions are owned and work", nothing_stopped)
    verdict(new, known)
    new.command("down")


def read_known():
    known = json.loads((HOME / "known.json").read_text())
    return {**known, "heads": {(p, s): last for p, s, last in known["heads"]}}


def clean():
    for name in ("deploy", "services"):
        (HOME / name).unlink(missing_ok=True)
    shutil.rmtree(HOME, ignore_errors=True)


def make(old, options):
    clean()
    (HOME / ".local").mkdir(parents=True)
    (HOME / ".local/servers").symlink_to(CHECKOUT / ".local/servers")
    old.take_over()
    begin = query_time()
    two_sources(old, options.minutes)
    known = before(old, begin)
    (HOME / "known.json").write_text(json.dumps(
        {**known, "heads": [[*lane, last] for lane, last in known["heads"].items()]}))


def both_releases(programs):
    """The older and the newer release, or nothing when programs of one are not there: then a test has failed."""
    name = subprocess.run([CHECKOUT / "deploy/local/previous.sh", "--name"], text=True, check=True,
                          stdout=subprocess.PIPE).stdout.strip()
    kept = pathlib.Path(os.environ.get("TAPELINE_PREVIOUS", CHECKOUT / ".local/previous")) / name
    is_made_up = name.startswith("second-")
    this = Release("this release", CHECKOUT, programs)
    other = Release("a made-up second release" if is_made_up else "the release before", kept, kept / ".build/release")
    for release in (this, other):
        if not (release.programs / "tapeline").exists():
            print(f"{release.programs / 'tapeline'} is not there: run deploy/local/"
                  f"{'previous.sh' if release is other else 'build.sh'}", file=sys.stderr)
            return None
    return (this, other) if is_made_up else (other, this)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", default=str(CHECKOUT / ".build/release"))
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--steps", default="make,upgrade,after,verdict,back", help=argparse.SUPPRESS)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    releases = both_releases(options.programs)
    if not releases:
        return 1
    old, new = releases
    steps = {
        "make": lambda: make(old, options), "upgrade": lambda: upgrade(new),
        "after": lambda: after(new, read_known()), "verdict": lambda: verdict(new, read_known()),
        "back": lambda: way_back(old, new, read_known())}
    try:
        for name in options.steps.split(","):
            steps[name]()
    except Failure as failure:
        print(f"✘ {failure}\n  the stack is left as it is: {HOME}", file=sys.stderr)
        return 1
    if not options.keep:
        clean()
    print("\nthe upgrade and the way back hold")
    return 0


if __name__ == "__main__":
    sys.exit(main())
