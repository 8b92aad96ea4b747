#!/usr/bin/env python3
"""Judges Tapeline on the Kubernetes that kubectl reaches (KUBECONFIG), in a namespace of its own.

    deploy/kubernetes/try.py [--registry PREFIX] [--tag TAG] [--rate N] [--seconds N]
                             [--report FILE] [--keep]

It applies the overlay development with a second gateway, which makes ticks. While they come it
ends each pod within a second. At the end it audits every row. Nodes have the images
(tapeline/NAME:TAG), or pull them from PREFIX. Claims need a default StorageClass. On success it
removes the namespace, tapeline-try. Status 1: something is not as it has to be, or there is no
Kubernetes.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "compose")]
import cluster  # noqa: E402
from cluster import Failure, eventually, run  # noqa: E402
from store_report import Report  # noqa: E402

SPACE = "tapeline-try"
FLOOR = (1, 30)
READY_SECONDS = 600
AGAIN_SECONDS = 300
LOAD = "load"
SIMULATED = "ibkr-simulated"
NAME, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"
IMAGES = ("provider-gateway", "operator-worker", "store-writer", "cockpit", "tapeline", "ibkr-simulator")


class Namespace(cluster.Cluster):
    """Tapeline in the namespace. What it is asked is what the cluster of compose is asked."""

    def __init__(self):
        super().__init__(SPACE)

    def kubectl(self, *arguments, **options):
        return run(["kubectl", "--namespace", SPACE, *arguments], **options)

    def found(self, *arguments):
        return json.loads(self.kubectl("get", *arguments, "--output", "json").stdout)

    def query(self, sql):
        return self.kubectl("exec", "statefulset/timescaledb", "--", "psql", "-U", "postgres", "-d", "tapeline", "-AtX",
                            "-v", "ON_ERROR_STOP=1", "-c", sql).stdout.strip()

    def tool(self, *arguments, **options):
        return self.kubectl("exec", "deployment/tapeline", "--", "tapeline", *arguments, **options)

    def workloads(self):
        """Returns what makes pods, as kind/name, with the selector of its pods."""
        return {f"{each['kind'].lower()}/{each['metadata']['name']}":
                ",".join("=".join(label) for label in each["spec"]["selector"]["matchLabels"].items())
                for each in self.found("deployments,statefulsets")["items"]}

    def await_pods(self, workload, seconds):
        self.kubectl("rollout", "status", workload, f"--timeout={seconds}s", timeout=seconds + 60)


def write(folder, name, **fields):
    path = folder / name
    path.mkdir(parents=True, exist_ok=True)
    said = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", **fields}
    (path / "kustomization.yaml").write_text(json.dumps(said, indent=1))


def overlays(folder, options):
    """Writes two overlays: that of development in the namespace, and the same with the load."""
    # kustomize reads folders by relative paths alone.
    def there(path, name):
        return os.path.relpath(HERE / path, (folder / name).resolve())

    images = [{"name": f"tapeline/{name}", "newTag": options.tag,
               "newName": f"{options.registry}/tapeline/{name}" if options.registry else f"tapeline/{name}"}
              for name in IMAGES]
    symbols = ",".join(f"LOAD{number:02}" for number in range(1, 97))
    settings = {"GATEWAY_SOURCE": LOAD, "GATEWAY_PROVIDER": "synthetic", "GATEWAY_INSTRUMENTS": "",
                "SYNTHETIC_RATE": options.rate, "SYNTHETIC_TICKS": options.rate * options.seconds,
                "SYNTHETIC_SYMBOLS": symbols}
    environment = [{"name": key, "value": str(value)} for key, value in settings.items()]
    write(folder, "load", nameSuffix=f"-{LOAD}", resources=[there("base/gateway", "load")],
          labels=[{"pairs": {NAME: f"provider-gateway-{LOAD}"}, "includeSelectors": True}],
          patches=[{"target": {"kind": "StatefulSet"}, "patch": json.dumps([
              {"op": "replace", "path": "/spec/template/metadata/labels/tapeline~1provider", "value": "synthetic"},
              {"op": "replace", "path": "/spec/template/spec/containers/0/env", "value": environment}])}])
    development = there("overlays/development", "plain")
    write(folder, "plain", namespace=SPACE, images=images, resources=[development])
    write(folder, "loaded", namespace=SPACE, images=images, resources=[development, "../load"])


def apply(space, folder, report, what, seconds):
    """Applies an overlay, and looks whether a second time anything would change."""
    space.kubectl("apply", "--server-side", "-k", str(folder))
    for workload in space.workloads():
        space.await_pods(workload, seconds)
    again = space.kubectl("diff", "--server-side", "-k", str(folder), check=False)
    changed = ", ".join(re.findall(r"(?m)^\+\+\+ \S*/(\S+)", again.stdout))
    report.add(again.returncode == 0, f"{what}: every pod is ready, and another apply changes nothing",
               changed or again.stderr.strip()[-200:])


def start(space, folder, report):
    namespace = (HERE / "overlays/development/namespace.yaml").read_text()
    (folder / "namespace.yaml").write_text(namespace.replace("name: tapeline\n", f"name: {SPACE}\n"))
    space.kubectl("apply", "--server-side", "-f", str(folder / "namespace.yaml"))
    # Passwords of its own: the script makes them beside itself.
    run(["sh", shutil.copy(HERE.parent / "compose/secrets.sh", folder)])
    space.kubectl("create", "secret", "generic", "tapeline-passwords", f"--from-file={folder / 'secrets'}")
    # The first start pulls all images.
    apply(space, folder / "plain", report, "the overlay development", READY_SECONDS)
    passed = eventually("ticks of the simulator are rows", lambda: space.stored(SIMULATED) > 0, AGAIN_SECONDS)
    report.add(True, "ticks of the simulator are rows", f"after {passed:.0f} s")


def policies(space, report):
    """The tool may connect to NATS, and not to Valkey."""
    def is_let(host, port):
        knock = f"timeout 5 bash -c 'exec 3<>/dev/tcp/{host}/{port}' && echo open || echo shut"
        return space.kubectl("exec", "deployment/tapeline", "--", "sh", "-c", knock).stdout.strip() == "open"

    report.add(is_let("nats", 4222), "a pod connects to whom its policies name")
    report.add(True, "NOTE: the network of this Kubernetes holds no policies" if is_let("valkey", 6379)
               else "a pod does not connect to others")


def end_each(space, report):
    """Ends each pod, one after the other, so also that of a gateway that leads."""
    for workload, selector in space.workloads().items():
        pods = space.found("pods", "--selector", selector)["items"]
        for pod in sorted(each["metadata"]["name"] for each in pods if "deletionTimestamp" not in each["metadata"]):
            before = space.stored(SIMULATED)
            space.kubectl("delete", "pod", pod, "--grace-period=1")
            space.await_pods(workload, AGAIN_SECONDS)
            passed = eventually(f"rows come after the end of {pod}",
                                lambda: space.stored(SIMULATED) > before, AGAIN_SECONDS)
            report.add(True, f"{pod} is ended, and another one is ready", f"rows come {passed:.0f} s after that")


def end(space, report, options):
    total = options.rate * options.seconds
    eventually(f"all {total} ticks of the load are rows", lambda: space.stored(LOAD) >= total,
               options.seconds + cluster.CATCH_UP_SECONDS, 3)
    found = space.stored(LOAD)
    report.add(found == total, f"each of {total} ticks of the load is a row", f"{found} rows")
    space.kubectl("scale", "statefulset", "--selector", f"{COMPONENT}=provider-gateway", "--replicas=0")
    space.kubectl("wait", "pod", "--for=delete", "--selector", f"{COMPONENT}=provider-gateway", "--timeout=120s")
    answer = cluster.audited(space)
    for check in answer["checks"]:
        report.add(check["ok"], f"audit: {check['sentence']}", f"{check['found']} {check['detail']}".strip())
    report.add(answer["clean"], "the audit of every row is clean")


def reached():
    """Returns what kubectl says of the server; ends the program with one line where there is none."""
    try:
        said = json.loads(run(["kubectl", "version", "--output", "json", "--request-timeout=15s"]).stdout)
        version = said["serverVersion"]
        context = run(["kubectl", "config", "current-context"], check=False).stdout.strip() or "inside the cluster"
    except (Failure, OSError, ValueError, KeyError, subprocess.TimeoutExpired) as problem:
        reason = " ".join(str(problem).split())[-200:]
        sys.exit(f"try.py: no Kubernetes is reached ({reason}): set KUBECONFIG to one where Tapeline may be tried")
    if run(["kubectl", "get", "namespace", SPACE], check=False).returncode == 0:
        sys.exit(f"try.py: the namespace {SPACE} is there already: kubectl delete namespace {SPACE}")
    return version, context


def judge(space, options, report, version):
    numbers = tuple(int(re.match(r"\d+", version[part])[0]) for part in ("major", "minor"))
    report.add(numbers >= FLOOR, f"the version is {FLOOR[0]}.{FLOOR[1]} or later", version["gitVersion"])
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        overlays(folder, options)
        start(space, folder, report)
        policies(space, report)
        apply(space, folder / "loaded", report, "the same with a load", AGAIN_SECONDS)
    eventually("ticks of the load are rows", lambda: space.stored(LOAD) > 0, AGAIN_SECONDS)
    end_each(space, report)
    end(space, report, options)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--registry", default="", metavar="PREFIX", help="where nodes pull tapeline/NAME from")
    parser.add_argument("--tag", default="latest", help="the version of the images")
    parser.add_argument("--rate", type=int, default=500, metavar="N", help="ticks a second of the load")
    parser.add_argument("--seconds", type=int, default=600, metavar="N", help="how long the load lasts")
    parser.add_argument("--report", default="kubernetes-report.txt", metavar="FILE")
    parser.add_argument("--keep", action="store_true", help="leave the namespace")
    options = parser.parse_args(arguments)
    version, context = reached()
    space, report = Namespace(), Report()
    try:
        judge(space, options, report, version)
    except (Failure, OSError, ValueError, KeyError, subprocess.TimeoutExpired) as problem:
        report.add(False, "every step holds", str(problem))
    if report.is_well and not options.keep:
        space.kubectl("delete", "namespace", SPACE, "--timeout=300s")
    else:
        print(f"the namespace is left for a look: kubectl --namespace {SPACE} get pods; to remove it: "
              f"kubectl delete namespace {SPACE}")
    report.end(f"Kubernetes {version['gitVersion']}, context {context}", options.report)


if __name__ == "__main__":
    main(sys.argv[1:])
