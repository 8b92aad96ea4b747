#!/usr/bin/env python3
"""Makes a release: programs, packages, wheel, images with their bills of materials, and a compose bundle.

    deploy/release/release.py X.Y.Z [--registry HOST:PORT/PREFIX] [--steps A,B...|--list]

It needs a checkout without changes, Docker with compose, and a changelog with entries. It commits the version, makes
everything of that commit, and commits the digests of the images; nothing is pushed by git, and the images only to the
registry. Without --registry that is one on this machine (package docker-registry), which ends with the release; its
files stay. All results are in .build/release-X.Y.Z. A step that failed is tried again with --steps.
"""

import argparse
import datetime
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import time
import urllib.request

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "deploy/release"), str(ROOT / "deploy")]
import images as other_images  # noqa: E402
import registry as registries  # noqa: E402
import version as product  # noqa: E402

UNRELEASED = "## Unreleased\n"
OVERLAY = "deploy/kubernetes/components/production/kustomization.yaml"
# What a compose cluster reads besides what its files name: scripts that a person runs, and what those read.
BUNDLED = ["docker-compose.yml", ".env.example", "LICENSE", "CHANGELOG.md", "VERSION", "docs/upgrade.md",
           "docs/cluster.md", "docs/copies.md", "deploy/compose/*.yml", "deploy/compose/*.sh",
           "deploy/prometheus/*.yml", "deploy/compose/autoscale.py", "deploy/scaling.py",
           "deploy/scaling.json", "deploy/sources.json"]
# A file or a folder of the checkout in a compose file.
PLACE = re.compile(r"(?m)(?:\./|env_file: |:-\./)((?:deploy|services)/[\w./-]+)")
OURS = re.compile(r"tapeline/([a-z-]+):\$\{TAPELINE_VERSION:-latest\}")
SBOM_KIND = "application/vnd.cyclonedx+json"
MANIFEST_KIND = "application/vnd.oci.image.manifest.v1+json"
INDEX_KIND = "application/vnd.oci.image.index.v1+json"
EMPTY = b"{}"


class Problem(Exception):
    """An error, as one line for the person."""


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], cwd=options.pop("cwd", ROOT), check=False, **options)
    if done.returncode != 0:
        raise Problem(f"{' '.join(str(word) for word in words)} ended with {done.returncode}")


def output(*words):
    done = subprocess.run([str(word) for word in words], cwd=ROOT, text=True, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise Problem(f"{' '.join(str(word) for word in words)} ended with {done.returncode}")
    return done.stdout.strip()


# --- what is written into the checkout


def dated(changelog, version, day):
    """Returns the changelog with its first section called after the version."""
    if UNRELEASED not in changelog:
        raise Problem("CHANGELOG.md has no section '## Unreleased'")
    start = changelog.index(UNRELEASED) + len(UNRELEASED)
    section = changelog[start:].split("\n## ", 1)[0]
    if not re.search(r"(?m)^- \S", section):
        raise Problem("CHANGELOG.md has no entry under '## Unreleased'")
    return changelog.replace(UNRELEASED, f"## {version} ({day})\n", 1)


def pinned(overlay, version, digests):
    """Returns the overlay with the digest of each image of this version."""
    for name, digest in digests.items():
        place = re.compile(rf"(  - name: tapeline/{name}\n    newName: \S+\n    newTag: {re.escape(version)}\n)"
                           r"(?:    digest: \S+\n)?")
        overlay, count = place.subn(rf"\g<1>    digest: {digest}\n", overlay)
        if count > 1:
            raise Problem(f"{OVERLAY} names tapeline/{name} more than once")
    missing = [name for name in re.findall(r"  - name: tapeline/(\S+)\n", overlay) if name not in digests]
    if missing or "digest: " not in overlay:
        raise Problem(f"{OVERLAY}: no digest for {', '.join(missing) or 'any image'}")
    return overlay


def number(root, version):
    """Writes the version and the changelog's date, and keeps the schema of the tape."""
    changelog = root / "CHANGELOG.md"
    now = product.read(root)
    # The version of the checkout may be that of the first release, which is to be made.
    is_released = f"\n## {now} (" in changelog.read_text()
    if product.parse(version) < product.parse(now) or version == now and is_released:
        raise Problem(f"{version} is not above {now}, the version of the checkout")
    text = dated(changelog.read_text(), version, datetime.date.today().isoformat())
    if product.main(["--set", version], root) != 0:
        raise Problem("the version cannot be written")
    changelog.write_text(text)


# --- the compose bundle


def bundled(text, registry, version, digests):
    """Returns a compose file whose images come from the registry, and none of which is built."""
    lines, skipped = [], None
    for line in text.splitlines():
        depth = len(line) - len(line.lstrip())
        if skipped is not None and line.strip() and depth > skipped:
            continue
        skipped = depth if re.match(r"\s+build:", line) else None
        if skipped is None:
            lines.append(line)

    def image(found):
        if found[1] not in digests:
            raise Problem(f"the compose file uses tapeline/{found[1]}, which this release has no image of")
        return f"{registry}/{found[1]}:{version}@{digests[found[1]]}"

    return OURS.sub(image, "\n".join(lines) + "\n")


def bundle(root, target, version, registry, digests):
    """Writes the archive: compose files, and all that they mount or read, at the same places."""
    paths = {path for pattern in BUNDLED for path in root.glob(pattern)}
    for file in [root / "docker-compose.yml", *root.glob("deploy/compose/*.yml")]:
        for name in PLACE.findall(file.read_text()):
            found = root / name
            if "secrets" in found.parts:
                continue
            if not found.exists():
                raise Problem(f"{file.name} names {name}, which is not there")
            paths |= {path for path in found.rglob("*") if path.is_file()} if found.is_dir() else {found}
    folder = f"tapeline-compose-{version}"
    # Two releases of the same files are the same bytes.
    with open(target, "wb") as file, gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="") as packed, \
            tarfile.open(fileobj=packed, mode="w") as archive:
        for path in sorted(paths):
            content = path.read_bytes()
            if path.suffix == ".yml" and (path.parent == root or path.parent.name == "compose"):
                content = bundled(content.decode(), registry, version, digests).encode()
            entry = tarfile.TarInfo(f"{folder}/{path.relative_to(root)}")
            entry.size, entry.mode = len(content), 0o755 if os.access(path, os.X_OK) else 0o644
            archive.addfile(entry, io.BytesIO(content))


# --- the registry


class Registry:
    """A registry on this machine, for as long as the release is made."""

    def __init__(self, folder):
        program = shutil.which("docker-registry") or shutil.which("registry")
        if not program:
            raise Problem("there is no registry: apt-get install docker-registry, or name yours with --registry")
        folder.mkdir(parents=True, exist_ok=True)
        # Later steps of a release have the address of the earlier ones.
        known = folder / "address"
        if not known.exists():
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                known.write_text(f"127.0.0.1:{free.getsockname()[1]}")
        self.address = known.read_text()
        (folder / "config.yml").write_text(
            f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
            f"http: {{addr: \"{self.address}\"}}\n")
        self.log = open(folder / "log", "ab")
        self.process = subprocess.Popen([program, "serve", folder / "config.yml"], stdout=self.log, stderr=self.log)
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://{self.address}/v2/", timeout=5).close()
                return
            except OSError:
                time.sleep(0.1)
        self.end()
        raise Problem(f"the registry does not answer: {folder}/log")

    def end(self):
        self.process.terminate()
        self.process.wait()


class Repository:
    """One image's name in a registry."""

    def __init__(self, name):
        base, path = registries.address(name)
        self.url = f"{base}/v2/{path}"

    def ask(self, method, url, data=None, kind="application/octet-stream"):
        return registries.ask(method, url, data, {"Content-Type": kind})

    def blob(self, data):
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        headers, _ = self.ask("POST", f"{self.url}/blobs/uploads/", b"")
        place = headers["Location"]
        place = place if place.startswith("http") else self.url.split("/v2/")[0] + place
        self.ask("PUT", f"{place}{'&' if '?' in place else '?'}digest={digest}", data)
        return {"digest": digest, "size": len(data)}

    def manifest(self, tag, kind, document):
        data = json.dumps({"schemaVersion": 2, "mediaType": kind, **document}, sort_keys=True).encode()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.ask("PUT", f"{self.url}/manifests/{tag or digest}", data, kind)
        return {"mediaType": kind, "digest": digest, "size": len(data)}

    def attach(self, image, document):
        """Attaches a bill of materials to an image by its digest, so that tools of OCI find it as a referrer of it."""
        headers, body = registries.ask(
            "GET", f"{self.url}/manifests/{image}", headers={"Accept": other_images.KINDS})
        subject = {"mediaType": headers["Content-Type"], "digest": image, "size": len(body)}
        made = self.manifest(None, MANIFEST_KIND, {
            "artifactType": SBOM_KIND, "subject": subject,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", **self.blob(EMPTY)},
            "layers": [{"mediaType": SBOM_KIND, **self.blob(document)}]})
        # The tag by which a registry without an interface for referrers names them.
        self.manifest(image.replace(":", "-"), INDEX_KIND, {"manifests": [{**made, "artifactType": SBOM_KIND}]})


# --- the steps


class Release:
    def __init__(self, version, registry):
        self.version, self.registry = version, registry
        self.folder = ROOT / f".build/release-{version}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.note = self.folder / "images.json"

    def commit(self, subject, *paths):
        run("git", "add", *paths)
        run("git", "commit", "--quiet", "--message", subject)

    def numbered(self):
        if output("git", "status", "--porcelain", "--untracked-files=no"):
            raise Problem("files of the checkout differ from its commit: commit or stash them")
        number(ROOT, self.version)
        run("deploy/release/schema.py", "--keep")
        run("git", "add", "--update")
        self.commit(f"Release {self.version}", "deploy/release")

    def same(self):
        """Refuses a checkout of another version, as a tag that was put on a wrong commit."""
        if product.read(ROOT) != self.version:
            raise Problem(f"the checkout is of version {product.read(ROOT)}, not {self.version}")

    def programs(self):
        run("make", "build", "wheel")
        run(ROOT / "deploy/local/programs-wheel.py", "--audit")
        shutil.copytree(ROOT / ".build/wheel", self.folder / "wheel", dirs_exist_ok=True)

    def packages(self):
        run("deploy/debian/packages.py", "--version", f"{self.version}-1", "--output", self.folder / "packages")

    def images(self):
        revision = output("deploy/local/revision.sh")
        run("docker", "compose", "--profile", "tools", "--profile", "simulators", "build",
            env={**os.environ, "REVISION": revision, "TAPELINE_VERSION": "latest"})
        used = OURS.findall((ROOT / "docker-compose.yml").read_text())
        self.push(sorted(set(used)))

    def push(self, names):
        """Pushes each image, attaches its bill of materials, and notes its digest."""
        digests = {}
        for name in names:
            image = f"{self.registry}/{name}:{self.version}"
            run("docker", "tag", f"tapeline/{name}:latest", image)
            run("docker", "push", "--quiet", image)
            digests[name] = other_images.digest(image)
            run("deploy/docker/sbom.py", "--output", self.folder / "sbom", image)
            Repository(f"{self.registry}/{name}").attach(
                digests[name], (self.folder / f"sbom/{name}.cdx.json").read_bytes())
            print(f"{image}@{digests[name]}", flush=True)
        self.note.write_text(json.dumps(digests, indent=1, sort_keys=True) + "\n")

    def bundle(self):
        digests = json.loads(self.note.read_text())
        bundle(ROOT, self.folder / f"tapeline-compose-{self.version}.tar.gz", self.version, self.registry, digests)

    def list(self):
        """Prints the images with their digests, as the workflow of releases reads them."""
        images = [{"name": f"{self.registry}/{name}", "digest": digest}
                  for name, digest in json.loads(self.note.read_text()).items()]
        print(f"images={json.dumps(images)}")

    def pins(self):
        digests = json.loads(self.note.read_text())
        overlay = ROOT / OVERLAY
        overlay.write_text(pinned(overlay.read_text(), self.version, digests))
        if output("git", "status", "--porcelain", OVERLAY):
            self.commit(f"Pin the images of {self.version}", OVERLAY)
        # 'git push --follow-tags' pushes annotated tags alone.
        run("git", "tag", "--force", "--annotate", "--message", f"Release {self.version}", f"v{self.version}")

    def sums(self):
        lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(self.folder)}"
                 for path in sorted(self.folder.rglob("*"))
                 if path.is_file() and path.name != "SHA256SUMS" and "registry" not in path.parts]
        (self.folder / "SHA256SUMS").write_text("\n".join(lines) + "\n")
        print(f"{len(lines)} files in {self.folder.relative_to(ROOT)}. Then: git push --follow-tags, and write the "
              f"commit of v{self.version} into deploy/local/previous.release when work on the next release begins")


STEPS = {"number": Release.numbered, "same": Release.same, "programs": Release.programs, "packages": Release.packages,
         "images": Release.images, "bundle": Release.bundle, "pins": Release.pins, "sums": Release.sums}


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version", metavar="X.Y.Z")
    parser.add_argument("--registry", metavar="HOST:PORT/PREFIX")
    parser.add_argument("--steps", default=",".join(STEPS), metavar="A,B", help=f"of {', '.join(STEPS)}")
    parser.add_argument("--list", action="store_true", help="only print the images of the release, with their digests")
    options = parser.parse_args(arguments)
    registry = None
    try:
        product.parse(options.version)
        wanted = options.steps.split(",")
        unknown = [name for name in wanted if name not in STEPS]
        if unknown:
            raise Problem(f"there is no step {unknown[0]}: {', '.join(STEPS)}")
        release = Release(options.version, options.registry)
        if options.list:
            release.list()
            return 0
        if not options.registry and {"images", "bundle"} & set(wanted):
            registry = Registry(release.folder / "registry")
            release.registry = f"{registry.address}/tapeline"
        for name in wanted:
            print(f"== {name}", flush=True)
            STEPS[name](release)
    except (OSError, Problem, product.Problem, other_images.Problem) as problem:
        print(f"release.py: {problem}", file=sys.stderr)
        return 1
    finally:
        if registry:
            registry.end()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
