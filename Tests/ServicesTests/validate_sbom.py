"""Says what is wrong with CycloneDX 1.5 files, by the format's own schema; nothing: they are right."""
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        problem = JsonStrictValidator(SchemaVersion.V1_5).validate_str(file.read())
    if problem is not None:
        print(f"{path}: {problem}")
