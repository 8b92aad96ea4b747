#!/usr/bin/env python3
"""Tests of budget.py and units.py; ScriptTests runs it."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import budget  # noqa: E402
import units  # noqa: E402

# By language: a text, and the lines of it that stay.
SNIPPETS = {
    "swift": [
        ("// a\n\nlet a = 1  // b\n", 1),
        ("/* a\n b /* c */ d\n*/ let a = 1\n", 1),
        ('let a = "//"\nlet b = "/*"\nlet c = 2\n', 3),
        ('let a = "\\\\" // "\nlet b = "\\"/*"\nf()\n', 3),
        ('let a = """\n    // text\n\n    /* text\n    """\nf()\n', 5),
        ('let a = #"\\"#\n// "\nlet b = #"""\n  "// a\n  """#\n', 4),
        ('let a = "\\(b["//"])"\nf()\n', 2),
        ("let a = /\"|\\/\\*/\n/// c\nf(/[/]*x/)\n", 2),
        ("let a = b / c // d\nlet e = a/b // f\n", 2),
        ("/// What it is.\nstruct A {}\n", 1),
    ],
    "sql": [
        ("-- a\nSELECT 1; -- b\n", 1),
        ("SELECT '--', '/*', 'it''s -- x';\nSELECT 1;\n", 2),
        ("/* a /* b */ c */\nSELECT 1;\n", 1),
        ("AS $body$\n-- a\nBEGIN\nEND $body$;\n", 3),
        ('SELECT "a--b"\nFROM t\n', 2),
    ],
    "python": [
        ('"""A module.\n\nText."""\n\nimport a\n', 1),
        ('def f():\n    """What it does."""\n    return "# no"  # yes\n', 2),
        ('a = """\n# text\n\n"""\n', 3),
        ("x = '#'\n# a\n", 1),
        ("f(\n    # a\n    'text'\n)\n", 3),
        ("class A:\n    '''Text\n    more.'''\n    b = 1\n", 2),
    ],
    "c": [
        ("// a\n/* b\n * c\n */\nint a; /* d */\n", 1),
        ("char *a = \"//\"; char b = '\"'; // c\nint d;\n", 2),
        ("/* a /* b */ int c;\n", 1),
        ("#include <a.h>\n", 1),
    ],
    "javascript": [
        ("// a\nconst a = `// ${b}\n/* text`;\n", 2),
        ("const a = 'http://x'; /* b\n*/\nf();\n", 2),
        ("a.replace(/\\/\\*/g, '');\n// b\nc = d / e;\n", 2),
    ],
    "shell": [
        ("#!/bin/sh\n# a\necho 'a # b' # c\n", 1),
        ('echo "${a#b} $#" "# c"\nd=a#b\n', 2),
        ("cat <<EOF\n# text\nit's\nEOF\n# a\n", 4),
        ("echo \\' # a\n# b\necho 1\n", 2),
        ("awk '\n# inside of a text\n' f\n", 3),
    ],
}


class Units(unittest.TestCase):
    def test_comments_and_blanks_are_not_counted(self):
        for language, snippets in SNIPPETS.items():
            for text, count in snippets:
                with self.subTest(language=language, text=text):
                    self.assertEqual(units.units(text, language), count)

    def test_a_long_line_counts_by_its_length(self):
        for length, count in ((1, 1), (100, 1), (101, 2), (200, 2), (201, 3)):
            self.assertEqual(units.units("x" * length + "   // a comment\n", "swift"), count)
            self.assertEqual(units.units("x" * length, "python"), count)
        self.assertEqual(units.units("let a = 1 // " + "x" * 500, "swift"), 1)

    def test_a_file_is_of_the_language_of_its_name_or_first_line(self):
        for path, first, language in (
                ("a/b.swift", "", "swift"), ("a.h", "", "c"), ("a.js", "", "javascript"), ("a.css", "", "css"),
                ("run", "#!/bin/sh", "shell"), ("a.py", "#!/usr/bin/env python3", "python"),
                ("x.postinst", "#!/bin/sh", "shell"), ("a.yaml", "", None), (".swift-format", "{", None),
                ("Makefile", "# a", None), ("a", "#!/usr/bin/perl", None)):
            self.assertEqual(units.language(path, first), language, path)

    def test_words_that_a_program_makes_are_not_counted(self):
        page = ("One two.\n<!-- The lines up to the end mark are made by `a`. -->\nthree\n\nfour\n"
                "<!-- The end of what `a` makes. -->\nfive\n")
        self.assertEqual(units.words(page), 3)


class Figures(unittest.TestCase):
    def test_files_count_for_their_part_and_language(self):
        figures = budget.counted([
            ("Sources/A/a.swift", "a\nb\n"), ("services/b/b.swift", "a\n"), ("Tests/a.py", "a\n"),
            (".ci/run", "#!/bin/sh\na\n"), ("docs/a.md", "one two"), ("Package.swift", "a\n"),
            ("a.json", "{}\n")])
        self.assertEqual(figures, {
            "lines/product/swift": 3, "lines/tests/python": 1, "lines/deploy/shell": 1,
            "lines/other/swift": 1, "words": 2})
        self.assertEqual(budget.sum_of({"lines/product/swift": 3, "words": 29, "bytes/a": 5}), 5)

    def test_what_was_not_measured_keeps_its_value_at_the_speed_of_the_machine(self):
        old = {
            "calibration": 1.0, "bytes/a": 7, "bytes/b": 8, "lines/gone/c": 9, "processor/test: Build": 100,
            "processor/test: Tests": 50, "processor/test: Gone": 5, budget.RELEASE_BUILD: 20, "words": 1}
        ran = [step("Build", 3.0, False), step("Tests", 30.04), step("New", 1.0)]
        self.assertEqual(budget.merged(old, {"words": 2}, {"bytes/b": 9}, ran, 2.0), {
            "calibration": 2.0, "bytes/a": 7, "bytes/b": 9, "processor/test: Build": 200.0,
            "processor/test: Tests": 30.0, "processor/test: New": 1.0, budget.RELEASE_BUILD: 40.0, "words": 2})
        self.assertIsNone(budget.merged({}, {"words": 2}, {}, [], 2.0)["calibration"])

    def test_the_table_compares_seconds_by_the_calibration_and_hides_small_changes(self):
        old = {"calibration": 1.0, "processor/test: A": 10.0, "processor/test: B": 10.0,
               "lines/tests/c": 1_000, "lines/tests/sql": 1_000, "bytes/a": None, "words": 0}
        new = old | {"calibration": 2.0, "processor/test: A": 20.0, "lines/tests/c": 1_009,
                     "lines/tests/sql": 1_010, "bytes/a": 5}
        rows = [line.split() for line in budget.table(old, new)[1:]]
        self.assertEqual(rows, [
            ["sum", "2,000", "2,019", "+1.0", "%"], ["bytes/a", "–", "5", "–"],
            ["lines/tests/sql", "1,000", "1,010", "+1.0", "%"],
            ["processor/test:", "B", "10.0", "10.0", "-50.0", "%"],
            ["calibration", "1.0", "2.0", "+100.0", "%"]])


class Steps(unittest.TestCase):
    def test_the_steps_of_a_run_are_recorded_and_those_of_the_run_before_forgotten(self):
        script = """
            set -euo pipefail
            . deploy/local/messages.sh
            . deploy/local/steps.sh
            step Before before true
            begin_steps test
            step Forgotten forgotten true
            begin_steps test
            partial_step=Build
            step Build build true
            measured 'Tests (all)' true
            step Failed failed false
        """
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            logs = root / budget.LOGS
            done = subprocess.run(["bash", "-c", f"logs='{logs}'\n{script}"], cwd=budget.ROOT, check=False,
                                  stdout=subprocess.DEVNULL)
            found = budget.steps(root)
        self.assertEqual(done.returncode, 1)
        self.assertEqual([(each["name"], each["whole"]) for each in found],
                         [("Build", False), ("Tests (all)", True)])
        for each in found:
            self.assertEqual(each["program"], "test")
            self.assertGreaterEqual(min(each["wall"], each["processor"]), 0)


def step(name, processor, whole=True):
    return {"program": "test", "name": name, "wall": 1.0, "processor": processor, "whole": whole}


def version(lines, reason=""):
    return {"date": "2026-01-02", "figures": {"lines/product/swift": lines, "words": 0}, "reason": reason}


class House(unittest.TestCase):
    def test_a_growth_of_more_than_a_tenth_wants_a_reason(self):
        static = {"lines/product/swift": 11_001, "words": 0}
        cases = ((version(11_001), version(10_000), 1), (version(11_001, "Two providers."), version(10_000), 0),
                 (version(11_001), version(10_001), 0), (version(11_001), None, 0),
                 (version(11_001), version(20_000), 0), (version(11_001, "a\nb"), version(10_000), 1),
                 (version(11_001, " "), version(10_000), 2))
        for file, previous, count in cases:
            self.assertEqual(len(budget.problems(file, previous, static)), count, (file, previous))

    def test_the_figures_are_kept(self):
        for kept, now, count in ((10_000, 11_000, 0), (10_000, 11_001, 1), (10_000, 8_999, 1), (100, 600, 0),
                                 (100, 601, 1)):
            found = budget.problems(version(kept), None, {"lines/product/swift": now, "words": 0})
            self.assertEqual(len(found), count, (kept, now))
        gone = budget.problems(version(1_000), None, {"lines/tests/c": 1_000, "words": 0})
        self.assertEqual(len(gone), 2)
        self.assertEqual(len(budget.problems(None, None, {"words": 0})), 1)

    def test_the_version_before_is_that_of_the_last_commit_that_changed_the_file(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            self.assertRaises(budget.NoHistory, budget.committed, root)
            subprocess.run(["git", "init", "--quiet", folder], check=True)
            (root / ".ci").mkdir()
            for lines in (1, 2, 3):
                (root / budget.FILE).write_text(json.dumps(version(lines)), encoding="utf-8")
                commit(root)
                (root / "other").write_text(str(lines), encoding="utf-8")
                commit(root)
            versions = budget.committed(root)
        self.assertEqual(versions, [version(3), version(2)])
        self.assertEqual(budget.before(version(3), versions), version(2))
        self.assertEqual(budget.before(version(4), versions), version(3))
        self.assertIsNone(budget.before(version(3), versions[:1]))
        self.assertIsNone(budget.before(version(3), []))


def commit(root):
    budget.git(root, "add", ".")
    budget.git(root, "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "--quiet", "-m", "A")


if __name__ == "__main__":
    unittest.main()
