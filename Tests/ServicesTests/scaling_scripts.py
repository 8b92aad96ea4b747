"""Tests of deploy/scaling.py, and of the loop that deploy/compose/autoscale.py closes; ScriptTests runs it."""

import contextlib
import io
import json
import math
import pathlib
import random
import re
import shutil
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "deploy/compose"), str(ROOT / "deploy")]
import autoscale  # noqa: E402
import scaling  # noqa: E402
from autoscale import Autoscaler, Rules  # noqa: E402


class Target(unittest.TestCase):
    """One target for KEDA, the HPA and the loop of compose: drained within some seconds."""

    def copy(self, root):
        for path in ["deploy/scaling.json", *scaling.made()]:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, root / path)

    def told(self, *words, root):
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            code = scaling.main(list(words), root)
        return code, output.getvalue()

    def test_the_tree_has_the_target(self):
        self.assertEqual(self.told("--check", root=ROOT), (0, ""))

    def test_another_target_comes_into_every_file_and_leaves_no_former_figure(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            self.copy(root)
            figures = {"drain_seconds": 4, "ticks_per_second": 2_000, "steady_percent": 60, "least": 3, "most": 16}
            (root / "deploy/scaling.json").write_text(json.dumps(figures))
            code, text = self.told("--check", root=root)
            self.assertEqual((code, len(text.splitlines())), (1, 7))
            self.assertEqual(self.told(root=root)[0], 0)
            self.assertEqual(self.told("--check", root=root), (0, ""))
            for path in scaling.made(root):
                lines = [line for line in (root / path).read_text().splitlines() if "#" not in line]
                numbers = [int(found) for found in re.findall(r"\b\d+\b", " ".join(lines))]
                self.assertNotIn(50_000, numbers, path)
                self.assertNotIn(7_000, numbers, path)
                if "metrics-api/store-writer" in path:
                    self.assertEqual(numbers.count(8_000), 4, path)
                if "metrics-api/" in path:
                    self.assertEqual(numbers.count(1_200), 2 if "store-writer" in path else 1, path)
                if "prometheus/" in path:
                    of_writers = "store-writer" in path
                    self.assertEqual(numbers.count(8_000), 2 if of_writers else 1, path)
                    self.assertEqual(numbers.count(1_200), 2 if of_writers else 1, path)
                if "rules" not in path:
                    self.assertIn(16, numbers, path)

    def test_figures_by_which_all_would_go_or_nobody_come_are_refused_and_nothing_is_written(self):
        shipped = scaling.read()
        wrong = [("drain_seconds", 0), ("ticks_per_second", 0), ("ticks_per_second", "many"), ("steady_percent", 0),
                 ("steady_percent", 101), ("least", 0), ("least", 2.5), ("least", True), ("most", 0), ("least", 9),
                 ("most", 1), ("drain_seconds", None), ("drain_seconds", math.nan), ("most", 5_000)]
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            self.copy(root)
            before = scaling.made(root)
            for key, value in wrong:
                (root / "deploy/scaling.json").write_text(json.dumps({**shipped, key: value}))
                code, text = self.told(root=root)
                self.assertEqual(code, 1, (key, value))
                self.assertRegex(text, rf"^scaling\.py: deploy/scaling\.json: .*\b{key}\b", (key, value))
                self.assertEqual({path: (root / path).read_text() for path in before}, before)
            (root / "deploy/scaling.json").write_text(json.dumps(
                {**shipped, "steady_percent": 1, "ticks_per_second": 10}))
            self.assertEqual(self.told(root=root)[0], 1)
        for words in (["--least", "0"], ["--least", "9"], ["--most", "1"], ["--interval", "0"], ["--least", "-1"]):
            with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit):
                autoscale.arguments(words)

    def test_a_file_without_its_place_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            self.copy(root)
            path = root / "deploy/keda/metrics-api/store-writer.yaml"
            path.write_text(path.read_text().replace("others + 1", "others"))
            code, text = self.told(root=root)
            self.assertEqual(code, 1)
            self.assertIn("deploy/keda/metrics-api/store-writer.yaml: ", text)

    def test_everything_that_scales_takes_one_away_a_minute_after_the_same_window(self):
        given = autoscale.arguments([])
        rule = (f"stabilizationWindowSeconds: {given.down_window:.0f} policies: - {{type: Pods, value: "
                f"{given.down_count}, periodSeconds: {given.down_seconds:.0f}}}")
        for path in scaling.SCALERS:
            text = re.sub(r" *#.*", "", (ROOT / path).read_text()).split("scaleDown:")[1]
            self.assertTrue(" ".join(text.split()).startswith(rule), path)

    def test_the_loop_of_compose_has_the_same_target(self):
        figures = scaling.read()
        given = autoscale.arguments([])
        self.assertEqual(autoscale.triggers_of(given, figures), [
            ("operator.lag", scaling.waiting(figures)), ("operator.rate", scaling.steady(figures))])
        self.assertEqual(autoscale.triggers_of(given, figures, 2_000), [
            ("operator.lag", 10_000), ("operator.rate", 1_400)])
        self.assertEqual((given.least, given.most), (figures["least"], figures["most"]))
        words = ["--service", "store-writer", "--drain-seconds", "30", "--ticks-per-second", "1300"]
        given = autoscale.arguments(words)
        self.assertEqual(autoscale.triggers_of(given, figures), [("store.lag", 39_000), ("store.rate", 910)])
        given = autoscale.arguments(["--trigger", "operator.lag=7"])
        self.assertEqual(autoscale.triggers_of(given, figures, 2_000), [("operator.lag", 7)])
        with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit):
            autoscale.arguments(["--trigger", "operator.lag=7", "--measure"])
        for wrong in ("0", "-1", "inf", "nan"):
            with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit):
                autoscale.arguments(["--drain-seconds", wrong])


class Loop:
    """Workers that keep up with so many ticks a second each, and the loop over them, second by second. A new one takes
    ticks after five seconds; /scale has the rate of the last half minute."""

    def __init__(self, each, assumed, measure=False, by_rate=True, service="operator-worker"):
        self.each, self.measure, self.by_rate, self.service = each, measure, by_rate, service
        self.figures = {**scaling.read(), "ticks_per_second": assumed}
        self.capacity = scaling.Capacity(assumed)
        self.scaler = Autoscaler(Rules(least=2, most=16, down_window=300, down_count=1))
        self.now, self.lag, self.present, self.came, self.begun = 0, 0.0, 2, [], {}
        self.history = []

    def run(self, seconds, rate, is_away=False):
        for _ in range(seconds):
            ready = sum(1 for worker in range(self.present) if self.now - self.begun.get(worker, -9) >= 5)
            self.lag = max(0, self.lag + rate - (0 if is_away else ready * self.each))
            self.came = (self.came + [rate])[-30:]
            if self.now % 15 == 0:
                self.look(2 if is_away else autoscale.CLOSED)
            self.history.append((self.present, self.lag))
            self.now += 1

    def look(self, circuit):
        rate = sum(self.came) / len(self.came)
        given = autoscale.arguments(["--service", self.service])
        triggers = autoscale.triggers_of(given, self.figures, self.measured())
        values = [(self.lag, triggers[0][1])] + ([(rate, triggers[1][1])] if self.by_rate else [])
        wanted = autoscale.decide(self.scaler, self.now, self.present, values, circuit).wanted
        self.capacity.note(self.now, self.present, self.lag if circuit == autoscale.CLOSED else None, rate)
        self.begun.update({worker: self.now for worker in range(self.present, wanted)})
        self.present = wanted

    def measured(self):
        return self.capacity.each() if self.measure else self.capacity.figure()

    def numbers(self):
        """Returns the numbers of workers in turn, without repetitions."""
        turns = [self.history[0][0]]
        for present, _ in self.history:
            if present != turns[-1]:
                turns.append(present)
        return turns


class Writers(autoscale.Compose):
    """Writers with these states on their pages; None answers nothing."""

    def __init__(self, pages):
        super().__init__("store-writer", "provider-gateway", 8500)
        self.pages = pages

    def run(self, *words, timeout=0):
        if words[:3] == ("docker", "compose", "ps"):
            return "\n".join(str(number) for number in range(len(self.pages)))
        state = self.pages[int(words[2])]
        if state is None:
            raise OSError("refused")
        return f"HTTP/1.0 200 OK\r\n\r\n# TYPE mds_coord_circuit_state gauge\nmds_coord_circuit_state {state}\nup 1"


class ClosedLoop(unittest.TestCase):
    def test_a_square_wave_goes_up_once_and_down_once(self):
        loop = Loop(each=4_000, assumed=4_000)
        loop.run(300, 2_000)
        loop.run(1_200, 20_000)
        loop.run(1_800, 2_000)
        numbers = loop.numbers()
        top = max(numbers)
        # The rate needs eight; what waited before they came may ask for more.
        self.assertEqual(numbers[:numbers.index(top) + 1], sorted(numbers[:numbers.index(top) + 1]))
        self.assertEqual(numbers[numbers.index(top):], sorted(numbers[numbers.index(top):], reverse=True))
        self.assertEqual((numbers[0], numbers[-1]), (2, 2))
        self.assertGreaterEqual(min(present for present, _ in loop.history[400:1_500]), 8)
        self.assertEqual(max(lag for _, lag in loop.history[450:]), 0)

    def test_by_the_lag_alone_workers_go_in_the_middle_of_it(self):
        loop = Loop(each=4_000, assumed=4_000, by_rate=False)
        loop.run(300, 2_000)
        loop.run(1_200, 20_000)
        # Five keep up with it.
        self.assertLess(min(present for present, _ in loop.history[400:]), 5)

    def test_what_was_assumed_too_high_is_measured(self):
        loop = Loop(each=3_000, assumed=10_000, measure=True)
        loop.run(300, 2_000)
        self.assertIsNone(loop.capacity.each())
        loop.run(900, 24_000)
        self.assertAlmostEqual(loop.capacity.each(), 3_000, delta=300)
        self.assertLessEqual(loop.history[-1][1], 5 * 24_000)
        self.assertGreaterEqual(loop.history[-1][0], 8)

    def test_a_figure_that_is_too_high_takes_nobody_away_a_second_time(self):
        cases = [(5_000, 12_000), (1_300, 4_200), (2_000, 12_000)]
        for seed in range(8):
            chance = random.Random(seed)
            each = chance.randint(500, 10_000)
            cases.append((each, chance.uniform(0.2, 9) * each))
        for each, rate in cases:
            loop = Loop(each, assumed=10_000)
            loop.run(3_600, rate)
            numbers = loop.numbers()
            valleys = [there for before, there, after in zip(numbers, numbers[1:], numbers[2:])
                       if before > there < after]
            self.assertLessEqual(len(valleys), 1, (each, rate, numbers))
            self.assertGreaterEqual(numbers[-1] * each, rate, (each, rate, numbers))
            self.assertLessEqual(loop.capacity.figure(), 10_000)

    def test_who_does_nothing_is_no_measure(self):
        capacity = scaling.Capacity(10_000)
        for at in range(0, 90, 15):
            capacity.note(at, 2, 90_000 + 2_990 * at, 3_000)
        self.assertEqual((capacity.results, capacity.figure()), ([], 10_000))

    def test_while_the_database_is_away_the_number_of_writers_stays(self):
        for rate in (500, 2_000, 5_000, 12_000):
            loop = Loop(each=10_000, assumed=10_000, service="store-writer")
            loop.run(400, rate)
            loop.run(1_200, rate, is_away=True)
            self.assertEqual(loop.numbers(), [2], rate)
            # What waited meanwhile asks for writers once one of them writes.
            loop.run(15, rate)
            self.assertGreater(loop.present, 2, rate)

    def test_the_lowest_state_of_the_writers_counts(self):
        for pages, state in [([], None), (["2", "1", "0"], 0), (["2", "1"], 1), (["2", None], 2), ([None], None),
                             (["", "2"], 2)]:
            self.assertEqual(Writers(pages).circuit(), state, pages)
        scaler = Autoscaler(Rules(most=32, down_window=0))
        found = [autoscale.decide(scaler, 15 * number, 3, [(99_000, 1_000), (0, 10)], circuit)
                 for number, circuit in enumerate((None, 2, 1, 0))]
        self.assertEqual([each.wanted for each in found], [3, 3, 3, 7])
        self.assertEqual([each.why for each in found[:2]], ["no value: it stays", "the database is away"])

    def test_a_database_that_is_away_is_no_measure(self):
        loop = Loop(each=4_000, assumed=4_000, measure=True)
        loop.run(120, 6_000)
        loop.run(300, 6_000, is_away=True)
        self.assertIsNone(loop.capacity.each())

    def test_only_what_waits_all_the_time_for_the_same_number_is_measured(self):
        capacity = scaling.Capacity(1_000)
        for at, present, lag, rate in [
                (0, 2, 90_000, 3_000), (15, 2, 105_000, 3_000), (30, 3, 120_000, 3_000), (45, 3, 120_000, 3_000),
                (60, 3, 100, 3_000), (75, 3, 90_000, 3_000), (90, 3, None, 3_000), (105, 3, 90_000, 3_000),
                (120, 3, 90_000, None)]:
            capacity.note(at, present, lag, rate)
        self.assertEqual(capacity.results, [])
        for at in (200, 215, 230, 245, 260):
            capacity.note(at, 3, 90_000 - (at - 200) * 300, 3_000)
        self.assertEqual(capacity.each(), 1_100)


if __name__ == "__main__":
    unittest.main()
