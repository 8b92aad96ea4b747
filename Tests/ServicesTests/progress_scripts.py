"""Tests of deploy/local/progress.py; ScriptTests runs it."""

import heapq
import json
import os
import pathlib
import pty
import random
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy/local"))
import progress  # noqa: E402
from progress import Forecast, Part, finished_part, parts, play, spoken  # noqa: E402


def part(seconds, *after):
    return Part(seconds, frozenset(after))


def target(name, path, *after, kind="SwiftTarget", products=()):
    sources = ["a.c"] if kind == "ClangTarget" else ["A.swift"]
    return {"name": name, "c99name": name.replace("-", "_"), "path": str(path), "module_type": kind,
            "sources": sources, "target_dependencies": list(after), "product_memberships": list(products)}


def many(count, seed):
    """Makes up a package: each module imports some of those before it."""
    chance = random.Random(seed)
    made = {}
    for index in range(count):
        after = chance.sample(sorted(made), min(len(made), chance.randrange(4)))
        made[f"M{index}"] = part(chance.uniform(1, 15), *after)
    return made


def built(made, processors, pace, seed):
    """Returns when the parts of a made-up build are finished, each up to a third longer or shorter than `pace`
    says, in whatever order their imports allow."""
    chance = random.Random(seed)
    waits = {name: set(each.after) for name, each in made.items()}
    running, events, now = [], [], 0.0
    while waits or running:
        ready = [name for name, after in waits.items() if not after]
        while ready and len(running) < processors:
            name = ready.pop(chance.randrange(len(ready)))
            del waits[name]
            heapq.heappush(running, (now + made[name].seconds * pace * chance.uniform(0.67, 1.33), name))
        now, finished = heapq.heappop(running)
        events.append((now, finished))
        for after in waits.values():
            after.discard(finished)
    return events


class Play(unittest.TestCase):
    def test_modules_run_beside_each_other_and_after_what_they_import(self):
        made = {"a": part(4), "b": part(4), "c": part(3, "a", "b"), "d": part(5, "a")}
        self.assertEqual(play(made, {}, 1), 16)
        self.assertEqual(play(made, {}, 2), 9)
        self.assertEqual(play(made, {}, 9), 9)

    def test_what_ran_already_counts(self):
        self.assertEqual(play({"a": part(4), "b": part(9)}, {"b": 7}, 2), 4)
        self.assertEqual(play({"a": part(4)}, {"a": 5}, 2), 0)
        self.assertEqual(play({}, {}, 2), 0)


class Forecasts(unittest.TestCase):
    def test_after_30_seconds_the_whole_is_right_within_a_third(self):
        for processors in (1, 2, 4):
            for pace in (0.6, 1, 1.8):
                for seed in range(8):
                    made = many(60, seed)
                    events = built(made, processors, pace, seed)
                    forecast = Forecast(made, processors)
                    for moment, name in events:
                        if moment <= 30:
                            forecast.finish(name, moment)
                    ratio = (30 + forecast.remaining(30)) / events[-1][0]
                    self.assertTrue(2 / 3 < ratio < 4 / 3, (processors, pace, seed, ratio))

    def test_a_part_that_takes_long_slows_the_pace_and_nothing_is_left_at_the_end(self):
        forecast = Forecast({"a": part(10), "b": part(10, "a")}, 2)
        self.assertAlmostEqual(forecast.remaining(0), 20)
        self.assertAlmostEqual(forecast.remaining(10), 10)
        self.assertGreater(forecast.remaining(40), 20)
        forecast.finish("a", 40)
        forecast.finish("a", 41)
        forecast.finish("what nobody knows", 41)
        self.assertIn("1 of 2 modules", forecast.text(41))
        forecast.finish("b", 60)
        self.assertEqual(forecast.text(60), "100 %, 2 of 2 modules, a few seconds left")

    def test_the_output_of_the_build_says_what_is_finished(self):
        self.assertEqual(finished_part("[12/98] Compiling Primitives A.swift"), "Primitives")
        self.assertEqual(finished_part("[97/98] Linking tapeline"), "Linking tapeline")
        self.assertIsNone(finished_part("[1/98] Write sources"))
        self.assertIsNone(finished_part("warning: [1/2] Compiling"))

    def test_durations_are_as_exact_as_they_are_known(self):
        said = [spoken(seconds) for seconds in (3, 33, 58, 123, 59 * 60 + 58)]
        self.assertEqual(said, ["a few seconds", "about 35 s", "about 60 s", "about 2 min", "about 60 min"])


class Parts(unittest.TestCase):
    """What is to be built of a package of four modules and a program."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.made = self.root / "built"
        names = {"a-program": ("B",), "C": (), "A": ("C",), "B": ("A",), "Other": ("C",)}
        self.package = {
            "products": [{"name": "program", "type": {"executable": None}},
                         {"name": "Library", "type": {"library": ["automatic"]}}],
            "targets": [target(name, self.root / name, *after, products=["program", "Library"],
                               kind="ClangTarget" if name == "C" else "SwiftTarget")
                        for name, after in names.items()]}
        self.package["targets"].append({"name": "CSystem", "sources": [], "module_type": "SystemLibraryTarget"})
        for name in names:
            self.write(self.root / name / ("a.c" if name == "C" else "A.swift"), 100)

    def write(self, path, age):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("// A comment.\n\nlet a = 1\n")
        os.utime(path, (1e9 - age, 1e9 - age))

    def build(self):
        for name in ("A", "B", "Other", "a_program"):
            self.write(self.made / f"{name}.build/{name}.d", 50)
        self.write(self.made / "C.build/a.c.o", 50)

    def stale(self):
        return parts(self.package, self.root, self.made)

    def test_everything_is_in_a_fresh_checkout(self):
        found = self.stale()
        self.assertEqual(found.keys(), {"C", "A", "B", "Other", "a_program", "Linking program"})
        self.assertEqual(found["B"].after, {"A"})
        self.assertEqual(found["A"].seconds, progress.SECONDS_PER_MODULE + progress.SECONDS_PER_LINE)

    def test_later_only_what_changed_and_what_imports_it(self):
        self.build()
        self.assertEqual(self.stale(), {})
        self.write(self.root / "B/A.swift", 0)
        self.assertEqual(self.stale().keys(), {"B", "a_program", "Linking program"})
        self.write(self.root / "C/a.c", 0)
        self.assertEqual(len(self.stale()), 6)

    def test_what_imports_a_module_is_not_built_if_what_it_sees_of_that_is_as_before(self):
        self.build()
        self.write(self.root / "A/A.swift", 0)
        forecast = Forecast(self.stale(), 2)
        self.assertIn("0 of 3 modules", forecast.text(0))
        forecast.finish("A", 1, has_new_interface=False)
        self.assertEqual(forecast.left.keys(), {"Linking program"})
        self.assertIn("1 of 1 modules", forecast.text(1))


class Watch(unittest.TestCase):
    def test_a_terminal_shows_how_far_it_is_until_the_process_ends(self):
        with tempfile.TemporaryDirectory() as folder, subprocess.Popen(["cat"], stdin=subprocess.PIPE) as build:
            root = pathlib.Path(folder)
            log, package = root / "log", root / "package.json"
            (root / "A.swift").write_text("let a = 1\n")
            names = ("A module of the test", "Another")
            package.write_text(json.dumps({"targets": [target(name, root) for name in names], "products": []}))
            log.write_text("Building for production...\n[1/4] Compiling Another A.swift\n[2/4] Comp")
            outer, inner = pty.openpty()
            with subprocess.Popen(
                    [ROOT / "deploy/local/progress.py", "--process", str(build.pid), "--title", "Programs",
                     "--log", log, "--package", package], stdout=inner) as watch:
                os.close(inner)
                shown = ""
                while "1 of 2 modules" not in shown:
                    shown += os.read(outer, 4_096).decode()
                build.stdin.close()
                self.assertEqual(watch.wait(), 0)
            os.close(outer)
            self.assertRegex(shown, r"\r\x1b\[KPrograms … \d+ s  \d+ %, 1 of 2 modules, a few seconds left")


if __name__ == "__main__":
    unittest.main()
