#!/usr/bin/env python3
"""Installs the wheels in bare Debians without network, and runs the demo: as a person, as root, and as root of a
container, which may make no namespaces.

    deploy/local/wheels-test.py [--wheels FOLDER] [--roots FOLDER] [SUITE...]

FOLDER of the wheels is .build/wheel if not given (make wheels). A bare Debian has what debootstrap installs and
python3-venv; it is made in .local/roots, and kept. Run it as root. Each case fails when pip or the demo does, when
the first bars need more than 30 s, when the packages are larger than 90 MB, or when something is left.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SUITES = ["bookworm", "trixie", "sid"]
SECONDS_MAX = 30.0
MEGABYTES_MAX = 90.0
CASES = ("person", "root", "container")
# Makes a copy of a bare Debian that goes with its processes, and runs the steps in it.
ENTER = """\
set -e
over=$1.over root=$1.over/root
mkdir -p "$over"
mount -t tmpfs tmpfs "$over"
mkdir "$over/upper" "$over/work" "$root"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$over/upper,workdir=$over/work" "$root"
ip link set lo up
mkdir -p "$root/wheels" "$root/person"
mount --bind "$2" "$root/wheels"
mount -t proc proc "$root/proc"
mkdir -p "$root/dev/shm"
mount -t tmpfs tmpfs "$root/dev/shm"
for name in null zero random urandom full tty; do
    [ -e "$root/dev/$name" ] || touch "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
echo "person:x:1000:1000::/person:/bin/sh" >>"$root/etc/passwd"
chown 1000:1000 "$root/person"
chmod 700 "$root/person" "$root/root"
printf '%s' "$STEPS" >"$root/steps"
# Not chroot, in which nobody may make namespaces.
mkdir "$root/old"
cd "$root"
pivot_root . old
cd /
umount --lazy /old
home=/root enter=
case $3 in
    person) home=/person enter='setpriv --reuid=1000 --regid=1000 --clear-groups' ;;
    container)
        # What Docker leaves to root: no namespaces, and these capabilities.
        ln -s /bin/false /usr/local/bin/unshare
        kept=+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw
        enter="setpriv --bounding-set=-all,$kept,+sys_chroot,+mknod,+audit_write,+setfcap"
        ;;
esac
exec $enter env -i HOME=$home PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 DEMO="$DEMO" sh /steps
"""
# Prints a line per process. Some end meanwhile.
PROCESSES = """\
for line in /proc/[0-9]*/cmdline; do { tr '\\0' ' ' <"$line"; } 2>/dev/null && echo; done
true
"""
# What the programs of a stack have in their command lines.
OF_STACK = re.compile("tapeline|postgres|nats-server|valkey")
STEPS = """\
set -e
cd "$HOME"
python3 -m venv d
echo before; find "$HOME" -path "$HOME/d" -prune -o -print | sort
echo pip
d/bin/pip install --quiet --no-index --no-cache-dir --disable-pip-version-check --find-links /wheels 'tapeline[stack]'
echo demo
d/bin/tapeline demo $DEMO
echo remove
d/bin/tapeline down --name demo --remove --yes
echo after; find "$HOME" -path "$HOME/d" -prune -o -print | sort
echo processes
""" + PROCESSES


def fail(problem):
    sys.exit(f"wheels-test.py: {problem}")


def bare(suite, folder):
    """Returns the bare Debian of a suite, and makes it if it is not there."""
    place = folder / suite
    if not (place / ".complete").exists():
        if not shutil.which("debootstrap"):
            fail("debootstrap is missing: apt-get install debootstrap")
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", "--include=python3-venv", suite, place],
            capture_output=True, text=True, check=False)
        if done.returncode != 0:
            fail(f"debootstrap {suite}: {done.stdout.strip().splitlines()[-1:]}")
        (place / ".complete").touch()
    return place


def fetch(folder, place, packages):
    """Fetches packages of others for the Python of a bare Debian into a folder."""
    python = max((place / "usr/bin").glob("python3.*"), key=lambda path: int(path.name.split(".")[1])).name
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:",
         "--python-version", python.removeprefix("python"), "--dest", folder, *packages],
        capture_output=True, text=True, check=False)
    if done.returncode != 0:
        fail(f"pip download {' '.join(packages)}: {done.stderr.strip().splitlines()[-1:]}")


def enter(place, wheels, case, steps, demo="", see=lambda line: None):
    """Runs steps in a copy of a bare Debian, and returns what they said. The last line has the status of failed ones."""
    lines = []
    words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--net", "sh", "-c", ENTER, "sh"]
    with subprocess.Popen(
            [*words, place, wheels, case],
            env={**os.environ, "STEPS": steps, "DEMO": demo}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout:
            see(line.strip())
            lines.append(line.rstrip())
    if process.returncode != 0:
        lines.append(f"status {process.returncode}")
    return lines


def run(suite, case, place, wheels, demo):
    """Runs one case. Returns a line about it."""
    log = ROOT / ".build/logs" / f"wheels-{suite}-{case}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    marks = {}
    lines = enter(place, wheels, case, STEPS, demo, lambda line: marks.setdefault(line, time.monotonic()))
    log.write_text("\n".join(lines) + "\n")
    name = f"{suite} as {case}"
    if lines[-1].startswith("status "):
        fail(f"{name}: {lines[-2:]} (log: {log})")
    text = "\n".join(lines)
    first = re.search(r"the first bar was there after ([0-9.]+) s", text)
    if "the audit is clean" not in text or not first:
        fail(f"{name}: the demo has no clean audit (log: {log})")
    parts = {word: lines.index(word) for word in ("before", "pip", "after", "processes")}
    before, after = (lines[parts[word] + 1:parts[end]] for word, end in
                     (("before", "pip"), ("after", "processes")))
    if before != after:
        fail(f"{name}: left behind: {sorted(set(after) - set(before))}")
    left = [line for line in lines[parts["processes"] + 1:] if OF_STACK.search(line)]
    if left:
        fail(f"{name}: processes are left: {left}")
    if float(first[1]) > SECONDS_MAX:
        fail(f"{name}: the first bar came after {first[1]} s")
    took = {word: marks[end] - marks[word] for word, end in (("pip", "demo"), ("demo", "remove"))}
    return f"{name}: pip {took['pip']:.1f} s, first bar {first[1]} s, the whole demo {took['demo']:.1f} s"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=pathlib.Path, default=ROOT / ".build/wheel")
    parser.add_argument("--roots", type=pathlib.Path, default=ROOT / ".local/roots")
    parser.add_argument("--demo", default="", help="what the demo is given, as '--seconds 10'")
    parser.add_argument("suites", nargs="*", default=SUITES, metavar="SUITE")
    given = parser.parse_args()
    size = sum(path.stat().st_size for path in given.wheels.glob("*.whl")) / 1e6
    print(f"{len(list(given.wheels.glob('*.whl')))} packages, {size:.1f} MB", flush=True)
    if not 0 < size <= MEGABYTES_MAX:
        fail(f"the packages in {given.wheels} have {size:.1f} MB, not up to {MEGABYTES_MAX}: run 'make wheels'")
    for suite in given.suites:
        place = bare(suite, given.roots.resolve())
        for case in CASES:
            print(run(suite, case, place, given.wheels.resolve(), given.demo), flush=True)


if __name__ == "__main__":
    main()
