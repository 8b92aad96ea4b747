#!/usr/bin/env python3
"""sbom.py [--output FOLDER] [IMAGE...]: what each image consists of, as CycloneDX 1.5 (JSON).

Read from the image's own files: the packages that dpkg says are installed, with licences from their
copyright files where those are machine-readable, and our programs, with what is compiled into them.
Without a name: every tapeline/* image that Docker has. Nothing is run or fetched, and the same image
gives the same bytes.

sbom.py --root FOLDER --name NAME --version VERSION: the same of an unpacked image.
"""
import argparse
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tarfile
import urllib.parse
import uuid

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = "opt/tapeline/bin/"
WANTED = re.compile(
    r"(var/lib/dpkg/status(\.d/[^/]+)?|usr/share/doc/[^/]+/copyright|(usr/lib|etc)/os-release|"
    + re.escape(PROGRAMS) + r"[^/]+)$")
FILE_BYTES_MAX = 1 << 30

# Debian's short names of licences that differ from those of SPDX.
SPDX = {
    "apache-2.0": "Apache-2.0", "artistic": "Artistic-1.0-Perl", "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause", "bsd-4-clause": "BSD-4-Clause", "cc0-1.0": "CC0-1.0",
    "expat": "MIT", "isc": "ISC", "mit": "MIT", "openssl": "OpenSSL", "postgresql": "PostgreSQL",
    "zlib": "Zlib",
    **{f"{family.lower()}-{number}{mark}": f"{family}-{number}.0-{word}"
       for family, numbers in (("GPL", "123"), ("LGPL", "23")) for number in numbers
       for mark, word in (("", "only"), ("+", "or-later"))},
    **{f"lgpl-2.1{mark}": f"LGPL-2.1-{word}" for mark, word in (("", "only"), ("+", "or-later"))},
}


def stanzas(text):
    """Returns the paragraphs of a Debian control file as dictionaries, with names in lower case."""
    for paragraph in re.split(r"\n\s*\n", text):
        fields, name = {}, None
        for line in paragraph.splitlines():
            if line[:1] in (" ", "\t"):
                if name:
                    fields[name] += "\n" + line.strip()
            elif ":" in line and not line.startswith("#"):
                name, value = line.split(":", 1)
                name = name.lower()
                fields[name] = value.strip()
        if fields:
            yield fields


def licences(text):
    """Returns the licences in a machine-readable copyright file. For other files it guesses
    none."""
    if not re.match(r"\s*Format(-Specification)?:", text, re.IGNORECASE):
        return []
    found = {}
    for fields in stanzas(text):
        name = fields.get("license", "").split("\n", 1)[0].strip()
        if name and not name.lower().startswith("unknown"):
            known = SPDX.get(name.lower())
            found[known or name] = {"license": {"id": known} if known else {"name": name}}
    return [found[name] for name in sorted(found)]


def packages(files):
    """Returns the installed packages of dpkg. Distroless images keep a file per package."""
    text = "\n\n".join(
        content.decode("utf-8", "replace") for path, content in sorted(files.items())
        if path.startswith("var/lib/dpkg/status") and not path.endswith(".md5sums"))
    return [fields for fields in stanzas(text)
            if "package" in fields and fields.get("status", "install ok installed").endswith(
                " installed")]


def purl(fields, system):
    query = urllib.parse.urlencode(
        {"arch": fields.get("architecture", "all"), "distro": system}, safe="-.")
    version = urllib.parse.quote(fields["version"], safe="-._~")
    return f"pkg:deb/debian/{urllib.parse.quote(fields['package'], safe='-.')}@{version}?{query}"


def package_component(fields, files, system):
    name = fields["package"]
    component = {
        "type": "library", "bom-ref": purl(fields, system), "name": name,
        "version": fields["version"], "purl": purl(fields, system),
        "description": fields.get("description", "").split("\n", 1)[0],
    }
    if "maintainer" in fields:
        component["publisher"] = fields["maintainer"]
    copyright_file = files.get(f"usr/share/doc/{name}/copyright", b"")
    found = licences(copyright_file.decode("utf-8", "replace"))
    if found:
        component["licenses"] = found
    if "source" in fields:
        component["properties"] = [{"name": "debian:source", "value": fields["source"]}]
    return component


def dependencies(installed, references):
    """Returns for each installed package, by name, the installed packages that it needs."""
    providers = {}
    for fields in installed:
        offered = re.sub(r"\([^)]*\)", "", fields.get("provides", "")).split(",")
        for name in [fields["package"]] + [name.strip() for name in offered]:
            providers.setdefault(name, fields["package"])
    for fields in installed:
        needs = set()
        for clause in f"{fields.get('depends', '')},{fields.get('pre-depends', '')}".split(","):
            for alternative in clause.split("|"):
                words = re.split(r"[\s(:]", alternative.strip(), maxsplit=1)[0]
                if words in providers and providers[words] != fields["package"]:
                    needs.add(references[providers[words]])
                    break
        yield {"ref": references[fields["package"]], "dependsOn": sorted(needs)}


def swift_version():
    """Returns the Swift version of the image in which the programs are built."""
    text = (CHECKOUT / "services/provider-gateway/Dockerfile").read_text()
    found = re.search(r"^FROM swift:([0-9.]+)", text, re.MULTILINE)
    return found.group(1) if found else None


def compiled_in():
    """Returns the parts of our programs that are not packages of the image."""
    swift = {
        "type": "framework", "bom-ref": "compiled-in:swift", "name": "swift",
        "description": "Standard library and Foundation of Swift, linked statically",
        "licenses": [{"expression": "Apache-2.0 WITH Swift-exception"}],
    }
    version = swift_version()
    if version:
        swift["version"] = version
    return [swift, {
        "type": "library", "bom-ref": "compiled-in:xxhash", "name": "xxhash",
        "description": "XXH3 from the header of Debian's libxxhash-dev",
        "licenses": [{"license": {"id": "BSD-2-Clause"}}],
    }]


def bill(name, version, files, image):
    """Returns the document: the image, its programs, its packages, and their dependencies."""
    release = files.get("usr/lib/os-release") or files.get("etc/os-release") or b""
    system = "-".join(
        (re.search(rf'^{key}="?([^"\n]*)', release.decode(), re.MULTILINE) or ["", word])[1]
        for key, word in (("ID", "debian"), ("VERSION_ID", "unknown")))
    installed = packages(files)
    components = [package_component(fields, files, system) for fields in installed]
    references = {fields["package"]: purl(fields, system) for fields in installed}
    graph = list(dependencies(installed, references))
    inside = compiled_in()
    programs = []
    for path, content in sorted(files.items()):
        if path.startswith(PROGRAMS):
            program = path[len(PROGRAMS):]
            programs.append({
                "type": "application", "bom-ref": f"program:{program}", "name": program,
                "version": version,
                "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}],
            })
            graph.append({"ref": f"program:{program}",
                          "dependsOn": [component["bom-ref"] for component in inside]})
    everything = programs + (inside if programs else []) + components
    top = {"type": "container", "bom-ref": f"image:{name}", "name": name, "version": version}
    if image.get("id"):
        top["properties"] = [{"name": f"image:{key}", "value": image[key]}
                             for key in ("id", "revision") if image.get(key)]
    graph.insert(0, {"ref": top["bom-ref"],
                     "dependsOn": sorted(component["bom-ref"] for component in everything)})
    identity = json.dumps([name, version, image, everything], sort_keys=True)
    metadata = {"component": top, "tools": {"components": [
        {"type": "application", "name": "deploy/docker/sbom.py", "version": version}]}}
    if image.get("created"):
        metadata["timestamp"] = image["created"]
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, identity)}",
        "metadata": metadata, "components": everything, "dependencies": graph,
    }


def files_of_folder(root):
    root = pathlib.Path(root)
    paths = [*root.glob("var/lib/dpkg/status"), *root.glob("var/lib/dpkg/status.d/*"),
             *root.glob("usr/share/doc/*/copyright"), *root.glob("usr/lib/os-release"),
             *root.glob("etc/os-release"), *root.glob(PROGRAMS + "*")]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths if path.is_file()}


def docker(*arguments):
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"sbom.py: docker {arguments[0]} {arguments[-1]}: "
                 + (done.stderr.strip().splitlines() or ["it failed"])[-1])
    return done.stdout.strip()


def files_of_image(image):
    """Reads the image's file system as a container would see it. The container is never started."""
    container = docker("create", image)
    try:
        with subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as export:
            files = {}
            with tarfile.open(fileobj=export.stdout, mode="r|") as archive:
                for member in archive:
                    path = member.name.removeprefix("./")
                    if member.isfile() and WANTED.fullmatch(path):
                        if member.size > FILE_BYTES_MAX:
                            sys.exit(f"sbom.py: {path} in {image} is larger than 1 GiB")
                        files[path] = archive.extractfile(member).read()
            export.stdout.read()
        if export.returncode != 0:
            sys.exit(f"sbom.py: docker export of {image} ended with {export.returncode}")
        return files
    finally:
        docker("rm", container)


def describe_image(image):
    facts = json.loads(docker("image", "inspect", image))[0]
    labels = facts["Config"].get("Labels") or {}
    name = labels.get("org.opencontainers.image.title") or image.split("/")[-1].split(":")[0]
    return name, labels.get("org.opencontainers.image.version", "unknown"), {
        "id": facts["Id"], "created": facts["Created"],
        "revision": labels.get("org.opencontainers.image.revision"),
    }


def write(document, folder):
    name = document["metadata"]["component"]["name"]
    path = pathlib.Path(folder) / f"{name}.cdx.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    kinds = [component["purl"] for component in document["components"] if "purl" in component]
    named = sum("licenses" in component for component in document["components"])
    print(f"{name}: {len(kinds)} packages, {len(document['components'])} components, "
          f"{named} with licences: {path}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="*", metavar="IMAGE")
    parser.add_argument("--output", default=str(CHECKOUT / ".build/sbom"))
    parser.add_argument("--root", help="an unpacked image, in place of Docker's")
    parser.add_argument("--name")
    parser.add_argument("--version", default="unknown")
    options = parser.parse_args()
    if options.root:
        files = files_of_folder(options.root)
        name = options.name or pathlib.Path(options.root).name
        if not packages(files):
            sys.exit(f"sbom.py: no package is installed in {options.root}: "
                     "name the root of an unpacked Debian image")
        write(bill(name, options.version, files, {}), options.output)
        return
    images = options.images or sorted(set(docker(
        "image", "ls", "--filter", "reference=tapeline/*", "--format",
        "{{.Repository}}:{{.Tag}}").split()))
    if not images:
        sys.exit("sbom.py: Docker has no image tapeline/*: 'make cluster-up' builds them")
    for image in images:
        name, version, facts = describe_image(image)
        write(bill(name, version, files_of_image(image), facts), options.output)


if __name__ == "__main__":
    main()
