"""The package's targets, as `make check` and `make night` need them: which tier a test target has, which files
it is made of, and a hash of all that its result depends on."""

import functools
import hashlib
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
TIERS = ("pure", "servers", "stacks", "night")
# What a test target reads besides its own folder is not in the manifest. A target whose sources name this looks at
# files of the checkout, so its result depends on all of them.
READS_CHECKOUT = ("#filePath", "Repository")
# Variables that choose what tests do. They are part of a verdict.
VARIABLES = ("TAPELINE_", "TEST_", "FUZZ_", "BROKER_")
# What builds and judges every test.
TOOLS = ("Package.swift", "deploy/local/servers.packages", "Tests/XCTMain.swift", ".ci/run-tests.py",
         ".ci/test_files.py", ".ci/steps.sh")
# Another value of these does not change what a test proves.
NO_CHOICE = ("TAPELINE_REVISION", "TAPELINE_WORLDS", "TAPELINE_TESTS")


@functools.cache
def manifest(tests):
    """Returns the package as SwiftPM reads it, with the test targets of some tiers ('' for all). The answer is
    kept, because SwiftPM takes seconds for it."""
    key = hashlib.sha256((ROOT / "Package.swift").read_bytes() + compiler().encode()).hexdigest()[:16]
    kept = ROOT / ".build/manifests" / f"{key}-{tests.replace(',', '-') or 'all'}.json"
    if not kept.exists():
        text = subprocess.run(
            ["swift", "package", "--scratch-path", str(ROOT / ".build/manifests/scratch"), "dump-package"],
            cwd=ROOT, env={**os.environ, "TAPELINE_TESTS": tests}, check=True, capture_output=True).stdout
        kept.parent.mkdir(parents=True, exist_ok=True)
        beside = kept.with_suffix(f".{os.getpid()}")
        beside.write_bytes(text)
        beside.rename(kept)
    return json.loads(kept.read_bytes())


@functools.cache
def compiler():
    return subprocess.run(["swift", "--version"], check=True, capture_output=True, text=True).stdout


@functools.cache
def test_targets(tier):
    """Returns the names of a tier's test targets. The manifest of a tier also has what its targets import, and
    these may be tests of a lower tier."""
    lower = {name for each in TIERS[:TIERS.index(tier)] for name in test_targets(each)}
    listed = {each["name"] for each in manifest(tier)["targets"] if each["type"] == "test"}
    return sorted(listed - lower)


class Package:
    """All targets with their files."""

    def __init__(self):
        self.targets = {each["name"]: each for each in manifest("")["targets"]}
        # Tests run the product's programs, whose names are those of products.
        self.products = {each["name"]: each["targets"] for each in manifest("")["products"]}
        listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                                cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
        self.files = sorted(name for name in listed if name and (ROOT / name).is_file())

    def folder(self, name):
        target = self.targets[name]
        return target.get("path") or f"Tests/{name}"

    @functools.cache
    def closure(self, name):
        """Returns a target and all that it imports, directly or not."""
        found, waiting = set(), [name]
        while waiting:
            each = waiting.pop()
            if each in found or each not in self.targets:
                continue
            found.add(each)
            for dependency in self.targets[each]["dependencies"]:
                named = next(iter(dependency.values()))[0]
                waiting += self.products.get(named, []) + [named]
        return frozenset(found)

    @functools.cache
    def hash_of_folder(self, folder):
        digest = hashlib.sha256()
        for name in self.files:
            if name.startswith(folder + "/"):
                digest.update(name.encode() + b"\0" + hash_of_file(name))
        return digest.digest()

    @functools.cache
    def reads_checkout(self, name):
        folder = self.folder(name) + "/"
        return any(word in (ROOT / file).read_text() for file in self.files
                   if file.startswith(folder) and file.endswith(".swift") for word in READS_CHECKOUT)

    @functools.cached_property
    def hash_of_documents(self):
        """The hash of all files that are no sources of Swift."""
        digest = hashlib.sha256()
        for name in self.files:
            if not name.endswith(".swift"):
                digest.update(name.encode() + b"\0" + hash_of_file(name))
        return digest.digest()

    def verdict_key(self, name, every=False):
        """Returns the hash of all that the result of a test target depends on. With `every`, of all files."""
        digest = hashlib.sha256(common_key())
        if every:
            for file in self.files:
                is_program = os.access(ROOT / file, os.X_OK)
                digest.update(file.encode() + b"\0" + hash_of_file(file) + bytes([is_program]))
            # A rule compares versions of the budget.
            digest.update(subprocess.run(["git", "log", "-n", "2", "--format=%H", "--", ".ci/budget.json"],
                                         cwd=ROOT, check=True, capture_output=True).stdout)
            return digest.hexdigest()
        closure = sorted(self.closure(name))
        for each in closure:
            digest.update(each.encode() + self.hash_of_folder(self.folder(each)))
        if any(self.reads_checkout(each) for each in closure if self.folder(each).startswith("Tests/")):
            digest.update(self.hash_of_documents)
        return digest.hexdigest()


@functools.cache
def hash_of_file(name):
    return hashlib.sha256((ROOT / name).read_bytes()).digest()


@functools.cache
def common_key():
    """What concerns every test: the manifest, the compiler, the servers' versions, the variables, and the
    scripts that build and run tests."""
    chosen = sorted(f"{key}={value}" for key, value in os.environ.items()
                    if key.startswith(VARIABLES) and key not in NO_CHOICE)
    digest = hashlib.sha256()
    for part in (compiler().encode(), "\n".join(chosen).encode(), *((ROOT / name).read_bytes() for name in TOOLS)):
        digest.update(hashlib.sha256(part).digest())
    return digest.digest()
