"""Tests of the scripts in deploy/release; ScriptTests runs it."""

import contextlib
import http.server
import importlib.machinery
import importlib.util
import io
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import unittest
from unittest import mock

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "deploy/release"), str(ROOT / "deploy")]
import registry  # noqa: E402
import release  # noqa: E402
import schema  # noqa: E402
import version  # noqa: E402


def told(run, *arguments):
    """Runs the script's main, and returns its exit code and all that it prints."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = run(*arguments)
    return code, output.getvalue()


def script(path):
    """Returns a script whose name is no name of a module."""
    name = pathlib.Path(path).stem.replace("-", "_")
    loader = importlib.machinery.SourceFileLoader(name, str(ROOT / path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


class Folder(unittest.TestCase):
    """Each test has a folder of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tapeline-release-")
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def copy(self, *patterns):
        for pattern in patterns:
            for path in sorted(ROOT.glob(pattern)):
                target = self.root / path.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)


class Version(Folder):
    OVERLAY = "deploy/kubernetes/components/production/kustomization.yaml"

    def setUp(self):
        super().setUp()
        self.copy("VERSION", *(place[0] for place in version.PLACES))
        # A release has left digests there.
        overlay = self.root / self.OVERLAY
        overlay.write_text(re.sub(r"\n +digest: .*", "", overlay.read_text()))

    def test_every_file_of_the_checkout_has_the_version_of_the_file_version(self):
        self.assertEqual(told(version.main, ["--check"]), (0, ""))

    def test_a_new_version_comes_into_every_file_and_back(self):
        files = {path: path.read_text() for path in self.root.rglob("*") if path.is_file()}
        code, text = told(version.main, ["--set", "12.0.34"], self.root)
        self.assertEqual((code, len(text.splitlines())), (0, len(files)))
        for path in files:
            self.assertIn("12.0.34", path.read_text())
            self.assertNotIn(version.read(), path.read_text())
        self.assertEqual(told(version.main, ["--check"], self.root), (0, ""))
        self.assertEqual(told(version.main, ["--set", version.read()], self.root)[0], 0)
        self.assertEqual({path: path.read_text() for path in files}, files)

    def test_a_digest_stays_with_its_version_and_goes_with_it(self):
        overlay = self.root / self.OVERLAY
        digest = "    digest: sha256:" + "a" * 64 + "\n"
        tag = f"    newTag: {version.read()}\n"
        overlay.write_text(overlay.read_text().replace(tag, tag + digest))
        self.assertEqual(told(version.main, [], self.root), (0, ""))
        self.assertEqual(told(version.main, ["--set", "12.0.34"], self.root)[0], 0)
        self.assertNotIn("digest:", overlay.read_text())

    def test_a_file_that_differs_is_named(self):
        path = self.root / "Sources/Desk/python/tapeline/version.py"
        path.write_text('__version__ = "9.9.9"\n')
        self.assertEqual(
            told(version.main, ["--check"], self.root),
            (1, "Sources/Desk/python/tapeline/version.py differs\n"))
        path.write_text("nothing\n")
        code, text = told(version.main, ["--check"], self.root)
        self.assertEqual(code, 1)
        self.assertIn("does not name the version", text)

    def test_what_is_no_version_is_refused_and_changes_nothing(self):
        before = (self.root / "VERSION").read_text()
        for text in ("1.2", "v1.2.3", "1.2.3-rc1", "01.2.3", "1.2.3\n", "", "99999.0.0"):
            code, answer = told(version.main, [f"--set={text}"], self.root)
            self.assertEqual(code, 1, answer)
            self.assertEqual((self.root / "VERSION").read_text(), before)


class WireSchema(Folder):
    TEXT = """
<sbe:messageSchema xmlns:sbe="http://fixprotocol.io/2016/sbe" package="p" id="7" version="3" byteOrder="littleEndian">
  <types>
    <type name="Time" primitiveType="int64" nullValue="9"/>
    <composite name="pair"><type name="low" primitiveType="uint64"/></composite>
    <enum name="Kind" encodingType="uint8"><validValue name="a">1</validValue></enum>
    <set name="Flags" encodingType="uint8"><choice name="f">0</choice></set>
  </types>
  <sbe:message name="One" id="1" blockLength="16">
    <field name="x" id="1" type="uint64" offset="0"/>
    <field name="t" id="2" type="Time" offset="8"/>
  </sbe:message>
  <sbe:message name="Two" id="258" blockLength="8">
    <field name="y" id="1" type="uint64" offset="0"/>
    <data name="text" id="2" type="varData"/>
  </sbe:message>
</sbe:messageSchema>"""
    TWO = '<sbe:message name="Two" id="258" blockLength="8">'
    NEW = '<field name="z" id="3" type="uint8" offset="16" sinceVersion="4"/>\n  </sbe:message>\n  ' + TWO

    def problems(self, *changes):
        text = self.TEXT
        for old, new in changes:
            self.assertEqual(text.count(old), 1, old)
            text = text.replace(old, new)
        return schema.problems(schema.Schema(self.TEXT), schema.Schema(text))

    def test_the_schema_bears_the_readers_and_tapes_of_every_release(self):
        self.assertEqual(told(schema.main, []), (0, ""))

    def test_what_is_appended_is_borne(self):
        version = ('version="3"', 'version="4"')
        self.assertEqual(self.problems(), [])
        self.assertEqual(self.problems(
            version, ('id="1" blockLength="16"', 'id="1" blockLength="24"'),
            (f"</sbe:message>\n  {self.TWO}", self.NEW)), [])
        self.assertEqual(self.problems(("<choice", '<choice name="g">1</choice><choice')), [])
        self.assertEqual(self.problems(
            version, (self.TWO, f'<sbe:message name="Three" id="3" blockLength="0"/>{self.TWO}')), [])

    def test_each_change_of_what_was_released_is_named(self):
        shorter = ('id="1" blockLength="16"', 'id="1" blockLength="8"')
        longer = ('id="1" blockLength="16"', 'id="1" blockLength="24"')
        new = (f"</sbe:message>\n  {self.TWO}", self.NEW)
        within = (new[0], self.NEW.replace('offset="16"', 'offset="12"'))
        for number, (part, *changes) in enumerate([
                ("the head became", ('id="7"', 'id="8"')),
                ("the head became", ("littleEndian", "bigEndian")),
                ("back to 2", ('version="3"', 'version="2"')),
                ("type Time", ('nullValue="9"', 'nullValue="8"')),
                ("type pair", ('name="low" primitiveType="uint64"', 'name="low" primitiveType="int64"')),
                ("type Kind", ('name="Kind" encodingType="uint8"', 'name="Kind" encodingType="uint16"')),
                ("Kind 1 means b", ('name="a">1', 'name="b">1')),
                ("Flags 0 means None", ('name="f">0', 'name="f">1')),
                ("One.x", ('name="x" id="1" type="uint64"', 'name="x" id="1" type="int64"')),
                ("One.t", ('type="Time" offset="8"', 'type="Time" offset="4"')),
                ("One.t", ('name="t" id="2"', 'name="t" id="4"')),
                ("block became shorter", shorter),
                ("is called Other", ('name="One"', 'name="Other"')),
                ("Two is not there", ('id="258"', 'id="259"')),
                ("texts behind the block", ('<data name="text" id="2"', '<data name="text" id="3"')),
                ("number says that 1 texts", ('    <data name="text" id="2" type="varData"/>\n', "")),
                ("sinceVersion is 4", longer, new),
                ("within the block", ('version="3"', 'version="4"'), longer, within),
                ("the same low byte", (self.TWO, f'<sbe:message name="N" id="32769" blockLength="0"/>{self.TWO}')),
                ("has the low byte of Two", ('id="258"', 'id="770"')),
                ("two fields have one number", ('name="t" id="2"', 'name="t" id="1"')),
                ("is new, and the version", (self.TWO, f'<sbe:message name="N" id="3" blockLength="0"/>{self.TWO}')),
        ]):
            found = self.problems(*changes)
            self.assertTrue(any(part in line for line in found), f"{number}: {part} is not in {found}")

    def test_a_release_keeps_its_schema_and_afterwards_it_fails_without_any(self):
        self.copy("VERSION", schema.SCHEMA)
        changelog, folder = self.root / "CHANGELOG.md", self.root / "deploy/release"
        folder.mkdir(parents=True)
        changelog.write_text("## Unreleased\n\n- New.\n")
        self.assertEqual(told(schema.main, [], self.root), (0, ""))
        changelog.write_text("## 12.0.34 (2026-01-01)\n\n- New.\n")
        self.assertEqual(told(schema.main, [], self.root)[0], 1)
        (self.root / "VERSION").write_text("12.0.34\n")
        self.assertEqual(told(schema.main, ["--keep"], self.root), (0, ""))
        kept = folder / "tape-12.0.34.sbe.xml"
        self.assertEqual(kept.read_text(), (ROOT / schema.SCHEMA).read_text())
        self.assertEqual(told(schema.main, [], self.root), (0, ""))
        # What was released stays.
        path = self.root / schema.SCHEMA
        path.write_text(path.read_text().replace('name="price" id="8"', 'name="cost" id="8"'))
        self.assertEqual(told(schema.main, [], self.root)[0], 1)

    def test_the_made_up_second_release_fits_this_tree_and_the_rules(self):
        second = script("deploy/local/second-release.py")
        self.copy(*{change[0] for change in second.CHANGES}, "deploy/postgres/migrations/*.sql")
        before = len(list(self.root.glob("deploy/postgres/migrations/*.sql")))
        second.apply(self.root)
        texts = [(root / schema.SCHEMA).read_text() for root in (ROOT, self.root)]
        self.assertNotEqual(*texts)
        self.assertEqual(schema.problems(*map(schema.Schema, texts)), [])
        self.assertEqual(len(list(self.root.glob("deploy/postgres/migrations/*.sql"))), before + 1)


class Release(Folder):
    OURS = ("provider-gateway", "operator-worker", "store-writer", "cockpit", "tapeline")
    SIMULATORS = tuple(f"{name}-simulator" for name in ("ibkr", "binance", "alpaca", "massive", "polled"))
    DIGESTS = {name: "sha256:" + mark * 64 for name, mark in zip((*OURS, *SIMULATORS), "abcdef0123")}

    def test_the_first_section_of_the_changelog_gets_version_and_date(self):
        text = "# Changelog\n\n## Unreleased\n\n### Data\n- New.\n\n## 0.1.0 (2026-01-01)\n- Old.\n"
        self.assertEqual(
            release.dated(text, "0.2.0", "2026-02-03"), text.replace("## Unreleased", "## 0.2.0 (2026-02-03)"))
        for bad in (text.replace("- New.", ""), text.replace("Unreleased", "0.0.9")):
            with self.assertRaises(release.Problem):
                release.dated(bad, "0.2.0", "2026-02-03")
        # What stands in the checkout can be released, or was.
        now = (ROOT / "CHANGELOG.md").read_text()
        self.assertTrue(f"## {version.read()} (" in now or release.UNRELEASED in now)
        if release.UNRELEASED in now:
            release.dated(now, "12.0.34", "2026-02-03")

    def test_a_version_is_written_once_and_never_goes_back(self):
        self.copy("VERSION", "CHANGELOG.md", *(place[0] for place in version.PLACES))
        changelog = self.root / "CHANGELOG.md"
        changelog.write_text(f"## Unreleased\n\n- New.\n\n## {version.read()} (2026-01-01)\n- Old.\n")
        for bad in (version.read(), "0.0.9"):
            with self.assertRaises(release.Problem):
                release.number(self.root, bad)
        # The first release may have the version that the checkout has.
        changelog.write_text("## Unreleased\n\n- New.\n")
        with self.assertRaises(release.Problem):
            release.number(self.root, "0.0.9")
        release.number(self.root, version.read())
        self.assertTrue(changelog.read_text().startswith(f"## {version.read()} (20"))
        changelog.write_text("## Unreleased\n\n- New.\n")
        with contextlib.redirect_stdout(io.StringIO()):
            release.number(self.root, "12.0.34")
        self.assertEqual(told(version.main, ["--check"], self.root), (0, ""))
        self.assertEqual(version.read(self.root), "12.0.34")
        self.assertTrue(changelog.read_text().startswith("## 12.0.34 (20"))

    def test_the_overlay_names_each_image_by_its_digest(self):
        text = (ROOT / release.OVERLAY).read_text()
        now = version.read()
        once = release.pinned(text, now, self.DIGESTS)
        for name, digest in self.DIGESTS.items():
            self.assertEqual(once.count(digest), 0 if name in self.SIMULATORS else 1)
        self.assertEqual(release.pinned(once, now, self.DIGESTS), once)
        with self.assertRaises(release.Problem):
            release.pinned(text, now, {"store-writer": self.DIGESTS["store-writer"]})
        with self.assertRaises(release.Problem):
            release.pinned(text.replace("digest:", ""), "9.9.9", self.DIGESTS)

    def test_the_bundle_has_all_that_its_files_name_and_builds_nothing(self):
        target = self.root / "bundle.tar.gz"
        release.bundle(ROOT, target, "1.2.3", "127.0.0.1:5000/tapeline", self.DIGESTS)
        first = target.read_bytes()
        release.bundle(ROOT, target, "1.2.3", "127.0.0.1:5000/tapeline", self.DIGESTS)
        self.assertEqual(target.read_bytes(), first)
        with tarfile.open(target) as archive:
            archive.extractall(self.root)
        folder = self.root / "tapeline-compose-1.2.3"
        files = [folder / "docker-compose.yml", *folder.glob("deploy/compose/*.yml")]
        self.assertGreater(len(files), 5)
        named = 0
        for file in files:
            text = file.read_text()
            self.assertNotRegex(text, r"build:|dockerfile|TAPELINE_VERSION", file.name)
            for place in release.PLACE.findall(text):
                named += 1
                self.assertTrue("/secrets" in place or (folder / place).exists(), f"{file.name}: {place}")
        self.assertGreater(named, 15)
        compose = files[0].read_text()
        for name, digest in self.DIGESTS.items():
            self.assertIn(f"image: 127.0.0.1:5000/tapeline/{name}:1.2.3@{digest}\n", compose)
        self.assertTrue(folder.joinpath("deploy/compose/secrets.sh").stat().st_mode & 0o100)
        self.assertFalse(list(folder.rglob("*secrets/*")))
        # What its page names runs there, too.
        done = subprocess.run([sys.executable, folder / "deploy/compose/autoscale.py", "--help"], check=False,
                              stdout=subprocess.PIPE)
        self.assertEqual(done.returncode, 0)
        with self.assertRaises(release.Problem):
            release.bundled(compose.replace(" 127.0.0.1:5000/tapeline/tapeline:1.2.3", " ") +
                            "    image: tapeline/other:${TAPELINE_VERSION:-latest}\n", "r", "1.2.3", self.DIGESTS)


class AskingRegistry(http.server.BaseHTTPRequestHandler):
    """A registry that gives a token for a password, and its images for the token."""

    asked = []
    challenge = 'Bearer realm="http://{}/token",service="s",scope="repository:a/b:pull"'

    def log_message(self, *words):
        pass

    def do_GET(self):
        known = self.headers.get("Authorization")
        self.asked.append((self.path, known))
        if self.path.startswith("/token"):
            self.say(200 if known == "Basic bmU6cGFzcw==" else 403, b'{"token": "t"}')
        elif known == "Bearer t":
            self.say(200, b"here")
        else:
            self.say(401, b"", {"WWW-Authenticate": self.challenge.format(self.headers["Host"])})

    def say(self, code, body, headers=None):
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Registries(Folder):
    def setUp(self):
        super().setUp()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), AskingRegistry)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}/v2/a/b/manifests/1"
        changed = mock.patch.dict("os.environ", {"DOCKER_CONFIG": str(self.root)})
        changed.start()
        self.addCleanup(changed.stop)
        AskingRegistry.asked.clear()

    def test_the_password_of_docker_login_buys_the_token_that_the_registry_asks_for(self):
        logins = {"auths": {self.host: {"auth": "bmU6cGFzcw=="}, "other.example": {"auth": "eDp5"}}}
        self.root.joinpath("config.json").write_text(json.dumps(logins))
        self.assertEqual(registry.ask("GET", self.url)[1], b"here")
        token = "/token?service=s&scope=repository%3Aa%2Fb%3Apull"
        self.assertEqual(AskingRegistry.asked, [
            ("/v2/a/b/manifests/1", None), (token, "Basic bmU6cGFzcw=="), ("/v2/a/b/manifests/1", "Bearer t")])

    def test_without_a_password_the_registry_says_why_not_in_one_line(self):
        with self.assertRaisesRegex(registry.Refused, r"^GET http\S+: 403 .*$"):
            registry.ask("GET", self.url)
        self.assertEqual(AskingRegistry.asked[-1][1], None)

    def test_a_password_leaves_the_machine_by_https_alone(self):
        for challenge in ("", 'Basic realm="x"', 'Bearer realm="http://a.example/token"'):
            with self.assertRaises(registry.Refused):
                registry.authorization("https://a.example/v2/", challenge)

    def test_each_image_has_its_registry(self):
        for name, expected in (
                ("nats", ("https://registry-1.docker.io", "library/nats")),
                ("valkey/valkey", ("https://registry-1.docker.io", "valkey/valkey")),
                ("ghcr.io/a/b", ("https://ghcr.io", "a/b")),
                ("127.0.0.1:5000/nats", ("http://127.0.0.1:5000", "nats"))):
            self.assertEqual(registry.address(name), expected)


class Mixes(unittest.TestCase):
    def test_the_way_through_two_releases_has_all_mixes_and_changes_one_process_at_a_time(self):
        mixes = script("deploy/local/upgrade-mixes.py")
        way = mixes.steps()
        self.assertEqual(len(set(way)), 8)
        for before, after in zip(way, way[1:]):
            self.assertEqual(sum(one != other for one, other in zip(before, after)), 1, f"{before} {after}")
        # The order of docs/upgrade.md and the opposite one: (gateway, worker, writer).
        old, new = mixes.OLD, mixes.NEW
        order = [(old, old, new), (old, new, new), (new, new, new), (old, new, new), (old, old, new), (old, old, old)]
        self.assertEqual(way[-6:], order)
        self.assertEqual(way[0], (old, old, old))
        # A process of before with a writer of now comes only after the migration, one of now before it as well.
        changes = [(before, after) for before, after in zip(way, way[1:]) if before[2] != after[2]]
        self.assertEqual(len(changes), 2)


if __name__ == "__main__":
    unittest.main()
