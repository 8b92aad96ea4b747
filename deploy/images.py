#!/usr/bin/env python3
"""Writes the images of deploy/images.env into docker-compose.yml and the manifests of deploy/kubernetes.

  images.py             write them; says which files changed
  images.py --check     change nothing; exit code 1 and a line for each place that differs
  images.py --digests   first ask each image's registry for the digest of its version, and pin it in images.env

A registry on this machine (127.0.0.1 or localhost) is asked by HTTP, every other one by HTTPS.
"""

import argparse
import hashlib
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "deploy"))
import registry  # noqa: E402

KINDS = ", ".join([
    "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"])
REFERENCE = re.compile(r"(?P<name>[a-z0-9./_:-]+?):(?P<tag>[\w][\w.-]{0,127})(?:@(?P<digest>sha256:[0-9a-f]{64}))?")
USE = re.compile(r"(?m)^(\s*(?:- )?image: )(\S+)$")


class Problem(Exception):
    """An error, as one line for the person."""


def parse(reference):
    """Returns name, tag and digest (or None) of an image with a version."""
    found = REFERENCE.fullmatch(reference)
    if not found or found["tag"].startswith("latest"):
        raise Problem(f"{reference}: an image has a name and an exact version (name:1.2.3)")
    return found["name"], found["tag"], found["digest"]


def read(text):
    """Returns the references in images.env, by their keys."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    images = dict(line.split("=", 1) for line in lines)
    for reference in images.values():
        parse(reference)
    return images


def used(text, images):
    """Returns the text with each of these images in the version from images.env."""
    wanted = {parse(reference)[0]: reference for reference in images.values()}

    def replace(found):
        name = re.sub(r"(:[\w.-]+)?(@sha256:[0-9a-f]+)?$", "", found[2])
        return found[1] + wanted.get(name, found[2])

    return USE.sub(replace, text)


def users(root):
    """Returns the files in which images are named."""
    return [root / "docker-compose.yml"] + sorted((root / "deploy/compose").glob("*.yml")) \
        + sorted((root / "deploy/kubernetes").rglob("*.yaml"))


def digest(reference):
    """Returns the digest of the image in the registry, computed from its bytes."""
    name, tag, _ = parse(reference)
    where, path = registry.address(name)
    try:
        headers, body = registry.ask("GET", f"{where}/v2/{path}/manifests/{tag}", headers={"Accept": KINDS})
    except (OSError, ValueError, KeyError) as error:
        raise Problem(f"{reference}: {where} does not say what it is ({error})") from error
    found = f"sha256:{hashlib.sha256(body).hexdigest()}"
    told = headers.get("Docker-Content-Digest", found)
    if told != found:
        raise Problem(f"{reference}: {where} says {told}, its bytes are {found}")
    return found


def pinned(text):
    """Returns the text of images.env with the digest after each version."""
    for reference in read(text).values():
        name, tag, _ = parse(reference)
        text = text.replace(f"={reference}\n", f"={name}:{tag}@{digest(reference)}\n")
    return text


def write(changes, root, is_check):
    """Writes each file whose text differs, or only names them. Returns the exit code."""
    differing = [(path, text) for path, text in changes if text != path.read_text()]
    for path, text in differing:
        print(f"{path.relative_to(root)} {'differs' if is_check else 'is changed'}")
        if not is_check:
            path.write_text(text)
    return 1 if differing and is_check else 0


def main(arguments, root=ROOT):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="change nothing")
    choice.add_argument("--digests", action="store_true", help="pin digests first")
    options = parser.parse_args(arguments)
    listed = root / "deploy/images.env"
    try:
        changes = [(listed, pinned(listed.read_text()) if options.digests else listed.read_text())]
        images = read(changes[0][1])
        changes += [(path, used(path.read_text(), images)) for path in users(root)]
    except Problem as problem:
        print(f"images.py: {problem}", file=sys.stderr)
        return 1
    return write(changes, root, options.check)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
