#!/usr/bin/env python3
"""Makes Debian packages of the programs.

    deploy/debian/packages.py [--programs FOLDER] [--output FOLDER] [--version X.Y.Z-N] [--debug]

One package for each service, with its systemd units; one for the tool; and tapeline-common with what they
share. Dependencies are those of dpkg-shlibdeps. The same programs and commit give the same bytes. Run it on
the Debian on which the packages are to be installed. --debug takes programs that load Swift's libraries from
the toolchain: such packages are for tests of their contents.
"""

import argparse
import gzip
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "deploy"))
import sources  # noqa: E402

SERVICES = {
    "provider-gateway": "puts a provider's ticks on the tape",
    "operator-worker": "makes bars from the tape",
    "store-writer": "stores ticks and bars, and the latest values",
    "cockpit": "shows a deployment in the browser",
}
# What a program reads and does not link.
FILES_OF_OTHERS = {"provider-gateway": ["ca-certificates"], "cockpit": ["ca-certificates"]}
TOOL = "tapeline"
# The service that the tool is besides: its user, its settings and its unit have this name.
ACTIONS = "actions"
# The user who owns the tables: its settings have this name.
MIGRATOR = "migrator"
WRITERS_OWN = " ".join(f"{server}_PASSWORD{kind}" for server in ("NATS", "POSTGRES", "VALKEY")
                       for kind in ("", "_FILE"))
COMMON = "tapeline-common"
# What every one of them reads, where its place in a checkout is.
SHARED = ["deploy/postgres/migrations", "deploy/postgres/repeatable", "deploy/postgres/audit.sql",
          "deploy/postgres/audit-bars.sql", "services/operator-worker/graphs",
          "services/provider-gateway/instruments"]
# The programs are in one folder below this one, because the tool looks around itself.
LIBRARY = "usr/lib/tapeline"
# Settings that have another value than in default.env, because the unit has a folder for them.
PLACES = {
    "GATEWAY_SPOOL": "/var/lib/tapeline/provider-gateway/spool",
    "GATEWAY_DEAD_LETTERS": "/var/lib/tapeline/provider-gateway/dead-letters",
    "WRITER_DEAD_LETTERS": "/var/lib/tapeline/store-writer/dead-letters",
}
DESCRIPTION = """\
 Tapeline records market data on a durable tape in NATS JetStream and makes bars
 of it. Every tick that the tape acknowledged becomes exactly one row."""
VERSION = re.compile(r"\d+\.\d+\.\d+(\+[a-z0-9.]+)?-\d+")


class Problem(Exception):
    """An error, as one line for the person."""


def run(*words, **options):
    done = subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **options)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["it failed"]
        raise Problem(f"{pathlib.Path(words[0]).name} {words[-1]}: {lines[-1]}")
    return done.stdout


def text_of(name, **values):
    """Returns a template of this folder with its places filled in; lines that become empty go."""
    text = (HERE / name).read_text()
    for key, value in values.items():
        if not value:
            text = re.sub(rf"(?m)^@{key.upper()}@\n", "", text)
        text = text.replace(f"@{key.upper()}@", value)
    return text


# --- what goes into a package


def settings(program):
    """Returns default.env with the places of this system."""
    lines = (ROOT / f"services/{program}/default.env").read_text().splitlines()
    for number, line in enumerate(lines):
        key = line.split("=")[0]
        if key in PLACES:
            lines[number] = f"{key}={PLACES[key]}"
    return "\n".join(lines) + "\n"


def units(program):
    """Returns the units of a service by name: one process, further ones, and the writer's migration."""
    known = {"program": program, "description": SERVICES[program], "reload": ""}
    if program == "provider-gateway":
        known["reload"] = "ExecReload=/bin/kill -HUP $MAINPID"
    one = text_of("service.unit", **known, of="", instance="")
    more = text_of("service.unit", **known, of=" (%i)",
                   instance=f"EnvironmentFile=/etc/tapeline/{program}-%i.env")
    found = {f"tapeline-{program}.service": one, f"tapeline-{program}@.service": more}
    if program == "store-writer":
        once = re.sub(r"(?m)^(Restart.*|StartLimit.*|StateDirectory.*|#.*(?:start|end).*|WantedBy.*|\[Install\])\n",
                      "", one)
        own = f"EnvironmentFile=/etc/tapeline/{program}.env\n"
        for this, that in (("Type=exec", "Type=oneshot"), (f"/usr/bin/{program}\n", f"/usr/bin/{program} migrate\n"),
                           ("TimeoutStopSec=15s", "TimeoutStartSec=infinity"),
                           (f"=tapeline-{program}\n", f"=tapeline-{MIGRATOR}\n"),
                           # The writer's settings, and not what it alone may read.
                           (own, f"{own}EnvironmentFile=/etc/tapeline/{MIGRATOR}.env\n"
                                 f"UnsetEnvironment={WRITERS_OWN}\n"),
                           (SERVICES[program], "makes the tables of the database")):
            if this not in once:
                raise Problem(f"service.unit has no {this.strip()!r} any more")
            once = once.replace(this, that)
        found["tapeline-migrate.service"] = once.rstrip() + "\n"
    return found


def actions_unit():
    """Returns the unit of the tool that carries out what people ask for in the cockpit."""
    text = text_of("service.unit", program=ACTIONS, description="carries out what people ask for in the cockpit",
                   reload="", of="", instance="")
    last = "SystemCallFilter=~@privileged @resources\n"
    for this, that in ((f"/usr/bin/{ACTIONS}\n", f"/usr/bin/{TOOL} actions serve\n"),
                       (f"man:{ACTIONS}(1)", f"man:{TOOL}(1)"),
                       # setpriv starts its commands, so that they end with it, and sets the capabilities that it has:
                       # none.
                       (last, f"{last}SystemCallFilter=capset\n")):
        if this not in text:
            raise Problem(f"service.unit has no {this.strip()!r} any more")
        text = text.replace(this, that)
    return text


def manual(program, summary, text, date):
    """Returns a page of the manual that shows what the program says of itself."""
    body = text.rstrip().replace("\\", "\\e").replace("-", "\\-")
    body = re.sub(r"(?m)^([.'])", r"\\&\1", body)
    return (f'.TH {program.upper()} 1 {date} "Tapeline" "User Commands"\n.SH NAME\n{program} \\- {summary}\n'
            f".SH DESCRIPTION\n.nf\n{body}\n.fi\n")


class Package:
    """A folder that becomes a package."""

    def __init__(self, maker, name, summary, architecture):
        self.maker, self.name, self.summary, self.architecture = maker, name, summary, architecture
        self.root = maker.work / name
        self.depends, self.recommends = [], []
        self.conffiles = []

    def put(self, path, content, mode=0o644):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        target.chmod(mode)

    def link(self, path, target):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).symlink_to(target)

    def zipped(self, path, text):
        self.put(f"{path}.gz", gzip.compress(text.encode(), 9, mtime=0))

    def conffile(self, path, text, mode=0o640):
        """Puts settings in. systemd reads them as root, and nobody else has to: a person may write a password there."""
        self.put(path, text, mode)
        self.conffiles.append(f"/{path}")

    def program(self, name, summary):
        """Puts a program in, without what only a debugger reads, with its page of the manual."""
        source = self.maker.programs / name
        if not source.is_file():
            raise Problem(f"{source} is not there: build it (make build), or name the folder with --programs")
        target = self.root / LIBRARY / "bin" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        run("strip", "--strip-unneeded", "--remove-section=.comment", "--remove-section=.note", "-o", str(target),
            str(source))
        target.chmod(0o755)
        self.link(f"usr/bin/{name}", f"../lib/tapeline/bin/{name}")
        if not self.maker.is_debug:
            # The linker notes the folder of the program as one with libraries.
            run("chrpath", "--delete", str(target))
        text = run(str(source), "--help" if name != TOOL else "help", env={"PATH": os.environ["PATH"]})
        self.zipped(f"usr/share/man/man1/{name}.1", manual(name, summary, text, self.maker.day))
        self.depends += self.maker.libraries(target)

    def script(self, kind, template, **values):
        self.put(f"DEBIAN/{kind}", text_of(f"scripts/{template}.{kind}", **values), 0o755)

    def control(self):
        size = sum(path.lstat().st_size for path in self.root.rglob("*") if path.is_file()) // 1024
        depends = f"Depends: {', '.join(self.depends)}\n"
        if self.recommends:
            depends += f"Recommends: {', '.join(self.recommends)}\n"
        return (f"Package: {self.name}\nVersion: {self.maker.version}\nArchitecture: {self.architecture}\n"
                f"Maintainer: {self.maker.maintainer}\nInstalled-Size: {size}\n{depends}"
                f"Section: misc\nPriority: optional\nDescription: {self.summary}\n{DESCRIPTION}\n")

    def write(self):
        documents = f"usr/share/doc/{self.name}"
        self.put(f"{documents}/copyright", text_of("copyright", year=self.maker.day[:4]))
        self.zipped(f"{documents}/changelog", (ROOT / "CHANGELOG.md").read_text())
        self.zipped(f"{documents}/changelog.Debian", self.maker.changelog())
        if self.conffiles:
            self.put("DEBIAN/conffiles", "".join(f"{path}\n" for path in self.conffiles))
        sums = [f"{run('md5sum', str(path)).split()[0]}  {path.relative_to(self.root)}"
                for path in sorted(self.root.rglob("*"))
                if path.is_file() and not path.is_symlink() and self.root / "DEBIAN" not in path.parents]
        self.put("DEBIAN/control", self.control())
        self.put("DEBIAN/md5sums", "".join(f"{line}\n" for line in sums))
        for path in [self.root, *self.root.rglob("*")]:
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        file = self.maker.output / f"{self.name}_{self.maker.version}_{self.architecture}.deb"
        pressed = ["-Zgzip", "-z1"] if self.maker.is_debug else ["-Zxz"]
        run("dpkg-deb", "--root-owner-group", *pressed, "--build", str(self.root), str(file),
            env={**os.environ, "SOURCE_DATE_EPOCH": str(self.maker.time)})
        return file


class Maker:
    """What all packages of one run have in common."""

    def __init__(self, options, work):
        self.programs = pathlib.Path(options.programs).resolve()
        self.output = pathlib.Path(options.output)
        self.work = work
        self.is_debug = options.debug
        self.time = int(os.environ.get("SOURCE_DATE_EPOCH") or commit("%ct") or 0)
        self.day = run("date", "--utc", "--iso-8601", f"--date=@{self.time}").strip()
        self.version = options.version or default_version()
        if not VERSION.fullmatch(self.version):
            raise Problem(f"{self.version!r} is no version of a package: it is like 1.2.3-1")
        self.architecture = run("dpkg", "--print-architecture").strip()
        name, mail = os.environ.get("DEBFULLNAME", "Tapeline"), os.environ.get("DEBEMAIL", "packages@tapeline.invalid")
        self.maintainer = f"{name} <{mail}>"

    def changelog(self):
        """Returns the changelog of the packages: this version, and the releases before it."""
        now = self.version.split("-")[0]
        entries = [(self.version, f"@{self.time}")]
        for version, day in re.findall(r"(?m)^## (\d+\.\d+\.\d+) \((\S+)\)$", (ROOT / "CHANGELOG.md").read_text()):
            if version != now:
                entries.append((f"{version}-1", f"{day}T00:00Z"))
        return "\n".join(
            f"tapeline ({version}) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- {self.maintainer}  "
            f"{run('date', '--utc', '--rfc-email', f'--date={when}').strip()}\n" for version, when in entries)

    def libraries(self, program):
        """Returns the packages that a program needs, with their least versions."""
        control = self.work / "shlibs/debian/control"
        control.parent.mkdir(parents=True, exist_ok=True)
        control.write_text("Source: tapeline\n\nPackage: tapeline\nArchitecture: any\n")
        more = ["--ignore-missing-info"] if self.is_debug else []
        found = run("dpkg-shlibdeps", *more, "-O", "--warnings=0", f"-e{program}", cwd=control.parents[1])
        return found.strip().removeprefix("shlibs:Depends=").split(", ")


def commit(format):
    done = subprocess.run(["git", "-C", str(ROOT), "log", "-1", f"--format={format}"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return done.stdout.strip()


def default_version():
    """Returns a version after that of the checkout's last release, which names the commit."""
    version = (ROOT / "VERSION").read_text().strip()
    revision = run(str(ROOT / "deploy/local/revision.sh")).strip().replace("-", ".")
    when = commit("%cd") and run("git", "-C", str(ROOT), "log", "-1", "--format=%cd",
                                 "--date=format-local:%y%m%d%H%M", env={**os.environ, "TZ": "UTC"}).strip()
    return f"{version}+{when}.{revision}-1" if when else f"{version}-1"


# --- the packages


def common(maker):
    package = Package(maker, COMMON, "Tapeline: user, folders and files of all programs", "all")
    # A user and a folder by systemd's own means, which containers have as small packages.
    package.depends = ["systemd | systemd-standalone-sysusers | systemd-sysusers",
                       "systemd | systemd-standalone-tmpfiles | systemd-tmpfiles"]
    for name in SHARED:
        found = ROOT / name
        for path in sorted(found.rglob("*")) if found.is_dir() else [found]:
            if path.is_file():
                package.put(f"usr/share/tapeline/{path.relative_to(ROOT)}", path.read_bytes())
    package.link(f"{LIBRARY}/deploy", "../../share/tapeline/deploy")
    package.put("usr/lib/sysusers.d/tapeline.conf", text_of("sysusers.conf"))
    package.put("usr/lib/tmpfiles.d/tapeline.conf", text_of("tmpfiles.conf"))
    package.put(f"usr/share/doc/{COMMON}/README.Debian", text_of("README.Debian"))
    package.script("postinst", "user")
    return package


def service(maker, program):
    package = Package(maker, f"tapeline-{program}", f"Tapeline: {SERVICES[program]}", maker.architecture)
    package.program(program, SERVICES[program])
    package.depends += [f"{COMMON} (= {maker.version})", "tzdata", *FILES_OF_OTHERS.get(program, [])]
    package.conffile(f"etc/tapeline/{program}.env", settings(program))
    if program == "store-writer":
        package.conffile(f"etc/tapeline/{MIGRATOR}.env", text_of(f"{MIGRATOR}.env"))
    if program == "provider-gateway":
        # What the unit of each source reads: tapeline-provider-gateway@NAME.
        for name, source in sources.beside(sources.read()).items():
            package.conffile(f"etc/tapeline/{program}-{name}.env", sources.settings(name, source))
    for name, text in units(program).items():
        package.put(f"usr/lib/systemd/system/{name}", text)
    for kind in ("postinst", "prerm", "postrm"):
        package.script(kind, "service", unit=f"tapeline-{program}", program=program)
    return package


def tool(maker):
    package = Package(maker, TOOL, "looks at recorded market data, proves and repairs it", maker.architecture)
    package.program(TOOL, "looks at a deployment of Tapeline, proves and repairs it")
    package.depends += [f"{COMMON} (= {maker.version})", "tzdata"]
    # 'replay', 'load' and 'feed try' run a gateway.
    package.recommends = ["tapeline-provider-gateway"]
    package.conffile(f"etc/tapeline/{ACTIONS}.env", text_of(f"{ACTIONS}.env"))
    # People read it, who are not root; it names files of passwords alone.
    package.conffile("etc/tapeline/tapeline.env", text_of("tapeline.env"), 0o644)
    package.put(f"usr/lib/systemd/system/tapeline-{ACTIONS}.service", actions_unit())
    for kind in ("postinst", "prerm", "postrm"):
        package.script(kind, "service", unit=f"tapeline-{ACTIONS}", program=f"{TOOL} actions serve")
    for shell, path in (("bash", "bash-completion/completions/tapeline"), ("zsh", "zsh/vendor-completions/_tapeline"),
                        ("fish", "fish/vendor_completions.d/tapeline.fish")):
        package.put(f"usr/share/{path}", run(str(maker.programs / TOOL), "completions", shell))
    return package


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", default=str(ROOT / ".build/release"))
    parser.add_argument("--output", default=str(ROOT / ".build/packages"))
    parser.add_argument("--version")
    parser.add_argument("--debug", action="store_true")
    options = parser.parse_args(arguments)
    try:
        for needed in ("dpkg-shlibdeps", "strip", *([] if options.debug else ["chrpath"])):
            if not shutil.which(needed):
                raise Problem(f"{needed} is missing: apt-get install binutils chrpath dpkg-dev")
        pathlib.Path(options.output).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="tapeline-packages-") as work:
            maker = Maker(options, pathlib.Path(work))
            packages = [common(maker), tool(maker), *(service(maker, program) for program in SERVICES)]
            for package in packages:
                print(package.write())
    except (OSError, Problem) as problem:
        print(f"packages.py: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
