#!/usr/bin/env python3
"""Checks the workflows of GitHub and the issue forms, then runs the scripts of a workflow's steps on this machine.

    deploy/release/check.py [--only-read] [--fresh] [--workflow NAME] [JOB...]

The workflow is `release` if not given, and of that all jobs are run that have scripts. They run in a clone of this
checkout's commit in .build/release-check/clone, with the tag that GitHub would name; what was built there before is
kept unless --fresh is given. Steps that use an action of others (checkout, upload, attest, publish) are named and left
out. Then the wheel of the Python package is made again in a second clone, and has to be the same bytes. Images are
pushed to a registry on this machine (package docker-registry); without Docker their job is left out, which the last
line says. Needs root, as the jobs' containers do.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WORK = ROOT / ".build/release-check"
BIN = WORK / "venv/bin"
WORKFLOWS = ".github/workflows"
FORMS = ".github/ISSUE_TEMPLATE"
# `${{ … }}` in a step's variables.
EXPRESSION = re.compile(r"\$\{\{ *([^}]+?) *\}\}")
OF_GITHUB = "ghcr.io/${{ github.repository }}"


def fail(problem):
    sys.exit(f"check.py: {problem}")


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], cwd=options.pop("cwd", ROOT), check=False, **options)
    if done.returncode != 0:
        fail(f"{' '.join(str(word) for word in words)} ended with {done.returncode}")


def prepare():
    """Continues with the Python that has the packages for it."""
    if pathlib.Path(sys.prefix) == WORK / "venv":
        return
    wanted = (HERE / "check.packages").read_text()
    mark = WORK / "venv/packages"
    if not mark.exists() or mark.read_text() != wanted:
        run(sys.executable, "-m", "venv", "--clear", WORK / "venv")
        run(BIN / "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", HERE / "check.packages")
        mark.write_text(wanted)
    os.execv(BIN / "python3", [str(BIN / "python3"), __file__, *sys.argv[1:]])


def read_all():
    """Runs the checkers over all files."""
    files = {kind: sorted(str(path.relative_to(ROOT)) for path in (ROOT / folder).glob("*.yml"))
             for kind, folder in (("workflows", WORKFLOWS), ("forms", FORMS))}
    forms = [name for name in files["forms"] if not name.endswith("/config.yml")]
    schemas = [("github-workflows", files["workflows"]), ("github-issue-forms", forms),
               ("github-issue-config", [f"{FORMS}/config.yml"])]
    for schema, names in schemas:
        run(BIN / "check-jsonschema", "--builtin-schema", f"vendor.{schema}", *names)
    run(BIN / "actionlint", "-no-color", *files["workflows"])
    run(BIN / "zizmor", "--offline", "--no-progress", "--color", "never", ".github")


def clone(name, is_fresh):
    """Returns a clone of this checkout's commit. What was built in it before stays."""
    place = WORK / name
    if is_fresh or not (place / ".git").is_dir():
        run("rm", "-rf", place)
        run("git", "clone", "--quiet", "--no-hardlinks", ROOT, place)
    run("git", "fetch", "--quiet", ROOT, "HEAD", cwd=place)
    run("git", "checkout", "--quiet", "--force", "--detach", "FETCH_HEAD", cwd=place)
    run("git", "clean", "-fdq", cwd=place)
    return place


def has_docker():
    return shutil.which("docker") is not None and subprocess.run(
        ["docker", "info"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


class Machine:
    """Runs the scripts of steps as a job of GitHub would."""

    def __init__(self, version, registry, is_fresh):
        self.registry = registry
        self.is_fresh = is_fresh
        self.clone = clone("clone", is_fresh)
        self.times = []
        self.environment = {
            **os.environ, "CI": "true", "GIT_CONFIG_GLOBAL": str(WORK / "gitconfig"),
            "GITHUB_REF_NAME": f"v{version}", "GITHUB_OUTPUT": str(WORK / "output")}

    def variables(self, step):
        """Returns the variables of a step. What a script gets of GitHub goes through them alone."""
        values = {}
        for name, value in (step.get("env") or {}).items():
            values[name] = str(value).replace(OF_GITHUB, self.registry)
            if EXPRESSION.search(values[name]):
                fail(f"nothing here stands for {values[name]}, the variable {name}")
        return values

    def job(self, name, job):
        for step in job["steps"]:
            what = step.get("name") or step.get("uses") or step["run"]
            if "run" not in step:
                print(f"-- {name}: not here: {what.split('@')[0]}", flush=True)
                continue
            print(f"== {name}: {what}", flush=True)
            (WORK / "output").write_text("")
            begun = time.monotonic()
            # As GitHub runs a script without a named shell.
            run("bash", "-e", "-c", step["run"], cwd=self.clone, stdin=subprocess.DEVNULL,
                env=self.environment | self.variables(step))
            told = (WORK / "output").read_text().strip()
            self.note(f"{name}: {what}", begun, f"; it says {told}" if told else "")

    def note(self, what, begun, more=""):
        self.times.append((what, time.monotonic() - begun))
        print(f"   {self.times[-1][1]:.0f} s{more}", flush=True)

    def same_wheel(self):
        """Fails unless another clone makes the Python package's wheel of the same bytes."""
        what = "the Python package again, in a second clone"
        print(f"== {what}", flush=True)
        begun = time.monotonic()
        again = clone("again", self.is_fresh)
        run("deploy/local/wheel.sh", cwd=again, stdin=subprocess.DEVNULL, env=self.environment)
        made = sorted((again / ".build/wheel").glob("tapeline-*.whl"))
        first = self.clone / ".build/wheel" / made[0].name
        if made[0].read_bytes() != first.read_bytes():
            fail(f"{made[0]} and {first} differ: what they contain differs by folder or time")
        self.note(what, begun, f"; {first.name} is the same bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs", metavar="JOB", nargs="*")
    parser.add_argument("--workflow", default="release", metavar="NAME")
    parser.add_argument("--only-read", action="store_true", help="run no script")
    parser.add_argument("--fresh", action="store_true", help="keep nothing that was built before")
    options = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    prepare()
    read_all()
    if options.only_read:
        return
    from ruamel.yaml import YAML
    jobs = YAML(typ="safe").load(ROOT / WORKFLOWS / f"{options.workflow}.yml")["jobs"]
    with_scripts = [name for name, job in jobs.items() if any("run" in step for step in job["steps"])]
    unknown = set(options.jobs) - set(with_scripts)
    if unknown:
        fail(f"{options.workflow}.yml has no job with scripts named {min(unknown)}: {', '.join(with_scripts)}")
    sys.path.insert(0, str(HERE))
    import release
    wanted = options.jobs or with_scripts
    left_out = []
    if "images" in wanted and not options.jobs and not has_docker():
        left_out = ["images (Docker does not answer on this machine)"]
        wanted = [name for name in wanted if name != "images"]
    registry = None
    try:
        registry = release.Registry(WORK / "registry") if "images" in wanted else None
        version = (ROOT / "VERSION").read_text().strip()
        machine = Machine(version, f"{registry.address}/tapeline" if registry else "", options.fresh)
        for name in wanted:
            machine.job(name, jobs[name])
        if options.workflow == "release" and "build" in wanted:
            machine.same_wheel()
    except release.Problem as problem:
        fail(problem)
    finally:
        if registry:
            registry.end()
    for what, seconds in machine.times:
        print(f"{seconds:6.0f} s  {what}")
    print("each script of the workflow did what it has to do here"
          + (f"; not run: {', '.join(left_out)}" if left_out else ""))


if __name__ == "__main__":
    main()
