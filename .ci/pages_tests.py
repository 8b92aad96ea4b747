#!/usr/bin/env python3
"""Tests of pages.py; ScriptTests runs it."""

import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import pages  # noqa: E402

WORKER = "services/operator-worker/Sources/A.swift"
EDGE = "Sources/Edges/ServiceRuntime/A.swift"


def rows(*files):
    made, problems = pages.tables(files)
    return [line for line in made.split("\n") if line.startswith("| `")], problems


class Tables(unittest.TestCase):
    def row(self, code, path=WORKER):
        found, problems = rows((path, code))
        self.assertEqual(problems, [])
        self.assertEqual(len(found), 1)
        return found[0]

    def test_a_row_is_what_the_code_says(self):
        self.assertEqual(
            self.row('metrics.counter(\n    "mds_a_total", "a time that " // why\n        + "\\"a\\" came",\n'
                     '    "often: x | y", by: "kind: b, c", labels: [("kind", k)]\n).add()'),
            '| `mds_a_total` | counter | kind: b, c | a time that "a" came | often: x \\| y |')

    def test_what_to_do_may_be_missing(self):
        self.assertEqual(self.row('gauge("mds_a", "text").set(1)'), "| `mds_a` | gauge |  | text | - |")
        self.assertEqual(self.row('("mds_a_total", "text", "", \\.a)'), "| `mds_a_total` | counter |  | text | - |")

    def test_a_histogram_is_made_by_its_function(self):
        self.assertIn("| histogram |", self.row('metrics.histogram(\n "mds_a_seconds", "text")'))

    def test_labels_are_those_of_the_call_or_of_its_variable(self):
        self.assertIn("| gauge | a, b |", self.row('gauge("mds_a", "x", labels: [("a", "1"), ("b", f(2))])'))
        self.assertIn("| gauge | a |", self.row(
            'let labels = [("b", c)]\nlet labels: [(String, String)] = [("a", c)]\nf("mds_a", "x", labels: labels)'))
        self.assertEqual(rows((WORKER, 'gauge("mds_a", "x", labels: given)'))[1],
                         [f"{WORKER}: which labels? Say it by `by:`."])

    def test_a_metric_of_a_provider_has_its_source(self):
        path = "Sources/Providers/BinanceProvider/A.swift"
        self.assertIn("| counter | source |", self.row('counter("mds_a_total", "x")', path))
        self.assertIn("| counter | source; leg: a, b |", self.row('counter("mds_a_total", "x", by: "leg: a, b")', path))
        self.assertIn("| counter | source |", self.row('metrics.counter("mds_a_total", "x", labels: labels)', path))
        self.assertIn("| counter | source, leg |", self.row('(("mds_a_total", "x", "", { $0.a }), ("leg", b))', path))
        self.assertIn("| counter | kind |", self.row('$0.counter("mds_a_total", "x", labels: [("kind", k)])', path))
        self.assertIn("| counter | source, leg |", self.row('(("mds_a_total", "x", "", { $0.a }), ("leg", b))', path))
        polled = "Sources/Providers/PolledProvider/A.swift"
        self.assertIn("| source, provider |", self.row('("mds_a", "x", "", b)', polled))
        self.assertIn("| counter |  |", self.row('metrics.counter("mds_a_total", "x")', path))
        self.assertIn("| counter | source, kind |", self.row(
            'metrics.counter("mds_a_total", "x", by: "source, kind", labels: labels)', path))

    def test_sections_are_folders(self):
        made, _ = pages.tables([(WORKER, 'gauge("mds_b", "x")'), (EDGE, 'gauge("mds_a", "x")')])
        self.assertLess(made.index("## Every service"), made.index("mds_a"))
        self.assertLess(made.index("mds_a"), made.index("## operator-worker"))
        self.assertLess(made.index("## operator-worker"), made.index("mds_b"))
        self.assertIn("no section", rows(("Equipment/A/A.swift", 'gauge("mds_a", "x")'))[1][0])

    def test_a_metric_is_declared_once(self):
        self.assertEqual(rows((EDGE, 'gauge("mds_a", "x")'), (WORKER, 'f("mds_a")\n// "mds_c"')),
                         (["| `mds_a` | gauge |  | x | - |"], []))
        self.assertEqual(rows((EDGE, 'gauge("mds_a", "x")'), (WORKER, 'gauge("mds_a", "x")'))[1],
                         [f"{WORKER}: mds_a is declared twice."])
        self.assertEqual(rows((WORKER, 'f("mds_a", "mds_b")'))[1],
                         [f"{WORKER}: mds_a is not declared.", f"{WORKER}: mds_b is not declared."])


if __name__ == "__main__":
    unittest.main()
