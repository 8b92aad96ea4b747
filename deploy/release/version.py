#!/usr/bin/env python3
"""Writes the version of the product, which the file VERSION holds, into each file that repeats it.

  version.py             write it; says which files changed
  version.py --check     change nothing; exit code 1 and a line for each file that differs
  version.py --set X.Y.Z write this version into VERSION first
"""

import argparse
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy"))
from images import write  # noqa: E402

VERSION = re.compile(r"(0|[1-9]\d{0,3})\.(0|[1-9]\d{0,3})\.(0|[1-9]\d{0,3})")
# A file, and what stands in front of the version and after it.
PLACES = [
    ("Sources/Edges/ServiceRuntime/CommandLine/ProductVersion.swift", 'static let text = "', '"'),
    ("Sources/Desk/python/tapeline/version.py", '__version__ = "', '"'),
    ("services/*/Dockerfile", "ARG VERSION=", ""),
    ("deploy/docker/*.Dockerfile", "ARG VERSION=", ""),
    ("deploy/kubernetes/components/production/kustomization.yaml", "newTag: ", ""),
    ("deploy/kubernetes/Chart.yaml", "ersion: ", ""),
]
# A digest belongs to one version, so it goes with it.
DIGEST = r"(?:\n +digest: sha256:[0-9a-f]{64})?"


class Problem(Exception):
    """An error, as one line for the person."""


def parse(text):
    """Returns a version as three numbers."""
    found = VERSION.fullmatch(text)
    if not found:
        raise Problem(f"{text!r} is no version: it has three numbers (1.2.3)")
    return tuple(int(number) for number in found.groups())


def read(root=ROOT):
    """Returns the version of the checkout."""
    text = (root / "VERSION").read_text().strip()
    parse(text)
    return text


def texts(root, version):
    """Yields each file that repeats the version, with the text that it should have."""
    for pattern, before, after in PLACES:
        place = re.compile(rf"({re.escape(before)})(\d+\.\d+\.\d+)({re.escape(after)}){DIGEST}$", re.MULTILINE)
        paths = sorted(root.glob(pattern))
        if not paths:
            raise Problem(f"there is no file {pattern}: take it out of version.py")
        for path in paths:
            text, count = place.subn(
                lambda found: found[0] if found[2] == version else f"{found[1]}{version}{found[3]}",
                path.read_text())
            if count == 0:
                raise Problem(f"{path.relative_to(root)} does not name the version where version.py looks for it")
            yield path, text


def main(arguments, root=ROOT):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="change nothing")
    choice.add_argument("--set", metavar="X.Y.Z", help="write this version into VERSION first")
    options = parser.parse_args(arguments)
    try:
        version = read(root) if options.set is None else options.set
        parse(version)
        changes = [(root / "VERSION", f"{version}\n"), *texts(root, version)]
    except (OSError, Problem) as problem:
        print(f"version.py: {problem}", file=sys.stderr)
        return 1
    return write(changes, root, options.check)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
