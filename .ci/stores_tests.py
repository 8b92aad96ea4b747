#!/usr/bin/env python3
"""Tests of soak/store_report.py, the figures of `make soak NAME=stores`; ScriptTests runs it."""

import math
import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "soak"))
import store_report as report  # noqa: E402

PAGE = """# HELP lag what it is
lag{group="store",partition="1"} 3
lag{group="store",partition="2"} 4
lag{group="store-b",partition="1"} 50
lag_more{group="store"} 900
age_seconds_bucket{le="0.1"} 90
age_seconds_bucket{le="+Inf"} 100
age_seconds_bucket{le="2.5"} 99
age_seconds_sum 7
"""


class Pages(unittest.TestCase):
    def test_of(self):
        """A metric is the sum of its series, and another name, or the beginning of a label, is another one."""
        page = report.Metrics(PAGE)
        self.assertEqual(page.of("lag", group="store"), 7)
        self.assertEqual(page.of("lag", group="store", partition="2"), 4)
        self.assertEqual(page.of("lag"), 57)
        # What is not there is no 0.
        self.assertIsNone(page.of("lag", group="store-c"))
        self.assertIsNone(page.of("la"))

    def test_quantile(self):
        """The quantile of what came between two pages, not of what came before."""
        after = report.Metrics(PAGE).buckets("age_seconds")
        self.assertEqual(after, [(0.1, 90), (2.5, 99), (math.inf, 100)])
        nothing = [(end, 0.0) for end, _ in after]
        self.assertEqual(report.quantile(nothing, after, 0.9), 0.1)
        self.assertEqual(report.quantile(nothing, after, 0.99), 2.5)
        self.assertEqual(report.quantile([(0.1, 80), (2.5, 89), (math.inf, 90)], after, 0.99), 0.1)
        self.assertIsNone(report.quantile(after, after, 0.99))
        self.assertIsNone(report.quantile([], [], 0.99))


class Shown(unittest.TestCase):
    def test_figures(self):
        for value, text in ((None, "-"), (True, "True"), (12_345, "12,345"), (0.30412, "0.304"), (2.0, "2"),
                            (1_234.5, "1,234"), ([1.0, 0.25, 9_000], "1  0.25  9,000"), ("none", "none")):
            self.assertEqual(report.shown(value), text)

    def test_table(self):
        self.assertEqual(
            report.table({"away": {"held": True, "seconds away": 600.4}, "full": {"failure": "no hole"}}).splitlines(),
            ["away  held          True", "away  seconds away  600", "full  failure       no hole"])
        self.assertEqual(report.table({}), "")


if __name__ == "__main__":
    unittest.main()
