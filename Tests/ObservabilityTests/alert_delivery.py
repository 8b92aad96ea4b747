"""Alerts on their way: deploy/alertmanager with a real Alertmanager, against receivers of this test.

  alert_delivery.py CHECKOUT PROGRAMS      PROGRAMS: the folder of alertmanager and amtool
"""

import base64
import http.server
import json
import os
import pathlib
import queue
import re
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

CHECKOUT, PROGRAMS = (pathlib.Path(argument) for argument in sys.argv[1:3])
SHIPPED = CHECKOUT / "deploy/alertmanager"
PATIENCE = 60
SECRET = "s3cret-of-the-address"
# A label's value that each pattern of routes.yml takes.
SAMPLES = {"store(-.+)?": "store-b", "source-.+": "source-a", "rows|bars": "rows", "away|refused": "away"}
# What says something of its own, although there is a rule for something near it.
UNRELATED = (
    # One process without NATS explains nothing of the others.
    ({"alertname": "NatsAway", "what": "away", "instance": "a"}, {"alertname": "GroupLagHigh", "group": "operator"}),
    ({"alertname": "NatsAway", "what": "refused", "instance": "a"}, {"alertname": "BarsBehind", "source": "s"}),
    ({"alertname": "NatsAway", "what": "away", "instance": "a"}, {"alertname": "MemberPaused", "instance": "b"}),
    ({"alertname": "NatsAway", "what": "away", "instance": "a"}, {"alertname": "ObjectiveMissed", "slo": "rows"}),
    ({"alertname": "NatsAway", "what": "all"}, {"alertname": "ObjectiveMissed", "slo": "ordinals"}),
    ({"alertname": "TicksLeftOut", "what": "tape"}, {"alertname": "ObjectiveMissed", "slo": "ordinals"}),
    # The database of one store explains nothing of another store.
    ({"alertname": "BreakerOpen", "group": "store-b"}, {"alertname": "GroupLagHigh", "group": "store"}),
    ({"alertname": "BreakerOpen", "group": "store"}, {"alertname": "TapePurgeHeld", "group": "store-b"}),
    ({"alertname": "BreakerOpen", "group": "store"}, {"alertname": "ObjectiveMissed", "slo": "rows", "group": "store-b"}),
    ({"alertname": "GroupLagHigh", "group": "store"},
     {"alertname": "ObjectiveMissed", "slo": "rows", "group": "store-b"}))


class Posts:
    """A web server on a free port that keeps what is posted to it."""

    def __init__(self, status=200):
        self.taken = queue.Queue()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                owner.taken.put((self.path, json.loads(body)))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # At its end Alertmanager breaks connections off.
        self.server.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self):
        return self.taken.get(timeout=PATIENCE)


class Mails:
    """A mail server on a free port that keeps the log-ins and mails that come."""

    def __init__(self):
        self.taken = queue.Queue()
        owner = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                self.wfile.write(b"220 sink\r\n")
                login, to = None, []
                for line in iter(self.rfile.readline, b""):
                    word = line.split()[0].upper() if line.split() else b""
                    if word == b"EHLO":
                        self.wfile.write(b"250-sink\r\n250 AUTH PLAIN\r\n")
                    elif word == b"AUTH":
                        login = base64.b64decode(line.split()[2]).split(b"\0")
                        self.wfile.write(b"235 yes\r\n")
                    elif word == b"DATA":
                        self.wfile.write(b"354 go on\r\n")
                        text = b"".join(iter(self.rfile.readline, b".\r\n")).decode()
                        owner.taken.put((login, to, text))
                        self.wfile.write(b"250 kept\r\n")
                    elif word == b"QUIT":
                        self.wfile.write(b"221 bye\r\n")
                        return
                    else:
                        if word == b"RCPT":
                            to.append(line.decode().strip())
                        self.wfile.write(b"250 yes\r\n")

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.place = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Sender:
    """An Alertmanager of the shipped start script, with routes that do not wait."""

    def __init__(self, folder, settings):
        copy = folder / "shipped"
        if not copy.exists():
            shutil.copytree(SHIPPED, copy)
            routes = (copy / "routes.yml").read_text()
            for name in ("group_wait", "group_interval"):
                routes = re.sub(rf"{name}: \S+", f"{name}: 1s", routes)
            (copy / "routes.yml").write_text(routes.replace("repeat_interval: 50s", "repeat_interval: 1s"))
        self.log = folder / "log"
        for _ in range(3):
            # Another process may take the port in between.
            self.url = f"http://127.0.0.1:{(port := free_port())}"
            environment = {
                "PATH": os.environ["PATH"], "ALERTMANAGER": str(PROGRAMS / "alertmanager"),
                "ALERTS_ADDRESS": f"127.0.0.1:{port}", "ALERTS_STATE": str(folder / "state"),
                "ALERTS_CONFIGURATION": str(folder / "alertmanager.yml"), **settings}
            with self.log.open("w") as log:
                self.process = subprocess.Popen(
                    [copy / "start.sh"], env=environment, cwd=folder, stdout=log, stderr=log)
            if self.is_ready():
                return
        raise AssertionError(f"Alertmanager did not start:\n{self.log.read_text()}")

    def is_ready(self):
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < end:
            try:
                urllib.request.urlopen(f"{self.url}/-/ready", timeout=2).close()
                return True
            except OSError:
                time.sleep(0.05)
        return False

    def post(self, *alerts):
        body = json.dumps([
            {"labels": labels, "annotations": {"summary": f"about {labels['alertname']}", "runbook_url": "docs/x.md"}}
            for labels in alerts]).encode()
        request = urllib.request.Request(
            f"{self.url}/api/v2/alerts", body, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=PATIENCE).close()

    def states(self):
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=PATIENCE) as answer:
            return json.load(answer)

    def end(self):
        self.process.terminate()
        self.process.wait(PATIENCE)


class Case(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.folder = pathlib.Path(place.name)

    def sender(self, **settings):
        sender = Sender(self.folder, {key: str(value) for key, value in settings.items()})
        self.addCleanup(sender.end)
        return sender

    def write(self, name, text, mode=0o600):
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def made(self, **settings):
        """Runs the script without Alertmanager. Returns exit code, what it said, and the configuration."""
        configuration = self.folder / "made.yml"
        configuration.unlink(missing_ok=True)
        done = subprocess.run(
            [SHIPPED / "start.sh", "--check-config"], cwd=self.folder, capture_output=True, text=True,
            env={"PATH": os.environ["PATH"], "ALERTS_CONFIGURATION": str(configuration),
                 **{key: str(value) for key, value in settings.items()}})
        said = done.stdout + done.stderr
        self.assertNotIn(SECRET, said)
        if not configuration.exists():
            return done.returncode, said, None
        self.assertEqual(configuration.stat().st_mode & 0o777, 0o600)
        checked = subprocess.run([PROGRAMS / "amtool", "check-config", configuration], capture_output=True, text=True)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        return done.returncode, said, configuration.read_text()


class Settings(Case):
    URL = f"https://hooks.example.com/{SECRET}"

    def test_each_setting_and_none(self):
        code, said, text = self.made()
        self.assertEqual((code, said.count("\n")), (0, 1))
        self.assertIn("reach nobody: set ALERTS_WEBHOOK", said)
        self.assertNotIn("webhook_configs", text)
        file = self.write("url", f"{self.URL}\n")
        for settings in (
                {"ALERTS_WEBHOOK": self.URL}, {"ALERTS_WEBHOOK_FILE": file},
                {"ALERTS_WEBHOOK_FILE": "url"},
                {"ALERTS_WEBHOOK": self.URL, "ALERTS_WEBHOOK_FILE": "/dev/null", "ALERTS_RECEIVER": "/dev/null"}):
            code, said, text = self.made(**settings)
            self.assertEqual((code, said), (0, "alerts: they go to the webhook\n"))
            self.assertEqual(text.count(f"url: '{self.URL}'"), 1)
        _, _, text = self.made(ALERTS_WEBHOOK=self.URL, ALERTS_WATCHDOG=self.URL)
        self.assertEqual(text.count(f"url: '{self.URL}'"), 2)

    def test_folder_of_settings(self):
        self.write("webhook", self.URL)
        self.write("watchdog", self.URL)
        _, said, text = self.made(ALERTS_FOLDER=self.folder)
        self.assertEqual(text.count(f"url: '{self.URL}'"), 2, said)

    def test_a_receiver_of_ones_own(self):
        shutil.copy(SHIPPED / "mail.yml", self.folder / "mine.yml")
        (self.folder / "mine.yml").chmod(0o600)
        code, said, text = self.made(ALERTS_RECEIVER="mine.yml", ALERTS_WATCHDOG=self.URL)
        self.assertEqual((code, said), (0, "alerts: they go where mine.yml says\n"))
        self.assertIn("email_configs", text)
        self.assertIn("inhibit_rules", text)
        whole = self.write("whole.yml", "route: {receiver: a}\nreceivers: [{name: a}]\n")
        self.assertEqual(self.made(ALERTS_RECEIVER=whole)[2], whole.read_text())
        # With what follows, without the end of the last line, and with other keys in front.
        for text in (
                "receivers:\n- name: people\n", "receivers:\n- name: people", "receivers:\n    - name: people",
                "receivers: # mine\n\n  # one\n  - name: people\n    webhook_configs: [{url: 'http://x/'}]\ntemplates: []",
                "templates: []\nreceivers:\n  - name: people\ntime_intervals: []\n"):
            own = self.write("own.yml", text)
            code, said, made = self.made(ALERTS_RECEIVER=own, ALERTS_WATCHDOG=self.URL)
            self.assertEqual((code, said), (0, f"alerts: they go where {own} says\n"), text)
            self.assertIn("- name: watchdog\n", made)
            self.assertEqual(made.count("- name: people"), 1)

    def test_mistakes_are_one_line_without_the_secret(self):
        empty = self.write("empty", "")
        strange = self.write("strange.yml", "receivers:\n  - name: somebody\n")
        whole = self.write("whole.yml", "route: {receiver: a}\nreceivers: [{name: a}]\n")
        good = self.write("url", self.URL)
        for settings, words in (
                ({"ALERTS_WEBHOOK": SECRET}, "begin with https://"),
                ({"ALERTS_WEBHOOK": f"https://a b/{SECRET}"}, "a space or a quote"),
                ({"ALERTS_WEBHOOK": f"https://a'/{SECRET}"}, "a space or a quote"),
                ({"ALERTS_WEBHOOK": self.URL, "ALERTS_WEBHOOK_FILE": good}, "set one of them"),
                ({"ALERTS_WEBHOOK": self.URL, "ALERTS_RECEIVER": whole}, "set one of them"),
                ({"ALERTS_WEBHOOK_FILE": empty}, "is empty"),
                ({"ALERTS_WEBHOOK_FILE": "gone"}, "there is no file gone"),
                ({"ALERTS_WATCHDOG": self.URL}, "reach nobody"),
                ({"ALERTS_RECEIVER": strange}, "no receiver with the line '- name: people'"),
                ({"ALERTS_RECEIVER": whole, "ALERTS_WATCHDOG": self.URL}, "name it there")):
            code, said, _ = self.made(**settings)
            self.assertEqual((code, said.count("\n")), (64, 1), said)
            self.assertIn(words, said)

    def test_what_amtool_refuses_is_told_without_the_secret(self):
        for text, words in (
                ("receivers:\n  - name: people\n    webhook_confs: []\n", "webhook_confs not found"),
                (f"receivers:\n  - name: people\n    webhook_configs: [{{url: 'ftp://{SECRET}'}}]\n", "unsupported scheme"),
                (f"receivers:\n  - name: people\n    webhook_configs: http://{SECRET}\n", "cannot unmarshal")):
            own = self.write("own.yml", text)
            code, said, made = self.made(ALERTS_RECEIVER=own, ALERTMANAGER=PROGRAMS / "alertmanager")
            self.assertEqual((code, said.count("\n"), made), (64, 1, None), said)
            self.assertIn(words, said)

    def test_a_program_whose_log_has_urls_is_refused(self):
        for version, code in (("0.25.0", 64), ("0.9.1", 64), ("0.26.0", 0), ("0.28.1+ds", 0), ("1.0.0", 0)):
            program = self.write("old", f"#!/bin/sh\necho 'alertmanager, version {version} (branch: x)'\n", 0o700)
            found, said, _ = self.made(ALERTS_WEBHOOK=self.URL, ALERTMANAGER=program)
            self.assertEqual(found, code, said)
            self.assertEqual("0.26 or newer is needed" in said, code == 64, said)

    def test_a_secret_that_everybody_may_read_is_told(self):
        open_file = self.write("open", self.URL, 0o644)
        code, said, _ = self.made(ALERTS_WEBHOOK_FILE=open_file)
        self.assertEqual(code, 0)
        self.assertIn("alerts: warning: ALERTS_WEBHOOK_FILE: every user may read", said)


class Delivery(Case):
    def test_webhook_by_deployment_and_watchdog(self):
        posts = Posts()
        sender = self.sender(ALERTS_WEBHOOK=f"{posts.url}/people", ALERTS_WATCHDOG=f"{posts.url}/watchdog")
        one, two = ({"cluster": "c", "namespace": name, "severity": "critical"} for name in ("one", "two"))
        sender.post(
            {"alertname": "Watchdog", "severity": "none"},
            {"alertname": "BreakerOpen", "group": "store", **one}, {"alertname": "SpoolFilling", **one},
            # It follows from the first.
            {"alertname": "GroupLagHigh", "group": "store", **one},
            {"alertname": "NatsAway", "what": "all", **two})
        got, pings = {}, 0
        while len(got) < 2 or pings < 2:
            path, body = posts.next()
            names = {alert["labels"]["alertname"] for alert in body["alerts"]}
            if path == "/watchdog":
                self.assertEqual(names, {"Watchdog"})
                pings += 1
            else:
                got[body["groupLabels"]["namespace"]] = names
        self.assertEqual(got, {"one": {"BreakerOpen", "SpoolFilling"}, "two": {"NatsAway"}})
        self.assertNotIn(posts.url, sender.log.read_text())

    def test_the_log_has_no_address_of_a_receiver_that_refuses(self):
        refusing = Posts(400)
        gone = f"http://127.0.0.1:{free_port()}/{SECRET}"
        sender = self.sender(ALERTS_WEBHOOK=f"{refusing.url}/{SECRET}", ALERTS_WATCHDOG=gone)
        sender.post(
            {"alertname": "Watchdog", "severity": "none"},
            {"alertname": "BreakerOpen", "namespace": "one", "severity": "critical"})
        refusing.next()
        end = time.monotonic() + PATIENCE
        while (log := sender.log.read_text()).count("refused") + log.count("400") < 2 and time.monotonic() < end:
            time.sleep(0.05)
        self.assertIn("400", log)
        self.assertIn("watchdog", log)
        self.assertNotIn(SECRET, log)

    def test_mail(self):
        mails = Mails()
        password = self.write("password", "pass")
        text = (SHIPPED / "mail.yml").read_text()
        for shipped, own in (
                ("mail.example.com:587", f"{mails.place}\n        require_tls: false"),
                ("/run/alerts/password", str(password))):
            self.assertIn(shipped, text)
            text = text.replace(shipped, own)
        self.write("mail.yml", text)
        self.sender(ALERTS_RECEIVER="mail.yml").post(
            {"alertname": "NatsAway", "namespace": "one", "severity": "critical"})
        login, to, mail = mails.taken.get(timeout=PATIENCE)
        self.assertEqual(login[1:], [b"tapeline@example.com", b"pass"])
        self.assertEqual(to, ["RCPT TO:<desk@example.com>"])
        self.assertIn("Subject: firing: about NatsAway", mail)
        self.assertIn("critical NatsAway: about NatsAway", mail)
        self.assertIn("docs/x.md", mail)

    def test_chat(self):
        posts = Posts()
        address = self.write("address", f"{posts.url}/{SECRET}")
        text = (SHIPPED / "chat.yml").read_text()
        self.assertIn("/run/alerts/password", text)
        self.write("chat.yml", text.replace("/run/alerts/password", str(address)))
        sender = self.sender(ALERTS_RECEIVER="chat.yml")
        sender.post({"alertname": "NatsAway", "namespace": "one", "severity": "critical"})
        path, body = posts.next()
        self.assertEqual(path, f"/{SECRET}")
        self.assertEqual(body["attachments"][0]["title"], "firing: 1 of one")
        self.assertIn("critical *NatsAway*: about NatsAway", body["attachments"][0]["text"])
        self.assertNotIn(SECRET, sender.log.read_text())


def matched(text):
    """Returns the alerts that matchers name, and the other labels that they want."""
    matchers = dict(re.findall(r"'(\w+)=~?\"([^\"]+)\"'", text))
    return matchers.pop("alertname").split("|"), {key: SAMPLES.get(value, value) for key, value in matchers.items()}


def pairs():
    """Returns cause and consequence of each rule of routes.yml, as labels, with the labels that are equal."""
    rules = re.findall(
        r"  - source_matchers: \[(.*)\]\n    target_matchers: \[(.*)\]\n    equal: \[(.*)\]\n",
        (SHIPPED / "routes.yml").read_text())
    for source, target, equal in rules:
        causes, cause = matched(source)
        consequences, consequence = matched(target)
        shared = {name: (cause | consequence).get(name, "shared") for name in equal.split(", ")[2:]}
        for one in causes:
            for other in consequences:
                first, second = {"alertname": one, **cause}, {"alertname": other, **consequence}
                yield {**shared, **first}, {**shared, **second}, equal.split(", ")


class Inhibition(Case):
    def test_each_pair(self):
        sender = self.sender()
        known = {
            name for path in (CHECKOUT / "deploy/prometheus").glob("*.rules.yml")
            for name in re.findall(r"- alert: (\w+)", path.read_text())}
        every = list(pairs())
        self.assertGreaterEqual(len(every), 40)
        alerts = []
        for number, (cause, consequence, equal) in enumerate(every):
            self.assertLessEqual({cause["alertname"], consequence["alertname"]}, known)
            alerts += [
                {**cause, "namespace": f"both-{number}"}, {**consequence, "namespace": f"both-{number}"},
                # In another deployment, or about something else, it says something new.
                {**consequence, "namespace": f"alone-{number}"}, {**cause, "namespace": f"other-{number}"},
                {**consequence, "namespace": f"else-{number}"}, {**cause, "namespace": f"else-{number}", "cluster": "c"}]
        for number, (cause, other) in enumerate(UNRELATED):
            self.assertLessEqual({cause["alertname"], other["alertname"]}, known)
            alerts += [{**one, "namespace": f"near-{number}"} for one in (cause, other)]
        sender.post(*alerts)
        wanted = {}
        for number, (cause, consequence, _) in enumerate(every):
            for place, one, state in (
                    ("both", cause, "active"), ("both", consequence, "suppressed"),
                    ("alone", consequence, "active"), ("else", consequence, "active")):
                wanted[shown({**one, "namespace": f"{place}-{number}"})] = state
        for number, pair in enumerate(UNRELATED):
            wanted |= {shown({**one, "namespace": f"near-{number}"}): "active" for one in pair}
        # Alertmanager learns causes and consequences one after the other.
        end = time.monotonic() + PATIENCE
        while True:
            found = {shown(one["labels"]): one["status"]["state"] for one in sender.states()}
            wrong = {name: found.get(name) for name, state in wanted.items() if found.get(name) != state}
            if not wrong or time.monotonic() > end:
                break
            time.sleep(0.1)
        self.assertEqual(wrong, {})
        self.assertEqual(len(found), len(alerts))


def shown(labels):
    return json.dumps(labels, sort_keys=True)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
