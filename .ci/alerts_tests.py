#!/usr/bin/env python3
"""Tests of soak/alert_table.py, the faults of `make soak NAME=alerts` and their verdict; ScriptTests runs it."""

import ast
import pathlib
import re
import sys
import unittest

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "soak"))
import alert_table as table  # noqa: E402

ROUTES = HERE.parent / "deploy/alertmanager/routes.yml"


def kind(name="one", alert="NatsAway", severity="critical", **more):
    return table.Kind(name, "act", alert, severity, **more)


def fault(**more):
    return table.Fault(1, kind(**more), "store-writer")


def post(*alerts):
    return {"alerts": [
        {"fingerprint": f"{number}-{labels['alertname']}", "startsAt": labels.pop("at", "now"),
         "status": labels.pop("status", "firing"), "labels": labels, "annotations": {"summary": "it says so"}}
        for number, labels in enumerate(alerts)]}


class Table(unittest.TestCase):
    def test_rules(self):
        """Each alert is a rule of that severity, whose expression makes the labels."""
        text = "\n".join(path.read_text() for path in table.RULES.glob("*.rules.yml"))
        for each in table.KINDS:
            self.assertIn((each.alert, each.severity), table.waits(), each.name)
            own = "".join(re.findall(rf"^      - alert: {each.alert}\n(?:(?!      - ).*\n)*", text, re.M))
            for key, value in each.labels:
                if key in ("what", "provider"):
                    self.assertRegex(own, rf'("|: ){value}\b', each.name)
            for name in each.follows:
                self.assertIn(f"- alert: {name}\n", text)
            self.assertEqual(bool(each.window), bool(each.why), each.name)
            self.assertNotIn(each.window, range(1, 16), f"{each.name}: the margin has that")

    def test_blocked(self):
        """A blocked table is named by the group of its tables."""
        blocked = next(each for each in table.KINDS if each.alert == "TableBlocked")
        groups = {target: table.Fault(1, blocked, target).labels["group"] for target in blocked.targets}
        self.assertIn(("store", "store"), blocked.labels)
        self.assertEqual(groups, {"bars_short": "bars", "trade_rows": "ticks", "quote_rows": "ticks"})

    def test_waits(self):
        waits = table.waits()
        self.assertEqual(waits[("ServiceDown", "warning")], 60)
        self.assertEqual(waits[("DeadLetters", "warning")], 0)
        self.assertEqual(waits[("ClocksDisagree", "warning")], 600)
        self.assertEqual([waits[("ObjectiveMissed", each)] for each in ("critical", "warning")], [120, 900])
        self.assertEqual(len({name for name, _ in waits}), len(set(re.findall(
            r"- alert: (\w+)", "".join(path.read_text() for path in table.RULES.glob("*.rules.yml"))))))

    def test_acts(self):
        """Each fault has something that causes it."""
        parts = [each for name in ("alert_faults", "alert_guest")
                 for each in ast.parse((HERE / f"soak/{name}.py").read_text()).body]
        known = {each.name for each in parts if isinstance(each, ast.FunctionDef)} | {
            target.id for each in parts if isinstance(each, ast.Assign) for target in each.targets
            if isinstance(target, ast.Name)}
        self.assertLessEqual({each.act for each in table.KINDS}, known)

    def test_groups(self):
        """The margin covers what Alertmanager waits before the first message of a group."""
        first = re.search(r"^  group_wait: (\w+)", ROUTES.read_text(), re.M)
        self.assertLess(table.seconds_of(first[1]), table.MARGIN_SECONDS - 15)


    def test_causes_of_objectives(self):
        """What routes.yml has silence an objective is what its rule remembers of causes that are over."""
        every = ("rows", "bars", "ordinals")
        routes = {slo: set() for slo in every}
        for source, target in re.findall(
                r"  - source_matchers: \[(.*)\]\n    target_matchers: \[(.*ObjectiveMissed.*)\]", ROUTES.read_text()):
            names, of = (re.search(pattern, text) for pattern, text in (
                (r'alertname=~?"([^"]+)"', source), (r'slo=~?"([^"]+)"', target)))
            if names[1] != "ObjectiveMissed":
                for slo in of[1].split("|") if of else every:
                    routes[slo] |= set(names[1].split("|"))
        rules = (table.RULES / "objectives.rules.yml").read_text()
        known = {slo: set() for slo in every}
        for slo, expression in re.findall(
                r"record: slo:mds_caused:now\n        labels: \{slo: (\w+)\}\n        expr: >-\n((?: {10}.*\n)+)", rules):
            for names in re.findall(r'alertname=~?"([^"]+)"', expression):
                known[slo] |= set(names.split("|"))
        self.assertEqual(known, routes)


class Draw(unittest.TestCase):
    def test_fair(self):
        drawn = table.draw(40, 7)
        self.assertEqual(drawn, table.draw(40, 7))
        self.assertNotEqual({(each.kind.name, each.target) for each in drawn},
                            {(each.kind.name, each.target) for each in table.draw(40, 8)})
        counts = [sum(each.kind == one for each in drawn) for one in table.KINDS]
        self.assertLessEqual(max(counts) - min(counts), 1)
        self.assertEqual(sorted(each.number for each in drawn), list(range(1, 41)))

    def test_longest_first(self):
        lengths = [each.bound + each.kind.linger for each in table.draw(40, 7)]
        self.assertEqual(lengths, sorted(lengths, reverse=True))


class Judge(unittest.TestCase):
    def outcome(self, *pages, hurt=(), **more):
        outcome, known = table.Outcome(fault(**more), "s"), table.Pages()
        for at, message in pages:
            page = known.take(at, message)
            if page:
                outcome.take(page, 100.0, set(hurt))
        return outcome

    def test_in_time(self):
        page = {"alertname": "NatsAway", "severity": "critical", "what": "all"}
        own = {"labels": table.of(what="all")}
        self.assertEqual(self.outcome((205.0, post(dict(page))), **own).fails, "")
        self.assertIn("after 106 s, not within 105", self.outcome((206.0, post(dict(page))), **own).fails)
        self.assertEqual(self.outcome((206.0, post(dict(page))), window=1, why="x", **own).fails, "")
        self.assertEqual(self.outcome().fails, "no page came")
        other = self.outcome((150.0, post({**page, "what": "away"})), **own)
        self.assertIn("names another cause: it says so", other.fails)

    def test_target(self):
        own = {"alert": "ServiceDown", "severity": "warning", "labels": table.of(instance="{target}")}
        page = {"alertname": "ServiceDown", "severity": "warning"}
        self.assertEqual(self.outcome((150.0, post({**page, "instance": "store-writer"})), **own).fails, "")
        self.assertIn("another cause", self.outcome((150.0, post({**page, "instance": "other"})), **own).fails)

    def test_kinds_of_pages(self):
        page = {"alertname": "NatsAway", "severity": "critical"}
        outcome = self.outcome(
            (150.0, post(dict(page))),
            # Again, with another process of the same cause, and what else there is.
            (180.0, post(dict(page), {**page, "instance": "b"}, {"alertname": "SpoolInUse"},
                         {"alertname": "ObjectiveMissed", "slo": "rows"},
                         {"alertname": "ObjectiveMissed", "slo": "bars"}, {"alertname": "DeadLetters"},
                         {"alertname": "Watchdog"}, {"alertname": "GroupLagHigh", "status": "resolved"})),
            follows=("SpoolInUse",), hurt=("rows",))
        self.assertEqual(outcome.follows, ["SpoolInUse"])
        self.assertEqual(outcome.objectives, ["ObjectiveMissed rows"])
        self.assertEqual(outcome.others, ["ObjectiveMissed bars", "DeadLetters"])
        self.assertEqual((outcome.first, outcome.fails), (50.0, ""))

    def test_other_labels(self):
        """The same alert of another process is about something else."""
        page = {"alertname": "ServiceDown", "severity": "warning", "what": "down", "instance": "store-writer"}
        outcome = self.outcome(
            (150.0, post(dict(page), {**page, "instance": "other"})), alert="ServiceDown", severity="warning",
            labels=table.of(what="down", instance="{target}"))
        self.assertEqual((outcome.others, outcome.fails), (["ServiceDown down other"], ""))

    def test_strict(self):
        """Strictly a fault pages within `for` and the margin, and nothing else pages."""
        page = {"alertname": "NatsAway", "severity": "critical"}
        allowed = {"window": 30, "why": "x", "follows": ("SpoolInUse",), "hurt": ("rows",)}
        self.assertTrue(self.outcome((205.0, post(dict(page))), **allowed).is_strict)
        for at, *more in ((206.0,), (150.0, {"alertname": "SpoolInUse"}), (150.0, {"alertname": "DeadLetters"}),
                          (150.0, {"alertname": "ObjectiveMissed", "slo": "rows"})):
            outcome = self.outcome((at, post(dict(page), *more)), **allowed)
            self.assertEqual((outcome.fails, outcome.is_strict), ("", False), more)
        self.assertFalse(self.outcome(**allowed).is_strict)

    def test_again(self):
        """What fires again after its end is new; what goes on is not."""
        pages, alert = table.Pages(), {"alertname": "NatsAway"}
        self.assertTrue(pages.take(1, post(dict(alert))))
        self.assertIsNone(pages.take(2, post(dict(alert))))
        self.assertTrue(pages.take(3, post({**alert, "at": "later"})))

    def test_verdict(self):
        good = table.Outcome(fault(), "s", first=50.0, named=True, over=9.0)
        self.assertEqual(table.verdict([good] * 40, 40), [])
        self.assertEqual(table.verdict([good] * 39, 40), ["only 39 of 40 faults were tried"])
        noisy = table.Outcome(fault(), "s", first=50.0, named=True, others=["X"])
        self.assertEqual(table.verdict([noisy] * 2 + [good] * 38, 40), [])
        self.assertEqual(len(table.verdict([noisy] * 3 + [good] * 37, 40)), 1)
        self.assertEqual(len(table.verdict([noisy] + [good] * 5, 6)), 1)
        stuck = table.Outcome(fault(), "s", first=50.0, named=True, problem="not over")
        self.assertEqual(table.verdict([stuck], 1), ["1 one (store-writer): not over"])
        self.assertIn("✘ not over", table.table([good, stuck]))
        told = table.document([good, stuck], 3, 2, "0123abcd-dirty")
        self.assertEqual((told["revision"], told["seed"], told["named_in_time"], told["strict"]),
                         ("0123abcd-dirty", 3, 1, 1))
        self.assertEqual([each["strict"] for each in told["outcomes"]], [True, False])


if __name__ == "__main__":
    unittest.main()
