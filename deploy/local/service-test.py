#!/usr/bin/env python3
"""Has a real systemd run a stack of the packages of Python by `tapeline service`: it takes over one that a person
started, with its settings, is started again after its supervisor was killed, is not started again with wrong settings,
stops with all its processes, and is removed.

    deploy/local/service-test.py [--wheels FOLDER]

FOLDER is .build/wheel if not given (make wheels). A systemd of a person (user 1000) runs for it, in namespaces and a
cgroup of its own, where none runs. Run it as root.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PERSON = 1000
# Longer than the unit waits before a start, with the start.
PATIENCE = 90.0
UNIT = "tapeline-stack-desk.service"
# Systemd wants to see that it has started the machine, and a cgroup in which it may make others.
ENTER = """\
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run/systemd
mkdir -p /run/systemd/system
for groups in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
    [ -e "$groups/cgroup.procs" ] || continue
    mkdir -p "$groups/tapeline-service-test"
    echo $$ >"$groups/tapeline-service-test/cgroup.procs"
    chown -R "$2" "$groups/tapeline-service-test"
done
cd "$1"
exec setpriv --reuid="$2" --regid="$2" --clear-groups \\
    env -i HOME="$1" XDG_RUNTIME_DIR="$1/run" PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 \\
    SYSTEMD_IGNORE_CHROOT=1 \\
    /usr/bin/python3 "$3" --inside "$1"
"""


def fail(problem):
    sys.exit(f"service-test.py: {problem}")


def run(*words, code=0):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if code is not None and done.returncode != code:
        fail(f"{' '.join(map(str, words))} ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout + done.stderr


def systemctl(*words, code=0):
    return run("systemctl", "--user", *words, code=code)


def shown(name):
    return systemctl("show", "--property", name, "--value", UNIT).strip()


def until(what, condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            fail(f"{what} did not come: {systemctl('status', '--no-pager', UNIT, code=None)}")
        time.sleep(0.2)
    print(f"ok  {what}", flush=True)


def inside(home):
    """Runs as the person, beside a systemd of their own."""
    tool = home / "d/bin/tapeline"
    manager = subprocess.Popen(["/lib/systemd/systemd", "--user"], stdout=subprocess.DEVNULL,
                               stderr=open(home / "systemd.log", "w"))
    try:
        until("systemd", lambda: "running" in systemctl("is-system-running", code=None))
        run(tool, "up", "--name", "desk", "--set", "SYNTHETIC_RATE=500", "--set", "LOG_LEVEL=debug")
        told = run(tool, "service", "install", "--name", "desk")
        steps = re.search(r"(?m)^now: +(.*)$", told)
        if not steps or not steps[1].startswith("tapeline down --name desk && systemctl --user daemon-reload && "):
            fail(f"install says {told}")
        unit = home / ".config/systemd/user" / UNIT
        # As a person copies it, with the tool on the PATH.
        run("sh", "-c", f"PATH={tool.parent}:$PATH; {steps[1]}")

        def works():
            return "everything works" in run(tool, "status", "--name", "desk", code=None)

        until("the stack works", works)
        sources, arguments = (json.loads((home / ".tapeline/desk" / name).read_text())
                              for name in ("sources.json", "state.json"))
        if "SYNTHETIC_RATE=500" not in str(sources) or "LOG_LEVEL=debug" not in arguments["arguments"]:
            fail(f"it has not the settings of the start before: {sources}, {arguments['arguments']}")
        print("ok  with the settings of the start before", flush=True)
        systemctl("disable", UNIT)
        for words in (("service", "remove"), ("down", "--remove", "--yes")):
            if "first, then this again" not in run(tool, *words, "--name", "desk", code=1):
                fail(f"{' '.join(words)} goes on beside a unit that runs")
        systemctl("enable", UNIT)
        supervisor = supervisor_of(home)
        os.kill(supervisor, signal.SIGKILL)
        until("systemd has started it again after its supervisor was killed",
              lambda: works() and supervisor_of(home) not in (0, supervisor))
        if shown("NRestarts") != "1":
            fail(f"it was started again {shown('NRestarts')} times")
        systemctl("stop", UNIT)
        if shown("Result") != "success" or left(home):
            fail(f"its stop: {shown('Result')}, left: {left(home)}")
        print("ok  it stops with all that it started", flush=True)

        (home / "wrong.env").write_text("OPERATOR_SERIES=nothing\n")
        run(tool, "service", "install", "--name", "desk", "--settings", home / "wrong.env")
        systemctl("daemon-reload")
        systemctl("start", UNIT, code=None)
        until("wrong settings are a failure", lambda: shown("ActiveState") == "failed")
        if shown("ExecMainStatus") != "64" or shown("NRestarts") != "0" or left(home):
            fail(f"wrong settings: status {shown('ExecMainStatus')}, {shown('NRestarts')} starts more, "
                 f"left: {left(home)}")
        print("ok  and they are not tried again", flush=True)
        systemctl("disable", "--now", UNIT)
        run(tool, "service", "remove", "--name", "desk")
        if unit.exists():
            fail("the unit is still there")
        run(tool, "down", "--name", "desk", "--remove", "--yes")
        print("ok  it is removed", flush=True)
    finally:
        manager.terminate()
        manager.wait()


def supervisor_of(home):
    try:
        return json.loads((home / ".tapeline/desk/state.json").read_text())["supervisor"]["id"]
    except (OSError, ValueError, KeyError):
        return 0


def left(home):
    """Returns the programs of the packages that run."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/exe"):
        try:
            name = os.readlink(path)
        except OSError:
            continue
        if name.startswith(f"{home}/d/"):
            found.append(name)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=pathlib.Path, default=ROOT / ".build/wheel")
    parser.add_argument("--inside", type=pathlib.Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        return inside(given.inside)
    with tempfile.TemporaryDirectory(prefix="tapeline-service-") as work:
        home = pathlib.Path(work)
        run("/usr/bin/python3", "-m", "venv", home / "d")
        run(home / "d/bin/pip", "install", "--quiet", "--no-index", "--disable-pip-version-check",
            "--find-links", given.wheels, "tapeline[stack]")
        (home / "run").mkdir(mode=0o700)
        script = home / "service-test.py"
        script.write_text(pathlib.Path(__file__).read_text())
        run("chown", "-R", f"{PERSON}:{PERSON}", home)
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "sh", home, str(PERSON), script],
            check=False)
        if done.returncode != 0:
            fail(f"it ended with {done.returncode}")


if __name__ == "__main__":
    main()
