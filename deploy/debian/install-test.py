#!/usr/bin/env python3
"""Installs the Debian packages in a bare Debian 12 whose first process is systemd, upgrades them under load,
and removes them.

    deploy/debian/install-test.py --packages FOLDER --upgrade FOLDER [--programs FOLDER] [--image IMAGE] [--keep]

The servers are those of a local stack on this machine; the container shares its network. Docker is needed, and
the image has to reach a Debian mirror. FOLDER holds the packages of one version; those of --upgrade have a
higher one (deploy/debian/packages.py --version). It takes three minutes. Exit code 0: every step held.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
NAME = "tapeline-install-test"
SERVICES = ("store-writer", "operator-worker", "provider-gateway", "cockpit")
# Users of their own: the services, and the tool that carries out what people ask for in the cockpit.
USERS = (*SERVICES, "actions")
# In the order in which an upgrade restarts them.
UNITS = [f"tapeline-{user}.service" for user in USERS]
# The passwords of each reader: their names there, and those of the local stack.
SECRETS = {
    "provider-gateway": {"nats": "nats-gateway"},
    "operator-worker": {"nats": "nats-operator"},
    "store-writer": {"nats": "nats-writer", "postgres": "postgres-writer", "valkey": "valkey"},
    "migrator": {"postgres": "postgres-migrator"},
    "cockpit": {"nats": "nats-cockpit", "postgres": "postgres-reader", "people": "cockpit-people",
                "key": "actions-key", "valkey": "valkey-reader"},
    "actions": {"nats": "nats-actions", "postgres": "postgres-writer", "key": "actions-key"},
    "tool": {"nats": "nats-tool", "postgres": "postgres-writer"},
}
BASE = """
FROM {image}
RUN apt-get update && apt-get install --yes --no-install-recommends systemd systemd-sysv
STOPSIGNAL SIGRTMIN+3
CMD ["/sbin/init"]
"""
RATE = 500


class Failure(Exception):
    """A step that failed, with one line for the person."""


def run(*words, check=True, seconds=600, **options):
    done = subprocess.run([str(word) for word in words], text=True, timeout=seconds, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, **options)
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(str(word) for word in words)} ended with {done.returncode}:\n{done.stdout}")
    return done


def expect(holds, text):
    if not holds:
        raise Failure(text)


def eventually(what, condition, seconds=90.0):
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > seconds:
            raise Failure(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.3)


def step(title):
    print(f"[{time.strftime('%H:%M:%S')}] {title}", flush=True)


class Machine:
    """The container: a Debian with systemd, and what this test does in it."""

    def __init__(self, image, folder):
        self.folder = folder
        (folder / "Dockerfile").write_text(BASE.format(image=image))
        run("docker", "build", "--quiet", "--tag", NAME, "--file", folder / "Dockerfile", folder)
        run("docker", "rm", "--force", NAME, check=False)
        run("docker", "run", "--detach", "--name", NAME, "--network", "host", "--cgroupns", "host", "--cap-add",
            "SYS_PTRACE", "--tmpfs", "/run", "--tmpfs", "/run/lock", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw",
            "--volume", f"{folder}:/given:ro", NAME)
        eventually("systemd runs", lambda: self("systemctl is-system-running", check=False).strip()
                   in ("running", "degraded"))

    def __call__(self, script, check=True):
        return run("docker", "exec", NAME, "sh", "-c", script, check=check).stdout

    def tool(self, arguments, check=True):
        return run("docker", "exec", NAME, "sh", "-c",
                   f"set -a; . /etc/tapeline/tapeline.env; set +a; exec tapeline {arguments}", check=check)

    def process(self, unit):
        return self(f"systemctl show --property MainPID --value {unit}").strip()

    def release(self, unit):
        """Whether the process runs the file that is installed now."""
        link = self(f"readlink /proc/{self.process(unit)}/exe")
        return "of before" if "(deleted)" in link else "installed"

    def set(self, program, **values):
        for key, value in values.items():
            self(f"sed -i '/^#*{key}=/d' /etc/tapeline/{program}.env; "
                 f"echo '{key}={value}' >> /etc/tapeline/{program}.env")

    def remove(self):
        run("docker", "rm", "--force", NAME, check=False)


class Stack:
    """The servers of a local stack, started by the tool of the checkout."""

    def __init__(self, programs, home):
        self.tool, self.home = pathlib.Path(programs).resolve() / "tapeline", home
        (home / ".local").mkdir(parents=True)
        for name in ("deploy", "services"):
            (home / name).symlink_to(CHECKOUT / name)
        (home / ".local/servers").symlink_to(CHECKOUT / ".local/servers")
        run(self.tool, "up", "--servers-only", "--home", home)
        self.folder = home / ".local/stack/default"
        self.ports = json.loads((self.folder / "ports.json").read_text())

    def down(self):
        run(self.tool, "down", "--home", self.home, check=False)


def install(machine, name, *options):
    machine("apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "
            f"{' '.join(options)} /given/{name}/*.deb")


def configure(machine, stack):
    """Writes the settings as a person does, at the end of the files that came with the packages."""
    secrets = "/etc/tapeline/secrets"
    for reader, files in SECRETS.items():
        for name in files:
            machine(f"cp /given/secrets/{reader}/{name} {secrets}/{reader}/{name}; "
                    f"chgrp --reference={secrets}/{reader} {secrets}/{reader}/{name}; "
                    f"chmod 0640 {secrets}/{reader}/{name}")
    nats = {"NATS_URL": f"nats://127.0.0.1:{stack.ports['nats']}"}
    # A machine that does other work as well must not look like one whose processes died.
    lease = {"MDS_LEASE": "5s"}
    monitor = {"NATS_MONITOR_URL": f"http://127.0.0.1:{stack.ports['natsMonitor']}"}
    database = {"POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": stack.ports["postgres"], "POSTGRES_DB": "tapeline",
                "POSTGRES_USER": "tapeline_writer"}

    def user(name, reader, *more):
        files = {f"{kind.upper()}_PASSWORD_FILE": f"{secrets}/{reader}/{kind}" for kind in ("nats", *more)}
        return {"NATS_USER": name, **files}

    machine.set("provider-gateway", **nats, **lease, **monitor, **user("gateway", "provider-gateway"), OPS_PORT=stack.ports["gateway"],
                SYNTHETIC_RATE=RATE, GATEWAY_TAPE_DURABLE="false")
    machine.set("operator-worker", **nats, **lease, **user("operator", "operator-worker"), OPS_PORT=stack.ports["operatorA"])
    machine.set("store-writer", **nats, **lease, **database, OPS_PORT=stack.ports["writer"],
                **user("writer", "store-writer", "postgres", "valkey"), POSTGRES_READER="tapeline_reader",
                VALKEY_PORT=stack.ports["valkey"], VALKEY_USER="writer")
    machine.set("migrator", POSTGRES_MIGRATOR_USER="tapeline_migrator",
                POSTGRES_MIGRATOR_PASSWORD_FILE=f"{secrets}/migrator/postgres")
    pages = ",".join(f"127.0.0.1:{stack.ports[name]}" for name in ("gateway", "operatorA", "writer"))
    machine.set("cockpit", **nats, **user("cockpit", "cockpit", "postgres", "valkey"),
                **database | {"POSTGRES_USER": "tapeline_reader"}, VALKEY_PORT=stack.ports["valkey"], VALKEY_USER="reader",
                OPS_PORT=stack.ports["cockpit"], COCKPIT_PORT=stack.ports["cockpitPages"], COCKPIT_SERVICES=pages,
                COCKPIT_ACTIONS="true", COCKPIT_PEOPLE=f"{secrets}/cockpit/people",
                COCKPIT_ACTIONS_KEY_FILE=f"{secrets}/cockpit/key")
    machine.set("actions", **nats, **user("actions", "actions", "postgres"), **database,
                COCKPIT_ACTIONS_KEY_FILE=f"{secrets}/actions/key")
    machine.set("tapeline", **nats, **monitor, **user("tool", "tool", "postgres"), **database)


def ready(machine):
    for service in SERVICES:
        eventually(f"{service} is ready", lambda service=service: "yes" in machine(
            f"set -a; . /etc/tapeline/{service}.env; {service} --probe-ready >/dev/null && echo yes", check=False))


def doctor(machine, stack):
    pages = " ".join(f"--service 127.0.0.1:{stack.ports[name]}" for name in ("gateway", "operatorA", "writer"))
    found = None

    def is_well():
        nonlocal found
        found = machine.tool(f"doctor {pages}", check=False)
        return found.returncode in (0, 2)

    try:
        eventually("the doctor finds nothing wrong", is_well)
    except Failure as failure:
        raise Failure(f"{failure}:\n{found.stdout}") from failure
    print("\n".join(f"    {line}" for line in found.stdout.splitlines()[-12:]))


def looked(stack):
    """Looks as a browser does, and expects that all servers and services answer the cockpit."""
    said = "nothing"

    def is_well():
        nonlocal said
        url = f"http://127.0.0.1:{stack.ports['cockpitPages']}/events"
        with urllib.request.urlopen(url, timeout=10) as stream:
            for line in stream:
                if line.startswith(b"data: "):
                    said = json.loads(line[6:])["verdict"][0]["text"]
                    return said.startswith(("ALL GOOD", "QUIET"))
        return False

    try:
        eventually("the cockpit says that all is well", is_well)
    except Failure as failure:
        raise Failure(f"{failure}: it says {said}") from failure


def acted(stack):
    """Signs in as a person does, asks for an action, and waits until it was carried out."""
    page = f"http://127.0.0.1:{stack.ports['cockpitPages']}"
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())

    key = os.urandom(24).hex()

    def post(path, body):
        headers = {"Origin": page, "X-Cockpit-Key": key}
        return browser.open(urllib.request.Request(page + path, body.encode(), headers), timeout=10).read()

    token = (stack.folder / "secrets/cockpit-token").read_text().strip()
    post("/session", urllib.parse.urlencode({"token": token, "key": key}))
    words = ["watchlist", "add", "AMD", "--source", "synthetic"]
    number = json.loads(post("/act", json.dumps({"words": words, "reason": "a test"})))["number"]
    found = None

    def is_done():
        nonlocal found
        news = json.load(browser.open(page + "/actions.json", timeout=10))
        found = next((item for item in news.get("sent", []) if item["number"] == number), None)
        return found and found["stage"] in ("done", "failed", "refused")

    eventually("an action was carried out", is_done)
    expect(found["stage"] == "done", f"an action was not carried out: {found}")


def strangers(machine):
    """Expects that each service reads its own passwords and none of another one."""
    for service in (*USERS, "migrator"):
        found = machine(f"runuser -u tapeline-{service} -- sh -c 'for file in /etc/tapeline/secrets/*/*; do "
                        "test -r $file && echo $file; done; true'")
        readers = {pathlib.Path(line).parent.name for line in found.split()}
        expect(readers == {service}, f"{service} reads passwords of {', '.join(readers) or 'nobody'}")
    writer = machine("tr '\\0' '\\n' < /proc/" + machine.process("tapeline-store-writer.service") + "/environ")
    expect("MIGRATOR_PASSWORD_FILE=/" not in writer, "the writer is told where the migrator's password is")


def upgrade(machine):
    before = {unit: machine.process(unit) for unit in UNITS}
    kept = machine("cat /etc/tapeline/*.env | sort")
    install(machine, "upgrade", "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold")
    expect(machine("cat /etc/tapeline/*.env | sort") == kept, "the upgrade changed settings")
    expect({unit: machine.process(unit) for unit in UNITS} == before, "the upgrade restarted a service")
    expect({machine.release(unit) for unit in UNITS} == {"of before"}, "the upgrade brought no other programs")
    machine("systemctl start tapeline-migrate")
    for unit in UNITS:
        machine(f"systemctl restart {unit}")
        ready(machine)
        expect(machine.release(unit) == "installed", f"{unit} still runs the program of before")


def killed(machine):
    for unit in UNITS:
        process = machine.process(unit)
        machine(f"kill -9 {process}")
        eventually(f"{unit} runs again", lambda unit=unit, process=process: machine.process(unit) not in ("0", process))
    ready(machine)


def audited(machine):
    machine("systemctl stop tapeline-provider-gateway")

    def is_clean():
        found = machine.tool("audit --all", check=False)
        machine.audit = found.stdout
        return found.returncode == 0

    # Rows and bars of the last ticks may still be on their way.
    try:
        eventually("the audit is clean", is_clean, 60)
    except Failure as failure:
        raise Failure(f"{failure}:\n{machine.audit}") from failure
    print("\n".join(f"    {line}" for line in machine.audit.splitlines()))


def removed(machine):
    names = " ".join(["tapeline", *(f"tapeline-{service}" for service in SERVICES)])
    processes = [machine.process(unit) for unit in UNITS[:2]]
    machine(f"systemctl enable {' '.join(UNITS)}; apt-get remove --yes {names}")
    for process in processes:
        expect(machine(f"ls -d /proc/{process}", check=False).find("No such") > 0, "a removed service runs on")
    expect(machine("ls /etc/tapeline/store-writer.env"), "removal took the settings")
    machine(f"apt-get purge --yes {names}")
    expect(".env" not in machine("ls /etc/tapeline"), "purge left settings")
    expect(machine("ls -d /var/lib/tapeline/provider-gateway/spool", check=False).startswith("/var"),
           "purge removed a spool")
    left = machine("find /etc/systemd/system -name 'tapeline-*'")
    expect(not left.strip(), f"purge left {left}")


def trial(machine, stack):
    step("the packages are installed on a bare Debian")
    install(machine, "packages")
    states = machine("systemctl is-active tapeline-*.service; systemctl is-enabled " + " ".join(UNITS), check=False)
    expect(not {"active", "enabled"} & set(states.split()), f"something started: {states}")
    step("settings, streams, tables, services")
    configure(machine, stack)
    machine.tool("setup")
    machine("systemctl start tapeline-migrate")
    machine(f"systemctl start {' '.join(UNITS)}")
    ready(machine)
    strangers(machine)
    time.sleep(5)
    doctor(machine, stack)
    looked(stack)
    acted(stack)
    step("the upgrade, under load")
    upgrade(machine)
    doctor(machine, stack)
    step("each service is killed, and systemd starts it again")
    killed(machine)
    time.sleep(5)
    step("the audit")
    audited(machine)
    step("remove and purge")
    removed(machine)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--packages", required=True)
    parser.add_argument("--upgrade", required=True)
    parser.add_argument("--programs", default=str(CHECKOUT / ".build/release"))
    parser.add_argument("--image", default="debian:bookworm-slim")
    parser.add_argument("--keep", action="store_true", help="leave container and servers")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tapeline-install-"))
    machine = stack = None
    try:
        stack = Stack(options.programs, folder / "home")
        for name, source in (("packages", options.packages), ("upgrade", options.upgrade)):
            (folder / "given" / name).mkdir(parents=True)
            debs = sorted(pathlib.Path(source).glob("*.deb"))
            expect(len(debs) == 6, f"{source} holds {len(debs)} packages, not six")
            for deb in debs:
                shutil.copy(deb, folder / "given" / name)
        for reader, files in SECRETS.items():
            (folder / "given/secrets" / reader).mkdir(parents=True)
            for name, source in files.items():
                shutil.copy(stack.folder / "secrets" / source, folder / "given/secrets" / reader / name)
        machine = Machine(options.image, folder / "given")
        trial(machine, stack)
    except (Failure, OSError, subprocess.TimeoutExpired) as failure:
        print(f"✘ {failure}", file=sys.stderr)
        if machine:
            print(machine("journalctl --unit 'tapeline-*' --lines 60 --no-pager | grep -v cgroup", check=False),
                  file=sys.stderr)
        return 1
    finally:
        if not options.keep:
            if machine:
                machine.remove()
            if stack:
                stack.down()
            shutil.rmtree(folder, ignore_errors=True)
    print("the packages hold")
    return 0


if __name__ == "__main__":
    sys.exit(main())
