"""Tests of deploy/images.py, deploy/sources.py and of the pure parts of deploy/compose/autoscale.py and
chart.py; ScriptTests runs it."""

import http.server
import math
import pathlib
import random
import re
import socket
import sys
import tempfile
import threading
import unittest
import xml.etree.ElementTree

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "deploy/compose"), str(ROOT / "deploy")]
import autoscale  # noqa: E402
import chart  # noqa: E402
import images  # noqa: E402
import sources  # noqa: E402
from autoscale import Autoscaler, Rules  # noqa: E402

EACH = 1_000
# No window and no speed limit, only the rule.
PLAIN = Rules(down_window=0, step_count=100)


def decide(rules, *looks, each=EACH):
    """Returns the numbers after polls of (time, value), if every wanted number is reached
    immediately."""
    scaler, present, numbers = Autoscaler(rules), 1, []
    for moment, value in looks:
        present = scaler.decide(moment, present, [(value, each)]).wanted
        numbers.append(present)
    return numbers


class Asked(unittest.TestCase):
    def test_each_has_at_most_its_part(self):
        self.assertEqual(decide(PLAIN, (0, 0), (15, 999), (30, 2_500), (45, 3_301)), [1, 1, 3, 4])

    def test_a_tenth_more_or_less_changes_nothing(self):
        self.assertEqual(decide(PLAIN, (0, 1_100), (15, 1_101), (30, 1_801)), [1, 2, 2])

    def test_the_bounds_hold(self):
        rules = Rules(least=2, most=5, down_window=0, step_count=100)
        self.assertEqual(decide(rules, (0, 0), (15, 1_000_000)), [2, 5])

    def test_of_several_triggers_the_highest_counts(self):
        decision = Autoscaler(PLAIN).decide(0, 1, [(1_500, 1_000), (90, 30)])
        self.assertEqual((decision.asked, decision.wanted), (3, 3))

    def test_with_nobody_there_the_value_alone_counts(self):
        self.assertEqual(Autoscaler(PLAIN).decide(0, 0, [(1_050, EACH)]).wanted, 2)


class Windows(unittest.TestCase):
    def test_fewer_only_when_nothing_in_the_window_asked_for_more(self):
        rules = Rules(down_window=60)
        looks = [(0, 4_000), (15, 0), (30, 2_000), (59, 0), (60, 0), (89, 0), (90, 0)]
        self.assertEqual(decide(rules, *looks), [4, 4, 4, 4, 2, 2, 1])

    def test_more_only_when_all_of_the_window_asked_for_it(self):
        rules = Rules(up_window=30, down_window=0)
        looks = [(0, 3_000), (15, 2_000), (29, 3_000), (30, 3_000), (45, 3_000)]
        self.assertEqual(decide(rules, *looks), [1, 1, 1, 2, 3])

    def test_a_scaler_that_has_just_started_takes_nobody_away(self):
        scaler = Autoscaler(Rules(down_window=60))
        self.assertEqual([scaler.decide(time, 3, [(0, EACH)]).wanted for time in (0, 59, 60)],
                         [3, 3, 1])


class Speed(unittest.TestCase):
    def test_four_more_or_twice_as_many_in_a_step(self):
        looks = [(0, 30_000), (5, 30_000), (15, 30_000), (20, 30_000), (30, 30_000)]
        self.assertEqual(decide(Rules(most=32), *looks), [5, 5, 10, 10, 20])

    def test_what_went_counts_with_what_came(self):
        scaler = Autoscaler(Rules(most=32, down_window=0))
        self.assertEqual(scaler.decide(0, 8, [(8_000, EACH)]).wanted, 8)
        self.assertEqual(scaler.decide(5, 8, [(1_000, EACH)]).wanted, 1)
        # There were eight a step ago, so up to sixteen are allowed.
        self.assertEqual(scaler.decide(10, 1, [(30_000, EACH)]).wanted, 16)


    def test_one_fewer_a_minute(self):
        scaler, present, numbers = Autoscaler(Rules(most=32, down_window=0, down_count=1)), 5, []
        for moment in (0, 30, 59, 60, 119, 120):
            present = scaler.decide(moment, present, [(0, EACH)]).wanted
            numbers.append(present)
        self.assertEqual(numbers, [4, 4, 4, 3, 3, 2])
        # More than there may be go at once.
        scaler = Autoscaler(Rules(most=4, down_window=0, down_count=1))
        self.assertEqual(scaler.decide(0, 9, [(9_000, EACH)]).wanted, 4)


class Unknown(unittest.TestCase):
    def test_no_value_changes_nothing(self):
        self.assertEqual(decide(PLAIN, (0, 3_000), (15, None), (30, None), (450, None)), [3] * 4)

    def test_after_some_looks_the_fallback_is_the_least(self):
        rules = Rules(down_window=0, failures_max=3, fallback=4)
        looks = [(0, 1_000), (15, None), (30, None), (45, None), (60, 0)]
        self.assertEqual(decide(rules, *looks), [1, 1, 1, 4, 1])

    def test_the_fallback_takes_nobody_away(self):
        rules = Rules(down_window=0, failures_max=1, fallback=2)
        self.assertEqual(decide(rules, (0, 5_000), (15, None)), [5, 5])

    def test_a_value_in_between_begins_the_count_anew(self):
        rules = Rules(failures_max=2, fallback=4)
        looks = [(0, None), (15, 0), (30, None), (45, None)]
        self.assertEqual(decide(rules, *looks), [1, 1, 1, 4])

    def test_with_one_of_two_unknown_nobody_is_taken_away_and_more_may_come(self):
        scaler = Autoscaler(PLAIN)
        self.assertEqual(scaler.decide(0, 3, [(0, EACH), (None, 1)]).wanted, 3)
        self.assertEqual(scaler.decide(15, 3, [(5_000, EACH), (None, 1)]).wanted, 5)

    def test_only_a_number_is_a_value(self):
        answer = {"operator": {"lag": 12, "text": "12", "yes": True, "below": -1}, "store": None}
        found = [autoscale.value_at(answer, path) for path in (
            "operator.lag", "operator.text", "operator.yes", "operator.below", "operator.none",
            "store.lag", "reader.lag", "operator")]
        self.assertEqual(found, [12] + [None] * 7)
        self.assertEqual([autoscale.value_at({"a": math.nan}, "a"), autoscale.value_at({"a": math.inf}, "a")],
                         [None, None])


class Answering(http.server.BaseHTTPRequestHandler):
    """A gateway's /scale, with the bytes that a test gives it; b"" closes the connection."""
    said = b""

    def do_GET(self):
        self.wfile.write(self.said)
        self.close_connection = True

    def log_message(self, *words):
        pass


class Cluster(autoscale.Compose):
    """Three workers, and a gateway that is a server of this test."""

    def __init__(self, place):
        super().__init__("operator-worker", "provider-gateway", 8500)
        self.place, self.scaled = place, []

    def call(self, *words, timeout=0):
        return self.place if words[0] == "port" else "a\nb\nc"

    def scale(self, count):
        self.scaled.append(count)


class Answers(unittest.TestCase):
    """Whatever a gateway answers, nobody is taken away by mistake, nor is the maximum asked for."""

    def looks(self, *bodies, count=3):
        triggers = [("operator.lag", 50_000), ("operator.rate", 7_000)]
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            cluster = Cluster(f"127.0.0.1:{server.server_address[1]}")
            scaler = Autoscaler(Rules(down_window=0))
            found = []
            for body in bodies:
                Answering.said = body
                found += [autoscale.look(cluster, scaler, triggers) for _ in range(count)]
            server.shutdown()
            thread.join()
        return cluster.scaled, found

    def said(self, text, status="200 OK"):
        return f"HTTP/1.0 {status}\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()

    def test_null_503_nothing_half_an_answer_and_nonsense_change_nothing(self):
        bodies = [self.said('{"operator": null, "store": null}'), self.said("{}"), self.said("[1]"),
                  self.said("", "503 Service Unavailable"), b"", self.said('{"operator": {"la'),
                  b"HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\n{}", b"nothing of HTTP\r\n\r\n",
                  self.said('{"operator": {"lag": NaN, "rate": Infinity}}'),
                  self.said('{"operator": {"lag": -1, "rate": "7"}}')]
        scaled, found = self.looks(*bodies)
        self.assertEqual(scaled, [])
        self.assertEqual({each["why"] for each in found}, {"no value: it stays"})
        self.assertEqual(len(found), 3 * len(bodies))

    def test_a_lag_of_nothing_takes_only_away_whom_the_rate_does_not_need(self):
        self.assertEqual(self.looks(self.said('{"operator": {"lag": 0, "rate": 20000}}'))[0], [])
        self.assertEqual(self.looks(self.said('{"operator": {"lag": 0, "rate": null}}'))[0], [])
        self.assertEqual(self.looks(self.said('{"operator": {"lag": 0, "rate": 9000}}'), count=1)[0], [2])

    def test_who_cannot_be_reached_is_as_one_who_does_not_answer(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.assertEqual(Cluster(f"127.0.0.1:{taken.getsockname()[1]}").scale_answer(), {})


class Sources(unittest.TestCase):
    def test_a_file_without_the_marks_is_named(self):
        with self.assertRaises(ValueError) as problem:
            sources.filled("nothing\n", [["a"]], "x.yml")
        self.assertIn("x.yml", str(problem.exception))

    def test_parts_come_between_the_marks_in_their_order_and_nothing_else_changes(self):
        marks = f"  {sources.BEGIN}\n{{}}  {sources.END}\n"
        text = "a\n" + marks.format("old\n") + "b\n" + marks.format("") + "c\n"
        once = sources.filled(text, [["1", "2"], ["3"]], "x.yml")
        self.assertEqual(once, "a\n" + marks.format("1\n2\n") + "b\n" + marks.format("3\n") + "c\n")
        self.assertEqual(sources.filled(once, [["1", "2"], ["3"]], "x.yml"), once)

    def test_a_source_of_debian_has_its_own_port_folder_and_files_of_keys(self):
        listed = sources.beside(sources.read())
        units = {name: sources.settings(name, source) for name, source in listed.items()}
        for key in ("OPS_PORT", "GATEWAY_SOURCE", "GATEWAY_DEAD_LETTERS"):
            values = [re.search(rf"(?m)^{key}=(.+)$", text)[1] for text in units.values()]
            self.assertEqual(len(set(values)), len(listed), key)
        self.assertIn("\n#ALPACA_API_SECRET_FILE=/etc/tapeline/secrets/provider-gateway/", units["alpaca"])


class AnyValues(unittest.TestCase):
    def test_bounds_windows_and_speed_hold_whatever_comes(self):
        for seed in range(500):
            chance = random.Random(seed)
            rules = Rules(least=chance.randint(1, 3), most=chance.randint(3, 32),
                          up_window=chance.choice([0, 30]), down_window=chance.choice([0, 60]),
                          fallback=chance.choice([None, 2]))
            scaler, present, now, looks = Autoscaler(rules), chance.randint(1, 3), 0, []
            for _ in range(60):
                now += chance.choice([5, 15, 20])
                value = chance.choice([None, 0, chance.randint(0, 40_000)])
                decision = scaler.decide(now, present, [(value, EACH)])
                looks.append((now, decision.asked, present))
                with self.subTest(seed=seed, now=now):
                    self.hold(rules, looks, value, decision)
                present = decision.wanted

    def hold(self, rules, looks, value, decision):
        (now, _, present), wanted = looks[-1], decision.wanted
        if value is not None:
            self.assertTrue(rules.least <= wanted <= rules.most)
        recent = [(asked, there) for time, asked, there in looks if asked is not None
                  and now - time < rules.down_window]
        if wanted < present and recent:
            self.assertLessEqual(max(min(asked, rules.most) for asked, _ in recent), wanted)
        step = [there for time, _, there in looks if now - time <= rules.step_seconds]
        if wanted > present:
            self.assertLessEqual(wanted, max(max(step) + 4, 2 * max(step), rules.least))


class Chart(unittest.TestCase):
    def test_a_chart_is_well_formed_and_holds_its_words(self):
        text = chart.draw("A < B", [
            chart.Panel("ticks/s", [chart.Line("made", [(0, 0), (10, 5_000)])]),
            chart.Panel("workers", [chart.Line("there", [(0, 1), (10, 3)], steps=True)]),
        ], chart.Frame(seconds=10, marks=[(5, "the step")]))
        root = xml.etree.ElementTree.fromstring(text)
        words = [each.text for each in root.iter() if each.text]
        for word in ("A < B", "ticks/s", "made", "workers", "there", "the step", "8k"):
            self.assertIn(word, words)

    def test_axes_end_at_round_numbers(self):
        self.assertEqual([chart.ceiling(value) for value in (0, 1, 3, 7, 11, 180, 2_400, 61_000)],
                         [1, 1, 4, 8, 20, 200, 4_000, 80_000])

    def test_numbers_are_short(self):
        self.assertEqual([chart.short(value) for value in (0, 5, 0.5, 1_500, 20_000, 3_000_000)],
                         ["0", "5", "0.5", "1.5k", "20k", "3M"])


class Stores(unittest.TestCase):
    """Files of deploy/compose that go on top of others."""

    def services(self, name):
        """Returns the lines of each service of a file, and of what it gives a name."""
        found, part = {}, None
        for line in (ROOT / "deploy/compose" / name).read_text().splitlines():
            if match := re.fullmatch(r"(?:  )?([a-z0-9-]+):(?: [&*](\S+))?", line):
                part = found.setdefault(match[1], [])
                if line.endswith(f"*{match[2]}"):
                    part += found[f"&{match[2]}"]
                elif match[2]:
                    found[f"&{match[2]}"] = part
            elif part is not None:
                part.append(line.strip())
        return found

    def test_their_writers_reach_nats_as_those_of_the_usual_store(self):
        for kind in ("clickhouse", "questdb"):
            writer, migration = f"store-writer-{kind}", f"migrate-{kind}"
            self.assertLessEqual({writer, migration}, set(self.services(f"{kind}.yml")))
            secured = self.services(f"tls-{kind}.yml")
            wanted = self.services("tls.yml")["x-nats"]
            for service in (writer, migration):
                self.assertLessEqual(
                    {*wanted, "secrets: [tls-authority]"} - {""}, set(secured[service]))
            three = self.services(f"nats-cluster-{kind}.yml")
            wanted = self.services("nats-cluster.yml")["x-three"]
            self.assertLessEqual(
                {line for line in wanted if line and not line.startswith("#")},
                set(three[writer]))

    def test_all_servers_of_nats_have_the_user_of_their_writers(self):
        servers = {name for name in self.services("nats-cluster.yml")
                   if re.fullmatch(r"nats(-\d+)?", name)}
        self.assertEqual(len(servers), 3)
        for kind in ("clickhouse", "questdb"):
            own = {**self.services(f"{kind}.yml"), **self.services(f"nats-cluster-{kind}.yml")}
            for server in servers:
                self.assertIn(f"secrets: [nats-writer-{kind}]", own[server], server)


class Images(unittest.TestCase):
    DIGEST = "sha256:" + "0" * 64

    def run_in(self, listed, compose, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "deploy/kubernetes").mkdir(parents=True)
            (root / "deploy/images.env").write_text(listed)
            (root / "docker-compose.yml").write_text(compose)
            code = images.main(arguments, root)
            return code, (root / "docker-compose.yml").read_text()

    def test_everything_names_the_images_of_the_one_file(self):
        self.assertEqual(images.main(["--check"]), 0)
        others = {
            image for path in images.users(ROOT) for _, image in images.USE.findall(path.read_text())
            if not image.startswith("tapeline/")}
        self.assertEqual(others, set(images.read((ROOT / "deploy/images.env").read_text()).values()))

    def test_a_version_and_a_digest_are_replaced_and_other_images_stay(self):
        compose = f"  image: nats:2\n  - image: a.example:5000/b@{self.DIGEST}\n  image: other:1\n"
        listed = f"# Why.\nN=nats:2.12.8-alpine\nB=a.example:5000/b:1.0@{self.DIGEST}\n"
        self.assertEqual(self.run_in(listed, compose, "--check"), (1, compose))
        wanted = (f"  image: nats:2.12.8-alpine\n  - image: a.example:5000/b:1.0@{self.DIGEST}\n"
                  "  image: other:1\n")
        self.assertEqual(self.run_in(listed, compose), (0, wanted))
        self.assertEqual(self.run_in(listed, wanted, "--check"), (0, wanted))

    def test_an_image_without_a_version_is_refused(self):
        for reference in ("nats", "nats:latest", "timescale/timescaledb:latest-pg17", "nats:2@sha256:1"):
            self.assertEqual(self.run_in(f"N={reference}\n", "", "--check")[0], 1, reference)


if __name__ == "__main__":
    unittest.main()
