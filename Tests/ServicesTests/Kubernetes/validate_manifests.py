"""validate_manifests.py SCHEMAS VERSIONS FILE...: checks rendered manifests.

Objects of Kubernetes against the schemas of its API for each of VERSIONS (by commas), objects of KEDA
and of CloudNativePG against those in the folder SCHEMAS (of the latter: the fields that are used); all strictly, so that an unknown field is an error. Prints a
line per problem, and at the end how many objects were checked. Status 1: there are problems.
"""

import functools
import json
import pathlib
import sys

import jsonschema
import kubernetes_validate
import kubernetes_validate.utils
import yaml

# A schema is read once and not once per object.
kubernetes_validate.utils.schema_contents = functools.lru_cache(maxsize=None)(
    kubernetes_validate.utils.schema_contents
)

# Fields that a trigger may have in addition to the parameters in its schema: those of its
# authentication.
AUTHENTICATION = {"authModes"}


class Keda:
    def __init__(self, folder):
        def read(name):
            return json.loads((folder / name).read_text())

        self.kinds = {
            "ScaledObject": jsonschema.Draft7Validator(read("scaledobject.json")),
            "TriggerAuthentication": jsonschema.Draft7Validator(read("triggerauthentication.json")),
        }
        self.scalers = {scaler["type"]: scaler for scaler in read("scalers.json")["scalers"]}

    def problems(self, thing):
        validator = self.kinds.get(thing["kind"])
        if validator is None:
            return [f"no schema of KEDA for {thing['kind']}"]
        found = [
            f"{'.'.join(map(str, error.path))}: {error.message}"
            for error in validator.iter_errors(thing)
        ]
        for trigger in thing.get("spec", {}).get("triggers", []):
            found += self.of_trigger(trigger)
        return found

    def of_trigger(self, trigger):
        kind, metadata = trigger.get("type"), trigger.get("metadata", {})
        if kind not in self.scalers:
            return [f"no schema for the trigger {kind}"]
        parameters = {each["name"]: each for each in self.scalers[kind]["parameters"]}
        found = [
            f"{kind} has no parameter {name}"
            for name in metadata
            if name not in parameters and name not in AUTHENTICATION
        ]
        for name, parameter in parameters.items():
            value = metadata.get(name)
            if value is None:
                if not parameter.get("optional") and "default" not in parameter:
                    found.append(f"{kind} lacks {name}")
            elif value not in parameter.get("allowedValue", [value]):
                found.append(f"{kind}: {name} may not be {value}")
        return found


class CloudNativePG:
    def __init__(self, folder):
        schemas = json.loads((folder / "cloudnative-pg.json").read_text())
        self.kinds = {kind: jsonschema.Draft7Validator(schema) for kind, schema in schemas.items()}

    def problems(self, thing):
        validator = self.kinds.get(thing["kind"])
        if validator is None:
            return [f"no schema of CloudNativePG for {thing['kind']}"]
        return [
            f"{'.'.join(map(str, error.path))}: {error.message}"
            for error in validator.iter_errors(thing)
        ]


def of_kubernetes(thing, versions):
    for version in versions:
        try:
            kubernetes_validate.validate(thing, version, strict=True)
        except kubernetes_validate.utils.ValidationError as error:
            yield f"{version}: {'.'.join(map(str, error.path))}: {error.message}"
        except kubernetes_validate.utils.SchemaNotFoundError as error:
            yield error.message


def main():
    keda = Keda(pathlib.Path(sys.argv[1]))
    databases = CloudNativePG(pathlib.Path(sys.argv[1]))
    versions = sys.argv[2].split(",")
    count, problems = 0, []
    for path in sys.argv[3:]:
        with open(path) as file:
            things = [thing for thing in yaml.safe_load_all(file) if thing]
        for thing in things:
            count += 1
            if thing["apiVersion"].startswith("keda.sh/"):
                found = keda.problems(thing)
            elif "cnpg.io/" in thing["apiVersion"]:
                found = databases.problems(thing)
            else:
                found = list(of_kubernetes(thing, versions))
            name = f"{pathlib.Path(path).stem}: {thing['kind']}/{thing['metadata']['name']}"
            problems += [f"{name}: {problem}" for problem in found]
    print("\n".join(problems + [f"{count} objects checked"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
