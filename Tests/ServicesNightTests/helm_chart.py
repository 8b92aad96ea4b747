"""Tests of the chart in deploy/kubernetes by Helm's own engine; HelmChartTests runs it.

KUSTOMIZE in the environment: the program that renders the overlays.
Packages: helm-python-sdk, PyYAML (deploy/local/helm.packages)."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import helm_python as helm
import yaml

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/kubernetes"
SOURCES = sorted(folder.name for folder in (CHART / "sources").iterdir())
SERVICES = ["cockpit", "operator-worker", "provider-gateway", "store-writer"]
PODS = ["Deployment/cockpit", "Deployment/operator-worker", "Deployment/store-writer",
        "Deployment/store-writer-migrate", "Deployment/tapeline-setup", "StatefulSet/provider-gateway"]
NOTE = "/spec/template/metadata/annotations/tapeline/settings"
GATEWAY = "StatefulSet/provider-gateway/spec"
CLAIM = f"{GATEWAY}/volumeClaimTemplates/0/spec"
GONE = "is gone"
chart = helm.Chart.load(CHART)


def objects(text):
    """Returns all objects but the namespace, by kind and name."""
    things = [thing for thing in yaml.safe_load_all(text) if thing and thing["kind"] != "Namespace"]
    named = {f"{thing['kind']}/{thing['metadata']['name']}": thing for thing in things}
    assert len(named) == len(things)
    return named


def fields(thing, path):
    """Yields each field with its value."""
    if isinstance(thing, (dict, list)) and thing:
        for key, value in thing.items() if isinstance(thing, dict) else enumerate(thing):
            yield from fields(value, f"{path}/{key}")
    else:
        yield path, thing


def flat(things):
    return {path: value for name, thing in things.items() for path, value in fields(thing, name)}


def rendered(values=None, namespace="tapeline", of=chart):
    return objects("\n".join(of.render(values or {}, name="tapeline", namespace=namespace).values()))


def kustomized(folder):
    """Returns what kustomize makes, with ConfigMaps by their own names, without hashes."""
    text = subprocess.run(
        [os.environ["KUSTOMIZE"], "build", folder], check=True, stdout=subprocess.PIPE, text=True).stdout
    for thing in yaml.safe_load_all(text):
        found = re.fullmatch(r"(.+)-[a-z0-9]{10}", thing["metadata"]["name"])
        if thing["kind"] == "ConfigMap" and found:
            text = text.replace(found[0], found[1])
    return objects(text)


def overlay(of, sources, components, namespace):
    """Returns what kustomize makes of an overlay with more sources and components, in another namespace."""
    said = yaml.safe_load((CHART / "overlays" / of / "kustomization.yaml").read_text())
    with tempfile.TemporaryDirectory() as folder:
        def path(name):
            # Two components are in a folder of KEDA's.
            known = {"keda": "../keda/metrics-api", "keda-prometheus": "../keda/prometheus",
                     "keda-bearer": "../keda/prometheus-bearer"}
            return os.path.relpath(CHART / known.get(name, f"components/{name}"), os.path.realpath(folder))

        said["resources"] = [path(name) for name in ["../base", *(f"../sources/{source}" for source in sources)]]
        said["components"] = [path(component) for component in components]
        said["namespace"] = namespace
        (pathlib.Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(said))
        return kustomized(folder)


class Same(unittest.TestCase):
    """What Helm renders is what kustomize makes: the overlays patch what `helm template` prints."""

    maxDiff = None

    def same(self, by_helm, by_kustomize):
        ours = flat(by_helm)
        restarting = {path for path in ours if path.endswith(NOTE)}
        self.assertGreaterEqual(len(restarting), len(PODS))
        ours = {path: value for path, value in ours.items() if path not in restarting}
        self.assertEqual(ours, flat(by_kustomize))

    def test_without_values_it_is_the_base(self):
        found = rendered()
        for thing in found.values():
            self.assertEqual(thing["metadata"].pop("namespace"), "tapeline")
        self.same(found, kustomized(CHART / "base"))

    def test_every_overlay_of_production(self):
        scaling = {"production": [], "production-hpa": ["hpa"], "production-keda": ["keda"],
                   "production-keda-prometheus": ["keda-prometheus"]}
        folders = {folder.name for folder in (CHART / "overlays").iterdir()}
        self.assertEqual(folders - {"development"}, set(scaling))
        for name, components in scaling.items():
            with self.subTest(name):
                by_helm = rendered({"components": [*components, "production"]})
                self.same(by_helm, kustomized(CHART / "overlays" / name))

    def test_every_source_and_component_in_another_namespace(self):
        ours = ["alerts", "actions", "traces", "clickhouse", "questdb"]
        last = ["production", "cloudnative-pg", "new-generation"]
        tried = set()
        for of, scaling in (("production-keda", ["keda"]), ("production-hpa", ["hpa"]),
                            ("production-keda-prometheus", ["keda-prometheus", "keda-bearer"])):
            components = [*ours, *scaling, *last]
            tried |= {*components, "tool"}
            with self.subTest(of):
                self.same(rendered({"sources": SOURCES, "components": components}, "staging"),
                          overlay(of, SOURCES, components, "staging"))
        self.assertEqual(tried, set(chart.schema["properties"]["components"]["items"]["enum"]))
        # Two are for trying out alone: they read folders that a package should not hold.
        folders = {folder.name for folder in (CHART / "components").iterdir()} - {"servers", "simulator"}
        self.assertEqual(tried, folders | {"keda", "keda-prometheus", "keda-bearer"})


def said(path, value):
    """Returns values in which one is set."""
    first, _, rest = path.partition(".")
    return {first: said(rest, value) if rest else value}


def merged(one, other):
    return {**one, **{key: merged(one[key], value) if isinstance(value, dict) and key in one else value
                      for key, value in other.items()}}


def leaves(schema, path=""):
    """Yields the paths of all values with a name of their own."""
    for name, value in schema["properties"].items():
        inner = f"{path}{name}"
        if "properties" in value:
            yield from leaves(value, f"{inner}.")
        else:
            yield inner


def every_pod(field, value):
    return lambda before: {f"{pod}/spec/template/spec/{field}": value for pod in PODS}


def wherever(is_meant, change):
    """Returns the expectation that each field with such a value has another one."""
    return lambda before: {path: change(value) for path, value in before.items() if is_meant(path, value)}


def setting(key, value, *services):
    return lambda before: {f"ConfigMap/{service}/data/{key}": value for service in services}


# For each value: the other values, what it is set to, which fields it changes to what, and whose pods start again.
CASES = {
    "image.registry": ({}, "registry.test:5000/mine", wherever(
        lambda path, value: path.endswith("/image"), lambda value: f"registry.test:5000/mine/{value}"), []),
    "image.tag": ({}, "1.2.3", wherever(
        lambda path, value: path.endswith("/image"), lambda value: value.replace(":latest", ":1.2.3")), []),
    "settings.all": ({}, {"MDS_LEASE": "2s"}, setting(
        "MDS_LEASE", "2s", "operator-worker", "provider-gateway", "store-writer"), [
        "Deployment/operator-worker", "Deployment/store-writer", "Deployment/store-writer-migrate",
        "Deployment/tapeline-setup", "StatefulSet/provider-gateway"]),
    "settings.provider-gateway": (
        {"settings": {"all": {"GATEWAY_LAG_MAX": 7}}}, {"GATEWAY_LAG_MAX": 30000000},
        setting("GATEWAY_LAG_MAX", "30000000", "provider-gateway"),
        ["Deployment/tapeline-setup", "StatefulSet/provider-gateway"]),
    "settings.operator-worker": ({}, {"OPERATOR_GENERATION": 4}, setting(
        "OPERATOR_GENERATION", "4", "operator-worker"), ["Deployment/operator-worker"]),
    "settings.store-writer": ({}, {"VALKEY_PASSWORD_FILE": "/x"}, setting(
        "VALKEY_PASSWORD_FILE", "/x", "store-writer"), ["Deployment/store-writer", "Deployment/store-writer-migrate"]),
    # A secret's file is not in default.env.
    "settings.cockpit": ({"settings": {"cockpit": {"OPS_CORE_DUMPS": True}}}, {"COCKPIT_TOKEN_FILE": "/x"}, setting(
        "COCKPIT_TOKEN_FILE", "/x", "cockpit"), ["Deployment/cockpit"]),
    "instruments": ({"components": ["production"]}, "version: 1\n", lambda before: {
        "ConfigMap/instruments/data/instruments.yaml": "version: 1\n"}, []),
    "secret": ({}, "others", wherever(
        lambda path, value: path.endswith("/secret/secretName"), lambda value: "others"), []),
    "replicas": ({}, {"cockpit": 3, "provider-gateway": 1}, lambda before: {
        "Deployment/cockpit/spec/replicas": 3, f"{GATEWAY}/replicas": 1}, []),
    "resources": ({}, {"provider-gateway": {"limits": {"memory": "3Gi"}}}, lambda before: {
        f"{GATEWAY}/template/spec/containers/0/resources/limits/memory": "3Gi",
        f"{GATEWAY}/template/spec/containers/0/resources/requests/cpu": GONE,
        f"{GATEWAY}/template/spec/containers/0/resources/requests/memory": GONE}, []),
    "storage.size": ({}, "9Gi", lambda before: {f"{CLAIM}/resources/requests/storage": "9Gi"}, []),
    "storage.className": ({}, "fast", lambda before: {f"{CLAIM}/storageClassName": "fast"}, []),
    "pod.nodeSelector": ({}, {"pool": "feeds"}, every_pod("nodeSelector/pool", "feeds"), []),
    "pod.tolerations": ({}, [{"key": "feeds"}], every_pod("tolerations/0/key", "feeds"), []),
    "pod.affinity": ({}, {"nodeAffinity": {}}, every_pod("affinity/nodeAffinity", {}), []),
    "pod.priorityClassName": ({}, "high", every_pod("priorityClassName", "high"), []),
    "pod.imagePullSecrets": ({}, [{"name": "mine"}], every_pod("imagePullSecrets/0/name", "mine"), []),
    # A name may be that which another one had.
    "namespaces.monitoring": (
        {"components": ["alerts", "keda-prometheus"], "namespaces": {"keda": "monitoring"}}, "watch", wherever(
            lambda path, value: str(value) == "monitoring" and not path.endswith("/values/1")
            or ".monitoring.svc:" in str(value), lambda value: value.replace("monitoring", "watch")),
        ["Deployment/cockpit"]),
    "namespaces.keda": ({}, "scalers", wherever(lambda path, value: value == "keda", lambda value: "scalers"), []),
    "namespaces.cnpg-system": ({"components": ["production", "cloudnative-pg"]}, "databases", wherever(
        lambda path, value: value == "cnpg-system", lambda value: "databases"), []),
    "egress": ({"components": ["production"]}, {"to-nats": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}, lambda before: {
        "NetworkPolicy/to-nats/spec/egress/0/to/0/ipBlock/cidr": "192.0.2.0/24"}, []),
    "patches": ({}, [
        {"target": {"kind": "Deployment", "labelSelector": "app.kubernetes.io/component in (setup, cockpit)"},
         "patch": [{"op": "replace", "path": "/spec/replicas", "value": 5}]},
        {"target": {"name": "tapeline-setup", "kind": "Deployment"},
         "patch": [{"op": "add", "path": "/metadata/annotations", "value": {"a/b": "c"}},
                   {"op": "replace", "path": "/metadata/annotations/a~1b", "value": "d"},
                   {"op": "remove", "path": "/spec/strategy"}]}], lambda before: {
        "Deployment/cockpit/spec/replicas": 5, "Deployment/tapeline-setup/spec/replicas": 5,
        "Deployment/tapeline-setup/metadata/annotations/a/b": "d",
        "Deployment/tapeline-setup/spec/strategy/type": GONE}, []),
}


class Values(unittest.TestCase):
    maxDiff = None

    def changes(self, others, path, value):
        """Returns the objects before and after, and each field that changed."""
        both = merged(others, said(path, value))
        chart.validate_schema(both)
        before, after = rendered(others), rendered(both)
        old, new = flat(before), flat(after)
        keys = [key for key in {*old, *new} if old.get(key, GONE) != new.get(key, GONE)]
        return before, after, {key: new.get(key, GONE) for key in keys}

    def test_each_value_changes_exactly_its_fields(self):
        self.assertEqual({*CASES, "components", "sources"}, set(leaves(chart.schema)))
        for path, (others, value, expected, restarted) in CASES.items():
            with self.subTest(path):
                before, _, found = self.changes(others, path, value)
                wanted = expected(flat(before))
                self.assertTrue(wanted)
                notes = {key.removesuffix(NOTE) for key in found if key.endswith(NOTE)}
                self.assertEqual(notes, set(restarted))
                self.assertEqual({key: told for key, told in found.items() if not key.endswith(NOTE)}, wanted)

    def test_a_component_and_a_source_add_objects_and_change_none(self):
        source = ["NetworkPolicy/to-provider-fred", "PodDisruptionBudget/provider-gateway-fred",
                  "Service/provider-gateway-fred", "ServiceAccount/provider-gateway-fred",
                  "StatefulSet/provider-gateway-fred"]
        tool = ["Deployment/tapeline", "NetworkPolicy/from-tool", "NetworkPolicy/to-pages"]
        for path, value, expected in (("sources", ["fred"], source), ("components", ["tool"], tool)):
            with self.subTest(path):
                before, after, found = self.changes({}, path, value)
                self.assertEqual(sorted({*after} - {*before}), expected)
                self.assertEqual({"/".join(key.split("/")[:2]) for key in found}, set(expected))

    def test_the_values_of_the_guide_are_taken(self):
        guide = (CHART / "README.md").read_text()
        values = yaml.safe_load(re.search(r"(?s)<<end\n(.*?)\nend\n", guide)[1])
        chart.validate_schema(values)
        data = {name: rendered(values)[f"ConfigMap/{name}"]["data"] for name in ("store-writer", "cockpit")}
        self.assertEqual({name: each["POSTGRES_HOST"] for name, each in data.items()},
                         dict.fromkeys(data, values["settings"]["all"]["POSTGRES_HOST"]))

    def test_what_a_release_pins_stays_until_a_tag_is_said(self):
        with tempfile.TemporaryDirectory() as folder:
            chart.save_dir(folder)
            path = pathlib.Path(folder) / "tapeline/components/production/kustomization.yaml"
            text, count = re.subn(r"(/cockpit\n    newTag: \S+\n)", r"\1    digest: sha256:12\n", path.read_text())
            self.assertEqual(count, 1)
            path.write_text(text)

            def image(**values):
                with helm.Chart.load(path.parents[2]) as pinned:
                    things = rendered({"components": ["production"], "image": values}, of=pinned)
                return things["Deployment/cockpit"]["spec"]["template"]["spec"]["containers"][0]["image"]

            self.assertEqual(image(), "registry.example.com/tapeline/cockpit@sha256:12")
            self.assertEqual(image(registry="mine"), "mine/tapeline/cockpit@sha256:12")
            self.assertEqual(image(tag="2"), "registry.example.com/tapeline/cockpit:2")

    def test_mistakes_are_refused_with_their_names(self):
        for values, told in [
            ({"replica": {}}, "replica"), ({"settings": {"worker": {}}}, "worker"),
            ({"components": ["servers"]}, "components"), ({"image": {"tag": 1}}, "tag"),
            ({"patches": [{"target": {}, "patch": [{"op": "move", "path": "/a"}]}]}, "op"),
            ({"sources": ["nasdaq"]}, "the chart has no folder sources/nasdaq"),
            ({"settings": {"all": {"MDS_LEASES": "1s"}}}, "settings.all: there is no setting MDS_LEASES"),
            ({"settings": {"cockpit": {"MDS_STREAM_BYTES": "1"}}}, "settings.cockpit: there is no setting"),
            ({"components": ["tool", "production"]}, "pods tapeline is there twice"),
            ({"components": ["keda"], "replicas": {"store-writer": 3}}, "a scaler sets those of store-writer"),
            ({"replicas": {"writers": 3}}, "replicas: there is no writers"),
            ({"egress": {"to-nats": []}}, "egress: there is no to-nats"),
            ({"instruments": "x"}, "only the component production has a list"),
            ({"patches": [{"target": {"name": "cockpit", "kind": "Deployment"},
                           "patch": [{"op": "replace", "path": "/spec/replica", "value": 1}]}]}, "no such field"),
        ]:
            with self.subTest(told), self.assertRaises(helm.HelmError) as refused:
                chart.validate_schema(values)
                rendered(values)
            self.assertIn(told, str(refused.exception))


class Package(unittest.TestCase):
    def test_lint_has_no_complaint(self):
        report = helm.lint(CHART, strict=True)
        self.assertEqual([each for each in report["messages"] if each["severity"] > 1] + report["errors"], [])

    def test_the_package_renders_the_same_and_holds_no_more_than_it_reads(self):
        with tempfile.TemporaryDirectory() as folder:
            with helm.Chart.load(helm.package(CHART, destination=folder)) as packed:
                values = {"components": ["alerts", "keda", "production"], "sources": SOURCES}
                self.assertEqual(rendered(values, of=packed), rendered(values))
                found = {file["name"].split("/")[0] for file in packed.files}
        self.assertEqual(found, {".helmignore", "alertmanager", "base", "components", "keda", "settings", "sources"})


if __name__ == "__main__":
    unittest.main()
