"""Tests of the scripts in deploy/release; ReleaseScriptTests runs it."""

import contextlib
import io
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "deploy/release")]
import version  # noqa: E402


def told(run, *arguments):
    """Runs the script's main, and returns its exit code and all that it prints."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = run(*arguments)
    return code, output.getvalue()


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
    OVERLAY = "deploy/kubernetes/overlays/production/kustomization.yaml"

    def setUp(self):
        super().setUp()
        self.copy("VERSION", *(place[0] for place in version.PLACES))

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


if __name__ == "__main__":
    unittest.main()
