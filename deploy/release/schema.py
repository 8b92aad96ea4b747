#!/usr/bin/env python3
"""Compares the schema of the tape's packets with those of earlier releases, by the rules of docs/wire-format.md.

  schema.py            a line for each thing that an earlier release's readers or tapes would not bear; exit code 1
  schema.py --keep     keep the schema as that of the version in VERSION (deploy/release/tape-VERSION.sbe.xml)

Released messages and fields stay where they are and mean the same. New fields come after the old block, new
messages have numbers that no message had. Until the first release no schema is kept, and it changes in place.
"""

import argparse
import pathlib
import re
import sys
import xml.etree.ElementTree as xml

import version as product

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = "Sources/Tape/TapeCodec/tape.sbe.xml"
KEPT = "deploy/release/tape-*.sbe.xml"
MESSAGE = "{http://fixprotocol.io/2016/sbe}message"
# What of a type is on the wire. Descriptions may change.
ENCODING = ("primitiveType", "encodingType", "length", "nullValue", "byteOrder")


class Schema:
    """A schema as tables: types, enumerations and messages, each by name or number."""

    def __init__(self, text):
        root = xml.fromstring(text)
        self.head = {key: root.get(key) for key in ("id", "package", "byteOrder")}
        self.version = int(root.get("version"))
        self.types = {each.get("name"): self.encoding(each) for each in root.find("types")}
        self.values = {
            each.get("name"): {int(value.text): value.get("name") for value in each}
            for each in root.find("types") if each.tag in ("enum", "set")}
        self.messages = {int(each.get("id")): Message(each) for each in root.iter(MESSAGE)}

    @staticmethod
    def encoding(node):
        own = (node.tag, *(node.get(key) for key in ENCODING))
        parts = [(part.get("name"), *(part.get(key) for key in ENCODING)) for part in node if part.tag == "type"]
        return own, parts


class Message:
    def __init__(self, node):
        self.name, self.bytes = node.get("name"), int(node.get("blockLength"))
        self.fields = {int(each.get("id")): (each.get("name"), each.get("type"), int(each.get("offset")))
                       for each in node if each.tag == "field"}
        self.since = {int(each.get("id")): int(each.get("sinceVersion", 0)) for each in node}
        self.texts = [(int(each.get("id")), each.get("name"), each.get("type"))
                      for each in node if each.tag == "data"]
        self.numbers = [int(each.get("id")) for each in node]


def own_problems(new):
    """Yields what is wrong with a schema by itself."""
    kinds = {}
    for number, message in new.messages.items():
        if number >> 8 & 15 != len(message.texts):
            yield f"{message.name}: its number says that {number >> 8 & 15} texts follow, not {len(message.texts)}"
        if number & 255 in kinds:
            yield f"{message.name} and {kinds[number & 255]} have the same low byte"
        kinds[number & 255] = message.name
        if len(set(message.numbers)) != len(message.numbers):
            yield f"{message.name}: two fields have one number"


def changed_message(old, new, versions):
    """Yields what readers or tapes of before would not bear in a message."""
    if new.name != old.name:
        yield f"{old.name} is called {new.name}: a number is never used again"
    for number, field in old.fields.items():
        if new.fields.get(number) != field:
            yield f"{old.name}.{field[0]}: {field} became {new.fields.get(number, 'nothing')}"
    if new.texts != old.texts:
        yield f"{old.name}: the texts behind the block became {new.texts}"
    if new.bytes < old.bytes:
        yield f"{old.name}: the block became shorter"
    for number in new.fields.keys() - old.fields.keys():
        name, _, offset = new.fields[number]
        if offset < old.bytes:
            yield f"{old.name}.{name}: a new field begins at {offset}, within the block of before ({old.bytes})"
        if not versions[0] < new.since[number] <= versions[1]:
            yield f"{old.name}.{name}: sinceVersion is {new.since[number]}; the schema went from {versions[0]} to " \
                  f"{versions[1]}"


def problems(old, new):
    """Returns what the readers of the old schema, or tapes that were written by it, would not bear."""
    found = list(own_problems(new))
    if new.head != old.head:
        found.append(f"the head became {new.head}")
    if new.version < old.version:
        found.append(f"the version went from {old.version} back to {new.version}")
    for name, encoding in old.types.items():
        if new.types.get(name) != encoding:
            found.append(f"type {name}: {encoding} became {new.types.get(name, 'nothing')}")
    for name, values in old.values.items():
        for number, word in values.items():
            if new.values.get(name, {}).get(number) != word:
                found.append(f"{name} {number} means {new.values.get(name, {}).get(number)} and meant {word}")
    before = {number & 255: message.name for number, message in old.messages.items()}
    for number, message in old.messages.items():
        if number not in new.messages:
            found.append(f"{message.name} is not there any more: tapes of before hold it")
        else:
            found += changed_message(message, new.messages[number], (old.version, new.version))
    for number in new.messages.keys() - old.messages.keys():
        if number & 255 in before:
            found.append(f"{new.messages[number].name} has the low byte of {before[number & 255]}")
        if new.version == old.version:
            found.append(f"{new.messages[number].name} is new, and the version of the schema is not")
    return found


def main(arguments, root=ROOT):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="keep the schema as that of the version in VERSION")
    options = parser.parse_args(arguments)
    text = (root / SCHEMA).read_text()
    kept = sorted(root.glob(KEPT))
    is_released = re.search(r"(?m)^## \d", (root / "CHANGELOG.md").read_text())
    if not kept and is_released and not options.keep:
        print(f"schema.py: no release's schema is kept ({KEPT})", file=sys.stderr)
        return 1
    failed = False
    for problem in own_problems(Schema(text)):
        failed = True
        print(problem)
    for path in kept:
        for problem in problems(Schema(path.read_text()), Schema(text)):
            failed = True
            print(f"{path.name}: {problem}")
    if options.keep and not failed:
        (root / "deploy/release" / f"tape-{product.read(root)}.sbe.xml").write_text(text)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
