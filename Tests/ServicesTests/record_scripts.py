"""Tests of the pure parts of Benchmarks/record; ScriptTests runs it."""

import math
import pathlib
import random
import re
import sys
import unittest
import xml.etree.ElementTree

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Benchmarks/record"))
import plots  # noqa: E402
import programs  # noqa: E402
import report  # noqa: E402
from chart import Line, Panel  # noqa: E402
from histograms import Growth, merge, parse, quantile  # noqa: E402
from renewal import renewed  # noqa: E402
from rows import Rows, limit, median, number, ratio, spread, verdict  # noqa: E402
from whole import STAGES  # noqa: E402

PAGE = """# HELP mds_a_seconds Text.
mds_ticks_total 7
mds_a_seconds_bucket{from="tape",le="0.1"} 1
mds_a_seconds_bucket{from="tape",le="+Inf"} 3
mds_a_seconds_bucket{from="receipt",le="0.1"} 2
mds_a_seconds_bucket{from="receipt",le="+Inf"} 2
mds_a_seconds_count{from="tape"} 3
"""


class Histograms(unittest.TestCase):
    def test_only_what_rose_since_the_first_look_counts(self):
        growth = Growth()
        growth.add(1, {"mds_ticks_total": 100.0})
        self.assertEqual(growth.total("mds_ticks_total"), 0)
        growth.add(1, {"mds_ticks_total": 130.0})
        self.assertEqual(growth.total("mds_ticks_total"), 30)

    def test_a_restarted_process_begins_at_nothing(self):
        growth = Growth()
        for process, value in ((1, 100.0), (1, 110.0), (2, 4.0), (2, 9.0), (3, 50.0)):
            growth.add(process, {"mds_ticks_total": value})
        self.assertEqual(growth.total("mds_ticks_total"), 10 + 4 + 5 + 50)

    def test_labels_choose_the_series(self):
        growth = Growth()
        growth.add(1, {})
        growth.add(1, parse(PAGE))
        self.assertEqual(growth.buckets("mds_a_seconds", **{"from": "tape"}), {0.1: 1, math.inf: 3})
        self.assertEqual(growth.total("mds_a_seconds_count"), 3)
        self.assertEqual(growth.total("mds_a"), 0)
        both = merge([growth.buckets("mds_a_seconds"), {0.1: 1.0, math.inf: 1.0}])
        self.assertEqual(both, {0.1: 4, math.inf: 6})

    def test_a_quantile_lies_in_the_bucket_of_the_exact_one(self):
        chance = random.Random(1)
        for _ in range(200):
            bounds = sorted(chance.sample(range(1, 1_000), 8))
            values = sorted(chance.randrange(1, 999) for _ in range(chance.randrange(1, 400)))
            buckets = {bound: float(sum(value <= bound for value in values)) for bound in bounds}
            buckets[math.inf] = float(len(values))
            share = chance.choice((0.5, 0.99, 0.999))
            exact = values[math.ceil(share * len(values)) - 1]
            found = quantile(buckets, share)
            above = [bound for bound in bounds if bound >= exact]
            if not above:
                self.assertEqual(found, math.inf)
                continue
            below = max((bound for bound in bounds if bound < exact), default=0)
            self.assertTrue(below <= found <= above[0], (values, share, found))

    def test_without_values_there_is_no_quantile(self):
        self.assertIsNone(quantile({}, 0.5))
        self.assertIsNone(quantile({0.1: 0.0, math.inf: 0.0}, 0.5))


def rows_of(*runs):
    rows = Rows()
    for row in runs:
        rows.add("P", "P all", {"row": "a", "unit": "M/s", **row}, row.get("load", 0.0))
    return rows.all()[0]


class Figures(unittest.TestCase):
    def test_the_middle_of_runs_and_of_their_ratios(self):
        row = rows_of(
            {"value": 10.0, "peer": "c", "peer_value": 20.0, "load": 0.1},
            {"value": 30.0, "peer": "c", "peer_value": 10.0, "load": 0.7},
            {"value": 20.0, "peer": "c", "peer_value": 20.0})
        self.assertEqual((median(row["values"]), ratio(row), row["load"]), (20, 1, 0.7))
        self.assertEqual(spread(row), "10 to 30")

    def test_limits_are_of_the_figure_or_of_the_ratio(self):
        self.assertTrue(verdict(rows_of({"value": 3.0, "at_least": 3.0})))
        self.assertFalse(verdict(rows_of({"value": 3.1, "at_most": 3.0})))
        beside = {"value": 8.0, "peer": "c", "peer_value": 10.0}
        self.assertTrue(verdict(rows_of({**beside, "ratio_at_least": 0.8})))
        self.assertFalse(verdict(rows_of({**beside, "ratio_at_most": 0.7})))
        # A limit beside a peer that was not measured is not reached.
        self.assertFalse(verdict(rows_of({"value": 8.0, "ratio_at_least": 0.8})))
        self.assertIsNone(verdict(rows_of({"value": 1.0})))
        self.assertEqual(limit(rows_of({**beside, "ratio_at_least": 0.8})), "≥ 0.80 of the peer")

    def test_numbers_have_three_digits(self):
        self.assertEqual([number(value) for value in (0.1234, 12.345, 123.4, 12_345.6, 7, None)],
                         ["0.12", "12.3", "123", "12,346", "7", ""])

    def test_lines_for_people_are_no_rows(self):
        self.assertIsNone(programs.parse("rows: 12 ns\n"))
        self.assertIsNone(programs.parse('{"row":"a","value":null,"unit":"ms"}\n'))
        self.assertEqual(programs.parse('{"row":"a","value":1.5,"unit":"ms"}\n')["value"], 1.5)


def measured(rate, killed=None, load=0.0):
    return {"rate": rate, "share": 0.5, "killed": killed, "load": load, "ticks_per_second": rate,
            "latency_ms": {stage: [1.0, 20.0 + rate, "> 60,000"] for stage in STAGES},
            "processor": {"provider-gateway": 3.0, "valkey": 0.5}, "memory_mb": {"provider-gateway": 30.0},
            "core_percent": 40.0}


def record(**changes):
    made = {
        "mode": "full", "only": [], "problems": [], "missed": [], "seconds": 1,
        "machine": {"processor": "p", "cores": 2, "memory_gib": 4, "kernel": "6", "disk": "d",
                    "revision": "abc", "date": "2026", "load_average": 0},
        "rows": [rows_of({"value": 1.0, "peer": "a|b", "peer_value": 2.0})],
        "whole": {"highest_rate": 90_000.0,
                  "latency": [measured(100), measured(50_000), measured(50_000, "store-writer")],
                  "curves": [{"name": "workers", "rate": 5_000, "points": [
                      {"value": 2, **measured(1)}, {"value": 4, **measured(2)}]}]},
        **changes}
    made["plots"] = sorted(plots.all_plots(made))
    return made


class Page(unittest.TestCase):
    def test_only_what_is_between_the_marks_changes(self):
        page = f"# Title\n{report.BEGIN}\nold\n{report.END}\nrest\n"
        new = report.put(page, "new")
        self.assertEqual(new, f"# Title\n{report.BEGIN}\n\nnew\n\n{report.END}\nrest\n")
        self.assertEqual(report.put(new, "new"), new)
        self.assertRaises(ValueError, report.put, "# Title\n", "new")

    def test_the_shipped_page_has_the_marks(self):
        report.put((ROOT / "docs/performance.md").read_text(), "new")

    def test_the_shipped_page_says_what_its_record_lacks(self):
        about, _, rest = (ROOT / "docs/performance.md").read_text().partition(report.BEGIN)
        recorded = set(re.findall(r"^### (\w+)$", rest.partition(report.END)[0], re.MULTILINE))
        rows = [line.split(" | ") for line in about.splitlines() if re.search(r"\| `\w+Benchmark`", line)]
        self.assertTrue(rows)
        for what, by, *_ in rows:
            programs_now, _, note = by.partition(" (")
            lacks = not recorded.issuperset(re.findall(r"`(\w+)`", programs_now))
            self.assertEqual(note.startswith(("no figure yet", "recorded as")), lacks, what)

    def test_tables_are_whole_and_plots_are_linked(self):
        text = report.markdown(record(), "performance")
        width = None
        for line in text.splitlines():
            if not line.startswith("|"):
                width = None
                continue
            cells = line.replace("\\|", "").count("|")
            self.assertEqual(cells, width or cells, line)
            width = cells
        for name in record()["plots"]:
            self.assertIn(f"(performance/{name})", text)
        self.assertIn("store-writer", text)

    def test_rows_that_are_stored_sooner_are_beside_the_usual_ones(self):
        whole = {"latency": [{**measured(1_000), "share": None}, measured(1_000, "store-writer")],
                 "quick_rows": [measured(1_000), measured(9)]}
        lines = [line.split(" | ")[:2] for line in report.markdown(record(whole=whole), ".").splitlines()
                 if " | frugal | " in line or " | quick | " in line]
        self.assertEqual(lines, [["| 1,000", "frugal"], ["| 1,000", "quick"], ["| 9", "quick"]])
        self.assertEqual(report.core_percent({**measured(50_000)}, "provider-gateway"), 15.0)
        busy = {"quick_rows": [measured(100, load=1.2)]}
        self.assertEqual(len(report.loaded(record(whole=busy))), 1)

    def test_an_empty_record_has_a_head_alone(self):
        self.assertEqual(len(report.markdown(record(rows=[], whole={}), ".").split("## ")), 2)

    def test_a_loaded_machine_a_try_and_a_part_make_no_record(self):
        self.assertEqual(report.loaded(record()), [])
        busy = {"latency": [measured(100, load=1.2)]}
        for changes in ({"mode": "quick"}, {"only": ["latency"]}, {"problems": ["x"]}, {"whole": busy}):
            self.assertEqual(len(report.loaded(record(**changes))), 1, changes)
        # A missed limit is a figure.
        self.assertEqual(report.loaded(record(missed=["x"])), [])
        self.assertIn("†", report.markdown(record(whole=busy), "."))

    def test_the_terminal_shows_a_missed_limit(self):
        missed = [rows_of({"value": 1.0, "at_least": 2.0})]
        self.assertIn("MISSED: ≥ 2", "\n".join(report.terminal(record(rows=missed))))


class Renewal(unittest.TestCase):
    def test_parts_are_replaced_with_their_failures_and_the_rest_stays(self):
        old = record(missed=["`.build/release/P all` ended with 1", "`.build/release/Q` ended with 1"],
                     problems=["the stack did not start"])
        new = record(only=["P", "kills"], rows=[rows_of({"value": 9.0})], missed=[], problems=[],
                     whole={"latency": [measured(7, "store-writer")]})
        made = renewed(old, new)
        self.assertEqual([row["values"] for row in made["rows"]], [[9.0]])
        self.assertEqual(made["missed"], ["`.build/release/Q` ended with 1"])
        self.assertEqual((made["problems"], made["only"]), ([], []))
        lines = [(each["rate"], each["killed"]) for each in made["whole"]["latency"]]
        self.assertEqual(lines, [(100, None), (50_000, None), (7, "store-writer")])
        self.assertEqual(made["whole"]["highest_rate"], 90_000.0)
        self.assertIn("Measured again: P (revision abc, 2026), kills (", report.markdown(made, "."))
        # Of another program, neither rows nor the stack's failures change.
        other = renewed(old, record(only=["R"], rows=[], whole={}))
        self.assertEqual((other["rows"], other["missed"]), (old["rows"], old["missed"]))
        self.assertEqual(other["problems"], old["problems"])


class Plots(unittest.TestCase):
    def test_all_plots_are_xml_and_stay_inside(self):
        drawn = plots.all_plots(record())
        self.assertEqual(sorted(drawn), ["growth-workers.svg", "latency.svg", "processor.svg"])
        for plot in drawn.values():
            self.inside(plot)

    def test_one_point_zeros_and_far_values_can_be_drawn(self):
        for points in ([(5, 3.0)], [(1, 0.0), (2, 0.0)], [(1, 0.001), (1_000, 90_000.0)],
                       [(1, 0.0), (10, 5_000.0), (400, 1.0)]):
            self.inside(plots.draw("t", "x", [Panel("p", [Line("l", points)])]))
        self.assertIsNone(plots.draw("t", "x", [Panel("p", [Line("l", [])])]))

    def inside(self, plot):
        root = xml.etree.ElementTree.fromstring(plot)
        width, height = (float(word) for word in root.get("viewBox").split()[2:])
        for path in root.iter("{http://www.w3.org/2000/svg}path"):
            if not path.get("class").startswith("line"):
                continue
            for point in path.get("d")[1:].split("L"):
                across, down = (float(word) for word in point.split())
                self.assertTrue(0 <= across <= width and 0 <= down <= height, path.get("d"))


if __name__ == "__main__":
    unittest.main()
