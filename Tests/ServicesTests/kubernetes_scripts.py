"""Tests of deploy/kubernetes/try.py with a stand-in for kubectl; ScriptTests runs it."""

import contextlib
import importlib
import io
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import types
import unittest
import unittest.mock

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
KUSTOMIZE = os.environ.get("KUSTOMIZE", ROOT / ".local/servers/kustomize/bin/kustomize")
sys.path[:0] = [str(ROOT / "deploy/kubernetes"), str(ROOT / "deploy/compose")]
import cluster  # noqa: E402
judge = importlib.import_module("try")

WORKLOADS = {"Deployment": ["store-writer"], "StatefulSet": ["nats"]}
TICKS = 3 * 20


def stand_in(folder, answers):
    """Writes a kubectl that notes what it is asked, and answers as the first of `answers` whose words are in that:
    words, exit status, text. COUNT is how often they were asked."""
    lines = ["#!/bin/sh", '[ "$1" != --namespace ] || shift 2', f"cd {folder}", 'echo "$*" >>asked', 'case "$*" in']
    for number, (words, status, text) in enumerate(answers):
        (folder / f"{number}").write_text(f"{text}\n")
        said = f"sed s/COUNT/$(grep -cF -e {shlex.quote(words)} asked)/ {number}" if text == "COUNT" else f"cat {number}"
        lines.append(f"*{shlex.quote(words)}*) {said} {'>&2' if status and words != 'diff' else ''}; exit {status} ;;")
    stub = folder / "kubectl"
    stub.write_text("\n".join([*lines, "esac", ""]))
    stub.chmod(0o755)


def workloads():
    return json.dumps({"items": [
        {"kind": kind, "metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"name": name, "a": "b"}}}}
        for kind, names in WORKLOADS.items() for name in names]})


def pods(name):
    metadata = [{"name": f"{name}-1"}, {"name": f"{name}-0"}, {"name": f"{name}-old", "deletionTimestamp": "now"}]
    return json.dumps({"items": [{"metadata": each} for each in metadata]})


def audit(**changes):
    check = {"name": "ticks_taken", "ok": True, "found": 7, "sentence": "all ticks are rows", "detail": "", **changes}
    return json.dumps({"clean": check["ok"], "checks": [{**check, "name": "rows_taken", "ok": True}, check]})


def version(minor="34+"):
    return json.dumps({"serverVersion": {"major": "1", "minor": minor, "gitVersion": f"v1.{minor}.2"}})


class Clock(types.SimpleNamespace):
    """Time in which only waits pass, and each of them soon."""

    now = 0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += 20 * seconds


class Try(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.path = f"{self.folder}:{os.environ['PATH']}"

    def run_with(self, *answers, arguments=(), makes_passwords=False):
        """Returns the exit code (or the message of a refusal), what was asked, and the report."""
        def run(command, **options):
            # Making passwords takes a hundred processes, so one test alone does it.
            return None if command[0] == "sh" and not makes_passwords else cluster.run(command, **options)

        usual = [
            ["version --output", 0, version()], ["current-context", 0, "mine"], ["get namespace", 1, "not found"],
            ["get deployments", 0, workloads()],
            *([f"get pods --selector name={name},a=b", 0, pods(name)] for name in sum(WORKLOADS.values(), [])),
            ["'ibkr-simulated'", 0, "COUNT"], ["'load'", 0, str(TICKS)],
            ["/dev/tcp/nats/4222", 0, "open"], ["/dev/tcp/valkey/6379", 0, "shut"],
            ["tapeline audit --all --json", 0, audit()]]
        stand_in(self.folder, [*answers, *usual])
        report = self.folder / "report"
        everything = ["--rate", "3", "--seconds", "20", "--report", str(report), *arguments]
        with unittest.mock.patch.object(cluster, "time", Clock()), unittest.mock.patch.object(judge, "run", run), \
                unittest.mock.patch.dict(os.environ, {"PATH": self.path}), \
                contextlib.redirect_stdout(io.StringIO()), self.assertRaises(SystemExit) as ended:
            judge.main(everything)
        asked = self.folder / "asked"
        return (ended.exception.code, asked.read_text().splitlines() if asked.exists() else [],
                report.read_text() if report.exists() else "")

    def test_all_is_well(self):
        code, asked, report = self.run_with(makes_passwords=True)
        self.assertEqual(code, 0, report)
        self.assertNotIn("FAIL", report)
        self.assertTrue(report.startswith("Kubernetes v1.34+.2, context mine\n"))

        def place(words, *, count=1):
            found = [number for number, line in enumerate(asked) if words in line]
            self.assertEqual(len(found), count, f"{words}: {asked}")
            return found[0]

        order = [place("namespace.yaml"), place("create secret generic tapeline-passwords")]
        for folder in ("/plain", "/loaded"):
            applied, compared = (next(number for number, line in enumerate(asked) if line.startswith(verb)
                                      and line.endswith(folder)) for verb in ("apply", "diff"))
            waited = [line for line in asked[applied:compared] if line.startswith("rollout status")]
            self.assertEqual(len(waited), 2, "each is awaited before it is compared")
            order += [applied, compared]
        for kind, names in WORKLOADS.items():
            for name in names:
                for pod in (f"{name}-0", f"{name}-1"):
                    ended = place(f"delete pod {pod} --grace-period=1")
                    self.assertTrue(asked[ended + 1].startswith(f"rollout status {kind.lower()}/{name} "))
                    order.append(ended)
                self.assertFalse([line for line in asked if f"delete pod {name}-old" in line])
        order += [place("scale statefulset --selector app.kubernetes.io/component=provider-gateway --replicas=0"),
                  place("wait pod --for=delete"), place("tapeline audit"), place("delete namespace tapeline-try")]
        self.assertEqual(order, sorted(order))
        self.assertEqual(order[-1], len(asked) - 1)

    def test_where_no_cluster_is_reached_one_line_says_so(self):
        code, asked, report = self.run_with(["version --output", 1, "The connection to the\nserver was refused"])
        self.assertEqual(len(code.splitlines()), 1)
        self.assertIn("server was refused", code)
        self.assertIn("KUBECONFIG", code)
        self.assertEqual((len(asked), report), (1, ""))

    def test_without_an_answer_of_a_server_or_without_kubectl_as_well(self):
        self.assertIn("KUBECONFIG", self.run_with(["version --output", 0, '{"clientVersion": {}}'])[0])
        self.path = "/nowhere"
        code, _, report = self.run_with()
        self.assertIn("kubectl", code)
        self.assertEqual((len(code.splitlines()), report), (1, ""))

    def test_the_namespace_of_an_earlier_run_is_left_alone(self):
        code, asked, _ = self.run_with(["get namespace", 0, "tapeline-try"])
        self.assertIn("kubectl delete namespace tapeline-try", code)
        self.assertFalse([line for line in asked if line.startswith(("apply", "delete", "create"))])

    def test_what_is_not_as_it_has_to_be_is_a_failure_and_left_for_a_look(self):
        gone = "deployments.v1.apps/store-writer is not ready"
        for answer, told, is_ended in [
            (["version --output", 0, version("29")], "FAIL  the version is 1.30 or later: v1.29.2", True),
            (["diff", 1, "+++ /tmp/MERGED-12/apps.v1.StatefulSet.tapeline-try.nats\t2026"],
             "another apply changes nothing: apps.v1.StatefulSet.tapeline-try.nats\n", True),
            (["rollout status deployment/store-writer", 1, gone], gone, False),
            (["create secret", 1, "forbidden"], "forbidden", False),
            (["'ibkr-simulated'", 0, "0"], "not within 300 s: ticks of the simulator are rows", False),
            (["'ibkr-simulated'", 0, "5"], "not within 300 s: rows come after the end of store-writer-0", False),
            (["'load'", 0, str(TICKS - 1)], f"not within 320 s: all {TICKS} ticks of the load are rows", False),
            (["'load'", 0, str(TICKS + 1)], f"FAIL  each of {TICKS} ticks of the load is a row: 61 rows", True),
            (["/dev/tcp/nats/4222", 0, "shut"], "FAIL  a pod connects to whom its policies name", True),
            (["delete pod nats-0", 1, "evicted"], "evicted", False),
            (["tapeline audit", 0, audit(name="rows", ok=False, detail="3 are missing")],
             "FAIL  audit: all ticks are rows: 7 3 are missing", True),
            (["tapeline audit", 0, ""], "not within 300 s: the writers have taken all that is on the tape", False),
        ]:
            with self.subTest(told):
                (self.folder / "asked").unlink(missing_ok=True)
                code, asked, report = self.run_with(answer)
                self.assertEqual(code, 1, report)
                self.assertIn(told, report)
                self.assertEqual("FAIL  every step" not in report, is_ended)
                self.assertFalse([line for line in asked if line.startswith("delete namespace")])

    def test_a_network_without_policies_is_noted(self):
        code, _, report = self.run_with(["/dev/tcp/valkey/6379", 0, "open"])
        self.assertEqual(code, 0)
        self.assertIn("NOTE: the network of this Kubernetes holds no policies", report)

    def test_it_stays_if_it_is_to_be_kept(self):
        code, asked, _ = self.run_with(arguments=["--keep"])
        self.assertEqual(code, 0)
        self.assertFalse([line for line in asked if line.startswith("delete namespace")])


class Overlays(unittest.TestCase):
    def test_kustomize_makes_all_of_it_in_the_namespace_with_a_gateway_that_makes_the_load(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            judge.overlays(folder, types.SimpleNamespace(registry="host:5000/x", tag="1.2.3", rate=3, seconds=20))
            plain, loaded = (subprocess.run([KUSTOMIZE, "build", folder / part], check=True, stdout=subprocess.PIPE,
                                            text=True).stdout.split("\n---\n") for part in ("plain", "loaded"))
        self.assertLess(set(plain), set(loaded))
        added = sorted(re.search(r"(?m)^kind: (.*)", text)[1] for text in set(loaded) - set(plain))
        self.assertEqual(added, ["PodDisruptionBudget", "Service", "ServiceAccount", "StatefulSet"])
        text = "\n".join(loaded)
        self.assertEqual(set(re.findall(r"metadata:\n(?:  .*\n)*?  namespace: (\S+)", text)), {"tapeline-try"})
        self.assertEqual(set(re.findall(r"image: (\S*tapeline/\S+)", text)),
                         {f"host:5000/x/tapeline/{image}:1.2.3" for image in judge.IMAGES})
        gateway = next(text for text in loaded
                       if "kind: StatefulSet" in text and "name: provider-gateway-load\n" in text)
        for name, value in {"GATEWAY_SOURCE": "load", "GATEWAY_PROVIDER": "synthetic", "SYNTHETIC_TICKS": f'"{TICKS}"',
                            "GATEWAY_INSTRUMENTS": '""'}.items():
            self.assertIn(f"        - name: {name}\n          value: {value}\n", gateway)
        maps = set(re.findall(r"kind: ConfigMap\nmetadata:\n(?:  .*\n)*?  name: (\S+)", text))
        self.assertIn(re.search(r"configMapRef:\n\s+name: (\S+)", gateway)[1], maps)


if __name__ == "__main__":
    unittest.main()
