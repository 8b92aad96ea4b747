"""Tests of the pure parts of Benchmarks/record; ScriptTests runs it."""

import json
import math
import pathlib
import random
import sys
import tempfile
import unittest
import xml.etree.ElementTree

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Benchmarks/record"))
import history  # noqa: E402
import plots  # noqa: E402
import programs  # noqa: E402
import report  # noqa: E402
from chart import Line, Panel  # noqa: E402
from goals import figures, goals  # noqa: E402
from histograms import Growth, merge, parse, quantile  # noqa: E402
from renewal import renewed  # noqa: E402
from rows import Rows, limit, median, number, ratio, spread, verdict  # noqa: E402
from whole import PauseClock, STAGES, tick_rows  # noqa: E402

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


def measured(rate, load=0.0, **settings):
    return {"rate": rate, "settings": settings, "load": load, "ticks_per_second": rate,
            "latency_ms": {stage: [1.0, 20.0 + rate, "> 60,000"] for stage in STAGES},
            "processor": {"provider-gateway": 3.0, "valkey": 0.5}, "memory_mb": {"provider-gateway": 30.0},
            "core_percent": 40.0}


def held(row):
    return {"row": row, "value": row, "bar": 2 * row}


def record(**changes):
    made = {
        "mode": "full", "only": [], "problems": [], "missed": [], "left_out": [], "seconds": 1,
        "loads": {"a line": 0.1},
        "machine": {"processor": "p", "cores": 2, "memory_gib": 4, "kernel": "6", "disk": "d",
                    "revision": "abc", "date": "2026", "load_average": 0},
        "rows": [rows_of({"value": 1.0, "peer": "a|b", "peer_value": 2.0})],
        "whole": {"highest_rate": 90_000.0, "bars_per_second": 800_000.0,
                  "latency": [measured(50_000), measured(100), measured(1)],
                  "frugal": [measured(1_000, GATEWAY_LATENCY="frugal")],
                  "quick_rows": [measured(1_000, WRITER_LATENCY="quick")],
                  "kills": {"provider-gateway": [held(400.0), held(1_200.0)], "store-writer": [held(600.0)]},
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

    def test_lines_are_by_rate_and_those_with_a_setting_follow(self):
        lines = [line.split(" | ")[0].strip("| ") for line in report.latency(record(), ".")[-2].splitlines()[2:]]
        self.assertEqual(lines, ["1", "100", "50,000", "1,000, `GATEWAY_LATENCY=frugal`",
                                 "1,000, `WRITER_LATENCY=quick`"])
        self.assertEqual(report.core_percent(measured(50_000), "provider-gateway"), 15.0)

    def test_what_was_left_out_and_not_measured_is_named(self):
        text = report.markdown(record(left_out=["Q share 1"]), ".")
        self.assertIn("no time: `Q share 1`.", text)
        self.assertIn("| two workers beside one, 20 us a tick | ≥ 1.98 times | not measured |  |", text)

    def test_an_empty_record_has_a_head_alone(self):
        self.assertEqual(len(report.markdown(record(rows=[], whole={}), ".").split("## ")), 2)

    def test_a_loaded_machine_a_try_and_a_part_make_no_record(self):
        self.assertEqual(report.loaded(record()), [])
        busy = {"loads": {"a line": 1.2}}
        for changes in ({"mode": "quick"}, {"only": ["latency"]}, {"problems": ["x"]}, busy):
            self.assertEqual(len(report.loaded(record(**changes))), 1, changes)
        # A missed limit is a figure.
        self.assertEqual(report.loaded(record(missed=["x"])), [])
        self.assertIn("| † 100 |", report.markdown(record(whole={"latency": [measured(100, 1.2)]}), "."))

    def test_the_terminal_shows_a_missed_limit(self):
        missed = [rows_of({"value": 1.0, "at_least": 2.0})]
        text = "\n".join(report.terminal(record(rows=missed)))
        self.assertIn("MISSED: ≥ 2", text)
        self.assertIn("goal no: the whole stack at 1 ticks/s: 40 % of a core, ≤ 6 % of a core", text)


def found(made):
    return {goal.what: (goal.found, goal.holds) for goal in goals(made)}


class Goals(unittest.TestCase):
    def test_each_rate_has_its_own_bound_and_what_lacks_has_no_verdict(self):
        lines = [{**measured(rate), "core_percent": percent} for rate, percent in ((1, 6.0), (100, 16.1))]
        lines[1]["latency_ms"]["receipt to Valkey"] = [1.0, 2.0, 9.0]
        made = found(record(whole={"latency": lines}))
        self.assertEqual(made["the whole stack at 1 ticks/s"], (6.0, True))
        self.assertEqual(made["the whole stack at 100 ticks/s"], (16.1, False))
        self.assertEqual(made["receipt to Valkey at 100 ticks/s, p99"], (2.0, True))
        self.assertEqual(made["receipt to Valkey at 10,000 ticks/s, p99"], (None, None))

    def test_a_quantile_above_the_histogram_misses_its_goal(self):
        line = measured(10_000)
        line["latency_ms"]["receipt to Valkey"] = [1.0, "> 60,000", "> 60,000"]
        made = found(record(whole={"latency": [line]}))
        self.assertIs(made["receipt to Valkey at 10,000 ticks/s, p99"][1], False)
        self.assertNotIn("valkey_p99_10000", figures(record(whole={"latency": [line]})))

    def test_figures_of_the_whole_stack_are_set_beside_peers_of_programs(self):
        rows = [program("WriterBenchmark", "ticks to rows, shipped", 300.0, 100_000.0),
                program("TapeBenchmark", "publish, sync always, 1024 ticks a packet", 1.0, 4_000.0),
                program("TapeBenchmark", "3 copies, 1150 packets/s of 9 ticks, sync always: ack p99",
                        12_000.0, 6_000.0),
                program("StoreBenchmark", "plain, trades into polars", 9.0, 10.0),
                program("StoreBenchmark", "plain, quotes into pandas", 7.0, 10.0)]
        made = list(goals(record(rows=rows)))
        by_name = {goal.what: goal for goal in made}
        copy = next(goal for what, goal in by_name.items() if "by one session" in what)
        self.assertEqual((round(copy.found), copy.holds), (90, True))
        bare = next(goal for what, goal in by_name.items() if "bare C" in what)
        self.assertEqual((round(bare.found, 1), bare.holds), (19.5, False))
        copies = next(goal for what, goal in by_name.items() if what.startswith("three copies"))
        self.assertEqual((copies.found, copies.holds), (19.0, True))
        self.assertEqual(found(record(rows=rows))["the same acknowledgement beside bare libnats"], (2.0, False))
        frames = next(goal for what, goal in by_name.items() if what.startswith("database to frames"))
        self.assertEqual((frames.found, frames.holds), (0.7, False))

    def test_kills_are_judged_by_their_median(self):
        made = found(record())
        name = "provider-gateway is killed: longest time without a new row, median of 2"
        self.assertEqual(made[name], (800.0, True))
        self.assertEqual(made["store-writer is killed: the latest bar after its window's end, median of 1"],
                         (1_200.0, False))

    def test_benchmarks_tell_the_rows_that_goals_name(self):
        for name, row in (
                ("Workers", "a worker is killed: to the last marker"),
                ("Workers", "ticks of 20 us each by two workers"), ("Workers", "a worker ends: pause of a partition"),
                ("Writer", "ticks to rows, "), ("Tape", '"publish"'), ("Tape", "case .paced: 9\n"),
                ("Tape", "? 1_150 :"), ("Column", "tape to Arrow, "), ("Store", " into ")):
            files = (ROOT / f"Benchmarks/{name}Benchmark").glob("*.swift")
            self.assertTrue(any(row in file.read_text() for file in files), row)

    def test_a_pause_ends_with_a_count_that_changed(self):
        clock = PauseClock(0.0)
        for moment, count in ((1, 0), (2, 5), (3, 5), (6, 7), (7, 0), (9, 1), (10, 2)):
            clock.see(count, moment)
        self.assertEqual((clock.longest, clock.seen), (4, 10))

    def test_rows_of_ticks_are_those_of_trades_and_quotes(self):
        pairs = (("bars", 9), ("trades", 2), ("quotes", 3))
        page = "".join(f'sink_writes_total{{sink="{sink}"}} {count}\n' for sink, count in pairs)
        self.assertEqual(tick_rows(page), 5)


def program(name, row, value, peer):
    return {**rows_of({"value": value, "peer": "c", "peer_value": peer}), "program": name, "row": row}


class History(unittest.TestCase):
    def test_a_record_has_one_row_however_often_it_is_put_on_the_page(self):
        first = history.with_record([], record())
        self.assertEqual(first, [{
            "date": "2026", "revision": "abc", "load": 0.1, "valkey_p99_100": 120.0, "valkey_p99_50000": 50_020.0,
            "core_1": 40.0, "core_100": 40.0, "core_50000": 40.0, "bars_per_second": 800_000.0,
            "highest_rate": 90_000.0}])
        self.assertEqual(history.with_record(first, record()), first)
        later = record()
        later["machine"]["date"] = "2027"
        self.assertEqual([row["date"] for row in history.with_record(first, later)], ["2026", "2027"])

    def test_a_try_a_part_and_what_failed_have_no_row(self):
        for changes in ({"mode": "quick"}, {"only": ["latency"]}, {"problems": ["x"]}):
            self.assertEqual(history.with_record([], record(**changes)), [], changes)

    def test_rows_are_read_as_they_were_written(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "history.jsonl"
            self.assertEqual(history.read(path), [])
            rows = history.with_record([], record())
            history.write(path, rows)
            self.assertEqual(history.read(path), rows)

    def test_the_last_fifty_are_drawn_and_one_as_well(self):
        rows = [{"date": str(number), "core_1": 5.0 + number, "valkey_p99_100": 2.0} for number in range(60)]
        for shown, count in ((rows, 50), (rows[:1], 1)):
            root = xml.etree.ElementTree.fromstring(history.plot(shown))
            lines = [path.get("d") for path in root.iter("{http://www.w3.org/2000/svg}path")
                     if path.get("class").startswith("line")]
            self.assertEqual([line.count("L") for line in lines], [count - 1, count - 1])
            inside(self, history.plot(shown))

    def test_the_shipped_rows_can_be_drawn_and_the_page_links_the_plot(self):
        rows = history.read(ROOT / "Benchmarks/record/history.jsonl")
        self.assertTrue(rows and all("revision" in row for row in rows))
        self.assertEqual(history.plot(rows), (ROOT / "docs/performance/history.svg").read_text())
        self.assertIn("(performance/history.svg)", (ROOT / "docs/performance.md").read_text())


class Renewal(unittest.TestCase):
    def test_parts_are_replaced_with_their_failures_and_the_rest_stays(self):
        old = record(missed=["P: `P all` ended with 1", "Q: `Q` ended with 1"], left_out=["kills", "Q"],
                     problems=["kills: the stack did not start", "bars: no tick"])
        new = record(only=["P", "kills"], rows=[rows_of({"value": 9.0})], loads={"kills": 0.2},
                     whole={"kills": {"store-writer": [held(7.0)]}})
        made = renewed(old, new)
        self.assertEqual([row["values"] for row in made["rows"]], [[9.0]])
        self.assertEqual((made["missed"], made["problems"]), (["Q: `Q` ended with 1"], ["bars: no tick"]))
        self.assertEqual((made["only"], made["left_out"]), ([], ["Q"]))
        self.assertEqual(made["loads"], {"a line": 0.1, "kills": 0.2})
        self.assertEqual(made["whole"], {**old["whole"], "kills": {"store-writer": [held(7.0)]}})
        self.assertIn("Measured again: P (revision abc, 2026), kills (", report.markdown(made, "."))
        self.assertEqual(json.loads(json.dumps(made)), made)


class Plots(unittest.TestCase):
    def test_all_plots_are_xml_and_stay_inside(self):
        drawn = plots.all_plots(record())
        self.assertEqual(sorted(drawn), ["growth-workers.svg", "latency.svg", "processor.svg"])
        for plot in drawn.values():
            inside(self, plot)

    def test_one_point_zeros_and_far_values_can_be_drawn(self):
        for points in ([(5, 3.0)], [(1, 0.0), (2, 0.0)], [(1, 0.001), (1_000, 90_000.0)],
                       [(1, 0.0), (10, 5_000.0), (400, 1.0)]):
            inside(self, plots.draw("t", "x", [Panel("p", [Line("l", points)])]))
        self.assertIsNone(plots.draw("t", "x", [Panel("p", [Line("l", [])])]))


def inside(test, plot):
    root = xml.etree.ElementTree.fromstring(plot)
    width, height = (float(word) for word in root.get("viewBox").split()[2:])
    for path in root.iter("{http://www.w3.org/2000/svg}path"):
        if not path.get("class").startswith("line"):
            continue
        for point in path.get("d")[1:].split("L"):
            across, down = (float(word) for word in point.split())
            test.assertTrue(0 <= across <= width and 0 <= down <= height, path.get("d"))


if __name__ == "__main__":
    unittest.main()
